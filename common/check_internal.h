/*
 * check_internal: the parts of a check, for check*.c and repair*.c only.
 *
 *	check.c		all of a store
 *	check_segment.c	one segment and its hint
 */
#ifndef GETME_COMMON_CHECK_INTERNAL_H
#define GETME_COMMON_CHECK_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "common/check.h"
#include "common/hint.h"
#include "common/inventory.h"
#include "common/segment_reader.h"

/* Who looks on while a store is checked; 0 or a negative errno. */
struct check_watch {
	int (*entry)(void *ctx, const struct inventory_row *row,
		     const struct segment_entry *found);
	/* LINE: what the hint has there, or NULL.  SEGMENT: NULL when gone. */
	int (*lost)(void *ctx, const struct inventory_row *row, uint64_t off,
		    uint64_t len, const struct hint_entry *line);
	void *ctx;
};

/* Which sequence numbers were met, and with what. */
struct check_sequence {
	uint64_t sequence;
	uint64_t hash;
};

/* The batch whose head was met last. */
struct check_batch {
	uint64_t off; /* of the head */
	uint64_t end;
	uint64_t sequence; /* of the next member */
	uint32_t left;	   /* members to come; 0: no batch */
};

struct check {
	struct inventory *inventory;
	struct findings *findings; /* the inventory's */
	const struct check_options *options;
	const struct check_watch *watch; /* or NULL */
	struct check_sequence *sequences;
	size_t n_sequences;
	size_t cap_sequences;
	uint64_t n_entries;
	uint64_t done; /* bytes of the segments before */
	uint64_t total;
	/* of the segment in hand */
	const struct inventory_row *row;
	const struct hint *hint; /* NULL: none */
	struct check_batch batch;
	uint64_t last_sequence;
	uint64_t highest_sequence;
	uint64_t n_filter_faults;
};

/* One segment with its hint.  0, -EIO, -ENOMEM, -errno, the watch's. */
int check_segment(struct check *check, const struct inventory_row *row);

/* Notes an entry's sequence.  0 or -ENOMEM. */
int check_add_sequence(struct check *check, const struct entry *entry);

/* The check of an inventory that the caller has taken, and keeps. */
int check_inventory(struct inventory *inventory,
		    const struct check_options *options,
		    const struct check_watch *watch,
		    struct check_report *report, struct store_error *error);

#endif
