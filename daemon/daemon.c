#include "daemon/daemon.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/listener.h"
#include "daemon/logging.h"
#include "daemon/loop.h"
#include "daemon/paths.h"
#include "daemon/server.h"
#include "daemon/systemd.h"
#include "daemon/version.h"

struct daemon {
	const struct options *options;
	struct limits limits;
	char store[PATHS_MAX];
	char socket[PATHS_MAX];
	int passed_fd; /* -1: systemd passed none */
	struct paths_made made_store;
	struct paths_made made_socket;
	struct loop *loop;
	struct engine *engine;
	struct listener listener;
	struct server *server;
	struct loop_signal *on_term;
	struct loop_signal *on_int;
	struct loop_signal *on_hup;
	struct loop_timer *watchdog;
	bool stopping;
};

/* A soft limit of 1024 is for select(), which is not used here. */
static void raise_descriptors(struct limits *limits)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) < 0 &&
	    getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	if (files.rlim_cur == RLIM_INFINITY ||
	    files.rlim_cur >=
		    limits->max_connections + LIMITS_DESCRIPTORS_RESERVED)
		return;
	limits->max_connections =
		files.rlim_cur > 2 * LIMITS_DESCRIPTORS_RESERVED
			? files.rlim_cur - LIMITS_DESCRIPTORS_RESERVED
			: files.rlim_cur / 2;
	logging_write(LOGGING_NOTICE,
		      "at most %" PRIu64 " connections, since the limit of "
		      "descriptors is %ju",
		      limits->max_connections, (uintmax_t)files.rlim_cur);
}

static void ignore_signals(void)
{
	/* Their errors (EPIPE, EFBIG) are handled where they come up. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

static int choose_paths(struct daemon *daemon, struct failure *failure)
{
	const struct options *options = daemon->options;
	int result = 0;

	if (options->store)
		snprintf(daemon->store, PATHS_MAX, "%s", options->store);
	else
		result = paths_default_store(geteuid(), daemon->store, failure);
	if (result < 0)
		return result;
	if (options->socket)
		snprintf(daemon->socket, PATHS_MAX, "%s", options->socket);
	else
		result = paths_default_socket(geteuid(), daemon->socket,
					      failure);
	return result;
}

/* Where only the user's own socket may be, nobody else may put one. */
static int make_socket_folder(struct daemon *daemon, struct failure *failure)
{
	bool private = !daemon->options->socket && geteuid() != 0;
	char dir[PATHS_MAX];
	int result = paths_parent(daemon->socket, dir, failure);

	if (result == 0)
		result = paths_make(dir, private ? 0700 : 0755,
				    &daemon->made_socket, failure);
	if (result == 0 && private)
		result = paths_check_private(dir, geteuid(), failure);
	return result;
}

/* The folder is there after it, so the second check sees its permissions. */
static int prepare_socket(struct daemon *daemon, struct failure *failure)
{
	int result = listener_check(daemon->socket, failure);

	if (result == 0)
		result = make_socket_folder(daemon, failure);
	if (result == 0)
		result = listener_check(daemon->socket, failure);
	return result;
}

static void wake(void *ctx)
{
	loop_wake(ctx);
}

static int open_store(struct daemon *daemon, daemon_open_engine *open_engine,
		      struct failure *failure)
{
	struct engine_host host = { .wake = wake };
	int result =
		paths_make(daemon->store, 0700, &daemon->made_store, failure);

	if (result < 0)
		return result;
	daemon->loop = loop_new();
	if (!daemon->loop)
		return failure_set(failure, -errno,
				   "cannot make the event "
				   "loop: %s",
				   strerror(errno));
	host.ctx = daemon->loop;
	return open_engine(daemon->options, daemon->store, &host,
			   &daemon->engine, failure);
}

static int open_socket(struct daemon *daemon, struct failure *failure)
{
	int result;

	if (daemon->passed_fd < 0)
		return listener_open(&daemon->listener, daemon->socket,
				     (mode_t)daemon->options->socket_mode,
				     failure);
	result = listener_adopt(&daemon->listener, daemon->passed_fd);
	if (result == 0)
		return 0;
	return failure_set(failure, result,
			   "the socket that was passed cannot be used: %s",
			   strerror(-result));
}

static void stop(void *ctx)
{
	struct daemon *daemon = ctx;

	logging_write(LOGGING_INFO,
		      daemon->stopping ? "stopping at once" : "stopping");
	if (!daemon->stopping) {
		systemd_stopping();
		systemd_status("stopping");
	}
	daemon->stopping = true;
	server_stop(daemon->server);
}

static void reload(void *ctx)
{
	(void)ctx;
	logging_write(LOGGING_NOTICE, "SIGHUP: nothing is reloaded; restart "
				      "to read the options again");
}

static void feed_watchdog(void *ctx)
{
	struct daemon *daemon = ctx;

	/* This loop turns, as one sees; one that hangs is to be noticed, too. */
	if (server_is_alive(daemon->server))
		systemd_watchdog();
	loop_timer_set(daemon->watchdog, systemd_watchdog_interval_ms());
}

static int start_serving(struct daemon *daemon, struct failure *failure)
{
	struct loop *loop = daemon->loop;
	int result;

	daemon->on_term = loop_signal_new(loop, SIGTERM, stop, daemon);
	daemon->on_int = loop_signal_new(loop, SIGINT, stop, daemon);
	daemon->on_hup = loop_signal_new(loop, SIGHUP, reload, daemon);
	daemon->watchdog = loop_timer_new(loop, feed_watchdog, daemon);
	if (!daemon->on_term || !daemon->on_int || !daemon->on_hup ||
	    !daemon->watchdog)
		return failure_set(failure, -ENOMEM, "no memory to start");
	result = server_new(loop, daemon->engine, &daemon->listener,
			    &daemon->limits, &daemon->server);
	if (result == 0)
		result = server_start(daemon->server);
	if (result < 0)
		return failure_set(failure, result, "cannot start to serve: %s",
				   strerror(-result));
	if (systemd_watchdog_interval_ms() > 0)
		feed_watchdog(daemon);
	return 0;
}

static int start(struct daemon *daemon, daemon_open_engine *open_engine,
		 struct failure *failure)
{
	int result = systemd_take_listener(&daemon->passed_fd, failure);

	if (result == 0)
		result = choose_paths(daemon, failure);
	if (result == 0 && daemon->passed_fd < 0)
		result = prepare_socket(daemon, failure);
	if (result == 0)
		result = open_store(daemon, open_engine, failure);
	if (result == 0)
		result = open_socket(daemon, failure);
	if (result == 0)
		result = start_serving(daemon, failure);
	return result;
}

/* Works on what a failed start left, too. */
static int finish(struct daemon *daemon)
{
	int result = 0;

	if (daemon->server)
		server_close_connections(daemon->server);
	listener_close(&daemon->listener);
	/* Answers to requests of closed connections come here. */
	if (daemon->engine)
		result = engine_close(daemon->engine);
	server_free(daemon->server);
	loop_timer_free(daemon->watchdog);
	loop_signal_free(daemon->on_hup);
	loop_signal_free(daemon->on_int);
	loop_signal_free(daemon->on_term);
	loop_free(daemon->loop);
	return result;
}

static int serve(struct daemon *daemon, struct failure *failure)
{
	int result;

	logging_write(LOGGING_INFO, "serving %s on %s (version %s)",
		      daemon->store,
		      daemon->passed_fd < 0 ? daemon->socket
					    : "the socket of systemd",
		      GETME_VERSION);
	systemd_status("serving");
	systemd_ready();
	result = loop_run(daemon->loop);
	if (result == 0)
		result = server_result(daemon->server);
	if (result < 0)
		failure_set(failure, result, "the event loop failed: %s",
			    strerror(-result));
	return result;
}

int daemon_run(const struct options *options, daemon_open_engine *open_engine,
	       struct failure *failure)
{
	struct daemon daemon;
	int result;
	int closed;

	memset(&daemon, 0, sizeof(daemon));
	daemon.options = options;
	daemon.limits = options->limits;
	daemon.passed_fd = -1;
	listener_init(&daemon.listener);
	ignore_signals();
	raise_descriptors(&daemon.limits);
	result = start(&daemon, open_engine, failure);
	if (result < 0) {
		finish(&daemon);
		paths_unmake(&daemon.made_store);
		paths_unmake(&daemon.made_socket);
		return result;
	}
	result = serve(&daemon, failure);
	closed = finish(&daemon);
	if (result == 0 && closed < 0)
		result = failure_set(failure, closed,
				     "the last sync failed: %s: the newest "
				     "writes may be lost in a power cut",
				     strerror(-closed));
	if (result == 0)
		logging_write(LOGGING_INFO, "stopped");
	return result;
}
