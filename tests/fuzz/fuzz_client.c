/*
 * fuzz_client: a server that says whatever it likes.
 *
 *   byte 0       bit 7: each chunk is sent as it is; else as a reply
 *   byte 0 & 31  how many operation bytes follow
 *   the rest     chunks: a length byte and that many bytes
 *
 * As a reply, a chunk is its error and its result; framing, ids and hello
 * are well, so that the input gets past them.  Each operation brings a chunk
 * of its own; when there are no more, the server has ended its side.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/connect.h"
#include "client/deadline.h"
#include "client/handle.h"
#include "proto/frame.h"
#include "proto/message.h"

enum {
	BODY_MAX = 1 << 20,
	CHUNKS_MAX = 64, /* the socket takes them without a reader */
	REPLY_HEAD_LEN = 4,
	OPERATIONS_MAX = 31,
	SCAN_MAX = 100,
	TIMEOUT_MS = 1, /* what is not there yet does not come */
};

static volatile unsigned int sink;

/* Looks at every byte, so that a bad pointer is found. */
static void look(const void *data, size_t len)
{
	const unsigned char *bytes = data;
	size_t i;

	for (i = 0; i < len; i++)
		sink += bytes[i];
}

struct server {
	int fd;
	int as_replies;
	uint8_t id; /* of the next reply */
	const uint8_t *data;
	size_t size;
};

static void say(const struct server *server, const void *data, size_t len)
{
	/* It may have ended already, or the client may be gone. */
	if (len > 0)
		send(server->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void say_hello(const struct server *server)
{
	struct message_reply reply;
	struct buffer frame;

	memset(&reply, 0, sizeof(reply));
	reply.id = 1;
	reply.protocol = MESSAGE_PROTOCOL;
	buffer_init(&frame);
	if (message_encode_reply(&frame, BODY_MAX, METHOD_HELLO, &reply) < 0)
		abort();
	say(server, frame.data, frame.len);
	buffer_deinit(&frame);
}

static void say_reply(const struct server *server, const uint8_t *data,
		      size_t len)
{
	uint8_t frame[FRAME_HEAD_LEN + REPLY_HEAD_LEN + UINT8_MAX];

	frame_put_head(frame, REPLY_HEAD_LEN + len);
	frame[4] = 0x94; /* an array of four: 1, the id, two more */
	frame[5] = 0x01;
	frame[6] = 0xcc;
	frame[7] = server->id;
	memcpy(frame + 8, data, len);
	say(server, frame, 8 + len);
}

/* Says the next chunk, or ends. */
static void say_next(struct server *server)
{
	size_t len;

	if (server->size == 0 || server->id == CHUNKS_MAX) {
		shutdown(server->fd, SHUT_WR);
		return;
	}
	len = server->data[0] < server->size - 1 ? server->data[0]
						 : server->size - 1;
	if (server->as_replies)
		say_reply(server, server->data + 1, len);
	else
		say(server, server->data + 1, len);
	server->id++;
	server->data += 1 + len;
	server->size -= 1 + len;
}

/*
 * A handle on a new connection to PEER, the server's side.  A socket that
 * keeps packets apart gives each chunk a recv() of its own.
 */
static struct getme *connect_to(int *peer)
{
	struct socket_path path = { .text = "/nonexistent/getme.sock" };
	struct getme *handle = handle_new(&path, TIMEOUT_MS);
	int fds[2];

	if (!handle || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds) < 0)
		abort();
	transport_adopt(&handle->transport, fds[0]);
	*peer = fds[1];
	return handle;
}

static void many(struct getme *handle)
{
	const struct getme_bytes keys[] = { { "a", 1 },
					    { "b", 1 },
					    { "c", 1 } };
	struct getme_item items[3];
	int i;

	if (getme_get_many(handle, keys, 3, items) != 0)
		return;
	for (i = 0; i < 3; i++)
		if (items[i].result == 0)
			look(items[i].value.data, items[i].value.len);
}

static void scan(struct getme *handle, int with_values)
{
	struct getme_scan_options options = GETME_SCAN_OPTIONS_INIT;
	struct getme_scan *made;
	struct getme_item item;
	int i;

	options.with_values = with_values;
	if (getme_scan_open(handle, &options, &made) != 0)
		abort();
	for (i = 0; i < SCAN_MAX && getme_scan_next(made, &item) == 0; i++) {
		look(item.key.data, item.key.len);
		if (with_values)
			look(item.value.data, item.value.len);
	}
	getme_scan_close(made);
}

static void stats(struct getme *handle)
{
	const struct getme_stats_row *rows;
	size_t n;
	size_t i;

	if (getme_stats(handle, &rows, &n) != 0)
		return;
	for (i = 0; i < n; i++) {
		look(rows[i].name, strlen(rows[i].name));
		look(rows[i].help, strlen(rows[i].help));
		look(rows[i].text, strlen(rows[i].text));
	}
}

static void batch(struct getme *handle, int submit)
{
	struct getme_batch *made;
	struct getme_written written;

	if (getme_batch_new(&made) != 0)
		abort();
	getme_batch_put(made, "k", 1, "v", 1, NULL);
	getme_batch_delete(made, "j", 1, NULL);
	if (submit)
		getme_submit_batch(handle, made, NULL, NULL);
	else if (getme_batch_apply(handle, made, NULL, &written) ==
			 GETME_CONDITION &&
		 written.failed_index > 1)
		abort();
	getme_batch_free(made);
}

static void collect(struct getme *handle, int wait)
{
	struct getme_answer answer;

	if (getme_collect(handle, wait, &answer) == 0 && answer.result == 0)
		look(answer.value.data, answer.value.len);
}

static void operate(struct getme *handle, uint8_t operation)
{
	struct getme_value value;
	uint64_t count;

	switch (operation % 20) {
	case 0:
		if (getme_get(handle, "k", 1, &value) == 0)
			look(value.data, value.len);
		return;
	case 1:
		getme_stat(handle, "k", 1, &value);
		return;
	case 2:
		getme_put(handle, "k", 1, "v", 1, NULL, NULL);
		return;
	case 3:
		getme_delete(handle, "k", 1, NULL, NULL);
		return;
	case 4:
		getme_incr(handle, "k", 1, 1, NULL, NULL);
		return;
	case 5:
		getme_touch(handle, "k", 1, NULL, NULL);
		return;
	case 6:
		many(handle);
		return;
	case 7:
		batch(handle, 0);
		return;
	case 8:
		getme_count(handle, &count);
		return;
	case 9:
		scan(handle, 0);
		return;
	case 10:
		scan(handle, 1);
		return;
	case 11:
		stats(handle);
		return;
	case 12:
		getme_submit_get(handle, "k", 1, NULL);
		return;
	case 13:
		getme_submit_put(handle, "k", 1, "v", 1, NULL, NULL);
		return;
	case 14:
		getme_submit_delete(handle, "k", 1, NULL, NULL);
		return;
	case 15:
		batch(handle, 1);
		return;
	case 16:
		collect(handle, 1);
		return;
	case 17:
		collect(handle, 0);
		return;
	case 18:
		getme_process(handle);
		return;
	default:
		getme_ping(handle);
	}
}

/* Those that only submit: a reply before the request is out of turn. */
static int only_submits(uint8_t operation)
{
	return operation % 20 >= 12 && operation % 20 <= 15;
}

static void play(struct getme *handle, struct server *server,
		 const uint8_t *operations, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (!only_submits(operations[i]))
			say_next(server);
		operate(handle, operations[i]);
		if (only_submits(operations[i]))
			say_next(server);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct server server = { .id = 2 };
	struct getme *handle;
	size_t n;

	if (size < 1 || size - 1 < (size_t)(data[0] & OPERATIONS_MAX))
		return 0;
	n = data[0] & OPERATIONS_MAX;
	server.as_replies = !(data[0] & 0x80);
	server.data = data + 1 + n;
	server.size = size - 1 - n;
	handle = connect_to(&server.fd);
	if (server.as_replies)
		say_hello(&server);
	else
		say_next(&server);
	if (connect_hello(handle, DEADLINE_NOW) == 0)
		play(handle, &server, data + 1, n);
	getme_close(handle);
	close(server.fd);
	return 0;
}
