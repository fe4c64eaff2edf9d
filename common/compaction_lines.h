/*
 * compaction_lines: what the inputs of a compaction hold, line by line.
 *
 * The lines of an input are those of its hint; where it has none they are
 * read from the segment.  A run walks over them twice: what was loaded is
 * kept for the second time, as far as LINES_KEPT_MAX goes.
 *
 * On the second time each line needs its key's place in the index, a miss of
 * the processor's caches or two.  So lines come in batches, for which memory
 * is asked all at once.
 */
#ifndef GETME_COMMON_COMPACTION_LINES_H
#define GETME_COMMON_COMPACTION_LINES_H

#include <stddef.h>
#include <stdint.h>

#include "common/compaction.h"
#include "common/digest.h"
#include "common/hint.h"

enum {
	LINES_BATCH = 32,
	LINES_KEPT_MAX = 32 << 20, /* bytes of hints held by a run */
};

struct lines {
	struct compaction *run; /* borrowed */
	struct hint *hints;	/* owned; of the inputs; no data: not kept */
	uint64_t kept_len;
};

/* 0 or -ENOMEM; released by lines_deinit in either case. */
int lines_init(struct lines *lines, struct compaction *run);
void lines_deinit(struct lines *lines);

/*
 * Calls EACH with the lines of every input, the oldest first, until one does
 * not return 0.  What EACH said last; COMPACTION_CANCELLED;
 * COMPACTION_DAMAGED, from here or from EACH: run->damaged_input is set;
 * -ENOMEM, -errno.
 */
int lines_each_input(struct lines *lines,
		     int (*each)(void *ctx, const struct segment *input,
				 struct hint *hint),
		     void *ctx);

/*
 * What a failed read of an input means.  What cannot be read is damaged, by
 * the disk's own word: the same input would be picked and fail again, and no
 * other one would have its turn.
 */
int lines_read_result(int result);

struct lines_batch {
	size_t n;
	struct hint_entry lines[LINES_BATCH]; /* keys borrowed from the hint */
	struct digest digests[LINES_BATCH];   /* under the store's secret */
};

/* The next lines of HINT; none when there are no more. */
void lines_take(struct lines_batch *batch, const struct compaction *run,
		struct hint *hint);

#endif
