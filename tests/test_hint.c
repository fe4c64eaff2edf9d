#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/checksum.h"
#include "common/hint.h"
#include "common/hint_builder.h"
#include "common/segment_reader.h"
#include "tests/crash/simfs.h"
#include "tests/support/segment_maker.h"

enum {
	ID = 3,
	SEGMENT_LEN = 64 << 20,
};

static const char path[] = "/0000000003.hint";

static struct simfs *fs;
static struct io *io;

static int set_up(void **state)
{
	(void)state;
	fs = simfs_new();
	io = simfs_io(fs);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(simfs_n_open(fs), 0);
	simfs_free(fs);
	return 0;
}

static void add(struct hint_builder *builder, enum entry_kind kind,
		const char *key, uint64_t sequence, uint64_t expires_at_ms)
{
	const struct segment_entry found = {
		.entry = { .kind = kind,
			   .flags = expires_at_ms ? ENTRY_HAS_EXPIRY : 0,
			   .key_len = (uint16_t)strlen(key),
			   .key = (const uint8_t *)key,
			   .sequence = sequence,
			   .expires_at_ms = expires_at_ms },
		.off = sequence * 64,
		.len = 48,
	};

	assert_int_equal(hint_builder_add(builder, &found), 0);
}

static void write_hint(struct hint_builder *builder)
{
	assert_int_equal(hint_builder_write(builder, io, "/", maker_store_id,
					    ID, SEGMENT_LEN),
			 0);
	hint_builder_deinit(builder);
}

static void write_sample(void)
{
	struct hint_builder builder;

	hint_builder_init(&builder);
	add(&builder, ENTRY_PUT, "apple", 5, 0);
	add(&builder, ENTRY_TOMBSTONE, "pear", 6, 0);
	add(&builder, ENTRY_BATCH, "", 7, 0);
	add(&builder, ENTRY_PUT, "cherry", 8, 1800000000000);
	write_hint(&builder);
}

static int load(struct hint *hint)
{
	return hint_load(hint, io, "/", maker_store_id, ID, SEGMENT_LEN);
}

static void expect_line(struct hint *hint, enum entry_kind kind,
			const char *key, uint64_t sequence,
			uint64_t expires_at_ms)
{
	struct hint_entry line;

	assert_true(hint_next(hint, &line));
	assert_int_equal(line.kind, kind);
	assert_int_equal(line.key_len, strlen(key));
	assert_memory_equal(line.key, key, line.key_len);
	assert_true(line.sequence == sequence);
	assert_true(line.expires_at_ms == expires_at_ms);
	assert_int_equal(line.off8, sequence * 8);
	assert_int_equal(line.len8, 6);
}

static void expect_sample(struct hint *hint)
{
	struct hint_entry line;

	assert_true(hint->last_sequence == 8);
	expect_line(hint, ENTRY_PUT, "apple", 5, 0);
	expect_line(hint, ENTRY_TOMBSTONE, "pear", 6, 0);
	expect_line(hint, ENTRY_PUT, "cherry", 8, 1800000000000);
	assert_false(hint_next(hint, &line));
	assert_false(hint_next(hint, &line));
	assert_true(hint_may_hold(hint, "apple", 5));
	assert_true(hint_may_hold(hint, "cherry", 6));
}

static void test_read_back_what_was_written(void **state)
{
	struct hint hint;

	(void)state;
	write_sample();
	assert_int_equal(load(&hint), 0);
	expect_sample(&hint);
	/* no put of it: a tombstone need not be kept for this segment */
	assert_false(hint_may_hold(&hint, "pear", 4));
	hint_deinit(&hint);
}

static void test_a_hint_is_read_again_from_its_first_entry(void **state)
{
	struct hint_entry line;
	struct hint hint;

	(void)state;
	write_sample();
	assert_int_equal(load(&hint), 0);
	expect_sample(&hint);
	hint_rewind(&hint);
	expect_sample(&hint);
	hint_rewind(&hint);
	assert_true(hint_next(&hint, &line));
	hint_rewind(&hint);
	expect_sample(&hint);
	hint_deinit(&hint);
}

static void test_a_hint_without_entries(void **state)
{
	struct hint_builder builder;
	struct hint_entry line;
	struct hint hint;

	(void)state;
	hint_builder_init(&builder);
	write_hint(&builder);
	assert_int_equal(load(&hint), 0);
	assert_int_equal(hint.n_entries, 0);
	assert_true(hint.last_sequence == 0);
	assert_false(hint_next(&hint, &line));
	assert_false(hint_may_hold(&hint, "key", 3));
	hint_deinit(&hint);
}

static void test_tombstones_alone_have_no_filter(void **state)
{
	struct hint_builder builder;
	struct hint hint;

	(void)state;
	hint_builder_init(&builder);
	add(&builder, ENTRY_TOMBSTONE, "gone", 1, 0);
	write_hint(&builder);
	assert_int_equal(load(&hint), 0);
	expect_line(&hint, ENTRY_TOMBSTONE, "gone", 1, 0);
	assert_false(hint_may_hold(&hint, "gone", 4));
	hint_deinit(&hint);
}

static void test_keys_at_their_longest(void **state)
{
	char *key = malloc(ENTRY_KEY_MAX + 1);
	struct hint_builder builder;
	struct hint hint;

	(void)state;
	memset(key, 'k', ENTRY_KEY_MAX);
	key[ENTRY_KEY_MAX] = 0;
	hint_builder_init(&builder);
	for (uint64_t i = 1; i <= 40; i++)
		add(&builder, ENTRY_PUT, i % 2 ? key : "k", i, i % 3);
	write_hint(&builder);
	assert_int_equal(load(&hint), 0);
	for (uint64_t i = 1; i <= 40; i++)
		expect_line(&hint, ENTRY_PUT, i % 2 ? key : "k", i, i % 3);
	hint_deinit(&hint);
	free(key);
}

/* ---- the filter ---- */

static size_t false_positives(uint32_t n_puts, uint32_t n_tries)
{
	struct hint_builder builder;
	struct hint hint;
	size_t n = 0;
	char key[32];

	hint_builder_init(&builder);
	for (uint32_t i = 0; i < n_puts; i++) {
		snprintf(key, sizeof(key), "key %u", i);
		add(&builder, ENTRY_PUT, key, i + 1, 0);
	}
	write_hint(&builder);
	assert_int_equal(load(&hint), 0);
	for (uint32_t i = 0; i < n_puts; i++) {
		snprintf(key, sizeof(key), "key %u", i);
		assert_true(hint_may_hold(&hint, key, strlen(key)));
	}
	for (uint32_t i = 0; i < n_tries; i++) {
		snprintf(key, sizeof(key), "other %u", i);
		n += hint_may_hold(&hint, key, strlen(key));
	}
	hint_deinit(&hint);
	return n;
}

static void test_the_filter_never_denies_and_seldom_errs(void **state)
{
	(void)state;
	/* about 0.8 % of 100,000; the filter's hash is fixed, so is this */
	assert_in_range(false_positives(50000, 100000), 500, 1500);
	for (uint32_t n = 1; n < 70; n++)
		assert_in_range(false_positives(n, 1000), 0, 40);
}

/* ---- doubt ---- */

/* From a block of exactly LEN bytes, so that ASan sees its end. */
static int parse_exact(const uint8_t *data, size_t len, struct hint *hint)
{
	uint8_t *copy = malloc(len ? len : 1);
	int result;

	memcpy(copy, data, len);
	result = hint_parse(hint, copy, len, maker_store_id, ID, SEGMENT_LEN);
	if (result != 0)
		free(copy);
	return result;
}

static void test_every_truncation_is_bad(void **state)
{
	struct hint hint;
	uint8_t *data;
	size_t len;

	(void)state;
	write_sample();
	data = maker_read_file(io, path, &len);
	for (size_t cut = 0; cut < len; cut++) {
		assert_int_equal(parse_exact(data, cut, &hint), HINT_BAD);
		maker_write_file(io, path, data, cut);
		assert_int_equal(load(&hint), HINT_BAD);
	}
	free(data);
}

static void test_every_flipped_bit_is_seen(void **state)
{
	struct hint hint;
	uint8_t *data;
	size_t len;

	(void)state;
	write_sample();
	data = maker_read_file(io, path, &len);
	for (size_t bit = 0; bit < len * 8; bit++) {
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(parse_exact(data, len, &hint), HINT_BAD);
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(parse_exact(data, len, &hint), 0);
	expect_sample(&hint);
	hint_deinit(&hint);
	free(data);
}

static void test_bytes_behind_are_bad(void **state)
{
	struct hint hint;
	uint8_t *data;
	size_t len;

	(void)state;
	write_sample();
	data = maker_read_file(io, path, &len);
	data = realloc(data, len + 8);
	memset(data + len, 0, 8);
	for (size_t more = 1; more <= 8; more++)
		assert_int_equal(parse_exact(data, len + more, &hint),
				 HINT_BAD);
	free(data);
}

static void test_another_segments_hint_is_bad(void **state)
{
	uint8_t other_id[SEGMENT_STORE_ID_LEN] = "not this store";
	struct hint hint;

	(void)state;
	write_sample();
	assert_int_equal(
		hint_load(&hint, io, "/", maker_store_id, ID, SEGMENT_LEN - 8),
		HINT_BAD);
	assert_int_equal(hint_load(&hint, io, "/", other_id, ID, SEGMENT_LEN),
			 HINT_BAD);
	assert_int_equal(io->rename(io, path, "/0000000004.hint"), 0);
	assert_int_equal(
		hint_load(&hint, io, "/", maker_store_id, 4, SEGMENT_LEN),
		HINT_BAD);
	assert_int_equal(load(&hint), -ENOENT);
}

/* One field changed and the CRC made true: only the rules can refuse. */
static void expect_refused(size_t at, size_t width, uint64_t number)
{
	struct hint hint;
	uint8_t *data;
	size_t len;

	write_sample();
	data = maker_read_file(io, path, &len);
	for (size_t i = 0; i < width; i++)
		data[at + i] = (uint8_t)(number >> 8 * i);
	bytes_put32(data + len - 4, crc32c(0, data, len - 4));
	assert_int_equal(parse_exact(data, len, &hint), HINT_BAD);
	free(data);
}

static void test_rules_hold_under_a_good_crc(void **state)
{
	enum { LINE = HINT_HEADER_LEN };

	(void)state;
	/* the header: version, counts, the filter's bits, lengths */
	expect_refused(8, 4, HINT_FORMAT + 1);
	expect_refused(48, 4, 2);
	expect_refused(48, 4, 4);
	expect_refused(48, 4, UINT32_MAX);
	expect_refused(52, 4, 0);
	expect_refused(52, 4, 65);
	expect_refused(52, 4, 72);
	expect_refused(52, 4, UINT32_MAX);
	expect_refused(56, 8, 0);
	expect_refused(56, 8, UINT64_MAX);
	expect_refused(56, 8, UINT64_MAX - 63);
	/*
	 * the first line, 5 bytes and "apple": kind and flags, sequence, gap,
	 * size, key
	 */
	expect_refused(LINE, 1, 0);
	expect_refused(LINE, 1, ENTRY_BATCH);
	expect_refused(LINE, 1, ENTRY_PUT | ENTRY_HAS_EXPIRY << 4);
	expect_refused(LINE + 1, 4, UINT32_MAX);
	expect_refused(LINE + 2, 4, UINT32_MAX);
	expect_refused(LINE + 3, 1, 0);
	expect_refused(LINE + 4, 1, 0);
	expect_refused(LINE + 4, 1, 4);
	expect_refused(LINE + 4, 1, 6);
	expect_refused(LINE + 4, 2, 0x7fff);
}

/* A place behind the segment's end, told by sizes that fit by themselves. */
static void test_an_entry_behind_the_end_is_refused(void **state)
{
	struct hint_builder builder;
	struct hint hint;

	(void)state;
	hint_builder_init(&builder);
	add(&builder, ENTRY_PUT, "far", SEGMENT_LEN / 64, 0);
	write_hint(&builder);
	assert_int_equal(load(&hint), HINT_BAD);
	hint_builder_init(&builder);
	add(&builder, ENTRY_PUT, "near", SEGMENT_LEN / 64 - 1, 0);
	write_hint(&builder);
	assert_int_equal(load(&hint), 0);
	hint_deinit(&hint);
}

static void test_a_huge_file_is_not_read(void **state)
{
	struct hint hint;
	int fd;

	(void)state;
	write_sample();
	fd = io->open(io, path, O_RDWR);
	assert_int_equal(io->allocate(io, fd, 0, UINT64_C(1) << 40), 0);
	io->close(io, fd);
	assert_int_equal(load(&hint), HINT_BAD);
}

/* ---- writing ---- */

/* Whatever fails, the name holds the old hint, the new one, or nothing. */
static void test_each_failure_while_writing(void **state)
{
	const uint32_t calls = ~(1u << SIMFS_CLOSE | 1u << SIMFS_UNLINK);

	(void)state;
	for (uint64_t nth = 1;; nth++) {
		struct simfs_fault fault = { .calls = calls,
					     .nth = nth,
					     .error = ENOSPC };
		struct hint_builder builder;
		struct hint hint;
		int result;

		write_sample();
		hint_builder_init(&builder);
		add(&builder, ENTRY_PUT, "new", 1, 0);
		simfs_set_fault(fs, &fault);
		result = hint_builder_write(&builder, io, "/", maker_store_id,
					    ID, SEGMENT_LEN);
		hint_builder_deinit(&builder);
		if (simfs_n_faults(fs) == 0) {
			assert_int_equal(result, 0);
			break;
		}
		simfs_set_fault(fs, NULL);
		assert_int_equal(result, -ENOSPC);
		assert_int_equal(load(&hint), 0);
		expect_sample(&hint);
		hint_deinit(&hint);
	}
}

static int check_state(void *ctx, struct simfs *after, unsigned index,
		       const char *what)
{
	struct hint hint;
	int result = hint_load(&hint, simfs_io(after), "/", maker_store_id, ID,
			       SEGMENT_LEN);

	(void)index;
	if (result == 0) {
		expect_sample(&hint);
		hint_deinit(&hint);
	} else if (result != -ENOENT) {
		print_error("%s\n", what);
		fail();
	}
	++*(int *)ctx;
	return 0;
}

/* Its bytes are durable before its name is: never half a hint. */
static void test_a_power_cut_leaves_all_or_nothing(void **state)
{
	int n_states = 0;

	(void)state;
	write_sample();
	simfs_crash_states(fs, 1, 1000, check_state, &n_states);
	assert_true(n_states >= 2);
}

static void test_read_errors_are_no_damage(void **state)
{
	struct simfs_fault fault = { .calls = 1u << SIMFS_PREAD |
					      1u << SIMFS_OPEN |
					      1u << SIMFS_STAT,
				     .error = EIO };
	struct hint hint;

	(void)state;
	write_sample();
	for (fault.nth = 1; fault.nth <= 3; fault.nth++) {
		simfs_set_fault(fs, &fault);
		assert_int_equal(load(&hint), -EIO);
	}
}

#define hint_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		hint_test(test_read_back_what_was_written),
		hint_test(test_a_hint_is_read_again_from_its_first_entry),
		hint_test(test_a_hint_without_entries),
		hint_test(test_tombstones_alone_have_no_filter),
		hint_test(test_keys_at_their_longest),
		hint_test(test_the_filter_never_denies_and_seldom_errs),
		hint_test(test_every_truncation_is_bad),
		hint_test(test_every_flipped_bit_is_seen),
		hint_test(test_bytes_behind_are_bad),
		hint_test(test_another_segments_hint_is_bad),
		hint_test(test_rules_hold_under_a_good_crc),
		hint_test(test_an_entry_behind_the_end_is_refused),
		hint_test(test_a_huge_file_is_not_read),
		hint_test(test_each_failure_while_writing),
		hint_test(test_a_power_cut_leaves_all_or_nothing),
		hint_test(test_read_errors_are_no_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
