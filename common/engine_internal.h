/*
 * engine_internal: the parts of the local engine, for engine_*.c only.
 *
 *	engine_local.c	opening, turns, closing
 *	engine_read.c	get, stat
 *	engine_many.c	get_many
 *	engine_scan.c	scan
 *	engine_cold.c	what waits for the disk
 *	engine_arena.c	where many values are kept
 *	engine_decide.c	what a write comes to, before it is logged
 *	engine_settle.c	what a write has to know that is on the disk
 *	engine_write.c	writes into the log, and their end
 *	engine_log.c	the log thread and its queue
 *	engine_compact.c	when to compact, and the steps of a run
 *	engine_worker.c	the thread that copies
 *	engine_throttle.c	writes wait where compaction falls behind
 *	engine_backup.c	a backup, on a thread of its own
 *	engine_share.c	descriptors for readers in other processes
 *	engine_branch.c	further threads, engine_branch_read.c what they read
 *	engine_stats.c	rows of stats, state, events
 */
#ifndef GETME_COMMON_ENGINE_INTERNAL_H
#define GETME_COMMON_ENGINE_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/engine.h"
#include "common/mailbox.h"
#include "common/pending.h"
#include "common/pool.h"
#include "common/spares.h"
#include "common/store_internal.h"

enum {
	ENGINE_N_STATS = 64,
};

struct read_pool;
struct settle;

/* Requests in the order of their submission. */
struct request_list {
	struct engine_request *first;
	struct engine_request **last;
};

/* Memory of the spares, owned; all zero is none. */
struct block {
	void *data;
	size_t cap;
};

/* One write between its decision and its end. */
struct write {
	struct record *record;		/* owned; its user member points back */
	struct engine_request *request; /* NULL: the engine's own */
	enum engine_durability durability;
	uint64_t ticket;	    /* order of submission to the log */
	struct index *index;	    /* of a clear: the empty one */
	struct pending_node *nodes; /* only_node, or in node_block */
	struct pending_node only_node;
	struct block node_block;
	struct block value; /* made by incr and touch */
	bool guessed;	    /* existed was told from writes that were pending */
	bool unsure;	    /* existed was not told: it is on the disk */
	bool is_run_sync;   /* the sync of a compaction: no request */
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

/*
 * Before a sync the log thread waits a little for the writes of those whom
 * the last one has answered: one sync for all of them instead of two in turn.
 */
struct engine_gather {
	size_t n_wanted;     /* records; what was under way at the last end */
	uint64_t sync_ns;    /* how long a group with a sync takes, the mean */
	uint64_t until_ns;   /* CLOCK_MONOTONIC; 0: it does not wait */
	unsigned int n_skip; /* groups that do not wait, since it was in vain */
	unsigned int skip;   /* how many the next time */
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
	struct engine_gather gather;
	struct log_queue queue;
	struct log_queue done;
	uint64_t sync_due_ms; /* CLOCK_MONOTONIC; 0: none */
	uint64_t interval_ms;
	struct log *log;
	const struct engine_host *host;
};

enum worker_step {
	WORKER_NOTHING,
	WORKER_COPY,
	WORKER_INSTALL,
};

/* The compaction's thread, which does one step after the other. */
struct engine_worker {
	pthread_mutex_t lock;
	pthread_cond_t work;
	pthread_t thread;
	bool started;
	bool stop;
	enum worker_step step; /* asked for, or under way */
	bool ended;
	int result; /* of the step that has ended */
	struct compaction *run;
	const struct engine_host *host;
	_Atomic uint64_t bytes_a_second; /* set by the loop; 0: no limit */
	_Atomic uint64_t next_ms;	 /* when the rate allows more */
};

/* Where a run is; the loop's. */
enum compact_phase {
	COMPACT_IDLE,
	COMPACT_COPYING,     /* the worker */
	COMPACT_MOVING,	     /* the loop, a slice a turn */
	COMPACT_AWAIT_SYNC,  /* one of the log's own, which is coming */
	COMPACT_SYNCING,     /* the log, for its sake */
	COMPACT_INSTALLING,  /* the worker */
	COMPACT_RETRYING,    /* the manifest failed: again, at retry_ms */
	COMPACT_AWAIT_CLEAR, /* its manifest is written, its end not told */
	COMPACT_STUCK,	     /* read-only: until the store is opened again */
};

/* What may be written while compaction is behind; the loop's. */
struct engine_throttle {
	bool on;
	uint64_t run_begun_ms; /* of the run that is under way */
	bool is_paced;	       /* runs take their time */
	bool was_paced;	       /* the one under way did: it tells no rate */
	uint64_t rate;	       /* bytes a ms that runs give back; 0: unknown */
	uint64_t credit_ms;    /* when credit was added last */
	int64_t credit;	       /* bytes that may be written now */
	uint64_t n_held;       /* writes that had to wait */
	bool has_deadlines;    /* maybe, those that wait */
	uint64_t seen_ms;      /* when the log's bytes were looked at last */
	uint64_t seen_bytes;   /* and how many there were */
	uint64_t log_rate;     /* bytes a second of the log, the mean */
};

struct engine_compact {
	struct engine_worker worker;
	struct engine_compaction options;
	enum compact_phase phase;
	struct request_list waiting; /* full compactions */
	uint64_t look_ms;	     /* not before is looked for a reason */
	uint64_t retry_ms; /* COMPACT_RETRYING, _AWAIT_SYNC: at the latest */
	uint64_t due_sequence; /* COMPACT_AWAIT_SYNC: to be durable */
	bool look_again;       /* a turn came too early for that */
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
	uint64_t instance; /* random: whose cursors and indexes are good */
	struct engine_log log;
	struct engine_compact compact;
	struct engine_throttle throttle;
	struct mailbox errands; /* what branches have sent */
	struct request_list submitted;
	struct request_list parked; /* until ticket in request->internal */
	struct request_list held;   /* writes behind a clear */
	struct log_queue group;	    /* of this turn */
	struct pending pending;
	struct pool writes;   /* struct write */
	struct spares spares; /* all else that comes and goes */
	uint64_t turn_ms;     /* since 1970; entries are stamped with it */
	uint64_t next_ticket;
	uint64_t done_ticket;
	uint64_t seen_refusals;
	uint64_t n_clears;	    /* under way */
	struct backup_task *backup; /* owned; NULL: none */
	uint64_t n_backups;
	bool in_turn;
	bool closing;
	struct read_pool *pool;
	size_t n_cold;		 /* requests that the pool has */
	struct engine_item item; /* of get and stat */
	_Atomic(enum engine_state) last_state;
	uint64_t n_cold_reads;
	uint64_t n_shared;
	uint64_t n_parked;
	uint64_t n_expired;
	uint64_t n_groups;
	uint64_t n_records;
	uint64_t n_errands;
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

/* A block for LEN bytes, and the way back.  NULL: no memory. */
void *local_take(struct local *local, struct block *block, size_t len);
void local_give(struct local *local, struct block *block);

/* Sets the result and calls done. */
void local_finish(struct engine_request *request, int result);

/* 0, or the result of a request that cannot begin. */
int local_check(const struct local *local,
		const struct engine_request *request);

/* Begins a request, for the first time or anew. */
void local_begin(struct local *local, struct engine_request *request);

/* ---- engine_read.c, engine_many.c, engine_scan.c ---- */

void local_get(struct local *local, struct engine_request *request);
/*
 * The same for those at the head of LIST, which is not empty: takes off as
 * many as can be read together.  Whether there were any.
 */
bool local_get_some(struct local *local, struct request_list *list);
void local_get_many(struct local *local, struct engine_request *request);
void local_scan(struct local *local, struct engine_request *request);

/* ---- engine_write.c ---- */

/*
 * Decides a write: it joins the group, is parked, is handed to the pool, or
 * ends at once.
 */
void local_write(struct local *local, struct engine_request *request);
/* The same for one that the pool has read for; SETTLE is borrowed. */
void local_settled(struct local *local, struct engine_request *request,
		   struct settle *settle);
void local_clear(struct local *local, struct engine_request *request);
void local_sync(struct local *local, struct engine_request *request);
void local_compact(struct local *local, struct engine_request *request);

/* A get met an expired entry: removes it, unless it is written meanwhile. */
void local_expire(struct local *local, const struct digest *digest,
		  const void *key, size_t key_len,
		  const struct index_place *place);

/* All of LIST, which is empty then, go ahead of what was submitted. */
void local_submit_first(struct local *local, struct request_list *list);
/* So do the writes that had to wait. */
void local_release_held(struct local *local);
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
/* Whether a sync that somebody's interval asked for is to come. */
bool engine_log_will_sync(struct engine_log *elog);
/* Whether all that was written is surely durable. */
bool engine_log_is_clean(struct engine_log *elog);
/* What has ended since the last call. */
void engine_log_take(struct engine_log *elog, struct log_queue *done);
/* Waits until everything submitted has ended. */
void engine_log_wait(struct engine_log *elog);

/* A record that syncs, for a compaction: local_compact_synced is called. */
int local_sync_run(struct local *local);

/* ---- engine_compact.c ---- */

int local_compact_start(struct local *local,
			const struct engine_compaction *options);
/* Ends the thread; what a run has not finished is left to the store's end. */
void local_compact_stop(struct local *local);

/* A turn: what is next of a run, or whether one is to begin. */
void local_compact_turn(struct local *local);
/* Milliseconds until it wants a turn; -1: none. */
int local_compact_timeout_ms(const struct local *local);

/* The share of dead bytes at which runs begin. */
uint64_t local_compact_percent(const struct local *local);

/* The segment that was active is sealed: a full compaction begins. */
void local_compact_rolled(struct local *local, struct engine_request *request);
void local_compact_synced(struct local *local, int result);

/* ---- engine_throttle.c ---- */

/* A run begins; it has ended and gave BYTES back. */
void local_throttle_begin(struct local *local);
void local_throttle_end(struct local *local, uint64_t bytes);

/*
 * A turn: looks whether writes have to wait, and lets some go on; and how fast
 * a run has to be.
 */
void local_throttle_turn(struct local *local);

/*
 * Whether REQUEST, a write that is to be decided, has to wait; those behind
 * it wait as well.  One that was let go on does not, this once.
 */
bool local_throttle_holds(const struct local *local,
			  struct engine_request *request);
/* It waits, for that or for a clear. */
void local_throttle_hold(struct local *local, struct engine_request *request);
/* One of LEN bytes goes to the log. */
void local_throttle_take(struct local *local, uint64_t len);

/* ---- engine_worker.c ---- */

int engine_worker_start(struct engine_worker *worker, struct compaction *run,
			const struct engine_host *host,
			uint64_t bytes_a_second);
/* The run is cancelled, a step that cannot be is waited for. */
void engine_worker_stop(struct engine_worker *worker);
/* The run was cancelled: it waits for no rate any more. */
void engine_worker_hurry(struct engine_worker *worker);
void engine_worker_ask(struct engine_worker *worker, enum worker_step step);
/* Whether the step has ended; then its result, once. */
bool engine_worker_take(struct engine_worker *worker, int *result);
/* ---- engine_backup.c ---- */

void local_backup(struct local *local, struct engine_request *request);
/* The log has ended the segments that the backup is made of, or not. */
void local_backup_cut(struct local *local, int result);
/* Ends a backup whose thread is done; with CANCEL, also one that is not. */
void local_end_backup(struct local *local, bool cancel);

/* ---- engine_share.c ---- */

void local_share(struct local *local, struct engine_request *request);

/* ---- engine_stats.c ---- */

void local_stats(struct local *local, struct engine_request *request);
enum engine_state local_state(struct engine *engine, const char **text);
/* The same as it was after the last turn; any thread. */
enum engine_state local_shown_state(const struct local *local,
				    const char **text);
/* Leaves an event when the state has changed. */
void local_watch_state(struct local *local);

#endif
