#include <assert.h>
#include <errno.h>

#include "common/index.h"
#include "common/index_chain.h"
#include "common/index_internal.h"
#include "common/index_memory.h"

/*
 * A digest's place in the scan: the low 63 bits of lo, reversed.  A bucket
 * that is chosen by k bits is a run of 2^(63 - k) places; a split halves it.
 */
static uint64_t scan_position(uint64_t lo)
{
	uint64_t x = __builtin_bswap64(lo);

	x = (x & UINT64_C(0x0f0f0f0f0f0f0f0f)) << 4 |
	    (x >> 4 & UINT64_C(0x0f0f0f0f0f0f0f0f));
	x = (x & UINT64_C(0x3333333333333333)) << 2 |
	    (x >> 2 & UINT64_C(0x3333333333333333));
	x = (x & UINT64_C(0x5555555555555555)) << 1 |
	    (x >> 1 & UINT64_C(0x5555555555555555));
	return x >> 1;
}

/* The inverse, but for the bit that is lost. */
static uint64_t scan_lo(uint64_t position)
{
	return scan_position(position) & (INDEX_SCAN_END - 1);
}

/* The part of a bucket that a step has still to emit. */
struct scan_run {
	uint64_t bucket;
	uint64_t begin;
	uint64_t end;
};

static struct scan_run run_at(const struct index *index, uint64_t cursor)
{
	uint64_t bit = UINT64_C(1) << (63 - __builtin_clzll(index->n_buckets));
	uint64_t len = INDEX_SCAN_END / bit;
	struct scan_run run = { .begin = cursor };

	run.bucket = index_bucket_of(scan_lo(cursor), index->n_buckets);
	if (run.bucket >= bit || run.bucket + bit < index->n_buckets)
		len /= 2;
	run.end = (cursor & ~(len - 1)) + len;
	return run;
}

/*
 * Goes over the buckets from POSITION on that lie in pages that do not
 * exist.  Only in a table that has not grown: a larger one has nearly all.
 */
static uint64_t skip_holes(const struct index *index, uint64_t position)
{
	const unsigned shift = 63 - 16; /* a position's bucket, reversed */
	uint64_t at = position >> shift;

	if (index->n_buckets != INDEX_BUCKETS_MIN)
		return position;
	while (at < INDEX_BUCKETS_MIN) {
		uint64_t page = at % INDEX_N_FIRST_PAGES;
		uint64_t there = index->scan_pages[page / 64] >> page % 64;

		if (there) {
			at += (uint64_t)__builtin_ctzll(there);
			break;
		}
		at = (at | 63) + 1;
	}
	return at > position >> shift ? at << shift : position;
}

static uint64_t position_at(const struct index_spot *spot)
{
	return scan_position(index_chain_lo(spot));
}

/* Emits what lies in RUN, up to MAX items; returns how many there are. */
static size_t emit_run(const struct index *index, const struct scan_run *run,
		       struct index_scan_item *items, size_t max)
{
	struct index_spot spot;
	size_t n = 0;

	/* A page that nobody wrote to would be made by looking at it. */
	if (!index_memory_has(index, run->bucket))
		return 0;
	for (spot = index_chain_first(index, run->bucket);
	     index_chain_at_slot(index, &spot); spot.i++) {
		uint64_t position = position_at(&spot);

		if (position < run->begin || position >= run->end)
			continue;
		if (n < max) {
			items[n].digest.lo = index_chain_lo(&spot);
			items[n].digest.hi = spot.node.tags[spot.i];
			items[n].place = index_chain_place(&spot);
		}
		n++;
	}
	return n;
}

/* The lowest position in RUN, which holds one. */
static uint64_t first_position(const struct index *index,
			       const struct scan_run *run)
{
	struct index_spot spot = index_chain_first(index, run->bucket);
	uint64_t first = run->end;

	for (; index_chain_at_slot(index, &spot); spot.i++) {
		uint64_t position = position_at(&spot);

		if (position >= run->begin && position < first)
			first = position;
	}
	return first;
}

/* A chain that is longer than the room: its lowest positions, in order. */
static int emit_part(const struct index *index, struct scan_run run,
		     struct index_scan_item *items, size_t max, size_t *n_items,
		     uint64_t *cursor)
{
	size_t n = 0;

	for (;;) {
		struct scan_run one = run;
		size_t got;

		one.begin = first_position(index, &run);
		one.end = one.begin + 1;
		got = emit_run(index, &one, items + n, max - n);
		if (n + got > max)
			break;
		n += got;
		run.begin = one.end;
	}
	if (n == 0)
		return -E2BIG;
	*n_items = n;
	*cursor = run.begin;
	return 0;
}

int index_scan(const struct index *index, uint64_t *cursor,
	       struct index_scan_item *items, size_t max_items, size_t *n_items)
{
	uint64_t position = *cursor;
	size_t n = 0;

	assert(!index->in_batch && !index->loading);
	if (position > INDEX_SCAN_END || max_items == 0)
		return -EINVAL;
	for (int i = 0; i < INDEX_SCAN_BUCKETS; i++) {
		struct scan_run run;
		size_t got;

		position = skip_holes(index, position);
		if (position == INDEX_SCAN_END || n == max_items)
			break;
		run = run_at(index, position);
		got = emit_run(index, &run, items + n, max_items - n);
		if (got > max_items - n) {
			if (n > 0)
				break;
			return emit_part(index, run, items, max_items, n_items,
					 cursor);
		}
		n += got;
		position = run.end;
	}
	*n_items = n;
	*cursor = position;
	return 0;
}
