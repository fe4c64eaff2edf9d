/*
 * engine_settle: what writes have to know of entries that are on the disk.
 *
 * A write whose effect depends on its keys (conditions, incr, touch) goes to
 * the pool first, then it is decided anew: with what the pool read, if the
 * key's entry is still that one, else with a short read that may wait.  So it
 * ends, whatever the others do to its keys; only touch of a large value goes
 * to the pool once more each time that another write was quicker.
 *
 * An unconditional delete never waits to be logged, since a later put of its
 * connection would come before it.  Whether an entry with an expiry still
 * counted as there is read when the delete is visible, before its answer.
 */
#ifndef GETME_COMMON_ENGINE_SETTLE_H
#define GETME_COMMON_ENGINE_SETTLE_H

#include "common/engine_cold.h"

/* What the pool read for a write. */
struct settle {
	struct cold cold; /* first */
	/* of a write with one mutation; place 0, 0: nothing */
	int result;
	struct view_entry entry;
	struct view_buffer buffer;
};

/* Reads what REQUEST's mutations depend on; local_settled goes on with it. */
void settle_submit(struct local *local, struct engine_request *request);

/*
 * Whether the entry at PLACE was read; then *RESULT and *ENTRY are as
 * view_get's, the value borrowed from SETTLE.
 */
bool settle_knows(const struct settle *settle, const struct index_place *place,
		  int *result, struct view_entry *entry);

/* Gives the memory that VALUE lies in to BLOCK, if that is SETTLE's. */
bool settle_give(struct settle *settle, const void *value, struct block *block);

/*
 * Tells which keys of a request's deletes existed, now that every earlier
 * write has ended and before this one is made visible.  True: some of that
 * has to be read from the disk, the answer (0) is given later.
 */
bool settle_existed(struct local *local, struct engine_request *request);

/* Whether one of a request's mutations is a put. */
bool settle_has_puts(const struct engine_request *request);

/* A key that is named twice in a list of deletes was there once. */
int settle_count_once(struct local *local, struct engine_request *request);

#endif
