#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/getme.h"
#include "tests/support/client_fixture.h"

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, client_fixture_setup,            \
					client_fixture_teardown)

static void test_rows_of_every_kind(void **state)
{
	struct client_fixture *fixture = *state;
	const struct getme_stats_row *rows = NULL;
	size_t n = 0;

	assert_int_equal(fixture_put(fixture->handle, "k", "v"), 0);
	assert_int_equal(getme_stats(fixture->handle, &rows, &n), 0);
	assert_int_equal(n, 3);
	assert_string_equal(rows[0].name, "puts_total");
	assert_string_equal(rows[0].help, "versions given so far");
	assert_int_equal(rows[0].kind, GETME_STAT_COUNTER);
	assert_int_equal(rows[0].value, 1);
	assert_string_equal(rows[1].name, "entries");
	assert_int_equal(rows[1].kind, GETME_STAT_GAUGE);
	assert_string_equal(rows[2].name, "state");
	assert_int_equal(rows[2].kind, GETME_STAT_TEXT);
	assert_string_equal(rows[2].text, "fine");
	assert_int_equal(getme_stats(fixture->handle, &rows, &n), 0);
}

static void test_no_rows(void **state)
{
	struct client_fixture *fixture = *state;
	struct fake_rule rule = { .method = METHOD_STATS, .act = FAKE_REPLY };
	const struct getme_stats_row *rows = NULL;
	size_t n = 77;

	fake_server_rule(fixture->server, rule);
	assert_int_equal(getme_stats(fixture->handle, &rows, &n), 0);
	assert_int_equal(n, 0);
	assert_non_null(rows);
}

static void test_bad_arguments(void **state)
{
	struct client_fixture *fixture = *state;
	const struct getme_stats_row *rows;
	size_t n;

	assert_int_equal(getme_stats(NULL, &rows, &n), -EINVAL);
	assert_int_equal(getme_stats(fixture->handle, NULL, &n), -EINVAL);
	assert_int_equal(getme_stats(fixture->handle, &rows, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rows_of_every_kind),
		TEST(test_no_rows),
		TEST(test_bad_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
