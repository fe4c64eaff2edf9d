/*
 * folder: the files in a store's directory, and the quarantine.
 *
 * Only files named like ours are ever touched: NAME.tmp of ours is removed,
 * segments and hints that the manifest does not list go to quarantine/ (but
 * the output of a compaction that was cut before its manifest, which holds
 * only copies of what is listed or was cleared, is removed, and so is a spare
 * into which nothing was written), all else is left alone.
 */
#ifndef GETME_COMMON_FOLDER_H
#define GETME_COMMON_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/io.h"
#include "common/manifest.h"
#include "common/segment.h"

/* What a look at a folder shows. */
struct folder_view {
	bool manifest; /* one of the two */
	bool segments; /* files named like segments */
	bool foreign;  /* anything that is not ours, nor lost+found */
	char foreign_name[64];
};

/* 0; -ENOENT: no such folder; -errno.  Changes nothing. */
int folder_look(struct io *io, const char *dir, struct folder_view *view);

/*
 * Makes DIR, whose parent is there, mode 0700, and syncs its name, which may
 * be there already.  MADE gets whether it was not, also on failure.
 */
int folder_make_last(struct io *io, const char *dir, bool *made);

/*
 * Makes DIR with its parents, mode 0700, and syncs their names.  MADE gets
 * how many levels did not exist (so that a failed start can undo them).
 */
int folder_make(struct io *io, const char *dir, unsigned int *made);

/* Removes DIR, if empty, and as many parents as MADE says. */
void folder_unmake(struct io *io, const char *dir, unsigned int made);

struct folder_swept {
	uint64_t n_tmp;		/* unfinished files and outputs removed */
	uint64_t n_quarantined; /* files moved away */
};

/*
 * Removes our unfinished files and moves what MANIFEST does not list into
 * the quarantine.  0 or -errno.
 */
int folder_sweep(struct io *io, const char *dir,
		 const struct manifest *manifest, struct folder_swept *swept);

/*
 * Copies bytes [off, off + len) of a segment into the quarantine, synced.
 * 0 or -errno.
 */
int folder_quarantine(struct io *io, const char *dir,
		      const struct segment *segment, uint64_t off,
		      uint64_t len);

#endif
