/*
 * compaction_graves: which tombstones a compaction has to keep.
 *
 * A tombstone keeps older puts of its key dead.  It may go when there are
 * none: when no listed segment outside of the run's inputs that has anything
 * older may hold a put of the key, by the filter of its hint.  A segment
 * whose hint cannot be read may hold any key.  Of several tombstones of a key
 * among the inputs only the newest is needed.  What holds for a tombstone
 * holds for an entry whose time is over.
 *
 * Usage: graves_add for each, in an order that can be repeated; then
 * graves_decide; then graves_keeps in the same order.
 */
#ifndef GETME_COMMON_COMPACTION_GRAVES_H
#define GETME_COMMON_COMPACTION_GRAVES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/digest.h"
#include "common/io.h"
#include "common/segment.h"

struct grave {
	struct digest digest; /* under the store's secret */
	uint64_t hash;	      /* digest_fixed64 of the key */
	uint64_t sequence;
	bool keep;
};

/* All zero is empty. */
struct graves {
	struct grave *at; /* owned */
	size_t n;
	size_t cap;
	/* graves_decide's: which segment outside keeps most of them; 0: none */
	uint32_t blocker_id;
};

void graves_deinit(struct graves *graves);

/* 0 or -ENOMEM. */
int graves_add(struct graves *graves, const uint8_t *secret, const void *key,
	       size_t key_len, uint64_t sequence);

/*
 * Decides all, against the N segments OUTSIDE of the inputs.  0, -ENOMEM;
 * failures to read a hint are no errors but doubts.
 */
int graves_decide(struct graves *graves, struct io *io, const char *dir,
		  const uint8_t *store_id, struct segment *const *outside,
		  size_t n);

/* Of the grave that was added as number I, from 0. */
bool graves_keeps(const struct graves *graves, size_t i);

#endif
