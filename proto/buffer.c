#include "proto/buffer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The first allocation: holds nearly every request and reply. */
enum {
	BUFFER_CAP_MIN = 512,
};

void buffer_init(struct buffer *buffer)
{
	memset(buffer, 0, sizeof(*buffer));
}

void buffer_deinit(struct buffer *buffer)
{
	if (buffer->data)
		free(buffer->data - buffer->skip);
	buffer_init(buffer);
}

void buffer_adopt(struct buffer *buffer, void *base, const void *data,
		  size_t len)
{
	assert(!buffer->data);
	buffer->skip = (size_t)((const uint8_t *)data - (uint8_t *)base);
	buffer->data = (uint8_t *)base + buffer->skip;
	buffer->len = len;
	buffer->cap = len;
}

/* Brings the bytes back to the start of the allocation. */
static void close_gap(struct buffer *buffer)
{
	uint8_t *base;

	if (buffer->skip == 0)
		return;
	base = buffer->data - buffer->skip;
	memmove(base, buffer->data, buffer->len);
	buffer->data = base;
	buffer->cap += buffer->skip;
	buffer->skip = 0;
}

static int grow(struct buffer *buffer, size_t len)
{
	size_t cap = buffer->cap * 2;
	uint8_t *data;

	if (len > SIZE_MAX / 2 - buffer->len)
		return -ENOMEM;
	if (cap < buffer->len + len)
		cap = buffer->len + len;
	if (cap < BUFFER_CAP_MIN)
		cap = BUFFER_CAP_MIN;
	data = realloc(buffer->data, cap);
	if (!data)
		return -ENOMEM;
	buffer->data = data;
	buffer->cap = cap;
	return 0;
}

int buffer_grow(struct buffer *buffer, size_t len)
{
	/*
	 * At most as many bytes are moved as were consumed since the last
	 * move, or else the buffer doubles: both are paid for.
	 */
	if (buffer->skip >= buffer->len &&
	    len <= buffer->cap + buffer->skip - buffer->len) {
		close_gap(buffer);
		return 0;
	}
	close_gap(buffer);
	return grow(buffer, len);
}

void buffer_consume(struct buffer *buffer, size_t len)
{
	assert(len <= buffer->len);
	if (len == 0)
		return;
	buffer->data += len;
	buffer->len -= len;
	buffer->cap -= len;
	buffer->skip += len;
	if (buffer->len == 0)
		close_gap(buffer);
}

void buffer_trim(struct buffer *buffer, size_t keep)
{
	if (buffer->len == 0 && buffer->cap > keep)
		buffer_deinit(buffer);
}
