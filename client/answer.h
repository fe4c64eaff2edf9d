/*
 * answer: replies turned into what callers see.
 */
#ifndef GETME_CLIENT_ANSWER_H
#define GETME_CLIENT_ANSWER_H

#include "client/handle.h"

/*
 * Decodes the reply to a TICKET that is done and was popped last.  0: REPLY
 * is its result, of the right shape, and wants message_reply_deinit(); it
 * borrows from the handle until the next call.  Otherwise the call's result,
 * with its text.  A reply that cannot be understood ends the connection.
 */
int answer_decode(struct getme *handle, const struct ticket *ticket,
		  struct message_reply *reply);

/* The same for a body that lies elsewhere. */
int answer_decode_body(struct getme *handle, const struct ticket *ticket,
		       const uint8_t *body, struct message_reply *reply);

/* The result where a reply is wrong for the reason WHY, as above. */
int answer_misunderstood(struct getme *handle, const struct ticket *ticket,
			 const char *why);

/* Of a value: -1 for none (0), at most INT64_MAX. */
int64_t answer_expiry(uint64_t expires_at_ms);

/* One key's answer.  0, GETME_NOT_FOUND, GETME_E_CORRUPT, ... */
int answer_value(const struct message_item *item, struct getme_value *value);

/* The answer to get or stat, METHOD, as above. */
int answer_get(enum method_id method, const struct message_reply *reply,
	       struct getme_value *value);

/*
 * The answer to a write, METHOD.  0 and WRITTEN, GETME_CONDITION (a batch:
 * and its failed_index) or GETME_NOT_FOUND.  WRITTEN may be NULL.
 */
int answer_written(enum method_id method, const struct message_reply *reply,
		   struct getme_written *written);

#endif
