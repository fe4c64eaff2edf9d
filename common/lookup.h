/*
 * lookup: the reader's side of the index, without locks, over mapped chunks.
 *
 * Used by every thread of the daemon but the index's writer, and by client
 * processes that map the chunks read-only.  It writes nothing, calls nothing,
 * waits for nobody: any number of readers cost the writer nothing.
 *
 * Invariants
 *  1. An answer, found or not found, was true at one instant during the call.
 *  2. While lookup_still(stamp) holds, it is still true.  So answers to many
 *     keys are of one instant when, after the last of them, all their stamps
 *     still hold; those that do not are looked up again, and then all stamps
 *     are checked again.  (Growth elsewhere in the table disturbs no stamp.)
 *  3. No byte in the shared memory makes a reader read outside the chunks it
 *     was given, or loop for ever.  A place may be nonsense: the caller
 *     checks it against its segments before it reads.
 *  4. An answer tells nothing about expiry, and nothing about a writer that
 *     is gone: who is not a thread of his asks lookup_is_current() before the
 *     lookup, since an index that has ended does not change any more.
 */
#ifndef GETME_COMMON_LOOKUP_H
#define GETME_COMMON_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/digest.h"
#include "common/index_layout.h"

enum lookup_result {
	LOOKUP_NOT_FOUND = 1,
	LOOKUP_BUSY = 2,       /* being written all the time, or nonsense */
	LOOKUP_NEED_CHUNK = 3, /* map stamp->family, stamp->chunk; try again */
};

/*
 * What a reader holds.  Entries only change from NULL to a chunk's first
 * byte, so any number of threads may look up while one adds; all of a chunk,
 * index_chunk_len() bytes, stays mapped while the map is in use.
 */
struct lookup_map {
	const struct index_header *header;
	const unsigned char *chunks[INDEX_N_FAMILIES][INDEX_CHUNKS_MAX];
};

/* What an answer hangs on; dies with the map. */
struct lookup_stamp {
	const uint32_t *version_at; /* in a mapped chunk */
	uint32_t version;
	/* after LOOKUP_NEED_CHUNK these two instead */
	enum index_family family;
	unsigned chunk;
};

/*
 * Begins a map without chunks.  HEADER points to the mapped header chunk,
 * INDEX_HEADER_LEN bytes.  0, or -EPROTO: no index, or of another layout.
 */
int lookup_init(struct lookup_map *map, const void *header);

/*
 * Gives the map a chunk that is mapped in whole at BASE.  -EINVAL: there can
 * be no such chunk; 0 otherwise, also when it was there (then BASE is not
 * used and *USED is false).
 */
int lookup_add_chunk(struct lookup_map *map, enum index_family family,
		     unsigned chunk, const void *base, bool *used);

/*
 * Where the entry of DIGEST is.  0: PLACE and STAMP are set.
 * LOOKUP_NOT_FOUND: STAMP is set.  LOOKUP_BUSY: no answer after
 * LOOKUP_TRIES tries; a client asks the daemon instead, a thread of the
 * daemon asks the writer or tries later.  LOOKUP_NEED_CHUNK: see above.
 */
int lookup_find(const struct lookup_map *map, const struct digest *digest,
		struct index_place *place, struct lookup_stamp *stamp);

/*
 * Starts to fetch what lookup_find will read first, and, when that is there,
 * what it will read then: for many at once.  For one alone, all that it may
 * read, since memory that comes at the same time costs less than to wait
 * twice.  None of them fails, or waits for more than what is not there yet.
 */
void lookup_prefetch(const struct lookup_map *map, const struct digest *digest);
void lookup_prefetch_slot(const struct lookup_map *map,
			  const struct digest *digest);
void lookup_prefetch_all(const struct lookup_map *map,
			 const struct digest *digest);

/* Whether the answer with this stamp is still true. */
bool lookup_still(const struct lookup_stamp *stamp);

/* Whether the writer has ended this index: whatever it says is history. */
bool lookup_closed(const struct lookup_map *map);

/*
 * For readers in other processes: whether the index has a writer who lives,
 * and is not closed.  While it is not current it does not change any more, so
 * what is looked up after a true answer was true at an instant after it.  No
 * system call.
 */
bool lookup_is_current(const struct lookup_map *map);

enum {
	LOOKUP_TRIES = 256,	 /* some 20 us of a bucket that stays odd */
	LOOKUP_CHAIN_MAX = 4096, /* overflow buckets, in all tries together */
};

#endif
