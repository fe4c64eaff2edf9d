#include "tests/torture/soak_backup.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/tempdir.h"
#include "tests/torture/soak_keys.h"
#include "tests/torture/soak_scan.h"

enum {
	PAUSE_MS = 200, /* at most, before each */
	WHY_LEN = 512,
};

/* ---- making them ---- */

static void make_one(struct soak_backups *backups, struct getme *handle,
		     struct soak_backup *backup)
{
	unsigned int epoch = *backups->epoch;

	snprintf(backup->path, SOAK_PATH_LEN, "%s/backup.%u", backups->dir,
		 backups->n_made);
	for (int i = 0; i < SOAK_WRITERS; i++)
		backup->least[i] = backups->writers[i].n_answered;
	backup->result = getme_backup(handle, backup->path, NULL);
	for (int i = 0; i < SOAK_WRITERS; i++)
		backup->most[i] = backups->writers[i].n_sent;
	backup->staying = epoch % 2 == 0 && epoch == *backups->epoch;
	backups->n_made++;
	if (backup->result != 0 && !soak_ending)
		soak_fault(SOAK_BACKUP, "a backup: %s: %s",
			   getme_strerror(backup->result),
			   getme_last_error(handle));
}

void *soak_backups_run(void *arg)
{
	struct soak_backups *backups = arg;
	struct getme *handle = soak_daemon_need(backups->daemon);
	struct soak_backup *backup;

	backups->n_made = 0;
	while (handle && backups->n_made < SOAK_BACKUPS && !soak_ending) {
		soak_pause_ms(soak_random(&backups->random, PAUSE_MS));
		backup = &backups->made[backups->n_made];
		make_one(backups, handle, backup);
		if (backup->result != 0)
			break;
	}
	getme_close(handle);
	return NULL;
}

/* ---- checking them ---- */

static bool view_one(const struct soak_backup *backup, struct getme *handle,
		     struct soak_writer *writer, struct model_cut *cut)
{
	const struct writer_model *model = &writer->model;
	unsigned int nr = model->writer;
	size_t most = backup->most[nr] < model->n_ops ? backup->most[nr]
						      : model->n_ops;
	struct model_view view;
	char why[WHY_LEN];

	if (!soak_keys_view(handle, SOAK_BACKUP, nr, &view))
		return false;
	soak_keys_check_group(nr, view.found + MODEL_FIRST_GROUP);
	if (model_find(model, &view, backup->least[nr], most, cut, why,
		       sizeof(why)))
		return true;
	soak_fault(SOAK_BACKUP, "%s: %s", backup->path, why);
	return false;
}

static bool holds_one_instant(const struct soak_backups *backups,
			      const struct soak_backup *backup,
			      struct getme *handle)
{
	const struct writer_model *models[SOAK_WRITERS];
	struct model_cut cuts[SOAK_WRITERS];
	unsigned int n_sent = 0;
	unsigned int n_missing = 0;

	for (int i = 0; i < SOAK_WRITERS; i++) {
		models[i] = &backups->writers[i].model;
		if (!view_one(backup, handle, &backups->writers[i], &cuts[i]))
			return false;
	}
	if (model_cuts_agree(models, cuts, SOAK_WRITERS, &n_sent, &n_missing))
		return true;
	soak_fault(SOAK_BACKUP, "%s: w%u has what w%u misses the cause of",
		   backup->path, n_sent, n_missing);
	return false;
}

static void check_served(struct soak_backups *backups,
			 const struct soak_backup *backup, struct getme *handle)
{
	struct soak_census census;

	if (!holds_one_instant(backups, backup, handle))
		return;
	if (soak_scan(handle, &backups->random, &census) != 0)
		soak_fault(SOAK_BACKUP, "%s: a scan: %s", backup->path,
			   getme_last_error(handle));
	else if (backup->staying)
		soak_scan_check_staying(&census);
	backups->n_good++;
}

/* The manifest comes last: a folder without it is no backup. */
static bool has_manifest(const struct soak_backup *backup)
{
	char path[SOAK_PATH_LEN + 16];

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/MANIFEST.%d", backup->path, i);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

/* One whose call was cut off is a backup or is none. */
static void check_one(struct soak_backups *backups, struct soak_backup *backup)
{
	struct soak_daemon *second = &backups->second;
	struct getme *handle;

	if (!has_manifest(backup)) {
		if (backup->result == 0)
			soak_fault(SOAK_BACKUP, "%s is none", backup->path);
		backups->n_cut_off++;
		return;
	}
	snprintf(second->store, SOAK_PATH_LEN, "%s", backup->path);
	if (soak_daemon_check(second) != 0)
		soak_fault(SOAK_BACKUP, "%s does not pass its check",
			   backup->path);
	soak_daemon_start(second, soak_random(&backups->random, UINT32_MAX));
	handle = soak_daemon_connect(second);
	if (handle)
		check_served(backups, backup, handle);
	else
		soak_fault(SOAK_BACKUP, "%s cannot be opened; see the log",
			   backup->path);
	getme_close(handle);
	soak_daemon_end(second, SIGKILL);
}

void soak_backups_check(struct soak_backups *backups)
{
	for (unsigned int i = 0; i < backups->n_made; i++) {
		check_one(backups, &backups->made[i]);
		tempdir_remove(backups->made[i].path);
	}
	backups->n_made = 0;
}
