#include "client/answer.h"

#include <errno.h>
#include <string.h>

#include "client/session.h"
#include "client/result.h"

int answer_misunderstood(struct getme *handle, const struct ticket *ticket,
			 const char *why)
{
	int result =
		result_without_reply(ticket->method, true, GETME_E_PROTOCOL);

	session_lose(handle, GETME_E_PROTOCOL,
		     "the daemon at %s sent a reply to %s that is wrong: %s",
		     handle->path.text, method_get(ticket->method)->name, why);
	return handle_fail(handle, result, "%s: %s", getme_strerror(result),
			   handle->lost);
}

static int no_memory(struct getme *handle, const struct ticket *ticket)
{
	return handle_fail_plain(
		handle, result_without_reply(ticket->method, true, -ENOMEM));
}

static int refused(struct getme *handle, const struct ticket *ticket,
		   const struct message_error *error)
{
	int result = result_from_code(ticket->method, error->code);
	const char *name = getme_strerror(result);

	if (error->text[0] == '\0')
		return handle_fail_plain(handle, result);
	/* The daemon's text may begin with what the result is called. */
	if (strncmp(error->text, name, strlen(name)) == 0)
		return handle_fail(handle, result, "%s", error->text);
	return handle_fail(handle, result, "%s: %s", name, error->text);
}

/* Whether the reply names as many keys as the request did. */
static bool fits(const struct ticket *ticket, const struct message_reply *reply)
{
	switch (ticket->method) {
	case METHOD_GET_MANY:
		return reply->n_items == ticket->n;
	case METHOD_BATCH:
		if (reply->condition_failed)
			return reply->failed_index < ticket->n;
		return reply->n_versions == ticket->n;
	default:
		return true;
	}
}

int answer_decode_body(struct getme *handle, const struct ticket *ticket,
		       const uint8_t *body, struct message_reply *reply)
{
	struct message_error fault;
	int r;

	r = message_decode_reply(handle->decoder, ticket->method, body,
				 ticket->body_len, reply, &fault);
	if (r == -ENOMEM)
		return no_memory(handle, ticket);
	if (r < 0)
		return answer_misunderstood(handle, ticket, fault.text);
	if (reply->error.code != MESSAGE_ERROR_NONE)
		r = refused(handle, ticket, &reply->error);
	else if (!fits(ticket, reply))
		r = answer_misunderstood(handle, ticket,
					 "another number of keys");
	if (r != 0)
		message_reply_deinit(reply);
	return r;
}

int answer_decode(struct getme *handle, const struct ticket *ticket,
		  struct message_reply *reply)
{
	if (ticket->state == TICKET_ANSWERED)
		return answer_decode_body(handle, ticket,
					  session_body(handle, ticket), reply);
	return ticket->result;
}

int64_t answer_expiry(uint64_t expires_at_ms)
{
	if (expires_at_ms == 0)
		return -1;
	return expires_at_ms < INT64_MAX ? (int64_t)expires_at_ms : INT64_MAX;
}

int answer_value(const struct message_item *item, struct getme_value *value)
{
	switch (item->kind) {
	case MESSAGE_ITEM_MISSING:
		return GETME_NOT_FOUND;
	case MESSAGE_ITEM_ERROR:
		return result_from_code(METHOD_GET, item->error_code);
	case MESSAGE_ITEM_FOUND:
		break;
	}
	value->data = item->value.len ? item->value.data : NULL;
	value->len = item->value.len;
	value->version = item->version;
	value->expires_at_ms = answer_expiry(item->expires_at_ms);
	return 0;
}

int answer_get(enum method_id method, const struct message_reply *reply,
	       struct getme_value *value)
{
	int r;

	if (reply->missing)
		return GETME_NOT_FOUND;
	r = answer_value(&reply->items[0], value);
	if (r == 0 && method == METHOD_STAT)
		value->len = (size_t)reply->items[0].size;
	return r;
}

static enum getme_durability durability(const struct message_reply *reply)
{
	switch (reply->durability) {
	case MESSAGE_DURABILITY_NONE:
		return GETME_NONE;
	case MESSAGE_DURABILITY_INTERVAL:
		return GETME_INTERVAL;
	case MESSAGE_DURABILITY_ALWAYS:
		return GETME_ALWAYS;
	case MESSAGE_DURABILITY_DEFAULT:
		break;
	}
	return GETME_DEFAULT;
}

int answer_written(enum method_id method, const struct message_reply *reply,
		   struct getme_written *written)
{
	struct getme_written ignored;

	if (reply->missing)
		return method == METHOD_TOUCH ? GETME_NOT_FOUND
					      : GETME_CONDITION;
	if (!written)
		written = &ignored;
	if (method == METHOD_BATCH && reply->condition_failed) {
		written->failed_index = reply->failed_index;
		return GETME_CONDITION;
	}
	memset(written, 0, sizeof(*written));
	written->durability = durability(reply);
	if (method == METHOD_DELETE)
		written->deleted = reply->count;
	else if (method != METHOD_BATCH)
		written->version = reply->version;
	if (method == METHOD_INCR)
		written->number = reply->number;
	return 0;
}
