#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "common/compaction_graves.h"
#include "tests/support/compaction_lab.h"

static struct graves graves;

static int set_up(void **state)
{
	lab_set_up(state);
	memset(&graves, 0, sizeof(graves));
	return 0;
}

static int tear_down(void **state)
{
	graves_deinit(&graves);
	return lab_tear_down(state);
}

static void add(const char *key, uint64_t sequence)
{
	assert_int_equal(
		graves_add(&graves, lab.secret, key, strlen(key), sequence), 0);
}

/* A sealed segment of one put, outside of the run. */
static struct segment *outside(const char *key, uint64_t sequence)
{
	struct segment *segment = lab_segment(1000);

	lab_put(segment, key, "value", sequence);
	lab_seal(segment);
	return segment;
}

static void decide(struct segment *const *segments, size_t n)
{
	assert_int_equal(graves_decide(&graves, lab.io, "/", maker_store_id,
				       segments, n),
			 0);
}

static void test_without_anything_outside_none_is_kept(void **state)
{
	(void)state;
	decide(NULL, 0);
	add("a", 5);
	add("b", 6);
	decide(NULL, 0);
	assert_false(graves_keeps(&graves, 0) || graves_keeps(&graves, 1));
	assert_int_equal(graves.blocker_id, 0);
}

static void test_an_older_put_outside_keeps_its_own(void **state)
{
	struct segment *segments[1];

	(void)state;
	segments[0] = outside("a", 1);
	add("b", 5);
	add("a", 6);
	decide(segments, 1);
	assert_false(graves_keeps(&graves, 0));
	assert_true(graves_keeps(&graves, 1));
	assert_int_equal(graves.blocker_id, segments[0]->id);
}

static void test_a_younger_put_outside_keeps_nothing(void **state)
{
	struct segment *segments[1];

	(void)state;
	segments[0] = outside("a", 7);
	add("a", 6);
	add("a", 7);
	decide(segments, 1);
	assert_false(graves_keeps(&graves, 0) || graves_keeps(&graves, 1));
}

/* It is the segment's lowest that counts: a copy has old ones behind new. */
static void test_one_old_entry_makes_a_segment_old(void **state)
{
	struct segment *segment = lab_segment(1000);

	(void)state;
	lab_put(segment, "z", "value", 90);
	lab_put(segment, "a", "value", 3);
	segment->first_sequence = 3;
	segment->last_sequence = 90;
	lab_seal(segment);
	add("a", 50);
	decide(&segment, 1);
	assert_true(graves_keeps(&graves, 0));
}

static void test_of_one_key_only_the_newest_is_kept(void **state)
{
	struct segment *segments[1];

	(void)state;
	segments[0] = outside("a", 1);
	add("a", 5);
	add("b", 6);
	add("a", 9);
	add("a", 7);
	decide(segments, 1);
	assert_false(graves_keeps(&graves, 0));
	assert_false(graves_keeps(&graves, 1));
	assert_true(graves_keeps(&graves, 2));
	assert_false(graves_keeps(&graves, 3));
}

static void test_44_a_dead_put_outside_counts_too(void **state)
{
	struct segment *segments[1];

	(void)state;
	segments[0] = lab_segment(1000);
	lab_put(segments[0], "a", "value", 1);
	lab_put(segments[0], "a", "value", 2);
	lab_delete(segments[0], "a", 3);
	lab_seal(segments[0]);
	add("a", 5);
	decide(segments, 1);
	assert_true(graves_keeps(&graves, 0));
}

static void test_a_tombstone_outside_is_no_put(void **state)
{
	struct segment *segments[1];

	(void)state;
	segments[0] = lab_segment(1000);
	lab_delete(segments[0], "a", 1);
	lab_seal(segments[0]);
	add("a", 5);
	decide(segments, 1);
	assert_false(graves_keeps(&graves, 0));
}

/* ---- doubts ---- */

static void expect_doubt(struct segment *segment)
{
	add("other", 5);
	decide(&segment, 1);
	assert_true(graves_keeps(&graves, 0));
	assert_int_equal(graves.blocker_id, segment->id);
	graves_deinit(&graves);
}

static void test_10_a_segment_without_a_hint_may_hold_any_key(void **state)
{
	struct segment *segment = outside("a", 1);

	(void)state;
	assert_int_equal(lab.io->unlink(lab.io, "/0000000001.hint"), 0);
	expect_doubt(segment);
}

static void test_10_a_damaged_filter_may_hold_any_key(void **state)
{
	struct segment *segment = outside("a", 1);
	int fd = lab.io->open(lab.io, "/0000000001.hint", O_RDWR);
	struct io_stat st;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(lab.io->stat(lab.io, fd, &st), 0);
	maker_flip(lab.io, fd, st.size - 9, 0x10);
	expect_doubt(segment);
	lab.io->close(lab.io, fd);
}

static void test_10_the_hint_of_another_length_may_hold_any_key(void **state)
{
	struct segment *segment = outside("a", 1);

	(void)state;
	segment->len += 64;
	expect_doubt(segment);
	segment->len -= 64;
}

static void test_a_hint_that_cannot_be_read_may_hold_any_key(void **state)
{
	struct segment *segment = outside("a", 1);

	(void)state;
	lab_set_fault(1u << SIMFS_PREAD, 1, EIO);
	expect_doubt(segment);
	lab_set_fault(1u << SIMFS_OPEN, 1, EMFILE);
	expect_doubt(segment);
	lab_set_fault(0, 0, 0);
}

/* ---- many ---- */

static void test_who_keeps_most_is_told(void **state)
{
	struct segment *segments[3];

	(void)state;
	segments[0] = outside("a", 1);
	segments[1] = lab_segment(1000);
	lab_put(segments[1], "b", "value", 2);
	lab_put(segments[1], "c", "value", 3);
	lab_seal(segments[1]);
	segments[2] = outside("d", 4);
	add("a", 11);
	add("b", 12);
	add("c", 13);
	add("d", 14);
	add("e", 15);
	decide(segments, 3);
	assert_int_equal(graves.blocker_id, segments[1]->id);
	assert_true(graves_keeps(&graves, 3));
	assert_false(graves_keeps(&graves, 4));
}

/* No hint is read for nothing: there may be thousands of segments. */
static void test_only_segments_that_may_be_older_are_asked(void **state)
{
	struct segment *segments[2];
	uint64_t n_opens;

	(void)state;
	segments[0] = outside("a", 1);
	segments[1] = outside("b", 100);
	add("a", 50);
	n_opens = simfs_n_calls(lab.fs, SIMFS_OPEN);
	decide(segments, 2);
	assert_int_equal(simfs_n_calls(lab.fs, SIMFS_OPEN), n_opens + 1);
}

static void test_many_graves_are_each_told_right(void **state)
{
	enum { N = 5000 };
	struct segment *segments[1];
	unsigned n_false = 0;

	(void)state;
	segments[0] = lab_segment((uint64_t)N * 64);
	for (unsigned i = 0; i < N; i += 2) {
		char key[12];

		snprintf(key, sizeof(key), "k%u", i);
		lab_put(segments[0], key, "v", i + 1);
	}
	lab_seal(segments[0]);
	for (unsigned i = 0; i < N; i++) {
		char key[12];

		snprintf(key, sizeof(key), "k%u", i);
		add(key, N + 1 + i);
	}
	decide(segments, 1);
	for (unsigned i = 0; i < N; i++) {
		if (i % 2 == 0)
			assert_true(graves_keeps(&graves, i));
		else
			n_false += graves_keeps(&graves, i);
	}
	/* about 1 % of 2,500 */
	assert_true(n_false < 75);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		test(test_without_anything_outside_none_is_kept),
		test(test_an_older_put_outside_keeps_its_own),
		test(test_a_younger_put_outside_keeps_nothing),
		test(test_one_old_entry_makes_a_segment_old),
		test(test_of_one_key_only_the_newest_is_kept),
		test(test_44_a_dead_put_outside_counts_too),
		test(test_a_tombstone_outside_is_no_put),
		test(test_10_a_segment_without_a_hint_may_hold_any_key),
		test(test_10_a_damaged_filter_may_hold_any_key),
		test(test_10_the_hint_of_another_length_may_hold_any_key),
		test(test_a_hint_that_cannot_be_read_may_hold_any_key),
		test(test_who_keeps_most_is_told),
		test(test_only_segments_that_may_be_older_are_asked),
		test(test_many_graves_are_each_told_right),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
