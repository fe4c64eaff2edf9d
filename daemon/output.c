#include "daemon/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "daemon/limits.h"

struct output_chunk {
	struct output_chunk *next;
	struct buffer bytes;
	int fd; /* goes with its first byte; -1: none */
};

enum {
	CHUNKS_AT_ONCE = 16,
	SMALL_MAX = 2 * LIMITS_REPLY_MOVE, /* bytes of many small replies */
};

void output_pool_deinit(struct output_pool *pool)
{
	while (pool->free) {
		struct output_chunk *chunk = pool->free;

		pool->free = chunk->next;
		free(chunk);
	}
	pool->n_free = 0;
}

/* A chunk that is all zero.  NULL: no memory. */
static struct output_chunk *take_chunk(struct output_pool *pool)
{
	struct output_chunk *chunk = pool->free;

	if (!chunk)
		return calloc(1, sizeof(*chunk));
	pool->free = chunk->next;
	pool->n_free--;
	memset(chunk, 0, sizeof(*chunk));
	return chunk;
}

static void give_chunk(struct output_pool *pool, struct output_chunk *chunk)
{
	if (pool->n_free >= LIMITS_CHUNKS_FREE) {
		free(chunk);
		return;
	}
	chunk->next = pool->free;
	pool->free = chunk;
	pool->n_free++;
}

static void close_fd(struct output_chunk *chunk)
{
	if (chunk->fd >= 0)
		close(chunk->fd);
	chunk->fd = -1;
}

static void drop_head(struct output *output)
{
	struct output_chunk *chunk = output->head;

	close_fd(chunk);

	output->head = chunk->next;
	if (!output->head)
		output->tail = NULL;
	discard_buffer(output->pool->discard, &chunk->bytes);
	give_chunk(output->pool, chunk);
}

void output_deinit(struct output *output)
{
	while (output->head)
		drop_head(output);
	output->len = 0;
}

static struct output_chunk *add_chunk(struct output *output)
{
	struct output_chunk *chunk = take_chunk(output->pool);

	if (!chunk)
		return NULL;
	chunk->fd = -1;
	if (output->tail)
		output->tail->next = chunk;
	else
		output->head = chunk;
	output->tail = chunk;
	return chunk;
}

/* As much as the last time; behind a full chunk another one, most likely. */
static int give_room(const struct output *output, struct output_chunk *chunk)
{
	size_t len = chunk == output->head ? output->room : SMALL_MAX;

	return discard_reserve(output->pool->discard, &chunk->bytes, len);
}

/* Small chunks grow up to twice what is moved instead of copied. */
static struct output_chunk *small_chunk(struct output *output)
{
	struct output_chunk *chunk = output->tail;

	if (!chunk || chunk->bytes.len >= LIMITS_REPLY_MOVE)
		chunk = add_chunk(output);
	if (chunk && chunk->bytes.cap == 0 && give_room(output, chunk) < 0)
		return NULL;
	return chunk;
}

static int add_copy(struct output *output, const uint8_t *data, size_t len)
{
	struct output_chunk *chunk = small_chunk(output);

	if (!chunk)
		return -ENOMEM;
	return buffer_append(&chunk->bytes, data, len);
}

static int add_moved(struct output *output, struct buffer *buffer)
{
	struct output_chunk *chunk = output->tail;

	if (!chunk || chunk->bytes.len > 0)
		chunk = add_chunk(output);
	if (!chunk)
		return -ENOMEM;
	discard_buffer(output->pool->discard, &chunk->bytes);
	chunk->bytes = *buffer;
	buffer_init(buffer);
	return 0;
}

int output_add(struct output *output, struct buffer *buffer)
{
	size_t len = buffer->len;
	int result;

	if (len >= LIMITS_REPLY_MOVE)
		result = add_moved(output, buffer);
	else
		result = add_copy(output, buffer->data, len);
	if (result < 0)
		return result;
	buffer_clear(buffer);
	output->len += len;
	return 0;
}

struct buffer *output_open(struct output *output)
{
	struct output_chunk *chunk = small_chunk(output);

	if (!chunk)
		return NULL;
	output->open_len = chunk->bytes.len;
	return &chunk->bytes;
}

void output_close(struct output *output)
{
	output->len += output->tail->bytes.len - output->open_len;
}

int output_add_descriptor(struct output *output, struct buffer *buffer, int fd)
{
	struct output_chunk *chunk = output->tail;

	if (!chunk || chunk->bytes.len > 0)
		chunk = add_chunk(output);
	if (!chunk || output_add(output, buffer) < 0) {
		close(fd);
		return -ENOMEM;
	}
	chunk->fd = fd;
	return 0;
}

int output_add_split(struct output *output, struct buffer *buffer,
		     struct output_value *values, size_t n)
{
	size_t from = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		size_t len = values[i].bytes.len;

		if (add_copy(output, buffer->data + from,
			     values[i].off - from) < 0 ||
		    add_moved(output, &values[i].bytes) < 0)
			return -ENOMEM;
		output->len += values[i].off - from + len;
		from = values[i].off;
	}
	if (add_copy(output, buffer->data + from, buffer->len - from) < 0)
		return -ENOMEM;
	output->len += buffer->len - from;
	buffer_clear(buffer);
	return 0;
}

static void give_back(struct output *output, struct buffer *bytes)
{
	output->room = bytes->cap < SMALL_MAX ? bytes->cap : SMALL_MAX;
	discard_buffer(output->pool->discard, bytes);
}

/* The last chunk stays for what comes next, without a large buffer. */
static void consume(struct output *output, size_t len)
{
	output->len -= len;
	while (output->head) {
		struct buffer *bytes = &output->head->bytes;
		size_t part = len < bytes->len ? len : bytes->len;

		buffer_consume(bytes, part);
		len -= part;
		if (bytes->len > 0)
			return;
		if (output->head == output->tail) {
			if (bytes->cap > LIMITS_OUTPUT_KEEP)
				give_back(output, bytes);
			return;
		}
		drop_head(output);
	}
}

union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int))];
};

static void add_control(struct msghdr *message, union control *control, int fd)
{
	memset(control, 0, sizeof(*control));
	control->header.cmsg_len = CMSG_LEN(sizeof(fd));
	control->header.cmsg_level = SOL_SOCKET;
	control->header.cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(&control->header), &fd, sizeof(fd));
	message->msg_control = control;
	message->msg_controllen = sizeof(*control);
}

/* The most frequent case, with less to tell the kernel. */
static ssize_t send_one(const struct buffer *bytes, int fd, size_t max)
{
	size_t len = bytes->len < max ? bytes->len : max;
	ssize_t n;

	do {
		n = send(fd, bytes->data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t send_chunks(const struct output *output, int fd, size_t max)
{
	struct iovec iov[CHUNKS_AT_ONCE];
	struct msghdr message = { .msg_iov = iov };
	union control control;
	ssize_t n;

	if (output->head == output->tail && output->head->fd < 0)
		return send_one(&output->head->bytes, fd, max);
	if (output->head->fd >= 0)
		add_control(&message, &control, output->head->fd);
	for (const struct output_chunk *chunk = output->head;
	     chunk && max > 0 && message.msg_iovlen < CHUNKS_AT_ONCE;
	     chunk = chunk->next) {
		/* The next descriptor goes with a message of its own. */
		if (chunk != output->head && chunk->fd >= 0)
			break;
		size_t len = chunk->bytes.len < max ? chunk->bytes.len : max;

		iov[message.msg_iovlen].iov_base = chunk->bytes.data;
		iov[message.msg_iovlen].iov_len = len;
		message.msg_iovlen++;
		max -= len;
	}
	do {
		n = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

long output_write(struct output *output, int fd, size_t max)
{
	ssize_t n;

	if (output->len == 0)
		return 0;
	n = send_chunks(output, fd, max);
	if (n == -ETOOMANYREFS) {
		close_fd(output->head);
		n = send_chunks(output, fd, max);
	}
	/* No memory or buffers for the message: the peer may take it later. */
	if (n == -EAGAIN || n == -ENOBUFS || n == -ENOMEM)
		return 0;
	if (n > 0) {
		close_fd(output->head);
		consume(output, (size_t)n);
	}
	return (long)n;
}
