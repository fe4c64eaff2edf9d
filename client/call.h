/*
 * call: one request, waited for.
 */
#ifndef GETME_CLIENT_CALL_H
#define GETME_CLIENT_CALL_H

#include "client/handle.h"

/*
 * Connects where needed, sends REQUEST, which names N keys or operations,
 * waits for TICKET, its own, to be done.  A read that the loss of the
 * connection cut off is sent once more, on a new one; so is a write of which
 * no byte was sent, unless others were lost with it.  0: TICKET has a reply.
 * Otherwise the call's result, with its text; a write that was not sent
 * never has GETME_E_TIMEOUT but GETME_E_NO_DAEMON.
 */
int call_ticket(struct getme *handle, struct message_request *request, size_t n,
		int64_t deadline_ms, struct ticket *ticket);

/* The same by the handle's deadline, and decodes the reply (answer_decode). */
int call(struct getme *handle, struct message_request *request, size_t n,
	 struct message_reply *reply);

/*
 * Makes sure that another request can be queued: connection, room.  0, or
 * the result of a METHOD of which nothing was sent, with its text.
 */
int call_prepare(struct getme *handle, enum method_id method,
		 int64_t deadline_ms);

#endif
