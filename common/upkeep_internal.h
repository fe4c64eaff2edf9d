/*
 * upkeep_internal: the parts of upkeep, for upkeep*.c only.
 *
 *	upkeep.c	what is asked of it, and its thread
 *	upkeep_round.c	what one round of its work does
 *	upkeep_output.c	what a compaction asks for
 */
#ifndef GETME_COMMON_UPKEEP_INTERNAL_H
#define GETME_COMMON_UPKEEP_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/path.h"
#include "common/upkeep.h"

enum request_state {
	REQUEST_NONE,
	REQUEST_PENDING,
	REQUEST_DONE,
};

/* What someone waits for; one at a time of each kind. */
struct take_request {
	enum request_state state;
	uint64_t len;
	int result;
	struct segment *segment;
	bool listed; /* in a durable manifest already */
};

struct clear_request {
	enum request_state state;
	uint64_t floor;
	int result;
};

struct install_request {
	enum request_state state;
	struct segment *output;
	struct segment *const *inputs;
	size_t n_inputs;
	int result;
};

/*
 * Several may wait: the log thread and a run that makes sure of its install.
 * A round serves who asked before it began; what was reported later may not
 * be in its manifest.
 */
struct flush_request {
	uint64_t n_asked;
	uint64_t n_done;
	int result; /* of the last round that served one */
};

struct snapshot_request {
	enum request_state state;
	int result;
	struct manifest manifest;
};

struct list {
	struct segment *first;
	struct segment **last;
};

struct upkeep {
	struct io *io;
	char dir[PATH_LEN_MAX];
	struct segments *segments;
	uint64_t segment_size;
	void (*changed)(void *ctx);
	void *ctx;

	/* the runner's own: the thread, or who calls without one */
	struct manifest manifest;
	bool dirty;  /* the manifest in memory is not the one on disk */
	bool frozen; /* it must not be written any more */
	struct segment *unlisted; /* a spare that no manifest lists yet */
	_Atomic uint64_t bytes_sealed;

	/* shared, under the lock */
	pthread_mutex_t lock;
	pthread_cond_t work;
	pthread_cond_t done;
	pthread_t thread;
	bool threaded;
	bool stop;
	bool abandon;
	bool busy;
	bool want_spare;
	bool retry;	  /* what failed is to be tried again */
	uint32_t next_id; /* no file has this id or a higher one */
	bool hold_reserve;
	bool output_out;	 /* a run has taken what was held back */
	struct segment *reserve; /* an empty output, in no table */
	struct segment *spare;
	_Atomic bool has_spare;
	_Atomic bool has_replaced; /* segments that were never of use */
	_Atomic int spare_error;
	int manifest_error;
	struct take_request take;
	struct clear_request clear;
	struct install_request install;
	struct flush_request flush;
	struct snapshot_request snapshot;
	struct list fills;
	struct list noted; /* filled, but no durable manifest says so yet */
	struct list hints;
	struct list discards;
	struct upkeep_stats stats;
};

static inline void list_init(struct list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

static inline void list_push(struct list *list, struct segment *segment)
{
	segment->next = NULL;
	*list->last = segment;
	list->last = &segment->next;
}

static inline struct segment *list_pop(struct list *list)
{
	struct segment *segment = list->first;

	if (!segment)
		return NULL;
	list->first = segment->next;
	if (!list->first)
		list->last = &list->first;
	segment->next = NULL;
	return segment;
}

/* Whether it was there. */
static inline bool list_remove(struct list *list, const struct segment *segment)
{
	struct segment **at = &list->first;

	while (*at && *at != segment)
		at = &(*at)->next;
	if (!*at)
		return false;
	*at = segment->next;
	if (!*at)
		list->last = at;
	return true;
}

static inline void list_move(struct list *to, struct list *from)
{
	list_init(to);
	while (from->first)
		list_push(to, list_pop(from));
}

static inline void lock(struct upkeep *upkeep)
{
	pthread_mutex_lock(&upkeep->lock);
}

static inline void unlock(struct upkeep *upkeep)
{
	pthread_mutex_unlock(&upkeep->lock);
}

/* Wakes the thread, or does its work; with the lock held. */
void upkeep_go(struct upkeep *upkeep);

/*
 * Makes MANIFEST durable and counts it; on a full disk with the room that
 * was held back.  As manifest_store.
 */
int upkeep_store_manifest(struct upkeep *upkeep, struct manifest *manifest);

/* Under the lock: whether a round has anything to do. */
bool upkeep_is_due(const struct upkeep *upkeep);

/*
 * One round, without the lock: what is urgent (manifest, spare, whoever
 * waits), a clear, and one piece of what may wait (a file to remove, a hint).
 */
void upkeep_run_round(struct upkeep *upkeep);

/* Under the lock: the spare, if it has room for LEN bytes; else NULL. */
struct segment *upkeep_take_spare(struct upkeep *upkeep, uint64_t len);

/* How large a segment is made by itself. */
uint64_t upkeep_automatic_size(const struct upkeep *upkeep);

/* An id that no file has, for one that is to be made.  0 or -EOVERFLOW. */
int upkeep_new_id(struct upkeep *upkeep, uint32_t *id);

/* ---- upkeep_output.c ---- */

/* Makes the reserve if it is wanted and missing.  0 or -errno. */
int upkeep_round_reserve(struct upkeep *upkeep);
/* Whether there was one. */
bool upkeep_drop_reserve(struct upkeep *upkeep);
void upkeep_run_install(struct upkeep *upkeep);

/* The runner's, without the lock.  0, -errno, UPKEEP_UNKNOWN. */
int upkeep_write_manifest(struct upkeep *upkeep);

#endif
