/*
 * index_internal: what an index is made of, for index*.c only.
 *
 *	index.c		the writer: batches, put, remove, move, splits
 *	index_memory.c	chunks and their pages; overflow buckets; descriptors
 *	index_load.c	loading, presizing, building it again
 *	index_scan.c	scanning
 *	index_chain.h	buckets, chains, slots: what all of them walk on
 *
 * Invariants, between any two calls of common/index.h
 *  1. Buckets below n_buckets are below the populated bytes of their family;
 *     of those in the first 16 MiB only the ones that index_memory_has()
 *     are pages.  A bucket that is none is empty, and is not even read.
 *  2. There are n_promised overflow buckets ready, or more: a put takes one
 *     at most, a split leaves them.
 *  3. n_slots counts keys and tombstones; without loading there are no
 *     tombstones and no sequences.
 *  4. Outside a batch every bucket's version is even and open is empty.
 */
#ifndef GETME_COMMON_INDEX_INTERNAL_H
#define GETME_COMMON_INDEX_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/digest.h"
#include "common/index.h"
#include "common/index_layout.h"
#include "common/lookup.h"

enum {
	INDEX_PAGE_LEN = 4096,
	INDEX_PAGE_BUCKETS = INDEX_PAGE_LEN / sizeof(struct index_primary),
	/* The buckets of an empty index: 16 MiB of addresses. */
	INDEX_FIRST_LEN = INDEX_BUCKETS_MIN * sizeof(struct index_primary),
	INDEX_N_FIRST_PAGES = INDEX_FIRST_LEN / INDEX_PAGE_LEN,
	INDEX_SCAN_PAGE_BITS = 12, /* of a number of one of these pages */
};

/* A table is full at 19/20 of its primary slots: 28 bytes a key at worst. */
#define INDEX_FULL_MUL (INDEX_PRIMARY_SLOTS * 19)
#define INDEX_FULL_DIV 20

/* A family's buckets.  Bytes below populated are pages that exist. */
struct index_array {
	unsigned n_chunks;
	uint64_t populated;
	int fds[INDEX_CHUNKS_MAX];
	unsigned char *bases[INDEX_CHUNKS_MAX];
	uint64_t *sequences[INDEX_CHUNKS_MAX]; /* one a slot, while loading */
};

/*
 * The first 16 MiB of primary buckets are there from the start, but a small
 * store must not pay for them: first_pages tells which of their pages exist,
 * and scan_pages the same in the order in which a scan comes to them.
 */
struct index {
	struct index_options options;
	struct index_header *header;
	int header_fd;
	bool sealed;
	bool owned; /* the header's futex is held (index_own) */
	bool loading;
	bool first_populated; /* all of the first pages, at once */
	bool in_batch;
	struct index_array families[INDEX_N_FAMILIES];
	uint64_t first_pages[INDEX_N_FIRST_PAGES / 64];
	uint64_t scan_pages[INDEX_N_FIRST_PAGES / 64]; /* numbers reversed */
	struct lookup_map map;

	uint64_t n_buckets;
	uint64_t n_slots; /* keys and tombstones */
	uint64_t n_tombstones;
	uint64_t n_keys_max;

	uint64_t n_overflow_made; /* handed out at least once */
	uint64_t n_overflow_free; /* of these, in the free list */
	uint32_t free_overflow;	  /* number + 1 of the first, 0: none */
	uint64_t n_promised;	  /* puts, each may take one */

	struct index_primary **open; /* buckets of the batch */
	size_t n_open;
	size_t open_max;
	size_t n_inserted; /* by the batch */

	unsigned split_wait;
	uint64_t n_postponed;
	uint64_t n_long_chains;
	uint64_t longest_chain;
};

/* ---- words that readers see ---- */

static inline void index_store32(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static inline void index_store64(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* ---- index_owner.c ---- */

/* Ends what index_own began, if it did. */
void index_disown(struct index *index);

/* ---- index.c ---- */

/*
 * Splits N_SPLITS_MAX buckets at most, while the table is full.  Not inside
 * a batch.  A split that finds no memory is no error: chains grow meanwhile,
 * and it is tried again some insertions later.
 */
void index_grow(struct index *index, size_t n_splits_max);

#endif
