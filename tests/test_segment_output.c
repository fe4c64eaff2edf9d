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
#include "common/segment.h"
#include "common/segment_reader.h"
#include "common/segment_header.h"
#include "tests/crash/simfs.h"
#include "tests/support/segment_maker.h"

/* The files that compactions write. */

#define TMP	"/0000000007.seg.tmp"
#define SEGMENT "/0000000007.seg"

enum {
	ID = 7,
	CAPACITY = 8192,
	AT_N_REPLACES = 48,
};

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
	assert_int_equal(simfs_n_misused(fs), 0);
	simfs_free(fs);
	return 0;
}

static bool exists(const char *path)
{
	int fd = io->open(io, path, O_RDONLY);

	if (fd >= 0)
		io->close(io, fd);
	return fd >= 0;
}

static struct segment *create(void)
{
	struct segment *output = NULL;

	assert_int_equal(segment_create_output(io, "/", ID, CAPACITY, &output),
			 0);
	return output;
}

/* An output of one entry that replaces segments 1 to N. */
static int finish(struct segment *output, size_t n)
{
	struct segment *segments = calloc(n + 1, sizeof(*segments));
	struct segment **replaces = calloc(n + 1, sizeof(struct segment *));
	int result;

	for (size_t i = 0; i < n; i++) {
		segments[i].id = (uint32_t)i + 1;
		replaces[i] = &segments[i];
	}
	output->header_len = segment_header_len(n);
	output->len = output->header_len;
	maker_put(io, output, "key", "value", 5);
	result = segment_finish_output(io, "/", maker_store_id, output,
				       replaces, n);
	free(replaces);
	free(segments);
	return result;
}

static void test_headers_are_whole_units(void **state)
{
	(void)state;
	assert_int_equal(segment_header_len(0), SEGMENT_HEADER_LEN);
	assert_int_equal(segment_header_len(1), SEGMENT_HEADER_LEN + 8);
	assert_int_equal(segment_header_len(2), SEGMENT_HEADER_LEN + 8);
	assert_int_equal(segment_header_len(3), SEGMENT_HEADER_LEN + 16);
	assert_int_equal(segment_header_len(SEGMENT_REPLACES_MAX),
			 SEGMENT_HEADER_LEN + 4 * SEGMENT_REPLACES_MAX);
}

static void test_an_output_has_no_name_before_it_is_finished(void **state)
{
	struct segment *output = create();
	struct io_stat st;

	(void)state;
	assert_true(exists(TMP));
	assert_false(exists(SEGMENT));
	assert_int_equal(io->stat(io, output->fd, &st), 0);
	assert_int_equal(st.size, CAPACITY);
	assert_int_equal(finish(output, 2), 0);
	assert_false(exists(TMP));
	assert_true(exists(SEGMENT));
	assert_true(output->synced_len == output->len);
	segment_free(io, output);
}

static void test_what_it_replaces_can_be_read(void **state)
{
	static const size_t counts[] = { 0, 1, 2, 3, 4095, 4096 };

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct segment *output = NULL;
		struct segment *opened;
		uint32_t *ids;
		size_t n;

		assert_int_equal(
			segment_create_output(io, "/", ID, 32768, &output), 0);
		assert_int_equal(finish(output, counts[i]), 0);
		assert_int_equal(segment_header_replaces(
					 io, "/", maker_store_id, ID, &ids, &n),
				 0);
		assert_int_equal(n, counts[i]);
		for (size_t k = 0; k < n; k++)
			assert_int_equal(ids[k], k + 1);
		free(ids);
		assert_int_equal(
			segment_open(io, "/", maker_store_id, ID, &opened), 0);
		assert_int_equal(opened->header_len,
				 segment_header_len(counts[i]));
		segment_free(io, opened);
		segment_drop_output(io, "/", output);
	}
}

static void test_a_plain_segment_replaces_none(void **state)
{
	struct segment *segment = maker_segment(io, "/", 3, 1000);
	uint32_t *ids;
	size_t n;

	(void)state;
	assert_int_equal(
		segment_header_replaces(io, "/", maker_store_id, 3, &ids, &n),
		0);
	assert_int_equal(n, 0);
	free(ids);
	segment_free(io, segment);
}

static int read_replaces(const uint8_t *store_id, uint32_t id)
{
	uint32_t *ids = NULL;
	size_t n;
	int result = segment_header_replaces(io, "/", store_id, id, &ids, &n);

	free(ids);
	return result;
}

static void test_what_is_not_its_header_is_told(void **state)
{
	uint8_t other[SEGMENT_STORE_ID_LEN] = "another store's";
	struct segment *output = create();

	(void)state;
	assert_int_equal(finish(output, 5), 0);
	assert_int_equal(read_replaces(maker_store_id, 8), -ENOENT);
	assert_int_equal(read_replaces(other, ID), SEGMENT_FOREIGN);
	for (uint64_t off = 0; off < output->header_len; off++) {
		maker_flip(io, output->fd, off, 0x10);
		assert_int_equal(read_replaces(maker_store_id, ID),
				 SEGMENT_BAD);
		maker_flip(io, output->fd, off, 0x10);
	}
	assert_int_equal(read_replaces(maker_store_id, ID), 0);
	segment_free(io, output);
}

/* PITFALLS 11: a count that does not fit the header, under a good CRC. */
static void test_11_a_count_beyond_the_header_is_bad(void **state)
{
	struct segment *output = create();
	uint8_t header[SEGMENT_HEADER_LEN + 8];
	static const uint32_t counts[] = { 0, 3, 4, 1u << 30, UINT32_MAX };

	(void)state;
	assert_int_equal(finish(output, 2), 0);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		assert_int_equal(io_pread_full(io, output->fd, header,
					       sizeof(header), 0),
				 0);
		bytes_put32(header + AT_N_REPLACES, counts[i]);
		bytes_put32(header + 8, 0);
		bytes_put32(header + 8, crc32c(0, header, sizeof(header)));
		assert_int_equal(io_pwrite_full(io, output->fd, header,
						sizeof(header), 0),
				 0);
		assert_int_equal(read_replaces(maker_store_id, ID),
				 SEGMENT_BAD);
	}
	segment_free(io, output);
}

static void test_a_file_that_ends_in_its_header_is_bad(void **state)
{
	struct segment *output = create();
	size_t len;
	uint8_t *data;

	(void)state;
	assert_int_equal(finish(output, 40), 0);
	segment_free(io, output);
	data = maker_read_file(io, SEGMENT, &len);
	for (size_t n = 0; n < segment_header_len(40); n += 9) {
		maker_write_file(io, SEGMENT, data, n);
		assert_int_equal(read_replaces(maker_store_id, ID),
				 SEGMENT_BAD);
	}
	free(data);
}

/* ---- failures, and power cuts ---- */

static void test_dropping_removes_all_of_it(void **state)
{
	struct segment *output = create();

	(void)state;
	segment_drop_output(io, "/", output);
	assert_false(exists(TMP));
	output = create();
	assert_int_equal(finish(output, 1), 0);
	maker_write_file(io, "/0000000007.hint", "hint", 4);
	maker_write_file(io, "/0000000008.seg", "other", 5);
	segment_drop_output(io, "/", output);
	assert_false(exists(SEGMENT));
	assert_false(exists("/0000000007.hint"));
	assert_true(exists("/0000000008.seg"));
	segment_drop_output(io, "/", NULL);
}

static void test_a_failed_creation_leaves_nothing(void **state)
{
	const struct simfs_fault fault = { .calls = 1u << SIMFS_ALLOCATE,
					   .nth = 1,
					   .error = ENOSPC };
	struct segment *output = NULL;

	(void)state;
	simfs_set_fault(fs, &fault);
	assert_int_equal(segment_create_output(io, "/", ID, CAPACITY, &output),
			 -ENOSPC);
	simfs_set_fault(fs, NULL);
	assert_null(output);
	assert_false(exists(TMP));
	/* what is in the way is somebody's */
	maker_write_file(io, TMP, "precious", 8);
	assert_int_equal(segment_create_output(io, "/", ID, CAPACITY, &output),
			 -EEXIST);
	assert_true(exists(TMP));
}

static void test_a_disk_that_cannot_allocate_will_do(void **state)
{
	const struct simfs_fault fault = { .calls = 1u << SIMFS_ALLOCATE,
					   .nth = 1,
					   .error = EOPNOTSUPP };
	struct segment *output;

	(void)state;
	simfs_set_fault(fs, &fault);
	output = create();
	simfs_set_fault(fs, NULL);
	assert_int_equal(finish(output, 1), 0);
	segment_free(io, output);
}

static void test_a_failed_finish_gives_it_no_name(void **state)
{
	static const unsigned calls[] = { SIMFS_PWRITEV, SIMFS_SYNC,
					  SIMFS_RENAME };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const struct simfs_fault fault = {
			.calls = 1u << calls[i],
			/* the entry is written before */
			.nth = calls[i] == SIMFS_PWRITEV ? 2 : 1,
			.error = EIO,
		};
		struct segment *output = create();

		simfs_set_fault(fs, &fault);
		assert_int_equal(finish(output, 1), -EIO);
		simfs_set_fault(fs, NULL);
		assert_false(exists(SEGMENT));
		segment_drop_output(io, "/", output);
		assert_false(exists(TMP));
	}
}

struct cut {
	unsigned n_named;
};

/* Under its name it is whole, header and entries; a tmp may be anything. */
static int look_at_state(void *ctx, struct simfs *after, unsigned index,
			 const char *what)
{
	struct cut *cut = ctx;
	struct io *now = simfs_io(after);
	struct segment_reader reader;
	struct segment_entry found;
	struct segment *opened;
	int fd = now->open(now, SEGMENT, O_RDONLY);

	(void)index;
	(void)what;
	if (fd < 0)
		return 0;
	now->close(now, fd);
	cut->n_named++;
	assert_int_equal(segment_open(now, "/", maker_store_id, ID, &opened),
			 0);
	assert_int_equal(segment_reader_init(&reader, now, opened,
					     opened->header_len,
					     opened->capacity),
			 0);
	assert_int_equal(segment_reader_next(&reader, true, &found), 0);
	assert_true(found.value_ok);
	segment_reader_deinit(&reader);
	segment_free(now, opened);
	return 0;
}

static void look_after(void *ctx, struct simfs *from, enum simfs_call call,
		       bool changed)
{
	(void)call;
	if (changed)
		simfs_crash_states(from, 1, 200, look_at_state, ctx);
}

static void test_45_what_has_its_name_is_whole_after_a_power_cut(void **state)
{
	struct cut cut = { 0 };
	struct segment *output;

	(void)state;
	simfs_set_hook(fs, look_after, &cut);
	output = create();
	assert_int_equal(finish(output, 3), 0);
	simfs_set_hook(fs, NULL, NULL);
	assert_true(cut.n_named > 0);
	segment_free(io, output);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		test(test_headers_are_whole_units),
		test(test_an_output_has_no_name_before_it_is_finished),
		test(test_what_it_replaces_can_be_read),
		test(test_a_plain_segment_replaces_none),
		test(test_what_is_not_its_header_is_told),
		test(test_11_a_count_beyond_the_header_is_bad),
		test(test_a_file_that_ends_in_its_header_is_bad),
		test(test_dropping_removes_all_of_it),
		test(test_a_failed_creation_leaves_nothing),
		test(test_a_disk_that_cannot_allocate_will_do),
		test(test_a_failed_finish_gives_it_no_name),
		test(test_45_what_has_its_name_is_whole_after_a_power_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
