#include "common/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	FILE_MODE = 0600,
	DIR_MODE = 0700,
	PAGE_LEN = 4096, /* as sys_resident counts them */
	/* pwritev takes so many at most (UIO_MAXIOV) */
	IOV_AT_ONCE = 1024,
	/*
	 * bytes; a kernel without preemption may not let go of the processor
	 * within a call, however long that is
	 */
	READ_AT_ONCE = 256 << 10,
};

static int sys_open(struct io *io, const char *path, int flags)
{
	int fd;

	(void)io;
	do {
		fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
	} while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

static int sys_close(struct io *io, int fd)
{
	(void)io;
	/* Linux frees the descriptor even when it says EINTR. */
	return close(fd) == 0 || errno == EINTR ? 0 : -errno;
}

static ssize_t sys_pread(struct io *io, int fd, void *data, size_t len,
			 uint64_t off)
{
	ssize_t n;

	(void)io;
	do {
		n = pread(fd, data, len, (off_t)off);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t sys_pread_nowait(struct io *io, int fd, void *data, size_t len,
				uint64_t off)
{
	struct iovec iov = { .iov_base = data, .iov_len = len };
	ssize_t n;

	(void)io;
	do {
		n = preadv2(fd, &iov, 1, (off_t)off, RWF_NOWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t sys_pwritev(struct io *io, int fd, const struct iovec *iov,
			   int n_iov, uint64_t off)
{
	ssize_t n;

	(void)io;
	do {
		n = pwritev(fd, iov, n_iov, (off_t)off);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int sys_sync(struct io *io, int fd)
{
	(void)io;
	/* Not retried on EINTR: a failed sync is never tried again. */
	return fdatasync(fd) == 0 ? 0 : -errno;
}

static int sys_writeback(struct io *io, int fd, uint64_t off, uint64_t len)
{
	(void)io;
	if (sync_file_range(fd, (off_t)off, (off_t)len,
			    SYNC_FILE_RANGE_WRITE) == 0)
		return 0;
	return -errno;
}

static int sys_allocate(struct io *io, int fd, uint64_t off, uint64_t len)
{
	int result;

	(void)io;
	do {
		result = fallocate(fd, 0, (off_t)off, (off_t)len);
	} while (result < 0 && errno == EINTR);
	return result == 0 ? 0 : -errno;
}

static int sys_punch(struct io *io, int fd, uint64_t off, uint64_t len)
{
	int result;

	(void)io;
	do {
		result = fallocate(fd,
				   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				   (off_t)off, (off_t)len);
	} while (result < 0 && errno == EINTR);
	return result == 0 ? 0 : -errno;
}

static int sys_stat(struct io *io, int fd, struct io_stat *out)
{
	struct stat st;

	(void)io;
	if (fstat(fd, &st) < 0)
		return -errno;
	out->size = (uint64_t)st.st_size;
	out->allocated = (uint64_t)st.st_blocks * 512;
	out->n_links = (uint32_t)st.st_nlink;
	return 0;
}

static int sys_data_end(struct io *io, int fd, uint64_t *end)
{
	off_t off = 0;
	off_t data;

	(void)io;
	while ((data = lseek(fd, off, SEEK_DATA)) >= 0) {
		off = lseek(fd, data, SEEK_HOLE);
		if (off < 0)
			return -errno;
	}
	if (errno != ENXIO)
		return -errno;
	*end = (uint64_t)off;
	return 0;
}

static int sys_map(struct io *io, int fd, uint64_t len, const void **base)
{
	void *at;

	(void)io;
	/* Too little room for whole stores. */
	if (sizeof(void *) < sizeof(uint64_t))
		return -EOPNOTSUPP;
	at = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	/* Nothing is read ahead of a page that has gone after all. */
	(void)madvise(at, len, MADV_RANDOM);
	*base = at;
	return 0;
}

static void sys_unmap(struct io *io, const void *base, uint64_t len)
{
	union {
		const void *in;
		void *out;
	} at = { .in = base };

	(void)io;
	munmap(at.out, len);
}

static int sys_resident(struct io *io, const void *at, size_t len,
			uint64_t *pages)
{
	union {
		const void *in;
		void *out;
	} from = { .in = at };
	unsigned char known[IO_RESIDENT_MAX / PAGE_LEN];
	size_t page_len = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t found = 0;
	size_t i;

	(void)io;
	if (page_len > IO_RESIDENT_MAX)
		return -EOPNOTSUPP;
	if (mincore(from.out, len, known) < 0)
		return -errno;
	for (i = 0; i * PAGE_LEN < len; i++)
		found |= (uint64_t)(known[i * PAGE_LEN / page_len] & 1) << i;
	*pages = found;
	return 0;
}

static int sys_rename(struct io *io, const char *from, const char *to)
{
	(void)io;
	return rename(from, to) == 0 ? 0 : -errno;
}

static int sys_link(struct io *io, const char *from, const char *to)
{
	(void)io;
	return link(from, to) == 0 ? 0 : -errno;
}

static int sys_unlink(struct io *io, const char *path)
{
	(void)io;
	return unlink(path) == 0 ? 0 : -errno;
}

static int sys_mkdir(struct io *io, const char *path)
{
	(void)io;
	return mkdir(path, DIR_MODE) == 0 ? 0 : -errno;
}

static int sys_rmdir(struct io *io, const char *path)
{
	(void)io;
	return rmdir(path) == 0 ? 0 : -errno;
}

static int sys_sync_dir(struct io *io, const char *path)
{
	int result = 0;
	int fd;

	(void)io;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		result = -errno;
	close(fd);
	return result;
}

static int sys_list(struct io *io, const char *path,
		    int (*each)(void *ctx, const char *name), void *ctx)
{
	int result = 0;
	DIR *dir;

	(void)io;
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (result == 0) {
		const struct dirent *entry;

		errno = 0;
		entry = readdir(dir);
		if (!entry) {
			result = -errno;
			break;
		}
		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		result = each(ctx, entry->d_name);
	}
	closedir(dir);
	return result;
}

/*
 * flock rather than an fcntl lock: it belongs to the open description, so
 * another open and close of the file in this process does not drop it.
 */
static int sys_lock(struct io *io, int fd)
{
	(void)io;
	return flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : -errno;
}

static uint64_t sys_clock_ms(struct io *io)
{
	struct timespec now;

	(void)io;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct io *io_system(void)
{
	static struct io table = {
		.open = sys_open,
		.close = sys_close,
		.pread = sys_pread,
		.pread_nowait = sys_pread_nowait,
		.pwritev = sys_pwritev,
		.sync = sys_sync,
		.writeback = sys_writeback,
		.allocate = sys_allocate,
		.punch = sys_punch,
		.stat = sys_stat,
		.data_end = sys_data_end,
		.map = sys_map,
		.unmap = sys_unmap,
		.resident = sys_resident,
		.rename = sys_rename,
		.link = sys_link,
		.unlink = sys_unlink,
		.mkdir = sys_mkdir,
		.rmdir = sys_rmdir,
		.sync_dir = sys_sync_dir,
		.list = sys_list,
		.lock = sys_lock,
		.clock_ms = sys_clock_ms,
	};

	return &table;
}

int io_pread_full(struct io *io, int fd, void *data, size_t len, uint64_t off)
{
	uint8_t *at = data;

	while (len > 0) {
		size_t piece = len < READ_AT_ONCE ? len : READ_AT_ONCE;
		ssize_t n = io->pread(io, fd, at, piece, off);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return -ENODATA;
		at += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int io_pwritev_full(struct io *io, int fd, struct iovec *iov, int n_iov,
		    uint64_t off)
{
	while (n_iov > 0) {
		int count = n_iov < IOV_AT_ONCE ? n_iov : IOV_AT_ONCE;
		ssize_t n = io->pwritev(io, fd, iov, count, off);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return -EIO;
		off += (uint64_t)n;
		while (n_iov > 0 && (size_t)n >= iov->iov_len) {
			n -= (ssize_t)iov->iov_len;
			iov++;
			n_iov--;
		}
		if (n > 0) {
			iov->iov_base = (uint8_t *)iov->iov_base + n;
			iov->iov_len -= (size_t)n;
		}
	}
	return 0;
}

int io_pwrite_full(struct io *io, int fd, const void *data, size_t len,
		   uint64_t off)
{
	union {
		const void *in;
		void *out;
	} base = { .in = data };
	struct iovec iov = { .iov_base = base.out, .iov_len = len };

	return io_pwritev_full(io, fd, &iov, len > 0 ? 1 : 0, off);
}

bool io_is_full(int error)
{
	return error == -ENOSPC || error == -EDQUOT || error == -EFBIG;
}

int io_full_as_enospc(int result)
{
	return io_is_full(result) ? -ENOSPC : result;
}
