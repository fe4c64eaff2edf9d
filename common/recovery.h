/*
 * recovery: from the files of a store to its manifest, segments and index.
 *
 * Runs at every open; after a clean stop it reads the manifest and the hints
 * and changes nothing.  After a crash, in this order:
 *
 *	1. the open segments are read (common/tail.h), in the order of their
 *	   sequences; the first place that is no good entry ends the log
 *	2. what lies behind it, unless zeros, is copied to quarantine/
 *	3. what was not known to be synced is copied to a new segment, which is
 *	   synced, and the rest is synced too: nothing is shown that only the
 *	   page cache holds.  (On a full disk the tail is synced where it is,
 *	   unless the last run noted in LOCK that a sync had failed.)
 *	4. the manifest notes the good lengths: every segment is sealed now, a
 *	   fresh one will be active; sequences go on behind a gap, so that no
 *	   version that may have been seen is given out again
 *	5. replaced and empty segments are unlinked
 *
 * Nothing is truncated, nothing is appended to an old segment.  Cut at any
 * point, it can be run again and comes to the same contents.
 */
#ifndef GETME_COMMON_RECOVERY_H
#define GETME_COMMON_RECOVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/digest.h"
#include "common/events.h"
#include "common/index.h"
#include "common/io.h"
#include "common/manifest.h"
#include "common/segments.h"
#include "common/store.h"

struct recovery {
	/* in */
	struct io *io;
	const char *dir;
	bool sync_failed; /* the last run ended in a failed sync */
	bool private_index;
	const uint8_t *secret;
	struct events *events;
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *progress_ctx;
	/* out; owned by the caller after success */
	struct manifest manifest;
	struct segments *segments;
	struct index *index;
	uint64_t next_sequence;
	struct segment **unhinted; /* sealed, without a good hint */
	size_t n_unhinted;
	uint64_t hint_bytes_read;
	uint64_t segment_bytes_read;
	uint64_t hints_rebuilt;
	uint64_t damaged_entries;
	uint64_t quarantined_bytes;
	uint64_t live_bytes;
	bool unclean;
};

/*
 * DIR is locked, and has a manifest or is new (then one is written).  0, or a
 * negative errno with ERROR filled in; everything made is released then.
 */
int recovery_run(struct recovery *recovery, struct store_error *error);

/* Frees what recovery_run left to the caller. */
void recovery_deinit(struct recovery *recovery);

#endif
