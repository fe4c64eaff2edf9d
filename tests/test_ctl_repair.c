#include "client/ctl_repair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/ctl_run.h"
#include "tests/support/store_kit.h"
#include "tests/support/tempdir.h"

static const struct ctl_command repair = { .name = "repair",
					   .run = ctl_repair };

static struct ctl_run *run;
static char *parent;
static char dir[KIT_PATH_MAX];
static char new_dir[KIT_PATH_MAX];

static int set_up(void **state)
{
	struct kit_place place;
	struct store *store;
	int result = ctl_run_setup(state);

	if (result != 0)
		return result;
	run = *state;
	parent = tempdir_new();
	kit_path(parent, "store", dir);
	kit_path(parent, "new", new_dir);
	store = kit_open(io_system(), dir);
	kit_put(store, "a", "1");
	kit_put(store, "b", "2");
	kit_close(store);
	place = kit_find(io_system(), dir, 1, "b");
	kit_flip(io_system(), dir, "0000000001.seg", place.value_off, 1);
	return 0;
}

static int tear_down(void **state)
{
	tempdir_free(parent);
	return ctl_run_teardown(state);
}

static void expect_repaired(void)
{
	struct store *store = kit_open(io_system(), new_dir);

	kit_expect(store, "a", "1");
	kit_expect(store, "b", NULL);
	kit_close(store);
}

static void test_what_is_whole_is_in_the_new_store(void **state)
{
	(void)state;
	assert_int_equal(ctl_run_two(run, &repair, dir, new_dir), CTL_DONE);
	assert_non_null(strstr(run->out, "damaged: segment 1, "));
	assert_non_null(strstr(run->out, "left out: segment 1, "));
	assert_non_null(strstr(run->out, "\"key\":\"b\""));
	assert_non_null(strstr(run->out,
			       "is a whole store now: 1 keys, 48 bytes; 1 "
			       "damaged, 1 keys left out, 1 files in "
			       "quarantine\n"));
	assert_string_equal(run->err, "");
	expect_repaired();
}

static void test_as_json(void **state)
{
	(void)state;
	run->ctl.options.json = true;
	assert_int_equal(ctl_run_two(run, &repair, dir, new_dir), CTL_DONE);
	assert_non_null(strstr(run->out, "{\"finding\":\"lost\","));
	assert_non_null(strstr(
		run->out,
		"{\"summary\":\"repair\",\"entries\":1,\"bytes\":48,"
		"\"damaged\":1,\"damaged_bytes\":48,\"notes\":0,\"left_out\":1,"
		"\"unknown\":0,\"quarantined\":1,\"quarantined_bytes\":48}\n"));
	expect_repaired();
}

static void test_a_folder_inside_of_the_store_is_refused(void **state)
{
	char inner[KIT_PATH_MAX];
	unsigned before = kit_count(io_system(), dir, "", "");

	(void)state;
	kit_path(dir, "deep/er", inner);
	assert_int_equal(ctl_run_two(run, &repair, dir, inner), CTL_ERROR);
	assert_non_null(strstr(run->err, "is not to be changed"));
	assert_int_equal(ctl_run_two(run, &repair, dir, dir), CTL_ERROR);
	assert_int_equal(kit_count(io_system(), dir, "", ""), before);
	/* a name that only begins with it is another one */
	kit_path(parent, "store.new", new_dir);
	assert_int_equal(ctl_run_two(run, &repair, dir, new_dir), CTL_DONE);
	expect_repaired();
}

static void test_a_relative_path_is_resolved(void **state)
{
	char *here = getcwd(NULL, 0);
	char relative[] = "inner";

	(void)state;
	assert_non_null(here);
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(ctl_run_two(run, &repair, dir, relative), CTL_ERROR);
	assert_int_equal(chdir(here), 0);
	free(here);
	assert_non_null(strstr(run->err, "is not to be changed"));
}

static void test_a_folder_that_is_not_empty_is_refused(void **state)
{
	(void)state;
	assert_int_equal(ctl_run_two(run, &repair, dir, parent), CTL_ERROR);
	assert_non_null(strstr(run->err, "is not empty"));
}

static void test_a_store_in_use_is_not_allowed(void **state)
{
	struct store *store = kit_open(io_system(), dir);

	(void)state;
	assert_int_equal(ctl_run_two(run, &repair, dir, new_dir),
			 CTL_NOT_ALLOWED);
	assert_non_null(strstr(run->err, "in use by process"));
	kit_close(store);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_whole_is_in_the_new_store),
		TEST(test_as_json),
		TEST(test_a_folder_inside_of_the_store_is_refused),
		TEST(test_a_relative_path_is_resolved),
		TEST(test_a_folder_that_is_not_empty_is_refused),
		TEST(test_a_store_in_use_is_not_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
