#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "client/answer.h"
#include "client/ask.h"
#include "client/direct_internal.h"
#include "client/session.h"

/* One part, as the daemon tells of it. */
struct part {
	int fd; /* the caller's */
	uint64_t index;
	uint32_t segment;
};

/* What an answer without a descriptor means. */
static int read_reply(struct getme *handle, const struct ticket *ticket,
		      struct part *part)
{
	struct message_reply reply;
	int result;

	result = answer_decode(handle, ticket, &reply);
	if (result == GETME_E_UNSUPPORTED || result == GETME_E_NOT_ALLOWED)
		return -ENOTSUP;
	if (result != 0)
		return -EIO;
	part->index = reply.index;
	part->segment = (uint32_t)reply.segment;
	result = reply.missing ? -ENODATA : 0;
	message_reply_deinit(&reply);
	return result;
}

/* Exactly one request is under way, so a descriptor that comes is its own. */
static int exchange(struct getme *handle, struct message_request *request,
		    struct part *part)
{
	struct transport *transport = &handle->transport;
	struct ticket ticket;
	int result;

	transport->takes_fd = true;
	session_exchange(handle, request, 0, handle_deadline(handle), &ticket);
	transport->takes_fd = false;
	part->fd = transport_take_fd(transport);
	if (ticket.state != TICKET_ANSWERED)
		return ticket.result == GETME_E_TIMEOUT ? -ETIMEDOUT
							: -ENOTCONN;
	result = read_reply(handle, &ticket, part);
	session_reclaim(handle);
	return result;
}

/* What was asked for cannot be had, or used: nor what is next, for a while. */
static int hold(struct direct *direct, int result)
{
	if (result < 0)
		direct->asks_held = DIRECT_PASSES;
	return result;
}

/*
 * What failed here is told by the socket's answer, or was no failure: the
 * handle's text stays.  But when the call's time is over there is no other
 * answer.
 */
static int ask(struct direct *direct, unsigned int option, uint64_t number,
	       struct part *part)
{
	struct getme *handle = direct->handle;
	struct message_request request;
	char text[HANDLE_TEXT_MAX];
	int result;

	part->fd = -1;
	if (handle->transport.fd < 0 ||
	    handle->n_connections != direct->connection ||
	    direct->n_asks++ >= DIRECT_ASKS_MAX)
		return -ENOTCONN;
	if (direct->asks_held > 0) {
		direct->asks_held--;
		return -EBUSY;
	}
	ask_init(&request, METHOD_ATTACH);
	if (option)
		request.options.present = OPT_INDEX | option;
	request.options.index = direct->index;
	request.options.primary = number;
	request.options.overflow = number;
	request.options.segment = number;
	memcpy(text, handle->error, sizeof(text));
	result = exchange(handle, &request, part);
	if (result == -ETIMEDOUT)
		direct->timed_out = true;
	else
		memcpy(handle->error, text, sizeof(text));
	/* Descriptors may have run out here, or under way. */
	if (result == 0 && part->fd < 0)
		result = -EMFILE;
	if (result == -EMFILE || result == -EIO || result == -ENOTSUP)
		hold(direct, result);
	if (result != 0 && part->fd >= 0)
		close(part->fd);
	return result;
}

int direct_attach_index(struct direct *direct)
{
	struct part part;
	int result = ask(direct, 0, 0, &part);

	if (result < 0)
		return result == -ENODATA ? -ENOTSUP : result;
	direct->index = part.index;
	return direct_map_add_header(&direct->map, part.fd);
}

int direct_attach_chunk(struct direct *direct, enum index_family family,
			unsigned int number)
{
	unsigned int option =
		family == INDEX_PRIMARY ? OPT_PRIMARY : OPT_OVERFLOW;
	struct part part;
	int result = ask(direct, option, number, &part);

	if (result < 0)
		return result;
	return hold(direct, direct_map_add_chunk(&direct->map, family, number,
						 part.fd));
}

int direct_attach_segment(struct direct *direct, uint32_t low)
{
	struct part part;
	int result = ask(direct, OPT_SEGMENT, low, &part);

	if (result < 0)
		return result;
	if ((part.segment & INDEX_SEGMENT_MASK) != low) {
		close(part.fd);
		return hold(direct, -EPROTO);
	}
	return hold(direct, direct_map_add_segment(&direct->map, part.segment,
						   part.fd));
}
