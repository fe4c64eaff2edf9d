/*
 * Copies from real mappings of files that are cut off.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/guarded.h"
#include "tests/support/tempdir.h"

static size_t page_len;
static char *dir;
static int fd;
static uint8_t *base;

enum { N_PAGES = 8 };

/* What was there before the guard is. */
static sigjmp_buf back;
static volatile sig_atomic_t n_others;

static void on_other(int number)
{
	(void)number;
	n_others++;
	siglongjmp(back, 1);
}

static int set_up(void **state)
{
	char path[256];

	(void)state;
	page_len = (size_t)sysconf(_SC_PAGESIZE);
	dir = tempdir_new();
	snprintf(path, sizeof(path), "%s/file", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	for (size_t i = 0; i < N_PAGES * page_len; i++)
		assert_int_equal(write(fd, i % 2 ? "o" : "e", 1), 1);
	base = mmap(NULL, N_PAGES * page_len, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(base != MAP_FAILED);
	n_others = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	munmap(base, N_PAGES * page_len);
	close(fd);
	tempdir_free(dir);
	return 0;
}

static void test_what_is_there_is_copied(void **state)
{
	char bytes[100] = "";

	(void)state;
	assert_int_equal(guarded_install(), 0);
	assert_int_equal(guarded_copy(bytes, base + page_len - 50, 100), 0);
	assert_memory_equal(bytes, base + page_len - 50, 100);
	assert_int_equal(guarded_copy(bytes, base, 0), 0);
}

static void test_what_was_cut_off_is_an_error(void **state)
{
	char *bytes = malloc(N_PAGES * page_len);

	(void)state;
	assert_int_equal(guarded_install(), 0);
	assert_int_equal(ftruncate(fd, (off_t)(2 * page_len)), 0);
	/* across the end, behind it, over more pages than one */
	assert_int_equal(guarded_copy(bytes, base + 2 * page_len - 8, 16),
			 -EIO);
	assert_int_equal(guarded_copy(bytes, base + 3 * page_len + 1, 9), -EIO);
	assert_int_equal(guarded_copy(bytes, base + 4 * page_len, 4 * page_len),
			 -EIO);
	/* what is there still is */
	assert_int_equal(guarded_copy(bytes, base + page_len, page_len), 0);
	assert_memory_equal(bytes, base + page_len, page_len);
	assert_int_equal(n_others, 0);
	free(bytes);
}

static void test_what_others_touch_is_theirs(void **state)
{
	const volatile uint8_t *at = base + 5 * page_len;
	struct sigaction other = { .sa_handler = on_other };
	char byte;

	(void)state;
	assert_int_equal(sigaction(SIGBUS, &other, NULL), 0);
	assert_int_equal(guarded_install(), 0);
	assert_int_equal(guarded_install(), 0);
	assert_int_equal(ftruncate(fd, (off_t)page_len), 0);
	if (sigsetjmp(back, 1) == 0)
		(void)*at;
	assert_int_equal(n_others, 1);
	/* and after a copy of it, too */
	assert_int_equal(guarded_copy(&byte, base + 6 * page_len, 1), -EIO);
	if (sigsetjmp(back, 1) == 0)
		(void)*at;
	assert_int_equal(n_others, 2);
	/* one that somebody sends */
	if (sigsetjmp(back, 1) == 0)
		raise(SIGBUS);
	assert_int_equal(n_others, 3);
}

static void test_without_a_handler_before_it_kills(void **state)
{
	pid_t child = fork();
	int status = 0;

	(void)state;
	assert_true(child >= 0);
	if (child == 0) {
		const volatile uint8_t *at = base + 5 * page_len;

		signal(SIGBUS, SIG_DFL);
		if (guarded_install() != 0 ||
		    ftruncate(fd, (off_t)page_len) < 0)
			_exit(0);
		(void)*at;
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGBUS);
}

#define guarded_test(name)                                                     \
	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		guarded_test(test_without_a_handler_before_it_kills),
		guarded_test(test_what_is_there_is_copied),
		guarded_test(test_what_was_cut_off_is_an_error),
		guarded_test(test_what_others_touch_is_theirs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
