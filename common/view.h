/*
 * view: reading entries through the index, without a lock.
 *
 * The same code for the daemon's loop, the compactor and for client
 * processes that map the index and the segments read-only: it sees an index
 * only as a lookup_map and segments only through a view_source.
 *
 * Invariants
 *  1. What is returned as data was copied first and then checked: header
 *     CRC, value CRC, key.
 *  2. A check that fails is looked up again; only when the index still points
 *     to the same place is it damage (a segment may be reclaimed while it is
 *     read).
 *  3. Expiry is tested against the source's clock at each call.
 */
#ifndef GETME_COMMON_VIEW_H
#define GETME_COMMON_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/digest.h"
#include "common/index_layout.h"
#include "common/lookup.h"

enum view_result {
	VIEW_NOT_FOUND = 1,
	VIEW_EXPIRED = 2, /* there, but its time is over: see place */
	VIEW_CORRUPT = 3, /* damaged: see place */
	VIEW_BUSY = 4,	  /* no stable answer; ask the writer */
};

enum view_want {
	VIEW_HEAD,  /* sizes, version, expiry */
	VIEW_VALUE, /* and the value */
};

/* How a view reads segments and the clock. */
struct view_source {
	/*
	 * Copies LEN bytes at OFF of the segment with these low 24 bits.
	 * SEGMENT_ID gets its whole id, REST how many bytes it has from OFF
	 * on.  0; -ENODATA: no such segment, or it ends before; -EIO, ...
	 */
	int (*read)(void *ctx, uint32_t segment, uint64_t off, void *data,
		    size_t len, uint32_t *segment_id, uint64_t *rest);
	/*
	 * Starts to fetch what read will copy, as far as that costs next to
	 * nothing; never waits.  The place may be nonsense.  NULL: cannot.
	 */
	void (*prefetch)(void *ctx, uint32_t segment, uint64_t off, size_t len);
	uint64_t (*clock_ms)(void *ctx);
	void *ctx;
	/* What is longer is not read: -EAGAIN.  0: no limit. */
	size_t read_max;
};

struct view {
	const struct lookup_map *map;
	struct view_source source;
};

/* Where entries are copied to; all zero is empty and valid. */
struct view_buffer {
	uint8_t *data;
	size_t cap;
};

void view_buffer_deinit(struct view_buffer *buffer);
/* Gives memory over KEEP bytes back. */
void view_buffer_trim(struct view_buffer *buffer, size_t keep);

struct view_entry {
	const uint8_t *key; /* in the buffer, like value */
	uint16_t key_len;
	const uint8_t *value; /* VIEW_VALUE only */
	uint64_t value_len;
	uint64_t version;
	uint64_t expires_at_ms; /* 0: none */
	struct index_place place;
};

/*
 * The entry of a key whose digest the caller has made.  0 and the enum
 * above, -EIO, -ENOMEM, -EAGAIN (over read_max, or the source's own: it would
 * have to wait).  ENTRY->place is set for all but VIEW_NOT_FOUND and
 * VIEW_BUSY.
 */
int view_get(const struct view *view, const struct digest *digest,
	     const void *key, size_t key_len, enum view_want want,
	     struct view_buffer *buffer, struct view_entry *entry);

struct view_key {
	const void *data;
	size_t len;
	struct digest digest;
};

enum {
	/* keys whose memory is fetched together: enough to hide most of the
	 * waiting, few enough to stay in the first cache */
	VIEW_STAGED = 16,
};

/*
 * view_get of N keys, at most VIEW_STAGED, each for itself, in the time of
 * fewer: calls TELL for each, in their order, with what view_get says of it.
 * ENTRY is borrowed, as in view_each.  What was told is not looked at again,
 * nor is its key.
 */
typedef void view_tell(void *ctx, size_t i, int result,
		       const struct view_entry *entry);

void view_get_each(const struct view *view, const struct view_key *keys,
		   size_t n, enum view_want want, struct view_buffer *buffer,
		   view_tell *tell, void *ctx);

/*
 * The entry at a place that the index told (a scan).  The key's digest is
 * checked under SECRET.  VIEW_NOT_FOUND: it is not that digest's entry any
 * more, look the digest up again.
 */
int view_read(const struct view *view, const uint8_t *secret,
	      const struct digest *digest, const struct index_place *place,
	      enum view_want want, struct view_buffer *buffer,
	      struct view_entry *entry);

/*
 * The same for who holds a place for a while: where the entry is not there
 * any more the digest is looked up again.  VIEW_NOT_FOUND: it is gone.
 */
int view_follow(const struct view *view, const uint8_t *secret,
		const struct digest *digest, const struct index_place *place,
		enum view_want want, struct view_buffer *buffer,
		struct view_entry *entry);

/* ---- many keys, all of one instant ---- */

/*
 * What is known of one of them: view's own, all zero at first.  A call that
 * gave VIEW_BUSY is gone on with by one more with what it left here.
 */
struct view_found {
	struct lookup_stamp stamp; /* version_at NULL: nothing is known */
	struct index_place place;
	int result;
};

/*
 * Called with what view_get says of key I; ENTRY and the bytes in BUFFER are
 * borrowed, unless BUFFER is emptied.  Again for the same key when it changed
 * before all had been read: only the last call counts.  Not 0 stops.
 */
typedef int view_each(void *ctx, size_t i, int result,
		      const struct view_entry *entry,
		      struct view_buffer *buffer);

/*
 * Reads N keys.  0: what EACH was told last was true of all of them at one
 * instant during the call (expiry apart: each is compared with the clock as
 * it is read).  VIEW_BUSY: one of them is being written, or they change too
 * fast: go on later.  Else what EACH returned.
 */
int view_get_many(const struct view *view, const struct view_key *keys,
		  size_t n, enum view_want want, struct view_buffer *buffer,
		  struct view_found *found, view_each *each, void *ctx);

#endif
