/*
 * Stores made by hand that no damaged byte gives: what check says of batches,
 * sequences and manifests that break the rules.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/hint_builder.h"
#include "common/manifest.h"
#include "tests/support/rest_kit.h"
#include "tests/support/segment_maker.h"
#include "tests/support/store_kit.h"

#define MADE "/made"

enum {
	CAPACITY = 4096,
	NEXT_SEQUENCE = 100,
};

static struct simfs *fs;
static struct io *io;
static struct manifest manifest;
static struct rest_found found;

static int set_up(void **state)
{
	(void)state;
	fs = simfs_new();
	io = simfs_io(fs);
	assert_int_equal(io->mkdir(io, MADE), 0);
	memset(&manifest, 0, sizeof(manifest));
	memcpy(manifest.store_id, maker_store_id, SEGMENT_STORE_ID_LEN);
	manifest.floor = 1;
	manifest.next_sequence = NEXT_SEQUENCE;
	manifest.next_segment = 1;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	manifest_deinit(&manifest);
	assert_int_equal(simfs_n_open(fs), 0);
	simfs_free(fs);
	return 0;
}

static struct segment *begin_segment(void)
{
	return maker_segment(io, MADE, manifest.next_segment++, CAPACITY);
}

/* Lists it, and lets go of it. */
static void list(struct segment *segment, enum manifest_state state)
{
	struct manifest_segment *row;

	assert_int_equal(manifest_add(&manifest, segment->id, state), 0);
	row = manifest_find(&manifest, segment->id);
	if (state == MANIFEST_SEALED) {
		row->len = segment->len;
		row->last_sequence = segment->last_sequence;
	}
	segment_free(io, segment);
}

static void look(void)
{
	assert_int_equal(manifest_store(io, MADE, &manifest), 0);
	rest_check(fs, MADE, &found);
	if (found.result != 0)
		rest_print(&found);
	assert_int_equal(found.result, 0);
}

static void expect_one(enum finding_kind kind, const char *text)
{
	if (found.report.n_damaged != 1 || rest_count(&found, kind, NULL) == 0)
		rest_print(&found);
	assert_int_equal(found.report.n_damaged, 1);
	assert_non_null(strstr(rest_first(&found, kind)->text, text));
	assert_true(rest_first(&found, kind)->is_damage);
}

/* ---- batches ---- */

/* A head that promises COUNT members of RUN_LEN bytes. */
static void put_head(struct segment *segment, uint32_t count, uint64_t run_len,
		     uint64_t sequence)
{
	uint8_t value[ENTRY_BATCH_VALUE_LEN];
	const struct maker_entry head = { .kind = ENTRY_BATCH,
					  .value = value,
					  .value_len = sizeof(value),
					  .sequence = sequence };

	entry_batch_put(value, count, run_len);
	maker_append(io, segment, &head);
}

static void put_member(struct segment *segment, uint8_t flags,
		       uint64_t sequence)
{
	const struct maker_entry member = { .flags = flags,
					    .key = "key",
					    .value = "value",
					    .sequence = sequence };

	maker_append(io, segment, &member);
}

/* Members are SEQUENCES, up to the first 0. */
static void check_batch(uint32_t count, uint64_t run_len, uint8_t flags,
			const uint64_t *sequences)
{
	struct segment *segment = begin_segment();

	put_head(segment, count, run_len, 1);
	for (; *sequences != 0; sequences++)
		put_member(segment, flags, *sequences);
	list(segment, MANIFEST_SEALED);
	look();
}

static void test_a_whole_batch(void **state)
{
	uint64_t len = entry_len(3, 5, false);

	(void)state;
	check_batch(2, 2 * len, ENTRY_IN_BATCH, (const uint64_t[]){ 2, 3, 0 });
	assert_int_equal(found.report.n_damaged, 0);
}

static void test_a_batch_that_is_not_what_its_head_tells(void **state)
{
	static const char text[] = "not those that its head tells of";
	uint64_t len = entry_len(3, 5, false);

	(void)state;
	/* each in a store of its own */
	check_batch(3, 3 * len, ENTRY_IN_BATCH, (const uint64_t[]){ 2, 3, 0 });
	expect_one(FINDING_BATCH, text);
	tear_down(state);
	set_up(state);
	check_batch(2, 3 * len, ENTRY_IN_BATCH, (const uint64_t[]){ 2, 3, 0 });
	expect_one(FINDING_BATCH, text);
	tear_down(state);
	set_up(state);
	check_batch(2, 2 * len, 0, (const uint64_t[]){ 2, 3, 0 });
	expect_one(FINDING_BATCH, text);
	tear_down(state);
	set_up(state);
	check_batch(2, 2 * len, ENTRY_IN_BATCH, (const uint64_t[]){ 2, 9, 0 });
	expect_one(FINDING_BATCH, text);
}

static void test_a_batch_that_begins_inside_of_another(void **state)
{
	struct segment *segment = begin_segment();
	uint64_t len = entry_len(3, 5, false);

	(void)state;
	put_head(segment, 2, 2 * len, 1);
	put_head(segment, 1, len, 2);
	put_member(segment, ENTRY_IN_BATCH, 3);
	list(segment, MANIFEST_SEALED);
	look();
	expect_one(FINDING_BATCH, "not those");
	assert_int_equal(rest_first(&found, FINDING_BATCH)->off,
			 SEGMENT_HEADER_LEN);
}

/* ---- sequences ---- */

static void test_sequences_that_do_not_grow(void **state)
{
	struct segment *segment = begin_segment();

	(void)state;
	maker_put(io, segment, "a", "1", 4);
	maker_put(io, segment, "b", "2", 3);
	maker_put(io, segment, "c", "3", 5);
	list(segment, MANIFEST_SEALED);
	look();
	expect_one(FINDING_SEQUENCE, "not above the one before");
}

static void test_a_sequence_above_the_manifest_s(void **state)
{
	struct segment *segment = begin_segment();

	(void)state;
	maker_put(io, segment, "a", "1", NEXT_SEQUENCE);
	list(segment, MANIFEST_SEALED);
	look();
	expect_one(FINDING_SEQUENCE, "above the highest one");
}

static void test_one_sequence_for_two_entries(void **state)
{
	struct segment *segment = begin_segment();

	(void)state;
	maker_put(io, segment, "a", "1", 1);
	maker_put(io, segment, "b", "2", 2);
	list(segment, MANIFEST_SEALED);
	segment = begin_segment();
	/* a copy is fine, another value is not */
	maker_put(io, segment, "a", "1", 1);
	maker_put(io, segment, "b", "3", 2);
	list(segment, MANIFEST_SEALED);
	look();
	expect_one(FINDING_SEQUENCE, "two entries have the sequence number 2");
}

static void test_entries_that_are_missing_before_a_tail(void **state)
{
	struct segment *segment = begin_segment();

	(void)state;
	maker_put(io, segment, "a", "1", NEXT_SEQUENCE + 5);
	list(segment, MANIFEST_OPEN);
	look();
	expect_one(FINDING_SEQUENCE, "before this segment's are missing");
}

static void test_a_synced_end_that_is_no_entry_any_more(void **state)
{
	struct segment *segment = begin_segment();
	uint64_t off;

	(void)state;
	maker_put(io, segment, "a", "1", NEXT_SEQUENCE);
	off = maker_put(io, segment, "b", "2", NEXT_SEQUENCE + 1);
	maker_flip(io, segment->fd, off, 1);
	list(segment, MANIFEST_OPEN);
	segment = begin_segment();
	/* nothing is written here before that one is synced */
	maker_put(io, segment, "c", "3", NEXT_SEQUENCE + 2);
	list(segment, MANIFEST_OPEN);
	look();
	expect_one(FINDING_BYTES, "though it had been synced");
	assert_int_equal(rest_first(&found, FINDING_BYTES)->off, off);
}

/* ---- the rest ---- */

static void test_entries_below_the_floor_do_not_count(void **state)
{
	struct segment *segment = begin_segment();

	(void)state;
	maker_put(io, segment, "a", "1", 1);
	maker_put(io, segment, "a", "1", 9);
	list(segment, MANIFEST_SEALED);
	segment = begin_segment();
	maker_put(io, segment, "a", "another", 1);
	maker_put(io, segment, "b", "1", 10);
	list(segment, MANIFEST_SEALED);
	manifest.floor = 5;
	look();
	assert_int_equal(found.report.n_damaged, 0);
}

static void test_a_hint_with_another_last_sequence(void **state)
{
	struct segment *segment = begin_segment();
	struct hint_builder builder;

	(void)state;
	hint_builder_init(&builder);
	builder.last_sequence = 7;
	assert_int_equal(hint_builder_write(&builder, io, MADE, maker_store_id,
					    segment->id, segment->len),
			 0);
	hint_builder_deinit(&builder);
	list(segment, MANIFEST_SEALED);
	look();
	expect_one(FINDING_HINT, "another last sequence number");
}

static void test_manifests_of_two_generations(void **state)
{
	size_t len;
	uint8_t *older;

	(void)state;
	look();
	older = kit_read(io, MADE, "MANIFEST.1", &len);
	assert_int_equal(manifest_store(io, MADE, &manifest), 0);
	kit_write(io, MADE, "MANIFEST.1", older, len);
	free(older);
	rest_check(fs, MADE, &found);
	assert_int_equal(found.report.n_damaged, 0);
	assert_int_equal(rest_count(&found, FINDING_MANIFEST, NULL), 1);
	assert_non_null(strstr(rest_first(&found, FINDING_MANIFEST)->text,
			       "two generations"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_whole_batch),
		TEST(test_a_batch_that_is_not_what_its_head_tells),
		TEST(test_a_batch_that_begins_inside_of_another),
		TEST(test_sequences_that_do_not_grow),
		TEST(test_a_sequence_above_the_manifest_s),
		TEST(test_one_sequence_for_two_entries),
		TEST(test_entries_that_are_missing_before_a_tail),
		TEST(test_a_synced_end_that_is_no_entry_any_more),
		TEST(test_entries_below_the_floor_do_not_count),
		TEST(test_a_hint_with_another_last_sequence),
		TEST(test_manifests_of_two_generations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
