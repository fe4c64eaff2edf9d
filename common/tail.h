/*
 * tail: reading a segment that was not sealed when the last run ended.
 *
 * The log ends in it at the first place that is no good entry, unless it can
 * be shown that what lies there had been synced: then it is damage, which is
 * skipped and reported, and never ends what follows.  Shown by an entry
 * behind it whose synced mark reaches beyond, or by an entry in a later
 * segment (nothing is written there before this one is synced).
 *
 * A good entry, above the synced mark: header and value CRC hold, the
 * sequence follows the one before, and a batch is all there.  Below it a
 * damaged value, or a gap, is damage.
 */
#ifndef GETME_COMMON_TAIL_H
#define GETME_COMMON_TAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/hint_builder.h"
#include "common/io.h"
#include "common/segment.h"

struct tail {
	struct segment *segment;     /* borrowed */
	struct segment *copy;	     /* recovery's, of what lies behind mark */
	struct hint_builder entries; /* the good ones, in order */
	uint64_t limit;		     /* zeros from there on: not looked at */
	uint64_t end;		     /* where the log ends in this segment */
	uint64_t data_end;	     /* behind the last byte that is not zero */
	uint64_t mark;		     /* the highest synced mark */
	uint64_t first_sequence;     /* 0: no entries */
	uint64_t last_sequence;
	uint64_t n_damaged; /* places below the mark */
	uint64_t bytes_read;
	bool stopped;  /* something that is no entry lies behind end */
	bool followed; /* by one with entries: all of it was synced */
};

/*
 * Reads SEGMENT.  ALL_SYNCED: a later segment has entries.  0, -EIO,
 * -ENOMEM.  Release with tail_deinit also after a failure.
 */
int tail_read(struct tail *tail, struct io *io, struct segment *segment,
	      bool all_synced);
void tail_deinit(struct tail *tail);

#endif
