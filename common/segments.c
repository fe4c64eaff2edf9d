#include "common/segments.h"

#include <errno.h>
#include <stdlib.h>

enum { ID_MASK = (1 << SEGMENT_ID_BITS) - 1 };

struct segments *segments_new(void)
{
	struct segments *segments = calloc(1, sizeof(*segments));

	if (segments)
		pthread_mutex_init(&segments->adding, NULL);
	return segments;
}

/* As many of the leaves as may be there. */
static uint32_t n_leaves(const struct segments *segments)
{
	uint32_t end =
		atomic_load_explicit(&segments->end, memory_order_acquire);

	return (end + SEGMENTS_LEAF_LEN - 1) >> SEGMENTS_LEAF_BITS;
}

void segments_free(struct segments *segments)
{
	size_t i;

	if (!segments)
		return;
	for (i = 0; i < n_leaves(segments); i++)
		free(atomic_load_explicit(&segments->leaves[i],
					  memory_order_relaxed));
	pthread_mutex_destroy(&segments->adding);
	free(segments);
}

static _Atomic(struct segment *) *place(const struct segments *segments,
					uint32_t id)
{
	struct segments_leaf *leaf;

	id &= ID_MASK;
	leaf = atomic_load_explicit(&segments->leaves[id >> SEGMENTS_LEAF_BITS],
				    memory_order_acquire);
	return leaf ? &leaf->at[id % SEGMENTS_LEAF_LEN] : NULL;
}

static void raise_end(struct segments *segments, uint32_t taken)
{
	uint32_t end =
		atomic_load_explicit(&segments->end, memory_order_relaxed);

	if (taken >= end)
		atomic_store_explicit(&segments->end, taken + 1,
				      memory_order_release);
}

/* Of a leaf that is there. */
static _Atomic uint32_t *leaf_count(const struct segments *segments,
				    uint32_t id)
{
	struct segments_leaf *leaf;

	leaf = atomic_load_explicit(
		&segments->leaves[(id & ID_MASK) >> SEGMENTS_LEAF_BITS],
		memory_order_acquire);
	return &leaf->n_taken;
}

static int add(struct segments *segments, struct segment *segment)
{
	uint32_t number = (segment->id & ID_MASK) >> SEGMENTS_LEAF_BITS;
	_Atomic(struct segment *) *at = place(segments, segment->id);

	if (!at) {
		struct segments_leaf *leaf = calloc(1, sizeof(*leaf));

		if (!leaf)
			return -ENOMEM;
		atomic_store_explicit(&segments->leaves[number], leaf,
				      memory_order_release);
		at = place(segments, segment->id);
	}
	if (atomic_load_explicit(at, memory_order_relaxed))
		return -EEXIST;
	atomic_store_explicit(at, segment, memory_order_release);
	atomic_fetch_add(leaf_count(segments, segment->id), 1);
	raise_end(segments, segment->id & ID_MASK);
	atomic_fetch_add(&segments->count, 1);
	return 0;
}

int segments_add(struct segments *segments, struct segment *segment)
{
	int result;

	pthread_mutex_lock(&segments->adding);
	result = add(segments, segment);
	pthread_mutex_unlock(&segments->adding);
	return result;
}

void segments_remove(struct segments *segments, const struct segment *segment)
{
	_Atomic(struct segment *) *at = place(segments, segment->id);

	if (!at || atomic_load_explicit(at, memory_order_relaxed) != segment)
		return;
	atomic_store_explicit(at, NULL, memory_order_release);
	atomic_fetch_sub(leaf_count(segments, segment->id), 1);
	atomic_fetch_sub(&segments->count, 1);
}

struct segment *segments_get(const struct segments *segments, uint32_t id)
{
	_Atomic(struct segment *) *at = place(segments, id);

	return at ? atomic_load_explicit(at, memory_order_acquire) : NULL;
}

void segments_each(const struct segments *segments,
		   void (*each)(void *ctx, struct segment *segment), void *ctx)
{
	uint32_t end =
		atomic_load_explicit(&segments->end, memory_order_acquire);
	uint32_t id;

	for (id = 0; id < end; id++) {
		const _Atomic(struct segment *) *at = place(segments, id);
		struct segment *segment;

		if (!at || (id % SEGMENTS_LEAF_LEN == 0 &&
			    *leaf_count(segments, id) == 0)) {
			id |= SEGMENTS_LEAF_LEN - 1; /* none in this leaf */
			continue;
		}
		segment = atomic_load_explicit(at, memory_order_acquire);
		if (segment)
			each(ctx, segment);
	}
}

uint32_t segments_next_id(const struct segments *segments, uint32_t id)
{
	while ((id & ID_MASK) == 0 || segments_get(segments, id))
		id++;
	return id;
}
