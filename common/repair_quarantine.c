#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/path.h"
#include "common/repair_internal.h"

enum {
	CHUNK_LEN = 64 << 10,
	NAME_LEN = SEGMENT_NAME_MAX + 32,
};

static int quarantine_dir(const struct repair *repair, char path[PATH_LEN_MAX])
{
	return path_join(path, repair->options->new_dir, "quarantine");
}

/* Makes quarantine/NAME. */
static int make_file(struct repair *repair, const char *name, int *fd)
{
	struct io *io = repair->io;
	char dir[PATH_LEN_MAX];
	char path[PATH_LEN_MAX];
	int result = quarantine_dir(repair, dir);

	if (result == 0 && !repair->has_quarantine)
		result = io->mkdir(io, dir);
	if (result == 0) {
		repair->has_quarantine = true;
		result = path_join(path, dir, name);
	}
	if (result < 0)
		return result;
	result = io->open(io, path, O_RDWR | O_CREAT | O_EXCL);
	if (result < 0)
		return result;
	*fd = result;
	return 0;
}

/* To LEN bytes or the file's end; what cannot be read shows as zeros. */
static int copy_chunks(struct repair *repair, int from, uint64_t off,
		       uint64_t len, int to, uint64_t *done)
{
	struct io *source = repair->inventory.io;
	uint8_t *chunk = malloc(CHUNK_LEN);
	int result = chunk ? 0 : -ENOMEM;

	*done = 0;
	while (result == 0 && *done < len) {
		uint64_t rest = len - *done;
		ssize_t n = source->pread(source, from, chunk,
					  rest < CHUNK_LEN ? (size_t)rest
							   : CHUNK_LEN,
					  off + *done);

		if (n <= 0) {
			result = (int)n;
			break;
		}
		result =
			io_pwrite_full(repair->io, to, chunk, (size_t)n, *done);
		*done += (uint64_t)n;
	}
	free(chunk);
	return result;
}

/* LEN bytes at OFF of an open file become quarantine/NAME. */
static int quarantine(struct repair *repair, int from, uint64_t off,
		      uint64_t len, const char *name)
{
	struct io *io = repair->io;
	uint64_t done = 0;
	int result;
	int to;

	result = make_file(repair, name, &to);
	if (result == 0) {
		result = copy_chunks(repair, from, off, len, to, &done);
		if (result == 0)
			result = io->sync(io, to);
		io->close(io, to);
	}
	if (result < 0)
		return repair_fail_write(repair, result, "to quarantine");
	repair->report->n_quarantined++;
	repair->report->quarantined_bytes += done;
	return 0;
}

int repair_quarantine(struct repair *repair, const struct inventory_row *row,
		      uint64_t off, uint64_t len)
{
	char segment[SEGMENT_NAME_MAX];
	char name[NAME_LEN];
	struct segment *opened;
	int result;

	result = inventory_open(&repair->inventory, row, &opened);
	if (result < 0)
		return result;
	segment_name(row->id, segment);
	snprintf(name, sizeof(name), "%s.from-%llu", segment,
		 (unsigned long long)off);
	result = quarantine(repair, opened->fd, off, len, name);
	segment_free(repair->inventory.io, opened);
	return result;
}

/* All of a file that is not, or cannot be, part of the store. */
static int quarantine_file(struct repair *repair, uint32_t id, bool is_hint)
{
	struct io *source = repair->inventory.io;
	char name[SEGMENT_NAME_MAX];
	char path[PATH_LEN_MAX];
	int result;
	int fd;

	if (is_hint)
		segment_hint_name(id, name);
	else
		segment_name(id, name);
	result = path_join(path, repair->options->dir, name);
	if (result < 0)
		return result;
	fd = source->open(source, path, O_RDONLY);
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return repair_fail(repair, fd, "%s: cannot open it", path);
	result = quarantine(repair, fd, 0, UINT64_MAX, name);
	source->close(source, fd);
	return result;
}

int repair_quarantine_rest(struct repair *repair)
{
	const struct inventory *inventory = &repair->inventory;
	size_t i;
	int result = 0;

	for (i = 0; result == 0 && i < inventory->n_files; i++) {
		const struct inventory_file *file = &inventory->files[i];

		if (!file->is_listed)
			result = quarantine_file(repair, file->id,
						 file->is_hint);
	}
	for (i = 0; result == 0 && i < inventory->n_rows; i++) {
		const struct inventory_row *row = &inventory->rows[i];

		if (row->state == INVENTORY_GONE)
			result = quarantine_file(repair, row->id, false);
		else if (row->state == INVENTORY_TAIL &&
			 row->data_end > row->end)
			result = repair_quarantine(repair, row, row->end,
						   row->data_end - row->end);
		if (row->state == INVENTORY_TAIL && row->synced_end > row->end)
			repair->report->n_unknown++;
	}
	return result;
}

int repair_sync_quarantine(struct repair *repair)
{
	char path[PATH_LEN_MAX];
	int result;

	if (!repair->has_quarantine)
		return 0;
	result = quarantine_dir(repair, path);
	if (result == 0)
		result = repair->io->sync_dir(repair->io, path);
	return result < 0 ? repair_fail_write(repair, result, "to quarantine")
			  : 0;
}
