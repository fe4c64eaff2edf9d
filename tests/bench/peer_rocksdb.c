/*
 * peer_rocksdb: RocksDB by its C interface.  A block cache with room for all
 * data, a Bloom filter of 10 bits a key, no compression (the values do not
 * compress); compacted after a load.  Reading processes open it read-only.
 */
#include <errno.h>
#include <rocksdb/c.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/peer.h"
#include "tests/bench/stopwatch.h"

#define CACHE_LEN ((size_t)4 << 30)

struct peer {
	rocksdb_t *db;
	rocksdb_options_t *options;
	rocksdb_readoptions_t *read;
	rocksdb_writeoptions_t *write;
	size_t value_len;
	uint8_t *copies; /* of PEER_MANY values */
};

static void expect(const char *error)
{
	if (!error)
		return;
	errno = 0;
	die(error);
}

static rocksdb_options_t *new_options(void)
{
	rocksdb_options_t *options = rocksdb_options_create();
	rocksdb_block_based_table_options_t *table =
		rocksdb_block_based_options_create();

	rocksdb_block_based_options_set_filter_policy(
		table, rocksdb_filterpolicy_create_bloom_full(10));
	rocksdb_block_based_options_set_block_cache(
		table, rocksdb_cache_create_lru(CACHE_LEN));
	rocksdb_options_set_block_based_table_factory(options, table);
	rocksdb_options_set_create_if_missing(options, 1);
	rocksdb_options_set_compression(options, rocksdb_no_compression);
	rocksdb_options_set_max_open_files(options, -1);
	rocksdb_options_increase_parallelism(options, 2);
	return options;
}

struct peer *peer_open(const struct peer_setting *setting)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	char *error = NULL;

	if (!peer)
		die("malloc");
	peer->value_len = setting->value_len;
	peer->copies = malloc(PEER_MANY * setting->value_len);
	if (!peer->copies)
		die("malloc");
	peer->options = new_options();
	peer->read = rocksdb_readoptions_create();
	peer->write = rocksdb_writeoptions_create();
	rocksdb_writeoptions_set_sync(peer->write, setting->use == PEER_SYNC);
	if (setting->use == PEER_READ)
		peer->db = rocksdb_open_for_read_only(peer->options,
						      setting->path, 0, &error);
	else
		peer->db = rocksdb_open(peer->options, setting->path, &error);
	expect(error);
	return peer;
}

void peer_put(struct peer *peer, const struct peer_put *puts, size_t n)
{
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	char *error = NULL;

	for (size_t i = 0; i < n; i++)
		rocksdb_writebatch_put(batch, puts[i].key, KEY_LEN,
				       (const char *)puts[i].value,
				       peer->value_len);
	rocksdb_write(peer->db, peer->write, batch, &error);
	expect(error);
	rocksdb_writebatch_destroy(batch);
}

static void copy_out(struct peer *peer, const char *key, uint8_t *to)
{
	char *error = NULL;
	size_t len = 0;
	const char *value;
	rocksdb_pinnableslice_t *slice =
		rocksdb_get_pinned(peer->db, peer->read, key, KEY_LEN, &error);

	expect(error);
	value = rocksdb_pinnableslice_value(slice, &len);
	if (!value || len != peer->value_len)
		expect("not there");
	else
		memcpy(to, value, len);
	rocksdb_pinnableslice_destroy(slice);
}

const void *peer_get(struct peer *peer, const char key[KEY_LEN], size_t *len)
{
	copy_out(peer, key, peer->copies);
	*len = peer->value_len;
	return peer->copies;
}

static void take(struct peer *peer, size_t i, char *value, size_t len,
		 const char *error)
{
	expect(error);
	if (!value || len != peer->value_len)
		expect("not there");
	else
		memcpy(peer->copies + i * len, value, len);
	free(value);
}

void peer_get_many(struct peer *peer, const char (*keys)[KEY_LEN],
		   const void **values)
{
	const char *key[PEER_MANY];
	size_t key_len[PEER_MANY];
	char *value[PEER_MANY];
	size_t value_len[PEER_MANY];
	char *error[PEER_MANY];

	for (size_t i = 0; i < PEER_MANY; i++) {
		key[i] = keys[i];
		key_len[i] = KEY_LEN;
		values[i] = peer->copies + i * peer->value_len;
	}
	rocksdb_multi_get(peer->db, peer->read, PEER_MANY, key, key_len, value,
			  value_len, error);
	for (size_t i = 0; i < PEER_MANY; i++)
		take(peer, i, value[i], value_len[i], error[i]);
}

void peer_settle(struct peer *peer)
{
	rocksdb_compact_range(peer->db, NULL, 0, NULL, 0);
}

void peer_close(struct peer *peer)
{
	rocksdb_close(peer->db);
	rocksdb_readoptions_destroy(peer->read);
	rocksdb_writeoptions_destroy(peer->write);
	rocksdb_options_destroy(peer->options);
	free(peer->copies);
	free(peer);
}
