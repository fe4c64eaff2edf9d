/*
 * soak_daemon: getmed, started with settings that differ from start to start,
 * and ended by a signal.  It dies with the thread that started it.
 */
#ifndef GETME_TESTS_TORTURE_SOAK_DAEMON_H
#define GETME_TESTS_TORTURE_SOAK_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/getme.h"

enum {
	SOAK_PATH_LEN = 512,
};

struct soak_daemon {
	const char *program; /* a path */
	char store[SOAK_PATH_LEN];
	char socket[SOAK_PATH_LEN];
	char log[SOAK_PATH_LEN];
	pid_t pid; /* 0: not started */
};

/* DIR/NAME is the store, DIR/NAME.sock the socket. */
void soak_daemon_init(struct soak_daemon *daemon, const char *program,
		      const char *dir, const char *name);

/* CHANCE chooses segment size, triggers and rate of compaction. */
void soak_daemon_start(struct soak_daemon *daemon, uint64_t chance);

/* Waits; the status of waitpid. */
int soak_daemon_end(struct soak_daemon *daemon, int signal);

/*
 * It does not run: the exit status of `getmectl check` of its store, from the
 * folder that getmed is in; its lines go to the log.
 */
int soak_daemon_check(const struct soak_daemon *daemon);

/*
 * A handle, when it answers.  NULL: it has ended instead (soak_daemon_end
 * still has to be called), or soak_ending.
 */
struct getme *soak_daemon_connect(const struct soak_daemon *daemon);

/* The same, for a thread of a round: to end without soak_ending is death. */
struct getme *soak_daemon_need(const struct soak_daemon *daemon);

#endif
