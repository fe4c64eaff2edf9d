#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/getme.h"
#include "tests/support/client_fixture.h"

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, client_fixture_setup,            \
					client_fixture_teardown)

enum {
	MANY = 10000,
	VALUE_LEN = 1000, /* many of them are more than all buffers hold */
};

static char tags[MANY];

static int submit_put(struct getme *handle, int i)
{
	char key[16];
	char value[VALUE_LEN];

	int len = snprintf(key, sizeof(key), "%d", i);

	memset(value, i, sizeof(value));
	memcpy(value, key, (size_t)len);
	return getme_submit_put(handle, key, strlen(key), value, sizeof(value),
				NULL, &tags[i]);
}

static int submit_get(struct getme *handle, int i)
{
	char key[16];

	snprintf(key, sizeof(key), "%d", i);
	return getme_submit_get(handle, key, strlen(key), &tags[i]);
}

static void check_value(const struct getme_value *value, int i)
{
	char key[16];

	snprintf(key, sizeof(key), "%d", i);
	assert_int_equal(value->len, VALUE_LEN);
	assert_memory_equal(value->data, key, strlen(key));
	assert_int_equal(((const char *)value->data)[VALUE_LEN - 1], (char)i);
}

static void collect(struct getme *handle, int i, int result,
		    struct getme_answer *answer)
{
	memset(answer, 0xff, sizeof(*answer));
	assert_int_equal(getme_collect(handle, 1, answer), 0);
	assert_ptr_equal(answer->tag, &tags[i]);
	assert_int_equal(answer->result, result);
}

/* All submitted before the first is collected, then all the answers. */
static void many_at_once(struct client_fixture *fixture)
{
	struct getme *handle = fixture->handle;
	struct getme_answer answer;
	int i;

	for (i = 0; i < MANY; i++)
		assert_int_equal(submit_put(handle, i), 0);
	assert_int_equal(getme_pending(handle), MANY);
	for (i = 0; i < MANY; i++) {
		collect(handle, i, 0, &answer);
		assert_int_not_equal(answer.written.version, 0);
	}
	for (i = 0; i < MANY; i++)
		assert_int_equal(submit_get(handle, i), 0);
	for (i = 0; i < MANY; i++) {
		collect(handle, i, 0, &answer);
		check_value(&answer.value, i);
	}
	assert_int_equal(getme_pending(handle), 0);
	assert_int_equal(getme_collect(handle, 1, &answer), GETME_END);
}

static void test_many_at_once(void **state)
{
	many_at_once(*state);
}

static void test_many_with_a_slow_server_and_small_sockets(void **state)
{
	struct client_fixture *fixture = *state;

	fixture_shrink_socket(fixture->handle);
	fake_server_slow(fixture->server, 700);
	many_at_once(fixture);
}

static void test_many_where_the_daemon_takes_few(void **state)
{
	struct client_fixture *fixture = *state;
	struct fake_hello hello = { .protocol = 1, .pipeline = 3 };

	fake_server_set_hello(fixture->server, hello);
	fake_server_drop(fixture->server);
	many_at_once(fixture);
}

/* A window of requests under way, as most programs have it. */
static void test_window(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	struct getme_answer answer;
	int submitted = 0;
	int i;

	for (i = 0; i < MANY; i++) {
		while (submitted < MANY && submitted < i + 100)
			assert_int_equal(submit_put(handle, submitted++), 0);
		collect(handle, i, 0, &answer);
	}
}

static void test_each_kind_of_request(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	struct getme_write_options options = GETME_WRITE_OPTIONS_INIT;
	struct getme_batch *batch;
	struct getme_answer answer;

	assert_int_equal(getme_batch_new(&batch), 0);
	options.if_absent = 1;
	assert_int_equal(getme_batch_put(batch, "a", 1, "1", 1, NULL), 0);
	assert_int_equal(getme_batch_put(batch, "b", 1, "1", 1, &options), 0);
	assert_int_equal(getme_submit_get(handle, "a", 1, &tags[0]), 0);
	assert_int_equal(getme_submit_batch(handle, batch, NULL, &tags[1]), 0);
	assert_int_equal(getme_submit_batch(handle, batch, NULL, &tags[2]), 0);
	getme_batch_free(batch);
	assert_int_equal(getme_submit_get(handle, "a", 1, &tags[3]), 0);
	assert_int_equal(
		getme_submit_put(handle, "a", 1, "2", 1, &options, &tags[4]),
		0);
	assert_int_equal(getme_submit_delete(handle, "a", 1, NULL, &tags[5]),
			 0);
	assert_int_equal(getme_submit_delete(handle, "a", 1, NULL, NULL), 0);
	collect(handle, 0, GETME_NOT_FOUND, &answer);
	assert_null(answer.value.data);
	collect(handle, 1, 0, &answer);
	assert_int_equal(answer.written.durability, GETME_ALWAYS);
	collect(handle, 2, GETME_CONDITION, &answer);
	assert_int_equal(answer.written.failed_index, 1);
	collect(handle, 3, 0, &answer);
	assert_true(fixture_is(&answer.value, "1"));
	collect(handle, 4, GETME_CONDITION, &answer);
	collect(handle, 5, 0, &answer);
	assert_int_equal(answer.written.deleted, 1);
	assert_int_equal(getme_collect(handle, 1, &answer), 0);
	assert_null(answer.tag);
	assert_int_equal(answer.written.deleted, 0);
}

static void test_collect_without_waiting(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	struct fake_rule hold = { .method = METHOD_GET,
				  .act = FAKE_HOLD,
				  .times = 1 };
	struct getme_answer answer;
	struct pollfd poll_fd = { .events = POLLIN };
	int r;

	fake_server_rule(fixture->server, hold);
	assert_int_equal(getme_collect(handle, 0, &answer), GETME_END);
	assert_int_equal(getme_submit_get(handle, "k", 1, NULL), 0);
	assert_int_equal(getme_collect(handle, 0, &answer), -EAGAIN);
	fake_server_await(fixture->server, METHOD_GET, 1);
	assert_int_equal(getme_collect(handle, 0, &answer), -EAGAIN);
	assert_int_equal(getme_pending(handle), 1);
	fake_server_release(fixture->server);
	poll_fd.fd = getme_fd(handle);
	assert_int_equal(poll(&poll_fd, 1, FIXTURE_LONG_MS), 1);
	while ((r = getme_collect(handle, 0, &answer)) == -EAGAIN)
		assert_int_equal(poll(&poll_fd, 1, FIXTURE_LONG_MS), 1);
	assert_int_equal(r, 0);
	assert_int_equal(answer.result, GETME_NOT_FOUND);
}

static void test_nothing_is_lost_when_collecting_times_out(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	struct fake_rule hold = { .method = METHOD_PUT,
				  .act = FAKE_HOLD,
				  .times = 1 };
	struct getme_answer answer;

	fake_server_rule(fixture->server, hold);
	assert_int_equal(submit_put(handle, 7), 0);
	assert_int_equal(getme_set_timeout(handle, FIXTURE_SHORT_MS), 0);
	assert_int_equal(getme_collect(handle, 1, &answer), GETME_E_TIMEOUT);
	assert_int_equal(getme_collect(handle, 1, &answer), GETME_E_TIMEOUT);
	fake_server_release(fixture->server);
	assert_int_equal(getme_set_timeout(handle, FIXTURE_LONG_MS), 0);
	collect(handle, 7, 0, &answer);
}

/* An event loop of somebody else's drives everything. */
static void test_foreign_loop(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	struct getme_answer answer;
	struct pollfd poll_fd;
	int submitted = 0;
	int collected = 0;

	fixture_shrink_socket(handle);
	fake_server_slow(fixture->server, 5000);
	while (collected < 1000) {
		while (submitted < 1000 && submitted < collected + 50)
			assert_int_equal(submit_put(handle, submitted++), 0);
		poll_fd.fd = getme_fd(handle);
		poll_fd.events = (short)getme_events(handle);
		assert_true(poll_fd.events & POLLIN);
		assert_int_equal(poll(&poll_fd, 1, FIXTURE_LONG_MS), 1);
		assert_int_equal(getme_process(handle), 0);
		while (getme_pending(handle) > 0 &&
		       getme_collect(handle, 0, &answer) == 0) {
			assert_ptr_equal(answer.tag, &tags[collected]);
			assert_int_equal(answer.result, 0);
			collected++;
		}
	}
	assert_int_equal(getme_events(handle), POLLIN);
}

static void test_process_tells_of_a_lost_connection(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;

	assert_int_equal(getme_process(handle), 0);
	fake_server_drop(fixture->server);
	assert_int_equal(getme_process(handle), GETME_E_DISCONNECTED);
	assert_int_equal(getme_fd(handle), -1);
	assert_int_equal(getme_events(handle), 0);
	assert_int_equal(getme_process(handle), 0);
	assert_int_equal(submit_put(handle, 1), 0);
	assert_true(getme_fd(handle) >= 0);
}

/* Synchronous calls wait behind what was submitted, and disturb nothing. */
static void test_synchronous_calls_between(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	struct getme_answer answer;
	struct getme_value value;
	int i;

	for (i = 0; i < 100; i++) {
		assert_int_equal(submit_put(handle, i), 0);
		assert_int_equal(submit_get(handle, i), 0);
		assert_int_equal(fixture_put(handle, "sync", "value"), 0);
		assert_int_equal(fixture_get(handle, "sync", &value), 0);
		assert_true(fixture_is(&value, "value"));
	}
	assert_int_equal(getme_pending(handle), 200);
	for (i = 0; i < 100; i++) {
		collect(handle, i, 0, &answer);
		collect(handle, i, 0, &answer);
		check_value(&answer.value, i);
		assert_true(fixture_has(handle, "sync", "value"));
	}
}

/* What was answered stays answered; the rest gets its own result each. */
static void test_lost_connection_settles_each_request(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	struct fake_rule lose = { .method = METHOD_PUT,
				  .act = FAKE_LOSE,
				  .skip = 2 };
	struct getme_answer answer;
	int i;

	fake_server_rule(fixture->server, lose);
	for (i = 0; i < 4; i++) {
		assert_int_equal(submit_put(handle, i), 0);
		assert_int_equal(submit_get(handle, i), 0);
	}
	for (i = 0; i < 2; i++) {
		collect(handle, i, 0, &answer);
		collect(handle, i, 0, &answer);
		check_value(&answer.value, i);
	}
	for (i = 2; i < 4; i++) {
		collect(handle, i, GETME_E_UNKNOWN_OUTCOME, &answer);
		assert_non_null(strstr(getme_last_error(handle), "closed"));
		collect(handle, i, GETME_E_DISCONNECTED, &answer);
	}
	assert_int_equal(getme_collect(handle, 1, &answer), GETME_END);
	assert_int_equal(getme_ping(handle), 0);
}

/* Those that never left are told apart from those that may have. */
static void test_unsent_requests_are_never_sent(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	size_t len = 4 << 20;
	char *value = calloc(1, len);
	struct getme_answer answer;

	assert_non_null(value);
	fake_server_stop_reading(fixture->server, true);
	assert_int_equal(getme_submit_put(handle, "large", 5, value, 200 << 10,
					  NULL, &tags[0]),
			 0);
	assert_int_equal(getme_submit_put(handle, "large", 5, value, len, NULL,
					  &tags[1]),
			 0);
	assert_int_equal(getme_set_timeout(handle, FIXTURE_SHORT_MS), 0);
	assert_int_equal(submit_put(handle, 2), GETME_E_NO_DAEMON);
	fake_server_drop(fixture->server);
	collect(handle, 0, GETME_E_UNKNOWN_OUTCOME, &answer);
	collect(handle, 1, GETME_E_UNKNOWN_OUTCOME, &answer);
	fake_server_stop_reading(fixture->server, false);
	assert_int_equal(getme_set_timeout(handle, FIXTURE_LONG_MS), 0);
	assert_int_equal(getme_ping(handle), 0);
	assert_int_equal(fake_server_seen(fixture->server, METHOD_PUT), 0);
	free(value);
}

static void test_gathered_requests_are_dropped_with_the_connection(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	struct getme_answer answer;
	int i;

	for (i = 0; i < 3; i++)
		assert_int_equal(submit_put(handle, i), 0);
	assert_int_equal(submit_get(handle, 3), 0);
	fake_server_drop(fixture->server);
	for (i = 0; i < 3; i++)
		collect(handle, i, GETME_E_NO_DAEMON, &answer);
	collect(handle, 3, GETME_E_DISCONNECTED, &answer);
	assert_int_equal(getme_ping(handle), 0);
	assert_int_equal(fake_server_seen(fixture->server, METHOD_PUT), 0);
}

/* A synchronous call that runs out of time takes the connection with it. */
static void test_timeout_settles_what_was_submitted(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	struct fake_rule silent = { .method = METHOD_PUT,
				    .act = FAKE_SILENT,
				    .skip = 1 };
	struct getme_answer answer;

	fake_server_rule(fixture->server, silent);
	assert_int_equal(submit_put(handle, 0), 0);
	assert_int_equal(submit_put(handle, 1), 0);
	assert_int_equal(submit_get(handle, 2), 0);
	assert_int_equal(getme_set_timeout(handle, FIXTURE_SHORT_MS), 0);
	assert_int_equal(getme_ping(handle), GETME_E_TIMEOUT);
	assert_int_equal(getme_fd(handle), -1);
	assert_int_equal(getme_pending(handle), 3);
	collect(handle, 0, 0, &answer);
	collect(handle, 1, GETME_E_UNKNOWN_OUTCOME, &answer);
	collect(handle, 2, GETME_E_DISCONNECTED, &answer);
}

static void test_answers_outlive_a_reconnect(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	struct fake_rule lose = { .method = METHOD_PING, .act = FAKE_LOSE };
	struct getme_answer answer;
	struct getme_scan *scan;
	struct getme_item item;
	int i;

	for (i = 0; i < 10; i++) {
		assert_int_equal(submit_put(handle, i), 0);
		assert_int_equal(submit_get(handle, i), 0);
	}
	fake_server_rule(fixture->server, lose);
	assert_int_equal(getme_ping(handle), GETME_E_DISCONNECTED);
	assert_int_equal(getme_scan_open(handle, NULL, &scan), 0);
	assert_int_equal(getme_scan_next(scan, &item), 0);
	for (i = 0; i < 10; i++) {
		collect(handle, i, 0, &answer);
		collect(handle, i, 0, &answer);
		check_value(&answer.value, i);
	}
	assert_int_equal(getme_scan_next(scan, &item), 0);
	getme_scan_close(scan);
	assert_int_equal(getme_pending(handle), 0);
}

/* A failed ticket lies in front of a scan's step, which moves the input. */
static void test_scan_behind_failed_answers(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	struct getme_answer answer;
	struct getme_scan *scan;
	struct getme_item item;

	assert_int_equal(fixture_put(handle, "k", "v"), 0);
	assert_int_equal(submit_put(handle, 0), 0);
	fake_server_drop(fixture->server);
	assert_int_equal(getme_process(handle), GETME_E_DISCONNECTED);
	assert_int_equal(getme_scan_open(handle, NULL, &scan), 0);
	assert_int_equal(getme_scan_next(scan, &item), 0);
	assert_int_equal(getme_scan_next(scan, &item), GETME_END);
	assert_int_equal(getme_ping(handle), 0);
	collect(handle, 0, GETME_E_NO_DAEMON, &answer);
	assert_int_equal(getme_ping(handle), 0);
	getme_scan_close(scan);
}

static void test_answer_of_the_wrong_shape(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	struct fake_rule rule = { .method = METHOD_PUT,
				  .act = FAKE_WRONG_SHAPE,
				  .times = 1 };
	struct getme_answer answer;

	fake_server_rule(fixture->server, rule);
	assert_int_equal(submit_put(handle, 0), 0);
	assert_int_equal(submit_put(handle, 1), 0);
	fake_server_await(fixture->server, METHOD_HELLO, 1);
	collect(handle, 0, GETME_E_UNKNOWN_OUTCOME, &answer);
	assert_int_equal(getme_fd(handle), -1);
	assert_int_equal(getme_collect(handle, 1, &answer), 0);
	assert_true(answer.result == 0 ||
		    answer.result == GETME_E_UNKNOWN_OUTCOME);
	assert_int_equal(getme_ping(handle), 0);
}

static void test_bad_arguments(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	struct getme_batch *batch;
	struct getme_answer answer;

	assert_int_equal(getme_submit_get(NULL, "k", 1, NULL), -EINVAL);
	assert_int_equal(getme_submit_get(handle, NULL, 1, NULL), -EINVAL);
	assert_int_equal(getme_submit_get(handle, "k", 0, NULL), -EINVAL);
	assert_int_equal(getme_submit_put(NULL, "k", 1, "v", 1, NULL, NULL),
			 -EINVAL);
	assert_int_equal(getme_submit_put(handle, NULL, 1, "v", 1, NULL, NULL),
			 -EINVAL);
	assert_int_equal(getme_submit_put(handle, "k", 1, NULL, 1, NULL, NULL),
			 -EINVAL);
	assert_int_equal(getme_submit_delete(NULL, "k", 1, NULL, NULL),
			 -EINVAL);
	assert_int_equal(getme_submit_delete(handle, NULL, 1, NULL, NULL),
			 -EINVAL);
	assert_int_equal(getme_batch_new(&batch), 0);
	assert_int_equal(getme_submit_batch(handle, batch, NULL, NULL),
			 -EINVAL);
	assert_int_equal(getme_batch_delete(batch, "k", 1, NULL), 0);
	assert_int_equal(getme_submit_batch(NULL, batch, NULL, NULL), -EINVAL);
	assert_int_equal(getme_submit_batch(handle, NULL, NULL, NULL), -EINVAL);
	getme_batch_free(batch);
	assert_int_equal(getme_pending(handle), 0);
	assert_int_equal(getme_submit_get(handle, "k", 1, NULL), 0);
	assert_int_equal(getme_collect(handle, 1, NULL), -EINVAL);
	assert_int_equal(getme_pending(handle), 1);
	assert_int_equal(getme_collect(NULL, 1, &answer), -EINVAL);
	assert_int_equal(getme_process(NULL), -EINVAL);
	assert_int_equal(getme_fd(NULL), -EINVAL);
	assert_int_equal(getme_events(NULL), -EINVAL);
	assert_int_equal(getme_pending(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_many_at_once),
		TEST(test_many_with_a_slow_server_and_small_sockets),
		TEST(test_many_where_the_daemon_takes_few),
		TEST(test_window),
		TEST(test_each_kind_of_request),
		TEST(test_collect_without_waiting),
		TEST(test_nothing_is_lost_when_collecting_times_out),
		TEST(test_foreign_loop),
		TEST(test_process_tells_of_a_lost_connection),
		TEST(test_synchronous_calls_between),
		TEST(test_lost_connection_settles_each_request),
		TEST(test_unsent_requests_are_never_sent),
		TEST(test_gathered_requests_are_dropped_with_the_connection),
		TEST(test_timeout_settles_what_was_submitted),
		TEST(test_answers_outlive_a_reconnect),
		TEST(test_scan_behind_failed_answers),
		TEST(test_answer_of_the_wrong_shape),
		TEST(test_bad_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
