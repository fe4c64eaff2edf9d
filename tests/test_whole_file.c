#include "common/whole_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/path.h"
#include "tests/crash/simfs.h"
#include "tests/support/store_kit.h"

#define PATH "/file"
#define TMP  "file.tmp" /* below the root */

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

static int replace(const char *text)
{
	return whole_file_replace(io, PATH, text, strlen(text));
}

static void expect(const char *text)
{
	uint8_t *data = NULL;
	size_t len = 0;

	assert_int_equal(whole_file_read(io, PATH, 0, 100, &data, &len), 0);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(data, text, len);
	free(data);
}

/* Reading fails so, and leaves the outputs alone. */
static void expect_no_read(uint64_t len_min, uint64_t len_max, int result)
{
	uint8_t mark;
	uint8_t *data = &mark;
	size_t len = 77;

	assert_int_equal(
		whole_file_read(io, PATH, len_min, len_max, &data, &len),
		result);
	assert_ptr_equal(data, &mark);
	assert_int_equal(len, 77);
}

static bool has_tmp(void)
{
	return kit_exists(io, "", TMP);
}

/* ---- reading ---- */

static void test_what_was_written_is_read(void **state)
{
	(void)state;
	assert_int_equal(replace("some bytes"), 0);
	expect("some bytes");
	assert_int_equal(replace(""), 0);
	expect("");
}

static void test_a_size_outside_the_limits_is_not_read(void **state)
{
	uint8_t *data;
	size_t len;

	(void)state;
	assert_int_equal(replace("12345"), 0);
	expect_no_read(6, 100, -EMSGSIZE);
	expect_no_read(0, 4, -EMSGSIZE);
	assert_int_equal(whole_file_read(io, PATH, 5, 5, &data, &len), 0);
	free(data);
}

static int (*real_stat)(struct io *io, int fd, struct io_stat *st);

static int stat_one_more(struct io *table, int fd, struct io_stat *st)
{
	int result = real_stat(table, fd, st);

	st->size++;
	return result;
}

/* Between looking at its size and reading it, the file became shorter. */
static void test_a_file_that_ends_early_has_another_size(void **state)
{
	(void)state;
	assert_int_equal(replace("12345"), 0);
	real_stat = io->stat;
	io->stat = stat_one_more;
	expect_no_read(0, 100, -EMSGSIZE);
	io->stat = real_stat;
}

static void test_a_missing_file_is_told(void **state)
{
	(void)state;
	expect_no_read(0, 100, -ENOENT);
}

static void test_a_failed_read_is_told(void **state)
{
	struct simfs_fault fault = { .nth = 1, .error = EIO };
	static const enum simfs_call calls[] = { SIMFS_OPEN, SIMFS_STAT,
						 SIMFS_PREAD };

	(void)state;
	assert_int_equal(replace("12345"), 0);
	for (size_t i = 0; i < 3; i++) {
		fault.calls = 1u << calls[i];
		simfs_set_fault(fs, &fault);
		expect_no_read(0, 100, -EIO);
		assert_int_equal(simfs_n_faults(fs), 1);
	}
}

/* ---- replacing ---- */

static void test_a_failure_leaves_the_old_file_and_nothing_else(void **state)
{
	struct simfs_fault fault = { .nth = 1, .error = ENOSPC };
	static const enum simfs_call calls[] = { SIMFS_OPEN, SIMFS_PWRITEV,
						 SIMFS_SYNC, SIMFS_RENAME };

	(void)state;
	assert_int_equal(replace("old"), 0);
	for (size_t i = 0; i < 4; i++) {
		fault.calls = 1u << calls[i];
		simfs_set_fault(fs, &fault);
		assert_int_equal(replace("new"), -ENOSPC);
		assert_int_equal(simfs_n_faults(fs), 1);
		simfs_set_fault(fs, NULL);
		expect("old");
		assert_false(has_tmp());
	}
	assert_int_equal(replace("new"), 0);
	expect("new");
	assert_false(has_tmp());
}

/* A run that was killed left it, longer than what comes now. */
static void test_an_unfinished_file_is_no_obstacle(void **state)
{
	(void)state;
	kit_write(io, "", TMP, "half of a long file", 19);
	assert_int_equal(replace("new"), 0);
	expect("new");
	assert_false(has_tmp());
}

static int old_or_new(void *ctx, struct simfs *now, unsigned index,
		      const char *what)
{
	struct simfs *before = fs;
	uint8_t *data = NULL;
	size_t len = 0;

	(void)ctx;
	(void)index;
	(void)what;
	fs = now;
	io = simfs_io(now);
	assert_int_equal(whole_file_read(io, PATH, 5, 5, &data, &len), 0);
	assert_true(memcmp(data, "older", 5) == 0 ||
		    memcmp(data, "newer", 5) == 0);
	free(data);
	fs = before;
	io = simfs_io(before);
	return 0;
}

static void check_states(void *ctx, struct simfs *now, enum simfs_call call,
			 bool changed)
{
	(void)call;
	if (changed)
		simfs_crash_states(now, 1, 200, old_or_new, ctx);
}

/* Wherever the power is cut, the name means one of the two, whole. */
static void test_a_power_cut_leaves_the_old_or_the_new(void **state)
{
	(void)state;
	assert_int_equal(replace("older"), 0);
	assert_int_equal(io->sync_dir(io, "/"), 0);
	simfs_set_hook(fs, check_states, NULL);
	assert_int_equal(replace("newer"), 0);
	simfs_set_hook(fs, NULL, NULL);
	expect("newer");
}

static void test_a_name_without_room_for_tmp_is_refused(void **state)
{
	char path[PATH_LEN_MAX];

	(void)state;
	memset(path, 'p', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 4] = '\0';
	assert_int_equal(whole_file_replace(io, path, "x", 1), -ENAMETOOLONG);
	assert_int_equal(simfs_n_all_calls(fs), 0);
}

#define whole_file_test(name)                                                  \
	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		whole_file_test(test_what_was_written_is_read),
		whole_file_test(test_a_size_outside_the_limits_is_not_read),
		whole_file_test(test_a_file_that_ends_early_has_another_size),
		whole_file_test(test_a_missing_file_is_told),
		whole_file_test(test_a_failed_read_is_told),
		whole_file_test(
			test_a_failure_leaves_the_old_file_and_nothing_else),
		whole_file_test(test_an_unfinished_file_is_no_obstacle),
		whole_file_test(test_a_power_cut_leaves_the_old_or_the_new),
		whole_file_test(test_a_name_without_room_for_tmp_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
