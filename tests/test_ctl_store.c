/*
 * getmectl's compact and backup.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "client/ctl_store.h"
#include "tests/support/ctl_run.h"
#include "tests/support/tempdir.h"

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, ctl_run_setup, ctl_run_teardown)

static const struct ctl_command compact = { .name = "compact",
					    .run = ctl_store_compact };
static const struct ctl_command backup = { .name = "backup",
					   .max_operands = 1,
					   .run = ctl_store_backup };

static void check_absolute(const char *from, const char *path,
			   const char *expected)
{
	char *absolute = ctl_store_absolute(from, path);

	assert_string_equal(absolute, expected);
	free(absolute);
}

static void test_a_path_is_made_absolute(void **state)
{
	(void)state;
	check_absolute("/home/a", "b", "/home/a/b");
	check_absolute("/home/a", "./b/c", "/home/a/./b/c");
	check_absolute("/home/a", "/b", "/b");
	check_absolute("/", "b", "/b");
}

static void test_compact_is_silent(void **state)
{
	struct ctl_run *run = *state;

	assert_int_equal(ctl_run(run, &compact, NULL), CTL_DONE);
	assert_string_equal(run->out, "");
	assert_string_equal(run->err, "");
	assert_int_equal(fake_server_seen(run->server, METHOD_COMPACT), 1);
}

static void test_backup_is_silent(void **state)
{
	struct ctl_run *run = *state;
	char *dir = tempdir_new();

	/* The fake one makes no folder: here is one. */
	assert_int_equal(ctl_run(run, &backup, dir), CTL_DONE);
	assert_string_equal(run->out, "");
	assert_string_equal(run->err, "");
	assert_int_equal(fake_server_seen(run->server, METHOD_BACKUP), 1);
	tempdir_free(dir);
}

static void test_a_backup_that_is_elsewhere_is_none(void **state)
{
	struct ctl_run *run = *state;
	char *dir = tempdir_new();

	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(ctl_run(run, &backup, dir), CTL_ERROR);
	assert_non_null(strstr(run->err, "of its own"));
	free(dir);
}

static void test_a_folder_without_a_name_is_a_usage_error(void **state)
{
	struct ctl_run *run = *state;
	char none[] = "";

	assert_int_equal(ctl_run(run, &backup, none), CTL_USAGE);
	assert_int_equal(fake_server_seen(run->server, METHOD_BACKUP), 0);
}

static void test_what_the_daemon_says_is_told(void **state)
{
	static const struct {
		unsigned int code;
		enum ctl_status status;
	} cases[] = {
		{ MESSAGE_ERROR_BAD_PARAMS, CTL_ERROR },
		{ MESSAGE_ERROR_BUSY, CTL_ERROR },
		{ MESSAGE_ERROR_FULL, CTL_ERROR },
		{ MESSAGE_ERROR_CLOSING, CTL_ERROR },
		{ MESSAGE_ERROR_UNSUPPORTED, CTL_ERROR },
	};
	struct ctl_run *run = *state;
	char dir[] = "/backup";

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake_server_forget_rules(run->server);
		fake_server_rule(run->server,
				 (struct fake_rule){ .method = FAKE_ANY,
						     .act = FAKE_ERROR,
						     .code = cases[i].code,
						     .text = "for this" });
		assert_int_equal(ctl_run(run, &backup, dir), cases[i].status);
		assert_non_null(strstr(run->err, "for this"));
		assert_int_equal(ctl_run(run, &compact, NULL), cases[i].status);
		assert_non_null(strstr(run->err, "for this"));
	}
}

static void test_a_lost_daemon_leaves_the_outcome_open(void **state)
{
	struct ctl_run *run = *state;
	char dir[] = "/backup";

	fake_server_rule(run->server, (struct fake_rule){ .method = FAKE_ANY,
							  .act = FAKE_LOSE });
	assert_int_equal(ctl_run(run, &backup, dir), CTL_UNKNOWN);
	assert_int_equal(ctl_run(run, &compact, NULL), CTL_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_path_is_made_absolute),
		TEST(test_compact_is_silent),
		TEST(test_backup_is_silent),
		TEST(test_a_backup_that_is_elsewhere_is_none),
		TEST(test_a_folder_without_a_name_is_a_usage_error),
		TEST(test_what_the_daemon_says_is_told),
		TEST(test_a_lost_daemon_leaves_the_outcome_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
