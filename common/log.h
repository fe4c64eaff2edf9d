/*
 * log: the one writer of the store's log.
 *
 * A record is what is written all or nothing: one put or tombstone, a batch,
 * or a clear.  log_write takes a list of records, a group, and writes it with
 * as few system calls as it can; log_sync makes it durable.  Sequence numbers
 * and places are given here, in the order of the list, so they are dense
 * whatever was refused.
 *
 * Invariants
 *  1. A record goes behind the last good entry of the active segment, or
 *     into a fresh segment when it does not fit.
 *  2. Nothing is written to a segment before all earlier ones are synced.
 *  3. After a failed or short write the segment ends at its last good entry:
 *     the shortened length is in a durable manifest before anything else is
 *     written and before the failed records are called "not applied".
 *  4. After a failed sync nothing is written any more: log->read_only.
 *  5. Puts leave room for tombstones: without a spare, the last quarter of
 *     the active segment is for records that only remove.
 *
 * All functions are for one thread at a time: the log thread, or who calls
 * without one.  The members marked atomic may be read by others.
 */
#ifndef GETME_COMMON_LOG_H
#define GETME_COMMON_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/entry.h"
#include "common/io.h"
#include "common/segment.h"
#include "common/upkeep.h"

enum log_result {
	LOG_UNKNOWN = 1,   /* a sync, or a manifest, failed under it */
	LOG_READ_ONLY = 2, /* refused: an earlier sync failed */
	LOG_STALE = 3,	   /* refused: what it was decided on was refused */
};

enum log_record_kind {
	LOG_WRITE,
	LOG_CLEAR,
	LOG_ROLL, /* the active segment is ended and sealed, if there is room */
	LOG_CUT,  /* ended, once the next is there; upkeep's snapshot */
	LOG_SYNC, /* everything before it becomes durable */
};

/* One entry of a record. */
struct log_item {
	uint8_t *head;	   /* entry_encode's bytes, owned by the caller */
	const void *value; /* NULL: it follows the key in head */
	uint32_t value_len;
	uint32_t head_len; /* header and key */
	uint64_t len;	   /* the whole entry */
	/* out */
	uint64_t sequence;
	uint64_t off;
};

struct log_record {
	struct log_record *next; /* of the group */
	enum log_record_kind kind;
	bool removes; /* only tombstones: may use the reserve */
	bool depends; /* decided on the outcome of an earlier record */
	uint64_t seen_refusals; /* log->n_refusals when it was decided */
	uint32_t n_items;
	struct log_item *items; /* a batch's head is items[0] */
	uint64_t len;		/* of all items */
	/* out */
	int result; /* 0, -errno, enum log_result */
	struct segment *segment;
	uint64_t first_sequence;
};

struct log {
	struct io *io;
	struct upkeep *upkeep;
	struct segment *active; /* NULL: the next record takes one */
	uint64_t next_sequence;
	uint64_t written_back; /* how far the active one was pushed out */
	bool dirty;
	bool must_flush; /* a shortened length is not in a manifest yet */
	int lock_fd;	 /* where a failed sync is noted; -1: nowhere */
	struct iovec *iov;
	int n_iov;
	int iov_cap;
	uint64_t iov_len; /* bytes gathered, they belong at active->len */
	_Atomic bool read_only;
	_Atomic uint64_t n_refusals;
	_Atomic uint64_t n_syncs;
	_Atomic uint64_t n_bytes;
	_Atomic uint64_t n_rolls;
	_Atomic uint64_t n_write_errors;
	_Atomic uint64_t last_sequence;
	_Atomic uint64_t synced_sequence; /* all up to it is durable */
};

/* NEXT_SEQUENCE is that of the first record. */
void log_init(struct log *log, struct io *io, struct upkeep *upkeep,
	      uint64_t next_sequence, int lock_fd);
/* Frees buffers; the active segment stays with the table of segments. */
void log_deinit(struct log *log);

/*
 * Writes the records of a list, in order; each gets its result.  A record
 * with result 0 is in the kernel's hands; log_sync makes it durable.
 */
void log_write(struct log *log, struct log_record *first);

/*
 * log_write and, with SYNC, log_sync, for one group: where a sync failed, on
 * the way or at the end, no record of the group has result 0.
 */
void log_commit(struct log *log, struct log_record *first, bool sync);

/*
 * Makes everything written durable.  0; LOG_UNKNOWN: the sync failed, and
 * what was not durable before may be or not; LOG_READ_ONLY: it failed
 * earlier.
 */
int log_sync(struct log *log);

/* Whether records were written since the last sync. */
static inline bool log_is_dirty(const struct log *log)
{
	return log->dirty;
}

/*
 * Whether records of LEN bytes in all can be written without anything that
 * may wait for the disk: no roll, no push of dirty bytes.
 */
bool log_has_room(const struct log *log, uint64_t len);

/*
 * Ends the active segment: synced, reported to upkeep.  0, LOG_UNKNOWN,
 * LOG_READ_ONLY.
 */
int log_end_segment(struct log *log);

#endif
