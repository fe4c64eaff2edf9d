#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/quota_io.h"
#include "tests/support/store_kit.h"
#include "tests/support/tempdir.h"

/* PITFALLS 20: a disk without room, on a real file system with a quota. */

enum {
	BLOCKS = 256, /* 1 MiB: 16 segments */
	KEYS_MAX = 12000,
	PAD = 700,
	RUNS_MAX = 1000,
};

static struct quota_io quota;
static char *dir;
static struct store *store;
static bool there[KEYS_MAX];
static unsigned n_keys; /* that were ever put */

static void open_store(void)
{
	const struct store_options options = {
		.dir = dir,
		.io = &quota.io,
		.segment_size = KIT_SEGMENT_SIZE,
		.hold_reserve = true,
		.private_index = true,
	};
	struct store_error error = { "" };
	int result = store_open(&options, &store, &error);

	if (result != 0)
		print_error("%s\n", error.text);
	assert_int_equal(result, 0);
}

static int set_up(void **state)
{
	(void)state;
	quota_io_init(&quota, BLOCKS);
	dir = tempdir_new();
	n_keys = 0;
	memset(there, 0, sizeof(there));
	open_store();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	store_abandon(store);
	store = NULL;
	quota_io_deinit(&quota);
	tempdir_free(dir);
	return 0;
}

static void key_of(unsigned i, char key[12])
{
	snprintf(key, 12, "k%u", i);
}

static void value_of(unsigned i, char value[PAD + 1])
{
	int n = snprintf(value, PAD, "%u:", i);

	memset(value + n, 'x', (size_t)(PAD - n));
	value[PAD] = 0;
}

static int put(unsigned i)
{
	char key[12];
	char value[PAD + 1];
	int result;

	key_of(i, key);
	value_of(i, value);
	result = store_put(store, key, strlen(key), value, PAD, STORE_NONE);
	if (result == 0)
		there[i] = true;
	return result;
}

static void compact_due(void)
{
	unsigned n = 0;
	int result;

	while ((result = store_compact_due(store)) == 0)
		assert_true(n++ < RUNS_MAX);
	assert_int_equal(result, STORE_NOT_FOUND);
}

/*
 * The room for tombstones is that of a quarter of a segment, some 300; a
 * compaction then makes more.
 */
static void take_away(unsigned i)
{
	char key[12];
	int result;

	key_of(i, key);
	result = store_delete(store, key, strlen(key), STORE_NONE);
	if (result == -ENOSPC) {
		compact_due();
		result = store_delete(store, key, strlen(key), STORE_NONE);
	}
	assert_int_equal(result, 0);
	there[i] = false;
}

/* New keys until there is no more room; how many. */
static unsigned fill(void)
{
	unsigned n = 0;
	int result;

	while ((result = put(n_keys)) == 0) {
		assert_true(++n_keys < KEYS_MAX);
		n++;
	}
	assert_int_equal(result, -ENOSPC);
	assert_true(kit_stats(store).full);
	return n;
}

static void expect_all(void)
{
	for (unsigned i = 0; i < n_keys; i++) {
		char key[12];
		char value[PAD + 1];

		key_of(i, key);
		value_of(i, value);
		kit_expect(store, key, there[i] ? value : NULL);
	}
}

static void test_20_a_full_disk_can_be_compacted(void **state)
{
	unsigned n = fill();
	unsigned n_put;
	unsigned n_new;

	(void)state;
	assert_true(n > 500);
	for (unsigned i = 0; i < n_keys; i += 3)
		take_away(i);
	compact_due();
	expect_all();
	/* by and by, as it is full again, all that was dead makes room */
	for (n_put = 0; (n_new = fill()) > 0; n_put += n_new) {
		compact_due();
		expect_all();
	}
	assert_true(n_put > n / 4);
	expect_all();
}

static void test_20_by_a_full_compaction_too(void **state)
{
	unsigned n = fill();

	(void)state;
	for (unsigned i = 0; i < n_keys; i += 3)
		take_away(i);
	assert_int_equal(store_compact(store), 0);
	expect_all();
	assert_true(fill() > n / 6);
	expect_all();
}

/* There is nothing to be gained; it must not take the last room either. */
static void test_20_deletes_work_after_a_compaction_of_a_full_disk(void **state)
{
	(void)state;
	fill();
	for (unsigned i = 0; i < 4; i++) {
		int result = store_compact(store);

		assert_true(result == 0 || result == -ENOSPC);
		for (unsigned k = 0; k < 20; k++)
			take_away(i * 100 + k);
	}
	expect_all();
}

/* Full, a part deleted, compacted; again and again, over restarts. */
static void test_20_a_disk_that_is_full_all_the_time(void **state)
{
	(void)state;
	fill();
	for (unsigned round = 0; round < 12; round++) {
		unsigned n_deleted = 0;
		unsigned n;

		for (unsigned i = round; i < n_keys; i += 3) {
			if (!there[i])
				continue;
			take_away(i);
			n_deleted++;
		}
		if (round % 2)
			compact_due();
		else
			assert_int_equal(store_compact(store), 0);
		if (round % 4 == 3) {
			kit_close(store);
			open_store();
		}
		n = fill();
		assert_true(n > n_deleted / 3);
		expect_all();
	}
	kit_close(store);
	open_store();
	expect_all();
}

/* Whoever is killed on a full disk can start again, and go on. */
static void test_20_a_start_on_a_full_disk(void **state)
{
	(void)state;
	fill();
	for (unsigned i = 0; i < n_keys; i += 2)
		take_away(i);
	store_abandon(store);
	open_store();
	expect_all();
	compact_due();
	expect_all();
	assert_true(fill() > 100);
	expect_all();
}

static void test_20_a_clear_of_a_full_disk_gives_all_back(void **state)
{
	unsigned n = fill();

	(void)state;
	assert_int_equal(store_clear(store), 0);
	memset(there, 0, sizeof(there));
	assert_true(fill() >= n - n / 10);
	expect_all();
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		test(test_20_a_full_disk_can_be_compacted),
		test(test_20_by_a_full_compaction_too),
		test(test_20_deletes_work_after_a_compaction_of_a_full_disk),
		test(test_20_a_disk_that_is_full_all_the_time),
		test(test_20_a_start_on_a_full_disk),
		test(test_20_a_clear_of_a_full_disk_gives_all_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
