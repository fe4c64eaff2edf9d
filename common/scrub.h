/*
 * scrub: every byte of one segment's entries, front to back, beside its hint.
 *
 * Where no entry begins the hint, if there is one, tells which entry was
 * there and how long it was; without it the reading goes on at the next
 * place where an entry begins.
 */
#ifndef GETME_COMMON_SCRUB_H
#define GETME_COMMON_SCRUB_H

#include <stdbool.h>
#include <stdint.h>

#include "common/hint.h"
#include "common/io.h"
#include "common/segment.h"
#include "common/segment_reader.h"

struct scrub {
	struct io *io;
	const struct segment *segment; /* NULL: the file is gone */
	struct hint *hint;	       /* at its first line; NULL: none */
	uint64_t end;		       /* no entry reaches beyond */
	bool check_values;
	/*
	 * An entry whose header is good.  Both callbacks return 0, or a
	 * negative errno, which ends it.
	 */
	int (*entry)(void *ctx, const struct segment_entry *found);
	/* No entry: LEN bytes at OFF.  LINE is the hint's, or NULL. */
	int (*lost)(void *ctx, uint64_t off, uint64_t len,
		    const struct hint_entry *line);
	void *ctx;
	/* out */
	uint64_t n_entries;
	uint64_t n_lost;
	uint64_t n_hint_faults; /* lines that do not agree with the entries */
};

/* 0, -EIO, -ENOMEM, or a callback's. */
int scrub_run(struct scrub *scrub);

#endif
