/*
 * What a lost, silent or mad daemon leaves behind: for reads an error or a
 * second try, for writes never a lie.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include <cmocka.h>

#include "client/getme.h"
#include "tests/support/client_fixture.h"

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, client_fixture_setup,            \
					client_fixture_teardown)

enum {
	/* More than any small reply of these tests has. */
	CUTS = 64,
	/* What the shortest get and put have. */
	GET_LEN = 16,
	PUT_LEN = 19,
	LARGE = 4 << 20, /* no socket takes it at once */
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void add_rule(struct client_fixture *fixture, int method,
		     enum fake_act act, size_t at, unsigned int times)
{
	struct fake_rule rule = {
		.method = method, .act = act, .times = times, .at = at
	};

	fake_server_rule(fixture->server, rule);
}

/* One call of each kind of write, on the key "k". */
static int write_by(struct getme *handle, int kind)
{
	const struct getme_bytes keys[] = { { "k", 1 }, { "j", 1 } };
	struct getme_batch *batch;
	int r;

	switch (kind) {
	case 0:
		return fixture_put(handle, "k", "v");
	case 1:
		return getme_delete(handle, "k", 1, NULL, NULL);
	case 2:
		return getme_incr(handle, "k", 1, 1, NULL, NULL);
	case 3:
		return getme_touch(handle, "k", 1, NULL, NULL);
	case 4:
		return getme_clear(handle);
	case 5:
		return getme_delete_many(handle, keys, 2, NULL, NULL);
	default:
		assert_int_equal(getme_batch_new(&batch), 0);
		getme_batch_put(batch, "k", 1, "v", 1, NULL);
		r = getme_batch_apply(handle, batch, NULL, NULL);
		getme_batch_free(batch);
		return r;
	}
}

enum {
	WRITE_KINDS = 7,
	READ_KINDS = 8,
};

static int read_by(struct getme *handle, int kind)
{
	const struct getme_bytes keys[] = { { "k", 1 }, { "j", 1 } };
	const struct getme_stats_row *rows;
	struct getme_item items[2];
	struct getme_value value;
	struct getme_scan *scan;
	uint64_t n;
	size_t n_rows;
	int r;

	switch (kind) {
	case 0:
		return fixture_get(handle, "k", &value);
	case 1:
		return getme_stat(handle, "k", 1, &value);
	case 2:
		return getme_exists(handle, "k", 1);
	case 3:
		return getme_ping(handle);
	case 4:
		return getme_count(handle, &n);
	case 5:
		return getme_stats(handle, &rows, &n_rows);
	case 6:
		return getme_get_many(handle, keys, 2, items);
	default:
		assert_int_equal(getme_scan_open(handle, NULL, &scan), 0);
		r = getme_scan_next(scan, items);
		getme_scan_close(scan);
		return r;
	}
}

static void test_write_without_its_reply_is_unknown(void **state)
{
	struct client_fixture *fixture = *state;
	int kind;

	for (kind = 0; kind < WRITE_KINDS; kind++) {
		fake_server_forget_rules(fixture->server);
		add_rule(fixture, FAKE_ANY, FAKE_LOSE, 0, 0);
		assert_int_equal(write_by(fixture->handle, kind),
				 GETME_E_UNKNOWN_OUTCOME);
		assert_non_null(strstr(getme_last_error(fixture->handle),
				       "closed the connection"));
	}
	/* None was sent twice. */
	assert_int_equal(fake_server_seen(fixture->server, FAKE_ANY),
			 WRITE_KINDS);
}

static void test_write_with_a_torn_reply_is_unknown(void **state)
{
	struct client_fixture *fixture = *state;
	size_t at;
	int r = GETME_E_UNKNOWN_OUTCOME;

	for (at = 0; r == GETME_E_UNKNOWN_OUTCOME; at++) {
		assert_in_range(at, 0, CUTS);
		fake_server_forget_rules(fixture->server);
		add_rule(fixture, METHOD_PUT, FAKE_CUT, at, 1);
		r = fixture_put(fixture->handle, "k", "v");
	}
	assert_int_equal(r, 0);
	assert_in_range(at, 10, CUTS);
	assert_int_equal(fake_server_seen(fixture->server, METHOD_PUT), at);
}

static void test_write_torn_on_its_way_is_unknown(void **state)
{
	struct client_fixture *fixture = *state;
	size_t at;

	for (at = 0; at <= PUT_LEN; at++) {
		fake_server_cut_input(fixture->server, at);
		fake_server_drop(fixture->server);
		assert_int_equal(fixture_put(fixture->handle, "k", "v"),
				 GETME_E_UNKNOWN_OUTCOME);
	}
	assert_int_equal(fake_server_seen(fixture->server, METHOD_PUT), 0);
}

/* The socket takes a part only; the rest must never go anywhere. */
static void test_large_write_torn_on_its_way_is_unknown(void **state)
{
	struct client_fixture *fixture = *state;
	char *value = calloc(1, LARGE);
	size_t at;

	assert_non_null(value);
	for (at = 1; at < LARGE; at = at * 5 + 1) {
		fake_server_cut_input(fixture->server, at);
		fake_server_drop(fixture->server);
		assert_int_equal(getme_put(fixture->handle, "k", 1, value,
					   LARGE, NULL, NULL),
				 GETME_E_UNKNOWN_OUTCOME);
	}
	assert_int_equal(getme_ping(fixture->handle), 0);
	assert_int_equal(fake_server_seen(fixture->server, METHOD_PUT), 0);
	assert_true(fixture_has(fixture->handle, "k", NULL));
	free(value);
}

static void test_read_is_repeated_once(void **state)
{
	struct client_fixture *fixture = *state;
	unsigned int before;
	int kind;

	assert_int_equal(fixture_put(fixture->handle, "k", "v"), 0);
	for (kind = 0; kind < READ_KINDS; kind++) {
		fake_server_forget_rules(fixture->server);
		add_rule(fixture, FAKE_ANY, FAKE_LOSE, 0, 1);
		assert_int_equal(read_by(fixture->handle, kind), 0);
		fake_server_forget_rules(fixture->server);
		add_rule(fixture, FAKE_ANY, FAKE_LOSE, 0, 0);
		before = fake_server_seen(fixture->server, FAKE_ANY);
		assert_int_equal(read_by(fixture->handle, kind),
				 GETME_E_DISCONNECTED);
		assert_int_equal(fake_server_seen(fixture->server, FAKE_ANY),
				 before + 2);
	}
}

static void test_read_with_a_torn_reply_is_repeated(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle;
	size_t at;

	assert_int_equal(fixture_put(fixture->handle, "k", "v"), 0);
	for (at = 0; at < CUTS; at++) {
		fake_server_forget_rules(fixture->server);
		add_rule(fixture, METHOD_GET, FAKE_CUT, at, 1);
		assert_true(fixture_has(fixture->handle, "k", "v"));
	}
	fake_server_forget_rules(fixture->server);
	for (at = 0; at <= GET_LEN; at++) {
		fake_server_cut_input(fixture->server, at);
		handle = client_fixture_open(fixture->server, FIXTURE_LONG_MS);
		assert_true(fixture_has(handle, "k", "v"));
		getme_close(handle);
	}
}

static void test_restart_of_the_daemon_goes_unnoticed(void **state)
{
	struct client_fixture *fixture = *state;
	int kind;

	assert_int_equal(fixture_put(fixture->handle, "k", "1"), 0);
	for (kind = 0; kind < WRITE_KINDS; kind++) {
		fake_server_drop(fixture->server);
		assert_in_range(write_by(fixture->handle, kind), 0,
				GETME_NOT_FOUND);
	}
	assert_int_equal(fixture_put(fixture->handle, "k", "1"), 0);
	for (kind = 0; kind < READ_KINDS; kind++) {
		fake_server_drop(fixture->server);
		assert_int_equal(read_by(fixture->handle, kind), 0);
	}
	fake_server_drop(fixture->server);
	assert_int_equal(
		getme_submit_put(fixture->handle, "k", 1, "2", 1, NULL, NULL),
		0);
	assert_true(fixture_has(fixture->handle, "k", "2"));
}

static void test_no_daemon_means_that_nothing_was_sent(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	int kind;

	fake_server_down(fixture->server);
	for (kind = 0; kind < WRITE_KINDS; kind++) {
		assert_int_equal(write_by(handle, kind), GETME_E_NO_DAEMON);
		assert_non_null(
			strstr(getme_last_error(handle), "is getmed running?"));
		assert_int_equal(getme_fd(handle), -1);
		assert_int_equal(getme_events(handle), 0);
		assert_int_equal(getme_process(handle), 0);
	}
	for (kind = 0; kind < READ_KINDS; kind++)
		assert_int_equal(read_by(handle, kind), GETME_E_NO_DAEMON);
	assert_int_equal(getme_submit_put(handle, "k", 1, "v", 1, NULL, NULL),
			 GETME_E_NO_DAEMON);
	assert_int_equal(getme_submit_get(handle, "k", 1, NULL),
			 GETME_E_NO_DAEMON);
	assert_int_equal(getme_pending(handle), 0);
	fake_server_up(fixture->server);
	assert_int_equal(getme_ping(handle), 0);
	assert_int_equal(fake_server_seen(fixture->server, FAKE_ANY), 1);
}

static void test_reconnect_may_be_refused(void **state)
{
	struct client_fixture *fixture = *state;
	struct fake_rule rule = { .method = METHOD_HELLO,
				  .act = FAKE_ERROR,
				  .code = MESSAGE_ERROR_VERSION,
				  .text = "updated" };

	fake_server_rule(fixture->server, rule);
	fake_server_drop(fixture->server);
	assert_int_equal(fixture_put(fixture->handle, "k", "v"),
			 GETME_E_VERSION);
	assert_int_equal(getme_ping(fixture->handle), GETME_E_VERSION);
	fake_server_forget_rules(fixture->server);
	assert_int_equal(getme_ping(fixture->handle), 0);
	assert_int_equal(fake_server_seen(fixture->server, METHOD_PUT), 0);
}

static void test_connect_that_takes_too_long(void **state)
{
	struct client_fixture *fixture = *state;

	add_rule(fixture, METHOD_HELLO, FAKE_SILENT, 0, 0);
	fake_server_drop(fixture->server);
	assert_int_equal(getme_set_timeout(fixture->handle, FIXTURE_SHORT_MS),
			 0);
	assert_int_equal(getme_ping(fixture->handle), GETME_E_TIMEOUT);
	/* A write's result must tell that it will never happen. */
	assert_int_equal(fixture_put(fixture->handle, "k", "v"),
			 GETME_E_NO_DAEMON);
}

static void test_deadline_of_reads_and_writes(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	int64_t begin;
	int kind;

	add_rule(fixture, FAKE_ANY, FAKE_SILENT, 0, 0);
	assert_int_equal(getme_set_timeout(handle, FIXTURE_SHORT_MS), 0);
	for (kind = 0; kind < READ_KINDS; kind++) {
		begin = now_ms();
		assert_int_equal(read_by(handle, kind), GETME_E_TIMEOUT);
		assert_in_range(now_ms() - begin, FIXTURE_SHORT_MS, 10000);
		assert_int_equal(getme_fd(handle), -1);
	}
	for (kind = 0; kind < WRITE_KINDS; kind++)
		assert_int_equal(write_by(handle, kind),
				 GETME_E_UNKNOWN_OUTCOME);
	assert_int_equal(fake_server_seen(fixture->server, FAKE_ANY),
			 READ_KINDS + WRITE_KINDS);
	fake_server_forget_rules(fixture->server);
	assert_int_equal(getme_set_timeout(handle, -1), 0);
	assert_int_equal(getme_ping(handle), 0);
}

static void test_late_reply_is_nobodys(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;

	assert_int_equal(fixture_put(handle, "old", "old"), 0);
	assert_int_equal(fixture_put(handle, "new", "new"), 0);
	add_rule(fixture, METHOD_GET, FAKE_HOLD, 0, 1);
	assert_int_equal(getme_set_timeout(handle, FIXTURE_SHORT_MS), 0);
	assert_int_equal(fixture_get(handle, "old", &(struct getme_value){ 0 }),
			 GETME_E_TIMEOUT);
	fake_server_release(fixture->server);
	assert_int_equal(getme_set_timeout(handle, FIXTURE_LONG_MS), 0);
	assert_true(fixture_has(handle, "new", "new"));
}

/* The peer reads nothing: a write of which no byte left is not sent later. */
static void test_write_that_found_no_room_never_happens(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	struct getme_answer answer;
	char *value = calloc(1, LARGE);

	assert_non_null(value);
	fake_server_stop_reading(fixture->server, true);
	assert_int_equal(
		getme_submit_put(handle, "large", 5, value, LARGE, NULL, NULL),
		0);
	assert_int_equal(getme_set_timeout(handle, FIXTURE_SHORT_MS), 0);
	assert_int_equal(fixture_put(handle, "k", "v"), GETME_E_NO_DAEMON);
	assert_int_equal(getme_ping(handle), GETME_E_TIMEOUT);
	assert_int_equal(getme_submit_put(handle, "k", 1, "v", 1, NULL, NULL),
			 GETME_E_NO_DAEMON);
	assert_int_equal(getme_submit_get(handle, "k", 1, NULL),
			 GETME_E_TIMEOUT);
	assert_int_equal(getme_pending(handle), 1);
	assert_int_equal(getme_collect(handle, 1, &answer), GETME_E_TIMEOUT);
	fake_server_stop_reading(fixture->server, false);
	assert_int_equal(getme_set_timeout(handle, FIXTURE_LONG_MS), 0);
	assert_int_equal(getme_collect(handle, 1, &answer), 0);
	assert_int_equal(answer.result, 0);
	assert_true(fixture_has(handle, "k", NULL));
	assert_int_equal(fake_server_seen(fixture->server, METHOD_PUT), 1);
	assert_int_equal(fake_server_connections(fixture->server), 1);
	free(value);
}

/* A little output that fits, then one request that does not get out. */
static void test_unsent_request_behind_a_small_one(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	char *value = calloc(1, 200 << 10);
	struct getme_answer answer;

	assert_non_null(value);
	fixture_shrink_socket(handle);
	fake_server_stop_reading(fixture->server, true);
	assert_int_equal(
		getme_submit_put(handle, "a", 1, value, 200 << 10, NULL, NULL),
		0);
	assert_int_equal(getme_set_timeout(handle, FIXTURE_SHORT_MS), 0);
	/* There is room in the library's buffer, but not in the socket. */
	assert_int_equal(fixture_put(handle, "k", "v"), GETME_E_NO_DAEMON);
	assert_int_equal(getme_ping(handle), GETME_E_TIMEOUT);
	assert_true(getme_fd(handle) >= 0);
	fake_server_stop_reading(fixture->server, false);
	assert_int_equal(getme_set_timeout(handle, FIXTURE_LONG_MS), 0);
	assert_true(fixture_has(handle, "k", NULL));
	assert_int_equal(getme_collect(handle, 1, &answer), 0);
	assert_int_equal(answer.result, 0);
	assert_int_equal(fake_server_seen(fixture->server, METHOD_PUT), 1);
	free(value);
}

/* Nonsense instead of a reply. */
static void test_mad_daemon(void **state)
{
	static const enum fake_act acts[] = {
		FAKE_WRONG_ID, FAKE_WRONG_SHAPE, FAKE_NO_RPC,
		FAKE_NOTIFY,   FAKE_HUGE,	 FAKE_EMPTY,
	};
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	size_t i;
	int kind;

	for (i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		fake_server_forget_rules(fixture->server);
		add_rule(fixture, FAKE_ANY, acts[i], 0, 0);
		for (kind = 0; kind < WRITE_KINDS; kind++) {
			assert_int_equal(write_by(handle, kind),
					 GETME_E_UNKNOWN_OUTCOME);
			assert_int_equal(getme_fd(handle), -1);
		}
		for (kind = 0; kind < READ_KINDS; kind++) {
			assert_int_equal(read_by(handle, kind),
					 GETME_E_PROTOCOL);
			assert_int_equal(getme_fd(handle), -1);
			assert_string_not_equal(getme_last_error(handle), "");
		}
	}
	fake_server_forget_rules(fixture->server);
	assert_int_equal(getme_ping(handle), 0);
}

static void test_reply_that_comes_twice(void **state)
{
	struct client_fixture *fixture = *state;

	add_rule(fixture, METHOD_PUT, FAKE_TWICE, 0, 1);
	/* The second one may be seen by this call or by the next. */
	assert_int_equal(fixture_put(fixture->handle, "k", "v"), 0);
	assert_in_range(-getme_ping(fixture->handle), 0, -GETME_E_PROTOCOL);
	assert_int_equal(getme_ping(fixture->handle), 0);
	assert_true(fixture_has(fixture->handle, "k", "v"));
}

static void test_refusal_without_an_id(void **state)
{
	struct client_fixture *fixture = *state;
	struct fake_rule rule = { .method = FAKE_ANY,
				  .act = FAKE_REFUSE,
				  .code = MESSAGE_ERROR_NO_MEMORY,
				  .text = "no memory for a frame" };

	fake_server_rule(fixture->server, rule);
	assert_int_equal(getme_ping(fixture->handle), GETME_E_NO_MEMORY);
	assert_non_null(strstr(getme_last_error(fixture->handle),
			       "no memory for a frame"));
	assert_int_equal(fixture_put(fixture->handle, "k", "v"),
			 GETME_E_UNKNOWN_OUTCOME);
	assert_non_null(strstr(getme_last_error(fixture->handle),
			       "no memory for a frame"));
}

static void test_reply_byte_by_byte(void **state)
{
	struct client_fixture *fixture = *state;

	assert_int_equal(fixture_put(fixture->handle, "k", "value"), 0);
	add_rule(fixture, METHOD_GET, FAKE_DRIP, 0, 0);
	assert_true(fixture_has(fixture->handle, "k", "value"));
	assert_true(fixture_has(fixture->handle, "k", "value"));
}

static void ignore(int signal_number)
{
	(void)signal_number;
}

/* Interrupted system calls are nobody's business. */
static void test_signals_do_not_disturb(void **state)
{
	struct client_fixture *fixture = *state;
	struct itimerval often = { { 0, 300 }, { 0, 300 } };
	struct itimerval never = { { 0, 0 }, { 0, 0 } };
	struct sigaction action = { .sa_handler = ignore };
	struct sigaction before;
	char *value = calloc(1, LARGE);
	struct getme_value found;
	int i;

	assert_non_null(value);
	fake_server_slow(fixture->server, 16 << 10);
	assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	for (i = 0; i < 10; i++) {
		fake_server_drop(fixture->server);
		assert_int_equal(getme_put(fixture->handle, "k", 1, value,
					   LARGE, NULL, NULL),
				 0);
		assert_int_equal(fixture_get(fixture->handle, "k", &found), 0);
		assert_int_equal(found.len, LARGE);
	}
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
	free(value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_write_without_its_reply_is_unknown),
		TEST(test_write_with_a_torn_reply_is_unknown),
		TEST(test_write_torn_on_its_way_is_unknown),
		TEST(test_large_write_torn_on_its_way_is_unknown),
		TEST(test_read_is_repeated_once),
		TEST(test_read_with_a_torn_reply_is_repeated),
		TEST(test_restart_of_the_daemon_goes_unnoticed),
		TEST(test_no_daemon_means_that_nothing_was_sent),
		TEST(test_reconnect_may_be_refused),
		TEST(test_connect_that_takes_too_long),
		TEST(test_deadline_of_reads_and_writes),
		TEST(test_late_reply_is_nobodys),
		TEST(test_write_that_found_no_room_never_happens),
		TEST(test_unsent_request_behind_a_small_one),
		TEST(test_mad_daemon),
		TEST(test_reply_that_comes_twice),
		TEST(test_refusal_without_an_id),
		TEST(test_reply_byte_by_byte),
		TEST(test_signals_do_not_disturb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
