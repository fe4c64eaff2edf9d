/*
 * engine_internal: the parts of the local engine, for engine_*.c only.
 *
 *	engine_local.c	opening, turns, closing
 *	engine_read.c	get, stat, get_many, scan, count
 *	engine_decide.c	what a write comes to, before it is logged
 *	engine_write.c	writes into the log, and their end
 *	engine_log.c	the log thread and its queue
 *	engine_backup.c	a backup, on a thread of its own
 *	engine_stats.c	rows of stats, state, events
 */
#ifndef GETME_COMMON_ENGINE_INTERNAL_H
#define GETME_COMMON_ENGINE_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/engine.h"
#include "common/pending.h"
#include "common/store_internal.h"

enum {
	ENGINE_N_STATS = 40,
};

/* Requests in the order of their submission. */
struct request_list {
	struct engine_request *first;
	struct engine_request **last;
};

/* One write between its decision and its end. */
struct write {
	struct record *record;		/* owned; its user member points back */
	struct engine_request *request; /* NULL: the engine's own */
	enum engine_durability durability;
	uint64_t ticket;     /* order of submission to the log */
	struct index *index; /* of a clear: the empty one */
	struct pending_node *nodes;
	uint8_t *value; /* made by incr and touch; owned */
	bool guessed;	/* existed was told from writes that were pending */
};

/* Records on their way to the log thread, or back. */
struct log_queue {
	struct log_record *first;
	struct log_record **last;
	size_t n;
	uint64_t len;
	bool sync;     /* one of them asks for a sync */
	bool interval; /* one of them wants one within the interval */
};

/* The log thread: everything here under the lock. */
struct engine_log {
	pthread_mutex_t lock;
	pthread_cond_t work;
	pthread_cond_t idle;
	pthread_t thread;
	bool started;
	bool stop;
	bool busy; /* someone runs the log: the thread, or the loop */
	struct log_queue queue;
	struct log_queue done;
	uint64_t sync_due_ms; /* CLOCK_MONOTONIC; 0: none */
	uint64_t interval_ms;
	struct log *log;
	const struct engine_host *host;
};

/* Values of get_many and scan, until done returns. */
struct arena {
	uint8_t *data;
	size_t len;
	size_t cap;
};

/*
 * A backup under way: cut (its record is on its way through the log), then
 * copied by its thread.  One at a time.
 */
struct backup_task {
	struct local *local;
	struct engine_request *request;
	struct backup backup;
	struct hold hold;
	pthread_t thread;
	bool copying;	       /* the thread runs, or is to be joined */
	_Atomic bool finished; /* the thread is done, with this result */
	int result;
};

struct local {
	struct engine engine; /* first */
	struct engine_host host;
	struct store *store;
	enum engine_durability durability;
	uint64_t value_max;
	uint64_t instance; /* random: whose cursors are good */
	struct engine_log log;
	struct request_list submitted;
	struct request_list parked; /* until ticket in request->internal */
	struct request_list held;   /* writes behind a clear */
	struct log_queue group;	    /* of this turn */
	struct pending pending;
	uint64_t next_ticket;
	uint64_t done_ticket;
	uint64_t seen_refusals;
	uint64_t n_clears;	    /* under way */
	struct backup_task *backup; /* owned; NULL: none */
	uint64_t n_backups;
	bool in_turn;
	bool closing;
	struct arena arena;
	struct engine_item item; /* of get and stat */
	struct engine_item *items;
	size_t items_cap;
	enum engine_state last_state;
	uint64_t n_requests[ENGINE_N_OPS];
	uint64_t n_parked;
	uint64_t n_expired;
	uint64_t n_groups;
	uint64_t n_records;
	struct engine_stat stats[ENGINE_N_STATS];
};

/* ---- lists ---- */

void request_list_init(struct request_list *list);
void request_list_push(struct request_list *list,
		       struct engine_request *request);
struct engine_request *request_list_pop(struct request_list *list);

void log_queue_init(struct log_queue *queue);
void log_queue_push(struct log_queue *queue, struct log_record *record);
/* Appends all of FROM, which is empty then. */
void log_queue_append(struct log_queue *queue, struct log_queue *from);

/* ---- engine_local.c ---- */

/* Sets the result and calls done. */
void local_finish(struct engine_request *request, int result);

/* CLOCK_MONOTONIC in milliseconds. */
uint64_t local_now_ms(void);

/* ---- engine_read.c ---- */

void local_get(struct local *local, struct engine_request *request);
void local_get_many(struct local *local, struct engine_request *request);
void local_scan(struct local *local, struct engine_request *request);
void local_read_deinit(struct local *local);

/* ---- engine_write.c ---- */

/* Decides a write: it joins the group, is parked, or ends at once. */
void local_write(struct local *local, struct engine_request *request);
void local_clear(struct local *local, struct engine_request *request);
void local_sync(struct local *local, struct engine_request *request);

/* A get met an expired entry: removes it, unless it is written meanwhile. */
void local_expire(struct local *local, const struct digest *digest,
		  const void *key, size_t key_len,
		  const struct index_place *place);

/*
 * A record without entries; INDEX, of a clear, is taken over.  0 or -ENOMEM,
 * the request is not ended then.
 */
int local_submit_special(struct local *local, struct engine_request *request,
			 enum log_record_kind kind, struct index *index);

/* Ends what came back from the log, in order. */
void local_complete(struct local *local, struct log_queue *done);

/* ---- engine_log.c ---- */

int engine_log_start(struct engine_log *elog, struct log *log,
		     const struct engine_host *host, uint64_t interval_ms);
/* Waits until all is written, then ends the thread. */
void engine_log_stop(struct engine_log *elog);
/*
 * Gives a group to the log thread; when that is idle and the group is small
 * and wants no sync it is written here and now, and comes back in DONE.
 */
void engine_log_submit(struct engine_log *elog, struct log_queue *group,
		       struct log_queue *done);
/* Whether all that was written is surely durable. */
bool engine_log_is_clean(struct engine_log *elog);
/* What has ended since the last call. */
void engine_log_take(struct engine_log *elog, struct log_queue *done);
/* Waits until everything submitted has ended. */
void engine_log_wait(struct engine_log *elog);

/* ---- engine_backup.c ---- */

void local_backup(struct local *local, struct engine_request *request);
/* The log has ended the segments that the backup is made of, or not. */
void local_backup_cut(struct local *local, int result);
/* Ends a backup whose thread is done; with CANCEL, also one that is not. */
void local_end_backup(struct local *local, bool cancel);

/* ---- engine_stats.c ---- */

void local_stats(struct local *local, struct engine_request *request);
enum engine_state local_state(struct engine *engine, const char **text);
/* Leaves an event when the state has changed. */
void local_watch_state(struct local *local);

#endif
