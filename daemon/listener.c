#include "daemon/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/paths.h"

void listener_init(struct listener *listener)
{
	memset(listener, 0, sizeof(*listener));
	listener->fd = -1;
}

static int make_address(const char *path, struct sockaddr_un *address,
			struct failure *failure)
{
	size_t len = strlen(path);

	if (len >= sizeof(address->sun_path))
		return failure_set(failure, -ENAMETOOLONG,
				   "the socket's path has %zu bytes and may "
				   "have %zu: choose a shorter one with "
				   "--socket",
				   len, sizeof(address->sun_path) - 1);
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path, len + 1);
	return 0;
}

static int new_socket(struct failure *failure)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return failure_set(failure, -errno, "cannot make a socket: %s",
				   strerror(errno));
	return fd;
}

/* 0: somebody accepts; a full backlog (EAGAIN) is a live daemon, too. */
static int knock(const struct sockaddr_un *address, struct failure *failure)
{
	int fd = new_socket(failure);
	int result = 0;

	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) <
		    0 &&
	    errno != EAGAIN)
		result = -errno;
	close(fd);
	return result;
}

/* Says through STALE whether a socket file is there that nobody serves. */
static int look(const struct sockaddr_un *address, bool *stale,
		struct failure *failure)
{
	const char *path = address->sun_path;
	struct stat st;
	int result;

	*stale = false;
	if (lstat(path, &st) < 0 && errno == ENOENT)
		return 0;
	if (lstat(path, &st) < 0)
		return failure_set(failure, -errno, "cannot look at %s: %s",
				   path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return failure_set(failure, -EEXIST,
				   "%s is there and is not a socket: move it, "
				   "or choose another path with --socket",
				   path);
	result = knock(address, failure);
	if (result == -ECONNREFUSED || result == -ENOENT) {
		*stale = result == -ECONNREFUSED;
		return 0;
	}
	if (result < 0)
		return failure_set(failure, result,
				   "cannot tell whether the socket %s is in "
				   "use: %s",
				   path, strerror(-result));
	return failure_set(failure, -EADDRINUSE,
			   "the socket %s is in use by a live daemon: stop "
			   "it, or choose another path with --socket",
			   path);
}

/* A missing folder is made later, by who asks. */
static int check_folder(const char *path, struct failure *failure)
{
	char dir[PATHS_MAX];
	int result = paths_parent(path, dir, failure);

	if (result < 0)
		return result;
	if (access(dir, W_OK | X_OK) == 0 || errno == ENOENT)
		return 0;
	return failure_set(failure, -errno,
			   "cannot make a socket in %s: %s: choose another "
			   "path with --socket",
			   dir, strerror(errno));
}

int listener_check(const char *path, struct failure *failure)
{
	struct sockaddr_un address;
	bool stale = false;
	int result = make_address(path, &address, failure);

	if (result == 0)
		result = check_folder(path, failure);
	if (result == 0)
		result = look(&address, &stale, failure);
	return result;
}

/* umask is the only way to a socket file that never has another mode. */
static int bind_with_mode(int fd, const struct sockaddr_un *address,
			  mode_t mode)
{
	mode_t old = umask(~mode & 0777);
	int result =
		bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0
			? -errno
			: 0;

	umask(old);
	return result;
}

static int bind_and_listen(struct listener *listener,
			   const struct sockaddr_un *address, mode_t mode)
{
	struct stat st;
	int result = bind_with_mode(listener->fd, address, mode);

	if (result < 0)
		return result;
	/* Before listen: while it cannot be connected to nobody uses it. */
	if (lstat(address->sun_path, &st) == 0) {
		listener->dev = st.st_dev;
		listener->ino = st.st_ino;
		listener->path = strdup(address->sun_path);
	}
	if (!listener->path) {
		unlink(address->sun_path);
		return -ENOMEM;
	}
	return listen(listener->fd, SOMAXCONN) < 0 ? -errno : 0;
}

int listener_open(struct listener *listener, const char *path, mode_t mode,
		  struct failure *failure)
{
	struct sockaddr_un address;
	bool stale = false;
	int result = make_address(path, &address, failure);

	if (result == 0)
		result = look(&address, &stale, failure);
	if (result < 0)
		return result;
	if (stale && unlink(path) < 0 && errno != ENOENT)
		return failure_set(failure, -errno,
				   "cannot remove the stale socket %s: %s",
				   path, strerror(errno));
	listener->fd = new_socket(failure);
	if (listener->fd < 0)
		return listener->fd;
	result = bind_and_listen(listener, &address, mode);
	if (result == 0)
		return 0;
	listener_close(listener);
	return failure_set(failure, result, "cannot listen on %s: %s", path,
			   strerror(-result));
}

int listener_adopt(struct listener *listener, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	listener->fd = fd;
	return 0;
}

static void remove_own_file(const struct listener *listener)
{
	struct stat st;

	if (lstat(listener->path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	    st.st_dev == listener->dev && st.st_ino == listener->ino)
		unlink(listener->path);
}

void listener_close(struct listener *listener)
{
	if (listener->path)
		remove_own_file(listener);
	if (listener->fd >= 0)
		close(listener->fd);
	free(listener->path);
	listener_init(listener);
}
