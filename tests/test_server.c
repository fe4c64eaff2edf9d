/*
 * Accepting, refusing and stopping, over a real listener.
 */
#include "daemon/server.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "daemon/clock.h"
#include "daemon/logging.h"
#include "tests/support/daemon_rig.h"
#include "tests/support/tempdir.h"

enum {
	NAME_LEN = 100, /* bytes: a socket's path has at most 107 */
	NOBODY = 65534, /* a uid */
	MANY = 100,	/* clients */
};

static char *dir;
static char path[NAME_LEN];
static struct loop *loop;
static struct engine *engine;
static struct listener listener;
static struct limits limits;
static struct server *server;

static int begin(void **state)
{
	(void)state;
	dir = tempdir_new();
	chmod(dir, 0755);
	snprintf(path, sizeof(path), "%s/s", dir);
	limits_default(&limits);
	logging_init(-1, LOGGING_ERROR, false);
	return 0;
}

static void wake(void *ctx)
{
	loop_wake(ctx);
}

static void start(void)
{
	struct fake_behaviour behaviour;
	struct engine_host host = { .wake = wake };
	struct failure failure;

	fake_behaviour_init(&behaviour);
	loop = loop_new();
	assert_non_null(loop);
	host.ctx = loop;
	engine = fake_engine_new(&behaviour, &host);
	listener_init(&listener);
	assert_int_equal(listener_open(&listener, path, 0666, &failure), 0);
	assert_int_equal(server_new(loop, engine, &listener, &limits, &server),
			 0);
	assert_int_equal(server_start(server), 0);
}

static int end(void **state)
{
	(void)state;
	server_close_connections(server);
	listener_close(&listener);
	engine_close(engine);
	server_free(server);
	loop_free(loop);
	tempdir_free(dir);
	return 0;
}

static void join(struct client *client)
{
	assert_int_equal(client_connect(client, path, loop), 0);
}

static void check_served(struct client *client)
{
	uint32_t id = client_send_plain(client, METHOD_PING);

	assert_int_equal(client_wait_code(client, id, METHOD_PING), 0);
}

/* An engine without branches has the first loop alone. */
static void test_more_threads_than_the_engine_can_is_told(void **state)
{
	struct server *other;

	(void)state;
	start();
	limits.threads = 2;
	assert_int_equal(server_new(loop, engine, &listener, &limits, &other),
			 0);
	assert_int_equal(server_start(other), -EOPNOTSUPP);
	server_close_connections(other);
	server_free(other);
}

static void test_clients_are_served(void **state)
{
	struct client clients[MANY];

	(void)state;
	start();
	for (int i = 0; i < MANY; i++)
		join(&clients[i]);
	for (int i = 0; i < MANY; i++)
		check_served(&clients[i]);
	for (int i = 0; i < MANY; i++)
		client_close(&clients[i]);
}

static void test_one_more_than_all_may_have_is_refused(void **state)
{
	struct client clients[3], more;

	(void)state;
	limits.max_connections = 3;
	start();
	for (int i = 0; i < 3; i++)
		join(&clients[i]);
	join(&more);
	assert_true(client_was_refused(&more, "there are 3 connections"));
	client_close(&more);
	client_close(&clients[0]);
	loop_once(loop, false);
	join(&more);
	check_served(&more);
	check_served(&clients[1]);
	client_close(&more);
	client_close(&clients[1]);
	client_close(&clients[2]);
}

/* As another user, in a child: its exit status tells. */
static pid_t ping_as_nobody(void)
{
	pid_t child = fork();

	if (child == 0) {
		struct client client;
		bool served;

		/* The folders above may be closed to that user. */
		if (chdir(dir) < 0 || setgid(NOBODY) < 0 ||
		    setuid(NOBODY) < 0 ||
		    client_connect(&client, strrchr(path, '/') + 1, NULL) < 0)
			_exit(2);
		served = client_wait_code(
				 &client,
				 client_send_plain(&client, METHOD_PING),
				 METHOD_PING) == 0;
		_exit(served ? 0 : 1);
	}
	return child;
}

static void test_one_user_cannot_take_all(void **state)
{
	struct client clients[2], more;
	int status = 0;
	pid_t child;

	(void)state;
	limits.max_connections_per_uid = 2;
	start();
	join(&clients[0]);
	join(&clients[1]);
	join(&more);
	assert_true(client_was_refused(&more, "this user has 2 connections"));
	client_close(&more);
	if (geteuid() == 0) {
		chmod(dir, 0755);
		child = ping_as_nobody();
		while (waitpid(child, &status, WNOHANG) == 0)
			loop_once(loop, false);
		assert_int_equal(status, 0);
	} else {
		print_message("skip - another user's share: not root\n");
	}
	client_close(&clients[0]);
	client_close(&clients[1]);
}

/* The first descriptor that is free, so that a limit there leaves none. */
static int first_free(void)
{
	int fd = open("/dev/null", O_RDONLY);

	close(fd);
	return fd;
}

static void
test_without_descriptors_clients_are_told_and_later_served(void **state)
{
	struct client client, waiting[3], later;
	struct rlimit files, fewer;

	(void)state;
	start();
	join(&client);
	check_served(&client);
	for (int i = 0; i < 3; i++)
		join(&waiting[i]);
	getrlimit(RLIMIT_NOFILE, &files);
	fewer = files;
	fewer.rlim_cur = (rlim_t)first_free();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &fewer), 0);
	for (int i = 0; i < 3; i++)
		assert_true(client_was_refused(&waiting[i], "no descriptors"));
	/* Those who are in do not notice. */
	check_served(&client);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	join(&later);
	check_served(&later);
	for (int i = 0; i < 3; i++)
		client_close(&waiting[i]);
	client_close(&client);
	client_close(&later);
}

static void test_accepting_resumes_when_a_client_went(void **state)
{
	struct client client, waiting, later;
	struct rlimit files, fewer;

	(void)state;
	start();
	join(&client);
	check_served(&client);
	join(&waiting);
	getrlimit(RLIMIT_NOFILE, &files);
	fewer = files;
	fewer.rlim_cur = (rlim_t)first_free();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &fewer), 0);
	assert_true(client_was_refused(&waiting, "no descriptors"));
	client_close(&waiting);
	client_close(&client);
	/* Both sides' descriptors are free now: enough for one more. */
	join(&later);
	check_served(&later);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	client_close(&later);
}

static void test_a_stop_without_clients_is_immediate(void **state)
{
	struct stat st;

	(void)state;
	start();
	loop_wake(loop);
	server_stop(server);
	assert_int_equal(stat(path, &st), -1);
}

static void test_a_stop_finishes_what_was_accepted(void **state)
{
	struct client client, idle, later;
	const uint8_t *body;
	size_t body_len;

	(void)state;
	start();
	join(&client);
	join(&idle);
	fake_engine_behaviour(engine)->hold = true;
	for (int i = 0; i < 10; i++) {
		client_send_put(&client, "key", "value");
		client_send_get(&client, "key");
	}
	for (int i = 0; i < 5; i++)
		loop_once(loop, false);
	assert_int_equal(fake_engine_n_in_flight(engine), 1);
	server_stop(server);
	assert_int_equal(client_connect(&later, path, loop), -ENOENT);
	fake_engine_behaviour(engine)->hold = false;
	loop_wake(loop);
	assert_int_equal(loop_run(loop), 0);
	for (uint32_t id = 1; id <= 20; id += 2) {
		assert_int_equal(client_wait_code(&client, id, METHOD_PUT), 0);
		assert_true(client_wait_value(&client, id + 1, "value"));
	}
	assert_false(client_wait_frame(&client, &body, &body_len));
	assert_false(client_wait_frame(&idle, &body, &body_len));
	client_close(&client);
	client_close(&idle);
}

/* Puts a large value, asks for it many times, and reads nothing. */
static void stuff(struct client *client)
{
	char *value = calloc(1, 1 << 20);
	uint32_t id = client_send_put_bytes(client, "key", value, 1 << 20);

	assert_int_equal(client_wait_code(client, id, METHOD_PUT), 0);
	for (int i = 0; i < 30; i++)
		client_send_get(client, "key");
	for (int i = 0; i < 20; i++)
		loop_once(loop, false);
	free(value);
}

static void test_a_stop_waits_only_so_long_for_a_slow_peer(void **state)
{
	struct client client;
	uint64_t before;

	(void)state;
	limits.drain_timeout_ms = 300;
	start();
	join(&client);
	stuff(&client);
	before = clock_monotonic_ms();
	server_stop(server);
	assert_int_equal(loop_run(loop), 0);
	assert_in_range(clock_monotonic_ms() - before, 300, 5000);
	client_close(&client);
}

static void test_a_second_stop_waits_for_nobody(void **state)
{
	struct client client;
	uint64_t before;

	(void)state;
	limits.drain_timeout_ms = 60000;
	start();
	join(&client);
	stuff(&client);
	fake_engine_behaviour(engine)->hold = true;
	before = clock_monotonic_ms();
	server_stop(server);
	server_stop(server);
	assert_true(clock_monotonic_ms() - before < 5000);
	client_close(&client);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_clients_are_served),
		EACH(test_more_threads_than_the_engine_can_is_told),
		EACH(test_one_more_than_all_may_have_is_refused),
		EACH(test_one_user_cannot_take_all),
		EACH(test_without_descriptors_clients_are_told_and_later_served),
		EACH(test_accepting_resumes_when_a_client_went),
		EACH(test_a_stop_without_clients_is_immediate),
		EACH(test_a_stop_finishes_what_was_accepted),
		EACH(test_a_stop_waits_only_so_long_for_a_slow_peer),
		EACH(test_a_second_stop_waits_for_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
