#include "client/ctl_lines.h"

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
#include <unistd.h>
/* cmocka wants the first four of them above */
#include <cmocka.h>

static const size_t no_limit = SIZE_MAX / 4;

/* A file with these bytes, read from its beginning. */
static int file_of(const void *data, size_t len)
{
	int fd = memfd_create("lines", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(write(fd, data, len) == (ssize_t)len);
	assert_true(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static void check_line(struct ctl_lines *lines, const char *expected,
		       size_t expected_len)
{
	const char *line;
	size_t len;

	assert_int_equal(ctl_lines_next(lines, &line, &len), 0);
	assert_int_equal(len, expected_len);
	if (len > 0)
		assert_memory_equal(line, expected, len);
}

static void check_end(struct ctl_lines *lines)
{
	const char *line = "untouched";
	size_t len = 9;

	assert_int_equal(ctl_lines_next(lines, &line, &len), CTL_LINES_END);
	assert_int_equal(ctl_lines_next(lines, &line, &len), CTL_LINES_END);
	assert_string_equal(line, "untouched");
	assert_int_equal(len, 9);
}

static void test_lines_with_and_without_a_last_newline(void **state)
{
	static const char *const texts[] = { "one\n\nthree\n", "one\n\nthree" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		int fd = file_of(texts[i], strlen(texts[i]));
		struct ctl_lines lines;

		ctl_lines_init(&lines, fd, no_limit);
		check_line(&lines, "one", 3);
		check_line(&lines, "", 0);
		check_line(&lines, "three", 5);
		assert_int_equal(lines.number, 3);
		check_end(&lines);
		assert_int_equal(lines.number, 3);
		ctl_lines_deinit(&lines);
		close(fd);
	}
}

static void test_an_empty_file_has_no_line(void **state)
{
	int fd = file_of("", 0);
	struct ctl_lines lines;

	(void)state;
	ctl_lines_init(&lines, fd, no_limit);
	check_end(&lines);
	ctl_lines_deinit(&lines);
	close(fd);
}

/* Three lines of LEN bytes, then one of another length. */
static void check_length(size_t len)
{
	char *text = malloc(4 * (len + 1) + 16);
	size_t used = 0;
	struct ctl_lines lines;
	int fd;

	assert_non_null(text);
	for (int i = 0; i < 3; i++) {
		memset(text + used, 'a' + i, len);
		used += len;
		text[used++] = '\n';
	}
	memset(text + used, 'z', 4);
	used += 4;
	fd = file_of(text, used);
	ctl_lines_init(&lines, fd, no_limit);
	for (size_t i = 0; i < 3; i++)
		check_line(&lines, text + i * (len + 1), len);
	check_line(&lines, "zzzz", 4);
	check_end(&lines);
	ctl_lines_deinit(&lines);
	close(fd);
	free(text);
}

static void test_lengths_around_the_buffer(void **state)
{
	(void)state;
	for (size_t n = 1; n <= 5; n++)
		for (size_t d = 0; d <= 4; d++)
			check_length(n * CTL_LINES_CHUNK + d - 2);
	check_length(CTL_LINES_CHUNK / 2 - 1);
	check_length(CTL_LINES_CHUNK / 2);
	check_length(CTL_LINES_CHUNK / 2 + 1);
	check_length(0);
	check_length(1);
}

/* Many short lines, so that every offset in the buffer ends one some time. */
static void test_short_lines_across_the_buffer(void **state)
{
	enum { N = 20000 };
	char *text = malloc((size_t)N * 16);
	char line[16];
	size_t used = 0;
	struct ctl_lines lines;
	int fd;

	(void)state;
	assert_non_null(text);
	for (int i = 0; i < N; i++)
		used += (size_t)sprintf(text + used, "%d\n", i * 7919);
	fd = file_of(text, used);
	ctl_lines_init(&lines, fd, no_limit);
	for (int i = 0; i < N; i++)
		check_line(&lines, line, (size_t)sprintf(line, "%d", i * 7919));
	check_end(&lines);
	assert_true(lines.capacity == CTL_LINES_CHUNK);
	ctl_lines_deinit(&lines);
	close(fd);
	free(text);
}

static void test_the_limit_is_exact(void **state)
{
	static const char text[] = "12345\n123456\n";
	int fd = file_of(text, strlen(text));
	struct ctl_lines lines;
	const char *line;
	size_t len;

	(void)state;
	ctl_lines_init(&lines, fd, 5);
	check_line(&lines, "12345", 5);
	assert_int_equal(ctl_lines_next(&lines, &line, &len), -EFBIG);
	assert_int_equal(lines.number, 2);
	ctl_lines_deinit(&lines);
	close(fd);
}

static void test_memory_stays_near_the_limit(void **state)
{
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	struct ctl_lines lines;
	const char *line;
	size_t len;

	(void)state;
	assert_true(fd >= 0);
	ctl_lines_init(&lines, fd, 1 << 20);
	assert_int_equal(ctl_lines_next(&lines, &line, &len), -EFBIG);
	assert_true(lines.capacity <= 4 << 20);
	ctl_lines_deinit(&lines);
	close(fd);
}

static void test_a_long_line_does_not_keep_its_memory(void **state)
{
	enum { LONG = 1 << 20, SHORT = 3 * CTL_LINES_CHUNK };
	char *text = malloc(LONG + SHORT);
	struct ctl_lines lines;
	const char *line;
	size_t len;
	int fd;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', LONG + SHORT);
	for (int i = LONG - 1; i < LONG + SHORT; i += 64)
		text[i] = '\n';
	fd = file_of(text, LONG + SHORT);
	ctl_lines_init(&lines, fd, no_limit);
	check_line(&lines, text, LONG - 1);
	assert_true(lines.capacity >= LONG);
	while (ctl_lines_next(&lines, &line, &len) == 0)
		;
	assert_true(lines.capacity == CTL_LINES_CHUNK);
	ctl_lines_deinit(&lines);
	close(fd);
	free(text);
}

static void test_pieces_from_a_pipe_become_lines(void **state)
{
	struct ctl_lines lines;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	ctl_lines_init(&lines, fds[0], no_limit);
	assert_true(ctl_lines_would_wait(&lines));
	assert_true(write(fds[1], "one\ntwo\nth", 10) == 10);
	assert_false(ctl_lines_would_wait(&lines));
	check_line(&lines, "one", 3);
	assert_false(ctl_lines_would_wait(&lines));
	check_line(&lines, "two", 3);
	assert_true(ctl_lines_would_wait(&lines));
	assert_true(write(fds[1], "ree", 3) == 3);
	close(fds[1]);
	assert_false(ctl_lines_would_wait(&lines));
	check_line(&lines, "three", 5);
	assert_false(ctl_lines_would_wait(&lines));
	check_end(&lines);
	ctl_lines_deinit(&lines);
	close(fds[0]);
}

static void test_a_failed_read_is_reported(void **state)
{
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct ctl_lines lines;
	const char *line;
	size_t len;

	(void)state;
	ctl_lines_init(&lines, fd, no_limit);
	assert_int_equal(ctl_lines_next(&lines, &line, &len), -EISDIR);
	ctl_lines_deinit(&lines);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_with_and_without_a_last_newline),
		cmocka_unit_test(test_an_empty_file_has_no_line),
		cmocka_unit_test(test_lengths_around_the_buffer),
		cmocka_unit_test(test_short_lines_across_the_buffer),
		cmocka_unit_test(test_the_limit_is_exact),
		cmocka_unit_test(test_memory_stays_near_the_limit),
		cmocka_unit_test(test_a_long_line_does_not_keep_its_memory),
		cmocka_unit_test(test_pieces_from_a_pipe_become_lines),
		cmocka_unit_test(test_a_failed_read_is_reported),
	};

	return cmocka_run_group_tests_name("ctl_lines", tests, NULL, NULL);
}
