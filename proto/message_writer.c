#include "proto/message_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"
#include "proto/message_option.h"

/* Bytes of the body so far, parts and all. */
static size_t body_len(const struct message_writer *writer)
{
	size_t len = writer->out->len - writer->start - FRAME_HEAD_LEN;

	return writer->parts ? len + writer->parts->len : len;
}

static int write_bytes(void *data, const char *bytes, size_t len)
{
	struct message_writer *writer = data;

	if (writer->result)
		return writer->result;
	if (len > writer->body_max - body_len(writer))
		writer->result = -EMSGSIZE;
	else
		writer->result = buffer_append(writer->out, bytes, len);
	return writer->result;
}

void message_writer_begin(struct message_writer *writer, struct buffer *out,
			  size_t body_max, size_t len_hint)
{
	static const uint8_t head[FRAME_HEAD_LEN];

	msgpack_packer_init(&writer->packer, writer, write_bytes);
	writer->out = out;
	writer->start = out->len;
	writer->parts = NULL;
	writer->body_max = body_max < UINT32_MAX ? body_max : UINT32_MAX;
	if (len_hint > writer->body_max)
		len_hint = 0;
	writer->result = buffer_reserve(out, sizeof(head) + len_hint);
	if (writer->result == 0)
		writer->result = buffer_append(out, head, sizeof(head));
}

int message_writer_end(struct message_writer *writer)
{
	struct buffer *out = writer->out;

	if (writer->result) {
		out->len = writer->start;
		if (writer->parts)
			message_parts_deinit(writer->parts);
		return writer->result;
	}
	frame_put_head(out->data + writer->start, body_len(writer));
	return 0;
}

void message_writer_fail(struct message_writer *writer, int result)
{
	if (writer->result == 0)
		writer->result = result;
}

void message_writer_nil(struct message_writer *writer)
{
	msgpack_pack_nil(&writer->packer);
}

void message_writer_bool(struct message_writer *writer, bool value)
{
	if (value)
		msgpack_pack_true(&writer->packer);
	else
		msgpack_pack_false(&writer->packer);
}

void message_writer_uint(struct message_writer *writer, uint64_t number)
{
	msgpack_pack_uint64(&writer->packer, number);
}

void message_writer_int(struct message_writer *writer, int64_t number)
{
	msgpack_pack_int64(&writer->packer, number);
}

void message_writer_array(struct message_writer *writer, size_t n)
{
	msgpack_pack_array(&writer->packer, n);
}

void message_writer_map(struct message_writer *writer, size_t n_pairs)
{
	msgpack_pack_map(&writer->packer, n_pairs);
}

void message_writer_bin(struct message_writer *writer,
			const struct message_bytes *bytes)
{
	msgpack_pack_bin(&writer->packer, bytes->len);
	write_bytes(writer, bytes->data, bytes->len);
}

static int add_part(struct message_parts *parts, size_t off,
		    const struct message_bytes *bytes)
{
	if (parts->n == parts->cap) {
		size_t cap = parts->cap ? parts->cap * 2 : 1;
		struct message_part *grown =
			realloc(parts->parts, cap * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		parts->parts = grown;
		parts->cap = cap;
	}
	parts->parts[parts->n].off = off;
	parts->parts[parts->n].bytes = *bytes;
	parts->n++;
	parts->len += bytes->len;
	return 0;
}

void message_writer_bin_apart(struct message_writer *writer,
			      const struct message_bytes *bytes)
{
	if (!writer->parts) {
		message_writer_bin(writer, bytes);
		return;
	}
	msgpack_pack_bin(&writer->packer, bytes->len);
	if (writer->result)
		return;
	if (bytes->len > writer->body_max - body_len(writer))
		writer->result = -EMSGSIZE;
	else
		writer->result =
			add_part(writer->parts, writer->out->len, bytes);
}

void message_writer_str(struct message_writer *writer,
			const struct message_bytes *bytes)
{
	msgpack_pack_str(&writer->packer, bytes->len);
	write_bytes(writer, bytes->data, bytes->len);
}

void message_writer_text(struct message_writer *writer, const char *text)
{
	struct message_bytes bytes = { text, strlen(text) };

	message_writer_str(writer, &bytes);
}

void message_writer_durability(struct message_writer *writer,
			       enum message_durability durability)
{
	const char *name = message_durability_name(durability);

	if (name)
		message_writer_text(writer, name);
	else
		message_writer_fail(writer, -EINVAL);
}
