#include "tests/support/quota_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_MAX_LEN = 512, BLOCKS_FIRST = 64 };

struct quota_file {
	struct quota_file *next;
	char path[PATH_MAX_LEN];
	bool unlinked;
	unsigned n_open;
	bool *taken; /* one a block */
	uint64_t n_blocks;
};

static struct quota_io *quota_of(struct io *io)
{
	return (struct quota_io *)(void *)io;
}

static struct quota_file *find(struct quota_io *quota, const char *path)
{
	struct quota_file *file;

	for (file = quota->files; file; file = file->next) {
		if (!file->unlinked && strcmp(file->path, path) == 0)
			return file;
	}
	return NULL;
}

static struct quota_file *find_or_make(struct quota_io *quota, const char *path)
{
	struct quota_file *file = find(quota, path);

	if (file)
		return file;
	file = calloc(1, sizeof(*file));
	if (!file)
		abort();
	snprintf(file->path, sizeof(file->path), "%s", path);
	file->next = quota->files;
	quota->files = file;
	return file;
}

/* Removes FILE when it has neither a name nor a descriptor. */
static void release(struct quota_io *quota, struct quota_file *file)
{
	struct quota_file **at = &quota->files;
	uint64_t i;

	if (!file->unlinked || file->n_open > 0)
		return;
	for (i = 0; i < file->n_blocks; i++)
		quota->n_used -= file->taken[i];
	while (*at != file)
		at = &(*at)->next;
	*at = file->next;
	free(file->taken);
	free(file);
}

static void reach(struct quota_file *file, uint64_t n)
{
	uint64_t cap = file->n_blocks ? file->n_blocks : BLOCKS_FIRST;
	bool *grown;

	if (n <= file->n_blocks)
		return;
	while (cap < n)
		cap *= 2;
	grown = realloc(file->taken, cap * sizeof(*grown));
	if (!grown)
		abort();
	memset(grown + file->n_blocks, 0,
	       (cap - file->n_blocks) * sizeof(*grown));
	file->taken = grown;
	file->n_blocks = cap;
}

/* Takes the blocks of a range, or none. */
static int take(struct quota_io *quota, int fd, uint64_t off, uint64_t len)
{
	struct quota_file *file = quota->open[fd];
	uint64_t first = off / QUOTA_BLOCK;
	uint64_t end = (off + len + QUOTA_BLOCK - 1) / QUOTA_BLOCK;
	uint64_t n = 0;
	uint64_t i;

	reach(file, end);
	for (i = first; i < end; i++)
		n += !file->taken[i];
	if (quota->n_used + n > quota->n_max)
		return -ENOSPC;
	for (i = first; i < end; i++)
		file->taken[i] = true;
	quota->n_used += n;
	return 0;
}

static int quota_open(struct io *io, const char *path, int flags)
{
	struct quota_io *quota = quota_of(io);
	int fd = io_system()->open(io_system(), path, flags);

	if (fd < 0)
		return fd;
	if (fd >= QUOTA_FDS_MAX)
		abort();
	quota->open[fd] = find_or_make(quota, path);
	quota->open[fd]->n_open++;
	return fd;
}

static int quota_close(struct io *io, int fd)
{
	struct quota_io *quota = quota_of(io);
	struct quota_file *file = quota->open[fd];

	quota->open[fd] = NULL;
	file->n_open--;
	release(quota, file);
	return io_system()->close(io_system(), fd);
}

static ssize_t quota_pwritev(struct io *io, int fd, const struct iovec *iov,
			     int n_iov, uint64_t off)
{
	uint64_t len = 0;
	int result;
	int i;

	for (i = 0; i < n_iov; i++)
		len += iov[i].iov_len;
	result = take(quota_of(io), fd, off, len);
	if (result < 0)
		return result;
	return io_system()->pwritev(io_system(), fd, iov, n_iov, off);
}

static int quota_allocate(struct io *io, int fd, uint64_t off, uint64_t len)
{
	int result = take(quota_of(io), fd, off, len);

	return result < 0 ? result
			  : io_system()->allocate(io_system(), fd, off, len);
}

static int quota_punch(struct io *io, int fd, uint64_t off, uint64_t len)
{
	struct quota_io *quota = quota_of(io);
	struct quota_file *file = quota->open[fd];
	uint64_t end = (off + len) / QUOTA_BLOCK;
	uint64_t i;

	for (i = (off + QUOTA_BLOCK - 1) / QUOTA_BLOCK;
	     i < end && i < file->n_blocks; i++) {
		quota->n_used -= file->taken[i];
		file->taken[i] = false;
	}
	return io_system()->punch(io_system(), fd, off, len);
}

static void forget_name(struct quota_io *quota, const char *path)
{
	struct quota_file *file = find(quota, path);

	if (!file)
		return;
	file->unlinked = true;
	release(quota, file);
}

static int quota_rename(struct io *io, const char *from, const char *to)
{
	struct quota_io *quota = quota_of(io);
	int result = io_system()->rename(io_system(), from, to);
	struct quota_file *file;

	if (result < 0)
		return result;
	forget_name(quota, to);
	file = find(quota, from);
	if (file)
		snprintf(file->path, sizeof(file->path), "%s", to);
	return 0;
}

static int quota_unlink(struct io *io, const char *path)
{
	int result = io_system()->unlink(io_system(), path);

	if (result == 0)
		forget_name(quota_of(io), path);
	return result;
}

/* No power is cut here, and a disk that syncs is slow. */
static int quota_sync(struct io *io, int fd)
{
	(void)io;
	(void)fd;
	return 0;
}

static int quota_sync_dir(struct io *io, const char *path)
{
	(void)io;
	(void)path;
	return 0;
}

void quota_io_init(struct quota_io *quota, uint64_t n_blocks)
{
	memset(quota, 0, sizeof(*quota));
	quota->io = *io_system();
	quota->io.open = quota_open;
	quota->io.close = quota_close;
	quota->io.pwritev = quota_pwritev;
	quota->io.allocate = quota_allocate;
	quota->io.punch = quota_punch;
	quota->io.sync = quota_sync;
	quota->io.sync_dir = quota_sync_dir;
	quota->io.rename = quota_rename;
	quota->io.unlink = quota_unlink;
	quota->n_max = n_blocks;
}

void quota_io_deinit(struct quota_io *quota)
{
	while (quota->files) {
		struct quota_file *file = quota->files;

		quota->files = file->next;
		free(file->taken);
		free(file);
	}
}
