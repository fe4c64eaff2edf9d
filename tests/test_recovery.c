/*
 * Stores that were stopped, killed or damaged, and opened again; in a
 * simulation (tests/crash/simfs.h), so that what the store does to its files
 * is known exactly.  Power cuts in all their forms are tests/crash/'s.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/checksum.h"
#include "common/hint.h"
#include "tests/crash/simfs.h"
#include "tests/support/segment_maker.h"
#include "tests/support/store_kit.h"

#define DIR	   "/store"
#define FIRST	   "0000000001.seg" /* of the first run */
#define FIRST_HINT "0000000001.hint"
#define SECOND	   "0000000003.seg" /* of the second: 2 was a spare */

enum {
	FIRST_ID = 1,
	SECOND_ID = 3,
	LARGE_LEN = 60 << 10, /* a value; one of them fills a segment */
	KILLS_MAX = 256,
	MANY_SEGMENTS = 300,
	/* where a format's version and CRC lie, in manifest and segment */
	AT_CRC = 8,
	AT_VERSION = 12,
};

static struct simfs *fs;
static struct io *io;

static void use(struct simfs *now)
{
	fs = now;
	io = simfs_io(fs);
}

static int set_up(void **state)
{
	(void)state;
	use(simfs_new());
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(simfs_n_open(fs), 0);
	assert_int_equal(simfs_n_misused(fs), 0);
	simfs_free(fs);
	return 0;
}

static struct store *open_store(void)
{
	return kit_open(io, DIR);
}

/* Fails to open, changes nothing, and says TEXT. */
static void expect_refused(int result, const char *text)
{
	uint64_t hash = kit_hash(io, DIR);
	unsigned n = kit_count(io, DIR, "", "");
	struct store *store = NULL;
	struct store_error error;

	assert_int_equal(kit_try_open(io, DIR, &store, &error), result);
	assert_null(store);
	if (!strstr(error.text, text))
		print_error("'%s' does not say '%s'\n", error.text, text);
	assert_non_null(strstr(error.text, text));
	assert_true(kit_hash(io, DIR) == hash);
	/* a LOCK may have come */
	assert_in_range(kit_count(io, DIR, "", ""), n, n + 1);
	assert_int_equal(simfs_n_open(fs), 0);
}

static uint64_t file_len(const char *name)
{
	size_t len;

	free(kit_read(io, DIR, name, &len));
	return len;
}

/* A segment that a clean stop has sealed. */
static void first_run(void)
{
	struct store *store = open_store();

	kit_put(store, "a", "old a");
	kit_put(store, "b", "old b");
	kit_put(store, "c", "old c");
	kit_put(store, "gone", "old gone");
	kit_delete(store, "gone");
	kit_put(store, "a", "new a");
	kit_close(store);
}

static void expect_first_run(struct store *store)
{
	kit_expect(store, "a", "new a");
	kit_expect(store, "b", "old b");
	kit_expect(store, "c", "old c");
	kit_expect(store, "gone", NULL);
	assert_int_equal(store_count(store), 3);
}

/* ---- after a clean stop ---- */

static void test_a_clean_stop_reads_only_hints_and_changes_no_file(void **state)
{
	struct store_stats stats;
	struct store *store;
	uint64_t renames;
	uint64_t hash;

	(void)state;
	first_run();
	hash = kit_hash(io, DIR);
	renames = simfs_n_calls(fs, SIMFS_RENAME);
	store = open_store();
	stats = kit_stats(store);
	assert_int_equal(stats.segment_bytes_read, 0);
	assert_int_equal(stats.hint_bytes_read, file_len(FIRST_HINT));
	assert_int_equal(stats.hints_rebuilt, 0);
	assert_false(stats.damaged);
	assert_true(kit_hash(io, DIR) == hash);
	expect_first_run(store);
	kit_close(store);
	assert_true(kit_hash(io, DIR) == hash);
	assert_int_equal(simfs_n_calls(fs, SIMFS_RENAME), renames);
	assert_int_equal(kit_count(io, DIR, "", ".seg"), 1);
}

static void test_a_new_store_has_two_manifests_and_a_lock(void **state)
{
	struct store *store = open_store();

	(void)state;
	assert_int_equal(store_count(store), 0);
	assert_int_equal(kit_count(io, DIR, "", ""), 3);
	kit_close(store);
	store = open_store();
	assert_int_equal(store_count(store), 0);
	assert_int_equal(kit_stats(store).segments, 0);
	kit_close(store);
}

static void test_versions_go_on_after_a_clean_stop(void **state)
{
	struct store *store = open_store();
	uint64_t version;

	(void)state;
	version = kit_put(store, "a", "1");
	kit_close(store);
	store = open_store();
	assert_true(kit_version(store, "a") == version);
	assert_true(kit_put(store, "a", "2") == version + 1);
	kit_close(store);
}

/* ---- after a kill ---- */

static void test_after_a_kill_the_tail_is_read(void **state)
{
	struct store_stats stats;
	struct store *store;

	(void)state;
	first_run();
	store = open_store();
	kit_put_soft(store, "a", "newest a");
	kit_put_soft(store, "d", "new d");
	assert_int_equal(store_delete(store, "b", 1, STORE_NONE), 0);
	store_abandon(store);
	store = open_store();
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
	store = open_store();
	assert_int_equal(kit_stats(store).segment_bytes_read, 0);
	kit_expect(store, "a", "newest a");
	kit_expect(store, "b", NULL);
	kit_close(store);
}

static void test_killed_again_and_again(void **state)
{
	struct store *store;
	char value[16];
	int i;

	(void)state;
	for (i = 0; i < 20; i++) {
		store = open_store();
		if (i > 0)
			kit_expect(store, "counter", value);
		snprintf(value, sizeof(value), "%d", i);
		if (i % 2)
			kit_put(store, "counter", value);
		else
			kit_put_soft(store, "counter", value);
		store_abandon(store);
	}
	store = open_store();
	kit_expect(store, "counter", value);
	assert_int_equal(store_count(store), 1);
	assert_int_equal(kit_count(io, DIR, "quarantine", "seg"), 0);
	kit_close(store);
}

static void test_versions_after_a_kill_are_larger_than_any_seen(void **state)
{
	struct store *store = open_store();
	uint64_t seen = 0;
	struct simfs *cut;
	int i;

	(void)state;
	kit_put(store, "first", "1");
	for (i = 0; i < 100; i++)
		seen = kit_put_soft(store, "a", "unsynced");
	assert_true(kit_version(store, "a") == seen);
	/* all that may be lost is */
	cut = simfs_crash_durable(fs);
	store_abandon(store);
	simfs_free(fs);
	use(cut);
	store = open_store();
	kit_expect(store, "first", "1");
	kit_expect(store, "a", NULL);
	assert_true(kit_put(store, "a", "again") > seen);
	store_abandon(store);
}

/* Large values, expiries, long keys, empty values: through tail and hint. */
static void check_shapes(struct store *store, const char *long_key,
			 const char *large, uint64_t expires_at_ms)
{
	struct store_value value;

	assert_int_equal(store_get(store, long_key, STORE_KEY_MAX, &value), 0);
	assert_int_equal(value.len, 4);
	assert_memory_equal(value.data, "long", 4);
	free(value.data);
	assert_int_equal(store_get(store, "empty", 5, &value), 0);
	assert_int_equal(value.len, 0);
	assert_non_null(value.data);
	free(value.data);
	assert_int_equal(store_get(store, "expires", 7, &value), 0);
	assert_true(value.expires_at_ms == expires_at_ms);
	free(value.data);
	assert_int_equal(store_get(store, "large", 5, &value), 0);
	assert_int_equal(value.len, 5 * LARGE_LEN);
	assert_memory_equal(value.data, large, value.len);
	free(value.data);
	kit_expect(store, "with\nline", "odd");
	assert_int_equal(store_count(store), 5);
}

static void test_all_shapes_of_entries_come_back(void **state)
{
	uint64_t expires_at_ms = io->clock_ms(io) + 1000;
	struct store_write write = { .key = "expires",
				     .key_len = 7,
				     .value = "soon",
				     .value_len = 4,
				     .expires_at_ms = expires_at_ms };
	char *long_key = malloc(STORE_KEY_MAX);
	char *large = malloc(5 * LARGE_LEN);
	struct store *store = open_store();

	(void)state;
	assert_non_null(long_key);
	assert_non_null(large);
	memset(long_key, 'k', STORE_KEY_MAX);
	memset(large, 'v', 5 * LARGE_LEN);
	assert_int_equal(store_put(store, long_key, STORE_KEY_MAX, "long", 4,
				   STORE_ALWAYS),
			 0);
	assert_int_equal(store_put(store, "empty", 5, NULL, 0, STORE_ALWAYS),
			 0);
	assert_int_equal(store_apply(store, &write, 1, STORE_ALWAYS), 0);
	assert_int_equal(store_put(store, "large", 5, large, 5 * LARGE_LEN,
				   STORE_ALWAYS),
			 0);
	kit_put(store, "with\nline", "odd");
	check_shapes(store, long_key, large, expires_at_ms);
	store_abandon(store);
	store = open_store();
	check_shapes(store, long_key, large, expires_at_ms);
	kit_close(store);
	store = open_store();
	check_shapes(store, long_key, large, expires_at_ms);
	assert_int_equal(kit_stats(store).segment_bytes_read, 0);
	simfs_set_clock(fs, expires_at_ms);
	kit_expect(store, "expires", NULL);
	kit_close(store);
	free(large);
	free(long_key);
}

static void test_a_put_without_expiry_ends_an_older_expiry(void **state)
{
	uint64_t now = io->clock_ms(io);
	struct store_write write = { .key = "k",
				     .key_len = 1,
				     .value = "1",
				     .value_len = 1,
				     .expires_at_ms = now + 10 };
	struct store *store = open_store();

	(void)state;
	assert_int_equal(store_apply(store, &write, 1, STORE_ALWAYS), 0);
	kit_put(store, "k", "2");
	store_abandon(store);
	simfs_set_clock(fs, now + 100);
	store = open_store();
	kit_expect(store, "k", "2");
	kit_close(store);
}

static void test_many_segments(void **state)
{
	static char value[LARGE_LEN];
	struct store *store = open_store();
	char key[16];
	int i;

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	for (i = 0; i < MANY_SEGMENTS; i++) {
		snprintf(key, sizeof(key), "k%d", i % 200);
		snprintf(value, sizeof(value), "%d", i);
		value[strlen(value)] = 'v';
		kit_put_soft(store, key, value);
		if (i % 50 != 0)
			continue;
		store_abandon(store);
		store = open_store();
	}
	assert_in_range(kit_stats(store).segments, MANY_SEGMENTS - 10,
			MANY_SEGMENTS + 10);
	kit_close(store);
	store = open_store();
	assert_int_equal(kit_stats(store).segment_bytes_read, 0);
	assert_int_equal(store_count(store), 200);
	for (i = MANY_SEGMENTS - 200; i < MANY_SEGMENTS; i++) {
		snprintf(key, sizeof(key), "k%d", i % 200);
		snprintf(value, sizeof(value), "%d", i);
		value[strlen(value)] = 'v';
		kit_expect(store, key, value);
	}
	kit_close(store);
}

/* ---- hints ---- */

/* The hint is as it was made at first after one more run. */
static void expect_hint_again(const uint8_t *hint, size_t len)
{
	struct store *store = open_store();
	struct store_stats stats = kit_stats(store);
	uint8_t *again;
	size_t again_len;

	expect_first_run(store);
	assert_true(stats.segment_bytes_read > 0);
	assert_false(stats.damaged);
	kit_close(store);
	again = kit_read(io, DIR, FIRST_HINT, &again_len);
	assert_int_equal(again_len, len);
	assert_memory_equal(again, hint, len);
	free(again);
	store = open_store();
	expect_first_run(store);
	assert_int_equal(kit_stats(store).segment_bytes_read, 0);
	kit_close(store);
}

static void test_a_missing_hint_is_made_again(void **state)
{
	uint8_t *hint;
	size_t len;

	(void)state;
	first_run();
	hint = kit_read(io, DIR, FIRST_HINT, &len);
	kit_unlink(io, DIR, FIRST_HINT);
	expect_hint_again(hint, len);
	free(hint);
}

static void test_a_truncated_hint_is_made_again(void **state)
{
	uint8_t *hint;
	size_t len;
	size_t cut;

	(void)state;
	first_run();
	hint = kit_read(io, DIR, FIRST_HINT, &len);
	for (cut = 0; cut < len; cut += 1 + cut / 8) {
		kit_cut(io, DIR, FIRST_HINT, cut);
		expect_hint_again(hint, len);
	}
	free(hint);
}

static void test_a_flipped_hint_is_made_again(void **state)
{
	uint8_t *hint;
	size_t len;
	size_t at;

	(void)state;
	first_run();
	hint = kit_read(io, DIR, FIRST_HINT, &len);
	for (at = 0; at < len; at += 7) {
		kit_flip(io, DIR, FIRST_HINT, at, 1);
		expect_hint_again(hint, len);
	}
	free(hint);
}

/* Whole, of this store, and tells only of the first entries. */
static void test_a_hint_of_another_length_is_not_believed(void **state)
{
	struct manifest manifest;
	struct hint_builder builder;
	uint8_t *hint;
	size_t len;

	(void)state;
	first_run();
	hint = kit_read(io, DIR, FIRST_HINT, &len);
	kit_manifest(io, DIR, &manifest);
	hint_builder_init(&builder);
	assert_int_equal(hint_builder_write(&builder, io, DIR,
					    manifest.store_id, FIRST_ID,
					    manifest.segments[0].len - 8),
			 0);
	hint_builder_deinit(&builder);
	manifest_deinit(&manifest);
	expect_hint_again(hint, len);
	free(hint);
}

static void test_another_segments_hint_is_not_believed(void **state)
{
	struct store *store;
	uint8_t *hint;
	uint8_t *other;
	size_t len;
	size_t other_len;

	(void)state;
	first_run();
	hint = kit_read(io, DIR, FIRST_HINT, &len);
	store = open_store();
	kit_put(store, "b", "another b");
	kit_put(store, "b", "old b");
	kit_close(store);
	other = kit_read(io, DIR, "0000000003.hint", &other_len);
	kit_write(io, DIR, FIRST_HINT, other, other_len);
	expect_hint_again(hint, len);
	free(other);
	free(hint);
}

/* ---- torn tails ---- */

/* A tail of three writes, the last of them not known to be synced. */
static void second_run(void)
{
	struct store *store = open_store();

	kit_put(store, "a", "newer a");
	kit_put(store, "d", "new d");
	kit_put_soft(store, "last", "a last value");
	store_abandon(store);
}

static void expect_second_run(struct store *store, const char *last)
{
	kit_expect(store, "a", "newer a");
	kit_expect(store, "b", "old b");
	kit_expect(store, "d", "new d");
	kit_expect(store, "last", last);
	kit_expect(store, "gone", NULL);
}

/* As it is now; to be compared with what recovery leaves. */
struct bytes {
	uint8_t *data;
	size_t len;
};

static struct bytes read_bytes(const char *name)
{
	struct bytes bytes;

	bytes.data = kit_read(io, DIR, name, &bytes.len);
	return bytes;
}

static void expect_same_bytes(const char *name, struct bytes *bytes)
{
	struct bytes now = read_bytes(name);

	assert_int_equal(now.len, bytes->len);
	assert_memory_equal(now.data, bytes->data, now.len);
	free(now.data);
	free(bytes->data);
}

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
static void expect_quarantined(const char *segment, const struct bytes *from,
			       uint64_t off)
{
	struct named named = { .begin = segment };
	struct bytes kept;

	assert_int_equal(io->list(io, DIR "/quarantine", find_name, &named), 0);
	assert_string_not_equal(named.name, "");
	kept.data = kit_read(io, DIR "/quarantine", named.name, &kept.len);
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
	struct bytes before = read_bytes(SECOND);
	struct store *store = open_store();
	struct store_stats stats = kit_stats(store);

	expect_second_run(store, NULL);
	assert_false(stats.damaged);
	assert_int_equal(stats.quarantined_bytes > 0, has_bytes);
	store_abandon(store);
	if (has_bytes) {
		expect_quarantined(SECOND, &before, last->off);
		expect_same_bytes(SECOND, &before);
	} else {
		free(before.data);
	}
	store = open_store();
	expect_second_run(store, NULL);
	stats = kit_stats(store);
	assert_int_equal(stats.quarantined_bytes, 0);
	assert_int_equal(kit_count(io, DIR, "quarantine", SECOND), has_bytes);
	kit_put(store, "last", "again");
	expect_second_run(store, "again");
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
	struct simfs *whole = fs;
	struct kit_place last = kit_find(io, DIR, SECOND_ID, "last");
	struct bytes bytes = read_bytes(SECOND);
	uint64_t cut;

	for (cut = last.off; cut < last.off + last.len; cut++) {
		use(simfs_clone(whole));
		cut_it(cut, last.off + last.len);
		expect_torn(&last, !all_zeros(bytes.data, last.off, cut));
		assert_int_equal(simfs_n_open(fs), 0);
		simfs_free(fs);
	}
	use(whole);
	free(bytes.data);
}

static void zero_second(uint64_t off, uint64_t end)
{
	kit_zero(io, DIR, SECOND, off, end);
}

/* The file is shorter; where blocks are not allocated ahead it may be so. */
static void cut_second(uint64_t off, uint64_t end)
{
	(void)end;
	kit_cut(io, DIR, SECOND, off);
}

static void test_a_last_entry_torn_at_every_byte_is_cut_off(void **state)
{
	(void)state;
	first_run();
	second_run();
	check_cuts(zero_second);
}

static void test_a_file_that_ends_in_the_last_entry(void **state)
{
	(void)state;
	first_run();
	second_run();
	check_cuts(cut_second);
}

static void test_a_last_entry_flipped_in_every_byte_is_cut_off(void **state)
{
	struct simfs *whole;
	struct kit_place last;
	uint64_t at;

	(void)state;
	first_run();
	second_run();
	whole = fs;
	last = kit_find(io, DIR, SECOND_ID, "last");
	for (at = last.off; at < last.off + last.len; at++) {
		use(simfs_clone(whole));
		kit_flip(io, DIR, SECOND, at, 0x40);
		expect_torn(&last, true);
		assert_int_equal(simfs_n_open(fs), 0);
		simfs_free(fs);
	}
	use(whole);
}

/* The last write's bytes are in the file but for one page before them. */
static void test_what_lies_behind_a_torn_entry_does_not_count(void **state)
{
	struct store *store;
	struct kit_place first;
	struct bytes before;

	(void)state;
	store = open_store();
	kit_put(store, "base", "1");
	kit_put_soft(store, "a", "1");
	kit_put_soft(store, "b", "1");
	kit_put_soft(store, "c", "1");
	store_abandon(store);
	first = kit_find(io, DIR, FIRST_ID, "a");
	kit_zero(io, DIR, FIRST, first.off, first.off + first.len);
	before = read_bytes(FIRST);
	store = open_store();
	kit_expect(store, "base", "1");
	kit_expect(store, "a", NULL);
	kit_expect(store, "b", NULL);
	kit_expect(store, "c", NULL);
	assert_int_equal(kit_stats(store).quarantined_bytes, 3 * first.len);
	store_abandon(store);
	expect_quarantined(FIRST, &before, first.off);
	free(before.data);
	store = open_store();
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
	first_run();
	store = open_store();
	apply_batch(store, "batch");
	store_abandon(store);
	whole = fs;
	head = kit_find(io, DIR, SECOND_ID, NULL);
	last = kit_find(io, DIR, SECOND_ID, "c");
	end = last.off + last.len;
	for (cut = head.off; cut <= end; cut++) {
		bool there = cut >= last.value_off + strlen("batch");

		use(simfs_clone(whole));
		kit_zero(io, DIR, SECOND, cut, end);
		store = open_store();
		expect_batch(store, there);
		assert_false(kit_stats(store).damaged);
		store_abandon(store);
		store = open_store();
		expect_batch(store, there);
		kit_close(store);
		simfs_free(fs);
	}
	use(whole);
}

static void test_a_gap_in_the_sequence_ends_the_log(void **state)
{
	struct manifest manifest;
	struct segment *segment;
	struct store *store;
	struct bytes before;
	uint64_t end;
	uint64_t last;

	(void)state;
	store = open_store();
	last = kit_put(store, "a", "1");
	store_abandon(store);
	end = kit_segment_end(io, DIR, FIRST_ID);
	kit_manifest(io, DIR, &manifest);
	assert_int_equal(
		segment_open(io, DIR, manifest.store_id, FIRST_ID, &segment),
		0);
	manifest_deinit(&manifest);
	segment->len = end;
	maker_put(io, segment, "a", "2", last + 2);
	segment_free(io, segment);
	before = read_bytes(FIRST);
	store = open_store();
	kit_expect(store, "a", "1");
	assert_true(kit_stats(store).quarantined_bytes > 0);
	assert_false(kit_stats(store).damaged);
	store_abandon(store);
	expect_quarantined(FIRST, &before, end);
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
	simfs_set_fault(fs, &fault);
	first_run();
	second_run();
	assert_true(simfs_n_faults(fs) > 0);
	last = kit_find(io, DIR, SECOND_ID, "last");
	assert_true(file_len(SECOND) == last.off + last.len);
	kit_cut(io, DIR, SECOND, last.off + last.len - 3);
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
	first_run();
	second_run();
	last = kit_find(io, DIR, SECOND_ID, "last");
	kit_flip(io, DIR, SECOND, last.off, 1);
	simfs_set_fault(fs, &fault);
	store = open_store();
	assert_true(simfs_n_faults(fs) > 0);
	simfs_set_fault(fs, NULL);
	expect_second_run(store, NULL);
	kit_close(store);
}

/* ---- damage to what was synced ---- */

/* Six writes; each knows that those before it are on stable storage. */
static void marked_run(void)
{
	struct store *store = open_store();

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
	struct bytes before;
	struct store *store;

	kit_flip(io, DIR, SECOND, at, 0x20);
	before = read_bytes(SECOND);
	store = open_store();
	expect_marked(store, key);
	assert_true(kit_stats(store).damaged);
	assert_int_equal(kit_stats(store).damaged_entries, 1);
	assert_int_equal(kit_stats(store).quarantined_bytes, 0);
	if (in_value)
		assert_int_equal(kit_get(store, key, NULL, 0), STORE_CORRUPT);
	kit_put(store, "g", "new g");
	kit_close(store);
	expect_same_bytes(SECOND, &before);
	/* sealed now, it is damaged still */
	store = open_store();
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
	struct kit_place place = kit_find(io, DIR, SECOND_ID, key);
	struct simfs *whole = fs;
	uint64_t at = in_value ? place.value_off : place.off;
	uint64_t end = in_value ? place.off + place.len : place.value_off;

	for (; at < end; at++) {
		use(simfs_clone(whole));
		expect_damage_at(key, at, in_value);
		assert_int_equal(simfs_n_open(fs), 0);
		simfs_free(fs);
	}
	use(whole);
}

static void test_a_damaged_header_below_the_mark_is_skipped(void **state)
{
	(void)state;
	first_run();
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
	first_run();
	marked_run();
	check_damage("a", true);
	check_damage("b", true);
	check_damage("e", true);
}

static void test_a_corrupt_key_can_be_written_and_deleted(void **state)
{
	struct store *store;

	(void)state;
	first_run();
	marked_run();
	kit_flip(io, DIR, SECOND, kit_find(io, DIR, SECOND_ID, "a").value_off,
		 1);
	kit_flip(io, DIR, SECOND, kit_find(io, DIR, SECOND_ID, "b").value_off,
		 1);
	store = open_store();
	assert_int_equal(kit_stats(store).damaged_entries, 2);
	kit_put(store, "a", "mended");
	kit_delete(store, "b");
	kit_expect(store, "a", "mended");
	kit_expect(store, "b", NULL);
	store_abandon(store);
	store = open_store();
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
	first_run();
	marked_run();
	before = kit_find(io, DIR, SECOND_ID, "b");
	after = kit_find(io, DIR, SECOND_ID, "d");
	kit_flip(io, DIR, SECOND, before.off, 1);
	kit_flip(io, DIR, SECOND, after.off + 30, 1);
	store = open_store();
	kit_expect(store, "c", NULL);
	kit_expect(store, "f", "new f");
	assert_int_equal(kit_stats(store).damaged_entries, 2);
	kit_close(store);
	store = open_store();
	kit_expect(store, "c", NULL);
	kit_expect(store, "f", "new f");
	kit_close(store);
}

/* A segment without its hint, every header in it damaged in turn. */
static void test_a_sealed_segment_is_never_cut(void **state)
{
	static const char *const keys[] = { "b", "c", "a" };
	struct simfs *whole;
	size_t i;

	(void)state;
	first_run();
	kit_unlink(io, DIR, FIRST_HINT);
	whole = fs;
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct kit_place place = kit_find(io, DIR, FIRST_ID, keys[i]);
		struct store *store;

		use(simfs_clone(whole));
		kit_flip(io, DIR, FIRST, place.off + 5, 1);
		store = open_store();
		assert_int_equal(kit_stats(store).damaged_entries, 1);
		if (i != 0)
			kit_expect(store, "b", "old b");
		if (i != 1)
			kit_expect(store, "c", "old c");
		if (i != 2)
			kit_expect(store, "a", "new a");
		kit_expect(store, "gone", NULL);
		kit_close(store);
		simfs_free(fs);
		use(whole);
	}
}

static void test_a_damaged_segment_header_loses_no_entry(void **state)
{
	struct store *store;

	(void)state;
	first_run();
	second_run();
	kit_flip(io, DIR, FIRST, 20, 1);
	kit_flip(io, DIR, SECOND, 3, 1);
	store = open_store();
	expect_second_run(store, "a last value");
	assert_true(kit_stats(store).damaged);
	kit_close(store);
	store = open_store();
	expect_second_run(store, "a last value");
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
	static char value[LARGE_LEN];
	struct store *store = open_store();

	memset(value, 'v', sizeof(value) - 1);
	kit_put(store, "a", "1");
	kit_put(store, "b", value);
	kit_put(store, "c", "1");
	simfs_set_fault(fs, &fault);
	kit_put(store, "large", value);
	kit_put(store, "a", "2");
	store_abandon(store);
	assert_true(simfs_n_faults(fs) > 0);
	simfs_set_fault(fs, NULL);
}

static void test_two_open_segments_are_read_in_their_order(void **state)
{
	struct store *store;

	(void)state;
	two_open_segments();
	store = open_store();
	kit_expect(store, "a", "2");
	kit_expect(store, "c", "1");
	assert_int_equal(store_count(store), 4);
	assert_false(kit_stats(store).damaged);
	kit_close(store);
	store = open_store();
	kit_expect(store, "a", "2");
	assert_int_equal(kit_stats(store).segment_bytes_read, 0);
	kit_close(store);
}

/* Whatever is bad in the first was on stable storage: it is damage. */
static void
test_damage_at_the_end_of_the_first_of_two_is_no_torn_tail(void **state)
{
	struct store *store;

	(void)state;
	two_open_segments();
	kit_flip(io, DIR, FIRST, kit_find(io, DIR, FIRST_ID, "c").value_off, 1);
	store = open_store();
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
	kit_flip(io, DIR, "0000000002.seg", kit_find(io, DIR, 2, "a").value_off,
		 1);
	store = open_store();
	kit_expect(store, "a", "1");
	kit_expect(store, "c", "1");
	assert_int_equal(store_count(store), 4);
	assert_false(kit_stats(store).damaged);
	kit_close(store);
}

/* ---- what is in the folder ---- */

static void test_files_that_are_not_listed_go_to_quarantine(void **state)
{
	struct store *store;

	(void)state;
	first_run();
	kit_write(io, DIR, "0000000077.seg", "not listed", 10);
	kit_write(io, DIR, "0000000078.hint", "not listed", 10);
	store = open_store();
	expect_first_run(store);
	kit_close(store);
	assert_false(kit_exists(io, DIR, "0000000077.seg"));
	assert_false(kit_exists(io, DIR, "0000000078.hint"));
	assert_int_equal(kit_count(io, DIR, "quarantine", "0000000077.seg"), 1);
	assert_int_equal(kit_count(io, DIR, "quarantine", "0000000078.hint"),
			 1);
}

static void test_a_new_segment_keeps_clear_of_files_in_its_way(void **state)
{
	struct store *store;

	(void)state;
	first_run();
	store = open_store();
	kit_write(io, DIR, SECOND, "in the way", 10);
	kit_put(store, "d", "new d");
	expect_same_bytes(
		SECOND, &(struct bytes){ (uint8_t *)strdup("in the way"), 10 });
	store_abandon(store);
	store = open_store();
	kit_expect(store, "d", "new d");
	kit_close(store);
}

static void test_unfinished_files_are_removed(void **state)
{
	static const char *const names[] = { "MANIFEST.0.tmp", "MANIFEST.1.tmp",
					     "0000000001.hint.tmp",
					     "0000000009.seg.tmp" };
	struct store *store;
	size_t i;

	(void)state;
	first_run();
	for (i = 0; i < 4; i++)
		kit_write(io, DIR, names[i], "half", 4);
	store = open_store();
	expect_first_run(store);
	for (i = 0; i < 4; i++)
		assert_false(kit_exists(io, DIR, names[i]));
	kit_close(store);
	assert_int_equal(kit_count(io, DIR, "", "quarantine"), 0);
}

static void test_foreign_files_are_left_alone(void **state)
{
	static const char *const names[] = {
		"notes.txt",	      "notes.tmp",	  "1.seg",
		"0000000001.seg.bak", "00000000001.hint", "0000000000.seg",
		"MANIFEST.2",	      ".hidden",
	};
	struct store *store;
	size_t i;

	(void)state;
	first_run();
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		kit_write(io, DIR, names[i], names[i], strlen(names[i]));
	store = open_store();
	kit_put(store, "d", "new d");
	assert_int_equal(store_clear(store), 0);
	store_abandon(store);
	store = open_store();
	assert_int_equal(store_count(store), 0);
	kit_close(store);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t len;
		uint8_t *data = kit_read(io, DIR, names[i], &len);

		assert_int_equal(len, strlen(names[i]));
		assert_memory_equal(data, names[i], len);
		free(data);
	}
}

static void test_a_folder_with_other_things_in_it_is_refused(void **state)
{
	(void)state;
	assert_int_equal(io->mkdir(io, DIR), 0);
	kit_write(io, DIR, "letter.txt", "dear", 4);
	expect_refused(-ENOTEMPTY, "letter.txt");
	assert_int_equal(kit_count(io, DIR, "", ""), 1);
}

static void test_a_folder_with_segments_and_no_manifest_is_refused(void **state)
{
	(void)state;
	first_run();
	kit_unlink(io, DIR, "MANIFEST.0");
	kit_unlink(io, DIR, "MANIFEST.1");
	expect_refused(-EUCLEAN, "repair " DIR);
}

static void test_an_empty_folder_becomes_a_store(void **state)
{
	struct store *store;

	(void)state;
	assert_int_equal(io->mkdir(io, DIR), 0);
	assert_int_equal(io->mkdir(io, DIR "/lost+found"), 0);
	store = open_store();
	kit_put(store, "a", "1");
	kit_close(store);
	store = open_store();
	kit_expect(store, "a", "1");
	kit_close(store);
	assert_int_equal(kit_count(io, DIR, "", "lost+found"), 1);
}

static void test_what_a_first_start_left_half_made_is_no_obstacle(void **state)
{
	struct store *store;

	(void)state;
	assert_int_equal(io->mkdir(io, DIR), 0);
	kit_write(io, DIR, "LOCK", "", 0);
	kit_write(io, DIR, "MANIFEST.0.tmp", "half", 4);
	store = open_store();
	kit_put(store, "a", "1");
	kit_close(store);
	assert_false(kit_exists(io, DIR, "MANIFEST.0.tmp"));
}

static void test_a_file_in_place_of_the_folder_is_refused(void **state)
{
	struct store *store = NULL;
	struct store_error error;

	(void)state;
	maker_write_file(io, DIR, "a file", 6);
	assert_int_equal(kit_try_open(io, DIR, &store, &error), -ENOTDIR);
	assert_non_null(strstr(error.text, DIR));
	assert_null(store);
}

static void test_a_folder_that_may_not_be_written_is_told(void **state)
{
	struct simfs_fault fault = { .calls = 1u << SIMFS_OPEN,
				     .nth = 1,
				     .from_then = true };
	static const int errors[] = { EACCES, EROFS, EPERM };
	size_t i;

	(void)state;
	first_run();
	for (i = 0; i < 3; i++) {
		struct store *store = NULL;
		struct store_error error;
		uint64_t hash = kit_hash(io, DIR);

		fault.error = errors[i];
		simfs_set_fault(fs, &fault);
		assert_int_equal(kit_try_open(io, DIR, &store, &error),
				 -errors[i]);
		simfs_set_fault(fs, NULL);
		assert_non_null(strstr(error.text, DIR));
		assert_non_null(strstr(error.text, strerror(errors[i])));
		assert_true(kit_hash(io, DIR) == hash);
	}
}

/* ---- segments and manifests that are missing, of others, newer ---- */

static void test_a_missing_segment_is_named(void **state)
{
	(void)state;
	first_run();
	kit_unlink(io, DIR, FIRST);
	expect_refused(-EUCLEAN, "segment 1 is missing");
}

static void test_a_missing_open_segment_is_named(void **state)
{
	(void)state;
	first_run();
	second_run();
	kit_unlink(io, DIR, SECOND);
	expect_refused(-EUCLEAN, "segment 3 is missing");
}

static void test_a_segment_of_another_store_is_refused(void **state)
{
	struct bytes bytes;
	struct store *store;

	(void)state;
	first_run();
	store = kit_open(io, "/other");
	kit_put(store, "a", "another store's");
	kit_close(store);
	bytes.data = kit_read(io, "/other", FIRST, &bytes.len);
	kit_write(io, DIR, FIRST, bytes.data, bytes.len);
	free(bytes.data);
	expect_refused(-EUCLEAN, "segment 1 belongs to another store");
}

static void test_another_segment_of_the_same_store_is_refused(void **state)
{
	struct bytes bytes;

	(void)state;
	first_run();
	second_run();
	bytes = read_bytes(SECOND);
	kit_write(io, DIR, FIRST, bytes.data, bytes.len);
	free(bytes.data);
	expect_refused(-EUCLEAN, "segment 1");
}

/* Raises the format of a file, LEN bytes of which its CRC covers. */
static void make_newer(const char *name, size_t len)
{
	struct bytes bytes = read_bytes(name);

	if (len == 0)
		len = bytes.len;
	bytes_put32(bytes.data + AT_VERSION, 2);
	bytes_put32(bytes.data + AT_CRC, 0);
	bytes_put32(bytes.data + AT_CRC, crc32c(0, bytes.data, len));
	kit_write(io, DIR, name, bytes.data, bytes.len);
	free(bytes.data);
}

static void test_a_newer_manifest_is_refused(void **state)
{
	(void)state;
	first_run();
	/* one is enough: the newer program was cut off between the two */
	make_newer("MANIFEST.0", 0);
	expect_refused(-EPROTONOSUPPORT, "newer format");
	make_newer("MANIFEST.1", 0);
	expect_refused(-EPROTONOSUPPORT, "newer format");
}

static void test_a_newer_second_manifest_is_refused(void **state)
{
	(void)state;
	first_run();
	make_newer("MANIFEST.1", 0);
	expect_refused(-EPROTONOSUPPORT, "newer format");
}

static void test_a_newer_segment_is_refused(void **state)
{
	(void)state;
	first_run();
	make_newer(FIRST, SEGMENT_HEADER_LEN);
	expect_refused(-EPROTONOSUPPORT, "segment 1 has a newer format");
}

static void test_a_newer_hint_is_made_again(void **state)
{
	uint8_t *hint;
	size_t len;
	struct bytes newer;

	(void)state;
	first_run();
	hint = kit_read(io, DIR, FIRST_HINT, &len);
	newer = read_bytes(FIRST_HINT);
	bytes_put32(newer.data + 8, 2);
	bytes_put32(newer.data + len - 4, crc32c(0, newer.data, len - 4));
	kit_write(io, DIR, FIRST_HINT, newer.data, newer.len);
	free(newer.data);
	expect_hint_again(hint, len);
	free(hint);
}

static void expect_manifests_repaired(void)
{
	struct manifest_report report;
	struct manifest manifest;
	struct store *store = open_store();

	expect_first_run(store);
	assert_int_equal(kit_stats(store).segment_bytes_read, 0);
	store_abandon(store);
	assert_int_equal(manifest_load(io, DIR, &manifest, &report), 0);
	manifest_deinit(&manifest);
	assert_true(report.equal);
	assert_int_equal(kit_count(io, DIR, "", ".tmp"), 0);
}

static void test_a_damaged_manifest_is_repaired_from_the_other(void **state)
{
	static const char *const names[] = { "MANIFEST.0", "MANIFEST.1" };
	size_t i;

	(void)state;
	first_run();
	for (i = 0; i < 2; i++) {
		uint64_t len = file_len(names[i]);
		uint64_t at;

		for (at = 0; at < len; at++) {
			kit_flip(io, DIR, names[i], at, 0x80);
			expect_manifests_repaired();
			kit_cut(io, DIR, names[i], at);
			expect_manifests_repaired();
		}
		kit_unlink(io, DIR, names[i]);
		expect_manifests_repaired();
	}
}

static void test_two_damaged_manifests_are_refused(void **state)
{
	(void)state;
	first_run();
	kit_flip(io, DIR, "MANIFEST.0", 40, 1);
	kit_flip(io, DIR, "MANIFEST.1", 50, 1);
	expect_refused(-EUCLEAN, "repair " DIR);
	kit_unlink(io, DIR, "MANIFEST.1");
	expect_refused(-EUCLEAN, "repair " DIR);
	kit_cut(io, DIR, "MANIFEST.0", 0);
	expect_refused(-EUCLEAN, "repair " DIR);
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
	struct store *store = open_store();

	memset(unsynced, 'd', sizeof(unsynced) - 1);
	kit_put(store, "a", "newer a");
	simfs_set_fault(fs, &fault);
	assert_int_equal(store_put(store, "d", 1, unsynced,
				   sizeof(unsynced) - 1, STORE_ALWAYS),
			 STORE_UNKNOWN);
	simfs_set_fault(fs, NULL);
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
	first_run();
	run_with_failed_sync();
	was = kit_find(io, DIR, SECOND_ID, "d");
	store = open_store();
	kit_expect(store, "d", unsynced);
	assert_true(kit_version(store, "d") == was.sequence);
	/* power is cut right now: what was shown is there */
	cut = simfs_crash_durable(fs);
	store_abandon(store);
	simfs_free(fs);
	use(cut);
	store = open_store();
	kit_expect(store, "a", "newer a");
	kit_expect(store, "d", unsynced);
	assert_false(kit_stats(store).damaged);
	kit_put(store, "e", "new e");
	kit_close(store);
	store = open_store();
	kit_expect(store, "d", unsynced);
	assert_int_equal(kit_stats(store).segment_bytes_read, 0);
	kit_close(store);
}

struct kills {
	struct simfs *at[KILLS_MAX];
	size_t n;
};

static void keep_kill(void *ctx, struct simfs *from, enum simfs_call call,
		      bool changed)
{
	struct kills *kills = ctx;

	(void)call;
	if (!changed)
		return;
	assert_true(kills->n < KILLS_MAX);
	kills->at[kills->n++] = simfs_clone(from);
}

/* Also when that start is killed at any of its steps. */
static void test_the_copying_start_may_be_killed_anywhere(void **state)
{
	static struct kills kills;
	struct simfs *last;
	struct store *store;
	size_t i;

	(void)state;
	first_run();
	run_with_failed_sync();
	kills.n = 0;
	simfs_set_hook(fs, keep_kill, &kills);
	store = open_store();
	simfs_set_hook(fs, NULL, NULL);
	store_abandon(store);
	assert_true(kills.n > 5);
	last = fs;
	for (i = 0; i < kills.n; i++) {
		use(kills.at[i]);
		store = open_store();
		kit_expect(store, "a", "newer a");
		kit_expect(store, "d", unsynced);
		assert_int_equal(store_count(store), 4);
		kit_close(store);
		simfs_free(fs);
	}
	use(last);
}

/* ---- clear ---- */

static void
test_after_a_clear_nothing_comes_back_wherever_it_is_killed(void **state)
{
	static struct kills kills;
	struct bytes old;
	struct simfs *last;
	struct store *store;
	bool cleared = false;
	size_t i;

	(void)state;
	first_run();
	store = open_store();
	kit_put(store, "d", "new d");
	old = read_bytes(FIRST);
	kills.n = 0;
	simfs_set_hook(fs, keep_kill, &kills);
	assert_int_equal(store_clear(store), 0);
	simfs_set_hook(fs, NULL, NULL);
	assert_int_equal(store_count(store), 0);
	kit_expect(store, "a", NULL);
	kit_put(store, "d", "after");
	store_abandon(store);
	last = fs;
	for (i = 0; i < kills.n; i++) {
		use(kills.at[i]);
		store = open_store();
		/* all or nothing, and never again all */
		if (store_count(store) == 0)
			cleared = true;
		assert_int_equal(store_count(store), cleared ? 0 : 4);
		kit_expect(store, "a", cleared ? NULL : "new a");
		kit_expect(store, "d", cleared ? NULL : "new d");
		kit_put(store, "e", "new e");
		kit_close(store);
		store = open_store();
		assert_int_equal(store_count(store), cleared ? 1 : 5);
		kit_close(store);
		simfs_free(fs);
	}
	assert_true(cleared);
	use(last);
	/* nor when the old files are put back */
	kit_write(io, DIR, FIRST, old.data, old.len);
	free(old.data);
	store = open_store();
	assert_int_equal(store_count(store), 1);
	kit_expect(store, "d", "after");
	kit_close(store);
}

static void test_versions_go_on_behind_a_clear(void **state)
{
	struct store *store = open_store();
	uint64_t version;

	(void)state;
	version = kit_put(store, "a", "1");
	assert_int_equal(store_clear(store), 0);
	kit_close(store);
	store = open_store();
	assert_int_equal(store_count(store), 0);
	assert_true(kit_put(store, "a", "2") > version);
	kit_close(store);
	store = open_store();
	kit_expect(store, "a", "2");
	kit_close(store);
}

/* ---- progress ---- */

struct progress {
	uint64_t n;
	uint64_t done;
	uint64_t total;
};

static void note_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct progress *progress = ctx;

	assert_true(done > progress->done);
	assert_true(done <= total);
	progress->n++;
	progress->done = done;
	progress->total = total;
}

static void test_progress_is_told_while_loading(void **state)
{
	struct progress progress = { 0 };
	const struct store_options options = {
		.dir = DIR,
		.io = io,
		.progress = note_progress,
		.progress_ctx = &progress,
	};
	struct store_error error;
	struct store *store;

	(void)state;
	first_run();
	second_run();
	assert_int_equal(store_open(&options, &store, &error), 0);
	kit_close(store);
	assert_true(progress.n >= 1);
}

#define recovery_test(name)                                                    \
	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		recovery_test(
			test_a_clean_stop_reads_only_hints_and_changes_no_file),
		recovery_test(test_a_new_store_has_two_manifests_and_a_lock),
		recovery_test(test_versions_go_on_after_a_clean_stop),
		recovery_test(test_after_a_kill_the_tail_is_read),
		recovery_test(test_killed_again_and_again),
		recovery_test(
			test_versions_after_a_kill_are_larger_than_any_seen),
		recovery_test(test_all_shapes_of_entries_come_back),
		recovery_test(test_a_put_without_expiry_ends_an_older_expiry),
		recovery_test(test_many_segments),
		recovery_test(test_a_missing_hint_is_made_again),
		recovery_test(test_a_truncated_hint_is_made_again),
		recovery_test(test_a_flipped_hint_is_made_again),
		recovery_test(test_a_hint_of_another_length_is_not_believed),
		recovery_test(test_another_segments_hint_is_not_believed),
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
		recovery_test(test_a_sealed_segment_is_never_cut),
		recovery_test(test_a_damaged_segment_header_loses_no_entry),
		recovery_test(test_two_open_segments_are_read_in_their_order),
		recovery_test(
			test_damage_at_the_end_of_the_first_of_two_is_no_torn_tail),
		recovery_test(test_the_second_of_two_is_cut_at_its_torn_end),
		recovery_test(test_files_that_are_not_listed_go_to_quarantine),
		recovery_test(
			test_a_new_segment_keeps_clear_of_files_in_its_way),
		recovery_test(test_unfinished_files_are_removed),
		recovery_test(test_foreign_files_are_left_alone),
		recovery_test(test_a_folder_with_other_things_in_it_is_refused),
		recovery_test(
			test_a_folder_with_segments_and_no_manifest_is_refused),
		recovery_test(test_an_empty_folder_becomes_a_store),
		recovery_test(
			test_what_a_first_start_left_half_made_is_no_obstacle),
		recovery_test(test_a_file_in_place_of_the_folder_is_refused),
		recovery_test(test_a_folder_that_may_not_be_written_is_told),
		recovery_test(test_a_missing_segment_is_named),
		recovery_test(test_a_missing_open_segment_is_named),
		recovery_test(test_a_segment_of_another_store_is_refused),
		recovery_test(
			test_another_segment_of_the_same_store_is_refused),
		recovery_test(test_a_newer_manifest_is_refused),
		recovery_test(test_a_newer_second_manifest_is_refused),
		recovery_test(test_a_newer_segment_is_refused),
		recovery_test(test_a_newer_hint_is_made_again),
		recovery_test(
			test_a_damaged_manifest_is_repaired_from_the_other),
		recovery_test(test_two_damaged_manifests_are_refused),
		recovery_test(test_after_a_failed_sync_the_tail_is_copied),
		recovery_test(test_the_copying_start_may_be_killed_anywhere),
		recovery_test(
			test_after_a_clear_nothing_comes_back_wherever_it_is_killed),
		recovery_test(test_versions_go_on_behind_a_clear),
		recovery_test(test_progress_is_told_while_loading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
