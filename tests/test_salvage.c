#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/salvage.h"
#include "tests/crash/simfs.h"
#include "tests/support/segment_maker.h"

enum {
	PAGE = 4096,
	LEN = 3 * PAGE + 10,
};

/* A disk on which one page cannot be read. */
struct bad_disk {
	struct io io; /* first */
	struct io *below;
	uint64_t bad_page;
};

static struct simfs *fs;
static struct bad_disk disk;
static struct salvage salvage;
static uint8_t bytes[LEN];

static ssize_t bad_pread(struct io *io, int fd, void *data, size_t len,
			 uint64_t off)
{
	const struct bad_disk *bad = (const struct bad_disk *)io;
	uint64_t begin = bad->bad_page * PAGE;

	if (off < begin + PAGE && off + len > begin)
		return -EIO;
	return bad->below->pread(bad->below, fd, data, len, off);
}

static int below_open(struct io *io, const char *path, int flags)
{
	struct io *below = ((struct bad_disk *)io)->below;

	return below->open(below, path, flags);
}

static int below_close(struct io *io, int fd)
{
	struct io *below = ((struct bad_disk *)io)->below;

	return below->close(below, fd);
}

static int set_up(void **state)
{
	(void)state;
	fs = simfs_new();
	memset(bytes, 'x', sizeof(bytes));
	maker_write_file(simfs_io(fs), "/file", bytes, LEN);
	disk.below = simfs_io(fs);
	disk.io = *disk.below;
	disk.io.pread = bad_pread;
	disk.io.open = below_open;
	disk.io.close = below_close;
	disk.bad_page = UINT64_MAX / PAGE / 2;
	salvage_init(&salvage, &disk.io);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(simfs_n_open(fs), 0);
	simfs_free(fs);
	return 0;
}

static void read_file(uint8_t *data)
{
	struct io *io = &salvage.io;
	int fd = io->open(io, "/file", O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(io_pread_full(io, fd, data, LEN, 0), 0);
	io->close(io, fd);
}

static void test_what_reads_is_as_it_is(void **state)
{
	uint8_t data[LEN];

	(void)state;
	read_file(data);
	assert_memory_equal(data, bytes, LEN);
	assert_int_equal(salvage.n_unreadable, 0);
}

static void test_a_page_that_does_not_read_shows_as_zeros(void **state)
{
	static const uint8_t zeros[PAGE];
	uint8_t data[LEN];

	(void)state;
	disk.bad_page = 1;
	read_file(data);
	assert_memory_equal(data, bytes, PAGE);
	assert_memory_equal(data + PAGE, zeros, PAGE);
	assert_memory_equal(data + (size_t)2 * PAGE, bytes, LEN - 2 * PAGE);
	assert_true(salvage.n_unreadable > 0);
}

static void test_nothing_can_be_changed(void **state)
{
	struct io *io = &salvage.io;
	struct iovec iov = { .iov_base = bytes, .iov_len = 1 };
	uint64_t hash = simfs_hash(fs);
	int fd;

	(void)state;
	assert_int_equal(io->open(io, "/new", O_RDWR | O_CREAT), -ENOENT);
	fd = io->open(io, "/file", O_RDWR);
	assert_int_equal(io->pwritev(io, fd, &iov, 1, 0), -EROFS);
	assert_int_equal(io->sync(io, fd), -EROFS);
	assert_int_equal(io->writeback(io, fd, 0, 1), -EROFS);
	assert_int_equal(io->allocate(io, fd, 0, 1), -EROFS);
	assert_int_equal(io->punch(io, fd, 0, 1), -EROFS);
	io->close(io, fd);
	assert_int_equal(io->rename(io, "/file", "/other"), -EROFS);
	assert_int_equal(io->unlink(io, "/file"), -EROFS);
	assert_int_equal(io->mkdir(io, "/dir"), -EROFS);
	assert_int_equal(io->rmdir(io, "/dir"), -EROFS);
	assert_int_equal(io->sync_dir(io, "/"), -EROFS);
	assert_true(simfs_hash(fs) == hash);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_reads_is_as_it_is),
		TEST(test_a_page_that_does_not_read_shows_as_zeros),
		TEST(test_nothing_can_be_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
