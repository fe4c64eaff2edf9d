/*
 * store_internal: what a store is made of, for store.c and the engine that
 * runs it on threads (common/engine_local.c); nobody else includes it.
 *
 * Which thread may touch what
 *   loop   index, record counters, view, buffer: everything but
 *   log    store->log (the engine hands it whole groups)
 *   upkeep store->upkeep's own; it adds to segments
 */
#ifndef GETME_COMMON_STORE_INTERNAL_H
#define GETME_COMMON_STORE_INTERNAL_H

#include "common/backup.h"
#include "common/digest.h"
#include "common/events.h"
#include "common/index.h"
#include "common/lock.h"
#include "common/log.h"
#include "common/path.h"
#include "common/record.h"
#include "common/retire.h"
#include "common/segments.h"
#include "common/store.h"
#include "common/upkeep.h"
#include "common/view.h"

enum {
	STORE_CORRUPT_NOTED = 64, /* damaged places that were reported */
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
	struct retire retire;
	bool abandoned; /* nothing is written any more */
	struct upkeep *upkeep;
	struct log log;
	struct view_buffer buffer;
	/* found at open */
	struct store_stats opened;
	/* kept up to date by the index's thread */
	uint64_t live_bytes;
	uint64_t dead_bytes;
	uint64_t corrupt_reads;
	struct index_place corrupt_noted[STORE_CORRUPT_NOTED];
	size_t n_corrupt_noted;
};

/* A view of the index as it is now; until the next clear. */
struct view store_view(struct store *store);

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

/* Discards segments that no entry could be written to. */
void store_sweep(struct store *store);

/*
 * An empty index under the store's secret, for a clear that is to come, and
 * room to retire the one that it will take the place of.
 */
int store_new_index(struct store *store, struct index **index);

/*
 * What the log has cut off (LOG_CUT), into the folder of BACKUP.  Any thread;
 * the index's holds what may be replaced since before the cut.  0, BACKUP_
 * results, -errno, with backup->text.
 */
int store_run_backup(struct store *store, struct backup *backup);

/* A read met a damaged entry: counts it, reports each place once. */
void store_note_corrupt(struct store *store, const struct index_place *place);

/* Of a full disk: "full", for state texts. */
bool store_is_full(const struct store *store);

#endif
