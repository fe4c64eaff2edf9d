/*
 * mapped: reading what is in memory, without a system call.
 *
 * A segment is mapped when it is first read so.  The loop may not wait for
 * the disk, and touching a page that is not in memory does.  So it is asked
 * which pages are, for 256 KiB at once, and the answer is believed for a
 * while: what has just been there is hardly ever gone, and where it is one
 * read waits for the disk.  A page that was not there is asked for again.
 *
 * Invariants
 *  1. No page is touched that was not in memory within this epoch, so none
 *     beyond the file's end is.
 *  2. What is read is what pread would read: who wrote it was done before the
 *     caller learned of its place.
 *  3. A mapping in which memory has failed (common/guarded.h) is not used
 *     again: pread tells what is wrong.
 *
 * Any thread that may read a segment may read it so.
 */
#ifndef GETME_COMMON_MAPPED_H
#define GETME_COMMON_MAPPED_H

#include <stddef.h>
#include <stdint.h>

#include "common/io.h"

struct mapping;
struct segment;

enum {
	MAPPED_EPOCH_MS = 1000,
	/*
	 * mappings; a process has 65530 of all kinds, and other parts of it
	 * want some
	 */
	MAPPED_MAX = 16384,
};

/* Of a store; it outlives the segments. */
struct mapped {
	struct io *io;
	_Atomic uint32_t epoch;
	_Atomic uint32_t n; /* mappings */
};

void mapped_init(struct mapped *mapped, struct io *io);

/* Tells the time (common/monotonic.h); one thread does, now and then. */
void mapped_tick(struct mapped *mapped, uint64_t now_ms);

/*
 * Copies LEN bytes at OFF, which lie within the segment's capacity.  0;
 * -EAGAIN: not so: use pread_nowait, which knows more.
 */
int mapped_read(struct mapped *mapped, struct segment *segment, void *data,
		size_t len, uint64_t off);

/* Starts to fetch them, if that is possible; waits for nothing. */
void mapped_prefetch(const struct segment *segment, size_t len, uint64_t off);

/* With the segment; NULL is fine. */
void mapping_free(struct io *io, struct mapping *mapping);

#endif
