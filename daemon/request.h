/*
 * request: the record of one request from its frame to its reply, and the
 * pool that records come from.
 *
 * Invariants
 *  1. What message and engine point to lies in frame, or in memory of the
 *     record: it stays until the engine is done with it.
 *  2. A record belongs to its connection's lane.  When the connection
 *     goes while the engine has it, connection becomes NULL and whoever gets
 *     the engine's answer frees it.
 *  3. The pool keeps records with their small buffers, so that small
 *     requests, one after another, allocate nothing.
 */
#ifndef GETME_DAEMON_REQUEST_H
#define GETME_DAEMON_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/engine.h"
#include "daemon/output.h"
#include "proto/buffer.h"
#include "proto/message.h"

struct connection;
struct service;

/* For the order of a connection's requests (daemon/lane.h). */
enum request_kind {
	REQUEST_LOCAL, /* answered by the daemon itself, at once */
	REQUEST_READ,
	REQUEST_WRITE,
	REQUEST_TASK, /* takes long; never asked for twice */
	REQUEST_N_KINDS
};

enum request_state {
	REQUEST_HELD,	 /* ready for the engine, not yet its turn */
	REQUEST_RUNNING, /* the engine has it */
	REQUEST_AGAIN,	 /* a read whose answer had no room: to be repeated */
	REQUEST_DONE,	 /* reply holds the whole frame */
};

/*
 * What every request uses comes first, in few cache lines: a thousand may be
 * under way.
 */
struct request {
	struct request *next; /* in the lane, or in the pool */
	struct connection *connection;
	enum request_state state;
	enum request_kind kind;
	uint32_t id;
	bool dependent; /* a write whose effect depends on the state */
	bool has_fd;
	uint64_t arrived_us; /* CLOCK_MONOTONIC: when its last byte came */
	size_t input_len;    /* bytes of its frame, while it is kept */
	size_t body_off;
	struct service *service;
	struct engine_bytes key; /* room for one */
	struct buffer frame;	 /* the body at body_off, or empty */
	struct engine_request engine;
	struct message_request message;
	struct engine_mutation mutation;   /* room for one */
	struct engine_bytes *keys;	   /* in list; more than one */
	struct engine_mutation *mutations; /* in list; more than one */
	struct buffer list;
	struct buffer reply;
	size_t expected_len;	     /* REQUEST_AGAIN: what its answer took */
	char *path;		     /* owned; of a backup */
	struct output_value *values; /* owned: of the reply, not in it */
	size_t n_values;
	size_t values_len; /* bytes */
	int fd;		   /* owned: leaves with the reply */
};

/* All zero is an empty one. */
struct request_pool {
	struct request *free;
	size_t n_free;
};

void request_pool_deinit(struct request_pool *pool);

/*
 * One that owns nothing but its buffers' memory.  What dispatch_begin fills
 * in, message, engine, key and mutation, may be of the request before.  NULL:
 * no memory.
 */
struct request *request_new(struct service *service);
void request_free(struct request *request);

/* The frame's bytes; both end what was there.  -ENOMEM for the copy. */
int request_copy_body(struct request *request, const void *body, size_t len);
void request_take_frame(struct request *request, struct buffer *frame,
			size_t body_off);

/* Bytes of the whole reply. */
static inline size_t request_reply_len(const struct request *request)
{
	return request->reply.len + request->values_len;
}

/* The engine has answered: a descriptor that it gave is the request's. */
void request_take_fd(struct request *request);
void request_drop_fd(struct request *request);

/* N zeroed elements of SIZE bytes in request->list.  NULL: no memory. */
void *request_new_list(struct request *request, size_t n, size_t size);

/* Drops the values that belong to the reply. */
void request_drop_values(struct request *request);

/* Drops what only the engine needed: frame, keys, mutations, path. */
void request_drop_input(struct request *request);

#endif
