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
/* The first that a repair writes: the numbers go on behind the old ones. */
#define NEW_FIRST "0000000007.seg"

enum {
	FIRST_ID = 1,
	SECOND_ID = 3,
	THIRD_ID = 5,
	OUTPUT_ID = 9,
	N_LIVE = 9,
	N_KEYS_MAX = 16,
	SAMPLE_STEP = 13,
	NTH_MAX = 1000,
};

static struct simfs *fs;
static struct io *io;
static struct rest_found found;

static int begin(bool killed)
{
	fs = rest_new(killed);
	io = simfs_io(fs);
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
	assert_int_equal(simfs_n_open(fs), 0);
	assert_int_equal(simfs_n_misused(fs), 0);
	simfs_free(fs);
	return 0;
}

/* Repairs, and the old store stays as it is whatever comes out. */
static void repair(void)
{
	uint64_t hash = rest_hash(fs);

	rest_repair(fs, &found);
	assert_true(rest_hash(fs) == hash);
	assert_int_equal(simfs_n_open(fs), 0);
	if (found.result != 0) {
		assert_true(found.result < 0);
		assert_true(*found.error.text);
	}
}

static void expect_done(void)
{
	struct rest_found again;

	if (found.result != 0)
		rest_print(&found);
	assert_int_equal(found.result, 0);
	assert_false(kit_exists(io, REST_NEWDIR, INVENTORY_UNFINISHED));
	rest_check(fs, REST_NEWDIR, &again);
	if (again.n > 0)
		rest_print(&again);
	assert_int_equal(again.result, 0);
	assert_int_equal(again.n, 0);
}

/* All newest values are there but those of LOST, a list that ends in NULL. */
static void expect_all_but(const char *const *lost)
{
	struct store *store = kit_open(io, REST_NEWDIR);
	size_t n = 0;
	size_t i;

	for (i = 0; i < rest_n_newest; i++) {
		const char *value = rest_newest[i].value;
		size_t k;

		for (k = 0; lost[k]; k++) {
			if (strcmp(rest_newest[i].key, lost[k]) == 0)
				value = NULL;
		}
		kit_expect(store, rest_newest[i].key, value);
		n += value != NULL;
	}
	assert_int_equal(store_count(store), n);
	kit_close(store);
}

#define expect_lost(...)                                                       \
	expect_all_but((const char *const[]){ __VA_ARGS__, NULL })

static void expect_all(void)
{
	static const char *const none[] = { NULL };

	expect_all_but(none);
}

static void expect_refused(int result, const char *text)
{
	repair();
	if (found.result != result || !strstr(found.error.text, text))
		rest_print(&found);
	assert_int_equal(found.result, result);
	assert_non_null(strstr(found.error.text, text));
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
	struct simfs *before = simfs_clone(fs);
	struct known was = look(before, REST_DIR);
	struct store *store;
	struct known is;

	(void)state;
	simfs_free(before);
	repair();
	expect_done();
	assert_int_equal(found.n, 0);
	assert_int_equal(found.repaired.n_copied, N_LIVE);
	assert_int_equal(found.repaired.n_quarantined, 0);
	expect_all();
	is = look(fs, REST_NEWDIR);
	assert_memory_equal(&is, &was, sizeof(was));
	store = kit_open(io, REST_NEWDIR);
	assert_true(kit_put(store, "next", "1") > was.versions[0]);
	kit_close(store);
}

static void test_a_killed_store_is_copied_to_its_last_write(void **state)
{
	(void)state;
	repair();
	expect_done();
	expect_all();
}

static void test_an_empty_store_becomes_an_empty_one(void **state)
{
	struct store *store = kit_open(io, REST_DIR);

	(void)state;
	assert_int_equal(store_clear(store), 0);
	kit_close(store);
	repair();
	expect_done();
	store = kit_open(io, REST_NEWDIR);
	assert_int_equal(store_count(store), 0);
	kit_close(store);
}

static void test_entries_below_the_floor_of_a_clear_stay_away(void **state)
{
	struct store *store = kit_open(io, REST_DIR);

	(void)state;
	kit_put(store, "cleared", "1");
	assert_int_equal(store_clear(store), 0);
	kit_put(store, "after", "2");
	store_abandon(store);
	repair();
	expect_done();
	store = kit_open(io, REST_NEWDIR);
	kit_expect(store, "after", "2");
	assert_int_equal(store_count(store), 1);
	kit_close(store);
}

static void test_large_values_get_segments_of_their_own(void **state)
{
	size_t len = (64 << 20) + 1234;
	struct store *store = kit_open(io, REST_DIR);
	struct store_value value;
	uint8_t *large = malloc(len);

	(void)state;
	assert_non_null(large);
	memset(large, 'x', len);
	assert_int_equal(store_put(store, "large", 5, large, len, STORE_ALWAYS),
			 0);
	kit_put(store, "small", "1");
	kit_close(store);
	repair();
	expect_done();
	store = kit_open(io, REST_NEWDIR);
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
	struct store *store = kit_open(io, REST_DIR);

	(void)state;
	rest_repair(fs, &found);
	assert_int_equal(found.result, -EWOULDBLOCK);
	kit_close(store);
	assert_int_equal(kit_count(io, REST_NEWDIR, "", ""), 0);
}

static void test_a_folder_with_something_in_it_is_refused(void **state)
{
	(void)state;
	assert_int_equal(io->mkdir(io, REST_NEWDIR), 0);
	kit_write(io, REST_NEWDIR, "a file", "text", 4);
	expect_refused(-ENOTEMPTY, "is not empty");
	assert_int_equal(kit_count(io, REST_NEWDIR, "", ""), 1);
	/* an empty one will do */
	kit_unlink(io, REST_NEWDIR, "a file");
	repair();
	expect_done();
	expect_refused(-ENOTEMPTY, "is not empty");
}

static void test_a_newer_format_is_refused_before_anything_is_made(void **state)
{
	size_t len;
	uint8_t *data = kit_read(io, REST_DIR, "MANIFEST.0", &len);

	(void)state;
	data[12] = 99;
	memset(data + 8, 0, 4);
	bytes_put32(data + 8, crc32c(0, data, len));
	kit_write(io, REST_DIR, "MANIFEST.0", data, len);
	free(data);
	expect_refused(-EPROTONOSUPPORT, "newer format");
	assert_int_equal(kit_count(io, "/", "", "new"), 0);
}

static void test_what_was_not_finished_is_no_source(void **state)
{
	(void)state;
	kit_write(io, REST_DIR, INVENTORY_UNFINISHED, "text", 4);
	expect_refused(-EBUSY, "not finished");
}

/* ---- damage ---- */

static void test_a_damaged_newest_value_is_left_out_and_kept(void **state)
{
	struct kit_place place = kit_find(io, REST_DIR, THIRD_ID, "a");
	char name[64];
	size_t len;

	(void)state;
	kit_flip(io, REST_DIR, THIRD, place.value_off, 1);
	repair();
	expect_done();
	assert_int_equal(rest_count(&found, FINDING_VALUE, "a"), 1);
	assert_int_equal(rest_count(&found, FINDING_LOST, "a"), 1);
	assert_int_equal(found.repaired.n_lost, 1);
	assert_int_equal(found.repaired.n_quarantined, 1);
	expect_lost("a");
	snprintf(name, sizeof(name), "quarantine/" THIRD ".from-%llu",
		 (unsigned long long)place.off);
	free(kit_read(io, REST_NEWDIR, name, &len));
	assert_int_equal(len, place.len);
}

static void test_a_damaged_older_value_costs_nothing(void **state)
{
	struct kit_place place = kit_find(io, REST_DIR, SECOND_ID, "a");

	(void)state;
	kit_flip(io, REST_DIR, SECOND, place.value_off, 1);
	repair();
	expect_done();
	assert_int_equal(rest_count(&found, FINDING_VALUE, "a"), 1);
	assert_int_equal(found.repaired.n_lost, 0);
	expect_all();
}

static void test_a_damaged_header_that_the_hint_names(void **state)
{
	struct kit_place place = kit_find(io, REST_DIR, THIRD_ID, "back");

	(void)state;
	kit_flip(io, REST_DIR, THIRD, place.off + 20, 1);
	repair();
	expect_done();
	assert_int_equal(rest_count(&found, FINDING_LOST, "back"), 1);
	expect_lost("back");
}

static void test_a_damaged_deletion_that_the_hint_names(void **state)
{
	struct kit_place place = kit_find(io, REST_DIR, SECOND_ID, "gone1");

	(void)state;
	kit_flip(io, REST_DIR, SECOND, place.off, 1);
	repair();
	expect_done();
	assert_int_equal(rest_count(&found, FINDING_ENTRY, "gone1"), 1);
	assert_int_equal(found.repaired.n_lost, 0);
	expect_all();
}

static void test_a_damaged_header_that_nothing_names_is_told(void **state)
{
	struct kit_place place = kit_find(io, REST_DIR, THIRD_ID, "alone3");

	(void)state;
	kit_flip(io, REST_DIR, THIRD, place.off, 1);
	kit_unlink(io, REST_DIR, "0000000005.hint");
	repair();
	expect_done();
	assert_int_equal(rest_count(&found, FINDING_BYTES, ""), 1);
	assert_int_equal(found.repaired.n_unknown, 1);
	expect_lost("alone3");
}

static void test_a_missing_segment(void **state)
{
	(void)state;
	kit_unlink(io, REST_DIR, SECOND);
	repair();
	expect_done();
	/* its hint knows of older values that must not come back */
	assert_int_equal(rest_count(&found, FINDING_LOST, "b"), 1);
	assert_int_equal(rest_count(&found, FINDING_LOST, "alone2"), 1);
	assert_int_equal(found.repaired.n_lost, 2);
	expect_lost("b", "alone2");
}

static void test_another_store_s_segment_goes_to_quarantine(void **state)
{
	struct segment *segment = maker_segment(io, "/", 1, 4096);
	size_t len;
	uint8_t *data;

	(void)state;
	segment_free(io, segment);
	data = kit_read(io, "", FIRST, &len);
	kit_write(io, REST_DIR, FIRST, data, len);
	free(data);
	repair();
	expect_done();
	expect_lost("alone1");
	assert_int_equal(kit_count(io, REST_NEWDIR, "quarantine", FIRST), 1);
}

static void test_unlisted_files_go_to_quarantine(void **state)
{
	(void)state;
	kit_write(io, REST_DIR, "0000000077.seg", "not listed", 10);
	kit_write(io, REST_DIR, "0000000078.hint", "not listed", 10);
	kit_write(io, REST_DIR, "other", "not ours", 8);
	repair();
	expect_done();
	expect_all();
	assert_int_equal(kit_count(io, REST_NEWDIR, "quarantine", "00000000"),
			 2);
}

static void test_a_torn_end_goes_to_quarantine(void **state)
{
	struct store *store = kit_open(io, REST_DIR);
	struct kit_place place;

	(void)state;
	kit_put(store, "durable", "value");
	kit_put_soft(store, "soft", "value");
	store_abandon(store);
	place = kit_find(io, REST_DIR, 7, "soft");
	kit_flip(io, REST_DIR, "0000000007.seg", place.value_off, 1);
	repair();
	expect_done();
	assert_int_equal(found.repaired.n_damaged, 0);
	store = kit_open(io, REST_NEWDIR);
	kit_expect(store, "durable", "value");
	kit_expect(store, "soft", NULL);
	kit_expect(store, "a", "third a");
	kit_close(store);
	assert_int_equal(
		kit_count(io, REST_NEWDIR, "quarantine", "0000000007.seg.from"),
		1);
}

/* ---- lost manifests ---- */

static void lose_manifests(const char *dir)
{
	kit_flip(io, dir, "MANIFEST.0", 33, 4);
	kit_unlink(io, dir, "MANIFEST.1");
}

static void lose_hints(const char *dir)
{
	char name[SEGMENT_NAME_MAX];
	uint32_t id;

	for (id = 1; id < OUTPUT_ID; id++) {
		segment_hint_name(id, name);
		if (kit_exists(io, dir, name))
			kit_unlink(io, dir, name);
	}
}

static void test_lost_manifests_are_made_up_from_the_segments(void **state)
{
	(void)state;
	lose_manifests(REST_DIR);
	repair();
	expect_done();
	assert_int_equal(found.repaired.n_damaged, 1);
	expect_all();
}

static void test_without_manifests_and_hints_too(void **state)
{
	struct kit_place place = kit_find(io, REST_DIR, FIRST_ID, "gone2");

	(void)state;
	lose_manifests(REST_DIR);
	lose_hints(REST_DIR);
	/* an earlier segment was synced: what follows the damage counts */
	kit_flip(io, REST_DIR, FIRST, place.off, 1);
	repair();
	expect_done();
	expect_all();
}

static void test_a_killed_store_without_manifests(void **state)
{
	(void)state;
	lose_manifests(REST_DIR);
	repair();
	expect_done();
	expect_all();
}

static void test_a_segment_of_another_store_among_others(void **state)
{
	struct segment *segment = maker_segment(io, REST_DIR, 2, 4096);

	(void)state;
	maker_put(io, segment, "a", "another store's", 999);
	segment_free(io, segment);
	lose_manifests(REST_DIR);
	repair();
	expect_done();
	expect_all();
	assert_int_equal(rest_count(&found, FINDING_SEGMENT, NULL), 1);
	assert_int_equal(
		kit_count(io, REST_NEWDIR, "quarantine", "0000000002.seg"), 1);
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

	assert_int_equal(
		segment_create_output(io, REST_DIR, OUTPUT_ID, 4096, &output),
		0);
	output->header_len = segment_header_len(1);
	output->len = output->header_len;
	maker_append(io, output, &entry);
	assert_int_equal(segment_finish_output(io, REST_DIR, store_id, output,
					       replaces, 1),
			 0);
	segment_free(io, output);
}

static void test_an_output_stands_for_what_it_replaces(void **state)
{
	struct manifest manifest;
	struct store *store;

	(void)state;
	kit_manifest(io, REST_DIR, &manifest);
	add_output(manifest.store_id);
	manifest_deinit(&manifest);
	lose_manifests(REST_DIR);
	repair();
	expect_done();
	store = kit_open(io, REST_NEWDIR);
	kit_expect(store, "only", "in the output");
	kit_expect(store, "alone1", NULL);
	kit_expect(store, "a", "third a");
	kit_close(store);
}

/* The last entry may end in zeros, and only its header tells how many. */
static void test_an_output_that_ends_in_zeros(void **state)
{
	struct store *store = kit_open(io, "/zeros");
	struct repair_options options = { .dir = "/zeros",
					  .new_dir = REST_NEWDIR,
					  .io = io };
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
	lose_manifests("/zeros");
	lose_hints("/zeros");
	assert_int_equal(repair_run(&options, &report, &error), 0);
	assert_int_equal(report.n_copied, 1);
	store = kit_open(io, REST_NEWDIR);
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
					  .io = io };
	struct repair_report report;
	struct store_error error;
	struct segment *first;
	struct segment *second;
	struct store *store;

	(void)state;
	assert_int_equal(io->mkdir(io, "/failed"), 0);
	first = maker_segment(io, "/failed", 1, 4096);
	maker_put(io, first, "a", "1", 1);
	maker_batch(io, first, 2, 2, 0);
	second = maker_segment(io, "/failed", 3, 4096);
	maker_put(io, second, "c", "3", 2);
	maker_put(io, second, "d", "4", 3);
	segment_free(io, first);
	segment_free(io, second);
	assert_int_equal(repair_run(&options, &report, &error), 0);
	assert_int_equal(report.n_damaged, 1); /* the manifests */
	assert_int_equal(report.n_quarantined, 1);
	store = kit_open(io, REST_NEWDIR);
	assert_int_equal(store_count(store), 3);
	kit_expect(store, "a", "1");
	kit_expect(store, "b0", NULL);
	kit_expect(store, "c", "3");
	kit_expect(store, "d", "4");
	kit_close(store);
}

static void test_a_compacted_store_without_manifests_and_hints(void **state)
{
	struct store *store = kit_open(io, REST_DIR);

	(void)state;
	assert_int_equal(store_compact(store), 0);
	kit_put(store, "alone3", "run 4");
	kit_put(store, "alone3", "run 3");
	kit_close(store);
	lose_manifests(REST_DIR);
	kit_unlink(io, REST_DIR, "0000000007.hint");
	kit_unlink(io, REST_DIR, "0000000008.hint");
	repair();
	expect_done();
	expect_all();
}

/* What a repair wrote can lose its manifests and hints, too. */
static void test_a_repaired_store_is_repaired_again(void **state)
{
	struct repair_options options = {
		.dir = REST_NEWDIR,
		.new_dir = "/again",
		.io = io,
	};
	struct repair_report report;
	struct store_error error;
	struct store *store;

	(void)state;
	repair();
	expect_done();
	lose_manifests(REST_NEWDIR);
	lose_hints(REST_NEWDIR);
	assert_int_equal(repair_run(&options, &report, &error), 0);
	assert_int_equal(report.n_copied, N_LIVE);
	store = kit_open(io, "/again");
	kit_expect(store, "alone1", "run 1");
	assert_int_equal(store_count(store), N_LIVE);
	kit_close(store);
}

/* ---- every byte ---- */

/* No key has another value than its newest; those without one are listed. */
static unsigned judge_new(struct simfs *at)
{
	struct store *store = kit_open(simfs_io(at), REST_NEWDIR);
	unsigned n_missing = 0;
	size_t i;

	for (i = 0; i < rest_n_newest; i++) {
		const struct rest_pair *pair = &rest_newest[i];
		char value[64];
		int result = kit_get(store, pair->key, value, sizeof(value));

		if (result == 0) {
			assert_non_null(pair->value);
			assert_string_equal(value, pair->value);
			continue;
		}
		assert_int_equal(result, STORE_NOT_FOUND);
		if (!pair->value)
			continue;
		n_missing++;
		assert_int_equal(rest_count(&found, FINDING_LOST, pair->key),
				 1);
	}
	kit_close(store);
	return n_missing;
}

static void flip(const char *name, uint64_t at, uint8_t mask, unsigned may_lose)
{
	struct simfs *whole = fs;

	fs = simfs_clone(whole);
	io = simfs_io(fs);
	kit_flip(io, REST_DIR, name, at, mask);
	repair();
	if (found.result != 0)
		fail_msg("%s: byte %llu: %s", name, (unsigned long long)at,
			 found.error.text);
	assert_true(judge_new(fs) <= may_lose);
	if (found.repaired.n_damaged == 0)
		fail_msg("%s: byte %llu: nothing was found", name,
			 (unsigned long long)at);
	simfs_free(fs);
	fs = whole;
	io = simfs_io(fs);
}

static void test_any_byte_that_changes_costs_one_listed_key(void **state)
{
	static const char *const names[] = {
		FIRST,
		SECOND,
		THIRD,
		"0000000001.hint",
		"0000000003.hint",
		"0000000005.hint",
		"MANIFEST.0",
		"MANIFEST.1",
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
		for (at = i % step; at < len; at += step, n++)
			flip(names[i], at, (uint8_t)(1u << at % 8), i < 3);
	}
	printf("# %llu repairs, each of one changed byte\n",
	       (unsigned long long)n);
}

/* ---- faults ---- */

/* Whether the fault was met. */
static bool repair_under(const struct simfs_fault *fault)
{
	struct simfs *whole = fs;
	bool hit;

	fs = simfs_clone(whole);
	io = simfs_io(fs);
	simfs_set_fault(fs, fault);
	rest_repair(fs, &found);
	hit = simfs_n_faults(fs) > 0;
	simfs_set_fault(fs, NULL);
	assert_true(rest_hash(fs) == rest_hash(whole));
	assert_int_equal(simfs_n_open(fs), 0);
	if (found.result == 0) {
		judge_new(fs);
	} else {
		assert_true(found.result < 0);
		assert_true(strlen(found.error.text) > 10);
	}
	simfs_free(fs);
	fs = whole;
	io = simfs_io(fs);
	return hit;
}

static void test_any_call_may_fail(void **state)
{
	static const struct simfs_fault faults[] = {
		{ .calls = 1u << SIMFS_OPEN, .error = EMFILE },
		{ .calls = 1u << SIMFS_PWRITEV, .error = ENOSPC },
		{ .calls = 1u << SIMFS_PWRITEV, .error = EIO },
		{ .calls = 1u << SIMFS_PWRITEV, .is_short = true },
		{ .calls = 1u << SIMFS_SYNC, .error = EIO },
		{ .calls = 1u << SIMFS_SYNC_DIR, .error = EIO },
		{ .calls = 1u << SIMFS_ALLOCATE, .error = ENOSPC },
		{ .calls = 1u << SIMFS_ALLOCATE, .error = EOPNOTSUPP },
		{ .calls = 1u << SIMFS_PUNCH, .error = EOPNOTSUPP },
		{ .calls = 1u << SIMFS_RENAME, .error = EIO },
		{ .calls = 1u << SIMFS_UNLINK, .error = EIO },
		{ .calls = 1u << SIMFS_MKDIR, .error = ENOSPC },
		{ .calls = 1u << SIMFS_STAT, .error = EIO },
		{ .calls = 1u << SIMFS_LIST, .error = EIO },
		{ .calls = 1u << SIMFS_LOCK, .error = EIO },
		{ .calls = 1u << SIMFS_PREAD, .is_short = true },
	};
	struct kit_place place = kit_find(io, REST_DIR, THIRD_ID, "a");
	unsigned n = 0;
	size_t i;

	(void)state;
	/* so that there is something for the quarantine */
	kit_flip(io, REST_DIR, THIRD, place.value_off, 1);
	for (i = 0; i < 2 * sizeof(faults) / sizeof(faults[0]); i++) {
		struct simfs_fault fault = faults[i / 2];

		fault.from_then = i % 2;
		for (fault.nth = 1; repair_under(&fault); fault.nth++, n++)
			assert_true(fault.nth < NTH_MAX);
	}
	assert_true(n > 0);
	printf("# %u repairs with a fault\n", n);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_KILLED(name)                                                      \
	cmocka_unit_test_setup_teardown(name, set_up_killed, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_whole_store_is_copied_with_versions_and_expiry),
		TEST_KILLED(test_a_killed_store_is_copied_to_its_last_write),
		TEST(test_an_empty_store_becomes_an_empty_one),
		TEST(test_entries_below_the_floor_of_a_clear_stay_away),
		TEST(test_large_values_get_segments_of_their_own),
		TEST(test_a_store_in_use_is_refused),
		TEST(test_a_folder_with_something_in_it_is_refused),
		TEST(test_a_newer_format_is_refused_before_anything_is_made),
		TEST(test_what_was_not_finished_is_no_source),
		TEST(test_a_damaged_newest_value_is_left_out_and_kept),
		TEST(test_a_damaged_older_value_costs_nothing),
		TEST(test_a_damaged_header_that_the_hint_names),
		TEST(test_a_damaged_deletion_that_the_hint_names),
		TEST(test_a_damaged_header_that_nothing_names_is_told),
		TEST(test_a_missing_segment),
		TEST(test_another_store_s_segment_goes_to_quarantine),
		TEST(test_unlisted_files_go_to_quarantine),
		TEST(test_a_torn_end_goes_to_quarantine),
		TEST(test_lost_manifests_are_made_up_from_the_segments),
		TEST(test_without_manifests_and_hints_too),
		TEST_KILLED(test_a_killed_store_without_manifests),
		TEST(test_a_segment_of_another_store_among_others),
		TEST(test_an_output_stands_for_what_it_replaces),
		TEST(test_an_output_that_ends_in_zeros),
		TEST(test_a_failed_write_stays_away_without_manifests),
		TEST(test_a_compacted_store_without_manifests_and_hints),
		TEST(test_a_repaired_store_is_repaired_again),
		TEST(test_any_byte_that_changes_costs_one_listed_key),
		TEST(test_any_call_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
