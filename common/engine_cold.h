/*
 * engine_cold: requests that the loop cannot answer from memory at once.
 *
 * What such a request reads is read by a thread of the pool
 * (common/read_pool.h), through a view that a hold protects; the loop, when
 * it takes the job back, answers.  Between the two the loop serves others,
 * and anything may happen to the store: the reader looks a moved entry up
 * again, and what met damage in an index that a clear has replaced meanwhile
 * begins anew.
 */
#ifndef GETME_COMMON_ENGINE_COLD_H
#define GETME_COMMON_ENGINE_COLD_H

#include "common/engine_arena.h"
#include "common/engine_internal.h"
#include "common/read_pool.h"

enum {
	/* bytes; a value of more is not copied: its buffer is given away */
	COLD_OWNED_MIN = 16 << 10,
	/* bytes; what takes so long to be freed is freed by the pool */
	COLD_LARGE = 1 << 20,
};

struct cold;

struct cold_ops {
	/*
	 * In a pool thread, through cold->view; the request is only read.
	 * What it returns is for end, but VIEW_BUSY: then it is called again
	 * after a turn of the loop.
	 */
	int (*read)(struct cold *cold);
	/* In the loop: answers the request with what was read. */
	void (*end)(struct cold *cold, int result);
	/*
	 * Gives what it holds, not itself, to SPARES (NULL: it is freed); also
	 * of one that was not read, or not ended.  Any thread.
	 */
	void (*drop)(struct cold *cold, struct spares *spares);
	/* A write that is done: no deadline, no closing refuses its answer. */
	bool is_applied;
};

/* The first member of each kind. */
struct cold {
	struct read_job job; /* first */
	struct local *local;
	struct engine_request *request;
	const struct cold_ops *ops;
	/* the rest is cold's own */
	size_t cap;	  /* bytes of its block */
	struct view view; /* of the index as it was at the hand-over */
	struct hold hold;
	bool met_damage; /* set by read: VIEW_CORRUPT was among the answers */
	bool is_large;	 /* set by end: more than COLD_LARGE is to be freed */
	bool is_late;	 /* its deadline passed before it was read */
	bool is_over;	 /* nothing is left to do but to free it */
	int result;
};

/* LEN zeroed bytes that begin with a cold.  NULL: no memory. */
void *cold_new(struct local *local, struct engine_request *request,
	       const struct cold_ops *ops, size_t len);

/* What it reads into, and keeps values in; without memory they stay empty. */
void cold_take_buffer(struct cold *cold, struct view_buffer *buffer);
void cold_take_arena(struct cold *cold, struct arena *arena);

/* Hands it to the pool; cold.c owns it from now on. */
void cold_submit(struct cold *cold);

/* Frees one that was not handed over, or need not be. */
void cold_free(struct cold *cold);

/* Ends what has been read since the last call.  Cheap when nothing is out. */
void cold_take(struct local *local);

/* Waits for what is being read, ends it; what waits gets ENGINE_CLOSED. */
void cold_close(struct local *local);

/* What of it is told in an item; the value may be given to it. */
void cold_fill(struct engine_item *item, const struct view_entry *entry);

/*
 * Keeps the value of ITEM, which lies in BUFFER: copied into ARENA, or, if it
 * is large, with all of BUFFER, which is empty then.  0 or -ENOMEM.
 */
int cold_keep_value(struct engine_item *item, struct view_buffer *buffer,
		    struct arena *arena);

/* Turns what cold_keep_value left into a pointer. */
void cold_resolve_value(const struct arena *arena, struct engine_item *item);

/* The engine's result for a view's, which was of ENTRY's place. */
int cold_result(struct local *local, int result,
		const struct index_place *place);

#endif
