/*
 * Repairs of stores that have lost both manifests, and more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/segment_header.h"
#include "tests/support/rest_kit.h"
#include "tests/support/segment_maker.h"
#include "tests/support/store_kit.h"

#define FIRST "0000000001.seg"

enum {
	FIRST_ID = 1,
	OUTPUT_ID = 9,
	N_LIVE = 9,
};

/* ---- lost manifests ---- */

static void lose_hints(const char *dir)
{
	char name[SEGMENT_NAME_MAX];
	uint32_t id;

	for (id = 1; id < OUTPUT_ID; id++) {
		segment_hint_name(id, name);
		if (kit_exists(rest.io, dir, name))
			kit_unlink(rest.io, dir, name);
	}
}

static void test_lost_manifests_are_made_up_from_the_segments(void **state)
{
	(void)state;
	rest_lose_manifests(REST_DIR);
	rest_repair_it();
	rest_expect_done();
	assert_int_equal(rest.found.repaired.n_damaged, 1);
	rest_expect_all();
}

static void test_without_manifests_and_hints_too(void **state)
{
	struct kit_place place = kit_find(rest.io, REST_DIR, FIRST_ID, "gone2");

	(void)state;
	rest_lose_manifests(REST_DIR);
	lose_hints(REST_DIR);
	/* an earlier segment was synced: what follows the damage counts */
	kit_flip(rest.io, REST_DIR, FIRST, place.off, 1);
	rest_repair_it();
	rest_expect_done();
	rest_expect_all();
}

static void test_a_killed_store_without_manifests(void **state)
{
	(void)state;
	rest_lose_manifests(REST_DIR);
	rest_repair_it();
	rest_expect_done();
	rest_expect_all();
}

static void test_a_segment_of_another_store_among_others(void **state)
{
	struct segment *segment = maker_segment(rest.io, REST_DIR, 2, 4096);

	(void)state;
	maker_put(rest.io, segment, "a", "another store's", 999);
	segment_free(rest.io, segment);
	rest_lose_manifests(REST_DIR);
	rest_repair_it();
	rest_expect_done();
	rest_expect_all();
	assert_int_equal(rest_count(&rest.found, FINDING_SEGMENT, NULL), 1);
	assert_int_equal(
		kit_count(rest.io, REST_NEWDIR, "quarantine", "0000000002.seg"),
		1);
}

/* An output of segment 1: it has only "a", which is in no other place. */
static void add_output(const uint8_t *store_id)
{
	struct segment one = { .id = FIRST_ID };
	struct segment *const replaces[] = { &one };
	const struct maker_entry entry = { .key = "only",
					   .value = "in the output",
					   .sequence = 2 };
	struct segment *output;

	assert_int_equal(segment_create_output(rest.io, REST_DIR, OUTPUT_ID,
					       4096, &output),
			 0);
	output->header_len = segment_header_len(1);
	output->len = output->header_len;
	maker_append(rest.io, output, &entry);
	assert_int_equal(segment_finish_output(rest.io, REST_DIR, store_id,
					       output, replaces, 1),
			 0);
	segment_free(rest.io, output);
}

static void test_an_output_stands_for_what_it_replaces(void **state)
{
	struct manifest manifest;
	struct store *store;

	(void)state;
	kit_manifest(rest.io, REST_DIR, &manifest);
	add_output(manifest.store_id);
	manifest_deinit(&manifest);
	rest_lose_manifests(REST_DIR);
	rest_repair_it();
	rest_expect_done();
	store = kit_open(rest.io, REST_NEWDIR);
	kit_expect(store, "only", "in the output");
	kit_expect(store, "alone1", NULL);
	kit_expect(store, "a", "third a");
	kit_close(store);
}

/* The last entry may end in zeros, and only its header tells how many. */
static void test_an_output_that_ends_in_zeros(void **state)
{
	struct store *store = kit_open(rest.io, "/zeros");
	struct repair_options options = { .dir = "/zeros",
					  .new_dir = REST_NEWDIR,
					  .io = rest.io };
	static const char zeros[1000];
	struct repair_report report;
	struct store_error error;
	struct store_value value;

	(void)state;
	kit_put(store, "a", "dead");
	assert_int_equal(
		store_put(store, "a", 1, zeros, sizeof(zeros), STORE_ALWAYS),
		0);
	assert_int_equal(store_compact(store), 0);
	kit_close(store);
	rest_lose_manifests("/zeros");
	lose_hints("/zeros");
	assert_int_equal(repair_run(&options, &report, &error), 0);
	assert_int_equal(report.n_copied, 1);
	store = kit_open(rest.io, REST_NEWDIR);
	assert_int_equal(store_get(store, "a", 1, &value), 0);
	assert_int_equal(value.len, sizeof(zeros));
	assert_memory_equal(value.data, zeros, sizeof(zeros));
	free(value.data);
	kit_close(store);
}

/*
 * A write that failed had its bytes in the file; its number was used again in
 * the next segment.
 */
static void test_a_failed_write_stays_away_without_manifests(void **state)
{
	struct repair_options options = { .dir = "/failed",
					  .new_dir = REST_NEWDIR,
					  .io = rest.io };
	struct repair_report report;
	struct store_error error;
	struct segment *first;
	struct segment *second;
	struct store *store;

	(void)state;
	assert_int_equal(rest.io->mkdir(rest.io, "/failed"), 0);
	first = maker_segment(rest.io, "/failed", 1, 4096);
	maker_put(rest.io, first, "a", "1", 1);
	maker_batch(rest.io, first, 2, 2, 0);
	second = maker_segment(rest.io, "/failed", 3, 4096);
	maker_put(rest.io, second, "c", "3", 2);
	maker_put(rest.io, second, "d", "4", 3);
	segment_free(rest.io, first);
	segment_free(rest.io, second);
	assert_int_equal(repair_run(&options, &report, &error), 0);
	assert_int_equal(report.n_damaged, 1); /* the manifests */
	assert_int_equal(report.n_quarantined, 1);
	store = kit_open(rest.io, REST_NEWDIR);
	assert_int_equal(store_count(store), 3);
	kit_expect(store, "a", "1");
	kit_expect(store, "b0", NULL);
	kit_expect(store, "c", "3");
	kit_expect(store, "d", "4");
	kit_close(store);
}

static void test_a_compacted_store_without_manifests_and_hints(void **state)
{
	struct store *store = kit_open(rest.io, REST_DIR);

	(void)state;
	assert_int_equal(store_compact(store), 0);
	kit_put(store, "alone3", "run 4");
	kit_put(store, "alone3", "run 3");
	kit_close(store);
	rest_lose_manifests(REST_DIR);
	kit_unlink(rest.io, REST_DIR, "0000000007.hint");
	kit_unlink(rest.io, REST_DIR, "0000000008.hint");
	rest_repair_it();
	rest_expect_done();
	rest_expect_all();
}

/* What a repair wrote can lose its manifests and hints, too. */
static void test_a_repaired_store_is_repaired_again(void **state)
{
	struct repair_options options = {
		.dir = REST_NEWDIR,
		.new_dir = "/again",
		.io = rest.io,
	};
	struct repair_report report;
	struct store_error error;
	struct store *store;

	(void)state;
	rest_repair_it();
	rest_expect_done();
	rest_lose_manifests(REST_NEWDIR);
	lose_hints(REST_NEWDIR);
	assert_int_equal(repair_run(&options, &report, &error), 0);
	assert_int_equal(report.n_copied, N_LIVE);
	store = kit_open(rest.io, "/again");
	kit_expect(store, "alone1", "run 1");
	assert_int_equal(store_count(store), N_LIVE);
	kit_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		REST_TEST(test_lost_manifests_are_made_up_from_the_segments),
		REST_TEST(test_without_manifests_and_hints_too),
		REST_TEST_KILLED(test_a_killed_store_without_manifests),
		REST_TEST(test_a_segment_of_another_store_among_others),
		REST_TEST(test_an_output_stands_for_what_it_replaces),
		REST_TEST(test_an_output_that_ends_in_zeros),
		REST_TEST(test_a_failed_write_stays_away_without_manifests),
		REST_TEST(test_a_compacted_store_without_manifests_and_hints),
		REST_TEST(test_a_repaired_store_is_repaired_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
