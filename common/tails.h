/*
 * tails: all segments of a store that were not sealed, in their order.
 *
 * Nothing is written to a segment before the one before it is synced.  So a
 * segment that is followed by one with entries was synced to its end, and
 * what is no entry in it is damage, not a torn write.
 */
#ifndef GETME_COMMON_TAILS_H
#define GETME_COMMON_TAILS_H

#include <stddef.h>
#include <stdint.h>

#include "common/io.h"
#include "common/tail.h"

/*
 * Reads the N tails, of which only the segment is set, and sorts them by
 * their sequences, those without an entry last.  SYNCED_BELOW: a sequence
 * that is known to have been written to a segment behind (0: none), so a tail
 * that begins below it was synced too.  0, -EIO, -ENOMEM: BAD_ID is the
 * segment's.  Each is to be released with tail_deinit in any case.
 */
int tails_read(struct tail *tails, size_t n, struct io *io,
	       uint64_t synced_below, uint32_t *bad_id);

#endif
