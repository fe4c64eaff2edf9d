/*
 * soak_backup: backups made under load; each is opened by a second getmed and
 * must hold one instant of the store: of every writer the state after some of
 * its operations, all that were answered before the call among them and none
 * that was sent after its end, and no effect without its cause
 * (model_cuts_agree).
 */
#ifndef GETME_TESTS_TORTURE_SOAK_BACKUP_H
#define GETME_TESTS_TORTURE_SOAK_BACKUP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/torture/soak.h"
#include "tests/torture/soak_daemon.h"
#include "tests/torture/soak_writer.h"

enum {
	SOAK_BACKUPS = 2, /* kept of a round */
};

struct soak_backup {
	char path[SOAK_PATH_LEN];
	int result;   /* of the call */
	bool staying; /* keys that stay were there all the time */
	size_t least[SOAK_WRITERS];
	size_t most[SOAK_WRITERS];
};

struct soak_backups {
	struct soak_daemon *daemon;
	struct soak_daemon second;
	struct soak_writer *writers;	   /* SOAK_WRITERS */
	const _Atomic unsigned int *epoch; /* odd: keys that stay may be gone */
	const char *dir;
	uint64_t random; /* not 0 */
	struct soak_backup made[SOAK_BACKUPS];
	unsigned int n_made;
	uint64_t n_good;
	uint64_t n_cut_off;
};

/* A thread's: makes SOAK_BACKUPS, or until the connection is lost. */
void *soak_backups_run(void *backups);

/*
 * The threads have ended, the models are as they were when they did: opens
 * the backups and removes them.
 */
void soak_backups_check(struct soak_backups *backups);

#endif
