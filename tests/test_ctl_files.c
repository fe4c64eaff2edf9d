#include "client/ctl_files.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants the first four above */
#include <cmocka.h>

static int file_of(const void *data, size_t len)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(write(fd, data, len) == (ssize_t)len);
	assert_true(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static void check_read_all(size_t size, size_t limit, int result)
{
	char *text = malloc(size + 1);
	void *data = NULL;
	size_t len = 7;
	int fd;

	assert_non_null(text);
	for (size_t i = 0; i < size; i++)
		text[i] = (char)(i * 31);
	fd = file_of(text, size);
	assert_int_equal(ctl_files_read_all(fd, limit, &data, &len), result);
	if (result == 0) {
		assert_non_null(data);
		assert_int_equal(len, size);
		assert_memory_equal(data, text, size);
	} else {
		assert_null(data);
		assert_int_equal(len, 7);
	}
	free(data);
	free(text);
	close(fd);
}

static void test_read_all_up_to_the_limit(void **state)
{
	(void)state;
	check_read_all(0, 100, 0);
	check_read_all(0, 0, 0);
	check_read_all(1, 0, -EFBIG);
	check_read_all(100, 100, 0);
	check_read_all(101, 100, -EFBIG);
	check_read_all(65536, 65536, 0);
	check_read_all(65537, 65536, -EFBIG);
	check_read_all(65535, 1 << 20, 0);
	check_read_all(65536, 1 << 20, 0);
	check_read_all(65537, 1 << 20, 0);
	check_read_all(131072, 1 << 20, 0);
	check_read_all(1 << 20, 1 << 20, 0);
	check_read_all((1 << 20) + 1, 1 << 20, -EFBIG);
}

static void test_read_all_reports_a_failed_read(void **state)
{
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	void *data;
	size_t len;

	(void)state;
	assert_int_equal(ctl_files_read_all(fd, 10, &data, &len), -EISDIR);
	close(fd);
}

static void test_input_is_a_path_or_standard(void **state)
{
	int fd = -1;

	(void)state;
	assert_int_equal(ctl_files_open_input(NULL, &fd), 0);
	assert_int_equal(fd, 0);
	assert_int_equal(ctl_files_open_input("-", &fd), 0);
	assert_int_equal(fd, 0);
	ctl_files_close_input(fd);
	assert_true(fcntl(0, F_GETFD) >= 0);
	assert_int_equal(ctl_files_open_input("/dev/null", &fd), 0);
	assert_true(fd > 2);
	ctl_files_close_input(fd);
	assert_int_equal(ctl_files_open_input("/nowhere/at/all", &fd), -ENOENT);
}

static void test_a_full_disk_shows_when_the_output_is_closed(void **state)
{
	FILE *out;

	(void)state;
	assert_int_equal(ctl_files_open_output("/dev/full", &out), 0);
	assert_true(fputs("text", out) >= 0);
	assert_int_equal(ctl_files_close_output(out), -ENOSPC);
}

/* More than a buffer: the write that fails is not the last. */
static void test_an_earlier_failure_is_not_forgotten(void **state)
{
	FILE *out;

	(void)state;
	assert_int_equal(ctl_files_open_output("/dev/full", &out), 0);
	for (int i = 0; i < 100000; i++)
		putc('x', out);
	assert_true(ferror(out));
	assert_true(ctl_files_close_output(out) < 0);
}

static void test_output_empties_the_file(void **state)
{
	int fd = file_of("before", 6);
	char path[64];
	struct stat st;
	FILE *out;

	(void)state;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(ctl_files_open_output(path, &out), 0);
	assert_int_equal(ctl_files_close_output(out), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_size == 0);
	close(fd);
	assert_int_equal(ctl_files_open_output("-", &out), 0);
	assert_ptr_equal(out, stdout);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_all_up_to_the_limit),
		cmocka_unit_test(test_read_all_reports_a_failed_read),
		cmocka_unit_test(test_input_is_a_path_or_standard),
		cmocka_unit_test(
			test_a_full_disk_shows_when_the_output_is_closed),
		cmocka_unit_test(test_an_earlier_failure_is_not_forgotten),
		cmocka_unit_test(test_output_empties_the_file),
	};

	return cmocka_run_group_tests_name("ctl_files", tests, NULL, NULL);
}
