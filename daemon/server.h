/*
 * server: accepts clients, within limits, and stops in order.
 *
 *   SERVING   accepts
 *   PAUSED    descriptors or memory ran out: accepts again when a client
 *             went, or after LIMITS_ACCEPT_PAUSE_MS
 *   STOPPING  accepts no more; ends the loop when the last client is gone
 *
 * It serves clients on its own loop and on those of its workers
 * (daemon/worker.h), limits->threads in all: a new one goes to the loop that
 * has the fewest.
 */
#ifndef GETME_DAEMON_SERVER_H
#define GETME_DAEMON_SERVER_H

#include <stdbool.h>

#include "common/engine.h"
#include "daemon/limits.h"
#include "daemon/listener.h"
#include "daemon/loop.h"

struct server;

/* All are borrowed; all but the engine outlive the server.  0 or -ENOMEM. */
int server_new(struct loop *loop, struct engine *engine,
	       struct listener *listener, const struct limits *limits,
	       struct server **server);

/*
 * Starts the workers, and to accept.  0; -ENOMEM, -EMFILE, -EAGAIN (no more
 * threads), -EOPNOTSUPP (the engine has no branches): then what is there of
 * it ends as a server does that was started.
 */
int server_start(struct server *server);

/*
 * Stops accepting, closes the listener, finishes what was accepted and then
 * stops the loop.  The second time: stops at once.
 */
void server_stop(struct server *server);

/* Whether all workers' loops have turned since this was asked last. */
bool server_is_alive(struct server *server);

/* Of a worker's loop that failed, and so ended the first one; 0: none. */
int server_result(const struct server *server);

/* Before the engine is closed: no client, and no worker, is there after it. */
void server_close_connections(struct server *server);

/* After the engine was closed. */
void server_free(struct server *server);

#endif
