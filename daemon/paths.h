/*
 * paths: where the store and the socket are, and whose the folders are.
 */
#ifndef GETME_DAEMON_PATHS_H
#define GETME_DAEMON_PATHS_H

#include <stdbool.h>
#include <sys/types.h>

#include "daemon/failure.h"

enum {
	PATHS_MAX = 4096,    /* bytes with the NUL: PATH_MAX */
	PATHS_MADE_MAX = 64, /* folders made for one path */
};

/*
 * The defaults of the caller's own kind:
 *   root    /var/lib/getme and /run/getme/getme.sock
 *   others  $XDG_STATE_HOME/getme or ~/.local/state/getme, and
 *           $XDG_RUNTIME_DIR/getme/getme.sock or /tmp/getme-UID/getme.sock
 * A variable that is not an absolute path is ignored, as its standard says.
 * 0, or -ENOENT (no home) or -ENAMETOOLONG with FAILURE.
 */
int paths_default_store(uid_t uid, char out[PATHS_MAX],
			struct failure *failure);
int paths_default_socket(uid_t uid, char out[PATHS_MAX],
			 struct failure *failure);

/* The folder that PATH is in: "." for a bare name. */
int paths_parent(const char *path, char out[PATHS_MAX],
		 struct failure *failure);

/* The folders that were made, deepest last.  All zero is none. */
struct paths_made {
	char path[PATHS_MAX];
	size_t lengths[PATHS_MADE_MAX]; /* of path, one for each folder */
	size_t n;
};

/*
 * Makes DIR and its parents with MODE where they are missing.  0, or a
 * negative errno with FAILURE; what was made until then is removed again.
 */
int paths_make(const char *dir, mode_t mode, struct paths_made *made,
	       struct failure *failure);

/* Removes what paths_make made, as far as it is empty. */
void paths_unmake(struct paths_made *made);

/*
 * 0: DIR is a folder (no link to one) of UID, mode 0700, so nobody else can
 * have put a socket there.  -EPERM or another with FAILURE.
 */
int paths_check_private(const char *dir, uid_t uid, struct failure *failure);

#endif
