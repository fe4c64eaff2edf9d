#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "common/segments.h"

static struct segments *table;

static int set_up(void **state)
{
	(void)state;
	table = segments_new();
	return table ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	segments_free(table);
	segments_free(NULL);
	return 0;
}

static void test_found_by_the_low_24_bits(void **state)
{
	struct segment a = { .id = 1 };
	struct segment b = { .id = 0x5ffffff };

	(void)state;
	assert_null(segments_get(table, 1));
	assert_int_equal(segments_add(table, &a), 0);
	assert_int_equal(segments_add(table, &b), 0);
	assert_int_equal(table->count, 2);
	assert_ptr_equal(segments_get(table, 1), &a);
	assert_ptr_equal(segments_get(table, 0x1000001), &a);
	assert_ptr_equal(segments_get(table, 0xffffff), &b);
	assert_null(segments_get(table, 2));
	assert_null(segments_get(table, 0xfffffe));
}

static void test_a_place_is_taken_once(void **state)
{
	struct segment a = { .id = 4097 };
	struct segment b = { .id = 4097 + (1 << SEGMENT_ID_BITS) };

	(void)state;
	assert_int_equal(segments_add(table, &a), 0);
	assert_int_equal(segments_add(table, &b), -EEXIST);
	/* removing one that is not there takes nothing away */
	segments_remove(table, &b);
	assert_ptr_equal(segments_get(table, 4097), &a);
	segments_remove(table, &a);
	assert_null(segments_get(table, 4097));
	assert_int_equal(table->count, 0);
	assert_int_equal(segments_add(table, &b), 0);
}

static void sum_ids(void *ctx, struct segment *segment)
{
	uint64_t *sum = ctx;

	/* in order: each is larger than all before it together */
	assert_true(segment->id > *sum);
	*sum += segment->id;
}

static void test_each_in_order(void **state)
{
	struct segment all[] = {
		{ .id = 1 << 20 }, { .id = 1 }, { .id = 4096 }, { .id = 4095 }
	};
	uint64_t sum = 0;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(segments_add(table, &all[i]), 0);
	segments_remove(table, &all[3]);
	segments_each(table, sum_ids, &sum);
	assert_int_equal(sum, (1 << 20) + 1 + 4096);
}

static void test_next_id_is_free_and_never_0(void **state)
{
	struct segment a = { .id = 1 };
	struct segment b = { .id = 2 };

	(void)state;
	assert_int_equal(segments_next_id(table, 1), 1);
	segments_add(table, &a);
	segments_add(table, &b);
	assert_int_equal(segments_next_id(table, 1), 3);
	/* low bits 0 mean nothing to the index; 1 and 2 are taken */
	assert_int_equal(segments_next_id(table, 1 << SEGMENT_ID_BITS),
			 (1 << SEGMENT_ID_BITS) + 3);
}

/* ---- threads ---- */

enum { N_THREADS = 4, N_EACH = 3000 };

struct adder {
	pthread_t thread;
	struct segment *own; /* N_EACH */
	int result;
};

static void *add_all(void *arg)
{
	struct adder *adder = arg;

	for (unsigned i = 0; i < N_EACH; i++) {
		int result = segments_add(table, &adder->own[i]);

		if (result != 0)
			adder->result = result;
	}
	return NULL;
}

/* Ids that lie in each other's leaves; the first looks up meanwhile. */
static void test_any_thread_may_add(void **state)
{
	struct adder adders[N_THREADS] = { { .result = 0 } };

	(void)state;
	for (unsigned i = 0; i < N_THREADS; i++) {
		adders[i].own = calloc(N_EACH, sizeof(struct segment));
		for (unsigned k = 0; k < N_EACH; k++)
			adders[i].own[k].id = 1 + k * N_THREADS + i;
		assert_int_equal(pthread_create(&adders[i].thread, NULL,
						add_all, &adders[i]),
				 0);
	}
	while (table->count < N_THREADS * N_EACH) {
		struct segment *segment = segments_get(table, 2);

		assert_true(!segment || segment->id == 2);
		sched_yield();
	}
	for (unsigned i = 0; i < N_THREADS; i++) {
		pthread_join(adders[i].thread, NULL);
		assert_int_equal(adders[i].result, 0);
	}
	for (uint32_t id = 1; id <= N_THREADS * N_EACH; id++)
		assert_int_equal(segments_get(table, id)->id, id);
	assert_int_equal(segments_next_id(table, 1), N_THREADS * N_EACH + 1);
	for (unsigned i = 0; i < N_THREADS; i++)
		free(adders[i].own);
}

static void count_all(void *ctx, struct segment *segment)
{
	unsigned *n = ctx;

	(void)segment;
	(*n)++;
}

/* A leaf that has become empty is passed, and is none when one comes back. */
static void test_each_over_leaves_that_are_empty_again(void **state)
{
	struct segment a = { .id = 5000 };
	struct segment b = { .id = 9000 };
	unsigned n = 0;

	(void)state;
	assert_int_equal(segments_add(table, &a), 0);
	assert_int_equal(segments_add(table, &b), 0);
	segments_remove(table, &a);
	segments_remove(table, &a);
	segments_each(table, count_all, &n);
	assert_int_equal(n, 1);
	assert_int_equal(segments_add(table, &a), 0);
	segments_each(table, count_all, &n);
	assert_int_equal(n, 3);
}

#define table_test(name)                                                       \
	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		table_test(test_found_by_the_low_24_bits),
		table_test(test_a_place_is_taken_once),
		table_test(test_each_in_order),
		table_test(test_next_id_is_free_and_never_0),
		table_test(test_any_thread_may_add),
		table_test(test_each_over_leaves_that_are_empty_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
