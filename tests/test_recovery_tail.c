/*
 * Segments that a kill or a failed sync left unsealed: where their log ends,
 * what goes to quarantine, what is copied, what is damage.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/segment_maker.h"
#include "tests/support/store_runs.h"

/* ---- after a kill ---- */

static void test_after_a_kill_the_tail_is_read(void **state)
{
	struct store_stats stats;
	struct store *store;

	(void)state;
	runs_first();
	store = runs_open();
	kit_put_soft(store, "a", "newest a");
	kit_put_soft(store, "d", "new d");
	assert_int_equal(store_delete(store, "b", 1, STORE_NONE), 0);
	store_abandon(store);
	store = runs_open();
	stats = kit_stats(store);
	assert_true(stats.segment_bytes_read > 0);
	assert_false(stats.damaged);
	assert_int_equal(stats.quarantined_bytes, 0);
	kit_expect(store, "a", "newest a");
	kit_expect(store, "b", NULL);
	kit_expect(store, "c", "old c");
	kit_expect(store, "d", "new d");
	assert_int_equal(store_count(store), 3);
	kit_close(store);
	/* sealed and with hints now */
	store = runs_open();
	assert_int_equal(kit_stats(store).segment_bytes_read, 0);
	kit_expect(store, "a", "newest a");
	kit_expect(store, "b", NULL);
	kit_close(store);
}

/* ---- torn tails ---- */

struct named {
	const char *begin;
	char name[64];
};

static int find_name(void *ctx, const char *name)
{
	struct named *named = ctx;

	if (strncmp(name, named->begin, strlen(named->begin)) == 0)
		snprintf(named->name, sizeof(named->name), "%s", name);
	return 0;
}

/* The quarantine holds what SEGMENT, whose bytes were FROM, had behind OFF. */
static void expect_quarantined(const char *segment,
			       const struct runs_bytes *from, uint64_t off)
{
	struct named named = { .begin = segment };
	struct runs_bytes kept;

	assert_int_equal(runs.io->list(runs.io, RUNS_DIR "/quarantine",
				       find_name, &named),
			 0);
	assert_string_not_equal(named.name, "");
	kept.data = kit_read(runs.io, RUNS_DIR "/quarantine", named.name,
			     &kept.len);
	assert_true(off + kept.len <= from->len);
	assert_memory_equal(kept.data, from->data + off, kept.len);
	/* all of them: only zeros follow */
	for (off += kept.len; off < from->len; off++)
		assert_int_equal(from->data[off], 0);
	free(kept.data);
}

/* The tail lost its last write; this run sees it, and the next. */
static void expect_torn(const struct kit_place *last, bool has_bytes)
{
	struct runs_bytes before = runs_read(RUNS_SECOND);
	struct store *store = runs_open();
	struct store_stats stats = kit_stats(store);

	runs_expect_second(store, NULL);
	assert_false(stats.damaged);
	assert_int_equal(stats.quarantined_bytes > 0, has_bytes);
	store_abandon(store);
	if (has_bytes) {
		expect_quarantined(RUNS_SECOND, &before, last->off);
		runs_expect_same(RUNS_SECOND, &before);
	} else {
		free(before.data);
	}
	store = runs_open();
	runs_expect_second(store, NULL);
	stats = kit_stats(store);
	assert_int_equal(stats.quarantined_bytes, 0);
	assert_int_equal(
		kit_count(runs.io, RUNS_DIR, "quarantine", RUNS_SECOND),
		has_bytes);
	kit_put(store, "last", "again");
	runs_expect_second(store, "again");
	kit_close(store);
}

static bool all_zeros(const uint8_t *data, uint64_t off, uint64_t end)
{
	for (; off < end; off++) {
		if (data[off] != 0)
			return false;
	}
	return true;
}

/* CUT_IT makes bytes from OFF to END, the last ones, absent. */
static void check_cuts(void (*cut_it)(uint64_t off, uint64_t end))
{
	struct simfs *whole = runs.fs;
	struct kit_place last =
		kit_find(runs.io, RUNS_DIR, RUNS_SECOND_ID, "last");
	struct runs_bytes bytes = runs_read(RUNS_SECOND);
	uint64_t cut;

	for (cut = last.off; cut < last.off + last.len; cut++) {
		runs_use(simfs_clone(whole));
		cut_it(cut, last.off + last.len);
		expect_torn(&last, !all_zeros(bytes.data, last.off, cut));
		assert_int_equal(simfs_n_open(runs.fs), 0);
		simfs_free(runs.fs);
	}
	runs_use(whole);
	free(bytes.data);
}

static void zero_second(uint64_t off, uint64_t end)
{
	kit_zero(runs.io, RUNS_DIR, RUNS_SECOND, off, end);
}

/* The file is shorter; where blocks are not allocated ahead it may be so. */
static void cut_second(uint64_t off, uint64_t end)
{
	(void)end;
	kit_cut(runs.io, RUNS_DIR, RUNS_SECOND, off);
}

static void test_a_last_entry_torn_at_every_byte_is_cut_off(void **state)
{
	(void)state;
	runs_first();
	runs_second();
	check_cuts(zero_second);
}

static void test_a_file_that_ends_in_the_last_entry(void **state)
{
	(void)state;
	runs_first();
	runs_second();
	check_cuts(cut_second);
}

static void test_a_last_entry_flipped_in_every_byte_is_cut_off(void **state)
{
	struct simfs *whole;
	struct kit_place last;
	uint64_t at;

	(void)state;
	runs_first();
	runs_second();
	whole = runs.fs;
	last = kit_find(runs.io, RUNS_DIR, RUNS_SECOND_ID, "last");
	for (at = last.off; at < last.off + last.len; at++) {
		runs_use(simfs_clone(whole));
		kit_flip(runs.io, RUNS_DIR, RUNS_SECOND, at, 0x40);
		expect_torn(&last, true);
		assert_int_equal(simfs_n_open(runs.fs), 0);
		simfs_free(runs.fs);
	}
	runs_use(whole);
}

/* The last write's bytes are in the file but for one page before them. */
static void test_what_lies_behind_a_torn_entry_does_not_count(void **state)
{
	struct store *store;
	struct kit_place first;
	struct runs_bytes before;

	(void)state;
	store = runs_open();
	kit_put(store, "base", "1");
	kit_put_soft(store, "a", "1");
	kit_put_soft(store, "b", "1");
	kit_put_soft(store, "c", "1");
	store_abandon(store);
	first = kit_find(runs.io, RUNS_DIR, RUNS_FIRST_ID, "a");
	kit_zero(runs.io, RUNS_DIR, RUNS_FIRST, first.off,
		 first.off + first.len);
	before = runs_read(RUNS_FIRST);
	store = runs_open();
	kit_expect(store, "base", "1");
	kit_expect(store, "a", NULL);
	kit_expect(store, "b", NULL);
	kit_expect(store, "c", NULL);
	assert_int_equal(kit_stats(store).quarantined_bytes, 3 * first.len);
	store_abandon(store);
	expect_quarantined(RUNS_FIRST, &before, first.off);
	free(before.data);
	store = runs_open();
	assert_int_equal(store_count(store), 1);
	kit_close(store);
}

static void apply_batch(struct store *store, const char *value)
{
	struct store_write writes[] = {
		{ .key = "a", .key_len = 1, .value = value },
		{ .key = "b", .key_len = 1, .is_delete = true },
		{ .key = "new", .key_len = 3, .value = value },
		{ .key = "c", .key_len = 1, .value = value },
	};
	size_t i;

	for (i = 0; i < 4; i++)
		writes[i].value_len = writes[i].value ? strlen(value) : 0;
	assert_int_equal(store_apply(store, writes, 4, STORE_NONE), 0);
}

static void expect_batch(struct store *store, bool there)
{
	kit_expect(store, "a", there ? "batch" : "new a");
	kit_expect(store, "b", there ? NULL : "old b");
	kit_expect(store, "c", there ? "batch" : "old c");
	kit_expect(store, "new", there ? "batch" : NULL);
}

static void test_a_batch_torn_at_every_byte_is_whole_or_not_there(void **state)
{
	struct simfs *whole;
	struct store *store;
	struct kit_place head;
	struct kit_place last;
	uint64_t end;
	uint64_t cut;

	(void)state;
	runs_first();
	store = runs_open();
	apply_batch(store, "batch");
	store_abandon(store);
	whole = runs.fs;
	head = kit_find(runs.io, RUNS_DIR, RUNS_SECOND_ID, NULL);
	last = kit_find(runs.io, RUNS_DIR, RUNS_SECOND_ID, "c");
	end = last.off + last.len;
	for (cut = head.off; cut <= end; cut++) {
		bool there = cut >= last.value_off + strlen("batch");

		runs_use(simfs_clone(whole));
		kit_zero(runs.io, RUNS_DIR, RUNS_SECOND, cut, end);
		store = runs_open();
		expect_batch(store, there);
		assert_false(kit_stats(store).damaged);
		store_abandon(store);
		store = runs_open();
		expect_batch(store, there);
		kit_close(store);
		simfs_free(runs.fs);
	}
	runs_use(whole);
}

static void test_a_gap_in_the_sequence_ends_the_log(void **state)
{
	struct manifest manifest;
	struct segment *segment;
	struct store *store;
	struct runs_bytes before;
	uint64_t end;
	uint64_t last;

	(void)state;
	store = runs_open();
	last = kit_put(store, "a", "1");
	store_abandon(store);
	end = kit_segment_end(runs.io, RUNS_DIR, RUNS_FIRST_ID);
	kit_manifest(runs.io, RUNS_DIR, &manifest);
	assert_int_equal(segment_open(runs.io, RUNS_DIR, manifest.store_id,
				      RUNS_FIRST_ID, &segment),
			 0);
	manifest_deinit(&manifest);
	segment->len = end;
	maker_put(runs.io, segment, "a", "2", last + 2);
	segment_free(runs.io, segment);
	before = runs_read(RUNS_FIRST);
	store = runs_open();
	kit_expect(store, "a", "1");
	assert_true(kit_stats(store).quarantined_bytes > 0);
	assert_false(kit_stats(store).damaged);
	store_abandon(store);
	expect_quarantined(RUNS_FIRST, &before, end);
	free(before.data);
}

/* Some file systems cannot: there a segment grows with what is written. */
static void test_where_nothing_can_be_allocated_ahead(void **state)
{
	const struct simfs_fault fault = { .calls = 1u << SIMFS_ALLOCATE,
					   .nth = 1,
					   .from_then = true,
					   .error = EOPNOTSUPP };
	struct kit_place last;

	(void)state;
	simfs_set_fault(runs.fs, &fault);
	runs_first();
	runs_second();
	assert_true(simfs_n_faults(runs.fs) > 0);
	last = kit_find(runs.io, RUNS_DIR, RUNS_SECOND_ID, "last");
	assert_true(runs_file_len(RUNS_SECOND) == last.off + last.len);
	kit_cut(runs.io, RUNS_DIR, RUNS_SECOND, last.off + last.len - 3);
	expect_torn(&last, true);
}

/* A full disk must not keep the store from starting. */
static void
test_no_room_for_the_quarantine_is_no_reason_not_to_start(void **state)
{
	const struct simfs_fault fault = { .calls = 1u << SIMFS_MKDIR,
					   .nth = 2, /* not the store's */
					   .from_then = true,
					   .error = ENOSPC };
	struct kit_place last;
	struct store *store;

	(void)state;
	runs_first();
	runs_second();
	last = kit_find(runs.io, RUNS_DIR, RUNS_SECOND_ID, "last");
	kit_flip(runs.io, RUNS_DIR, RUNS_SECOND, last.off, 1);
	simfs_set_fault(runs.fs, &fault);
	store = runs_open();
	assert_true(simfs_n_faults(runs.fs) > 0);
	simfs_set_fault(runs.fs, NULL);
	runs_expect_second(store, NULL);
	kit_close(store);
}

/* ---- damage to what was synced ---- */

/* Six writes; each knows that those before it are on stable storage. */
static void marked_run(void)
{
	struct store *store = runs_open();

	kit_put(store, "a", "newer a");
	kit_put(store, "b", "newer b");
	kit_delete(store, "c");
	kit_put(store, "d", "new d");
	kit_put(store, "e", "new e");
	kit_put(store, "f", "new f");
	store_abandon(store);
}

static void expect_marked(struct store *store, const char *except)
{
	static const char *const pairs[][2] = {
		{ "a", "newer a" }, { "b", "newer b" }, { "c", NULL },
		{ "d", "new d" },   { "e", "new e" },	{ "f", "new f" },
	};
	size_t i;

	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (!except || strcmp(pairs[i][0], except) != 0)
			kit_expect(store, pairs[i][0], pairs[i][1]);
	}
}

/* KEY's entry is damaged at AT: all others are there, and it is told. */
static void expect_damage_at(const char *key, uint64_t at, bool in_value)
{
	struct runs_bytes before;
	struct store *store;

	kit_flip(runs.io, RUNS_DIR, RUNS_SECOND, at, 0x20);
	before = runs_read(RUNS_SECOND);
	store = runs_open();
	expect_marked(store, key);
	assert_true(kit_stats(store).damaged);
	assert_int_equal(kit_stats(store).damaged_entries, 1);
	assert_int_equal(kit_stats(store).quarantined_bytes, 0);
	if (in_value)
		assert_int_equal(kit_get(store, key, NULL, 0), STORE_CORRUPT);
	kit_put(store, "g", "new g");
	kit_close(store);
	runs_expect_same(RUNS_SECOND, &before);
	/* sealed now, it is damaged still */
	store = runs_open();
	expect_marked(store, key);
	kit_expect(store, "g", "new g");
	if (in_value)
		assert_int_equal(kit_get(store, key, NULL, 0), STORE_CORRUPT);
	else
		assert_true(kit_stats(store).damaged);
	kit_close(store);
}

static void check_damage(const char *key, bool in_value)
{
	struct kit_place place =
		kit_find(runs.io, RUNS_DIR, RUNS_SECOND_ID, key);
	struct simfs *whole = runs.fs;
	uint64_t at = in_value ? place.value_off : place.off;
	uint64_t end = in_value ? place.off + place.len : place.value_off;

	for (; at < end; at++) {
		runs_use(simfs_clone(whole));
		expect_damage_at(key, at, in_value);
		assert_int_equal(simfs_n_open(runs.fs), 0);
		simfs_free(runs.fs);
	}
	runs_use(whole);
}

static void test_a_damaged_header_below_the_mark_is_skipped(void **state)
{
	(void)state;
	runs_first();
	marked_run();
	check_damage("a", false); /* the first */
	check_damage("b", false);
	check_damage("d", false);
	check_damage("e", false); /* the last that is known to be synced */
}

/* The older value is in a segment before: it must not come back. */
static void test_a_damaged_value_below_the_mark_is_corrupt(void **state)
{
	(void)state;
	runs_first();
	marked_run();
	check_damage("a", true);
	check_damage("b", true);
	check_damage("e", true);
}

static void test_a_corrupt_key_can_be_written_and_deleted(void **state)
{
	struct store *store;

	(void)state;
	runs_first();
	marked_run();
	kit_flip(runs.io, RUNS_DIR, RUNS_SECOND,
		 kit_find(runs.io, RUNS_DIR, RUNS_SECOND_ID, "a").value_off, 1);
	kit_flip(runs.io, RUNS_DIR, RUNS_SECOND,
		 kit_find(runs.io, RUNS_DIR, RUNS_SECOND_ID, "b").value_off, 1);
	store = runs_open();
	assert_int_equal(kit_stats(store).damaged_entries, 2);
	kit_put(store, "a", "mended");
	kit_delete(store, "b");
	kit_expect(store, "a", "mended");
	kit_expect(store, "b", NULL);
	store_abandon(store);
	store = runs_open();
	kit_expect(store, "a", "mended");
	kit_expect(store, "b", NULL);
	kit_close(store);
}

/* Both neighbours' headers are lost, in the tail and in a sealed segment. */
static void test_a_tombstone_between_damage_still_deletes(void **state)
{
	struct kit_place before;
	struct kit_place after;
	struct store *store;

	(void)state;
	runs_first();
	marked_run();
	before = kit_find(runs.io, RUNS_DIR, RUNS_SECOND_ID, "b");
	after = kit_find(runs.io, RUNS_DIR, RUNS_SECOND_ID, "d");
	kit_flip(runs.io, RUNS_DIR, RUNS_SECOND, before.off, 1);
	kit_flip(runs.io, RUNS_DIR, RUNS_SECOND, after.off + 30, 1);
	store = runs_open();
	kit_expect(store, "c", NULL);
	kit_expect(store, "f", "new f");
	assert_int_equal(kit_stats(store).damaged_entries, 2);
	kit_close(store);
	store = runs_open();
	kit_expect(store, "c", NULL);
	kit_expect(store, "f", "new f");
	kit_close(store);
}

/* ---- two segments that no manifest calls sealed ---- */

/* The manifest cannot be written when the first is full. */
static void two_open_segments(void)
{
	const struct simfs_fault fault = { .calls = 1u << SIMFS_RENAME,
					   .nth = 3, /* behind a spare's */
					   .from_then = true,
					   .error = EIO };
	static char value[RUNS_LARGE_LEN];
	struct store *store = runs_open();

	memset(value, 'v', sizeof(value) - 1);
	kit_put(store, "a", "1");
	kit_put(store, "b", value);
	kit_put(store, "c", "1");
	simfs_set_fault(runs.fs, &fault);
	kit_put(store, "large", value);
	kit_put(store, "a", "2");
	store_abandon(store);
	assert_true(simfs_n_faults(runs.fs) > 0);
	simfs_set_fault(runs.fs, NULL);
}

static void test_two_open_segments_are_read_in_their_order(void **state)
{
	struct store *store;

	(void)state;
	two_open_segments();
	store = runs_open();
	kit_expect(store, "a", "2");
	kit_expect(store, "c", "1");
	assert_int_equal(store_count(store), 4);
	assert_false(kit_stats(store).damaged);
	kit_close(store);
	store = runs_open();
	kit_expect(store, "a", "2");
	assert_int_equal(kit_stats(store).segment_bytes_read, 0);
	kit_close(store);
}

/* The large value's segment was made after the spare, and used before it. */
static void
test_two_open_segments_that_are_not_in_the_order_of_ids(void **state)
{
	const struct simfs_fault fault = { .calls = 1u << SIMFS_RENAME,
					   .nth = 1,
					   .from_then = true,
					   .error = EIO };
	static char value[2 * KIT_SEGMENT_SIZE];
	struct store *store = runs_open();

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	kit_put(store, "a", "1");
	kit_put(store, "large", value);
	simfs_set_fault(runs.fs, &fault);
	kit_put(store, "a", "2");
	store_abandon(store);
	assert_true(simfs_n_faults(runs.fs) > 0);
	simfs_set_fault(runs.fs, NULL);
	store = runs_open();
	kit_expect(store, "a", "2");
	kit_expect(store, "large", value);
	assert_false(kit_stats(store).damaged);
	kit_close(store);
}

/* Whatever is bad in the first was on stable storage: it is damage. */
static void
test_damage_at_the_end_of_the_first_of_two_is_no_torn_tail(void **state)
{
	struct store *store;

	(void)state;
	two_open_segments();
	kit_flip(runs.io, RUNS_DIR, RUNS_FIRST,
		 kit_find(runs.io, RUNS_DIR, RUNS_FIRST_ID, "c").value_off, 1);
	store = runs_open();
	assert_int_equal(kit_get(store, "c", NULL, 0), STORE_CORRUPT);
	kit_expect(store, "a", "2");
	assert_int_equal(kit_stats(store).damaged_entries, 1);
	kit_close(store);
}

static void test_the_second_of_two_is_cut_at_its_torn_end(void **state)
{
	struct store *store;

	(void)state;
	two_open_segments();
	kit_flip(runs.io, RUNS_DIR, "0000000002.seg",
		 kit_find(runs.io, RUNS_DIR, 2, "a").value_off, 1);
	store = runs_open();
	kit_expect(store, "a", "1");
	kit_expect(store, "c", "1");
	assert_int_equal(store_count(store), 4);
	assert_false(kit_stats(store).damaged);
	kit_close(store);
}

/* ---- after a failed sync ---- */

/* More than a page: room that a start could give back too early. */
static char unsynced[20000];

/* The last put's sync fails: its bytes are in the page cache alone. */
static void run_with_failed_sync(void)
{
	const struct simfs_fault fault = { .calls = 1u << SIMFS_SYNC,
					   .nth = 1,
					   .error = EIO };
	struct store *store = runs_open();

	memset(unsynced, 'd', sizeof(unsynced) - 1);
	kit_put(store, "a", "newer a");
	simfs_set_fault(runs.fs, &fault);
	assert_int_equal(store_put(store, "d", 1, unsynced,
				   sizeof(unsynced) - 1, STORE_ALWAYS),
			 STORE_UNKNOWN);
	simfs_set_fault(runs.fs, NULL);
	assert_true(kit_stats(store).read_only);
	assert_int_equal(store_put(store, "e", 1, "e", 1, STORE_ALWAYS),
			 STORE_READ_ONLY);
	assert_int_equal(store_close(store), -EIO);
}

static void test_after_a_failed_sync_the_tail_is_copied(void **state)
{
	struct kit_place was;
	struct simfs *cut;
	struct store *store;

	(void)state;
	runs_first();
	run_with_failed_sync();
	was = kit_find(runs.io, RUNS_DIR, RUNS_SECOND_ID, "d");
	store = runs_open();
	kit_expect(store, "d", unsynced);
	assert_true(kit_version(store, "d") == was.sequence);
	/* power is cut right now: what was shown is there */
	cut = simfs_crash_durable(runs.fs);
	store_abandon(store);
	simfs_free(runs.fs);
	runs_use(cut);
	store = runs_open();
	kit_expect(store, "a", "newer a");
	kit_expect(store, "d", unsynced);
	assert_false(kit_stats(store).damaged);
	kit_put(store, "e", "new e");
	kit_close(store);
	store = runs_open();
	kit_expect(store, "d", unsynced);
	assert_int_equal(kit_stats(store).segment_bytes_read, 0);
	kit_close(store);
}

/* Also when that start is killed at any of its steps. */
static void test_the_copying_start_may_be_killed_anywhere(void **state)
{
	static struct runs_kills kills;
	struct simfs *last;
	struct store *store;
	size_t i;

	(void)state;
	runs_first();
	run_with_failed_sync();
	kills.n = 0;
	simfs_set_hook(runs.fs, runs_keep_kill, &kills);
	store = runs_open();
	simfs_set_hook(runs.fs, NULL, NULL);
	store_abandon(store);
	assert_true(kills.n > 5);
	last = runs.fs;
	for (i = 0; i < kills.n; i++) {
		runs_use(kills.at[i]);
		store = runs_open();
		kit_expect(store, "a", "newer a");
		kit_expect(store, "d", unsynced);
		assert_int_equal(store_count(store), 4);
		kit_close(store);
		simfs_free(runs.fs);
	}
	runs_use(last);
}

/* No new segment can be made. */
static void fill_disk(void)
{
	const struct simfs_fault fault = { .calls = 1u << SIMFS_ALLOCATE,
					   .nth = 1,
					   .from_then = true,
					   .error = ENOSPC };

	simfs_set_fault(runs.fs, &fault);
}

/* The page cache may show what is not on the disk: no sync mends that. */
static void test_a_failed_sync_and_a_full_disk_do_not_start(void **state)
{
	struct store *store;

	(void)state;
	runs_first();
	run_with_failed_sync();
	fill_disk();
	runs_expect_refused(-ENOSPC, "cannot copy");
	simfs_set_fault(runs.fs, NULL);
	store = runs_open();
	kit_expect(store, "a", "newer a");
	kit_expect(store, "d", unsynced);
	kit_close(store);
}

static void test_on_a_full_disk_the_tail_is_synced_where_it_is(void **state)
{
	struct simfs *cut;
	struct store *store;

	(void)state;
	runs_first();
	store = runs_open();
	kit_put_soft(store, "d", "not synced");
	store_abandon(store);
	fill_disk();
	store = runs_open();
	kit_expect(store, "d", "not synced");
	/* power is cut right now: what was shown is there */
	cut = simfs_crash_durable(runs.fs);
	store_abandon(store);
	simfs_free(runs.fs);
	runs_use(cut);
	store = runs_open();
	kit_expect(store, "d", "not synced");
	kit_close(store);
}

#define recovery_test(name)                                                    \
	cmocka_unit_test_setup_teardown(name, runs_set_up, runs_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		recovery_test(test_after_a_kill_the_tail_is_read),
		recovery_test(test_a_last_entry_torn_at_every_byte_is_cut_off),
		recovery_test(test_a_file_that_ends_in_the_last_entry),
		recovery_test(
			test_a_last_entry_flipped_in_every_byte_is_cut_off),
		recovery_test(
			test_what_lies_behind_a_torn_entry_does_not_count),
		recovery_test(
			test_a_batch_torn_at_every_byte_is_whole_or_not_there),
		recovery_test(test_a_gap_in_the_sequence_ends_the_log),
		recovery_test(test_where_nothing_can_be_allocated_ahead),
		recovery_test(
			test_no_room_for_the_quarantine_is_no_reason_not_to_start),
		recovery_test(test_a_damaged_header_below_the_mark_is_skipped),
		recovery_test(test_a_damaged_value_below_the_mark_is_corrupt),
		recovery_test(test_a_corrupt_key_can_be_written_and_deleted),
		recovery_test(test_a_tombstone_between_damage_still_deletes),
		recovery_test(test_two_open_segments_are_read_in_their_order),
		recovery_test(
			test_two_open_segments_that_are_not_in_the_order_of_ids),
		recovery_test(
			test_damage_at_the_end_of_the_first_of_two_is_no_torn_tail),
		recovery_test(test_the_second_of_two_is_cut_at_its_torn_end),
		recovery_test(test_after_a_failed_sync_the_tail_is_copied),
		recovery_test(test_the_copying_start_may_be_killed_anywhere),
		recovery_test(test_a_failed_sync_and_a_full_disk_do_not_start),
		recovery_test(
			test_on_a_full_disk_the_tail_is_synced_where_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
