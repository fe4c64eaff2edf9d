/*
 * repair_internal: the parts of a repair, for repair*.c only.
 *
 *	repair.c		the steps in their order, the new folder
 *	repair_load.c		which entry of each key is the newest
 *	repair_copy.c		these into new segments
 *	repair_quarantine.c	what cannot be used
 */
#ifndef GETME_COMMON_REPAIR_INTERNAL_H
#define GETME_COMMON_REPAIR_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/check_internal.h"
#include "common/digest.h"
#include "common/hint_builder.h"
#include "common/index.h"
#include "common/inventory.h"
#include "common/manifest.h"
#include "common/repair.h"
#include "common/segment.h"

enum {
	/* in the flags of an index place: the entry there is damaged */
	REPAIR_DAMAGED = 1 << 7,
};

/* A damaged entry whose key is known. */
struct repair_lost {
	struct digest digest;
	struct index_place place;
	uint64_t sequence;
	uint32_t segment_id;
	uint64_t off;
	uint64_t len;
	uint8_t *key; /* owned */
	uint16_t key_len;
};

struct repair {
	const struct repair_options *options;
	struct repair_report *report;
	struct store_error *error;
	struct findings findings;
	struct io *io;		    /* for the new folder */
	struct inventory inventory; /* of the old one */
	uint8_t secret[DIGEST_SECRET_LEN];
	struct index *index; /* being loaded until the end */
	struct repair_lost *lost;
	size_t n_lost;
	size_t cap_lost;
	uint64_t highest_sequence;
	/* the new store */
	int lock_fd;
	struct manifest manifest;
	struct segment *out; /* NULL: none is being written */
	uint32_t out_origin; /* the segment that its first entry is from */
	struct hint_builder hint;
	uint8_t *buffer;
	bool has_quarantine;
};

/* Writes the error's text; returns RESULT. */
int repair_fail(struct repair *repair, int result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* "NEWDIR: cannot write WHAT: what RESULT means". */
int repair_fail_write(struct repair *repair, int result, const char *what);

/* Whether the entry at OFF of that segment is what the index has. */
bool repair_is_at(const struct index_place *place, uint32_t segment_id,
		  uint64_t off);

/*
 * Checks the old store, loads its index, quarantines what is damaged, and
 * lists the keys whose newest entry is.  0 or -errno with the error's text.
 */
int repair_load(struct repair *repair);

/* Writes what repair_load found to be newest.  The same. */
int repair_copy(struct repair *repair);

/* LEN bytes at OFF of a segment of the old store.  The same. */
int repair_quarantine(struct repair *repair, const struct inventory_row *row,
		      uint64_t off, uint64_t len);
/* Tails, and files that the old store does not list.  The same. */
int repair_quarantine_rest(struct repair *repair);
int repair_sync_quarantine(struct repair *repair);

#endif
