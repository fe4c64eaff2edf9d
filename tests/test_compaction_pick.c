#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/compaction_pick.h"
#include "common/segment_header.h"

/*
 * Segments that exist in memory alone: a pick looks at their numbers only.
 */
enum {
	SIZE = 1 << 20, /* of a segment */
	N_MAX = 5000,
	EACH = 1000, /* sequences of a segment */
};

static struct segments *table;
static struct segment *all[N_MAX];
static size_t n_all;
static struct compaction_pick pick;

static int set_up(void **state)
{
	(void)state;
	table = segments_new();
	n_all = 0;
	pick = (struct compaction_pick){
		.segments = table,
		.policy = COMPACTION_POLICY_DEFAULT,
		.segment_size = SIZE,
		.visible_sequence = UINT64_MAX,
		.last_sequence = UINT64_C(1000) * EACH,
	};
	return 0;
}

static void forget(void)
{
	if (pick.reason == COMPACTION_NO_REASON)
		return;
	free(pick.inputs);
	free(pick.outside);
	pick.inputs = NULL;
	pick.outside = NULL;
}

static int tear_down(void **state)
{
	(void)state;
	forget();
	segments_free(table);
	while (n_all > 0)
		free(all[--n_all]);
	return 0;
}

/* A sealed segment, of LEN bytes, LIVE of them; the newest so far. */
static struct segment *add(uint64_t len, uint64_t live, uint64_t tombstones)
{
	struct segment *segment = calloc(1, sizeof(*segment));
	uint64_t first = n_all * EACH + 1;

	all[n_all++] = segment;
	segment->id = (uint32_t)n_all;
	segment->header_len = SEGMENT_HEADER_LEN;
	segment->len = SEGMENT_HEADER_LEN + len;
	segment->live_bytes = live;
	segment->dead_bytes = len - live;
	segment->tombstone_bytes = tombstones;
	segment->first_sequence = first;
	segment->last_sequence = first + EACH - 1;
	segment->sealed = true;
	assert_int_equal(segments_add(table, segment), 0);
	return segment;
}

static enum compaction_reason choose(void)
{
	forget();
	assert_int_equal(compaction_pick(&pick), 0);
	return pick.reason;
}

static bool is_input(const struct segment *segment)
{
	for (size_t i = 0; i < pick.n_inputs; i++) {
		if (pick.inputs[i] == segment)
			return true;
	}
	return false;
}

static bool is_outside(const struct segment *segment)
{
	for (size_t i = 0; i < pick.n_outside; i++) {
		if (pick.outside[i] == segment)
			return true;
	}
	return false;
}

/* ---- reasons ---- */

static void test_nothing_to_do_is_no_reason(void **state)
{
	(void)state;
	assert_int_equal(choose(), COMPACTION_NO_REASON);
	add(SIZE / 2, SIZE / 2, 0);
	add(SIZE / 2, SIZE / 2, 0);
	assert_int_equal(choose(), COMPACTION_NO_REASON);
}

static void test_a_share_of_garbage_is_a_reason(void **state)
{
	struct segment *full;
	struct segment *half;

	(void)state;
	full = add(SIZE / 2, SIZE / 2, 0);
	half = add(SIZE, SIZE / 4, 0);
	assert_int_equal(choose(), COMPACTION_DEAD_SHARE);
	assert_true(is_input(half) && is_outside(full));
	assert_true(pick.input_bytes == half->len);
	assert_true(pick.output_len == segment_header_len(1) + SIZE / 4);
	pick.policy.dead_percent = 60;
	assert_int_equal(choose(), COMPACTION_NO_REASON);
}

static void test_little_garbage_is_none_however_large_its_share(void **state)
{
	(void)state;
	add(SIZE / 2, SIZE / 4, 0);
	assert_int_equal(choose(), COMPACTION_NO_REASON);
	pick.policy.dead_bytes = SIZE / 4;
	assert_int_equal(choose(), COMPACTION_DEAD_BYTES);
}

static void test_what_is_all_dead_needs_no_other_reason(void **state)
{
	struct segment *dead;
	struct segment *tombstones;

	(void)state;
	for (int i = 0; i < 20; i++)
		add(SIZE, SIZE, 0);
	dead = add(1000, 0, 0);
	tombstones = add(1000, 0, 500);
	assert_int_equal(choose(), COMPACTION_ALL_DEAD);
	assert_true(is_input(dead));
	assert_false(is_input(tombstones));
	assert_int_equal(pick.n_inputs, 1);
	assert_int_equal(pick.n_outside, 21);
}

static void test_many_small_segments_are_a_reason(void **state)
{
	struct segment *large = add(SIZE, SIZE, 0);

	(void)state;
	for (int i = 0; i < COMPACTION_SMALL_SEGMENTS - 1; i++)
		add(1000, 1000, 0);
	assert_int_equal(choose(), COMPACTION_NO_REASON);
	add(1000, 1000, 0);
	assert_int_equal(choose(), COMPACTION_SMALL);
	assert_int_equal(pick.n_inputs, COMPACTION_SMALL_SEGMENTS);
	assert_false(is_input(large));
}

static void test_a_disk_over_its_ceiling_takes_a_small_gain(void **state)
{
	struct segment *some;

	(void)state;
	add(SIZE, SIZE, 0);
	some = add(SIZE, SIZE - SIZE / 16, 0);
	assert_int_equal(choose(), COMPACTION_NO_REASON);
	pick.policy.disk_bytes = SIZE;
	assert_int_equal(choose(), COMPACTION_DISK_BYTES);
	assert_true(is_input(some));
	assert_int_equal(pick.n_inputs, 1);
	pick.policy.disk_bytes = 0;
	pick.is_full = true;
	assert_int_equal(choose(), COMPACTION_DISK_FULL);
	assert_true(is_input(some));
}

/* Or the number of files would grow with every start, for ever. */
static void test_a_ceiling_does_not_hide_small_segments(void **state)
{
	(void)state;
	for (int i = 0; i < COMPACTION_SMALL_SEGMENTS; i++)
		add(1000, 1000, 0);
	pick.policy.disk_bytes = 1;
	assert_int_equal(choose(), COMPACTION_SMALL);
	pick.is_full = true;
	assert_int_equal(choose(), COMPACTION_SMALL);
}

/* Nobody has asked for it, so it still counts as live. */
static void test_what_has_expired_is_garbage_when_all_of_it_has(void **state)
{
	struct segment *segment = add(SIZE, SIZE, 0);

	(void)state;
	segment->expiring_bytes = SIZE;
	segment_note_expiry(segment, 5000);
	segment_note_expiry(segment, 0);
	segment_note_expiry(segment, 2000);
	pick.now_ms = 4999;
	assert_int_equal(choose(), COMPACTION_NO_REASON);
	pick.now_ms = 5000;
	assert_int_equal(choose(), COMPACTION_DEAD_SHARE);
	/* its tombstones may be needed, and there is room for them */
	assert_true(pick.output_len == segment_header_len(1) + SIZE);
}

static void test_a_full_compaction_looks_for_what_may_have_expired(void **state)
{
	struct segment *segment = add(SIZE, SIZE, 0);

	(void)state;
	segment->expiring_bytes = SIZE / 2;
	segment_note_expiry(segment, 5000);
	segment_note_expiry(segment, 2000);
	pick.now_ms = 1999;
	segment->is_wanted = true;
	assert_int_equal(choose(), COMPACTION_NO_REASON);
	assert_false(segment->is_wanted);
	pick.now_ms = 2000;
	assert_int_equal(choose(), COMPACTION_NO_REASON);
	segment->is_wanted = true;
	assert_int_equal(choose(), COMPACTION_WANTED);
}

/* ---- which ---- */

static void test_only_sealed_segments_that_stand_are_looked_at(void **state)
{
	struct segment *open = add(SIZE, 0, 0);
	struct segment *gone = add(SIZE, 0, 0);

	(void)state;
	open->sealed = false;
	gone->replaced = true;
	assert_int_equal(choose(), COMPACTION_NO_REASON);
	add(SIZE, 0, 0);
	assert_int_equal(choose(), COMPACTION_ALL_DEAD);
	assert_false(is_outside(open) || is_outside(gone));
	assert_false(is_input(open) || is_input(gone));
}

static void test_a_damaged_segment_is_left_out_but_may_hold_puts(void **state)
{
	struct segment *damaged = add(SIZE, 0, 0);

	(void)state;
	damaged->is_damaged = true;
	assert_int_equal(choose(), COMPACTION_NO_REASON);
	add(SIZE, 0, 0);
	assert_int_equal(choose(), COMPACTION_ALL_DEAD);
	assert_true(is_outside(damaged));
}

/* To a run its entries would look dead: all of it would be lost. */
static void test_a_segment_the_index_has_not_all_of_waits(void **state)
{
	struct segment *done = add(SIZE, 0, 0);
	struct segment *late = add(SIZE, 0, 0);

	(void)state;
	late->is_wanted = true;
	pick.visible_sequence = late->last_sequence - 1;
	assert_int_equal(choose(), COMPACTION_ALL_DEAD);
	assert_true(is_input(done) && is_outside(late));
	pick.visible_sequence++;
	assert_int_equal(choose(), COMPACTION_WANTED);
	assert_true(is_input(late));
}

static void test_inputs_come_in_the_order_of_their_entries(void **state)
{
	(void)state;
	for (int i = 0; i < 6; i++)
		add(SIZE / 8, SIZE / 32 * (uint64_t)(i % 3), 0);
	pick.policy = (struct compaction_policy){ .dead_bytes = 1 };
	compaction_want_all(table);
	assert_int_equal(choose(), COMPACTION_WANTED);
	assert_int_equal(pick.n_inputs, 6);
	for (size_t i = 0; i < 6; i++)
		assert_ptr_equal(pick.inputs[i], all[i]);
}

/* The reserve of a full disk has the size of a segment, no more. */
static void test_an_output_with_its_header_fits_into_a_segment(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++)
		add(SIZE / 2, SIZE / 8, 0);
	compaction_want_all(table);
	assert_int_equal(choose(), COMPACTION_WANTED);
	assert_true(pick.output_len <= SIZE);
	assert_int_equal(pick.n_inputs, 7);
}

static void test_what_is_larger_than_a_segment_gets_a_larger_one(void **state)
{
	struct segment *large = add((uint64_t)4 * SIZE, (uint64_t)2 * SIZE, 0);

	(void)state;
	add(SIZE, 1000, 0);
	compaction_want_all(table);
	assert_int_equal(choose(), COMPACTION_WANTED);
	assert_int_equal(pick.n_inputs, 1);
	assert_true(is_input(large));
	assert_true(pick.output_len ==
		    segment_header_len(1) + (uint64_t)2 * SIZE);
}

/* It would ask for room that there is not, again and again. */
static void test_a_full_disk_takes_what_fits_first(void **state)
{
	struct segment *large = add((uint64_t)8 * SIZE, (uint64_t)2 * SIZE, 0);
	struct segment *fits = add(SIZE, SIZE / 2, 0);

	(void)state;
	pick.is_full = true;
	assert_int_equal(choose(), COMPACTION_DISK_FULL);
	assert_true(is_input(fits) && is_outside(large));
	/* a manifest and a hint need some room too */
	assert_true(pick.output_len <= SIZE - SIZE / 8);
	fits->replaced = true;
	assert_int_equal(choose(), COMPACTION_DISK_FULL);
	assert_true(is_input(large));
}

static void test_more_inputs_than_a_header_can_name_are_not_taken(void **state)
{
	(void)state;
	for (int i = 0; i < SEGMENT_REPLACES_MAX + 10; i++)
		add(1000, 0, 0);
	assert_int_equal(choose(), COMPACTION_ALL_DEAD);
	assert_int_equal(pick.n_inputs, SEGMENT_REPLACES_MAX);
	assert_int_equal(pick.n_outside, 10);
}

/* ---- PITFALLS 28: frees nothing, loops, or starves ---- */

static void test_28_one_small_segment_by_itself_is_left_alone(void **state)
{
	struct segment *small = add(1000, 1000, 0);

	(void)state;
	compaction_want_all(table);
	assert_int_equal(choose(), COMPACTION_NO_REASON);
	assert_false(small->is_wanted);
}

static void test_28_a_wanted_segment_without_garbage_is_passed(void **state)
{
	struct segment *full = add(SIZE, SIZE, 0);
	struct segment *damaged = add(SIZE, 1000, 0);

	(void)state;
	damaged->is_damaged = true;
	assert_true(compaction_want_all(table) == full->len + damaged->len);
	assert_int_equal(choose(), COMPACTION_NO_REASON);
	assert_false(full->is_wanted || damaged->is_wanted);
}

static void test_28_tombstones_that_are_stuck_are_no_gain(void **state)
{
	struct segment *blocker = add(SIZE, SIZE, 0);
	struct segment *stuck = add(SIZE, 0, SIZE);

	(void)state;
	assert_int_equal(choose(), COMPACTION_DEAD_SHARE);
	stuck->stuck_bytes = SIZE;
	stuck->stuck_by = blocker->id;
	assert_int_equal(choose(), COMPACTION_NO_REASON);
	/* a full compaction looks again */
	stuck->is_wanted = true;
	assert_int_equal(choose(), COMPACTION_WANTED);
}

static void test_28_what_was_stuck_is_free_when_its_blocker_goes(void **state)
{
	struct segment *blocker = add(SIZE, SIZE, 0);
	struct segment *stuck = add(SIZE, 0, SIZE);

	(void)state;
	stuck->stuck_bytes = SIZE;
	stuck->stuck_by = blocker->id;
	segments_remove(table, blocker);
	pick.bytes_freed = SIZE;
	assert_int_equal(choose(), COMPACTION_DEAD_SHARE);
	/* one with the same low bits is another */
	blocker->id += 1u << SEGMENT_ID_BITS;
	assert_int_equal(segments_add(table, blocker), 0);
	assert_int_equal(choose(), COMPACTION_DEAD_SHARE);
}

/*
 * Two segments whose tombstones each keep the other's: each run would free
 * the other one to be picked, for ever.
 */
static void test_28_a_blocker_that_gave_nothing_back_frees_nothing(void **state)
{
	struct segment *stuck = add(SIZE, 0, SIZE);

	(void)state;
	stuck->stuck_bytes = SIZE;
	stuck->stuck_by = 77; /* it was compacted */
	stuck->stuck_at = 5000;
	pick.bytes_freed = 5000;
	pick.is_full = true;
	assert_int_equal(choose(), COMPACTION_NO_REASON);
	pick.bytes_freed += SIZE;
	assert_int_equal(choose(), COMPACTION_DISK_FULL);
}

/* By benefit over cost; what is old is likelier to stay dead. */
static void test_28_every_segment_with_garbage_has_its_turn(void **state)
{
	size_t n = 0;

	(void)state;
	for (uint64_t i = 1; i <= 40; i++)
		add(SIZE, SIZE / 50 * i, 0);
	pick.is_full = true;
	while (choose() == COMPACTION_DISK_FULL) {
		assert_true(pick.n_inputs > 0);
		for (size_t i = 0; i < pick.n_inputs; i++)
			pick.inputs[i]->replaced = true;
		n += pick.n_inputs;
		assert_true(n <= n_all);
	}
	assert_int_equal(n, n_all);
}

static void test_28_of_equal_garbage_the_older_goes_first(void **state)
{
	struct segment *old = add(SIZE, SIZE / 2, 0);
	struct segment *young = add(SIZE, SIZE / 2, 0);

	(void)state;
	pick.last_sequence = young->last_sequence;
	assert_int_equal(choose(), COMPACTION_DEAD_SHARE);
	assert_true(is_input(old) && is_outside(young));
}

/* ---- sealing meanwhile ---- */

enum {
	N_WALKS = 300,
	N_BETWEEN = 2000,
};

struct sealing {
	pthread_barrier_t begin;
	pthread_barrier_t end;
	struct segment *older;
	struct segment *newer;
};

/* As upkeep does it, a little later each time. */
static void *seal_both(void *arg)
{
	struct sealing *sealing = arg;

	for (unsigned i = 0; i < N_WALKS; i++) {
		pthread_barrier_wait(&sealing->begin);
		for (volatile unsigned n = 0; n < 100 * i; n++)
			;
		sealing->older->sealed = true;
		sealing->newer->sealed = true;
		pthread_barrier_wait(&sealing->end);
	}
	return NULL;
}

/* The walk meets the older one first, most likely before it is sealed. */
static void test_no_tombstone_is_taken_without_what_is_older(void **state)
{
	struct sealing sealing;
	pthread_t thread;

	(void)state;
	sealing.older = add(SIZE, SIZE, 0);
	for (int i = 0; i < N_BETWEEN; i++)
		add(SIZE, SIZE, 0);
	sealing.newer = add(SIZE, 0, 0);
	sealing.older->last_sequence = sealing.newer->last_sequence - 1;
	pthread_barrier_init(&sealing.begin, NULL, 2);
	pthread_barrier_init(&sealing.end, NULL, 2);
	pthread_create(&thread, NULL, seal_both, &sealing);
	for (unsigned i = 0; i < N_WALKS; i++) {
		sealing.older->sealed = false;
		sealing.newer->sealed = false;
		pthread_barrier_wait(&sealing.begin);
		while (choose() == COMPACTION_NO_REASON)
			;
		assert_true(is_outside(sealing.older));
		pthread_barrier_wait(&sealing.end);
	}
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&sealing.begin);
	pthread_barrier_destroy(&sealing.end);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		test(test_nothing_to_do_is_no_reason),
		test(test_a_share_of_garbage_is_a_reason),
		test(test_little_garbage_is_none_however_large_its_share),
		test(test_what_is_all_dead_needs_no_other_reason),
		test(test_many_small_segments_are_a_reason),
		test(test_a_disk_over_its_ceiling_takes_a_small_gain),
		test(test_a_ceiling_does_not_hide_small_segments),
		test(test_what_has_expired_is_garbage_when_all_of_it_has),
		test(test_a_full_compaction_looks_for_what_may_have_expired),
		test(test_only_sealed_segments_that_stand_are_looked_at),
		test(test_a_damaged_segment_is_left_out_but_may_hold_puts),
		test(test_a_segment_the_index_has_not_all_of_waits),
		test(test_inputs_come_in_the_order_of_their_entries),
		test(test_an_output_with_its_header_fits_into_a_segment),
		test(test_what_is_larger_than_a_segment_gets_a_larger_one),
		test(test_a_full_disk_takes_what_fits_first),
		test(test_more_inputs_than_a_header_can_name_are_not_taken),
		test(test_28_one_small_segment_by_itself_is_left_alone),
		test(test_28_a_wanted_segment_without_garbage_is_passed),
		test(test_28_tombstones_that_are_stuck_are_no_gain),
		test(test_28_what_was_stuck_is_free_when_its_blocker_goes),
		test(test_28_a_blocker_that_gave_nothing_back_frees_nothing),
		test(test_28_every_segment_with_garbage_has_its_turn),
		test(test_28_of_equal_garbage_the_older_goes_first),
		test(test_no_tombstone_is_taken_without_what_is_older),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
