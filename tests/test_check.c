/*
 * Damage of every kind to a store at rest, and what check says of it.
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

#include "common/bytes.h"
#include "common/checksum.h"
#include "common/hint.h"
#include "common/inventory.h"
#include "tests/support/rest_kit.h"
#include "tests/support/segment_maker.h"
#include "tests/support/store_kit.h"

#define FIRST  "0000000001.seg"
#define SECOND "0000000003.seg"
#define THIRD  "0000000005.seg"
#define HINT   "0000000003.hint"

enum {
	FIRST_ID = 1,
	SECOND_ID = 3,
	THIRD_ID = 5,
	SAMPLE_STEP = 13,
	NEWER_FORMAT = 99,
};

static struct simfs *fs;
static struct io *io;
static struct rest_found found;

static int set_up(void **state)
{
	(void)state;
	fs = rest_new(false);
	io = simfs_io(fs);
	return 0;
}

static int set_up_killed(void **state)
{
	(void)state;
	fs = rest_new(true);
	io = simfs_io(fs);
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

/* Checks, and that nothing at all was changed. */
static void look(void)
{
	uint64_t hash = simfs_hash(fs);

	rest_check(fs, REST_DIR, &found);
	assert_true(simfs_hash(fs) == hash);
	assert_int_equal(simfs_n_open(fs), 0);
	assert_int_equal(found.report.n_damaged + found.report.n_notes,
			 found.result == 0 ? found.n : 0);
}

#define expect_damage(kind, key) expect_damage_at(kind, key, __LINE__)
static void expect_damage_at(enum finding_kind kind, const char *key, int line)
{
	if (found.result == 0 && rest_count(&found, kind, key) == 1 &&
	    found.report.n_damaged == 1)
		return;
	rest_print(&found);
	_fail(__FILE__, line);
}

#define expect_whole() expect_whole_at(__LINE__)
static void expect_whole_at(int line)
{
	if (found.result == 0 && found.report.n_damaged == 0)
		return;
	rest_print(&found);
	_fail(__FILE__, line);
}

static void expect_refused(int result, const char *text)
{
	look();
	rest_print(&found);
	assert_int_equal(found.result, result);
	assert_non_null(strstr(found.error.text, text));
}

/* ---- whole stores ---- */

static void test_a_whole_store_has_no_findings(void **state)
{
	(void)state;
	look();
	expect_whole();
	assert_int_equal(found.n, 0);
	assert_int_equal(found.report.n_segments, REST_SEGMENTS);
	/* 7, 7 and 8 writes; a batch counts its members and its head */
	assert_int_equal(found.report.n_entries, 9 + 9 + 10);
	assert_false(found.report.unclean);
}

static void test_a_killed_store_is_whole_but_unclean(void **state)
{
	(void)state;
	look();
	expect_whole();
	assert_true(found.report.unclean);
}

static void test_an_empty_store_is_whole(void **state)
{
	(void)state;
	kit_close(kit_open(io, "/empty"));
	rest_check(fs, "/empty", &found);
	expect_whole();
	assert_int_equal(found.report.n_segments, 0);
}

static void test_a_cleared_store_is_whole(void **state)
{
	struct store *store = kit_open(io, REST_DIR);

	(void)state;
	assert_int_equal(store_clear(store), 0);
	kit_put(store, "after", "clear");
	kit_close(store);
	look();
	expect_whole();
	assert_int_equal(found.n, 0);
}

static void test_a_compacted_store_is_whole(void **state)
{
	struct store *store = kit_open(io, REST_DIR);

	(void)state;
	assert_int_equal(store_compact(store), 0);
	kit_put(store, "after", "compaction");
	kit_close(store);
	look();
	expect_whole();
	assert_int_equal(found.n, 0);
	assert_int_equal(found.report.n_segments, 2);
}

/* ---- what is refused ---- */

static void test_a_store_in_use_is_refused(void **state)
{
	struct store *store = kit_open(io, REST_DIR);

	(void)state;
	rest_check(fs, REST_DIR, &found);
	assert_int_equal(found.result, -EWOULDBLOCK);
	assert_non_null(strstr(found.error.text, "in use by process"));
	kit_close(store);
}

static void test_no_folder_and_no_store_are_refused(void **state)
{
	(void)state;
	rest_check(fs, "/missing", &found);
	assert_int_equal(found.result, -ENOENT);
	assert_int_equal(io->mkdir(io, "/bare"), 0);
	kit_write(io, "/bare", "a file", "text", 4);
	rest_check(fs, "/bare", &found);
	assert_int_equal(found.result, -ENODATA);
	assert_non_null(strstr(found.error.text, "is no store"));
}

static void test_a_folder_that_may_not_be_read_is_refused(void **state)
{
	const struct simfs_fault fault = { .calls = 1u << SIMFS_OPEN,
					   .nth = 1,
					   .from_then = true,
					   .error = EACCES };

	(void)state;
	simfs_set_fault(fs, &fault);
	expect_refused(-EACCES, "run as the store's owner");
	simfs_set_fault(fs, NULL);
}

static void test_an_unfinished_repair_is_refused(void **state)
{
	(void)state;
	kit_write(io, REST_DIR, INVENTORY_UNFINISHED, "text", 4);
	expect_refused(-EBUSY, "a repair that was not finished");
}

static void make_newer(const char *name, size_t crc_len)
{
	size_t len;
	uint8_t *data = kit_read(io, REST_DIR, name, &len);

	data[12] = NEWER_FORMAT;
	memset(data + 8, 0, 4);
	bytes_put32(data + 8, crc32c(0, data, crc_len ? crc_len : len));
	kit_write(io, REST_DIR, name, data, len);
	free(data);
}

static void test_a_newer_format_is_refused(void **state)
{
	(void)state;
	make_newer(THIRD, SEGMENT_HEADER_LEN);
	expect_refused(-EPROTONOSUPPORT, "newer format");
	make_newer("MANIFEST.1", 0);
	expect_refused(-EPROTONOSUPPORT, "newer format");
}

/* ---- damage ---- */

static void test_a_damaged_value_is_named(void **state)
{
	struct kit_place place = kit_find(io, REST_DIR, THIRD_ID, "a");

	(void)state;
	kit_flip(io, REST_DIR, THIRD, place.value_off, 1);
	look();
	expect_damage(FINDING_VALUE, "a");
	assert_int_equal(found.at[0].segment_id, THIRD_ID);
	assert_int_equal(found.at[0].off, place.off);
	assert_int_equal(found.at[0].len, place.len);
}

static void test_a_damaged_header_is_named_by_the_hint(void **state)
{
	struct kit_place place = kit_find(io, REST_DIR, SECOND_ID, "gone1");

	(void)state;
	kit_flip(io, REST_DIR, SECOND, place.off, 1);
	look();
	expect_damage(FINDING_ENTRY, "gone1");
	assert_non_null(strstr(found.at[0].text, "deletion"));
	/* without it nobody can tell */
	kit_unlink(io, REST_DIR, HINT);
	look();
	expect_damage(FINDING_BYTES, "");
	assert_int_equal(found.at[1].off, place.off);
	assert_int_equal(found.at[1].len, place.len);
}

static void test_a_damaged_batch_head(void **state)
{
	struct kit_place place = kit_find(io, REST_DIR, SECOND_ID, NULL);

	(void)state;
	kit_flip(io, REST_DIR, SECOND, place.value_off, 1);
	look();
	expect_damage(FINDING_VALUE, "");
	kit_flip(io, REST_DIR, SECOND, place.off, 1);
	look();
	expect_damage(FINDING_BYTES, "");
}

static void test_a_damaged_segment_header(void **state)
{
	(void)state;
	kit_flip(io, REST_DIR, FIRST, 40, 1);
	look();
	expect_damage(FINDING_HEADER, NULL);
}

static void test_a_missing_segment_is_named_by_its_hint(void **state)
{
	(void)state;
	kit_unlink(io, REST_DIR, FIRST);
	look();
	assert_int_equal(rest_count(&found, FINDING_SEGMENT, NULL), 1);
	assert_int_equal(rest_count(&found, FINDING_ENTRY, "alone1"), 1);
	assert_int_equal(found.report.n_damaged, 1 + 8);
}

static void test_a_segment_of_another_name_is_not_taken_for_it(void **state)
{
	size_t len;
	uint8_t *data = kit_read(io, REST_DIR, FIRST, &len);

	(void)state;
	kit_write(io, REST_DIR, SECOND, data, len);
	free(data);
	look();
	assert_int_equal(rest_count(&found, FINDING_SEGMENT, NULL), 1);
}

static void test_a_segment_that_is_shorter_than_sealed(void **state)
{
	struct kit_place place = kit_find(io, REST_DIR, THIRD_ID, "alone3");

	(void)state;
	kit_cut(io, REST_DIR, THIRD, place.off + 8);
	look();
	expect_damage(FINDING_ENTRY, "alone3");
}

static void test_bytes_behind_the_sealed_end_are_a_note(void **state)
{
	uint64_t end = kit_segment_end(io, REST_DIR, FIRST_ID);

	(void)state;
	kit_flip(io, REST_DIR, FIRST, end + 100, 1);
	look();
	expect_whole();
	assert_int_equal(rest_count(&found, FINDING_TAIL, NULL), 1);
}

static void test_damaged_hints_and_manifests(void **state)
{
	(void)state;
	kit_flip(io, REST_DIR, HINT, 70, 1);
	look();
	expect_damage(FINDING_HINT, NULL);
	kit_unlink(io, REST_DIR, HINT);
	look();
	expect_whole();
	assert_int_equal(rest_count(&found, FINDING_HINT, NULL), 1);
	kit_flip(io, REST_DIR, "MANIFEST.0", 20, 1);
	look();
	expect_damage(FINDING_MANIFEST, NULL);
	kit_unlink(io, REST_DIR, "MANIFEST.0");
	look();
	expect_damage(FINDING_MANIFEST, NULL);
}

static void test_a_hint_that_does_not_agree_with_its_segment(void **state)
{
	struct manifest manifest;
	struct hint_builder builder;
	struct segment *segment;
	struct segment_reader reader;
	struct segment_entry entry;

	(void)state;
	kit_manifest(io, REST_DIR, &manifest);
	assert_int_equal(segment_open(io, REST_DIR, manifest.store_id,
				      SECOND_ID, &segment),
			 0);
	hint_builder_init(&builder);
	assert_int_equal(segment_reader_init(&reader, io, segment,
					     segment->header_len,
					     segment->capacity),
			 0);
	while (segment_reader_next(&reader, false, &entry) == 0) {
		/* one line is left out, another has a wrong expiry */
		if (entry.entry.key_len == 1 && *entry.entry.key == 'a')
			continue;
		if (entry.entry.expires_at_ms)
			entry.entry.expires_at_ms++;
		assert_int_equal(hint_builder_add(&builder, &entry), 0);
	}
	assert_int_equal(hint_builder_write(&builder, io, REST_DIR,
					    manifest.store_id, SECOND_ID,
					    reader.off),
			 0);
	segment_reader_deinit(&reader);
	hint_builder_deinit(&builder);
	segment_free(io, segment);
	manifest_deinit(&manifest);
	look();
	assert_int_equal(rest_count(&found, FINDING_HINT, NULL), 2);
	assert_int_equal(found.report.n_damaged, 2);
	assert_non_null(strstr(found.at[0].text, "2 entries"));
	assert_non_null(strstr(found.at[1].text, "filter lacks 1"));
}

static void test_files_that_are_not_listed_are_notes(void **state)
{
	(void)state;
	kit_write(io, REST_DIR, "0000000077.seg", "not listed", 10);
	kit_write(io, REST_DIR, "0000000078.hint.tmp", "left", 4);
	kit_unlink(io, REST_DIR, "LOCK");
	look();
	expect_whole();
	assert_int_equal(rest_count(&found, FINDING_FILE, NULL), 2);
	assert_int_equal(rest_count(&found, FINDING_LOCK, NULL), 1);
}

static void test_without_manifests_the_segments_are_checked(void **state)
{
	struct kit_place place = kit_find(io, REST_DIR, THIRD_ID, "a");

	(void)state;
	kit_flip(io, REST_DIR, THIRD, place.value_off, 1);
	kit_flip(io, REST_DIR, "MANIFEST.0", 20, 1);
	kit_unlink(io, REST_DIR, "MANIFEST.1");
	look();
	assert_int_equal(rest_count(&found, FINDING_MANIFEST, NULL), 1);
	assert_int_equal(rest_count(&found, FINDING_VALUE, "a"), 1);
	assert_int_equal(found.report.n_damaged, 2);
}

static void test_a_page_that_cannot_be_read_is_damage(void **state)
{
	const struct simfs_fault fault = { .calls = 1u << SIMFS_PREAD,
					   .nth = 20,
					   .from_then = true,
					   .error = EIO };

	(void)state;
	simfs_set_fault(fs, &fault);
	look();
	simfs_set_fault(fs, NULL);
	assert_int_equal(found.result, 0);
	assert_int_equal(rest_count(&found, FINDING_DISK, NULL), 1);
	assert_true(found.report.n_damaged > 1);
}

/* ---- not stopped cleanly ---- */

static void test_a_torn_end_is_a_note_after_a_kill(void **state)
{
	struct store *store;
	struct kit_place place;

	(void)state;
	store = kit_open(io, REST_DIR);
	kit_put(store, "durable", "value");
	kit_put_soft(store, "soft", "value");
	store_abandon(store);
	place = kit_find(io, REST_DIR, 7, "soft");
	kit_flip(io, REST_DIR, "0000000007.seg", place.value_off, 1);
	look();
	expect_whole();
	assert_true(found.report.unclean);
	assert_int_equal(rest_count(&found, FINDING_TAIL, NULL), 1);
}

static void test_damage_below_the_synced_mark_is_damage(void **state)
{
	struct kit_place place = kit_find(io, REST_DIR, THIRD_ID, "a");

	(void)state;
	kit_flip(io, REST_DIR, THIRD, place.value_off, 1);
	look();
	expect_damage(FINDING_VALUE, "a");
	kit_flip(io, REST_DIR, THIRD, place.off, 1);
	look();
	expect_damage(FINDING_BYTES, "");
}

/* ---- every byte ---- */

/* Whether CHECK sees that a byte of the file is another one. */
static void expect_seen(const char *name, uint64_t at, uint8_t mask)
{
	struct simfs *whole = fs;

	fs = simfs_clone(whole);
	io = simfs_io(fs);
	kit_flip(io, REST_DIR, name, at, mask);
	rest_check(fs, REST_DIR, &found);
	if (found.result == 0 && found.report.n_damaged == 0)
		fail_msg("%s: byte %llu, bits %02x: nothing was found", name,
			 (unsigned long long)at, mask);
	assert_true(found.result == 0 || *found.error.text);
	simfs_free(fs);
	fs = whole;
	io = simfs_io(fs);
}

static void test_any_byte_that_changes_is_found(void **state)
{
	static const char *const names[] = {
		FIRST,	      SECOND,
		THIRD,	      "0000000001.hint",
		HINT,	      "0000000005.hint",
		"MANIFEST.0", "MANIFEST.1",
	};
	static const uint32_t ids[] = { FIRST_ID, SECOND_ID, THIRD_ID };
	uint64_t step = getenv("GETME_CRASH_SAMPLE") ? SAMPLE_STEP : 1;
	uint64_t n = 0;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t len;
		uint64_t at;

		free(kit_read(io, REST_DIR, names[i], &len));
		if (i < 3)
			len = kit_segment_end(io, REST_DIR, ids[i]);
		for (at = i % step; at < len; at += step) {
			expect_seen(names[i], at, (uint8_t)(1u << at % 8));
			expect_seen(names[i], at, 0xff);
			n += 2;
		}
	}
	printf("# %llu changed bytes, each found\n", (unsigned long long)n);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_KILLED(name)                                                      \
	cmocka_unit_test_setup_teardown(name, set_up_killed, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_whole_store_has_no_findings),
		TEST_KILLED(test_a_killed_store_is_whole_but_unclean),
		TEST(test_an_empty_store_is_whole),
		TEST(test_a_cleared_store_is_whole),
		TEST(test_a_compacted_store_is_whole),
		TEST(test_a_store_in_use_is_refused),
		TEST(test_no_folder_and_no_store_are_refused),
		TEST(test_a_folder_that_may_not_be_read_is_refused),
		TEST(test_an_unfinished_repair_is_refused),
		TEST(test_a_newer_format_is_refused),
		TEST(test_a_damaged_value_is_named),
		TEST(test_a_damaged_header_is_named_by_the_hint),
		TEST(test_a_damaged_batch_head),
		TEST(test_a_damaged_segment_header),
		TEST(test_a_missing_segment_is_named_by_its_hint),
		TEST(test_a_segment_of_another_name_is_not_taken_for_it),
		TEST(test_a_segment_that_is_shorter_than_sealed),
		TEST(test_bytes_behind_the_sealed_end_are_a_note),
		TEST(test_damaged_hints_and_manifests),
		TEST(test_a_hint_that_does_not_agree_with_its_segment),
		TEST(test_files_that_are_not_listed_are_notes),
		TEST(test_without_manifests_the_segments_are_checked),
		TEST(test_a_page_that_cannot_be_read_is_damage),
		TEST(test_a_torn_end_is_a_note_after_a_kill),
		TEST_KILLED(test_damage_below_the_synced_mark_is_damage),
		TEST(test_any_byte_that_changes_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
