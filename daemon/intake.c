#include "daemon/intake.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/clock.h"
#include "daemon/dispatch.h"
#include "daemon/limits.h"
#include "daemon/service.h"
#include "proto/frame.h"

/*
 * A fault of framing, or no memory for a frame: one last reply, with id 0,
 * behind those of the requests before it.
 */
static void give_up(struct connection *connection, unsigned int code,
		    const char *text)
{
	struct service *service = connection->service;
	struct request *request = request_new(service);

	if (!request) {
		connection_close(connection);
		return;
	}
	dispatch_fail(request, code, "%s", text);
	connection_add(connection, request);
	discard_buffer(&service->discard, &connection->input);
	connection_drain(connection, clock_monotonic_ms() +
					     service->limits.drain_timeout_ms);
}

static void bad_frame(struct connection *connection, int result)
{
	if (result == FRAME_TOO_LARGE)
		give_up(connection, MESSAGE_ERROR_TOO_LARGE,
			"a frame is over the limit (hello tells frame_max)");
	else
		give_up(connection, MESSAGE_ERROR_BAD_FRAME,
			"a frame is empty");
}

/*
 * A frame that fills the input buffer is handed over with it, one in the
 * scratch buffer or among others is copied.
 */
static int keep_frame(struct connection *connection, struct request *request,
		      const uint8_t *body, size_t body_len)
{
	struct buffer *input = &connection->input;

	if (body_len < LIMITS_SCRATCH ||
	    input->len != FRAME_HEAD_LEN + body_len ||
	    body != input->data + FRAME_HEAD_LEN)
		return request_copy_body(request, body, body_len);
	request_take_frame(request, input, FRAME_HEAD_LEN);
	return 0;
}

static bool take_frame(struct connection *connection, const uint8_t *body,
		       size_t body_len)
{
	struct request *request = request_new(connection->service);

	if (!request || keep_frame(connection, request, body, body_len) < 0) {
		request_free(request);
		give_up(connection, MESSAGE_ERROR_NO_MEMORY,
			"no memory for a request: try again later");
		return false;
	}
	request->input_len = body_len;
	request->arrived_us = connection->arrived_us;
	dispatch_begin(request, body_len);
	connection_add(connection, request);
	return true;
}

/*
 * Returns how many bytes became requests; all, when it gave up: DATA may be
 * gone then.
 */
static size_t parse(struct connection *connection, const uint8_t *data,
		    size_t len)
{
	size_t off = 0;

	connection->frame_len = 0;
	while (connection->state != CONNECTION_CLOSED &&
	       connection_has_room(connection) && off < len) {
		const uint8_t *body;
		size_t body_len;
		size_t need;
		int result = frame_parse(data + off, len - off,
					 connection->service->frame_max, &body,
					 &body_len, &need);

		if (result == FRAME_PARTIAL) {
			connection->frame_len = need;
			break;
		}
		if (result != 0) {
			bad_frame(connection, result);
			return len;
		}
		off += FRAME_HEAD_LEN + body_len;
		if (!take_frame(connection, body, body_len))
			return len;
	}
	return off;
}

/* Room for the rest of a frame that is read in one piece. */
static void make_room(struct connection *connection)
{
	struct buffer *input = &connection->input;

	if (connection->frame_len <= LIMITS_SCRATCH ||
	    connection->state == CONNECTION_CLOSED)
		return;
	if (buffer_reserve(input, connection->frame_len - input->len) < 0)
		give_up(connection, MESSAGE_ERROR_NO_MEMORY,
			"no memory for a large frame: try again later");
}

/* What is no whole frame yet waits in the connection's own memory. */
static int keep_rest(struct connection *connection, const uint8_t *data,
		     size_t len)
{
	struct buffer *input = &connection->input;

	if (input->len == 0 &&
	    discard_reserve(&connection->service->discard, input, len) < 0)
		return -ENOMEM;
	return buffer_append(input, data, len);
}

bool intake_parse(struct connection *connection)
{
	struct buffer *input = &connection->input;
	size_t taken = parse(connection, input->data, input->len);

	if (connection->state == CONNECTION_CLOSED)
		return false;
	/* It may have been handed over, or dropped. */
	if (input->len >= taken)
		buffer_consume(input, taken);
	make_room(connection);
	return taken > 0;
}

void intake_take(struct connection *connection, const uint8_t *data, size_t len)
{
	size_t taken;

	connection_touch(connection);
	if (connection->input.len > 0) {
		if (keep_rest(connection, data, len) < 0)
			connection_close(connection);
		else
			intake_parse(connection);
		return;
	}
	taken = parse(connection, data, len);
	if (connection->state == CONNECTION_CLOSED || taken >= len)
		return;
	if (keep_rest(connection, data + taken, len - taken) < 0)
		connection_close(connection);
	else
		make_room(connection);
}

/* Returns what came, or 0: nothing now; the state tells the rest. */
static size_t receive(struct connection *connection, uint8_t *data, size_t len)
{
	ssize_t n;

	do {
		n = recv(connection->fd, data, len, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n > 0) {
		connection->arrived_us = clock_monotonic_us();
		metrics_add(&connection->service->metrics.bytes_in_total,
			    (uint64_t)n);
		return (size_t)n;
	}
	if (n == 0)
		connection_drain(connection, 0);
	else if (errno != EAGAIN && errno != ENOMEM && errno != ENOBUFS)
		connection_close(connection);
	return 0;
}

/* Straight into place; returns whether there may be more. */
static bool read_large(struct connection *connection)
{
	struct buffer *input = &connection->input;
	size_t want = connection->frame_len - input->len;
	size_t n;

	if (want > LIMITS_READ_PIECE)
		want = LIMITS_READ_PIECE;
	n = receive(connection, input->data + input->len, want);
	if (n == 0)
		return false;
	input->len += n;
	if (input->len == connection->frame_len) {
		intake_parse(connection);
		connection_touch(connection);
	}
	return true;
}

/* One that waits for nothing has no memory for it. */
static void give_back(struct connection *connection)
{
	struct buffer *input = &connection->input;

	if (input->len == 0 && input->cap > 0)
		discard_buffer(&connection->service->discard, input);
}

/* What is left of the last time goes before what comes. */
static bool read_small(struct connection *connection)
{
	struct buffer *input = &connection->input;
	uint8_t *scratch = connection->service->scratch;
	size_t kept = input->len;
	size_t n;

	if (kept > 0)
		memcpy(scratch, input->data, kept);
	n = receive(connection, scratch + kept, LIMITS_SCRATCH - kept);
	if (n == 0)
		return false;
	buffer_consume(input, kept);
	intake_take(connection, scratch, kept + n);
	if (connection->state != CONNECTION_CLOSED)
		give_back(connection);
	return n == LIMITS_SCRATCH - kept;
}

void intake_read(struct connection *connection)
{
	const struct metrics *metrics = &connection->service->metrics;
	uint64_t before = metrics->bytes_in_total;
	bool more = true;

	while (more && connection->state == CONNECTION_READING &&
	       connection_has_room(connection) &&
	       metrics->bytes_in_total - before < LIMITS_READ_ROUND) {
		if (connection->frame_len > LIMITS_SCRATCH)
			more = read_large(connection);
		else
			more = read_small(connection);
	}
}
