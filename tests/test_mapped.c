/*
 * Segments in real files, read through a table that counts what is asked and
 * can say that nothing is in memory.
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
#include <unistd.h>

#include "common/mapped.h"
#include "common/segment.h"
#include "tests/support/tempdir.h"

enum {
	CAPACITY = 1 << 20,
	WINDOW = IO_RESIDENT_MAX,
	PAGE = 4096,
};

static const uint8_t store_id[SEGMENT_STORE_ID_LEN] = "a test's store";

static char *dir;
static struct io io;
static struct mapped mapped;
static struct segment *segment;

static int n_maps;
static int map_error;
static int n_asked;
static size_t asked_len; /* of the last question */
static int ask_error;
static uint64_t not_there; /* pages of a window that are said to be gone */

static int count_map(struct io *self, int fd, uint64_t len, const void **base)
{
	(void)self;
	n_maps++;
	if (map_error)
		return map_error;
	return io_system()->map(io_system(), fd, len, base);
}

static int count_resident(struct io *self, const void *at, size_t len,
			  uint64_t *pages)
{
	size_t n = (len + PAGE - 1) / PAGE;

	(void)self;
	(void)at;
	n_asked++;
	asked_len = len;
	if (ask_error)
		return ask_error;
	*pages = (n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX) & ~not_there;
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	dir = tempdir_new();
	io = *io_system();
	io.map = count_map;
	io.resident = count_resident;
	mapped_init(&mapped, &io);
	assert_int_equal(
		segment_create(&io, dir, store_id, 1, CAPACITY, &segment), 0);
	n_maps = 0;
	map_error = 0;
	n_asked = 0;
	ask_error = 0;
	not_there = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	segment_free(&io, segment);
	assert_int_equal(mapped.n, 0);
	tempdir_free(dir);
	return 0;
}

static void write_at(uint64_t off, const char *text)
{
	assert_int_equal(
		io_pwrite_full(&io, segment->fd, text, strlen(text), off), 0);
}

static void expect_text(uint64_t off, const char *text)
{
	char got[32] = "";

	assert_int_equal(mapped_read(&mapped, segment, got, strlen(text), off),
			 0);
	assert_string_equal(got, text);
}

static void expect_no(uint64_t off, size_t len)
{
	uint8_t *bytes = malloc(len);

	assert_int_equal(mapped_read(&mapped, segment, bytes, len, off),
			 -EAGAIN);
	free(bytes);
}

static void test_pages_are_asked_for_once_an_epoch(void **state)
{
	(void)state;
	mapped_tick(&mapped, 10 * MAPPED_EPOCH_MS);
	write_at(100, "hello");
	write_at(20 * PAGE, "there");
	expect_text(100, "hello");
	expect_text(20 * PAGE, "there");
	expect_text(102, "llo");
	assert_int_equal(n_maps, 1);
	assert_int_equal(n_asked, 1);
	mapped_tick(&mapped, 11 * MAPPED_EPOCH_MS - 1);
	expect_text(100, "hello");
	assert_int_equal(n_asked, 1);
	mapped_tick(&mapped, 11 * MAPPED_EPOCH_MS);
	expect_text(100, "hello");
	expect_text(100, "hello");
	assert_int_equal(n_asked, 2);
	assert_int_equal(n_maps, 1);
}

static void test_what_is_written_later_is_read(void **state)
{
	(void)state;
	write_at(100, "hello");
	expect_text(100, "hello");
	write_at(105, " again");
	expect_text(100, "hello again");
	assert_int_equal(n_asked, 1);
}

static void test_what_is_not_in_memory_is_not_read(void **state)
{
	(void)state;
	not_there = 1 << 3;
	expect_text(2 * PAGE, "");
	write_at(2 * PAGE, "hello");
	expect_text(2 * PAGE, "hello");
	assert_int_equal(n_asked, 1);
	/* each time anew: it may have come */
	expect_no(3 * PAGE, 1);
	expect_no(3 * PAGE + PAGE - 1, 1);
	expect_no(3 * PAGE - 1, 2);
	expect_no(2 * PAGE, 3 * PAGE);
	assert_int_equal(n_asked, 5);
	not_there = 0;
	write_at(3 * PAGE, "come");
	expect_text(3 * PAGE, "come");
	expect_text(3 * PAGE, "come");
	assert_int_equal(n_asked, 6);
	ask_error = -EAGAIN;
	expect_text(3 * PAGE, "come");
	mapped_tick(&mapped, 5 * MAPPED_EPOCH_MS);
	expect_no(3 * PAGE, 1);
}

static void test_what_crosses_windows_asks_for_both(void **state)
{
	(void)state;
	write_at(WINDOW - 2, "hello");
	expect_text(WINDOW - 2, "hello");
	assert_int_equal(n_asked, 2);
	expect_text(WINDOW - 2, "hello");
	assert_int_equal(n_asked, 2);
	not_there = 1; /* the first page of the second */
	mapped_tick(&mapped, 5 * MAPPED_EPOCH_MS);
	expect_no(WINDOW - 2, 5);
	expect_text(WINDOW - 2, "he");
	expect_no(WINDOW, 1);
	not_there = UINT64_C(1) << 63; /* the last of the first */
	mapped_tick(&mapped, 6 * MAPPED_EPOCH_MS);
	expect_no(WINDOW - 2, 5);
	expect_text(WINDOW, "llo");
}

/* Over whole windows, and to the segment's last byte. */
static void test_long_reads_ask_for_all(void **state)
{
	static uint8_t bytes[CAPACITY];

	(void)state;
	write_at(CAPACITY - 3, "end");
	assert_int_equal(
		mapped_read(&mapped, segment, bytes, CAPACITY - PAGE, PAGE), 0);
	assert_memory_equal(bytes + CAPACITY - PAGE - 3, "end", 3);
	assert_int_equal(n_asked, CAPACITY / WINDOW);
	assert_int_equal(mapped_read(&mapped, segment, bytes, 0, CAPACITY), 0);
}

static void test_an_odd_end_is_asked_for_no_further(void **state)
{
	static char tail[] = "tail";
	struct segment *odd;
	char got[8] = "";

	(void)state;
	assert_int_equal(
		segment_create(&io, dir, store_id, 2, WINDOW + 100, &odd), 0);
	assert_int_equal(io_pwrite_full(&io, odd->fd, tail, 4, WINDOW + 96), 0);
	assert_int_equal(mapped_read(&mapped, odd, got, 4, WINDOW + 96), 0);
	assert_string_equal(got, tail);
	assert_int_equal(asked_len, 100);
	segment_free(&io, odd);
}

static void test_a_table_that_maps_nothing(void **state)
{
	(void)state;
	io.map = NULL;
	expect_no(0, 1);
	assert_int_equal(mapped.n, 0);
	assert_int_equal(n_asked, 0);
}

static void test_a_file_that_cannot_be_mapped_is_tried_once(void **state)
{
	(void)state;
	map_error = -ENODEV;
	expect_no(0, 1);
	expect_no(0, 1);
	mapped_prefetch(segment, 1, 0);
	assert_int_equal(n_maps, 1);
}

static void test_there_are_not_too_many(void **state)
{
	(void)state;
	mapped.n = MAPPED_MAX;
	expect_no(0, 1);
	assert_int_equal(n_maps, 0);
	mapped.n = MAPPED_MAX - 1;
	expect_text(0, "getMeSEG");
	assert_int_equal(mapped.n, MAPPED_MAX);
	mapped.n = 1;
}

static void test_a_file_that_is_cut_off_is_not_read_any_more(void **state)
{
	(void)state;
	write_at(100, "hello");
	expect_text(100, "hello");
	assert_int_equal(ftruncate(segment->fd, PAGE), 0);
	expect_no(8 * PAGE, 10);
	/* not even where it could be: there are other pages now */
	expect_no(100, 5);
	mapped_tick(&mapped, 5 * MAPPED_EPOCH_MS);
	expect_no(100, 5);
	assert_int_equal(n_asked, 1);
}

static void test_prefetching_changes_nothing(void **state)
{
	(void)state;
	mapped_prefetch(segment, 100, 0);
	assert_int_equal(n_maps, 0);
	expect_text(0, "getMeSEG");
	mapped_prefetch(segment, 8, 0);
	mapped_prefetch(segment, PAGE, CAPACITY - PAGE);
	expect_text(0, "getMeSEG");
	assert_int_equal(n_asked, 1);
}

#define mapped_test(name)                                                      \
	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		mapped_test(test_pages_are_asked_for_once_an_epoch),
		mapped_test(test_what_is_written_later_is_read),
		mapped_test(test_what_is_not_in_memory_is_not_read),
		mapped_test(test_what_crosses_windows_asks_for_both),
		mapped_test(test_long_reads_ask_for_all),
		mapped_test(test_an_odd_end_is_asked_for_no_further),
		mapped_test(test_a_table_that_maps_nothing),
		mapped_test(test_a_file_that_cannot_be_mapped_is_tried_once),
		mapped_test(test_there_are_not_too_many),
		mapped_test(test_a_file_that_is_cut_off_is_not_read_any_more),
		mapped_test(test_prefetching_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
