#include <errno.h>
#include <stdio.h>

#include "common/store_internal.h"

int store_run_backup(struct store *store, struct backup *backup)
{
	struct manifest cut;
	int result = upkeep_end_snapshot(store->upkeep, &cut);

	if (result != 0) {
		snprintf(backup->text, sizeof(backup->text),
			 "the store could not note where the backup ends: "
			 "see the daemon's log");
		return result == UPKEEP_UNKNOWN ? -EIO
						: io_full_as_enospc(result);
	}
	result = backup_run(backup, &cut);
	manifest_deinit(&cut);
	return result;
}

static int cut_log(struct store *store)
{
	struct record *record = record_new_special(LOG_CUT);
	int result;

	if (!record)
		return -ENOMEM;
	log_commit(&store->log, &record->log, true);
	result = record->log.result;
	record_free(record);
	switch (result) {
	case LOG_UNKNOWN:
	case LOG_READ_ONLY:
		return STORE_READ_ONLY;
	default:
		return result;
	}
}

int store_backup(struct store *store, const char *dir,
		 struct store_error *error)
{
	struct backup backup = {
		.io = store->io,
		.from = store->dir,
		.dir = dir,
	};
	struct hold hold = { 0 };
	int result;

	retire_hold(&store->retire, &hold);
	result = cut_log(store);
	if (result == 0)
		result = store_run_backup(store, &backup);
	retire_end(&store->retire, &hold);
	upkeep_settle(store->upkeep);
	snprintf(error->text, sizeof(error->text), "%s", backup.text);
	return result == BACKUP_REFUSED ? STORE_REFUSED : result;
}
