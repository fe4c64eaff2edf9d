/*
 * What a store at rest consists of.  What its refusals say is test_check's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "common/inventory.h"
#include "tests/support/rest_kit.h"
#include "tests/support/segment_maker.h"
#include "tests/support/store_kit.h"

enum {
	FIRST_ID = 1,
	SECOND_ID = 3,
	THIRD_ID = 5,
};

static struct simfs *fs;
static struct io *io;
static struct inventory inventory;
static struct findings findings;

static int begin(bool killed)
{
	fs = rest_new(killed);
	io = simfs_io(fs);
	memset(&findings, 0, sizeof(findings));
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	return begin(false);
}

static int set_up_killed(void **state)
{
	(void)state;
	return begin(true);
}

static int tear_down(void **state)
{
	(void)state;
	inventory_deinit(&inventory);
	assert_int_equal(simfs_n_open(fs), 0);
	simfs_free(fs);
	return 0;
}

static void take(void)
{
	struct store_error error;

	assert_int_equal(inventory_take(&inventory, io, REST_DIR, false,
					&findings, &error),
			 0);
}

static const struct inventory_row *row_of(uint32_t id)
{
	size_t i;

	for (i = 0; i < inventory.n_rows; i++) {
		if (inventory.rows[i].id == id)
			return &inventory.rows[i];
	}
	fail_msg("segment %u is not in it", id);
	return NULL;
}

static void lose_manifests(void)
{
	kit_unlink(io, REST_DIR, "MANIFEST.0");
	kit_flip(io, REST_DIR, "MANIFEST.1", 9, 1);
}

static void test_after_a_clean_stop_all_is_sealed(void **state)
{
	size_t i;

	(void)state;
	take();
	assert_false(inventory.unclean);
	assert_false(inventory.rebuilt);
	assert_int_equal(inventory.n_rows, REST_SEGMENTS);
	for (i = 0; i < inventory.n_rows; i++) {
		const struct inventory_row *row = &inventory.rows[i];

		assert_int_equal(row->state, INVENTORY_SEALED);
		assert_true(row->in_order);
		assert_int_equal(row->end,
				 kit_segment_end(io, REST_DIR, row->id));
	}
	assert_int_equal(findings.n_damaged + findings.n_notes, 0);
}

static void test_after_a_kill_the_last_one_ends_behind_its_entries(void **state)
{
	(void)state;
	take();
	assert_true(inventory.unclean);
	assert_int_equal(row_of(THIRD_ID)->state, INVENTORY_TAIL);
	assert_int_equal(row_of(THIRD_ID)->end,
			 kit_segment_end(io, REST_DIR, THIRD_ID));
	assert_int_equal(row_of(THIRD_ID)->data_end, row_of(THIRD_ID)->end);
}

static void test_it_keeps_others_out(void **state)
{
	struct store_error error;
	struct store *store;

	(void)state;
	take();
	assert_int_equal(kit_try_open(io, REST_DIR, &store, &error),
			 -EWOULDBLOCK);
	/* LOCK names who had it last, and that is another one */
	assert_non_null(strstr(error.text, "in use by another process"));
}

static void test_a_made_up_manifest_takes_the_ends_from_the_hints(void **state)
{
	uint64_t first_end = kit_segment_end(io, REST_DIR, FIRST_ID);
	uint64_t second_end = kit_segment_end(io, REST_DIR, SECOND_ID);

	(void)state;
	lose_manifests();
	kit_unlink(io, REST_DIR, "0000000001.hint");
	take();
	assert_true(inventory.rebuilt);
	assert_int_equal(findings.n_damaged, 1);
	assert_int_equal(inventory.n_rows, REST_SEGMENTS);
	assert_int_equal(row_of(SECOND_ID)->state, INVENTORY_SEALED);
	assert_int_equal(row_of(SECOND_ID)->end, second_end);
	assert_int_equal(row_of(FIRST_ID)->state, INVENTORY_TAIL);
	assert_int_equal(row_of(FIRST_ID)->end, first_end);
}

static void test_a_damaged_header_does_not_shut_a_segment_out(void **state)
{
	(void)state;
	lose_manifests();
	kit_flip(io, REST_DIR, "0000000003.seg", 17, 1);
	take();
	assert_int_equal(inventory.n_rows, REST_SEGMENTS);
	assert_true(row_of(SECOND_ID)->header_damaged);
}

static void test_without_one_good_header_all_are_taken(void **state)
{
	uint64_t first_end = kit_segment_end(io, REST_DIR, FIRST_ID);

	(void)state;
	lose_manifests();
	kit_flip(io, REST_DIR, "0000000001.seg", 0, 1);
	kit_flip(io, REST_DIR, "0000000003.seg", 9, 1);
	kit_flip(io, REST_DIR, "0000000005.seg", 40, 1);
	take();
	assert_int_equal(inventory.n_rows, REST_SEGMENTS);
	assert_int_equal(row_of(FIRST_ID)->end, first_end);
}

static void test_a_failed_one_leaves_nothing_open(void **state)
{
	uint64_t nth;

	(void)state;
	for (nth = 1; nth < 200; nth++) {
		const struct simfs_fault fault = {
			.calls = 1u << SIMFS_OPEN | 1u << SIMFS_STAT |
				 1u << SIMFS_LIST | 1u << SIMFS_LOCK,
			.nth = nth,
			.error = EACCES,
		};
		struct store_error error = { .text = "" };
		int result;

		simfs_set_fault(fs, &fault);
		result = inventory_take(&inventory, io, REST_DIR, false,
					&findings, &error);
		if (result == 0)
			inventory_deinit(&inventory);
		else
			assert_true(strlen(error.text) > 10);
		assert_int_equal(simfs_n_open(fs), 0);
		if (simfs_n_faults(fs) == 0)
			break;
	}
	assert_true(nth > 5 && nth < 200);
	simfs_set_fault(fs, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_KILLED(name)                                                      \
	cmocka_unit_test_setup_teardown(name, set_up_killed, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_after_a_clean_stop_all_is_sealed),
		TEST_KILLED(
			test_after_a_kill_the_last_one_ends_behind_its_entries),
		TEST(test_it_keeps_others_out),
		TEST(test_a_made_up_manifest_takes_the_ends_from_the_hints),
		TEST(test_a_damaged_header_does_not_shut_a_segment_out),
		TEST(test_without_one_good_header_all_are_taken),
		TEST_KILLED(test_a_failed_one_leaves_nothing_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
