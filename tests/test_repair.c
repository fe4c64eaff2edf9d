/*
 * Damage of every kind to a store at rest, and what repair makes of it.
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
#include "common/inventory.h"
#include "tests/support/rest_kit.h"
#include "tests/support/segment_maker.h"
#include "tests/support/store_kit.h"

#define FIRST  "0000000001.seg"
#define SECOND "0000000003.seg"
#define THIRD  "0000000005.seg"

enum {
	SECOND_ID = 3,
	THIRD_ID = 5,
	N_LIVE = 9,
	N_KEYS_MAX = 16,
};

static void expect_refused(int result, const char *text)
{
	rest_repair_it();
	if (rest.found.result != result || !strstr(rest.found.error.text, text))
		rest_print(&rest.found);
	assert_int_equal(rest.found.result, result);
	assert_non_null(strstr(rest.found.error.text, text));
}

/* ---- whole stores ---- */

struct known {
	uint64_t versions[N_KEYS_MAX];
	uint64_t expires_at_ms[N_KEYS_MAX];
};

static struct known look(struct simfs *at, const char *dir)
{
	struct store *store = kit_open(simfs_io(at), dir);
	struct known known = { 0 };
	size_t i;

	for (i = 0; i < rest_n_newest; i++) {
		const char *key = rest_newest[i].key;
		struct store_value value;

		if (store_get(store, key, strlen(key), &value) != 0)
			continue;
		known.versions[i] = value.version;
		known.expires_at_ms[i] = value.expires_at_ms;
		free(value.data);
	}
	kit_close(store);
	return known;
}

static void test_a_whole_store_is_copied_with_versions_and_expiry(void **state)
{
	struct simfs *before = simfs_clone(rest.fs);
	struct known was = look(before, REST_DIR);
	struct store *store;
	struct known is;

	(void)state;
	simfs_free(before);
	rest_repair_it();
	rest_expect_done();
	assert_int_equal(rest.found.n, 0);
	assert_int_equal(rest.found.repaired.n_copied, N_LIVE);
	assert_int_equal(rest.found.repaired.n_quarantined, 0);
	rest_expect_all();
	is = look(rest.fs, REST_NEWDIR);
	assert_memory_equal(&is, &was, sizeof(was));
	store = kit_open(rest.io, REST_NEWDIR);
	assert_true(kit_put(store, "next", "1") > was.versions[0]);
	kit_close(store);
}

static void test_a_killed_store_is_copied_to_its_last_write(void **state)
{
	(void)state;
	rest_repair_it();
	rest_expect_done();
	rest_expect_all();
}

static void test_an_empty_store_becomes_an_empty_one(void **state)
{
	struct store *store = kit_open(rest.io, REST_DIR);

	(void)state;
	assert_int_equal(store_clear(store), 0);
	kit_close(store);
	rest_repair_it();
	rest_expect_done();
	store = kit_open(rest.io, REST_NEWDIR);
	assert_int_equal(store_count(store), 0);
	kit_close(store);
}

static void test_entries_below_the_floor_of_a_clear_stay_away(void **state)
{
	struct store *store = kit_open(rest.io, REST_DIR);

	(void)state;
	kit_put(store, "cleared", "1");
	assert_int_equal(store_clear(store), 0);
	kit_put(store, "after", "2");
	store_abandon(store);
	rest_repair_it();
	rest_expect_done();
	store = kit_open(rest.io, REST_NEWDIR);
	kit_expect(store, "after", "2");
	assert_int_equal(store_count(store), 1);
	kit_close(store);
}

static void test_large_values_get_segments_of_their_own(void **state)
{
	size_t len = (64 << 20) + 1234;
	struct store *store = kit_open(rest.io, REST_DIR);
	struct store_value value;
	uint8_t *large = malloc(len);

	(void)state;
	assert_non_null(large);
	memset(large, 'x', len);
	assert_int_equal(store_put(store, "large", 5, large, len, STORE_ALWAYS),
			 0);
	kit_put(store, "small", "1");
	kit_close(store);
	rest_repair_it();
	rest_expect_done();
	store = kit_open(rest.io, REST_NEWDIR);
	assert_int_equal(store_get(store, "large", 5, &value), 0);
	assert_int_equal(value.len, len);
	assert_memory_equal(value.data, large, len);
	kit_expect(store, "small", "1");
	kit_close(store);
	free(value.data);
	free(large);
}

/* ---- what is refused ---- */

static void test_a_store_in_use_is_refused(void **state)
{
	struct store *store = kit_open(rest.io, REST_DIR);

	(void)state;
	rest_repair(rest.fs, &rest.found);
	assert_int_equal(rest.found.result, -EWOULDBLOCK);
	kit_close(store);
	assert_int_equal(kit_count(rest.io, REST_NEWDIR, "", ""), 0);
}

static void test_a_folder_with_something_in_it_is_refused(void **state)
{
	(void)state;
	assert_int_equal(rest.io->mkdir(rest.io, REST_NEWDIR), 0);
	kit_write(rest.io, REST_NEWDIR, "a file", "text", 4);
	expect_refused(-ENOTEMPTY, "is not empty");
	assert_int_equal(kit_count(rest.io, REST_NEWDIR, "", ""), 1);
	/* an empty one will do */
	kit_unlink(rest.io, REST_NEWDIR, "a file");
	rest_repair_it();
	rest_expect_done();
	expect_refused(-ENOTEMPTY, "is not empty");
}

static void test_a_newer_format_is_refused_before_anything_is_made(void **state)
{
	size_t len;
	uint8_t *data = kit_read(rest.io, REST_DIR, "MANIFEST.0", &len);

	(void)state;
	data[12] = 99;
	memset(data + 8, 0, 4);
	bytes_put32(data + 8, crc32c(0, data, len));
	kit_write(rest.io, REST_DIR, "MANIFEST.0", data, len);
	free(data);
	expect_refused(-EPROTONOSUPPORT, "newer format");
	assert_int_equal(kit_count(rest.io, "/", "", "new"), 0);
}

static void test_what_was_not_finished_is_no_source(void **state)
{
	(void)state;
	kit_write(rest.io, REST_DIR, INVENTORY_UNFINISHED, "text", 4);
	kit_unlink(rest.io, REST_DIR, "MANIFEST.0");
	kit_unlink(rest.io, REST_DIR, "MANIFEST.1");
	expect_refused(-EBUSY, "not finished");
}

/* ---- damage ---- */

static void test_a_damaged_newest_value_is_left_out_and_kept(void **state)
{
	struct kit_place place = kit_find(rest.io, REST_DIR, THIRD_ID, "a");
	char name[64];
	size_t len;

	(void)state;
	kit_flip(rest.io, REST_DIR, THIRD, place.value_off, 1);
	rest_repair_it();
	rest_expect_done();
	assert_int_equal(rest_count(&rest.found, FINDING_VALUE, "a"), 1);
	assert_int_equal(rest_count(&rest.found, FINDING_LOST, "a"), 1);
	assert_int_equal(rest.found.repaired.n_lost, 1);
	assert_int_equal(rest.found.repaired.n_quarantined, 1);
	rest_expect_lost("a");
	snprintf(name, sizeof(name), "quarantine/" THIRD ".from-%llu",
		 (unsigned long long)place.off);
	free(kit_read(rest.io, REST_NEWDIR, name, &len));
	assert_int_equal(len, place.len);
}

static void test_a_damaged_older_value_costs_nothing(void **state)
{
	struct kit_place place = kit_find(rest.io, REST_DIR, SECOND_ID, "a");

	(void)state;
	kit_flip(rest.io, REST_DIR, SECOND, place.value_off, 1);
	rest_repair_it();
	rest_expect_done();
	assert_int_equal(rest_count(&rest.found, FINDING_VALUE, "a"), 1);
	assert_int_equal(rest.found.repaired.n_lost, 0);
	rest_expect_all();
}

static void test_a_damaged_header_that_the_hint_names(void **state)
{
	struct kit_place place = kit_find(rest.io, REST_DIR, THIRD_ID, "back");

	(void)state;
	kit_flip(rest.io, REST_DIR, THIRD, place.off + 20, 1);
	rest_repair_it();
	rest_expect_done();
	assert_int_equal(rest_count(&rest.found, FINDING_LOST, "back"), 1);
	rest_expect_lost("back");
}

static void test_a_damaged_deletion_that_the_hint_names(void **state)
{
	struct kit_place place =
		kit_find(rest.io, REST_DIR, SECOND_ID, "gone1");

	(void)state;
	kit_flip(rest.io, REST_DIR, SECOND, place.off, 1);
	rest_repair_it();
	rest_expect_done();
	assert_int_equal(rest_count(&rest.found, FINDING_ENTRY, "gone1"), 1);
	assert_int_equal(rest.found.repaired.n_lost, 0);
	rest_expect_all();
}

static void test_a_damaged_header_that_nothing_names_is_told(void **state)
{
	struct kit_place place =
		kit_find(rest.io, REST_DIR, THIRD_ID, "alone3");

	(void)state;
	kit_flip(rest.io, REST_DIR, THIRD, place.off, 1);
	kit_unlink(rest.io, REST_DIR, "0000000005.hint");
	rest_repair_it();
	rest_expect_done();
	assert_int_equal(rest_count(&rest.found, FINDING_BYTES, ""), 1);
	assert_int_equal(rest.found.repaired.n_unknown, 1);
	rest_expect_lost("alone3");
}

static void test_a_missing_segment(void **state)
{
	(void)state;
	kit_unlink(rest.io, REST_DIR, SECOND);
	rest_repair_it();
	rest_expect_done();
	/* its hint knows of older values that must not come back */
	assert_int_equal(rest_count(&rest.found, FINDING_LOST, "b"), 1);
	assert_int_equal(rest_count(&rest.found, FINDING_LOST, "alone2"), 1);
	assert_int_equal(rest.found.repaired.n_lost, 2);
	rest_expect_lost("b", "alone2");
}

static void test_a_missing_segment_whose_hint_is_missing_too(void **state)
{
	(void)state;
	kit_unlink(rest.io, REST_DIR, SECOND);
	kit_unlink(rest.io, REST_DIR, "0000000003.hint");
	rest_repair_it();
	rest_expect_done();
	/* what is older may be back, and that is told */
	assert_int_equal(rest.found.repaired.n_lost, 0);
	assert_int_equal(rest.found.repaired.n_unknown, 1);
	assert_int_equal(rest_count(&rest.found, FINDING_BYTES, ""), 1);
}

static void test_another_store_s_segment_goes_to_quarantine(void **state)
{
	struct segment *segment = maker_segment(rest.io, "/", 1, 4096);
	size_t len;
	uint8_t *data;

	(void)state;
	segment_free(rest.io, segment);
	data = kit_read(rest.io, "", FIRST, &len);
	kit_write(rest.io, REST_DIR, FIRST, data, len);
	free(data);
	rest_repair_it();
	rest_expect_done();
	rest_expect_lost("alone1");
	assert_int_equal(kit_count(rest.io, REST_NEWDIR, "quarantine", FIRST),
			 1);
}

static void test_unlisted_files_go_to_quarantine(void **state)
{
	(void)state;
	kit_write(rest.io, REST_DIR, "0000000077.seg", "not listed", 10);
	kit_write(rest.io, REST_DIR, "0000000078.hint", "not listed", 10);
	kit_write(rest.io, REST_DIR, "other", "not ours", 8);
	rest_repair_it();
	rest_expect_done();
	rest_expect_all();
	assert_int_equal(
		kit_count(rest.io, REST_NEWDIR, "quarantine", "00000000"), 2);
}

static void test_a_torn_end_goes_to_quarantine(void **state)
{
	struct store *store = kit_open(rest.io, REST_DIR);
	struct kit_place place;

	(void)state;
	kit_put(store, "durable", "value");
	kit_put_soft(store, "soft", "value");
	store_abandon(store);
	place = kit_find(rest.io, REST_DIR, 7, "soft");
	kit_flip(rest.io, REST_DIR, "0000000007.seg", place.value_off, 1);
	rest_repair_it();
	rest_expect_done();
	assert_int_equal(rest.found.repaired.n_damaged, 0);
	store = kit_open(rest.io, REST_NEWDIR);
	kit_expect(store, "durable", "value");
	kit_expect(store, "soft", NULL);
	kit_expect(store, "a", "third a");
	kit_close(store);
	assert_int_equal(kit_count(rest.io, REST_NEWDIR, "quarantine",
				   "0000000007.seg.from"),
			 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		REST_TEST(
			test_a_whole_store_is_copied_with_versions_and_expiry),
		REST_TEST_KILLED(
			test_a_killed_store_is_copied_to_its_last_write),
		REST_TEST(test_an_empty_store_becomes_an_empty_one),
		REST_TEST(test_entries_below_the_floor_of_a_clear_stay_away),
		REST_TEST(test_large_values_get_segments_of_their_own),
		REST_TEST(test_a_store_in_use_is_refused),
		REST_TEST(test_a_folder_with_something_in_it_is_refused),
		REST_TEST(
			test_a_newer_format_is_refused_before_anything_is_made),
		REST_TEST(test_what_was_not_finished_is_no_source),
		REST_TEST(test_a_damaged_newest_value_is_left_out_and_kept),
		REST_TEST(test_a_damaged_older_value_costs_nothing),
		REST_TEST(test_a_damaged_header_that_the_hint_names),
		REST_TEST(test_a_damaged_deletion_that_the_hint_names),
		REST_TEST(test_a_damaged_header_that_nothing_names_is_told),
		REST_TEST(test_a_missing_segment),
		REST_TEST(test_a_missing_segment_whose_hint_is_missing_too),
		REST_TEST(test_another_store_s_segment_goes_to_quarantine),
		REST_TEST(test_unlisted_files_go_to_quarantine),
		REST_TEST(test_a_torn_end_goes_to_quarantine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
