#include "daemon/peers.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct peer *find(const struct peers *peers, uid_t uid)
{
	for (size_t i = 0; i < peers->n; i++)
		if (peers->list[i].uid == uid)
			return &peers->list[i];
	return NULL;
}

static int grow(struct peers *peers)
{
	size_t cap = peers->cap ? peers->cap * 2 : 8;
	struct peer *list;

	if (peers->n < peers->cap)
		return 0;
	list = reallocarray(peers->list, cap, sizeof(*list));
	if (!list)
		return -ENOMEM;
	peers->list = list;
	peers->cap = cap;
	return 0;
}

void peers_deinit(struct peers *peers)
{
	free(peers->list);
	memset(peers, 0, sizeof(*peers));
}

int peers_add(struct peers *peers, uid_t uid, uint64_t max)
{
	struct peer *peer = find(peers, uid);
	int result;

	if (peer && peer->n_connections >= max)
		return -EDQUOT;
	if (!peer) {
		result = grow(peers);
		if (result < 0)
			return result;
		peer = &peers->list[peers->n++];
		peer->uid = uid;
		peer->n_connections = 0;
	}
	peer->n_connections++;
	return 0;
}

void peers_remove(struct peers *peers, uid_t uid)
{
	struct peer *peer = find(peers, uid);

	assert(peer && peer->n_connections > 0);
	if (--peer->n_connections == 0)
		*peer = peers->list[--peers->n];
}
