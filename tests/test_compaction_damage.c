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

#include "common/compaction.h"
#include "common/hint.h"
#include "tests/support/compaction_lab.h"

/*
 * The copying when something is wrong: damage, hints that do not help, calls
 * that fail, and runs that are told to end.
 */

#define FIRST_HINT "/0000000001.hint"

enum {
	LARGE_LEN = 700 << 10, /* several windows */
	FAULTS_MAX = 400,
};

static struct segment *older;
static struct segment *input;
static uint64_t dead_off;
static uint64_t live_off;
static uint64_t tombstone_off;

/*
 * A dead and a live put, a tombstone that has to be kept, and one more put
 * that spans several windows.
 */
static int set_up(void **state)
{
	lab_set_up(state);
	older = lab_segment(1000);
	lab_put(older, "gone", "value", 1);
	lab_seal(older);
	input = lab_segment(2 * LARGE_LEN);
	dead_off = lab_put(input, "a", "old", 2);
	live_off = lab_put(input, "a", "new", 3);
	tombstone_off = lab_delete(input, "gone", 4);
	lab_add(input, &(struct maker_entry){ .key = "large",
					      .value_len = LARGE_LEN,
					      .sequence = 5 });
	lab_seal(input);
	lab_begin_one(input);
	return 0;
}

static void expect_good_copy(void)
{
	struct segment *output = lab_copy();

	assert_int_equal(lab_n_entries(output), 3);
	assert_int_equal(lab_find(output, ENTRY_TOMBSTONE, "gone", 4).n, 1);
	assert_int_equal(lab_find(output, ENTRY_PUT, "a", 1).n, 1);
	assert_int_equal(lab_find(output, ENTRY_PUT, "large", 5).n, 1);
}

static void expect_place_of_a(const struct segment *segment, uint64_t off)
{
	struct digest digest = digest_of(lab.secret, "a", 1);
	struct index_place place;

	assert_int_equal(index_get(lab.index, &digest, &place), 0);
	assert_int_equal(place.segment, segment->id);
	assert_int_equal((uint64_t)place.off8 * 8, off);
}

/* Nothing is left of the output, and the index is as it was. */
static void expect_no_output(void)
{
	assert_null(lab.run.output);
	assert_int_equal(lab_n_files(".tmp"), 0);
	assert_int_equal(lab_n_files(".seg"), 2);
	expect_place_of_a(input, live_off);
	assert_false(input->replaced);
}

static void expect_damaged(void)
{
	assert_int_equal(compaction_copy(&lab.run), COMPACTION_DAMAGED);
	assert_int_equal(lab.run.damaged_input, 0);
	expect_no_output();
}

/* ---- PITFALLS 13 and 41: damage ---- */

static void test_41_a_damaged_value_is_copied_as_it_is(void **state)
{
	struct segment *output;
	struct lab_found before;
	struct lab_found after;

	(void)state;
	before = lab_find(input, ENTRY_PUT, "a", 1);
	maker_flip(lab.io, input->fd, live_off + entry_value_off(&before.entry),
		   1);
	output = lab_copy();
	after = lab_find(output, ENTRY_PUT, "a", 1);
	assert_int_equal(after.n, 1);
	assert_false(after.value_ok);
	assert_true(after.entry.sequence == 3);
	assert_true(after.entry.value_crc == before.entry.value_crc);
	/* and the key's place is the copy: no older value, no "not found" */
	assert_int_equal(lab_install(), 0);
	expect_place_of_a(output, after.off);
}

static void test_41_a_damaged_value_over_several_windows_too(void **state)
{
	struct segment *output;

	(void)state;
	maker_flip(lab.io, input->fd, input->len - 100, 1);
	output = lab_copy();
	assert_false(lab_find(output, ENTRY_PUT, "large", 5).value_ok);
	assert_int_equal(lab_n_entries(output), 3);
}

static void test_13_a_damaged_header_of_a_live_entry_ends_the_run(void **state)
{
	(void)state;
	maker_flip(lab.io, input->fd, live_off + 16, 1);
	expect_damaged();
}

static void test_13_a_damaged_key_of_a_live_entry_ends_the_run(void **state)
{
	(void)state;
	maker_flip(lab.io, input->fd, live_off + ENTRY_HEAD_LEN, 1);
	expect_damaged();
}

static void
test_13_a_damaged_tombstone_that_is_needed_ends_the_run(void **state)
{
	(void)state;
	maker_flip(lab.io, input->fd, tombstone_off + 8, 1);
	expect_damaged();
}

static void test_a_damaged_header_of_a_dead_entry_goes_with_it(void **state)
{
	(void)state;
	maker_flip(lab.io, input->fd, dead_off + 16, 1);
	expect_good_copy();
}

/* Nobody knows what it was. */
static void test_13_a_damaged_header_without_a_hint_ends_the_run(void **state)
{
	(void)state;
	assert_int_equal(lab.io->unlink(lab.io, "/0000000002.hint"), 0);
	maker_flip(lab.io, input->fd, dead_off + 16, 1);
	expect_damaged();
}

static void test_13_the_damaged_one_of_several_inputs_is_told(void **state)
{
	struct segment *inputs[] = { older, input };

	(void)state;
	lab_begin(inputs, 2);
	maker_flip(lab.io, input->fd, live_off + 16, 1);
	assert_int_equal(compaction_copy(&lab.run), COMPACTION_DAMAGED);
	assert_int_equal(lab.run.damaged_input, 1);
	expect_no_output();
}

static void
test_11_a_length_that_the_file_does_not_have_ends_the_run(void **state)
{
	(void)state;
	/* as if the manifest knew of more than there is */
	input->len += 1 << 20;
	expect_damaged();
	input->len -= 1 << 20;
}

/* ---- hints ---- */

static void test_an_input_without_a_hint_is_read(void **state)
{
	(void)state;
	assert_int_equal(lab.io->unlink(lab.io, "/0000000002.hint"), 0);
	expect_good_copy();
}

static void test_10_an_input_with_a_damaged_hint_is_read(void **state)
{
	struct io_stat st;
	uint64_t off;
	int fd;

	(void)state;
	fd = lab.io->open(lab.io, "/0000000002.hint", O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(lab.io->stat(lab.io, fd, &st), 0);
	for (off = 0; off < st.size; off += 7) {
		maker_flip(lab.io, fd, off, 4);
		assert_int_equal(compaction_copy(&lab.run), 0);
		assert_int_equal(lab_n_entries(lab.run.output), 3);
		maker_flip(lab.io, fd, off, 4);
		segment_drop_output(lab.io, "/", lab.run.output);
		lab_begin_one(input);
	}
	lab.io->close(lab.io, fd);
}

/* A bad block in a hint must not keep its segment from being compacted. */
static void test_10_a_hint_that_cannot_be_read_is_no_failure(void **state)
{
	(void)state;
	lab_set_fault(1u << SIMFS_STAT, 1, EIO);
	expect_good_copy();
	lab_set_fault(0, 0, 0);
}

/* Whose filter is not known may hold any key. */
static void test_44_a_tombstone_stays_when_a_filter_is_in_doubt(void **state)
{
	(void)state;
	assert_int_equal(lab.io->unlink(lab.io, FIRST_HINT), 0);
	expect_good_copy();
	assert_int_equal(lab.run.blocker_id, older->id);
}

/* ---- ends that were not planned ---- */

static void test_a_run_that_is_cancelled_leaves_nothing(void **state)
{
	(void)state;
	lab.run.cancelled = true;
	assert_int_equal(compaction_copy(&lab.run), COMPACTION_CANCELLED);
	expect_no_output();
}

static unsigned cancel_after;
static uint64_t paced;

static void cancel_at(void *ctx, uint64_t bytes)
{
	struct compaction *run = ctx;

	paced += bytes;
	if (cancel_after > 0 && --cancel_after == 0)
		run->cancelled = true;
}

/* Also in the middle of one large value. */
static void test_a_run_can_be_cancelled_anywhere(void **state)
{
	unsigned n;

	(void)state;
	for (n = 1; n < 5; n++) {
		lab_begin_one(input);
		lab.run.pace = cancel_at;
		lab.run.pace_ctx = &lab.run;
		cancel_after = n;
		assert_int_equal(compaction_copy(&lab.run),
				 COMPACTION_CANCELLED);
		expect_no_output();
	}
}

static void test_the_pace_is_told_of_every_byte(void **state)
{
	(void)state;
	lab.run.pace = cancel_at;
	lab.run.pace_ctx = &lab.run;
	paced = 0;
	cancel_after = 0;
	expect_good_copy();
	assert_true(paced >= (uint64_t)2 * LARGE_LEN);
	assert_true(paced < (uint64_t)3 * LARGE_LEN);
}

/*
 * It would be picked and fail again, and again, and no other segment would
 * have its turn.
 */
static void test_28_an_input_that_cannot_be_read_is_damaged(void **state)
{
	(void)state;
	assert_int_equal(lab.io->unlink(lab.io, "/0000000002.hint"), 0);
	lab_set_fault(1u << SIMFS_PREAD, 1, EIO);
	expect_damaged();
	lab_set_fault(0, 0, 0);
	expect_good_copy();
}

static void test_no_room_for_the_output_leaves_nothing(void **state)
{
	static const unsigned calls[] = { SIMFS_ALLOCATE, SIMFS_PWRITEV };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		lab_begin_one(input);
		lab_set_fault(1u << calls[i], 1, ENOSPC);
		assert_int_equal(compaction_copy(&lab.run), -ENOSPC);
		lab_set_fault(0, 0, 0);
		expect_no_output();
	}
	expect_good_copy();
}

/* An output without a hint is a segment all the same. */
static void test_a_hint_that_cannot_be_written_is_told(void **state)
{
	(void)state;
	/* the output's own name is the first */
	lab_set_fault(1u << SIMFS_RENAME, 2, EIO);
	expect_good_copy();
	lab_set_fault(0, 0, 0);
	assert_false(lab.run.hint_written);
	assert_int_equal(lab_n_files(".tmp"), 0);
	assert_int_equal(lab_install(), 0);
	lab_end();
	lab_expect("a", "new", 3);
}

static bool try_fault(unsigned call, uint64_t nth, int error)
{
	const struct simfs_fault fault = { .calls = 1u << call,
					   .nth = nth,
					   .error = error };
	uint64_t n_faults;
	int result;

	lab_begin_one(input);
	simfs_set_fault(lab.fs, &fault);
	result = compaction_copy(&lab.run);
	n_faults = simfs_n_faults(lab.fs);
	simfs_set_fault(lab.fs, NULL);
	if (result != 0) {
		assert_true(n_faults > 0);
		expect_no_output();
		return true;
	}
	assert_int_equal(lab_n_entries(lab.run.output), 3);
	segment_drop_output(lab.io, "/", lab.run.output);
	return n_faults > 0;
}

/* Each call in turn: the copy is good, or there is none. */
static void test_every_call_may_fail(void **state)
{
	(void)state;
	for (unsigned call = 0; call < SIMFS_N_CALLS; call++) {
		uint64_t nth = 1;

		/* what removes cannot be made up for */
		if (call == SIMFS_UNLINK || call == SIMFS_CLOSE)
			continue;
		while (try_fault(call, nth, EIO))
			assert_true(nth++ < FAULTS_MAX);
	}
	expect_good_copy();
}

static void test_short_reads_and_writes_are_gone_on_with(void **state)
{
	const struct simfs_fault fault = {
		.calls = 1u << SIMFS_PREAD | 1u << SIMFS_PWRITEV,
		.nth = 1,
		.from_then = true,
		.is_short = true,
	};

	(void)state;
	simfs_set_fault(lab.fs, &fault);
	expect_good_copy();
	simfs_set_fault(lab.fs, NULL);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, lab_tear_down)
	const struct CMUnitTest tests[] = {
		test(test_41_a_damaged_value_is_copied_as_it_is),
		test(test_41_a_damaged_value_over_several_windows_too),
		test(test_13_a_damaged_header_of_a_live_entry_ends_the_run),
		test(test_13_a_damaged_key_of_a_live_entry_ends_the_run),
		test(test_13_a_damaged_tombstone_that_is_needed_ends_the_run),
		test(test_a_damaged_header_of_a_dead_entry_goes_with_it),
		test(test_13_a_damaged_header_without_a_hint_ends_the_run),
		test(test_13_the_damaged_one_of_several_inputs_is_told),
		test(test_11_a_length_that_the_file_does_not_have_ends_the_run),
		test(test_an_input_without_a_hint_is_read),
		test(test_10_an_input_with_a_damaged_hint_is_read),
		test(test_10_a_hint_that_cannot_be_read_is_no_failure),
		test(test_44_a_tombstone_stays_when_a_filter_is_in_doubt),
		test(test_a_run_that_is_cancelled_leaves_nothing),
		test(test_a_run_can_be_cancelled_anywhere),
		test(test_the_pace_is_told_of_every_byte),
		test(test_28_an_input_that_cannot_be_read_is_damaged),
		test(test_no_room_for_the_output_leaves_nothing),
		test(test_a_hint_that_cannot_be_written_is_told),
		test(test_every_call_may_fail),
		test(test_short_reads_and_writes_are_gone_on_with),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
