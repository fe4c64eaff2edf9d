/*
 * backup: a second folder that is a store, as the first was at one instant.
 *
 * It is made from a manifest whose segments are all sealed (LOG_CUT in
 * common/log.h, upkeep_begin_snapshot), so nothing that is copied changes
 * meanwhile.  The caller holds what the store may replace in that time
 * (common/retire.h).  Files are linked, which takes no room and no time; where
 * the file system cannot (another one, another mount, too many links) they are
 * copied.  A link's bytes are shared: a sealed segment is never written again,
 * and removing one name leaves the other.
 *
 * Invariants
 *  1. The manifest comes last, when all that it names is durable: a folder
 *     that a power cut leaves half-way has none and is refused as a store.
 *  2. backup_run that returned 0 is durable, the folder's name too.
 *  3. After a failure all that was made is removed again, the manifest
 *     first.  What was there before is never touched.
 */
#ifndef GETME_COMMON_BACKUP_H
#define GETME_COMMON_BACKUP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/io.h"
#include "common/manifest.h"

enum backup_result {
	BACKUP_REFUSED = 1,   /* the folder will not do; see the text */
	BACKUP_CANCELLED = 2, /* as it was told */
};

enum {
	BACKUP_TEXT_MAX = 512,
};

struct backup {
	struct io *io;
	const char *from; /* the store's folder */
	const char *dir;  /* an absolute path: missing, or an empty folder */
	/* What failed, and what to do: one line. */
	char text[BACKUP_TEXT_MAX];
	/* These may be used by other threads while it runs. */
	_Atomic uint64_t done_bytes;
	_Atomic uint64_t total_bytes; /* 0: not known yet */
	_Atomic bool cancelled;
};

/*
 * CUT is what the store held; its generation is raised.  0; BACKUP_REFUSED;
 * BACKUP_CANCELLED; -errno.  The text is set unless it is 0.
 */
int backup_run(struct backup *backup, struct manifest *cut);

#endif
