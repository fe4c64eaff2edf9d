#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/backup_internal.h"
#include "common/folder.h"
#include "common/path.h"

enum {
	USER_NAME_MAX = 64,
	USER_BUFFER_LEN = 4096,
	/* folders above the new one that are looked at; paths are shorter */
	LEVELS_MAX = 256,
};

int backup_fail(struct backup *backup, int result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(backup->text, sizeof(backup->text), format, args);
	va_end(args);
	return result;
}

/* ---- what went wrong, in words ---- */

/* Who would have to be allowed to write. */
static void user_name(char name[USER_NAME_MAX])
{
	char buffer[USER_BUFFER_LEN];
	struct passwd *found = NULL;
	struct passwd entry;

	getpwuid_r(geteuid(), &entry, buffer, sizeof(buffer), &found);
	if (found)
		snprintf(name, USER_NAME_MAX, "%s", entry.pw_name);
	else
		snprintf(name, USER_NAME_MAX, "%u", (unsigned int)geteuid());
}

int backup_explain(struct backup *backup, int result, const char *what)
{
	char user[USER_NAME_MAX];

	if (result == -EACCES || result == -EPERM || result == -EROFS) {
		user_name(user);
		return backup_fail(
			backup, BACKUP_REFUSED,
			"%s: the daemon's user, %s, may not write there: "
			"choose a folder that it may write, such as "
			"/var/backups/getme for the system's daemon",
			backup->dir, user);
	}
	if (io_is_full(result))
		return backup_fail(
			backup, -ENOSPC,
			"%s: no room for the copy: free some space, or "
			"choose a folder on another disk",
			backup->dir);
	return backup_fail(backup, result, "%s%s%s: cannot be made: %s",
			   backup->dir, *what ? "/" : "", what,
			   strerror(-result));
}

/* ---- the new folder ---- */

static int note_name(void *ctx, const char *name)
{
	char *found = ctx;

	if (strcmp(name, "lost+found") == 0)
		return 0;
	snprintf(found, SEGMENT_NAME_MAX, "%s", name);
	return 1;
}

static int check_empty(struct backup *backup)
{
	char found[SEGMENT_NAME_MAX] = "";
	int result =
		backup->io->list(backup->io, backup->dir, note_name, found);

	if (result == -ENOTDIR)
		return backup_fail(
			backup, BACKUP_REFUSED,
			"%s is not a folder: choose a new or an empty one",
			backup->dir);
	if (result < 0)
		return backup_explain(backup, result, "");
	if (*found)
		return backup_fail(
			backup, BACKUP_REFUSED,
			"%s is not empty (%s is there): choose a new or an "
			"empty folder",
			backup->dir, found);
	return 0;
}

/*
 * A store inside a store would be moved or lost with it.  The folders above
 * are found as the kernel sees them, whatever the path's links are.
 */
static bool is_inside_a_store(const struct backup *backup)
{
	char above[PATH_LEN_MAX];
	char path[PATH_LEN_MAX];
	int level;
	int fd;

	if (path_join(above, backup->dir, "..") < 0)
		return false;
	for (level = 0; level < LEVELS_MAX; level++) {
		if (path_join(path, above, "MANIFEST.0") < 0)
			return false;
		fd = backup->io->open(backup->io, path, O_RDONLY);
		if (fd >= 0) {
			backup->io->close(backup->io, fd);
			return true;
		}
		if (path_join(path, above, "..") < 0 ||
		    path_copy(above, path) < 0)
			return false;
	}
	return false;
}

int backup_make_folder(struct backup *backup, bool *made)
{
	int result = folder_make_last(backup->io, backup->dir, made);

	if (result == -ENOENT)
		return backup_fail(backup, BACKUP_REFUSED,
				   "%s: the folder that it would lie in is not "
				   "there: make that first",
				   backup->dir);
	if (result == -ENOTDIR)
		return backup_fail(
			backup, BACKUP_REFUSED,
			"%s would lie in something that is not a folder",
			backup->dir);
	if (result == 0)
		result = check_empty(backup);
	else
		result = backup_explain(backup, result, "");
	if (result == 0 && is_inside_a_store(backup))
		return backup_fail(
			backup, BACKUP_REFUSED,
			"%s lies inside a store: choose a folder outside",
			backup->dir);
	return result;
}
