#include "tests/support/daemon_rig.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/frame.h"

enum {
	QUIET_ROUNDS = 3,     /* without any change: it is idle */
	ROUNDS_MAX = 1000000, /* then something turns in circles */
	READ_SIZE = 256 << 10,
	WAIT_MS = 20000, /* for a daemon elsewhere */
};

static void must(bool truth, const char *what)
{
	if (truth)
		return;
	fprintf(stderr, "daemon_rig: %s\n", what);
	abort();
}

static void wake(void *ctx)
{
	loop_wake(ctx);
}

void daemon_rig_init(struct daemon_rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	fake_behaviour_init(&rig->behaviour);
	limits_default(&rig->limits);
}

void daemon_rig_open(struct daemon_rig *rig)
{
	struct engine_host host = { .wake = wake };

	rig->loop = loop_new();
	must(rig->loop != NULL, "no loop");
	host.ctx = rig->loop;
	rig->engine = fake_engine_new(&rig->behaviour, &host);
	must(service_init(&rig->service, rig->loop, rig->engine,
			  &rig->limits) == 0,
	     "no service");
}

void daemon_rig_close(struct daemon_rig *rig)
{
	service_close_connections(&rig->service);
	engine_close(rig->engine);
	service_deinit(&rig->service);
	loop_free(rig->loop);
}

static uint64_t movement(const struct daemon_rig *rig)
{
	const struct metrics *metrics = &rig->service.metrics;

	return metrics->bytes_in_total + metrics->bytes_out_total +
	       metrics->connections + fake_engine_n_answered(rig->engine);
}

void daemon_rig_spin(struct daemon_rig *rig)
{
	uint64_t last = movement(rig);
	int quiet = 0;

	for (int i = 0; quiet < QUIET_ROUNDS; i++) {
		bool busy = fake_engine_may_move(rig->engine);

		must(loop_once(rig->loop, false) == 0, "the loop failed");
		must(i < ROUNDS_MAX, "it never rests");
		quiet = movement(rig) == last && !busy ? quiet + 1 : 0;
		last = movement(rig);
	}
}

void client_adopt(struct client *client, int fd, struct loop *loop)
{
	memset(client, 0, sizeof(*client));
	client->loop = loop;
	client->fd = fd;
	client->decoder = message_decoder_new();
	must(client->decoder != NULL, "no decoder");
}

void client_open(struct client *client, struct daemon_rig *rig)
{
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
			pair) == 0,
	     "no socketpair");
	client_adopt(client, pair[0], rig->loop);
	must(connection_new(&rig->service, pair[1], getuid(),
			    &client->connection) == 0,
	     "no connection");
}

int client_connect(struct client *client, const char *path, struct loop *loop)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int result;

	must(fd >= 0 && strlen(path) < sizeof(address.sun_path), "no socket");
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
		client_adopt(client, fd, loop);
		return 0;
	}
	result = -errno;
	close(fd);
	return result;
}

void client_close(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	buffer_deinit(&client->in);
	message_decoder_free(client->decoder);
	client->decoder = NULL;
}

size_t client_push_bytes(struct client *client, const void *data, size_t len)
{
	ssize_t n = send(client->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	return n < 0 ? 0 : (size_t)n;
}

/* Gives the other side time: its rounds, or real time when it is elsewhere. */
static void let_it_work(struct client *client, short events)
{
	struct pollfd poll_fd = { .fd = client->fd, .events = events };

	if (client->loop)
		must(loop_once(client->loop, false) == 0, "the loop failed");
	else
		must(poll(&poll_fd, 1, WAIT_MS) > 0, "it does not answer");
}

void client_send_bytes(struct client *client, const void *data, size_t len)
{
	const uint8_t *at = data;

	for (int i = 0; len > 0; i++) {
		ssize_t n =
			send(client->fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno != EAGAIN)
			return; /* it was closed: the reading side tells */
		if (n < 0)
			n = 0;
		at += n;
		len -= (size_t)n;
		must(i < ROUNDS_MAX, "it takes no bytes");
		if (len > 0)
			let_it_work(client, POLLOUT);
	}
}

uint32_t client_send(struct client *client, struct message_request *request)
{
	struct buffer frame;

	buffer_init(&frame);
	request->id = ++client->last_id;
	must(message_encode_request(&frame, SIZE_MAX / 4, request) == 0,
	     "cannot encode");
	client_send_bytes(client, frame.data, frame.len);
	buffer_deinit(&frame);
	return request->id;
}

struct message_bytes text_bytes(const char *text)
{
	return (struct message_bytes){ .data = text, .len = strlen(text) };
}

uint32_t client_send_plain(struct client *client, enum method_id method)
{
	struct message_request request = { .method = method };

	return client_send(client, &request);
}

uint32_t client_send_get(struct client *client, const char *key)
{
	struct message_request request = { .method = METHOD_GET,
					   .key = text_bytes(key) };

	return client_send(client, &request);
}

uint32_t client_send_put_bytes(struct client *client, const char *key,
			       const void *value, size_t len)
{
	struct message_request request = { .method = METHOD_PUT,
					   .key = text_bytes(key),
					   .value = { value, len } };

	return client_send(client, &request);
}

uint32_t client_send_put(struct client *client, const char *key,
			 const char *value)
{
	return client_send_put_bytes(client, key, value, strlen(value));
}

/* False: nothing is there now; END: nothing will come. */
static bool read_more(struct client *client, bool *end)
{
	struct buffer *in = &client->in;
	ssize_t n;

	*end = false;
	must(buffer_reserve(in, READ_SIZE) == 0, "no memory");
	n = recv(client->fd, in->data + in->len, READ_SIZE, MSG_DONTWAIT);
	if (n > 0)
		in->len += (size_t)n;
	else if (n == 0 || errno != EAGAIN)
		*end = true;
	return n > 0;
}

static int look(struct client *client, const uint8_t **body, size_t *body_len)
{
	size_t need;

	return frame_parse(client->in.data, client->in.len, SIZE_MAX / 4, body,
			   body_len, &need);
}

bool client_wait_frame(struct client *client, const uint8_t **body,
		       size_t *body_len)
{
	for (int i = 0; look(client, body, body_len) != 0; i++) {
		bool end;

		must(i < ROUNDS_MAX, "no reply comes");
		if (read_more(client, &end))
			continue;
		if (end)
			return false;
		let_it_work(client, POLLIN);
	}
	return true;
}

void client_drop_frame(struct client *client)
{
	const uint8_t *body;
	size_t body_len;

	must(look(client, &body, &body_len) == 0, "there is no frame");
	buffer_consume(&client->in, FRAME_HEAD_LEN + body_len);
}

bool client_has_frame(struct client *client)
{
	const uint8_t *body;
	size_t body_len;
	bool end = false;

	while (look(client, &body, &body_len) != 0)
		if (!read_more(client, &end))
			return end;
	return true;
}

void client_wait_reply(struct client *client, uint32_t id,
		       enum method_id method, struct message_reply *reply)
{
	struct message_error error = { .code = 0 };
	const uint8_t *body;
	size_t body_len;

	must(client_wait_frame(client, &body, &body_len), "it has closed");
	memset(reply, 0, sizeof(*reply));
	if (message_decode_reply(client->decoder, method, body, body_len, reply,
				 &error) < 0) {
		fprintf(stderr, "daemon_rig: bad reply: %s\n", error.text);
		abort();
	}
	must(reply->id == id, "a reply is out of order");
}

void client_end_reply(struct client *client, struct message_reply *reply)
{
	message_reply_deinit(reply);
	client_drop_frame(client);
}

unsigned int client_wait_code(struct client *client, uint32_t id,
			      enum method_id method)
{
	struct message_reply reply;
	unsigned int code;

	client_wait_reply(client, id, method, &reply);
	code = reply.error.code;
	client_end_reply(client, &reply);
	return code;
}

bool client_wait_value(struct client *client, uint32_t id, const char *value)
{
	struct message_reply reply;
	bool same;

	client_wait_reply(client, id, METHOD_GET, &reply);
	if (reply.error.code != 0 || reply.missing)
		same = reply.error.code == 0 && !value;
	else
		same = value && reply.n_items == 1 &&
		       reply.items[0].value.len == strlen(value) &&
		       memcmp(reply.items[0].value.data, value,
			      strlen(value)) == 0;
	client_end_reply(client, &reply);
	return same;
}

bool client_was_refused(struct client *client, const char *part)
{
	struct message_reply reply;
	const uint8_t *body;
	size_t body_len;
	bool refused;

	client_wait_reply(client, 0, METHOD_PING, &reply);
	refused = reply.error.code == MESSAGE_ERROR_BUSY &&
		  strstr(reply.error.text, part);
	client_end_reply(client, &reply);
	return refused && !client_wait_frame(client, &body, &body_len);
}
