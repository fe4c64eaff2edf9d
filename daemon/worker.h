/*
 * worker: a further loop, on a thread of its own, with a branch of the engine
 * and the connections that the server has handed to it.
 *
 * The server's thread calls everything here.  It hands over sockets and
 * wishes (drain, stop) by a list and two words, and wakes the loop, which looks
 * at them after each turn of its branch.  A connection stays with its
 * loop until it is closed.
 *
 *   worker_new -> worker_start -> give, drain -> worker_stop -> the engine
 *   is closed -> worker_free
 */
#ifndef GETME_DAEMON_WORKER_H
#define GETME_DAEMON_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/engine.h"
#include "daemon/limits.h"
#include "daemon/metrics.h"

struct worker;

/* What the worker tells; called on its thread. */
struct worker_host {
	/* A client of UID is gone, and counted as gone. */
	void (*gone)(void *ctx, uid_t uid);
	/* The loop cannot go on: RESULT is negative. */
	void (*failed)(void *ctx, int result);
	void *ctx;
};

/* -ENOMEM, -EMFILE; -EOPNOTSUPP: the engine has no branches. */
int worker_new(struct engine *engine, const struct limits *limits,
	       const struct worker_host *host, struct worker **worker);

/* Its counters, for the list of all loops', which ALL is then. */
struct metrics *worker_metrics(struct worker *worker);
void worker_set_metrics(struct worker *worker, const struct metrics *all);

/* Starts the thread.  0 or a negative errno. */
int worker_start(struct worker *worker);

/* Clients that were handed over and are not gone. */
uint64_t worker_n_clients(const struct worker *worker);

/*
 * Takes over FD, the socket of a client of UID; one that cannot be served is
 * refused by the worker.  -ENOMEM: FD is still the caller's.
 */
int worker_give(struct worker *worker, int fd, uid_t uid);

/*
 * Whether its loop has turned since this was asked last; it is woken, so that
 * it will have done so the next time.  True when it is asked first.
 */
bool worker_is_alive(struct worker *worker);

/* No more input: finish and close, by DEADLINE_MS (connection_drain). */
void worker_drain(struct worker *worker, uint64_t deadline_ms);

/* Closes all connections, and waits for the end of the thread. */
void worker_stop(struct worker *worker);

/* After the engine was closed; NULL is fine. */
void worker_free(struct worker *worker);

#endif
