#include "daemon/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/connection.h"
#include "daemon/logging.h"
#include "daemon/loop.h"
#include "daemon/refusal.h"
#include "daemon/service.h"

struct worker {
	struct worker_host host;
	struct loop *loop;
	struct engine *branch;
	struct service service;
	pthread_t thread;
	bool is_running;
	bool is_draining; /* the thread's own */
	_Atomic uint64_t n_clients;
	pthread_mutex_t guests_lock;
	struct guest *guests;	      /* under the lock; the newest first */
	_Atomic uint64_t drain_by_ms; /* 0: not asked for */
	atomic_bool is_ending;
	atomic_bool is_asked; /* whether it is alive; it has not said so yet */
};

/* A socket on its way to the worker. */
struct guest {
	struct guest *next;
	int fd;
	uid_t uid;
};

static void wake(void *ctx)
{
	loop_wake(ctx);
}

/* ---- on its thread ---- */

static void leave(struct worker *worker, uid_t uid)
{
	atomic_fetch_sub(&worker->n_clients, 1);
	worker->host.gone(worker->host.ctx, uid);
}

static void forget(void *ctx, const struct connection *connection)
{
	struct worker *worker = ctx;

	atomic_fetch_sub(&worker->service.metrics.connections, 1);
	leave(worker, connection->uid);
}

static void admit(struct worker *worker, const struct guest *guest)
{
	struct metrics *metrics = &worker->service.metrics;
	struct connection *connection;

	if (connection_new(&worker->service, guest->fd, guest->uid,
			   &connection) < 0) {
		metrics_add(&metrics->refused_total, 1);
		refusal_send(guest->fd,
			     "no memory for a connection: try again later");
		leave(worker, guest->uid);
		return;
	}
	metrics_add(&metrics->connections, 1);
	metrics_add(&metrics->connections_total, 1);
}

static void take_guests(struct worker *worker,
			void (*take)(struct worker *worker,
				     const struct guest *guest))
{
	struct guest *guest;

	pthread_mutex_lock(&worker->guests_lock);
	guest = worker->guests;
	worker->guests = NULL;
	pthread_mutex_unlock(&worker->guests_lock);
	while (guest) {
		struct guest *next = guest->next;

		take(worker, guest);
		free(guest);
		guest = next;
	}
}

static void drain(struct worker *worker, uint64_t deadline_ms)
{
	worker->is_draining = true;
	for (struct connection *at = worker->service.connections; at;
	     at = at->next)
		connection_drain(at, deadline_ms);
}

static void look(void *ctx)
{
	struct worker *worker = ctx;
	uint64_t drain_by_ms;

	atomic_store(&worker->is_asked, false);
	take_guests(worker, admit);
	drain_by_ms = atomic_load(&worker->drain_by_ms);
	if (drain_by_ms != 0 && !worker->is_draining)
		drain(worker, drain_by_ms);
	if (!atomic_load(&worker->is_ending))
		return;
	service_close_connections(&worker->service);
	loop_stop(worker->loop);
}

static void *run(void *ctx)
{
	struct worker *worker = ctx;
	int result = loop_run(worker->loop);

	if (result == 0)
		return NULL;
	service_close_connections(&worker->service);
	worker->host.failed(worker->host.ctx, result);
	return NULL;
}

/* ---- on the server's ---- */

int worker_new(struct engine *engine, const struct limits *limits,
	       const struct worker_host *host, struct worker **out)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	struct engine_host engine_host = { .wake = wake };
	int result = -ENOMEM;

	if (!worker)
		return -ENOMEM;
	worker->host = *host;
	pthread_mutex_init(&worker->guests_lock, NULL);
	worker->loop = loop_new();
	if (!worker->loop) {
		result = -errno;
		goto fail;
	}
	engine_host.ctx = worker->loop;
	result = engine_branch(engine, &engine_host, &worker->branch);
	if (result < 0)
		goto fail;
	result = service_init(&worker->service, worker->loop, worker->branch,
			      limits);
	if (result < 0)
		goto fail;
	worker->service.on_closed = forget;
	worker->service.on_turn = look;
	worker->service.ctx = worker;
	*out = worker;
	return 0;
fail:
	worker_free(worker);
	return result;
}

struct metrics *worker_metrics(struct worker *worker)
{
	return &worker->service.metrics;
}

void worker_set_metrics(struct worker *worker, const struct metrics *all)
{
	worker->service.all_metrics = all;
}

/*
 * Signals are the first loop's, but for those that the thread itself raises:
 * a copy out of a mapping may (common/guarded.h).
 */
static void block_signals(sigset_t *before)
{
	sigset_t all;

	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGTRAP);
	pthread_sigmask(SIG_SETMASK, &all, before);
}

int worker_start(struct worker *worker)
{
	sigset_t before;
	int error;

	block_signals(&before);
	error = pthread_create(&worker->thread, NULL, run, worker);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error != 0)
		return -error;
	pthread_setname_np(worker->thread, "getme-loop");
	worker->is_running = true;
	return 0;
}

uint64_t worker_n_clients(const struct worker *worker)
{
	return atomic_load(&worker->n_clients);
}

int worker_give(struct worker *worker, int fd, uid_t uid)
{
	struct guest *guest = malloc(sizeof(*guest));

	if (!guest)
		return -ENOMEM;
	guest->fd = fd;
	guest->uid = uid;
	atomic_fetch_add(&worker->n_clients, 1);
	pthread_mutex_lock(&worker->guests_lock);
	guest->next = worker->guests;
	worker->guests = guest;
	pthread_mutex_unlock(&worker->guests_lock);
	loop_wake(worker->loop);
	return 0;
}

bool worker_is_alive(struct worker *worker)
{
	bool answered = !atomic_exchange(&worker->is_asked, true);

	loop_wake(worker->loop);
	return answered;
}

void worker_drain(struct worker *worker, uint64_t deadline_ms)
{
	atomic_store(&worker->drain_by_ms, deadline_ms);
	loop_wake(worker->loop);
}

static void turn_away(struct worker *worker, const struct guest *guest)
{
	close(guest->fd);
	leave(worker, guest->uid);
}

void worker_stop(struct worker *worker)
{
	if (!worker->is_running)
		return;
	atomic_store(&worker->is_ending, true);
	loop_wake(worker->loop);
	pthread_join(worker->thread, NULL);
	worker->is_running = false;
	/* What a loop that failed has not taken. */
	take_guests(worker, turn_away);
}

void worker_free(struct worker *worker)
{
	if (!worker)
		return;
	if (worker->branch)
		engine_close(worker->branch);
	service_deinit(&worker->service);
	loop_free(worker->loop);
	pthread_mutex_destroy(&worker->guests_lock);
	free(worker);
}
