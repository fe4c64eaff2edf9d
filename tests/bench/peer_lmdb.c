/* LMDB: one environment, one read transaction that a reader keeps. */
#include <lmdb.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/bench/bench_kit.h"
#include "tests/bench/peer.h"

static MDB_env *env;
static MDB_txn *reader;
static MDB_dbi dbi;
static bool synced;

static void expect(int result, const char *what)
{
	if (result != 0)
		kit_die("LMDB: %s: %s", what, mdb_strerror(result));
}

static void lmdb_open(const char *dir, bool to_read)
{
	MDB_txn *txn;

	mkdir(dir, 0700);
	expect(mdb_env_create(&env), "create");
	expect(mdb_env_set_mapsize(env, (size_t)64 << 30), "map size");
	/* A load syncs once, at its end; a durable put each time. */
	expect(mdb_env_open(env, dir,
			    to_read ? MDB_RDONLY : MDB_NOSYNC | MDB_NOMETASYNC,
			    0600),
	       "open");
	expect(mdb_txn_begin(env, NULL, to_read ? MDB_RDONLY : 0, &txn),
	       "begin");
	expect(mdb_dbi_open(txn, NULL, 0, &dbi), "dbi");
	if (to_read)
		reader = txn;
	else
		expect(mdb_txn_commit(txn), "commit");
}

static void lmdb_put(const char *keys, const char *values, size_t value_len,
		     size_t n, bool sync)
{
	MDB_txn *txn;

	if (sync && !synced) {
		expect(mdb_env_set_flags(env, MDB_NOSYNC | MDB_NOMETASYNC, 0),
		       "flags");
		synced = true;
	}
	expect(mdb_txn_begin(env, NULL, 0, &txn), "begin");
	for (size_t i = 0; i < n; i++) {
		MDB_val key = { KIT_KEY_LEN,
				(void *)(uintptr_t)(keys + i * KIT_KEY_LEN) };
		MDB_val value = { value_len,
				  (void *)(uintptr_t)(values + i * value_len) };

		expect(mdb_put(txn, dbi, &key, &value, 0), "put");
	}
	expect(mdb_txn_commit(txn), "commit");
}

static size_t lmdb_get(const char *key, char *value, size_t cap)
{
	MDB_val k = { KIT_KEY_LEN, (void *)(uintptr_t)key };
	MDB_val v;

	expect(mdb_get(reader, dbi, &k, &v), "get");
	if (v.mv_size > cap)
		kit_die("LMDB: a value is too long");
	/* Ours are copies, too: they stay when the entry goes. */
	memcpy(value, v.mv_data, v.mv_size);
	return v.mv_size;
}

static void lmdb_close(void)
{
	expect(mdb_env_sync(env, 1), "sync");
	mdb_env_close(env);
}

int main(int argc, char **argv)
{
	static const struct peer peer = {
		.name = "LMDB",
		.open = lmdb_open,
		.put = lmdb_put,
		.get = lmdb_get,
		.close = lmdb_close,
	};

	return peer_main(&peer, argc, argv);
}
