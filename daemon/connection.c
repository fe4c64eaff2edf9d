#include "daemon/connection.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "daemon/dispatch.h"
#include "daemon/intake.h"
#include "daemon/limits.h"
#include "daemon/loop.h"
#include "daemon/service.h"

static void ready(void *ctx, int what);

static void link_up(struct connection *connection)
{
	struct service *service = connection->service;

	connection->next = service->connections;
	if (connection->next)
		connection->next->prev = connection;
	service->connections = connection;
}

static void unlink_it(struct connection *connection)
{
	if (connection->next)
		connection->next->prev = connection->prev;
	if (connection->prev)
		connection->prev->next = connection->next;
	else
		connection->service->connections = connection->next;
	connection->prev = NULL;
}

int connection_new(struct service *service, int fd, uid_t uid,
		   struct connection **out)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		return -ENOMEM;
	connection->watch =
		loop_watch_new(service->loop, fd, ready, connection);
	if (!connection->watch ||
	    loop_watch_set(connection->watch, LOOP_READ) < 0) {
		loop_watch_free(connection->watch);
		free(connection);
		return -ENOMEM;
	}
	connection->service = service;
	connection->output.pool = &service->chunks;
	connection->fd = fd;
	connection->uid = uid;
	connection->state = CONNECTION_READING;
	connection->reply_guess = LIMITS_RECORD_KEEP;
	connection->read_window = LIMITS_READ_WINDOW;
	link_up(connection);
	*out = connection;
	return 0;
}

/* The one place where the state changes, and what a change brings. */
static void enter(struct connection *connection, enum connection_state state)
{
	struct service *service = connection->service;

	if (connection->state == state ||
	    connection->state == CONNECTION_CLOSED)
		return;
	connection->state = state;
	if (state != CONNECTION_CLOSED)
		return;
	if (connection->n_lent > 0)
		service->metrics.direct_readers--;
	loop_watch_free(connection->watch);
	connection->watch = NULL;
	close(connection->fd);
	connection->fd = -1;
	lane_abandon(&connection->lane);
	output_deinit(&connection->output);
	discard_buffer(&service->discard, &connection->input);
	unlink_it(connection);
	connection->next = service->closed;
	service->closed = connection;
	if (service->on_closed)
		service->on_closed(service->ctx, connection);
}

void connection_close(struct connection *connection)
{
	enter(connection, CONNECTION_CLOSED);
}

void connection_free(struct connection *connection)
{
	free(connection);
}

void connection_touch(struct connection *connection)
{
	if (connection->is_ready)
		return;
	connection->is_ready = true;
	connection->next_ready = connection->service->ready;
	connection->service->ready = connection;
}

struct connection *connection_pop_ready(struct service *service)
{
	struct connection *connection = service->ready;

	service->ready = connection->next_ready;
	connection->is_ready = false;
	return connection;
}

struct connection *connection_pop_closed(struct service *service)
{
	struct connection *connection = service->closed;

	service->closed = connection->next;
	return connection;
}

void connection_drain(struct connection *connection, uint64_t deadline_ms)
{
	if (connection->state == CONNECTION_CLOSED)
		return;
	if (deadline_ms != 0) {
		connection->drain_deadline_ms = deadline_ms;
		lane_stop_tasks(&connection->lane);
		service_want_sweep(connection->service);
	}
	enter(connection, CONNECTION_DRAINING);
	connection_touch(connection);
}

/* Bytes of replies that are there, sent in part or not. */
static size_t output_len(const struct connection *connection)
{
	return connection->output.len + connection->lane.replies_len;
}

bool connection_has_room(const struct connection *connection)
{
	const struct limits *limits = &connection->service->limits;
	const struct lane *lane = &connection->lane;
	size_t expected =
		lane->n_running[REQUEST_READ] * connection->reply_guess;

	return !lane->held && lane->n < limits->max_pipeline &&
	       lane->n_running[REQUEST_READ] < connection->read_window &&
	       lane->input_len < limits->max_input &&
	       output_len(connection) + expected < limits->max_output;
}

/*
 * A waiting connection's watch is only switched off when it fires: most
 * waits are over before.
 */
static void ready(void *ctx, int what)
{
	struct connection *connection = ctx;
	int watched = loop_watch_get(connection->watch);

	if (what == LOOP_WRITE)
		connection_touch(connection);
	else if (connection->state != CONNECTION_READING)
		loop_watch_set(connection->watch, watched & ~LOOP_READ);
	else
		intake_read(connection);
	service_begin_early(connection->service);
}

/*
 * May an answer of LEN bytes be kept?  The first request's always when
 * nothing else waits to be sent, or the connection would never move on.
 */
static bool has_room_for(const struct connection *connection,
			 const struct request *request, size_t len)
{
	uint64_t max = connection->service->limits.max_output;

	if (request == connection->lane.head)
		return connection->output.len == 0 ||
		       connection->output.len + len <= max;
	return output_len(connection) + len <= max;
}

/* Falls slowly, rises at once. */
static void learn(struct connection *connection, size_t len)
{
	size_t guess = connection->reply_guess;

	connection->reply_guess = len > guess ? len : guess - (guess - len) / 8;
	if (len > LIMITS_REPLY_SMALL)
		connection->read_window = LIMITS_READ_WINDOW;
	else if (connection->read_window < LIMITS_PIPELINE)
		connection->read_window *= 2;
}

/* A small reply whose turn it is: false: nothing was done. */
static bool send_at_once(struct connection *connection, struct request *request)
{
	struct output *output = &connection->output;
	struct buffer *out;
	bool done;

	if (request != connection->lane.head || !dispatch_is_quick(request))
		return false;
	out = output_open(output);
	if (!out)
		return false;
	done = dispatch_finish_into(request, out);
	output_close(output);
	if (!done)
		return false;
	lane_done(&connection->lane, request);
	request_free(lane_take(&connection->lane));
	return true;
}

/*
 * The engine has answered.  What a read brought is borrowed: where it finds
 * no room it is dropped, and read again when there is some.
 */
static void take_answer(struct engine_request *engine)
{
	struct request *request = engine->user;
	struct connection *connection = request->connection;
	size_t len;

	request_take_fd(request);
	if (!connection) {
		request_free(request);
		return;
	}
	if (request->kind == REQUEST_READ) {
		len = dispatch_reply_len(request);
		learn(connection, len);
		if (!has_room_for(connection, request, len)) {
			lane_postpone(request, len);
			connection_touch(connection);
			return;
		}
	}
	connection_touch(connection);
	if (send_at_once(connection, request))
		return;
	dispatch_finish(request);
	lane_done(&connection->lane, request);
}

void connection_add(struct connection *connection, struct request *request)
{
	request->connection = connection;
	request->engine.done = take_answer;
	request->engine.user = request;
	lane_add(&connection->lane, request);
}

static int add_reply(struct connection *connection, struct request *request)
{
	/* Without a reply (no memory for one) the order is lost. */
	if (request->reply.len == 0)
		return -ENOMEM;
	if (request->has_fd) {
		request->has_fd = false;
		return output_add_descriptor(&connection->output,
					     &request->reply, request->fd);
	}
	if (request->n_values == 0)
		return output_add(&connection->output, &request->reply);
	return output_add_split(&connection->output, &request->reply,
				request->values, request->n_values);
}

/*
 * What was sent and not received yet is the kernel's, and counts for all
 * clients together: one that takes none gets no more of them.
 */
bool connection_lend(struct connection *connection)
{
	struct metrics *metrics = &connection->service->metrics;
	int unread = 0;

	if (connection->lent_ahead >= LIMITS_LENT_AHEAD &&
	    ioctl(connection->fd, SIOCOUTQ, &unread) == 0 && unread == 0)
		connection->lent_ahead = 0;
	if (connection->lent_ahead >= LIMITS_LENT_AHEAD)
		return false;
	connection->lent_ahead++;
	if (connection->n_lent++ == 0)
		metrics->direct_readers++;
	return true;
}

/* Replies whose turn it is go to the output. */
static void emit(struct connection *connection)
{
	struct request *request;
	int result;

	while (connection->state != CONNECTION_CLOSED &&
	       (request = lane_take(&connection->lane)) != NULL) {
		result = add_reply(connection, request);
		request_free(request);
		if (result < 0)
			connection_close(connection);
	}
}

/* What a round gives this connection; the rest when the socket is ready. */
static void flush(struct connection *connection)
{
	size_t left = LIMITS_WRITE_ROUND;
	long n;

	do {
		n = output_write(&connection->output, connection->fd, left);
		if (n > 0) {
			metrics_add(
				&connection->service->metrics.bytes_out_total,
				(uint64_t)n);
			left -= (size_t)n;
		}
	} while (n > 0 && left > 0 && connection->output.len > 0);
	if (n < 0)
		connection_close(connection);
}

/* Only the first is repeated: what comes behind has to wait for it. */
static void repeat(struct connection *connection)
{
	struct request *head = connection->lane.head;

	if (head && head->state == REQUEST_AGAIN &&
	    has_room_for(connection, head, head->expected_len)) {
		dispatch_restore(head);
		lane_repeat(head);
	}
}

/* Says whether there may be a further reply at once. */
static bool resume(struct connection *connection)
{
	lane_release(&connection->lane);
	repeat(connection);
	if (connection->input.len == 0 || !connection_has_room(connection))
		return false;
	return intake_parse(connection);
}

static void settle(struct connection *connection)
{
	int watched = loop_watch_get(connection->watch) & LOOP_READ;
	bool room = connection_has_room(connection);

	if (connection->state != CONNECTION_DRAINING) {
		enter(connection,
		      room ? CONNECTION_READING : CONNECTION_WAITING);
	} else if (room && connection->lane.n == 0 &&
		   connection->output.len == 0) {
		connection_close(connection);
		return;
	} else {
		watched = 0;
	}
	if (connection->state == CONNECTION_READING)
		watched = LOOP_READ;
	if (connection->output.len > 0)
		watched |= LOOP_WRITE;
	if (loop_watch_set(connection->watch, watched) < 0)
		connection_close(connection);
}

void connection_progress(struct connection *connection)
{
	bool again = true;

	while (again && connection->state != CONNECTION_CLOSED) {
		emit(connection);
		if (connection->state != CONNECTION_CLOSED)
			flush(connection);
		if (connection->state == CONNECTION_CLOSED)
			return;
		again = resume(connection);
	}
	if (connection->state != CONNECTION_CLOSED)
		settle(connection);
}
