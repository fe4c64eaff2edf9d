#include "daemon/paths.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *absolute_env(const char *name)
{
	const char *value = getenv(name);

	return value && value[0] == '/' ? value : NULL;
}

static const char *home_of(uid_t uid)
{
	const char *home = absolute_env("HOME");
	const struct passwd *entry;

	if (home)
		return home;
	entry = getpwuid(uid);
	return entry && entry->pw_dir[0] == '/' ? entry->pw_dir : NULL;
}

static int join(char out[PATHS_MAX], const char *dir, const char *rest,
		struct failure *failure)
{
	int n = snprintf(out, PATHS_MAX, "%s%s", dir, rest);

	if (n >= 0 && n < PATHS_MAX)
		return 0;
	return failure_set(failure, -ENAMETOOLONG, "a path is too long: %.80s",
			   dir);
}

int paths_default_store(uid_t uid, char out[PATHS_MAX], struct failure *failure)
{
	const char *dir;

	if (uid == 0)
		return join(out, "/var/lib/getme", "", failure);
	dir = absolute_env("XDG_STATE_HOME");
	if (dir)
		return join(out, dir, "/getme", failure);
	dir = home_of(uid);
	if (dir)
		return join(out, dir, "/.local/state/getme", failure);
	return failure_set(failure, -ENOENT,
			   "there is no home folder to put the store in: set "
			   "HOME, or use --store");
}

int paths_default_socket(uid_t uid, char out[PATHS_MAX],
			 struct failure *failure)
{
	const char *dir = absolute_env("XDG_RUNTIME_DIR");
	char own[64];

	if (uid == 0)
		return join(out, "/run/getme/getme.sock", "", failure);
	if (dir)
		return join(out, dir, "/getme/getme.sock", failure);
	snprintf(own, sizeof(own), "/tmp/getme-%lu", (unsigned long)uid);
	return join(out, own, "/getme.sock", failure);
}

int paths_parent(const char *path, char out[PATHS_MAX], struct failure *failure)
{
	const char *slash = strrchr(path, '/');
	int result = join(out, path, "", failure);

	if (result < 0)
		return result;
	if (!slash)
		return join(out, ".", "", failure);
	out[slash == path ? 1 : slash - path] = '\0';
	return 0;
}

/* Makes the folder that the first LEN bytes of made->path name. */
static int make_one(struct paths_made *made, size_t len, mode_t mode)
{
	char kept = made->path[len];
	int result = 0;

	made->path[len] = '\0';
	if (mkdir(made->path, mode) == 0)
		made->lengths[made->n++] = len;
	else if (errno != EEXIST)
		result = -errno;
	made->path[len] = kept;
	return result;
}

/*
 * A name that exists is never made, so a parent on a read-only file system
 * or in a folder of others is no obstacle.
 */
static int make_all(struct paths_made *made, mode_t mode)
{
	size_t end = strlen(made->path);

	for (size_t len = 1; len <= end; len++) {
		char kept = made->path[len];
		int missing;
		int result;

		if ((kept != '/' && kept != '\0') || made->path[len - 1] == '/')
			continue;
		made->path[len] = '\0';
		missing = access(made->path, F_OK) < 0 && errno == ENOENT;
		made->path[len] = kept;
		if (!missing)
			continue;
		if (made->n == PATHS_MADE_MAX)
			return -ENAMETOOLONG;
		result = make_one(made, len, mode);
		if (result < 0)
			return result;
	}
	return 0;
}

int paths_make(const char *dir, mode_t mode, struct paths_made *made,
	       struct failure *failure)
{
	struct stat st;
	int result;

	memset(made, 0, sizeof(*made));
	result = join(made->path, dir, "", failure);
	if (result < 0)
		return result;
	result = make_all(made, mode);
	if (result == 0 && stat(dir, &st) < 0)
		result = -errno;
	if (result == 0 && !S_ISDIR(st.st_mode))
		result = -ENOTDIR;
	if (result == 0)
		return 0;
	paths_unmake(made);
	return failure_set(failure, result, "cannot make the folder %s: %s",
			   dir, strerror(-result));
}

void paths_unmake(struct paths_made *made)
{
	while (made->n > 0) {
		made->path[made->lengths[--made->n]] = '\0';
		if (rmdir(made->path) < 0)
			break;
	}
	made->n = 0;
}

int paths_check_private(const char *dir, uid_t uid, struct failure *failure)
{
	struct stat st;

	if (lstat(dir, &st) < 0)
		return failure_set(failure, -errno, "cannot look at %s: %s",
				   dir, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return failure_set(failure, -EPERM,
				   "%s is not a folder: remove it, or use "
				   "--socket",
				   dir);
	if (st.st_uid != uid)
		return failure_set(failure, -EPERM,
				   "%s belongs to another user: use --socket",
				   dir);
	if ((st.st_mode & 07777) != 0700)
		return failure_set(failure, -EPERM,
				   "%s is open to others: chmod 0700 it, or "
				   "use --socket",
				   dir);
	return 0;
}
