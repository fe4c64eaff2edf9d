/*
 * message_check: a look at a body before msgpack-c sees it.
 *
 * msgpack-c allocates what an array's head claims, so what a head claims is
 * held against the bytes that are there first.  Walks heads only, without
 * recursion and without allocating; reads only inside the body.
 */
#ifndef GETME_PROTO_MESSAGE_CHECK_H
#define GETME_PROTO_MESSAGE_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "proto/message.h"

enum {
	/*
	 * Values of any type in one body.  The largest legal ones are a batch
	 * of MESSAGE_OPS_MAX puts with every option (13 each) and a scan step
	 * of damaged values (8 each).  msgpack-c takes 24 bytes for each.
	 */
	MESSAGE_CHECK_VALUES_MAX = 16 * MESSAGE_OPS_MAX,
};

enum message_check_result {
	MESSAGE_CHECK_TRUNCATED = 1, /* the body ends inside a value */
	MESSAGE_CHECK_CLAIM = 2,     /* more elements than bytes left */
	MESSAGE_CHECK_DEEP = 3,	     /* over MESSAGE_DEPTH_MAX */
	MESSAGE_CHECK_MANY = 4,	     /* over MESSAGE_CHECK_VALUES_MAX */
	MESSAGE_CHECK_TYPE = 5,	     /* an extension, or no msgpack */
	MESSAGE_CHECK_TRAILING = 6,  /* bytes behind the value */
};

/* 0: the body is one msgpack value and safe to unpack. */
int message_check(const void *body, size_t body_len);

/* What a positive result means, for an error text. */
const char *message_check_text(int result);

/*
 * Type and id of a body that begins like a request or a reply, whatever
 * follows.  0 or -EPROTO.
 */
int message_check_peek(const void *body, size_t body_len, uint64_t *type,
		       uint32_t *id);

#endif
