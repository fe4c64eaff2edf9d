/*
 * pending: which keys have writes under way, and the newest of each.
 *
 * Nodes belong to the caller, are in the table from the write's submission to
 * its end, and may share a key: the one added last is found.  The loop's own;
 * no locks.  Chained hashing on the digest, which is random already.
 */
#ifndef GETME_COMMON_PENDING_H
#define GETME_COMMON_PENDING_H

#include <stddef.h>
#include <stdint.h>

#include "common/digest.h"

struct pending_node {
	struct pending_node *next;
	struct digest digest;
	void *write;   /* the caller's */
	uint32_t item; /* which of its operations */
};

struct pending {
	struct pending_node **heads;
	size_t n_heads; /* a power of two */
	size_t n_nodes;
};

/* 0 or -ENOMEM. */
int pending_init(struct pending *pending);
void pending_deinit(struct pending *pending);

void pending_add(struct pending *pending, struct pending_node *node);
void pending_remove(struct pending *pending, const struct pending_node *node);

/* The newest node of a key, or NULL. */
struct pending_node *pending_find(const struct pending *pending,
				  const struct digest *digest);

#endif
