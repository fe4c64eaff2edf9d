#include "daemon/paths.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "tests/support/tempdir.h"

enum {
	NAME_LEN = 100, /* bytes: a socket's path has at most 107 */
};

static char *dir;
static struct failure failure;
static struct paths_made made;

/* OUT = the test's folder, a slash, NAME. */
static void join(char out[NAME_LEN], const char *name)
{
	snprintf(out, NAME_LEN, "%s/%s", dir, name);
}

static int begin(void **state)
{
	(void)state;
	dir = tempdir_new();
	memset(&failure, 0, sizeof(failure));
	return 0;
}

static int end(void **state)
{
	(void)state;
	tempdir_free(dir);
	return 0;
}

static int mode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? -1 : (int)(st.st_mode & 07777);
}

static void test_root_has_the_systems_paths(void **state)
{
	char out[PATHS_MAX];

	(void)state;
	setenv("XDG_STATE_HOME", "/elsewhere", 1);
	setenv("XDG_RUNTIME_DIR", "/elsewhere", 1);
	assert_int_equal(paths_default_store(0, out, &failure), 0);
	assert_string_equal(out, "/var/lib/getme");
	assert_int_equal(paths_default_socket(0, out, &failure), 0);
	assert_string_equal(out, "/run/getme/getme.sock");
}

static void test_a_user_has_paths_of_his_own(void **state)
{
	char out[PATHS_MAX];

	(void)state;
	setenv("HOME", "/home/u", 1);
	setenv("XDG_STATE_HOME", "/state", 1);
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	assert_int_equal(paths_default_store(7, out, &failure), 0);
	assert_string_equal(out, "/state/getme");
	assert_int_equal(paths_default_socket(7, out, &failure), 0);
	assert_string_equal(out, "/run/user/7/getme/getme.sock");
	/* What is not absolute does not count. */
	setenv("XDG_STATE_HOME", "state", 1);
	setenv("XDG_RUNTIME_DIR", "", 1);
	assert_int_equal(paths_default_store(7, out, &failure), 0);
	assert_string_equal(out, "/home/u/.local/state/getme");
	assert_int_equal(paths_default_socket(7, out, &failure), 0);
	assert_string_equal(out, "/tmp/getme-7/getme.sock");
}

static void test_a_user_without_a_home_is_told(void **state)
{
	char out[PATHS_MAX];

	(void)state;
	unsetenv("HOME");
	unsetenv("XDG_STATE_HOME");
	assert_int_equal(paths_default_store(3999999999u, out, &failure),
			 -ENOENT);
	assert_non_null(strstr(failure.text, "--store"));
}

static void test_parents_of_paths(void **state)
{
	char out[PATHS_MAX];

	(void)state;
	assert_int_equal(paths_parent("/a/b/c", out, &failure), 0);
	assert_string_equal(out, "/a/b");
	assert_int_equal(paths_parent("/a", out, &failure), 0);
	assert_string_equal(out, "/");
	assert_int_equal(paths_parent("a", out, &failure), 0);
	assert_string_equal(out, ".");
	assert_int_equal(paths_parent("a/b", out, &failure), 0);
	assert_string_equal(out, "a");
}

static void test_missing_folders_are_made_and_removed(void **state)
{
	char path[NAME_LEN], middle[NAME_LEN];

	(void)state;
	join(path, "a/b//c/");
	join(middle, "a/b");
	assert_int_equal(paths_make(path, 0700, &made, &failure), 0);
	assert_int_equal(mode_of(path), 0700);
	assert_int_equal(mode_of(middle), 0700);
	paths_unmake(&made);
	join(path, "a");
	assert_int_equal(mode_of(path), -1);
	assert_int_not_equal(mode_of(dir), -1);
}

static void test_what_existed_stays(void **state)
{
	char path[NAME_LEN], inner[NAME_LEN];

	(void)state;
	join(path, "a");
	join(inner, "a/b");
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(paths_make(inner, 0700, &made, &failure), 0);
	paths_unmake(&made);
	assert_int_equal(mode_of(inner), -1);
	assert_int_equal(mode_of(path), 0755);
	assert_int_equal(paths_make(path, 0700, &made, &failure), 0);
	paths_unmake(&made);
	assert_int_equal(mode_of(path), 0755);
}

static void test_a_folder_that_is_used_meanwhile_stays(void **state)
{
	char path[NAME_LEN], other[NAME_LEN];

	(void)state;
	join(path, "a/b");
	join(other, "a/other");
	assert_int_equal(paths_make(path, 0700, &made, &failure), 0);
	assert_int_equal(mkdir(other, 0700), 0);
	paths_unmake(&made);
	assert_int_equal(mode_of(path), -1);
	assert_int_equal(mode_of(other), 0700);
}

static void test_a_file_in_the_way_is_told(void **state)
{
	char path[NAME_LEN], below[NAME_LEN];
	FILE *file;

	(void)state;
	join(path, "file");
	join(below, "file/below");
	file = fopen(path, "w");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(paths_make(path, 0700, &made, &failure), -ENOTDIR);
	assert_non_null(strstr(failure.text, path));
	assert_int_equal(paths_make(below, 0700, &made, &failure), -ENOTDIR);
}

static void test_only_the_users_own_folder_is_private(void **state)
{
	char path[NAME_LEN], link[NAME_LEN];

	(void)state;
	join(path, "private");
	join(link, "link");
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(symlink(path, link), 0);
	assert_int_equal(paths_check_private(path, geteuid(), &failure), 0);
	assert_int_equal(paths_check_private(path, geteuid() + 1, &failure),
			 -EPERM);
	assert_int_equal(paths_check_private(link, geteuid(), &failure),
			 -EPERM);
	assert_int_equal(chmod(path, 0750), 0);
	assert_int_equal(paths_check_private(path, geteuid(), &failure),
			 -EPERM);
	assert_non_null(strstr(failure.text, "chmod 0700"));
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(paths_check_private(path, geteuid(), &failure),
			 -ENOENT);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_root_has_the_systems_paths),
		EACH(test_a_user_has_paths_of_his_own),
		EACH(test_a_user_without_a_home_is_told),
		EACH(test_parents_of_paths),
		EACH(test_missing_folders_are_made_and_removed),
		EACH(test_what_existed_stays),
		EACH(test_a_folder_that_is_used_meanwhile_stays),
		EACH(test_a_file_in_the_way_is_told),
		EACH(test_only_the_users_own_folder_is_private),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
