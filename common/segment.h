/*
 * segment: one file of the log.  common/segment_header.h writes and reads its
 * header, common/segment_reader.h its entries, front to back.
 *
 *   offset  size  name         meaning
 *        0     8  magic        "getMeSEG"
 *        8     4  crc          CRC-32C of the header with this field zero
 *       12     4  version      format version, 1
 *       16    16  store_id     whose segment this is
 *       32     4  segment_id   as in the file's name
 *       36     4  header_len   64 + 4 * n_replaces, rounded up to 8
 *       40     8  created      ms since 1970
 *       48     4  n_replaces   a compaction's output: how many segments
 *                              it takes the place of; else 0
 *       52    12  reserved     0
 *       64  4 * n  replaces    their ids
 *   header_len        entries (common/entry.h), 8-byte aligned; then zeros
 *
 * A segment is made with room for its capacity, so behind the last entry
 * come zeros.  It is never truncated, and never written twice at one place.
 *
 * A compaction's output is written as ID.seg.tmp.  It gets its header, and
 * then its name, when it is whole and synced; one run makes one output.  So
 * who finds it under its name while the manifest lists what it replaces may
 * remove it: it holds copies only.  Without a manifest it is the other way
 * round.  It holds no batch heads, and its sequences are in any order.
 *
 * struct segment is the open file.  Who may touch what:
 *   id, fd, capacity, header_len  set once
 *   len, synced_len, first and last sequence   the thread that appends;
 *                  others only once it is sealed
 *   live_bytes, expir*, dead_bytes, tombstone_bytes, stuck_*, is_damaged,
 *   is_wanted      the thread that writes the index
 */
#ifndef GETME_COMMON_SEGMENT_H
#define GETME_COMMON_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/entry.h"
#include "common/io.h"
#include "common/mapped.h"
#include "common/path.h"

enum {
	SEGMENT_HEADER_LEN = 64,
	SEGMENT_FORMAT = 1,
	SEGMENT_STORE_ID_LEN = 16,
	SEGMENT_NAME_MAX = 32,
	SEGMENT_ID_BITS = 24, /* what the index holds of an id */
	/* bytes; beyond, the index could not tell a second entry's place */
	SEGMENT_SHARED_MAX = 128 << 20,
	/* so many ids of replaced segments a header holds at most */
	SEGMENT_REPLACES_MAX = 4096,
};

enum segment_result {
	SEGMENT_END = 1,     /* the limit is reached */
	SEGMENT_BAD = 2,     /* no entry, or no header, begins here */
	SEGMENT_FOREIGN = 3, /* another store's or another id's */
	SEGMENT_NEWER = 4,   /* a newer format */
};

struct segment {
	uint32_t id;
	int fd;
	uint64_t capacity;
	uint64_t len; /* the end of the last good entry */
	uint64_t synced_len;
	uint64_t first_sequence; /* 0: no entries; none in it has a lower one */
	uint64_t last_sequence;
	uint64_t live_bytes;
	uint64_t expiring_bytes;  /* of the live ones, those that will expire */
	uint64_t expires_min_ms;  /* before it none of them has; 0: none will */
	uint64_t expires_max_ms;  /* by then all of them have */
	uint64_t dead_bytes;	  /* tombstones are dead */
	uint64_t tombstone_bytes; /* of the dead ones; a run may keep them */
	uint64_t stuck_bytes;	  /* of these, what the last run had to keep */
	uint64_t stuck_at; /* what runs had freed by then (compaction_pick) */
	uint32_t stuck_by; /* as long as there is the segment of this id */
	uint32_t header_len;
	bool is_damaged;       /* not all of it can be told: not compacted */
	bool is_wanted;	       /* a full compaction has still to do it */
	_Atomic bool sealed;   /* the manifest holds its length */
	_Atomic bool replaced; /* no longer part of the store */
	_Atomic bool cleared;  /* by a clear: the index may not know it yet */
	_Atomic bool shared;   /* other processes may have it mapped */
	_Atomic(struct mapping *) mapping; /* owned, mapped's; NULL: none yet */
	struct segment *next; /* of whatever list of upkeep's it is in */
	/* common/retire's: it may wait for its hint all the same */
	struct segment *retired_next;
	uint64_t retired_at;
};

/* An entry of it has this expiry; 0: none. */
static inline void segment_note_expiry(struct segment *segment,
				       uint64_t expires_at_ms)
{
	if (expires_at_ms == 0)
		return;
	if (segment->expires_min_ms == 0 ||
	    expires_at_ms < segment->expires_min_ms)
		segment->expires_min_ms = expires_at_ms;
	if (expires_at_ms > segment->expires_max_ms)
		segment->expires_max_ms = expires_at_ms;
}

/* "0000000001.seg" and "0000000001.hint". */
void segment_name(uint32_t id, char name[SEGMENT_NAME_MAX]);
void segment_hint_name(uint32_t id, char name[SEGMENT_NAME_MAX]);

/* PATH = DIR/ID.seg, DIR/ID.hint.  0 or -ENAMETOOLONG. */
int segment_path(char path[PATH_LEN_MAX], const char *dir, uint32_t id);
int segment_hint_path(char path[PATH_LEN_MAX], const char *dir, uint32_t id);

/*
 * Removes DIR/ID.hint, then DIR/ID.seg, the folder not synced; a file that
 * stays is removed by the next start.
 */
void segment_unlink(struct io *io, const char *dir, uint32_t id);

/* Whether NAME is one of these names; then its id. */
bool segment_parse_name(const char *name, uint32_t *id, bool *is_hint);

/*
 * Makes the file DIR/ID.seg with room for CAPACITY bytes, its header written
 * and synced, and the folder synced.  A file of that name is an error
 * (-EEXIST).  On failure nothing of that name is left, unless removing it
 * failed too.  -EOPNOTSUPP from allocate is no failure.
 */
int segment_create(struct io *io, const char *dir,
		   const uint8_t store_id[SEGMENT_STORE_ID_LEN], uint32_t id,
		   uint64_t capacity, struct segment **segment);

/*
 * Makes DIR/ID.seg.tmp with room for CAPACITY bytes, for a compaction's
 * output: no header, not synced.  -EEXIST, -ENOSPC, ...; then nothing of that
 * name is left that was not there.
 */
int segment_create_output(struct io *io, const char *dir, uint32_t id,
			  uint64_t capacity, struct segment **segment);

/*
 * An output is all written (segment->len): writes the header that names the
 * N replaced segments, syncs, and gives the file its name.  The folder is
 * not synced.  0 or -errno.
 */
int segment_finish_output(struct io *io, const char *dir,
			  const uint8_t store_id[SEGMENT_STORE_ID_LEN],
			  struct segment *output,
			  struct segment *const *replaces, size_t n_replaces);

/* Closes and frees an output that is of no use, and removes its file. */
void segment_drop_output(struct io *io, const char *dir,
			 struct segment *output);

/*
 * Opens DIR/ID.seg and checks its header.  0, SEGMENT_FOREIGN,
 * SEGMENT_NEWER, -ENOENT, -errno.  SEGMENT_BAD: the header is damaged, but
 * SEGMENT is given back all the same, as if its header were a plain one: its
 * entries prove themselves.  len is the header's, capacity the file's.
 */
int segment_open(struct io *io, const char *dir,
		 const uint8_t store_id[SEGMENT_STORE_ID_LEN], uint32_t id,
		 struct segment **segment);

/* Ends the mapping, closes the descriptor, frees; NULL is fine. */
void segment_free(struct io *io, struct segment *segment);

/* Gives back the room behind LEN; failures do not matter. */
void segment_trim(struct io *io, const struct segment *segment);

#endif
