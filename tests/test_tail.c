#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/tail.h"
#include "tests/crash/simfs.h"
#include "tests/support/segment_maker.h"

enum {
	CAPACITY = 64 << 10,
	ID = 3,
};

static struct simfs *fs;
static struct io *io;
static struct segment *segment;
static struct tail tail;

static int set_up(void **state)
{
	(void)state;
	fs = simfs_new();
	io = simfs_io(fs);
	segment = maker_segment(io, "/", ID, CAPACITY);
	memset(&tail, 0, sizeof(tail));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tail_deinit(&tail);
	segment_free(io, segment);
	assert_int_equal(simfs_n_open(fs), 0);
	simfs_free(fs);
	return 0;
}

static void read_tail(bool all_synced)
{
	tail_deinit(&tail);
	assert_int_equal(tail_read(&tail, io, segment, all_synced), 0);
}

/* A put that knows how far the segment was synced. */
static uint64_t put_synced(const char *key, uint64_t sequence,
			   uint64_t synced_off)
{
	const struct maker_entry entry = { .key = key,
					   .value = "the value",
					   .sequence = sequence,
					   .synced_off = synced_off };

	return maker_append(io, segment, &entry);
}

static void expect_entries(uint32_t n, uint64_t first, uint64_t last)
{
	assert_int_equal(tail.entries.n_entries, n);
	assert_true(tail.first_sequence == first);
	assert_true(tail.last_sequence == last);
}

static void test_nothing_written_is_an_empty_tail(void **state)
{
	(void)state;
	read_tail(false);
	expect_entries(0, 0, 0);
	assert_int_equal(tail.end, SEGMENT_HEADER_LEN);
	assert_int_equal(tail.data_end, SEGMENT_HEADER_LEN);
	assert_false(tail.stopped);
	assert_int_equal(tail.n_damaged, 0);
}

static void test_whole_entries_and_zeros_behind(void **state)
{
	(void)state;
	maker_put(io, segment, "a", "1", 10);
	maker_put(io, segment, "b", "2", 11);
	read_tail(false);
	expect_entries(2, 10, 11);
	assert_true(tail.end == segment->len);
	assert_false(tail.stopped);
	/* known to have been synced or not, that is the same */
	read_tail(true);
	expect_entries(2, 10, 11);
	assert_false(tail.stopped);
	assert_int_equal(tail.n_damaged, 0);
}

static void test_a_full_segment_without_zeros(void **state)
{
	struct maker_entry large = { .key = "k", .sequence = 2 };

	(void)state;
	maker_put(io, segment, "a", "1", 1);
	large.value_len = CAPACITY - segment->len - ENTRY_HEAD_LEN - 1;
	maker_append(io, segment, &large);
	assert_int_equal(segment->len, CAPACITY);
	read_tail(false);
	expect_entries(2, 1, 2);
	assert_int_equal(tail.end, CAPACITY);
	assert_false(tail.stopped);
}

/* Zeros from each place on: only whole entries count. */
static void test_a_cut_at_every_length(void **state)
{
	uint64_t ends[3];
	uint64_t cut;

	(void)state;
	ends[0] = segment->len;
	maker_put(io, segment, "a", "value one", 1);
	ends[1] = segment->len;
	maker_put(io, segment, "b", "value two", 2);
	ends[2] = segment->len;
	for (cut = ends[2] - 1; cut >= ends[0]; cut--) {
		maker_zero(io, segment->fd, cut, ends[2]);
		read_tail(false);
		/* what was cut may have been zeros: padding */
		if (tail.end == ends[2]) {
			assert_true(cut >= ends[2] - 6);
			continue;
		}
		assert_true(tail.end ==
			    (cut < ends[1] - 6 ? ends[0] : ends[1]));
		assert_true(tail.data_end <= (cut + 7) / 8 * 8 ||
			    tail.data_end == tail.end);
		assert_true(tail.stopped == (tail.data_end > tail.end));
		assert_int_equal(tail.n_damaged, 0);
	}
}

static void test_a_batch_cut_at_every_length_is_whole_or_not(void **state)
{
	uint64_t begin;
	uint64_t cut;

	(void)state;
	maker_put(io, segment, "before", "value", 1);
	begin = maker_batch(io, segment, 4, 2, SEGMENT_HEADER_LEN);
	read_tail(false);
	expect_entries(5, 1, 6);
	for (cut = segment->len - 1; cut >= begin; cut--) {
		maker_zero(io, segment->fd, cut, segment->len);
		read_tail(false);
		if (tail.end == segment->len) {
			/* the last byte of the last value was not cut */
			assert_true(cut >= segment->len - 1);
			continue;
		}
		expect_entries(1, 1, 1);
		assert_true(tail.end == begin);
	}
}

static void test_a_batch_torn_in_any_byte_is_not_there(void **state)
{
	uint64_t begin;
	uint64_t off;

	(void)state;
	maker_put(io, segment, "before", "value", 1);
	begin = maker_batch(io, segment, 3, 2, SEGMENT_HEADER_LEN);
	maker_put(io, segment, "after", "value", 6);
	for (off = begin; off < begin + 56 + 3 * 48; off++) {
		maker_flip(io, segment->fd, off, 0x10);
		read_tail(false);
		expect_entries(1, 1, 1);
		assert_true(tail.end == begin);
		assert_true(tail.stopped);
		assert_true(tail.data_end == segment->len);
		maker_flip(io, segment->fd, off, 0x10);
	}
	read_tail(false);
	expect_entries(5, 1, 6);
}

/* A head that says what is not so, its CRCs good. */
static void expect_bad_batch(uint32_t count, uint64_t run_len,
			     uint32_t n_members, uint64_t first_member,
			     uint8_t flags)
{
	uint8_t value[ENTRY_BATCH_VALUE_LEN];
	const struct maker_entry head = { .kind = ENTRY_BATCH,
					  .value = value,
					  .value_len = sizeof(value),
					  .sequence = 2 };
	uint64_t begin = segment->len;

	entry_batch_put(value, count, run_len);
	maker_append(io, segment, &head);
	for (uint32_t i = 0; i < n_members; i++) {
		const struct maker_entry member = { .key = "m",
						    .value = "value",
						    .flags = flags,
						    .sequence =
							    first_member + i };

		maker_append(io, segment, &member);
	}
	read_tail(false);
	expect_entries(1, 1, 1);
	assert_true(tail.end == begin);
	maker_zero(io, segment->fd, begin, segment->len);
	segment->len = begin;
}

static void test_a_batch_that_is_not_as_its_head_says(void **state)
{
	const uint64_t one = entry_len(1, 5, false);

	(void)state;
	maker_put(io, segment, "before", "value", 1);
	/* fewer or more members than told, or of another length */
	expect_bad_batch(3, 3 * one, 2, 3, ENTRY_IN_BATCH);
	expect_bad_batch(2, 3 * one, 3, 3, ENTRY_IN_BATCH);
	expect_bad_batch(3, 2 * one + 40, 3, 3, ENTRY_IN_BATCH);
	/* not its members: by their flag, by their sequence */
	expect_bad_batch(2, 2 * one, 2, 3, 0);
	expect_bad_batch(2, 2 * one, 2, 4, ENTRY_IN_BATCH);
	/* beyond the segment, beyond all numbers */
	expect_bad_batch(2, CAPACITY, 2, 3, ENTRY_IN_BATCH);
	expect_bad_batch(2, UINT64_MAX - 7, 2, 3, ENTRY_IN_BATCH);
}

static void test_a_gap_in_the_sequence_ends_the_log(void **state)
{
	uint64_t end;

	(void)state;
	maker_put(io, segment, "a", "1", 1);
	end = segment->len;
	maker_put(io, segment, "c", "3", 3);
	read_tail(false);
	expect_entries(1, 1, 1);
	assert_true(tail.end == end);
	assert_true(tail.stopped);
	assert_int_equal(tail.n_damaged, 0);
}

static void test_a_sequence_that_goes_back_ends_the_log(void **state)
{
	(void)state;
	maker_put(io, segment, "b", "1", 5);
	maker_put(io, segment, "a", "1", 5);
	read_tail(false);
	expect_entries(1, 5, 5);
	assert_true(tail.stopped);
}

static void
test_below_the_mark_a_sequence_that_goes_back_is_damage(void **state)
{
	uint64_t third;

	(void)state;
	put_synced("a", 5, SEGMENT_HEADER_LEN);
	put_synced("b", 4, SEGMENT_HEADER_LEN);
	third = put_synced("c", 6, SEGMENT_HEADER_LEN);
	put_synced("d", 7, third);
	read_tail(false);
	expect_entries(3, 5, 7);
	assert_int_equal(tail.n_damaged, 1);
}

static void test_above_the_mark_a_bad_entry_ends_the_log(void **state)
{
	uint64_t second;

	(void)state;
	put_synced("a", 1, SEGMENT_HEADER_LEN);
	second = put_synced("b", 2, SEGMENT_HEADER_LEN);
	put_synced("c", 3, second);
	/* its header, then its value */
	for (uint64_t at = second + 4; at < second + 52; at += 40) {
		maker_flip(io, segment->fd, at, 1);
		read_tail(false);
		expect_entries(1, 1, 1);
		assert_true(tail.end == second);
		assert_true(tail.data_end == segment->len);
		assert_true(tail.stopped);
		assert_int_equal(tail.n_damaged, 0);
		maker_flip(io, segment->fd, at, 1);
	}
}

static void test_below_the_mark_a_bad_header_is_skipped(void **state)
{
	uint64_t second;
	uint64_t third;

	(void)state;
	put_synced("a", 1, SEGMENT_HEADER_LEN);
	second = put_synced("b", 2, SEGMENT_HEADER_LEN);
	third = put_synced("c", 3, SEGMENT_HEADER_LEN);
	put_synced("d", 4, third);
	maker_flip(io, segment->fd, second, 1);
	read_tail(false);
	expect_entries(3, 1, 4);
	assert_true(tail.end == segment->len);
	assert_int_equal(tail.n_damaged, 1);
	assert_true(tail.mark == third);
}

static void test_below_the_mark_a_bad_value_is_kept_and_counted(void **state)
{
	uint64_t second;
	uint64_t third;

	(void)state;
	put_synced("a", 1, SEGMENT_HEADER_LEN);
	second = put_synced("b", 2, SEGMENT_HEADER_LEN);
	third = put_synced("c", 3, SEGMENT_HEADER_LEN);
	put_synced("d", 4, third);
	maker_flip(io, segment->fd, second + ENTRY_HEAD_LEN + 1, 1);
	read_tail(false);
	expect_entries(4, 1, 4);
	assert_true(tail.end == segment->len);
	assert_int_equal(tail.n_damaged, 1);
}

/* What follows was acknowledged: the mark tells of its predecessor. */
static void test_damage_up_to_the_mark_does_not_end_what_follows(void **state)
{
	uint64_t second;

	(void)state;
	put_synced("a", 1, SEGMENT_HEADER_LEN);
	second = put_synced("b", 2, SEGMENT_HEADER_LEN);
	put_synced("c", 3, segment->len);
	put_synced("d", 4, SEGMENT_HEADER_LEN);
	maker_flip(io, segment->fd, second, 1);
	read_tail(false);
	expect_entries(3, 1, 4);
	assert_int_equal(tail.n_damaged, 1);
	assert_true(tail.end == segment->len);
}

static void test_damage_in_the_first_entry_does_not_end_the_second(void **state)
{
	(void)state;
	put_synced("a", 1, SEGMENT_HEADER_LEN);
	put_synced("b", 2, segment->len);
	maker_flip(io, segment->fd, SEGMENT_HEADER_LEN, 1);
	read_tail(false);
	expect_entries(1, 2, 2);
	assert_int_equal(tail.n_damaged, 1);
}

/*
 * Damage below the mark, and a torn entry above it: what lies behind the torn
 * one must not count, or the log would have a hole.
 */
static void expect_hole_ends(uint64_t damaged, uint64_t torn, uint64_t end,
			     uint32_t n)
{
	maker_flip(io, segment->fd, damaged, 1);
	maker_flip(io, segment->fd, torn, 1);
	read_tail(false);
	assert_int_equal(tail.entries.n_entries, n);
	assert_true(tail.end == end);
	assert_true(tail.stopped);
	maker_flip(io, segment->fd, damaged, 1);
	maker_flip(io, segment->fd, torn, 1);
}

static void test_behind_a_hole_above_the_mark_nothing_counts(void **state)
{
	uint64_t offs[5];

	(void)state;
	offs[0] = put_synced("a", 1, SEGMENT_HEADER_LEN);
	offs[1] = put_synced("b", 2, SEGMENT_HEADER_LEN);
	offs[2] = put_synced("c", 3, segment->len);
	offs[3] = put_synced("d", 4, offs[2]);
	offs[4] = put_synced("e", 5, offs[2]);
	/* damage right before the torn one, also as the first in the file */
	expect_hole_ends(offs[1], offs[2], offs[1], 1);
	expect_hole_ends(offs[0], offs[2], offs[2], 1);
	/* one good entry in between */
	expect_hole_ends(offs[1], offs[3], offs[3], 2);
	expect_hole_ends(offs[1], offs[4], offs[4], 3);
}

static void
test_the_first_being_damaged_the_torn_ones_do_not_count(void **state)
{
	uint64_t mark;

	(void)state;
	put_synced("a", 1, SEGMENT_HEADER_LEN);
	mark = segment->len;
	maker_batch(io, segment, 3, 2, mark);
	maker_flip(io, segment->fd, SEGMENT_HEADER_LEN, 1);
	/* the batch's head is torn, its members are not */
	maker_flip(io, segment->fd, mark, 1);
	read_tail(false);
	expect_entries(0, 0, 0);
	assert_true(tail.stopped);
}

/* The value's last bytes are zeros, as those behind the log's end. */
static void test_a_mark_in_an_entry_that_ends_in_zeros_counts(void **state)
{
	struct maker_entry last = { .key = "c",
				    .value_len = 100,
				    .sequence = 3 };
	uint64_t first;

	(void)state;
	first = put_synced("a", 1, SEGMENT_HEADER_LEN);
	put_synced("b", 2, SEGMENT_HEADER_LEN);
	last.synced_off = segment->len;
	maker_append(io, segment, &last);
	maker_flip(io, segment->fd, first, 1);
	read_tail(false);
	expect_entries(2, 2, 3);
	assert_true(tail.mark == last.synced_off);
	assert_int_equal(tail.n_damaged, 1);
}

static void test_all_synced_makes_everything_damage(void **state)
{
	uint64_t second;
	uint64_t last;

	(void)state;
	put_synced("a", 1, SEGMENT_HEADER_LEN);
	second = put_synced("b", 2, SEGMENT_HEADER_LEN);
	put_synced("c", 3, SEGMENT_HEADER_LEN);
	last = put_synced("d", 4, SEGMENT_HEADER_LEN);
	maker_flip(io, segment->fd, second, 1);
	maker_flip(io, segment->fd, last + ENTRY_HEAD_LEN + 1, 1);
	read_tail(true);
	expect_entries(3, 1, 4);
	assert_int_equal(tail.n_damaged, 2);
	assert_true(tail.end == segment->len);
}

static void test_all_synced_and_the_last_header_damaged(void **state)
{
	uint64_t last;

	(void)state;
	put_synced("a", 1, SEGMENT_HEADER_LEN);
	last = put_synced("b", 2, SEGMENT_HEADER_LEN);
	maker_flip(io, segment->fd, last, 1);
	read_tail(true);
	expect_entries(1, 1, 1);
	assert_int_equal(tail.n_damaged, 1);
	assert_true(tail.stopped);
	assert_true(tail.data_end == segment->len);
}

/* A damaged value that ends in zeros is no reason for an older one. */
static void
test_all_synced_with_zeros_at_the_end_of_a_damaged_value(void **state)
{
	uint8_t value[200] = "begins with text";
	const struct maker_entry last = { .key = "b",
					  .value = value,
					  .value_len = sizeof(value),
					  .sequence = 2 };
	uint64_t off;

	(void)state;
	maker_put(io, segment, "a", "1", 1);
	off = maker_append(io, segment, &last);
	maker_flip(io, segment->fd, off + ENTRY_HEAD_LEN + 1, 1);
	read_tail(true);
	expect_entries(2, 1, 2);
	assert_int_equal(tail.n_damaged, 1);
	assert_true(tail.end == segment->len);
}

static void test_all_synced_keeps_a_damaged_batch_apart(void **state)
{
	uint64_t begin;

	(void)state;
	maker_put(io, segment, "a", "1", 1);
	begin = maker_batch(io, segment, 3, 2, 0);
	maker_put(io, segment, "z", "1", 6);
	/* the head has no key to lose; a member's header has */
	maker_flip(io, segment->fd, begin, 1);
	read_tail(true);
	expect_entries(5, 1, 6);
	assert_int_equal(tail.n_damaged, 1);
	maker_flip(io, segment->fd, begin, 1);
	maker_flip(io, segment->fd, begin + 56, 1);
	read_tail(true);
	expect_entries(4, 1, 6);
	assert_int_equal(tail.n_damaged, 1);
}

static void test_garbage_behind_is_outside_the_log(void **state)
{
	uint64_t end;

	(void)state;
	maker_put(io, segment, "a", "1", 1);
	end = segment->len;
	assert_int_equal(
		io_pwrite_full(io, segment->fd, "garbage", 7, end + 100), 0);
	read_tail(false);
	expect_entries(1, 1, 1);
	assert_true(tail.end == end);
	assert_true(tail.data_end == (end + 107 + 7) / 8 * 8);
	assert_true(tail.stopped);
}

static void test_a_read_error_is_an_error(void **state)
{
	const struct simfs_fault fault = { .calls = 1u << SIMFS_PREAD,
					   .nth = 1,
					   .error = EIO };

	(void)state;
	maker_put(io, segment, "a", "1", 1);
	simfs_set_fault(fs, &fault);
	assert_int_equal(tail_read(&tail, io, segment, false), -EIO);
}

#define tail_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		tail_test(test_nothing_written_is_an_empty_tail),
		tail_test(test_whole_entries_and_zeros_behind),
		tail_test(test_a_full_segment_without_zeros),
		tail_test(test_a_cut_at_every_length),
		tail_test(test_a_batch_cut_at_every_length_is_whole_or_not),
		tail_test(test_a_batch_torn_in_any_byte_is_not_there),
		tail_test(test_a_batch_that_is_not_as_its_head_says),
		tail_test(test_a_gap_in_the_sequence_ends_the_log),
		tail_test(test_a_sequence_that_goes_back_ends_the_log),
		tail_test(
			test_below_the_mark_a_sequence_that_goes_back_is_damage),
		tail_test(test_above_the_mark_a_bad_entry_ends_the_log),
		tail_test(test_below_the_mark_a_bad_header_is_skipped),
		tail_test(test_below_the_mark_a_bad_value_is_kept_and_counted),
		tail_test(test_damage_up_to_the_mark_does_not_end_what_follows),
		tail_test(
			test_damage_in_the_first_entry_does_not_end_the_second),
		tail_test(test_behind_a_hole_above_the_mark_nothing_counts),
		tail_test(
			test_the_first_being_damaged_the_torn_ones_do_not_count),
		tail_test(test_a_mark_in_an_entry_that_ends_in_zeros_counts),
		tail_test(test_all_synced_makes_everything_damage),
		tail_test(test_all_synced_and_the_last_header_damaged),
		tail_test(
			test_all_synced_with_zeros_at_the_end_of_a_damaged_value),
		tail_test(test_all_synced_keeps_a_damaged_batch_apart),
		tail_test(test_garbage_behind_is_outside_the_log),
		tail_test(test_a_read_error_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
