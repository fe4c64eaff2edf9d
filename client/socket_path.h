/*
 * socket_path: which socket a handle talks to.
 */
#ifndef GETME_CLIENT_SOCKET_PATH_H
#define GETME_CLIENT_SOCKET_PATH_H

#include <stdbool.h>
#include <sys/un.h>

#include "client/getme.h"

struct socket_path {
	char text[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	/*
	 * Anyone may make a folder in /tmp, so the one that stands in for
	 * $XDG_RUNTIME_DIR counts only while it is the user's own.
	 */
	bool check_folder;
};

/*
 * GIVEN, or when it is NULL what WHERE says.  0, -EINVAL (an empty path, an
 * unknown WHERE), -ENAMETOOLONG.
 */
int socket_path_choose(const char *given, enum getme_where where,
		       struct socket_path *path);

/*
 * 0 when PATH may be connected to: it needs no check, or its folder is a
 * real one (no link) of the effective user with mode 0700.  -EACCES when it
 * is not, or the negative errno of looking at it.
 */
int socket_path_check(const struct socket_path *path);

#endif
