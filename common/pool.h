/*
 * pool: memory for things of one size that come and go by the thousand.
 *
 * What is given back is kept for who comes next, N_MAX pieces at most; the
 * rest goes to malloc.  One thread's.  Under AddressSanitizer nothing is kept,
 * so that it sees what is used too late.
 */
#ifndef GETME_COMMON_POOL_H
#define GETME_COMMON_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

/* Whether anything is kept. */
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

struct pool_piece {
	struct pool_piece *next;
};

struct pool {
	struct pool_piece *first;
	size_t size; /* bytes of each */
	size_t n;    /* pieces that are kept */
	size_t n_max;
};

/* SIZE is at least that of a pointer. */
void pool_init(struct pool *pool, size_t size, size_t n_max);

/* Frees what is kept; all pieces have been given back. */
void pool_deinit(struct pool *pool);

/* A piece, with anything in it; NULL: no memory. */
static inline void *pool_take(struct pool *pool)
{
	struct pool_piece *piece = pool->first;

	if (!piece)
		return malloc(pool->size);
	pool->first = piece->next;
	pool->n--;
	return piece;
}

/* NULL is fine. */
static inline void pool_give(struct pool *pool, void *memory)
{
	struct pool_piece *piece = memory;

	if (!piece || pool->n >= pool->n_max) {
		free(piece);
		return;
	}
	piece->next = pool->first;
	pool->first = piece;
	pool->n++;
}

#endif
