/*
 * manifest: what a store consists of.
 *
 * Two files, MANIFEST.0 and MANIFEST.1, with the same content; each is
 * replaced by writing MANIFEST.n.tmp, syncing it, renaming it and syncing
 * the folder, the first wholly before the second.  The valid one with the
 * higher generation counts.
 *
 *   offset  size  name           meaning
 *        0     8  magic          "getMeMAN"
 *        8     4  crc            CRC-32C of the file with this field zero
 *       12     4  version        format version, 1
 *       16    16  store_id       random, made with the store
 *       32     8  generation     grows by 1 with every manifest
 *       40     8  floor          no entry with a lower sequence exists
 *       48     8  next_sequence  of the first entry behind the last sealed
 *                                segment; none there has a lower one
 *       56     4  next_segment   no segment has, or had, this id or a higher
 *       60     4  n_segments
 *       64        n_segments times:
 *                  0     4  id
 *                  4     4  state      1 open, 2 sealed, 3 replaced
 *                  8     8  len        sealed: where its entries end
 *                 16     8  last_sequence  sealed: the highest in it
 *
 * Invariants
 *  1. A segment is listed (as open) before an entry is written to it.
 *  2. Open segments hold what is not sealed yet: the active one, the spare,
 *     and those that were filled but not yet noted as sealed.
 *  3. What a replaced segment holds is not part of the store; it is deleted,
 *     then no longer listed.
 */
#ifndef GETME_COMMON_MANIFEST_H
#define GETME_COMMON_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/io.h"
#include "common/segment.h"

enum {
	MANIFEST_FORMAT = 1,
	MANIFEST_SEGMENTS_MAX = 1 << 22,
};

enum manifest_result {
	MANIFEST_BAD = 1,     /* damaged */
	MANIFEST_NEWER = 2,   /* of a newer format */
	MANIFEST_MISSING = 3, /* neither file is there */
	MANIFEST_UNKNOWN = 4, /* a write failed when it may be durable */
};

enum manifest_state {
	MANIFEST_OPEN = 1,
	MANIFEST_SEALED = 2,
	MANIFEST_REPLACED = 3,
};

struct manifest_segment {
	uint32_t id;
	enum manifest_state state;
	uint64_t len;
	uint64_t last_sequence;
};

struct manifest {
	uint8_t store_id[SEGMENT_STORE_ID_LEN];
	uint64_t generation;
	uint64_t floor;
	uint64_t next_sequence;
	uint32_t next_segment;
	uint32_t n_segments;
	uint32_t cap;
	struct manifest_segment *segments; /* owned; in the order of ids */
};

void manifest_deinit(struct manifest *manifest);

/* Deep copy.  0 or -ENOMEM. */
int manifest_copy(struct manifest *to, const struct manifest *from);

/* The same with the sealed rows alone: a store without a tail. */
int manifest_copy_sealed(struct manifest *to, const struct manifest *from);

/* The row of ID, or NULL. */
struct manifest_segment *manifest_find(const struct manifest *manifest,
				       uint32_t id);

/* Adds a row at its place (the id is not there yet).  0 or -ENOMEM. */
int manifest_add(struct manifest *manifest, uint32_t id,
		 enum manifest_state state);
void manifest_remove(struct manifest *manifest, uint32_t id);

/* OUT is malloc'ed, the caller frees.  0 or -ENOMEM. */
int manifest_encode(const struct manifest *manifest, uint8_t **out,
		    size_t *len);
/* 0, MANIFEST_BAD, MANIFEST_NEWER, -ENOMEM. */
int manifest_decode(const uint8_t *data, size_t len, struct manifest *manifest);

/* What manifest_load saw besides its result. */
struct manifest_report {
	bool present[2];
	bool damaged[2];
	bool equal; /* both are there, whole, and of one generation */
};

/*
 * Reads both files.  0; MANIFEST_MISSING; MANIFEST_NEWER when either says
 * so; MANIFEST_BAD when none is valid; -errno.
 */
int manifest_load(struct io *io, const char *dir, struct manifest *manifest,
		  struct manifest_report *report);

/*
 * Makes MANIFEST the store's, its generation raised by 1.  0: durable, both
 * copies.  -errno: surely not, the old one stands (the generation stays
 * raised, so that the next attempt wins).  MANIFEST_UNKNOWN: it may be.
 */
int manifest_store(struct io *io, const char *dir, struct manifest *manifest);

/* Whether NAME is one of ours. */
bool manifest_is_name(const char *name);

#endif
