#include "common/pending.h"

#include <errno.h>
#include <stdlib.h>

enum { HEADS_FIRST = 1024 };

int pending_init(struct pending *pending)
{
	pending->heads = calloc(HEADS_FIRST, sizeof(*pending->heads));
	pending->n_heads = HEADS_FIRST;
	pending->n_nodes = 0;
	return pending->heads ? 0 : -ENOMEM;
}

void pending_deinit(struct pending *pending)
{
	free(pending->heads);
	pending->heads = NULL;
}

static struct pending_node **head_of(const struct pending *pending,
				     const struct digest *digest)
{
	/* The high half: the low bits are the index's. */
	return &pending->heads[digest->hi & (pending->n_heads - 1)];
}

/*
 * Moves every node, oldest first, so that the newest of a key stays first.
 * Without memory the chains just get longer.
 */
static void grow(struct pending *pending)
{
	struct pending wider = {
		.n_heads = pending->n_heads * 2,
		.n_nodes = pending->n_nodes,
	};
	size_t i;

	wider.heads = calloc(wider.n_heads, sizeof(*wider.heads));
	if (!wider.heads)
		return;
	for (i = 0; i < pending->n_heads; i++) {
		struct pending_node *node = pending->heads[i];
		struct pending_node *oldest = NULL;

		while (node) {
			struct pending_node *next = node->next;

			node->next = oldest;
			oldest = node;
			node = next;
		}
		for (node = oldest; node;) {
			struct pending_node *next = node->next;
			struct pending_node **head =
				head_of(&wider, &node->digest);

			node->next = *head;
			*head = node;
			node = next;
		}
	}
	free(pending->heads);
	*pending = wider;
}

void pending_add(struct pending *pending, struct pending_node *node)
{
	struct pending_node **head;

	if (pending->n_nodes >= pending->n_heads)
		grow(pending);
	head = head_of(pending, &node->digest);
	node->next = *head;
	*head = node;
	pending->n_nodes++;
}

void pending_remove(struct pending *pending, const struct pending_node *node)
{
	struct pending_node **at = head_of(pending, &node->digest);

	while (*at && *at != node)
		at = &(*at)->next;
	if (!*at)
		return;
	*at = node->next;
	pending->n_nodes--;
}

struct pending_node *pending_find(const struct pending *pending,
				  const struct digest *digest)
{
	struct pending_node *node = *head_of(pending, digest);

	while (node &&
	       (node->digest.lo != digest->lo || node->digest.hi != digest->hi))
		node = node->next;
	return node;
}
