/*
 * intake: a connection's bytes become requests.
 *
 * Small frames are read into the service's scratch buffer, so that an idle
 * connection holds no buffer; a frame over LIMITS_SCRATCH is read straight
 * into memory of its own, which the request takes over.  Its length was
 * checked before, and its pages are not touched until bytes are there.
 */
#ifndef GETME_DAEMON_INTAKE_H
#define GETME_DAEMON_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/connection.h"

/* The socket is readable. */
void intake_read(struct connection *connection);

/* Parses what was read before; says whether that gave any request. */
bool intake_parse(struct connection *connection);

/* Takes what came from the peer: intake_read's, tests' and fuzzers' way. */
void intake_take(struct connection *connection, const uint8_t *data,
		 size_t len);

#endif
