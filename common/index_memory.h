/*
 * index_memory: the memory of an index, for index*.c only.
 *
 * Chunks are memfds, mapped and sealed when their first bucket is wanted, and
 * given back by index_memory_deinit alone.  Their pages are made with
 * fallocate before anything is written to them, so that a lack of memory is
 * -ENOMEM or -ENOSPC and not SIGBUS.  All of it is asked for with
 * options.may_allocate first.
 *
 * A private index has anonymous memory instead, and descriptors of -1.  Its
 * header and first chunks lie behind each other in one mapping.
 *
 * While loading every chunk has an array of sequences beside it, one a slot,
 * in private memory.
 *
 * An overflow bucket is unborn (never handed out), ready (populated and in no
 * chain: unborn, or in the free list) or in a chain.
 *
 * A function that fails leaves room for later, and changes nothing else.
 */
#ifndef GETME_COMMON_INDEX_MEMORY_H
#define GETME_COMMON_INDEX_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/index_internal.h"
#include "common/index_layout.h"

static const unsigned char index_family_slots[INDEX_N_FAMILIES] = {
	[INDEX_PRIMARY] = INDEX_PRIMARY_SLOTS,
	[INDEX_OVERFLOW] = INDEX_OVERFLOW_SLOTS,
};

static const unsigned short index_family_bucket_len[INDEX_N_FAMILIES] = {
	[INDEX_PRIMARY] = sizeof(struct index_primary),
	[INDEX_OVERFLOW] = sizeof(struct index_overflow),
};

/*
 * Makes the header and the first chunks of an index whose options and
 * n_buckets are set and whose rest is 0.  When it fails, index_memory_deinit
 * clears up; the header is set only if it may be written to.
 */
int index_memory_init(struct index *index);

/* Unmaps and closes everything, however far index_memory_init came. */
void index_memory_deinit(struct index *index);

/* 0; -ENOMEM: the options forbid to take LEN bytes more. */
int index_memory_allow(const struct index *index, uint64_t len);

/* Makes the first END bytes of a family exist. */
int index_memory_populate(struct index *index, enum index_family family,
			  uint64_t end);

/* Makes one of the INDEX_N_FIRST_PAGES pages of primary buckets exist. */
int index_memory_populate_page(struct index *index, uint64_t page);

/* The same for all of these pages. */
int index_memory_populate_first(struct index *index);

/*
 * Gives every chunk its sequences, all 0; all or none.  From then on, with
 * index->loading, a new chunk gets them too.
 */
int index_memory_map_sequences(struct index *index);
void index_memory_unmap_sequences(struct index *index);

/*
 * What exists of chunks, with the rest of the index, in bytes.  Asks fstat
 * where memory is shared.
 */
uint64_t index_memory_len(const struct index *index);

/* Address space of the sequences, in bytes. */
uint64_t index_memory_loading_len(const struct index *index);

/*
 * Takes an overflow bucket, of which one at least is ready; returns its
 * number + 1.  Its next and used are those of its last life.
 */
uint32_t index_memory_take_overflow(struct index *index);

/* Frees the overflow bucket NUMBER - 1, to which no chain leads any more. */
void index_memory_give_overflow(struct index *index, uint32_t number);

/* ---- on the way of every operation ---- */

/* Whether the page of a primary bucket below n_buckets exists. */
static inline bool index_memory_has(const struct index *index, uint64_t bucket)
{
	uint64_t page = bucket / INDEX_PAGE_BUCKETS;

	return page >= INDEX_N_FIRST_PAGES ||
	       (index->first_pages[page / 64] >> page % 64 & 1);
}

/* The first bucket from BUCKET on whose page exists, or n_buckets or more. */
static inline uint64_t index_memory_next(const struct index *index,
					 uint64_t bucket)
{
	while (bucket < index->n_buckets && !index_memory_has(index, bucket))
		bucket = (bucket | (INDEX_PAGE_BUCKETS - 1)) + 1;
	return bucket;
}

/* Makes the page of a primary bucket below n_buckets exist. */
static inline int index_memory_populate_bucket(struct index *index,
					       uint64_t bucket)
{
	if (index_memory_has(index, bucket))
		return 0;
	return index_memory_populate_page(index, bucket / INDEX_PAGE_BUCKETS);
}

/* The bucket of that number; SEQUENCES: of its slots, NULL unless loading. */
static inline void *index_memory_bucket(const struct index *index,
					enum index_family family,
					uint64_t number, uint64_t **sequences)
{
	const struct index_array *array = &index->families[family];
	size_t len = index_family_bucket_len[family];
	uint64_t off;
	unsigned chunk = index_chunk_of(number * len, &off);

	*sequences = array->sequences[chunk];
	if (*sequences)
		*sequences += off / len * index_family_slots[family];
	return array->bases[chunk] + off;
}

static inline uint64_t index_memory_n_ready(const struct index *index)
{
	return index->n_overflow_free +
	       index->families[INDEX_OVERFLOW].populated /
		       sizeof(struct index_overflow) -
	       index->n_overflow_made;
}

/* Makes N overflow buckets ready, those that are promised among them. */
static inline int index_memory_prepare_overflow(struct index *index, uint64_t n)
{
	uint64_t ready = index_memory_n_ready(index);

	if (ready >= n)
		return 0;
	return index_memory_populate(
		index, INDEX_OVERFLOW,
		index->families[INDEX_OVERFLOW].populated +
			(n - ready) * sizeof(struct index_overflow));
}

#endif
