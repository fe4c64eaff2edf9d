#include <errno.h>
#include <stdatomic.h>

#include "common/store_internal.h"

/* The segment of a read, if LEN bytes at OFF may lie in it; or NULL. */
static struct segment *find(const struct store *store, uint32_t id,
			    uint64_t off, size_t len, uint32_t *segment_id,
			    uint64_t *rest)
{
	struct segment *segment = segments_get(store->segments, id);

	if (!segment || off >= segment->capacity ||
	    len > segment->capacity - off)
		return NULL;
	*segment_id = segment->id;
	*rest = segment->capacity - off;
	return segment;
}

static int source_read(void *ctx, uint32_t id, uint64_t off, void *data,
		       size_t len, uint32_t *segment_id, uint64_t *rest)
{
	const struct store *store = ctx;
	const struct segment *segment =
		find(store, id, off, len, segment_id, rest);

	if (!segment)
		return -ENODATA;
	return io_pread_full(store->io, segment->fd, data, len, off);
}

static int source_read_now(void *ctx, uint32_t id, uint64_t off, void *data,
			   size_t len, uint32_t *segment_id, uint64_t *rest)
{
	struct store *store = ctx;
	struct segment *segment = find(store, id, off, len, segment_id, rest);
	ssize_t n;

	if (!segment)
		return -ENODATA;
	if (mapped_read(&store->mapped, segment, data, len, off) == 0)
		return 0;
	if (atomic_load_explicit(&store->cannot_tell, memory_order_relaxed))
		return -EAGAIN;
	n = store->io->pread_nowait(store->io, segment->fd, data, len, off);
	if (n == -EOPNOTSUPP || n == -EINVAL || n == -ENOSYS) {
		atomic_store_explicit(&store->cannot_tell, true,
				      memory_order_relaxed);
		return -EAGAIN;
	}
	if (n < 0)
		return (int)n;
	/* The rest is on the disk, or the file has no more: who waits, sees. */
	return (size_t)n == len ? 0 : -EAGAIN;
}

static void source_prefetch(void *ctx, uint32_t id, uint64_t off, size_t len)
{
	const struct store *store = ctx;
	const struct segment *segment = segments_get(store->segments, id);

	if (segment && off < segment->capacity &&
	    len <= segment->capacity - off)
		mapped_prefetch(segment, len, off);
}

static uint64_t source_clock(void *ctx)
{
	const struct store *store = ctx;

	return store->io->clock_ms(store->io);
}

struct view store_view(struct store *store)
{
	struct view view = {
		.map = atomic_load(&store->map),
		.source = {
			.read = source_read,
			.clock_ms = source_clock,
			.ctx = store,
		},
	};

	return view;
}

struct view store_view_short(struct store *store)
{
	struct view view = store_view(store);

	view.source.read_max = STORE_READ_SHORT;
	return view;
}

struct view store_view_now(struct store *store)
{
	struct view view = store_view_short(store);

	view.source.read = source_read_now;
	view.source.prefetch = source_prefetch;
	return view;
}

void store_note_corrupt(struct store *store, const struct index_place *place)
{
	const struct segment *segment =
		segments_get(store->segments, place->segment);
	size_t i;

	store->corrupt_reads++;
	for (i = 0; i < store->n_corrupt_noted; i++) {
		if (store->corrupt_noted[i].segment == place->segment &&
		    store->corrupt_noted[i].off8 == place->off8)
			return;
	}
	if (store->n_corrupt_noted == STORE_CORRUPT_NOTED)
		return;
	store->corrupt_noted[store->n_corrupt_noted++] = *place;
	events_add(&store->events, EVENT_ERROR,
		   "an entry is damaged: segment %u, offset %llu; its key "
		   "answers with an error",
		   segment ? segment->id : place->segment,
		   (unsigned long long)place->off8 * 8);
}
