/*
 * quota_io: the system's file table on a disk of so many blocks.
 *
 * Blocks are taken by writes and by allocation, and given back by punching
 * and when a file that was unlinked is closed.  Names, folders and what was
 * there before the table was set up take none.  Nothing is ever synced.  For
 * one thread.
 */
#ifndef GETME_TESTS_SUPPORT_QUOTA_IO_H
#define GETME_TESTS_SUPPORT_QUOTA_IO_H

#include <stdint.h>

#include "common/io.h"

enum {
	QUOTA_BLOCK = 4096,
	QUOTA_FDS_MAX = 1024,
};

struct quota_file;

struct quota_io {
	struct io io; /* first: what is handed to the engine */
	uint64_t n_max;
	uint64_t n_used;
	struct quota_file *files;
	struct quota_file *open[QUOTA_FDS_MAX];
};

void quota_io_init(struct quota_io *quota, uint64_t n_blocks);
void quota_io_deinit(struct quota_io *quota);

#endif
