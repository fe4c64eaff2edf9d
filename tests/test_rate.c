#include "daemon/rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "daemon/limits.h"

static void test_a_burst_passes_and_the_rest_is_counted(void **state)
{
	struct rate rate = { 0 };
	uint32_t held_back;

	(void)state;
	for (int i = 0; i < LIMITS_LOG_BURST; i++) {
		assert_true(rate_allow(&rate, 7, 1000, &held_back));
		assert_int_equal(held_back, 0);
	}
	for (int i = 0; i < 5; i++)
		assert_false(rate_allow(&rate, 7, 1001, &held_back));
	assert_true(
		rate_allow(&rate, 7, 1000 + LIMITS_LOG_WINDOW_MS, &held_back));
	assert_int_equal(held_back, 5);
	assert_true(
		rate_allow(&rate, 7, 1001 + LIMITS_LOG_WINDOW_MS, &held_back));
	assert_int_equal(held_back, 0);
}

static void test_kinds_do_not_hold_each_other_back(void **state)
{
	struct rate rate = { 0 };
	uint32_t held_back;

	(void)state;
	for (int i = 0; i < 100; i++)
		rate_allow(&rate, 7, 1000, &held_back);
	assert_true(rate_allow(&rate, 8, 1000, &held_back));
	/* One in the same slot. */
	assert_true(rate_allow(&rate, 7 + RATE_SLOTS, 1000, &held_back));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_burst_passes_and_the_rest_is_counted),
		cmocka_unit_test(test_kinds_do_not_hold_each_other_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
