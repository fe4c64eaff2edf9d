#include "common/pool.h"

#include <assert.h>

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
