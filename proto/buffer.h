/*
 * buffer: a growing run of bytes, the output side of the codecs.
 *
 * Invariants: len <= cap; data is NULL only when cap and skip are 0.  A
 * buffer that is all zero is empty and valid.  data moves when bytes are
 * added or consumed: what points into it ends then.
 */
#ifndef GETME_PROTO_BUFFER_H
#define GETME_PROTO_BUFFER_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buffer {
	uint8_t *data;
	size_t len;
	size_t cap;  /* bytes from data on */
	size_t skip; /* the buffer's own: consumed bytes before data */
};

void buffer_init(struct buffer *buffer);
void buffer_deinit(struct buffer *buffer);

/*
 * Takes over the malloc'ed memory at BASE, in which LEN bytes at DATA are the
 * buffer's.  BUFFER is empty before.
 */
void buffer_adopt(struct buffer *buffer, void *base, const void *data,
		  size_t len);

/* Makes more room than there is: buffer_reserve's rarer part. */
int buffer_grow(struct buffer *buffer, size_t len);

/* Makes room for LEN more bytes behind len.  0 or -ENOMEM. */
static inline int buffer_reserve(struct buffer *buffer, size_t len)
{
	return len <= buffer->cap - buffer->len ? 0 : buffer_grow(buffer, len);
}

/* 0 or -ENOMEM (the buffer is unchanged then). */
static inline int buffer_append(struct buffer *buffer, const void *data,
				size_t len)
{
	if (len == 0)
		return 0;
	if (buffer_reserve(buffer, len) < 0)
		return -ENOMEM;
	memcpy(buffer->data + buffer->len, data, len);
	buffer->len += len;
	return 0;
}

/*
 * Drops the first LEN bytes (LEN <= buffer->len).  Moves nothing: a large
 * run that leaves in small pieces costs no more than one that leaves whole.
 */
void buffer_consume(struct buffer *buffer, size_t len);

/* Drops them all. */
static inline void buffer_clear(struct buffer *buffer)
{
	if (buffer->skip > 0) {
		buffer->data -= buffer->skip;
		buffer->cap += buffer->skip;
		buffer->skip = 0;
	}
	buffer->len = 0;
}

/* Gives memory back when the buffer is empty and larger than KEEP bytes. */
void buffer_trim(struct buffer *buffer, size_t keep);

#endif
