#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "common/path.h"

static void test_joined_with_one_slash(void **state)
{
	char out[PATH_LEN_MAX];

	(void)state;
	assert_int_equal(path_join(out, "/var/lib/getme", "LOCK"), 0);
	assert_string_equal(out, "/var/lib/getme/LOCK");
	assert_int_equal(path_join(out, ".", "LOCK"), 0);
	assert_string_equal(out, "./LOCK");
}

static void test_one_byte_too_long_is_refused(void **state)
{
	char out[PATH_LEN_MAX];
	char dir[PATH_LEN_MAX];

	(void)state;
	memset(dir, 'd', sizeof(dir));
	dir[PATH_LEN_MAX - 1 - 2] = 0; /* room for "/x" */
	assert_int_equal(path_join(out, dir, "x"), 0);
	assert_int_equal(strlen(out), PATH_LEN_MAX - 1);
	assert_int_equal(path_join(out, dir, "xy"), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_joined_with_one_slash),
		cmocka_unit_test(test_one_byte_too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
