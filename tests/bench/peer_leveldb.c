/*
 * LevelDB: a cache that holds all of the data, a filter of 10 bits a key, no
 * compression, all else by default.
 */
#include <leveldb/c.h>
#include <string.h>

#include "tests/bench/bench_kit.h"
#include "tests/bench/peer.h"

static leveldb_t *db;
static leveldb_readoptions_t *read_options;
static leveldb_writeoptions_t *write_options;
static leveldb_writeoptions_t *sync_options;

static void expect(const char *error, const char *what)
{
	if (error)
		kit_die("LevelDB: %s: %s", what, error);
}

static leveldb_options_t *make_options(void)
{
	leveldb_options_t *options = leveldb_options_create();

	leveldb_options_set_create_if_missing(options, 1);
	leveldb_options_set_compression(options, leveldb_no_compression);
	leveldb_options_set_cache(options,
				  leveldb_cache_create_lru((size_t)2 << 30));
	leveldb_options_set_filter_policy(
		options, leveldb_filterpolicy_create_bloom(10));
	return options;
}

static void db_open(const char *dir, bool to_read)
{
	leveldb_options_t *options = make_options();
	char *error = NULL;

	/* One process at a time may open it, for reading as well. */
	(void)to_read;
	db = leveldb_open(options, dir, &error);
	expect(error, "open");
	read_options = leveldb_readoptions_create();
	write_options = leveldb_writeoptions_create();
	sync_options = leveldb_writeoptions_create();
	leveldb_writeoptions_set_sync(sync_options, 1);
}

static void db_put(const char *keys, const char *values, size_t value_len,
		   size_t n, bool sync)
{
	leveldb_writebatch_t *batch = leveldb_writebatch_create();
	char *error = NULL;

	for (size_t i = 0; i < n; i++)
		leveldb_writebatch_put(batch, keys + i * KIT_KEY_LEN,
				       KIT_KEY_LEN, values + i * value_len,
				       value_len);
	leveldb_write(db, sync ? sync_options : write_options, batch, &error);
	expect(error, "write");
	leveldb_writebatch_destroy(batch);
}

static size_t db_get(const char *key, char *value, size_t cap)
{
	char *error = NULL;
	size_t len = 0;
	char *got =
		leveldb_get(db, read_options, key, KIT_KEY_LEN, &len, &error);

	expect(error, "get");
	if (!got || len > cap)
		kit_die("LevelDB: a key is not there, or its value too long");
	memcpy(value, got, len);
	leveldb_free(got);
	return len;
}

static void db_close(void)
{
	leveldb_close(db);
}

int main(int argc, char **argv)
{
	static const struct peer peer = {
		.name = "LevelDB",
		.open = db_open,
		.put = db_put,
		.get = db_get,
		.close = db_close,
		.threads_put = true,
	};

	return peer_main(&peer, argc, argv);
}
