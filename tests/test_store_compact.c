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

/* Compactions through the store: what they keep, drop, and count. */

#define DIR "/store"

enum {
	PAD = 1000,
	RUNS_MAX = 1000, /* of compactions that are due: else they loop */
};

static struct simfs *fs;
static struct io *io;
static struct store *store;

static int set_up(void **state)
{
	(void)state;
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
	assert_int_equal(store_roll(store), 0);
}

static void compact(void)
{
	assert_int_equal(store_compact(store), 0);
}

/* All runs that have a reason; how many there were. */
static unsigned compact_due(void)
{
	unsigned n = 0;
	int result;

	while ((result = store_compact_due(store)) == 0)
		assert_true(n++ < RUNS_MAX);
	assert_int_equal(result, STORE_NOT_FOUND);
	return n;
}

/* A value that tells key and round, PAD bytes long. */
static void put_padded(const char *key, unsigned round)
{
	char value[PAD + 1];
	int n = snprintf(value, sizeof(value), "%s:%u:", key, round);

	memset(value + n, 'x', sizeof(value) - 1 - (size_t)n);
	value[PAD] = 0;
	kit_put(store, key, value);
}

static void expect_padded(const char *key, unsigned round)
{
	char value[PAD + 1];
	int n = snprintf(value, sizeof(value), "%s:%u:", key, round);

	memset(value + n, 'x', sizeof(value) - 1 - (size_t)n);
	value[PAD] = 0;
	kit_expect(store, key, value);
}

static void put_expiring(const char *key, const char *value, uint64_t ttl_ms)
{
	kit_put_until(store, key, value, io->clock_ms(io) + ttl_ms);
}

/* ---- what is kept ---- */

static void test_a_store_without_anything_can_be_compacted(void **state)
{
	(void)state;
	compact();
	compact();
	assert_int_equal(compact_due(), 0);
	reopen();
	compact();
}

static void test_keys_values_and_versions_stay(void **state)
{
	uint64_t versions[20];

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		char key[8];

		snprintf(key, sizeof(key), "k%u", i % 20);
		put_padded(key, i);
		versions[i % 20] = kit_version(store, key);
	}
	kit_put(store, "empty", "");
	compact();
	assert_true(kit_stats(store).compactions > 0);
	for (unsigned again = 0; again < 2; again++) {
		for (unsigned i = 0; i < 20; i++) {
			char key[8];

			snprintf(key, sizeof(key), "k%u", i);
			expect_padded(key, 180 + i);
			assert_true(kit_version(store, key) == versions[i]);
		}
		kit_expect(store, "empty", "");
		assert_int_equal(store_count(store), 21);
		reopen();
	}
}

static void test_a_full_compaction_leaves_nothing_dead(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		char key[8];

		snprintf(key, sizeof(key), "k%u", i % 50);
		put_padded(key, i);
	}
	for (unsigned i = 0; i < 25; i++) {
		char key[8];

		snprintf(key, sizeof(key), "k%u", i);
		kit_delete(store, key);
	}
	compact();
	assert_true(kit_stats(store).dead_bytes == 0);
	assert_int_equal(store_count(store), 25);
	assert_int_equal(kit_stats(store).compact_total_bytes, 0);
	reopen();
	assert_true(kit_stats(store).dead_bytes == 0);
	assert_int_equal(store_count(store), 25);
}

static void test_all_deleted_leaves_no_segment(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		char key[8];

		snprintf(key, sizeof(key), "k%u", i);
		put_padded(key, i);
	}
	for (unsigned i = 0; i < 100; i++) {
		char key[8];

		snprintf(key, sizeof(key), "k%u", i);
		kit_delete(store, key);
	}
	compact();
	assert_true(kit_stats(store).live_bytes == 0);
	assert_true(kit_stats(store).dead_bytes == 0);
	kit_close(store);
	assert_int_equal(kit_count(io, DIR, "", ".seg"), 0);
	assert_int_equal(kit_count(io, DIR, "", ".hint"), 0);
	assert_int_equal(kit_count(io, DIR, "", ".tmp"), 0);
	store = kit_open(io, DIR);
	assert_int_equal(store_count(store), 0);
}

static void test_a_batch_survives_in_parts(void **state)
{
	struct store_write batch[] = {
		{ .key = "a", .key_len = 1, .value = "1", .value_len = 1 },
		{ .key = "b", .key_len = 1, .value = "2", .value_len = 1 },
		{ .is_delete = true, .key = "c", .key_len = 1 },
		{ .key = "d", .key_len = 1, .value = "4", .value_len = 1 },
	};

	(void)state;
	kit_put(store, "c", "before");
	assert_int_equal(store_apply(store, batch, 4, STORE_ALWAYS), 0);
	kit_put(store, "b", "after");
	compact();
	reopen();
	kit_expect(store, "a", "1");
	kit_expect(store, "b", "after");
	kit_expect(store, "c", NULL);
	kit_expect(store, "d", "4");
}

static void test_what_has_expired_goes_with_its_file(void **state)
{
	(void)state;
	put_expiring("a", "value", 1000);
	kit_put(store, "b", "value");
	kit_put(store, "b", "again");
	simfs_set_clock(fs, io->clock_ms(io) + 2000);
	assert_int_equal(store_count(store), 2);
	compact();
	assert_int_equal(store_count(store), 1);
	assert_true(kit_stats(store).dead_bytes == 0);
	reopen();
	assert_int_equal(store_count(store), 1);
	kit_expect(store, "a", NULL);
}

/* ---- accounting ---- */

static void expect_same_accounts(void)
{
	struct store_stats before = kit_stats(store);
	struct store_stats after;

	reopen();
	after = kit_stats(store);
	assert_int_equal(before.keys, after.keys);
	assert_int_equal(before.live_bytes, after.live_bytes);
	assert_int_equal(before.dead_bytes, after.dead_bytes);
}

static void test_live_and_dead_bytes_are_what_a_start_finds(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 400; i++) {
		char key[8];

		snprintf(key, sizeof(key), "k%u", i * 7 % 60);
		if (i % 5 == 4)
			kit_delete(store, key);
		else if (i % 11 == 3)
			put_expiring(key, "value", i % 2 ? 1 : 1000000);
		else
			put_padded(key, i);
		if (i % 50 == 49) {
			simfs_set_clock(fs, io->clock_ms(io) + 2);
			store_compact_due(store);
			expect_same_accounts();
		}
	}
	compact();
	expect_same_accounts();
}

static void test_what_a_run_gave_back_is_told(void **state)
{
	struct store_stats before;
	struct store_stats after;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		put_padded("same", i);
	before = kit_stats(store);
	compact();
	after = kit_stats(store);
	assert_true(after.compactions > before.compactions);
	assert_true(after.compaction_bytes_written > 0);
	assert_true(after.compaction_bytes_freed > 90 * PAD);
	assert_true(after.compaction_bytes_freed < 110 * PAD);
	assert_true(after.disk_bytes < 3 * PAD);
	assert_int_equal(after.compactions_failed, 0);
	assert_int_equal(after.retired_bytes, 0);
}

/* An output that is longer than its input, by its header: 8 bytes. */
static void test_what_a_run_gave_back_is_never_less_than_nothing(void **state)
{
	(void)state;
	kit_put(store, "a", "value");
	roll();
	kit_delete(store, "a");
	roll();
	kit_close(store);
	/* nobody can tell what is in the first one */
	kit_unlink(io, DIR, "0000000001.hint");
	store = kit_open(io, DIR);
	for (unsigned i = 0; i < 8; i++) {
		compact();
		assert_true(kit_stats(store).compaction_bytes_freed < 1000);
	}
}

/* ---- PITFALLS 5, 38: what is newer wins, and is durable first ---- */

static void test_38_what_superseded_is_durable_before_inputs_go(void **state)
{
	struct simfs *after;

	(void)state;
	kit_put(store, "a", "durable");
	kit_put(store, "b", "durable");
	roll();
	kit_put_soft(store, "a", "newer");
	assert_int_equal(store_delete(store, "b", 1, STORE_NONE), 0);
	/* without the roll of a full compaction */
	assert_int_equal(store_compact_due(store), 0);
	after = simfs_crash_durable(fs);
	store_abandon(store);
	simfs_free(fs);
	fs = after;
	io = simfs_io(fs);
	store = kit_open(io, DIR);
	kit_expect(store, "a", "newer");
	kit_expect(store, "b", NULL);
}

static void test_38_without_that_sync_the_inputs_stay(void **state)
{
	const struct simfs_fault fault = { .calls = 1u << SIMFS_SYNC,
					   .nth = 1,
					   .from_then = true,
					   .error = EIO };

	(void)state;
	kit_put(store, "a", "durable");
	roll();
	kit_put_soft(store, "a", "newer");
	simfs_set_fault(fs, &fault);
	assert_int_equal(store_compact_due(store), STORE_UNKNOWN);
	simfs_set_fault(fs, NULL);
	assert_int_equal(store_compact(store), STORE_READ_ONLY);
	assert_int_equal(store_compact_due(store), STORE_READ_ONLY);
	assert_true(kit_exists(io, DIR, "0000000001.seg"));
	kit_expect(store, "a", "newer");
}

/* One step of a run at a time, as the engine does it. */
static void begin_and_copy(void)
{
	struct compaction_policy policy = { .dead_bytes = 1 };

	store_compact_want_all(store);
	assert_int_equal(store_compact_begin(store, &policy), 0);
	assert_int_equal(compaction_copy(&store->run.work), 0);
	assert_int_equal(store_compact_copied(store), 0);
}

static void move_and_end(void)
{
	while (!store_compact_move(store, 1))
		;
	assert_int_equal(log_sync(&store->log), 0);
	assert_int_equal(compaction_install(&store->run.work), 0);
	store_compact_end(store, 0);
	store_compact_want_none(store);
	upkeep_settle(store->upkeep);
}

static void test_05_a_write_during_a_run_is_not_overwritten(void **state)
{
	(void)state;
	kit_put(store, "put", "old");
	kit_put(store, "deleted", "old");
	kit_put(store, "kept", "old");
	put_expiring("expired", "old", 1000);
	kit_put(store, "dead", "x");
	kit_put(store, "dead", "y");
	roll();
	simfs_set_clock(fs, io->clock_ms(io) + 2000);
	begin_and_copy();
	kit_put(store, "put", "new");
	kit_delete(store, "deleted");
	kit_put(store, "expired", "new");
	move_and_end();
	for (unsigned again = 0; again < 2; again++) {
		kit_expect(store, "put", "new");
		kit_expect(store, "deleted", NULL);
		kit_expect(store, "kept", "old");
		kit_expect(store, "expired", "new");
		expect_same_accounts();
	}
}

static void test_05_a_write_between_the_moves_is_not_overwritten(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		char key[8];

		snprintf(key, sizeof(key), "k%u", i);
		put_padded(key, 0);
		put_padded(key, 1);
	}
	roll();
	begin_and_copy();
	for (unsigned i = 0; i < 20; i++) {
		char key[8];

		store_compact_move(store, 1);
		snprintf(key, sizeof(key), "k%u", i);
		if (i % 3 == 0)
			put_padded(key, 2);
		if (i % 3 == 1)
			kit_delete(store, key);
	}
	move_and_end();
	for (unsigned i = 0; i < 20; i++) {
		char key[8];

		snprintf(key, sizeof(key), "k%u", i);
		if (i % 3 == 1)
			kit_expect(store, key, NULL);
		else
			expect_padded(key, i % 3 == 0 ? 2 : 1);
	}
	expect_same_accounts();
}

/* The index points to the output: it stays, listed or not. */
static void test_a_run_given_up_after_its_moves_keeps_its_output(void **state)
{
	(void)state;
	kit_put(store, "a", "kept");
	kit_put(store, "dead", "x");
	kit_put(store, "dead", "y");
	roll();
	begin_and_copy();
	while (!store_compact_move(store, 1))
		;
	store_compact_end(store, -EIO);
	kit_expect(store, "a", "kept");
	kit_expect(store, "dead", "y");
	store_compact_want_none(store);
	reopen();
	kit_expect(store, "a", "kept");
	kit_expect(store, "dead", "y");
}

/* Its new line in the output's hint says that it has a time. */
static void test_what_expires_later_still_does_after_it(void **state)
{
	(void)state;
	put_expiring("later", "value", 5000);
	kit_put(store, "dead", "x");
	kit_put(store, "dead", "y");
	roll();
	compact();
	kit_expect(store, "later", "value");
	reopen();
	kit_expect(store, "later", "value");
	expect_same_accounts();
	simfs_set_clock(fs, io->clock_ms(io) + 6000);
	kit_expect(store, "later", NULL);
	compact();
	assert_int_equal(store_count(store), 1);
}

struct seen {
	unsigned n;
};

static void see(void *ctx, int result, const void *key, size_t key_len,
		const struct store_value *value)
{
	struct seen *seen = ctx;

	(void)key;
	(void)key_len;
	assert_int_equal(result, 0);
	assert_int_equal(value->len, PAD);
	seen->n++;
}

static void test_07_a_scan_during_a_run_sees_every_key_once(void **state)
{
	enum { N = 500 };
	struct seen seen = { 0 };
	uint64_t cursor = 0;
	int result = 0;

	(void)state;
	for (unsigned i = 0; i < 2 * N; i++) {
		char key[8];

		snprintf(key, sizeof(key), "k%u", i % N);
		put_padded(key, i);
	}
	while (result == 0) {
		result = store_scan(store, &cursor, see, &seen);
		compact();
	}
	assert_int_equal(result, STORE_END);
	assert_int_equal(seen.n, N);
}

/* ---- PITFALLS 9: only what is sealed, and visible ---- */

static void test_09_the_active_segment_is_left_alone(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 40; i++)
		put_padded("same", i);
	assert_int_equal(store_compact_due(store), STORE_NOT_FOUND);
	expect_padded("same", 39);
}

/*
 * The log thread fills a segment and upkeep seals it, while the loop has not
 * taken up what is in it.
 */
static void test_09_what_is_not_in_the_index_yet_is_not_compacted(void **state)
{
	struct record_op op = {
		.key = "late", .key_len = 4, .value = "value", .value_len = 5
	};
	struct compaction_policy policy = COMPACTION_POLICY_DEFAULT;
	struct record *record;

	(void)state;
	kit_put(store, "a", "value");
	kit_delete(store, "a");
	record = record_new(&op, 1, store->secret, io->clock_ms(io));
	log_commit(&store->log, &record->log, true);
	assert_int_equal(record->log.result, 0);
	roll();
	assert_int_equal(store_compact_begin(store, &policy), STORE_NOT_FOUND);
	store_compact_want_all(store);
	assert_int_equal(store_compact_begin(store, &policy), STORE_NOT_FOUND);
	store_make_visible(store, record);
	record_free(record);
	compact();
	kit_expect(store, "late", "value");
	reopen();
	kit_expect(store, "late", "value");
	kit_expect(store, "a", NULL);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		test(test_a_store_without_anything_can_be_compacted),
		test(test_keys_values_and_versions_stay),
		test(test_a_full_compaction_leaves_nothing_dead),
		test(test_all_deleted_leaves_no_segment),
		test(test_a_batch_survives_in_parts),
		test(test_what_has_expired_goes_with_its_file),
		test(test_live_and_dead_bytes_are_what_a_start_finds),
		test(test_what_a_run_gave_back_is_told),
		test(test_what_a_run_gave_back_is_never_less_than_nothing),
		test(test_38_what_superseded_is_durable_before_inputs_go),
		test(test_38_without_that_sync_the_inputs_stay),
		test(test_05_a_write_during_a_run_is_not_overwritten),
		test(test_05_a_write_between_the_moves_is_not_overwritten),
		test(test_a_run_given_up_after_its_moves_keeps_its_output),
		test(test_what_expires_later_still_does_after_it),
		test(test_07_a_scan_during_a_run_sees_every_key_once),
		test(test_09_the_active_segment_is_left_alone),
		test(test_09_what_is_not_in_the_index_yet_is_not_compacted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
