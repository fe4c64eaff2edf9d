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
#include "common/hint_builder.h"
#include "common/inventory.h"
#include "common/segment_reader.h"
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

/* Checks, and that nothing at all was changed. */
static void look(void)
{
	uint64_t hash = simfs_hash(rest.fs);

	rest_check(rest.fs, REST_DIR, &rest.found);
	assert_true(simfs_hash(rest.fs) == hash);
	assert_int_equal(simfs_n_open(rest.fs), 0);
	assert_int_equal(rest.found.report.n_damaged +
				 rest.found.report.n_notes,
			 rest.found.result == 0 ? rest.found.n : 0);
}

#define expect_damage(kind, key) expect_damage_at(kind, key, __LINE__)
static void expect_damage_at(enum finding_kind kind, const char *key, int line)
{
	if (rest.found.result == 0 && rest_count(&rest.found, kind, key) == 1 &&
	    rest.found.report.n_damaged == 1)
		return;
	rest_print(&rest.found);
	_fail(__FILE__, line);
}

#define expect_whole() expect_whole_at(__LINE__)
static void expect_whole_at(int line)
{
	if (rest.found.result == 0 && rest.found.report.n_damaged == 0)
		return;
	rest_print(&rest.found);
	_fail(__FILE__, line);
}

static void expect_refused(int result, const char *text)
{
	look();
	rest_print(&rest.found);
	assert_int_equal(rest.found.result, result);
	assert_non_null(strstr(rest.found.error.text, text));
}

/* ---- whole stores ---- */

static void test_a_whole_store_has_no_findings(void **state)
{
	(void)state;
	look();
	expect_whole();
	assert_int_equal(rest.found.n, 0);
	assert_int_equal(rest.found.report.n_segments, REST_SEGMENTS);
	/* 7, 7 and 8 writes; a batch counts its members and its head */
	assert_int_equal(rest.found.report.n_entries, 9 + 9 + 10);
	assert_false(rest.found.report.unclean);
}

static void test_a_killed_store_is_whole_but_unclean(void **state)
{
	(void)state;
	look();
	expect_whole();
	assert_true(rest.found.report.unclean);
}

static void test_an_empty_store_is_whole(void **state)
{
	(void)state;
	kit_close(kit_open(rest.io, "/empty"));
	rest_check(rest.fs, "/empty", &rest.found);
	expect_whole();
	assert_int_equal(rest.found.report.n_segments, 0);
}

static void test_a_cleared_store_is_whole(void **state)
{
	struct store *store = kit_open(rest.io, REST_DIR);

	(void)state;
	assert_int_equal(store_clear(store), 0);
	kit_put(store, "after", "clear");
	kit_close(store);
	look();
	expect_whole();
	assert_int_equal(rest.found.n, 0);
}

static void test_a_compacted_store_is_whole(void **state)
{
	struct store *store = kit_open(rest.io, REST_DIR);

	(void)state;
	assert_int_equal(store_compact(store), 0);
	kit_put(store, "after", "compaction");
	kit_close(store);
	look();
	expect_whole();
	assert_int_equal(rest.found.n, 0);
	assert_int_equal(rest.found.report.n_segments, 2);
}

static void test_a_backup_is_whole(void **state)
{
	struct store *store = kit_open(rest.io, REST_DIR);
	struct store_error error;

	(void)state;
	assert_int_equal(store_backup(store, "/backup", &error), 0);
	kit_close(store);
	rest_check(rest.fs, "/backup", &rest.found);
	expect_whole();
	assert_int_equal(rest.found.report.n_segments, REST_SEGMENTS);
}

/* ---- what is refused ---- */

static void test_a_store_in_use_is_refused(void **state)
{
	struct store *store = kit_open(rest.io, REST_DIR);

	(void)state;
	rest_check(rest.fs, REST_DIR, &rest.found);
	assert_int_equal(rest.found.result, -EWOULDBLOCK);
	assert_non_null(strstr(rest.found.error.text, "in use by process"));
	kit_close(store);
}

static void test_no_folder_and_no_store_are_refused(void **state)
{
	(void)state;
	rest_check(rest.fs, "/missing", &rest.found);
	assert_int_equal(rest.found.result, -ENOENT);
	assert_int_equal(rest.io->mkdir(rest.io, "/bare"), 0);
	kit_write(rest.io, "/bare", "a file", "text", 4);
	rest_check(rest.fs, "/bare", &rest.found);
	assert_int_equal(rest.found.result, -ENODATA);
	assert_non_null(strstr(rest.found.error.text, "is no store"));
}

static void test_a_folder_that_may_not_be_read_is_refused(void **state)
{
	const struct simfs_fault fault = { .calls = 1u << SIMFS_OPEN,
					   .nth = 1,
					   .from_then = true,
					   .error = EACCES };

	(void)state;
	simfs_set_fault(rest.fs, &fault);
	expect_refused(-EACCES, "run as the store's owner");
	simfs_set_fault(rest.fs, NULL);
}

static void test_an_unfinished_repair_is_refused(void **state)
{
	(void)state;
	kit_write(rest.io, REST_DIR, INVENTORY_UNFINISHED, "text", 4);
	kit_unlink(rest.io, REST_DIR, "MANIFEST.0");
	kit_unlink(rest.io, REST_DIR, "MANIFEST.1");
	expect_refused(-EBUSY, "a repair that was not finished");
}

static void test_the_mark_of_a_repair_that_had_finished_is_a_note(void **state)
{
	(void)state;
	kit_write(rest.io, REST_DIR, INVENTORY_UNFINISHED, "text", 4);
	look();
	expect_whole();
	assert_int_equal(rest_count(&rest.found, FINDING_FILE, NULL), 1);
}

static void make_newer(const char *name, size_t crc_len)
{
	size_t len;
	uint8_t *data = kit_read(rest.io, REST_DIR, name, &len);

	data[12] = NEWER_FORMAT;
	memset(data + 8, 0, 4);
	bytes_put32(data + 8, crc32c(0, data, crc_len ? crc_len : len));
	kit_write(rest.io, REST_DIR, name, data, len);
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
	struct kit_place place = kit_find(rest.io, REST_DIR, THIRD_ID, "a");

	(void)state;
	kit_flip(rest.io, REST_DIR, THIRD, place.value_off, 1);
	look();
	expect_damage(FINDING_VALUE, "a");
	assert_int_equal(rest.found.at[0].segment_id, THIRD_ID);
	assert_int_equal(rest.found.at[0].off, place.off);
	assert_int_equal(rest.found.at[0].len, place.len);
}

static void test_a_damaged_header_is_named_by_the_hint(void **state)
{
	struct kit_place place =
		kit_find(rest.io, REST_DIR, SECOND_ID, "gone1");

	(void)state;
	kit_flip(rest.io, REST_DIR, SECOND, place.off, 1);
	look();
	expect_damage(FINDING_ENTRY, "gone1");
	assert_non_null(strstr(rest.found.at[0].text, "deletion"));
	/* without it nobody can tell */
	kit_unlink(rest.io, REST_DIR, HINT);
	look();
	expect_damage(FINDING_BYTES, "");
	assert_int_equal(rest.found.at[1].off, place.off);
	assert_int_equal(rest.found.at[1].len, place.len);
}

static void test_a_damaged_batch_head(void **state)
{
	struct kit_place place = kit_find(rest.io, REST_DIR, SECOND_ID, NULL);

	(void)state;
	kit_flip(rest.io, REST_DIR, SECOND, place.value_off, 1);
	look();
	expect_damage(FINDING_VALUE, "");
	kit_flip(rest.io, REST_DIR, SECOND, place.off, 1);
	look();
	expect_damage(FINDING_BYTES, "");
}

static void test_a_damaged_segment_header(void **state)
{
	(void)state;
	kit_flip(rest.io, REST_DIR, FIRST, 40, 1);
	look();
	expect_damage(FINDING_HEADER, NULL);
}

static void test_a_missing_segment_is_named_by_its_hint(void **state)
{
	(void)state;
	kit_unlink(rest.io, REST_DIR, FIRST);
	look();
	assert_int_equal(rest_count(&rest.found, FINDING_SEGMENT, NULL), 1);
	assert_int_equal(rest_count(&rest.found, FINDING_ENTRY, "alone1"), 1);
	assert_int_equal(rest.found.report.n_damaged, 1 + 8);
}

static void test_a_segment_of_another_name_is_not_taken_for_it(void **state)
{
	size_t len;
	uint8_t *data = kit_read(rest.io, REST_DIR, FIRST, &len);

	(void)state;
	kit_write(rest.io, REST_DIR, SECOND, data, len);
	free(data);
	look();
	assert_int_equal(rest_count(&rest.found, FINDING_SEGMENT, NULL), 1);
}

static void test_a_segment_that_is_shorter_than_sealed(void **state)
{
	struct kit_place place =
		kit_find(rest.io, REST_DIR, THIRD_ID, "alone3");

	(void)state;
	kit_cut(rest.io, REST_DIR, THIRD, place.off + 8);
	look();
	expect_damage(FINDING_ENTRY, "alone3");
}

static void test_bytes_behind_the_sealed_end_are_a_note(void **state)
{
	uint64_t end = kit_segment_end(rest.io, REST_DIR, FIRST_ID);

	(void)state;
	kit_flip(rest.io, REST_DIR, FIRST, end + 100, 1);
	look();
	expect_whole();
	assert_int_equal(rest_count(&rest.found, FINDING_TAIL, NULL), 1);
}

static void test_damaged_hints_and_manifests(void **state)
{
	(void)state;
	kit_flip(rest.io, REST_DIR, HINT, 70, 1);
	look();
	expect_damage(FINDING_HINT, NULL);
	kit_unlink(rest.io, REST_DIR, HINT);
	look();
	expect_whole();
	assert_int_equal(rest_count(&rest.found, FINDING_HINT, NULL), 1);
	kit_flip(rest.io, REST_DIR, "MANIFEST.0", 20, 1);
	look();
	expect_damage(FINDING_MANIFEST, NULL);
	kit_unlink(rest.io, REST_DIR, "MANIFEST.0");
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
	kit_manifest(rest.io, REST_DIR, &manifest);
	assert_int_equal(segment_open(rest.io, REST_DIR, manifest.store_id,
				      SECOND_ID, &segment),
			 0);
	hint_builder_init(&builder);
	assert_int_equal(segment_reader_init(&reader, rest.io, segment,
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
	assert_int_equal(hint_builder_write(&builder, rest.io, REST_DIR,
					    manifest.store_id, SECOND_ID,
					    reader.off),
			 0);
	segment_reader_deinit(&reader);
	hint_builder_deinit(&builder);
	segment_free(rest.io, segment);
	manifest_deinit(&manifest);
	look();
	assert_int_equal(rest_count(&rest.found, FINDING_HINT, NULL), 2);
	assert_int_equal(rest.found.report.n_damaged, 2);
	assert_non_null(strstr(rest.found.at[0].text, "2 entries"));
	assert_non_null(strstr(rest.found.at[1].text, "filter lacks 1"));
}

static void test_files_that_are_not_listed_are_notes(void **state)
{
	(void)state;
	kit_write(rest.io, REST_DIR, "0000000077.seg", "not listed", 10);
	kit_write(rest.io, REST_DIR, "0000000078.hint.tmp", "left", 4);
	kit_unlink(rest.io, REST_DIR, "LOCK");
	look();
	expect_whole();
	assert_int_equal(rest_count(&rest.found, FINDING_FILE, NULL), 2);
	assert_int_equal(rest_count(&rest.found, FINDING_LOCK, NULL), 1);
}

static void test_without_manifests_the_segments_are_checked(void **state)
{
	struct kit_place place = kit_find(rest.io, REST_DIR, THIRD_ID, "a");

	(void)state;
	kit_flip(rest.io, REST_DIR, THIRD, place.value_off, 1);
	kit_flip(rest.io, REST_DIR, "MANIFEST.0", 20, 1);
	kit_unlink(rest.io, REST_DIR, "MANIFEST.1");
	look();
	assert_int_equal(rest_count(&rest.found, FINDING_MANIFEST, NULL), 1);
	assert_int_equal(rest_count(&rest.found, FINDING_VALUE, "a"), 1);
	assert_int_equal(rest.found.report.n_damaged, 2);
}

static void test_a_page_that_cannot_be_read_is_damage(void **state)
{
	const struct simfs_fault fault = { .calls = 1u << SIMFS_PREAD,
					   .nth = 20,
					   .from_then = true,
					   .error = EIO };

	(void)state;
	simfs_set_fault(rest.fs, &fault);
	look();
	simfs_set_fault(rest.fs, NULL);
	assert_int_equal(rest.found.result, 0);
	assert_int_equal(rest_count(&rest.found, FINDING_DISK, NULL), 1);
	assert_true(rest.found.report.n_damaged > 1);
}

/* ---- not stopped cleanly ---- */

static void test_a_torn_end_is_a_note_after_a_kill(void **state)
{
	struct store *store;
	struct kit_place place;

	(void)state;
	store = kit_open(rest.io, REST_DIR);
	kit_put(store, "durable", "value");
	kit_put_soft(store, "soft", "value");
	store_abandon(store);
	place = kit_find(rest.io, REST_DIR, 7, "soft");
	kit_flip(rest.io, REST_DIR, "0000000007.seg", place.value_off, 1);
	look();
	expect_whole();
	assert_true(rest.found.report.unclean);
	assert_int_equal(rest_count(&rest.found, FINDING_TAIL, NULL), 1);
}

static void test_damage_below_the_synced_mark_is_damage(void **state)
{
	struct kit_place place = kit_find(rest.io, REST_DIR, THIRD_ID, "a");

	(void)state;
	kit_flip(rest.io, REST_DIR, THIRD, place.value_off, 1);
	look();
	expect_damage(FINDING_VALUE, "a");
	kit_flip(rest.io, REST_DIR, THIRD, place.off, 1);
	look();
	expect_damage(FINDING_BYTES, "");
}

/* ---- every byte ---- */

/* Whether CHECK sees that a byte of the file is another one. */
static void expect_seen(const char *name, uint64_t at, uint8_t mask)
{
	struct simfs *whole = rest_begin_case();

	kit_flip(rest.io, REST_DIR, name, at, mask);
	rest_check(rest.fs, REST_DIR, &rest.found);
	if (rest.found.result == 0 && rest.found.report.n_damaged == 0)
		fail_msg("%s: byte %llu, bits %02x: nothing was found", name,
			 (unsigned long long)at, mask);
	assert_true(rest.found.result == 0 || *rest.found.error.text);
	rest_end_case(whole);
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

		free(kit_read(rest.io, REST_DIR, names[i], &len));
		if (i < 3)
			len = kit_segment_end(rest.io, REST_DIR, ids[i]);
		for (at = i % step; at < len; at += step) {
			expect_seen(names[i], at, (uint8_t)(1u << at % 8));
			expect_seen(names[i], at, 0xff);
			n += 2;
		}
	}
	printf("# %llu changed bytes, each found\n", (unsigned long long)n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		REST_TEST(test_a_whole_store_has_no_findings),
		REST_TEST_KILLED(test_a_killed_store_is_whole_but_unclean),
		REST_TEST(test_an_empty_store_is_whole),
		REST_TEST(test_a_cleared_store_is_whole),
		REST_TEST(test_a_compacted_store_is_whole),
		REST_TEST(test_a_backup_is_whole),
		REST_TEST(test_a_store_in_use_is_refused),
		REST_TEST(test_no_folder_and_no_store_are_refused),
		REST_TEST(test_a_folder_that_may_not_be_read_is_refused),
		REST_TEST(test_an_unfinished_repair_is_refused),
		REST_TEST(
			test_the_mark_of_a_repair_that_had_finished_is_a_note),
		REST_TEST(test_a_newer_format_is_refused),
		REST_TEST(test_a_damaged_value_is_named),
		REST_TEST(test_a_damaged_header_is_named_by_the_hint),
		REST_TEST(test_a_damaged_batch_head),
		REST_TEST(test_a_damaged_segment_header),
		REST_TEST(test_a_missing_segment_is_named_by_its_hint),
		REST_TEST(test_a_segment_of_another_name_is_not_taken_for_it),
		REST_TEST(test_a_segment_that_is_shorter_than_sealed),
		REST_TEST(test_bytes_behind_the_sealed_end_are_a_note),
		REST_TEST(test_damaged_hints_and_manifests),
		REST_TEST(test_a_hint_that_does_not_agree_with_its_segment),
		REST_TEST(test_files_that_are_not_listed_are_notes),
		REST_TEST(test_without_manifests_the_segments_are_checked),
		REST_TEST(test_a_page_that_cannot_be_read_is_damage),
		REST_TEST(test_a_torn_end_is_a_note_after_a_kill),
		REST_TEST_KILLED(test_damage_below_the_synced_mark_is_damage),
		REST_TEST(test_any_byte_that_changes_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
