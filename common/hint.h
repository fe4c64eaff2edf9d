/*
 * hint: what a sealed segment holds, so that start-up need not read it.
 *
 *   offset  size  name          meaning
 *        0     8  magic         "getMeHNT"
 *        8     4  version       format version, 1
 *       12     4  segment_id
 *       16    16  store_id
 *       32     8  segment_len   the sealed length that this hint covers
 *       40     8  last_sequence of the segment
 *       48     4  n_entries     puts and tombstones; batch heads are left out
 *       52     4  filter_bits   8 * bytes of the filter
 *       56     8  entries_len   bytes of all entries
 *       64        entries, in the order of their places:
 *                  1  kind     as in the entry, and its flags times 16
 *                  v  sequence  less that of the entry before, zigzag
 *                  v  gap      units of 8 bytes from the end of the entry
 *                              before; of the first, from the file's begin
 *                  v  size     of the entry, units of 8 bytes
 *                  v  key_len
 *                 [8  expires_at, only with ENTRY_HAS_EXPIRY]
 *                    key
 *                 v: groups of 7 bits (common/bytes.h)
 *                 filter: a Bloom filter over the keys of all puts, dead ones
 *                 too, HINT_FILTER_PROBES probes a key from digest_fixed64
 *                 (Kirsch and Mitzenmacher's double hashing)
 *                 4  filter_crc  CRC-32C of the header and the filter, so
 *                            that the filter can be read without the rest
 *                 4  crc     CRC-32C of everything before it
 *
 * An entry mostly takes 6 bytes and its key.  The keys are in it, so that the
 * index can be built under a new secret and a repair can name what is lost.  A
 * hint is a copy: any doubt, and the segment is read and the hint written
 * again.  common/hint_builder.h makes one, common/hint_filter.h reads the
 * filter alone.
 */
#ifndef GETME_COMMON_HINT_H
#define GETME_COMMON_HINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/entry.h"
#include "common/io.h"
#include "common/segment.h"

enum {
	HINT_FORMAT = 1,
	HINT_HEADER_LEN = 64,
	HINT_FILTER_PROBES = 7,
	HINT_FILTER_BITS_A_KEY = 10, /* about 1 % false positives */
};

enum hint_result {
	HINT_BAD = 1, /* not the hint of this segment at this length */
};

/* One line of a hint. */
struct hint_entry {
	enum entry_kind kind;
	uint8_t flags;
	uint16_t key_len;
	uint32_t off8;
	uint32_t len8;
	uint64_t sequence;
	uint64_t expires_at_ms;
	const uint8_t *key; /* borrowed */
};

/* A hint in memory. */
struct hint {
	uint8_t *data; /* owned */
	size_t len;
	size_t at; /* of the next entry */
	uint32_t n_entries;
	uint32_t n_read;
	uint64_t sequence; /* of the entry before */
	uint64_t end8;	   /* of that one */
	uint64_t entries_len;
	uint64_t last_sequence;
	const uint8_t *filter;
	uint32_t filter_bits;
};

/*
 * Reads DIR/ID.hint and checks everything: CRC, ids, length, that the
 * entries fit.  0, HINT_BAD, -ENOENT, -ENOMEM, -errno.
 */
int hint_load(struct hint *hint, struct io *io, const char *dir,
	      const uint8_t store_id[SEGMENT_STORE_ID_LEN], uint32_t segment_id,
	      uint64_t segment_len);

/* The same from bytes that the caller has (taken over on success). */
int hint_parse(struct hint *hint, uint8_t *data, size_t len,
	       const uint8_t store_id[SEGMENT_STORE_ID_LEN],
	       uint32_t segment_id, uint64_t segment_len);

/* Frees what a hint owns; NULL data is fine. */
void hint_deinit(struct hint *hint);

/*
 * The sealed length that DIR/ID.hint says it covers, for who has no manifest
 * to tell it; hint_load with that length then checks all.  0, HINT_BAD,
 * -ENOENT, -errno.
 */
int hint_covers(struct io *io, const char *dir, uint32_t segment_id,
		uint64_t *segment_len);

/* The next entry; false: there is none. */
bool hint_next(struct hint *hint, struct hint_entry *entry);

/* The first entry is the next one again. */
void hint_rewind(struct hint *hint);

/* Whether the segment may hold a put of the key; never a false "no". */
bool hint_may_hold(const struct hint *hint, const void *key, size_t key_len);

#endif
