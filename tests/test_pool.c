#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/pool.h"

enum {
	SIZE = 48,
	KEPT = 3,
};

static void test_a_piece_is_as_large_as_was_said(void **state)
{
	struct pool pool;
	uint8_t *piece;

	(void)state;
	pool_init(&pool, SIZE, KEPT);
	piece = pool_take(&pool);
	assert_non_null(piece);
	memset(piece, 0xff, SIZE);
	pool_give(&pool, piece);
	pool_deinit(&pool);
}

static void test_pieces_under_way_are_different_ones(void **state)
{
	struct pool pool;
	uint8_t *pieces[KEPT * 2];
	int round;
	int i;

	(void)state;
	pool_init(&pool, SIZE, KEPT);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < KEPT * 2; i++) {
			pieces[i] = pool_take(&pool);
			assert_non_null(pieces[i]);
			memset(pieces[i], i, SIZE);
		}
		for (i = 0; i < KEPT * 2; i++) {
			assert_int_equal(pieces[i][0], i);
			assert_int_equal(pieces[i][SIZE - 1], i);
			pool_give(&pool, pieces[i]);
		}
	}
	pool_deinit(&pool);
}

static void test_no_more_is_kept_than_was_said(void **state)
{
	struct pool pool;
	void *pieces[KEPT * 2];
	int i;

	(void)state;
	pool_init(&pool, SIZE, KEPT);
	for (i = 0; i < KEPT * 2; i++)
		pieces[i] = pool_take(&pool);
	for (i = 0; i < KEPT * 2; i++)
		pool_give(&pool, pieces[i]);
	/* None under AddressSanitizer. */
	assert_int_equal(pool.n, pool.n_max);
	assert_true(pool.n_max <= KEPT);
	pool_deinit(&pool);
	assert_int_equal(pool.n, 0);
	assert_null(pool.first);
}

static void test_nothing_can_be_given_back(void **state)
{
	struct pool pool;

	(void)state;
	pool_init(&pool, SIZE, KEPT);
	pool_give(&pool, NULL);
	assert_int_equal(pool.n, 0);
	pool_deinit(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_piece_is_as_large_as_was_said),
		cmocka_unit_test(test_pieces_under_way_are_different_ones),
		cmocka_unit_test(test_no_more_is_kept_than_was_said),
		cmocka_unit_test(test_nothing_can_be_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
