/*
 * One process a store: a kernel lock, so on a real file system and with real
 * processes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io.h"
#include "common/lock.h"
#include "common/path.h"
#include "tests/crash/simfs.h"
#include "tests/support/segment_maker.h"
#include "tests/support/tempdir.h"

static char *dir;
static struct io *io;

static int set_up(void **state)
{
	(void)state;
	dir = tempdir_new();
	io = io_system();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tempdir_free(dir);
	return 0;
}

/* A process that holds the lock until it is killed. */
static pid_t start_holder(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct lock_report report;
		int fd = lock_take(io, dir, &report);

		if (fd < 0)
			_exit(1);
		lock_note_open(io, fd);
		if (write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void stop_holder(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void test_a_new_lock_knows_nothing_of_a_run_before(void **state)
{
	struct lock_report report = { .holder = 1, .sync_failed = true };
	int fd = lock_take(io, dir, &report);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(report.holder, 0);
	assert_false(report.sync_failed);
	io->close(io, fd);
}

static void test_the_second_process_is_told_who_holds_it(void **state)
{
	struct lock_report report;
	pid_t pid = start_holder();
	int fd;

	(void)state;
	assert_int_equal(lock_take(io, dir, &report), -EWOULDBLOCK);
	assert_int_equal(report.holder, pid);
	/* the refusal takes nothing away */
	assert_int_equal(lock_take(io, dir, &report), -EWOULDBLOCK);
	stop_holder(pid);
	fd = lock_take(io, dir, &report);
	assert_true(fd >= 0);
	assert_int_equal(report.holder, pid);
	assert_false(report.sync_failed);
	io->close(io, fd);
}

static void test_a_lock_of_this_very_process_excludes_too(void **state)
{
	struct lock_report report;
	int fd = lock_take(io, dir, &report);

	(void)state;
	assert_true(fd >= 0);
	lock_note_open(io, fd);
	assert_int_equal(lock_take(io, dir, &report), -EWOULDBLOCK);
	assert_int_equal(report.holder, getpid());
	io->close(io, fd);
	fd = lock_take(io, dir, &report);
	assert_true(fd >= 0);
	io->close(io, fd);
}

static void test_the_next_run_learns_of_a_failed_sync(void **state)
{
	struct lock_report report;
	int fd = lock_take(io, dir, &report);

	(void)state;
	lock_note_open(io, fd);
	lock_note_sync_failed(io, fd);
	io->close(io, fd);
	/* until someone notes something else */
	for (int i = 0; i < 2; i++) {
		fd = lock_take(io, dir, &report);
		assert_true(report.sync_failed);
		assert_int_equal(report.holder, getpid());
		if (i == 1)
			lock_note_open(io, fd);
		io->close(io, fd);
	}
	fd = lock_take(io, dir, &report);
	assert_false(report.sync_failed);
	lock_note_closed(io, fd);
	io->close(io, fd);
	fd = lock_take(io, dir, &report);
	assert_false(report.sync_failed);
	io->close(io, fd);
}

static void test_a_holder_that_wrote_nothing_is_not_named(void **state)
{
	struct lock_report report;
	int fd = lock_take(io, dir, &report);

	(void)state;
	lock_note_open(io, fd);
	lock_note_closed(io, fd);
	io->close(io, fd);
	fd = lock_take(io, dir, &report);
	assert_true(fd >= 0);
	assert_true(report.closed);
	assert_int_equal(report.holder, getpid());
	/* the text is that of the run before */
	assert_int_equal(lock_take(io, dir, &report), -EWOULDBLOCK);
	assert_int_equal(report.holder, 0);
	lock_note_open(io, fd);
	assert_int_equal(lock_take(io, dir, &report), -EWOULDBLOCK);
	assert_false(report.closed);
	assert_int_equal(report.holder, getpid());
	io->close(io, fd);
}

static void test_a_shorter_note_leaves_nothing_of_a_longer_one(void **state)
{
	char path[PATH_LEN_MAX];
	struct lock_report report;
	uint8_t *text;
	size_t len;
	int fd = lock_take(io, dir, &report);

	(void)state;
	lock_note_sync_failed(io, fd);
	lock_note_open(io, fd);
	assert_int_equal(path_join(path, dir, "LOCK"), 0);
	text = maker_read_file(io, path, &len);
	assert_int_equal(len, 64);
	for (size_t i = 0; i + 4 < len; i++)
		assert_memory_not_equal(text + i, "sync", 4);
	assert_int_equal(text[len - 1], '\n');
	free(text);
	io->close(io, fd);
}

static void test_any_text_is_survived(void **state)
{
	static const char *const texts[] = { "",
					     "pid",
					     "pid ",
					     "pid x",
					     "pid 5",
					     "pid 99999999999999999999999 open",
					     "\xff\xff\xff\xff" };
	char path[PATH_LEN_MAX];
	struct lock_report report;

	(void)state;
	assert_int_equal(path_join(path, dir, "LOCK"), 0);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int fd;

		maker_write_file(io, path, texts[i], strlen(texts[i]));
		fd = lock_take(io, dir, &report);
		assert_true(fd >= 0);
		assert_false(report.sync_failed);
		io->close(io, fd);
	}
}

static void test_no_folder_is_an_error(void **state)
{
	char path[PATH_LEN_MAX];
	struct lock_report report;

	(void)state;
	assert_int_equal(path_join(path, dir, "none"), 0);
	assert_int_equal(lock_take(io, path, &report), -ENOENT);
}

static int n_removed;

/* Whoever made the folder takes LOCK away, once. */
static int remove_and_lock(struct io *table, int fd)
{
	char path[PATH_LEN_MAX];

	if (n_removed++ == 0) {
		assert_int_equal(path_join(path, dir, "LOCK"), 0);
		assert_int_equal(unlink(path), 0);
	}
	return io_system()->lock(table, fd);
}

static void test_a_lock_that_was_just_removed_is_made_again(void **state)
{
	struct io removing = *io_system();
	struct lock_report report;
	int fd;

	(void)state;
	n_removed = 0;
	removing.lock = remove_and_lock;
	fd = lock_take(&removing, dir, &report);
	assert_true(fd >= 0);
	assert_int_equal(n_removed, 2);
	/* The one that others meet. */
	assert_int_equal(lock_take(io, dir, &report), -EWOULDBLOCK);
	io->close(io, fd);
}

static void test_a_lock_that_fails_leaks_no_descriptor(void **state)
{
	const struct simfs_fault fault = { .calls = 1u << SIMFS_LOCK,
					   .nth = 1,
					   .error = ENOLCK };
	struct simfs *fs = simfs_new();
	struct lock_report report;

	(void)state;
	simfs_set_fault(fs, &fault);
	assert_int_equal(lock_take(simfs_io(fs), "/", &report), -ENOLCK);
	assert_int_equal(simfs_n_open(fs), 0);
	simfs_free(fs);
}

#define lock_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		lock_test(test_a_new_lock_knows_nothing_of_a_run_before),
		lock_test(test_the_second_process_is_told_who_holds_it),
		lock_test(test_a_lock_of_this_very_process_excludes_too),
		lock_test(test_the_next_run_learns_of_a_failed_sync),
		lock_test(test_a_holder_that_wrote_nothing_is_not_named),
		lock_test(test_a_shorter_note_leaves_nothing_of_a_longer_one),
		lock_test(test_any_text_is_survived),
		lock_test(test_no_folder_is_an_error),
		lock_test(test_a_lock_that_fails_leaks_no_descriptor),
		lock_test(test_a_lock_that_was_just_removed_is_made_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
