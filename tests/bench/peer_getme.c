/*
 * getMe, through its client library: DIR is the socket.  Reads are direct
 * unless $DIRECT is "off" or "pread".
 */
#include <stdlib.h>
#include <string.h>

#include "client/getme.h"
#include "tests/bench/bench_kit.h"
#include "tests/bench/peer.h"

static struct getme *handle;
static struct getme_batch *batch;

static void expect(int result, const char *what)
{
	if (result != 0)
		kit_die("getMe: %s: %s", what,
			handle ? getme_last_error(handle)
			       : getme_strerror(result));
}

static enum getme_direct chosen(void)
{
	const char *direct = getenv("DIRECT");

	if (direct && strcmp(direct, "off") == 0)
		return GETME_DIRECT_OFF;
	if (direct && strcmp(direct, "pread") == 0)
		return GETME_DIRECT_PREAD;
	return GETME_DIRECT_AUTO;
}

static void getme_start(const char *socket, bool to_read)
{
	struct getme_options options = GETME_OPTIONS_INIT;

	(void)to_read;
	options.socket = socket;
	options.timeout_ms = -1;
	options.direct = chosen();
	expect(getme_open(&options, &handle, NULL, 0), "open");
	expect(getme_batch_new(&batch), "batch");
}

static void getme_write(const char *keys, const char *values, size_t value_len,
			size_t n, bool sync)
{
	struct getme_write_options options = GETME_WRITE_OPTIONS_INIT;

	options.durability = sync ? GETME_ALWAYS : GETME_NONE;
	for (size_t i = 0; i < n; i++)
		expect(getme_batch_put(batch, keys + i * KIT_KEY_LEN,
				       KIT_KEY_LEN, values + i * value_len,
				       value_len, NULL),
		       "batch");
	expect(getme_batch_apply(handle, batch, &options, NULL), "write");
	getme_batch_reset(batch);
}

static size_t getme_read(const char *key, char *value, size_t cap)
{
	struct getme_value got;

	expect(getme_get(handle, key, KIT_KEY_LEN, &got), "get");
	if (got.len > cap || got.len < KIT_KEY_LEN)
		kit_die("getMe: a value of another length");
	/* It is a copy already; what is looked at is its beginning. */
	memcpy(value, got.data, KIT_KEY_LEN);
	return got.len;
}

static void getme_read_many(const char *keys)
{
	struct getme_bytes names[PEER_MANY];
	struct getme_item items[PEER_MANY];

	for (int i = 0; i < PEER_MANY; i++) {
		names[i].data = keys + (size_t)i * KIT_KEY_LEN;
		names[i].len = KIT_KEY_LEN;
	}
	expect(getme_get_many(handle, names, PEER_MANY, items), "get_many");
	for (int i = 0; i < PEER_MANY; i++)
		if (items[i].result != 0 || items[i].value.len < KIT_KEY_LEN ||
		    memcmp(items[i].value.data, names[i].data, KIT_KEY_LEN) !=
			    0)
			kit_die("getMe: a wrong value");
}

static void getme_end(void)
{
	getme_batch_free(batch);
	getme_close(handle);
}

int main(int argc, char **argv)
{
	static const struct peer peer = {
		.name = "getMe",
		.open = getme_start,
		.put = getme_write,
		.get = getme_read,
		.get_many = getme_read_many,
		.close = getme_end,
	};

	return peer_main(&peer, argc, argv);
}
