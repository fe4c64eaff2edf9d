/*
 * store: the synchronous core of the engine.
 *
 * One directory, one owner.  The engine (common/engine.h) runs the
 * same code on threads; tests and offline tools use it as it is: each call
 * returns when it is done, on the calling thread, all upkeep included.
 *
 *	DIR/LOCK             kernel lock held for life; who holds it
 *	DIR/MANIFEST.0, .1   what the store consists of (common/manifest.h)
 *	DIR/0000000001.seg   segments (common/segment.h)
 *	DIR/0000000001.hint  their hints (common/hint.h)
 *	DIR/quarantine/      bytes that recovery could not use
 *	DIR/NAME.tmp         unfinished; removed at the next open
 *
 * Invariants (the promises, as the crash tests check them)
 *  1. A write that returned 0 at STORE_ALWAYS is there after any crash; at
 *     STORE_INTERVAL after any crash once store_sync returned 0; at
 *     STORE_NONE after any crash of the process alone.
 *  2. What is there after a crash is a prefix of the writes in their order,
 *     each whole: all of a batch or nothing of it.
 *  3. A write that failed with a negative errno is not there after a crash
 *     that follows; one that returned STORE_UNKNOWN may be or not, as a
 *     whole.
 *  4. A read gives the newest value, "not found", or an error; never other
 *     bytes, never an older value.
 *  5. store_open can be cut at any point and done again.
 */
#ifndef GETME_COMMON_STORE_H
#define GETME_COMMON_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/io.h"

enum {
	STORE_KEY_MAX = 65535,
	STORE_BATCH_MAX = 16384,
	STORE_BATCH_BYTES = 64 << 20, /* keys and values of a batch */
	STORE_SEGMENT_MIN = 64 << 10, /* bytes, --segment-size */
	STORE_SEGMENT_MAX = 128 << 20,
	STORE_VALUE_MAX = 1 << 30, /* bytes, the ceiling of --max-value */
};

enum store_result {
	STORE_OK = 0,
	STORE_NOT_FOUND = 1,
	STORE_CORRUPT = 2,   /* the entry is damaged on disk */
	STORE_UNKNOWN = 3,   /* the write's outcome is not known */
	STORE_READ_ONLY = 4, /* a sync failed: no writes until reopened */
	STORE_END = 5,	     /* a scan is over */
	STORE_REFUSED = 6,   /* a backup's folder will not do */
};

enum store_durability {
	STORE_NONE = 1,
	STORE_INTERVAL = 2,
	STORE_ALWAYS = 3,
};

struct store;

struct store_options {
	const char *dir;
	struct io *io;	       /* NULL: io_system() */
	uint64_t segment_size; /* 0: automatic, 4 MiB to 128 MiB */
	/*
	 * For offline tools and tests: the index is not in shared memory,
	 * nobody can attach; opening and closing cost less.
	 */
	bool private_index;
	/*
	 * Room for a compaction is held back, so that a full disk can be
	 * compacted; costs a segment's blocks.
	 */
	bool hold_reserve;
	/* Told while loading, may be NULL: segments done, of all. */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *progress_ctx;
	/* Told from the upkeep thread when its state may have changed. */
	void (*changed)(void *ctx);
	void *changed_ctx;
};

/* Why an open failed: one line, what happened and what to do. */
struct store_error {
	char text[512];
};

/*
 * Opens the store in options->dir, makes it where there is none.  Negative
 * errno with ERROR filled in; -EWOULDBLOCK: another process has it.  What
 * existed is unchanged after a failure, save for what a recovery does, and
 * a folder made for this call is removed.
 */
int store_open(const struct store_options *options, struct store **store,
	       struct store_error *error);

/*
 * Syncs, seals and frees; NULL is fine.  0, or a negative errno when the
 * last writes could not be made durable.  The store is gone either way.
 */
int store_close(struct store *store);

/*
 * Frees without a word to the disk, as if the process were killed; the lock
 * is dropped.  For tests.
 */
void store_abandon(struct store *store);

struct store_write {
	bool is_delete;
	const void *key;
	size_t key_len;
	const void *value;
	size_t value_len;
	uint64_t expires_at_ms; /* 0: none */
	uint64_t version;	/* out */
};

/*
 * Applies N writes, all or nothing.  0, -ENOSPC, -EIO, -ENOMEM, -EMFILE
 * (nothing applied), -EINVAL, STORE_READ_ONLY, STORE_UNKNOWN.  After the last
 * the store is read-only when a sync failed; when only the end of a failed
 * write could not be noted, writing resumes as soon as it can.
 */
int store_apply(struct store *store, struct store_write *writes, size_t n,
		enum store_durability durability);
int store_put(struct store *store, const void *key, size_t key_len,
	      const void *value, size_t value_len,
	      enum store_durability durability);
/* A key that is not there is a success, and writes nothing. */
int store_delete(struct store *store, const void *key, size_t key_len,
		 enum store_durability durability);

struct store_value {
	uint8_t *data; /* malloc, the caller frees; never NULL on success */
	size_t len;
	uint64_t version;
	uint64_t expires_at_ms;
};

/* 0, STORE_NOT_FOUND, STORE_CORRUPT, -EIO, -ENOMEM. */
int store_get(struct store *store, const void *key, size_t key_len,
	      struct store_value *value);

/* Removes everything; durable when it returns 0. */
int store_clear(struct store *store);

/* Everything written so far becomes durable.  0, STORE_READ_ONLY, -errno. */
int store_sync(struct store *store);

/* Ends the active segment, so that the next write goes to a new one. */
int store_roll(struct store *store);

/*
 * Makes DIR, an absolute path that is missing or an empty folder, a store
 * with what is there now (common/backup.h).  0: it is durable; STORE_REFUSED,
 * STORE_READ_ONLY, -errno: DIR is as it was.  ERROR may tell more.
 */
int store_backup(struct store *store, const char *dir,
		 struct store_error *error);

/*
 * Gives back the room of everything that was dead before, on the calling
 * thread.  0; STORE_READ_ONLY, STORE_UNKNOWN (the log's sync failed);
 * -ENOSPC, -EIO, ...: what was done before stays done, nothing is lost.
 */
int store_compact(struct store *store);

/*
 * One run, if the default triggers give a reason (common/compaction_pick.h).
 * As store_compact; STORE_NOT_FOUND: there was no reason.
 */
int store_compact_due(struct store *store);

uint64_t store_count(const struct store *store);

/*
 * One step: calls EACH for some keys; *CURSOR begins at 0.  0: go on with
 * the new cursor; STORE_END: over.  EACH gets STORE_CORRUPT and no key for
 * an entry that cannot be read.
 */
int store_scan(struct store *store, uint64_t *cursor,
	       void (*each)(void *ctx, int result, const void *key,
			    size_t key_len, const struct store_value *value),
	       void *ctx);

/* What was found and done while opening, and since. */
struct store_stats {
	uint64_t keys;
	uint64_t segments;
	uint64_t live_bytes; /* of entries that the index points to */
	uint64_t dead_bytes;
	uint64_t disk_bytes; /* lengths of all segments */
	uint64_t index_bytes;
	uint64_t last_sequence;
	uint64_t hint_bytes_read;    /* at open */
	uint64_t segment_bytes_read; /* at open */
	uint64_t hints_rebuilt;
	uint64_t damaged_entries; /* found at open */
	uint64_t quarantined_bytes;
	uint64_t syncs;
	uint64_t bytes_written;
	uint64_t corrupt_reads;
	uint64_t write_errors;
	uint64_t rolls;
	uint64_t compactions;
	uint64_t compactions_failed;
	uint64_t compaction_bytes_written;
	uint64_t compaction_bytes_freed;
	uint64_t compact_done_bytes; /* of a full compaction; 0: none runs */
	uint64_t compact_total_bytes;
	uint64_t retired_bytes; /* replaced, but someone may still read it */
	/* unlinked, while others had it mapped and holes could not be punched */
	uint64_t pinned_bytes;
	bool full;
	bool read_only;
	bool damaged;
};

void store_get_stats(struct store *store, struct store_stats *stats);

#endif
