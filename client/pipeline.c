/*
 * pipeline: requests submitted now, their answers collected later.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/answer.h"
#include "client/batch.h"
#include "client/call.h"
#include "client/connect.h"
#include "client/deadline.h"
#include "client/ask.h"
#include "client/session.h"

enum {
	/* Requests gathered before they are sent: a good system call. */
	GATHER_MAX = 16 << 10,
	/* Rounds of getme_process, so that it ends with a fast peer. */
	PROCESS_ROUNDS = 64,
};

/* Queues REQUEST, which names N keys or operations. */
static int submit(struct getme *handle, struct message_request *request,
		  size_t n, void *tag)
{
	int64_t deadline_ms = handle_deadline(handle);
	int r;

	connect_drop_stale(handle);
	r = call_prepare(handle, request->method, deadline_ms);
	if (r == 0)
		r = session_push(handle, request, n, tag);
	if (r != 0)
		return r;
	if (handle->transport.out.len >= GATHER_MAX)
		transport_send(&handle->transport);
	return 0;
}

int getme_submit_get(struct getme *handle, const void *key, size_t key_len,
		     void *tag)
{
	struct message_request request;
	int r;

	r = handle_begin(handle);
	if (r < 0)
		return r;
	ask_init(&request, METHOD_GET);
	r = ask_key(handle, &request, key, key_len);
	return r == 0 ? submit(handle, &request, 1, tag) : r;
}

int getme_submit_put(struct getme *handle, const void *key, size_t key_len,
		     const void *value, size_t value_len,
		     const struct getme_write_options *options, void *tag)
{
	struct message_request request;
	int r;

	r = handle_begin(handle);
	if (r < 0)
		return r;
	r = ask_put(handle, &request, key, key_len, value, value_len, options);
	return r == 0 ? submit(handle, &request, 1, tag) : r;
}

int getme_submit_delete(struct getme *handle, const void *key, size_t key_len,
			const struct getme_write_options *options, void *tag)
{
	struct message_request request;
	struct message_bytes one;
	int r;

	r = handle_begin(handle);
	if (r < 0)
		return r;
	r = ask_delete(handle, &request, &one, key, key_len, options);
	return r == 0 ? submit(handle, &request, 1, tag) : r;
}

int getme_submit_batch(struct getme *handle, const struct getme_batch *batch,
		       const struct getme_write_options *options, void *tag)
{
	struct message_request request;
	int r;

	r = handle_begin(handle);
	if (r < 0)
		return r;
	r = batch_ask(handle, batch, options, &request);
	if (r != 0)
		return r;
	r = submit(handle, &request, getme_batch_count(batch), tag);
	free(request.ops);
	return r;
}

/* The result of TICKET, as the synchronous call's. */
static int result_of(struct getme *handle, const struct ticket *ticket,
		     struct getme_answer *answer)
{
	struct message_reply reply;
	int r;

	if (ticket->state == TICKET_FAILED)
		return handle_fail(handle, ticket->result, "%s: %s",
				   getme_strerror(ticket->result),
				   handle->lost);
	r = answer_decode(handle, ticket, &reply);
	if (r != 0)
		return r;
	if (ticket->method == METHOD_GET)
		r = answer_get(METHOD_GET, &reply, &answer->value);
	else
		r = answer_written(ticket->method, &reply, &answer->written);
	message_reply_deinit(&reply);
	return handle_result(handle, r);
}

/* Waits until the oldest ticket is done.  There is one. */
static int await(struct getme *handle, int wait)
{
	int64_t deadline_ms = DEADLINE_NOW;
	int r;

	if (wait)
		deadline_ms = handle_deadline(handle);
	while (handle->tickets.n_done == 0) {
		/* A lost connection gives every ticket its result. */
		r = session_move(handle, deadline_ms);
		if (r != -EAGAIN)
			continue;
		if (!wait)
			return r;
		return handle_fail(
			handle, GETME_E_TIMEOUT,
			"the daemon at %s did not reply in time; its answer can still be collected",
			handle->path.text);
	}
	return 0;
}

int getme_collect(struct getme *handle, int wait, struct getme_answer *answer)
{
	struct getme_answer found;
	struct ticket ticket;
	int r;

	r = handle_begin(handle);
	if (r < 0)
		return r;
	if (!answer)
		return handle_fail(handle, -EINVAL, "no place for the answer");
	if (handle->tickets.n == 0)
		return GETME_END;
	r = await(handle, wait);
	if (r != 0)
		return r;
	tickets_pop_oldest(&handle->tickets, &ticket);
	memset(&found, 0, sizeof(found));
	found.tag = ticket.tag;
	found.result = result_of(handle, &ticket, &found);
	*answer = found;
	return 0;
}

size_t getme_pending(const struct getme *handle)
{
	return handle && handle_is_ours(handle) ? handle->tickets.n : 0;
}

int getme_fd(const struct getme *handle)
{
	if (!handle)
		return -EINVAL;
	return handle_is_ours(handle) ? handle->transport.fd : -1;
}

int getme_events(const struct getme *handle)
{
	if (!handle)
		return -EINVAL;
	if (!handle_is_ours(handle) || handle->transport.fd < 0)
		return 0;
	return transport_events(&handle->transport);
}

int getme_process(struct getme *handle)
{
	int rounds;
	int r;

	r = handle_begin(handle);
	for (rounds = 0; r == 0 && rounds < PROCESS_ROUNDS; rounds++) {
		if (handle->transport.fd < 0)
			return 0;
		r = session_move(handle, DEADLINE_NOW);
	}
	return r == -EAGAIN ? 0 : r;
}
