/*
 * direct_internal: what the parts of direct share, for direct*.c only.
 *
 *	direct.c	states, single keys
 *	direct_attach.c	asking for descriptors
 *	direct_many.c	many keys
 *	direct_map.c	what is mapped
 */
#ifndef GETME_CLIENT_DIRECT_INTERNAL_H
#define GETME_CLIENT_DIRECT_INTERNAL_H

#include "client/answer.h"
#include "client/direct.h"
#include "client/direct_map.h"
#include "common/view.h"
#include "proto/buffer.h"

enum {
	/*
	 * Bytes of buffers that are kept for the next call.  Of values, this
	 * is also what a program sees that reads large ones now and then.
	 */
	DIRECT_KEEP = 1 << 20,
	/* Descriptors that one call asks for at most: more is nonsense. */
	DIRECT_ASKS_MAX = 256,
	/* Reads over the socket before what failed is tried again. */
	DIRECT_PASSES = 1024,
};

enum direct_state {
	DIRECT_DETACHED,
	DIRECT_ATTACHED,
	DIRECT_REFUSED,
};

struct direct {
	enum direct_state state;
	uint64_t connection;  /* handle->n_connections when it was entered */
	uint64_t n_passed;    /* reads over the socket since it was REFUSED */
	uint64_t pass_max;    /* after so many attach again */
	uint64_t index;	      /* the daemon's number of the index */
	struct getme *handle; /* of the call under way */
	unsigned int n_asks;  /* in it */
	/* Asks to leave out: what was asked for last could not be had. */
	unsigned int asks_held;
	bool timed_out; /* its time is over: the daemon did not reply */
	struct direct_map map;
	struct view view;
	struct view_buffer buffer; /* the last value */
	/* of get_many */
	struct buffer values;
	struct view_key *keys;
	struct view_found *found;
	size_t keys_cap;
};

/* Whether a direct read may be tried; attaches where that is due. */
bool direct_begin(struct getme *handle);

/* The result of a call that has no answer from here. */
int direct_elsewhere(const struct direct *direct);

/*
 * After a lookup without an answer.  0: the chunk that it lacked was attached,
 * try again; -EALREADY: none is lacking; -EAGAIN: it has no answer for another
 * reason, or the chunk cannot be had.
 */
int direct_add_chunk_for(struct direct *direct, const struct digest *digest);

/* All of a value but its bytes. */
static inline void direct_describe(const struct view_entry *entry,
				   struct getme_value *value)
{
	value->data = NULL;
	value->len = (size_t)entry->value_len;
	value->version = entry->version;
	value->expires_at_ms = answer_expiry(entry->expires_at_ms);
}

/* ---- direct_attach.c: over the connection as it is ---- */

/* 0; -ENOTSUP: the daemon does not do this; -errno: not now. */
int direct_attach_index(struct direct *direct);
/* 0; -ENODATA: it is not there; -errno. */
int direct_attach_chunk(struct direct *direct, enum index_family family,
			unsigned int number);
int direct_attach_segment(struct direct *direct, uint32_t low);

#endif
