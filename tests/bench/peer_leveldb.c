/*
 * peer_leveldb: LevelDB by its C interface.  A block cache with room for all
 * data, a Bloom filter of 10 bits a key, no compression (the values do not
 * compress); compacted after a load.  One process at a time may open it.
 */
#include <errno.h>
#include <leveldb/c.h>
#include <stdlib.h>

#include "tests/bench/peer.h"
#include "tests/bench/stopwatch.h"

#define CACHE_LEN ((size_t)4 << 30)

enum { WRITE_BUFFER = 64 << 20 };

struct peer {
	leveldb_t *db;
	leveldb_options_t *options;
	leveldb_cache_t *cache;
	leveldb_filterpolicy_t *filter;
	leveldb_readoptions_t *read;
	leveldb_writeoptions_t *write;
	size_t value_len;
	char *values[PEER_MANY]; /* copies that LevelDB made */
};

static void expect(const char *error)
{
	if (!error)
		return;
	errno = 0;
	die(error);
}

struct peer *peer_open(const struct peer_setting *setting)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	char *error = NULL;

	if (!peer)
		die("malloc");
	peer->value_len = setting->value_len;
	peer->cache = leveldb_cache_create_lru(CACHE_LEN);
	peer->filter = leveldb_filterpolicy_create_bloom(10);
	peer->options = leveldb_options_create();
	leveldb_options_set_cache(peer->options, peer->cache);
	leveldb_options_set_filter_policy(peer->options, peer->filter);
	leveldb_options_set_compression(peer->options, leveldb_no_compression);
	leveldb_options_set_write_buffer_size(peer->options, WRITE_BUFFER);
	leveldb_options_set_create_if_missing(peer->options, 1);
	peer->read = leveldb_readoptions_create();
	peer->write = leveldb_writeoptions_create();
	leveldb_writeoptions_set_sync(peer->write, setting->use == PEER_SYNC);
	peer->db = leveldb_open(peer->options, setting->path, &error);
	expect(error);
	return peer;
}

void peer_put(struct peer *peer, const struct peer_put *puts, size_t n)
{
	leveldb_writebatch_t *batch = leveldb_writebatch_create();
	char *error = NULL;

	for (size_t i = 0; i < n; i++)
		leveldb_writebatch_put(batch, puts[i].key, KEY_LEN,
				       (const char *)puts[i].value,
				       peer->value_len);
	leveldb_write(peer->db, peer->write, batch, &error);
	expect(error);
	leveldb_writebatch_destroy(batch);
}

static const void *get(struct peer *peer, size_t i, const char *key)
{
	char *error = NULL;
	size_t len;

	leveldb_free(peer->values[i]);
	peer->values[i] =
		leveldb_get(peer->db, peer->read, key, KEY_LEN, &len, &error);
	expect(error);
	if (!peer->values[i] || len != peer->value_len)
		expect("not there");
	return peer->values[i];
}

const void *peer_get(struct peer *peer, const char key[KEY_LEN], size_t *len)
{
	*len = peer->value_len;
	return get(peer, 0, key);
}

void peer_get_many(struct peer *peer, const char (*keys)[KEY_LEN],
		   const void **values)
{
	for (size_t i = 0; i < PEER_MANY; i++)
		values[i] = get(peer, i, keys[i]);
}

void peer_settle(struct peer *peer)
{
	leveldb_compact_range(peer->db, NULL, 0, NULL, 0);
}

void peer_close(struct peer *peer)
{
	for (size_t i = 0; i < PEER_MANY; i++)
		leveldb_free(peer->values[i]);
	leveldb_close(peer->db);
	leveldb_options_destroy(peer->options);
	leveldb_readoptions_destroy(peer->read);
	leveldb_writeoptions_destroy(peer->write);
	leveldb_filterpolicy_destroy(peer->filter);
	leveldb_cache_destroy(peer->cache);
	free(peer);
}
