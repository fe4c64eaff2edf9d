#include "client/call.h"

#include <errno.h>
#include <string.h>

#include "client/answer.h"
#include "client/connect.h"
#include "client/session.h"
#include "client/result.h"

int call_prepare(struct getme *handle, enum method_id method,
		 int64_t deadline_ms)
{
	int r;

	r = connect_ready(handle, deadline_ms);
	if (r == GETME_E_TIMEOUT)
		return result_without_reply(method, false, r);
	if (r != 0)
		return r;
	r = session_make_room(handle, deadline_ms);
	if (r == -EAGAIN)
		r = GETME_E_TIMEOUT;
	return r == 0 ? 0 : result_without_reply(method, false, r);
}

static void fail_ticket(struct ticket *ticket, int result)
{
	memset(ticket, 0, sizeof(*ticket));
	ticket->state = TICKET_FAILED;
	ticket->result = result;
}

/* One attempt; whether another one on a new connection makes sense. */
static bool attempt(struct getme *handle, struct message_request *request,
		    size_t n, int64_t deadline_ms, struct ticket *ticket)
{
	bool alone = !tickets_next(&handle->tickets);
	int r;

	r = call_prepare(handle, request->method, deadline_ms);
	if (r != 0) {
		fail_ticket(ticket, r);
		return r == GETME_E_DISCONNECTED;
	}
	session_exchange(handle, request, n, deadline_ms, ticket);
	if (ticket->state == TICKET_ANSWERED)
		return false;
	if (ticket->result == GETME_E_TOO_LARGE) {
		/* By the limits of a daemon that may be gone. */
		connect_drop_stale(handle);
		return handle->transport.fd < 0;
	}
	if (handle->transport.fd >= 0)
		return false;
	return ticket->result == GETME_E_DISCONNECTED ||
	       (ticket->result == GETME_E_NO_DAEMON && alone);
}

int call_ticket(struct getme *handle, struct message_request *request, size_t n,
		int64_t deadline_ms, struct ticket *ticket)
{
	if (attempt(handle, request, n, deadline_ms, ticket))
		attempt(handle, request, n, deadline_ms, ticket);
	if (ticket->state == TICKET_ANSWERED)
		return 0;
	if (ticket->result == GETME_E_UNKNOWN_OUTCOME)
		handle_fail(handle, ticket->result, "%s: %s",
			    getme_strerror(ticket->result), handle->lost);
	return ticket->result;
}

int call(struct getme *handle, struct message_request *request, size_t n,
	 struct message_reply *reply)
{
	struct ticket ticket;
	int r;

	r = call_ticket(handle, request, n, handle_deadline(handle), &ticket);
	if (r != 0)
		return r;
	return answer_decode(handle, &ticket, reply);
}
