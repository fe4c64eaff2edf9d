/*
 * A server with several loops over the real engine.  The first loop is a
 * thread of the test's, as the others are; the test is the clients.
 */
#include "daemon/worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above */
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "daemon/listener.h"
#include "daemon/logging.h"
#include "daemon/loop.h"
#include "daemon/server.h"
#include "tests/support/daemon_rig.h"
#include "tests/support/hook_io.h"
#include "tests/support/tempdir.h"

enum {
	N_THREADS = 3,
	N_CLIENTS = 7,
	PATH_LEN = 128,
};

struct fixture {
	char *dir;
	char path[PATH_LEN];
	struct limits limits;
	pthread_t thread;
	sem_t serving;
	int stop_fd; /* each count of it is one stop */
	int look_fd; /* each count: whether the server is alive is looked at */
	sem_t looked;
	bool is_alive; /* what was seen */
	struct hook_io hook;
	struct server *server;
	bool ended;
};

static void wake(void *ctx)
{
	loop_wake(ctx);
}

static void stop(void *ctx, int what)
{
	struct fixture *f = ctx;
	eventfd_t count;

	(void)what;
	if (eventfd_read(f->stop_fd, &count) < 0)
		return;
	while (count-- > 0)
		server_stop(f->server);
}

static void look(void *ctx, int what)
{
	struct fixture *f = ctx;
	eventfd_t count;

	(void)what;
	if (eventfd_read(f->look_fd, &count) < 0)
		return;
	f->is_alive = server_is_alive(f->server);
	sem_post(&f->looked);
}

static void await_semaphore(sem_t *semaphore)
{
	while (sem_wait(semaphore) < 0 && errno == EINTR)
		;
}

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "test_worker: %s\n", what);
	abort();
}

static void serve(struct fixture *f, struct loop *loop, struct engine *engine)
{
	struct loop_watch *watch = loop_watch_new(loop, f->stop_fd, stop, f);
	struct loop_watch *look_watch =
		loop_watch_new(loop, f->look_fd, look, f);
	struct listener listener;
	struct failure failure;

	must(look_watch && loop_watch_set(look_watch, LOOP_READ) == 0,
	     "no watch");
	must(watch && loop_watch_set(watch, LOOP_READ) == 0, "no watch");
	listener_init(&listener);
	must(listener_open(&listener, f->path, 0666, &failure) == 0,
	     "no listener");
	must(server_new(loop, engine, &listener, &f->limits, &f->server) == 0,
	     "no server");
	must(server_start(f->server) == 0, "not started");
	sem_post(&f->serving);
	must(loop_run(loop) == 0, "the loop failed");
	must(server_result(f->server) == 0, "a worker's loop failed");
	server_close_connections(f->server);
	listener_close(&listener);
	must(engine_close(engine) == 0, "the last sync failed");
	server_free(f->server);
	loop_watch_free(watch);
	loop_watch_free(look_watch);
}

/* What main.c and daemon.c do, in little. */
static void *run(void *ctx)
{
	struct fixture *f = ctx;
	struct loop *loop = loop_new();
	struct engine_host host = { .wake = wake, .ctx = loop };
	char store[PATH_LEN];
	struct engine_local_options options = {
		.dir = store,
		.durability = ENGINE_NONE,
		.io = &f->hook.io,
	};
	struct engine_local_error error;
	struct engine *engine = NULL;

	snprintf(store, sizeof(store), "%s/store", f->dir);
	must(loop && engine_local_open(&options, &host, &engine, &error) == 0,
	     "no store");
	serve(f, loop, engine);
	loop_free(loop);
	return NULL;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	logging_init(-1, LOGGING_ERROR, false);
	f->dir = tempdir_new();
	snprintf(f->path, sizeof(f->path), "%s/s", f->dir);
	limits_default(&f->limits);
	f->limits.threads = N_THREADS;
	f->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	f->look_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	sem_init(&f->serving, 0, 0);
	sem_init(&f->looked, 0, 0);
	hook_io_init(&f->hook);
	*state = f;
	return 0;
}

static void start(struct fixture *f)
{
	assert_int_equal(pthread_create(&f->thread, NULL, run, f), 0);
	await_semaphore(&f->serving);
}

static void ask_to_stop(struct fixture *f, unsigned times)
{
	assert_int_equal(eventfd_write(f->stop_fd, times), 0);
}

static void await_end(struct fixture *f)
{
	pthread_join(f->thread, NULL);
	f->ended = true;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	if (!f->ended) {
		ask_to_stop(f, 1);
		await_end(f);
	}
	close(f->stop_fd);
	close(f->look_fd);
	sem_destroy(&f->serving);
	sem_destroy(&f->looked);
	hook_io_deinit(&f->hook);
	tempdir_free(f->dir);
	free(f);
	return 0;
}

static void join(struct fixture *f, struct client *client)
{
	assert_int_equal(client_connect(client, f->path, NULL), 0);
}

static void put(struct client *client, const char *key, const char *value)
{
	uint32_t id = client_send_put(client, key, value);

	assert_int_equal(client_wait_code(client, id, METHOD_PUT), 0);
}

static bool has(struct client *client, const char *key, const char *value)
{
	return client_wait_value(client, client_send_get(client, key), value);
}

static void ping(struct client *client)
{
	uint32_t id = client_send_plain(client, METHOD_PING);

	assert_int_equal(client_wait_code(client, id, METHOD_PING), 0);
}

static uint64_t stat_of(struct client *client, const char *name)
{
	uint32_t id = client_send_plain(client, METHOD_STATS);
	struct message_reply reply;
	uint64_t value = UINT64_MAX;

	client_wait_reply(client, id, METHOD_STATS, &reply);
	for (size_t i = 0; i < reply.n_stats; i++) {
		if (reply.stats[i].name.len == strlen(name) &&
		    memcmp(reply.stats[i].name.data, name, strlen(name)) == 0)
			value = reply.stats[i].value;
	}
	client_end_reply(client, &reply);
	assert_true(value != UINT64_MAX);
	return value;
}

/* With one request each, so that all of them have been let in. */
static void join_all(struct fixture *f, struct client *clients, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		join(f, &clients[i]);
		ping(&clients[i]);
	}
}

static void close_all(struct client *clients, size_t n)
{
	for (size_t i = 0; i < n; i++)
		client_close(&clients[i]);
}

static void test_all_loops_count_together(void **state)
{
	struct fixture *f = *state;
	struct client clients[N_CLIENTS];

	start(f);
	join_all(f, clients, N_CLIENTS);
	for (size_t i = 0; i < N_CLIENTS; i++) {
		assert_int_equal(stat_of(&clients[i], "threads"), N_THREADS);
		assert_int_equal(stat_of(&clients[i], "connections"),
				 N_CLIENTS);
		assert_int_equal(stat_of(&clients[i], "requests_ping_total"),
				 N_CLIENTS);
	}
	close_all(clients, N_CLIENTS);
}

/* The first client is the first loop's, the next two the workers'. */
static void test_each_new_client_goes_where_the_fewest_are(void **state)
{
	struct fixture *f = *state;
	struct client clients[N_THREADS];
	uint64_t before;

	start(f);
	join_all(f, clients, N_THREADS);
	before = stat_of(&clients[0], "errands");
	for (int i = 0; i < 5; i++)
		put(&clients[0], "key", "value");
	assert_int_equal(stat_of(&clients[0], "errands"), before);
	put(&clients[1], "key", "value");
	put(&clients[2], "key", "value");
	assert_int_equal(stat_of(&clients[0], "errands"), before + 2);
	/* Its place is the next one's. */
	client_close(&clients[1]);
	while (stat_of(&clients[0], "connections") == N_THREADS)
		;
	join(f, &clients[1]);
	before = stat_of(&clients[0], "errands");
	put(&clients[1], "key", "value");
	assert_int_equal(stat_of(&clients[0], "errands"), before + 1);
	close_all(clients, N_THREADS);
}

static void test_gets_are_answered_where_they_come(void **state)
{
	struct fixture *f = *state;
	struct client clients[N_THREADS];
	uint64_t before;

	start(f);
	join_all(f, clients, N_THREADS);
	put(&clients[0], "key", "value");
	before = stat_of(&clients[0], "errands");
	for (size_t i = 0; i < N_THREADS; i++) {
		assert_true(has(&clients[i], "key", "value"));
		assert_true(has(&clients[i], "none", NULL));
	}
	assert_int_equal(stat_of(&clients[0], "errands"), before);
	close_all(clients, N_THREADS);
}

static void test_what_one_writes_all_read(void **state)
{
	struct fixture *f = *state;
	struct client clients[N_THREADS];
	char value[16];

	start(f);
	join_all(f, clients, N_THREADS);
	for (size_t i = 0; i < 300; i++) {
		snprintf(value, sizeof(value), "%zu", i);
		put(&clients[i % N_THREADS], "key", value);
		for (size_t j = 0; j < N_THREADS; j++)
			assert_true(has(&clients[j], "key", value));
	}
	close_all(clients, N_THREADS);
}

/* Writes and reads of one connection, sent without waiting. */
static void test_a_pipeline_keeps_its_order(void **state)
{
	enum { N = 200 };
	struct fixture *f = *state;
	struct client clients[N_THREADS];
	uint32_t ids[2 * N];
	char value[16];

	start(f);
	join_all(f, clients, N_THREADS);
	for (size_t c = 0; c < N_THREADS; c++) {
		for (size_t i = 0; i < N; i++) {
			snprintf(value, sizeof(value), "%zu", i);
			ids[2 * i] = client_send_put(&clients[c], "key", value);
			ids[2 * i + 1] = client_send_get(&clients[c], "key");
		}
		for (size_t i = 0; i < N; i++) {
			snprintf(value, sizeof(value), "%zu", i);
			assert_int_equal(client_wait_code(&clients[c],
							  ids[2 * i],
							  METHOD_PUT),
					 0);
			assert_true(client_wait_value(&clients[c],
						      ids[2 * i + 1], value));
		}
	}
	close_all(clients, N_THREADS);
}

static void test_limits_hold_over_all_loops(void **state)
{
	struct fixture *f = *state;
	struct client clients[4];
	struct client more;

	f->limits.max_connections = 4;
	start(f);
	join_all(f, clients, 4);
	join(f, &more);
	assert_true(client_was_refused(&more, "there are 4 connections"));
	client_close(&more);
	/* A worker's client goes, and another one may come. */
	client_close(&clients[1]);
	while (stat_of(&clients[0], "connections") == 4)
		;
	join(f, &clients[1]);
	ping(&clients[1]);
	assert_int_equal(stat_of(&clients[0], "connections_refused_total"), 1);
	close_all(clients, 4);
}

static void test_a_user_s_limit_holds_over_all_loops(void **state)
{
	struct fixture *f = *state;
	struct client clients[2];
	struct client more;

	f->limits.max_connections_per_uid = 2;
	start(f);
	join_all(f, clients, 2);
	join(f, &more);
	assert_true(client_was_refused(&more, "this user has 2 connections"));
	client_close(&more);
	client_close(&clients[1]);
	while (stat_of(&clients[0], "connections") == 2)
		;
	join(f, &clients[1]);
	ping(&clients[1]);
	close_all(clients, 2);
}

static void test_a_stop_finishes_what_was_accepted(void **state)
{
	struct fixture *f = *state;
	struct client clients[N_THREADS];
	uint32_t ids[N_THREADS][20];
	const uint8_t *body;
	size_t body_len;

	start(f);
	join_all(f, clients, N_THREADS);
	for (size_t i = 0; i < N_THREADS; i++) {
		for (size_t j = 0; j < 20; j++)
			ids[i][j] =
				client_send_put(&clients[i], "key", "value");
	}
	/* All has been read when the last one's answer is there. */
	for (size_t i = 0; i < N_THREADS; i++)
		for (size_t j = 0; j < 20; j++)
			assert_int_equal(client_wait_code(&clients[i],
							  ids[i][j],
							  METHOD_PUT),
					 0);
	ask_to_stop(f, 1);
	await_end(f);
	for (size_t i = 0; i < N_THREADS; i++)
		assert_false(client_wait_frame(&clients[i], &body, &body_len));
	close_all(clients, N_THREADS);
}

/* Puts a large value, asks for it many times, and reads nothing. */
static void stuff(struct client *client)
{
	char *value = calloc(1, 1 << 20);
	uint32_t id = client_send_put_bytes(client, "key", value, 1 << 20);

	assert_int_equal(client_wait_code(client, id, METHOD_PUT), 0);
	for (int i = 0; i < 30; i++)
		client_send_get(client, "key");
	free(value);
}

static void test_a_stop_waits_only_so_long_for_slow_peers(void **state)
{
	struct fixture *f = *state;
	struct client clients[N_THREADS];

	f->limits.drain_timeout_ms = 300;
	start(f);
	join_all(f, clients, N_THREADS);
	for (size_t i = 0; i < N_THREADS; i++)
		stuff(&clients[i]);
	ask_to_stop(f, 1);
	await_end(f);
	close_all(clients, N_THREADS);
}

static void test_a_second_stop_waits_for_nobody(void **state)
{
	struct fixture *f = *state;
	struct client clients[N_THREADS];

	f->limits.drain_timeout_ms = 600000;
	start(f);
	join_all(f, clients, N_THREADS);
	for (size_t i = 0; i < N_THREADS; i++)
		stuff(&clients[i]);
	ask_to_stop(f, 2);
	await_end(f);
	close_all(clients, N_THREADS);
}

/* Requests that the engine still has when their loops are gone. */
static void test_clients_that_leave_in_the_middle(void **state)
{
	struct fixture *f = *state;
	struct client clients[N_CLIENTS];

	start(f);
	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < N_CLIENTS; i++)
			join(f, &clients[i]);
		for (size_t i = 0; i < N_CLIENTS; i++) {
			for (int j = 0; j < 10; j++) {
				client_send_put(&clients[i], "key", "value");
				client_send_get(&clients[i], "key");
				client_send_plain(&clients[i], METHOD_STATS);
			}
		}
		close_all(clients, N_CLIENTS);
	}
	join(f, &clients[0]);
	while (stat_of(&clients[0], "connections") > 1)
		;
	assert_true(has(&clients[0], "key", "value"));
	client_close(&clients[0]);
}

/* A read that should not wait, and does. */
static sem_t read_begun;
static sem_t read_may_end;

static ssize_t stopped_pread(struct io *io, int fd, void *data, size_t len,
			     uint64_t off)
{
	sem_post(&read_begun);
	await_semaphore(&read_may_end);
	return io->pread(io, fd, data, len, off);
}

static bool is_alive(struct fixture *f)
{
	assert_int_equal(eventfd_write(f->look_fd, 1), 0);
	await_semaphore(&f->looked);
	return f->is_alive;
}

static void test_a_loop_that_hangs_is_noticed(void **state)
{
	struct fixture *f = *state;
	struct client clients[2];
	uint32_t id;

	sem_init(&read_begun, 0, 0);
	sem_init(&read_may_end, 0, 0);
	f->limits.threads = 2;
	f->hook.io.map = NULL;
	f->hook.io.pread_nowait = stopped_pread;
	start(f);
	join_all(f, clients, 2);
	put(&clients[0], "key", "value");
	assert_true(is_alive(f));
	id = client_send_get(&clients[1], "key");
	await_semaphore(&read_begun);
	/* What was asked before may have been answered before. */
	is_alive(f);
	assert_false(is_alive(f));
	assert_false(is_alive(f));
	sem_post(&read_may_end);
	assert_true(client_wait_value(&clients[1], id, "value"));
	while (!is_alive(f))
		;
	close_all(clients, 2);
	sem_destroy(&read_begun);
	sem_destroy(&read_may_end);
}

/* ---- clients on threads, too ---- */

struct crowd {
	struct fixture *f;
	pthread_t thread;
	unsigned number;
	const char *fault;
};

static void *mill_about(void *ctx)
{
	struct crowd *crowd = ctx;
	struct client client;
	char key[16];
	char value[24];

	must(client_connect(&client, crowd->f->path, NULL) == 0, "no client");
	for (unsigned i = 0; i < 300 && !crowd->fault; i++) {
		uint32_t id;

		snprintf(key, sizeof(key), "%u %u", crowd->number, i % 10);
		snprintf(value, sizeof(value), "value %u", i);
		id = client_send_put(&client, key, value);
		if (client_wait_code(&client, id, METHOD_PUT) != 0)
			crowd->fault = "a put failed";
		if (!has(&client, key, value))
			crowd->fault = "another value than was put";
		if (i % 50 == 0)
			stat_of(&client, "connections");
	}
	client_close(&client);
	return NULL;
}

static void test_a_crowd(void **state)
{
	struct fixture *f = *state;
	struct crowd crowd[N_CLIENTS];

	start(f);
	for (unsigned i = 0; i < N_CLIENTS; i++) {
		crowd[i] = (struct crowd){ .f = f, .number = i };
		assert_int_equal(pthread_create(&crowd[i].thread, NULL,
						mill_about, &crowd[i]),
				 0);
	}
	for (unsigned i = 0; i < N_CLIENTS; i++) {
		pthread_join(crowd[i].thread, NULL);
		if (crowd[i].fault)
			fail_msg("%s", crowd[i].fault);
	}
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_all_loops_count_together),
		T(test_each_new_client_goes_where_the_fewest_are),
		T(test_gets_are_answered_where_they_come),
		T(test_what_one_writes_all_read),
		T(test_a_pipeline_keeps_its_order),
		T(test_limits_hold_over_all_loops),
		T(test_a_user_s_limit_holds_over_all_loops),
		T(test_a_stop_finishes_what_was_accepted),
		T(test_a_stop_waits_only_so_long_for_slow_peers),
		T(test_a_second_stop_waits_for_nobody),
		T(test_clients_that_leave_in_the_middle),
		T(test_a_loop_that_hangs_is_noticed),
		T(test_a_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
