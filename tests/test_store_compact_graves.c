#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/store_internal.h"
#include "tests/crash/simfs.h"
#include "tests/support/store_kit.h"

/*
 * What was deleted, replaced, has expired or is damaged does not come back,
 * whatever is compacted in whatever order.
 */

#define DIR "/store"

enum {
	SEGMENTS_MAX = 16,
	DEPTH = 3, /* partial compactions, one behind the other */
	TTL_MS = 1000,
};

static struct simfs *fs;
static struct io *io;
static struct store *store;
static unsigned n_rolls;

static int set_up(void **state)
{
	(void)state;
	n_rolls = 0;
	fs = simfs_new();
	io = simfs_io(fs);
	store = kit_open(io, DIR);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	store_abandon(store);
	store = NULL;
	assert_int_equal(simfs_n_open(fs), 0);
	assert_int_equal(simfs_n_misused(fs), 0);
	simfs_free(fs);
	return 0;
}

static void reopen(void)
{
	kit_close(store);
	store = kit_open(io, DIR);
}

static void roll(void)
{
	char key[16];

	/*
	 * Something alive, or it would go by itself; something dead, so that
	 * a run of it alone is of use.
	 */
	snprintf(key, sizeof(key), "alive %u", n_rolls++);
	kit_put(store, key, "value");
	kit_put(store, "filler", "old");
	kit_put(store, "filler", "new");
	assert_int_equal(store_roll(store), 0);
}

static void put_expiring(const char *key, const char *value)
{
	kit_put_until(store, key, value, io->clock_ms(io) + TTL_MS);
}

static void expire(void)
{
	simfs_set_clock(fs, io->clock_ms(io) + TTL_MS);
}

/* ---- compactions of chosen segments ---- */

struct sealed {
	struct segment *at[SEGMENTS_MAX];
	unsigned n;
};

static void list_sealed(void *ctx, struct segment *segment)
{
	struct sealed *sealed = ctx;

	if (!segment->sealed || segment->replaced)
		return;
	assert_true(sealed->n < SEGMENTS_MAX);
	sealed->at[sealed->n++] = segment;
}

static unsigned n_sealed(void)
{
	struct sealed sealed = { .n = 0 };

	segments_each(store->segments, list_sealed, &sealed);
	return sealed.n;
}

/* Those that MASK tells, in the order of their ids. */
static void compact_only(unsigned mask)
{
	struct compaction_policy policy = { 0 };
	struct sealed sealed = { .n = 0 };
	unsigned i;

	segments_each(store->segments, list_sealed, &sealed);
	for (i = 0; i < sealed.n; i++)
		sealed.at[i]->is_wanted = mask >> i & 1;
	while (store_compact_begin(store, &policy) == 0) {
		assert_int_equal(compaction_copy(&store->run.work), 0);
		assert_int_equal(store_compact_copied(store), 0);
		while (!store_compact_move(store, 2))
			;
		assert_int_equal(log_sync(&store->log), 0);
		assert_int_equal(compaction_install(&store->run.work), 0);
		store_compact_end(store, 0);
		upkeep_settle(store->upkeep);
	}
}

/* ---- every order ---- */

/* What is gone is gone, what is there is there, and so after a start. */
static void expect_right(void)
{
	for (unsigned again = 0; again < 2; again++) {
		kit_expect(store, "put, deleted, put, deleted", NULL);
		kit_expect(store, "expired over an older one", NULL);
		kit_expect(store, "replaced, deleted", NULL);
		kit_expect(store, "deleted, put", "there");
		kit_expect(store, "expired, put", "there");
		kit_expect(store, "filler", "new");
		if (again == 0)
			reopen();
	}
}

static void make_history(void)
{
	kit_put(store, "put, deleted, put, deleted", "1");
	kit_put(store, "expired over an older one", "for ever");
	kit_put(store, "replaced, deleted", "1");
	kit_put(store, "deleted, put", "1");
	roll();
	kit_delete(store, "put, deleted, put, deleted");
	put_expiring("expired over an older one", "for a time");
	kit_put(store, "replaced, deleted", "2");
	kit_delete(store, "deleted, put");
	put_expiring("expired, put", "for a time");
	roll();
	kit_put(store, "put, deleted, put, deleted", "3");
	kit_delete(store, "replaced, deleted");
	kit_put(store, "expired, put", "there");
	roll();
	kit_delete(store, "put, deleted, put, deleted");
	kit_put(store, "deleted, put", "there");
	roll();
}

static unsigned n_orders;

/* Every subset of what is there now; and then of what that has left. */
static void try_all(unsigned depth, bool without_hints)
{
	unsigned n = n_sealed();
	struct simfs *before;
	unsigned mask;

	if (depth == 0)
		return;
	kit_close(store);
	before = fs;
	for (mask = 1; mask < 1u << n; mask++) {
		fs = simfs_clone(before);
		io = simfs_io(fs);
		store = kit_open(io, DIR);
		for (uint32_t id = 1; without_hints && id < 40; id++) {
			char name[SEGMENT_NAME_MAX];

			segment_hint_name(id, name);
			if (kit_exists(io, DIR, name))
				kit_unlink(io, DIR, name);
		}
		compact_only(mask);
		expect_right();
		n_orders++;
		try_all(depth - 1, without_hints);
		store_abandon(store);
		simfs_free(fs);
	}
	fs = before;
	io = simfs_io(fs);
	store = kit_open(io, DIR);
}

static void test_01_39_nothing_comes_back_in_any_order(void **state)
{
	(void)state;
	make_history();
	expire();
	expect_right();
	n_orders = 0;
	try_all(DEPTH, false);
	assert_true(n_orders > 200);
}

static void test_01_10_nothing_comes_back_without_hints(void **state)
{
	(void)state;
	make_history();
	expire();
	try_all(2, true);
}

/* Compacted while it is there, and again when its time is over. */
static void test_39_what_expires_between_two_compactions(void **state)
{
	(void)state;
	kit_put(store, "a", "for ever");
	roll();
	put_expiring("a", "for a time");
	roll();
	kit_put(store, "b", "value");
	roll();
	compact_only(6);
	kit_expect(store, "a", "for a time");
	expire();
	kit_put(store, "filler", "newer");
	compact_only(2);
	for (unsigned again = 0; again < 2; again++) {
		kit_expect(store, "a", NULL);
		reopen();
	}
}

/* The clock may step back: what a run has taken for expired stays so. */
static void
test_04_39_a_clock_that_steps_back_uncovers_nothing_older(void **state)
{
	uint64_t now = io->clock_ms(io);

	(void)state;
	kit_put(store, "a", "for ever");
	roll();
	put_expiring("a", "for a time");
	roll();
	expire();
	compact_only(2);
	simfs_set_clock(fs, now);
	for (unsigned again = 0; again < 2; again++) {
		kit_expect(store, "a", NULL);
		reopen();
	}
}

/* ---- PITFALLS 3: sequences decide, not files ---- */

static void test_03_a_copy_in_a_newer_file_does_not_undo_a_delete(void **state)
{
	struct compaction_policy policy = { 0 };

	(void)state;
	kit_put(store, "a", "value");
	kit_put(store, "b", "value");
	roll();
	kit_put(store, "c", "value");
	store_compact_want_all(store);
	assert_int_equal(store_compact_begin(store, &policy), 0);
	assert_int_equal(compaction_copy(&store->run.work), 0);
	/* into a file with a lower number than the copy's */
	kit_delete(store, "a");
	kit_put(store, "b", "newer");
	assert_true(store->log.active->id < store->run.work.output->id);
	assert_int_equal(store_compact_copied(store), 0);
	while (!store_compact_move(store, 1))
		;
	assert_int_equal(log_sync(&store->log), 0);
	assert_int_equal(compaction_install(&store->run.work), 0);
	store_compact_end(store, 0);
	for (unsigned again = 0; again < 3; again++) {
		kit_expect(store, "a", NULL);
		kit_expect(store, "b", "newer");
		reopen();
	}
}

/* ---- PITFALLS 2, 44: tombstones go when they may ---- */

static void test_44_a_tombstone_goes_though_an_old_segment_is_left(void **state)
{
	(void)state;
	kit_put(store, "other", "value");
	roll();
	kit_put(store, "a", "value");
	kit_delete(store, "a");
	roll();
	compact_only(2);
	assert_int_equal(n_sealed(), 2);
	assert_true(kit_stats(store).dead_bytes < 200);
	reopen();
	kit_expect(store, "a", NULL);
}

static void test_01_a_tombstone_stays_while_its_put_is_left(void **state)
{
	uint64_t dead;

	(void)state;
	kit_put(store, "a", "value");
	roll();
	kit_delete(store, "a");
	roll();
	compact_only(2);
	dead = kit_stats(store).dead_bytes;
	reopen();
	kit_expect(store, "a", NULL);
	assert_true(kit_stats(store).dead_bytes == dead);
	/* and goes with it */
	compact_only(3);
	assert_true(kit_stats(store).dead_bytes == 0);
	reopen();
	kit_expect(store, "a", NULL);
}

/* A put on top of an old one, and its delete, again and again. */
static void test_02_put_and_delete_over_an_old_put_does_not_grow(void **state)
{
	(void)state;
	kit_put(store, "a", "the oldest");
	kit_put(store, "b", "value");
	roll();
	for (unsigned i = 0; i < 50; i++) {
		unsigned n = n_sealed();

		kit_put(store, "a", "value");
		kit_delete(store, "a");
		roll();
		/* all but the first */
		compact_only((1u << (n + 1)) - 2);
		assert_true(kit_stats(store).dead_bytes < 400);
		assert_true(n_sealed() <= 3);
	}
	reopen();
	kit_expect(store, "a", NULL);
	kit_expect(store, "b", "value");
}

/* ---- PITFALLS 13, 41: damage ---- */

static void test_41_a_damaged_value_is_still_damaged_after_it(void **state)
{
	struct kit_place place;

	(void)state;
	kit_put(store, "a", "old");
	roll();
	kit_put(store, "a", "value");
	kit_put(store, "b", "value");
	roll();
	reopen();
	place = kit_find(io, DIR, 2, "a");
	kit_flip(io, DIR, "0000000002.seg", place.value_off, 1);
	compact_only(2);
	for (unsigned again = 0; again < 3; again++) {
		assert_int_equal(kit_get(store, "a", NULL, 0), STORE_CORRUPT);
		kit_expect(store, "b", "value");
		assert_false(kit_exists(io, DIR, "0000000002.seg"));
		compact_only(7);
		reopen();
	}
	/* a put heals the key, a delete too */
	kit_put(store, "a", "new");
	assert_int_equal(store_compact(store), 0);
	kit_expect(store, "a", "new");
}

static void test_41_a_deleted_damaged_value_stays_deleted(void **state)
{
	struct kit_place place;

	(void)state;
	kit_put(store, "a", "old");
	roll();
	kit_put(store, "a", "value");
	roll();
	place = kit_find(io, DIR, 2, "a");
	kit_flip(io, DIR, "0000000002.seg", place.value_off, 1);
	compact_only(2);
	assert_int_equal(kit_get(store, "a", NULL, 0), STORE_CORRUPT);
	kit_delete(store, "a");
	assert_int_equal(store_compact(store), 0);
	reopen();
	kit_expect(store, "a", NULL);
}

static void test_13_a_segment_with_a_damaged_header_is_left_alone(void **state)
{
	struct kit_place place;

	(void)state;
	kit_put(store, "a", "value");
	kit_put(store, "b", "value");
	roll();
	kit_put(store, "b", "newer");
	kit_put(store, "c", "value");
	kit_put(store, "c", "newer");
	roll();
	place = kit_find(io, DIR, 1, "a");
	kit_flip(io, DIR, "0000000001.seg", place.off + 16, 1);
	assert_int_equal(store_compact(store), 0);
	assert_int_equal(store_compact(store), 0);
	assert_true(kit_exists(io, DIR, "0000000001.seg"));
	/* the others had their turn */
	assert_false(kit_exists(io, DIR, "0000000002.seg"));
	assert_int_equal(kit_get(store, "a", NULL, 0), STORE_CORRUPT);
	kit_expect(store, "b", "newer");
	reopen();
	assert_int_equal(kit_get(store, "a", NULL, 0), STORE_CORRUPT);
	kit_expect(store, "b", "newer");
	kit_expect(store, "c", "newer");
	/* also when a start had to read it: what was there may be older */
	kit_delete(store, "b");
	assert_int_equal(store_compact(store), 0);
	kit_close(store);
	kit_unlink(io, DIR, "0000000001.hint");
	store = kit_open(io, DIR);
	assert_true(kit_stats(store).damaged_entries > 0);
	assert_int_equal(store_compact(store), 0);
	assert_true(kit_exists(io, DIR, "0000000001.seg"));
	kit_expect(store, "b", NULL);
}

/* ---- PITFALLS 14: power cuts ---- */

struct cuts {
	struct simfs *at[256];
	unsigned n;
	uint64_t seed;
};

static void keep_cut(void *ctx, struct simfs *from, enum simfs_call call,
		     bool changed)
{
	struct cuts *cuts = ctx;

	(void)call;
	if (!changed || cuts->n + 2 > 256)
		return;
	cuts->at[cuts->n++] = simfs_crash_durable(from);
	cuts->at[cuts->n++] = simfs_crash_random(from, cuts->seed++, NULL, 0);
}

static void test_14_a_power_cut_at_any_point_of_a_run(void **state)
{
	struct cuts cuts = { .seed = 1 };
	struct simfs *last = NULL;

	(void)state;
	make_history();
	expire();
	simfs_set_hook(fs, keep_cut, &cuts);
	assert_int_equal(store_compact(store), 0);
	simfs_set_hook(fs, NULL, NULL);
	assert_true(cuts.n > 20);
	expect_right();
	store_abandon(store);
	last = fs;
	for (unsigned i = 0; i < cuts.n; i++) {
		fs = cuts.at[i];
		io = simfs_io(fs);
		store = kit_open(io, DIR);
		expect_right();
		/* copies that no manifest lists are removed, not kept */
		assert_int_equal(kit_count(io, DIR, "quarantine", ".seg"), 0);
		assert_int_equal(kit_count(io, DIR, "", ".tmp"), 0);
		assert_int_equal(store_compact(store), 0);
		expect_right();
		store_abandon(store);
		simfs_free(fs);
	}
	fs = last;
	io = simfs_io(fs);
	store = kit_open(io, DIR);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		test(test_01_39_nothing_comes_back_in_any_order),
		test(test_01_10_nothing_comes_back_without_hints),
		test(test_39_what_expires_between_two_compactions),
		test(test_04_39_a_clock_that_steps_back_uncovers_nothing_older),
		test(test_03_a_copy_in_a_newer_file_does_not_undo_a_delete),
		test(test_44_a_tombstone_goes_though_an_old_segment_is_left),
		test(test_01_a_tombstone_stays_while_its_put_is_left),
		test(test_02_put_and_delete_over_an_old_put_does_not_grow),
		test(test_41_a_damaged_value_is_still_damaged_after_it),
		test(test_41_a_deleted_damaged_value_stays_deleted),
		test(test_13_a_segment_with_a_damaged_header_is_left_alone),
		test(test_14_a_power_cut_at_any_point_of_a_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
