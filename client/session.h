/*
 * session: sends the requests of the tickets, receives replies, and gives
 * each ticket its reply or the reason why there is none.
 *
 * Invariants
 *  1. A failure, deadlines apart, is the end of the connection and settles
 *     every ticket: an answer is never waited for on a lost connection.
 *  2. A ticket of which no byte was sent is dropped from the output when it
 *     fails: it never takes effect later.
 */
#ifndef GETME_CLIENT_SESSION_H
#define GETME_CLIENT_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include "client/handle.h"

/* For handle->idle: called every so often while session_exchange waits. */
struct session_idle {
	int64_t every_ms;
	void (*call)(void *ctx); /* may not use the handle */
	void *ctx;
};

/*
 * Queues REQUEST (its id is chosen here), which names N keys or operations,
 * behind all others.  Nothing is sent yet.  0, GETME_E_TOO_LARGE (over a
 * limit of the daemon), -ENOMEM.
 */
int session_push(struct getme *handle, struct message_request *request,
		 size_t n, void *tag);

/*
 * Waits until another request may be queued: the daemon has answered enough
 * and the output is small.  0, -EAGAIN (not until DEADLINE), or the result
 * of losing the connection.
 */
int session_make_room(struct getme *handle, int64_t deadline_ms);

/*
 * Sends what can be sent, then receives what is there, waiting for either
 * until DEADLINE_MS.  0: go on; -EAGAIN: nothing until then; or the result
 * of losing the connection.
 */
int session_move(struct getme *handle, int64_t deadline_ms);

/*
 * Queues REQUEST and waits until TICKET, its own, is done, or the deadline
 * has passed: then the connection is closed if a byte of it was sent, since
 * a late reply must not be taken for another's.
 */
void session_exchange(struct getme *handle, struct message_request *request,
		      size_t n, int64_t deadline_ms, struct ticket *ticket);

/*
 * Closes the connection: tickets under way fail, a write of which a byte was
 * sent with GETME_E_UNKNOWN_OUTCOME, another with GETME_E_NO_DAEMON, a read
 * with CAUSE.  The text says what happened.  Returns CAUSE.
 */
__attribute__((format(printf, 3, 4))) int
session_lose(struct getme *handle, int cause, const char *format, ...);

/* In a child of fork(): lets go of everything that is the parent's. */
void session_forget(struct getme *handle);

/* Frees the input that no ticket needs: what was lent ends. */
void session_reclaim(struct getme *handle);

/*
 * The body that an answered ticket, popped last, got.  Borrowed until the
 * next call on the handle.
 */
const uint8_t *session_body(const struct getme *handle,
			    const struct ticket *ticket);

/*
 * Moves that body into INTO, replacing what it holds, without copying it
 * where it is alone; BODY points to it.  0 or -ENOMEM.
 */
int session_take_body(struct getme *handle, const struct ticket *ticket,
		      struct buffer *into, const uint8_t **body);

#endif
