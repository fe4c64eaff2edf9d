/*
 * peer_client: getMe as programs use it, by libgetme-client; PATH is the
 * daemon's socket.  MODE: direct (the usual one: reads of mapped files),
 * pread, or off (over the socket).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/getme.h"
#include "tests/bench/peer.h"
#include "tests/bench/stopwatch.h"

struct peer {
	struct getme *handle;
	enum getme_durability durability;
	size_t value_len;
};

static void expect(int result, const char *what)
{
	if (result == 0)
		return;
	errno = 0;
	die(what);
}

static enum getme_direct direct_of(const char *mode)
{
	if (!mode || strcmp(mode, "direct") == 0)
		return GETME_DIRECT_AUTO;
	if (strcmp(mode, "off") == 0)
		return GETME_DIRECT_OFF;
	if (strcmp(mode, "pread") == 0)
		return GETME_DIRECT_PREAD;
	errno = 0;
	die("the mode is direct, off or pread");
}

struct peer *peer_open(const struct peer_setting *setting)
{
	struct getme_options options = GETME_OPTIONS_INIT;
	struct peer *peer = calloc(1, sizeof(*peer));
	char text[256] = "";

	if (!peer)
		die("malloc");
	options.socket = setting->path;
	options.timeout_ms = -1;
	options.direct = direct_of(setting->mode);
	peer->value_len = setting->value_len;
	peer->durability =
		setting->use == PEER_SYNC ? GETME_ALWAYS : GETME_NONE;
	expect(getme_open(&options, &peer->handle, text, sizeof(text)), text);
	return peer;
}

void peer_put(struct peer *peer, const struct peer_put *puts, size_t n)
{
	struct getme_write_options options = GETME_WRITE_OPTIONS_INIT;
	struct getme_batch *batch;

	options.durability = peer->durability;
	if (n == 1) {
		expect(getme_put(peer->handle, puts->key, KEY_LEN, puts->value,
				 peer->value_len, &options, NULL),
		       "getme_put");
		return;
	}
	expect(getme_batch_new(&batch), "getme_batch_new");
	for (size_t i = 0; i < n; i++)
		expect(getme_batch_put(batch, puts[i].key, KEY_LEN,
				       puts[i].value, peer->value_len, NULL),
		       "getme_batch_put");
	expect(getme_batch_apply(peer->handle, batch, &options, NULL),
	       "getme_batch_apply");
	getme_batch_free(batch);
}

const void *peer_get(struct peer *peer, const char key[KEY_LEN], size_t *len)
{
	struct getme_value value;

	expect(getme_get(peer->handle, key, KEY_LEN, &value), "getme_get");
	*len = value.len;
	return value.data;
}

void peer_get_many(struct peer *peer, const char (*keys)[KEY_LEN],
		   const void **values)
{
	struct getme_bytes wanted[PEER_MANY];
	struct getme_item items[PEER_MANY];

	for (size_t i = 0; i < PEER_MANY; i++)
		wanted[i] = (struct getme_bytes){ keys[i], KEY_LEN };
	expect(getme_get_many(peer->handle, wanted, PEER_MANY, items),
	       "getme_get_many");
	for (size_t i = 0; i < PEER_MANY; i++) {
		expect(items[i].result, "getme_get_many: a key");
		values[i] = items[i].value.data;
	}
}

void peer_settle(struct peer *peer)
{
	expect(getme_sync(peer->handle), "getme_sync");
}

void peer_close(struct peer *peer)
{
	getme_close(peer->handle);
	free(peer);
}
