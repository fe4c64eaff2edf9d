/*
 * recovery_internal: the parts of a recovery, for recovery*.c only.
 *
 *	recovery.c	the steps in their order, the manifest, the end
 *	recovery_load.c	sealed segments and entries into the index
 *	recovery_tail.c	the segments that were not sealed
 */
#ifndef GETME_COMMON_RECOVERY_INTERNAL_H
#define GETME_COMMON_RECOVERY_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "common/hint.h"
#include "common/recovery.h"
#include "common/tail.h"

/* The work of one run. */
struct recovery_run_state {
	struct recovery *out;
	struct store_error *error;
	struct tail *tails; /* of the open segments that have entries */
	size_t n_tails;
	struct segment **empty; /* open segments without entries */
	size_t n_empty;
	bool rewrite; /* the manifest must be written again */
};

/* Writes the error's text; returns RESULT. */
int recovery_fail(struct recovery_run_state *run, int result,
		  const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* "DIR: WHAT segment ID: what RESULT means". */
int recovery_fail_errno(struct recovery_run_state *run, int result,
			const char *what, uint32_t id);

/* What to do about an errno, to be put behind its text; "" for most. */
const char *recovery_advice(int result);

/* Removes DIR/NAME; that it is not there is fine. */
void recovery_unlink(struct recovery *out, const char *name);

/* ---- recovery_load.c: 0, -errno (run: with the error's text) ---- */

/* Loads every sealed segment that the manifest lists. */
int recovery_load_sealed(struct recovery_run_state *run);

/* Opens what ROW lists and adds it to the table, which owns it. */
int recovery_open_listed(struct recovery_run_state *run,
			 const struct manifest_segment *row,
			 struct segment **segment);

/* One line of a hint, or of what a hint would say, into the index. */
int recovery_load_entry(struct recovery *out, struct segment *segment,
			const struct hint_entry *entry);

/* Reads a sealed segment front to back into the index. */
int recovery_scan(struct recovery *out, struct segment *segment);

/* Notes that the hint of SEGMENT is to be written. */
int recovery_want_hint(struct recovery *out, struct segment *segment);

/* ---- recovery_tail.c ---- */

/* Reads the open segments into run->tails, in the order of sequences. */
int recovery_read_tails(struct recovery_run_state *run);

/*
 * Quarantines, copies, syncs, loads, and seals them in the manifest (in
 * memory: run->rewrite is set).
 */
int recovery_settle_tails(struct recovery_run_state *run);

#endif
