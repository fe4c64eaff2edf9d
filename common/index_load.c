#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/index.h"
#include "common/index_chain.h"
#include "common/index_internal.h"
#include "common/index_memory.h"

enum {
	/* A table above this after loading was blown up by tombstones. */
	BYTES_A_KEY_MAX = 30,
};

int index_presize(struct index *index, uint64_t n_keys)
{
	uint64_t n_buckets;
	int rc;

	assert(index->n_slots == 0 && !index->in_batch);
	if (n_keys > INDEX_BUCKETS_MAX * INDEX_PRIMARY_SLOTS)
		return -ENOMEM;
	n_buckets =
		(n_keys * INDEX_FULL_DIV + INDEX_FULL_MUL - 1) / INDEX_FULL_MUL;
	if (n_buckets > INDEX_BUCKETS_MAX)
		n_buckets = INDEX_BUCKETS_MAX;
	if (n_buckets <= index->n_buckets)
		return 0;
	rc = index_memory_populate(index, INDEX_PRIMARY,
				   n_buckets * sizeof(struct index_primary));
	if (rc)
		return rc;
	index->n_buckets = n_buckets;
	index_store64(&index->header->n_buckets, n_buckets);
	return 0;
}

int index_load_begin(struct index *index)
{
	int rc;

	assert(index->n_slots == 0 && !index->loading && !index->in_batch);
	rc = index_memory_map_sequences(index);
	if (rc)
		return rc;
	index->loading = true;
	return 0;
}

void index_load_expect(struct index *index, uint64_t n)
{
	/* Of so many hardly any of these pages gets none. */
	if (n >= UINT64_C(4) * INDEX_N_FIRST_PAGES && !index->first_populated)
		index->first_populated = !index_memory_populate_first(index);
}

static struct index_node node_of(const struct index *index,
				 const struct digest *digest)
{
	return index_chain_primary(
		index, index_bucket_of(digest->lo, index->n_buckets));
}

void index_load_ahead(const struct index *index, const struct digest *digests,
		      size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		__builtin_prefetch(node_of(index, &digests[i]).tags, 1);
	for (i = 0; i < n; i++) {
		struct index_node node = node_of(index, &digests[i]);
		/* Most are new: they go behind the last. */
		unsigned slot = index_chain_n_used(&node);

		if (slot == node.n_slots)
			continue;
		__builtin_prefetch(&node.slots[slot], 1);
		__builtin_prefetch(&node.sequences[slot], 1);
	}
}

static void load_over(struct index *index, const struct index_spot *spot,
		      const struct digest *digest,
		      const struct index_place *place, uint64_t sequence,
		      struct index_load_result *result)
{
	struct index_place old = index_chain_place(spot);
	uint64_t n_keys;

	assert(spot->node.sequences);
	result->other = old;
	result->other_sequence = spot->node.sequences[spot->i];
	if (result->other_sequence >= sequence) {
		result->outcome = INDEX_LOAD_OLDER;
		return;
	}
	result->outcome = INDEX_LOAD_NEWER;
	index_chain_set(spot, digest->hi, index_slot_pack(digest->lo, place),
			sequence);
	index->n_tombstones -= !!(old.flags & INDEX_TOMBSTONE);
	index->n_tombstones += !!(place->flags & INDEX_TOMBSTONE);
	n_keys = index_count(index);
	if (n_keys > index->n_keys_max)
		index->n_keys_max = n_keys;
}

int index_load_put(struct index *index, const struct digest *digest,
		   const struct index_place *place, uint64_t sequence,
		   struct index_load_result *result)
{
	struct index_spot spot;
	int rc;

	assert(index->loading);
	if (index_chain_find(index, digest, &spot)) {
		load_over(index, &spot, digest, place, sequence, result);
		return 0;
	}
	rc = index_chain_prepare(index, &spot);
	if (rc)
		return rc;
	index->n_tombstones += !!(place->flags & INDEX_TOMBSTONE);
	index_chain_insert(index, &spot, digest, place, sequence);
	index_grow(index, 2);
	result->outcome = INDEX_LOAD_NEW;
	return 0;
}

static void drop_tombstones(struct index *index, uint64_t bucket)
{
	struct index_spot spot = index_chain_first(index, bucket);
	struct index_spot keep = spot;

	for (; index_chain_at_slot(index, &spot); spot.i++) {
		if (index_chain_place(&spot).flags & INDEX_TOMBSTONE) {
			index->n_slots--;
			continue;
		}
		index_chain_at_slot(index, &keep);
		index_chain_copy(&keep, &spot);
		keep.i++;
	}
	index_chain_end(index, &keep);
}

static int copy_chain(const struct index *index, uint64_t bucket,
		      struct index *to)
{
	struct index_spot spot = index_chain_first(index, bucket);

	for (; index_chain_at_slot(index, &spot); spot.i++) {
		struct digest digest = {
			.lo = index_chain_lo(&spot),
			.hi = spot.node.tags[spot.i],
		};
		struct index_place place = index_chain_place(&spot);
		struct index_place old;
		int rc = index_put(to, &digest, &place, &old);

		if (rc)
			return rc;
	}
	return 0;
}

/* The same keys in a table of the size that they need. */
static void rebuild(struct index *index)
{
	struct index *fresh = NULL;
	struct index *swap = NULL;
	uint64_t b = 0;
	int rc = index_new(&index->options, &fresh);

	if (!rc)
		rc = index_presize(fresh, index->n_slots);
	while (!rc && (b = index_memory_next(index, b)) < index->n_buckets)
		rc = copy_chain(index, b++, fresh);
	if (!rc)
		swap = malloc(sizeof(*swap));
	if (swap) {
		fresh->n_keys_max = index->n_keys_max;
		fresh->n_postponed = index->n_postponed;
		fresh->n_long_chains = index->n_long_chains;
		fresh->longest_chain = index->longest_chain;
		*swap = *index;
		*index = *fresh;
		*fresh = *swap;
		free(swap);
	}
	index_free(fresh);
}

void index_load_end(struct index *index)
{
	bool had_tombstones = index->n_tombstones > 0;
	uint64_t b = had_tombstones ? 0 : index->n_buckets;

	assert(index->loading);
	while ((b = index_memory_next(index, b)) < index->n_buckets)
		drop_tombstones(index, b++);
	index->n_tombstones = 0;
	index_memory_unmap_sequences(index);
	index->loading = false;
	if (had_tombstones && index->n_buckets > INDEX_BUCKETS_MIN &&
	    index_memory_len(index) > index->n_slots * BYTES_A_KEY_MAX)
		rebuild(index);
}
