#include "tests/support/child_daemon.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above */
#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/daemon.h"
#include "daemon/logging.h"
#include "daemon/options.h"
#include "tests/support/tempdir.h"

enum {
	CONNECT_TRIES = 2000, /* with a pause: half a minute */
	PAUSE_MS = 15,
	TIMEOUT_MS = 60000,
};

void child_daemon_init(struct child_daemon *daemon)
{
	memset(daemon, 0, sizeof(*daemon));
	daemon->dir = tempdir_new();
	snprintf(daemon->store, sizeof(daemon->store), "%s/store", daemon->dir);
	snprintf(daemon->socket, sizeof(daemon->socket), "%s/s", daemon->dir);
}

static int open_engine(const struct options *options, const char *store,
		       const struct engine_host *host, struct engine **engine,
		       struct failure *failure)
{
	struct engine_local_error error = { .text = "" };
	const struct engine_local_options local = {
		.dir = store,
		.durability = options->durability,
		.segment_size = options->segment_size,
		.compaction = options->compaction,
	};
	int result = engine_local_open(&local, host, engine, &error);

	if (result < 0)
		failure_set(failure, result, "%s", error.text);
	return result;
}

static int run(struct child_daemon *daemon)
{
	struct failure failure = { .text = "" };
	struct options options;

	options_init(&options);
	options.store = daemon->store;
	options.socket = daemon->socket;
	options.durability = ENGINE_NONE;
	options.segment_size = daemon->segment_size;
	options.compaction.dead_percent = daemon->compacts ? 2 : 100;
	options.compaction.small_segments = daemon->compacts ? 2 : UINT32_MAX;
	options.limits.direct_reads = !daemon->no_direct_reads;
	options.limits.threads = daemon->threads ? daemon->threads : 1;
	logging_init(STDERR_FILENO, LOGGING_ERROR, false);
	if (daemon_run(&options, open_engine, &failure) == 0)
		return 0;
	fprintf(stderr, "child_daemon: %s\n", failure.text);
	return 1;
}

void child_daemon_start(struct child_daemon *daemon)
{
	assert_int_equal(daemon->pid, 0);
	fflush(NULL);
	daemon->pid = fork();
	assert_true(daemon->pid >= 0);
	if (daemon->pid == 0)
		_exit(run(daemon));
}

static int end(struct child_daemon *daemon, int signal)
{
	int status = 0;

	kill(daemon->pid, signal);
	assert_int_equal(waitpid(daemon->pid, &status, 0), daemon->pid);
	daemon->pid = 0;
	return status;
}

void child_daemon_stop(struct child_daemon *daemon)
{
	int status = end(daemon, SIGTERM);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

void child_daemon_kill(struct child_daemon *daemon)
{
	end(daemon, SIGKILL);
}

void child_daemon_deinit(struct child_daemon *daemon)
{
	if (daemon->pid > 0)
		child_daemon_kill(daemon);
	tempdir_free(daemon->dir);
	daemon->dir = NULL;
}

struct getme *child_daemon_connect(const struct child_daemon *daemon,
				   enum getme_direct direct)
{
	struct getme_options options = GETME_OPTIONS_INIT;
	struct getme *handle = NULL;
	char text[512] = "";

	options.socket = daemon->socket;
	options.timeout_ms = TIMEOUT_MS;
	options.direct = direct;
	for (int i = 0; i < CONNECT_TRIES; i++) {
		int result = getme_open(&options, &handle, text, sizeof(text));

		if (result == 0)
			return handle;
		if (result != GETME_E_NO_DAEMON)
			break;
		poll(NULL, 0, PAUSE_MS);
	}
	fail_msg("%s", text);
	return NULL;
}

uint64_t child_daemon_stat(struct getme *handle, const char *name)
{
	const struct getme_stats_row *rows;
	size_t n = 0;

	assert_int_equal(getme_stats(handle, &rows, &n), 0);
	for (size_t i = 0; i < n; i++)
		if (strcmp(rows[i].name, name) == 0)
			return rows[i].value;
	fail_msg("no row %s", name);
	return 0;
}
