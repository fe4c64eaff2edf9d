/*
 * Start and stop of the whole daemon, in a child, over the fake engine: what
 * a failed start leaves, and what signals do.
 */
#include "daemon/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "tests/support/daemon_rig.h"
#include "tests/support/tempdir.h"

enum {
	NAME_LEN = 100, /* bytes: a socket's path has at most 107 */
	WAIT_MS = 20000,
	OPENED = 42, /* an exit status: the engine was asked for */
};

static char *dir;
static char store[NAME_LEN], sock[NAME_LEN], notify[NAME_LEN];
static struct options options;
static int notify_fd;

static int begin(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)state;
	dir = tempdir_new();
	snprintf(store, sizeof(store), "%s/a/store", dir);
	snprintf(sock, sizeof(sock), "%s/b/s", dir);
	snprintf(notify, sizeof(notify), "%s/notify", dir);
	options_init(&options);
	options.store = strdup(store);
	options.socket = strdup(sock);
	options.log_level = LOGGING_ERROR;
	logging_init(-1, LOGGING_ERROR, false);
	memcpy(address.sun_path, notify, sizeof(notify));
	notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	setenv("NOTIFY_SOCKET", notify, 1);
	return bind(notify_fd, (struct sockaddr *)&address, sizeof(address));
}

static int end(void **state)
{
	(void)state;
	close(notify_fd);
	options_deinit(&options);
	tempdir_free(dir);
	return 0;
}

static int open_fake(const struct options *told, const char *folder,
		     const struct engine_host *host, struct engine **engine,
		     struct failure *failure)
{
	struct fake_behaviour behaviour;

	(void)told;
	(void)folder;
	(void)failure;
	fake_behaviour_init(&behaviour);
	*engine = fake_engine_new(&behaviour, host);
	return 0;
}

static int open_failing(const struct options *told, const char *folder,
			const struct engine_host *host, struct engine **engine,
			struct failure *failure)
{
	(void)told;
	(void)host;
	(void)engine;
	return failure_set(failure, -EWOULDBLOCK, "%s is in use", folder);
}

static int open_never(const struct options *told, const char *folder,
		      const struct engine_host *host, struct engine **engine,
		      struct failure *failure)
{
	(void)told;
	(void)folder;
	(void)host;
	(void)engine;
	(void)failure;
	_exit(OPENED);
}

/* The child's exit status: 0 stopped, 1 failed with a text, 3 else. */
static pid_t run(daemon_open_engine *open_engine)
{
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		struct failure failure = { .text = "" };
		int result = daemon_run(&options, open_engine, &failure);

		_exit(result == 0 ? 0 : failure.text[0] ? 1 : 3);
	}
	return child;
}

static int status_of(pid_t child)
{
	int status = 0;

	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* Waits until systemd is told TEXT. */
static void await(const char *text)
{
	struct pollfd told = { .fd = notify_fd, .events = POLLIN };
	char line[256];
	ssize_t n;

	do {
		assert_int_equal(poll(&told, 1, WAIT_MS), 1);
		n = recv(notify_fd, line, sizeof(line) - 1, 0);
		assert_true(n >= 0);
		line[n] = '\0';
	} while (strcmp(line, text) != 0);
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static bool parents_exist(void)
{
	char parent[NAME_LEN];

	snprintf(parent, sizeof(parent), "%s/a", dir);
	if (exists(parent))
		return true;
	snprintf(parent, sizeof(parent), "%s/b", dir);
	return exists(parent);
}

static void test_it_serves_until_sigterm(void **state)
{
	struct client client;
	struct stat st;
	pid_t child;
	uint32_t id;

	(void)state;
	child = run(open_fake);
	await("READY=1");
	assert_int_equal(stat(sock, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(stat(store, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(client_connect(&client, sock, NULL), 0);
	id = client_send_put(&client, "key", "value");
	assert_int_equal(client_wait_code(&client, id, METHOD_PUT), 0);
	kill(child, SIGTERM);
	await("STOPPING=1");
	assert_int_equal(status_of(child), 0);
	assert_false(exists(sock));
	client_close(&client);
}

static void test_sigint_stops_and_other_signals_do_not(void **state)
{
	struct client client;
	pid_t child;
	uint32_t id;

	(void)state;
	child = run(open_fake);
	await("READY=1");
	kill(child, SIGHUP);
	kill(child, SIGPIPE);
	kill(child, SIGXFSZ);
	assert_int_equal(client_connect(&client, sock, NULL), 0);
	id = client_send_plain(&client, METHOD_PING);
	assert_int_equal(client_wait_code(&client, id, METHOD_PING), 0);
	client_close(&client);
	kill(child, SIGINT);
	assert_int_equal(status_of(child), 0);
}

static void test_the_watchdog_is_fed(void **state)
{
	pid_t child;

	(void)state;
	setenv("WATCHDOG_USEC", "20000", 1);
	child = run(open_fake);
	await("READY=1");
	await("WATCHDOG=1");
	await("WATCHDOG=1");
	unsetenv("WATCHDOG_USEC");
	kill(child, SIGTERM);
	assert_int_equal(status_of(child), 0);
}

static void test_a_store_in_use_leaves_nothing_behind(void **state)
{
	(void)state;
	assert_int_equal(status_of(run(open_failing)), 1);
	assert_false(parents_exist());
}

static void test_a_stale_socket_outlives_a_failed_start(void **state)
{
	pid_t child;

	(void)state;
	child = run(open_fake);
	await("READY=1");
	kill(child, SIGKILL);
	status_of(child);
	assert_true(exists(sock));
	assert_int_equal(status_of(run(open_failing)), 1);
	assert_true(exists(sock));
	/* And it is no obstacle to one that succeeds. */
	child = run(open_fake);
	await("READY=1");
	kill(child, SIGTERM);
	assert_int_equal(status_of(child), 0);
	assert_false(exists(sock));
}

static void test_a_live_socket_is_seen_before_the_store_is_opened(void **state)
{
	struct client client;
	pid_t first;

	(void)state;
	first = run(open_fake);
	await("READY=1");
	free(options.store);
	snprintf(store, sizeof(store), "%s/c/store", dir);
	options.store = strdup(store);
	assert_int_equal(status_of(run(open_never)), 1);
	assert_false(exists(store));
	assert_int_equal(client_connect(&client, sock, NULL), 0);
	client_close(&client);
	kill(first, SIGTERM);
	assert_int_equal(status_of(first), 0);
}

static void
test_a_bad_socket_path_is_seen_before_the_store_is_opened(void **state)
{
	char file[NAME_LEN];
	int fd;

	(void)state;
	snprintf(file, sizeof(file), "%s/file", dir);
	fd = open(file, O_CREAT | O_WRONLY, 0600);
	close(fd);
	free(options.socket);
	options.socket = strdup(file);
	assert_int_equal(status_of(run(open_never)), 1);
	assert_true(exists(file));
	free(options.socket);
	assert_true(asprintf(&options.socket, "%s/%0120d", dir, 1) > 0);
	assert_int_equal(status_of(run(open_never)), 1);
	free(options.socket);
	assert_true(asprintf(&options.socket, "%s/file/s", dir) > 0);
	assert_int_equal(status_of(run(open_never)), 1);
	assert_false(parents_exist());
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_it_serves_until_sigterm),
		EACH(test_sigint_stops_and_other_signals_do_not),
		EACH(test_the_watchdog_is_fed),
		EACH(test_a_store_in_use_leaves_nothing_behind),
		EACH(test_a_stale_socket_outlives_a_failed_start),
		EACH(test_a_live_socket_is_seen_before_the_store_is_opened),
		EACH(test_a_bad_socket_path_is_seen_before_the_store_is_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
