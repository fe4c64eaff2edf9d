#include "client/handle.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/deadline.h"
#include "tests/support/client_fixture.h"

enum {
	DEFAULT_MS = 5000, /* as getme.h tells */
};

#define WITH_SERVER(name)                                                      \
	cmocka_unit_test_setup_teardown(name, client_fixture_setup,            \
					client_fixture_teardown)

static struct getme *unconnected(void)
{
	const struct socket_path path = { .text = "/nowhere/getme.sock" };
	struct getme *handle = handle_new(&path, 1000);

	assert_non_null(handle);
	return handle;
}

static void test_a_new_handle_is_not_connected(void **state)
{
	struct getme *handle = unconnected();

	(void)state;
	assert_int_equal(handle->transport.fd, -1);
	assert_true(handle_is_ours(handle));
	assert_string_equal(getme_socket_path(handle), "/nowhere/getme.sock");
	assert_string_equal(getme_last_error(handle), "");
	assert_true(handle->timeout_ms == 1000);
	getme_close(handle);
}

static void test_no_handle_is_no_crash(void **state)
{
	(void)state;
	getme_close(NULL);
	assert_string_equal(getme_socket_path(NULL), "");
	assert_string_equal(getme_last_error(NULL), "");
	assert_int_equal(getme_set_timeout(NULL, 1), -EINVAL);
	assert_int_equal(handle_begin(NULL), -EINVAL);
}

/* ---- timeouts ---- */

static void test_timeouts_of_0_and_of_minus_1(void **state)
{
	struct getme *handle = unconnected();

	(void)state;
	assert_int_equal(getme_set_timeout(handle, 0), 0);
	assert_true(handle->timeout_ms == DEFAULT_MS);
	assert_in_range(deadline_left_ms(handle_deadline(handle)), 1,
			DEFAULT_MS);
	assert_int_equal(getme_set_timeout(handle, -1), 0);
	assert_true(handle_deadline(handle) == DEADLINE_NONE);
	assert_int_equal(getme_set_timeout(handle, -2), -EINVAL);
	assert_string_not_equal(getme_last_error(handle), "");
	assert_true(handle_deadline(handle) == DEADLINE_NONE);
	getme_close(handle);
}

/* ---- texts ---- */

static void test_a_text_is_one_line(void **state)
{
	struct getme *handle = unconnected();

	(void)state;
	assert_int_equal(handle_fail(handle, GETME_E_IO, "a\nb\tc\x7f%s", "d"),
			 GETME_E_IO);
	assert_string_equal(getme_last_error(handle), "a b c d");
	getme_close(handle);
}

static void test_a_long_text_is_cut(void **state)
{
	struct getme *handle = unconnected();

	(void)state;
	handle_fail(handle, GETME_E_IO, "%*s", 2 * HANDLE_TEXT_MAX, "x");
	assert_int_equal(strlen(getme_last_error(handle)), HANDLE_TEXT_MAX - 1);
	getme_close(handle);
}

static void test_an_ordinary_answer_has_no_text(void **state)
{
	struct getme *handle = unconnected();

	(void)state;
	handle_fail(handle, GETME_E_IO, "before");
	assert_int_equal(handle_result(handle, 0), 0);
	assert_int_equal(handle_result(handle, GETME_CONDITION),
			 GETME_CONDITION);
	assert_string_equal(getme_last_error(handle), "before");
	assert_int_equal(handle_result(handle, GETME_E_FULL), GETME_E_FULL);
	assert_string_equal(getme_last_error(handle),
			    getme_strerror(GETME_E_FULL));
	getme_close(handle);
}

/* ---- beginning a call ---- */

static void test_a_call_ends_what_the_last_one_lent(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	const struct getme_stats_row *rows;
	size_t n;

	assert_int_equal(getme_stats(handle, &rows, &n), 0);
	assert_non_null(handle->stats_rows);
	assert_int_equal(handle_begin(handle), 0);
	assert_null(handle->stats_rows);
	assert_int_equal(handle->transport.in.len, 0);
	assert_true(handle->transport.fd >= 0);
}

static void test_another_process_lets_go_of_the_connection(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;

	/* As the kernel does in a child. */
	if (handle->mark.page)
		*handle->mark.page = 0;
	else
		handle->mark.pid++;
	assert_false(handle_is_ours(handle));
	assert_int_equal(handle_begin(handle), 0);
	assert_true(handle_is_ours(handle));
	assert_int_equal(handle->transport.fd, -1);
	assert_int_equal(getme_ping(handle), 0);
	assert_int_equal(fake_server_connections(fixture->server), 2);
}

/* ---- opening ---- */

static void expect_refused(const struct getme_options *options, int result,
			   const char *says)
{
	struct getme *handle = NULL;
	char text[256] = "";

	assert_int_equal(getme_open(options, &handle, text, sizeof(text)),
			 result);
	assert_null(handle);
	if (!strstr(text, says))
		fail_msg("'%s' does not say '%s'", text, says);
	assert_int_equal(getme_open(options, &handle, NULL, 0), result);
}

static void test_open_says_what_is_wrong(void **state)
{
	struct getme_options options = GETME_OPTIONS_INIT;
	char text[256] = "";
	char path[200];

	(void)state;
	assert_int_equal(getme_open(&options, NULL, text, sizeof(text)),
			 -EINVAL);
	assert_non_null(strstr(text, "handle"));
	memset(path, 'p', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	options.socket = path;
	expect_refused(&options, -ENAMETOOLONG, "107 bytes");
	options.socket = "/nowhere/getme.sock";
	expect_refused(&options, GETME_E_NO_DAEMON, "/nowhere/getme.sock");
	options.timeout_ms = -2;
	expect_refused(&options, -EINVAL, "out of range");
}

static void test_open_takes_the_default_timeout(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = client_fixture_open(fixture->server, 0);

	assert_true(handle->timeout_ms == DEFAULT_MS);
	assert_string_equal(getme_socket_path(handle),
			    fake_server_path(fixture->server));
	getme_close(handle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_new_handle_is_not_connected),
		cmocka_unit_test(test_no_handle_is_no_crash),
		cmocka_unit_test(test_timeouts_of_0_and_of_minus_1),
		cmocka_unit_test(test_a_text_is_one_line),
		cmocka_unit_test(test_a_long_text_is_cut),
		cmocka_unit_test(test_an_ordinary_answer_has_no_text),
		WITH_SERVER(test_a_call_ends_what_the_last_one_lent),
		WITH_SERVER(test_another_process_lets_go_of_the_connection),
		cmocka_unit_test(test_open_says_what_is_wrong),
		WITH_SERVER(test_open_takes_the_default_timeout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
