#include "client/socket_path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYSTEM_SOCKET "/run/getme/getme.sock"

/* The variable's text, or NULL when it is not set or empty. */
static const char *environment(const char *name)
{
	const char *text = secure_getenv(name);

	return text && text[0] ? text : NULL;
}

static int set(struct socket_path *path, const char *text)
{
	size_t len = strlen(text);

	if (len == 0)
		return -EINVAL;
	if (len >= sizeof(path->text))
		return -ENAMETOOLONG;
	memcpy(path->text, text, len + 1);
	path->check_folder = false;
	return 0;
}

static int set_user(struct socket_path *path)
{
	const char *runtime = environment("XDG_RUNTIME_DIR");
	size_t size = sizeof(path->text);
	char text[sizeof(path->text)];
	int len;

	/* The XDG specification says to ignore a relative path. */
	if (runtime && runtime[0] == '/')
		len = snprintf(text, size, "%s/getme/getme.sock", runtime);
	else
		len = snprintf(text, size, "/tmp/getme-%lu/getme.sock",
			       (unsigned long)geteuid());
	if (len < 0 || (size_t)len >= size)
		return -ENAMETOOLONG;
	memcpy(path->text, text, (size_t)len + 1);
	path->check_folder = !runtime || runtime[0] != '/';
	return 0;
}

int socket_path_choose(const char *given, enum getme_where where,
		       struct socket_path *path)
{
	const char *variable;

	if (given)
		return set(path, given);
	switch (where) {
	case GETME_WHERE_AUTO:
		variable = environment("GETME_SOCKET");
		if (variable)
			return set(path, variable);
		return geteuid() == 0 ? set(path, SYSTEM_SOCKET)
				      : set_user(path);
	case GETME_WHERE_SYSTEM:
		return set(path, SYSTEM_SOCKET);
	case GETME_WHERE_USER:
		return set_user(path);
	}
	return -EINVAL;
}

int socket_path_check(const struct socket_path *path)
{
	char folder[sizeof(path->text)];
	struct stat st;
	char *slash;

	if (!path->check_folder)
		return 0;
	memcpy(folder, path->text, sizeof(folder));
	slash = strrchr(folder, '/');
	if (!slash)
		return -EACCES;
	*slash = '\0';
	if (lstat(folder, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 07777) != 0700)
		return -EACCES;
	return 0;
}
