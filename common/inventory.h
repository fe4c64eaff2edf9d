/*
 * inventory: what a store at rest consists of, found out without changing
 * anything in its folder.
 *
 * It takes the store's lock (which writes nothing), reads the manifest and
 * every segment's header, and finds the ends of the segments that were not
 * sealed, as recovery does (common/tails.h).  After a clean stop there are
 * none of these: every byte of the log is known to be good then.
 *
 * Where both manifests are lost, one is made up from the segments:
 *  1. The store is the one that most segments name.
 *  2. What a compaction's output names as replaced is not part of it.
 *  3. A segment with a good hint ends where its hint says, an output behind
 *     its last byte, any other one where a recovery would end it.
 *  4. The floor of a clear is not known.
 */
#ifndef GETME_COMMON_INVENTORY_H
#define GETME_COMMON_INVENTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/finding.h"
#include "common/io.h"
#include "common/manifest.h"
#include "common/salvage.h"
#include "common/segment.h"
#include "common/store.h"

/* In a folder without manifest: a repair has not finished it. */
#define INVENTORY_UNFINISHED "UNFINISHED"

enum inventory_state {
	INVENTORY_SEALED = 1,
	INVENTORY_TAIL = 2, /* was being written when the last run ended */
	INVENTORY_GONE = 3, /* the file is missing, or another store's */
};

/* A segment that is part of the store. */
struct inventory_row {
	uint32_t id;
	enum inventory_state state;
	bool header_damaged;
	bool in_order;		/* its sequences grow: no compaction's output */
	uint64_t end;		/* entries, without a gap, up to here */
	uint64_t synced_end;	/* what lies from END to here is damage */
	uint64_t data_end;	/* a tail: zeros from here on */
	uint64_t last_sequence; /* as the manifest has it; 0: not known */
};

/* A file named like ours. */
struct inventory_file {
	uint32_t id;
	bool is_hint;
	bool is_listed;
};

struct inventory {
	struct salvage salvage;
	struct io *io; /* the salvage's: all reading goes through it */
	const char *dir;
	struct findings *findings;
	struct manifest manifest;
	bool rebuilt;		    /* the manifest was made up */
	bool unclean;		    /* some segments were not sealed */
	struct inventory_row *rows; /* in the order of ids */
	size_t n_rows;
	struct inventory_file *files; /* in the order of ids */
	size_t n_files;
	int lock_fd; /* -1: none */
};

/*
 * Fills in INVENTORY; what is wrong goes to FINDINGS (borrowed).  IS_LOCKED:
 * the caller has the lock.  A negative errno with ERROR filled in:
 * -EWOULDBLOCK the store is in use, -EACCES or -EPERM not allowed,
 * -EPROTONOSUPPORT a newer format, -ENODATA no store, -ENOENT no such
 * folder, -EBUSY a repair that was not finished, others.
 */
int inventory_take(struct inventory *inventory, struct io *io, const char *dir,
		   bool is_locked, struct findings *findings,
		   struct store_error *error);

/* Drops the lock too; a failed or zeroed one is fine. */
void inventory_deinit(struct inventory *inventory);

/* Opens a row's segment, for reading; segment_free it.  0 or -errno. */
int inventory_open(struct inventory *inventory, const struct inventory_row *row,
		   struct segment **segment);

#endif
