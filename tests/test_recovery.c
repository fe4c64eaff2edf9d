/*
 * Stores that were stopped, killed or damaged, and opened again: folder,
 * manifest, versions, clear.  In a simulation (tests/crash/simfs.h), so that
 * what the store does to its files is known exactly.  Power cuts in all their
 * forms are tests/crash/'s.
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

#include "tests/support/segment_maker.h"
#include "tests/support/store_runs.h"

/* ---- after a clean stop ---- */

static void test_a_clean_stop_reads_only_hints_and_changes_no_file(void **state)
{
	struct store_stats stats;
	struct store *store;
	uint64_t renames;
	uint64_t hash;

	(void)state;
	runs_first();
	hash = kit_hash(runs.io, RUNS_DIR);
	renames = simfs_n_calls(runs.fs, SIMFS_RENAME);
	store = runs_open();
	stats = kit_stats(store);
	assert_int_equal(stats.segment_bytes_read, 0);
	assert_int_equal(stats.hint_bytes_read, runs_file_len(RUNS_FIRST_HINT));
	assert_int_equal(stats.hints_rebuilt, 0);
	assert_false(stats.damaged);
	assert_true(kit_hash(runs.io, RUNS_DIR) == hash);
	runs_expect_first(store);
	kit_close(store);
	assert_true(kit_hash(runs.io, RUNS_DIR) == hash);
	assert_int_equal(simfs_n_calls(runs.fs, SIMFS_RENAME), renames);
	assert_int_equal(kit_count(runs.io, RUNS_DIR, "", ".seg"), 1);
}

static void test_a_new_store_has_two_manifests_and_a_lock(void **state)
{
	struct store *store = runs_open();

	(void)state;
	assert_int_equal(store_count(store), 0);
	assert_int_equal(kit_count(runs.io, RUNS_DIR, "", ""), 3);
	kit_close(store);
	store = runs_open();
	assert_int_equal(store_count(store), 0);
	assert_int_equal(kit_stats(store).segments, 0);
	kit_close(store);
}

static void test_versions_go_on_after_a_clean_stop(void **state)
{
	struct store *store = runs_open();
	uint64_t version;

	(void)state;
	version = kit_put(store, "a", "1");
	kit_close(store);
	store = runs_open();
	assert_true(kit_version(store, "a") == version);
	assert_true(kit_put(store, "a", "2") == version + 1);
	kit_close(store);
}

/* ---- after a kill ---- */

static void test_killed_again_and_again(void **state)
{
	struct store *store;
	char value[16];
	int i;

	(void)state;
	for (i = 0; i < 20; i++) {
		store = runs_open();
		if (i > 0)
			kit_expect(store, "counter", value);
		snprintf(value, sizeof(value), "%d", i);
		if (i % 2)
			kit_put(store, "counter", value);
		else
			kit_put_soft(store, "counter", value);
		store_abandon(store);
	}
	store = runs_open();
	kit_expect(store, "counter", value);
	assert_int_equal(store_count(store), 1);
	assert_int_equal(kit_count(runs.io, RUNS_DIR, "quarantine", "seg"), 0);
	kit_close(store);
}

static void test_versions_after_a_kill_are_larger_than_any_seen(void **state)
{
	struct store *store = runs_open();
	uint64_t seen = 0;
	struct simfs *cut;
	int i;

	(void)state;
	kit_put(store, "first", "1");
	for (i = 0; i < 100; i++)
		seen = kit_put_soft(store, "a", "unsynced");
	assert_true(kit_version(store, "a") == seen);
	/* all that may be lost is */
	cut = simfs_crash_durable(runs.fs);
	store_abandon(store);
	simfs_free(runs.fs);
	runs_use(cut);
	store = runs_open();
	kit_expect(store, "first", "1");
	kit_expect(store, "a", NULL);
	assert_true(kit_put(store, "a", "again") > seen);
	store_abandon(store);
}

/* ---- what is in the folder ---- */

static void test_files_that_are_not_listed_go_to_quarantine(void **state)
{
	struct store *store;

	(void)state;
	runs_first();
	kit_write(runs.io, RUNS_DIR, "0000000077.seg", "not listed", 10);
	kit_write(runs.io, RUNS_DIR, "0000000078.hint", "not listed", 10);
	store = runs_open();
	runs_expect_first(store);
	kit_close(store);
	assert_false(kit_exists(runs.io, RUNS_DIR, "0000000077.seg"));
	assert_false(kit_exists(runs.io, RUNS_DIR, "0000000078.hint"));
	assert_int_equal(
		kit_count(runs.io, RUNS_DIR, "quarantine", "0000000077.seg"),
		1);
	assert_int_equal(
		kit_count(runs.io, RUNS_DIR, "quarantine", "0000000078.hint"),
		1);
}

static void test_a_new_segment_keeps_clear_of_files_in_its_way(void **state)
{
	struct store *store;

	(void)state;
	runs_first();
	store = runs_open();
	kit_write(runs.io, RUNS_DIR, RUNS_SECOND, "in the way", 10);
	kit_put(store, "d", "new d");
	runs_expect_same(
		RUNS_SECOND,
		&(struct runs_bytes){ (uint8_t *)strdup("in the way"), 10 });
	store_abandon(store);
	store = runs_open();
	kit_expect(store, "d", "new d");
	kit_close(store);
}

static void test_unfinished_files_are_removed(void **state)
{
	static const char *const names[] = { "MANIFEST.0.tmp", "MANIFEST.1.tmp",
					     "0000000001.hint.tmp",
					     "0000000009.seg.tmp" };
	struct store *store;
	size_t i;

	(void)state;
	runs_first();
	for (i = 0; i < 4; i++)
		kit_write(runs.io, RUNS_DIR, names[i], "half", 4);
	store = runs_open();
	runs_expect_first(store);
	for (i = 0; i < 4; i++)
		assert_false(kit_exists(runs.io, RUNS_DIR, names[i]));
	kit_close(store);
	assert_int_equal(kit_count(runs.io, RUNS_DIR, "", "quarantine"), 0);
}

static void test_foreign_files_are_left_alone(void **state)
{
	static const char *const names[] = {
		"notes.txt",	      "notes.tmp",	  "1.seg",
		"0000000001.seg.bak", "00000000001.hint", "0000000000.seg",
		"MANIFEST.2",	      ".hidden",
	};
	struct store *store;
	size_t i;

	(void)state;
	runs_first();
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		kit_write(runs.io, RUNS_DIR, names[i], names[i],
			  strlen(names[i]));
	store = runs_open();
	kit_put(store, "d", "new d");
	assert_int_equal(store_clear(store), 0);
	store_abandon(store);
	store = runs_open();
	assert_int_equal(store_count(store), 0);
	kit_close(store);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t len;
		uint8_t *data = kit_read(runs.io, RUNS_DIR, names[i], &len);

		assert_int_equal(len, strlen(names[i]));
		assert_memory_equal(data, names[i], len);
		free(data);
	}
}

static void test_a_folder_with_other_things_in_it_is_refused(void **state)
{
	(void)state;
	assert_int_equal(runs.io->mkdir(runs.io, RUNS_DIR), 0);
	kit_write(runs.io, RUNS_DIR, "letter.txt", "dear", 4);
	runs_expect_refused(-ENOTEMPTY, "letter.txt");
	assert_int_equal(kit_count(runs.io, RUNS_DIR, "", ""), 1);
}

static void test_a_folder_with_segments_and_no_manifest_is_refused(void **state)
{
	(void)state;
	runs_first();
	kit_unlink(runs.io, RUNS_DIR, "MANIFEST.0");
	kit_unlink(runs.io, RUNS_DIR, "MANIFEST.1");
	runs_expect_refused(-EUCLEAN, "repair " RUNS_DIR);
}

static void test_an_empty_folder_becomes_a_store(void **state)
{
	struct store *store;

	(void)state;
	assert_int_equal(runs.io->mkdir(runs.io, RUNS_DIR), 0);
	assert_int_equal(runs.io->mkdir(runs.io, RUNS_DIR "/lost+found"), 0);
	store = runs_open();
	kit_put(store, "a", "1");
	kit_close(store);
	store = runs_open();
	kit_expect(store, "a", "1");
	kit_close(store);
	assert_int_equal(kit_count(runs.io, RUNS_DIR, "", "lost+found"), 1);
}

static void test_what_a_first_start_left_half_made_is_no_obstacle(void **state)
{
	struct store *store;

	(void)state;
	assert_int_equal(runs.io->mkdir(runs.io, RUNS_DIR), 0);
	kit_write(runs.io, RUNS_DIR, "LOCK", "", 0);
	kit_write(runs.io, RUNS_DIR, "MANIFEST.0.tmp", "half", 4);
	store = runs_open();
	kit_put(store, "a", "1");
	kit_close(store);
	assert_false(kit_exists(runs.io, RUNS_DIR, "MANIFEST.0.tmp"));
}

static void test_a_file_in_place_of_the_folder_is_refused(void **state)
{
	struct store *store = NULL;
	struct store_error error;

	(void)state;
	maker_write_file(runs.io, RUNS_DIR, "a file", 6);
	assert_int_equal(kit_try_open(runs.io, RUNS_DIR, &store, &error),
			 -ENOTDIR);
	assert_non_null(strstr(error.text, RUNS_DIR));
	assert_null(store);
}

static void test_a_folder_that_may_not_be_written_is_told(void **state)
{
	struct simfs_fault fault = { .calls = 1u << SIMFS_OPEN,
				     .nth = 1,
				     .from_then = true };
	static const int errors[] = { EACCES, EROFS, EPERM };
	size_t i;

	(void)state;
	runs_first();
	for (i = 0; i < 3; i++) {
		struct store *store = NULL;
		struct store_error error;
		uint64_t hash = kit_hash(runs.io, RUNS_DIR);

		fault.error = errors[i];
		simfs_set_fault(runs.fs, &fault);
		assert_int_equal(
			kit_try_open(runs.io, RUNS_DIR, &store, &error),
			-errors[i]);
		simfs_set_fault(runs.fs, NULL);
		assert_non_null(strstr(error.text, RUNS_DIR));
		assert_non_null(strstr(error.text, strerror(errors[i])));
		assert_true(kit_hash(runs.io, RUNS_DIR) == hash);
	}
}

/* ---- segments and manifests that are missing, of others, newer ---- */

static void test_a_newer_manifest_is_refused(void **state)
{
	(void)state;
	runs_first();
	/* one is enough: the newer program was cut off between the two */
	runs_make_newer("MANIFEST.0", 0);
	runs_expect_refused(-EPROTONOSUPPORT, "newer format");
	runs_make_newer("MANIFEST.1", 0);
	runs_expect_refused(-EPROTONOSUPPORT, "newer format");
}

static void test_a_newer_second_manifest_is_refused(void **state)
{
	(void)state;
	runs_first();
	runs_make_newer("MANIFEST.1", 0);
	runs_expect_refused(-EPROTONOSUPPORT, "newer format");
}

static void expect_manifests_repaired(void)
{
	struct manifest_report report;
	struct manifest manifest;
	struct store *store = runs_open();

	runs_expect_first(store);
	assert_int_equal(kit_stats(store).segment_bytes_read, 0);
	store_abandon(store);
	assert_int_equal(manifest_load(runs.io, RUNS_DIR, &manifest, &report),
			 0);
	manifest_deinit(&manifest);
	assert_true(report.equal);
	assert_int_equal(kit_count(runs.io, RUNS_DIR, "", ".tmp"), 0);
}

static void test_a_damaged_manifest_is_repaired_from_the_other(void **state)
{
	static const char *const names[] = { "MANIFEST.0", "MANIFEST.1" };
	size_t i;

	(void)state;
	runs_first();
	for (i = 0; i < 2; i++) {
		uint64_t len = runs_file_len(names[i]);
		uint64_t at;

		for (at = 0; at < len; at++) {
			kit_flip(runs.io, RUNS_DIR, names[i], at, 0x80);
			expect_manifests_repaired();
			kit_cut(runs.io, RUNS_DIR, names[i], at);
			expect_manifests_repaired();
		}
		kit_unlink(runs.io, RUNS_DIR, names[i]);
		expect_manifests_repaired();
	}
}

static void test_two_damaged_manifests_are_refused(void **state)
{
	(void)state;
	runs_first();
	kit_flip(runs.io, RUNS_DIR, "MANIFEST.0", 40, 1);
	kit_flip(runs.io, RUNS_DIR, "MANIFEST.1", 50, 1);
	runs_expect_refused(-EUCLEAN, "repair " RUNS_DIR);
	kit_unlink(runs.io, RUNS_DIR, "MANIFEST.1");
	runs_expect_refused(-EUCLEAN, "repair " RUNS_DIR);
	kit_cut(runs.io, RUNS_DIR, "MANIFEST.0", 0);
	runs_expect_refused(-EUCLEAN, "repair " RUNS_DIR);
}

/* ---- clear ---- */

static void
test_after_a_clear_nothing_comes_back_wherever_it_is_killed(void **state)
{
	static struct runs_kills kills;
	struct runs_bytes old;
	struct simfs *last;
	struct store *store;
	bool cleared = false;
	size_t i;

	(void)state;
	runs_first();
	store = runs_open();
	kit_put(store, "d", "new d");
	old = runs_read(RUNS_FIRST);
	kills.n = 0;
	simfs_set_hook(runs.fs, runs_keep_kill, &kills);
	assert_int_equal(store_clear(store), 0);
	simfs_set_hook(runs.fs, NULL, NULL);
	assert_int_equal(store_count(store), 0);
	kit_expect(store, "a", NULL);
	kit_put(store, "d", "after");
	store_abandon(store);
	last = runs.fs;
	for (i = 0; i < kills.n; i++) {
		runs_use(kills.at[i]);
		store = runs_open();
		/* all or nothing, and never again all */
		if (store_count(store) == 0)
			cleared = true;
		assert_int_equal(store_count(store), cleared ? 0 : 4);
		kit_expect(store, "a", cleared ? NULL : "new a");
		kit_expect(store, "d", cleared ? NULL : "new d");
		kit_put(store, "e", "new e");
		kit_close(store);
		store = runs_open();
		assert_int_equal(store_count(store), cleared ? 1 : 5);
		kit_close(store);
		simfs_free(runs.fs);
	}
	assert_true(cleared);
	runs_use(last);
	/* nor when the old files are put back */
	kit_write(runs.io, RUNS_DIR, RUNS_FIRST, old.data, old.len);
	free(old.data);
	store = runs_open();
	assert_int_equal(store_count(store), 1);
	kit_expect(store, "d", "after");
	kit_close(store);
}

static void test_versions_go_on_behind_a_clear(void **state)
{
	struct store *store = runs_open();
	uint64_t version;

	(void)state;
	version = kit_put(store, "a", "1");
	assert_int_equal(store_clear(store), 0);
	kit_close(store);
	store = runs_open();
	assert_int_equal(store_count(store), 0);
	assert_true(kit_put(store, "a", "2") > version);
	kit_close(store);
	store = runs_open();
	kit_expect(store, "a", "2");
	kit_close(store);
}

#define recovery_test(name)                                                    \
	cmocka_unit_test_setup_teardown(name, runs_set_up, runs_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		recovery_test(
			test_a_clean_stop_reads_only_hints_and_changes_no_file),
		recovery_test(test_a_new_store_has_two_manifests_and_a_lock),
		recovery_test(test_versions_go_on_after_a_clean_stop),
		recovery_test(test_killed_again_and_again),
		recovery_test(
			test_versions_after_a_kill_are_larger_than_any_seen),
		recovery_test(test_files_that_are_not_listed_go_to_quarantine),
		recovery_test(
			test_a_new_segment_keeps_clear_of_files_in_its_way),
		recovery_test(test_unfinished_files_are_removed),
		recovery_test(test_foreign_files_are_left_alone),
		recovery_test(test_a_folder_with_other_things_in_it_is_refused),
		recovery_test(
			test_a_folder_with_segments_and_no_manifest_is_refused),
		recovery_test(test_an_empty_folder_becomes_a_store),
		recovery_test(
			test_what_a_first_start_left_half_made_is_no_obstacle),
		recovery_test(test_a_file_in_place_of_the_folder_is_refused),
		recovery_test(test_a_folder_that_may_not_be_written_is_told),
		recovery_test(test_a_newer_manifest_is_refused),
		recovery_test(test_a_newer_second_manifest_is_refused),
		recovery_test(
			test_a_damaged_manifest_is_repaired_from_the_other),
		recovery_test(test_two_damaged_manifests_are_refused),
		recovery_test(
			test_after_a_clear_nothing_comes_back_wherever_it_is_killed),
		recovery_test(test_versions_go_on_behind_a_clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
