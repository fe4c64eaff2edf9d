/*
 * io: everything that the engine asks of the machine's disk and clock.
 *
 * The engine reaches files only through this table, so that a test can
 * record every call, fail any of them, and rebuild each state that a power
 * cut may leave.  io_system() is the table that calls the kernel.
 *
 * Every function returns 0 or more on success and a negative errno on
 * failure.  None of them retries, except that io_system's functions hide
 * EINTR.  Paths are those that the caller made; descriptors are small
 * non-negative integers that only this table understands.
 *
 * What is durable (the model that the crash tests enforce)
 *  1. Bytes written with pwritev are durable after sync of that descriptor
 *     returned 0; without it any part of them may be lost, in any order.
 *  2. A name made, changed or removed by open(O_CREAT), link, rename or
 *     unlink is durable after sync_dir of its folder returned 0; syncing the
 *     file is not enough.  rename is atomic: the name means the old file or
 *     the new.
 *  3. After a failed sync the pages are gone: a later sync that returns 0
 *     says nothing about them.
 *  4. allocate makes room and reads as zeros; it makes nothing durable.
 */
#ifndef GETME_COMMON_IO_H
#define GETME_COMMON_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

enum {
	IO_RESIDENT_MAX = 64 * 4096, /* bytes */
};

struct io_stat {
	uint64_t size;
	uint64_t allocated; /* bytes of blocks */
	uint32_t n_links;
};

struct io {
	/* flags: O_RDONLY or O_RDWR, O_CREAT, O_EXCL.  Returns a descriptor. */
	int (*open)(struct io *io, const char *path, int flags);
	int (*close)(struct io *io, int fd);
	/* Returns the bytes read or written, which may be fewer than asked. */
	ssize_t (*pread)(struct io *io, int fd, void *data, size_t len,
			 uint64_t off);
	/*
	 * The same of what is in memory: -EAGAIN where it would have to wait
	 * for the disk, fewer bytes where it would have to for the rest.
	 * -EOPNOTSUPP, -EINVAL, -ENOSYS: this file system cannot tell.
	 */
	ssize_t (*pread_nowait)(struct io *io, int fd, void *data, size_t len,
				uint64_t off);
	ssize_t (*pwritev)(struct io *io, int fd, const struct iovec *iov,
			   int n_iov, uint64_t off);
	int (*sync)(struct io *io, int fd);
	/* Begins to write a range to the disk; a hint, promises nothing. */
	int (*writeback)(struct io *io, int fd, uint64_t off, uint64_t len);
	/* -EOPNOTSUPP where the file system cannot. */
	int (*allocate)(struct io *io, int fd, uint64_t off, uint64_t len);
	/* Gives the blocks of a range back; it reads as zeros afterwards. */
	int (*punch)(struct io *io, int fd, uint64_t off, uint64_t len);
	int (*stat)(struct io *io, int fd, struct io_stat *stat);
	/*
	 * END: from there on the file is known to read as zeros, without
	 * reading it.  NULL: nothing is known.
	 */
	int (*data_end)(struct io *io, int fd, uint64_t *end);
	/*
	 * The first LEN bytes of a file, for reading; it may be shorter, then
	 * touching what it has not raises SIGBUS, as does what cannot be read.
	 * NULL: files cannot be mapped, and the next two are not called.
	 */
	int (*map)(struct io *io, int fd, uint64_t len, const void **base);
	void (*unmap)(struct io *io, const void *base, uint64_t len);
	/*
	 * Which pages of a mapping are in memory: bit i of PAGES for the i-th
	 * 4096 bytes from AT, which is a multiple of IO_RESIDENT_MAX bytes
	 * from its base; up to as many.
	 */
	int (*resident)(struct io *io, const void *at, size_t len,
			uint64_t *pages);
	int (*rename)(struct io *io, const char *from, const char *to);
	/*
	 * A second name for a file.  -EEXIST: TO is there; -EXDEV, -EPERM,
	 * -EOPNOTSUPP, -EMLINK, -ENOSYS: not here, copy it.
	 */
	int (*link)(struct io *io, const char *from, const char *to);
	int (*unlink)(struct io *io, const char *path);
	int (*mkdir)(struct io *io, const char *path);
	int (*rmdir)(struct io *io, const char *path);
	int (*sync_dir)(struct io *io, const char *path);
	/* Calls EACH for every name but . and ..; stops when it returns != 0. */
	int (*list)(struct io *io, const char *path,
		    int (*each)(void *ctx, const char *name), void *ctx);
	/* Exclusive, whole file, freed by close; -EWOULDBLOCK: someone's. */
	int (*lock)(struct io *io, int fd);
	/* Milliseconds since 1970; may step either way. */
	uint64_t (*clock_ms)(struct io *io);
};

/* The table that calls the kernel; static, shared, stateless. */
struct io *io_system(void);

/* Reads exactly LEN bytes: 0, -ENODATA when the file ends before, -errno. */
int io_pread_full(struct io *io, int fd, void *data, size_t len, uint64_t off);

/*
 * Writes all of IOV, going on after short counts.  On failure some of the
 * bytes may be in the file.  IOV is used up (changed).  -EIO when a write
 * returns 0.
 */
int io_pwritev_full(struct io *io, int fd, struct iovec *iov, int n_iov,
		    uint64_t off);

/* One run of bytes. */
int io_pwrite_full(struct io *io, int fd, const void *data, size_t len,
		   uint64_t off);

/* Whether ERROR (negative errno) means that there is no room. */
bool io_is_full(int error);

/* RESULT, but -ENOSPC for all that means so: what callers are told. */
int io_full_as_enospc(int result);

#endif
