/*
 * store_internal: what a store is made of, for store.c and the engine that
 * runs it on threads (common/engine_local.c); nobody else includes it.
 *
 * Which thread may touch what
 *   loop     index, record counters, buffer: everything but
 *   log      store->log (the engine hands it whole groups)
 *   upkeep   store->upkeep's own; it adds to segments
 *   pool     reads through a store_view, under a hold; it changes nothing
 *   branches  read through a store_view_now, as readers of retire
 *   compaction  store->run.work, from when a step is asked for until it ends
 *   backup   its struct backup, and files that a hold keeps
 */
#ifndef GETME_COMMON_STORE_INTERNAL_H
#define GETME_COMMON_STORE_INTERNAL_H

#include "common/backup.h"
#include "common/compaction.h"
#include "common/compaction_pick.h"
#include "common/digest.h"
#include "common/events.h"
#include "common/index.h"
#include "common/lock.h"
#include "common/log.h"
#include "common/mapped.h"
#include "common/path.h"
#include "common/record.h"
#include "common/retire.h"
#include "common/segments.h"
#include "common/store.h"
#include "common/upkeep.h"
#include "common/view.h"

enum {
	STORE_CORRUPT_NOTED = 64, /* damaged places that were reported */
	/* bytes that may be copied and checked while others wait: some 20 us;
	 * a head with the longest key fits */
	STORE_READ_SHORT = 128 << 10,
};

/* One compaction at a time; the index's thread's (common/store_compact.c). */
struct store_run {
	struct compaction work; /* n_inputs 0: no run */
	struct hold hold;
	enum compaction_reason reason;
	bool in_table; /* the output was put there */
	uint64_t input_bytes;
	uint64_t n_runs;
	uint64_t n_failed;
	int last_error; /* of a run that failed, told already; 0: none */
	uint64_t bytes_written;
	uint64_t bytes_freed;
	uint64_t bytes_wanted; /* of a full compaction; 0: none is under way */
	uint64_t bytes_done;   /* of these */
};

struct store {
	struct io *io;
	char dir[PATH_LEN_MAX];
	int lock_fd;
	bool private_index;
	uint8_t secret[DIGEST_SECRET_LEN];
	struct events events;
	struct segments *segments;
	struct index *index;
	/* of INDEX, for threads that read and never write */
	_Atomic(const struct lookup_map *) map;
	uint64_t index_number; /* another one after each clear */
	struct retire retire;
	bool abandoned;		 /* nothing is written any more */
	atomic_bool cannot_tell; /* the file system: what is in memory */
	struct mapped mapped;
	struct upkeep *upkeep;
	uint8_t store_id[SEGMENT_STORE_ID_LEN];
	struct store_run run;
	struct log log;
	struct view_buffer buffer;
	/* found at open */
	struct store_stats opened;
	/* kept up to date by the index's thread */
	uint64_t visible_sequence; /* of the log: the index has all up to it */
	uint64_t live_bytes;
	uint64_t dead_bytes;
	uint64_t corrupt_reads;
	struct index_place corrupt_noted[STORE_CORRUPT_NOTED];
	size_t n_corrupt_noted;
};

/*
 * A view of the index as it is now; until the next clear, or for as long as a
 * hold that was begun before (common/retire.h).  Any thread may read through
 * it.
 */
struct view store_view(struct store *store);
/* The same; what is longer than STORE_READ_SHORT is not read: -EAGAIN. */
struct view store_view_short(struct store *store);
/*
 * For a loop: neither is what would have to wait for the disk.  What is in
 * memory is read from a mapping (common/mapped.h), whose clock is to be told.
 * A thread that does not write the index makes it anew for each round of
 * reading, between retire_enter and retire_leave.
 */
struct view store_view_now(struct store *store);

/*
 * Makes sure that a record's keys can be indexed once it is logged, with
 * N_PENDING keys of earlier records still to come.  0 or -ENOMEM.
 */
int store_reserve(struct store *store, const struct record *record,
		  size_t n_pending);

/* A record has what it asked for: it becomes visible. */
void store_make_visible(struct store *store, const struct record *record);

/*
 * A clear is durable: INDEX (empty, taken over) becomes the store's, what was
 * replaced goes.
 */
void store_make_cleared(struct store *store, struct index *index);

/* What an entry that is no longer pointed to took is dead. */
void store_note_dead(struct store *store, const struct index_place *place);

/*
 * Takes out of the table what upkeep has marked as replaced; but not by a
 * clear that is not visible yet, since the index still points there.
 */
void store_discard_replaced(struct store *store);

/* Discards segments that no entry could be written to. */
void store_sweep(struct store *store);

/*
 * An empty index under the store's secret, for a clear that is to come, and
 * room to retire the one that it will take the place of.
 */
int store_new_index(struct store *store, struct index **index);

/*
 * What the log has cut off (LOG_CUT), into the folder of BACKUP; to be called
 * once after each cut that went well, unless the store closes.  Any thread;
 * the index's holds what may be replaced since before the cut.  0, BACKUP_
 * results, -errno, with backup->text.
 */
int store_run_backup(struct store *store, struct backup *backup);

/* A read met a damaged entry: counts it, reports each place once. */
void store_note_corrupt(struct store *store, const struct index_place *place);

/* What a result of the log's is as one of the store's. */
int store_log_result(int result);

/* ---- store_compact.c; the steps of common/compaction.h ---- */

/*
 * Picks a run by POLICY, if there is a reason and no run.  0: it is begun,
 * compaction_copy(&store->run.work) is next.  STORE_NOT_FOUND: nothing to do.
 * -ENOMEM.
 */
int store_compact_begin(struct store *store,
			const struct compaction_policy *policy);

/* The copy is made: it becomes part of the table.  0 or -ENOMEM, -EEXIST. */
int store_compact_copied(struct store *store);

/* Moves at most MAX entries of the index; whether that was all. */
bool store_compact_move(struct store *store, size_t max);

/*
 * The end of a run: RESULT is 0, or what compaction_copy or _install said
 * last (then the output goes, unless the index points to it: that is left
 * to the end of the store).
 */
void store_compact_end(struct store *store, int result);

/* A clear has ended what the run worked on. */
void store_compact_cancel(struct store *store);

/* Begins a full compaction of what is sealed by now, and ends it. */
void store_compact_want_all(struct store *store);
void store_compact_want_none(struct store *store);

/* The store closes: what a run has left undone goes. */
void store_compact_close(struct store *store);

/* The store is abandoned: frees, and touches no file. */
void store_compact_abandon(struct store *store);

/* How much of a full compaction is done, bytes of its inputs. */
uint64_t store_compact_done(const struct store *store);

/* Of a full disk: "full", for state texts. */
bool store_is_full(const struct store *store);

#endif
