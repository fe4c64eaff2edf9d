/*
 * spares: blocks of memory that come and go, kept for who comes next.
 *
 * Blocks are found by their size, in classes of powers of two.  Who takes one
 * may get a larger one, and may make it grow: when it comes back it counts as
 * what it has become.  So a load that repeats itself ends up with the blocks
 * that it needs, and allocates nothing any more.
 *
 * Blocks are malloc's: one may also be freed, or come from elsewhere.  One
 * over SPARES_BLOCK_MAX is never kept, nor more than SPARES_LEN_MAX of all:
 * what one large request took is given back.  One thread's.  Under
 * AddressSanitizer nothing is kept, so that it sees what is used too late.
 */
#ifndef GETME_COMMON_SPARES_H
#define GETME_COMMON_SPARES_H

#include <stddef.h>

enum {
	SPARES_BLOCK_MIN_BITS = 9, /* 512 bytes: one small request */
	SPARES_BLOCK_MAX_BITS = 16,
	SPARES_CLASSES = SPARES_BLOCK_MAX_BITS - SPARES_BLOCK_MIN_BITS + 1,
	SPARES_BLOCK_MIN = 1 << SPARES_BLOCK_MIN_BITS,
	SPARES_BLOCK_MAX = 1 << SPARES_BLOCK_MAX_BITS,
	/* bytes kept in all: what some thousand requests under way take */
	SPARES_LEN_MAX = 4 << 20,
};

struct spares_block;

/* All zero is empty. */
struct spares {
	struct spares_block *first[SPARES_CLASSES];
	size_t len; /* bytes that are kept */
};

void spares_deinit(struct spares *spares);

/*
 * A block of LEN bytes or more, with anything in them; *CAP tells how many.
 * NULL: no memory.
 */
void *spares_take(struct spares *spares, size_t len, size_t *cap);

/* Takes MEMORY of CAP bytes back; NULL is fine.  SPARES NULL: it is freed. */
void spares_give(struct spares *spares, void *memory, size_t cap);

#endif
