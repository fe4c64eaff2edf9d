/*
 * A store that was stopped cleanly, and one fault in its files at a time:
 * every byte flipped and zeroed, files cut short, longer, gone.
 *
 * Each key answers with its right value or an error; never with another
 * value, never with an older one, and what was deleted or has expired stays
 * away: at once, and when the store is closed and opened once more.
 *
 *	GETME_CRASH_SAMPLE=1	one case of many, for sanitizers
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/crash/simfs.h"
#include "tests/support/segment_maker.h"
#include "tests/support/store_kit.h"

#define DIR "/store"

enum {
	BEHIND = 40,	  /* bytes behind a segment's end that are tried too */
	SAMPLE_STEP = 17, /* of GETME_CRASH_SAMPLE */
	CUT_STEP = 5,
	SCANNED = 8, /* one case of so many is scanned as well */
	WORDS_LEN = 128,
};

/* What must be there. */
static const char *const right[][2] = {
	{ "a", "third a" },	  { "b", "second b" }, { "batch1", "of run 2" },
	{ "batch2", "of run 2" }, { "empty", "" },     { "back", "again" },
	{ "expires", "late" },
};

/* What was there once. */
static const char *const wrong[] = { "gone", "gone2", "batch3", "expired",
				     "never" };

enum { N_RIGHT = sizeof(right) / sizeof(right[0]) };

static struct simfs *stopped; /* the undamaged store */
static unsigned step = 1;
static unsigned n_cases;
static unsigned n_damaged_keys;

/* ---- the store ---- */

static void put_until(struct store *store, const char *key, const char *value,
		      uint64_t expires_at_ms)
{
	struct store_write write = {
		.key = key,
		.key_len = strlen(key),
		.value = value,
		.value_len = strlen(value),
		.expires_at_ms = expires_at_ms,
	};

	assert_int_equal(store_apply(store, &write, 1, STORE_NONE), 0);
}

static void put_batch(struct store *store, const char *value)
{
	struct store_write writes[] = {
		{ .key = "batch1", .key_len = 6, .value = value },
		{ .key = "gone2", .key_len = 5, .is_delete = true },
		{ .key = "batch2", .key_len = 6, .value = value },
	};

	writes[0].value_len = strlen(value);
	writes[2].value_len = strlen(value);
	assert_int_equal(store_apply(store, writes, 3, STORE_NONE), 0);
}

static void run(struct io *io, unsigned number)
{
	struct store *store = kit_open(io, DIR);
	uint64_t now = io->clock_ms(io);

	switch (number) {
	case 1:
		kit_put_soft(store, "a", "first a");
		kit_put_soft(store, "b", "first b");
		kit_put_soft(store, "gone", "first gone");
		kit_put_soft(store, "gone2", "first gone2");
		kit_put_soft(store, "back", "first back");
		kit_put_soft(store, "batch3", "first batch3");
		put_until(store, "expired", "first expired", 0);
		put_batch(store, "of run 1");
		break;
	case 2:
		kit_put_soft(store, "a", "second a");
		kit_delete(store, "gone");
		kit_put_soft(store, "b", "second b");
		kit_delete(store, "back");
		kit_put_soft(store, "gone2", "second gone2");
		put_batch(store, "of run 2");
		put_until(store, "expired", "second expired", now + 10);
		put_until(store, "expires", "soon", now + 10);
		break;
	default:
		kit_put_soft(store, "empty", "");
		kit_put_soft(store, "a", "third a");
		kit_delete(store, "batch3");
		kit_put_soft(store, "back", "again");
		put_until(store, "expires", "late", now + 1000000);
		break;
	}
	kit_close(store);
}

static int make_store(void **state)
{
	struct io *io;
	unsigned i;

	(void)state;
	stopped = simfs_new();
	io = simfs_io(stopped);
	for (i = 1; i <= 3; i++)
		run(io, i);
	simfs_set_clock(stopped, io->clock_ms(io) + 1000);
	if (getenv("GETME_CRASH_SAMPLE"))
		step = SAMPLE_STEP;
	return 0;
}

static int free_store(void **state)
{
	(void)state;
	simfs_free(stopped);
	return 0;
}

/* ---- what a damaged one answers ---- */

struct found {
	unsigned n_right;
	unsigned n_corrupt;
	unsigned n_seen; /* by a scan */
	bool bad;
};

static void check_pair(struct store *store, const char *const pair[2],
		       struct found *found)
{
	char value[64];
	int result = kit_get(store, pair[0], value, sizeof(value));

	if (result == 0 && strcmp(value, pair[1]) == 0)
		found->n_right++;
	else if (result == STORE_CORRUPT)
		found->n_corrupt++;
	else
		found->bad = true;
	if (found->bad)
		print_error("%s: %d '%s'\n", pair[0], result,
			    result == 0 ? value : "");
}

static void check_item(void *ctx, int result, const void *key, size_t key_len,
		       const struct store_value *value)
{
	struct found *found = ctx;
	size_t i;

	found->n_seen++;
	if (result != 0)
		return;
	for (i = 0; i < N_RIGHT; i++) {
		if (key_len == strlen(right[i][0]) &&
		    memcmp(key, right[i][0], key_len) == 0 &&
		    value->len == strlen(right[i][1]) &&
		    memcmp(value->data, right[i][1], value->len) == 0)
			return;
	}
	print_error("scan: %.*s\n", (int)key_len, (const char *)key);
	found->bad = true;
}

static struct found look(struct store *store)
{
	struct found found = { 0 };
	uint64_t cursor = 0;
	size_t i;

	for (i = 0; i < N_RIGHT; i++)
		check_pair(store, right[i], &found);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int result = kit_get(store, wrong[i], NULL, 0);

		if (result != STORE_NOT_FOUND && result != STORE_CORRUPT) {
			print_error("%s: %d\n", wrong[i], result);
			found.bad = true;
		}
	}
	/* It looks into all buckets: slower than the rest together. */
	while (n_cases % SCANNED == 1 &&
	       store_scan(store, &cursor, check_item, &found) == 0)
		;
	return found;
}

/*
 * Opens the damaged store twice.  MAY_FAIL: it need not open.  At most
 * MAX_CORRUPT keys are lost.
 */
static void check(struct simfs *fs, bool may_fail, unsigned max_corrupt,
		  const char *what)
{
	struct store_error error;
	unsigned again;

	n_cases++;
	for (again = 0; again < 2; again++) {
		struct found found;
		struct store *store;
		int result = kit_try_open(simfs_io(fs), DIR, &store, &error);

		if (result != 0) {
			if (!may_fail || !*error.text)
				fail_msg("%s: open: %d: %s", what, result,
					 error.text);
			break;
		}
		found = look(store);
		n_damaged_keys += found.n_corrupt;
		if (found.bad || found.n_corrupt > max_corrupt ||
		    found.n_seen > N_RIGHT + max_corrupt)
			fail_msg("%s, open %u: %u right, %u corrupt, %u "
				 "scanned",
				 what, again + 1, found.n_right,
				 found.n_corrupt, found.n_seen);
		kit_close(store);
	}
	if (simfs_n_open(fs) != 0)
		fail_msg("%s: descriptors are left", what);
	simfs_free(fs);
}

/* ---- one fault at a time ---- */

static void flip(const char *name, uint64_t at, uint8_t mask,
		 unsigned max_corrupt)
{
	struct simfs *fs = simfs_clone(stopped);
	char what[WORDS_LEN];

	snprintf(what, sizeof(what), "%s: byte %llu, bits %02x turned", name,
		 (unsigned long long)at, mask);
	kit_flip(simfs_io(fs), DIR, name, at, mask);
	check(fs, false, max_corrupt, what);
}

static void zero(const char *name, uint64_t at, uint64_t end,
		 unsigned max_corrupt)
{
	struct simfs *fs = simfs_clone(stopped);
	char what[WORDS_LEN];

	snprintf(what, sizeof(what), "%s: zeros from %llu to %llu", name,
		 (unsigned long long)at, (unsigned long long)end);
	kit_zero(simfs_io(fs), DIR, name, at, end);
	check(fs, false, max_corrupt, what);
}

static void cut(const char *name, size_t len, unsigned max_corrupt)
{
	struct simfs *fs = simfs_clone(stopped);
	char what[WORDS_LEN];

	snprintf(what, sizeof(what), "%s: cut at %zu", name, len);
	kit_cut(simfs_io(fs), DIR, name, len);
	check(fs, false, max_corrupt, what);
}

static void append(const char *name, size_t len, uint8_t byte)
{
	struct simfs *fs = simfs_clone(stopped);
	struct io *io = simfs_io(fs);
	char what[WORDS_LEN];
	size_t old_len;
	uint8_t *data = kit_read(io, DIR, name, &old_len);
	uint8_t *longer = malloc(old_len + len);

	assert_non_null(longer);
	memcpy(longer, data, old_len);
	memset(longer + old_len, byte, len);
	kit_write(io, DIR, name, longer, old_len + len);
	free(longer);
	free(data);
	snprintf(what, sizeof(what), "%s: %zu bytes of %02x appended", name,
		 len, byte);
	check(fs, false, 0, what);
}

struct names {
	const char *part;
	char at[16][32];
	unsigned n;
};

static int collect(void *ctx, const char *name)
{
	struct names *names = ctx;

	if (strstr(name, names->part)) {
		assert_true(names->n < 16);
		snprintf(names->at[names->n++], sizeof(names->at[0]), "%s",
			 name);
	}
	return 0;
}

static struct names names_with(const char *part)
{
	struct names names = { .part = part };
	struct io *io = simfs_io(stopped);

	assert_int_equal(io->list(io, DIR, collect, &names), 0);
	assert_true(names.n > 0);
	return names;
}

static uint64_t good_len(const char *name)
{
	struct io *io = simfs_io(stopped);
	size_t len;

	if (strstr(name, ".seg"))
		return kit_segment_end(io, DIR,
				       (uint32_t)strtoul(name, NULL, 10));
	free(kit_read(io, DIR, name, &len));
	return len;
}

/* Every byte of the files with PART in their names. */
static void flip_all(const char *part, unsigned max_corrupt)
{
	struct names names = names_with(part);
	unsigned i;

	for (i = 0; i < names.n; i++) {
		uint64_t len = good_len(names.at[i]);
		uint64_t at;

		if (strstr(names.at[i], ".seg"))
			len += BEHIND;
		for (at = i % step; at < len; at += step) {
			flip(names.at[i], at, (uint8_t)(1u << at % 8),
			     max_corrupt);
			flip(names.at[i], at, 0xff, max_corrupt);
			zero(names.at[i], at, at + 1, max_corrupt);
		}
	}
}

static void cut_all(const char *part, unsigned max_corrupt)
{
	struct names names = names_with(part);
	unsigned i;

	for (i = 0; i < names.n; i++) {
		uint64_t len = good_len(names.at[i]);
		uint64_t at;

		for (at = 0; at<len; at += step> 1 ? step : CUT_STEP)
			cut(names.at[i], (size_t)at, max_corrupt);
		cut(names.at[i], (size_t)len - 1, max_corrupt);
		append(names.at[i], 1, 0);
		append(names.at[i], 8, 0xff);
		append(names.at[i], 5000, 0x5a);
	}
}

/* The undamaged store is as the checks take it to be. */
static void test_without_a_fault_all_is_right(void **state)
{
	struct simfs *fs = simfs_clone(stopped);
	struct store *store = kit_open(simfs_io(fs), DIR);
	struct found found;

	(void)state;
	n_cases = 1; /* which is scanned */
	found = look(store);
	assert_int_equal(found.n_seen, N_RIGHT);
	assert_int_equal(found.n_right, N_RIGHT);
	assert_false(found.bad);
	assert_int_equal(kit_stats(store).segment_bytes_read, 0);
	kit_close(store);
	simfs_free(fs);
	assert_int_equal(names_with(".seg").n, 3);
	assert_int_equal(names_with(".hint").n, 3);
}

static void test_a_damaged_byte_in_a_segment_costs_one_key_at_most(void **state)
{
	(void)state;
	flip_all(".seg", 1);
	/* those of entries that are live were found out */
	assert_true(n_damaged_keys > 0);
}

static void test_a_damaged_byte_in_a_hint_costs_nothing(void **state)
{
	(void)state;
	flip_all(".hint", 0);
}

static void test_a_damaged_byte_in_a_manifest_costs_nothing(void **state)
{
	(void)state;
	flip_all("MANIFEST", 0);
}

static void test_a_damaged_byte_in_the_lock_costs_nothing(void **state)
{
	(void)state;
	flip_all("LOCK", 0);
}

static void test_a_lost_block_of_a_segment(void **state)
{
	struct names names = names_with(".seg");
	unsigned i;

	(void)state;
	for (i = 0; i < names.n; i++) {
		uint64_t len = good_len(names.at[i]);
		uint64_t at;

		for (at = 0; at < len; at += 8 * (step > 1 ? step : 2)) {
			zero(names.at[i], at, len, N_RIGHT);
			zero(names.at[i], 0, at, N_RIGHT);
			zero(names.at[i], at, at + 64, N_RIGHT);
		}
	}
}

static void test_segments_of_other_lengths(void **state)
{
	(void)state;
	cut_all(".seg", N_RIGHT);
}

static void test_hints_of_other_lengths(void **state)
{
	(void)state;
	cut_all(".hint", 0);
}

static void test_manifests_of_other_lengths(void **state)
{
	(void)state;
	cut_all("MANIFEST", 0);
}

static void test_locks_of_other_lengths(void **state)
{
	(void)state;
	cut_all("LOCK", 0);
}

static void test_a_file_that_is_gone(void **state)
{
	static const char *const parts[] = { ".seg", ".hint", "MANIFEST",
					     "LOCK" };
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		struct names names = names_with(parts[i]);
		unsigned k;

		for (k = 0; k < names.n; k++) {
			struct simfs *fs = simfs_clone(stopped);

			kit_unlink(simfs_io(fs), DIR, names.at[k]);
			check(fs, i == 0, 0, names.at[k]);
		}
	}
}

/* One file has taken another's place. */
static void test_files_that_were_mixed_up(void **state)
{
	static const char *const parts[] = { ".seg", ".hint" };
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct names names = names_with(parts[i]);
		unsigned k;

		for (k = 0; k < names.n; k++) {
			struct simfs *fs = simfs_clone(stopped);
			struct io *io = simfs_io(fs);
			size_t len;
			uint8_t *data = kit_read(
				io, DIR, names.at[(k + 1) % names.n], &len);

			kit_write(io, DIR, names.at[k], data, len);
			free(data);
			check(fs, i == 0, 0, names.at[k]);
		}
	}
}

static int tell(void **state)
{
	printf("# %u damaged stores, %u keys answered with an error\n", n_cases,
	       n_damaged_keys);
	return free_store(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_fault_all_is_right),
		cmocka_unit_test(
			test_a_damaged_byte_in_a_segment_costs_one_key_at_most),
		cmocka_unit_test(test_a_damaged_byte_in_a_hint_costs_nothing),
		cmocka_unit_test(
			test_a_damaged_byte_in_a_manifest_costs_nothing),
		cmocka_unit_test(test_a_damaged_byte_in_the_lock_costs_nothing),
		cmocka_unit_test(test_a_lost_block_of_a_segment),
		cmocka_unit_test(test_segments_of_other_lengths),
		cmocka_unit_test(test_hints_of_other_lengths),
		cmocka_unit_test(test_manifests_of_other_lengths),
		cmocka_unit_test(test_locks_of_other_lengths),
		cmocka_unit_test(test_a_file_that_is_gone),
		cmocka_unit_test(test_files_that_were_mixed_up),
	};

	return cmocka_run_group_tests(tests, make_store, tell);
}
