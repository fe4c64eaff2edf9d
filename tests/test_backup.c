/*
 * Backups: of the synchronous store, in a simulation and over real folders.
 * While other threads write: tests/test_engine_backup.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above */
#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/backup.h"
#include "tests/crash/simfs.h"
#include "tests/support/hook_io.h"
#include "tests/support/store_kit.h"
#include "tests/support/tempdir.h"

#define FAR_FUTURE UINT64_C(1900000000000)

enum {
	N_ROLLS = 3,
	NTH_MAX = 2000,	     /* calls of one backup, at most */
	LARGE_LEN = 3 << 20, /* copied in more than one piece */
};

/* ---- a store with something in it ---- */

struct kept {
	uint64_t version;
	uint64_t count;
};

/* Several segments, one dead entry, one expiry, an active segment. */
static void fill(struct store *store, struct kept *kept)
{
	struct store_write expiring = {
		.key = "expires",
		.key_len = strlen("expires"),
		.value = "later",
		.value_len = strlen("later"),
		.expires_at_ms = FAR_FUTURE,
	};

	for (int i = 0; i < N_ROLLS; i++) {
		char key[16];

		snprintf(key, sizeof(key), "key%d", i);
		kit_put(store, key, "value");
		kit_put(store, "often", key);
		assert_int_equal(store_roll(store), 0);
	}
	kit_put(store, "gone", "x");
	kit_delete(store, "gone");
	assert_int_equal(store_apply(store, &expiring, 1, STORE_ALWAYS), 0);
	kit_put_soft(store, "last", "not synced");
	kept->version = kit_version(store, "often");
	kept->count = store_count(store);
}

static void check(struct io *io, const char *dir, const struct kept *kept)
{
	struct store *store = kit_open(io, dir);
	struct store_value value;

	kit_expect(store, "key0", "value");
	kit_expect(store, "key2", "value");
	kit_expect(store, "often", "key2");
	kit_expect(store, "gone", NULL);
	kit_expect(store, "last", "not synced");
	assert_int_equal(kit_version(store, "often"), kept->version);
	assert_int_equal(store_count(store), kept->count);
	assert_int_equal(store_get(store, "expires", 7, &value), 0);
	assert_int_equal(value.expires_at_ms, FAR_FUTURE);
	free(value.data);
	assert_false(kit_stats(store).damaged);
	kit_close(store);
}

static int backup(struct store *store, const char *dir, const char *part)
{
	struct store_error error;
	int result = store_backup(store, dir, &error);

	if (result != 0 && part && !strstr(error.text, part))
		fail_msg("'%s' is not in '%s'", part, error.text);
	if (result == 0)
		assert_string_equal(error.text, "");
	return result;
}

/* ---- real folders ---- */

struct real {
	char *dir;
	char store_dir[KIT_PATH_MAX];
	char backup_dir[KIT_PATH_MAX];
	struct hook_io hook;
	struct store *store;
	struct kept kept;
};

static int set_up(void **state)
{
	struct real *real = calloc(1, sizeof(*real));

	assert_non_null(real);
	real->dir = tempdir_new();
	kit_path(real->dir, "store", real->store_dir);
	kit_path(real->dir, "backup", real->backup_dir);
	hook_io_init(&real->hook);
	real->store = kit_open(&real->hook.io, real->store_dir);
	*state = real;
	return 0;
}

static int tear_down(void **state)
{
	struct real *real = *state;

	kit_close(real->store);
	tempdir_free(real->dir);
	free(real);
	return 0;
}

/* The same name in the store and in its backup. */
static void stat_both(const struct real *real, const char *name,
		      struct stat *ours, struct stat *theirs)
{
	char path[KIT_PATH_MAX];

	kit_path(real->store_dir, name, path);
	assert_int_equal(stat(path, ours), 0);
	kit_path(real->backup_dir, name, path);
	assert_int_equal(stat(path, theirs), 0);
}

static void test_a_backup_is_a_store_with_the_same(void **state)
{
	struct real *real = *state;
	struct stat st;

	fill(real->store, &real->kept);
	assert_int_equal(backup(real->store, real->backup_dir, NULL), 0);
	assert_int_equal(stat(real->backup_dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	check(io_system(), real->backup_dir, &real->kept);
}

static void test_its_files_are_links(void **state)
{
	struct real *real = *state;
	struct stat ours, theirs;

	fill(real->store, &real->kept);
	assert_int_equal(backup(real->store, real->backup_dir, NULL), 0);
	stat_both(real, "0000000001.seg", &ours, &theirs);
	assert_int_equal(ours.st_ino, theirs.st_ino);
	assert_int_equal(ours.st_nlink, 2);
	stat_both(real, "0000000001.hint", &ours, &theirs);
	assert_int_equal(ours.st_ino, theirs.st_ino);
	stat_both(real, "MANIFEST.0", &ours, &theirs);
	assert_int_not_equal(ours.st_ino, theirs.st_ino);
}

static void test_where_no_links_are_possible_it_copies(void **state)
{
	static const int errors[] = { -EXDEV, -EPERM, -EMLINK, -EOPNOTSUPP,
				      -ENOSYS };
	struct real *real = *state;
	struct stat ours, theirs;

	fill(real->store, &real->kept);
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		real->hook.link_error = errors[i];
		assert_int_equal(backup(real->store, real->backup_dir, NULL),
				 0);
		stat_both(real, "0000000001.seg", &ours, &theirs);
		assert_int_not_equal(ours.st_ino, theirs.st_ino);
		/* What is behind the entries is not worth copying. */
		assert_true(theirs.st_size < ours.st_size);
		check(io_system(), real->backup_dir, &real->kept);
		snprintf(real->backup_dir, sizeof(real->backup_dir),
			 "%s/another%zu", real->dir, i);
	}
}

static void test_a_large_value_is_copied_whole(void **state)
{
	struct real *real = *state;
	struct store *copy;
	struct store_value value;
	char *large = malloc(LARGE_LEN);

	assert_non_null(large);
	for (size_t i = 0; i < LARGE_LEN; i++)
		large[i] = (char)(i * 7919 >> 8);
	assert_int_equal(store_put(real->store, "large", 5, large, LARGE_LEN,
				   STORE_ALWAYS),
			 0);
	real->hook.link_error = -EXDEV;
	assert_int_equal(backup(real->store, real->backup_dir, NULL), 0);
	copy = kit_open(io_system(), real->backup_dir);
	assert_int_equal(store_get(copy, "large", 5, &value), 0);
	assert_int_equal(value.len, LARGE_LEN);
	assert_memory_equal(value.data, large, LARGE_LEN);
	free(value.data);
	free(large);
	kit_close(copy);
}

static void test_an_empty_store_has_a_backup(void **state)
{
	struct real *real = *state;
	struct store *copy;

	assert_int_equal(backup(real->store, real->backup_dir, NULL), 0);
	copy = kit_open(io_system(), real->backup_dir);
	assert_int_equal(store_count(copy), 0);
	kit_put(copy, "a", "b");
	kit_close(copy);
}

static void test_it_stays_when_the_original_goes(void **state)
{
	struct real *real = *state;
	char path[KIT_PATH_MAX];

	fill(real->store, &real->kept);
	assert_int_equal(backup(real->store, real->backup_dir, NULL), 0);
	assert_int_equal(store_clear(real->store), 0);
	kit_put(real->store, "often", "changed");
	kit_path(real->store_dir, "0000000001.seg", path);
	assert_int_equal(access(path, F_OK), -1);
	check(io_system(), real->backup_dir, &real->kept);
}

/* The segments that both have names for are reclaimed in one of them. */
static void test_it_stays_when_the_original_is_compacted(void **state)
{
	struct real *real = *state;
	char after[KIT_PATH_MAX];
	char path[KIT_PATH_MAX];

	fill(real->store, &real->kept);
	assert_int_equal(backup(real->store, real->backup_dir, NULL), 0);
	assert_int_equal(store_compact(real->store), 0);
	kit_path(real->store_dir, "0000000001.seg", path);
	assert_int_equal(access(path, F_OK), -1);
	check(io_system(), real->backup_dir, &real->kept);
	/* What compaction made can be backed up as well. */
	kit_path(real->dir, "after", after);
	assert_int_equal(backup(real->store, after, NULL), 0);
	check(io_system(), after, &real->kept);
}

static void test_the_original_stays_when_the_backup_changes(void **state)
{
	struct real *real = *state;
	struct store *copy;

	fill(real->store, &real->kept);
	assert_int_equal(backup(real->store, real->backup_dir, NULL), 0);
	copy = kit_open(io_system(), real->backup_dir);
	kit_put(copy, "often", "changed");
	assert_int_equal(store_clear(copy), 0);
	kit_close(copy);
	kit_close(real->store);
	check(&real->hook.io, real->store_dir, &real->kept);
	real->store = kit_open(&real->hook.io, real->store_dir);
}

static void test_a_backup_has_a_backup(void **state)
{
	struct real *real = *state;
	char second[KIT_PATH_MAX];
	struct store *copy;

	fill(real->store, &real->kept);
	assert_int_equal(backup(real->store, real->backup_dir, NULL), 0);
	copy = kit_open(io_system(), real->backup_dir);
	kit_path(real->dir, "second", second);
	assert_int_equal(backup(copy, second, NULL), 0);
	kit_close(copy);
	check(io_system(), second, &real->kept);
}

/* ---- folders that will not do ---- */

static void refused(struct real *real, const char *dir, const char *part)
{
	assert_int_equal(backup(real->store, dir, part), STORE_REFUSED);
	kit_put(real->store, "after", "the refusal");
}

static void test_a_folder_with_anything_in_it_is_refused(void **state)
{
	struct real *real = *state;

	assert_int_equal(mkdir(real->backup_dir, 0755), 0);
	kit_write(io_system(), real->backup_dir, "foreign", "x", 1);
	refused(real, real->backup_dir, "not empty (foreign");
	assert_true(kit_exists(io_system(), real->backup_dir, "foreign"));
	assert_int_equal(kit_count(io_system(), real->backup_dir, "", ""), 1);
}

static void test_an_empty_folder_is_taken(void **state)
{
	struct real *real = *state;
	char path[KIT_PATH_MAX];

	fill(real->store, &real->kept);
	assert_int_equal(mkdir(real->backup_dir, 0700), 0);
	kit_path(real->backup_dir, "lost+found", path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(backup(real->store, real->backup_dir, NULL), 0);
	check(io_system(), real->backup_dir, &real->kept);
	refused(real, real->backup_dir, "not empty");
}

static void test_paths_that_lead_nowhere_are_refused(void **state)
{
	struct real *real = *state;
	char path[KIT_PATH_MAX];
	char *far = malloc(PATH_MAX + 1);

	refused(real, "relative/path", "absolute");
	refused(real, "", "absolute");
	kit_path(real->backup_dir, "deeper", path);
	refused(real, path, "make that first");
	kit_write(io_system(), real->dir, "file", "x", 1);
	kit_path(real->dir, "file", path);
	refused(real, path, "not a folder");
	kit_path(real->dir, "file/deeper", path);
	refused(real, path, "not a folder");
	assert_non_null(far);
	memset(far, 'x', PATH_MAX);
	far[0] = '/';
	far[PATH_MAX] = '\0';
	refused(real, far, "too long");
	free(far);
}

static void test_a_folder_inside_a_store_is_refused(void **state)
{
	struct real *real = *state;
	char path[KIT_PATH_MAX], target[KIT_PATH_MAX];
	struct stat st;

	kit_path(real->store_dir, "backup", path);
	refused(real, path, "inside a store");
	assert_int_equal(stat(path, &st), -1);
	/* Under another name, too. */
	kit_path(real->store_dir, "deep", target);
	assert_int_equal(mkdir(target, 0700), 0);
	kit_path(real->dir, "link", path);
	assert_int_equal(symlink(target, path), 0);
	kit_path(real->dir, "link/backup", path);
	refused(real, path, "inside a store");
	kit_path(real->dir, "link", path);
	refused(real, path, "inside a store");
	assert_int_equal(stat(target, &st), 0);
}

/* ---- in a simulation: what fails ---- */

static int refuse_link(struct io *io, const char *from, const char *to)
{
	(void)io;
	(void)from;
	(void)to;
	return -EXDEV;
}

static void test_who_may_not_write_is_told_who_would_have_to(void **state)
{
	static const int errors[] = { EACCES, EPERM, EROFS };
	const struct passwd *user = getpwuid(geteuid());

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct simfs_fault fault = { .calls = 1u << SIMFS_MKDIR,
					     .nth = 1,
					     .error = errors[i] };
		struct simfs *fs = simfs_new();
		struct store *store = kit_open(simfs_io(fs), "/store");

		simfs_set_fault(fs, &fault);
		assert_int_equal(
			backup(store, "/backup", user ? user->pw_name : "0"),
			STORE_REFUSED);
		kit_close(store);
		simfs_free(fs);
	}
}

static int note_any(void *ctx, const char *name)
{
	(void)name;
	++*(unsigned int *)ctx;
	return 0;
}

/* Nothing is left, and the store goes on. */
static void check_failed(struct simfs *fs, struct store *store,
			 const struct kept *kept)
{
	struct io *io = simfs_io(fs);
	unsigned int n = 0;

	assert_int_equal(io->list(io, "/backup", note_any, &n), -ENOENT);
	/* The log's own sync may have been what failed. */
	if (kit_stats(store).read_only)
		return;
	assert_int_equal(backup(store, "/backup", NULL), 0);
	check(io, "/backup", kept);
}

/* Fails call NTH of a backup; whether there were so many. */
static bool fail_call(uint64_t nth, bool copies)
{
	struct simfs_fault fault = { .calls = (1u << SIMFS_N_CALLS) - 1,
				     .nth = nth,
				     .error = EIO };
	struct simfs *fs = simfs_new();
	struct store *store = kit_open(simfs_io(fs), "/store");
	struct kept kept;
	bool hit;
	int result;

	fill(store, &kept);
	if (copies)
		simfs_io(fs)->link = refuse_link;
	simfs_set_fault(fs, &fault);
	result = backup(store, "/backup", NULL);
	hit = simfs_n_faults(fs) > 0;
	simfs_set_fault(fs, NULL);
	if (result != 0)
		check_failed(fs, store, &kept);
	else
		check(simfs_io(fs), "/backup", &kept);
	store_close(store);
	assert_int_equal(simfs_n_open(fs), 0);
	simfs_free(fs);
	return hit;
}

static void test_what_fails_leaves_nothing_and_hurts_nobody(void **state)
{
	uint64_t nth = 1;

	(void)state;
	while (fail_call(nth, false))
		nth++;
	assert_in_range(nth, 20, NTH_MAX);
	nth = 1;
	while (fail_call(nth, true))
		nth++;
	assert_in_range(nth, 40, NTH_MAX);
}

static void test_a_folder_that_was_there_stays_after_a_failure(void **state)
{
	struct simfs_fault fault = { .calls = 1u << SIMFS_LINK,
				     .nth = 2,
				     .error = EIO };
	struct simfs *fs = simfs_new();
	struct io *io = simfs_io(fs);
	struct store *store = kit_open(io, "/store");
	struct kept kept;
	unsigned int n = 0;

	(void)state;
	fill(store, &kept);
	assert_int_equal(io->mkdir(io, "/backup"), 0);
	simfs_set_fault(fs, &fault);
	assert_int_equal(backup(store, "/backup", "cannot be made"), -EIO);
	assert_int_equal(io->list(io, "/backup", note_any, &n), 0);
	assert_int_equal(n, 0);
	kit_close(store);
	simfs_free(fs);
}

/* A full disk keeps what deletes need: a backup may not use that up. */
static void test_on_a_full_disk_deletes_still_work(void **state)
{
	struct simfs_fault fault = { .calls = 1u << SIMFS_ALLOCATE,
				     .nth = 1,
				     .from_then = true,
				     .error = ENOSPC };
	struct simfs *fs = simfs_new();
	struct store *store = kit_open(simfs_io(fs), "/store");
	int result = 0;

	(void)state;
	kit_put(store, "a", "there");
	simfs_set_fault(fs, &fault);
	while (result == 0)
		result = store_put(store, "b", 1, "some bytes", 10, STORE_NONE);
	assert_int_equal(result, -ENOSPC);
	assert_int_equal(backup(store, "/backup", NULL), -ENOSPC);
	kit_delete(store, "a");
	kit_expect(store, "a", NULL);
	kit_close(store);
	simfs_free(fs);
}

#define REAL(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		REAL(test_a_backup_is_a_store_with_the_same),
		REAL(test_its_files_are_links),
		REAL(test_where_no_links_are_possible_it_copies),
		REAL(test_a_large_value_is_copied_whole),
		REAL(test_an_empty_store_has_a_backup),
		REAL(test_it_stays_when_the_original_goes),
		REAL(test_it_stays_when_the_original_is_compacted),
		REAL(test_the_original_stays_when_the_backup_changes),
		REAL(test_a_backup_has_a_backup),
		REAL(test_a_folder_with_anything_in_it_is_refused),
		REAL(test_an_empty_folder_is_taken),
		REAL(test_paths_that_lead_nowhere_are_refused),
		REAL(test_a_folder_inside_a_store_is_refused),
		cmocka_unit_test(
			test_who_may_not_write_is_told_who_would_have_to),
		cmocka_unit_test(
			test_what_fails_leaves_nothing_and_hurts_nobody),
		cmocka_unit_test(
			test_a_folder_that_was_there_stays_after_a_failure),
		cmocka_unit_test(test_on_a_full_disk_deletes_still_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
