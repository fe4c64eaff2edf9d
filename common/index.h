/*
 * index: where every key's entry is; the side of its one writer.
 *
 * A hash table from digests to places in segments, in shared memory that
 * readers search without locks (common/lookup.h).  It grows one bucket at a
 * time, so that no insertion waits for the table.
 * Slots: 20 bytes a key; with all that is around them at most 32 bytes a key
 * from a million keys on, 29 as a rule.
 *
 * Invariants
 *  1. All functions here are called by one thread, or by one at a time.
 *  2. Readers see each call's effect at one instant: index_put, _remove,
 *     _remove_if and _move when alone; everything between index_begin and
 *     index_end together.
 *  3. What index_reserve promised does not fail.
 *  4. Between index_begin and index_end no bucket is split; the splits that
 *     a batch makes due happen in index_end.
 *  5. A failed call has changed nothing but room for later.
 *  6. Memory is never given back before index_free, but used again.
 *
 * Errors: -ENOMEM, and what memfd_create, mmap and fallocate say (-EMFILE,
 * -ENFILE, -ENOSPC).  Out of memory never shows as SIGBUS.
 */
#ifndef GETME_COMMON_INDEX_H
#define GETME_COMMON_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/digest.h"
#include "common/index_layout.h"
#include "common/lookup.h"

struct index;

enum index_result {
	INDEX_REPLACED = 1,
	INDEX_NOT_FOUND = 2,
};

enum {
	INDEX_LONG_CHAIN = 64, /* slots; more means that the secret is known */
};

struct index_options {
	uint8_t secret[DIGEST_SECRET_LEN];
	/*
	 * Asked before LEN bytes of memory are taken (a chunk's mapping
	 * counts as a page); false lets the call fail with -ENOMEM.  NULL:
	 * no limit but the machine's.
	 */
	bool (*may_allocate)(void *ctx, uint64_t len);
	void *ctx;
	/*
	 * Not in shared memory: no descriptors, so no reader in another
	 * process; far cheaper to make and to free.  Pages are made when
	 * they are first written to, as the process's other memory.
	 */
	bool is_private;
};

/* Makes an empty index.  OUT is owned by the caller: index_free. */
int index_new(const struct index_options *options, struct index **out);

/* Closes (index_close), then unmaps everything.  NULL is fine. */
void index_free(struct index *index);

/*
 * Tells all readers that this index is history, for good: before the store
 * closes, or replaces the index by an empty one.
 */
void index_close(struct index *index);

/* ---- changes ---- */

/*
 * Promises that the N keys of DIGESTS can be put, alone or as one batch, and
 * N_PENDING more keys whose puts were promised by earlier calls and are still
 * to come.  Called before a write is logged, so that a logged write cannot
 * fail; a write that failed is simply not counted in the next N_PENDING.
 * Every index_put uses up a promise.  Keys to be removed need none, but those
 * of a batch are all among DIGESTS.
 * A negative errno: nothing new is promised, older promises hold.
 */
int index_reserve(struct index *index, const struct digest *digests, size_t n,
		  size_t n_pending);

/*
 * Begins a batch over the keys of DIGESTS: readers of their buckets wait
 * from now on.  All of them were among the DIGESTS of one index_reserve.
 * Until index_end only these keys may be changed, each any number of times.
 */
void index_begin(struct index *index, const struct digest *digests, size_t n);
void index_end(struct index *index);

/*
 * Sets the place of a key.  0: it is new.  INDEX_REPLACED: OLD is where it
 * was.  A negative errno only when it was not reserved.
 */
int index_put(struct index *index, const struct digest *digest,
	      const struct index_place *place, struct index_place *old);

/* Removes a key.  0: OLD is where it was.  INDEX_NOT_FOUND: nothing done. */
int index_remove(struct index *index, const struct digest *digest,
		 struct index_place *old);

/*
 * The same, only where the index still has the key at FROM's segment and
 * offset; else INDEX_NOT_FOUND, nothing done.  Lazy expiry and compaction
 * must not undo a newer write.
 */
int index_remove_if(struct index *index, const struct digest *digest,
		    const struct index_place *from);
int index_move(struct index *index, const struct digest *digest,
	       const struct index_place *from, const struct index_place *to);

/* For the writer's own thread: 0 or INDEX_NOT_FOUND; sees an open batch. */
int index_get(const struct index *index, const struct digest *digest,
	      struct index_place *place);

/* ---- loading: while there is no reader, in any order of entries ---- */

enum index_load_outcome {
	INDEX_LOAD_NEW,	  /* the key was not known */
	INDEX_LOAD_NEWER, /* it wins over OTHER, which is dead now */
	INDEX_LOAD_OLDER, /* it is dead: OTHER has a sequence as high */
};

struct index_load_result {
	enum index_load_outcome outcome;
	struct index_place other; /* unless new; may be a tombstone */
	uint64_t other_sequence;
};

/*
 * Only when the index is empty: gives it buckets for N_KEYS keys at once, so
 * that loading them splits nothing.  N_KEYS more than there will be costs
 * memory that stays.  Optional.
 */
int index_presize(struct index *index, uint64_t n_keys);

/*
 * Begins loading into an empty index.  Until index_load_end there are only
 * index_load_put, index_get (which finds tombstones: look at the flag),
 * index_count and index_stats.
 */
int index_load_begin(struct index *index);

/*
 * Starts to fetch what index_load_put of these N digests will touch: keys come
 * in any order, so each is a few misses of the processor's caches, which cost
 * little when they overlap.
 */
void index_load_ahead(const struct index *index, const struct digest *digests,
		      size_t n);

/*
 * N entries of mostly different keys are about to be put: makes memory for a
 * table that they will spread over, at once instead of page by page.  Never
 * fails; what it did not do is done as the keys come.
 */
void index_load_expect(struct index *index, uint64_t n);

/*
 * An entry was read: PLACE, with INDEX_TOMBSTONE in its flags for a
 * tombstone, and its sequence number.  The highest sequence of a key wins;
 * of two equal ones (copies of one entry) the first.
 */
int index_load_put(struct index *index, const struct digest *digest,
		   const struct index_place *place, uint64_t sequence,
		   struct index_load_result *result);

/*
 * Ends loading: tombstones and sequences are dropped; where tombstones had
 * blown up the table, it is made again in the right size (if there is no
 * memory for that it stays).  From here on readers may come: index_map and
 * the descriptors were not to be given out before.
 */
void index_load_end(struct index *index);

/* ---- scanning ---- */

#define INDEX_SCAN_END (UINT64_C(1) << 63)

enum {
	INDEX_SCAN_BUCKETS = 4096, /* looked into by one step at most */
};

struct index_scan_item {
	struct digest digest;
	struct index_place place;
};

/*
 * One step of a scan.  CURSOR is 0 at first and INDEX_SCAN_END when all was
 * seen; in between it stays good for any time and across any changes.  Sets
 * N_ITEMS of at most MAX_ITEMS (at least 1) items, in the order of the
 * bit-reversed digests; 0 items does not mean the end.  A key that is there
 * from the first step to the last comes exactly once, one that comes or goes
 * at most once for each time that it was put.  Not inside a batch.
 * 0; -EINVAL: no cursor; -E2BIG: more than MAX_ITEMS keys share 63 bits of
 * their digests, which nobody will see.
 */
int index_scan(const struct index *index, uint64_t *cursor,
	       struct index_scan_item *items, size_t max_items,
	       size_t *n_items);

/* ---- looking at it ---- */

struct index_stats {
	uint64_t n_keys;
	uint64_t n_keys_max;   /* the most ever held; tombstones not counted */
	uint64_t n_tombstones; /* while loading */
	uint64_t n_buckets;
	uint64_t n_overflow;	/* overflow buckets in chains */
	uint64_t memory_len;	/* allocated pages of all chunks, in bytes */
	uint64_t loading_len;	/* address space of the sequences */
	uint64_t n_long_chains; /* times that one grew past INDEX_LONG_CHAIN */
	uint64_t longest_chain; /* slots, the most ever */
	uint64_t n_postponed;	/* splits that found no memory; tried again */
	bool sealed; /* false: this kernel has no F_SEAL_FUTURE_WRITE, and a
			reader with a descriptor could write */
};

uint64_t index_count(const struct index *index);

/* Asks the kernel about each chunk: not for every operation. */
void index_stats(const struct index *index, struct index_stats *stats);

/* Borrowed until index_free; chunks appear in it as the table grows. */
const struct lookup_map *index_map(const struct index *index);

/*
 * For what lives in index_header.owner; borrowed until index_free.  Not
 * before index_load_end: the header may be made again.
 */
struct index_header *index_header(struct index *index);

/*
 * Marks the index as the calling thread's, until index_close or the thread's
 * end, whatever ends it: from then on lookup_is_current tells readers in
 * other processes that what they read is not history.  To be called before
 * the first of them gets a descriptor; index_close and index_free must then
 * come from the same thread, which can have no robust mutexes.  0, also when it
 * is marked already; -ENOTSUP: the index is private, or cannot be shared safely
 * here; -ENOMEM.
 */
int index_own(struct index *index);

/*
 * Descriptors for readers, owned by the index: open a description of its
 * own for each process.  -ENOENT: there is no such chunk (yet); -ENOTSUP:
 * the index is private.
 */
int index_header_fd(const struct index *index);
int index_chunk_fd(const struct index *index, enum index_family family,
		   unsigned chunk);

#endif
