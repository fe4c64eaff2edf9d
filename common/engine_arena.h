/*
 * engine_arena: the bytes of many keys and values, until done returns.
 *
 * One block, malloc'ed and owned by the caller, that grows, so it may move: what is kept gets an offset in place
 * of its pointer, and a pointer again when all is there.
 */
#ifndef GETME_COMMON_ENGINE_ARENA_H
#define GETME_COMMON_ENGINE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "common/engine.h"

/* All zero is empty. */
struct arena {
	uint8_t *data;
	size_t len;
	size_t cap;
};

/* Copies BYTES, whose data becomes an offset.  0 or -ENOMEM. */
int arena_keep(struct arena *arena, struct engine_bytes *bytes);

/* The offset becomes a pointer, good until the next arena_keep. */
void arena_resolve(const struct arena *arena, struct engine_bytes *bytes);

#endif
