/*
 * message_item: decodes the results that are made of items: get, stat,
 * get_many and scan.
 *
 * Private to the message codec.
 */
#ifndef GETME_PROTO_MESSAGE_ITEM_H
#define GETME_PROTO_MESSAGE_ITEM_H

#include <msgpack.h>

#include "proto/message.h"
#include "proto/message_decode.h"

/* get and stat */
int message_item_decode_get(struct message_scope *scope, enum method_id method,
			    const msgpack_object *object,
			    struct message_reply *reply);
int message_item_decode_many(struct message_scope *scope, enum method_id method,
			     const msgpack_object *object,
			     struct message_reply *reply);
int message_item_decode_scan(struct message_scope *scope, enum method_id method,
			     const msgpack_object *object,
			     struct message_reply *reply);

#endif
