/*
 * listener: the socket that clients connect to.
 *
 * Invariant: a socket file is removed only when nobody listens on it
 * (connect said ECONNREFUSED) and the caller holds the store's lock, or when
 * it is the one that this process bound.
 */
#ifndef GETME_DAEMON_LISTENER_H
#define GETME_DAEMON_LISTENER_H

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/failure.h"

struct listener {
	int fd;	    /* -1: closed */
	char *path; /* owned; NULL: passed by systemd */
	dev_t dev;  /* of the socket file */
	ino_t ino;
};

void listener_init(struct listener *listener);

/*
 * Could PATH be bound?  Changes nothing.  0: nothing is there, or a stale
 * socket.  With FAILURE: -EADDRINUSE (a live daemon), -EEXIST (not a
 * socket), -ENAMETOOLONG, -EACCES and whatever else stops it.
 */
int listener_check(const char *path, struct failure *failure);

/*
 * Checks again, removes a stale socket file, binds and listens; the file has
 * MODE from the start.  The caller holds the store's lock.  0 or as above.
 */
int listener_open(struct listener *listener, const char *path, mode_t mode,
		  struct failure *failure);

/* Takes FD over, a listening socket that systemd passed.  0 or -errno. */
int listener_adopt(struct listener *listener, int fd);

/* Stops listening; removes the socket file if it is still ours. */
void listener_close(struct listener *listener);

#endif
