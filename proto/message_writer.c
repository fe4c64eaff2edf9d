#include "proto/message_writer.h"

#include <errno.h>
#include <string.h>

#include "proto/frame.h"
#include "proto/message_option.h"

static int write_bytes(void *data, const char *bytes, size_t len)
{
	struct message_writer *writer = data;
	size_t body_len;

	if (writer->result)
		return writer->result;
	body_len = writer->out->len - writer->start - FRAME_HEAD_LEN;
	if (len > writer->body_max - body_len)
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
		return writer->result;
	}
	frame_put_head(out->data + writer->start,
		       out->len - writer->start - FRAME_HEAD_LEN);
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
