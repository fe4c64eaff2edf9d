/*
 * compaction: one run, which writes what is still of use of some sealed
 * segments into one new segment and gives their room back.
 *
 * The steps, in their order, and whose they are (W: a thread of its own, or
 * the caller's; L: the thread that writes the index):
 *
 *	L  the inputs are picked (common/compaction_pick.h); a hold keeps
 *	   them and the index until the run has ended
 *	W  compaction_copy: live entries, with their sequence numbers, and the
 *	   tombstones that are still needed go into ID.seg.tmp; it is synced,
 *	   gets its hint and its name; the folder is synced
 *	L  the index moves, in slices, each entry only if the index still
 *	   points to where it was copied from
 *	   the log is synced: what superseded the entries left behind may have
 *	   asked for less than to be durable
 *	W  compaction_install: a manifest lists the output, the inputs are
 *	   replaced
 *	L  the inputs leave the table, and are unlinked when nobody can still
 *	   read them
 *
 * A crash at any point leaves either the inputs or the output listed; the
 * other is removed by the next start (common/folder.h).
 *
 * What is copied
 *  1. An entry that the index points to, byte for byte, value and value CRC
 *     as they are: a damaged value stays damaged.
 *  2. A tombstone, unless the index holds a newer entry of its key, or a
 *     newer tombstone of it is among the inputs, or no listed segment outside
 *     of the inputs may hold an older put (common/compaction_graves.h).
 *  3. For an entry whose time is over a tombstone of the same sequence, where
 *     an older put may be left; it leaves the index.
 *  Nothing else.  When an entry that has to be kept cannot be told, since its
 *  header is damaged, the run ends without effect and its segment is marked:
 *  it is not compacted, so that what is in it can be looked at.
 */
#ifndef GETME_COMMON_COMPACTION_H
#define GETME_COMMON_COMPACTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/digest.h"
#include "common/io.h"
#include "common/lookup.h"
#include "common/segment.h"
#include "common/upkeep.h"

enum compaction_result {
	COMPACTION_CANCELLED = 1, /* a clear, or the store closes */
	COMPACTION_DAMAGED = 2,	  /* inputs[damaged_input] cannot be read */
	COMPACTION_UNKNOWN = 3,	  /* the manifest may say so or not: again */
};

/* An entry that the run has copied, or (to_off8 0) that is to be removed. */
struct compaction_move {
	uint64_t digest_lo;
	uint32_t digest_hi;
	uint32_t from_segment; /* low 24 bits of the id */
	uint32_t from_off8;
	uint32_t to_off8;
	uint32_t len8; /* of the entry in the input */
	uint8_t flags; /* enum index_place_flag */
};

struct compaction {
	/* in */
	struct io *io;
	const char *dir;
	const uint8_t *store_id;
	const uint8_t *secret;
	struct upkeep *upkeep;
	const struct lookup_map *map; /* held */
	uint64_t now_ms;	      /* for expiry */
	struct segment **inputs;      /* owned array; oldest first; held */
	size_t n_inputs;
	struct segment **outside; /* owned array; the other sealed ones; held */
	size_t n_outside;
	uint64_t output_len; /* no output can be longer than this */
	/*
	 * Called now and then by W with the bytes read and written since the
	 * last call; it may wait, for the sake of a rate.  NULL: never.
	 */
	void (*pace)(void *ctx, uint64_t bytes);
	void *pace_ctx;
	_Atomic bool cancelled; /* set by anyone: ends soon */
	/* out */
	struct segment *output; /* NULL: nothing had to be kept */
	bool hint_written;
	struct compaction_move *moves;
	size_t n_moves;
	uint64_t kept_tombstone_bytes;
	uint32_t blocker_id; /* what keeps most of them; 0: nothing */
	size_t damaged_input;
	_Atomic uint64_t bytes_done; /* of the inputs, for progress */
	/* L's, while it moves */
	size_t n_moved;
	bool is_in_limbo; /* an install has ended in COMPACTION_UNKNOWN */
};

/* Frees the arrays and forgets the output, which is somebody's by now. */
void compaction_deinit(struct compaction *run);

/*
 * The first W step.  0: OUTPUT is whole, durable under its name, and in no
 * table; MOVES tells what is in it.  COMPACTION_CANCELLED, _DAMAGED, -ENOSPC,
 * -EIO, ...: nothing is left of the output, nothing has changed.
 */
int compaction_copy(struct compaction *run);

/*
 * The last W step; the moves are made, the log is synced.  0: durable, the
 * inputs are marked replaced.  COMPACTION_CANCELLED: a clear came first, the
 * output is of no use.  COMPACTION_UNKNOWN, -errno: call it again later; both
 * inputs and output have to stay until then.
 */
int compaction_install(struct compaction *run);

#endif
