#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/compaction_output.h"
#include "common/segment_header.h"
#include "tests/support/compaction_lab.h"

enum {
	BUFFER = 1 << 20, /* what is gathered */
};

static struct compaction_output out;
static struct segment *replaced;

/* An output that takes the place of one segment, which is not looked at. */
static int set_up(void **state)
{
	lab_set_up(state);
	replaced = lab_segment(100);
	lab_begin_one(replaced);
	compaction_output_init(&out, &lab.run);
	return 0;
}

static int tear_down(void **state)
{
	compaction_output_deinit(&out);
	return lab_tear_down(state);
}

static int append(const struct maker_entry *from, uint32_t *off8)
{
	/* its image is of another place: segment 77, offset 800 */
	size_t len;
	uint8_t *image = maker_image(from, 77, 800, &len);
	struct entry entry;
	size_t need;
	int result;

	assert_int_equal(entry_decode(image, len, len, 77, 800, &entry, &need),
			 0);
	result = compaction_output_begin(&out, &entry, off8);
	if (result == 0) {
		size_t first = len < COMPACTION_PIECE_MAX
				       ? len
				       : entry_value_off(&entry);
		size_t done = first;

		result = compaction_output_entry(&out, image, first);
		while (result == 0 && done < len) {
			size_t n = len - done;

			if (n > COMPACTION_PIECE_MAX)
				n = COMPACTION_PIECE_MAX;
			result =
				compaction_output_append(&out, image + done, n);
			done += n;
		}
	}
	free(image);
	return result;
}

static uint32_t put(const char *key, size_t value_len, uint64_t sequence)
{
	const struct maker_entry entry = { .key = key,
					   .value_len = value_len,
					   .sequence = sequence };
	uint32_t off8 = 0;

	assert_int_equal(append(&entry, &off8), 0);
	return off8;
}

static struct segment *finish(void)
{
	assert_int_equal(compaction_output_finish(&out), 0);
	if (lab.run.output)
		assert_int_equal(segments_add(lab.table, lab.run.output), 0);
	return lab.run.output;
}

static void test_without_an_entry_there_is_no_file(void **state)
{
	(void)state;
	assert_null(finish());
	assert_int_equal(lab_n_files(".tmp"), 0);
	assert_int_equal(lab_n_files(".seg"), 1);
}

static void test_entries_are_made_to_fit_their_new_place(void **state)
{
	struct segment *output;
	struct lab_found found;
	uint32_t first = put("first", 10, 7);
	uint32_t second = put("second", 0, 3);

	(void)state;
	output = finish();
	assert_true(output->sealed);
	assert_int_equal(lab_n_entries(output), 2);
	assert_int_equal(first, output->header_len / 8);
	found = lab_find(output, ENTRY_PUT, "second", 6);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.off, (uint64_t)second * 8);
	assert_true(found.value_ok);
	assert_true(output->first_sequence == 3);
	assert_true(output->last_sequence == 7);
	assert_true(output->synced_len == output->len);
}

static void test_a_member_of_a_batch_becomes_an_entry_by_itself(void **state)
{
	const struct maker_entry member = { .flags = ENTRY_IN_BATCH,
					    .key = "m",
					    .value = "value",
					    .sequence = 5 };
	struct hint_entry line;
	struct hint hint;
	struct segment *output;
	uint32_t off8;

	(void)state;
	assert_int_equal(append(&member, &off8), 0);
	output = finish();
	assert_int_equal(lab_find(output, ENTRY_PUT, "m", 1).entry.flags, 0);
	/* nor does its hint say so */
	assert_int_equal(hint_load(&hint, lab.io, "/", maker_store_id,
				   output->id, output->len),
			 0);
	assert_true(hint_next(&hint, &line));
	assert_int_equal(line.flags, 0);
	hint_deinit(&hint);
}

static void test_the_hint_tells_what_is_in_it(void **state)
{
	struct hint_entry line;
	struct hint hint;
	struct segment *output;
	uint32_t off8 = put("key", 100, 9);

	(void)state;
	output = finish();
	assert_true(lab.run.hint_written);
	assert_int_equal(hint_load(&hint, lab.io, "/", maker_store_id,
				   output->id, output->len),
			 0);
	assert_true(hint.last_sequence == 9);
	assert_true(hint_next(&hint, &line));
	assert_int_equal(line.off8, off8);
	assert_true(line.sequence == 9);
	assert_false(hint_next(&hint, &line));
	assert_true(hint_may_hold(&hint, "key", 3));
	hint_deinit(&hint);
}

static void test_the_header_names_what_is_replaced(void **state)
{
	struct segment *output;
	uint32_t *ids;
	size_t n;

	(void)state;
	put("key", 100, 9);
	output = finish();
	assert_int_equal(segment_header_replaces(lab.io, "/", maker_store_id,
						 output->id, &ids, &n),
			 0);
	assert_int_equal(n, 1);
	assert_int_equal(ids[0], replaced->id);
	free(ids);
}

static void test_23_pieces_that_meet_the_end_of_the_buffer(void **state)
{
	struct segment *output;
	uint64_t sequence = 1;

	(void)state;
	for (int delta = -16; delta <= 16; delta += 8) {
		char key[8];
		int len;

		snprintf(key, sizeof(key), "%03d", delta);
		len = BUFFER - 43 + delta;
		put(key, (size_t)len, sequence++);
		snprintf(key, sizeof(key), "s%03d", delta);
		put(key, 3, sequence++);
	}
	output = finish();
	assert_int_equal(lab_n_entries(output), 10);
	assert_true(lab_find(output, ENTRY_PUT, "s-16", 4).value_ok);
	assert_true(lab_find(output, ENTRY_PUT, "008", 3).value_ok);
}

/* The room that was asked for was a guess. */
static void
test_an_output_longer_than_asked_can_be_read_to_its_end(void **state)
{
	struct segment *output;

	(void)state;
	lab.run.output_len = 100;
	put("a", 50000, 1);
	put("b", 50000, 2);
	output = finish();
	assert_true(output->capacity >= output->len);
	assert_int_equal(lab_n_entries(output), 2);
}

/* No place behind it could be told by the index. */
static void test_more_than_a_place_can_tell_is_refused(void **state)
{
	struct entry entry = { .kind = ENTRY_PUT,
			       .key = (const uint8_t *)"k",
			       .key_len = 1,
			       .value_len = SEGMENT_SHARED_MAX,
			       .sequence = 1 };
	uint32_t off8;

	(void)state;
	assert_int_equal(compaction_output_begin(&out, &entry, &off8), -EFBIG);
}

/* ---- failures ---- */

static void test_an_output_that_is_not_finished_is_removed(void **state)
{
	(void)state;
	put("key", 2 * BUFFER, 1);
	assert_int_equal(lab_n_files(".seg.tmp"), 1);
	compaction_output_deinit(&out);
	assert_int_equal(lab_n_files(".tmp"), 0);
	compaction_output_init(&out, &lab.run);
}

/* PITFALLS 14, 45: what the index will point to is synced, and named. */
static void test_45_a_finished_output_survives_a_power_cut(void **state)
{
	struct simfs *after;
	struct segment *output;
	struct segment *again;

	(void)state;
	put("key", 3 * BUFFER, 1);
	output = finish();
	after = simfs_crash_durable(lab.fs);
	assert_int_equal(segment_open(simfs_io(after), "/", maker_store_id,
				      output->id, &again),
			 0);
	assert_int_equal(again->header_len, output->header_len);
	again->len = output->len;
	lab.io = simfs_io(after);
	assert_true(lab_find(again, ENTRY_PUT, "key", 3).value_ok);
	lab.io = simfs_io(lab.fs);
	segment_free(simfs_io(after), again);
	simfs_free(after);
}

static void test_a_sync_that_failed_is_no_output(void **state)
{
	static const unsigned calls[] = { SIMFS_SYNC, SIMFS_SYNC_DIR,
					  SIMFS_RENAME };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		put("key", 100, 1);
		lab_set_fault(1u << calls[i], 1, EIO);
		assert_int_equal(compaction_output_finish(&out), -EIO);
		lab_set_fault(0, 0, 0);
		assert_null(lab.run.output);
		compaction_output_deinit(&out);
		compaction_output_init(&out, &lab.run);
		assert_int_equal(lab_n_files(".tmp"), 0);
		assert_int_equal(lab_n_files(".seg"), 1);
		assert_int_equal(lab_n_files(".hint"), 0);
	}
}

static void test_no_room_for_a_file_is_told(void **state)
{
	const struct maker_entry entry = { .key = "k",
					   .value = "v",
					   .sequence = 1 };
	uint32_t off8;

	(void)state;
	lab_set_fault(1u << SIMFS_ALLOCATE, 1, EDQUOT);
	assert_int_equal(append(&entry, &off8), -EDQUOT);
	lab_set_fault(0, 0, 0);
	assert_int_equal(lab_n_files(".tmp"), 0);
	put("k", 1, 1);
	assert_non_null(finish());
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		test(test_without_an_entry_there_is_no_file),
		test(test_entries_are_made_to_fit_their_new_place),
		test(test_a_member_of_a_batch_becomes_an_entry_by_itself),
		test(test_the_hint_tells_what_is_in_it),
		test(test_the_header_names_what_is_replaced),
		test(test_23_pieces_that_meet_the_end_of_the_buffer),
		test(test_an_output_longer_than_asked_can_be_read_to_its_end),
		test(test_more_than_a_place_can_tell_is_refused),
		test(test_an_output_that_is_not_finished_is_removed),
		test(test_45_a_finished_output_survives_a_power_cut),
		test(test_a_sync_that_failed_is_no_output),
		test(test_no_room_for_a_file_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
