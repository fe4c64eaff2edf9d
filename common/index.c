#include "common/index.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/index_chain.h"
#include "common/index_internal.h"
#include "common/index_memory.h"

enum {
	FAILED_SPLIT_WAIT = 256, /* insertions until memory is asked again */
	PREFETCH_AHEAD = 8,
};

/* ---- versions ---- */

static struct index_primary *primary_at(const struct index *index,
					uint64_t bucket)
{
	uint64_t *sequences;

	return index_memory_bucket(index, INDEX_PRIMARY, bucket, &sequences);
}

/* The stores that follow have release order: none is seen before this one. */
static void make_odd(struct index_primary *bucket)
{
	assert(!(bucket->version & 1));
	__atomic_store_n(&bucket->version, bucket->version + 1,
			 __ATOMIC_RELAXED);
}

static void make_even(struct index_primary *bucket)
{
	assert(bucket->version & 1);
	index_store32(&bucket->version, bucket->version + 1);
}

/* Inside a batch the bucket is odd already, and stays so. */
static void begin_one(const struct index *index, uint64_t bucket)
{
	struct index_primary *primary = primary_at(index, bucket);

	assert(!index->loading);
	if (!index->in_batch)
		make_odd(primary);
	assert(primary->version & 1);
}

static void end_one(const struct index *index, uint64_t bucket)
{
	if (!index->in_batch)
		make_even(primary_at(index, bucket));
}

/* ---- growth ---- */

static bool is_full(const struct index *index)
{
	return index->n_slots * INDEX_FULL_DIV >
	       index->n_buckets * INDEX_FULL_MUL;
}

/* How many overflow buckets the digests with BIT need, in a chain alone. */
static uint64_t overflow_needed(const struct index *index, uint64_t bucket,
				uint64_t bit)
{
	struct index_spot spot = index_chain_first(index, bucket);
	uint64_t n = 0;

	for (; index_chain_at_slot(index, &spot); spot.i++)
		n += !!(index_chain_lo(&spot) & bit);
	if (n <= INDEX_PRIMARY_SLOTS)
		return 0;
	return (n - INDEX_PRIMARY_SLOTS + INDEX_OVERFLOW_SLOTS - 1) /
	       INDEX_OVERFLOW_SLOTS;
}

/* Moves to bucket TO the digests of FROM that have BIT. */
static void share(struct index *index, uint64_t from, uint64_t to, uint64_t bit)
{
	struct index_spot spot = index_chain_first(index, from);
	struct index_spot keep = spot;
	struct index_spot move = index_chain_first(index, to);

	for (; index_chain_at_slot(index, &spot); spot.i++) {
		if (index_chain_lo(&spot) & bit) {
			index_chain_make_slot(index, &move);
			index_chain_copy(&move, &spot);
			move.i++;
			continue;
		}
		index_chain_at_slot(index, &keep);
		index_chain_copy(&keep, &spot);
		keep.i++;
	}
	index_chain_end(index, &keep);
}

static int split(struct index *index)
{
	uint64_t to = index->n_buckets;
	uint64_t bit = UINT64_C(1) << (63 - __builtin_clzll(to));
	uint64_t from = to - bit;
	struct index_primary *from_bucket;
	struct index_primary *to_bucket;
	int rc;

	if (to == INDEX_BUCKETS_MAX)
		return -ENOMEM;
	rc = index_memory_populate(index, INDEX_PRIMARY,
				   (to + 1) * sizeof(struct index_primary));
	if (!rc)
		rc = index_memory_populate_bucket(index, from);
	if (!rc)
		rc = index_memory_prepare_overflow(
			index,
			index->n_promised + overflow_needed(index, from, bit));
	if (rc)
		return rc;

	from_bucket = primary_at(index, from);
	to_bucket = primary_at(index, to);
	make_odd(from_bucket);
	make_odd(to_bucket);
	share(index, from, to, bit);
	index->n_buckets = to + 1;
	index_store64(&index->header->n_buckets, index->n_buckets);
	make_even(to_bucket);
	make_even(from_bucket);
	return 0;
}

void index_grow(struct index *index, size_t n_splits_max)
{
	for (size_t i = 0; i < n_splits_max && is_full(index); i++) {
		if (index->split_wait) {
			index->split_wait--;
			return;
		}
		if (split(index)) {
			index->n_postponed++;
			index->split_wait = FAILED_SPLIT_WAIT;
			return;
		}
	}
}

/* ---- new, free ---- */

int index_new(const struct index_options *options, struct index **out)
{
	struct index *index;
	int rc;

	if (options->may_allocate &&
	    !options->may_allocate(options->ctx, sizeof(*index)))
		return -ENOMEM;
	index = calloc(1, sizeof(*index));
	if (!index)
		return -ENOMEM;
	index->options = *options;
	index->sealed = true;
	index->n_buckets = INDEX_BUCKETS_MIN;
	rc = index_memory_init(index);
	if (rc) {
		index_free(index);
		return rc;
	}
	*out = index;
	return 0;
}

void index_close(struct index *index)
{
	index_store32(&index->header->closed, 1);
	index_disown(index);
}

void index_free(struct index *index)
{
	if (!index)
		return;
	if (index->header)
		index_close(index);
	index_memory_deinit(index);
	free(index->open);
	free(index);
}

/* ---- batches ---- */

static int reserve_open(struct index *index, size_t n)
{
	struct index_primary **open;
	int rc;

	if (n <= index->open_max)
		return 0;
	rc = index_memory_allow(index, n * sizeof(*open));
	if (rc)
		return rc;
	open = realloc(index->open, n * sizeof(*open));
	if (!open)
		return -ENOMEM;
	index->open = open;
	index->open_max = n;
	return 0;
}

int index_reserve(struct index *index, const struct digest *digests, size_t n,
		  size_t n_pending)
{
	int rc = reserve_open(index, n);

	for (size_t i = 0; !rc && i < n; i++)
		rc = index_memory_populate_bucket(
			index, index_chain_bucket(index, &digests[i]));
	if (!rc)
		rc = index_memory_prepare_overflow(index, n + n_pending);
	if (!rc)
		index->n_promised = n + n_pending;
	return rc;
}

void index_begin(struct index *index, const struct digest *digests, size_t n)
{
	assert(!index->in_batch && n <= index->open_max);
	index->in_batch = true;
	for (size_t i = 0; i < n; i++) {
		struct index_primary *bucket;

		if (i + PREFETCH_AHEAD < n)
			lookup_prefetch(&index->map,
					&digests[i + PREFETCH_AHEAD]);
		bucket = primary_at(index,
				    index_chain_bucket(index, &digests[i]));
		if (bucket->version & 1)
			continue; /* shared with another key of the batch */
		make_odd(bucket);
		index->open[index->n_open++] = bucket;
	}
}

void index_end(struct index *index)
{
	size_t n_splits_max = 2 + index->n_inserted / 4;

	assert(index->in_batch);
	for (size_t i = 0; i < index->n_open; i++)
		make_even(index->open[i]);
	index->n_open = 0;
	index->n_inserted = 0;
	index->in_batch = false;
	index_grow(index, n_splits_max);
}

/* ---- keys ---- */

static void replace(const struct index *index, const struct index_spot *spot,
		    const struct digest *digest,
		    const struct index_place *place)
{
	begin_one(index, spot->bucket);
	index_chain_set(spot, digest->hi, index_slot_pack(digest->lo, place),
			0);
	end_one(index, spot->bucket);
}

int index_put(struct index *index, const struct digest *digest,
	      const struct index_place *place, struct index_place *old)
{
	struct index_spot spot;
	int rc;

	assert(!(place->flags & INDEX_TOMBSTONE));
	if (index_chain_find(index, digest, &spot)) {
		*old = index_chain_place(&spot);
		replace(index, &spot, digest, place);
		index->n_promised -= index->n_promised > 0;
		return INDEX_REPLACED;
	}
	rc = index_chain_prepare(index, &spot);
	if (rc)
		return rc;
	begin_one(index, spot.bucket);
	index_chain_insert(index, &spot, digest, place, 0);
	end_one(index, spot.bucket);
	index->n_promised -= index->n_promised > 0;
	if (index->in_batch)
		index->n_inserted++;
	else
		index_grow(index, 2);
	return 0;
}

/* Fills the hole at SPOT with the chain's last slot. */
static void take_out(struct index *index, const struct index_spot *spot)
{
	struct index_spot last = index_chain_first(index, spot->bucket);
	struct index_node before = last.node;
	struct index_node ahead = last.node;

	while (index_chain_next(index, &ahead)) {
		before = last.node;
		last.node = ahead;
	}
	last.i = index_chain_n_used(&last.node) - 1;
	if (last.node.used != spot->node.used || last.i != spot->i)
		index_chain_copy(spot, &last);
	if (last.i == 0 && last.node.n_slots == INDEX_OVERFLOW_SLOTS)
		index_chain_cut(index, &before);
	else
		index_store32(last.node.used, index_chain_first_bits(last.i));
	index->n_slots--;
}

int index_remove(struct index *index, const struct digest *digest,
		 struct index_place *old)
{
	struct index_spot spot;

	if (!index_chain_find(index, digest, &spot))
		return INDEX_NOT_FOUND;
	*old = index_chain_place(&spot);
	begin_one(index, spot.bucket);
	take_out(index, &spot);
	end_one(index, spot.bucket);
	return 0;
}

static bool holds(const struct index_spot *spot,
		  const struct index_place *place)
{
	struct index_place here = index_chain_place(spot);

	return here.segment == (place->segment & INDEX_SEGMENT_MASK) &&
	       here.off8 == place->off8;
}

int index_remove_if(struct index *index, const struct digest *digest,
		    const struct index_place *from)
{
	struct index_place old;
	struct index_spot spot;

	if (!index_chain_find(index, digest, &spot) || !holds(&spot, from))
		return INDEX_NOT_FOUND;
	return index_remove(index, digest, &old);
}

int index_move(struct index *index, const struct digest *digest,
	       const struct index_place *from, const struct index_place *to)
{
	struct index_spot spot;

	assert(!(to->flags & INDEX_TOMBSTONE));
	if (!index_chain_find(index, digest, &spot) || !holds(&spot, from))
		return INDEX_NOT_FOUND;
	replace(index, &spot, digest, to);
	return 0;
}

int index_get(const struct index *index, const struct digest *digest,
	      struct index_place *place)
{
	struct index_spot spot;

	if (!index_chain_find(index, digest, &spot))
		return INDEX_NOT_FOUND;
	*place = index_chain_place(&spot);
	return 0;
}

/* ---- looking at it ---- */

uint64_t index_count(const struct index *index)
{
	return index->n_slots - index->n_tombstones;
}

void index_stats(const struct index *index, struct index_stats *stats)
{
	*stats = (struct index_stats){
		.n_keys = index_count(index),
		.n_keys_max = index->n_keys_max,
		.n_tombstones = index->n_tombstones,
		.n_buckets = index->n_buckets,
		.n_overflow = index->n_overflow_made - index->n_overflow_free,
		.memory_len = index_memory_len(index),
		.loading_len = index_memory_loading_len(index),
		.n_long_chains = index->n_long_chains,
		.longest_chain = index->longest_chain,
		.n_postponed = index->n_postponed,
		.sealed = index->sealed,
	};
}
