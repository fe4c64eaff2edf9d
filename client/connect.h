/*
 * connect: a connection on which requests may be sent.
 *
 * hello goes out alone and its reply is waited for: a write is sent only to
 * a daemon that has said it takes our protocol, so that a refusal never
 * leaves its outcome open.  The price is one round trip a connection.
 */
#ifndef GETME_CLIENT_CONNECT_H
#define GETME_CLIENT_CONNECT_H

#include <stdint.h>

#include "client/handle.h"

/*
 * Connects and says hello unless that is done.  0, GETME_E_NO_DAEMON,
 * GETME_E_NOT_ALLOWED, GETME_E_TIMEOUT, GETME_E_VERSION, GETME_E_PROTOCOL,
 * another error of the daemon's, or a negative errno of this process
 * (-EMFILE, -ENOMEM, ...).  No request of the caller was sent.
 */
int connect_ready(struct getme *handle, int64_t deadline_ms);

/* Says hello on a new connection, as above. */
int connect_hello(struct getme *handle, int64_t deadline_ms);

/* Closes a quiet connection that the daemon has closed. */
void connect_drop_stale(struct getme *handle);

#endif
