#include "common/spares.h"

#include <stdlib.h>

#include "common/pool.h"

/* In the block's own first bytes. */
struct spares_block {
	struct spares_block *next;
	size_t cap;
};

static unsigned int log2_of(size_t n)
{
	return 63 - (unsigned int)__builtin_clzll(n);
}

/* The class all of whose blocks have LEN bytes; LEN is not over the most. */
static unsigned int class_for(size_t len)
{
	if (len <= SPARES_BLOCK_MIN)
		return 0;
	return log2_of(len - 1) + 1 - SPARES_BLOCK_MIN_BITS;
}

void spares_deinit(struct spares *spares)
{
	for (unsigned int i = 0; i < SPARES_CLASSES; i++) {
		while (spares->first[i]) {
			struct spares_block *block = spares->first[i];

			spares->first[i] = block->next;
			free(block);
		}
	}
	spares->len = 0;
}

void *spares_take(struct spares *spares, size_t len, size_t *cap)
{
	unsigned int class;
	void *memory;

	if (len > SPARES_BLOCK_MAX) {
		*cap = len;
		return malloc(len);
	}
	class = class_for(len);
	for (unsigned int i = class; i < SPARES_CLASSES; i++) {
		struct spares_block *block = spares->first[i];

		if (!block)
			continue;
		spares->first[i] = block->next;
		spares->len -= block->cap;
		*cap = block->cap;
		return block;
	}
	memory = malloc((size_t)SPARES_BLOCK_MIN << class);
	*cap = memory ? (size_t)SPARES_BLOCK_MIN << class : 0;
	return memory;
}

void spares_give(struct spares *spares, void *memory, size_t cap)
{
	struct spares_block *block = memory;
	unsigned int class;

	if (!memory)
		return;
	if (!POOL_KEEPS || !spares || cap < SPARES_BLOCK_MIN ||
	    cap > SPARES_BLOCK_MAX || spares->len + cap > SPARES_LEN_MAX) {
		free(memory);
		return;
	}
	class = log2_of(cap) - SPARES_BLOCK_MIN_BITS;
	block->cap = cap;
	block->next = spares->first[class];
	spares->first[class] = block;
	spares->len += cap;
}
