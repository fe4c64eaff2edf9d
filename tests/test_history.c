/*
 * The checker of histories: what can be explained is, what cannot is not.
 */
#include "tests/support/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the first two */
#include <cmocka.h>

enum { OPS_MAX = 16 };

static struct history_op ops[OPS_MAX];
static size_t n;
static char why[512];

static int set_up(void **state)
{
	(void)state;
	n = 0;
	why[0] = '\0';
	return 0;
}

static void put(uint64_t value, uint64_t begin, uint64_t end)
{
	ops[n++] = (struct history_op){ value, begin, end, 1, true };
}

static void del(uint64_t begin, uint64_t end)
{
	put(HISTORY_ABSENT, begin, end);
}

static void got(uint64_t value, uint64_t begin, uint64_t end)
{
	ops[n++] = (struct history_op){ value, begin, end, 2, false };
}

static void missed(uint64_t begin, uint64_t end)
{
	got(HISTORY_ABSENT, begin, end);
}

/* Whatever the order in which they are told. */
static void check(bool is_linear)
{
	for (int round = 0; round < 20; round++) {
		for (size_t i = n; i > 1; i--) {
			size_t j = (size_t)rand() % i;
			struct history_op swap = ops[j];

			ops[j] = ops[i - 1];
			ops[i - 1] = swap;
		}
		assert_int_equal(history_is_linear(ops, n, why, sizeof(why)),
				 is_linear);
	}
	assert_int_equal(strlen(why) == 0, is_linear);
}

static void test_one_after_the_other(void **state)
{
	(void)state;
	missed(1, 2);
	put(7, 3, 4);
	got(7, 5, 6);
	put(8, 7, 8);
	got(8, 9, 10);
	del(11, 12);
	missed(13, 14);
	check(true);
}

static void test_what_overlaps_may_be_seen_or_not(void **state)
{
	(void)state;
	put(7, 1, 2);
	put(8, 10, 20);
	got(7, 11, 12);
	got(8, 13, 14);
	got(8, 15, 30);
	check(true);
}

static void test_a_value_seen_before_its_write(void **state)
{
	(void)state;
	got(7, 1, 2);
	put(7, 3, 4);
	check(false);
}

static void test_a_value_that_nobody_wrote(void **state)
{
	(void)state;
	put(8, 1, 2);
	got(7, 3, 4);
	check(false);
}

static void test_an_old_value_after_a_newer_write(void **state)
{
	(void)state;
	put(7, 1, 2);
	put(8, 3, 4);
	got(7, 5, 6);
	check(false);
}

static void test_a_newer_value_then_the_older(void **state)
{
	(void)state;
	put(7, 1, 2);
	put(8, 3, 20);
	got(8, 5, 6);
	got(7, 7, 8);
	check(false);
}

/* Both writes overlap: either order, but only one of them. */
static void test_back_and_forth(void **state)
{
	(void)state;
	put(7, 1, 50);
	put(8, 1, 50);
	got(7, 5, 6);
	got(8, 7, 8);
	check(true);
	got(7, 9, 10);
	check(false);
}

static void test_two_readers_that_disagree(void **state)
{
	(void)state;
	put(7, 1, 50);
	put(8, 1, 50);
	got(7, 5, 9);
	got(8, 6, 8);
	got(8, 60, 61);
	check(true);
	got(7, 62, 63);
	check(false);
}

static void test_an_outcome_that_is_unknown(void **state)
{
	(void)state;
	put(7, 1, 2);
	put(8, 3, HISTORY_NEVER);
	got(7, 10, 11);
	check(true);
	/* It may come late; then it stays. */
	got(8, 100, 101);
	check(true);
	got(7, 102, 103);
	check(false);
}

static void test_an_unknown_one_cannot_come_before_it_was_begun(void **state)
{
	(void)state;
	got(8, 1, 2);
	put(8, 3, HISTORY_NEVER);
	check(false);
}

static void test_a_miss_after_a_put(void **state)
{
	(void)state;
	put(7, 1, 2);
	missed(3, 4);
	check(false);
}

static void test_a_miss_while_it_is_put(void **state)
{
	(void)state;
	put(7, 2, 5);
	missed(1, 3);
	missed(4, 6);
	check(true);
}

static void test_a_miss_that_a_delete_explains(void **state)
{
	(void)state;
	put(7, 1, 2);
	del(3, 6);
	missed(4, 5);
	check(true);
	put(8, 10, 11);
	missed(12, 13);
	check(false);
}

static void test_a_delete_that_may_have_happened(void **state)
{
	(void)state;
	put(7, 1, 2);
	del(3, HISTORY_NEVER);
	missed(100, 101);
	check(true);
}

static void test_a_value_that_comes_back_after_its_delete(void **state)
{
	(void)state;
	put(7, 1, 2);
	del(3, 4);
	got(7, 5, 6);
	check(false);
}

static void test_a_value_beside_its_delete(void **state)
{
	(void)state;
	put(7, 1, 2);
	del(3, 9);
	got(7, 4, 5);
	missed(6, 7);
	check(true);
}

static void test_nothing_is_fine(void **state)
{
	(void)state;
	check(true);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
	const struct CMUnitTest tests[] = {
		TEST(test_one_after_the_other),
		TEST(test_what_overlaps_may_be_seen_or_not),
		TEST(test_a_value_seen_before_its_write),
		TEST(test_a_value_that_nobody_wrote),
		TEST(test_an_old_value_after_a_newer_write),
		TEST(test_a_newer_value_then_the_older),
		TEST(test_back_and_forth),
		TEST(test_two_readers_that_disagree),
		TEST(test_an_outcome_that_is_unknown),
		TEST(test_an_unknown_one_cannot_come_before_it_was_begun),
		TEST(test_a_miss_after_a_put),
		TEST(test_a_miss_while_it_is_put),
		TEST(test_a_miss_that_a_delete_explains),
		TEST(test_a_delete_that_may_have_happened),
		TEST(test_a_value_that_comes_back_after_its_delete),
		TEST(test_a_value_beside_its_delete),
		TEST(test_nothing_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
