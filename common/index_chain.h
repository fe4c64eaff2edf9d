/*
 * index_chain: buckets, their chains and slots, for index*.c only; inline,
 * as every operation on a key consists of little else.
 *
 * A node is one bucket of either kind; a chain is a primary node and the
 * overflow nodes behind it, filled as common/index_layout.h says.  A spot is
 * a slot of a chain, or the place behind its last slot; it is good until the
 * chain changes elsewhere than at this spot.
 *
 * What changes a chain wants its bucket's version odd, or no readers; memory
 * for it is there (index_memory_prepare_overflow) before it begins, so
 * nothing here fails.
 *
 * To walk on all slots of a chain:
 *	for (; index_chain_at_slot(index, &spot); spot.i++)
 * and to keep some of them: a second spot that follows behind, to which they
 * are copied, and index_chain_end() there.
 */
#ifndef GETME_COMMON_INDEX_CHAIN_H
#define GETME_COMMON_INDEX_CHAIN_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/digest.h"
#include "common/index_internal.h"
#include "common/index_layout.h"
#include "common/index_memory.h"

struct index_node {
	uint32_t *next;
	uint32_t *used;
	uint32_t *tags;
	struct index_slot *slots;
	uint64_t *sequences; /* NULL unless loading */
	unsigned n_slots;
};

struct index_spot {
	uint64_t bucket; /* whose chain it is */
	struct index_node node;
	unsigned i;
	uint64_t n_before; /* slots before it, when it is behind the last */
};

/* ---- nodes ---- */

static inline struct index_node index_chain_primary(const struct index *index,
						    uint64_t bucket)
{
	struct index_node node = { .n_slots = INDEX_PRIMARY_SLOTS };
	struct index_primary *primary = index_memory_bucket(
		index, INDEX_PRIMARY, bucket, &node.sequences);

	node.next = &primary->next;
	node.used = &primary->used;
	node.tags = primary->tags;
	node.slots = primary->slots;
	return node;
}

static inline struct index_node index_chain_overflow(const struct index *index,
						     uint32_t number)
{
	struct index_node node = { .n_slots = INDEX_OVERFLOW_SLOTS };
	struct index_overflow *overflow = index_memory_bucket(
		index, INDEX_OVERFLOW, number, &node.sequences);

	node.next = &overflow->next;
	node.used = &overflow->used;
	node.tags = overflow->tags;
	node.slots = overflow->slots;
	return node;
}

/* The taken slots of a bucket are its first ones. */
static inline unsigned index_chain_n_used(const struct index_node *node)
{
	return (unsigned)__builtin_ctz(~*node->used);
}

static inline uint32_t index_chain_first_bits(unsigned n)
{
	return (UINT32_C(1) << n) - 1;
}

/* Moves NODE on by one; false: it is the chain's last. */
static inline bool index_chain_next(const struct index *index,
				    struct index_node *node)
{
	if (!*node->next)
		return false;
	*node = index_chain_overflow(index, *node->next - 1);
	return true;
}

/* Hangs an empty overflow bucket, which is ready, behind NODE; moves there. */
static inline void index_chain_link(struct index *index,
				    struct index_node *node)
{
	uint32_t number = index_memory_take_overflow(index);
	struct index_node fresh = index_chain_overflow(index, number - 1);

	index_store32(fresh.used, 0);
	index_store32(fresh.next, 0);
	index_store32(node->next, number);
	*node = fresh;
}

/* Frees the overflow buckets behind NODE. */
static inline void index_chain_cut(struct index *index, struct index_node *node)
{
	uint32_t number = *node->next;

	index_store32(node->next, 0);
	while (number) {
		uint32_t next = *index_chain_overflow(index, number - 1).next;

		index_memory_give_overflow(index, number);
		number = next;
	}
}

/* ---- spots ---- */

static inline struct index_spot index_chain_first(const struct index *index,
						  uint64_t bucket)
{
	struct index_spot spot = { .bucket = bucket };

	spot.node = index_chain_primary(index, bucket);
	return spot;
}

/* Moves SPOT to a taken slot, from where it is; false: there is none. */
static inline bool index_chain_at_slot(const struct index *index,
				       struct index_spot *spot)
{
	while (spot->i == spot->node.n_slots) {
		if (!index_chain_next(index, &spot->node))
			return false;
		spot->i = 0;
	}
	return *spot->node.used >> spot->i & 1;
}

static inline struct index_place
index_chain_place(const struct index_spot *spot)
{
	return index_slot_place(spot->node.slots[spot->i]);
}

/* lo of the digest at SPOT. */
static inline uint64_t index_chain_lo(const struct index_spot *spot)
{
	return index_slot_lo(spot->node.slots[spot->i], spot->bucket);
}

static inline void index_chain_set(const struct index_spot *spot, uint32_t tag,
				   struct index_slot slot, uint64_t sequence)
{
	index_store32(&spot->node.tags[spot->i], tag);
	index_store64(&spot->node.slots[spot->i].word[0], slot.word[0]);
	index_store64(&spot->node.slots[spot->i].word[1], slot.word[1]);
	if (spot->node.sequences)
		spot->node.sequences[spot->i] = sequence;
}

static inline void index_chain_copy(const struct index_spot *to,
				    const struct index_spot *from)
{
	const struct index_node *node = &from->node;

	index_chain_set(to, node->tags[from->i], node->slots[from->i],
			node->sequences ? node->sequences[from->i] : 0);
}

/* Makes room at the place behind a chain's last slot. */
static inline void index_chain_make_slot(struct index *index,
					 struct index_spot *spot)
{
	if (spot->i == spot->node.n_slots) {
		index_chain_link(index, &spot->node);
		spot->i = 0;
	}
	index_store32(spot->node.used, *spot->node.used | UINT32_C(1)
								  << spot->i);
}

/* Ends a chain behind the slots before SPOT, which is no empty overflow. */
static inline void index_chain_end(struct index *index, struct index_spot *spot)
{
	index_chain_cut(index, &spot->node);
	index_store32(spot->node.used, index_chain_first_bits(spot->i));
}

/* ---- keys ---- */

/* The bucket in which a key is, or is to be. */
static inline uint64_t index_chain_bucket(const struct index *index,
					  const struct digest *digest)
{
	return index_bucket_of(digest->lo, index->n_buckets);
}

/*
 * True: SPOT is the key's.  False: the place behind its chain's last slot.
 * Always inline: with a call the spot goes through memory, and bench_index
 * shows all operations a third slower.
 */
__attribute__((always_inline)) static inline bool
index_chain_find(const struct index *index, const struct digest *digest,
		 struct index_spot *spot)
{
	uint64_t bucket = index_chain_bucket(index, digest);
	struct index_node *node = &spot->node;

	*spot = index_chain_first(index, bucket);
	if (!index_memory_has(index, bucket))
		return false; /* and reading its hole would fill it */
	do {
		unsigned n_used = index_chain_n_used(node);

		for (spot->i = 0; spot->i < n_used; spot->i++) {
			if (node->tags[spot->i] == digest->hi &&
			    index_slot_is(node->slots[spot->i], digest->lo))
				return true;
		}
		spot->n_before += n_used;
	} while (index_chain_next(index, node));
	return false;
}

/* Memory for one more slot at SPOT; a promised one finds it there. */
static inline int index_chain_prepare(struct index *index,
				      const struct index_spot *spot)
{
	int rc = index_memory_populate_bucket(index, spot->bucket);

	return rc ? rc : index_memory_prepare_overflow(index, 1);
}

/*
 * Adds a key at SPOT, where index_chain_find did not find it.  A tombstone
 * was counted by the caller before.
 */
static inline void index_chain_insert(struct index *index,
				      struct index_spot *spot,
				      const struct digest *digest,
				      const struct index_place *place,
				      uint64_t sequence)
{
	uint64_t n_keys;

	index_chain_make_slot(index, spot);
	index_chain_set(spot, digest->hi, index_slot_pack(digest->lo, place),
			sequence);
	index->n_slots++;
	n_keys = index->n_slots - index->n_tombstones;
	if (n_keys > index->n_keys_max)
		index->n_keys_max = n_keys;
	if (spot->n_before + 1 > index->longest_chain)
		index->longest_chain = spot->n_before + 1;
	/* Not when splits wait for memory: then all chains are long. */
	if (spot->n_before == INDEX_LONG_CHAIN &&
	    index->n_slots < index->n_buckets * INDEX_PRIMARY_SLOTS)
		index->n_long_chains++;
}

#endif
