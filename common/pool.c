#include "common/pool.h"

#include <assert.h>
#include <stdbool.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_KEEPS false
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define POOL_KEEPS false
#endif
#ifndef POOL_KEEPS
#define POOL_KEEPS true
#endif

void pool_init(struct pool *pool, size_t size, size_t n_max)
{
	assert(size >= sizeof(struct pool_piece));
	pool->first = NULL;
	pool->size = size;
	pool->n = 0;
	pool->n_max = POOL_KEEPS ? n_max : 0;
}

void pool_deinit(struct pool *pool)
{
	while (pool->first) {
		struct pool_piece *piece = pool->first;

		pool->first = piece->next;
		free(piece);
	}
	pool->n = 0;
}
