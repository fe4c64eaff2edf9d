#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/folder.h"
#include "common/path.h"
#include "common/segment_header.h"
#include "tests/crash/simfs.h"
#include "tests/support/segment_maker.h"
#include "tests/support/tempdir.h"

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
	simfs_free(fs);
	return 0;
}

static void touch(const char *path)
{
	maker_write_file(io, path, path, strlen(path));
}

static bool exists(const char *path)
{
	int fd = io->open(io, path, O_RDONLY);

	if (fd >= 0)
		io->close(io, fd);
	return fd >= 0 || fd == -EISDIR;
}

/* ---- looking ---- */

static void expect_look(const char *name, bool manifest, bool segments,
			bool foreign)
{
	char path[PATH_LEN_MAX];
	struct folder_view view;

	assert_int_equal(path_join(path, "/d", name), 0);
	assert_int_equal(io->mkdir(io, "/d"), 0);
	touch(path);
	assert_int_equal(folder_look(io, "/d", &view), 0);
	assert_int_equal(view.manifest, manifest);
	assert_int_equal(view.segments, segments);
	assert_int_equal(view.foreign, foreign);
	if (foreign)
		assert_int_equal(strncmp(view.foreign_name, name, 63), 0);
	assert_int_equal(io->unlink(io, path), 0);
	assert_int_equal(io->rmdir(io, "/d"), 0);
}

static void test_each_name_is_known_for_what_it_is(void **state)
{
	char longest[256];

	(void)state;
	expect_look("MANIFEST.0", true, false, false);
	expect_look("MANIFEST.1", true, false, false);
	expect_look("0000000001.seg", false, true, false);
	expect_look("0000000001.hint", false, true, false);
	/* ours, but nothing to be afraid of */
	expect_look("LOCK", false, false, false);
	expect_look("lost+found", false, false, false);
	expect_look("MANIFEST.1.tmp", false, false, false);
	expect_look("0000000001.hint.tmp", false, false, false);
	expect_look("0000000001.seg.tmp", false, false, false);
	/* not ours */
	expect_look("notes.tmp", false, false, true);
	expect_look(".tmp", false, false, true);
	expect_look("MANIFEST.2", false, false, true);
	expect_look("MANIFEST.0.tmp.tmp", false, false, true);
	expect_look("1.seg", false, false, true);
	expect_look("0000000000.seg", false, false, true);
	expect_look("quarantine", false, false, true);
	memset(longest, 'x', 255);
	longest[255] = 0;
	expect_look(longest, false, false, true);
	memcpy(longest + 251, ".tmp", 4);
	expect_look(longest, false, false, true);
}

static void test_an_empty_folder_and_none(void **state)
{
	struct folder_view view;

	(void)state;
	assert_int_equal(folder_look(io, "/", &view), 0);
	assert_false(view.manifest || view.segments || view.foreign);
	assert_int_equal(folder_look(io, "/none", &view), -ENOENT);
}

/* ---- making ---- */

static void test_parents_are_made_and_unmade(void **state)
{
	unsigned int made = 99;
	struct simfs *after;

	(void)state;
	assert_int_equal(io->mkdir(io, "/old"), 0);
	assert_int_equal(io->sync_dir(io, "/"), 0);
	assert_int_equal(folder_make(io, "/old/a/b/c", &made), 0);
	assert_int_equal(made, 3);
	after = simfs_crash_durable(fs);
	assert_int_equal(simfs_io(after)->rmdir(simfs_io(after), "/old/a/b/c"),
			 0);
	simfs_free(after);
	folder_unmake(io, "/old/a/b/c", made);
	assert_true(exists("/old"));
	assert_false(exists("/old/a"));
}

static void test_what_was_there_is_not_unmade(void **state)
{
	unsigned int made = 99;

	(void)state;
	assert_int_equal(io->mkdir(io, "/old"), 0);
	assert_int_equal(folder_make(io, "/old", &made), 0);
	assert_int_equal(made, 0);
	folder_unmake(io, "/old", made);
	assert_true(exists("/old"));
	/* nor what is not empty any more */
	assert_int_equal(folder_make(io, "/old/a/b", &made), 0);
	touch("/old/a/file");
	folder_unmake(io, "/old/a/b", made);
	assert_false(exists("/old/a/b"));
	assert_true(exists("/old/a/file"));
}

/* Who made it may have been killed before its name was synced. */
static void test_the_name_of_a_folder_that_was_there_is_synced(void **state)
{
	unsigned int made = 99;
	struct simfs *after;

	(void)state;
	assert_int_equal(io->mkdir(io, "/old"), 0);
	assert_int_equal(folder_make(io, "/old", &made), 0);
	after = simfs_crash_durable(fs);
	assert_int_equal(simfs_io(after)->rmdir(simfs_io(after), "/old"), 0);
	simfs_free(after);
}

static void test_the_last_folder_alone(void **state)
{
	bool made = true;
	struct simfs *after;

	(void)state;
	assert_int_equal(folder_make_last(io, "/a/b", &made), -ENOENT);
	assert_false(made);
	assert_int_equal(folder_make_last(io, "/a", &made), 0);
	assert_true(made);
	after = simfs_crash_durable(fs);
	assert_int_equal(simfs_io(after)->rmdir(simfs_io(after), "/a"), 0);
	simfs_free(after);
	assert_int_equal(folder_make_last(io, "/a", &made), 0);
	assert_false(made);
}

static void test_odd_slashes(void **state)
{
	unsigned int made;

	(void)state;
	assert_int_equal(folder_make(io, "/x//y/", &made), 0);
	assert_int_equal(made, 2);
	assert_true(exists("/x/y"));
	folder_unmake(io, "/x//y/", made);
	assert_false(exists("/x"));
	assert_int_equal(folder_make(io, "/", &made), 0);
	assert_int_equal(made, 0);
}

static void test_relative_to_a_real_working_folder(void **state)
{
	char *dir;
	unsigned int made;
	char path[PATH_LEN_MAX];
	struct io *real = io_system();

	(void)state;
	dir = tempdir_new();
	assert_int_equal(path_join(path, dir, "a/b"), 0);
	assert_int_equal(folder_make(real, path, &made), 0);
	assert_int_equal(made, 2);
	folder_unmake(real, path, made);
	/* all that was below is gone */
	assert_int_equal(real->rmdir(real, dir), 0);
	tempdir_free(dir);
}

/* Whatever fails on the way down, what was made goes again. */
static void test_each_failure_is_undone(void **state)
{
	const uint32_t calls = 1u << SIMFS_MKDIR | 1u << SIMFS_SYNC_DIR;

	(void)state;
	for (uint64_t nth = 1;; nth++) {
		struct simfs_fault fault = { .calls = calls,
					     .nth = nth,
					     .error = EACCES };
		unsigned int made;
		int result;

		simfs_set_fault(fs, &fault);
		result = folder_make(io, "/a/b/c", &made);
		if (simfs_n_faults(fs) == 0) {
			assert_int_equal(result, 0);
			break;
		}
		simfs_set_fault(fs, NULL);
		assert_int_equal(result, -EACCES);
		folder_unmake(io, "/a/b/c", made);
		assert_false(exists("/a"));
	}
}

/* ---- sweeping ---- */

static void make_manifest(struct manifest *manifest)
{
	memset(manifest, 0, sizeof(*manifest));
	assert_int_equal(manifest_add(manifest, 1, MANIFEST_SEALED), 0);
	assert_int_equal(manifest_add(manifest, 3, MANIFEST_REPLACED), 0);
}

static int count_names(void *ctx, const char *name)
{
	(void)name;
	++*(int *)ctx;
	return 0;
}

static int n_files(const char *dir)
{
	int n = 0;

	assert_int_equal(io->list(io, dir, count_names, &n), 0);
	return n;
}

static void test_a_sweep_touches_only_what_is_ours_and_not_listed(void **state)
{
	static const char *const kept[] = {
		"/LOCK",	   "/MANIFEST.0",
		"/0000000001.seg", "/0000000001.hint",
		"/0000000003.seg", "/notes.tmp",
		"/readme",	   "/1.seg",
	};
	struct folder_swept swept;
	struct manifest manifest;

	(void)state;
	make_manifest(&manifest);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		touch(kept[i]);
	touch("/MANIFEST.1.tmp");
	touch("/0000000001.hint.tmp");
	touch("/0000000002.seg");
	touch("/0000000002.hint");
	assert_int_equal(folder_sweep(io, "/", &manifest, &swept), 0);
	assert_int_equal(swept.n_tmp, 2);
	assert_int_equal(swept.n_quarantined, 2);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		assert_true(exists(kept[i]));
	assert_int_equal(n_files("/"), 8 + 1);
	assert_int_equal(n_files("/quarantine"), 2);
	/* again: nothing to do */
	assert_int_equal(folder_sweep(io, "/", &manifest, &swept), 0);
	assert_int_equal(swept.n_tmp + swept.n_quarantined, 0);
	manifest_deinit(&manifest);
}

/* What a compaction made of the segment REPLACED, and no manifest lists. */
static void make_output(uint32_t id, uint32_t replaced)
{
	struct segment input = { .id = replaced };
	struct segment *inputs[] = { &input };
	struct segment *output;

	assert_int_equal(segment_create_output(io, "/", id, 8192, &output), 0);
	output->header_len = segment_header_len(1);
	output->len = output->header_len;
	assert_int_equal(segment_finish_output(io, "/", maker_store_id, output,
					       inputs, 1),
			 0);
	segment_free(io, output);
}

/* Only while all of it is somewhere else, too. */
static void test_an_unlisted_copy_is_removed_an_only_one_is_kept(void **state)
{
	struct folder_swept swept;
	struct manifest manifest;

	(void)state;
	make_manifest(&manifest);
	memcpy(manifest.store_id, maker_store_id, SEGMENT_STORE_ID_LEN);
	touch("/0000000001.seg");
	make_output(8, 1);
	make_output(9, 7);
	assert_int_equal(folder_sweep(io, "/", &manifest, &swept), 0);
	assert_int_equal(swept.n_tmp, 1);
	assert_int_equal(swept.n_quarantined, 1);
	assert_false(exists("/0000000008.seg"));
	assert_false(exists("/0000000009.seg"));
	assert_int_equal(n_files("/quarantine"), 1);
	manifest_deinit(&manifest);
}

/* They were made, and the manifest was not written yet. */
static void test_an_unlisted_spare_is_removed_unless_it_was_used(void **state)
{
	struct folder_swept swept;
	struct manifest manifest;
	struct segment *used;

	(void)state;
	make_manifest(&manifest);
	memcpy(manifest.store_id, maker_store_id, SEGMENT_STORE_ID_LEN);
	segment_free(io, maker_segment(io, "/", 8, 8192));
	maker_write_file(io, "/0000000009.seg", "", 0);
	used = maker_segment(io, "/", 10, 8192);
	maker_put(io, used, "key", "value", 1);
	segment_free(io, used);
	assert_int_equal(folder_sweep(io, "/", &manifest, &swept), 0);
	assert_int_equal(swept.n_tmp, 2);
	assert_int_equal(swept.n_quarantined, 1);
	assert_int_equal(n_files("/quarantine"), 1);
	assert_int_equal(n_files("/"), 1);
	manifest_deinit(&manifest);
}

static void test_a_clean_folder_gets_no_quarantine(void **state)
{
	struct folder_swept swept;
	struct manifest manifest;

	(void)state;
	make_manifest(&manifest);
	touch("/0000000001.seg");
	assert_int_equal(folder_sweep(io, "/", &manifest, &swept), 0);
	assert_int_equal(n_files("/"), 1);
	manifest_deinit(&manifest);
}

static void test_many_files(void **state)
{
	struct folder_swept swept;
	struct manifest manifest;
	char path[SEGMENT_NAME_MAX + 1] = "/";

	(void)state;
	make_manifest(&manifest);
	for (uint32_t id = 10; id < 210; id++) {
		segment_name(id, path + 1);
		touch(path);
	}
	assert_int_equal(folder_sweep(io, "/", &manifest, &swept), 0);
	assert_int_equal(swept.n_quarantined, 200);
	assert_int_equal(n_files("/quarantine"), 200);
	manifest_deinit(&manifest);
}

/* No bytes are thrown away, also when the clock stands still. */
static void test_files_of_one_name_are_all_kept(void **state)
{
	struct folder_swept swept;
	struct manifest manifest;

	(void)state;
	make_manifest(&manifest);
	for (int i = 1; i <= 3; i++) {
		touch("/0000000002.seg");
		assert_int_equal(folder_sweep(io, "/", &manifest, &swept), 0);
		assert_int_equal(n_files("/quarantine"), i);
	}
	manifest_deinit(&manifest);
}

static void test_a_sweep_that_fails_can_be_done_again(void **state)
{
	struct manifest manifest;

	(void)state;
	make_manifest(&manifest);
	for (uint64_t nth = 1;; nth++) {
		struct simfs_fault fault = { .calls = ~(1u << SIMFS_CLOSE),
					     .nth = nth,
					     .error = EIO };
		struct folder_swept swept;
		int result;

		simfs_set_clock(fs, 1000 * nth);
		touch("/0000000001.seg");
		touch("/0000000002.seg");
		touch("/MANIFEST.0.tmp");
		simfs_set_fault(fs, &fault);
		result = folder_sweep(io, "/", &manifest, &swept);
		if (simfs_n_faults(fs) == 0)
			break;
		simfs_set_fault(fs, NULL);
		/* a look for a free name may fail and only be unlucky */
		assert_true(result == -EIO || result == 0);
		assert_int_equal(folder_sweep(io, "/", &manifest, &swept), 0);
		assert_true(exists("/0000000001.seg"));
		assert_false(exists("/0000000002.seg"));
		assert_false(exists("/MANIFEST.0.tmp"));
		assert_true((uint64_t)n_files("/quarantine") >= nth);
	}
	simfs_set_fault(fs, NULL);
	manifest_deinit(&manifest);
}

/* ---- bytes ---- */

struct found {
	char path[128];
	int n;
};

static int find_name(void *ctx, const char *name)
{
	struct found *found = ctx;

	strcpy(found->path, "/quarantine/");
	strncat(found->path, name, 100);
	found->n++;
	return 0;
}

static void test_bytes_are_kept_and_durable(void **state)
{
	enum { LEN = 600 << 10 };
	struct segment *segment = maker_segment(io, "/", 7, 1 << 20);
	struct found found = { .n = 0 };
	uint8_t *bytes = malloc(LEN);
	uint8_t *copy;
	size_t len;

	(void)state;
	for (size_t i = 0; i < LEN; i++)
		bytes[i] = (uint8_t)(i * 13 >> 4);
	assert_int_equal(io_pwrite_full(io, segment->fd, bytes, LEN, 104), 0);
	assert_int_equal(folder_quarantine(io, "/", segment, 104, LEN), 0);
	segment_free(io, segment);
	/* not only in the cache */
	segment = NULL;
	{
		struct simfs *after = simfs_crash_durable(fs);

		simfs_free(fs);
		fs = after;
		io = simfs_io(fs);
	}
	assert_int_equal(io->list(io, "/quarantine", find_name, &found), 0);
	assert_int_equal(found.n, 1);
	assert_memory_equal(found.path, "/quarantine/0000000007.seg.from-104",
			    strlen("/quarantine/0000000007.seg.from-104"));
	copy = maker_read_file(io, found.path, &len);
	assert_int_equal(len, LEN);
	assert_memory_equal(copy, bytes, LEN);
	free(copy);
	free(bytes);
}

static void test_each_quarantine_is_kept(void **state)
{
	struct segment *segment = maker_segment(io, "/", 7, 1 << 20);

	(void)state;
	for (int i = 1; i <= 3; i++) {
		assert_int_equal(folder_quarantine(io, "/", segment, 64,
						   100 - (uint64_t)i),
				 0);
		assert_int_equal(n_files("/quarantine"), i);
	}
	segment_free(io, segment);
}

static void test_a_full_disk_is_told(void **state)
{
	const struct simfs_fault fault = { .calls = 1u << SIMFS_PWRITEV,
					   .nth = 2,
					   .error = ENOSPC };
	struct segment *segment = maker_segment(io, "/", 7, 1 << 20);

	(void)state;
	simfs_set_fault(fs, &fault);
	assert_int_equal(folder_quarantine(io, "/", segment, 64, 600 << 10),
			 -ENOSPC);
	/* no half copy that takes the room */
	assert_int_equal(n_files("/quarantine"), 0);
	segment_free(io, segment);
}

#define folder_test(name)                                                      \
	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		folder_test(test_each_name_is_known_for_what_it_is),
		folder_test(test_an_empty_folder_and_none),
		folder_test(test_parents_are_made_and_unmade),
		folder_test(test_what_was_there_is_not_unmade),
		folder_test(test_the_name_of_a_folder_that_was_there_is_synced),
		folder_test(test_the_last_folder_alone),
		folder_test(test_odd_slashes),
		cmocka_unit_test(test_relative_to_a_real_working_folder),
		folder_test(test_each_failure_is_undone),
		folder_test(
			test_a_sweep_touches_only_what_is_ours_and_not_listed),
		folder_test(
			test_an_unlisted_copy_is_removed_an_only_one_is_kept),
		folder_test(
			test_an_unlisted_spare_is_removed_unless_it_was_used),
		folder_test(test_a_clean_folder_gets_no_quarantine),
		folder_test(test_many_files),
		folder_test(test_files_of_one_name_are_all_kept),
		folder_test(test_a_sweep_that_fails_can_be_done_again),
		folder_test(test_bytes_are_kept_and_durable),
		folder_test(test_each_quarantine_is_kept),
		folder_test(test_a_full_disk_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
