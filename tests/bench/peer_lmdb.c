/*
 * peer_lmdb: LMDB.  Reads share one read transaction and copy the value out
 * of the map; writes are a transaction each, which commits with a sync unless
 * none is asked for (MDB_NOSYNC).
 */
#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/peer.h"
#include "tests/bench/stopwatch.h"

enum { MAP_LEN_MIN = 1 << 30 };

struct peer {
	MDB_env *env;
	MDB_dbi dbi;
	MDB_txn *read; /* PEER_READ */
	size_t value_len;
	uint8_t *copies; /* of PEER_MANY values */
};

static void expect(int result)
{
	if (result == MDB_SUCCESS)
		return;
	errno = 0;
	die(mdb_strerror(result));
}

/* The pages half full, and as much again for what is copied on write. */
static size_t map_len(const struct peer_setting *setting)
{
	return MAP_LEN_MIN +
	       setting->n_keys * (setting->value_len + KEY_LEN + 64) * 4;
}

static void open_dbi(struct peer *peer)
{
	MDB_txn *txn;

	expect(mdb_txn_begin(peer->env, NULL, 0, &txn));
	expect(mdb_dbi_open(txn, NULL, 0, &peer->dbi));
	expect(mdb_txn_commit(txn));
}

struct peer *peer_open(const struct peer_setting *setting)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	unsigned int flags = MDB_NOSUBDIR;

	if (!peer)
		die("malloc");
	if (setting->use != PEER_SYNC)
		flags |= MDB_NOSYNC;
	peer->value_len = setting->value_len;
	peer->copies = malloc(PEER_MANY * setting->value_len);
	if (!peer->copies)
		die("malloc");
	expect(mdb_env_create(&peer->env));
	expect(mdb_env_set_mapsize(peer->env, map_len(setting)));
	expect(mdb_env_set_maxreaders(peer->env, 512));
	expect(mdb_env_open(peer->env, setting->path, flags, 0600));
	open_dbi(peer);
	if (setting->use == PEER_READ)
		expect(mdb_txn_begin(peer->env, NULL, MDB_RDONLY, &peer->read));
	return peer;
}

void peer_put(struct peer *peer, const struct peer_put *puts, size_t n)
{
	MDB_txn *txn;

	expect(mdb_txn_begin(peer->env, NULL, 0, &txn));
	for (size_t i = 0; i < n; i++) {
		char key_bytes[KEY_LEN];
		MDB_val key = { KEY_LEN, key_bytes };
		MDB_val value = { peer->value_len, puts[i].value };

		memcpy(key_bytes, puts[i].key, KEY_LEN);
		expect(mdb_put(txn, peer->dbi, &key, &value, 0));
	}
	expect(mdb_txn_commit(txn));
}

static void copy_out(struct peer *peer, MDB_txn *txn, const char *key_bytes,
		     uint8_t *to)
{
	char bytes[KEY_LEN];
	MDB_val key = { KEY_LEN, bytes };
	MDB_val value;

	memcpy(bytes, key_bytes, KEY_LEN);
	expect(mdb_get(txn, peer->dbi, &key, &value));
	if (value.mv_size != peer->value_len) {
		errno = 0;
		die("a value of another length");
	}
	memcpy(to, value.mv_data, value.mv_size);
}

/* Where it writes too (YCSB a and b) a read needs a transaction of its own. */
static MDB_txn *begin(struct peer *peer)
{
	MDB_txn *txn = peer->read;

	if (!txn)
		expect(mdb_txn_begin(peer->env, NULL, MDB_RDONLY, &txn));
	return txn;
}

static void end(struct peer *peer, MDB_txn *txn)
{
	if (txn != peer->read)
		mdb_txn_abort(txn);
}

const void *peer_get(struct peer *peer, const char key[KEY_LEN], size_t *len)
{
	MDB_txn *txn = begin(peer);

	copy_out(peer, txn, key, peer->copies);
	end(peer, txn);
	*len = peer->value_len;
	return peer->copies;
}

void peer_get_many(struct peer *peer, const char (*keys)[KEY_LEN],
		   const void **values)
{
	MDB_txn *txn = begin(peer);

	for (size_t i = 0; i < PEER_MANY; i++) {
		uint8_t *to = peer->copies + i * peer->value_len;

		copy_out(peer, txn, keys[i], to);
		values[i] = to;
	}
	end(peer, txn);
}

void peer_settle(struct peer *peer)
{
	expect(mdb_env_sync(peer->env, 1));
}

void peer_close(struct peer *peer)
{
	if (peer->read)
		mdb_txn_abort(peer->read);
	mdb_env_close(peer->env);
	free(peer->copies);
	free(peer);
}
