/*
 * message_info: decodes the results that describe a server, hello and stats.
 *
 * Private to the message codec.
 */
#ifndef GETME_PROTO_MESSAGE_INFO_H
#define GETME_PROTO_MESSAGE_INFO_H

#include <msgpack.h>

#include "proto/message.h"
#include "proto/message_decode.h"

/* Members that this version does not know are passed over: it may grow. */
int message_info_decode_hello(struct message_scope *scope,
			      enum method_id method,
			      const msgpack_object *object,
			      struct message_reply *reply);
int message_info_decode_stats(struct message_scope *scope,
			      enum method_id method,
			      const msgpack_object *object,
			      struct message_reply *reply);

/* "counter"; NULL for what is no kind. */
const char *message_info_kind_name(enum message_stat_kind kind);

#endif
