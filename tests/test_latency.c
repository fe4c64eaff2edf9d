#include "daemon/latency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>

static void test_none_have_no_latency(void **state)
{
	const struct latency latency = { .count = 0 };

	(void)state;
	assert_int_equal(latency_quantile(&latency, 500), 0);
	assert_int_equal(latency_quantile(&latency, 1000), 0);
}

static void test_small_numbers_are_exact(void **state)
{
	struct latency latency = { .count = 0 };

	(void)state;
	for (uint64_t us = 1; us <= 10; us++)
		latency_add(&latency, us);
	assert_int_equal(latency_quantile(&latency, 1), 1);
	assert_int_equal(latency_quantile(&latency, 500), 5);
	assert_int_equal(latency_quantile(&latency, 501), 6);
	assert_int_equal(latency_quantile(&latency, 990), 10);
	assert_int_equal(latency.max_us, 10);
	assert_int_equal(latency.count, 10);
}

/* Of one number, every quantile is that number, or up to a step more. */
static void test_no_number_is_told_too_low_or_a_step_too_high(void **state)
{
	(void)state;
	for (uint64_t us = 0; us < UINT64_C(1) << 36; us = us * 5 / 4 + 1) {
		struct latency latency = { .count = 0 };
		uint64_t told;

		latency_add(&latency, us);
		latency_add(&latency, UINT64_C(1) << 40);
		told = latency_quantile(&latency, 500);
		assert_true(told >= us);
		assert_true(told <= us + us / LATENCY_STEPS);
	}
}

static void test_quantiles_never_exceed_the_longest(void **state)
{
	struct latency latency = { .count = 0 };

	(void)state;
	latency_add(&latency, 1000);
	assert_int_equal(latency_quantile(&latency, 500), 1000);
	assert_int_equal(latency_quantile(&latency, 1000), 1000);
}

static void test_hours_and_more_count_as_the_longest(void **state)
{
	struct latency latency = { .count = 0 };

	(void)state;
	latency_add(&latency, UINT64_MAX);
	assert_true(latency_quantile(&latency, 500) == UINT64_MAX);
	latency_add(&latency, 3);
	assert_int_equal(latency_quantile(&latency, 500), 3);
}

static void test_a_slow_hundredth_shows_in_p99_only(void **state)
{
	struct latency latency = { .count = 0 };

	(void)state;
	for (int i = 0; i < 980; i++)
		latency_add(&latency, 10);
	for (int i = 0; i < 20; i++)
		latency_add(&latency, 5000);
	assert_int_equal(latency_quantile(&latency, 500), 10);
	assert_int_equal(latency_quantile(&latency, 980), 10);
	assert_int_equal(latency_quantile(&latency, 990), 5000);
}

static void test_two_are_merged_as_if_they_were_one(void **state)
{
	struct latency all = { 0 };
	struct latency one = { 0 };
	struct latency sum = { 0 };

	(void)state;
	for (unsigned int i = 0; i < 1000; i++) {
		latency_add(&all, i * 37 % 5000);
		latency_add(i % 3 ? &one : &sum, i * 37 % 5000);
	}
	latency_merge(&sum, &one);
	assert_int_equal(sum.count, 1000);
	assert_int_equal(sum.max_us, all.max_us);
	for (unsigned int i = 1; i <= 1000; i++)
		assert_int_equal(latency_quantile(&sum, i),
				 latency_quantile(&all, i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none_have_no_latency),
		cmocka_unit_test(test_small_numbers_are_exact),
		cmocka_unit_test(
			test_no_number_is_told_too_low_or_a_step_too_high),
		cmocka_unit_test(test_quantiles_never_exceed_the_longest),
		cmocka_unit_test(test_hours_and_more_count_as_the_longest),
		cmocka_unit_test(test_a_slow_hundredth_shows_in_p99_only),
		cmocka_unit_test(test_two_are_merged_as_if_they_were_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
