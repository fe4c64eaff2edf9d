#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/folder.h"
#include "common/segment_header.h"
#include "tests/crash/simfs.h"
#include "tests/support/segment_maker.h"

/* What a sweep does with the output of a compaction that was cut. */

#define OUTPUT	    "/0000000005.seg"
#define OUTPUT_HINT "/0000000005.hint"

enum { OUTPUT_ID = 5, N_INPUTS = 3 };

static struct simfs *fs;
static struct io *io;
static struct manifest manifest;

/* Three listed segments, and an unlisted one that takes their place. */
static int set_up(void **state)
{
	struct segment *inputs[N_INPUTS];
	struct segment *output;

	(void)state;
	fs = simfs_new();
	io = simfs_io(fs);
	manifest = (struct manifest){ .next_segment = 4 };
	memcpy(manifest.store_id, maker_store_id, SEGMENT_STORE_ID_LEN);
	for (uint32_t i = 0; i < N_INPUTS; i++) {
		inputs[i] = maker_segment(io, "/", i + 1, 1000);
		assert_int_equal(
			manifest_add(&manifest, i + 1, MANIFEST_SEALED), 0);
	}
	assert_int_equal(
		segment_create_output(io, "/", OUTPUT_ID, 1000, &output), 0);
	output->header_len = segment_header_len(N_INPUTS);
	output->len = output->header_len;
	maker_put(io, output, "key", "value", 7);
	assert_int_equal(segment_finish_output(io, "/", maker_store_id, output,
					       inputs, N_INPUTS),
			 0);
	maker_write_file(io, OUTPUT_HINT, "hint", 4);
	segment_free(io, output);
	for (unsigned i = 0; i < N_INPUTS; i++)
		segment_free(io, inputs[i]);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	manifest_deinit(&manifest);
	assert_int_equal(simfs_n_open(fs), 0);
	simfs_free(fs);
	return 0;
}

static bool exists(const char *path)
{
	int fd = io->open(io, path, O_RDONLY);

	if (fd >= 0)
		io->close(io, fd);
	return fd >= 0 || fd == -EISDIR;
}

static struct folder_swept sweep(void)
{
	struct folder_swept swept;

	assert_int_equal(folder_sweep(io, "/", &manifest, &swept), 0);
	assert_false(exists(OUTPUT));
	assert_false(exists(OUTPUT_HINT));
	assert_true(exists("/0000000001.seg"));
	return swept;
}

static void expect_removed(void)
{
	assert_int_equal(sweep().n_quarantined, 0);
	assert_false(exists("/quarantine"));
}

static void expect_kept(void)
{
	struct folder_swept swept = sweep();

	assert_int_equal(swept.n_quarantined, 2);
	assert_int_equal(swept.n_tmp, 0);
	assert_true(exists("/quarantine"));
}

static void test_copies_of_what_is_listed_are_removed(void **state)
{
	(void)state;
	expect_removed();
}

static void test_a_listed_output_is_left_alone(void **state)
{
	struct folder_swept swept;

	(void)state;
	assert_int_equal(manifest_add(&manifest, OUTPUT_ID, MANIFEST_SEALED),
			 0);
	assert_int_equal(folder_sweep(io, "/", &manifest, &swept), 0);
	assert_true(exists(OUTPUT) && exists(OUTPUT_HINT));
	assert_int_equal(swept.n_tmp + swept.n_quarantined, 0);
}

/* A clear came over the run: none of it may stay. */
static void test_copies_of_what_was_cleared_are_removed(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= N_INPUTS; i++)
		manifest_find(&manifest, i)->state = MANIFEST_REPLACED;
	assert_int_equal(io->unlink(io, "/0000000003.seg"), 0);
	expect_removed();
}

/* Nobody knows what the manifest was that listed them. */
static void test_what_is_made_of_unknown_segments_is_kept(void **state)
{
	(void)state;
	manifest_remove(&manifest, 2);
	assert_int_equal(io->unlink(io, "/0000000002.seg"), 0);
	expect_kept();
}

/* An old manifest that somebody has put back: it is all that there is. */
static void test_what_is_made_of_missing_files_is_kept(void **state)
{
	(void)state;
	assert_int_equal(io->unlink(io, "/0000000002.seg"), 0);
	expect_kept();
}

static void test_an_unlisted_segment_that_replaces_none_is_kept(void **state)
{
	struct segment *segment;

	(void)state;
	assert_int_equal(io->unlink(io, OUTPUT), 0);
	segment = maker_segment(io, "/", OUTPUT_ID, 1000);
	maker_put(io, segment, "key", "value", 7);
	segment_free(io, segment);
	expect_kept();
}

static void test_an_output_with_a_damaged_header_is_kept(void **state)
{
	int fd = io->open(io, OUTPUT, O_RDWR);

	(void)state;
	assert_true(fd >= 0);
	/* an id that it replaces */
	maker_flip(io, fd, SEGMENT_HEADER_LEN, 8);
	io->close(io, fd);
	expect_kept();
}

static void test_an_output_of_another_store_is_kept(void **state)
{
	(void)state;
	manifest.store_id[3] ^= 1;
	expect_kept();
}

static void test_an_unfinished_output_is_removed(void **state)
{
	struct segment *output;
	struct folder_swept swept;

	(void)state;
	assert_int_equal(segment_create_output(io, "/", 6, 1000, &output), 0);
	segment_free(io, output);
	swept = sweep();
	assert_true(swept.n_tmp >= 2);
	assert_int_equal(swept.n_quarantined, 0);
	assert_false(exists("/0000000006.seg.tmp"));
}

/* What cannot be looked at stays where it is, for the next start. */
static void test_a_header_that_cannot_be_read_ends_the_sweep(void **state)
{
	const struct simfs_fault fault = { .calls = 1u << SIMFS_PREAD,
					   .nth = 1,
					   .error = EIO };
	struct folder_swept swept;

	(void)state;
	simfs_set_fault(fs, &fault);
	assert_int_equal(folder_sweep(io, "/", &manifest, &swept), -EIO);
	simfs_set_fault(fs, NULL);
	assert_true(exists(OUTPUT));
	expect_removed();
}

static void test_a_removal_that_was_cut_is_done_again(void **state)
{
	const struct simfs_fault fault = { .calls = 1u << SIMFS_UNLINK,
					   .nth = 2,
					   .error = EIO };
	struct folder_swept swept;

	(void)state;
	simfs_set_fault(fs, &fault);
	assert_int_equal(folder_sweep(io, "/", &manifest, &swept), -EIO);
	simfs_set_fault(fs, NULL);
	/* a segment by itself still tells what it is */
	assert_true(exists(OUTPUT));
	assert_false(exists(OUTPUT_HINT));
	expect_removed();
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		test(test_copies_of_what_is_listed_are_removed),
		test(test_a_listed_output_is_left_alone),
		test(test_copies_of_what_was_cleared_are_removed),
		test(test_what_is_made_of_unknown_segments_is_kept),
		test(test_what_is_made_of_missing_files_is_kept),
		test(test_an_unlisted_segment_that_replaces_none_is_kept),
		test(test_an_output_with_a_damaged_header_is_kept),
		test(test_an_output_of_another_store_is_kept),
		test(test_an_unfinished_output_is_removed),
		test(test_a_header_that_cannot_be_read_ends_the_sweep),
		test(test_a_removal_that_was_cut_is_done_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
