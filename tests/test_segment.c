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
#include "tests/crash/simfs.h"
#include "tests/support/segment_maker.h"
#include "tests/support/tempdir.h"

enum {
	WINDOW = 256 << 10, /* the reader's */
	CAPACITY = 2 << 20,
	ID = 9,
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

/* ---- names ---- */

static void test_names_are_parsed_and_nothing_else(void **state)
{
	static const char *const not_ours[] = {
		"",
		"1.seg",
		"0000000000.seg",
		"4294967296.seg",
		"9999999999.seg",
		"0000000001.se",
		"0000000001.segx",
		"0000000001.hints",
		"0000000001",
		"00000000001.seg",
		"000000000a.seg",
		" 000000001.seg",
		"0000000001.SEG",
		"0000000001.seg.tmp",
		"0000000001.hint ",
		"-000000001.seg",
	};
	char name[SEGMENT_NAME_MAX];
	uint32_t id = 0;
	bool is_hint = true;

	(void)state;
	segment_name(1, name);
	assert_string_equal(name, "0000000001.seg");
	assert_true(segment_parse_name(name, &id, &is_hint));
	assert_int_equal(id, 1);
	assert_false(is_hint);
	segment_hint_name(UINT32_MAX, name);
	assert_string_equal(name, "4294967295.hint");
	assert_true(segment_parse_name(name, &id, &is_hint));
	assert_true(id == UINT32_MAX);
	assert_true(is_hint);
	for (size_t i = 0; i < sizeof(not_ours) / sizeof(not_ours[0]); i++)
		assert_false(segment_parse_name(not_ours[i], &id, &is_hint));
}

/* ---- making and opening ---- */

static int reopen(struct segment **segment)
{
	return segment_open(io, "/", maker_store_id, ID, segment);
}

static void test_made_and_opened_again(void **state)
{
	struct segment *segment = maker_segment(io, "/", ID, CAPACITY);
	struct segment *again;

	(void)state;
	assert_int_equal(segment->id, ID);
	assert_int_equal(segment->capacity, CAPACITY);
	assert_int_equal(segment->len, SEGMENT_HEADER_LEN);
	assert_int_equal(segment->synced_len, SEGMENT_HEADER_LEN);
	segment_free(io, segment);
	assert_int_equal(reopen(&again), 0);
	assert_int_equal(again->capacity, CAPACITY);
	assert_int_equal(again->header_len, SEGMENT_HEADER_LEN);
	assert_int_equal(again->len, SEGMENT_HEADER_LEN);
	assert_false(again->sealed);
	segment_free(io, again);
	segment_free(io, NULL);
}

static void test_on_a_real_file_system(void **state)
{
	char *dir;
	struct io *real = io_system();
	struct segment *segment;
	struct segment *again;

	(void)state;
	dir = tempdir_new();
	segment = maker_segment(real, dir, ID, CAPACITY);
	maker_put(real, segment, "key", "value", 1);
	segment_trim(real, segment);
	segment_free(real, segment);
	assert_int_equal(
		segment_create(real, dir, maker_store_id, ID, CAPACITY, &again),
		-EEXIST);
	assert_int_equal(segment_open(real, dir, maker_store_id, ID, &again),
			 0);
	assert_int_equal(again->capacity, CAPACITY);
	segment_free(real, again);
	assert_int_equal(
		segment_open(real, dir, maker_store_id, ID + 1, &again),
		-ENOENT);
	tempdir_free(dir);
}

static void test_made_means_durable_with_its_name(void **state)
{
	struct segment *segment = maker_segment(io, "/", ID, CAPACITY);
	struct simfs *after = simfs_crash_durable(fs);
	struct segment *again;

	(void)state;
	assert_int_equal(
		segment_open(simfs_io(after), "/", maker_store_id, ID, &again),
		0);
	assert_int_equal(again->capacity, CAPACITY);
	segment_free(simfs_io(after), again);
	simfs_free(after);
	segment_free(io, segment);
}

/* Each call in turn, with each error: nothing of that name is left. */
static void test_a_failure_leaves_nothing(void **state)
{
	static const int errors[] = { EIO, ENOSPC, EMFILE };
	const uint32_t calls = ~(1u << SIMFS_CLOSE | 1u << SIMFS_UNLINK);

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		for (uint64_t nth = 1;; nth++) {
			struct simfs_fault fault = { .calls = calls,
						     .nth = nth,
						     .error = errors[i] };
			struct segment *segment = NULL;
			int result;

			simfs_set_fault(fs, &fault);
			result = segment_create(io, "/", maker_store_id, ID,
						CAPACITY, &segment);
			if (simfs_n_faults(fs) == 0) {
				assert_int_equal(result, 0);
				segment_free(io, segment);
				assert_int_equal(
					io->unlink(io, "/0000000009.seg"), 0);
				break;
			}
			simfs_set_fault(fs, NULL);
			assert_int_equal(result, -errors[i]);
			assert_null(segment);
			assert_int_equal(reopen(&segment), -ENOENT);
			assert_int_equal(simfs_n_open(fs), 0);
		}
	}
}

static void test_no_allocate_is_no_failure(void **state)
{
	struct simfs_fault fault = { .calls = 1u << SIMFS_ALLOCATE,
				     .nth = 1,
				     .error = EOPNOTSUPP };

	(void)state;
	simfs_set_fault(fs, &fault);
	segment_free(io, maker_segment(io, "/", ID, CAPACITY));
	assert_int_equal(simfs_n_faults(fs), 1);
}

static void test_a_short_write_of_the_header_is_gone_on_with(void **state)
{
	struct simfs_fault fault = { .calls = 1u << SIMFS_PWRITEV,
				     .nth = 1,
				     .is_short = true };
	struct segment *segment;

	(void)state;
	simfs_set_fault(fs, &fault);
	segment_free(io, maker_segment(io, "/", ID, CAPACITY));
	assert_int_equal(simfs_n_faults(fs), 1);
	assert_int_equal(reopen(&segment), 0);
	segment_free(io, segment);
}

/* ---- headers ---- */

static void test_every_flipped_bit_of_a_header_is_seen(void **state)
{
	struct segment *segment = maker_segment(io, "/", ID, 4096);

	(void)state;
	maker_put(io, segment, "key", "value", 1);
	for (unsigned bit = 0; bit < SEGMENT_HEADER_LEN * 8; bit++) {
		struct segment *again = NULL;

		maker_flip(io, segment->fd, bit / 8, (uint8_t)(1 << bit % 8));
		assert_int_equal(reopen(&again), SEGMENT_BAD);
		/* as if it were a plain one */
		assert_int_equal(again->header_len, SEGMENT_HEADER_LEN);
		assert_int_equal(again->capacity, 4096);
		segment_free(io, again);
		maker_flip(io, segment->fd, bit / 8, (uint8_t)(1 << bit % 8));
	}
	segment_free(io, segment);
}

static void test_every_truncation_of_a_header_is_bad(void **state)
{
	uint8_t *data;
	size_t len;

	(void)state;
	segment_free(io, maker_segment(io, "/", ID, 4096));
	data = maker_read_file(io, "/0000000009.seg", &len);
	for (size_t cut = 0; cut < SEGMENT_HEADER_LEN; cut++) {
		struct segment *again = NULL;

		maker_write_file(io, "/0000000009.seg", data, cut);
		assert_int_equal(reopen(&again), SEGMENT_BAD);
		assert_int_equal(again->capacity, cut);
		segment_free(io, again);
	}
	free(data);
}

/* Writes a header of LEN bytes with that field set, its CRC made true. */
static void write_header(size_t len, size_t at, uint32_t number)
{
	uint8_t *old;
	size_t old_len;
	uint8_t *data = calloc(1, len);

	segment_free(io, maker_segment(io, "/", ID, 4096));
	old = maker_read_file(io, "/0000000009.seg", &old_len);
	memcpy(data, old, SEGMENT_HEADER_LEN);
	bytes_put32(data + 36, (uint32_t)len);
	bytes_put32(data + at, number);
	bytes_put32(data + 8, 0);
	bytes_put32(data + 8, crc32c(0, data, len));
	maker_write_file(io, "/0000000009.seg", data, len);
	free(old);
	free(data);
}

static void expect_open(int expected, uint32_t header_len)
{
	struct segment *segment = NULL;

	assert_int_equal(reopen(&segment), expected);
	if (header_len > 0)
		assert_int_equal(segment->header_len, header_len);
	else
		assert_null(segment);
	segment_free(io, segment);
	assert_int_equal(io->unlink(io, "/0000000009.seg"), 0);
}

static void test_other_headers_with_a_good_crc(void **state)
{
	(void)state;
	/* three replaced segments */
	write_header(80, 48, 3);
	expect_open(0, 80);
	write_header(64, 12, SEGMENT_FORMAT + 1);
	expect_open(SEGMENT_NEWER, 0);
	write_header(64, 16, 0xdeadbeef);
	expect_open(SEGMENT_FOREIGN, 0);
	write_header(64, 32, ID + 1);
	expect_open(SEGMENT_FOREIGN, 0);
	/* lengths that cannot be */
	write_header(72, 36, 68);
	expect_open(SEGMENT_BAD, 64);
	write_header(64, 36, 56);
	expect_open(SEGMENT_BAD, 64);
	write_header(64, 36, UINT32_MAX - 7);
	expect_open(SEGMENT_BAD, 64);
	/* longer than the file */
	write_header(64, 36, 128);
	expect_open(SEGMENT_BAD, 64);
}

static void test_a_failed_read_is_no_damage(void **state)
{
	struct segment *segment = NULL;

	(void)state;
	segment_free(io, maker_segment(io, "/", ID, 4096));
	for (unsigned call = SIMFS_OPEN; call <= SIMFS_STAT; call++) {
		struct simfs_fault fault = { .calls = 1u << call,
					     .nth = 1,
					     .error = EIO };

		if (call != SIMFS_OPEN && call != SIMFS_PREAD &&
		    call != SIMFS_STAT)
			continue;
		simfs_set_fault(fs, &fault);
		assert_int_equal(reopen(&segment), -EIO);
		assert_null(segment);
	}
}

/* ---- reading ---- */

static void expect_key(const struct segment_entry *found, const char *key)
{
	assert_int_equal(found->entry.key_len, strlen(key));
	assert_memory_equal(found->entry.key, key, strlen(key));
}

static void test_read_front_to_back(void **state)
{
	struct segment *segment = maker_segment(io, "/", ID, 4096);
	uint64_t offs[3];
	struct segment_reader reader;
	struct segment_entry found;

	(void)state;
	offs[0] = maker_put(io, segment, "a", "1", 5);
	offs[1] = maker_put(io, segment, "b", "22", 6);
	offs[2] = maker_batch(io, segment, 2, 7, 0);
	assert_int_equal(segment_reader_init(&reader, io, segment,
					     segment->header_len, segment->len),
			 0);
	assert_int_equal(segment_reader_next(&reader, false, &found), 0);
	assert_true(found.off == offs[0]);
	expect_key(&found, "a");
	assert_int_equal(segment_reader_next(&reader, true, &found), 0);
	assert_true(found.off == offs[1]);
	assert_true(found.off + found.len == offs[2]);
	assert_true(found.value_ok);
	expect_key(&found, "b");
	/* a head's value is looked at in any case */
	assert_int_equal(segment_reader_next(&reader, false, &found), 0);
	assert_int_equal(found.entry.kind, ENTRY_BATCH);
	assert_int_equal(found.batch_count, 2);
	assert_int_equal(found.batch_run_len, 2 * entry_len(2, 5, false));
	assert_int_equal(segment_reader_next(&reader, true, &found), 0);
	expect_key(&found, "b0");
	assert_int_equal(segment_reader_next(&reader, true, &found), 0);
	assert_int_equal(segment_reader_next(&reader, true, &found),
			 SEGMENT_END);
	assert_true(reader.off == segment->len);
	segment_reader_deinit(&reader);
	segment_free(io, segment);
}

/*
 * Entries of which one begins, ends, or has its header, key or value around
 * BORDER: all are read, whether or not values are looked at.
 */
static void read_around(uint64_t border, int delta, bool check)
{
	struct segment *segment = maker_segment(io, "/", ID, CAPACITY);
	struct maker_entry filler = { .key = "filler", .sequence = 1 };
	struct segment_reader reader;
	struct segment_entry found;
	uint64_t sequence = 0;
	int result;

	/* one that ends DELTA bytes from the border */
	filler.value_len = (size_t)(border - SEGMENT_HEADER_LEN -
				    ENTRY_HEAD_LEN - strlen("filler")) +
			   (size_t)delta;
	maker_append(io, segment, &filler);
	maker_put(io, segment, "second key", "second value", 2);
	maker_put(io, segment, "third", "", 3);
	assert_int_equal(segment_reader_init(&reader, io, segment,
					     segment->header_len,
					     segment->capacity),
			 0);
	while ((result = segment_reader_next(&reader, check, &found)) == 0) {
		assert_true(found.entry.sequence == ++sequence);
		assert_true(found.value_ok);
		if (sequence == 1)
			expect_key(&found, "filler");
		if (sequence == 2)
			expect_key(&found, "second key");
		if (sequence == 3)
			expect_key(&found, "third");
	}
	assert_int_equal(result, SEGMENT_BAD);
	assert_int_equal(sequence, 3);
	assert_true(reader.off == segment->len);
	segment_reader_deinit(&reader);
	segment_free(io, segment);
	assert_int_equal(io->unlink(io, "/0000000009.seg"), 0);
}

static void test_nothing_is_lost_at_the_windows_borders(void **state)
{
	(void)state;
	for (uint64_t n = 1; n <= 2; n++) {
		for (int delta = -112; delta <= 16; delta += 8) {
			for (int byte = -1; byte <= 1; byte++) {
				read_around(n * WINDOW, delta + byte, false);
				read_around(n * WINDOW, delta + byte, true);
				read_around(n * WINDOW + SEGMENT_HEADER_LEN,
					    delta + byte, true);
			}
		}
	}
}

static void test_values_longer_than_the_window(void **state)
{
	struct segment *segment = maker_segment(io, "/", ID, CAPACITY);
	struct maker_entry large = { .key = "large",
				     .value_len = 3 * WINDOW + 5,
				     .sequence = 1 };
	uint8_t *value = malloc(large.value_len);
	struct segment_reader reader;
	struct segment_entry found;

	(void)state;
	for (size_t i = 0; i < large.value_len; i++)
		value[i] = (uint8_t)(i * 31 >> 3);
	large.value = value;
	maker_append(io, segment, &large);
	maker_put(io, segment, "next", "v", 2);
	assert_int_equal(segment_reader_init(&reader, io, segment,
					     segment->header_len, segment->len),
			 0);
	assert_int_equal(segment_reader_next(&reader, true, &found), 0);
	assert_true(found.value_ok);
	/* the key is there although the value went through the window */
	expect_key(&found, "large");
	assert_int_equal(segment_reader_next(&reader, true, &found), 0);
	expect_key(&found, "next");
	segment_reader_deinit(&reader);
	/* damage in its last byte, and in its padding */
	for (int i = 0; i < 2; i++) {
		uint64_t off = SEGMENT_HEADER_LEN + ENTRY_HEAD_LEN + 5 +
			       large.value_len - 1 + (uint64_t)i;

		maker_flip(io, segment->fd, off, 1);
		assert_int_equal(segment_reader_init(&reader, io, segment,
						     segment->header_len,
						     segment->len),
				 0);
		assert_int_equal(segment_reader_next(&reader, true, &found), 0);
		assert_false(found.value_ok);
		expect_key(&found, "large");
		assert_int_equal(segment_reader_next(&reader, true, &found), 0);
		assert_true(found.value_ok);
		segment_reader_deinit(&reader);
		maker_flip(io, segment->fd, off, 1);
	}
	free(value);
	segment_free(io, segment);
}

static void test_a_file_shorter_than_the_limit_reads_as_zeros(void **state)
{
	struct segment *segment = maker_segment(io, "/", ID, 4096);
	struct segment_reader reader;
	struct segment_entry found;
	uint8_t *data;
	size_t len;
	uint64_t whole;

	(void)state;
	maker_put(io, segment, "a", "1", 1);
	whole = segment->len;
	maker_put(io, segment, "b", "2222222222222222", 2);
	segment_free(io, segment);
	data = maker_read_file(io, "/0000000009.seg", &len);
	for (uint64_t cut = whole; cut < whole + 64; cut++) {
		uint64_t end;

		maker_write_file(io, "/0000000009.seg", data, cut);
		assert_int_equal(reopen(&segment), 0);
		assert_int_equal(segment_reader_init(&reader, io, segment,
						     segment->header_len, 4096),
				 0);
		assert_int_equal(segment_reader_next(&reader, true, &found), 0);
		/* header and key are within 41 bytes; then the value is not */
		if (segment_reader_next(&reader, true, &found) == 0) {
			assert_true(cut >= whole + 41);
			assert_false(found.value_ok && cut < whole + 57);
		}
		assert_int_equal(segment_reader_data_end(&reader, whole, &end),
				 0);
		assert_true(end <= bytes_align8(cut));
		segment_reader_deinit(&reader);
		segment_free(io, segment);
	}
	free(data);
}

static void
test_resync_finds_the_next_entry_not_one_inside_a_value(void **state)
{
	struct segment *segment = maker_segment(io, "/", ID, CAPACITY);
	uint8_t *inner;
	size_t inner_len;
	uint8_t nested[512] = { 0 };
	struct maker_entry outer = { .key = "8 bytes.",
				     .value = nested,
				     .value_len = sizeof(nested),
				     .sequence = 2 };
	const struct maker_entry fake = { .key = "fake",
					  .value = "x",
					  .sequence = 9 };
	struct segment_reader reader;
	struct segment_entry found;
	uint64_t first;
	uint64_t last;

	(void)state;
	first = maker_put(io, segment, "first", "value", 1);
	/* true copies of entries of this very segment, at other places */
	inner = maker_image(&fake, ID, first, &inner_len);
	memcpy(nested, inner, inner_len);
	free(inner);
	inner = maker_image(&fake, ID, segment->len, &inner_len);
	memcpy(nested + 128, inner, inner_len);
	free(inner);
	maker_append(io, segment, &outer);
	last = maker_put(io, segment, "last", "value", 3);
	maker_flip(io, segment->fd, first + 20, 1);
	assert_int_equal(segment_reader_init(&reader, io, segment, first,
					     segment->capacity),
			 0);
	assert_int_equal(segment_reader_next(&reader, true, &found),
			 SEGMENT_BAD);
	assert_true(reader.off == first);
	assert_int_equal(segment_reader_resync(&reader), 0);
	assert_int_equal(segment_reader_next(&reader, true, &found), 0);
	expect_key(&found, "8 bytes.");
	/* now the outer one's header too */
	maker_flip(io, segment->fd, found.off + 17, 1);
	reader.off = first;
	segment_reader_deinit(&reader);
	assert_int_equal(segment_reader_init(&reader, io, segment, first,
					     segment->capacity),
			 0);
	assert_int_equal(segment_reader_resync(&reader), 0);
	assert_true(reader.off == last);
	assert_int_equal(segment_reader_next(&reader, true, &found), 0);
	expect_key(&found, "last");
	assert_int_equal(segment_reader_next(&reader, true, &found),
			 SEGMENT_BAD);
	assert_int_equal(segment_reader_resync(&reader), SEGMENT_END);
	assert_true(reader.off == reader.limit);
	assert_int_equal(segment_reader_next(&reader, true, &found),
			 SEGMENT_END);
	segment_reader_deinit(&reader);
	segment_free(io, segment);
}

static void
test_an_image_that_fits_its_place_inside_a_value_is_found(void **state)
{
	/*
	 * Who knows id and place can write an entry into a value: it is one
	 * to a reader that has lost its way.  Recovery must not come there
	 * unless the header before it is damaged.
	 */
	struct segment *segment = maker_segment(io, "/", ID, CAPACITY);
	const struct maker_entry fake = { .key = "fake", .sequence = 9 };
	uint64_t value_off = segment->len + ENTRY_HEAD_LEN + 8;
	size_t len;
	uint8_t *inner = maker_image(&fake, ID, value_off, &len);
	const struct maker_entry outer = { .key = "8 bytes.",
					   .value = inner,
					   .value_len = len,
					   .sequence = 1 };
	struct segment_reader reader;
	struct segment_entry found;

	(void)state;
	maker_append(io, segment, &outer);
	assert_int_equal(segment_reader_init(&reader, io, segment,
					     segment->header_len, segment->len),
			 0);
	assert_int_equal(segment_reader_next(&reader, true, &found), 0);
	expect_key(&found, "8 bytes.");
	assert_int_equal(segment_reader_next(&reader, true, &found),
			 SEGMENT_END);
	segment_reader_deinit(&reader);
	free(inner);
	segment_free(io, segment);
}

static void test_resync_over_more_than_a_window(void **state)
{
	struct segment *segment = maker_segment(io, "/", ID, CAPACITY);
	struct maker_entry large = { .key = "large",
				     .value_len = 2 * WINDOW + 1,
				     .sequence = 1 };
	uint8_t *value = malloc(large.value_len);
	struct segment_reader reader;
	uint64_t next;

	(void)state;
	memset(value, 0xa5, large.value_len);
	large.value = value;
	maker_append(io, segment, &large);
	next = maker_put(io, segment, "next", "v", 2);
	maker_flip(io, segment->fd, SEGMENT_HEADER_LEN, 1);
	assert_int_equal(segment_reader_init(&reader, io, segment,
					     segment->header_len, segment->len),
			 0);
	assert_int_equal(segment_reader_resync(&reader), 0);
	assert_true(reader.off == next);
	segment_reader_deinit(&reader);
	free(value);
	segment_free(io, segment);
}

static void test_the_end_of_the_data(void **state)
{
	struct segment *segment = maker_segment(io, "/", ID, CAPACITY);
	struct segment_reader reader;
	uint64_t end = 0;

	(void)state;
	assert_int_equal(segment_reader_init(&reader, io, segment,
					     segment->header_len, CAPACITY),
			 0);
	assert_int_equal(segment_reader_data_end(&reader, 64, &end), 0);
	assert_int_equal(end, 64);
	segment_reader_deinit(&reader);
	for (uint64_t off = WINDOW + 56; off < WINDOW + 73; off++) {
		assert_int_equal(io_pwrite_full(io, segment->fd, "x", 1, off),
				 0);
		assert_int_equal(
			segment_reader_init(&reader, io, segment, 64, CAPACITY),
			0);
		assert_int_equal(segment_reader_data_end(&reader, 64, &end), 0);
		assert_true(end == bytes_align8(off + 1));
		segment_reader_deinit(&reader);
	}
	segment_free(io, segment);
}

static void test_read_errors_are_told(void **state)
{
	struct segment *segment = maker_segment(io, "/", ID, CAPACITY);
	struct simfs_fault fault = { .calls = 1u << SIMFS_PREAD,
				     .nth = 1,
				     .from_then = true,
				     .error = EIO };
	struct segment_reader reader;
	struct segment_entry found;
	uint64_t end;

	(void)state;
	maker_put(io, segment, "a", "1", 1);
	assert_int_equal(segment_reader_init(&reader, io, segment,
					     segment->header_len, segment->len),
			 0);
	simfs_set_fault(fs, &fault);
	assert_int_equal(segment_reader_next(&reader, true, &found), -EIO);
	assert_int_equal(segment_reader_resync(&reader), -EIO);
	assert_int_equal(segment_reader_data_end(&reader, 64, &end), -EIO);
	segment_reader_deinit(&reader);
	segment_free(io, segment);
}

static void test_short_reads_are_gone_on_with(void **state)
{
	struct segment *segment = maker_segment(io, "/", ID, CAPACITY);
	struct simfs_fault fault = { .calls = 1u << SIMFS_PREAD,
				     .nth = 1,
				     .from_then = true,
				     .is_short = true };
	struct segment_reader reader;
	struct segment_entry found;

	(void)state;
	maker_put(io, segment, "a", "1", 1);
	maker_put(io, segment, "b", "2", 2);
	simfs_set_fault(fs, &fault);
	assert_int_equal(segment_reader_init(&reader, io, segment,
					     segment->header_len, segment->len),
			 0);
	assert_int_equal(segment_reader_next(&reader, true, &found), 0);
	assert_int_equal(segment_reader_next(&reader, true, &found), 0);
	expect_key(&found, "b");
	assert_int_equal(reader.bytes_read, segment->len - segment->header_len);
	segment_reader_deinit(&reader);
	segment_free(io, segment);
}

static void test_trim_gives_back_what_lies_behind(void **state)
{
	struct segment *segment = maker_segment(io, "/", ID, CAPACITY);
	struct io_stat st;
	struct segment_reader reader;
	struct segment_entry found;

	(void)state;
	maker_put(io, segment, "a", "1", 1);
	segment_trim(io, segment);
	assert_int_equal(io->stat(io, segment->fd, &st), 0);
	assert_int_equal(st.size, CAPACITY);
	assert_true(st.allocated <= 4096);
	assert_int_equal(segment_reader_init(&reader, io, segment,
					     segment->header_len, segment->len),
			 0);
	assert_int_equal(segment_reader_next(&reader, true, &found), 0);
	assert_true(found.value_ok);
	segment_reader_deinit(&reader);
	segment_free(io, segment);
}

#define seg_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_are_parsed_and_nothing_else),
		seg_test(test_made_and_opened_again),
		cmocka_unit_test(test_on_a_real_file_system),
		seg_test(test_made_means_durable_with_its_name),
		seg_test(test_a_failure_leaves_nothing),
		seg_test(test_no_allocate_is_no_failure),
		seg_test(test_a_short_write_of_the_header_is_gone_on_with),
		seg_test(test_every_flipped_bit_of_a_header_is_seen),
		seg_test(test_every_truncation_of_a_header_is_bad),
		seg_test(test_other_headers_with_a_good_crc),
		seg_test(test_a_failed_read_is_no_damage),
		seg_test(test_read_front_to_back),
		seg_test(test_nothing_is_lost_at_the_windows_borders),
		seg_test(test_values_longer_than_the_window),
		seg_test(test_a_file_shorter_than_the_limit_reads_as_zeros),
		seg_test(
			test_resync_finds_the_next_entry_not_one_inside_a_value),
		seg_test(
			test_an_image_that_fits_its_place_inside_a_value_is_found),
		seg_test(test_resync_over_more_than_a_window),
		seg_test(test_the_end_of_the_data),
		seg_test(test_read_errors_are_told),
		seg_test(test_short_reads_are_gone_on_with),
		seg_test(test_trim_gives_back_what_lies_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
