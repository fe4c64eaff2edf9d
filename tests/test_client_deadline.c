#include "client/deadline.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum {
	MINUTE_MS = 60000,
};

static void test_a_negative_timeout_is_no_deadline(void **state)
{
	(void)state;
	assert_true(deadline_after(-1) == DEADLINE_NONE);
	assert_true(deadline_after(INT64_MIN) == DEADLINE_NONE);
	assert_int_equal(deadline_left_ms(DEADLINE_NONE), -1);
}

static void test_a_timeout_past_the_end_of_time_is_no_deadline(void **state)
{
	(void)state;
	assert_true(deadline_after(INT64_MAX) == DEADLINE_NONE);
	assert_true(deadline_after(INT64_MAX - 1) == DEADLINE_NONE);
}

static void test_what_has_passed_leaves_nothing(void **state)
{
	(void)state;
	assert_int_equal(deadline_left_ms(DEADLINE_NOW), 0);
	assert_int_equal(deadline_left_ms(deadline_after(0)), 0);
	assert_int_equal(deadline_left_ms(0), 0);
}

static void test_a_deadline_leaves_its_timeout(void **state)
{
	int left;

	(void)state;
	left = deadline_left_ms(deadline_after(MINUTE_MS));
	assert_in_range(left, MINUTE_MS / 2, MINUTE_MS);
	assert_true(deadline_after(MINUTE_MS) <= deadline_after(MINUTE_MS + 1));
}

static void test_a_far_deadline_is_cut_to_what_poll_takes(void **state)
{
	(void)state;
	assert_int_equal(deadline_left_ms(DEADLINE_NONE - 1), INT_MAX);
	assert_int_equal(deadline_left_ms(deadline_after(INT64_C(1) << 40)),
			 INT_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_negative_timeout_is_no_deadline),
		cmocka_unit_test(
			test_a_timeout_past_the_end_of_time_is_no_deadline),
		cmocka_unit_test(test_what_has_passed_leaves_nothing),
		cmocka_unit_test(test_a_deadline_leaves_its_timeout),
		cmocka_unit_test(test_a_far_deadline_is_cut_to_what_poll_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
