#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/compaction.h"
#include "common/hint.h"
#include "tests/support/compaction_lab.h"

enum {
	WINDOW = 256 << 10, /* what compaction.c reads at once */
	BUFFER = 1 << 20,   /* what compaction_output.c gathers */
	KEY_MAX = 65535,
};

/* ---- what is copied ---- */

static void test_live_entries_are_copied_and_dead_ones_are_not(void **state)
{
	struct segment *input = lab_segment(1000);
	struct segment *output;
	struct lab_found found;

	(void)state;
	lab_put(input, "a", "old", 1);
	lab_put(input, "b", "only", 2);
	lab_put(input, "a", "new", 3);
	lab_seal(input);
	lab_begin_one(input);
	output = lab_copy();
	assert_int_equal(lab_n_entries(output), 2);
	found = lab_find(output, ENTRY_PUT, "a", 1);
	assert_int_equal(found.n, 1);
	assert_true(found.value_ok);
	/* what a client has seen as its version */
	assert_true(found.entry.sequence == 3);
	assert_true(found.entry.timestamp_ms == 1700000000000);
	assert_true(output->first_sequence == 2);
	assert_true(output->last_sequence == 3);
	assert_int_equal(lab.run.n_moves, 2);
	assert_true(lab.run.bytes_done == input->len);
	assert_int_equal(lab_install(), 0);
	lab_end();
	lab_expect("a", "new", 3);
	lab_expect("b", "only", 4);
	assert_false(lab_n_files("0000000001.") > 0);
}

static void test_nothing_to_keep_makes_no_output(void **state)
{
	struct segment *input = lab_segment(1000);

	(void)state;
	lab_put(input, "a", "value", 1);
	lab_delete(input, "a", 2);
	lab_seal(input);
	lab_begin_one(input);
	assert_null(lab_copy());
	assert_int_equal(lab_install(), 0);
	lab_end();
	assert_int_equal(lab_n_files(".seg"), 0);
}

static void test_several_inputs_make_one_output(void **state)
{
	struct segment *inputs[3];
	struct segment *output;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		char key[8];

		inputs[i] = lab_segment(1000);
		lab_put(inputs[i], "same", "value", i * 10 + 1);
		snprintf(key, sizeof(key), "k%u", i);
		lab_put(inputs[i], key, "value", i * 10 + 2);
		lab_seal(inputs[i]);
	}
	lab_begin(inputs, 3);
	output = lab_copy();
	assert_int_equal(lab_n_entries(output), 4);
	assert_true(output->first_sequence == 2);
	assert_true(output->last_sequence == 22);
	assert_true(lab_find(output, ENTRY_PUT, "same", 4).entry.sequence ==
		    21);
	assert_int_equal(lab_install(), 0);
	lab_end();
	assert_int_equal(lab_n_files(".seg"), 1);
}

/* There is no run of them any more for a head to count. */
static void test_members_of_a_batch_are_copied_one_by_one(void **state)
{
	struct segment *input = lab_segment(4000);
	struct segment *output;
	struct lab_found found;

	(void)state;
	maker_batch(lab.io, input, 3, 1, 0);
	/* as the log has it: the index knows two of the three */
	input->len = input->header_len;
	lab_add(input,
		&(struct maker_entry){ .kind = ENTRY_BATCH,
				       .value = "\3\0\0\0\0\0\0\0\220\0\0\0"
						"\0\0\0\0",
				       .value_len = ENTRY_BATCH_VALUE_LEN,
				       .sequence = 1 });
	for (unsigned i = 0; i < 3; i++) {
		char key[3] = { 'b', (char)('0' + i), 0 };

		lab_add(input, &(struct maker_entry){ .flags = ENTRY_IN_BATCH,
						      .key = key,
						      .value = "value",
						      .sequence = i + 2 });
	}
	lab_put(input, "b1", "later", 5);
	lab_seal(input);
	lab_begin_one(input);
	output = lab_copy();
	assert_int_equal(lab_n_entries(output), 3);
	found = lab_find(output, ENTRY_PUT, "b2", 2);
	assert_int_equal(found.entry.flags, 0);
	assert_true(found.entry.sequence == 4);
	assert_int_equal(lab_install(), 0);
	lab_end();
	lab_expect("b0", "value", 5);
	lab_expect("b1", "later", 5);
}

static void test_empty_values_and_the_longest_keys(void **state)
{
	struct segment *input = lab_segment(3 * KEY_MAX);
	char *key = malloc(KEY_MAX + 1);
	struct segment *output;

	(void)state;
	memset(key, 'k', KEY_MAX);
	key[KEY_MAX] = 0;
	lab_put(input, "empty", "", 1);
	lab_add(input, &(struct maker_entry){ .key = key,
					      .key_len = KEY_MAX,
					      .value = "",
					      .sequence = 2 });
	key[0] = 'l';
	lab_put(input, key, "value", 3);
	lab_seal(input);
	lab_begin_one(input);
	output = lab_copy();
	assert_int_equal(lab_n_entries(output), 3);
	assert_int_equal(lab_install(), 0);
	lab_end();
	lab_expect("empty", "", 0);
	lab_expect(key, "value", 5);
	free(key);
}

/* ---- PITFALLS 23: off by one at the boundaries of buffers ---- */

static uint8_t *make_value(size_t len, unsigned seed)
{
	uint8_t *value = malloc(len + 1);

	for (size_t i = 0; i < len; i++)
		value[i] = (uint8_t)(i * 31 + i / 251 + seed);
	return value;
}

/* Entries around LEN bytes, with neighbours, from several offsets. */
static void copy_around(size_t len)
{
	enum { HEAD = 40 + 2, N = 7 };
	struct segment *input = lab_segment(N * len + 4096);
	uint8_t *values[N];
	size_t lens[N];

	lab_put(input, "before", "x", 1);
	for (unsigned i = 0; i < N; i++) {
		char key[3] = { 'v', (char)('0' + i), 0 };

		/* less, just, more: of the value and of the whole entry */
		lens[i] = i < 3	  ? len - 1 + i
			  : i < 6 ? len - HEAD - 1 + (i - 3)
				  : len - HEAD + 8;
		values[i] = make_value(lens[i], i);
		lab_add(input, &(struct maker_entry){ .key = key,
						      .value = values[i],
						      .value_len = lens[i],
						      .sequence = i + 2 });
	}
	lab_put(input, "behind", "y", 100);
	lab_seal(input);
	lab_begin_one(input);
	assert_int_equal(lab_n_entries(lab_copy()), N + 2);
	assert_int_equal(lab_install(), 0);
	lab_end();
	lab_expect("before", "x", 1);
	lab_expect("behind", "y", 1);
	for (unsigned i = 0; i < N; i++) {
		char key[3] = { 'v', (char)('0' + i), 0 };

		lab_expect(key, values[i], lens[i]);
		free(values[i]);
	}
}

static void test_23_values_around_the_window(void **state)
{
	(void)state;
	copy_around(WINDOW);
}

static void test_23_values_around_several_windows(void **state)
{
	(void)state;
	copy_around((size_t)2 * WINDOW);
	copy_around((size_t)3 * WINDOW);
}

static void test_23_values_around_the_buffer(void **state)
{
	(void)state;
	copy_around(BUFFER);
	copy_around((size_t)2 * BUFFER);
}

/* Small ones that meet the end of a window and of the buffer anyhow. */
static void test_23_many_small_ones_over_several_buffers(void **state)
{
	enum { N = 3000, STEP = 997 };
	struct segment *input = lab_segment((uint64_t)5 << 20);

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		char key[12];
		uint8_t *value = make_value(STEP + i % 13, i);

		snprintf(key, sizeof(key), "k%u", i);
		lab_add(input,
			&(struct maker_entry){ .key = key,
					       .value = value,
					       .value_len = STEP + i % 13,
					       .sequence = i + 1 });
		free(value);
	}
	lab_seal(input);
	lab_begin_one(input);
	assert_int_equal(lab_n_entries(lab_copy()), N);
	assert_int_equal(lab_install(), 0);
	lab_end();
	for (unsigned i = 0; i < N; i++) {
		char key[12];
		uint8_t *value = make_value(STEP + i % 13, i);

		snprintf(key, sizeof(key), "k%u", i);
		lab_expect(key, value, STEP + i % 13);
		free(value);
	}
}

/* ---- tombstones, and what has expired ---- */

static void add_expiring(struct segment *segment, const char *key,
			 uint64_t expires_at_ms, uint64_t sequence)
{
	lab_add(segment, &(struct maker_entry){ .key = key,
						.value = "value",
						.expires_at_ms = expires_at_ms,
						.sequence = sequence });
}

static void test_a_tombstone_goes_when_nothing_older_may_be_left(void **state)
{
	struct segment *input = lab_segment(1000);
	struct segment *newer = lab_segment(1000);

	(void)state;
	lab_delete(input, "a", 1);
	lab_put(input, "b", "value", 2);
	lab_seal(input);
	/* younger: no put in it can be covered by the tombstone */
	lab_put(newer, "a", "value", 3);
	lab_delete(newer, "a", 4);
	lab_seal(newer);
	lab_begin_one(input);
	assert_int_equal(lab_n_entries(lab_copy()), 1);
	assert_true(lab.run.kept_tombstone_bytes == 0);
	assert_int_equal(lab.run.blocker_id, 0);
}

static void test_a_tombstone_stays_while_an_older_put_is_left(void **state)
{
	struct segment *older = lab_segment(1000);
	struct segment *input = lab_segment(1000);
	struct segment *output;
	struct lab_found found;

	(void)state;
	lab_put(older, "a", "value", 1);
	lab_seal(older);
	lab_delete(input, "a", 2);
	lab_delete(input, "never", 3);
	lab_seal(input);
	lab_begin_one(input);
	output = lab_copy();
	found = lab_find(output, ENTRY_TOMBSTONE, "a", 1);
	assert_int_equal(lab_n_entries(output), 1);
	assert_int_equal(found.n, 1);
	assert_true(found.entry.sequence == 2);
	assert_true(lab.run.kept_tombstone_bytes ==
		    entry_total_len(&found.entry));
	assert_int_equal(lab.run.blocker_id, older->id);
	assert_int_equal(lab.run.n_moves, 0);
}

static void test_a_tombstone_under_a_newer_put_goes(void **state)
{
	struct segment *older = lab_segment(1000);
	struct segment *input = lab_segment(1000);
	struct segment *open = lab_segment(1000);

	(void)state;
	lab_put(older, "a", "value", 1);
	lab_seal(older);
	lab_delete(input, "a", 2);
	lab_seal(input);
	lab_put(open, "a", "again", 3);
	lab_begin_one(input);
	assert_null(lab_copy());
}

static void test_what_has_expired_goes(void **state)
{
	struct segment *input = lab_segment(1000);
	uint64_t now = lab.io->clock_ms(lab.io);

	(void)state;
	add_expiring(input, "past", now, 1);
	add_expiring(input, "future", now + 1, 2);
	lab_seal(input);
	lab_begin_one(input);
	assert_int_equal(lab_n_entries(lab_copy()), 1);
	assert_int_equal(lab.run.n_moves, 2);
	assert_int_equal(lab_install(), 0);
	lab_end();
	lab_expect("past", NULL, 0);
	lab_expect("future", "value", 5);
}

static void
test_39_what_has_expired_leaves_a_tombstone_over_an_older_put(void **state)
{
	struct segment *older = lab_segment(1000);
	struct segment *input = lab_segment(1000);
	uint64_t now = lab.io->clock_ms(lab.io);
	struct segment *output;
	struct lab_found found;

	(void)state;
	lab_put(older, "a", "for ever", 1);
	lab_seal(older);
	add_expiring(input, "a", now - 1, 2);
	lab_seal(input);
	lab_begin_one(input);
	output = lab_copy();
	assert_int_equal(lab_n_entries(output), 1);
	found = lab_find(output, ENTRY_TOMBSTONE, "a", 1);
	assert_int_equal(found.n, 1);
	assert_true(found.entry.sequence == 2);
	assert_true(found.value_ok);
	assert_true(lab.run.kept_tombstone_bytes ==
		    entry_total_len(&found.entry));
	assert_int_equal(lab_install(), 0);
	lab_end();
	lab_expect("a", NULL, 0);
}

/* What was replaced before its time was over needs no tombstone. */
static void test_what_has_expired_under_a_newer_put_goes(void **state)
{
	struct segment *older = lab_segment(1000);
	struct segment *input = lab_segment(1000);

	(void)state;
	lab_put(older, "a", "first", 1);
	lab_seal(older);
	add_expiring(input, "a", 1, 2);
	lab_put(input, "a", "last", 3);
	lab_seal(input);
	lab_begin_one(input);
	assert_int_equal(lab_n_entries(lab_copy()), 1);
	assert_int_equal(lab_install(), 0);
	lab_end();
	lab_expect("a", "last", 4);
}

int main(void)
{
#define test(name)                                                             \
	cmocka_unit_test_setup_teardown(name, lab_set_up, lab_tear_down)
	const struct CMUnitTest tests[] = {
		test(test_live_entries_are_copied_and_dead_ones_are_not),
		test(test_nothing_to_keep_makes_no_output),
		test(test_several_inputs_make_one_output),
		test(test_members_of_a_batch_are_copied_one_by_one),
		test(test_empty_values_and_the_longest_keys),
		test(test_23_values_around_the_window),
		test(test_23_values_around_several_windows),
		test(test_23_values_around_the_buffer),
		test(test_23_many_small_ones_over_several_buffers),
		test(test_a_tombstone_goes_when_nothing_older_may_be_left),
		test(test_a_tombstone_stays_while_an_older_put_is_left),
		test(test_a_tombstone_under_a_newer_put_goes),
		test(test_what_has_expired_goes),
		test(test_39_what_has_expired_leaves_a_tombstone_over_an_older_put),
		test(test_what_has_expired_under_a_newer_put_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
