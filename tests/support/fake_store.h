/*
 * fake_store: a store in memory that answers every method of the protocol,
 * for tests of the client.  Good enough to tell right from wrong, no more.
 */
#ifndef GETME_TESTS_SUPPORT_FAKE_STORE_H
#define GETME_TESTS_SUPPORT_FAKE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/message.h"

struct fake_store;

/* What hello tells. */
struct fake_hello {
	uint64_t protocol;
	uint64_t value_max; /* 0: not told */
	uint64_t frame_max; /* 0: not told */
	uint64_t pipeline;  /* 0: not told */
	bool attach;	    /* as a capability */
};

/* Aborts when memory runs out, as all of this. */
struct fake_store *fake_store_new(void);
void fake_store_free(struct fake_store *store);

/* Whoever reads this key is told that its entry is damaged. */
void fake_store_damage(struct fake_store *store, const void *key, size_t len);

/* Carries REQUEST out and appends its reply to OUT. */
void fake_store_answer(struct fake_store *store, const struct fake_hello *hello,
		       const struct message_request *request,
		       struct buffer *out);

#endif
