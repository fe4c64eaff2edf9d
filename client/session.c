#include "client/session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/deadline.h"
#include "client/result.h"
#include "proto/frame.h"

enum {
	/* Output beyond this waits for the daemon before it grows. */
	OUTPUT_MAX = 256 << 10,
	/* The largest value that a daemon may be set to, and its wrapping. */
	REPLY_BODY_MAX = (1 << 30) + (1 << 20),
};

/* 0 is the daemon's, for errors that answer no request. */
static uint32_t next_id(struct getme *handle)
{
	if (++handle->last_id == 0)
		handle->last_id = 1;
	return handle->last_id;
}

static int encode(struct getme *handle, const struct message_request *request)
{
	int r;

	if (request->value.len > handle->limits.value_max)
		return handle_fail(
			handle, GETME_E_TOO_LARGE,
			"too large: the daemon takes values of up to %llu bytes",
			(unsigned long long)handle->limits.value_max);
	r = message_encode_request(&handle->transport.out,
				   (size_t)handle->limits.request_max, request);
	if (r == -EMSGSIZE)
		return handle_fail(
			handle, GETME_E_TOO_LARGE,
			"too large: the daemon takes requests of up to %llu bytes",
			(unsigned long long)handle->limits.request_max);
	if (r < 0)
		return handle_fail_plain(handle, r);
	return 0;
}

int session_push(struct getme *handle, struct message_request *request,
		 size_t n, void *tag)
{
	struct transport *transport = &handle->transport;
	struct ticket *ticket;
	uint64_t out_pos = transport->out_pos + transport->out.len;
	int r;

	request->id = next_id(handle);
	r = encode(handle, request);
	if (r != 0)
		return r;
	ticket = tickets_push(&handle->tickets);
	if (!ticket) {
		transport_take_back(transport, out_pos);
		return handle_fail_plain(handle, -ENOMEM);
	}
	ticket->method = request->method;
	ticket->id = request->id;
	ticket->n = n;
	ticket->tag = tag;
	ticket->out_pos = out_pos;
	return 0;
}

static bool is_full(const struct getme *handle)
{
	size_t in_flight = handle->tickets.n - handle->tickets.n_done;

	return in_flight > 0 && (in_flight >= handle->limits.in_flight_max ||
				 handle->transport.out.len >= OUTPUT_MAX);
}

int session_make_room(struct getme *handle, int64_t deadline_ms)
{
	int r = 0;

	while (r == 0 && is_full(handle))
		r = session_move(handle, deadline_ms);
	if (r == -EAGAIN)
		handle_fail(
			handle, r,
			"timed out: the daemon at %s takes no more requests",
			handle->path.text);
	return r;
}

static bool is_sent(const struct getme *handle, const struct ticket *ticket)
{
	return ticket->out_pos < handle->transport.out_pos;
}

static void fail_ticket(struct getme *handle, struct ticket *ticket, int cause)
{
	ticket->state = TICKET_FAILED;
	ticket->result = result_without_reply(ticket->method,
					      is_sent(handle, ticket), cause);
	ticket->body_pos = handle->parsed_pos;
}

int session_lose(struct getme *handle, int cause, const char *format, ...)
{
	struct ticket *ticket;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(handle->lost, sizeof(handle->lost), format, arguments);
	va_end(arguments);
	handle_fail(handle, cause, "%s", handle->lost);
	while ((ticket = tickets_next(&handle->tickets)) != NULL) {
		fail_ticket(handle, ticket, cause);
		tickets_settle(&handle->tickets);
	}
	transport_close(&handle->transport);
	transport_cut_input(&handle->transport, handle->parsed_pos);
	handle->need = 0;
	return cause;
}

/* An error without a request: the daemon is about to close. */
static int refused(struct getme *handle, const uint8_t *body, size_t body_len)
{
	struct message_reply reply;
	struct message_error fault;
	int cause;
	int r;

	r = message_decode_reply(handle->decoder, METHOD_PING, body, body_len,
				 &reply, &fault);
	if (r < 0)
		return session_lose(handle, GETME_E_PROTOCOL,
				    "the daemon at %s sent nonsense: %s",
				    handle->path.text, fault.text);
	if (reply.error.code == MESSAGE_ERROR_NONE) {
		message_reply_deinit(&reply);
		return session_lose(handle, GETME_E_PROTOCOL,
				    "the daemon at %s answered nothing",
				    handle->path.text);
	}
	cause = result_from_code(METHOD_PING, reply.error.code);
	session_lose(handle, cause, "%s: %s", getme_strerror(cause),
		     reply.error.text);
	message_reply_deinit(&reply);
	return cause;
}

/* Gives the body of one whole frame to the ticket that waits for it. */
static int match(struct getme *handle, const uint8_t *body, size_t body_len)
{
	struct ticket *ticket = tickets_next(&handle->tickets);
	uint32_t id;

	if (message_peek_reply_id(body, body_len, &id) < 0)
		return session_lose(handle, GETME_E_PROTOCOL,
				    "what answers at %s is no getMe daemon",
				    handle->path.text);
	if (id == 0)
		return refused(handle, body, body_len);
	if (!ticket || ticket->id != id)
		return session_lose(handle, GETME_E_PROTOCOL,
				    "the daemon at %s answered out of turn",
				    handle->path.text);
	ticket->state = TICKET_ANSWERED;
	ticket->body_pos = handle->parsed_pos + FRAME_HEAD_LEN;
	ticket->body_len = body_len;
	tickets_settle(&handle->tickets);
	return 0;
}

/* Takes the next whole frame.  0, FRAME_PARTIAL, or a negative result. */
static int take_frame(struct getme *handle)
{
	struct transport *transport = &handle->transport;
	size_t begin = (size_t)(handle->parsed_pos - transport->in_pos);
	size_t len = transport->in.len - begin;
	const uint8_t *body;
	size_t body_len;
	size_t need;
	int r;

	handle->need = 0;
	if (len == 0)
		return FRAME_PARTIAL;
	r = frame_parse(transport->in.data + begin, len, REPLY_BODY_MAX, &body,
			&body_len, &need);
	if (r == FRAME_PARTIAL) {
		handle->need = need - len;
		return r;
	}
	if (r != 0)
		return session_lose(handle, GETME_E_PROTOCOL,
				    "what answers at %s is no getMe daemon",
				    handle->path.text);
	r = match(handle, body, body_len);
	if (r == 0)
		handle->parsed_pos += FRAME_HEAD_LEN + body_len;
	return r;
}

static int receive(struct getme *handle)
{
	int r;

	r = transport_receive(&handle->transport, handle->need);
	if (r == -EAGAIN)
		return r;
	if (r == -ENOMEM)
		return session_lose(handle, r, "out of memory for a reply");
	if (r < 0)
		return session_lose(handle, GETME_E_DISCONNECTED,
				    "the daemon at %s closed the connection",
				    handle->path.text);
	do {
		r = take_frame(handle);
	} while (r == 0);
	return r == FRAME_PARTIAL ? 0 : r;
}

int session_move(struct getme *handle, int64_t deadline_ms)
{
	int r;

	transport_send(&handle->transport);
	if (deadline_ms == DEADLINE_NOW)
		return receive(handle);
	r = transport_wait(&handle->transport, deadline_ms);
	if (r == -EAGAIN)
		return r;
	if (r < 0)
		return session_lose(handle, r, "cannot wait for %s: %s",
				    handle->path.text, getme_strerror(r));
	r = receive(handle);
	return r == -EAGAIN ? 0 : r;
}

/* The newest ticket, under way, has run out of time. */
static void give_up(struct getme *handle)
{
	struct ticket *ticket =
		tickets_at(&handle->tickets, handle->tickets.n - 1);

	if (is_sent(handle, ticket)) {
		session_lose(handle, GETME_E_DISCONNECTED,
			     "the daemon at %s did not reply in time",
			     handle->path.text);
		if (ticket->result == GETME_E_DISCONNECTED)
			ticket->result = GETME_E_TIMEOUT;
		return;
	}
	handle_fail(handle, GETME_E_TIMEOUT,
		    "the daemon at %s took no request in time",
		    handle->path.text);
	memcpy(handle->lost, handle->error, sizeof(handle->lost));
	fail_ticket(handle, ticket, GETME_E_TIMEOUT);
	transport_take_back(&handle->transport, ticket->out_pos);
}

/* As session_move; what there is to do while waiting is done. */
static int wait_on(struct getme *handle, int64_t deadline_ms)
{
	const struct session_idle *idle = handle->idle;
	int64_t next_ms;
	int r;

	if (!idle)
		return session_move(handle, deadline_ms);
	next_ms = deadline_after(idle->every_ms);
	if (next_ms >= deadline_ms)
		return session_move(handle, deadline_ms);
	r = session_move(handle, next_ms);
	if (r != -EAGAIN)
		return r;
	idle->call(idle->ctx);
	return 0;
}

void session_exchange(struct getme *handle, struct message_request *request,
		      size_t n, int64_t deadline_ms, struct ticket *ticket)
{
	struct tickets *queue = &handle->tickets;
	int r;

	r = session_push(handle, request, n, NULL);
	if (r != 0) {
		memset(ticket, 0, sizeof(*ticket));
		ticket->state = TICKET_FAILED;
		ticket->result = r;
		return;
	}
	while (queue->n_done < queue->n) {
		r = wait_on(handle, deadline_ms);
		if (r != -EAGAIN)
			continue;
		give_up(handle);
		break;
	}
	tickets_pop_newest(queue, ticket);
}

void session_forget(struct getme *handle)
{
	struct transport *transport = &handle->transport;

	transport_close(transport);
	tickets_deinit(&handle->tickets);
	handle->parsed_pos = transport->in_pos + transport->in.len;
	handle->need = 0;
}

void session_reclaim(struct getme *handle)
{
	uint64_t pos = handle->parsed_pos;

	if (handle->tickets.n_done > 0)
		pos = tickets_at(&handle->tickets, 0)->body_pos;
	transport_reclaim(&handle->transport, pos);
}

const uint8_t *session_body(const struct getme *handle,
			    const struct ticket *ticket)
{
	const struct transport *transport = &handle->transport;

	return transport->in.data + (ticket->body_pos - transport->in_pos);
}

int session_take_body(struct getme *handle, const struct ticket *ticket,
		      struct buffer *into, const uint8_t **body)
{
	struct buffer *in = &handle->transport.in;
	size_t begin = (size_t)(ticket->body_pos - handle->transport.in_pos);
	struct buffer swap;
	int r;

	buffer_consume(into, into->len);
	if (handle->tickets.n_done == 0 && begin == FRAME_HEAD_LEN &&
	    in->len == begin + ticket->body_len) {
		swap = *into;
		*into = *in;
		*in = swap;
		handle->transport.in_pos = handle->parsed_pos;
		*body = into->data + begin;
		return 0;
	}
	r = buffer_append(into, session_body(handle, ticket), ticket->body_len);
	*body = into->data;
	return r;
}
