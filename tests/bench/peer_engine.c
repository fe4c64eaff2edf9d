/* getMe's store in this process, without a daemon (common/store.h). */
#include <stdlib.h>
#include <string.h>

#include "common/store.h"
#include "tests/bench/bench_kit.h"
#include "tests/bench/peer.h"

static struct store *store;

static void engine_open(const char *dir, bool to_read)
{
	const struct store_options options = { .dir = dir };
	struct store_error error = { "" };

	(void)to_read;
	if (store_open(&options, &store, &error) != 0)
		kit_die("getMe's store: %s", error.text);
}

static void engine_put(const char *keys, const char *values, size_t value_len,
		       size_t n, bool sync)
{
	for (size_t i = 0; i < n; i++)
		if (store_put(store, keys + i * KIT_KEY_LEN, KIT_KEY_LEN,
			      values + i * value_len, value_len,
			      sync && i + 1 == n ? STORE_ALWAYS : STORE_NONE) !=
		    0)
			kit_die("getMe's store: cannot write");
}

static size_t engine_get(const char *key, char *value, size_t cap)
{
	struct store_value got;
	size_t len;

	if (store_get(store, key, KIT_KEY_LEN, &got) != 0 || got.len > cap)
		kit_die("getMe's store: cannot read");
	len = got.len;
	memcpy(value, got.data, KIT_KEY_LEN);
	free(got.data);
	return len;
}

static void engine_close(void)
{
	store_close(store);
}

int main(int argc, char **argv)
{
	static const struct peer peer = {
		.name = "getMe's store",
		.open = engine_open,
		.put = engine_put,
		.get = engine_get,
		.close = engine_close,
	};

	return peer_main(&peer, argc, argv);
}
