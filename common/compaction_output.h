/*
 * compaction_output: the segment that a compaction writes.
 *
 * Entries are gathered and written in large pieces, pushed to the disk as
 * they come, so that the sync at the end meets little.  The file is taken
 * from upkeep with the first entry; a run that keeps nothing has none.
 */
#ifndef GETME_COMMON_COMPACTION_OUTPUT_H
#define GETME_COMMON_COMPACTION_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

#include "common/compaction.h"
#include "common/entry.h"
#include "common/hint_builder.h"

struct compaction_output {
	struct compaction *run; /* borrowed; output is set by _finish */
	struct segment *segment;
	struct hint_builder hint;
	uint8_t *buffer;
	size_t buffered;
	uint64_t written_back;
};

void compaction_output_init(struct compaction_output *out,
			    struct compaction *run);

/* Frees; an output that is not finished is removed. */
void compaction_output_deinit(struct compaction_output *out);

/*
 * An entry is to be appended: its line goes into the hint, OFF8 is its place
 * in units of 8 bytes.  0, -ENOMEM, -ENOSPC, ...
 */
int compaction_output_begin(struct compaction_output *out,
			    const struct entry *entry, uint32_t *off8);

/*
 * Its first LEN bytes, header and key at least; they are made to fit their
 * new place.  What is left of it follows by _append, in pieces.  LEN is at
 * most COMPACTION_PIECE_MAX.
 */
int compaction_output_entry(struct compaction_output *out, const uint8_t *head,
			    size_t len);
int compaction_output_append(struct compaction_output *out, const uint8_t *data,
			     size_t len);

enum {
	COMPACTION_PIECE_MAX = 256 << 10,
};

/*
 * Makes it whole and durable under its name, its hint too (one that cannot
 * be written is no failure: the segment does without), and gives it to the
 * run.  0 or -errno.
 */
int compaction_output_finish(struct compaction_output *out);

#endif
