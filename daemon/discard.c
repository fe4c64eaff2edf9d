#include "daemon/discard.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/limits.h"

/* In the block's own first bytes: no memory is needed to give some back. */
struct discard_block {
	struct discard_block *next;
	size_t len; /* bytes from here that may still have pages */
};

void discard_buffer(struct discard *discard, struct buffer *buffer)
{
	size_t len = buffer->skip + buffer->cap;
	struct discard_block *block;

	if (len <= LIMITS_DISCARD_ROUND) {
		if (buffer->data)
			spares_give(&discard->spares,
				    buffer->data - buffer->skip, len);
		buffer_init(buffer);
		return;
	}
	block = (struct discard_block *)(void *)(buffer->data - buffer->skip);
	block->len = len;
	block->next = discard->first;
	discard->first = block;
	discard->len += len;
	buffer_init(buffer);
}

int discard_take(struct discard *discard, struct buffer *buffer, size_t len)
{
	void *memory;
	size_t cap;

	assert(buffer->len == 0);
	memory = spares_take(&discard->spares, len, &cap);
	if (!memory)
		return -ENOMEM;
	discard_buffer(discard, buffer);
	buffer->data = memory;
	buffer->cap = cap;
	return 0;
}

static void free_first(struct discard *discard)
{
	struct discard_block *block = discard->first;

	discard->first = block->next;
	discard->len -= block->len;
	free(block);
}

/* From its end, so that what is left is a block that begins where it did. */
static void cut(struct discard *discard, struct discard_block *block)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t end = ((uintptr_t)block + block->len) & ~(page - 1);
	uintptr_t begin = ((uintptr_t)block + block->len -
			   LIMITS_DISCARD_ROUND + page - 1) &
			  ~(page - 1);

	/* Where it fails (locked memory) the end takes longer, no more. */
	if (begin < end)
		madvise((uint8_t *)block + (begin - (uintptr_t)block),
			end - begin, MADV_DONTNEED);
	block->len -= LIMITS_DISCARD_ROUND;
	discard->len -= LIMITS_DISCARD_ROUND;
}

bool discard_step(struct discard *discard)
{
	size_t n = 1 + discard->len / LIMITS_DISCARD_SHARE;

	for (; n > 0 && discard->first; n--) {
		if (discard->first->len > LIMITS_DISCARD_ROUND)
			cut(discard, discard->first);
		else
			free_first(discard);
	}
	return discard->first;
}

void discard_deinit(struct discard *discard)
{
	while (discard->first)
		free_first(discard);
	spares_deinit(&discard->spares);
}
