/*
 * hint_filter: a Bloom filter over the keys of a segment's puts, dead ones
 * too; it is a part of the hint and can be read without the rest.
 *
 * It answers "may hold", which is wrong for about one absent key in a hundred,
 * or "does not", which is never wrong.
 */
#ifndef GETME_COMMON_HINT_FILTER_H
#define GETME_COMMON_HINT_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/io.h"
#include "common/segment.h"

/* The filter of a hint, without its entries. */
struct hint_filter {
	uint8_t *data; /* owned */
	uint32_t bits; /* 0: the segment has no puts */
};

/*
 * Reads header and filter of DIR/ID.hint alone.  Errors as hint_load's;
 * HINT_BAD, -ENOENT: nothing is known of the segment's puts.
 */
int hint_filter_load(struct hint_filter *filter, struct io *io, const char *dir,
		     const uint8_t store_id[SEGMENT_STORE_ID_LEN],
		     uint32_t segment_id, uint64_t segment_len);
void hint_filter_deinit(struct hint_filter *filter);

/* The same for the digest_fixed64 of a key. */
bool hint_filter_may_hold(const struct hint_filter *filter, uint64_t hash);

/*
 * The same for a filter of BITS bits that is in memory as it is in the file
 * (0 bits hold nothing), and adding to one; BITS is not 0 then.
 */
bool hint_filter_holds(const uint8_t *filter, uint32_t bits, uint64_t hash);
void hint_filter_add(uint8_t *filter, uint32_t bits, uint64_t hash);

/* The CRC-32C of a hint's header and its filter. */
uint32_t hint_filter_crc(const uint8_t *head, const uint8_t *filter,
			 uint32_t bits);

#endif
