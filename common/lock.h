/*
 * lock: one process a store.
 *
 * DIR/LOCK carries a kernel lock from before anything else is touched until
 * the process ends; the file is never handed out and never removed.  What is
 * written in it is for people and for the next start:
 *
 *	pid 4711 open           in use, or its owner was killed
 *	pid 4711 sync-failed    a sync failed: what the file system shows may
 *	                        not be on the disk (the next start copies the
 *	                        unsynced tail even if there is hardly room)
 *	pid 4711 closed         closed cleanly
 *
 * The text lives in the page cache; it need not survive a power cut, after
 * which there is no cache whose pages could be wrong.
 */
#ifndef GETME_COMMON_LOCK_H
#define GETME_COMMON_LOCK_H

#include <stdbool.h>

#include "common/io.h"

struct lock_report {
	long holder;	  /* pid of who has, or had it; 0: not known */
	bool sync_failed; /* the last run ended so */
	bool closed;	  /* the last run ended cleanly */
};

/*
 * Takes the lock of DIR.  A descriptor (closing it frees the lock),
 * -EWOULDBLOCK (REPORT names the holder, if it wrote its name), -errno.
 * REPORT tells of the run before.
 */
int lock_take(struct io *io, const char *dir, struct lock_report *report);

/* Best effort: there is nothing to do when they fail. */
void lock_note_sync_failed(struct io *io, int fd);
void lock_note_closed(struct io *io, int fd);
void lock_note_open(struct io *io, int fd);

#endif
