/*
 * peer: a store inside the process that uses it, and the program around it.
 *
 *	peer_NAME [-k KEYS] [-v VALUE] [-s SECONDS] [-n MEMBERS] [-w EVERY]
 *	          [-m MODE] PATH WORK
 *
 * WORK: load (all KEYS once, a thousand a batch, not synced), get (uniform
 * keys, one after another), many (64 at once), put (not synced), sync (one
 * durable put after another), a, b, c (YCSB's).  MEMBERS are threads in put
 * and sync, else processes that each open the store, read one of EVERY keys
 * first (the usual: two in each page of the sorted keys; 0: none), and begin
 * together.  Every value is compared with its key.  Prints
 * the line of stopwatch.h.
 */
#ifndef GETME_TESTS_BENCH_PEER_H
#define GETME_TESTS_BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/bench/keys.h"

enum {
	PEER_BATCH = 1000, /* puts of a load's batch */
	PEER_MANY = 64,
};

enum peer_use {
	PEER_LOAD,
	PEER_READ, /* several processes may */
	PEER_WRITE,
	PEER_SYNC, /* each put is durable when it returns */
};

struct peer_setting {
	const char *path;
	uint64_t n_keys;
	size_t value_len;
	enum peer_use use;
	const char *mode; /* NULL: the usual one */
};

struct peer_put {
	char key[KEY_LEN];
	uint8_t *value; /* of peer_setting.value_len */
};

/*
 * What peer_NAME.c defines.  All exit when they fail: a key that is not there
 * is a failure.  Values come as copies, which stay until the next call.
 */
struct peer;
struct peer *peer_open(const struct peer_setting *setting);
/* All or none; only durable as PEER_SYNC.  From several threads. */
void peer_put(struct peer *peer, const struct peer_put *puts, size_t n);
const void *peer_get(struct peer *peer, const char key[KEY_LEN], size_t *len);
/* PEER_MANY keys. */
void peer_get_many(struct peer *peer, const char (*keys)[KEY_LEN],
		   const void **values);
/* After a load, not in its time: what makes reading cheaper. */
void peer_settle(struct peer *peer);
void peer_close(struct peer *peer);

#endif
