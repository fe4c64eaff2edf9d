/*
 * RocksDB: a cache that holds all of the data, a filter of 10 bits a key, no
 * compression, all else by default.
 */
#include <rocksdb/c.h>
#include <string.h>

#include "tests/bench/bench_kit.h"
#include "tests/bench/peer.h"

static rocksdb_t *db;
static rocksdb_readoptions_t *read_options;
static rocksdb_writeoptions_t *write_options;
static rocksdb_writeoptions_t *sync_options;

static void expect(const char *error, const char *what)
{
	if (error)
		kit_die("RocksDB: %s: %s", what, error);
}

static rocksdb_options_t *make_options(void)
{
	rocksdb_block_based_table_options_t *table =
		rocksdb_block_based_options_create();
	rocksdb_options_t *options = rocksdb_options_create();

	rocksdb_options_set_create_if_missing(options, 1);
	rocksdb_options_set_compression(options, rocksdb_no_compression);
	rocksdb_block_based_options_set_block_cache(
		table, rocksdb_cache_create_lru((size_t)2 << 30));
	rocksdb_block_based_options_set_filter_policy(
		table, rocksdb_filterpolicy_create_bloom(10));
	rocksdb_options_set_block_based_table_factory(options, table);
	return options;
}

static void db_open(const char *dir, bool to_read)
{
	rocksdb_options_t *options = make_options();
	char *error = NULL;

	if (to_read)
		db = rocksdb_open_for_read_only(options, dir, 0, &error);
	else
		db = rocksdb_open(options, dir, &error);
	expect(error, "open");
	read_options = rocksdb_readoptions_create();
	write_options = rocksdb_writeoptions_create();
	sync_options = rocksdb_writeoptions_create();
	rocksdb_writeoptions_set_sync(sync_options, 1);
}

static void db_put(const char *keys, const char *values, size_t value_len,
		   size_t n, bool sync)
{
	rocksdb_writebatch_t *batch = rocksdb_writebatch_create();
	char *error = NULL;

	for (size_t i = 0; i < n; i++)
		rocksdb_writebatch_put(batch, keys + i * KIT_KEY_LEN,
				       KIT_KEY_LEN, values + i * value_len,
				       value_len);
	rocksdb_write(db, sync ? sync_options : write_options, batch, &error);
	expect(error, "write");
	rocksdb_writebatch_destroy(batch);
}

static size_t db_get(const char *key, char *value, size_t cap)
{
	char *error = NULL;
	size_t len = 0;
	char *got =
		rocksdb_get(db, read_options, key, KIT_KEY_LEN, &len, &error);

	expect(error, "get");
	if (!got || len > cap)
		kit_die("RocksDB: a key is not there, or its value too long");
	memcpy(value, got, len);
	rocksdb_free(got);
	return len;
}

static void db_close(void)
{
	rocksdb_close(db);
}

int main(int argc, char **argv)
{
	static const struct peer peer = {
		.name = "RocksDB",
		.open = db_open,
		.put = db_put,
		.get = db_get,
		.close = db_close,
		.threads_put = true,
	};

	return peer_main(&peer, argc, argv);
}
