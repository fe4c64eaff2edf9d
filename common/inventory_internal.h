/*
 * inventory_internal: the parts of an inventory, for inventory*.c only.
 *
 *	inventory.c		the manifest, the segments
 *	inventory_folder.c	the lock, and which files there are
 *	inventory_rebuild.c	a manifest where there is none
 *	inventory_tails.c	the segments that were not sealed
 */
#ifndef GETME_COMMON_INVENTORY_INTERNAL_H
#define GETME_COMMON_INVENTORY_INTERNAL_H

#include "common/inventory.h"
#include "common/lock.h"

/* Writes the error's text; returns RESULT. */
int inventory_fail(struct store_error *error, int result, const char *format,
		   ...) __attribute__((format(printf, 3, 4)));
/* "DIR: cannot read segment ID: what RESULT means, and what to do". */
int inventory_fail_segment(const struct inventory *inventory,
			   struct store_error *error, int result, uint32_t id);

bool inventory_is_forbidden(int result);

/* Fills in the files; refuses what is no store, and what is unfinished. */
int inventory_list(struct inventory *inventory, struct store_error *error);

/* Takes the lock.  That there is no LOCK is fine. */
int inventory_lock(struct inventory *inventory, struct lock_report *report,
		   struct store_error *error);

/* Makes up inventory->manifest from the segments' headers. */
int inventory_rebuild(struct inventory *inventory, struct store_error *error);

/* Finds where the rows that were not sealed end. */
int inventory_read_tails(struct inventory *inventory,
			 struct store_error *error);

#endif
