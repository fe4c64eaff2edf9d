#include "common/repair.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/folder.h"
#include "common/lock.h"
#include "common/path.h"
#include "common/repair_internal.h"

/*
 * Versions that were given out and lost are not given out again: more than
 * any run can have had unsynced.
 */
#define SEQUENCE_GAP (UINT64_C(1) << 24)

int repair_fail(struct repair *repair, int result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(repair->error->text, sizeof(repair->error->text), format,
		  args);
	va_end(args);
	return result;
}

int repair_fail_write(struct repair *repair, int result, const char *what)
{
	return repair_fail(repair, result, "%s: cannot write %s: %s%s",
			   repair->options->new_dir, what, strerror(-result),
			   io_is_full(result) ? "; make room, remove that "
						"folder, and repair again"
					      : "");
}

/* ---- the new folder ---- */

static int each_name(void *ctx, const char *name)
{
	bool *is_empty = ctx;

	if (strcmp(name, "LOCK") != 0 && strcmp(name, "lost+found") != 0)
		*is_empty = false;
	return 0;
}

static int expect_empty(struct repair *repair)
{
	const char *dir = repair->options->new_dir;
	bool is_empty = true;
	int result = repair->io->list(repair->io, dir, each_name, &is_empty);

	if (result < 0 && result != -ENOENT)
		return repair_fail(repair, result, "%s: %s", dir,
				   strerror(-result));
	if (!is_empty)
		return repair_fail(repair, -ENOTEMPTY,
				   "%s is not empty: choose a new folder, or "
				   "remove this one",
				   dir);
	return 0;
}

static int lock_new(struct repair *repair)
{
	const char *dir = repair->options->new_dir;
	struct lock_report report;
	int result = lock_take(repair->io, dir, &report);

	if (result == -EWOULDBLOCK)
		return repair_fail(repair, result,
				   "%s is in use by another process", dir);
	if (result < 0)
		return repair_fail_write(repair, result, "LOCK");
	repair->lock_fd = result;
	return 0;
}

static int write_unfinished(struct repair *repair)
{
	static const char text[] =
		"getmectl repair has not finished here.  Remove this folder, "
		"and repair again.\n";
	struct io *io = repair->io;
	char path[PATH_LEN_MAX];
	int result;
	int fd;

	result =
		path_join(path, repair->options->new_dir, INVENTORY_UNFINISHED);
	if (result < 0)
		return result;
	fd = io->open(io, path, O_RDWR | O_CREAT | O_EXCL);
	if (fd < 0)
		return fd;
	result = io_pwrite_full(io, fd, text, sizeof(text) - 1, 0);
	if (result == 0)
		result = io->sync(io, fd);
	io->close(io, fd);
	return result == 0 ? io->sync_dir(io, repair->options->new_dir)
			   : result;
}

static int make_folder(struct repair *repair)
{
	const char *dir = repair->options->new_dir;
	unsigned int made;
	int result = expect_empty(repair);

	if (result != 0)
		return result;
	result = folder_make(repair->io, dir, &made);
	if (result < 0)
		return repair_fail(repair, result,
				   "%s: cannot make the folder: %s", dir,
				   strerror(-result));
	result = lock_new(repair);
	/* Once more: someone may have been faster. */
	if (result == 0)
		result = expect_empty(repair);
	if (result != 0)
		return result;
	result = write_unfinished(repair);
	return result < 0
		       ? repair_fail_write(repair, result, INVENTORY_UNFINISHED)
		       : 0;
}

static int remove_unfinished(struct repair *repair)
{
	struct io *io = repair->io;
	char path[PATH_LEN_MAX];
	int result =
		path_join(path, repair->options->new_dir, INVENTORY_UNFINISHED);

	if (result == 0)
		result = io->unlink(io, path);
	if (result == 0)
		result = io->sync_dir(io, repair->options->new_dir);
	return result < 0
		       ? repair_fail(repair, result, "%s: cannot remove %s: %s",
				     repair->options->new_dir,
				     INVENTORY_UNFINISHED, strerror(-result))
		       : 0;
}

/* ---- the new manifest ---- */

static int begin_manifest(struct repair *repair)
{
	struct manifest *manifest = &repair->manifest;
	const struct manifest *old = &repair->inventory.manifest;

	if (getrandom(manifest->store_id, SEGMENT_STORE_ID_LEN, 0) !=
	    SEGMENT_STORE_ID_LEN)
		return repair_fail(repair, -EIO,
				   "no random bytes for a store id");
	manifest->floor = old->floor;
	/* No new segment has the id of an old one: a file is never mistaken. */
	manifest->next_segment = old->next_segment;
	return 0;
}

static int write_manifest(struct repair *repair)
{
	struct manifest *manifest = &repair->manifest;
	const struct inventory *inventory = &repair->inventory;
	int result;

	manifest->next_sequence = inventory->manifest.next_sequence;
	if (repair->highest_sequence >= manifest->next_sequence)
		manifest->next_sequence = repair->highest_sequence + 1;
	if (inventory->unclean || inventory->rebuilt ||
	    repair->report->n_damaged > 0)
		manifest->next_sequence += SEQUENCE_GAP;
	/* The hints' names too. */
	result = repair->io->sync_dir(repair->io, repair->options->new_dir);
	if (result == 0)
		result = manifest_store(repair->io, repair->options->new_dir,
					manifest);
	if (result == MANIFEST_UNKNOWN)
		result = -EIO;
	return result < 0 ? repair_fail_write(repair, result, "the manifest")
			  : 0;
}

/* ---- the steps ---- */

static int check_new(struct repair *repair)
{
	const struct check_options options = {
		.dir = repair->options->new_dir,
		.io = repair->io,
		.is_locked = true,
	};
	struct check_report report;
	int result = check_run(&options, &report, repair->error);

	if (result == 0 && report.n_damaged > 0)
		return repair_fail(repair, -EUCLEAN,
				   "%s: what was just written does not read "
				   "back: its disk is bad, choose another one",
				   repair->options->new_dir);
	return result;
}

static int make_index(struct repair *repair)
{
	struct index_options options = { .is_private = true };
	int result = digest_new_secret(repair->secret);

	memcpy(options.secret, repair->secret, sizeof(options.secret));
	if (result == 0)
		result = index_new(&options, &repair->index);
	if (result == 0)
		result = index_load_begin(repair->index);
	return result < 0 ? repair_fail(repair, result,
					"cannot make the index: %s",
					strerror(-result))
			  : 0;
}

static int run_steps(struct repair *repair)
{
	int result = make_folder(repair);

	if (result == 0)
		result = begin_manifest(repair);
	if (result == 0)
		result = make_index(repair);
	if (result == 0)
		result = repair_load(repair);
	if (result == 0)
		result = repair_quarantine_rest(repair);
	if (result == 0)
		result = repair_copy(repair);
	if (result == 0)
		result = repair_sync_quarantine(repair);
	if (result == 0)
		result = write_manifest(repair);
	if (result == 0)
		result = remove_unfinished(repair);
	if (result == 0)
		lock_note_closed(repair->io, repair->lock_fd);
	return result == 0 ? check_new(repair) : result;
}

static void release(struct repair *repair)
{
	size_t i;

	for (i = 0; i < repair->n_lost; i++)
		free(repair->lost[i].key);
	free(repair->lost);
	index_free(repair->index);
	segment_free(repair->io, repair->out);
	hint_builder_deinit(&repair->hint);
	manifest_deinit(&repair->manifest);
	free(repair->buffer);
	inventory_deinit(&repair->inventory);
	if (repair->lock_fd >= 0)
		repair->io->close(repair->io, repair->lock_fd);
}

int repair_run(const struct repair_options *options,
	       struct repair_report *report, struct store_error *error)
{
	struct repair repair = {
		.options = options,
		.report = report,
		.error = error,
		.findings = { .each = options->finding, .ctx = options->ctx },
		.io = options->io ? options->io : io_system(),
		.lock_fd = -1,
	};
	int result;

	memset(report, 0, sizeof(*report));
	hint_builder_init(&repair.hint);
	result = inventory_take(&repair.inventory, repair.io, options->dir,
				false, &repair.findings, error);
	if (result != 0)
		return result;
	result = run_steps(&repair);
	release(&repair);
	return result;
}
