/*
 * connection: one client, from its socket to its replies.
 *
 *   READING   the socket is read, whole frames become requests
 *   WAITING   nothing is read or parsed: a request waits for earlier ones
 *             (daemon/lane.h), or a limit is reached
 *   DRAINING  nothing more is read; what was read is finished, the replies
 *             are sent, then it closes: the peer ended its side, broke the
 *             framing, or the daemon stops
 *   CLOSED    gone, freed at the end of the round
 *
 *   READING <-> WAITING -> DRAINING -> CLOSED, and from each to CLOSED when
 *   the peer is gone.
 *
 * Invariants
 *  1. Every request gets one reply, in order, unless the peer is gone.
 *  2. A connection holds at most max_input bytes of requests under way and
 *     one frame more; twice max_output bytes of replies and one reply more.
 *  3. Whoever changes a connection so that something may move on calls
 *     connection_touch; only connection_progress moves it, but for a small
 *     reply whose turn it is, which goes to the output when it is made.
 */
#ifndef GETME_DAEMON_CONNECTION_H
#define GETME_DAEMON_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/output.h"
#include "daemon/lane.h"
#include "proto/buffer.h"

struct service;
struct loop_watch;

enum connection_state {
	CONNECTION_READING,
	CONNECTION_WAITING,
	CONNECTION_DRAINING,
	CONNECTION_CLOSED,
};

struct connection {
	struct connection *next; /* of all, or of the closed ones */
	struct connection *prev;
	struct connection *next_ready;
	bool is_ready; /* in service->ready */
	enum connection_state state;
	struct service *service;
	int fd;
	uid_t uid;
	struct loop_watch *watch;
	struct lane lane;
	/*
	 * What was read and not parsed: less than a frame, unless WAITING.
	 * A frame over LIMITS_SCRATCH is read into it, in one piece.
	 */
	struct buffer input;
	uint64_t arrived_us; /* CLOCK_MONOTONIC: when bytes came last */
	size_t frame_len;    /* of the frame that input begins; 0: not known */
	struct output output;
	size_t reply_guess;	    /* bytes of a read's reply */
	size_t read_window;	    /* reads under way at most */
	uint64_t drain_deadline_ms; /* CLOCK_MONOTONIC; 0: none */
	uint64_t n_lent;	    /* descriptors that it asked for and got */
	unsigned int lent_ahead;    /* since it had taken all of its replies */
};

/* Takes FD over, which does not block.  -ENOMEM: FD is still the caller's. */
int connection_new(struct service *service, int fd, uid_t uid,
		   struct connection **connection);

/* May a further request be taken in? */
bool connection_has_room(const struct connection *connection);

/* Whether a further descriptor may be sent; counts it if so. */
bool connection_lend(struct connection *connection);

/* Adds REQUEST, which dispatch_begin or dispatch_fail was called for. */
void connection_add(struct connection *connection, struct request *request);

/* Moves on all that can: replies, requests, bytes, the state. */
void connection_progress(struct connection *connection);

/* Asks for connection_progress in this round. */
void connection_touch(struct connection *connection);

/*
 * No more input: finish and close, by DEADLINE_MS (0: whenever), which ends
 * the waiting for tasks at once.
 */
void connection_drain(struct connection *connection, uint64_t deadline_ms);

/* Now, whatever is under way. */
void connection_close(struct connection *connection);

/* For service.c: takes the first of a list. */
struct connection *connection_pop_ready(struct service *service);
struct connection *connection_pop_closed(struct service *service);
void connection_free(struct connection *connection);

#endif
