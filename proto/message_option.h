/*
 * message_option: the maps of options, both ways, from one table.
 *
 * Private to the message codec.
 */
#ifndef GETME_PROTO_MESSAGE_OPTION_H
#define GETME_PROTO_MESSAGE_OPTION_H

#include <msgpack.h>
#include <stdbool.h>

#include "proto/message.h"
#include "proto/message_decode.h"
#include "proto/message_writer.h"

/* "always"; NULL for MESSAGE_DURABILITY_DEFAULT and what is none. */
const char *message_durability_name(enum message_durability durability);

/* False: not the name of a level, DURABILITY is untouched. */
bool message_durability_decode(const msgpack_object *object,
			       enum message_durability *durability);

/*
 * Decodes a map that may hold the options ALLOWED (enum method_option, ored)
 * once each, and not two that exclude each other.
 */
int message_option_decode(const struct message_scope *scope, const char *name,
			  const msgpack_object *map, unsigned int allowed,
			  struct message_options *options);

/* Writes the map of what is present. */
void message_option_encode(struct message_writer *writer,
			   const struct message_options *options);

#endif
