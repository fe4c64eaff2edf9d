/*
 * hashset: hashes that were met.
 *
 * Grows as it needs; out of memory aborts: this is a test's.
 */
#ifndef GETME_TESTS_CRASH_HASHSET_H
#define GETME_TESTS_CRASH_HASHSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All zero is an empty one. */
struct hashset {
	uint64_t *at; /* open addressing; 0: free */
	size_t size;  /* a power of two */
	size_t n;
};

void hashset_deinit(struct hashset *set);

/* Whether it is new. */
bool hashset_add(struct hashset *set, uint64_t hash);

bool hashset_has(const struct hashset *set, uint64_t hash);

#endif
