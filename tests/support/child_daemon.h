/*
 * child_daemon: a whole daemon over a store of its own, in a child process, so
 * that a test can kill it and begin another one on the same store.
 */
#ifndef GETME_TESTS_SUPPORT_CHILD_DAEMON_H
#define GETME_TESTS_SUPPORT_CHILD_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/getme.h"

struct child_daemon {
	char *dir; /* of store and socket; removed at the end */
	char store[128];
	char socket[128];
	uint64_t segment_size; /* for the next start; 0: automatic */
	unsigned int threads;  /* for the next start; 0: one */
	bool no_direct_reads;
	bool compacts; /* whenever a little is dead; else only when asked */
	pid_t pid;     /* 0: it does not run */
};

/* Makes the folder; members may be set before child_daemon_start. */
void child_daemon_init(struct child_daemon *daemon);

/* Starts it; connecting waits until it serves. */
void child_daemon_start(struct child_daemon *daemon);

/* SIGTERM, and it must end well; SIGKILL. */
void child_daemon_stop(struct child_daemon *daemon);
void child_daemon_kill(struct child_daemon *daemon);

/* Kills it if it runs, and removes the folder. */
void child_daemon_deinit(struct child_daemon *daemon);

/* A handle whose reads are done this way. */
struct getme *child_daemon_connect(const struct child_daemon *daemon,
				   enum getme_direct direct);

/* A number of getme_stats, over HANDLE. */
uint64_t child_daemon_stat(struct getme *handle, const char *name);

#endif
