/*
 * segments: the open segments of a store, found by what the index holds.
 *
 * The index holds the low 24 bits of a segment's id; no two segments of a
 * store share them (segments_next_id skips ids that would).  A lookup takes
 * two loads and no lock and may run in any thread.  Any thread may add a
 * segment: upkeep does when it makes one, a compaction its output; the thread that writes the index removes it, and it is
 * freed only when no reader can still hold it.  The table's owner frees what
 * is in it at the end.
 */
#ifndef GETME_COMMON_SEGMENTS_H
#define GETME_COMMON_SEGMENTS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "common/segment.h"

enum {
	SEGMENTS_LEAF_BITS = 12,
	SEGMENTS_LEAF_LEN = 1 << SEGMENTS_LEAF_BITS,
	SEGMENTS_N_LEAVES = 1 << (SEGMENT_ID_BITS - SEGMENTS_LEAF_BITS),
};

struct segments_leaf {
	_Atomic uint32_t n_taken; /* old ids leave whole leaves empty */
	_Atomic(struct segment *) at[SEGMENTS_LEAF_LEN];
};

struct segments {
	_Atomic(struct segments_leaf *) leaves[SEGMENTS_N_LEAVES];
	pthread_mutex_t adding;
	_Atomic uint32_t count;
	_Atomic uint32_t end; /* no place from here on was ever taken */
};

/* NULL: no memory. */
struct segments *segments_new(void);

/* Frees the table, not the segments; NULL is fine. */
void segments_free(struct segments *segments);

/* 0, -ENOMEM, -EEXIST (the low bits are taken). */
int segments_add(struct segments *segments, struct segment *segment);

/* Takes it out again; no other segment may be in its place. */
void segments_remove(struct segments *segments, const struct segment *segment);

/* The segment with these low 24 bits, or NULL. */
struct segment *segments_get(const struct segments *segments, uint32_t id);

/* Calls EACH for all, in the order of their low bits. */
void segments_each(const struct segments *segments,
		   void (*each)(void *ctx, struct segment *segment), void *ctx);

/* The first id from ID on whose low bits are free and not 0. */
uint32_t segments_next_id(const struct segments *segments, uint32_t id);

#endif
