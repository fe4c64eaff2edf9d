/*
 * Every byte, every block, every file of a store at rest damaged in turn, and
 * every call of a repair failing: no key ever has another value than its
 * newest, what is missing is listed, and the old store stays as it is.
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

#include "tests/support/rest_kit.h"
#include "tests/support/store_kit.h"

#define FIRST  "0000000001.seg"
#define SECOND "0000000003.seg"
#define THIRD  "0000000005.seg"

enum {
	FIRST_ID = 1,
	SECOND_ID = 3,
	THIRD_ID = 5,
	SAMPLE_STEP = 13,
	NTH_MAX = 1000,
};

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
		assert_int_equal(
			rest_count(&rest.found, FINDING_LOST, pair->key), 1);
	}
	kit_close(store);
	return n_missing;
}

static void flip(const char *name, uint64_t at, uint8_t mask, unsigned may_lose)
{
	struct simfs *whole = rest_begin_case();

	kit_flip(rest.io, REST_DIR, name, at, mask);
	rest_repair_it();
	if (rest.found.result != 0)
		fail_msg("%s: byte %llu: %s", name, (unsigned long long)at,
			 rest.found.error.text);
	assert_true(judge_new(rest.fs) <= may_lose);
	if (rest.found.repaired.n_damaged == 0)
		fail_msg("%s: byte %llu: nothing was found", name,
			 (unsigned long long)at);
	rest_end_case(whole);
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

		free(kit_read(rest.io, REST_DIR, names[i], &len));
		if (i < 3)
			len = kit_segment_end(rest.io, REST_DIR, ids[i]);
		for (at = i % step; at < len; at += step, n++)
			flip(names[i], at, (uint8_t)(1u << at % 8), i < 3);
	}
	printf("# %llu repairs, each of one changed byte\n",
	       (unsigned long long)n);
}

/* Everything that is not the newest value is listed. */
static void end_case(struct simfs *whole, const char *what, uint64_t at)
{
	rest_repair_it();
	if (rest.found.result != 0)
		fail_msg("%s, %llu: %s", what, (unsigned long long)at,
			 rest.found.error.text);
	judge_new(rest.fs);
	rest_end_case(whole);
}

static void zero(const char *name, uint64_t at, uint64_t end)
{
	struct simfs *whole = rest_begin_case();

	kit_zero(rest.io, REST_DIR, name, at, end);
	end_case(whole, name, at);
}

static void cut(const char *name, size_t len)
{
	struct simfs *whole = rest_begin_case();

	kit_cut(rest.io, REST_DIR, name, len);
	end_case(whole, name, len);
}

static void append(const char *name, size_t len, uint8_t byte)
{
	struct simfs *whole = rest_begin_case();
	size_t old_len;
	uint8_t *longer;
	uint8_t *data;

	data = kit_read(rest.io, REST_DIR, name, &old_len);
	longer = malloc(old_len + len);
	assert_non_null(longer);
	memcpy(longer, data, old_len);
	memset(longer + old_len, byte, len);
	kit_write(rest.io, REST_DIR, name, longer, old_len + len);
	free(longer);
	free(data);
	end_case(whole, name, len);
}

static void test_blocks_that_are_zeroed_cut_off_or_added(void **state)
{
	static const char *const names[] = { FIRST, SECOND, THIRD };
	static const uint32_t ids[] = { FIRST_ID, SECOND_ID, THIRD_ID };
	uint64_t step = getenv("GETME_CRASH_SAMPLE") ? 8 * SAMPLE_STEP : 8;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		uint64_t len = kit_segment_end(rest.io, REST_DIR, ids[i]);
		uint64_t at;

		for (at = 0; at < len; at += step) {
			zero(names[i], at, at + 64);
			zero(names[i], at, len);
			zero(names[i], 0, at);
			cut(names[i], (size_t)at);
		}
		cut(names[i], (size_t)len - 1);
		append(names[i], 1, 0);
		append(names[i], 5000, 0x5a);
	}
}

static void test_other_files_that_are_cut_off_or_added_to(void **state)
{
	static const char *const names[] = { "0000000003.hint", "MANIFEST.0",
					     "MANIFEST.1", "LOCK" };
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		size_t len;
		size_t at;

		free(kit_read(rest.io, REST_DIR, names[i], &len));
		for (at = 0; at < len; at += 7)
			cut(names[i], at);
		append(names[i], 8, 0xff);
		append(names[i], 5000, 0);
	}
}

static void test_a_file_that_is_gone(void **state)
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
		"LOCK",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct simfs *whole = rest_begin_case();

		kit_unlink(rest.io, REST_DIR, names[i]);
		end_case(whole, names[i], 0);
	}
}

/* ---- faults ---- */

/* Whether the fault was met. */
static bool repair_under(const struct simfs_fault *fault)
{
	struct simfs *whole = rest_begin_case();
	bool hit;

	simfs_set_fault(rest.fs, fault);
	rest_repair(rest.fs, &rest.found);
	hit = simfs_n_faults(rest.fs) > 0;
	simfs_set_fault(rest.fs, NULL);
	assert_true(rest_hash(rest.fs) == rest_hash(whole));
	assert_int_equal(simfs_n_open(rest.fs), 0);
	if (rest.found.result == 0) {
		judge_new(rest.fs);
	} else {
		assert_true(rest.found.result < 0);
		assert_true(strlen(rest.found.error.text) > 10);
	}
	rest_end_case(whole);
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
	struct kit_place place = kit_find(rest.io, REST_DIR, THIRD_ID, "a");
	unsigned n = 0;
	size_t i;

	(void)state;
	/* so that there is something for the quarantine */
	kit_flip(rest.io, REST_DIR, THIRD, place.value_off, 1);
	for (i = 0; i < 2 * sizeof(faults) / sizeof(faults[0]); i++) {
		struct simfs_fault fault = faults[i / 2];

		fault.from_then = i % 2;
		for (fault.nth = 1; repair_under(&fault); fault.nth++, n++)
			assert_true(fault.nth < NTH_MAX);
	}
	assert_true(n > 0);
	printf("# %u repairs with a fault\n", n);
}

/* ---- a disk that changes its mind ---- */

struct flip_at {
	enum simfs_call call;
	uint64_t nth; /* such call from now on */
	const char *dir;
	const char *name;
	uint64_t off;
};

static void flip_later(void *ctx, struct simfs *at, enum simfs_call call,
		       bool changed)
{
	struct flip_at *flip_at = ctx;

	(void)changed;
	if (call != flip_at->call || --flip_at->nth > 0)
		return;
	simfs_set_hook(at, NULL, NULL);
	kit_flip(simfs_io(at), flip_at->dir, flip_at->name, flip_at->off, 1);
}

static void test_a_value_that_reads_once_and_then_not_again(void **state)
{
	struct kit_place place = kit_find(rest.io, REST_DIR, THIRD_ID, "a");
	/* when all was checked, and the copying begins */
	struct flip_at later = { SIMFS_ALLOCATE, 1, REST_DIR, THIRD,
				 place.value_off };
	const char *lost[] = { "a", NULL };

	(void)state;
	simfs_set_hook(rest.fs, flip_later, &later);
	rest_repair(rest.fs, &rest.found);
	rest_expect_done();
	assert_int_equal(rest_count(&rest.found, FINDING_LOST, "a"), 1);
	assert_int_equal(rest.found.repaired.n_damaged, 1);
	rest_expect_all_but(lost);
}

static void test_a_header_that_reads_once_and_then_not_again(void **state)
{
	struct kit_place place =
		kit_find(rest.io, REST_DIR, FIRST_ID, "alone1");
	struct flip_at later = { SIMFS_ALLOCATE, 1, REST_DIR, FIRST,
				 place.off };
	const char *lost[] = { "alone1", NULL };

	(void)state;
	simfs_set_hook(rest.fs, flip_later, &later);
	rest_repair(rest.fs, &rest.found);
	rest_expect_all_but(lost);
}

/* The new disk is bad: what it was given does not come back. */
static void test_a_new_store_that_does_not_read_back(void **state)
{
	struct flip_at later = { SIMFS_UNLINK, 1, REST_NEWDIR, "0000000007.seg",
				 100 };

	(void)state;
	/* those of older .tmp files of hint and manifests come before */
	later.nth = 4;
	simfs_set_hook(rest.fs, flip_later, &later);
	rest_repair_it();
	assert_int_equal(rest.found.result, -EUCLEAN);
	assert_non_null(strstr(rest.found.error.text, "does not read back"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		REST_TEST(test_any_byte_that_changes_costs_one_listed_key),
		REST_TEST(test_blocks_that_are_zeroed_cut_off_or_added),
		REST_TEST(test_other_files_that_are_cut_off_or_added_to),
		REST_TEST(test_a_file_that_is_gone),
		REST_TEST(test_any_call_may_fail),
		REST_TEST(test_a_value_that_reads_once_and_then_not_again),
		REST_TEST(test_a_header_that_reads_once_and_then_not_again),
		REST_TEST(test_a_new_store_that_does_not_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
