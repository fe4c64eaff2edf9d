/*
 * shared_store: a small index and its segments in shared memory, as a daemon
 * would lend them, made by the real writer and then the test's to change.
 *
 * Each part is a block, a memfd of its own: those of the index cannot shrink.
 * A failure of the system aborts.
 */
#ifndef GETME_TESTS_SUPPORT_SHARED_STORE_H
#define GETME_TESTS_SUPPORT_SHARED_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "common/digest.h"
#include "common/index_layout.h"
#include "tests/support/segment_maker.h"

enum {
	SHARED_CHUNKS = 5,   /* of a family: all of the smallest table */
	SHARED_SEGMENTS = 4, /* with the numbers 1, 2, ... */
	SHARED_SEGMENT_LEN = 1 << 20,
	SHARED_FIRST_ENTRY = 64,  /* behind a segment's header */
	SHARED_ID_BASE = 1 << 24, /* what an index does not hold of an id */
	SHARED_ALIVE = 1,	  /* in the owner's word: a thread's id */

	/* Where the blocks of each kind begin. */
	SHARED_HEADER = 0,
	SHARED_PRIMARY = 1,
	SHARED_OVERFLOW = SHARED_PRIMARY + SHARED_CHUNKS,
	SHARED_SEGMENT = SHARED_OVERFLOW + SHARED_CHUNKS,
	SHARED_BLOCKS = SHARED_SEGMENT + SHARED_SEGMENTS,
};

struct shared_block {
	int fd;
	size_t len;
	uint8_t *memory; /* all of it, to be written to */
};

struct shared_store {
	struct shared_block blocks[SHARED_BLOCKS];
	uint64_t ends[SHARED_SEGMENTS]; /* bytes that are taken */
	struct index *index;		/* what is published next */
};

/* LEN bytes of zeros; SEALS are those of fcntl. */
void shared_block_init(struct shared_block *block, size_t len,
		       unsigned int seals);
void shared_block_deinit(struct shared_block *block);

/* An empty store, its segments' headers written, nothing published. */
void shared_store_init(struct shared_store *store);
void shared_store_deinit(struct shared_store *store);

/*
 * Appends an entry to segment NUMBER and lets the index point there, with
 * LEN8, or the entry's own where that is 0.  The place.
 */
struct index_place shared_store_put(struct shared_store *store,
				    unsigned int number,
				    const struct maker_entry *entry,
				    uint32_t len8);

/* Writes the index, and that its writer lives, to the shared memory. */
void shared_store_publish(struct shared_store *store);

/* ---- what is in the shared memory ---- */

struct index_header *shared_header(const struct shared_store *store);
struct digest shared_digest(const void *key, size_t key_len);
struct index_primary *shared_bucket(const struct shared_store *store,
				    const struct digest *digest);
/* In the first chunk. */
struct index_overflow *shared_overflow(const struct shared_store *store,
				       size_t number);
/* The slot of a digest that was published. */
struct index_slot *shared_slot(const struct shared_store *store,
			       const struct digest *digest);

#endif
