/*
 * entry: one record of the log, as it lies in a segment.
 *
 *   offset  size  name        meaning
 *        0     4  head_crc    CRC-32C of segment id and offset (the seed),
 *                             then of bytes 4 to the end of the key
 *        4     4  value_crc   CRC-32C of the value and the padding
 *        8     1  kind        put, tombstone, batch head
 *        9     1  flags       ENTRY_HAS_EXPIRY, ENTRY_IN_BATCH
 *       10     2  key_len     1 to 65,535; 0 in a batch head
 *       12     4  value_len   0 to 2^30
 *       16     8  sequence    store-wide, dense
 *       24     8  timestamp   ms since 1970, for people only
 *       32     4  synced      how many units of 8 bytes of this segment were
 *                             known to be on stable storage when this entry
 *                             was written
 *       36     4  reserved    0
 *      [40     8  expires_at  ms since 1970; only with ENTRY_HAS_EXPIRY]
 *    40/48        key
 *                 value
 *                 zeros up to a multiple of 8
 *
 * All little-endian.  Two CRCs, since damage in a value must not lose the
 * key: such an entry is still known to supersede older ones.  The seed makes
 * an entry's image that was copied into a value, or moved, not an entry.
 *
 * A batch is a batch head and, directly behind it in the same segment, its
 * COUNT members with consecutive sequence numbers and ENTRY_IN_BATCH.  The
 * value of a batch head:
 *        0     4  count       members, 1 to 16,384
 *        4     4  reserved    0
 *        8     8  run_len     bytes of all members together
 */
#ifndef GETME_COMMON_ENTRY_H
#define GETME_COMMON_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	ENTRY_HEAD_LEN = 40,
	ENTRY_HEAD_MAX = 48, /* with an expiry */
	ENTRY_KEY_MAX = 65535,
	ENTRY_VALUE_MAX = 1 << 30,
	ENTRY_BATCH_VALUE_LEN = 16,
	ENTRY_BATCH_MAX = 16384,
};

enum entry_kind {
	ENTRY_PUT = 1,
	ENTRY_TOMBSTONE = 2,
	ENTRY_BATCH = 3,
};

enum entry_flag {
	ENTRY_HAS_EXPIRY = 1,
	ENTRY_IN_BATCH = 2,
};

/* Positive results of entry_decode. */
enum entry_result {
	ENTRY_BAD = 1,	   /* no entry of this segment begins here */
	ENTRY_PARTIAL = 2, /* may be one: need more bytes, see need */
};

struct entry {
	enum entry_kind kind;
	uint8_t flags;
	uint16_t key_len;
	uint32_t value_len;
	uint64_t sequence;
	uint64_t timestamp_ms;
	uint64_t synced_off;	/* bytes */
	uint64_t expires_at_ms; /* 0: none */
	uint32_t value_crc;
	const uint8_t *key; /* borrowed from the decoded bytes */
};

/* Bytes of the header alone. */
static inline size_t entry_head_len(bool has_expiry)
{
	return has_expiry ? ENTRY_HEAD_MAX : ENTRY_HEAD_LEN;
}

/* Bytes of a whole entry, padding included. */
uint64_t entry_len(size_t key_len, uint64_t value_len, bool has_expiry);

/* The same of a decoded entry; of the header and the key only. */
uint64_t entry_total_len(const struct entry *entry);
size_t entry_value_off(const struct entry *entry);

/*
 * Writes header and key to OUT (entry_value_off(entry) bytes), CRCs, sequence
 * and synced left zero: entry_seal fills them in once the place is known.
 */
void entry_encode(const struct entry *entry, uint8_t *out);

/*
 * Finishes an encoded entry for its place: HEAD is what entry_encode wrote,
 * VALUE its value (borrowed, value_len bytes).
 */
void entry_seal(uint8_t *head, const void *value, uint64_t sequence,
		uint64_t synced_off, uint32_t segment_id, uint64_t off);

/*
 * Gives the HEAD of an entry that was decoded (header and key) a new place:
 * compaction moves it there with its value as it is, damaged or not.  It is
 * no longer part of a batch's run.
 */
void entry_move(uint8_t *head, uint64_t synced_off, uint32_t segment_id,
		uint64_t off);

/*
 * Reads header and key of the entry at OFF of segment SEGMENT_ID out of the
 * LEN bytes at DATA.  LIMIT is how many bytes the segment has from OFF on: an
 * entry that would reach beyond is bad.  0: ENTRY is filled in; its value may
 * lie beyond LEN.  ENTRY_PARTIAL: at least NEED bytes are needed to tell.
 * No byte beyond LEN is read; the value is not looked at.
 */
int entry_decode(const uint8_t *data, size_t len, uint64_t limit,
		 uint32_t segment_id, uint64_t off, struct entry *entry,
		 size_t *need);

/*
 * Whether the value's CRC holds: VALUE points to value and padding, that is
 * entry_total_len - entry_value_off bytes.
 */
bool entry_value_ok(const struct entry *entry, const uint8_t *value);

/* The 16 bytes of a batch head's value. */
void entry_batch_put(uint8_t value[ENTRY_BATCH_VALUE_LEN], uint32_t count,
		     uint64_t run_len);
/* 0 or ENTRY_BAD. */
int entry_batch_get(const uint8_t value[ENTRY_BATCH_VALUE_LEN], uint32_t *count,
		    uint64_t *run_len);

#endif
