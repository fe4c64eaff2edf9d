#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "daemon/answers.h"
#include "daemon/clock.h"

static struct answers answers;
static struct metrics metrics;

static int begin(void **state)
{
	(void)state;
	memset(&answers, 0, sizeof(answers));
	memset(&metrics, 0, sizeof(metrics));
	return 0;
}

static void add(uint64_t arrived_us, bool is_put, int n)
{
	while (n-- > 0)
		answers_add(&answers, &metrics, arrived_us, is_put);
}

static void test_what_was_answered_counts_at_the_end_of_the_round(void **state)
{
	(void)state;
	add(clock_monotonic_us(), false, 3);
	assert_int_equal(metrics.get.count, 0);
	answers_end(&answers, &metrics);
	assert_int_equal(metrics.get.count, 3);
	assert_int_equal(metrics.put.count, 0);
	answers_end(&answers, &metrics);
	assert_int_equal(metrics.get.count, 3);
}

static void test_gets_and_puts_that_came_together_are_told_apart(void **state)
{
	uint64_t now_us = clock_monotonic_us();

	(void)state;
	add(now_us, false, 2);
	add(now_us, true, 5);
	add(now_us, false, 1);
	answers_end(&answers, &metrics);
	assert_int_equal(metrics.get.count, 3);
	assert_int_equal(metrics.put.count, 5);
}

/* Each from its own arrival, and to the end of the round. */
static void test_each_counts_from_its_arrival(void **state)
{
	uint64_t begin_us = clock_monotonic_us();
	uint64_t last_us;

	(void)state;
	add(begin_us - 5000000, false, 9);
	add(begin_us - 1000, false, 91);
	add(begin_us - 70000000, true, 1);
	answers_end(&answers, &metrics);
	last_us = clock_monotonic_us();
	assert_int_equal(metrics.get.count, 100);
	assert_in_range(metrics.get.max_us, 5000000,
			last_us - begin_us + 5000000);
	assert_in_range(metrics.put.max_us, 70000000,
			last_us - begin_us + 70000000);
	assert_in_range(latency_quantile(&metrics.get, 900), 1000,
			(last_us - begin_us + 1000) / LATENCY_STEPS *
					(LATENCY_STEPS + 1) +
				1);
}

static void test_none_is_lost_of_more_than_there_is_room_for(void **state)
{
	uint64_t now_us = clock_monotonic_us();

	(void)state;
	for (int i = 0; i < ANSWERS_MAX * 3 + 1; i++)
		add(now_us - (uint64_t)i, i % 2 == 0, 2);
	assert_int_equal(metrics.get.count + metrics.put.count,
			 2 * ANSWERS_MAX * 3);
	answers_end(&answers, &metrics);
	assert_int_equal(metrics.get.count + metrics.put.count,
			 2 * ANSWERS_MAX * 3 + 2);
}

#define EACH(test) cmocka_unit_test_setup(test, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_what_was_answered_counts_at_the_end_of_the_round),
		EACH(test_gets_and_puts_that_came_together_are_told_apart),
		EACH(test_each_counts_from_its_arrival),
		EACH(test_none_is_lost_of_more_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
