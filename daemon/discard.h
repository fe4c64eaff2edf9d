/*
 * discard: what becomes of buffers that are done with.
 *
 * Small ones are kept for who needs one next (common/spares.h).  Freeing a
 * large one takes the kernel some 60 us a MiB, 60 ms for the largest value:
 * too long for the others to wait.  So it waits here, and loses its pages a
 * few at a time, one piece a round of the loop.
 */
#ifndef GETME_DAEMON_DISCARD_H
#define GETME_DAEMON_DISCARD_H

#include <stdbool.h>
#include <stddef.h>

#include "common/spares.h"
#include "proto/buffer.h"

struct discard_block;

/* All zero is empty. */
struct discard {
	struct discard_block *first;
	size_t len; /* bytes that wait */
	struct spares spares;
};

/* Takes BUFFER's memory, which is empty then. */
void discard_buffer(struct discard *discard, struct buffer *buffer);

/* Gives BUFFER, which is empty, a block for LEN bytes.  0 or -ENOMEM. */
int discard_take(struct discard *discard, struct buffer *buffer, size_t len);

/* The same, unless it has room for so many. */
static inline int discard_reserve(struct discard *discard,
				  struct buffer *buffer, size_t len)
{
	return buffer->cap >= len ? 0 : discard_take(discard, buffer, len);
}

/*
 * Some of it, LIMITS_DISCARD_ROUND bytes unless very much waits; says whether
 * there is more.
 */
bool discard_step(struct discard *discard);

/* All at once. */
void discard_deinit(struct discard *discard);

#endif
