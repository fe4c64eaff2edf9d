/*
 * repair: a clean store made out of what can still be read of another one.
 *
 * DIR stays as it is, to the byte.  NEWDIR, which is missing or empty, becomes
 * a store under a new id that holds
 *  1. every undamaged entry that is the newest of its key, with its sequence
 *     number (so versions stay), its expiry, and nothing else: deletions are
 *     carried out, and batches are single entries;
 *  2. no key whose newest entry, a deletion or not, is known to be damaged:
 *     an older value is never put in its place.  These keys are listed
 *     (FINDING_LOST).  Where neither a header nor a hint tells which key
 *     was damaged, an older value of it may come back, which is told too;
 *  3. in quarantine/ the bytes that could not be used, in files that are
 *     named after segment and offset, and segments that DIR does not list.
 *
 * While it is made NEWDIR holds the file UNFINISHED, and has no manifest, so
 * nothing takes it for a store: cut at any point it is to be removed, and
 * made again.  What check_run finds in DIR is told in the same way; NEWDIR is
 * checked at the end.
 *
 * Memory: the index of DIR's keys, and 16 bytes an entry.
 */
#ifndef GETME_COMMON_REPAIR_H
#define GETME_COMMON_REPAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/finding.h"
#include "common/io.h"
#include "common/store.h"

struct repair_options {
	const char *dir;
	const char *new_dir;
	struct io *io; /* NULL: io_system() */
	void (*finding)(void *ctx, const struct finding *finding);
	/* Bytes; each byte of DIR counts twice: read, then copied. */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
};

struct repair_report {
	uint64_t n_damaged; /* in DIR */
	uint64_t damaged_bytes;
	uint64_t n_notes;
	uint64_t n_lost;    /* keys left out: their newest entry is damaged */
	uint64_t n_unknown; /* damaged places of which no key is known */
	uint64_t n_copied;  /* entries in NEWDIR */
	uint64_t copied_bytes;
	uint64_t n_quarantined; /* files */
	uint64_t quarantined_bytes;
};

/*
 * 0: NEWDIR is a store, durable, and passes the check.  A negative errno with
 * ERROR filled in: as check_run's for DIR; -ENOTEMPTY for NEWDIR; what
 * writing there fails with; -EUCLEAN: NEWDIR does not pass.
 */
int repair_run(const struct repair_options *options,
	       struct repair_report *report, struct store_error *error);

#endif
