#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/hint.h"
#include "common/upkeep.h"
#include "tests/crash/simfs.h"
#include "tests/support/segment_maker.h"

enum {
	SEGMENT_SIZE = 8192,
	WAIT_MS = 10000, /* more than any retry takes */
};

static struct simfs *fs;
static struct io *io;
static struct segments *table;
static struct upkeep *upkeep;
static _Atomic int n_changed;

static void count_change(void *ctx)
{
	(void)ctx;
	n_changed++;
}

static void begin(uint64_t segment_size)
{
	struct manifest manifest = { .next_segment = 1, .next_sequence = 1 };
	struct upkeep_options options = { .dir = "/",
					  .segment_size = segment_size,
					  .changed = count_change };

	memcpy(manifest.store_id, maker_store_id, SEGMENT_STORE_ID_LEN);
	fs = simfs_new();
	io = simfs_io(fs);
	table = segments_new();
	options.io = io;
	options.segments = table;
	assert_int_equal(manifest_store(io, "/", &manifest), 0);
	assert_int_equal(upkeep_new(&options, &manifest, &upkeep), 0);
}

/* Each test runs with the work done in its own calls, and by a thread. */
static int set_up_inline(void **state)
{
	(void)state;
	begin(SEGMENT_SIZE);
	return 0;
}

static int set_up_threaded(void **state)
{
	(void)state;
	begin(SEGMENT_SIZE);
	assert_int_equal(upkeep_start(upkeep), 0);
	return 0;
}

static int set_up_automatic(void **state)
{
	(void)state;
	begin(0);
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
	upkeep_free(upkeep, UPKEEP_ABANDON);
	upkeep = NULL;
	segments_each(table, free_segment, NULL);
	segments_free(table);
	assert_int_equal(simfs_n_open(fs), 0);
	assert_int_equal(simfs_n_misused(fs), 0);
	simfs_free(fs);
	return 0;
}

static void set_fault(uint32_t calls, uint64_t nth, bool from_then, int error)
{
	const struct simfs_fault fault = { .calls = calls,
					   .nth = nth,
					   .from_then = from_then,
					   .error = error };

	simfs_set_fault(fs, &fault);
}

/* The row of ID in the manifest that a power cut now would leave. */
static struct manifest_segment durable_row(uint32_t id)
{
	struct manifest_segment row = { 0 };
	struct simfs *after = simfs_crash_durable(fs);
	struct manifest_report report;
	struct manifest manifest;

	assert_int_equal(
		manifest_load(simfs_io(after), "/", &manifest, &report), 0);
	if (manifest_find(&manifest, id))
		row = *manifest_find(&manifest, id);
	manifest_deinit(&manifest);
	simfs_free(after);
	return row;
}

static bool exists(const char *path)
{
	int fd = io->open(io, path, O_RDONLY);

	if (fd >= 0)
		io->close(io, fd);
	return fd >= 0;
}

static struct segment *take(uint64_t len)
{
	struct segment *segment = NULL;

	assert_int_equal(upkeep_take(upkeep, len, &segment), 0);
	assert_non_null(segment);
	assert_true(segment->capacity >= SEGMENT_HEADER_LEN + len);
	assert_ptr_equal(segments_get(table, segment->id), segment);
	/* invariant 1 */
	assert_int_equal(durable_row(segment->id).state, MANIFEST_OPEN);
	return segment;
}

/* Takes one, writes an entry, reports it as full. */
static struct segment *fill(uint64_t sequence)
{
	struct segment *segment = take(100);

	maker_put(io, segment, "key", "value", sequence);
	assert_int_equal(io->sync(io, segment->fd), 0);
	segment->synced_len = segment->len;
	assert_int_equal(upkeep_fill(upkeep, segment), 0);
	return segment;
}

static bool wait_for_spare(void)
{
	const struct timespec pause = { .tv_nsec = 10000000 };

	for (int i = 0; i < WAIT_MS / 10; i++) {
		if (upkeep_has_spare(upkeep))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* ---- tests ---- */

static void test_what_is_taken_is_listed(void **state)
{
	const struct segment *first = take(10);
	const struct segment *second;

	(void)state;
	second = take(10);
	assert_int_not_equal(first->id, second->id);
	assert_int_equal(first->capacity, SEGMENT_SIZE);
	assert_true(take(SEGMENT_SIZE)->capacity ==
		    SEGMENT_SIZE + SEGMENT_HEADER_LEN);
}

static void test_a_spare_is_listed_and_then_taken(void **state)
{
	const struct segment *taken;

	(void)state;
	assert_false(upkeep_has_spare(upkeep));
	upkeep_want_spare(upkeep);
	upkeep_settle(upkeep);
	assert_true(upkeep_has_spare(upkeep));
	assert_int_equal(upkeep_spare_error(upkeep), 0);
	assert_int_equal(durable_row(1).state, MANIFEST_OPEN);
	/* one larger than the spare leaves it alone */
	taken = take(SEGMENT_SIZE);
	assert_int_equal(taken->id, 2);
	taken = take(10);
	assert_int_equal(taken->id, 1);
	upkeep_settle(upkeep);
	/* and there is a next one without being asked */
	assert_true(upkeep_has_spare(upkeep));
}

static void test_a_file_in_the_way_is_left_alone(void **state)
{
	uint8_t *data;
	size_t len;

	(void)state;
	maker_write_file(io, "/0000000001.seg", "precious", 8);
	maker_write_file(io, "/0000000002.seg", "precious", 8);
	assert_int_equal(take(10)->id, 3);
	data = maker_read_file(io, "/0000000001.seg", &len);
	assert_int_equal(len, 8);
	free(data);
}

static void test_a_filled_segment_is_sealed_and_gets_its_hint(void **state)
{
	struct segment *segment = fill(7);
	struct upkeep_stats stats;
	struct hint_entry line;
	struct hint hint;

	(void)state;
	assert_int_equal(upkeep_flush(upkeep), 0);
	upkeep_settle(upkeep);
	assert_true(segment->sealed);
	assert_int_equal(durable_row(segment->id).state, MANIFEST_SEALED);
	assert_true(durable_row(segment->id).len == segment->len);
	assert_true(durable_row(segment->id).last_sequence == 7);
	assert_int_equal(hint_load(&hint, io, "/", maker_store_id, segment->id,
				   segment->len),
			 0);
	assert_true(hint_next(&hint, &line));
	assert_memory_equal(line.key, "key", 3);
	hint_deinit(&hint);
	upkeep_get_stats(upkeep, &stats);
	assert_int_equal(stats.hints_written, 1);
	assert_int_equal(stats.n_hints_due, 0);
	assert_true(n_changed > 0);
}

/* A hint that leaves something out would hide it for ever. */
static void test_a_damaged_segment_gets_no_hint(void **state)
{
	struct segment *segment = take(100);
	struct upkeep_stats stats;
	uint64_t first;

	(void)state;
	first = maker_put(io, segment, "a", "1", 1);
	maker_put(io, segment, "b", "2", 2);
	maker_flip(io, segment->fd, first, 1);
	assert_int_equal(upkeep_fill(upkeep, segment), 0);
	assert_int_equal(upkeep_flush(upkeep), 0);
	upkeep_settle(upkeep);
	assert_true(segment->sealed);
	assert_false(exists("/0000000001.hint"));
	upkeep_get_stats(upkeep, &stats);
	assert_int_equal(stats.hint_errors, 1);
}

static void test_an_empty_filled_segment_is_replaced(void **state)
{
	struct segment *segment = take(10);

	(void)state;
	assert_int_equal(upkeep_fill(upkeep, segment), 0);
	assert_int_equal(upkeep_flush(upkeep), 0);
	upkeep_settle(upkeep);
	assert_int_equal(durable_row(segment->id).state, MANIFEST_REPLACED);
	assert_false(exists("/0000000001.hint"));
	/* and is its owner's to discard: it would be in the way for ever */
	assert_true(segment->replaced);
	assert_true(upkeep_found_replaced(upkeep));
	assert_false(upkeep_found_replaced(upkeep));
	segments_remove(table, segment);
	upkeep_discard(upkeep, segment);
	upkeep_settle(upkeep);
	assert_false(exists("/0000000001.seg"));
}

static void test_flush_tells_what_failed(void **state)
{
	struct segment *segment = take(100);

	(void)state;
	maker_put(io, segment, "key", "value", 7);
	upkeep_settle(upkeep);
	/* the manifest's rename: surely not */
	set_fault(1u << SIMFS_RENAME, 1, true, EIO);
	assert_int_equal(upkeep_fill(upkeep, segment), 0);
	assert_int_equal(upkeep_flush(upkeep), -EIO);
	assert_false(segment->sealed);
	assert_int_equal(durable_row(segment->id).state, MANIFEST_OPEN);
	/* the folder's sync: nobody knows */
	set_fault(1u << SIMFS_SYNC_DIR, 1, true, EIO);
	assert_int_equal(upkeep_flush(upkeep), UPKEEP_UNKNOWN);
	assert_false(segment->sealed);
	simfs_set_fault(fs, NULL);
	assert_int_equal(upkeep_flush(upkeep), 0);
	assert_int_equal(durable_row(segment->id).state, MANIFEST_SEALED);
	/* what was late is noted all the same, and its hint made */
	upkeep_settle(upkeep);
	assert_true(segment->sealed);
	assert_true(exists("/0000000001.hint"));
}

static int take_snapshot(struct manifest *snapshot)
{
	upkeep_begin_snapshot(upkeep);
	return upkeep_end_snapshot(upkeep, snapshot);
}

/* Whoever asked for the first has given up. */
static void test_a_snapshot_that_nobody_takes_is_released(void **state)
{
	struct segment *segment;
	struct manifest snapshot;

	(void)state;
	fill(1);
	upkeep_begin_snapshot(upkeep);
	upkeep_settle(upkeep);
	segment = fill(2);
	assert_int_equal(take_snapshot(&snapshot), 0);
	assert_non_null(manifest_find(&snapshot, segment->id));
	manifest_deinit(&snapshot);
	upkeep_begin_snapshot(upkeep);
	upkeep_settle(upkeep);
}

static void test_a_snapshot_has_all_that_was_filled_before(void **state)
{
	struct segment *first = fill(1);
	struct segment *second = fill(2);
	struct segment *open = take(100);
	struct manifest snapshot;

	(void)state;
	assert_int_equal(take_snapshot(&snapshot), 0);
	assert_int_equal(snapshot.n_segments, 2);
	assert_int_equal(manifest_find(&snapshot, first->id)->len, first->len);
	assert_int_equal(manifest_find(&snapshot, second->id)->last_sequence,
			 2);
	assert_null(manifest_find(&snapshot, open->id));
	/* It is not ahead of the disk. */
	assert_int_equal(durable_row(second->id).state, MANIFEST_SEALED);
	manifest_deinit(&snapshot);
}

static void test_without_a_manifest_there_is_no_snapshot(void **state)
{
	struct segment *segment = take(100);
	struct manifest snapshot;

	(void)state;
	maker_put(io, segment, "key", "value", 7);
	upkeep_settle(upkeep);
	set_fault(1u << SIMFS_RENAME, 1, true, EIO);
	assert_int_equal(upkeep_fill(upkeep, segment), 0);
	assert_int_equal(take_snapshot(&snapshot), -EIO);
	set_fault(1u << SIMFS_SYNC_DIR, 1, true, EIO);
	assert_int_equal(take_snapshot(&snapshot), UPKEEP_UNKNOWN);
	simfs_set_fault(fs, NULL);
	assert_int_equal(take_snapshot(&snapshot), 0);
	assert_int_equal(snapshot.n_segments, 1);
	manifest_deinit(&snapshot);
}

static void test_flush_without_anything_new_writes_nothing(void **state)
{
	struct upkeep_stats before;
	struct upkeep_stats after;

	(void)state;
	fill(1);
	assert_int_equal(upkeep_flush(upkeep), 0);
	upkeep_settle(upkeep);
	upkeep_get_stats(upkeep, &before);
	assert_int_equal(upkeep_flush(upkeep), 0);
	upkeep_get_stats(upkeep, &after);
	assert_true(before.manifest_writes == after.manifest_writes);
}

static void test_a_take_that_fails_leaves_what_can_be_taken_later(void **state)
{
	struct segment *segment = NULL;

	(void)state;
	for (unsigned call = SIMFS_OPEN; call < SIMFS_LIST; call++) {
		if (call == SIMFS_CLOSE || call == SIMFS_UNLINK)
			continue;
		set_fault(1u << call, 1, true, EMFILE);
		if (upkeep_take(upkeep, 10, &segment) < 0)
			assert_int_not_equal(upkeep_spare_error(upkeep), 0);
		simfs_set_fault(fs, NULL);
		take(10);
	}
}

/* Neither the spare that is listed, nor segments that are not, get lost. */
static void test_takes_while_no_manifest_can_be_written(void **state)
{
	struct segment *segment = NULL;

	(void)state;
	upkeep_want_spare(upkeep);
	upkeep_settle(upkeep);
	assert_true(upkeep_has_spare(upkeep));
	set_fault(1u << SIMFS_RENAME, 1, true, EIO);
	assert_int_equal(upkeep_take(upkeep, 10, &segment), 0);
	assert_int_equal(segment->id, 1);
	for (int i = 0; i < 20; i++) {
		upkeep_want_spare(upkeep);
		assert_int_not_equal(upkeep_take(upkeep, 10, &segment), 0);
	}
	upkeep_settle(upkeep);
	assert_true(table->count <= 2);
	simfs_set_fault(fs, NULL);
	take(10);
}

static void test_no_room_and_room_again(void **state)
{
	struct segment *segment = NULL;

	(void)state;
	set_fault(1u << SIMFS_ALLOCATE, 1, true, ENOSPC);
	upkeep_want_spare(upkeep);
	upkeep_settle(upkeep);
	assert_false(upkeep_has_spare(upkeep));
	assert_int_equal(upkeep_spare_error(upkeep), -ENOSPC);
	assert_int_equal(upkeep_take(upkeep, 10, &segment), -ENOSPC);
	assert_null(segment);
	assert_false(exists("/0000000001.seg"));
	simfs_set_fault(fs, NULL);
	take(10);
}

/* By itself: nobody asks. */
static void test_a_spare_is_made_when_there_is_room_again(void **state)
{
	(void)state;
	set_fault(1u << SIMFS_ALLOCATE, 1, true, ENOSPC);
	upkeep_want_spare(upkeep);
	upkeep_settle(upkeep);
	assert_int_equal(upkeep_spare_error(upkeep), -ENOSPC);
	simfs_set_fault(fs, NULL);
	assert_true(wait_for_spare());
	assert_int_equal(upkeep_spare_error(upkeep), 0);
}

static void test_a_failed_manifest_is_tried_again_by_itself(void **state)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	struct segment *segment = take(100);
	struct upkeep_stats stats;

	(void)state;
	maker_put(io, segment, "key", "value", 7);
	upkeep_settle(upkeep);
	set_fault(1u << SIMFS_RENAME, 1, true, EIO);
	assert_int_equal(upkeep_fill(upkeep, segment), 0);
	upkeep_settle(upkeep);
	assert_int_equal(durable_row(segment->id).state, MANIFEST_OPEN);
	simfs_set_fault(fs, NULL);
	for (int i = 0; i < WAIT_MS / 10; i++) {
		upkeep_get_stats(upkeep, &stats);
		if (stats.hints_written > 0)
			break;
		nanosleep(&pause, NULL);
	}
	assert_int_equal(stats.hints_written, 1);
	assert_int_equal(durable_row(segment->id).state, MANIFEST_SEALED);
}

/* ---- clear ---- */

/* Nothing below it exists, and nothing below it comes again. */
static void expect_durable_floor(uint64_t floor)
{
	struct simfs *after = simfs_crash_durable(fs);
	struct manifest_report report;
	struct manifest manifest;

	assert_int_equal(
		manifest_load(simfs_io(after), "/", &manifest, &report), 0);
	assert_true(manifest.floor == floor);
	assert_true(manifest.next_sequence == floor);
	manifest_deinit(&manifest);
	simfs_free(after);
}

static void test_clear_keeps_the_spare_alone(void **state)
{
	struct segment *sealed = fill(7);
	struct segment *open = take(10);
	uint32_t spare_id;

	(void)state;
	upkeep_want_spare(upkeep);
	upkeep_settle(upkeep);
	assert_true(upkeep_has_spare(upkeep));
	assert_int_equal(upkeep_clear(upkeep, 20), 0);
	expect_durable_floor(20);
	assert_true(sealed->replaced);
	assert_true(open->replaced);
	assert_int_equal(durable_row(sealed->id).state, MANIFEST_REPLACED);
	assert_int_equal(durable_row(open->id).state, MANIFEST_REPLACED);
	spare_id = take(10)->id;
	assert_false(segments_get(table, spare_id)->replaced);
	/* the files stay until someone says that no reader holds them */
	assert_true(exists("/0000000001.seg"));
}

static void test_clear_keeps_what_a_failed_take_left(void **state)
{
	struct segment *segment = NULL;

	(void)state;
	upkeep_want_spare(upkeep);
	upkeep_settle(upkeep);
	/* made, but not listed */
	set_fault(1u << SIMFS_RENAME, 1, true, EIO);
	assert_int_equal(upkeep_take(upkeep, 100000, &segment), -EIO);
	simfs_set_fault(fs, NULL);
	assert_int_equal(upkeep_clear(upkeep, 20), 0);
	segment = take(100000);
	assert_false(segment->replaced);
	segment = take(10);
	assert_false(segment->replaced);
}

static void test_a_clear_that_failed_surely_or_perhaps(void **state)
{
	struct segment *sealed = fill(7);
	struct segment *segment;

	(void)state;
	upkeep_settle(upkeep);
	set_fault(1u << SIMFS_RENAME, 1, true, EIO);
	assert_int_equal(upkeep_clear(upkeep, 20), -EIO);
	assert_false(sealed->replaced);
	assert_int_equal(durable_row(sealed->id).state, MANIFEST_SEALED);
	set_fault(1u << SIMFS_RENAME, 2, true, EIO);
	assert_int_equal(upkeep_clear(upkeep, 20), UPKEEP_UNKNOWN);
	simfs_set_fault(fs, NULL);
	/* nothing may be written that would decide it */
	assert_int_equal(upkeep_clear(upkeep, 20), -EROFS);
	assert_int_equal(upkeep_take(upkeep, 100000, &segment), -EROFS);
	assert_true(exists("/0000000001.seg"));
}

/* ---- discarding ---- */

static void test_discard_unlinks_only_what_is_replaced(void **state)
{
	struct segment *replaced = fill(7);
	struct segment *sealed;

	(void)state;
	upkeep_settle(upkeep);
	assert_true(exists("/0000000001.hint"));
	assert_int_equal(upkeep_clear(upkeep, 20), 0);
	segments_remove(table, replaced);
	upkeep_discard(upkeep, replaced);
	upkeep_settle(upkeep);
	assert_false(exists("/0000000001.seg"));
	assert_false(exists("/0000000001.hint"));
	sealed = fill(21);
	upkeep_settle(upkeep);
	assert_int_equal(sealed->id, 2);
	segments_remove(table, sealed);
	upkeep_discard(upkeep, sealed);
	upkeep_settle(upkeep);
	assert_true(exists("/0000000002.seg"));
	assert_int_equal(durable_row(2).state, MANIFEST_SEALED);
	/* the first one's row goes with the next manifest */
	take(10);
	assert_int_equal(durable_row(1).id, 0);
}

static void test_a_discarded_segment_needs_no_hint_any_more(void **state)
{
	struct segment *first;
	struct upkeep_stats stats;

	(void)state;
	first = fill(7);
	upkeep_settle(upkeep);
	assert_int_equal(upkeep_clear(upkeep, 20), 0);
	upkeep_want_hint(upkeep, first);
	segments_remove(table, first);
	upkeep_discard(upkeep, first);
	upkeep_settle(upkeep);
	upkeep_get_stats(upkeep, &stats);
	assert_int_equal(stats.n_hints_due, 0);
	assert_false(exists("/0000000001.hint"));
}

/* ---- the end ---- */

static void test_finishing_seals_and_drops_the_spare(void **state)
{
	struct segment *segment = fill(7);

	(void)state;
	upkeep_want_spare(upkeep);
	upkeep_settle(upkeep);
	assert_true(exists("/0000000002.seg"));
	assert_int_equal(upkeep_free(upkeep, UPKEEP_FINISH), 0);
	upkeep = NULL;
	assert_int_equal(durable_row(segment->id).state, MANIFEST_SEALED);
	assert_true(exists("/0000000001.hint"));
	assert_false(exists("/0000000002.seg"));
	assert_int_not_equal(durable_row(2).state, MANIFEST_OPEN);
}

static void test_finishing_tells_of_a_failed_manifest(void **state)
{
	(void)state;
	upkeep_want_spare(upkeep);
	upkeep_settle(upkeep);
	set_fault(1u << SIMFS_RENAME, 1, true, EIO);
	assert_int_equal(upkeep_free(upkeep, UPKEEP_FINISH), -EIO);
	upkeep = NULL;
	simfs_set_fault(fs, NULL);
	/* listed still, so it stays */
	assert_true(exists("/0000000001.seg"));
}

static void test_abandoning_writes_nothing(void **state)
{
	uint64_t n_writes;

	(void)state;
	fill(7);
	upkeep_want_spare(upkeep);
	upkeep_settle(upkeep);
	n_writes = simfs_n_calls(fs, SIMFS_PWRITEV);
	assert_int_equal(upkeep_free(upkeep, UPKEEP_ABANDON), 0);
	upkeep = NULL;
	assert_int_equal(simfs_n_calls(fs, SIMFS_PWRITEV), n_writes);
	assert_true(exists("/0000000002.seg"));
}

static void test_sizes_follow_the_store(void **state)
{
	struct segment *segment = NULL;
	uint64_t last = 0;

	(void)state;
	for (int i = 0; i < 80; i++) {
		assert_int_equal(upkeep_take(upkeep, 10, &segment), 0);
		assert_true(segment->capacity >= 4 << 20);
		assert_true(segment->capacity <= 128 << 20);
		assert_true(segment->capacity >= last);
		last = segment->capacity;
		/* as if it were full */
		segment->len = segment->capacity;
		segment->first_sequence = segment->last_sequence =
			(uint64_t)i + 1;
		assert_int_equal(upkeep_fill(upkeep, segment), 0);
		assert_int_equal(upkeep_flush(upkeep), 0);
	}
	assert_true(last > 4 << 20);
}

#define both(name)                                                             \
	{ #name " inline", name, set_up_inline, tear_down, NULL },             \
	{                                                                      \
#name " with a thread", name, set_up_threaded, tear_down, NULL \
	}
#define inline_only(name)                                                      \
	cmocka_unit_test_setup_teardown(name, set_up_inline, tear_down)
#define threaded_only(name)                                                    \
	cmocka_unit_test_setup_teardown(name, set_up_threaded, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		both(test_what_is_taken_is_listed),
		both(test_a_spare_is_listed_and_then_taken),
		both(test_a_file_in_the_way_is_left_alone),
		both(test_a_filled_segment_is_sealed_and_gets_its_hint),
		both(test_a_damaged_segment_gets_no_hint),
		both(test_an_empty_filled_segment_is_replaced),
		both(test_flush_tells_what_failed),
		both(test_a_snapshot_that_nobody_takes_is_released),
		both(test_a_snapshot_has_all_that_was_filled_before),
		both(test_without_a_manifest_there_is_no_snapshot),
		both(test_flush_without_anything_new_writes_nothing),
		both(test_a_take_that_fails_leaves_what_can_be_taken_later),
		both(test_takes_while_no_manifest_can_be_written),
		both(test_no_room_and_room_again),
		threaded_only(test_a_spare_is_made_when_there_is_room_again),
		threaded_only(test_a_failed_manifest_is_tried_again_by_itself),
		both(test_clear_keeps_the_spare_alone),
		both(test_clear_keeps_what_a_failed_take_left),
		both(test_a_clear_that_failed_surely_or_perhaps),
		both(test_discard_unlinks_only_what_is_replaced),
		both(test_a_discarded_segment_needs_no_hint_any_more),
		both(test_finishing_seals_and_drops_the_spare),
		both(test_finishing_tells_of_a_failed_manifest),
		inline_only(test_abandoning_writes_nothing),
		cmocka_unit_test_setup_teardown(test_sizes_follow_the_store,
						set_up_automatic, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
