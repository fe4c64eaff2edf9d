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

#include "common/digest.h"
#include "common/hint.h"
#include "common/hint_filter.h"
#include "common/hint_builder.h"
#include "tests/crash/simfs.h"
#include "tests/support/segment_maker.h"

/* What a compaction takes from a segment: its filter, or its lines. */

#define HINT_PATH "/0000000001.hint"

enum { N_PUTS = 300 };

static struct simfs *fs;
static struct io *io;
static struct segment *segment;

static void key_of(unsigned i, char key[12])
{
	snprintf(key, 12, "k%u", i);
}

/* Puts, a batch, and tombstones of keys that nobody put. */
static int set_up(void **state)
{
	struct hint_builder builder;
	char key[12];

	(void)state;
	fs = simfs_new();
	io = simfs_io(fs);
	segment = maker_segment(io, "/", 1, 64 << 10);
	for (unsigned i = 0; i < N_PUTS; i++) {
		key_of(i, key);
		maker_put(io, segment, key, "value", i + 1);
	}
	maker_batch(io, segment, 3, 1000, 0);
	for (unsigned i = 0; i < 5; i++) {
		key_of(10000 + i, key);
		maker_append(io, segment,
			     &(struct maker_entry){ .kind = ENTRY_TOMBSTONE,
						    .key = key,
						    .sequence = 2000 + i });
	}
	hint_builder_init(&builder);
	assert_int_equal(hint_builder_read(&builder, io, segment), 0);
	assert_int_equal(hint_builder_write(&builder, io, "/", maker_store_id,
					    1, segment->len),
			 0);
	hint_builder_deinit(&builder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	segment_free(io, segment);
	assert_int_equal(simfs_n_open(fs), 0);
	simfs_free(fs);
	return 0;
}

static int load(struct hint_filter *filter)
{
	return hint_filter_load(filter, io, "/", maker_store_id, 1,
				segment->len);
}

static bool may_hold(const struct hint_filter *filter, const char *key)
{
	return hint_filter_may_hold(filter, digest_fixed64(key, strlen(key)));
}

/* ---- filters ---- */

static void test_a_filter_by_itself_says_what_the_hint_says(void **state)
{
	struct hint_filter filter;
	struct hint hint;
	char key[12];

	(void)state;
	assert_int_equal(load(&filter), 0);
	assert_int_equal(
		hint_load(&hint, io, "/", maker_store_id, 1, segment->len), 0);
	for (unsigned i = 0; i < 20000; i++) {
		key_of(i, key);
		if (i < N_PUTS)
			assert_true(may_hold(&filter, key));
		assert_int_equal(may_hold(&filter, key),
				 hint_may_hold(&hint, key, strlen(key)));
	}
	assert_true(may_hold(&filter, "b0") && may_hold(&filter, "b2"));
	hint_deinit(&hint);
	hint_filter_deinit(&filter);
}

static void test_it_does_not_read_the_keys(void **state)
{
	struct hint_filter filter;
	struct io_stat st;
	int fd = io->open(io, HINT_PATH, O_RDWR);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(io->stat(io, fd, &st), 0);
	/* damage among the lines is none of its business */
	maker_flip(io, fd, HINT_HEADER_LEN + 20, 1);
	assert_int_equal(load(&filter), 0);
	assert_true(may_hold(&filter, "k7"));
	hint_filter_deinit(&filter);
	maker_flip(io, fd, HINT_HEADER_LEN + 20, 1);
	io->close(io, fd);
}

static void test_each_flipped_bit_of_header_or_filter_is_seen(void **state)
{
	struct hint_filter filter;
	struct io_stat st;
	uint64_t filter_off;
	int fd = io->open(io, HINT_PATH, O_RDWR);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(io->stat(io, fd, &st), 0);
	assert_int_equal(load(&filter), 0);
	filter_off = st.size - 8 - filter.bits / 8;
	hint_filter_deinit(&filter);
	for (uint64_t off = 0; off < st.size - 4; off++) {
		if (off == HINT_HEADER_LEN)
			off = filter_off;
		for (unsigned bit = 0; bit < 8; bit += 3) {
			maker_flip(io, fd, off, (uint8_t)(1u << bit));
			assert_int_equal(load(&filter), HINT_BAD);
			maker_flip(io, fd, off, (uint8_t)(1u << bit));
		}
	}
	assert_int_equal(load(&filter), 0);
	hint_filter_deinit(&filter);
	io->close(io, fd);
}

static void test_each_truncation_is_bad(void **state)
{
	struct hint_filter filter;
	size_t len;
	uint8_t *data = maker_read_file(io, HINT_PATH, &len);

	(void)state;
	/* all but the last CRC, which is not its own */
	for (size_t n = 0; n < len - 4; n++) {
		maker_write_file(io, HINT_PATH, data, n);
		assert_int_equal(load(&filter), HINT_BAD);
	}
	free(data);
}

static void test_another_segments_or_lengths_filter_is_bad(void **state)
{
	uint8_t other[SEGMENT_STORE_ID_LEN] = "another store's";
	struct hint_filter filter;

	(void)state;
	assert_int_equal(
		hint_filter_load(&filter, io, "/", other, 1, segment->len),
		HINT_BAD);
	assert_int_equal(hint_filter_load(&filter, io, "/", maker_store_id, 1,
					  segment->len + 8),
			 HINT_BAD);
	assert_int_equal(io->rename(io, HINT_PATH, "/0000000002.hint"), 0);
	assert_int_equal(hint_filter_load(&filter, io, "/", maker_store_id, 2,
					  segment->len),
			 HINT_BAD);
	assert_int_equal(load(&filter), -ENOENT);
}

/* PITFALLS 11: no length from the file is believed before it is bounded. */
static void test_11_a_length_beyond_reason_is_bad(void **state)
{
	static const size_t at[] = { 52, 56, 60 };
	struct hint_filter filter;
	size_t len;
	uint8_t *data = maker_read_file(io, HINT_PATH, &len);

	(void)state;
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		uint8_t kept[4];

		memcpy(kept, data + at[i], 4);
		memset(data + at[i], 0xf8, 4);
		maker_write_file(io, HINT_PATH, data, len);
		assert_int_equal(load(&filter), HINT_BAD);
		memcpy(data + at[i], kept, 4);
	}
	free(data);
}

static void test_read_errors_are_told(void **state)
{
	const struct simfs_fault fault = { .calls = 1u << SIMFS_PREAD,
					   .nth = 2,
					   .error = EIO };
	struct hint_filter filter;

	(void)state;
	simfs_set_fault(fs, &fault);
	assert_int_equal(load(&filter), -EIO);
	simfs_set_fault(fs, NULL);
}

static void test_a_segment_without_puts_holds_none(void **state)
{
	struct hint_builder builder;
	struct hint_filter filter;

	(void)state;
	hint_builder_init(&builder);
	assert_int_equal(hint_builder_write(&builder, io, "/", maker_store_id,
					    1, segment->len),
			 0);
	hint_builder_deinit(&builder);
	assert_int_equal(load(&filter), 0);
	assert_int_equal(filter.bits, 0);
	assert_false(may_hold(&filter, "k1"));
	hint_filter_deinit(&filter);
}

/* ---- lines without a hint ---- */

static void test_what_was_read_can_be_walked_through(void **state)
{
	struct hint_builder builder;
	struct hint_entry line;
	struct hint_entry same;
	struct hint read;
	struct hint loaded;
	unsigned n = 0;

	(void)state;
	hint_builder_init(&builder);
	assert_int_equal(hint_builder_read(&builder, io, segment), 0);
	hint_builder_take(&builder, &read);
	hint_builder_deinit(&builder);
	assert_int_equal(
		hint_load(&loaded, io, "/", maker_store_id, 1, segment->len),
		0);
	/* the same lines in the same order: a run may mix the two */
	while (hint_next(&loaded, &line)) {
		assert_true(hint_next(&read, &same));
		assert_int_equal(line.kind, same.kind);
		assert_int_equal(line.off8, same.off8);
		assert_int_equal(line.len8, same.len8);
		assert_true(line.sequence == same.sequence);
		assert_int_equal(line.key_len, same.key_len);
		assert_memory_equal(line.key, same.key, line.key_len);
		n++;
	}
	assert_false(hint_next(&read, &same));
	assert_int_equal(n, N_PUTS + 3 + 5);
	hint_deinit(&read);
	hint_deinit(&loaded);
}

static void test_nothing_read_is_a_hint_without_lines(void **state)
{
	struct segment *empty = maker_segment(io, "/", 9, 1000);
	struct hint_builder builder;
	struct hint_entry line;
	struct hint hint;

	(void)state;
	hint_builder_init(&builder);
	assert_int_equal(hint_builder_read(&builder, io, empty), 0);
	hint_builder_take(&builder, &hint);
	assert_false(hint_next(&hint, &line));
	hint_deinit(&hint);
	hint_builder_deinit(&builder);
	segment_free(io, empty);
}

static void test_what_cannot_be_told_is_bad(void **state)
{
	struct hint_builder builder;

	(void)state;
	maker_flip(io, segment->fd, segment->header_len + 20, 1);
	hint_builder_init(&builder);
	assert_int_equal(hint_builder_read(&builder, io, segment), SEGMENT_BAD);
	hint_builder_deinit(&builder);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		test(test_a_filter_by_itself_says_what_the_hint_says),
		test(test_it_does_not_read_the_keys),
		test(test_each_flipped_bit_of_header_or_filter_is_seen),
		test(test_each_truncation_is_bad),
		test(test_another_segments_or_lengths_filter_is_bad),
		test(test_11_a_length_beyond_reason_is_bad),
		test(test_read_errors_are_told),
		test(test_a_segment_without_puts_holds_none),
		test(test_what_was_read_can_be_walked_through),
		test(test_nothing_read_is_a_hint_without_lines),
		test(test_what_cannot_be_told_is_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
