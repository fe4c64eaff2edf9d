#include "daemon/server.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
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
#include "daemon/refusal.h"
#include "daemon/service.h"
#include "daemon/worker.h"

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
	pthread_mutex_t peers_lock; /* connections end on all threads */
	struct monitor monitor;
	struct worker **workers; /* the further loops */
	size_t n_workers;
	atomic_bool has_room; /* a client of a worker's is gone */
	_Atomic int result;   /* of a loop that failed; 0: none did */
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

/* Of all loops. */
static uint64_t n_clients(const struct server *server)
{
	uint64_t n = server->service.metrics.connections;

	for (size_t i = 0; i < server->n_workers; i++)
		n += worker_n_clients(server->workers[i]);
	return n;
}

/* Somebody is gone: others may come, or it was the last one. */
static void make_room(struct server *server)
{
	if (server->state == SERVER_PAUSED)
		enter(server, SERVER_SERVING);
	if (server->state == SERVER_STOPPING && n_clients(server) == 0)
		loop_stop(server->service.loop);
}

static int add_peer(struct server *server, uid_t uid)
{
	uint64_t max = server->service.limits.max_connections_per_uid;
	int result;

	pthread_mutex_lock(&server->peers_lock);
	result = peers_add(&server->peers, uid, max);
	pthread_mutex_unlock(&server->peers_lock);
	return result;
}

static void remove_peer(struct server *server, uid_t uid)
{
	pthread_mutex_lock(&server->peers_lock);
	peers_remove(&server->peers, uid);
	pthread_mutex_unlock(&server->peers_lock);
}

static void forget(void *ctx, const struct connection *connection)
{
	struct server *server = ctx;

	remove_peer(server, connection->uid);
	atomic_fetch_sub(&server->service.metrics.connections, 1);
	make_room(server);
}

/* On a worker's thread. */
static void forget_elsewhere(void *ctx, uid_t uid)
{
	struct server *server = ctx;

	remove_peer(server, uid);
	atomic_store(&server->has_room, true);
	loop_wake(server->service.loop);
}

static void fail_elsewhere(void *ctx, int result)
{
	struct server *server = ctx;

	atomic_store(&server->result, result);
	loop_wake(server->service.loop);
}

static void look(void *ctx)
{
	struct server *server = ctx;

	monitor_look(&server->monitor, server->service.engine);
	if (atomic_exchange(&server->has_room, false))
		make_room(server);
	if (atomic_load(&server->result) < 0)
		loop_stop(server->service.loop);
}

static void refuse(struct server *server, int fd, const char *text)
{
	metrics_add(&server->service.metrics.refused_total, 1);
	refusal_send(fd, text);
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

/* The loop with the fewest clients: NULL is the first one. */
static struct worker *choose(const struct server *server)
{
	struct worker *best = NULL;
	uint64_t fewest = server->service.metrics.connections;

	for (size_t i = 0; i < server->n_workers; i++) {
		uint64_t n = worker_n_clients(server->workers[i]);

		if (n >= fewest)
			continue;
		fewest = n;
		best = server->workers[i];
	}
	return best;
}

static int serve_here(struct server *server, int fd, uid_t uid)
{
	struct metrics *metrics = &server->service.metrics;
	struct connection *connection;
	int result = connection_new(&server->service, fd, uid, &connection);

	if (result < 0)
		return result;
	metrics_add(&metrics->connections, 1);
	metrics_add(&metrics->connections_total, 1);
	return 0;
}

static void admit(struct server *server, int fd, uid_t uid)
{
	struct worker *worker = choose(server);
	int result = worker ? worker_give(worker, fd, uid)
			    : serve_here(server, fd, uid);

	if (result < 0) {
		remove_peer(server, uid);
		refuse(server, fd,
		       "no memory for a connection: try again "
		       "later");
		return;
	}
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
	if (n_clients(server) >= limits->max_connections) {
		refuse_over_limit(server, fd, uid, "there are",
				  limits->max_connections);
		return;
	}
	result = add_peer(server, uid);
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

static int make_workers(struct server *server)
{
	const struct limits *limits = &server->service.limits;
	const struct worker_host host = {
		.gone = forget_elsewhere,
		.failed = fail_elsewhere,
		.ctx = server,
	};
	size_t n = limits->threads - 1;
	int result = 0;

	server->workers = calloc(n ? n : 1, sizeof(struct worker *));
	if (!server->workers)
		return -ENOMEM;
	while (result == 0 && server->n_workers < n) {
		result = worker_new(server->service.engine, limits, &host,
				    &server->workers[server->n_workers]);
		server->n_workers += result == 0;
	}
	return result;
}

/* Before they run: who asks one loop for the counters gets all. */
static void join_metrics(struct server *server)
{
	const struct metrics *all = &server->service.metrics;
	struct metrics *last = &server->service.metrics;

	for (size_t i = 0; i < server->n_workers; i++) {
		worker_set_metrics(server->workers[i], all);
		last->next = worker_metrics(server->workers[i]);
		last = worker_metrics(server->workers[i]);
	}
}

int server_start(struct server *server)
{
	int result = make_workers(server);

	if (result < 0)
		return result;
	join_metrics(server);
	for (size_t i = 0; result == 0 && i < server->n_workers; i++)
		result = worker_start(server->workers[i]);
	if (result == 0)
		result = loop_watch_set(server->watch, LOOP_READ);
	return result;
}

static void stop_workers(struct server *server)
{
	for (size_t i = 0; i < server->n_workers; i++)
		worker_stop(server->workers[i]);
}

int server_new(struct loop *loop, struct engine *engine,
	       struct listener *listener, const struct limits *limits,
	       struct server **out)
{
	struct server *server = calloc(1, sizeof(*server));

	if (!server)
		return -ENOMEM;
	server->spare_fd = -1;
	pthread_mutex_init(&server->peers_lock, NULL);
	if (service_init(&server->service, loop, engine, limits) < 0)
		goto fail;
	server->service.on_closed = forget;
	server->service.on_turn = look;
	server->service.ctx = server;
	server->listener = listener;
	server->pause_timer = loop_timer_new(loop, resume, server);
	server->watch =
		loop_watch_new(loop, listener->fd, accept_clients, server);
	if (!server->pause_timer || !server->watch)
		goto fail;
	open_spare(server);
	*out = server;
	return 0;
fail:
	server_free(server);
	return -ENOMEM;
}

static void drain_all(struct server *server)
{
	const struct service *service = &server->service;
	uint64_t deadline_ms =
		clock_monotonic_ms() + service->limits.drain_timeout_ms;

	for (struct connection *at = service->connections; at; at = at->next)
		connection_drain(at, deadline_ms);
	for (size_t i = 0; i < server->n_workers; i++)
		worker_drain(server->workers[i], deadline_ms);
	make_room(server);
}

void server_stop(struct server *server)
{
	if (server->state == SERVER_STOPPING) {
		server_close_connections(server);
		loop_stop(server->service.loop);
		return;
	}
	enter(server, SERVER_STOPPING);
	drain_all(server);
}

void server_close_connections(struct server *server)
{
	service_close_connections(&server->service);
	stop_workers(server);
}

bool server_is_alive(struct server *server)
{
	bool alive = true;

	for (size_t i = 0; i < server->n_workers; i++)
		alive &= worker_is_alive(server->workers[i]);
	return alive;
}

int server_result(const struct server *server)
{
	return atomic_load(&server->result);
}

void server_free(struct server *server)
{
	if (!server)
		return;
	for (size_t i = 0; i < server->n_workers; i++)
		worker_free(server->workers[i]);
	free(server->workers);
	service_deinit(&server->service);
	loop_watch_free(server->watch);
	loop_timer_free(server->pause_timer);
	peers_deinit(&server->peers);
	pthread_mutex_destroy(&server->peers_lock);
	close_spare(server);
	free(server);
}
