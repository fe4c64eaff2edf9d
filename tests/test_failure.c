#include "daemon/failure.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

static void test_the_text_is_filled_in_and_the_result_returned(void **state)
{
	struct failure failure;

	(void)state;
	memset(&failure, 'x', sizeof(failure));
	assert_int_equal(
		failure_set(&failure, -EACCES, "%s: mode %o", "/a", 0700),
		-EACCES);
	assert_string_equal(failure.text, "/a: mode 700");
}

static void test_a_later_failure_replaces_an_earlier_one(void **state)
{
	struct failure failure;

	(void)state;
	failure_set(&failure, -EIO, "a long text that is there first");
	assert_int_equal(failure_set(&failure, 7, "short"), 7);
	assert_string_equal(failure.text, "short");
}

static void test_a_text_that_is_too_long_is_cut(void **state)
{
	struct {
		struct failure failure;
		char behind;
	} held = { .behind = 'b' };
	char text[FAILURE_TEXT_MAX + 100];

	(void)state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(failure_set(&held.failure, -EINVAL, "%s", text),
			 -EINVAL);
	text[FAILURE_TEXT_MAX - 1] = '\0';
	assert_string_equal(held.failure.text, text);
	assert_int_equal(held.behind, 'b');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_the_text_is_filled_in_and_the_result_returned),
		cmocka_unit_test(test_a_later_failure_replaces_an_earlier_one),
		cmocka_unit_test(test_a_text_that_is_too_long_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
