/*
 * message_writer: appends one frame to a buffer, value by value.
 *
 * Private to the message codec.  The first failure sticks: what follows
 * writes nothing, and message_writer_end() tells it.
 */
#ifndef GETME_PROTO_MESSAGE_WRITER_H
#define GETME_PROTO_MESSAGE_WRITER_H

#include <msgpack.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/message.h"

struct message_writer {
	msgpack_packer packer;
	struct buffer *out;
	size_t start; /* out->len before the frame */
	size_t body_max;
	struct message_parts *parts; /* NULL: all is in out */
	int result;
};

/* LEN_HINT: bytes that the body will need at about, made room for once. */
void message_writer_begin(struct message_writer *writer, struct buffer *out,
			  size_t body_max, size_t len_hint);

/*
 * 0: the frame is complete.  -ENOMEM, -EMSGSIZE (the body is over body_max)
 * or what message_writer_fail() was told: the buffer is as before.
 */
int message_writer_end(struct message_writer *writer);

void message_writer_fail(struct message_writer *writer, int result);

void message_writer_nil(struct message_writer *writer);
void message_writer_bool(struct message_writer *writer, bool value);
void message_writer_uint(struct message_writer *writer, uint64_t number);
void message_writer_int(struct message_writer *writer, int64_t number);
void message_writer_array(struct message_writer *writer, size_t n);
void message_writer_map(struct message_writer *writer, size_t n_pairs);
void message_writer_bin(struct message_writer *writer,
			const struct message_bytes *bytes);
/* The head alone; the bytes become a part, if the writer has parts. */
void message_writer_bin_apart(struct message_writer *writer,
			      const struct message_bytes *bytes);
void message_writer_str(struct message_writer *writer,
			const struct message_bytes *bytes);
void message_writer_text(struct message_writer *writer, const char *text);

/* -EINVAL sticks for a level that the wire has no name for. */
void message_writer_durability(struct message_writer *writer,
			       enum message_durability durability);

#endif
