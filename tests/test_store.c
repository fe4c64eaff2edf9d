#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/entry.h"
#include "common/path.h"
#include "common/segment_reader.h"
#include "common/store_internal.h"
#include "tests/crash/simfs.h"
#include "tests/support/segment_maker.h"
#include "tests/support/store_kit.h"
#include "tests/support/tempdir.h"

#define DIR "/store"

enum {
	SCAN_KEYS = 3000,
	LARGE_LEN = 60 << 10, /* a value that fills a segment of the kit */
	HUGE_LEN = 130 << 20, /* more than the index can tell */
	AUTOMATIC_LEN = 4 << 20,
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

static void kill_and_reopen(void)
{
	store_abandon(store);
	store = kit_open(io, DIR);
}

static void set_fault(uint32_t calls, int error)
{
	const struct simfs_fault fault = {
		.calls = calls,
		.nth = 1,
		.from_then = true,
		.error = error,
	};

	simfs_set_fault(fs, error ? &fault : NULL);
}

/* ---- one key ---- */

static void test_what_was_put_is_read(void **state)
{
	struct store_value value;
	uint64_t version;

	(void)state;
	kit_expect(store, "k", NULL);
	version = kit_put(store, "k", "value");
	assert_int_equal(store_get(store, "k", 1, &value), 0);
	assert_int_equal(value.len, 5);
	assert_memory_equal(value.data, "value", 5);
	assert_true(value.version == version);
	assert_true(value.expires_at_ms == 0);
	free(value.data);
	assert_true(kit_put(store, "k", "other") > version);
	kit_expect(store, "k", "other");
	assert_int_equal(store_count(store), 1);
}

static void test_an_empty_value_is_a_value(void **state)
{
	struct store_value value;

	(void)state;
	assert_int_equal(store_put(store, "k", 1, NULL, 0, STORE_ALWAYS), 0);
	assert_int_equal(store_get(store, "k", 1, &value), 0);
	assert_int_equal(value.len, 0);
	assert_non_null(value.data);
	free(value.data);
}

static void test_keys_are_bytes(void **state)
{
	(void)state;
	assert_int_equal(store_put(store, "a\0b", 3, "1", 1, STORE_ALWAYS), 0);
	assert_int_equal(store_put(store, "a\0", 2, "2", 1, STORE_ALWAYS), 0);
	kit_expect(store, "a", NULL);
	kit_put(store, "a", "3");
	assert_int_equal(store_count(store), 3);
	reopen();
	assert_int_equal(store_count(store), 3);
	kit_expect(store, "a", "3");
}

static void test_a_deleted_key_is_not_found(void **state)
{
	(void)state;
	kit_put(store, "k", "1");
	kit_delete(store, "k");
	kit_expect(store, "k", NULL);
	assert_int_equal(store_count(store), 0);
	kill_and_reopen();
	kit_expect(store, "k", NULL);
}

static void test_deleting_what_is_not_there_writes_nothing(void **state)
{
	struct store_stats before;

	(void)state;
	kit_put(store, "k", "1");
	before = kit_stats(store);
	kit_delete(store, "other");
	assert_true(kit_stats(store).bytes_written == before.bytes_written);
	assert_true(kit_stats(store).last_sequence == before.last_sequence);
}

static void test_what_has_expired_is_not_found(void **state)
{
	uint64_t now = io->clock_ms(io);
	struct store_write write = { .key = "k",
				     .key_len = 1,
				     .value = "v",
				     .value_len = 1,
				     .expires_at_ms = now + 100 };

	(void)state;
	assert_int_equal(store_apply(store, &write, 1, STORE_ALWAYS), 0);
	kit_expect(store, "k", "v");
	simfs_set_clock(fs, now + 99);
	kit_expect(store, "k", "v");
	simfs_set_clock(fs, now + 100);
	kit_expect(store, "k", NULL);
	/* the clock steps back: nothing has removed it */
	simfs_set_clock(fs, now);
	kit_expect(store, "k", "v");
}

static void expect_invalid(struct store_write *write, size_t n)
{
	uint64_t written = kit_stats(store).bytes_written;

	assert_int_equal(store_apply(store, write, n, STORE_ALWAYS), -EINVAL);
	assert_true(kit_stats(store).bytes_written == written);
}

static void test_what_is_too_long_is_refused(void **state)
{
	struct store_write *writes =
		calloc(STORE_BATCH_MAX + 1, sizeof(*writes));
	char *key = calloc(1, STORE_KEY_MAX + 1);
	size_t i;

	(void)state;
	assert_non_null(writes);
	assert_non_null(key);
	for (i = 0; i <= STORE_BATCH_MAX; i++) {
		writes[i].key = key;
		writes[i].key_len = 1 + i % 100;
	}
	expect_invalid(writes, 0);
	expect_invalid(writes, STORE_BATCH_MAX + 1);
	assert_int_equal(
		store_apply(store, writes, STORE_BATCH_MAX, STORE_NONE), 0);
	assert_int_equal(store_count(store), 100);
	writes[1].key_len = 0;
	expect_invalid(writes, 2);
	writes[1].key_len = STORE_KEY_MAX + 1;
	expect_invalid(writes, 2);
	writes[1].key_len = STORE_KEY_MAX;
	assert_int_equal(store_apply(store, writes, 2, STORE_NONE), 0);
	writes[1].value_len = (size_t)STORE_VALUE_MAX + 1;
	expect_invalid(writes, 2);
	/* together more than the index can point into */
	writes[1].value_len = STORE_BATCH_BYTES;
	expect_invalid(writes, 2);
	free(key);
	free(writes);
}

/* ---- batches ---- */

static void test_a_batch_is_applied_in_its_order(void **state)
{
	struct store_write writes[] = {
		{ .key = "a", .key_len = 1, .value = "1", .value_len = 1 },
		{ .key = "b", .key_len = 1, .value = "1", .value_len = 1 },
		{ .key = "a", .key_len = 1, .value = "2", .value_len = 1 },
		{ .key = "b", .key_len = 1, .is_delete = true },
		{ .key = "c", .key_len = 1, .is_delete = true },
		{ .key = "c", .key_len = 1, .value = "1", .value_len = 1 },
	};
	size_t i;

	(void)state;
	kit_put(store, "c", "old");
	assert_int_equal(store_apply(store, writes, 6, STORE_ALWAYS), 0);
	for (i = 1; i < 6; i++)
		assert_true(writes[i].version > writes[i - 1].version);
	for (i = 0; i < 3; i++) {
		kit_expect(store, "a", "2");
		kit_expect(store, "b", NULL);
		kit_expect(store, "c", "1");
		assert_true(kit_version(store, "a") == writes[2].version);
		assert_int_equal(store_count(store), 2);
		if (i == 0)
			kill_and_reopen();
		else
			reopen();
	}
}

/* Readers without a lock see a bucket change once, not in parts. */
static void test_a_batch_is_one_change_for_readers(void **state)
{
	struct store_write writes[] = {
		{ .key = "a", .key_len = 1, .value = "1", .value_len = 1 },
		{ .key = "a", .key_len = 1, .value = "2", .value_len = 1 },
	};
	struct digest digest = digest_of(store->secret, "a", 1);
	struct lookup_stamp before;
	struct lookup_stamp after;
	struct index_place place;

	(void)state;
	kit_put(store, "a", "0");
	assert_int_equal(
		lookup_find(index_map(store->index), &digest, &place, &before),
		0);
	assert_int_equal(store_apply(store, writes, 2, STORE_ALWAYS), 0);
	assert_int_equal(
		lookup_find(index_map(store->index), &digest, &place, &after),
		0);
	assert_ptr_equal(after.version_at, before.version_at);
	assert_int_equal(after.version, before.version + 2);
	kit_expect(store, "a", "2");
}

static void test_a_batch_larger_than_a_segment(void **state)
{
	static char value[LARGE_LEN];
	struct store_write writes[5] = { 0 };
	static const char *const keys[] = { "a", "b", "c", "d", "e" };
	size_t i;

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	for (i = 0; i < 5; i++) {
		writes[i].key = keys[i];
		writes[i].key_len = 1;
		writes[i].value = value;
		writes[i].value_len = sizeof(value) - 1;
	}
	assert_int_equal(store_apply(store, writes, 5, STORE_NONE), 0);
	kit_put_soft(store, "after", "1");
	kill_and_reopen();
	for (i = 0; i < 5; i++)
		kit_expect(store, keys[i], value);
	kit_expect(store, "after", "1");
}

/* ---- scanning ---- */

struct seen {
	uint8_t times[SCAN_KEYS];
	unsigned n_corrupt;
	unsigned n_other;
};

static void see(void *ctx, int result, const void *key, size_t key_len,
		const struct store_value *value)
{
	struct seen *seen = ctx;
	char text[16] = "";
	unsigned long number;

	if (result != 0) {
		assert_int_equal(result, STORE_CORRUPT);
		assert_null(key);
		seen->n_corrupt++;
		return;
	}
	assert_true(key_len < sizeof(text));
	memcpy(text, key, key_len);
	number = text[0] == 'k' ? strtoul(text + 1, NULL, 10) : SCAN_KEYS;
	if (number >= SCAN_KEYS) {
		seen->n_other++;
		return;
	}
	seen->times[number]++;
	assert_int_equal(value->len, key_len);
	assert_memory_equal(value->data, key, key_len);
}

static void put_numbered(unsigned number)
{
	char key[16];

	snprintf(key, sizeof(key), "k%u", number);
	kit_put_soft(store, key, key);
}

static void put_all_numbered(void)
{
	unsigned i;

	for (i = 0; i < SCAN_KEYS; i++)
		put_numbered(i);
}

static void test_a_scan_meets_each_key_once_while_the_store_grows(void **state)
{
	static struct seen seen;
	uint64_t cursor = 0;
	char key[16];
	unsigned steps = 0;
	unsigned n = 0;
	unsigned i;

	(void)state;
	memset(&seen, 0, sizeof(seen));
	put_all_numbered();
	while (store_scan(store, &cursor, see, &seen) == 0) {
		steps++;
		for (i = 0; i < 2000 && n < 20000; i++) {
			snprintf(key, sizeof(key), "x%u", n++);
			kit_put_soft(store, key, key);
		}
		put_numbered(steps % SCAN_KEYS);
		if (steps == 2)
			assert_int_equal(store_roll(store), 0);
	}
	assert_true(steps >= SCAN_KEYS / 256);
	for (i = 0; i < SCAN_KEYS; i++)
		assert_int_equal(seen.times[i], 1);
	assert_int_equal(seen.n_corrupt, 0);
	assert_int_equal(store_scan(store, &cursor, see, &seen), STORE_END);
}

static void test_a_scan_of_nothing_ends(void **state)
{
	struct seen seen = { 0 };
	uint64_t cursor = 0;
	int result;

	(void)state;
	do {
		result = store_scan(store, &cursor, see, &seen);
	} while (result == 0);
	assert_int_equal(result, STORE_END);
	cursor = UINT64_MAX;
	assert_int_equal(store_scan(store, &cursor, see, &seen), -EINVAL);
}

static void
test_a_scan_tells_of_damage_and_leaves_out_what_expired(void **state)
{
	static struct seen seen;
	struct store_write write = { .key = "x",
				     .key_len = 1,
				     .value = "v",
				     .value_len = 1,
				     .expires_at_ms = io->clock_ms(io) };
	uint64_t cursor = 0;
	unsigned i;

	(void)state;
	memset(&seen, 0, sizeof(seen));
	for (i = 0; i < 4; i++)
		put_numbered(i);
	assert_int_equal(store_apply(store, &write, 1, STORE_NONE), 0);
	kit_flip(io, DIR, "0000000001.seg",
		 kit_find(io, DIR, 1, "k2").value_off, 1);
	while (store_scan(store, &cursor, see, &seen) == 0)
		;
	for (i = 0; i < 4; i++)
		assert_int_equal(seen.times[i], i != 2);
	assert_int_equal(seen.n_corrupt, 1);
	assert_int_equal(seen.n_other, 0);
	assert_int_equal(kit_stats(store).corrupt_reads, 1);
	assert_int_equal(kit_get(store, "k2", NULL, 0), STORE_CORRUPT);
	assert_int_equal(kit_stats(store).corrupt_reads, 2);
}

/* ---- rolls, syncs, clears ---- */

static void test_segments_are_as_large_as_was_asked(void **state)
{
	static char value[1000];
	struct store_stats stats;
	unsigned i;

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	for (i = 0; i < 256; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%u", i);
		kit_put_soft(store, key, value);
	}
	stats = kit_stats(store);
	/* 62 of them fit in one */
	assert_int_equal(stats.rolls, 4);
	assert_int_equal(stats.segments, 6);
	assert_int_equal(kit_count(io, DIR, "", ".seg"), 6);
	/* the spare went with the close */
	reopen();
	assert_int_equal(kit_count(io, DIR, "", ".seg"), 5);
	assert_int_equal(kit_count(io, DIR, "", ".hint"), 5);
}

static uint64_t size_of(const char *name)
{
	size_t len;

	free(kit_read(io, DIR, name, &len));
	return len;
}

static void test_without_a_size_segments_begin_small(void **state)
{
	const struct store_options options = { .dir = DIR, .io = io };
	struct store_error error;

	(void)state;
	kit_close(store);
	assert_int_equal(store_open(&options, &store, &error), 0);
	kit_put(store, "k", "v");
	assert_int_equal(size_of("0000000001.seg"), AUTOMATIC_LEN);
}

static void test_a_roll_without_entries_makes_no_segment(void **state)
{
	uint64_t segments;

	(void)state;
	assert_int_equal(store_roll(store), 0);
	kit_put(store, "a", "1");
	assert_int_equal(store_roll(store), 0);
	segments = kit_stats(store).segments;
	assert_int_equal(store_roll(store), 0);
	assert_int_equal(kit_stats(store).segments, segments);
	kit_put(store, "a", "2");
	kit_expect(store, "a", "2");
}

static void test_durability_decides_about_syncs(void **state)
{
	uint64_t syncs;

	(void)state;
	kit_put(store, "a", "1");
	syncs = simfs_n_calls(fs, SIMFS_SYNC);
	kit_put_soft(store, "a", "2");
	assert_int_equal(store_put(store, "b", 1, "1", 1, STORE_INTERVAL), 0);
	assert_int_equal(simfs_n_calls(fs, SIMFS_SYNC), syncs);
	assert_int_equal(store_sync(store), 0);
	assert_int_equal(simfs_n_calls(fs, SIMFS_SYNC), syncs + 1);
	/* nothing is left to sync */
	assert_int_equal(store_sync(store), 0);
	assert_int_equal(simfs_n_calls(fs, SIMFS_SYNC), syncs + 1);
	kit_put(store, "a", "3");
	assert_int_equal(simfs_n_calls(fs, SIMFS_SYNC), syncs + 2);
}

/* The delete before it may not be on the disk yet. */
static void test_a_delete_of_nothing_is_as_durable_as_it_says(void **state)
{
	struct simfs *cut;

	(void)state;
	kit_put(store, "a", "1");
	assert_int_equal(store_delete(store, "a", 1, STORE_NONE), 0);
	assert_int_equal(store_delete(store, "a", 1, STORE_ALWAYS), 0);
	cut = simfs_crash_durable(fs);
	store_abandon(store);
	simfs_free(fs);
	fs = cut;
	io = simfs_io(fs);
	store = kit_open(io, DIR);
	kit_expect(store, "a", NULL);
}

static void test_a_clear_leaves_nothing(void **state)
{
	uint64_t version;
	struct store_stats stats;

	(void)state;
	put_all_numbered();
	version = kit_put(store, "a", "1");
	assert_int_equal(store_roll(store), 0);
	assert_int_equal(store_clear(store), 0);
	stats = kit_stats(store);
	assert_int_equal(stats.keys, 0);
	assert_int_equal(stats.live_bytes, 0);
	assert_int_equal(stats.dead_bytes, 0);
	kit_expect(store, "a", NULL);
	assert_true(kit_put(store, "a", "2") > version);
	kit_expect(store, "a", "2");
	kit_expect(store, "k1", NULL);
	reopen();
	assert_int_equal(store_count(store), 1);
	/* the old segments' room was given back */
	assert_int_equal(kit_count(io, DIR, "", ".seg"), 1);
}

/* ---- when the disk does not do as asked ---- */

static void test_a_write_that_fails_is_not_there(void **state)
{
	(void)state;
	kit_put(store, "a", "1");
	set_fault(1u << SIMFS_PWRITEV, EIO);
	assert_true(store_put(store, "a", 1, "2", 1, STORE_ALWAYS) != 0);
	set_fault(0, 0);
	kit_expect(store, "a", "1");
	kit_put(store, "b", "1");
	assert_true(kit_stats(store).write_errors > 0);
	assert_false(kit_stats(store).read_only);
	kill_and_reopen();
	kit_expect(store, "a", "1");
	kit_expect(store, "b", "1");
}

static void test_a_full_disk_refuses_puts_and_takes_deletes(void **state)
{
	static char value[LARGE_LEN / 4];
	char key[16];
	unsigned i;
	int result;

	(void)state;
	memset(value, 'v', sizeof(value));
	kit_put(store, "a", "1");
	set_fault(1u << SIMFS_ALLOCATE, ENOSPC);
	for (i = 0; i < 20; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		result = store_put(store, key, strlen(key), value,
				   sizeof(value), STORE_ALWAYS);
		if (result != 0)
			break;
	}
	assert_int_equal(result, -ENOSPC);
	assert_true(kit_stats(store).full);
	assert_false(kit_stats(store).read_only);
	kit_expect(store, key, NULL);
	kit_expect(store, "a", "1");
	kit_delete(store, "a");
	kit_expect(store, "a", NULL);
	/* there is room again */
	set_fault(0, 0);
	assert_int_equal(store_put(store, key, strlen(key), value,
				   sizeof(value), STORE_ALWAYS),
			 0);
	assert_false(kit_stats(store).full);
	kit_put(store, key, "1");
	kill_and_reopen();
	kit_expect(store, "a", NULL);
	kit_expect(store, key, "1");
	assert_int_equal(store_count(store), i + 1);
}

static void test_after_a_failed_sync_the_store_only_reads(void **state)
{
	struct store_write write = { .key = "b", .key_len = 1 };
	uint64_t hash;

	(void)state;
	kit_put(store, "a", "1");
	set_fault(1u << SIMFS_SYNC, EIO);
	assert_int_equal(store_put(store, "a", 1, "2", 1, STORE_ALWAYS),
			 STORE_UNKNOWN);
	set_fault(0, 0);
	assert_true(kit_stats(store).read_only);
	assert_int_equal(store_apply(store, &write, 1, STORE_NONE),
			 STORE_READ_ONLY);
	assert_int_equal(store_delete(store, "a", 1, STORE_NONE),
			 STORE_READ_ONLY);
	assert_int_equal(store_delete(store, "c", 1, STORE_NONE),
			 STORE_READ_ONLY);
	assert_int_equal(store_clear(store), STORE_READ_ONLY);
	assert_int_equal(store_roll(store), STORE_READ_ONLY);
	assert_int_equal(store_sync(store), STORE_READ_ONLY);
	kit_expect(store, "a", "1");
	kit_expect(store, "b", NULL);
	/* it closes without a word to the disk */
	hash = kit_hash(io, DIR);
	assert_int_equal(store_close(store), -EIO);
	assert_true(kit_hash(io, DIR) == hash);
	assert_int_equal(simfs_n_open(fs), 0);
	store = kit_open(io, DIR);
	assert_false(kit_stats(store).read_only);
	kit_put(store, "b", "1");
	kit_expect(store, "b", "1");
}

static void test_a_last_sync_that_fails_is_told_by_close(void **state)
{
	(void)state;
	kit_put_soft(store, "a", "1");
	set_fault(1u << SIMFS_SYNC, EIO);
	assert_true(store_close(store) < 0);
	set_fault(0, 0);
	store = kit_open(io, DIR);
	kit_expect(store, "a", "1");
}

static void test_releasing_nothing_is_fine(void **state)
{
	(void)state;
	assert_int_equal(store_close(NULL), 0);
	store_abandon(NULL);
}

/* ---- opening ---- */

static int open_error(const char *dir, struct store_error *error)
{
	struct store *opened = NULL;
	int result = kit_try_open(io, dir, &opened, error);

	assert_null(opened);
	assert_string_not_equal(error->text, "");
	return result;
}

static void test_names_that_are_none_are_refused(void **state)
{
	struct store_error error;
	char *longer = malloc(2 * PATH_LEN_MAX);

	(void)state;
	assert_non_null(longer);
	memset(longer, 'd', 2 * PATH_LEN_MAX);
	longer[2 * PATH_LEN_MAX - 1] = 0;
	assert_int_equal(open_error(NULL, &error), -ENAMETOOLONG);
	assert_int_equal(open_error("", &error), -ENAMETOOLONG);
	assert_int_equal(open_error(longer, &error), -ENAMETOOLONG);
	free(longer);
}

/* Each call of an open that makes folders fails in turn, and all after it. */
static void test_a_failed_open_removes_what_it_made(void **state)
{
	struct store_error error;
	const uint32_t calls = 1u << SIMFS_MKDIR | 1u << SIMFS_SYNC |
			       1u << SIMFS_SYNC_DIR | 1u << SIMFS_PWRITEV |
			       1u << SIMFS_RENAME | 1u << SIMFS_LOCK;
	struct simfs_fault fault = { .calls = calls, .error = EIO };
	unsigned n_failed = 0;

	(void)state;
	assert_int_equal(io->mkdir(io, "/d"), 0);
	maker_write_file(io, "/d/file", "mine", 4);
	for (fault.nth = 1; fault.nth < 100; fault.nth++) {
		struct store *opened = NULL;
		int result;

		simfs_set_fault(fs, &fault);
		result = kit_try_open(io, "/d/e/f", &opened, &error);
		simfs_set_fault(fs, NULL);
		if (result == 0) {
			store_abandon(opened);
			break;
		}
		n_failed++;
		if (kit_exists(io, "/d", "e"))
			print_error("call %llu, %s\n",
				    (unsigned long long)fault.nth, error.text);
		assert_false(kit_exists(io, "/d", "e"));
		assert_true(kit_exists(io, "/d", "file"));
		assert_string_not_equal(error.text, "");
	}
	assert_in_range(n_failed, 5, 50);
	/* what was there stays */
	set_fault(1u << SIMFS_SYNC, EIO);
	assert_int_equal(io->mkdir(io, "/g"), 0);
	assert_true(open_error("/g", &error) < 0);
	set_fault(0, 0);
	assert_true(kit_exists(io, "/", "g"));
}

static void test_a_store_that_is_open_is_not_opened_again(void **state)
{
	struct store_error error;
	char pid[32];

	(void)state;
	assert_int_equal(open_error(DIR, &error), -EWOULDBLOCK);
	snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
	assert_non_null(strstr(error.text, pid));
	kit_put(store, "a", "1");
	reopen();
	kit_expect(store, "a", "1");
}

/* What a second process gets; -1: it went wrong. */
static int open_in_child(const char *dir)
{
	struct store_error error = { "" };
	struct store *opened;
	char pid[32];
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		int result = kit_try_open(NULL, dir, &opened, &error);

		snprintf(pid, sizeof(pid), "process %ld", (long)getppid());
		if (result == -EWOULDBLOCK && !strstr(error.text, pid))
			_exit(1);
		_exit(result == 0 ? 0 : result == -EWOULDBLOCK ? 2 : 3);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_a_second_process_is_told_who_has_the_store(void **state)
{
	char *dir = tempdir_new();
	struct store *real = kit_open(NULL, dir);

	(void)state;
	kit_put(real, "a", "1");
	assert_int_equal(open_in_child(dir), 2);
	kit_put(real, "a", "2");
	kit_close(real);
	/* and gets it when it is free; it was killed then, so to say */
	assert_int_equal(open_in_child(dir), 0);
	real = kit_open(NULL, dir);
	kit_expect(real, "a", "2");
	kit_close(real);
	tempdir_free(dir);
}

/* root, too, may not write here without this capability. */
static void drop_override(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) != 0)
		return;
	data[0].effective &= ~(1u << CAP_DAC_OVERRIDE);
	syscall(SYS_capset, &head, data);
}

static void test_a_folder_that_may_not_be_written_is_told(void **state)
{
	char *dir = tempdir_new();
	int status;
	pid_t child;

	(void)state;
	assert_int_equal(chmod(dir, 0555), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct store_error error;
		struct store *opened;
		int result;

		drop_override();
		result = kit_try_open(NULL, dir, &opened, &error);
		_exit(result == -EACCES && strstr(error.text, dir) ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(chmod(dir, 0755), 0);
	tempdir_free(dir);
}

static void test_a_store_in_new_folders_over_a_real_disk(void **state)
{
	char *base = tempdir_new();
	char dir[KIT_PATH_MAX];
	struct store *real;
	struct stat st;

	(void)state;
	kit_path(base, "one/two/", dir);
	real = kit_open(NULL, dir);
	kit_put(real, "a", "1");
	assert_int_equal(store_roll(real), 0);
	kit_put(real, "a", "2");
	store_abandon(real);
	real = kit_open(NULL, dir);
	kit_expect(real, "a", "2");
	kit_close(real);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	tempdir_free(base);
}

/* ---- entries whose size the index cannot tell ---- */

static void expect_huge(const char *value)
{
	struct store_value found;

	assert_int_equal(store_get(store, "huge", 4, &found), 0);
	assert_int_equal(found.len, HUGE_LEN);
	assert_true(memcmp(found.data, value, HUGE_LEN) == 0);
	free(found.data);
	kit_expect(store, "small", "1");
	assert_true(kit_stats(store).live_bytes ==
		    entry_len(4, HUGE_LEN, false) + entry_len(5, 1, false));
}

static void test_a_huge_entry_has_a_segment_of_its_own(void **state)
{
	char *value = malloc(HUGE_LEN);

	(void)state;
	assert_non_null(value);
	memset(value, 'h', HUGE_LEN);
	kit_put_soft(store, "huge", "small at first");
	assert_int_equal(
		store_put(store, "huge", 4, value, HUGE_LEN, STORE_NONE), 0);
	kit_put_soft(store, "small", "1");
	expect_huge(value);
	kill_and_reopen();
	expect_huge(value);
	reopen();
	assert_int_equal(kit_stats(store).segment_bytes_read, 0);
	expect_huge(value);
	kit_put_soft(store, "huge", "small again");
	assert_true(kit_stats(store).live_bytes ==
		    entry_len(4, 11, false) + entry_len(5, 1, false));
	assert_true(kit_stats(store).dead_bytes ==
		    entry_len(4, 14, false) + entry_len(4, HUGE_LEN, false));
	free(value);
}

/* ---- against a map ---- */

enum {
	MODEL_KEYS = 300,
	MODEL_STEPS = 40000,
	MODEL_BATCH = 20,
	MODEL_VALUE = 400,
	MODEL_CHECK = 2000, /* steps between looks at everything */
};

struct model_key {
	bool there;
	uint32_t id; /* what the value is made from */
	size_t len;
	uint64_t expires_at_ms;
	uint64_t version;
};

static struct model {
	struct model_key keys[MODEL_KEYS];
	uint64_t random;
	uint64_t version; /* the highest ever seen */
	uint32_t next_id;
} model;

static uint64_t draw(uint64_t below)
{
	model.random ^= model.random << 13;
	model.random ^= model.random >> 7;
	model.random ^= model.random << 17;
	return (model.random >> 16) % below;
}

/* Keys of 1 to some 40 bytes, all different. */
static size_t make_key(unsigned number, char key[64])
{
	int n = snprintf(key, 64, "%u%.*s", number, (int)(number % 37),
			 "-------------------------------------");

	return (size_t)n;
}

static void make_value(uint32_t id, char *value, size_t len)
{
	char word[16];
	size_t n = (size_t)snprintf(word, sizeof(word), "%u,", id);
	size_t i;

	for (i = 0; i < len; i++)
		value[i] = word[i % n];
}

static size_t draw_len(void)
{
	if (draw(500) == 0)
		return draw(3 * (size_t)LARGE_LEN);
	return draw(10) == 0 ? 0 : draw(MODEL_VALUE);
}

static void check_key(unsigned number)
{
	const struct model_key *key = &model.keys[number];
	char text[64];
	size_t text_len = make_key(number, text);
	struct store_value value;
	char *expected;
	int result = store_get(store, text, text_len, &value);

	if (!key->there || (key->expires_at_ms != 0 &&
			    key->expires_at_ms <= io->clock_ms(io))) {
		assert_int_equal(result, STORE_NOT_FOUND);
		return;
	}
	assert_int_equal(result, 0);
	assert_int_equal(value.len, key->len);
	assert_true(value.version == key->version);
	assert_true(value.expires_at_ms == key->expires_at_ms);
	expected = malloc(key->len + 1);
	assert_non_null(expected);
	make_value(key->id, expected, key->len);
	assert_memory_equal(value.data, expected, key->len);
	free(expected);
	free(value.data);
}

static void draw_write(struct store_write *write, unsigned *number, char *text,
		       uint32_t *id)
{
	*number = (unsigned)draw(MODEL_KEYS);
	*id = model.next_id++;
	memset(write, 0, sizeof(*write));
	write->key = text;
	write->key_len = make_key(*number, text);
	write->is_delete = draw(3) == 0;
	if (write->is_delete)
		return;
	write->value_len = draw_len();
	if (draw(8) == 0)
		write->expires_at_ms = io->clock_ms(io) + draw(2000);
}

static void note_write(const struct store_write *write, unsigned number,
		       uint32_t id)
{
	struct model_key *key = &model.keys[number];

	assert_true(write->version > model.version);
	model.version = write->version;
	key->there = !write->is_delete;
	key->id = id;
	key->len = write->value_len;
	key->expires_at_ms = write->expires_at_ms;
	key->version = write->version;
}

static void model_write(size_t n)
{
	struct store_write writes[MODEL_BATCH];
	unsigned numbers[MODEL_BATCH];
	uint32_t ids[MODEL_BATCH];
	char texts[MODEL_BATCH][64];
	char *values[MODEL_BATCH];
	size_t i;

	for (i = 0; i < n; i++) {
		draw_write(&writes[i], &numbers[i], texts[i], &ids[i]);
		values[i] = malloc(writes[i].value_len + 1);
		assert_non_null(values[i]);
		make_value(ids[i], values[i], writes[i].value_len);
		writes[i].value = values[i];
	}
	assert_int_equal(store_apply(store, writes, n,
				     (enum store_durability)(1 + draw(3))),
			 0);
	for (i = 0; i < n; i++) {
		note_write(&writes[i], numbers[i], ids[i]);
		free(values[i]);
	}
}

static void model_delete(void)
{
	unsigned number = (unsigned)draw(MODEL_KEYS);
	char text[64];
	size_t len = make_key(number, text);

	assert_int_equal(store_delete(store, text, len, STORE_NONE), 0);
	model.keys[number].there = false;
}

/* Bytes of a segment's entries up to LEN, batch heads left out. */
static uint64_t bytes_in(struct segment *segment, uint64_t len)
{
	struct segment_reader reader;
	struct segment_entry found;
	uint64_t sum = 0;

	assert_int_equal(segment_reader_init(&reader, io, segment,
					     segment->header_len, len),
			 0);
	while (segment_reader_next(&reader, false, &found) == 0) {
		if (found.entry.kind != ENTRY_BATCH)
			sum += found.len;
	}
	segment_reader_deinit(&reader);
	return sum;
}

static uint64_t bytes_in_segments(void)
{
	struct manifest manifest;
	uint64_t sum = 0;
	uint32_t i;

	kit_manifest(io, DIR, &manifest);
	for (i = 0; i < manifest.n_segments; i++) {
		const struct manifest_segment *row = &manifest.segments[i];
		struct segment *segment;

		if (row->state == MANIFEST_REPLACED)
			continue;
		assert_int_equal(segment_open(io, DIR, manifest.store_id,
					      row->id, &segment),
				 0);
		sum += bytes_in(segment, row->state == MANIFEST_SEALED
						 ? row->len
						 : segment->capacity);
		segment_free(io, segment);
	}
	manifest_deinit(&manifest);
	return sum;
}

static void check_stats(void)
{
	struct store_stats stats = kit_stats(store);
	uint64_t live = 0;
	uint64_t keys = 0;
	unsigned i;

	for (i = 0; i < MODEL_KEYS; i++) {
		const struct model_key *key = &model.keys[i];
		char text[64];

		if (!key->there)
			continue;
		keys++;
		live += entry_len(make_key(i, text), key->len,
				  key->expires_at_ms != 0);
	}
	assert_int_equal(stats.keys, keys);
	assert_int_equal(store_count(store), keys);
	assert_int_equal(stats.live_bytes, live);
	assert_int_equal(stats.live_bytes + stats.dead_bytes,
			 bytes_in_segments());
	assert_true(stats.disk_bytes >= stats.live_bytes + stats.dead_bytes);
	assert_true(stats.last_sequence >= model.version);
	assert_false(stats.damaged);
	assert_false(stats.full);
	assert_int_equal(stats.corrupt_reads + stats.write_errors, 0);
}

static void count_item(void *ctx, int result, const void *key, size_t key_len,
		       const struct store_value *value)
{
	uint64_t *n = ctx;
	char text[64] = "";
	unsigned long number;

	assert_int_equal(result, 0);
	memcpy(text, key, key_len < sizeof(text) ? key_len : 0);
	number = strtoul(text, NULL, 10);
	assert_true(number < MODEL_KEYS);
	assert_true(value->version == model.keys[number].version);
	++*n;
}

static void check_all(void)
{
	uint64_t now = io->clock_ms(io);
	uint64_t cursor = 0;
	uint64_t n = 0;
	unsigned i;

	for (i = 0; i < MODEL_KEYS; i++)
		check_key(i);
	while (store_scan(store, &cursor, count_item, &n) == 0)
		;
	for (i = 0; i < MODEL_KEYS; i++) {
		const struct model_key *key = &model.keys[i];

		if (key->there &&
		    (key->expires_at_ms == 0 || key->expires_at_ms > now))
			n--;
	}
	assert_int_equal(n, 0);
	check_stats();
}

static void model_step(void)
{
	uint64_t what = draw(1000);

	simfs_set_clock(fs, io->clock_ms(io) + 1);
	if (what < 550)
		model_write(1);
	else if (what < 700)
		model_delete();
	else if (what < 780)
		model_write(1 + draw(MODEL_BATCH));
	else if (what < 985)
		check_key((unsigned)draw(MODEL_KEYS));
	else if (what < 990)
		kill_and_reopen();
	else if (what < 993)
		reopen();
	else if (what < 996)
		assert_int_equal(store_roll(store), 0);
	else if (what < 999)
		assert_int_equal(store_sync(store), 0);
	else if (draw(8) == 0) {
		assert_int_equal(store_clear(store), 0);
		memset(model.keys, 0, sizeof(model.keys));
	}
}

static void test_random_operations_do_as_with_a_map(void **state)
{
	const char *given = getenv("GETME_STORE_SEED");
	uint64_t seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
	unsigned i;

	(void)state;
	memset(&model, 0, sizeof(model));
	model.random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	printf("# GETME_STORE_SEED=%llu\n", (unsigned long long)seed);
	for (i = 1; i <= MODEL_STEPS; i++) {
		model_step();
		if (i % MODEL_CHECK == 0)
			check_all();
	}
	kill_and_reopen();
	check_all();
	reopen();
	check_all();
}

#define store_test(name)                                                       \
	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		store_test(test_what_was_put_is_read),
		store_test(test_an_empty_value_is_a_value),
		store_test(test_keys_are_bytes),
		store_test(test_a_deleted_key_is_not_found),
		store_test(test_deleting_what_is_not_there_writes_nothing),
		store_test(test_what_has_expired_is_not_found),
		store_test(test_what_is_too_long_is_refused),
		store_test(test_a_batch_is_applied_in_its_order),
		store_test(test_a_batch_is_one_change_for_readers),
		store_test(test_a_batch_larger_than_a_segment),
		store_test(
			test_a_scan_meets_each_key_once_while_the_store_grows),
		store_test(test_a_scan_of_nothing_ends),
		store_test(
			test_a_scan_tells_of_damage_and_leaves_out_what_expired),
		store_test(test_segments_are_as_large_as_was_asked),
		store_test(test_without_a_size_segments_begin_small),
		store_test(test_a_roll_without_entries_makes_no_segment),
		store_test(test_durability_decides_about_syncs),
		store_test(test_a_delete_of_nothing_is_as_durable_as_it_says),
		store_test(test_a_clear_leaves_nothing),
		store_test(test_a_write_that_fails_is_not_there),
		store_test(test_a_full_disk_refuses_puts_and_takes_deletes),
		store_test(test_after_a_failed_sync_the_store_only_reads),
		store_test(test_a_last_sync_that_fails_is_told_by_close),
		store_test(test_releasing_nothing_is_fine),
		store_test(test_names_that_are_none_are_refused),
		store_test(test_a_failed_open_removes_what_it_made),
		store_test(test_a_store_that_is_open_is_not_opened_again),
		store_test(test_a_second_process_is_told_who_has_the_store),
		store_test(test_a_folder_that_may_not_be_written_is_told),
		store_test(test_a_store_in_new_folders_over_a_real_disk),
		store_test(test_a_huge_entry_has_a_segment_of_its_own),
		store_test(test_random_operations_do_as_with_a_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
