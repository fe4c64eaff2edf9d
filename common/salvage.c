#include "common/salvage.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum {
	PAGE_LEN = 4096, /* what a disk's error costs at least */
};

static struct io *below(struct io *io)
{
	return ((struct salvage *)io)->below;
}

/* ---- what reads ---- */

static int salvage_open(struct io *io, const char *path, int flags)
{
	(void)flags;
	return below(io)->open(below(io), path, O_RDONLY);
}

static int salvage_close(struct io *io, int fd)
{
	return below(io)->close(below(io), fd);
}

static ssize_t salvage_pread(struct io *io, int fd, void *data, size_t len,
			     uint64_t off)
{
	struct salvage *salvage = (struct salvage *)io;
	size_t piece = PAGE_LEN - (size_t)(off % PAGE_LEN);
	ssize_t n = below(io)->pread(below(io), fd, data, len, off);

	if (n != -EIO)
		return n;
	/* The caller goes on behind this page. */
	if (piece > len)
		piece = len;
	n = below(io)->pread(below(io), fd, data, piece, off);
	if (n != -EIO)
		return n;
	salvage->n_unreadable++;
	memset(data, 0, piece);
	return (ssize_t)piece;
}

static int salvage_stat(struct io *io, int fd, struct io_stat *stat)
{
	return below(io)->stat(below(io), fd, stat);
}

static int salvage_data_end(struct io *io, int fd, uint64_t *end)
{
	return below(io)->data_end(below(io), fd, end);
}

static int salvage_list(struct io *io, const char *path,
			int (*each)(void *ctx, const char *name), void *ctx)
{
	return below(io)->list(below(io), path, each, ctx);
}

static int salvage_lock(struct io *io, int fd)
{
	return below(io)->lock(below(io), fd);
}

static uint64_t salvage_clock_ms(struct io *io)
{
	return below(io)->clock_ms(below(io));
}

/* ---- what would write ---- */

static ssize_t salvage_pwritev(struct io *io, int fd, const struct iovec *iov,
			       int n_iov, uint64_t off)
{
	(void)io, (void)fd, (void)iov, (void)n_iov, (void)off;
	return -EROFS;
}

static int salvage_sync(struct io *io, int fd)
{
	(void)io, (void)fd;
	return -EROFS;
}

static int salvage_range(struct io *io, int fd, uint64_t off, uint64_t len)
{
	(void)io, (void)fd, (void)off, (void)len;
	return -EROFS;
}

static int salvage_rename(struct io *io, const char *from, const char *to)
{
	(void)io, (void)from, (void)to;
	return -EROFS;
}

static int salvage_path(struct io *io, const char *path)
{
	(void)io, (void)path;
	return -EROFS;
}

void salvage_init(struct salvage *salvage, struct io *to)
{
	static const struct io table = {
		.open = salvage_open,
		.close = salvage_close,
		.pread = salvage_pread,
		.pwritev = salvage_pwritev,
		.sync = salvage_sync,
		.writeback = salvage_range,
		.allocate = salvage_range,
		.punch = salvage_range,
		.stat = salvage_stat,
		.data_end = salvage_data_end,
		.rename = salvage_rename,
		.unlink = salvage_path,
		.mkdir = salvage_path,
		.rmdir = salvage_path,
		.sync_dir = salvage_path,
		.list = salvage_list,
		.lock = salvage_lock,
		.clock_ms = salvage_clock_ms,
	};

	salvage->io = table;
	if (!to->data_end)
		salvage->io.data_end = NULL;
	salvage->below = to;
	salvage->n_unreadable = 0;
}
