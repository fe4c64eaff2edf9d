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
 * An entry mostly takes 6 bytes and its key.  The keys are in it, so that the index can be built under a new secret and
 * a repair can name what is lost.  A hint is a copy: any doubt, and the
 * segment is read and the hint written again.
 */
#ifndef GETME_COMMON_HINT_H
#define GETME_COMMON_HINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/entry.h"
#include "common/io.h"
#include "common/segment.h"
#include "common/segment_reader.h"

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

/* A hint that is being made. */
struct hint_builder {
	uint8_t *data;
	size_t len;
	size_t cap;
	uint64_t *put_hashes;
	size_t n_puts;
	size_t puts_cap;
	uint32_t n_entries;
	uint64_t last_sequence;
	uint64_t sequence; /* of the entry that was added last */
	uint64_t end8;	   /* of that one */
};

/* A hint in memory. */
struct hint {
	uint8_t *data;
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

void hint_builder_init(struct hint_builder *builder);
void hint_builder_deinit(struct hint_builder *builder);

/* Adds one entry of the segment.  0 or -ENOMEM. */
int hint_builder_add(struct hint_builder *builder,
		     const struct segment_entry *entry);

/*
 * Adds all entries of a sealed segment, read front to back.  0; SEGMENT_BAD:
 * not all of it can be told; -ENOMEM, -errno.
 */
int hint_builder_read(struct hint_builder *builder, struct io *io,
		      const struct segment *segment);

/* What was added, as a hint to be walked through; takes the builder's data. */
void hint_builder_take(struct hint_builder *builder, struct hint *hint);

/*
 * Writes DIR/ID.hint by way of ID.hint.tmp: synced before it is renamed,
 * the folder is not (a lost hint is made again).  0, -ENOMEM, -errno; after a
 * failure an older hint of that name is as it was.
 */
int hint_builder_write(struct hint_builder *builder, struct io *io,
		       const char *dir,
		       const uint8_t store_id[SEGMENT_STORE_ID_LEN],
		       uint32_t segment_id, uint64_t segment_len);

/*
 * Reads DIR/ID.hint and checks everything: CRC, ids, length, that the
 * entries fit.  0, HINT_BAD, -ENOENT, -ENOMEM, -errno.
 */
int hint_load(struct hint *hint, struct io *io, const char *dir,
	      const uint8_t store_id[SEGMENT_STORE_ID_LEN], uint32_t segment_id,
	      uint64_t segment_len);
void hint_deinit(struct hint *hint);

/*
 * The sealed length that DIR/ID.hint says it covers, for who has no manifest
 * to tell it; hint_load with that length then checks all.  0, HINT_BAD,
 * -ENOENT, -errno.
 */
int hint_covers(struct io *io, const char *dir, uint32_t segment_id,
		uint64_t *segment_len);

/* The same from bytes that the caller has (taken over on success). */
int hint_parse(struct hint *hint, uint8_t *data, size_t len,
	       const uint8_t store_id[SEGMENT_STORE_ID_LEN],
	       uint32_t segment_id, uint64_t segment_len);

/* The next entry; false: there is none. */
bool hint_next(struct hint *hint, struct hint_entry *entry);

/* Whether the segment may hold a put of the key; never a false "no". */
bool hint_may_hold(const struct hint *hint, const void *key, size_t key_len);

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

#endif
