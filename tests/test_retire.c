#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "common/retire.h"
#include "common/segment.h"

enum { N = 4 };

struct fixture {
	struct retire retire;
	struct segment segments[N];
	bool released[N];
	uint32_t last_id;
	const void *last_index;
	unsigned n_indexes;
};

static void release_segment(void *ctx, struct segment *segment)
{
	struct fixture *f = ctx;

	assert_false(f->released[segment->id]);
	/* The oldest first. */
	assert_true(segment->id >= f->last_id);
	f->last_id = segment->id;
	f->released[segment->id] = true;
}

static void release_index(void *ctx, struct index *index)
{
	struct fixture *f = ctx;

	f->last_index = index;
	f->n_indexes++;
}

static struct fixture *setup(struct fixture *f)
{
	struct retire_ops ops = { release_segment, release_index, f };

	memset(f, 0, sizeof(*f));
	retire_init(&f->retire, &ops);
	for (uint32_t i = 0; i < N; i++) {
		f->segments[i].id = i;
		f->segments[i].len = 100;
	}
	return f;
}

static void retire(struct fixture *f, unsigned i)
{
	retire_segment(&f->retire, &f->segments[i]);
}

static void test_without_a_hold_it_is_released_at_once(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	retire(&f, 0);
	assert_true(f.released[0]);
	assert_int_equal(f.retire.held_bytes, 0);
	retire_deinit(&f.retire);
}

static void test_a_hold_that_began_before_keeps_it(void **state)
{
	struct fixture f;
	struct hold hold = { 0 };

	(void)state;
	setup(&f);
	retire_hold(&f.retire, &hold);
	retire(&f, 0);
	retire(&f, 1);
	assert_false(f.released[0]);
	assert_int_equal(f.retire.held_bytes, 200);
	retire_end(&f.retire, &hold);
	assert_true(f.released[0] && f.released[1]);
	retire_deinit(&f.retire);
}

static void test_a_hold_that_began_later_does_not(void **state)
{
	struct fixture f;
	struct hold before = { 0 };
	struct hold later = { 0 };

	(void)state;
	setup(&f);
	retire_hold(&f.retire, &before);
	retire(&f, 0);
	retire_hold(&f.retire, &later);
	retire(&f, 1);
	retire_end(&f.retire, &before);
	assert_true(f.released[0]);
	assert_false(f.released[1]);
	retire_end(&f.retire, &later);
	assert_true(f.released[1]);
	retire_deinit(&f.retire);
}

static void test_readers_that_take_turns_keep_nothing_for_ever(void **state)
{
	struct fixture f;
	struct hold holds[2] = { { 0 } };

	(void)state;
	setup(&f);
	retire_hold(&f.retire, &holds[0]);
	retire(&f, 0);
	for (unsigned i = 1; i < 20; i++) {
		retire_hold(&f.retire, &holds[i % 2]);
		retire_end(&f.retire, &holds[(i + 1) % 2]);
	}
	assert_true(f.released[0]);
	retire_deinit(&f.retire);
}

static void test_an_index_waits_as_a_segment_does(void **state)
{
	struct fixture f;
	struct hold hold = { 0 };
	struct index *first = (struct index *)(void *)&f.segments[0];
	struct index *second = (struct index *)(void *)&f.segments[1];

	(void)state;
	setup(&f);
	retire_hold(&f.retire, &hold);
	assert_int_equal(retire_reserve_index(&f.retire), 0);
	retire_index(&f.retire, first);
	assert_int_equal(retire_reserve_index(&f.retire), 0);
	retire_index(&f.retire, second);
	assert_int_equal(f.n_indexes, 0);
	retire_end(&f.retire, &hold);
	assert_int_equal(f.n_indexes, 2);
	assert_ptr_equal(f.last_index, second);
	retire_deinit(&f.retire);
}

static void test_the_end_releases_all(void **state)
{
	struct fixture f;
	struct hold hold = { 0 };

	(void)state;
	setup(&f);
	retire_hold(&f.retire, &hold);
	assert_int_equal(retire_reserve_index(&f.retire), 0);
	retire_index(&f.retire, (struct index *)(void *)&f.segments[3]);
	retire(&f, 0);
	retire(&f, 2);
	retire_deinit(&f.retire);
	assert_true(f.released[0] && f.released[2]);
	assert_int_equal(f.n_indexes, 1);
}

static void test_a_hold_that_is_not_held_ends_nothing(void **state)
{
	struct fixture f;
	struct hold hold = { 0 };

	(void)state;
	setup(&f);
	retire_end(&f.retire, &hold);
	assert_int_equal(hold.begun, 0);
	retire_deinit(&f.retire);
}

/* Upkeep may not have made its hint yet. */
static void test_what_else_a_segment_is_listed_in_stays(void **state)
{
	struct fixture f;
	struct hold hold = { 0 };

	(void)state;
	setup(&f);
	f.segments[0].next = &f.segments[1];
	f.segments[1].next = &f.segments[2];
	retire_hold(&f.retire, &hold);
	retire(&f, 1);
	retire(&f, 3);
	assert_ptr_equal(f.segments[0].next, &f.segments[1]);
	assert_ptr_equal(f.segments[1].next, &f.segments[2]);
	/* that list is walked, and its own, too */
	f.segments[1].next = NULL;
	retire_end(&f.retire, &hold);
	assert_true(f.released[1] && f.released[3]);
	assert_false(f.released[2]);
	retire_deinit(&f.retire);
}

static void test_a_reader_that_entered_before_keeps_it(void **state)
{
	struct fixture f;
	struct retire_reader reader = { 0 };

	(void)state;
	setup(&f);
	retire_add_reader(&f.retire, &reader);
	retire_enter(&f.retire, &reader);
	retire(&f, 0);
	retire_look(&f.retire);
	assert_false(f.released[0]);
	assert_true(retire_leave(&f.retire, &reader));
	assert_false(f.released[0]);
	retire_look(&f.retire);
	assert_true(f.released[0]);
	/* Nothing waits any more. */
	retire_enter(&f.retire, &reader);
	assert_false(retire_leave(&f.retire, &reader));
	retire_deinit(&f.retire);
}

static void test_a_reader_that_enters_later_does_not(void **state)
{
	struct fixture f;
	struct retire_reader before = { 0 };
	struct retire_reader later = { 0 };

	(void)state;
	setup(&f);
	retire_add_reader(&f.retire, &before);
	retire_add_reader(&f.retire, &later);
	retire_enter(&f.retire, &before);
	retire(&f, 0);
	retire_enter(&f.retire, &later);
	retire(&f, 1);
	retire_leave(&f.retire, &before);
	retire_look(&f.retire);
	assert_true(f.released[0]);
	assert_false(f.released[1]);
	assert_true(retire_leave(&f.retire, &later));
	retire_look(&f.retire);
	assert_true(f.released[1]);
	retire_deinit(&f.retire);
}

/* A hold keeps it: no reader is to say that it leaves. */
static void test_readers_are_not_asked_for_what_a_hold_keeps(void **state)
{
	struct fixture f;
	struct hold hold = { 0 };
	struct retire_reader reader = { 0 };

	(void)state;
	setup(&f);
	retire_add_reader(&f.retire, &reader);
	retire_hold(&f.retire, &hold);
	retire_enter(&f.retire, &reader);
	retire(&f, 0);
	assert_false(retire_leave(&f.retire, &reader));
	retire_end(&f.retire, &hold);
	assert_true(f.released[0]);
	retire_deinit(&f.retire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_hold_it_is_released_at_once),
		cmocka_unit_test(test_a_hold_that_began_before_keeps_it),
		cmocka_unit_test(test_a_hold_that_began_later_does_not),
		cmocka_unit_test(
			test_readers_that_take_turns_keep_nothing_for_ever),
		cmocka_unit_test(test_an_index_waits_as_a_segment_does),
		cmocka_unit_test(test_the_end_releases_all),
		cmocka_unit_test(test_a_hold_that_is_not_held_ends_nothing),
		cmocka_unit_test(test_what_else_a_segment_is_listed_in_stays),
		cmocka_unit_test(test_a_reader_that_entered_before_keeps_it),
		cmocka_unit_test(test_a_reader_that_enters_later_does_not),
		cmocka_unit_test(
			test_readers_are_not_asked_for_what_a_hold_keeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
