/*
 * peer: one program for each store that lives in the process of its user; all
 * have the same command line and the same loops, and bring their own five
 * functions.
 *
 *	peer_NAME DIR load KEYS VALUE
 *	peer_NAME DIR get|many PROCESSES SECONDS KEYS
 *	peer_NAME DIR durable THREADS SECONDS KEYS VALUE
 *
 * load puts every key, in an order that is none, syncs at the end and prints
 * seconds.  get reads random keys, one at a time, many 64 at a time where the
 * store can, and copies the values.  durable puts with a sync each.  They print
 * operations a second (of all processes) and CPU us an operation.
 */
#ifndef GETME_TESTS_BENCH_PEER_H
#define GETME_TESTS_BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PEER_MANY = 64 };

struct peer {
	const char *name;
	/* Opens DIR; for reading, in each process by itself. */
	void (*open)(const char *dir, bool to_read);
	/* Puts N keys; SYNC: durable when it returns. */
	void (*put)(const char *keys, const char *values, size_t value_len,
		    size_t n, bool sync);
	/* Copies the value; its length. */
	size_t (*get)(const char *key, char *value, size_t cap);
	/* NULL: the store cannot.  Checks all PEER_MANY values' beginnings. */
	void (*get_many)(const char *keys);
	void (*close)(void);
	/* Several threads may put at once, and share a sync. */
	bool threads_put;
};

int peer_main(const struct peer *peer, int argc, char **argv);

#endif
