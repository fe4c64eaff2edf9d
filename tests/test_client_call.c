#include "client/call.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client/deadline.h"
#include "client/session.h"
#include "tests/support/client_fixture.h"
#include "tests/support/pair_handle.h"

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, client_fixture_setup,            \
					client_fixture_teardown)

static void lose(struct client_fixture *fixture, int method, unsigned int times)
{
	const struct fake_rule rule = { .method = method,
					.act = FAKE_LOSE,
					.times = times };

	fake_server_rule(fixture->server, rule);
}

static int call_method(struct client_fixture *fixture, enum method_id method)
{
	struct message_request request = pair_handle_request(method);
	struct message_reply reply;
	int r = call(fixture->handle, &request, 1, &reply);

	if (r == 0)
		message_reply_deinit(&reply);
	return r;
}

static void test_a_call_gives_its_reply(void **state)
{
	struct client_fixture *fixture = *state;
	struct message_request request = pair_handle_request(METHOD_COUNT);
	struct message_reply reply;

	assert_int_equal(fixture_put(fixture->handle, "k", "v"), 0);
	assert_int_equal(call(fixture->handle, &request, 0, &reply), 0);
	assert_int_equal(reply.count, 1);
	message_reply_deinit(&reply);
	assert_int_equal(fixture->handle->tickets.n, 0);
}

static void test_a_read_that_was_cut_off_is_sent_once_more(void **state)
{
	struct client_fixture *fixture = *state;

	lose(fixture, METHOD_COUNT, 1);
	assert_int_equal(call_method(fixture, METHOD_COUNT), 0);
	assert_int_equal(fake_server_seen(fixture->server, METHOD_COUNT), 2);
	assert_int_equal(fake_server_connections(fixture->server), 2);
}

static void test_a_read_that_is_cut_off_twice_fails(void **state)
{
	struct client_fixture *fixture = *state;

	lose(fixture, METHOD_COUNT, 0);
	assert_int_equal(call_method(fixture, METHOD_COUNT),
			 GETME_E_DISCONNECTED);
	assert_int_equal(fake_server_seen(fixture->server, METHOD_COUNT), 2);
}

static void test_a_write_that_was_sent_is_never_sent_again(void **state)
{
	struct client_fixture *fixture = *state;
	const char *text;

	lose(fixture, METHOD_PUT, 1);
	assert_int_equal(call_method(fixture, METHOD_PUT),
			 GETME_E_UNKNOWN_OUTCOME);
	assert_int_equal(fake_server_seen(fixture->server, METHOD_PUT), 1);
	text = getme_last_error(fixture->handle);
	assert_non_null(strstr(text, getme_strerror(GETME_E_UNKNOWN_OUTCOME)));
	assert_non_null(strstr(text, "closed the connection"));
}

static void test_without_a_daemon_nothing_was_sent(void **state)
{
	struct client_fixture *fixture = *state;

	fake_server_down(fixture->server);
	assert_int_equal(call_method(fixture, METHOD_PUT), GETME_E_NO_DAEMON);
	assert_int_equal(call_method(fixture, METHOD_COUNT), GETME_E_NO_DAEMON);
	fake_server_up(fixture->server);
	assert_int_equal(call_method(fixture, METHOD_PUT), 0);
	assert_int_equal(fake_server_seen(fixture->server, METHOD_PUT), 1);
}

/* A write that had no time to be sent is known not to be done. */
static void test_a_write_without_room_has_no_timeout(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	struct message_request request = pair_handle_request(METHOD_PING);
	const struct fake_rule hold = { .method = METHOD_PING,
					.act = FAKE_HOLD };

	fake_server_rule(fixture->server, hold);
	handle->limits.in_flight_max = 1;
	assert_int_equal(session_push(handle, &request, 0, NULL), 0);
	assert_int_equal(call_prepare(handle, METHOD_PUT, DEADLINE_NOW),
			 GETME_E_NO_DAEMON);
	assert_int_equal(call_prepare(handle, METHOD_GET, DEADLINE_NOW),
			 GETME_E_TIMEOUT);
	assert_non_null(strstr(getme_last_error(handle), "timed out"));
	fake_server_release(fixture->server);
}

/* The limit was that of a daemon that has gone since. */
static void test_a_limit_of_the_last_daemon_does_not_count(void **state)
{
	struct client_fixture *fixture = *state;
	const struct fake_hello hello = { .protocol = MESSAGE_PROTOCOL };

	fixture->handle->limits.value_max = 0;
	assert_int_equal(call_method(fixture, METHOD_PUT), GETME_E_TOO_LARGE);
	fake_server_set_hello(fixture->server, hello);
	fake_server_drop(fixture->server);
	assert_int_equal(call_method(fixture, METHOD_PUT), 0);
	assert_int_equal(fake_server_seen(fixture->server, METHOD_PUT), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_call_gives_its_reply),
		TEST(test_a_read_that_was_cut_off_is_sent_once_more),
		TEST(test_a_read_that_is_cut_off_twice_fails),
		TEST(test_a_write_that_was_sent_is_never_sent_again),
		TEST(test_without_a_daemon_nothing_was_sent),
		TEST(test_a_write_without_room_has_no_timeout),
		TEST(test_a_limit_of_the_last_daemon_does_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
