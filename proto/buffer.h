/*
 * buffer: a growing run of bytes, the output side of the codecs.
 *
 * Invariants: len <= cap; data is NULL only when cap and skip are 0.  A
 * buffer that is all zero is empty and valid.  data moves when bytes are
 * added or consumed: what points into it ends then.
 */
#ifndef GETME_PROTO_BUFFER_H
#define GETME_PROTO_BUFFER_H

#include <stddef.h>
#include <stdint.h>

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

/* Makes room for LEN more bytes behind len.  0 or -ENOMEM. */
int buffer_reserve(struct buffer *buffer, size_t len);

/* 0 or -ENOMEM (the buffer is unchanged then). */
int buffer_append(struct buffer *buffer, const void *data, size_t len);

/*
 * Drops the first LEN bytes (LEN <= buffer->len).  Moves nothing: a large
 * run that leaves in small pieces costs no more than one that leaves whole.
 */
void buffer_consume(struct buffer *buffer, size_t len);

/* Gives memory back when the buffer is empty and larger than KEEP bytes. */
void buffer_trim(struct buffer *buffer, size_t keep);

#endif
