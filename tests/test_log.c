/*
 * The log with an upkeep that runs on the calling thread, over a simulated
 * file system: each step can be seen, and failed.
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

#include "common/lock.h"
#include "common/log.h"
#include "common/record.h"
#include "common/segment_reader.h"
#include "common/tail.h"
#include "common/upkeep_internal.h"
#include "tests/crash/simfs.h"
#include "tests/support/segment_maker.h"

enum {
	SEGMENT_SIZE = 8192,
};

static struct simfs *fs;
static struct io *io;
static struct segments *table;
static struct upkeep *upkeep;
static struct log store_log;
static int lock_fd;

static const uint8_t secret[DIGEST_SECRET_LEN];

static int set_up(void **state)
{
	struct manifest manifest = { .next_segment = 1, .next_sequence = 1 };
	struct upkeep_options options = { .dir = "/",
					  .segment_size = SEGMENT_SIZE };
	struct lock_report report;

	(void)state;
	memcpy(manifest.store_id, maker_store_id, SEGMENT_STORE_ID_LEN);
	fs = simfs_new();
	io = simfs_io(fs);
	table = segments_new();
	lock_fd = lock_take(io, "/", &report);
	options.io = io;
	options.segments = table;
	assert_int_equal(manifest_store(io, "/", &manifest), 0);
	assert_int_equal(upkeep_new(&options, &manifest, &upkeep), 0);
	log_init(&store_log, io, upkeep, 1, lock_fd);
	return 0;
}

static void free_segment(void *ctx, struct segment *segment)
{
	(void)ctx;
	segment_free(io, segment);
}

static int tear_down(void **state)
{
	(void)state;
	simfs_set_hook(fs, NULL, NULL);
	log_deinit(&store_log);
	upkeep_free(upkeep, UPKEEP_ABANDON);
	segments_each(table, free_segment, NULL);
	segments_free(table);
	io->close(io, lock_fd);
	assert_int_equal(simfs_n_open(fs), 0);
	assert_int_equal(simfs_n_misused(fs), 0);
	simfs_free(fs);
	return 0;
}

/* ---- records ---- */

static char filler[1 << 20];

/* A put of that many bytes of value. */
static struct record *new_put(const char *key, size_t value_len)
{
	const struct record_op op = { .key_len = (uint16_t)strlen(key),
				      .key = key,
				      .value = filler,
				      .value_len = (uint32_t)value_len };
	struct record *record = record_new(&op, 1, secret, 1700000000000);

	assert_non_null(record);
	return record;
}

static struct record *new_delete(const char *key)
{
	const struct record_op op = { .is_delete = true,
				      .key_len = (uint16_t)strlen(key),
				      .key = key };
	struct record *record = record_new(&op, 1, secret, 1700000000000);

	assert_non_null(record);
	return record;
}

static struct record *new_batch(size_t n, size_t value_len)
{
	struct record_op ops[8];
	struct record *record;

	memset(ops, 0, sizeof(ops));
	for (size_t i = 0; i < n; i++) {
		ops[i].key = "batch";
		ops[i].key_len = 5;
		ops[i].value = filler;
		ops[i].value_len = (uint32_t)value_len;
	}
	record = record_new(ops, n, secret, 1700000000000);
	assert_non_null(record);
	return record;
}

/* Links what is given, up to a NULL, to a group; the first of it. */
static struct log_record *group(struct record *first, ...)
{
	struct record *at = first;
	va_list args;

	va_start(args, first);
	while (at) {
		struct record *next = va_arg(args, struct record *);

		at->log.next = next ? &next->log : NULL;
		at = next;
	}
	va_end(args);
	return &first->log;
}

static void free_group(struct log_record *first)
{
	while (first) {
		struct log_record *next = first->next;

		record_free((struct record *)(void *)first);
		first = next;
	}
}

/* One record alone, written and synced; its result. */
static int commit_one(struct record *record)
{
	int result;

	record->log.next = NULL;
	log_commit(&store_log, &record->log, true);
	result = record->log.result;
	record_free(record);
	return result;
}

/* ---- what is on the disk ---- */

static void load_manifest(struct simfs *from, struct manifest *manifest)
{
	struct manifest_report report;

	assert_int_equal(manifest_load(simfs_io(from), "/", manifest, &report),
			 0);
}

/* The row of a segment in the manifest that a power cut would leave. */
static struct manifest_segment durable_row(uint32_t id)
{
	struct manifest_segment row = { 0 };
	struct simfs *after = simfs_crash_durable(fs);
	struct manifest manifest;

	load_manifest(after, &manifest);
	if (manifest_find(&manifest, id))
		row = *manifest_find(&manifest, id);
	manifest_deinit(&manifest);
	simfs_free(after);
	return row;
}

static void expect_tail(const struct segment *segment, uint32_t n_entries,
			uint64_t first, uint64_t last)
{
	struct tail tail;
	struct segment *copy;

	assert_int_equal(
		segment_open(io, "/", maker_store_id, segment->id, &copy), 0);
	assert_int_equal(tail_read(&tail, io, copy, false), 0);
	assert_int_equal(tail.entries.n_entries, n_entries);
	assert_true(tail.first_sequence == first);
	assert_true(tail.last_sequence == last);
	tail_deinit(&tail);
	segment_free(io, copy);
}

/* ---- tests ---- */

static void test_a_group_is_written_with_one_call(void **state)
{
	struct record *batch = new_batch(3, 20);
	struct record *removal = new_delete("a");
	struct record *put = new_put("a", 10);
	struct log_record *first =
		group(put, batch, removal, new_put("b", 0), NULL);
	uint64_t n_writes;

	(void)state;
	assert_int_equal(commit_one(new_put("first", 1)), 0);
	n_writes = simfs_n_calls(fs, SIMFS_PWRITEV);
	log_commit(&store_log, first, true);
	assert_int_equal(simfs_n_calls(fs, SIMFS_PWRITEV), n_writes + 1);
	for (struct log_record *at = first; at; at = at->next)
		assert_int_equal(at->result, 0);
	/* 1; 2; head 3 and members 4 to 6; 7; 8 */
	assert_true(put->log.first_sequence == 2);
	assert_true(batch->log.first_sequence == 3);
	assert_true(removal->log.first_sequence == 7);
	assert_true(store_log.next_sequence == 9);
	assert_true(store_log.last_sequence == 8);
	assert_false(log_is_dirty(&store_log));
	assert_true(store_log.active->synced_len == store_log.active->len);
	expect_tail(store_log.active, 7, 1, 8);
	free_group(first);
}

static void test_values_borrowed_and_copied_are_the_same_on_disk(void **state)
{
	/* around the length up to which a value is copied behind its key */
	static const size_t lens[] = { 0, 1, 4095, 4096, 4097, 5001 };

	(void)state;
	for (size_t i = 0; i < sizeof(filler); i++)
		filler[i] = (char)(i * 7);
	for (size_t i = 0; i < 6; i++) {
		struct record *record = new_put("key", lens[i]);
		struct segment_reader reader;
		struct segment_entry found;

		record->log.next = NULL;
		log_commit(&store_log, &record->log, true);
		assert_int_equal(record->log.result, 0);
		assert_int_equal(segment_reader_init(&reader, io,
						     record->log.segment,
						     record->log.items[0].off,
						     record->log.segment->len),
				 0);
		assert_int_equal(segment_reader_next(&reader, true, &found), 0);
		assert_true(found.value_ok);
		assert_int_equal(found.entry.value_len, lens[i]);
		assert_int_equal(found.len, record->log.items[0].len);
		segment_reader_deinit(&reader);
		record_free(record);
	}
}

static void test_the_synced_mark_is_that_of_the_last_sync(void **state)
{
	struct record *record = new_put("b", 1);
	struct segment_reader reader;
	struct segment_entry found;
	uint64_t synced;

	(void)state;
	assert_int_equal(commit_one(new_put("a", 1)), 0);
	synced = store_log.active->len;
	record->log.next = NULL;
	log_commit(&store_log, &record->log, false);
	assert_true(log_is_dirty(&store_log));
	assert_true(store_log.active->synced_len == synced);
	assert_int_equal(segment_reader_init(&reader, io, store_log.active,
					     record->log.items[0].off,
					     store_log.active->len),
			 0);
	assert_int_equal(segment_reader_next(&reader, true, &found), 0);
	assert_true(found.entry.synced_off == synced);
	segment_reader_deinit(&reader);
	record_free(record);
}

static void test_a_record_that_fits_exactly_does_not_roll(void **state)
{
	uint32_t id;

	(void)state;
	assert_int_equal(commit_one(new_put("a", 1)), 0);
	id = store_log.active->id;
	assert_int_equal(
		commit_one(new_put("b", SEGMENT_SIZE - store_log.active->len -
						ENTRY_HEAD_LEN - 1)),
		0);
	assert_int_equal(store_log.active->len, SEGMENT_SIZE);
	assert_int_equal(store_log.active->id, id);
	assert_int_equal(store_log.n_rolls, 0);
	assert_int_equal(commit_one(new_put("c", 1)), 0);
	assert_int_not_equal(store_log.active->id, id);
	assert_int_equal(store_log.n_rolls, 1);
	/* one byte more would not have fitted */
	id = store_log.active->id;
	assert_int_equal(
		commit_one(new_put("d", SEGMENT_SIZE - store_log.active->len -
						ENTRY_HEAD_LEN)),
		0);
	assert_int_not_equal(store_log.active->id, id);
}

static void test_a_large_entry_gets_a_segment_of_its_own(void **state)
{
	uint32_t id;

	(void)state;
	assert_int_equal(commit_one(new_put("a", 1)), 0);
	id = store_log.active->id;
	assert_int_equal(commit_one(new_put("large", 100000)), 0);
	assert_int_not_equal(store_log.active->id, id);
	assert_true(store_log.active->capacity >= 100000);
	assert_true(store_log.active->len == store_log.active->capacity);
	id = store_log.active->id;
	assert_int_equal(commit_one(new_put("b", 1)), 0);
	assert_int_not_equal(store_log.active->id, id);
	assert_int_equal(store_log.active->capacity, SEGMENT_SIZE);
}

/* A hook: bytes of entries go only to segments that the disk's manifest
 * lists, and only when all earlier ones are synced. */
static void check_listed(void *ctx, struct simfs *at, enum simfs_call call,
			 bool changed)
{
	struct manifest manifest;
	struct simfs *after;
	uint32_t id;

	(void)changed;
	if (call != SIMFS_PWRITEV || !store_log.active)
		return;
	after = simfs_crash_durable(at);
	load_manifest(after, &manifest);
	for (id = 1; id <= store_log.active->id; id++) {
		const struct segment *segment = segments_get(table, id);

		if (segment == store_log.active)
			assert_non_null(manifest_find(&manifest, id));
		else if (segment)
			assert_true(segment->synced_len == segment->len);
	}
	++*(int *)ctx;
	manifest_deinit(&manifest);
	simfs_free(after);
}

static void test_a_segment_is_listed_before_it_is_written_to(void **state)
{
	int n = 0;

	(void)state;
	simfs_set_hook(fs, check_listed, &n);
	for (int i = 0; i < 30; i++) {
		struct record *record = new_put("key", 3000);

		record->log.next = NULL;
		log_commit(&store_log, &record->log, false);
		assert_int_equal(record->log.result, 0);
		record_free(record);
	}
	assert_true(n >= 30);
	assert_true(store_log.n_rolls >= 10);
}

/* ---- failed writes ---- */

static void fail_writes(uint64_t nth, bool is_short, int error)
{
	const struct simfs_fault fault = { .calls = 1u << SIMFS_PWRITEV,
					   .nth = nth,
					   .is_short = is_short,
					   .error = error };

	simfs_set_fault(fs, &fault);
}

static void test_sequences_stay_dense_around_refusals(void **state)
{
	struct log_record *first;
	struct record *stale = new_put("c", 1);

	(void)state;
	assert_int_equal(commit_one(new_put("a", 1)), 0);
	fail_writes(1, false, EIO);
	assert_int_equal(commit_one(new_put("b", 1)), -EIO);
	/* decided before that refusal was known */
	stale->log.depends = true;
	stale->log.seen_refusals = 0;
	first = group(new_put("x", 1), stale, new_put("y", 1), NULL);
	log_commit(&store_log, first, true);
	assert_int_equal(first->result, 0);
	assert_int_equal(first->next->result, LOG_STALE);
	assert_int_equal(first->next->next->result, 0);
	/* the failed one's number is used again */
	assert_true(first->first_sequence == 2);
	assert_true(first->next->next->first_sequence == 3);
	free_group(first);
	expect_tail(store_log.active, 2, 2, 3);
}

/*
 * A hook: whenever something is written behind the failure, the shortened
 * length is in the durable manifest.
 */
struct cut {
	uint32_t id;
	uint64_t len;
	int n_seen;
};

static void check_cut(void *ctx, struct simfs *at, enum simfs_call call,
		      bool changed)
{
	struct cut *cut = ctx;
	struct manifest manifest;
	struct simfs *after;

	(void)changed;
	if (call != SIMFS_PWRITEV || !store_log.active ||
	    store_log.active->id == cut->id)
		return;
	after = simfs_crash_durable(at);
	load_manifest(after, &manifest);
	assert_non_null(manifest_find(&manifest, cut->id));
	assert_int_equal(manifest_find(&manifest, cut->id)->state,
			 MANIFEST_SEALED);
	assert_true(manifest_find(&manifest, cut->id)->len == cut->len);
	cut->n_seen++;
	manifest_deinit(&manifest);
	simfs_free(after);
}

static void test_after_a_short_write_the_length_is_noted_first(void **state)
{
	struct log_record *first;
	struct cut cut;

	(void)state;
	assert_int_equal(commit_one(new_put("a", 1)), 0);
	cut = (struct cut){ store_log.active->id, store_log.active->len, 0 };
	simfs_set_hook(fs, check_cut, &cut);
	/* half of it, then nothing more: whole entries lie behind the end */
	first = group(new_put("b", 1), new_put("c", 1), NULL);
	{
		const struct simfs_fault fault = {
			.calls = 1u << SIMFS_PWRITEV,
			.nth = 1,
			.is_short = true,
		};

		simfs_set_fault(fs, &fault);
		log_write(&store_log, first);
		assert_int_equal(first->result, 0);
		free_group(first);
	}
	/* a short count alone is gone on with */
	cut.len = store_log.active->len;
	fail_writes(1, false, ENOSPC);
	first = group(new_put("d", 1), new_put("e", 1), NULL);
	log_commit(&store_log, first, true);
	assert_int_equal(first->result, -ENOSPC);
	assert_int_equal(first->next->result, -ENOSPC);
	free_group(first);
	simfs_set_fault(fs, NULL);
	assert_int_equal(durable_row(cut.id).state, MANIFEST_SEALED);
	assert_true(durable_row(cut.id).len == cut.len);
	assert_int_equal(store_log.n_write_errors, 1);
	assert_int_equal(commit_one(new_put("f", 1)), 0);
	assert_true(cut.n_seen > 0);
	assert_int_not_equal(store_log.active->id, cut.id);
}

/* A table that writes half of what is asked, then fails. */
static ssize_t (*real_pwritev)(struct io *io, int fd, const struct iovec *iov,
			       int n_iov, uint64_t off);
static int n_halves;

static ssize_t half_pwritev(struct io *self, int fd, const struct iovec *iov,
			    int n_iov, uint64_t off)
{
	if (n_halves == 1) {
		n_halves = 2;
		return real_pwritev(self, fd, iov, (n_iov + 1) / 2, off);
	}
	if (n_halves == 2) {
		n_halves = 0;
		return -ENOSPC;
	}
	return real_pwritev(self, fd, iov, n_iov, off);
}

static void test_whole_entries_of_a_failed_group_do_not_count(void **state)
{
	struct log_record *first;
	struct segment *active;
	uint64_t len;

	(void)state;
	assert_int_equal(commit_one(new_put("a", 1)), 0);
	active = store_log.active;
	len = active->len;
	first = group(new_put("b", 1), new_put("c", 1), NULL);
	real_pwritev = io->pwritev;
	io->pwritev = half_pwritev;
	n_halves = 1;
	log_commit(&store_log, first, true);
	io->pwritev = real_pwritev;
	assert_int_equal(first->result, -ENOSPC);
	assert_int_equal(first->next->result, -ENOSPC);
	free_group(first);
	/* b is in the file, whole, but behind the segment's end */
	expect_tail(active, 2, 1, 2);
	assert_true(active->len == len);
	assert_true(durable_row(active->id).len == len);
	assert_true(store_log.next_sequence == 2);
}

static void test_a_cut_that_cannot_be_noted_is_unknown(void **state)
{
	const struct simfs_fault fault = { .calls = 1u << SIMFS_PWRITEV |
						    1u << SIMFS_RENAME,
					   .nth = 1,
					   .from_then = true,
					   .error = EIO };
	uint32_t id;
	uint64_t len;

	(void)state;
	assert_int_equal(commit_one(new_put("a", 1)), 0);
	id = store_log.active->id;
	len = store_log.active->len;
	simfs_set_fault(fs, &fault);
	assert_int_equal(commit_one(new_put("b", 1)), LOG_UNKNOWN);
	assert_true(store_log.must_flush);
	/* nothing is written while the length is not noted */
	assert_int_equal(commit_one(new_put("c", 1)), -EIO);
	assert_int_equal(durable_row(id).state, MANIFEST_OPEN);
	simfs_set_fault(fs, NULL);
	assert_int_equal(commit_one(new_put("d", 1)), 0);
	assert_false(store_log.must_flush);
	assert_int_equal(durable_row(id).state, MANIFEST_SEALED);
	assert_true(durable_row(id).len == len);
	expect_tail(store_log.active, 1, 2, 2);
}

/* ---- failed syncs ---- */

static void fail_syncs(void)
{
	const struct simfs_fault fault = { .calls = 1u << SIMFS_SYNC,
					   .nth = 1,
					   .from_then = true,
					   .error = EIO };

	simfs_set_fault(fs, &fault);
}

static void test_a_failed_sync_makes_read_only(void **state)
{
	struct log_record *first =
		group(new_put("b", 1), new_put("c", 1), NULL);
	struct lock_report report;
	uint64_t n_writes;

	(void)state;
	assert_int_equal(commit_one(new_put("a", 1)), 0);
	fail_syncs();
	log_commit(&store_log, first, true);
	assert_int_equal(first->result, LOG_UNKNOWN);
	assert_int_equal(first->next->result, LOG_UNKNOWN);
	free_group(first);
	assert_true(store_log.read_only);
	/* the next sync would work, and would say nothing */
	simfs_set_fault(fs, NULL);
	n_writes = simfs_n_calls(fs, SIMFS_PWRITEV);
	assert_int_equal(commit_one(new_put("d", 1)), LOG_READ_ONLY);
	assert_int_equal(commit_one(new_delete("d")), LOG_READ_ONLY);
	assert_int_equal(commit_one(record_new_special(LOG_CLEAR)),
			 LOG_READ_ONLY);
	assert_int_equal(log_sync(&store_log), LOG_READ_ONLY);
	assert_int_equal(log_end_segment(&store_log), LOG_READ_ONLY);
	assert_int_equal(simfs_n_calls(fs, SIMFS_PWRITEV), n_writes);
	/* and the next run is told */
	io->close(io, lock_fd);
	lock_fd = lock_take(io, "/", &report);
	assert_true(report.sync_failed);
}

static void test_a_roll_whose_sync_fails_leaves_the_group_unknown(void **state)
{
	struct log_record *first;

	(void)state;
	assert_int_equal(commit_one(new_put("a", 1)), 0);
	upkeep_settle(upkeep);
	first = group(new_put("b", 3000), new_put("c", 3000),
		      new_put("d", 3000), NULL);
	fail_syncs();
	log_commit(&store_log, first, false);
	for (struct log_record *at = first; at; at = at->next)
		assert_true(at->result > 0);
	assert_true(store_log.read_only);
	free_group(first);
}

/*
 * The write fails, and so does the sync that the cut needs: the group's next
 * record must not go to the same place.
 */
static void test_nothing_is_written_after_a_cut_whose_sync_failed(void **state)
{
	const struct simfs_fault fault = { .calls = 1u << SIMFS_PWRITEV |
						    1u << SIMFS_SYNC,
					   .nth = 1,
					   .from_then = true,
					   .error = EIO };
	struct log_record *first;
	struct record *unsynced = new_put("a", 1);
	uint64_t n_writes;

	(void)state;
	unsynced->log.next = NULL;
	log_write(&store_log, &unsynced->log);
	assert_int_equal(unsynced->log.result, 0);
	record_free(unsynced);
	upkeep_settle(upkeep);
	/* the second does not fit beside the first: that is written before */
	first = group(new_put("b", 5000), new_put("c", 5000), NULL);
	n_writes = simfs_n_calls(fs, SIMFS_PWRITEV);
	simfs_set_fault(fs, &fault);
	log_write(&store_log, first);
	assert_true(store_log.read_only);
	assert_int_equal(first->result, LOG_UNKNOWN);
	assert_int_equal(first->next->result, LOG_READ_ONLY);
	/* one failed write, and one of the note in LOCK */
	assert_true(simfs_n_calls(fs, SIMFS_PWRITEV) <= n_writes + 2);
	free_group(first);
}

static void test_a_dependent_behind_a_failed_gather_is_stale(void **state)
{
	struct record *dependent = new_put("c", 5000);
	struct log_record *first = group(new_put("b", 5000), dependent, NULL);

	(void)state;
	assert_int_equal(commit_one(new_put("a", 1)), 0);
	upkeep_settle(upkeep);
	dependent->log.depends = true;
	dependent->log.seen_refusals = store_log.n_refusals;
	fail_writes(1, false, EIO);
	log_commit(&store_log, first, true);
	assert_int_equal(first->result, -EIO);
	assert_int_equal(first->next->result, LOG_STALE);
	free_group(first);
}

/* ---- no room ---- */

static void fill_disk(void)
{
	const struct simfs_fault fault = { .calls = 1u << SIMFS_ALLOCATE,
					   .nth = 1,
					   .from_then = true,
					   .error = ENOSPC };

	simfs_set_fault(fs, &fault);
}

static void test_without_a_spare_tombstones_have_a_reserve(void **state)
{
	int n_puts = 0;
	int n_deletes = 0;

	(void)state;
	assert_int_equal(commit_one(new_put("a", 1)), 0);
	upkeep_settle(upkeep);
	fill_disk();
	while (n_puts < 1000 && commit_one(new_put("key", 100)) == 0)
		n_puts++;
	assert_in_range(n_puts, 1, 999);
	assert_int_equal(commit_one(new_put("key", 100)), -ENOSPC);
	assert_int_equal(upkeep_spare_error(upkeep), -ENOSPC);
	/* a quarter of the last segment, at the least */
	while (n_deletes < 1000 && commit_one(new_delete("key")) == 0)
		n_deletes++;
	assert_true(n_deletes >= SEGMENT_SIZE / 4 / 48 - 1);
	assert_true(n_deletes < 1000);
	assert_int_equal(commit_one(new_delete("key")), -ENOSPC);
	/* room again */
	simfs_set_fault(fs, NULL);
	/* which a put does not take before the spare has it */
	assert_int_equal(commit_one(new_put("key", SEGMENT_SIZE / 2)), -ENOSPC);
	upkeep_want_spare(upkeep);
	assert_int_equal(upkeep_spare_error(upkeep), 0);
	assert_int_equal(commit_one(new_put("key", 100)), 0);
	assert_int_equal(commit_one(new_delete("key")), 0);
}

static void test_a_large_put_without_room_leaves_small_ones_alone(void **state)
{
	(void)state;
	assert_int_equal(commit_one(new_put("a", 1)), 0);
	upkeep_settle(upkeep);
	fill_disk();
	assert_int_equal(commit_one(new_put("large", 100000)), -ENOSPC);
	assert_int_equal(commit_one(new_put("b", 1)), 0);
}

/* ---- clear and roll ---- */

static void test_clear_leaves_nothing_listed_but_what_comes(void **state)
{
	struct log_record *first;
	struct manifest manifest;
	struct simfs *after;

	(void)state;
	first = group(new_put("a", 1), record_new_special(LOG_CLEAR),
		      new_put("b", 1), NULL);
	log_commit(&store_log, first, true);
	assert_int_equal(first->result, 0);
	assert_int_equal(first->next->result, 0);
	assert_int_equal(first->next->next->result, 0);
	/* the clear is an operation with a number of its own */
	assert_true(first->next->first_sequence == 2);
	assert_true(first->next->next->first_sequence == 3);
	assert_true(first->segment->replaced);
	assert_false(first->next->next->segment->replaced);
	after = simfs_crash_durable(fs);
	load_manifest(after, &manifest);
	assert_true(manifest.floor == 3);
	assert_int_equal(manifest_find(&manifest, first->segment->id)->state,
			 MANIFEST_REPLACED);
	assert_int_equal(
		manifest_find(&manifest, first->next->next->segment->id)->state,
		MANIFEST_OPEN);
	manifest_deinit(&manifest);
	simfs_free(after);
	free_group(first);
}

static void test_a_clear_that_surely_failed_changes_nothing(void **state)
{
	const struct simfs_fault fault = { .calls = 1u << SIMFS_RENAME,
					   .nth = 1,
					   .from_then = true,
					   .error = EIO };

	(void)state;
	assert_int_equal(commit_one(new_put("a", 1)), 0);
	upkeep_settle(upkeep);
	simfs_set_fault(fs, &fault);
	assert_int_equal(commit_one(record_new_special(LOG_CLEAR)), -EIO);
	simfs_set_fault(fs, NULL);
	assert_false(store_log.read_only);
	assert_int_equal(commit_one(new_put("b", 1)), 0);
	assert_true(store_log.next_sequence == 3);
	assert_false(segments_get(table, 1)->replaced);
}

static void test_a_clear_that_may_have_happened_makes_read_only(void **state)
{
	struct simfs_fault fault = { .calls = 1u << SIMFS_RENAME,
				     .error = EIO };

	(void)state;
	assert_int_equal(commit_one(new_put("a", 1)), 0);
	assert_int_equal(log_end_segment(&store_log), 0);
	upkeep_settle(upkeep);
	/* the second copy */
	fault.nth = 2;
	simfs_set_fault(fs, &fault);
	assert_int_equal(commit_one(record_new_special(LOG_CLEAR)),
			 LOG_UNKNOWN);
	assert_true(store_log.read_only);
	assert_int_equal(commit_one(new_put("b", 1)), LOG_READ_ONLY);
}

static void test_a_roll_ends_the_segment_and_an_empty_one_stays(void **state)
{
	uint32_t id;

	(void)state;
	assert_int_equal(commit_one(record_new_special(LOG_ROLL)), 0);
	assert_int_equal(commit_one(new_put("a", 1)), 0);
	id = store_log.active->id;
	assert_int_equal(commit_one(record_new_special(LOG_ROLL)), 0);
	assert_null(store_log.active);
	assert_int_equal(upkeep_flush(upkeep), 0);
	assert_int_equal(durable_row(id).state, MANIFEST_SEALED);
	assert_int_equal(commit_one(record_new_special(LOG_ROLL)), 0);
	assert_int_equal(commit_one(new_put("b", 1)), 0);
	assert_int_not_equal(store_log.active->id, id);
}

static void test_a_cut_leaves_the_next_segment_behind(void **state)
{
	uint32_t id;

	(void)state;
	assert_int_equal(commit_one(record_new_special(LOG_CUT)), 0);
	assert_null(store_log.active);
	assert_int_equal(commit_one(new_put("a", 1)), 0);
	id = store_log.active->id;
	assert_int_equal(commit_one(record_new_special(LOG_CUT)), 0);
	assert_int_not_equal(store_log.active->id, id);
	assert_int_equal(upkeep_flush(upkeep), 0);
	assert_int_equal(durable_row(id).state, MANIFEST_SEALED);
	/* There is nothing to cut off. */
	id = store_log.active->id;
	assert_int_equal(commit_one(record_new_special(LOG_CUT)), 0);
	assert_int_equal(store_log.active->id, id);
}

/* Where there is no next one the last is not ended: deletes need it. */
static void test_a_cut_without_room_changes_nothing(void **state)
{
	struct simfs_fault fault = { .calls = 1u << SIMFS_ALLOCATE,
				     .nth = 1,
				     .from_then = true,
				     .error = ENOSPC };
	uint32_t id;
	int result = 0;

	(void)state;
	simfs_set_fault(fs, NULL);
	assert_int_equal(commit_one(new_put("a", 1)), 0);
	simfs_set_fault(fs, &fault);
	while (result == 0)
		result = commit_one(new_put("b", 100));
	assert_int_equal(result, -ENOSPC);
	id = store_log.active->id;
	assert_int_equal(commit_one(record_new_special(LOG_CUT)), -ENOSPC);
	assert_int_equal(store_log.active->id, id);
	assert_int_equal(commit_one(new_delete("a")), 0);
}

/* The disk is full by then, and upkeep has not come to notice it. */
static void test_a_roll_without_room_leaves_deletes_theirs(void **state)
{
	struct simfs_fault fault = { .calls = 1u << SIMFS_ALLOCATE,
				     .nth = 1,
				     .from_then = true,
				     .error = ENOSPC };
	struct segment *spare;
	uint32_t id;

	(void)state;
	assert_int_equal(commit_one(new_put("a", 1)), 0);
	id = store_log.active->id;
	simfs_set_fault(fs, &fault);
	assert_int_equal(upkeep_take(upkeep, 0, &spare), 0);
	assert_false(upkeep_has_spare(upkeep));
	upkeep->spare_error = 0;
	assert_int_equal(commit_one(record_new_special(LOG_ROLL)), 0);
	assert_non_null(store_log.active);
	assert_int_equal(store_log.active->id, id);
	assert_int_equal(commit_one(new_delete("a")), 0);
	simfs_set_fault(fs, NULL);
}

#define log_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		log_test(test_a_group_is_written_with_one_call),
		log_test(test_values_borrowed_and_copied_are_the_same_on_disk),
		log_test(test_the_synced_mark_is_that_of_the_last_sync),
		log_test(test_a_record_that_fits_exactly_does_not_roll),
		log_test(test_a_large_entry_gets_a_segment_of_its_own),
		log_test(test_a_segment_is_listed_before_it_is_written_to),
		log_test(test_sequences_stay_dense_around_refusals),
		log_test(test_after_a_short_write_the_length_is_noted_first),
		log_test(test_whole_entries_of_a_failed_group_do_not_count),
		log_test(test_a_cut_that_cannot_be_noted_is_unknown),
		log_test(test_a_failed_sync_makes_read_only),
		log_test(test_a_roll_whose_sync_fails_leaves_the_group_unknown),
		log_test(test_nothing_is_written_after_a_cut_whose_sync_failed),
		log_test(test_a_dependent_behind_a_failed_gather_is_stale),
		log_test(test_without_a_spare_tombstones_have_a_reserve),
		log_test(test_a_large_put_without_room_leaves_small_ones_alone),
		log_test(test_clear_leaves_nothing_listed_but_what_comes),
		log_test(test_a_clear_that_surely_failed_changes_nothing),
		log_test(test_a_clear_that_may_have_happened_makes_read_only),
		log_test(test_a_roll_ends_the_segment_and_an_empty_one_stays),
		log_test(test_a_cut_leaves_the_next_segment_behind),
		log_test(test_a_cut_without_room_changes_nothing),
		log_test(test_a_roll_without_room_leaves_deletes_theirs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
