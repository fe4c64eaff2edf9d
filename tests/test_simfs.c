/*
 * The simulated file layer must not hide what a disk would lose.
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

#include "tests/crash/simbytes.h"
#include "tests/crash/simfs.h"

enum {
	MANY = 100000, /* states: more than there are */
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
	simfs_free(fs);
	return 0;
}

/* Opens or makes PATH and writes TEXT at OFF; the descriptor. */
static int write_file(const char *path, const char *text, uint64_t off)
{
	int fd = io->open(io, path, O_RDWR | O_CREAT);
	struct iovec iov = { .iov_base = sim_strdup(text),
			     .iov_len = strlen(text) };

	assert_true(fd >= 0);
	assert_int_equal(io->pwritev(io, fd, &iov, 1, off), strlen(text));
	free(iov.iov_base);
	return fd;
}

/* A file that is durable with its name, closed. */
static void make_durable_file(const char *path, const char *text)
{
	int fd = write_file(path, text, 0);

	assert_int_equal(io->sync(io, fd), 0);
	assert_int_equal(io->close(io, fd), 0);
	assert_int_equal(io->sync_dir(io, "/"), 0);
}

/* What the file says, "absent", or "empty". */
static const char *content(struct simfs *state, const char *path)
{
	static char text[64];
	struct io *state_io = simfs_io(state);
	int fd = state_io->open(state_io, path, O_RDONLY);
	ssize_t len;

	if (fd < 0)
		return "absent";
	len = state_io->pread(state_io, fd, text, sizeof(text) - 1, 0);
	assert_true(len >= 0);
	assert_int_equal(state_io->close(state_io, fd), 0);
	text[len] = '\0';
	return len ? text : "empty";
}

/* Which contents of a file the states have: each counted. */
struct tally {
	const char *path;
	char texts[64][64];
	unsigned counts[64];
	unsigned n, n_states;
};

static int count_state(void *ctx, struct simfs *state, unsigned index,
		       const char *what)
{
	struct tally *tally = ctx;
	const char *text = content(state, tally->path);
	unsigned i = 0;

	(void)index;
	(void)what;
	while (i < tally->n && strcmp(tally->texts[i], text) != 0)
		i++;
	assert_true(i < 64);
	if (i == tally->n)
		snprintf(tally->texts[tally->n++], sizeof(tally->texts[0]),
			 "%s", text);
	tally->counts[i]++;
	tally->n_states++;
	return 0;
}

static struct tally tally_states(const char *path)
{
	struct tally tally = { .path = path };

	assert_int_equal(simfs_crash_states(fs, 1, MANY, count_state, &tally),
			 0);
	return tally;
}

static bool may_be(const struct tally *tally, const char *text)
{
	for (unsigned i = 0; i < tally->n; i++)
		if (!strcmp(tally->texts[i], text))
			return true;
	return false;
}

static void test_what_is_written_is_read(void **state)
{
	int fd = write_file("a", "hello", 4094);
	struct io_stat stat;
	char text[8] = "xxxxxxx";

	(void)state;
	assert_int_equal(io->pread(io, fd, text, 7, 4092), 7);
	assert_memory_equal(text, "\0\0hello", 7);
	assert_int_equal(io->pread(io, fd, text, 7, 4097), 2);
	assert_int_equal(io->pread(io, fd, text, 7, 4099), 0);
	assert_int_equal(io->stat(io, fd, &stat), 0);
	assert_int_equal(stat.size, 4099);
	assert_int_equal(stat.allocated, 8192);
	assert_int_equal(stat.n_links, 1);
}

static void test_names_behave_as_in_a_kernel(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(io->open(io, "a", O_RDONLY), -ENOENT);
	assert_int_equal(io->open(io, "d/a", O_RDWR | O_CREAT), -ENOENT);
	assert_int_equal(io->mkdir(io, "/d"), 0);
	assert_int_equal(io->mkdir(io, "d"), -EEXIST);
	assert_int_equal(io->open(io, "d", O_RDONLY), -EISDIR);
	fd = write_file("d/a", "x", 0);
	assert_int_equal(io->open(io, "/d/a", O_RDWR | O_CREAT | O_EXCL),
			 -EEXIST);
	assert_int_equal(io->rmdir(io, "d"), -ENOTEMPTY);
	assert_int_equal(io->rename(io, "d/a", "e/a"), -ENOENT);
	assert_int_equal(io->rename(io, "d/a", "b"), 0);
	assert_int_equal(io->unlink(io, "d/a"), -ENOENT);
	assert_int_equal(io->unlink(io, "d"), -EISDIR);
	assert_int_equal(io->rmdir(io, "d"), 0);
	assert_int_equal(io->sync_dir(io, "d"), -ENOENT);
	assert_int_equal(io->open(io, "b/a", O_RDONLY), -ENOTDIR);
	assert_string_equal(content(fs, "b"), "x");
	assert_int_equal(io->close(io, fd), 0);
	assert_int_equal(simfs_n_open(fs), 0);
	assert_int_equal(simfs_n_misused(fs), 0);
}

static void test_a_cold_disk_lets_a_read_wait(void **state)
{
	char text[8] = "";
	int fd;

	(void)state;
	fd = io->open(io, "a", O_RDWR | O_CREAT);
	assert_int_equal(io_pwrite_full(io, fd, "abc", 3, 0), 0);
	assert_int_equal(io->pread_nowait(io, fd, text, 7, 0), 3);
	assert_memory_equal(text, "abc", 3);
	simfs_set_cold(fs, true);
	assert_int_equal(io->pread_nowait(io, fd, text, 7, 0), -EAGAIN);
	assert_int_equal(io->pread(io, fd, text, 7, 0), 3);
	simfs_set_cold(fs, false);
	assert_int_equal(io->pread_nowait(io, fd, text, 7, 0), 3);
	io->close(io, fd);
}

static void test_misuse_of_descriptors_is_counted(void **state)
{
	struct iovec iov = { .iov_base = (char[]){ 'x' }, .iov_len = 1 };
	int fd;

	(void)state;
	make_durable_file("a", "x");
	fd = io->open(io, "a", O_RDONLY);
	assert_int_equal(io->pwritev(io, fd, &iov, 1, 0), -EBADF);
	assert_int_equal(io->close(io, fd), 0);
	assert_int_equal(io->close(io, fd), -EBADF);
	assert_int_equal(simfs_n_misused(fs), 2);
}

static void test_an_unlinked_file_lives_while_it_is_open(void **state)
{
	int fd = write_file("a", "hello", 0);
	struct io_stat stat;
	char text[5];

	(void)state;
	assert_int_equal(io->unlink(io, "a"), 0);
	assert_int_equal(io->stat(io, fd, &stat), 0);
	assert_int_equal(stat.n_links, 0);
	assert_int_equal(io->pread(io, fd, text, 5, 0), 5);
	assert_memory_equal(text, "hello", 5);
}

static void test_a_lock_ends_with_its_descriptor_or_process(void **state)
{
	int a = write_file("a", "x", 0), b = write_file("a", "x", 0);

	(void)state;
	assert_int_equal(io->lock(io, a), 0);
	assert_int_equal(io->lock(io, a), 0);
	assert_int_equal(io->lock(io, b), -EWOULDBLOCK);
	assert_int_equal(io->close(io, a), 0);
	assert_int_equal(io->lock(io, b), 0);
	simfs_kill(fs);
	assert_int_equal(simfs_n_open(fs), 0);
	a = write_file("a", "x", 0);
	assert_int_equal(io->lock(io, a), 0);
}

struct names {
	char text[8];
	size_t n;
};

static int add_name(void *ctx, const char *name)
{
	struct names *names = ctx;

	names->text[names->n++] = name[0];
	return name[0] == 'b';
}

static void test_list_stops_when_told(void **state)
{
	struct names names = { "", 0 };

	(void)state;
	write_file("a", "x", 0);
	write_file("b", "x", 0);
	write_file("c", "x", 0);
	assert_int_equal(io->list(io, "/", add_name, &names), 0);
	assert_string_equal(names.text, "ab");
	assert_int_equal(io->list(io, "/x", add_name, &names), -ENOENT);
}

static void test_allocated_and_punched_ranges_read_as_zeros(void **state)
{
	int fd = write_file("a", "hello", 0);
	struct io_stat stat;
	char text[8];

	(void)state;
	assert_int_equal(io->allocate(io, fd, 0, 16384), 0);
	assert_int_equal(io->stat(io, fd, &stat), 0);
	assert_int_equal(stat.size, 16384);
	assert_int_equal(stat.allocated, 16384);
	assert_int_equal(io->pread(io, fd, text, 5, 0), 5);
	assert_memory_equal(text, "hello", 5);
	assert_int_equal(io->punch(io, fd, 1, 16384), 0);
	assert_int_equal(io->pread(io, fd, text, 5, 0), 5);
	assert_memory_equal(text, "h\0\0\0\0", 5);
	assert_int_equal(io->stat(io, fd, &stat), 0);
	assert_int_equal(stat.size, 16384);
	assert_int_equal(stat.allocated, 4096);
}

static void test_a_write_without_sync_may_be_lost_or_torn(void **state)
{
	struct tally tally;
	int fd;

	(void)state;
	make_durable_file("a", "old");
	fd = write_file("a", "new!", 0);
	tally = tally_states("a");
	assert_true(may_be(&tally, "old"));
	assert_true(may_be(&tally, "new!"));
	assert_true(tally.n > 2);
	assert_int_equal(io->sync(io, fd), 0);
	tally = tally_states("a");
	assert_int_equal(tally.n_states, 1);
	assert_true(may_be(&tally, "new!"));
}

static void test_a_write_may_be_torn_between_pages_and_sectors(void **state)
{
	char page[8193];
	struct simfs *power_cut;
	bool torn_page = false, torn_sector = false;

	(void)state;
	make_durable_file("a", "");
	memset(page, 'x', 8192);
	page[8192] = '\0';
	write_file("a", page, 0);
	for (uint64_t seed = 0; seed < 500; seed++) {
		struct io_stat stat;
		struct io *cut_io;
		int fd;

		power_cut = simfs_crash_random(fs, seed, NULL, 0);
		cut_io = simfs_io(power_cut);
		fd = cut_io->open(cut_io, "a", O_RDONLY);
		assert_int_equal(cut_io->stat(cut_io, fd, &stat), 0);
		torn_page = torn_page || stat.size == 4096;
		torn_sector = torn_sector ||
			      (stat.size % 4096 && stat.size % 512 == 0);
		simfs_free(power_cut);
	}
	assert_true(torn_page);
	assert_true(torn_sector);
}

static void test_writes_may_be_lost_in_any_order(void **state)
{
	struct tally tally;

	(void)state;
	make_durable_file("a", "....");
	write_file("a", "1", 0);
	write_file("a", "2", 1);
	write_file("a", "3", 2);
	tally = tally_states("a");
	assert_true(may_be(&tally, "...."));
	assert_true(may_be(&tally, "1..."));
	assert_true(may_be(&tally, "12.."));
	assert_true(may_be(&tally, "123."));
	assert_true(may_be(&tally, ".23."));
	assert_true(may_be(&tally, "1.3."));
}

static void test_what_was_allocated_may_be_short(void **state)
{
	struct simfs *power_cut;
	int fd;

	(void)state;
	make_durable_file("a", "x");
	fd = io->open(io, "a", O_RDWR);
	assert_int_equal(io->allocate(io, fd, 0, 4096), 0);
	power_cut = simfs_crash_durable(fs);
	assert_string_equal(content(power_cut, "a"), "x");
	assert_true(simfs_hash(power_cut) != simfs_hash(fs));
	simfs_free(power_cut);
	assert_int_equal(io->sync(io, fd), 0);
	power_cut = simfs_crash_durable(fs);
	assert_true(simfs_hash(power_cut) == simfs_hash(fs));
	simfs_free(power_cut);
}

/* The toy: replaces a file, with or without each of its syncs. */
static void replace_file(bool sync_file, bool sync_names)
{
	int fd = write_file("a.tmp", "new", 0);

	if (sync_file)
		assert_int_equal(io->sync(io, fd), 0);
	assert_int_equal(io->close(io, fd), 0);
	assert_int_equal(io->rename(io, "a.tmp", "a"), 0);
	if (sync_names)
		assert_int_equal(io->sync_dir(io, "."), 0);
}

static void test_a_correct_replacement_is_there(void **state)
{
	struct tally tally;

	(void)state;
	make_durable_file("a", "old");
	replace_file(true, true);
	tally = tally_states("a");
	assert_int_equal(tally.n_states, 1);
	assert_true(may_be(&tally, "new"));
}

static void test_a_missing_sync_of_the_file_is_caught(void **state)
{
	struct tally tally;

	(void)state;
	make_durable_file("a", "old");
	replace_file(false, true);
	tally = tally_states("a");
	assert_true(may_be(&tally, "empty"));
	assert_false(may_be(&tally, "old"));
}

static void test_a_missing_sync_of_the_folder_is_caught(void **state)
{
	struct tally tally;

	(void)state;
	make_durable_file("a", "old");
	replace_file(true, false);
	tally = tally_states("a");
	assert_true(may_be(&tally, "old"));
	assert_true(may_be(&tally, "new"));
	/* Atomic: nothing else. */
	assert_int_equal(tally.n, 2);
}

static void test_a_new_file_needs_a_sync_of_its_folder(void **state)
{
	struct tally tally;
	int fd = write_file("a", "new", 0);

	(void)state;
	assert_int_equal(io->sync(io, fd), 0);
	tally = tally_states("a");
	assert_true(may_be(&tally, "absent"));
	assert_int_equal(io->sync_dir(io, "/"), 0);
	tally = tally_states("a");
	assert_int_equal(tally.n_states, 1);
	assert_true(may_be(&tally, "new"));
}

static void test_a_new_folder_needs_a_sync_of_the_one_above(void **state)
{
	struct tally tally;
	int fd;

	(void)state;
	assert_int_equal(io->mkdir(io, "d"), 0);
	fd = write_file("d/a", "new", 0);
	assert_int_equal(io->sync(io, fd), 0);
	assert_int_equal(io->sync_dir(io, "d"), 0);
	tally = tally_states("d/a");
	assert_true(may_be(&tally, "absent"));
	assert_int_equal(io->sync_dir(io, "/"), 0);
	tally = tally_states("d/a");
	assert_int_equal(tally.n_states, 1);
	assert_true(may_be(&tally, "new"));
}

static void test_an_unlinked_name_may_come_back(void **state)
{
	struct tally tally;

	(void)state;
	make_durable_file("a", "old");
	assert_int_equal(io->unlink(io, "a"), 0);
	tally = tally_states("a");
	assert_true(may_be(&tally, "old"));
	assert_true(may_be(&tally, "absent"));
	assert_int_equal(io->sync_dir(io, "/"), 0);
	tally = tally_states("a");
	assert_int_equal(tally.n, 1);
	assert_true(may_be(&tally, "absent"));
}

static void test_a_file_moved_between_folders_is_never_lost(void **state)
{
	struct tally old_name, new_name;

	(void)state;
	assert_int_equal(io->mkdir(io, "q"), 0);
	make_durable_file("a", "text");
	assert_int_equal(io->rename(io, "a", "q/a"), 0);
	old_name = tally_states("a");
	assert_int_equal(old_name.n_states, 2);
	assert_int_equal(io->sync_dir(io, "q"), 0);
	old_name = tally_states("a");
	new_name = tally_states("q/a");
	assert_int_equal(old_name.n_states, 2);
	assert_int_equal(old_name.n, 2);
	assert_int_equal(new_name.n, 1);
	assert_true(may_be(&new_name, "text"));
	assert_int_equal(io->sync_dir(io, "/"), 0);
	old_name = tally_states("a");
	assert_int_equal(old_name.n, 1);
	assert_true(may_be(&old_name, "absent"));
}

static void test_the_old_folders_sync_brings_the_file_to_the_new(void **state)
{
	struct tally tally;

	(void)state;
	assert_int_equal(io->mkdir(io, "q"), 0);
	make_durable_file("a", "text");
	assert_int_equal(io->rename(io, "a", "q/a"), 0);
	assert_int_equal(io->sync_dir(io, "/"), 0);
	tally = tally_states("q/a");
	assert_int_equal(tally.n_states, 1);
	assert_true(may_be(&tally, "text"));
}

static void test_a_link_is_a_second_name_for_the_same_bytes(void **state)
{
	struct io_stat stat;
	int fd;

	(void)state;
	make_durable_file("a", "text");
	assert_int_equal(io->mkdir(io, "q"), 0);
	assert_int_equal(io->link(io, "none", "q/b"), -ENOENT);
	assert_int_equal(io->link(io, "q", "r"), -EPERM);
	assert_int_equal(io->link(io, "a", "q/b"), 0);
	assert_int_equal(io->link(io, "a", "q/b"), -EEXIST);
	fd = write_file("q/b", "TE", 0);
	assert_int_equal(io->stat(io, fd, &stat), 0);
	assert_int_equal(stat.n_links, 2);
	assert_string_equal(content(fs, "a"), "TExt");
	assert_int_equal(io->unlink(io, "a"), 0);
	assert_int_equal(io->stat(io, fd, &stat), 0);
	assert_int_equal(stat.n_links, 1);
	assert_string_equal(content(fs, "q/b"), "TExt");
	io->close(io, fd);
}

static void test_a_link_is_durable_when_its_own_folder_is_synced(void **state)
{
	struct tally tally;

	(void)state;
	make_durable_file("a", "text");
	assert_int_equal(io->mkdir(io, "q"), 0);
	assert_int_equal(io->sync_dir(io, "/"), 0);
	assert_int_equal(io->link(io, "a", "q/b"), 0);
	tally = tally_states("q/b");
	assert_int_equal(tally.n_states, 2);
	assert_true(may_be(&tally, "absent"));
	assert_int_equal(io->sync_dir(io, "/"), 0);
	assert_int_equal(tally_states("q/b").n_states, 2);
	assert_int_equal(io->sync_dir(io, "q"), 0);
	tally = tally_states("q/b");
	assert_int_equal(tally.n_states, 1);
	assert_true(may_be(&tally, "text"));
	/* Either name may go without the other. */
	assert_int_equal(io->unlink(io, "a"), 0);
	tally = tally_states("q/b");
	assert_int_equal(tally.n, 1);
	assert_true(may_be(&tally, "text"));
}

static void fail_once(enum simfs_call call, uint64_t nth, int error)
{
	struct simfs_fault fault = { .calls = 1u << call,
				     .nth = nth,
				     .error = error };

	simfs_set_fault(fs, &fault);
}

static void test_after_a_failed_sync_the_next_covers_nothing(void **state)
{
	struct tally tally;
	int fd;

	(void)state;
	make_durable_file("a", "old.....");
	fd = write_file("a", "new", 0);
	fail_once(SIMFS_SYNC, 1, EIO);
	assert_int_equal(io->sync(io, fd), -EIO);
	assert_string_equal(content(fs, "a"), "new.....");
	assert_int_equal(io->sync(io, fd), 0);
	assert_string_equal(content(fs, "a"), "new.....");
	tally = tally_states("a");
	assert_true(may_be(&tally, "old....."));
	assert_true(may_be(&tally, "new....."));

	/* Later bytes are covered, and do not bring the lost ones back. */
	write_file("a", "later", 3);
	assert_int_equal(io->sync(io, fd), 0);
	tally = tally_states("a");
	assert_true(may_be(&tally, "oldlater"));
	assert_true(may_be(&tally, "newlater"));
	assert_false(may_be(&tally, "old....."));

	/* Nor do lost ones come back over what was written there since. */
	write_file("a", "E", 1);
	assert_int_equal(io->sync(io, fd), 0);
	tally = tally_states("a");
	assert_true(may_be(&tally, "oEdlater"));
	assert_true(may_be(&tally, "nEwlater"));
	assert_true(may_be(&tally, "nEdlater"));
	assert_false(may_be(&tally, "newlater"));
	write_file("a", "NEW", 0);
	assert_int_equal(io->sync(io, fd), 0);
	tally = tally_states("a");
	assert_int_equal(tally.n_states, 1);
	assert_true(may_be(&tally, "NEWlater"));
}

static void test_a_killed_process_loses_no_byte(void **state)
{
	struct simfs *copy;
	int fd;

	(void)state;
	make_durable_file("a", "old");
	fd = write_file("a", "new", 0);
	assert_int_equal(io->lock(io, fd), 0);
	copy = simfs_clone(fs);
	assert_string_equal(content(copy, "a"), "new");
	assert_int_equal(simfs_n_open(copy), 0);
	assert_true(simfs_hash(copy) == simfs_hash(fs));

	/* What was not durable is not durable in the copy. */
	simfs_free(fs);
	fs = simfs_crash_durable(copy);
	assert_string_equal(content(fs, "a"), "old");
	simfs_free(copy);
	io = simfs_io(fs);
}

static void test_a_fault_hits_the_nth_call(void **state)
{
	struct simfs_fault fault = { .calls = 1u << SIMFS_OPEN |
					      1u << SIMFS_UNLINK,
				     .nth = 2,
				     .from_then = true,
				     .error = EMFILE };

	(void)state;
	write_file("a", "x", 0);
	fail_once(SIMFS_OPEN, 2, EMFILE);
	assert_true(io->open(io, "a", O_RDONLY) >= 0);
	assert_int_equal(io->open(io, "a", O_RDONLY), -EMFILE);
	assert_true(io->open(io, "a", O_RDONLY) >= 0);
	assert_int_equal(simfs_n_faults(fs), 1);
	simfs_set_fault(fs, &fault);
	assert_true(io->open(io, "a", O_RDONLY) >= 0);
	assert_int_equal(io->unlink(io, "a"), -EMFILE);
	assert_int_equal(io->open(io, "a", O_RDONLY), -EMFILE);
	assert_int_equal(simfs_n_faults(fs), 2);
	simfs_pause_fault(fs, true);
	assert_true(io->open(io, "a", O_RDONLY) >= 0);
	simfs_pause_fault(fs, false);
	assert_int_equal(io->open(io, "a", O_RDONLY), -EMFILE);
	simfs_set_fault(fs, NULL);
	assert_int_equal(io->unlink(io, "a"), 0);
}

static void test_a_fault_may_be_a_short_count(void **state)
{
	struct simfs_fault fault = { .calls = 1u << SIMFS_PWRITEV |
					      1u << SIMFS_PREAD,
				     .nth = 1,
				     .from_then = true,
				     .is_short = true };
	int fd = write_file("a", "", 0);
	struct iovec iov[2] = {
		{ .iov_base = (char[]){ 'a', 'b' }, .iov_len = 2 },
		{ .iov_base = (char[]){ 'c', 'd', 'e' }, .iov_len = 3 },
	};
	char text[2];

	(void)state;
	simfs_set_fault(fs, &fault);
	assert_int_equal(io->pwritev(io, fd, iov, 2, 0), 3);
	assert_int_equal(io->pread(io, fd, text, 2, 0), 1);
	simfs_set_fault(fs, NULL);
	assert_string_equal(content(fs, "a"), "abc");
}

static void test_a_fault_may_come_after_the_change(void **state)
{
	struct simfs_fault fault = { .calls = 1u << SIMFS_RENAME |
					      1u << SIMFS_OPEN,
				     .nth = 1,
				     .from_then = true,
				     .error = EIO,
				     .is_applied = true };

	(void)state;
	make_durable_file("a", "x");
	simfs_set_fault(fs, &fault);
	assert_int_equal(io->rename(io, "a", "b"), -EIO);
	assert_int_equal(io->open(io, "c", O_RDWR | O_CREAT), -EIO);
	simfs_set_fault(fs, NULL);
	assert_string_equal(content(fs, "b"), "x");
	assert_string_equal(content(fs, "c"), "empty");
	assert_int_equal(simfs_n_open(fs), 0);
}

static void count_changes(void *ctx, struct simfs *at, enum simfs_call call,
			  bool changed)
{
	unsigned *counts = ctx;

	assert_ptr_equal(at, fs);
	counts[changed]++;
	/* A hook may cut the power. */
	if (call == SIMFS_PWRITEV)
		simfs_free(simfs_crash_random(at, 1, NULL, 0));
}

static void test_a_hook_sees_every_call(void **state)
{
	unsigned counts[2] = { 0, 0 };

	(void)state;
	simfs_set_hook(fs, count_changes, counts);
	make_durable_file("a", "x");
	/* open, pwritev, sync, sync_dir; close */
	assert_int_equal(counts[true], 4);
	assert_int_equal(counts[false], 1);
	assert_int_equal(simfs_n_all_calls(fs), 5);
	assert_int_equal(simfs_n_calls(fs, SIMFS_SYNC), 1);
	make_durable_file("a", "");
	/* Nothing new to make durable. */
	assert_int_equal(counts[true], 4);
}

static void test_states_do_not_depend_on_how_they_were_made(void **state)
{
	struct simfs *other = simfs_new();
	uint64_t hash;

	(void)state;
	make_durable_file("a", "xy");
	make_durable_file("b", "z");
	hash = simfs_hash(fs);
	simfs_free(fs);
	fs = other;
	io = simfs_io(fs);
	write_file("b.tmp", "z", 0);
	write_file("a", "x", 0);
	assert_true(simfs_hash(fs) != hash);
	write_file("a", "y", 1);
	assert_true(simfs_hash(fs) != hash);
	assert_int_equal(io->rename(io, "b.tmp", "b"), 0);
	assert_true(simfs_hash(fs) == hash);
}

static int collect_hash(void *ctx, struct simfs *state, unsigned index,
			const char *what)
{
	uint64_t *sum = ctx;

	(void)what;
	*sum = sim_mix(*sum ^ simfs_hash(state) ^ index);
	return 0;
}

static void test_a_seed_gives_the_same_states_again(void **state)
{
	uint64_t first = 0, again = 0, other = 0;

	(void)state;
	for (uint64_t i = 0; i < 8; i++) {
		char name[] = { (char)('a' + i), '\0' };

		write_file(name, "some text", i);
	}
	simfs_crash_states(fs, 1, 50, collect_hash, &first);
	simfs_crash_states(fs, 1, 50, collect_hash, &again);
	simfs_crash_states(fs, 2, 50, collect_hash, &other);
	assert_true(first == again);
	assert_true(first != other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_written_is_read),
		TEST(test_names_behave_as_in_a_kernel),
		TEST(test_a_cold_disk_lets_a_read_wait),
		TEST(test_misuse_of_descriptors_is_counted),
		TEST(test_an_unlinked_file_lives_while_it_is_open),
		TEST(test_a_lock_ends_with_its_descriptor_or_process),
		TEST(test_list_stops_when_told),
		TEST(test_allocated_and_punched_ranges_read_as_zeros),
		TEST(test_a_write_without_sync_may_be_lost_or_torn),
		TEST(test_a_write_may_be_torn_between_pages_and_sectors),
		TEST(test_writes_may_be_lost_in_any_order),
		TEST(test_what_was_allocated_may_be_short),
		TEST(test_a_correct_replacement_is_there),
		TEST(test_a_missing_sync_of_the_file_is_caught),
		TEST(test_a_missing_sync_of_the_folder_is_caught),
		TEST(test_a_new_file_needs_a_sync_of_its_folder),
		TEST(test_a_new_folder_needs_a_sync_of_the_one_above),
		TEST(test_an_unlinked_name_may_come_back),
		TEST(test_a_file_moved_between_folders_is_never_lost),
		TEST(test_the_old_folders_sync_brings_the_file_to_the_new),
		TEST(test_a_link_is_a_second_name_for_the_same_bytes),
		TEST(test_a_link_is_durable_when_its_own_folder_is_synced),
		TEST(test_after_a_failed_sync_the_next_covers_nothing),
		TEST(test_a_killed_process_loses_no_byte),
		TEST(test_a_fault_hits_the_nth_call),
		TEST(test_a_fault_may_be_a_short_count),
		TEST(test_a_fault_may_come_after_the_change),
		TEST(test_a_hook_sees_every_call),
		TEST(test_states_do_not_depend_on_how_they_were_made),
		TEST(test_a_seed_gives_the_same_states_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
