/*
 * compaction_pick: whether to compact, and what.
 *
 * Of a sealed segment GARBAGE is what the index does not point to, and what
 * has expired, once all of it has that will: nobody needs to ask for it.  COPY
 * is what a run would have to write again at most: the live entries, and the
 * tombstones.  What it gives back is the garbage, but for tombstones of which
 * the last run found that they are still needed, as long as the segment that
 * needs them is there, and until other runs have given something back.
 *
 * A run begins when policy and state give a reason.  Inputs are taken in the
 * order of benefit over cost, gain * (1 + age) / (copy + a fixed part), age
 * from 0 (just written) to 1 (the log's begin), as in Rosenblum and
 * Ousterhout's log-structured file system; as many as fit into one output.
 * Every run gives bytes back, or makes fewer segments of small ones.
 */
#ifndef GETME_COMMON_COMPACTION_PICK_H
#define GETME_COMMON_COMPACTION_PICK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/compaction.h"
#include "common/segments.h"

struct compaction_policy {
	unsigned dead_percent;	 /* of all sealed bytes; 0: not a reason */
	uint64_t dead_bytes;	 /* so many are enough; 0: not a reason */
	unsigned small_segments; /* so many are too many; 0: not a reason */
	uint64_t disk_bytes; /* sealed bytes over it: 1/64 dead will do; 0 */
};

/* What a store has unless it is told otherwise. */
enum {
	COMPACTION_DEAD_PERCENT = 16,
	COMPACTION_SMALL_SEGMENTS = 8,
};

#define COMPACTION_POLICY_DEFAULT                                              \
	{                                                                      \
		.dead_percent = COMPACTION_DEAD_PERCENT,                       \
		.small_segments = COMPACTION_SMALL_SEGMENTS,                   \
	}

enum compaction_reason {
	COMPACTION_NO_REASON,
	COMPACTION_WANTED,   /* a full compaction: is_wanted segments */
	COMPACTION_ALL_DEAD, /* segments that need no copying */
	COMPACTION_DEAD_SHARE,
	COMPACTION_DEAD_BYTES,
	COMPACTION_SMALL,
	COMPACTION_DISK_BYTES,
	COMPACTION_DISK_FULL,
};

struct compaction_pick {
	/* in */
	const struct segments *segments;
	struct compaction_policy policy;
	uint64_t segment_size;	/* of an output, unless one input needs more */
	uint64_t last_sequence; /* of the log */
	/*
	 * The index has all up to it.  A segment can be sealed before its
	 * last entries are in the index: to a run they would look dead.
	 */
	uint64_t visible_sequence;
	uint64_t bytes_freed; /* by all runs so far */
	uint64_t now_ms;      /* for expiry */
	bool is_full;	      /* the disk */
	/* out; arrays are owned by the caller */
	enum compaction_reason reason;
	struct segment **inputs; /* oldest first */
	size_t n_inputs;
	struct segment **outside;
	size_t n_outside;
	uint64_t output_len;
	uint64_t input_bytes;
};

/*
 * 0: reason says whether there is anything to do; only then there are arrays.
 * -ENOMEM.  is_wanted is taken from segments in which there is nothing to do.
 */
int compaction_pick(struct compaction_pick *pick);

/* Marks all sealed segments as wanted; their bytes. */
uint64_t compaction_want_all(const struct segments *segments);

#endif
