/*
 * engine_decide: what a write comes to, before it is logged.
 *
 * Looks at the keys that a request names, in the index or among the writes
 * that are under way, and drafts the entries to be logged.  A decision that
 * hangs on a pending write is not told before that write has ended: the
 * request is parked and decided again then.
 */
#ifndef GETME_COMMON_ENGINE_DECIDE_H
#define GETME_COMMON_ENGINE_DECIDE_H

#include "common/engine_settle.h"

enum decision {
	DECIDE_WRITE,  /* log the draft's ops */
	DECIDE_ANSWER, /* answer now, with result */
	DECIDE_PARK,   /* decide again when ticket has ended */
	DECIDE_READ,   /* decide again when the pool has read its keys */
};

/* A write while it is decided. */
struct draft {
	struct local *local;
	struct engine_request *request;
	struct record_op *ops; /* only_op, or in op_block */
	struct record_op only_op;
	struct block op_block;
	size_t n_ops;
	bool depends; /* on a write that is still pending */
	bool guessed; /* only what is told of deletes depends on one */
	bool unsure;  /* only that depends on what is on the disk */
	bool conditional;
	struct settle *read; /* what the pool read for it; NULL: nothing */
	uint64_t ticket;     /* the latest of those */
	uint64_t now_ms;     /* since 1970; 0: nobody has asked yet */
	struct block value;  /* made for incr and touch */
	int result;	     /* of DECIDE_ANSWER */
};

/* 0 or -ENOMEM; released by draft_deinit in either case. */
int draft_init(struct draft *draft, struct local *local,
	       struct engine_request *request);
void draft_deinit(struct draft *draft);

/* Decides; what is told of the request's mutations is filled in. */
enum decision draft_decide(struct draft *draft);

#endif
