/*
 * The table that calls the kernel, on real files, and the loops over it with
 * a table that counts short.
 */
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
#include <time.h>
#include <unistd.h>

#include "common/io.h"
#include "common/path.h"
#include "tests/support/tempdir.h"

static char *dir;
static struct io *io;

/* io_system, with transfers of at most step bytes. */
static struct io slow;
static size_t step;
static int n_calls;

static ssize_t slow_pread(struct io *self, int fd, void *data, size_t len,
			  uint64_t off)
{
	(void)self;
	n_calls++;
	return io->pread(io, fd, data, len < step ? len : step, off);
}

static ssize_t slow_pwritev(struct io *self, int fd, const struct iovec *iov,
			    int n_iov, uint64_t off)
{
	struct iovec one = { 0 };

	(void)self;
	n_calls++;
	assert_true(n_iov > 0);
	assert_true(n_iov <= 1024);
	for (int i = 0; i < n_iov && one.iov_len == 0; i++)
		one = iov[i];
	if (one.iov_len > step)
		one.iov_len = step;
	return io->pwritev(io, fd, &one, 1, off);
}

static int set_up(void **state)
{
	(void)state;
	dir = tempdir_new();
	io = io_system();
	slow = *io;
	slow.pread = slow_pread;
	slow.pwritev = slow_pwritev;
	step = 3;
	n_calls = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tempdir_free(dir);
	return 0;
}

static const char *in_dir(const char *name)
{
	static char paths[2][PATH_LEN_MAX];
	static int which;

	which = !which;
	assert_int_equal(path_join(paths[which], dir, name), 0);
	return paths[which];
}

static int make_file(const char *name, const char *text)
{
	int fd = io->open(io, in_dir(name), O_RDWR | O_CREAT | O_EXCL);

	assert_true(fd >= 0);
	assert_int_equal(io_pwrite_full(io, fd, text, strlen(text), 0), 0);
	return fd;
}

static void test_read_back_what_was_written(void **state)
{
	char text[6] = "";
	int fd = make_file("a", "hello");

	(void)state;
	assert_int_equal(io_pread_full(io, fd, text, 5, 0), 0);
	assert_string_equal(text, "hello");
	assert_int_equal(io->sync(io, fd), 0);
	assert_int_equal(io->writeback(io, fd, 0, 5), 0);
	assert_int_equal(io->close(io, fd), 0);
	assert_int_equal(io->sync_dir(io, dir), 0);
}

static void test_reading_beyond_the_end_is_no_data(void **state)
{
	char text[6];
	int fd = make_file("a", "hello");

	(void)state;
	assert_int_equal(io_pread_full(io, fd, text, 6, 0), -ENODATA);
	assert_int_equal(io_pread_full(io, fd, text, 1, 5), -ENODATA);
	assert_int_equal(io_pread_full(io, fd, text, 0, 5), 0);
	io->close(io, fd);
}

static void test_short_counts_are_gone_on_with(void **state)
{
	char text[12] = "";
	struct iovec iov[4] = {
		{ .iov_base = (char[]){ "hel" }, .iov_len = 3 },
		{ .iov_base = NULL, .iov_len = 0 },
		{ .iov_base = (char[]){ "lo wor" }, .iov_len = 6 },
		{ .iov_base = (char[]){ "ld" }, .iov_len = 2 },
	};
	int fd = make_file("a", "");

	(void)state;
	assert_int_equal(io_pwritev_full(&slow, fd, iov, 4, 0), 0);
	assert_int_equal(n_calls, 4);
	assert_int_equal(io_pread_full(&slow, fd, text, 11, 0), 0);
	assert_string_equal(text, "hello world");
	io->close(io, fd);
}

static void test_a_write_of_nothing_at_all_is_an_error(void **state)
{
	int fd = make_file("a", "");

	(void)state;
	step = 0;
	assert_int_equal(io_pwrite_full(&slow, fd, "x", 1, 0), -EIO);
	assert_int_equal(n_calls, 1);
	assert_int_equal(io_pwrite_full(&slow, fd, "x", 0, 0), 0);
	io->close(io, fd);
}

static void test_more_pieces_than_the_kernel_takes(void **state)
{
	enum { N = 1024 * 2 + 1 };
	struct iovec *iov = calloc(N, sizeof(*iov));
	uint8_t *bytes = malloc(N);
	uint8_t *again = malloc(N);
	int fd = make_file("a", "");

	(void)state;
	for (int i = 0; i < N; i++) {
		bytes[i] = (uint8_t)(i * 7);
		iov[i].iov_base = &bytes[i];
		iov[i].iov_len = 1;
	}
	assert_int_equal(io_pwritev_full(io, fd, iov, N, 8), 0);
	assert_int_equal(io_pread_full(io, fd, again, N, 8), 0);
	assert_memory_equal(bytes, again, N);
	io->close(io, fd);
	free(again);
	free(bytes);
	free(iov);
}

static void test_errors_are_negative_errnos(void **state)
{
	char byte;
	int fd = make_file("a", "x");

	(void)state;
	assert_int_equal(io->open(io, in_dir("none"), O_RDONLY), -ENOENT);
	assert_int_equal(io->open(io, in_dir("a"), O_RDWR | O_CREAT | O_EXCL),
			 -EEXIST);
	assert_int_equal(io->close(io, -1), -EBADF);
	assert_int_equal(io->pread(io, -1, &byte, 1, 0), -EBADF);
	assert_int_equal(io_pwrite_full(io, -1, "x", 1, 0), -EBADF);
	assert_int_equal(io->sync(io, -1), -EBADF);
	assert_int_equal(io->rename(io, in_dir("none"), in_dir("b")), -ENOENT);
	assert_int_equal(io->unlink(io, in_dir("none")), -ENOENT);
	assert_int_equal(io->mkdir(io, dir), -EEXIST);
	assert_int_equal(io->rmdir(io, dir), -ENOTEMPTY);
	assert_int_equal(io->sync_dir(io, in_dir("none")), -ENOENT);
	io->close(io, fd);
}

static void test_a_read_without_waiting_gives_what_is_in_memory(void **state)
{
	char text[8] = "";
	int fd = make_file("a", "hello");
	ssize_t n = io->pread_nowait(io, fd, text, sizeof(text), 0);

	(void)state;
	if (n == -EOPNOTSUPP || n == -EINVAL || n == -ENOSYS) {
		io->close(io, fd);
		print_message("skipped: this file system cannot tell what is "
			      "in memory\n");
		skip();
	}
	assert_int_equal(n, 5);
	assert_memory_equal(text, "hello", 5);
	assert_int_equal(io->pread_nowait(io, fd, text, 1, 5), 0);
	assert_int_equal(io->pread_nowait(io, -1, text, 1, 0), -EBADF);
	io->close(io, fd);
}

static void test_a_mapping_shows_what_is_written(void **state)
{
	int fd = make_file("a", "hello");
	uint64_t pages = 0;
	const void *base;

	(void)state;
	assert_int_equal(io->map(io, fd, 3 * 4096, &base), 0);
	assert_memory_equal(base, "hello", 5);
	assert_int_equal(io_pwrite_full(io, fd, "j", 1, 0), 0);
	assert_memory_equal(base, "jello", 5);
	/* what the file has not is not in memory */
	assert_int_equal(io->resident(io, base, 3 * 4096, &pages), 0);
	assert_int_equal(pages & 1, 1);
	if (sysconf(_SC_PAGESIZE) == 4096)
		assert_true(pages == 1);
	assert_int_equal(io->resident(io, base, 100, &pages), 0);
	assert_true(pages == 1);
	io->unmap(io, base, 3 * 4096);
	assert_int_equal(io->map(io, -1, 4096, &base), -EBADF);
	io->close(io, fd);
}

/* Someone who may write to the folder cannot lead the store elsewhere. */
static void test_a_symbolic_link_is_not_followed(void **state)
{
	(void)state;
	io->close(io, make_file("a", "x"));
	assert_int_equal(symlink("a", in_dir("link")), 0);
	assert_int_equal(io->open(io, in_dir("link"), O_RDWR | O_CREAT),
			 -ELOOP);
}

static void test_what_was_allocated_or_punched_is_zeros(void **state)
{
	enum { LEN = 64 << 10 };
	struct io_stat st;
	char byte = 'x';
	int fd = make_file("a", "");
	int result = io->allocate(io, fd, 0, LEN);

	(void)state;
	if (result == -EOPNOTSUPP) {
		io->close(io, fd);
		print_message("skipped: no fallocate on this file system\n");
		skip();
	}
	assert_int_equal(result, 0);
	assert_int_equal(io->stat(io, fd, &st), 0);
	assert_int_equal(st.size, LEN);
	assert_true(st.allocated >= LEN);
	assert_int_equal(io_pread_full(io, fd, &byte, 1, LEN - 1), 0);
	assert_int_equal(byte, 0);
	assert_int_equal(io_pwrite_full(io, fd, "y", 1, LEN - 1), 0);
	assert_int_equal(io->punch(io, fd, 0, LEN), 0);
	assert_int_equal(io_pread_full(io, fd, &byte, 1, LEN - 1), 0);
	assert_int_equal(byte, 0);
	assert_int_equal(io->stat(io, fd, &st), 0);
	assert_int_equal(st.size, LEN);
	assert_true(st.allocated < LEN);
	io->close(io, fd);
}

static void test_links_are_counted(void **state)
{
	struct io_stat st;
	int fd = make_file("a", "x");

	(void)state;
	assert_int_equal(io->link(io, in_dir("a"), in_dir("b")), 0);
	assert_int_equal(io->link(io, in_dir("a"), in_dir("b")), -EEXIST);
	assert_int_equal(io->link(io, in_dir("none"), in_dir("c")), -ENOENT);
	assert_int_equal(io->stat(io, fd, &st), 0);
	assert_int_equal(st.n_links, 2);
	io->unlink(io, in_dir("a"));
	io->unlink(io, in_dir("b"));
	assert_int_equal(io->stat(io, fd, &st), 0);
	assert_int_equal(st.n_links, 0);
	io->close(io, fd);
}

static void test_a_lock_is_held_until_its_descriptor_is_closed(void **state)
{
	int first = make_file("LOCK", "");
	int second = io->open(io, in_dir("LOCK"), O_RDWR);

	(void)state;
	assert_int_equal(io->lock(io, first), 0);
	assert_int_equal(io->lock(io, second), -EWOULDBLOCK);
	/* another open and close of the file does not free it */
	io->close(io, io->open(io, in_dir("LOCK"), O_RDWR));
	assert_int_equal(io->lock(io, second), -EWOULDBLOCK);
	io->close(io, first);
	assert_int_equal(io->lock(io, second), 0);
	io->close(io, second);
}

static int count_names(void *ctx, const char *name)
{
	int *n = ctx;

	assert_true(strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
	return ++*n == 2 ? 42 : 0;
}

static void test_list_tells_all_names_and_stops_when_told(void **state)
{
	int n = 0;

	(void)state;
	assert_int_equal(io->list(io, dir, count_names, &n), 0);
	assert_int_equal(n, 0);
	io->close(io, make_file("a", ""));
	assert_int_equal(io->list(io, dir, count_names, &n), 0);
	assert_int_equal(n, 1);
	n = 0;
	io->close(io, make_file("b", ""));
	io->close(io, make_file("c", ""));
	assert_int_equal(io->list(io, dir, count_names, &n), 42);
	assert_int_equal(n, 2);
	assert_int_equal(io->list(io, in_dir("none"), count_names, &n),
			 -ENOENT);
}

static void test_the_clock_is_the_wall_clock_in_ms(void **state)
{
	uint64_t now = (uint64_t)time(NULL);
	uint64_t ms = io->clock_ms(io);

	(void)state;
	assert_in_range(ms / 1000, now - 1, now + 10);
}

static void test_three_errors_mean_that_there_is_no_room(void **state)
{
	(void)state;
	assert_true(io_is_full(-ENOSPC));
	assert_true(io_is_full(-EDQUOT));
	assert_int_equal(io_full_as_enospc(-EDQUOT), -ENOSPC);
	assert_int_equal(io_full_as_enospc(-EIO), -EIO);
	assert_int_equal(io_full_as_enospc(0), 0);
	assert_true(io_is_full(-EFBIG));
	assert_false(io_is_full(-EIO));
	assert_false(io_is_full(0));
	assert_false(io_is_full(ENOSPC));
}

#define io_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		io_test(test_read_back_what_was_written),
		io_test(test_reading_beyond_the_end_is_no_data),
		io_test(test_short_counts_are_gone_on_with),
		io_test(test_a_write_of_nothing_at_all_is_an_error),
		io_test(test_more_pieces_than_the_kernel_takes),
		io_test(test_a_read_without_waiting_gives_what_is_in_memory),
		io_test(test_a_mapping_shows_what_is_written),
		io_test(test_errors_are_negative_errnos),
		io_test(test_a_symbolic_link_is_not_followed),
		io_test(test_what_was_allocated_or_punched_is_zeros),
		io_test(test_links_are_counted),
		io_test(test_a_lock_is_held_until_its_descriptor_is_closed),
		io_test(test_list_tells_all_names_and_stops_when_told),
		io_test(test_the_clock_is_the_wall_clock_in_ms),
		io_test(test_three_errors_mean_that_there_is_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
