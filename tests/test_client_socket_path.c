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

#include <cmocka.h>

#include "client/socket_path.h"

enum {
	NOBODY = 65534,
};

static int setup(void **state)
{
	(void)state;
	unsetenv("GETME_SOCKET");
	unsetenv("XDG_RUNTIME_DIR");
	return 0;
}

static void expect(const char *given, enum getme_where where, const char *text,
		   bool check_folder)
{
	struct socket_path path;

	assert_int_equal(socket_path_choose(given, where, &path), 0);
	assert_string_equal(path.text, text);
	assert_int_equal(path.check_folder, check_folder);
}

static void test_given_path_wins(void **state)
{
	(void)state;
	setenv("GETME_SOCKET", "/from/environment", 1);
	expect("/x", GETME_WHERE_AUTO, "/x", false);
	expect("relative", GETME_WHERE_SYSTEM, "relative", false);
	expect("/tmp/getme-0/getme.sock", GETME_WHERE_USER,
	       "/tmp/getme-0/getme.sock", false);
}

static void test_environment_only_where_nothing_is_said(void **state)
{
	(void)state;
	setenv("GETME_SOCKET", "/from/environment", 1);
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	expect(NULL, GETME_WHERE_AUTO, "/from/environment", false);
	expect(NULL, GETME_WHERE_SYSTEM, "/run/getme/getme.sock", false);
	expect(NULL, GETME_WHERE_USER, "/run/user/7/getme/getme.sock", false);
}

static void test_default_of_the_callers_kind(void **state)
{
	(void)state;
	setenv("GETME_SOCKET", "", 1);
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	if (geteuid() != 0) {
		expect(NULL, GETME_WHERE_AUTO, "/run/user/7/getme/getme.sock",
		       false);
		return;
	}
	expect(NULL, GETME_WHERE_AUTO, "/run/getme/getme.sock", false);
}

static void test_folder_in_tmp_where_there_is_no_other(void **state)
{
	char text[64];

	(void)state;
	snprintf(text, sizeof(text), "/tmp/getme-%lu/getme.sock",
		 (unsigned long)geteuid());
	expect(NULL, GETME_WHERE_USER, text, true);
	setenv("XDG_RUNTIME_DIR", "", 1);
	expect(NULL, GETME_WHERE_USER, text, true);
	setenv("XDG_RUNTIME_DIR", "relative/path", 1);
	expect(NULL, GETME_WHERE_USER, text, true);
}

static void test_paths_that_cannot_be(void **state)
{
	struct socket_path path;
	char text[109];

	(void)state;
	memset(text, 'p', sizeof(text));
	text[107] = '\0';
	expect(text, GETME_WHERE_AUTO, text, false);
	text[107] = 'p';
	text[108] = '\0';
	assert_int_equal(socket_path_choose(text, GETME_WHERE_AUTO, &path),
			 -ENAMETOOLONG);
	setenv("GETME_SOCKET", text, 1);
	assert_int_equal(socket_path_choose(NULL, GETME_WHERE_AUTO, &path),
			 -ENAMETOOLONG);
	text[0] = '/';
	setenv("XDG_RUNTIME_DIR", text, 1);
	assert_int_equal(socket_path_choose(NULL, GETME_WHERE_USER, &path),
			 -ENAMETOOLONG);
	assert_int_equal(socket_path_choose("", GETME_WHERE_AUTO, &path),
			 -EINVAL);
	assert_int_equal(socket_path_choose(NULL, (enum getme_where)3, &path),
			 -EINVAL);
}

/* The folder that counts must be the user's alone. */
static void test_check_of_the_folder(void **state)
{
	char folder[] = "/tmp/getme-test-XXXXXX";
	struct socket_path path = { .check_folder = true };
	struct socket_path through_link = { .check_folder = true };
	char link[64];

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path.text, sizeof(path.text), "%s/s", folder);
	snprintf(link, sizeof(link), "%s-link", folder);
	snprintf(through_link.text, sizeof(through_link.text), "%s/s", link);
	assert_int_equal(symlink(folder, link), 0);
	assert_int_equal(socket_path_check(&path), 0);
	assert_int_equal(socket_path_check(&through_link), -EACCES);
	assert_int_equal(chmod(folder, 0701), 0);
	assert_int_equal(socket_path_check(&path), -EACCES);
	assert_int_equal(chmod(folder, 0750), 0);
	assert_int_equal(socket_path_check(&path), -EACCES);
	path.check_folder = false;
	assert_int_equal(socket_path_check(&path), 0);
	path.check_folder = true;
	assert_int_equal(chmod(folder, 0700), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(folder, NOBODY, NOBODY), 0);
		assert_int_equal(socket_path_check(&path), -EACCES);
	} else {
		print_message("skipped: only root gives folders away\n");
	}
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(socket_path_check(&path), -ENOENT);
	assert_int_equal(unlink(link), 0);
	snprintf(path.text, sizeof(path.text), "relative");
	assert_int_equal(socket_path_check(&path), -EACCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_given_path_wins, setup),
		cmocka_unit_test_setup(
			test_environment_only_where_nothing_is_said, setup),
		cmocka_unit_test_setup(test_default_of_the_callers_kind, setup),
		cmocka_unit_test_setup(
			test_folder_in_tmp_where_there_is_no_other, setup),
		cmocka_unit_test_setup(test_paths_that_cannot_be, setup),
		cmocka_unit_test_setup(test_check_of_the_folder, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
