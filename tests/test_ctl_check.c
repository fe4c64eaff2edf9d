#include "client/ctl_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/ctl_run.h"
#include "tests/support/store_kit.h"
#include "tests/support/tempdir.h"

static const struct ctl_command check = { .name = "check", .run = ctl_check };

static struct ctl_run *run;
static char *parent;
static char dir[KIT_PATH_MAX];

static int set_up(void **state)
{
	struct store *store;
	int result = ctl_run_setup(state);

	if (result != 0)
		return result;
	run = *state;
	parent = tempdir_new();
	kit_path(parent, "store", dir);
	store = kit_open(io_system(), dir);
	kit_put(store, "a", "1");
	kit_put(store, "b\"\x1b", "2");
	kit_put(store, "\xff", "3");
	kit_close(store);
	return 0;
}

static int tear_down(void **state)
{
	tempdir_free(parent);
	return ctl_run_teardown(state);
}

static void damage(const char *key)
{
	struct kit_place place = kit_find(io_system(), dir, 1, key);

	kit_flip(io_system(), dir, "0000000001.seg", place.value_off, 1);
}

static void test_a_whole_store(void **state)
{
	(void)state;
	assert_int_equal(ctl_run(run, &check, dir), CTL_DONE);
	assert_string_equal(run->out,
			    "1 segments, 3 entries, 208 bytes: whole\n");
	assert_string_equal(run->err, "");
}

static void test_damage_is_a_line_and_says_what_to_do(void **state)
{
	(void)state;
	damage("b\"\x1b");
	assert_int_equal(ctl_run(run, &check, dir), CTL_ERROR);
	assert_string_equal(
		run->out,
		"damaged: segment 1, offset 112, 48 bytes, "
		"\"key\":\"b\\\"\\u001b\": the value is damaged\n"
		"1 segments, 3 entries, 208 bytes: 1 damaged (48 bytes)\n");
	assert_non_null(strstr(run->err, "getmectl: check: "));
	assert_non_null(strstr(run->err, "getmectl repair"));
}

static void test_as_json(void **state)
{
	(void)state;
	damage("\xff");
	run->ctl.options.json = true;
	assert_int_equal(ctl_run(run, &check, dir), CTL_ERROR);
	assert_string_equal(
		run->out,
		"{\"finding\":\"value\",\"damage\":true,\"segment\":1,"
		"\"offset\":160,\"length\":48,\"key_b64\":\"/w==\","
		"\"text\":\"the value is damaged\"}\n"
		"{\"summary\":\"check\",\"segments\":1,\"entries\":3,"
		"\"bytes\":208,\"damaged\":1,\"damaged_bytes\":48,\"notes\":0,"
		"\"stopped_cleanly\":true}\n");
}

static void test_a_store_in_use_is_not_allowed(void **state)
{
	struct store *store = kit_open(io_system(), dir);

	(void)state;
	assert_int_equal(ctl_run(run, &check, dir), CTL_NOT_ALLOWED);
	assert_non_null(strstr(run->err, "in use by process"));
	assert_string_equal(run->out, "");
	kit_close(store);
}

static void test_no_store_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(ctl_run(run, &check, parent), CTL_ERROR);
	assert_non_null(strstr(run->err, "is no store"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_whole_store),
		TEST(test_damage_is_a_line_and_says_what_to_do),
		TEST(test_as_json),
		TEST(test_a_store_in_use_is_not_allowed),
		TEST(test_no_store_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
