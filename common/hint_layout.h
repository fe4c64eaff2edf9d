/*
 * hint_layout: where things are in a hint, for hint*.c only; common/hint.h has
 * the table.
 */
#ifndef GETME_COMMON_HINT_LAYOUT_H
#define GETME_COMMON_HINT_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "common/bytes.h"
#include "common/hint.h"
#include "common/io.h"
#include "common/segment.h"

#define HINT_MAGIC "getMeHNT"

enum {
	HINT_AT_VERSION = 8,
	HINT_AT_SEGMENT_ID = 12,
	HINT_AT_STORE_ID = 16,
	HINT_AT_SEGMENT_LEN = 32,
	HINT_AT_LAST_SEQUENCE = 40,
	HINT_AT_N_ENTRIES = 48,
	HINT_AT_FILTER_BITS = 52,
	HINT_AT_ENTRIES_LEN = 56,
	HINT_MAGIC_LEN = 8,
	HINT_CRC_LEN = 4,
	HINT_FILTER_CRC_LEN = 4,
	/* the first byte of a line */
	HINT_FLAGS_SHIFT = 4,
	HINT_KIND_MASK = 0xf,
};

/* Whether a header is that of the segment at this length. */
static inline bool hint_is_of(const uint8_t *head, const uint8_t *store_id,
			      uint32_t segment_id, uint64_t segment_len)
{
	return memcmp(head, HINT_MAGIC, HINT_MAGIC_LEN) == 0 &&
	       bytes_get32(head + HINT_AT_VERSION) == HINT_FORMAT &&
	       bytes_get32(head + HINT_AT_SEGMENT_ID) == segment_id &&
	       memcmp(head + HINT_AT_STORE_ID, store_id,
		      SEGMENT_STORE_ID_LEN) == 0 &&
	       bytes_get64(head + HINT_AT_SEGMENT_LEN) == segment_len &&
	       bytes_get32(head + HINT_AT_FILTER_BITS) % 8 == 0;
}

/* No hint is much longer than its segment. */
static inline uint64_t hint_longest(uint64_t segment_len)
{
	return HINT_HEADER_LEN + HINT_CRC_LEN + 2 * segment_len;
}

/*
 * Opens DIR/ID.hint and reads its header, unchecked.  0; HINT_BAD: it is too
 * short; -ENOENT, -errno.  The caller closes FD.
 */
int hint_open(struct io *io, const char *dir, uint32_t segment_id,
	      uint8_t head[HINT_HEADER_LEN], int *fd);

#endif
