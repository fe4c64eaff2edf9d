/*
 * peer_store: getMe's bare engine (common/store.h) in this process, without
 * a daemon: what all the rest is built on.
 */
#include <errno.h>
#include <stdlib.h>

#include "common/store.h"
#include "tests/bench/peer.h"
#include "tests/bench/stopwatch.h"

struct peer {
	struct store *store;
	enum store_durability durability;
	size_t value_len;
	struct store_value values[PEER_MANY];
};

static void expect(int result, const char *what)
{
	if (result == 0)
		return;
	errno = result < 0 ? -result : 0;
	die(what);
}

struct peer *peer_open(const struct peer_setting *setting)
{
	const struct store_options options = { .dir = setting->path };
	struct store_error error = { "" };
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		die("malloc");
	peer->value_len = setting->value_len;
	peer->durability =
		setting->use == PEER_SYNC ? STORE_ALWAYS : STORE_NONE;
	expect(store_open(&options, &peer->store, &error), error.text);
	return peer;
}

void peer_put(struct peer *peer, const struct peer_put *puts, size_t n)
{
	struct store_write writes[PEER_BATCH];

	for (size_t i = 0; i < n; i++)
		writes[i] = (struct store_write){
			.key = puts[i].key,
			.key_len = KEY_LEN,
			.value = puts[i].value,
			.value_len = peer->value_len,
		};
	expect(store_apply(peer->store, writes, n, peer->durability), "put");
}

static const void *get(struct peer *peer, size_t i, const char *key)
{
	free(peer->values[i].data);
	peer->values[i].data = NULL;
	expect(store_get(peer->store, key, KEY_LEN, &peer->values[i]), "get");
	return peer->values[i].data;
}

const void *peer_get(struct peer *peer, const char key[KEY_LEN], size_t *len)
{
	const void *value = get(peer, 0, key);

	*len = peer->values[0].len;
	return value;
}

void peer_get_many(struct peer *peer, const char (*keys)[KEY_LEN],
		   const void **values)
{
	for (size_t i = 0; i < PEER_MANY; i++)
		values[i] = get(peer, i, keys[i]);
}

void peer_settle(struct peer *peer)
{
	expect(store_sync(peer->store), "sync");
}

void peer_close(struct peer *peer)
{
	for (size_t i = 0; i < PEER_MANY; i++)
		free(peer->values[i].data);
	expect(store_close(peer->store), "close");
	free(peer);
}
