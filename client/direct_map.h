/*
 * direct_map: what of a store is mapped here: the index' header and chunks,
 * and segments.
 *
 * Invariants
 *  1. Nothing is read outside of what was mapped, whatever the shared memory
 *     says.  A mapping is no longer than its file was; files never shrink.
 *  2. A segment whose file was removed and emptied by the daemon is let go
 *     of before there are twice as many as the store has.
 */
#ifndef GETME_CLIENT_DIRECT_MAP_H
#define GETME_CLIENT_DIRECT_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/view.h"

enum {
	DIRECT_LEAF_BITS = 12,
	DIRECT_LEAF_LEN = 1 << DIRECT_LEAF_BITS,
	DIRECT_N_LEAVES = 1 << (24 - DIRECT_LEAF_BITS),
	/* Descriptors kept open where segments are read, not mapped. */
	DIRECT_FILES_MAX = 64,
};

struct direct_segment {
	const uint8_t *base; /* NULL: not mapped */
	uint64_t len;	     /* bytes that may be read */
	uint32_t id;	     /* all of it */
	int fd;		     /* -1, or of who preads */
	uint64_t used;	     /* a count of reads; the lowest is closed first */
};

struct direct_leaf {
	struct direct_segment *at[DIRECT_LEAF_LEN];
};

struct direct_map {
	bool preads; /* segments, instead of mapping them */
	struct lookup_map *index;
	struct direct_leaf *leaves[DIRECT_N_LEAVES];
	size_t n_leaves; /* that are there */
	uint32_t *ids;	 /* low bits of the segments that are there */
	size_t n_ids;
	size_t ids_cap;
	size_t sweep_at; /* so many segments: look for emptied ones */
	uint64_t n_reads;
};

/* All zero but preads is an empty one. */
void direct_map_clear(struct direct_map *map);

/*
 * Add what a descriptor is of, which they take over, whatever comes of it.  0;
 * -EPROTO: it is not what it should be, or not sealed; -errno.
 */
int direct_map_add_header(struct direct_map *map, int fd);
int direct_map_add_chunk(struct direct_map *map, enum index_family family,
			 unsigned int number, int fd);
int direct_map_add_segment(struct direct_map *map, uint32_t id, int fd);

/* The segment with these low 24 bits; NULL: it is not there. */
static inline struct direct_segment *
direct_map_find(const struct direct_map *map, uint32_t low)
{
	const struct direct_leaf *leaf =
		map->leaves[low >> DIRECT_LEAF_BITS & (DIRECT_N_LEAVES - 1)];

	return leaf ? leaf->at[low & (DIRECT_LEAF_LEN - 1)] : NULL;
}

/*
 * Copies LEN bytes at OFF of the segment.  0; -EAGAIN: it is not there, or not
 * so much of it was when it was added; -EIO, ...
 */
int direct_map_read(struct direct_map *map, uint32_t low, uint64_t off,
		    void *data, size_t len, uint32_t *id, uint64_t *rest);

#endif
