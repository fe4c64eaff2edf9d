/*
 * service: what all connections share: the engine, the codec, the pool of
 * records, limits and counters; and the round that moves them on.
 *
 * In each round the loop's callbacks read requests and submit them, and where
 * these are many the engine begins with some; then service_round gives the
 * engine its turn, which answers some of the requests, and every
 * connection that has something to do moves on: replies leave, requests that
 * waited are submitted (and a further round follows).
 */
#ifndef GETME_DAEMON_SERVICE_H
#define GETME_DAEMON_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/engine.h"
#include "daemon/answers.h"
#include "daemon/discard.h"
#include "daemon/limits.h"
#include "daemon/loop.h"
#include "daemon/metrics.h"
#include "daemon/request.h"
#include "proto/message.h"

struct service {
	struct loop *loop;     /* borrowed */
	struct engine *engine; /* borrowed */
	struct engine_capabilities capabilities;
	struct limits limits;
	size_t frame_max; /* bytes of a body, either way */
	struct message_decoder *decoder;
	struct request_pool pool;
	struct discard discard; /* memory on its way back */
	struct output_pool chunks;
	struct buffer reply_list; /* while a reply is made */
	struct metrics metrics;	  /* of this loop */
	/* The first loop's, which all others' follow. */
	const struct metrics *all_metrics;
	struct answers answers;		/* of this round */
	uint8_t *scratch;		/* LIMITS_SCRATCH bytes to read into */
	struct connection *connections; /* all that are not closed */
	struct connection *ready;	/* those to move on in this round */
	struct connection *closed;	/* those to free after it */
	struct loop_timer *engine_timer;
	uint64_t engine_due_ms; /* CLOCK_MONOTONIC: its timer; 0: not set */
	struct loop_timer *sweep_timer;
	bool turn_wanted;
	/* submitted since the last turn: those that may begin, others */
	unsigned int n_early;
	bool has_writes;
	bool has_others;
	bool sweep_set;
	/* A connection was closed; its uid is still there to be read. */
	void (*on_closed)(void *ctx, const struct connection *connection);
	/* The engine had a turn: its events and state may be new. */
	void (*on_turn)(void *ctx);
	void *ctx;
};

/* 0 or -ENOMEM.  The loop's round and woken functions are set. */
int service_init(struct service *service, struct loop *loop,
		 struct engine *engine, const struct limits *limits);

/*
 * Closes all connections.  The engine must be closed after it, and before
 * service_deinit: until then it has requests.
 */
void service_close_connections(struct service *service);
void service_deinit(struct service *service);

/* Hands REQUEST to the engine, and sees that it gets a turn. */
void service_submit(struct service *service, struct engine_request *request);

/*
 * Gives the engine a turn before the round's end if enough requests wait for
 * one: gets, stats, and writes that want no sync.  Their replies leave at the
 * round's end all the same, together.  Where something else waits nothing
 * begins early: the writes of a round share one sync.
 */
void service_begin_early(struct service *service);

/* A connection drains by a deadline: look at it from time to time. */
void service_want_sweep(struct service *service);

#endif
