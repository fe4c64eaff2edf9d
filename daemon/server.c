#include "daemon/server.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/connection.h"
#include "daemon/logging.h"
#include "daemon/monitor.h"
#include "daemon/peers.h"
#include "daemon/service.h"

enum server_state {
	SERVER_SERVING,
	SERVER_PAUSED,
	SERVER_STOPPING,
};

struct server {
	enum server_state state;
	struct service service;
	struct listener *listener;
	struct loop_watch *watch;
	struct loop_timer *pause_timer;
	struct peers peers;
	struct monitor monitor;
	int spare_fd; /* given up to accept and refuse when there is none */
};

static void open_spare(struct server *server)
{
	if (server->spare_fd < 0)
		server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void close_spare(struct server *server)
{
	if (server->spare_fd >= 0)
		close(server->spare_fd);
	server->spare_fd = -1;
}

/* The one place where the state changes, and what a change brings. */
static void enter(struct server *server, enum server_state state)
{
	if (server->state == state || server->state == SERVER_STOPPING)
		return;
	server->state = state;
	switch (state) {
	case SERVER_SERVING:
		loop_timer_clear(server->pause_timer);
		loop_watch_set(server->watch, LOOP_READ);
		open_spare(server);
		break;
	case SERVER_PAUSED:
		loop_watch_set(server->watch, 0);
		loop_timer_set(server->pause_timer, LIMITS_ACCEPT_PAUSE_MS);
		break;
	case SERVER_STOPPING:
		loop_timer_clear(server->pause_timer);
		loop_watch_free(server->watch);
		server->watch = NULL;
		listener_close(server->listener);
		break;
	}
}

static void resume(void *ctx)
{
	enter(ctx, SERVER_SERVING);
}

static void forget(void *ctx, const struct connection *connection)
{
	struct server *server = ctx;
	struct service *service = &server->service;

	peers_remove(&server->peers, connection->uid);
	service->metrics.connections--;
	if (server->state == SERVER_PAUSED)
		enter(server, SERVER_SERVING);
	if (server->state == SERVER_STOPPING &&
	    service->metrics.connections == 0)
		loop_stop(service->loop);
}

static void look(void *ctx)
{
	struct server *server = ctx;

	monitor_look(&server->monitor, server->service.engine);
}

/* One error frame, as far as the socket takes it; then it is closed. */
static void refuse(struct server *server, int fd, const char *text)
{
	struct message_error error = { .code = MESSAGE_ERROR_BUSY };
	struct buffer frame;

	server->service.metrics.refused_total++;
	snprintf(error.text, sizeof(error.text), "%s", text);
	buffer_init(&frame);
	if (message_encode_error(&frame, 0, &error) == 0)
		(void)!send(fd, frame.data, frame.len,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
	buffer_deinit(&frame);
	close(fd);
}

static void refuse_over_limit(struct server *server, int fd, uid_t uid,
			      const char *whose, uint64_t limit)
{
	char text[128];

	snprintf(text, sizeof(text),
		 "%s %" PRIu64 " connections, the limit: close some, or try "
		 "again later",
		 whose, limit);
	logging_write(LOGGING_WARNING,
		      "refused a client of uid %lu: %s %" PRIu64
		      " connections, the limit",
		      (unsigned long)uid, whose, limit);
	refuse(server, fd, text);
}

/* What a login is here: the kernel says who it is. */
static int peer_uid(int fd, uid_t *uid)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -errno;
	*uid = peer.uid;
	return 0;
}

static void admit(struct server *server, int fd, uid_t uid)
{
	struct metrics *metrics = &server->service.metrics;
	struct connection *connection;

	if (connection_new(&server->service, fd, uid, &connection) < 0) {
		peers_remove(&server->peers, uid);
		refuse(server, fd,
		       "no memory for a connection: try again "
		       "later");
		return;
	}
	metrics->connections++;
	metrics->connections_total++;
	logging_write(LOGGING_DEBUG, "a client of uid %lu connected",
		      (unsigned long)uid);
}

static void take_client(struct server *server, int fd)
{
	const struct limits *limits = &server->service.limits;
	uid_t uid = 0;
	int result = peer_uid(fd, &uid);

	if (result < 0) {
		close(fd);
		return;
	}
	if (server->service.metrics.connections >= limits->max_connections) {
		refuse_over_limit(server, fd, uid, "there are",
				  limits->max_connections);
		return;
	}
	result =
		peers_add(&server->peers, uid, limits->max_connections_per_uid);
	if (result == 0)
		admit(server, fd, uid);
	else if (result == -EDQUOT)
		refuse_over_limit(server, fd, uid, "this user has",
				  limits->max_connections_per_uid);
	else
		refuse(server, fd,
		       "no memory for a connection: try again "
		       "later");
}

static int accept_one(const struct server *server)
{
	int fd = accept4(server->listener->fd, NULL, NULL,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/*
 * No descriptor left: the spare one takes each client that waits just to
 * tell it so, instead of leaving it without an answer.
 */
static void refuse_waiting(struct server *server)
{
	logging_write(LOGGING_WARNING,
		      "no descriptors left: refusing clients (raise "
		      "LimitNOFILE=, or lower --max-connections)");
	for (int i = 0; i < LIMITS_ACCEPT_ROUND; i++) {
		int fd;

		close_spare(server);
		fd = accept_one(server);
		if (fd < 0)
			break;
		refuse(server, fd,
		       "the daemon has no descriptors left: try again later");
		open_spare(server);
	}
	open_spare(server);
	enter(server, SERVER_PAUSED);
}

static void accept_failed(struct server *server, int error)
{
	switch (error) {
	case -EMFILE:
	case -ENFILE:
		refuse_waiting(server);
		break;
	case -EAGAIN:
	case -EINTR:
	case -ECONNABORTED:
		break;
	default:
		logging_write(LOGGING_WARNING,
			      "cannot accept clients: %s: trying again",
			      strerror(-error));
		enter(server, SERVER_PAUSED);
	}
}

static void accept_clients(void *ctx, int what)
{
	struct server *server = ctx;

	(void)what;
	for (int i = 0; i < LIMITS_ACCEPT_ROUND; i++) {
		int fd = accept_one(server);

		if (fd < 0) {
			accept_failed(server, fd);
			return;
		}
		take_client(server, fd);
	}
}

int server_new(struct loop *loop, struct engine *engine,
	       struct listener *listener, const struct limits *limits,
	       struct server **out)
{
	struct server *server = calloc(1, sizeof(*server));

	if (!server)
		return -ENOMEM;
	server->spare_fd = -1;
	if (service_init(&server->service, loop, engine, limits) < 0)
		goto fail;
	server->service.on_closed = forget;
	server->service.on_turn = look;
	server->service.ctx = server;
	server->listener = listener;
	server->pause_timer = loop_timer_new(loop, resume, server);
	server->watch =
		loop_watch_new(loop, listener->fd, accept_clients, server);
	if (!server->pause_timer || !server->watch ||
	    loop_watch_set(server->watch, LOOP_READ) < 0)
		goto fail;
	open_spare(server);
	*out = server;
	return 0;
fail:
	server_free(server);
	return -ENOMEM;
}

static void drain_all(struct service *service)
{
	uint64_t deadline_ms =
		clock_monotonic_ms() + service->limits.drain_timeout_ms;

	for (struct connection *at = service->connections; at; at = at->next)
		connection_drain(at, deadline_ms);
	if (!service->connections)
		loop_stop(service->loop);
}

void server_stop(struct server *server)
{
	if (server->state == SERVER_STOPPING) {
		server_close_connections(server);
		loop_stop(server->service.loop);
		return;
	}
	enter(server, SERVER_STOPPING);
	drain_all(&server->service);
}

void server_close_connections(struct server *server)
{
	service_close_connections(&server->service);
}

void server_free(struct server *server)
{
	if (!server)
		return;
	service_deinit(&server->service);
	loop_watch_free(server->watch);
	loop_timer_free(server->pause_timer);
	peers_deinit(&server->peers);
	close_spare(server);
	free(server);
}
