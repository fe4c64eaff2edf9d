/*
 * output: the bytes that wait for a peer to take them.
 *
 * A list of buffers: small replies are copied behind one another, a large
 * one is queued as it is.  A few leave with one system call.
 */
#ifndef GETME_DAEMON_OUTPUT_H
#define GETME_DAEMON_OUTPUT_H

#include <stddef.h>

#include "daemon/discard.h"
#include "proto/buffer.h"

struct output_chunk;

/* Chunks that all outputs of a loop share.  All zero is empty. */
struct output_pool {
	struct discard *discard; /* where buffers come from and go; borrowed */
	struct output_chunk *free; /* without buffers */
	size_t n_free;
};

void output_pool_deinit(struct output_pool *pool);

/* All zero but the pool is an empty one. */
struct output {
	struct output_pool *pool; /* borrowed */
	struct output_chunk *head;
	struct output_chunk *tail;
	size_t len;	 /* bytes in all chunks */
	size_t open_len; /* of the last one when it was opened */
	size_t room;	 /* bytes that the first one had the last time */
};

void output_deinit(struct output *output);

/*
 * Adds what is in BUFFER, and leaves BUFFER empty: of small ones its memory
 * stays with the caller.  0, or -ENOMEM (nothing was added).
 */
int output_add(struct output *output, struct buffer *buffer);

/*
 * The same for a reply that FD goes along with, taken over: it arrives with
 * the reply's first byte.  Where the kernel has too many descriptors under
 * way the reply leaves without it.
 */
int output_add_descriptor(struct output *output, struct buffer *buffer, int fd);

/*
 * A buffer to append one small reply to, and the end of that, whether
 * anything was appended or not.  NULL: no memory.
 */
struct buffer *output_open(struct output *output);
void output_close(struct output *output);

/* A large run of bytes in the middle of a reply, in memory of its own. */
struct output_value {
	size_t off; /* it belongs before the reply's byte there */
	struct buffer bytes;
};

/*
 * The same for a reply with N values, in order, whose memory goes over.  After
 * -ENOMEM a part of it was added: nothing can follow.
 */
int output_add_split(struct output *output, struct buffer *buffer,
		     struct output_value *values, size_t n);

/*
 * Writes to the socket FD what it takes, MAX bytes at most.  Returns how many
 * bytes it took (0 when it takes none now) or a negative errno: the peer is
 * gone.
 */
long output_write(struct output *output, int fd, size_t max);

#endif
