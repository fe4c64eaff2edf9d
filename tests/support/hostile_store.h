/*
 * hostile_store: a shared store of few keys, each of them a case of its own,
 * and blocks that nobody should lend.
 */
#ifndef GETME_TESTS_SUPPORT_HOSTILE_STORE_H
#define GETME_TESTS_SUPPORT_HOSTILE_STORE_H

#include "tests/support/shared_store.h"

enum {
	HOSTILE_LONG_KEY = 300,
	HOSTILE_LARGE = 5000, /* bytes of the largest value */
	HOSTILE_NOW_MS = 1000000,
	/* Of one bucket: it has room for 12, two more hold 6 and 2. */
	HOSTILE_CROWD = 20,
	HOSTILE_FIRST_OF_CROWD = 9,
	HOSTILE_KEYS = HOSTILE_FIRST_OF_CROWD + HOSTILE_CROWD,
	HOSTILE_ODD = 4,
	HOSTILE_BLOCKS = SHARED_BLOCKS + HOSTILE_ODD,
};

/* What a read at HOSTILE_NOW_MS says. */
enum hostile_outcome {
	HOSTILE_FOUND,
	HOSTILE_NOT_FOUND,
	HOSTILE_DAMAGED,
};

struct hostile_key {
	char text[HOSTILE_LONG_KEY + 1];
	size_t len;
	uint8_t value[HOSTILE_LARGE];
	size_t value_len;
	enum hostile_outcome outcome;
	struct digest digest;
	unsigned int segment; /* 0: it was never put */
	struct index_place place;
	struct index_slot *slot;
};

struct hostile_store {
	struct shared_store shared;
	struct hostile_key keys[HOSTILE_KEYS];
	struct shared_block odd[HOSTILE_ODD];
};

/* Published, and all of it the caller's to change. */
void hostile_store_init(struct hostile_store *store);

/* A block of the shared store by its number there; behind these, an odd one. */
const struct shared_block *hostile_block(const struct hostile_store *store,
					 unsigned int number);

#endif
