/*
 * message_quick: the most frequent messages, in one pass over their bytes.
 *
 * Private to the message codec.  The decoders know requests for one key (get,
 * stat, put, delete) and the replies to them, in the forms that clients and
 * daemons write.  They take nothing that the general decoders refuse, and
 * give what those give; all else, every fault above all, is left to those:
 * they have the rules and the texts.
 */
#ifndef GETME_PROTO_MESSAGE_QUICK_H
#define GETME_PROTO_MESSAGE_QUICK_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/message.h"

/*
 * REQUEST is zero before.  false: not one of the forms known here (or no
 * memory); it is not zero any more.
 */
bool message_quick_request(struct message_decoder *decoder, const void *body,
			   size_t body_len, struct message_request *request);

/* The same for the reply to METHOD. */
bool message_quick_reply(enum method_id method, const void *body,
			 size_t body_len, struct message_reply *reply);

/* message_decode_request and message_decode_reply without the above. */
int message_general_request(struct message_decoder *decoder, const void *body,
			    size_t body_len, struct message_request *request,
			    struct message_error *error);
int message_general_reply(struct message_decoder *decoder,
			  enum method_id method, const void *body,
			  size_t body_len, struct message_reply *reply,
			  struct message_error *error);

#endif
