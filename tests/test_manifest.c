#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/checksum.h"
#include "common/manifest.h"
#include "tests/crash/simfs.h"
#include "tests/support/segment_maker.h"

static const char *const paths[2] = { "/MANIFEST.0", "/MANIFEST.1" };

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

static void add(struct manifest *manifest, uint32_t id,
		enum manifest_state state, uint64_t len)
{
	struct manifest_segment *row;

	assert_int_equal(manifest_add(manifest, id, state), 0);
	row = manifest_find(manifest, id);
	assert_non_null(row);
	row->len = len;
	row->last_sequence = len ? id * 10 : 0;
}

/* What a store may look like; FLOOR tells one manifest from another. */
static void make(struct manifest *manifest, uint64_t floor)
{
	memset(manifest, 0, sizeof(*manifest));
	memcpy(manifest->store_id, maker_store_id, SEGMENT_STORE_ID_LEN);
	manifest->floor = floor;
	manifest->next_sequence = 31;
	manifest->next_segment = 6;
	add(manifest, 3, MANIFEST_SEALED, 1 << 20);
	add(manifest, 5, MANIFEST_OPEN, 0);
	add(manifest, 1, MANIFEST_REPLACED, 0);
}

static void expect_same(const struct manifest *a, const struct manifest *b)
{
	assert_memory_equal(a->store_id, b->store_id, SEGMENT_STORE_ID_LEN);
	assert_true(a->generation == b->generation);
	assert_true(a->floor == b->floor);
	assert_true(a->next_sequence == b->next_sequence);
	assert_int_equal(a->next_segment, b->next_segment);
	assert_int_equal(a->n_segments, b->n_segments);
	for (uint32_t i = 0; i < a->n_segments; i++) {
		assert_int_equal(a->segments[i].id, b->segments[i].id);
		assert_int_equal(a->segments[i].state, b->segments[i].state);
		assert_true(a->segments[i].len == b->segments[i].len);
		assert_true(a->segments[i].last_sequence ==
			    b->segments[i].last_sequence);
	}
}

/* ---- rows ---- */

static void test_rows_are_kept_in_order(void **state)
{
	static const uint32_t ids[] = { 50, 7, 99, 1, 3, 60, 98, 2 };
	struct manifest manifest = { 0 };

	(void)state;
	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < 8; i++)
			assert_int_equal(
				manifest_add(&manifest,
					     ids[i] + (uint32_t)round * 100,
					     MANIFEST_OPEN),
				0);
	}
	assert_int_equal(manifest.n_segments, 160);
	for (uint32_t i = 1; i < manifest.n_segments; i++)
		assert_true(manifest.segments[i - 1].id <
			    manifest.segments[i].id);
	assert_int_equal(manifest_find(&manifest, 99)->id, 99);
	assert_null(manifest_find(&manifest, 4));
	assert_null(manifest_find(&manifest, 100000));
	manifest_remove(&manifest, 4);
	assert_int_equal(manifest.n_segments, 160);
	manifest_remove(&manifest, 1);
	manifest_remove(&manifest, 1999);
	manifest_remove(&manifest, 50);
	assert_int_equal(manifest.n_segments, 157);
	assert_null(manifest_find(&manifest, 50));
	assert_int_equal(manifest_find(&manifest, 60)->id, 60);
	manifest_deinit(&manifest);
}

static void test_a_copy_is_deep(void **state)
{
	struct manifest manifest;
	struct manifest copy;
	struct manifest empty = { 0 };

	(void)state;
	make(&manifest, 1);
	assert_int_equal(manifest_copy(&copy, &manifest), 0);
	expect_same(&copy, &manifest);
	add(&copy, 4, MANIFEST_OPEN, 0);
	manifest_find(&copy, 3)->len = 64;
	assert_int_equal(manifest.n_segments, 3);
	assert_int_equal(manifest_find(&manifest, 3)->len, 1 << 20);
	manifest_deinit(&copy);
	assert_int_equal(manifest_copy(&copy, &empty), 0);
	add(&copy, 4, MANIFEST_OPEN, 0);
	manifest_deinit(&copy);
	manifest_deinit(&manifest);
}

static void test_a_copy_of_the_sealed_leaves_the_others_out(void **state)
{
	struct manifest manifest;
	struct manifest copy;

	(void)state;
	make(&manifest, 1);
	add(&manifest, 10, MANIFEST_OPEN, 0);
	add(&manifest, 11, MANIFEST_SEALED, 4096);
	add(&manifest, 12, MANIFEST_REPLACED, 0);
	assert_int_equal(manifest_copy_sealed(&copy, &manifest), 0);
	assert_null(manifest_find(&copy, 10));
	assert_null(manifest_find(&copy, 12));
	assert_int_equal(manifest_find(&copy, 11)->len, 4096);
	for (uint32_t i = 0; i < copy.n_segments; i++)
		assert_int_equal(copy.segments[i].state, MANIFEST_SEALED);
	assert_int_equal(copy.floor, manifest.floor);
	assert_int_equal(copy.next_sequence, manifest.next_sequence);
	assert_int_equal(copy.next_segment, manifest.next_segment);
	assert_memory_equal(copy.store_id, manifest.store_id,
			    SEGMENT_STORE_ID_LEN);
	manifest_deinit(&copy);
	manifest_deinit(&manifest);
}

/* ---- decoding ---- */

/* From a block of exactly LEN bytes, so that ASan sees its end. */
static int decode_exact(const uint8_t *data, size_t len,
			struct manifest *manifest)
{
	uint8_t *copy = malloc(len ? len : 1);
	int result;

	memcpy(copy, data, len);
	result = manifest_decode(copy, len, manifest);
	free(copy);
	return result;
}

static void test_what_was_encoded_is_decoded(void **state)
{
	struct manifest manifest;
	struct manifest again;
	uint8_t *data;
	size_t len;

	(void)state;
	make(&manifest, 12);
	manifest.generation = 9;
	assert_int_equal(manifest_encode(&manifest, &data, &len), 0);
	assert_int_equal(len, 64 + 3 * 24);
	assert_int_equal(decode_exact(data, len, &again), 0);
	expect_same(&manifest, &again);
	manifest_deinit(&again);
	free(data);
	manifest_deinit(&manifest);
	/* without segments too, and such a one can grow */
	make(&manifest, 12);
	manifest_deinit(&manifest);
	assert_int_equal(manifest_encode(&manifest, &data, &len), 0);
	assert_int_equal(decode_exact(data, len, &again), 0);
	expect_same(&manifest, &again);
	add(&again, 2, MANIFEST_OPEN, 0);
	add(&again, 1, MANIFEST_OPEN, 0);
	manifest_deinit(&again);
	free(data);
}

static void test_every_truncation_and_flipped_bit_is_bad(void **state)
{
	struct manifest manifest;
	struct manifest again;
	uint8_t *data;
	size_t len;

	(void)state;
	make(&manifest, 12);
	assert_int_equal(manifest_encode(&manifest, &data, &len), 0);
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(decode_exact(data, cut, &again), MANIFEST_BAD);
	for (size_t bit = 0; bit < len * 8; bit++) {
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(decode_exact(data, len, &again), MANIFEST_BAD);
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	data = realloc(data, len + 24);
	memset(data + len, 0, 24);
	assert_int_equal(decode_exact(data, len + 1, &again), MANIFEST_BAD);
	assert_int_equal(decode_exact(data, len + 24, &again), MANIFEST_BAD);
	free(data);
	manifest_deinit(&manifest);
}

/* One field changed and the CRC made true: only the rules can refuse. */
static int decode_changed(size_t at, size_t width, uint64_t number)
{
	struct manifest manifest;
	struct manifest again;
	uint8_t *data;
	size_t len;
	int result;

	make(&manifest, 12);
	assert_int_equal(manifest_encode(&manifest, &data, &len), 0);
	for (size_t i = 0; i < width; i++)
		data[at + i] = (uint8_t)(number >> 8 * i);
	bytes_put32(data + 8, 0);
	bytes_put32(data + 8, crc32c(0, data, len));
	result = decode_exact(data, len, &again);
	if (result == 0)
		manifest_deinit(&again);
	free(data);
	manifest_deinit(&manifest);
	return result;
}

static void test_rules_hold_under_a_good_crc(void **state)
{
	(void)state;
	assert_int_equal(decode_changed(40, 8, 77), 0);
	assert_int_equal(decode_changed(12, 4, MANIFEST_FORMAT + 1),
			 MANIFEST_NEWER);
	/* how many rows */
	assert_int_equal(decode_changed(60, 4, 2), MANIFEST_BAD);
	assert_int_equal(decode_changed(60, 4, 4), MANIFEST_BAD);
	assert_int_equal(decode_changed(60, 4, UINT32_MAX), MANIFEST_BAD);
	/* an id that is to come, 0, twice, out of order */
	assert_int_equal(decode_changed(56, 4, 5), MANIFEST_BAD);
	assert_int_equal(decode_changed(64, 4, 0), MANIFEST_BAD);
	assert_int_equal(decode_changed(64, 4, 3), MANIFEST_BAD);
	assert_int_equal(decode_changed(64, 4, 4), MANIFEST_BAD);
	/* states that are none; a sealed one without a header */
	assert_int_equal(decode_changed(68, 4, 0), MANIFEST_BAD);
	assert_int_equal(decode_changed(68, 4, 4), MANIFEST_BAD);
	assert_int_equal(decode_changed(64 + 24 + 8, 8, 63), MANIFEST_BAD);
}

/* ---- two files ---- */

static void store(uint64_t floor, uint64_t generation)
{
	struct manifest manifest;

	make(&manifest, floor);
	manifest.generation = generation - 1;
	assert_int_equal(manifest_store(io, "/", &manifest), 0);
	assert_true(manifest.generation == generation);
	manifest_deinit(&manifest);
}

/* Puts the manifest with FLOOR into one of the two only. */
static void store_one(int which, uint64_t floor, uint64_t generation)
{
	uint8_t *data;
	size_t len;

	data = maker_read_file(io, paths[!which], &len);
	store(floor, generation);
	maker_write_file(io, paths[!which], data, len);
	free(data);
}

static void expect_loaded(struct io *from, uint64_t floor)
{
	struct manifest_report report;
	struct manifest manifest;

	assert_int_equal(manifest_load(from, "/", &manifest, &report), 0);
	assert_true(manifest.floor == floor);
	manifest_deinit(&manifest);
}

static void expect_report(int result, int present0, int present1, int damaged0,
			  int damaged1, int equal)
{
	struct manifest_report report;
	struct manifest manifest = { 0 };

	assert_int_equal(manifest_load(io, "/", &manifest, &report), result);
	assert_int_equal(report.present[0], present0);
	assert_int_equal(report.present[1], present1);
	assert_int_equal(report.damaged[0], damaged0);
	assert_int_equal(report.damaged[1], damaged1);
	assert_int_equal(report.equal, equal);
	if (result != 0)
		assert_null(manifest.segments);
	manifest_deinit(&manifest);
}

static void damage(int which)
{
	int fd = io->open(io, paths[which], O_RDWR);

	maker_flip(io, fd, 70, 1);
	io->close(io, fd);
}

static void test_none_is_missing(void **state)
{
	(void)state;
	expect_report(MANIFEST_MISSING, 0, 0, 0, 0, 0);
}

static void test_both_hold_the_same(void **state)
{
	uint8_t *data[2];
	size_t len[2];

	(void)state;
	store(5, 1);
	expect_report(0, 1, 1, 0, 0, 1);
	expect_loaded(io, 5);
	data[0] = maker_read_file(io, paths[0], &len[0]);
	data[1] = maker_read_file(io, paths[1], &len[1]);
	assert_int_equal(len[0], len[1]);
	assert_memory_equal(data[0], data[1], len[0]);
	free(data[0]);
	free(data[1]);
}

static void test_the_higher_generation_counts(void **state)
{
	(void)state;
	store(5, 1);
	store_one(0, 6, 2);
	expect_loaded(io, 6);
	expect_report(0, 1, 1, 0, 0, 0);
	store_one(1, 7, 3);
	expect_loaded(io, 7);
}

static void test_one_damaged_or_missing_is_no_loss(void **state)
{
	(void)state;
	for (int which = 0; which < 2; which++) {
		store(5, 1);
		damage(which);
		expect_loaded(io, 5);
		expect_report(0, 1, 1, which == 0, which == 1, 0);
		assert_int_equal(io->unlink(io, paths[which]), 0);
		expect_loaded(io, 5);
		expect_report(0, which != 0, which != 1, 0, 0, 0);
	}
}

static void test_both_damaged_is_bad(void **state)
{
	(void)state;
	store(5, 1);
	damage(0);
	damage(1);
	expect_report(MANIFEST_BAD, 1, 1, 1, 1, 0);
	io->unlink(io, paths[0]);
	expect_report(MANIFEST_BAD, 0, 1, 0, 1, 0);
}

static void test_files_of_impossible_sizes_are_bad(void **state)
{
	int fd;

	(void)state;
	maker_write_file(io, paths[0], "", 0);
	maker_write_file(io, paths[1], "short", 5);
	expect_report(MANIFEST_BAD, 1, 1, 1, 1, 0);
	store(5, 1);
	fd = io->open(io, paths[0], O_RDWR);
	assert_int_equal(io->allocate(io, fd, 0, UINT64_C(1) << 40), 0);
	io->close(io, fd);
	expect_loaded(io, 5);
}

static void test_a_newer_format_in_either_is_told(void **state)
{
	(void)state;
	for (int which = 0; which < 2; which++) {
		struct manifest_report report;
		struct manifest manifest;
		uint8_t *data;
		size_t len;

		store(5, 1);
		data = maker_read_file(io, paths[which], &len);
		bytes_put32(data + 12, MANIFEST_FORMAT + 1);
		bytes_put32(data + 8, 0);
		bytes_put32(data + 8, crc32c(0, data, len));
		maker_write_file(io, paths[which], data, len);
		free(data);
		assert_int_equal(manifest_load(io, "/", &manifest, &report),
				 MANIFEST_NEWER);
	}
}

static void test_read_errors_are_no_damage(void **state)
{
	struct simfs_fault fault = { .calls = 1u << SIMFS_PREAD |
					      1u << SIMFS_OPEN |
					      1u << SIMFS_STAT,
				     .error = EMFILE };
	struct manifest_report report;
	struct manifest manifest;

	(void)state;
	store(5, 1);
	for (fault.nth = 1; fault.nth <= 6; fault.nth++) {
		simfs_set_fault(fs, &fault);
		assert_int_equal(manifest_load(io, "/", &manifest, &report),
				 -EMFILE);
	}
}

/* ---- every failure while storing ---- */

struct outcome {
	int result;
	bool is_new_seen;
	bool is_old_seen;
};

static int look_at_state(void *ctx, struct simfs *after, unsigned index,
			 const char *what)
{
	struct outcome *outcome = ctx;
	struct manifest_report report;
	struct manifest manifest;
	int result = manifest_load(simfs_io(after), "/", &manifest, &report);

	(void)index;
	if (result != 0)
		print_error("%s: %d\n", what, result);
	assert_int_equal(result, 0);
	assert_true(manifest.floor == 5 || manifest.floor == 6);
	if (manifest.floor == 6)
		outcome->is_new_seen = true;
	else
		outcome->is_old_seen = true;
	manifest_deinit(&manifest);
	return 0;
}

/* One store with that fault; false when it did not come to it. */
static bool store_with(const struct simfs_fault *fault)
{
	struct outcome outcome = { 0 };
	struct manifest manifest;
	bool hit;

	simfs_free(fs);
	fs = simfs_new();
	io = simfs_io(fs);
	store(5, 1);
	make(&manifest, 6);
	manifest.generation = 1;
	simfs_set_fault(fs, fault);
	outcome.result = manifest_store(io, "/", &manifest);
	hit = simfs_n_faults(fs) > 0;
	simfs_set_fault(fs, NULL);
	assert_true(manifest.generation == 2);
	/* now, and after any power cut */
	assert_true(outcome.result == 0 || outcome.result < 0 ||
		    outcome.result == MANIFEST_UNKNOWN);
	look_at_state(&outcome, fs, 0, "as it is");
	simfs_crash_states(fs, 1, 10000, look_at_state, &outcome);
	if (outcome.result == 0)
		assert_false(outcome.is_old_seen);
	if (outcome.result < 0)
		assert_false(outcome.is_new_seen);
	/* the next attempt wins, whatever this one left */
	manifest.floor = 7;
	assert_int_equal(manifest_store(io, "/", &manifest), 0);
	expect_loaded(io, 7);
	expect_report(0, 1, 1, 0, 0, 1);
	manifest_deinit(&manifest);
	return hit;
}

static void test_each_failure_leaves_the_old_or_says_unknown(void **state)
{
	static const int errors[] = { EIO, ENOSPC };
	const uint32_t calls = ~(1u << SIMFS_CLOSE | 1u << SIMFS_UNLINK);

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct simfs_fault fault = { .calls = calls,
					     .error = errors[i] };

		for (int from_then = 0; from_then < 2; from_then++) {
			fault.from_then = from_then;
			for (fault.nth = 1; store_with(&fault); fault.nth++)
				;
			/* two files: open, write, sync, rename, sync_dir */
			assert_int_equal(fault.nth, 11);
		}
	}
}

static void test_short_writes_are_gone_on_with(void **state)
{
	struct simfs_fault fault = { .calls = 1u << SIMFS_PWRITEV,
				     .nth = 1,
				     .from_then = true,
				     .is_short = true };

	(void)state;
	simfs_set_fault(fs, &fault);
	store(5, 1);
	expect_loaded(io, 5);
}

static void test_stored_means_durable(void **state)
{
	struct simfs *after;

	(void)state;
	store(5, 1);
	store(6, 2);
	after = simfs_crash_durable(fs);
	expect_loaded(simfs_io(after), 6);
	simfs_free(after);
}

static void test_names(void **state)
{
	(void)state;
	assert_true(manifest_is_name("MANIFEST.0"));
	assert_true(manifest_is_name("MANIFEST.1"));
	assert_false(manifest_is_name("MANIFEST.2"));
	assert_false(manifest_is_name("MANIFEST"));
	assert_false(manifest_is_name("MANIFEST.0.tmp"));
}

#define file_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_are_kept_in_order),
		cmocka_unit_test(test_a_copy_is_deep),
		cmocka_unit_test(
			test_a_copy_of_the_sealed_leaves_the_others_out),
		cmocka_unit_test(test_what_was_encoded_is_decoded),
		cmocka_unit_test(test_every_truncation_and_flipped_bit_is_bad),
		cmocka_unit_test(test_rules_hold_under_a_good_crc),
		file_test(test_none_is_missing),
		file_test(test_both_hold_the_same),
		file_test(test_the_higher_generation_counts),
		file_test(test_one_damaged_or_missing_is_no_loss),
		file_test(test_both_damaged_is_bad),
		file_test(test_files_of_impossible_sizes_are_bad),
		file_test(test_a_newer_format_in_either_is_told),
		file_test(test_read_errors_are_no_damage),
		file_test(test_each_failure_leaves_the_old_or_says_unknown),
		file_test(test_short_writes_are_gone_on_with),
		file_test(test_stored_means_durable),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
