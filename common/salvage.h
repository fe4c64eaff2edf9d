/*
 * salvage: a table of file operations that only reads, and reads all it can.
 *
 * It lies over another one, for the tools that look at a store at rest:
 *  1. Nothing that would change a file gets through: -EROFS.  A file is
 *     opened read-only whatever was asked, so a read-only medium will do.
 *  2. Where reading fails with -EIO the pages around are read one by one.
 *     Those that cannot be read show as zeros, which no checksum of ours
 *     takes for what was there.
 * Descriptors are those of the table below.
 */
#ifndef GETME_COMMON_SALVAGE_H
#define GETME_COMMON_SALVAGE_H

#include <stdint.h>

#include "common/io.h"

struct salvage {
	struct io io; /* first: what is handed on */
	struct io *below;
	uint64_t n_unreadable; /* times that a page could not be read */
};

/* BELOW is borrowed.  There is nothing to release. */
void salvage_init(struct salvage *salvage, struct io *below);

#endif
