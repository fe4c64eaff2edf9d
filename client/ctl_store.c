#include "client/ctl_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/ctl_progress.h"

static void show(void *ctx, uint64_t done, uint64_t total)
{
	ctl_progress_share(ctx, done, total);
}

/* Unless --timeout was given it takes as long as it takes. */
enum ctl_status ctl_store_compact(struct ctl *ctl)
{
	struct getme_compact_options options = GETME_COMPACT_OPTIONS_INIT;
	struct ctl_progress progress;
	enum ctl_status status = ctl_connect(ctl);
	int r;

	if (status != CTL_DONE)
		return status;
	ctl_progress_init(&progress, "compacted");
	options.timeout_ms = ctl->options.timeout_ms;
	options.progress = progress.is_shown ? show : NULL;
	options.progress_ctx = &progress;
	r = getme_compact(ctl->handle, &options);
	ctl_progress_clear(&progress);
	return r == 0 ? CTL_DONE : ctl_fail(ctl, r);
}

char *ctl_store_absolute(const char *from, const char *path)
{
	char *absolute = NULL;

	if (*path == '/')
		return strdup(path);
	if (asprintf(&absolute, "%s/%s", strcmp(from, "/") ? from : "", path) <
	    0)
		return NULL;
	return absolute;
}

/* What the daemon sees of a path is its own folder. */
static char *absolute_here(const struct ctl *ctl, const char *path)
{
	char *from = getcwd(NULL, 0);
	char *absolute = NULL;

	if (from || *path == '/')
		absolute = ctl_store_absolute(from ? from : "", path);
	if (!absolute)
		ctl_complain("%s: %s: %s", ctl->command->name, path,
			     strerror(errno));
	free(from);
	return absolute;
}

/*
 * A daemon in a sandbox has a /tmp of its own: what it made there is not
 * where its user looks for it, and goes with the daemon.
 */
static enum ctl_status check_visible(const struct ctl *ctl, const char *dir)
{
	struct stat st;

	if (stat(dir, &st) == 0 || errno != ENOENT)
		return CTL_DONE;
	ctl_complain("%s: the daemon made it in a %s of its own, which is not "
		     "this one: choose another folder, "
		     "such as /var/backups/getme",
		     ctl->command->name, dir);
	return CTL_ERROR;
}

static enum ctl_status backup_to(struct ctl *ctl, const char *dir)
{
	struct getme_backup_options options = GETME_BACKUP_OPTIONS_INIT;
	struct ctl_progress progress;
	enum ctl_status status = ctl_connect(ctl);
	int r;

	if (status != CTL_DONE)
		return status;
	ctl_progress_init(&progress, "backed up");
	options.timeout_ms = ctl->options.timeout_ms;
	options.progress = progress.is_shown ? show : NULL;
	options.progress_ctx = &progress;
	r = getme_backup(ctl->handle, dir, &options);
	ctl_progress_clear(&progress);
	return r == 0 ? check_visible(ctl, dir) : ctl_fail(ctl, r);
}

enum ctl_status ctl_store_backup(struct ctl *ctl)
{
	enum ctl_status status;
	char *dir;

	if (!*ctl->operands[0]) {
		ctl_complain("%s: the folder's name is empty",
			     ctl->command->name);
		return CTL_USAGE;
	}
	dir = absolute_here(ctl, ctl->operands[0]);
	if (!dir)
		return CTL_ERROR;
	status = backup_to(ctl, dir);
	free(dir);
	return status;
}
