/*
 * upkeep: what goes on behind the log: the manifest, spares, hints, removal.
 *
 * One thread runs all of it, so the manifest has one writer.  With threads
 * (upkeep_start) that is the upkeep thread; without, every call runs what is
 * due on the calling thread, so that a test sees the same steps one by one.
 *
 * The life of a segment
 *	made and listed as open ─► spare ─► taken by the log, active
 *	  ─► filled and synced, reported by upkeep_fill ─► sealed in the
 *	  manifest, hint written ─► (clear, compaction) replaced ─► unlinked
 *
 * Invariants
 *  1. A segment that upkeep_take gives out is listed in a durable manifest.
 *  2. A file that a manifest may list is unlinked only after a durable
 *     manifest calls it replaced.
 *  3. Reported segments are sealed in the order in which they were filled,
 *     and next_sequence moves with them.
 *
 *  4. Where asked for (hold_reserve), room for a compaction's output is held
 *     back: a file without entries, its blocks allocated.  While it cannot be
 *     made there is no spare either, so puts are refused before the last room
 *     is gone.
 *
 * Errors: a spare that cannot be made leaves the error in upkeep_spare_error
 * and is tried again: at the next take, and by the thread once a second.
 */
#ifndef GETME_COMMON_UPKEEP_H
#define GETME_COMMON_UPKEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/io.h"
#include "common/manifest.h"
#include "common/segments.h"

enum upkeep_result {
	UPKEEP_UNKNOWN = 1, /* the manifest's write failed half-way */
	UPKEEP_STALE = 2,   /* what was to be replaced is no longer listed */
};

struct upkeep;

struct upkeep_options {
	struct io *io;
	const char *dir;
	struct segments *segments; /* for free ids, and sizes */
	uint64_t segment_size;	   /* 0: automatic */
	bool hold_reserve;	   /* see invariant 4 */
	/* Told on the upkeep thread when something ended or failed; or NULL. */
	void (*changed)(void *ctx);
	void *ctx;
};

struct upkeep_stats {
	uint64_t hints_written;
	uint64_t hint_errors;
	uint64_t manifest_writes;
	uint64_t manifest_errors;
	uint64_t n_hints_due;
	uint64_t syncs;
	uint64_t pinned_bytes; /* unlinked, mapped by others, not punched */
};

/* MANIFEST is taken over on success (its rows belong to upkeep then). */
int upkeep_new(const struct upkeep_options *options, struct manifest *manifest,
	       struct upkeep **upkeep);

/* Begins the thread.  0 or -errno. */
int upkeep_start(struct upkeep *upkeep);

/*
 * Ends the thread and frees; NULL is fine.  UPKEEP_FINISH: first what was
 * asked before is done, hints included, and a spare is dropped from the
 * manifest and unlinked.  UPKEEP_ABANDON: nothing more is written.  0, or the
 * negative errno of the last manifest.  Segments stay in the table.
 */
enum upkeep_end {
	UPKEEP_FINISH,
	UPKEEP_ABANDON,
};
int upkeep_free(struct upkeep *upkeep, enum upkeep_end end);

/*
 * A fresh, listed segment with room for at least LEN bytes behind its
 * header; it is in the table.  Waits for it.  -ENOSPC, -EMFILE, -EIO, ...
 */
int upkeep_take(struct upkeep *upkeep, uint64_t len, struct segment **segment);

/* Begins to prepare a spare if there is none; does not wait. */
void upkeep_want_spare(struct upkeep *upkeep);

/* Whether a spare lies ready; and why not, if the last attempt failed. */
bool upkeep_has_spare(const struct upkeep *upkeep);
int upkeep_spare_error(const struct upkeep *upkeep);

/*
 * SEGMENT is full and synced up to its len: it will be noted as sealed, its
 * sealed member set, its hint written.  Does not wait.  -ENOMEM: ask again.
 */
int upkeep_fill(struct upkeep *upkeep, struct segment *segment);

/*
 * Waits until everything reported is sealed in a durable manifest.  0,
 * -errno (it surely is not), UPKEEP_UNKNOWN.
 */
int upkeep_flush(struct upkeep *upkeep);

/*
 * Asks for one instant of the store: a copy of a durable manifest, its sealed
 * rows alone.  For the log, which has just ended a segment and has written
 * nothing behind it: from here on no run of compaction is installed, and no
 * clear, before the copy is taken.  What is written behind makes entries
 * dead, and is not in the copy itself.  Does not wait; one at a time.
 */
void upkeep_begin_snapshot(struct upkeep *upkeep);

/*
 * Waits for it; any thread.  0, SNAPSHOT is the caller's, to be released with
 * manifest_deinit; -errno, UPKEEP_UNKNOWN: there is none.
 */
int upkeep_end_snapshot(struct upkeep *upkeep, struct manifest *snapshot);

/*
 * A manifest in which nothing below FLOOR exists and every segment but the
 * spare is replaced, and marked so; waits.  0, -errno (surely not), UPKEEP_UNKNOWN.  The
 * segments' files stay until upkeep_discard.
 */
int upkeep_clear(struct upkeep *upkeep, uint64_t floor);

/* How large a segment is made now, bytes; any thread. */
uint64_t upkeep_segment_size(const struct upkeep *upkeep);

/*
 * A file with room for LEN bytes for a compaction's output: the reserve, or
 * a new one.  The caller's, and in no table.  Any one thread.  0, -ENOSPC, ...
 */
int upkeep_take_output(struct upkeep *upkeep, uint64_t len,
		       struct segment **output);

/* The run that took it is over: room is held back again. */
void upkeep_end_output(struct upkeep *upkeep);

/*
 * A manifest in which the N INPUTS, all sealed, are replaced by OUTPUT (whole,
 * synced, named, in the table; NULL: nothing takes their place); waits.  0:
 * durable, the inputs are marked replaced.  UPKEEP_STALE: an input is no
 * longer listed (a clear came first).  -errno: surely not, the inputs stand.
 * UPKEEP_UNKNOWN: it may be; upkeep goes on as if it were, and a later
 * upkeep_flush that returns 0 makes it so.
 */
int upkeep_install(struct upkeep *upkeep, struct segment *output,
		   struct segment *const *inputs, size_t n);

/* After UPKEEP_UNKNOWN: makes it certain.  0 (inputs marked), -errno. */
int upkeep_settle_install(struct upkeep *upkeep, struct segment *const *inputs,
			  size_t n);

/*
 * Whether since the last call a segment was filled without an entry (a write
 * to it failed); it is marked replaced, and its owner's to discard.
 */
bool upkeep_found_replaced(struct upkeep *upkeep);

/*
 * Unlinks, closes and frees a segment that is replaced, or that no manifest
 * lists, in the background.  The caller has removed it from the table.  One
 * that is listed is only closed.
 */
void upkeep_discard(struct upkeep *upkeep, struct segment *segment);

/* Asks for the hint of a sealed segment (made again at start-up). */
int upkeep_want_hint(struct upkeep *upkeep, struct segment *segment);

/*
 * Without a thread: does everything that is due.  With one: waits until it
 * has nothing to do.
 */
void upkeep_settle(struct upkeep *upkeep);

void upkeep_get_stats(struct upkeep *upkeep, struct upkeep_stats *stats);

#endif
