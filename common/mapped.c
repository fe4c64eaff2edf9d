#include "common/mapped.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "common/guarded.h"
#include "common/segment.h"

enum {
	PAGE_SHIFT = 12,
	WINDOW_SHIFT = PAGE_SHIFT + 6, /* as many pages as a word has bits */
	WINDOW_LEN = 1 << WINDOW_SHIFT,
	LINE_LEN = 64, /* what the processor fetches at once */
};

/*
 * What is known of 64 pages.  The epoch is stored last and loaded first, so
 * the pages are no older.
 */
struct window {
	_Atomic uint64_t in_memory;
	_Atomic uint32_t epoch; /* in which that was so; 0: never */
};

struct mapping {
	const uint8_t *base; /* NULL: it cannot be mapped */
	uint64_t len;
	_Atomic bool failed;
	_Atomic uint32_t *n; /* is one of these */
	struct window windows[];
};

void mapped_init(struct mapped *mapped, struct io *io)
{
	mapped->io = io;
	atomic_init(&mapped->epoch, 1);
	atomic_init(&mapped->n, 0);
}

void mapped_tick(struct mapped *mapped, uint64_t now_ms)
{
	uint32_t epoch = (uint32_t)(now_ms / MAPPED_EPOCH_MS) + 1;

	if (atomic_load_explicit(&mapped->epoch, memory_order_relaxed) != epoch)
		atomic_store_explicit(&mapped->epoch, epoch,
				      memory_order_relaxed);
}

/* ---- mappings ---- */

static struct mapping *mapping_new(struct mapped *mapped,
				   const struct segment *segment)
{
	struct io *io = mapped->io;
	size_t n =
		(size_t)((segment->capacity + WINDOW_LEN - 1) >> WINDOW_SHIFT);
	struct mapping *mapping =
		calloc(1, sizeof(*mapping) + n * sizeof(struct window));
	const void *base = NULL;

	if (!mapping)
		return NULL;
	mapping->len = segment->capacity;
	mapping->n = &mapped->n;
	atomic_fetch_add(mapping->n, 1);
	/* One that cannot be is kept, lest it be tried at every read. */
	if (guarded_install() == 0 &&
	    io->map(io, segment->fd, segment->capacity, &base) == 0)
		mapping->base = base;
	return mapping;
}

void mapping_free(struct io *io, struct mapping *mapping)
{
	if (!mapping)
		return;
	if (mapping->base)
		io->unmap(io, mapping->base, mapping->len);
	atomic_fetch_sub(mapping->n, 1);
	free(mapping);
}

static struct mapping *mapping_make(struct mapped *mapped,
				    struct segment *segment)
{
	struct mapping *none = NULL;
	struct mapping *made;

	if (!mapped->io->map || atomic_load(&mapped->n) >= MAPPED_MAX)
		return NULL;
	made = mapping_new(mapped, segment);
	if (!made)
		return NULL;
	if (atomic_compare_exchange_strong(&segment->mapping, &none, made))
		return made;
	/* Another thread was faster. */
	mapping_free(mapped->io, made);
	return none;
}

static struct mapping *mapping_get(const struct segment *segment)
{
	return atomic_load_explicit(&segment->mapping, memory_order_acquire);
}

/* ---- pages ---- */

static bool is_known(const struct window *window, uint32_t epoch,
		     uint64_t pages)
{
	if (atomic_load_explicit(&window->epoch, memory_order_acquire) != epoch)
		return false;
	return (atomic_load_explicit(&window->in_memory, memory_order_relaxed) &
		pages) == pages;
}

static bool ask(struct mapped *mapped, struct mapping *mapping, uint64_t number,
		uint32_t epoch, uint64_t pages)
{
	struct window *window = &mapping->windows[number];
	uint64_t off = number << WINDOW_SHIFT;
	uint64_t rest = mapping->len - off;
	uint64_t in_memory;

	if (mapped->io->resident(mapped->io, mapping->base + off,
				 rest < WINDOW_LEN ? (size_t)rest : WINDOW_LEN,
				 &in_memory) < 0)
		return false;
	atomic_store_explicit(&window->in_memory, in_memory,
			      memory_order_relaxed);
	atomic_store_explicit(&window->epoch, epoch, memory_order_release);
	return (in_memory & pages) == pages;
}

/* Whether all the pages of a range are in memory. */
static bool in_memory(struct mapped *mapped, struct mapping *mapping,
		      uint64_t off, size_t len)
{
	uint32_t epoch =
		atomic_load_explicit(&mapped->epoch, memory_order_relaxed);
	uint64_t page = off >> PAGE_SHIFT;
	uint64_t last = (off + len - 1) >> PAGE_SHIFT;

	while (page <= last) {
		uint64_t number = page >> 6;
		uint64_t end =
			last < (number << 6 | 63) ? last : number << 6 | 63;
		uint64_t pages = UINT64_MAX << (page & 63) &
				 UINT64_MAX >> (63 - (end & 63));

		if (!is_known(&mapping->windows[number], epoch, pages) &&
		    !ask(mapped, mapping, number, epoch, pages))
			return false;
		page = end + 1;
	}
	return true;
}

/* ---- reading ---- */

int mapped_read(struct mapped *mapped, struct segment *segment, void *data,
		size_t len, uint64_t off)
{
	struct mapping *mapping = mapping_get(segment);

	if (len == 0)
		return 0;
	if (!mapping)
		mapping = mapping_make(mapped, segment);
	if (!mapping || !mapping->base ||
	    atomic_load_explicit(&mapping->failed, memory_order_relaxed))
		return -EAGAIN;
	if (!in_memory(mapped, mapping, off, len))
		return -EAGAIN;
	if (guarded_copy(data, mapping->base + off, len) == 0)
		return 0;
	atomic_store(&mapping->failed, true);
	return -EAGAIN;
}

void mapped_prefetch(const struct segment *segment, size_t len, uint64_t off)
{
	const struct mapping *mapping = mapping_get(segment);
	const uint8_t *at;
	const uint8_t *end;

	if (!mapping || !mapping->base)
		return;
	at = mapping->base + off;
	end = at + len;
	/* What is not in memory is not fetched, and not waited for. */
	for (at -= (uintptr_t)at % LINE_LEN; at < end; at += LINE_LEN)
		__builtin_prefetch(at);
}
