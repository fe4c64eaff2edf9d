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

/* Compactions through the store when calls to the disk fail. */

#define DIR "/store"

enum {
	KEYS = 30,
	PAD = 3000,
	FAULTS_MAX = 2000,
};

static struct simfs *base; /* a closed store with a lot to compact */
static struct simfs *fs;
static struct io *io;
static struct store *store;

static void key_of(unsigned i, char key[12])
{
	snprintf(key, 12, "k%u", i);
}

static void value_of(unsigned i, unsigned round, char value[PAD + 1])
{
	int n = snprintf(value, PAD, "%u:%u:", i, round);

	memset(value + n, 'x', (size_t)(PAD - n));
	value[PAD] = 0;
}

static void put(unsigned i, unsigned round)
{
	char key[12];
	char value[PAD + 1];

	key_of(i, key);
	value_of(i, round, value);
	kit_put(store, key, value);
}

static int make_base(void **state)
{
	(void)state;
	base = simfs_new();
	store = kit_open(simfs_io(base), DIR);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < KEYS; i++) {
			char key[12];

			key_of(i, key);
			if (round == 2 && i % 3 == 0)
				kit_delete(store, key);
			else if (round < 2 || i % 3 == 1)
				put(i, round);
		}
	}
	kit_close(store);
	store = NULL;
	return 0;
}

static int free_base(void **state)
{
	(void)state;
	simfs_free(base);
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	fs = simfs_clone(base);
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

static void expect_all(void)
{
	for (unsigned i = 0; i < KEYS; i++) {
		char key[12];
		char value[PAD + 1];

		key_of(i, key);
		value_of(i, i % 3 == 1 ? 2 : 1, value);
		kit_expect(store, key, i % 3 == 0 ? NULL : value);
	}
}

static void set_fault(unsigned call, uint64_t nth, bool from_then, int error)
{
	const struct simfs_fault fault = { .calls = 1u << call,
					   .nth = nth,
					   .from_then = from_then,
					   .error = error };

	simfs_set_fault(fs, error ? &fault : NULL);
}

/* ---- each call in turn ---- */

/* What failed is over: the next compaction does all that was left. */
static void expect_recovered(void)
{
	expect_all();
	if (kit_stats(store).read_only) {
		store_close(store);
		store = kit_open(io, DIR);
		expect_all();
	}
	assert_int_equal(store_compact(store), 0);
	assert_int_equal(kit_stats(store).dead_bytes, 0);
	expect_all();
	put(0, 9);
	reopen();
	assert_int_equal(store_count(store), KEYS - KEYS / 3 + 1);
	assert_int_equal(kit_stats(store).dead_bytes, 0);
	assert_int_equal(kit_count(io, DIR, "", ".tmp"), 0);
	assert_int_equal(kit_count(io, DIR, "quarantine", ""), 0);
}

/* Whether the fault was met. */
static bool try_fault(unsigned call, uint64_t nth, bool from_then, int error)
{
	uint64_t n_faults;
	int result;

	set_up(NULL);
	set_fault(call, nth, from_then, error);
	result = store_compact(store);
	n_faults = simfs_n_faults(fs);
	set_fault(0, 0, false, 0);
	assert_true(result == 0 || n_faults > 0);
	if (n_faults > 0)
		expect_recovered();
	tear_down(NULL);
	return n_faults > 0;
}

static void try_all_faults(bool from_then, int error)
{
	for (unsigned call = 0; call < SIMFS_N_CALLS; call++) {
		uint64_t nth = 1;

		/* what cannot be read is damaged, until the next start */
		if (call == SIMFS_PREAD && error == EIO)
			continue;
		/* what removes is not tried twice */
		if (call == SIMFS_UNLINK || call == SIMFS_CLOSE)
			continue;
		while (try_fault(call, nth, from_then, error))
			assert_true(nth++ < FAULTS_MAX);
	}
}

static void test_each_call_fails_once(void **state)
{
	(void)state;
	try_all_faults(false, EIO);
}

static void test_each_call_fails_from_then_on(void **state)
{
	(void)state;
	try_all_faults(true, EIO);
}

static void test_each_call_finds_no_room(void **state)
{
	(void)state;
	try_all_faults(false, ENOSPC);
	try_all_faults(true, ENOSPC);
}

/* ---- the last step ---- */

/* The moves are made; install fails, as FAULTED tells. */
static void fail_install(unsigned call, uint64_t nth)
{
	struct compaction_policy policy = { 0 };

	store_compact_want_all(store);
	assert_int_equal(store_compact_begin(store, &policy), 0);
	assert_int_equal(compaction_copy(&store->run.work), 0);
	assert_int_equal(store_compact_copied(store), 0);
	while (!store_compact_move(store, 4))
		;
	assert_int_equal(log_sync(&store->log), 0);
	set_fault(call, nth, true, EIO);
	assert_int_not_equal(compaction_install(&store->run.work), 0);
	set_fault(0, 0, false, 0);
	expect_all();
}

/* Surely not; perhaps the first copy, perhaps the second. */
static const struct {
	uint64_t nth;
	unsigned call;
	bool is_unknown;
} failures[] = {
	{ 1, SIMFS_PWRITEV, false }, { 1, SIMFS_RENAME, false },
	{ 1, SIMFS_SYNC_DIR, true }, { 2, SIMFS_RENAME, true },
	{ 2, SIMFS_SYNC_DIR, true },
};

enum { N_FAILURES = sizeof(failures) / sizeof(failures[0]) };

/* Each of them, on a store of its own. */
static void with_each_failure(void (*then)(bool is_unknown))
{
	for (unsigned i = 0; i < N_FAILURES; i++) {
		set_up(NULL);
		fail_install(failures[i].call, failures[i].nth);
		assert_int_equal(store->run.work.is_in_limbo,
				 failures[i].is_unknown);
		then(failures[i].is_unknown);
		tear_down(NULL);
	}
}

static void compact_again(bool is_unknown)
{
	(void)is_unknown;
	assert_int_equal(store_compact(store), 0);
	assert_int_equal(store->run.work.n_inputs, 0);
	expect_recovered();
}

static void test_a_later_call_finishes_it(void **state)
{
	(void)state;
	with_each_failure(compact_again);
}

static void compact_due_again(bool is_unknown)
{
	int result = store_compact_due(store);

	(void)is_unknown;
	assert_true(result == 0 || result == STORE_NOT_FOUND);
	assert_int_equal(store->run.n_runs, result == 0 ? 2 : 1);
	expect_recovered();
}

static void test_a_later_due_call_finishes_it(void **state)
{
	(void)state;
	with_each_failure(compact_due_again);
}

static void close_then(bool is_unknown)
{
	(void)is_unknown;
	reopen();
	expect_recovered();
}

static void test_a_close_before_it_is_finished(void **state)
{
	(void)state;
	with_each_failure(close_then);
}

static void close_badly_then(bool is_unknown)
{
	(void)is_unknown;
	set_fault(SIMFS_RENAME, 1, true, EIO);
	store_close(store);
	set_fault(0, 0, false, 0);
	store = kit_open(io, DIR);
	expect_recovered();
}

static void test_a_close_that_fails_before_it_is_finished(void **state)
{
	(void)state;
	with_each_failure(close_badly_then);
}

static void kill_then(bool is_unknown)
{
	(void)is_unknown;
	store_abandon(store);
	store = kit_open(io, DIR);
	expect_recovered();
}

static void test_a_kill_before_it_is_finished(void **state)
{
	(void)state;
	with_each_failure(kill_then);
}

static void cut_power_then(bool is_unknown)
{
	(void)is_unknown;
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct simfs *before = fs;
		struct store *other = store;

		fs = simfs_crash_random(before, seed, NULL, 0);
		io = simfs_io(fs);
		store = kit_open(io, DIR);
		expect_recovered();
		store_abandon(store);
		simfs_free(fs);
		store = other;
		fs = before;
		io = simfs_io(fs);
	}
}

static void test_a_power_cut_before_it_is_finished(void **state)
{
	(void)state;
	with_each_failure(cut_power_then);
}

static void write_then(bool is_unknown)
{
	/* what the run has moved, and what it has not seen */
	(void)is_unknown;
	kit_put(store, "k1", "new");
	kit_delete(store, "k2");
	kit_put(store, "another", "value");
	assert_int_equal(store_roll(store), 0);
	kit_put(store, "another", "value");
	assert_int_equal(store_compact(store), 0);
	for (unsigned again = 0; again < 2; again++) {
		kit_expect(store, "k1", "new");
		kit_expect(store, "k2", NULL);
		kit_expect(store, "another", "value");
		assert_int_equal(kit_stats(store).dead_bytes, 0);
		reopen();
	}
}

static void test_writes_before_it_is_finished(void **state)
{
	(void)state;
	with_each_failure(write_then);
}

static void clear_then(bool is_unknown)
{
	(void)is_unknown;
	assert_int_equal(store_clear(store), 0);
	assert_int_equal(store_count(store), 0);
	assert_int_equal(kit_stats(store).live_bytes, 0);
	kit_put(store, "a", "old");
	kit_put(store, "a", "new");
	/* the run is over, and others come */
	assert_int_equal(store_compact(store), 0);
	assert_int_equal(store->run.work.n_inputs, 0);
	assert_int_equal(kit_stats(store).dead_bytes, 0);
	for (unsigned again = 0; again < 2; again++) {
		assert_int_equal(store_count(store), 1);
		kit_expect(store, "a", "new");
		reopen();
	}
	assert_int_equal(kit_count(io, DIR, "", ".seg"), 1);
	assert_int_equal(kit_count(io, DIR, "quarantine", ""), 0);
}

static void test_a_clear_before_it_is_finished(void **state)
{
	(void)state;
	with_each_failure(clear_then);
}

static void clear_and_close(bool is_unknown)
{
	(void)is_unknown;
	assert_int_equal(store_clear(store), 0);
	kit_put(store, "a", "value");
	reopen();
	assert_int_equal(store_count(store), 1);
	assert_int_equal(kit_count(io, DIR, "", ".seg"), 1);
	assert_int_equal(kit_count(io, DIR, "quarantine", ""), 0);
}

static void test_a_clear_and_a_close_before_it_is_finished(void **state)
{
	(void)state;
	with_each_failure(clear_and_close);
}

/* Between the copy and the moves, and between these. */
static void test_a_clear_in_the_middle_of_a_run(void **state)
{
	(void)state;
	for (size_t n_moves = 0; n_moves < 12; n_moves += 5) {
		struct compaction_policy policy = { 0 };

		set_up(NULL);
		store_compact_want_all(store);
		assert_int_equal(store_compact_begin(store, &policy), 0);
		assert_int_equal(compaction_copy(&store->run.work), 0);
		assert_int_equal(store_compact_copied(store), 0);
		store_compact_move(store, n_moves);
		assert_int_equal(store_clear(store), 0);
		kit_put(store, "k1", "new");
		assert_true(store_compact_move(store, 1));
		assert_int_equal(compaction_install(&store->run.work),
				 COMPACTION_CANCELLED);
		store_compact_end(store, COMPACTION_CANCELLED);
		assert_int_equal(kit_stats(store).dead_bytes, 0);
		reopen();
		assert_int_equal(store_count(store), 1);
		kit_expect(store, "k1", "new");
		assert_int_equal(kit_count(io, DIR, "", ".seg"), 1);
		tear_down(NULL);
	}
}

/* A clear that comes behind the install, but before the run's end. */
static void test_a_clear_between_install_and_end(void **state)
{
	struct compaction_policy policy = { 0 };

	(void)state;
	set_up(NULL);
	store_compact_want_all(store);
	assert_int_equal(store_compact_begin(store, &policy), 0);
	/* without its hint, which is asked for at the end */
	set_fault(SIMFS_RENAME, 2, false, EIO);
	assert_int_equal(compaction_copy(&store->run.work), 0);
	set_fault(0, 0, false, 0);
	assert_false(store->run.work.hint_written);
	assert_int_equal(store_compact_copied(store), 0);
	while (!store_compact_move(store, 100))
		;
	assert_int_equal(compaction_install(&store->run.work), 0);
	assert_int_equal(store_clear(store), 0);
	store_compact_end(store, 0);
	upkeep_settle(store->upkeep);
	kit_put(store, "a", "value");
	reopen();
	assert_int_equal(store_count(store), 1);
	assert_int_equal(kit_count(io, DIR, "", ".seg"), 1);
	assert_int_equal(kit_count(io, DIR, "", ".hint"), 1);
	tear_down(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_call_fails_once),
		cmocka_unit_test(test_each_call_fails_from_then_on),
		cmocka_unit_test(test_each_call_finds_no_room),
		cmocka_unit_test(test_a_later_call_finishes_it),
		cmocka_unit_test(test_a_later_due_call_finishes_it),
		cmocka_unit_test(test_a_close_before_it_is_finished),
		cmocka_unit_test(test_a_close_that_fails_before_it_is_finished),
		cmocka_unit_test(test_a_kill_before_it_is_finished),
		cmocka_unit_test(test_a_power_cut_before_it_is_finished),
		cmocka_unit_test(test_writes_before_it_is_finished),
		cmocka_unit_test(test_a_clear_before_it_is_finished),
		cmocka_unit_test(
			test_a_clear_and_a_close_before_it_is_finished),
		cmocka_unit_test(test_a_clear_in_the_middle_of_a_run),
		cmocka_unit_test(test_a_clear_between_install_and_end),
	};

	return cmocka_run_group_tests(tests, make_base, free_base);
}
