/*
 * backup_internal: the parts of backup, for backup*.c only.
 *
 *	backup.c	the steps, and the files
 *	backup_folder.c	the folder that it goes to; what fails, in words
 */
#ifndef GETME_COMMON_BACKUP_INTERNAL_H
#define GETME_COMMON_BACKUP_INTERNAL_H

#include <stdbool.h>

#include "common/backup.h"

/* Sets the text, returns RESULT. */
int backup_fail(struct backup *backup, int result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Says why WHAT, "" for the folder itself, could not be made, RESULT being
 * the negative errno.  What comes back is backup_run's result.
 */
int backup_explain(struct backup *backup, int result, const char *what);

/*
 * Makes the folder or finds it empty.  0, BACKUP_REFUSED, -errno.  MADE gets
 * whether it was not there, also on failure.
 */
int backup_make_folder(struct backup *backup, bool *made);

#endif
