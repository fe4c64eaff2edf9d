#include "common/engine_arena.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	ARENA_FIRST = 4 << 10,
};

static int reserve(struct arena *arena, size_t len)
{
	size_t cap = arena->cap ? arena->cap : ARENA_FIRST;
	uint8_t *grown;

	if (arena->data && arena->cap - arena->len >= len)
		return 0;
	while (cap - arena->len < len)
		cap *= 2;
	grown = realloc(arena->data, cap);
	if (!grown)
		return -ENOMEM;
	arena->data = grown;
	arena->cap = cap;
	return 0;
}

int arena_keep(struct arena *arena, struct engine_bytes *bytes)
{
	size_t off = arena->len;

	if (reserve(arena, bytes->len) < 0)
		return -ENOMEM;
	if (bytes->len > 0)
		memcpy(arena->data + off, bytes->data, bytes->len);
	arena->len += bytes->len;
	bytes->data = (const void *)off;
	return 0;
}

void arena_resolve(const struct arena *arena, struct engine_bytes *bytes)
{
	bytes->data = arena->data + (size_t)bytes->data;
}
