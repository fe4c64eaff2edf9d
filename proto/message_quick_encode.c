#include <errno.h>
#include <string.h>

#include "proto/frame.h"
#include "proto/message.h"
#include "proto/message_option.h"

enum {
	/* At most: head, type, id, nil, and a result without its value. */
	REPLY_ROOM = 64,
};

static uint8_t *put_be(uint8_t *p, uint8_t first, uint64_t number,
		       unsigned int width)
{
	*p++ = first;
	while (width > 0)
		*p++ = (uint8_t)(number >> 8 * --width);
	return p;
}

static uint8_t *put_uint(uint8_t *p, uint64_t number)
{
	if (number < 0x80)
		return put_be(p, (uint8_t)number, 0, 0);
	if (number <= UINT8_MAX)
		return put_be(p, 0xcc, number, 1);
	if (number <= UINT16_MAX)
		return put_be(p, 0xcd, number, 2);
	if (number <= UINT32_MAX)
		return put_be(p, 0xce, number, 4);
	return put_be(p, 0xcf, number, 8);
}

static uint8_t *put_nil(uint8_t *p)
{
	*p = 0xc0;
	return p + 1;
}

static uint8_t *put_bin(uint8_t *p, const struct message_bytes *bytes)
{
	if (bytes->len <= UINT8_MAX)
		p = put_be(p, 0xc4, bytes->len, 1);
	else if (bytes->len <= UINT16_MAX)
		p = put_be(p, 0xc5, bytes->len, 2);
	else
		p = put_be(p, 0xc6, bytes->len, 4);
	if (bytes->len > 0)
		memcpy(p, bytes->data, bytes->len);
	return p + bytes->len;
}

/* Room for a frame with a value of LEN bytes; where its body begins. */
static int begin(struct buffer *out, size_t len, uint32_t id, uint8_t **body)
{
	uint8_t *p;

	if (len > UINT32_MAX - REPLY_ROOM)
		return -EMSGSIZE;
	if (buffer_reserve(out, REPLY_ROOM + len) < 0)
		return -ENOMEM;
	p = out->data + out->len + FRAME_HEAD_LEN;
	*p++ = 0x94;
	*p++ = 1;
	p = put_uint(p, id);
	*body = put_nil(p);
	return 0;
}

/* The frame ends at P. */
static int end(struct buffer *out, size_t body_max, const uint8_t *p)
{
	uint8_t *head = out->data + out->len;
	size_t body_len = (size_t)(p - head) - FRAME_HEAD_LEN;

	if (body_len > body_max)
		return -EMSGSIZE;
	frame_put_head(head, body_len);
	out->len += FRAME_HEAD_LEN + body_len;
	return 0;
}

int message_encode_value(struct buffer *out, size_t body_max, uint32_t id,
			 const struct message_item *item)
{
	size_t len = item ? item->value.len : 0;
	uint8_t *p;
	int r = begin(out, len, id, &p);

	if (r < 0)
		return r;
	if (!item)
		return end(out, body_max, put_nil(p));
	*p++ = 0x93;
	p = put_bin(p, &item->value);
	p = put_uint(p, item->version);
	p = item->expires_at_ms ? put_uint(p, item->expires_at_ms) : put_nil(p);
	return end(out, body_max, p);
}

int message_encode_written(struct buffer *out, size_t body_max, uint32_t id,
			   uint64_t version, enum message_durability durability)
{
	const char *name = message_durability_name(durability);
	uint8_t *p;
	int r;

	if (!name)
		return -EINVAL;
	r = begin(out, 0, id, &p);
	if (r < 0)
		return r;
	*p++ = 0x92;
	p = put_uint(p, version);
	*p++ = (uint8_t)(0xa0 + strlen(name));
	while (*name)
		*p++ = (uint8_t)*name++;
	return end(out, body_max, p);
}
