#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/crash/simfs.h"
#include "tests/support/store_kit.h"

/*
 * What a store grows to when it is written to for a long time, with the runs
 * that are due (PITFALLS 2 and 28).
 */

#define DIR "/store"

enum {
	PAD = 1000,
	RUNS_MAX = 50, /* that are due at once */
};

static struct simfs *fs;
static struct io *io;
static struct store *store;
static uint64_t random_state;

static int set_up(void **state)
{
	(void)state;
	fs = simfs_new();
	io = simfs_io(fs);
	store = kit_open(io, DIR);
	random_state = 1;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	store_abandon(store);
	store = NULL;
	assert_int_equal(simfs_n_open(fs), 0);
	simfs_free(fs);
	return 0;
}

static uint32_t draw(uint32_t n)
{
	random_state = random_state * UINT64_C(6364136223846793005) + 1;
	return (uint32_t)(random_state >> 33) % n;
}

static void put(unsigned i, unsigned len)
{
	static char value[16 * PAD];
	char key[12];

	memset(value, 'v', len);
	snprintf(key, sizeof(key), "k%u", i);
	assert_int_equal(
		store_put(store, key, strlen(key), value, len, STORE_NONE), 0);
}

static void take_away(unsigned i)
{
	char key[12];

	snprintf(key, sizeof(key), "k%u", i);
	assert_int_equal(store_delete(store, key, strlen(key), STORE_NONE), 0);
}

/* As the engine does it: whenever there is a reason. */
static void run_due(void)
{
	unsigned n = 0;

	while (store_compact_due(store) == 0)
		assert_true(n++ < RUNS_MAX);
}

static double amplification(void)
{
	struct store_stats stats = kit_stats(store);

	return (double)stats.compaction_bytes_written /
	       (double)stats.compaction_bytes_freed;
}

/* ---- overwriting ---- */

/* The most that the store took, per live byte, after it has settled. */
static double overwrite(unsigned n_keys, unsigned n_hot, unsigned n_writes)
{
	double most = 0;

	for (unsigned i = 0; i < n_keys; i++)
		put(i, PAD);
	for (unsigned i = 0; i < n_writes; i++) {
		struct store_stats stats;
		double ratio;

		/* nine of ten go to the hot ones */
		put(n_hot && i % 10 ? draw(n_hot) : draw(n_keys), PAD);
		run_due();
		if (i < n_writes / 4)
			continue;
		stats = kit_stats(store);
		ratio = (double)stats.disk_bytes / (double)stats.live_bytes;
		if (ratio > most)
			most = ratio;
	}
	assert_int_equal(store_count(store), n_keys);
	return most;
}

static void test_overwriting_takes_half_as_much_again_at_most(void **state)
{
	double most = overwrite(500, 0, 6000);

	(void)state;
	print_message("# %.2f of the live bytes, %.2f written a byte freed\n",
		      most, amplification());
	assert_true(most <= 1.5);
	assert_true(amplification() < 4);
}

static void test_overwriting_a_few_hot_keys_too(void **state)
{
	double most = overwrite(500, 25, 6000);

	(void)state;
	print_message("# %.2f of the live bytes, %.2f written a byte freed\n",
		      most, amplification());
	assert_true(most <= 1.5);
	assert_true(amplification() < 2);
}

static void test_overwriting_a_small_store_takes_little(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		put(draw(3), PAD);
		run_due();
		/* the active one, one that is not worth a run yet */
		assert_true(kit_stats(store).disk_bytes < 3 * KIT_SEGMENT_SIZE);
	}
}

static void test_values_larger_than_a_segment_go(void **state)
{
	static char value[2 * KIT_SEGMENT_SIZE];

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		char key[12];

		snprintf(key, sizeof(key), "k%u", draw(4));
		assert_int_equal(store_put(store, key, strlen(key), value,
					   sizeof(value), STORE_NONE),
				 0);
		run_due();
		assert_true(kit_stats(store).disk_bytes <= 6 * sizeof(value));
	}
}

/* ---- queues ---- */

static void test_a_queue_reaches_a_steady_size(void **state)
{
	enum { LENGTH = 100, N = 6000 };
	uint64_t most = 0;

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		put(i, PAD);
		if (i >= LENGTH)
			take_away(i - LENGTH);
		run_due();
		if (i > N / 4 && kit_stats(store).disk_bytes > most)
			most = kit_stats(store).disk_bytes;
	}
	print_message("# at most %.1f segments for %.1f of live entries\n",
		      (double)most / KIT_SEGMENT_SIZE,
		      (double)LENGTH * PAD / KIT_SEGMENT_SIZE);
	assert_true(most < 5 * KIT_SEGMENT_SIZE);
	assert_int_equal(store_count(store), LENGTH);
}

/* Tombstones are most of what it writes. */
static void test_a_queue_of_small_entries_too(void **state)
{
	enum { LENGTH = 500, N = 60000 };

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		put(i, 1);
		if (i >= LENGTH)
			take_away(i - LENGTH);
		if (i % 16)
			continue;
		run_due();
		assert_true(kit_stats(store).disk_bytes < 5 * KIT_SEGMENT_SIZE);
	}
	assert_true(kit_stats(store).segments < 10);
}

/* Beside much that is never touched, whose filters say "perhaps" at times. */
static void test_02_a_queue_beside_old_entries_does_not_grow(void **state)
{
	enum { OLD = 3000, LENGTH = 200, N = 30000 };
	uint64_t old;

	(void)state;
	for (unsigned i = 0; i < OLD; i++)
		put(1000000 + i, 100);
	assert_int_equal(store_roll(store), 0);
	old = kit_stats(store).disk_bytes;
	for (unsigned i = 0; i < N; i++) {
		put(i, 10);
		if (i >= LENGTH)
			take_away(i - LENGTH);
		if (i % 16 == 0)
			run_due();
	}
	assert_true(kit_stats(store).disk_bytes <
		    old + old / 4 + 4 * KIT_SEGMENT_SIZE);
	assert_int_equal(store_count(store), OLD + LENGTH);
}

/* PITFALLS 2: each delete is needed, since the oldest put is still there. */
static void test_02_one_key_put_and_deleted_over_an_old_put(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 60; i++)
		put(i, PAD);
	assert_int_equal(store_roll(store), 0);
	for (unsigned i = 0; i < 20000; i++) {
		put(7, 100);
		take_away(7);
		if (i % 16)
			continue;
		run_due();
		assert_true(kit_stats(store).disk_bytes < 4 * KIT_SEGMENT_SIZE);
	}
	kit_close(store);
	store = kit_open(io, DIR);
	kit_expect(store, "k7", NULL);
	assert_int_equal(store_count(store), 59);
}

/* ---- what expires ---- */

static void put_expiring(unsigned i, uint64_t ttl_ms)
{
	static char value[PAD];
	char key[12];
	struct store_write write = {
		.key = key,
		.value = value,
		.value_len = sizeof(value),
		.expires_at_ms = io->clock_ms(io) + ttl_ms,
	};

	snprintf(key, sizeof(key), "k%u", i);
	write.key_len = strlen(key);
	assert_int_equal(store_apply(store, &write, 1, STORE_NONE), 0);
}

/* A cache that nobody reads, or deletes from. */
static void test_what_expires_unread_gives_its_room_back(void **state)
{
	enum { N = 6000, TTL_MS = 1000, STEP_MS = 10 };

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		put_expiring(i, TTL_MS + draw(100));
		simfs_set_clock(fs, io->clock_ms(io) + STEP_MS);
		run_due();
		if (i % 1500 == 0) {
			kit_close(store);
			store = kit_open(io, DIR);
		}
		/* some 110 KB of it are alive at any time */
		assert_true(kit_stats(store).disk_bytes < 5 * KIT_SEGMENT_SIZE);
	}
	assert_true(store_count(store) < 400);
}

/* Some live long: only a full compaction looks for the others. */
static void test_a_full_compaction_finds_all_that_has_expired(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 400; i++)
		put_expiring(i, i % 10 ? 1000 : 1000000);
	simfs_set_clock(fs, io->clock_ms(io) + 2000);
	assert_int_equal(store_compact(store), 0);
	assert_int_equal(store_count(store), 40);
	assert_true(kit_stats(store).disk_bytes < 50 * PAD);
	/* a tombstone of a hundred, where a filter says "perhaps" */
	assert_true(kit_stats(store).dead_bytes < 2 * PAD);
}

/* ---- many small segments ---- */

static void test_small_segments_become_few(void **state)
{
	unsigned most = 0;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		put(i, 100);
		kit_close(store);
		store = kit_open(io, DIR);
		run_due();
		if (kit_stats(store).segments > most)
			most = (unsigned)kit_stats(store).segments;
	}
	assert_true(most <= 10);
	assert_int_equal(store_count(store), 100);
}

/* ---- and no run without need ---- */

static void test_28_what_is_only_read_is_left_alone(void **state)
{
	uint64_t n;

	(void)state;
	overwrite(100, 0, 500);
	n = kit_stats(store).compactions;
	run_due();
	assert_int_equal(kit_stats(store).compactions, n);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(store_compact_due(store), STORE_NOT_FOUND);
}

static void test_28_what_is_only_added_is_never_copied(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		put(i, PAD);
		run_due();
	}
	assert_int_equal(kit_stats(store).compactions, 0);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		test(test_overwriting_takes_half_as_much_again_at_most),
		test(test_overwriting_a_few_hot_keys_too),
		test(test_overwriting_a_small_store_takes_little),
		test(test_values_larger_than_a_segment_go),
		test(test_a_queue_reaches_a_steady_size),
		test(test_a_queue_of_small_entries_too),
		test(test_02_a_queue_beside_old_entries_does_not_grow),
		test(test_02_one_key_put_and_deleted_over_an_old_put),
		test(test_what_expires_unread_gives_its_room_back),
		test(test_a_full_compaction_finds_all_that_has_expired),
		test(test_small_segments_become_few),
		test(test_28_what_is_only_read_is_left_alone),
		test(test_28_what_is_only_added_is_never_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
