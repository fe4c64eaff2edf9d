/*
 * index_layout: the bytes of the index in shared memory, as its one writer
 * (common/index.h) and its lock-free readers (common/lookup.h) see them.
 *
 * Native byte order: this memory is never stored and never leaves the
 * machine.  Nothing in it is a pointer.
 *
 * The index is a header chunk and two families of chunks, each chunk a memfd
 * of its own: primary buckets and overflow buckets.  A family is one array
 * that continues from chunk to chunk; chunks are 1, 1, 2, 4, 8, 16 MiB long
 * and 32 MiB from then on, so that a byte's position tells its chunk.
 *
 * Header chunk, one page of INDEX_HEADER_LEN bytes
 *   offset  size  name      meaning
 *        0     8  magic     INDEX_MAGIC
 *        8     4  layout    INDEX_LAYOUT
 *       12     4  closed    not 0: nothing here is current any more
 *       16     8  n_buckets the shape: how many primary buckets there are
 *       24     8            0
 *       32    16  secret    of the digests
 *       48    16            0
 *       64    64  owner     a robust futex that the writer holds; its first
 *                           word is the futex, the rest is the writer's
 *
 * Primary bucket, 256 bytes: the first cache line tells a miss
 *   offset  size  name      meaning
 *        0     4  version   odd while the bucket or its overflow is written
 *        4     4  next      0, or the number + 1 of an overflow bucket
 *        8     4  used      bit i: slot i is taken
 *       12     4            0
 *       16    48  tags      12 x 32 bits of the digest
 *       64   192  slots     12 x 16 bytes
 *
 * Overflow bucket, 128 bytes
 *        0     4  next      as above; of a free one, the next free one
 *        4     4  used
 *        8    24  tags      6 x 32 bits of the digest
 *       32    96  slots     6 x 16 bytes
 *
 * Tag and slot hold 80 of the digest's 96 bits; the lowest 16 bits of lo are
 * those of the primary bucket's number.  Tag: hi.  Slot, two words:
 *   word 0   bits 16..63  bits 16..63 of lo
 *            bits  0..15  off8, its low 16 bits
 *   word 1   bits  0..7   off8, its high 8 bits
 *            bits  8..31  segment
 *            bits 32..55  len8
 *            bits 56..63  flags
 *
 * Linear hashing.  N buckets, L = floor(log2 N): a digest's bucket is
 * lo mod 2^(L+1), or where that is not below N, lo mod 2^L.  When the table
 * grows from N to N + 1, bucket N takes its share of bucket N - 2^L; no other
 * key moves.
 *
 * Invariants, at every instant at which a bucket's version is even
 *  1. A digest is in one slot at most, and only in its bucket's chain.
 *  2. Every bucket of a chain but the last has all its slots taken, the last
 *     its first ones; an overflow bucket in a chain has at least one.
 *  3. While loading alone (no reader yet) a slot may be a tombstone.
 * and of the words themselves
 *  4. n_buckets only grows.  It is stored between the odd and the even
 *     version of both buckets of a split: so a reader who loads n_buckets,
 *     then an even version, then the same n_buckets, has the right bucket,
 *     and while that version stays, the digest's bucket stays.
 *  5. Everything but the owner is stored and loaded as a whole word: the
 *     version odd, then data with release order, then the version even with
 *     release order; readers load with acquire order.
 */
#ifndef GETME_COMMON_INDEX_LAYOUT_H
#define GETME_COMMON_INDEX_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/digest.h"

#define INDEX_MAGIC	  UINT64_C(0x786449654d746567) /* "getMeIdx" */
#define INDEX_BUCKETS_MIN UINT64_C(0x10000)	       /* 16 bits are implied */
#define INDEX_BUCKETS_MAX UINT64_C(0x10000000)	       /* 64 GiB, 3e9 keys */
#define INDEX_FAMILY_LEN  (UINT64_C(64) << 30)	       /* bytes at most */

enum {
	INDEX_LAYOUT = 1,
	INDEX_HEADER_LEN = 4096,
	INDEX_OWNER_LEN = 64,
	INDEX_PRIMARY_SLOTS = 12,
	INDEX_OVERFLOW_SLOTS = 6,
	INDEX_CHUNK_MIN_SHIFT = 20, /* 1 MiB */
	INDEX_CHUNK_MAX_SHIFT = 25, /* 32 MiB */
	INDEX_CHUNKS_MAX = 2053,    /* in a family: INDEX_FAMILY_LEN */
};

enum index_family { INDEX_PRIMARY, INDEX_OVERFLOW, INDEX_N_FAMILIES };

enum index_place_flag {
	INDEX_HAS_EXPIRY = 1 << 0,
	INDEX_TOMBSTONE = 1 << 1, /* only while loading */
};

enum {
	INDEX_SEGMENT_MASK = 0xffffff,
	INDEX_OFF8_MAX = 0xffffff,
	INDEX_LEN8_UNKNOWN = 0xffffff, /* ask the segment's length */
};

/* Where an entry is.  Each member but flags has 24 bits. */
struct index_place {
	uint32_t segment; /* low 24 bits of the segment's id */
	uint32_t off8;	  /* from the segment's start, in 8 bytes */
	uint32_t len8;	  /* whole entry in 8 bytes, or INDEX_LEN8_UNKNOWN */
	uint8_t flags;	  /* enum index_place_flag */
};

struct index_header {
	uint64_t magic;
	uint32_t layout;
	uint32_t closed;
	uint64_t n_buckets;
	uint64_t zero;
	uint8_t secret[DIGEST_SECRET_LEN];
	uint8_t zeros[16];
	uint8_t owner[INDEX_OWNER_LEN];
};

struct index_slot {
	uint64_t word[2];
};

struct index_primary {
	uint32_t version;
	uint32_t next;
	uint32_t used;
	uint32_t zero;
	uint32_t tags[INDEX_PRIMARY_SLOTS];
	struct index_slot slots[INDEX_PRIMARY_SLOTS];
};

struct index_overflow {
	uint32_t next;
	uint32_t used;
	uint32_t tags[INDEX_OVERFLOW_SLOTS];
	struct index_slot slots[INDEX_OVERFLOW_SLOTS];
};

_Static_assert(sizeof(struct index_header) <= INDEX_HEADER_LEN, "a page");
_Static_assert(sizeof(struct index_header) == 128, "no padding");
_Static_assert(sizeof(struct index_primary) == 256, "four cache lines");
_Static_assert(sizeof(struct index_overflow) == 128, "two cache lines");

/* The bucket of a digest in a table of N_BUCKETS, which is not 0. */
static inline uint64_t index_bucket_of(uint64_t lo, uint64_t n_buckets)
{
	uint64_t mask = (UINT64_C(2) << (63 - __builtin_clzll(n_buckets))) - 1;
	uint64_t bucket = lo & mask;

	return bucket < n_buckets ? bucket : bucket & (mask >> 1);
}

/* Bytes of a chunk, by its number. */
static inline uint64_t index_chunk_len(unsigned number)
{
	unsigned shift = INDEX_CHUNK_MIN_SHIFT;

	if (number > 0)
		shift += number - 1;
	if (shift > INDEX_CHUNK_MAX_SHIFT)
		shift = INDEX_CHUNK_MAX_SHIFT;
	return UINT64_C(1) << shift;
}

/* The chunk that holds byte POS of a family, and where in it that byte is. */
static inline unsigned index_chunk_of(uint64_t pos, uint64_t *chunk_off)
{
	unsigned log;

	if (pos >> INDEX_CHUNK_MAX_SHIFT) {
		*chunk_off = pos & ((UINT64_C(1) << INDEX_CHUNK_MAX_SHIFT) - 1);
		return (unsigned)(pos >> INDEX_CHUNK_MAX_SHIFT) +
		       INDEX_CHUNK_MAX_SHIFT - INDEX_CHUNK_MIN_SHIFT;
	}
	if (!(pos >> INDEX_CHUNK_MIN_SHIFT)) {
		*chunk_off = pos;
		return 0;
	}
	log = 63 - (unsigned)__builtin_clzll(pos);
	*chunk_off = pos - (UINT64_C(1) << log);
	return log - INDEX_CHUNK_MIN_SHIFT + 1;
}

static inline struct index_slot index_slot_pack(uint64_t lo,
						const struct index_place *place)
{
	struct index_slot slot;

	slot.word[0] = (lo & ~UINT64_C(0xffff)) | (place->off8 & 0xffff);
	slot.word[1] = (place->off8 >> 16 & 0xff) |
		       (uint64_t)(place->segment & INDEX_SEGMENT_MASK) << 8 |
		       (uint64_t)(place->len8 & INDEX_LEN8_UNKNOWN) << 32 |
		       (uint64_t)place->flags << 56;
	return slot;
}

static inline struct index_place index_slot_place(struct index_slot slot)
{
	struct index_place place = {
		.segment = (uint32_t)(slot.word[1] >> 8) & INDEX_SEGMENT_MASK,
		.off8 = (uint32_t)(slot.word[0] & 0xffff) |
			(uint32_t)(slot.word[1] & 0xff) << 16,
		.len8 = (uint32_t)(slot.word[1] >> 32) & INDEX_LEN8_UNKNOWN,
		.flags = (uint8_t)(slot.word[1] >> 56),
	};

	return place;
}

/* lo of the digest in a slot of BUCKET's chain. */
static inline uint64_t index_slot_lo(struct index_slot slot, uint64_t bucket)
{
	return (slot.word[0] & ~UINT64_C(0xffff)) | (bucket & 0xffff);
}

static inline bool index_slot_is(struct index_slot slot, uint64_t lo)
{
	return (slot.word[0] ^ lo) >> 16 == 0;
}

#endif
