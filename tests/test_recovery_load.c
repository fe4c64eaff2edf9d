/*
 * Sealed segments at a start: by their hints, or read from front to back.
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
#include "tests/support/store_runs.h"

enum {
	MANY_SEGMENTS = 300,
};

/* ---- after a kill ---- */

/* Large values, expiries, long keys, empty values: through tail and hint. */
static void check_shapes(struct store *store, const char *long_key,
			 const char *large, uint64_t expires_at_ms)
{
	struct store_value value;

	assert_int_equal(store_get(store, long_key, STORE_KEY_MAX, &value), 0);
	assert_int_equal(value.len, 4);
	assert_memory_equal(value.data, "long", 4);
	free(value.data);
	assert_int_equal(store_get(store, "empty", 5, &value), 0);
	assert_int_equal(value.len, 0);
	assert_non_null(value.data);
	free(value.data);
	assert_int_equal(store_get(store, "expires", 7, &value), 0);
	assert_true(value.expires_at_ms == expires_at_ms);
	free(value.data);
	assert_int_equal(store_get(store, "large", 5, &value), 0);
	assert_int_equal(value.len, 5 * RUNS_LARGE_LEN);
	assert_memory_equal(value.data, large, value.len);
	free(value.data);
	kit_expect(store, "with\nline", "odd");
	assert_int_equal(store_count(store), 5);
}

static void test_all_shapes_of_entries_come_back(void **state)
{
	uint64_t expires_at_ms = runs.io->clock_ms(runs.io) + 1000;
	struct store_write write = { .key = "expires",
				     .key_len = 7,
				     .value = "soon",
				     .value_len = 4,
				     .expires_at_ms = expires_at_ms };
	char *long_key = malloc(STORE_KEY_MAX);
	char *large = malloc(5 * RUNS_LARGE_LEN);
	struct store *store = runs_open();

	(void)state;
	assert_non_null(long_key);
	assert_non_null(large);
	memset(long_key, 'k', STORE_KEY_MAX);
	memset(large, 'v', 5 * RUNS_LARGE_LEN);
	assert_int_equal(store_put(store, long_key, STORE_KEY_MAX, "long", 4,
				   STORE_ALWAYS),
			 0);
	assert_int_equal(store_put(store, "empty", 5, NULL, 0, STORE_ALWAYS),
			 0);
	assert_int_equal(store_apply(store, &write, 1, STORE_ALWAYS), 0);
	assert_int_equal(store_put(store, "large", 5, large, 5 * RUNS_LARGE_LEN,
				   STORE_ALWAYS),
			 0);
	kit_put(store, "with\nline", "odd");
	check_shapes(store, long_key, large, expires_at_ms);
	store_abandon(store);
	store = runs_open();
	check_shapes(store, long_key, large, expires_at_ms);
	kit_close(store);
	store = runs_open();
	check_shapes(store, long_key, large, expires_at_ms);
	assert_int_equal(kit_stats(store).segment_bytes_read, 0);
	simfs_set_clock(runs.fs, expires_at_ms);
	kit_expect(store, "expires", NULL);
	kit_close(store);
	free(large);
	free(long_key);
}

static void test_a_put_without_expiry_ends_an_older_expiry(void **state)
{
	uint64_t now = runs.io->clock_ms(runs.io);
	struct store_write write = { .key = "k",
				     .key_len = 1,
				     .value = "1",
				     .value_len = 1,
				     .expires_at_ms = now + 10 };
	struct store *store = runs_open();

	(void)state;
	assert_int_equal(store_apply(store, &write, 1, STORE_ALWAYS), 0);
	kit_put(store, "k", "2");
	store_abandon(store);
	simfs_set_clock(runs.fs, now + 100);
	store = runs_open();
	kit_expect(store, "k", "2");
	kit_close(store);
}

static void test_many_segments(void **state)
{
	static char value[RUNS_LARGE_LEN];
	struct store *store = runs_open();
	char key[16];
	int i;

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	for (i = 0; i < MANY_SEGMENTS; i++) {
		snprintf(key, sizeof(key), "k%d", i % 200);
		snprintf(value, sizeof(value), "%d", i);
		value[strlen(value)] = 'v';
		kit_put_soft(store, key, value);
		if (i % 50 != 0)
			continue;
		store_abandon(store);
		store = runs_open();
	}
	assert_in_range(kit_stats(store).segments, MANY_SEGMENTS - 10,
			MANY_SEGMENTS + 10);
	kit_close(store);
	store = runs_open();
	assert_int_equal(kit_stats(store).segment_bytes_read, 0);
	assert_int_equal(store_count(store), 200);
	for (i = MANY_SEGMENTS - 200; i < MANY_SEGMENTS; i++) {
		snprintf(key, sizeof(key), "k%d", i % 200);
		snprintf(value, sizeof(value), "%d", i);
		value[strlen(value)] = 'v';
		kit_expect(store, key, value);
	}
	kit_close(store);
}

/* ---- hints ---- */

/* The hint is as it was made at first after one more run. */
static void expect_hint_again(const uint8_t *hint, size_t len)
{
	struct store *store = runs_open();
	struct store_stats stats = kit_stats(store);
	uint8_t *again;
	size_t again_len;

	runs_expect_first(store);
	assert_true(stats.segment_bytes_read > 0);
	assert_false(stats.damaged);
	kit_close(store);
	again = kit_read(runs.io, RUNS_DIR, RUNS_FIRST_HINT, &again_len);
	assert_int_equal(again_len, len);
	assert_memory_equal(again, hint, len);
	free(again);
	store = runs_open();
	runs_expect_first(store);
	assert_int_equal(kit_stats(store).segment_bytes_read, 0);
	kit_close(store);
}

static void test_a_missing_hint_is_made_again(void **state)
{
	uint8_t *hint;
	size_t len;

	(void)state;
	runs_first();
	hint = kit_read(runs.io, RUNS_DIR, RUNS_FIRST_HINT, &len);
	kit_unlink(runs.io, RUNS_DIR, RUNS_FIRST_HINT);
	expect_hint_again(hint, len);
	free(hint);
}

static void test_a_truncated_hint_is_made_again(void **state)
{
	uint8_t *hint;
	size_t len;
	size_t cut;

	(void)state;
	runs_first();
	hint = kit_read(runs.io, RUNS_DIR, RUNS_FIRST_HINT, &len);
	for (cut = 0; cut < len; cut += 1 + cut / 8) {
		kit_cut(runs.io, RUNS_DIR, RUNS_FIRST_HINT, cut);
		expect_hint_again(hint, len);
	}
	free(hint);
}

static void test_a_flipped_hint_is_made_again(void **state)
{
	uint8_t *hint;
	size_t len;
	size_t at;

	(void)state;
	runs_first();
	hint = kit_read(runs.io, RUNS_DIR, RUNS_FIRST_HINT, &len);
	for (at = 0; at < len; at += 7) {
		kit_flip(runs.io, RUNS_DIR, RUNS_FIRST_HINT, at, 1);
		expect_hint_again(hint, len);
	}
	free(hint);
}

/* Whole, of this store, and tells only of the first entries. */
static void test_a_hint_of_another_length_is_not_believed(void **state)
{
	struct manifest manifest;
	struct hint_builder builder;
	uint8_t *hint;
	size_t len;

	(void)state;
	runs_first();
	hint = kit_read(runs.io, RUNS_DIR, RUNS_FIRST_HINT, &len);
	kit_manifest(runs.io, RUNS_DIR, &manifest);
	hint_builder_init(&builder);
	assert_int_equal(hint_builder_write(&builder, runs.io, RUNS_DIR,
					    manifest.store_id, RUNS_FIRST_ID,
					    manifest.segments[0].len - 8),
			 0);
	hint_builder_deinit(&builder);
	manifest_deinit(&manifest);
	expect_hint_again(hint, len);
	free(hint);
}

static void test_another_segments_hint_is_not_believed(void **state)
{
	struct store *store;
	uint8_t *hint;
	uint8_t *other;
	size_t len;
	size_t other_len;

	(void)state;
	runs_first();
	hint = kit_read(runs.io, RUNS_DIR, RUNS_FIRST_HINT, &len);
	store = runs_open();
	kit_put(store, "b", "another b");
	kit_put(store, "b", "old b");
	kit_close(store);
	other = kit_read(runs.io, RUNS_DIR, "0000000003.hint", &other_len);
	kit_write(runs.io, RUNS_DIR, RUNS_FIRST_HINT, other, other_len);
	expect_hint_again(hint, len);
	free(other);
	free(hint);
}

/* ---- damage to what was synced ---- */

/* A segment without its hint, every header in it damaged in turn. */
static void test_a_sealed_segment_is_never_cut(void **state)
{
	static const char *const keys[] = { "b", "c", "a" };
	struct simfs *whole;
	size_t i;

	(void)state;
	runs_first();
	kit_unlink(runs.io, RUNS_DIR, RUNS_FIRST_HINT);
	whole = runs.fs;
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct kit_place place =
			kit_find(runs.io, RUNS_DIR, RUNS_FIRST_ID, keys[i]);
		struct store *store;

		runs_use(simfs_clone(whole));
		kit_flip(runs.io, RUNS_DIR, RUNS_FIRST, place.off + 5, 1);
		store = runs_open();
		assert_int_equal(kit_stats(store).damaged_entries, 1);
		if (i != 0)
			kit_expect(store, "b", "old b");
		if (i != 1)
			kit_expect(store, "c", "old c");
		if (i != 2)
			kit_expect(store, "a", "new a");
		kit_expect(store, "gone", NULL);
		kit_close(store);
		simfs_free(runs.fs);
		runs_use(whole);
	}
}

static void test_a_damaged_segment_header_loses_no_entry(void **state)
{
	struct store *store;

	(void)state;
	runs_first();
	runs_second();
	kit_flip(runs.io, RUNS_DIR, RUNS_FIRST, 20, 1);
	kit_flip(runs.io, RUNS_DIR, RUNS_SECOND, 3, 1);
	store = runs_open();
	runs_expect_second(store, "a last value");
	assert_true(kit_stats(store).damaged);
	kit_close(store);
	store = runs_open();
	runs_expect_second(store, "a last value");
	kit_close(store);
}

/* ---- segments and manifests that are missing, of others, newer ---- */

static void test_a_missing_segment_is_named(void **state)
{
	(void)state;
	runs_first();
	kit_unlink(runs.io, RUNS_DIR, RUNS_FIRST);
	runs_expect_refused(-EUCLEAN, "segment 1 is missing");
}

static void test_a_missing_open_segment_is_named(void **state)
{
	(void)state;
	runs_first();
	runs_second();
	kit_unlink(runs.io, RUNS_DIR, RUNS_SECOND);
	runs_expect_refused(-EUCLEAN, "segment 3 is missing");
}

static void test_a_segment_of_another_store_is_refused(void **state)
{
	struct runs_bytes bytes;
	struct store *store;

	(void)state;
	runs_first();
	store = kit_open(runs.io, "/other");
	kit_put(store, "a", "another store's");
	kit_close(store);
	bytes.data = kit_read(runs.io, "/other", RUNS_FIRST, &bytes.len);
	kit_write(runs.io, RUNS_DIR, RUNS_FIRST, bytes.data, bytes.len);
	free(bytes.data);
	runs_expect_refused(-EUCLEAN, "segment 1 belongs to another store");
}

static void test_another_segment_of_the_same_store_is_refused(void **state)
{
	struct runs_bytes bytes;

	(void)state;
	runs_first();
	runs_second();
	bytes = runs_read(RUNS_SECOND);
	kit_write(runs.io, RUNS_DIR, RUNS_FIRST, bytes.data, bytes.len);
	free(bytes.data);
	runs_expect_refused(-EUCLEAN, "segment 1");
}

static void test_a_newer_segment_is_refused(void **state)
{
	(void)state;
	runs_first();
	runs_make_newer(RUNS_FIRST, SEGMENT_HEADER_LEN);
	runs_expect_refused(-EPROTONOSUPPORT, "segment 1 has a newer format");
}

static void test_a_newer_hint_is_made_again(void **state)
{
	uint8_t *hint;
	size_t len;
	struct runs_bytes newer;

	(void)state;
	runs_first();
	hint = kit_read(runs.io, RUNS_DIR, RUNS_FIRST_HINT, &len);
	newer = runs_read(RUNS_FIRST_HINT);
	bytes_put32(newer.data + 8, 2);
	bytes_put32(newer.data + len - 4, crc32c(0, newer.data, len - 4));
	kit_write(runs.io, RUNS_DIR, RUNS_FIRST_HINT, newer.data, newer.len);
	free(newer.data);
	expect_hint_again(hint, len);
	free(hint);
}

/* ---- progress ---- */

struct progress {
	uint64_t n;
	uint64_t done;
	uint64_t total;
};

static void note_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct progress *progress = ctx;

	assert_true(done > progress->done);
	assert_true(done <= total);
	progress->n++;
	progress->done = done;
	progress->total = total;
}

/* As a clear leaves it that was cut before its segments were unlinked. */
static void test_nothing_below_the_floor_exists(void **state)
{
	struct manifest manifest;
	struct store *store = runs_open();

	(void)state;
	kit_put(store, "a", "1");
	kit_put(store, "b", "2");
	kit_put(store, "c", "3");
	kit_close(store);
	kit_manifest(runs.io, RUNS_DIR, &manifest);
	manifest.floor = 2;
	assert_int_equal(manifest_store(runs.io, RUNS_DIR, &manifest), 0);
	manifest_deinit(&manifest);
	store = runs_open();
	kit_expect(store, "a", NULL);
	kit_expect(store, "b", "2");
	kit_expect(store, "c", "3");
	kit_close(store);
}

static void test_progress_is_told_while_loading(void **state)
{
	struct progress progress = { 0 };
	const struct store_options options = {
		.dir = RUNS_DIR,
		.io = runs.io,
		.progress = note_progress,
		.progress_ctx = &progress,
	};
	struct store_error error;
	struct store *store;

	(void)state;
	runs_first();
	runs_second();
	assert_int_equal(store_open(&options, &store, &error), 0);
	kit_close(store);
	assert_true(progress.n >= 1);
}

#define recovery_test(name)                                                    \
	cmocka_unit_test_setup_teardown(name, runs_set_up, runs_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		recovery_test(test_all_shapes_of_entries_come_back),
		recovery_test(test_a_put_without_expiry_ends_an_older_expiry),
		recovery_test(test_many_segments),
		recovery_test(test_a_missing_hint_is_made_again),
		recovery_test(test_a_truncated_hint_is_made_again),
		recovery_test(test_a_flipped_hint_is_made_again),
		recovery_test(test_a_hint_of_another_length_is_not_believed),
		recovery_test(test_another_segments_hint_is_not_believed),
		recovery_test(test_a_sealed_segment_is_never_cut),
		recovery_test(test_a_damaged_segment_header_loses_no_entry),
		recovery_test(test_a_missing_segment_is_named),
		recovery_test(test_a_missing_open_segment_is_named),
		recovery_test(test_a_segment_of_another_store_is_refused),
		recovery_test(
			test_another_segment_of_the_same_store_is_refused),
		recovery_test(test_a_newer_segment_is_refused),
		recovery_test(test_a_newer_hint_is_made_again),
		recovery_test(test_nothing_below_the_floor_exists),
		recovery_test(test_progress_is_told_while_loading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
