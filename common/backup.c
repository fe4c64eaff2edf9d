#include "common/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/backup_internal.h"
#include "common/folder.h"
#include "common/path.h"

enum {
	PIECE_LEN = 1 << 20, /* bytes copied at once */
};

/* What was made so far, in the order in which it is made. */
struct made {
	bool dir;
	uint32_t n_segments; /* of the cut's rows */
	uint32_t n_hints;    /* rows whose hint was tried */
	bool manifest;
};

/* ---- one file ---- */

static bool is_to_be_copied(int result)
{
	return result == -EXDEV || result == -EPERM || result == -EMLINK ||
	       result == -EOPNOTSUPP || result == -ENOSYS;
}

static int copy_piece(struct backup *backup, int from, int to, void *piece,
		      uint64_t off, size_t len)
{
	int result;

	if (backup->cancelled)
		return BACKUP_CANCELLED;
	result = io_pread_full(backup->io, from, piece, len, off);
	if (result == 0)
		result = io_pwrite_full(backup->io, to, piece, len, off);
	/* Pushed out as it goes, so that the sync meets no mountain. */
	if (result == 0)
		backup->io->writeback(backup->io, to, off, len);
	return result;
}

static int copy_bytes(struct backup *backup, int from, int to, uint64_t len,
		      bool counts)
{
	void *piece = malloc(PIECE_LEN);
	uint64_t off = 0;
	int result = piece ? 0 : -ENOMEM;

	while (result == 0 && off < len) {
		size_t n =
			len - off < PIECE_LEN ? (size_t)(len - off) : PIECE_LEN;

		result = copy_piece(backup, from, to, piece, off, n);
		if (result == 0 && counts)
			backup->done_bytes += n;
		off += n;
	}
	free(piece);
	return result == 0 ? backup->io->sync(backup->io, to) : result;
}

/* LEN 0: all of it.  On failure nothing is left of it. */
static int copy_file(struct backup *backup, const char *from, const char *to,
		     uint64_t len)
{
	struct io *io = backup->io;
	struct io_stat stat;
	int in = io->open(io, from, O_RDONLY);
	int out;
	int result;

	if (in < 0)
		return in;
	out = io->open(io, to, O_RDWR | O_CREAT | O_EXCL);
	if (out < 0) {
		io->close(io, in);
		return out;
	}
	result = io->stat(io, in, &stat);
	if (result == 0)
		result = copy_bytes(backup, in, out, len ? len : stat.size,
				    len > 0);
	io->close(io, in);
	io->close(io, out);
	if (result != 0)
		io->unlink(io, to);
	return result;
}

/* LEN bytes of NAME, 0: all; by a link all of it comes. */
static int take_file(struct backup *backup, const char *name, uint64_t len)
{
	char from[PATH_LEN_MAX];
	char to[PATH_LEN_MAX];
	int result = path_join(from, backup->from, name);

	if (result == 0)
		result = path_join(to, backup->dir, name);
	if (result < 0)
		return result;
	if (backup->cancelled)
		return BACKUP_CANCELLED;
	result = backup->io->link(backup->io, from, to);
	if (is_to_be_copied(result))
		return copy_file(backup, from, to, len);
	if (result == 0)
		backup->done_bytes += len;
	else if (result != -EEXIST)
		/* Some file systems fail and have done it all the same. */
		backup->io->unlink(backup->io, to);
	return result;
}

/* ---- all of them ---- */

static int stop_at(struct backup *backup, int result, const char *name)
{
	if (result == BACKUP_CANCELLED)
		return backup_fail(backup, result, "the daemon is stopping");
	return backup_explain(backup, result, name);
}

static int take_segments(struct backup *backup, const struct manifest *cut,
			 struct made *made)
{
	char name[SEGMENT_NAME_MAX];
	uint32_t i;

	for (i = 0; i < cut->n_segments; i++) {
		const struct manifest_segment *row = &cut->segments[i];
		int result;

		segment_name(row->id, name);
		result = take_file(backup, name, row->len);
		if (result != 0)
			return stop_at(backup, result, name);
		made->n_segments++;
	}
	return 0;
}

/* A hint that is not written yet will be, by who opens the backup. */
static int take_hints(struct backup *backup, const struct manifest *cut,
		      struct made *made)
{
	char name[SEGMENT_NAME_MAX];
	uint32_t i;

	for (i = 0; i < cut->n_segments; i++) {
		int result;

		segment_hint_name(cut->segments[i].id, name);
		result = take_file(backup, name, 0);
		if (result != 0 && result != -ENOENT)
			return stop_at(backup, result, name);
		made->n_hints++;
	}
	return 0;
}

/* Two syncs of the folder: what the manifest names is there before it is. */
static int finish(struct backup *backup, struct manifest *cut,
		  struct made *made)
{
	int result = backup->io->sync_dir(backup->io, backup->dir);

	if (result < 0)
		return backup_explain(backup, result, "");
	made->manifest = true;
	result = manifest_store(backup->io, backup->dir, cut);
	if (result == MANIFEST_UNKNOWN)
		result = -EIO;
	return result < 0 ? backup_explain(backup, result, "MANIFEST.0") : 0;
}

static void remove_name(const struct backup *backup, const char *name)
{
	char path[PATH_LEN_MAX];

	if (path_join(path, backup->dir, name) == 0)
		backup->io->unlink(backup->io, path);
}

/* In an order in which no power cut leaves a manifest without its files. */
static void undo(const struct backup *backup, const struct manifest *cut,
		 const struct made *made)
{
	char name[SEGMENT_NAME_MAX];
	uint32_t i;

	if (made->manifest) {
		remove_name(backup, "MANIFEST.0");
		remove_name(backup, "MANIFEST.1");
		backup->io->sync_dir(backup->io, backup->dir);
	}
	for (i = 0; i < made->n_hints; i++) {
		segment_hint_name(cut->segments[i].id, name);
		remove_name(backup, name);
	}
	for (i = 0; i < made->n_segments; i++) {
		segment_name(cut->segments[i].id, name);
		remove_name(backup, name);
	}
	folder_unmake(backup->io, backup->dir, made->dir);
}

static int check_path(struct backup *backup)
{
	if (!backup->dir || *backup->dir != '/')
		return backup_fail(
			backup, BACKUP_REFUSED,
			"%s: a backup's folder is given as an absolute "
			"path",
			backup->dir ? backup->dir : "");
	if (strlen(backup->dir) >= PATH_LEN_MAX - SEGMENT_NAME_MAX)
		return backup_fail(
			backup, BACKUP_REFUSED,
			"the path of the backup's folder is too long");
	return 0;
}

int backup_run(struct backup *backup, struct manifest *cut)
{
	struct made made = { false, 0, 0, false };
	uint64_t total = 0;
	uint32_t i;
	int result = check_path(backup);

	if (result != 0)
		return result;
	for (i = 0; i < cut->n_segments; i++)
		total += cut->segments[i].len;
	backup->total_bytes = total;
	result = backup_make_folder(backup, &made.dir);
	if (result == 0)
		result = take_segments(backup, cut, &made);
	if (result == 0)
		result = take_hints(backup, cut, &made);
	if (result == 0)
		result = finish(backup, cut, &made);
	if (result != 0)
		undo(backup, cut, &made);
	return result;
}
