#include "tests/support/fake_server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "proto/frame.h"
#include "tests/support/msgpack_text.h"

enum {
	RULES_MAX = 16,
	PEERS_MAX = 16,
	OUTPUT_MAX = 1 << 20, /* no more is read while this much waits */
	BODY_MAX = (1 << 30) + (1 << 20),
	READ_MAX = 64 << 10,
	AWAIT_S = 30, /* a test that waits longer has failed */
};

struct peer {
	int fd; /* -1: free */
	struct buffer in;
	struct buffer out;
	bool said_hello;
	bool held;
	bool silent;
	bool closing;	 /* when out is sent */
	bool dripping;	 /* one byte at a time */
	size_t cut_left; /* SIZE_MAX: no cut */
	/* Descriptors that go with a byte of out, FDS_AT of it. */
	int fds[FAKE_FDS_MAX];
	unsigned int n_fds;
	size_t fds_at;
};

struct fake_server {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	char folder[32];
	char path[64];
	int wake_fd;
	int listen_fd; /* -1: down */
	bool stopping;
	bool want_drop;
	bool not_reading;
	size_t chunk;
	size_t cut_input; /* SIZE_MAX: none */
	struct fake_hello hello;
	struct fake_rule rules[RULES_MAX];
	unsigned int used[RULES_MAX];
	size_t n_rules;
	struct fake_store *store;
	struct message_decoder *decoder;
	struct peer peers[PEERS_MAX];
	unsigned int seen[METHOD_COUNT_OF];
	unsigned int n_connections;
	unsigned int n_closed;
};

static void check(bool ok)
{
	if (!ok) {
		perror("fake_server");
		abort();
	}
}

static void lock(struct fake_server *server)
{
	check(pthread_mutex_lock(&server->mutex) == 0);
}

static void unlock(struct fake_server *server)
{
	check(pthread_mutex_unlock(&server->mutex) == 0);
}

/* The thread looks at everything again. */
static void wake(struct fake_server *server)
{
	uint64_t one = 1;

	check(write(server->wake_fd, &one, sizeof(one)) == sizeof(one));
}

static void close_peer(struct fake_server *server, struct peer *peer)
{
	close(peer->fd);
	peer->fd = -1;
	buffer_deinit(&peer->in);
	buffer_deinit(&peer->out);
	server->n_closed++;
	pthread_cond_broadcast(&server->changed);
}

/* ---- what a request brings ---- */

static void append(struct peer *peer, const void *data, size_t len)
{
	check(buffer_append(&peer->out, data, len) == 0);
}

static void append_frame(struct peer *peer, const void *body, size_t len)
{
	uint8_t head[FRAME_HEAD_LEN];

	frame_put_head(head, len);
	append(peer, head, sizeof(head));
	append(peer, body, len);
}

static void append_error(struct peer *peer, uint32_t id,
			 const struct fake_rule *rule)
{
	struct message_error error;

	error.code = rule->code;
	snprintf(error.text, sizeof(error.text), "%s",
		 rule->text ? rule->text : "");
	check(message_encode_error(&peer->out, id, &error) == 0);
}

static void answer(struct fake_server *server, struct peer *peer,
		   const struct message_request *request)
{
	fake_store_answer(server->store, &server->hello, request, &peer->out);
}

static void answer_as(struct peer *peer, const struct fake_rule *rule,
		      const struct message_request *request)
{
	struct message_reply reply = rule->reply;

	reply.id = request->id;
	check(message_encode_reply(&peer->out, BODY_MAX, request->method,
				   &reply) == 0);
}

/* [1, id, nil, RESULT] */
static void append_result(struct peer *peer, uint32_t id, const char *result)
{
	uint8_t shape[] = { 0x94, 0x01, 0xce, 0, 0, 0, 0, 0xc0 };
	struct buffer body;
	size_t i;

	for (i = 0; i < 4; i++)
		shape[3 + i] = (uint8_t)(id >> (24 - 8 * i));
	buffer_init(&body);
	check(buffer_append(&body, shape, sizeof(shape)) == 0);
	msgpack_text_pack(&body, result);
	append_frame(peer, body.data, body.len);
	buffer_deinit(&body);
}

static void cut(struct peer *peer, size_t len)
{
	if (peer->out.len > len)
		peer->out.len = len;
	peer->closing = true;
}

static void misbehave(struct fake_server *server, struct peer *peer,
		      const struct fake_rule *rule,
		      struct message_request *request)
{
	/* [1, id, nil, {"a": [true]}], [2, "x", []] and a number. */
	uint8_t shape[] = { 0x94, 0x01, 0xce, 0,   0,	 0,   0,
			    0xc0, 0x81, 0xa1, 'a', 0x91, 0xc3 };
	static const uint8_t notify[] = { 0x93, 0x02, 0xa1, 'x', 0x90 };
	static const uint8_t number[] = { 0x2a };
	size_t before = peer->out.len;
	size_t i;

	switch (rule->act) {
	case FAKE_ANSWER:
		answer(server, peer, request);
		return;
	case FAKE_ERROR:
		append_error(peer, request->id, rule);
		return;
	case FAKE_LOSE:
	case FAKE_SILENT:
		answer(server, peer, request);
		peer->out.len = before;
		peer->closing = rule->act == FAKE_LOSE;
		peer->silent = rule->act == FAKE_SILENT;
		return;
	case FAKE_CUT:
		answer(server, peer, request);
		cut(peer, before + rule->at);
		return;
	case FAKE_HOLD:
		answer(server, peer, request);
		return;
	case FAKE_WRONG_ID:
		request->id += 77;
		answer(server, peer, request);
		return;
	case FAKE_TWICE:
		answer(server, peer, request);
		answer(server, peer, request);
		return;
	case FAKE_WRONG_SHAPE:
		for (i = 0; i < 4; i++)
			shape[3 + i] = (uint8_t)(request->id >> (24 - 8 * i));
		append_frame(peer, shape, sizeof(shape));
		return;
	case FAKE_NO_RPC:
		append_frame(peer, number, sizeof(number));
		return;
	case FAKE_NOTIFY:
		append_frame(peer, notify, sizeof(notify));
		return;
	case FAKE_HUGE:
		append(peer, "\xff\xff\xff\xff", 4);
		return;
	case FAKE_EMPTY:
		append(peer, "\0\0\0\0", 4);
		return;
	case FAKE_REFUSE:
		append_error(peer, 0, rule);
		peer->closing = true;
		return;
	case FAKE_REPLY:
		answer_as(peer, rule, request);
		return;
	case FAKE_DRIP:
		answer(server, peer, request);
		peer->dripping = true;
		return;
	case FAKE_REPLY_CUT:
		answer_as(peer, rule, request);
		cut(peer, before + rule->at);
		return;
	case FAKE_REPLY_DRIP:
		answer_as(peer, rule, request);
		peer->dripping = true;
		return;
	case FAKE_RESULT:
		append_result(peer, request->id, rule->text);
		return;
	}
}

/* What goes with the reply that begins at BEFORE. */
static void append_fds(struct peer *peer, const struct fake_rule *rule,
		       size_t before)
{
	if (rule->n_fds == 0)
		return;
	check(peer->n_fds == 0 && rule->n_fds <= FAKE_FDS_MAX);
	memcpy(peer->fds, rule->fds, sizeof(peer->fds));
	peer->n_fds = rule->n_fds;
	peer->fds_at = before + rule->fds_at;
}

static bool is_named(const struct fake_rule *rule, enum method_id method)
{
	if (rule->method == FAKE_ANY)
		return method != METHOD_HELLO;
	return rule->method == (int)method;
}

/* The rule for a request of METHOD, used once more; or NULL. */
static const struct fake_rule *find_rule(struct fake_server *server,
					 enum method_id method)
{
	const struct fake_rule *rule;
	unsigned int used;
	size_t i;

	for (i = 0; i < server->n_rules; i++) {
		rule = &server->rules[i];
		if (!is_named(rule, method))
			continue;
		used = server->used[i];
		if (rule->times > 0 && used >= rule->skip + rule->times)
			continue;
		server->used[i]++;
		if (used >= rule->skip)
			return rule;
	}
	return NULL;
}

static void serve(struct fake_server *server, struct peer *peer,
		  const uint8_t *body, size_t body_len)
{
	const size_t before = peer->out.len;
	const struct fake_rule *rule;
	struct message_request request;
	struct message_error error;

	check(message_decode_request(server->decoder, body, body_len, &request,
				     &error) == 0);
	server->seen[request.method]++;
	rule = find_rule(server, request.method);
	if (request.method == METHOD_HELLO) {
		peer->said_hello = true;
		peer->cut_left = server->cut_input;
		server->cut_input = SIZE_MAX;
	}
	if (rule) {
		misbehave(server, peer, rule, &request);
		append_fds(peer, rule, before);
	} else {
		answer(server, peer, &request);
	}
	if (rule && rule->act == FAKE_HOLD)
		peer->held = true;
	pthread_cond_broadcast(&server->changed);
}

/* ---- bytes ---- */

static bool is_stuck(const struct peer *peer)
{
	return peer->held || peer->closing || peer->out.len >= OUTPUT_MAX;
}

static void parse(struct fake_server *server, struct peer *peer)
{
	const uint8_t *body;
	size_t body_len;
	size_t need;

	while (!is_stuck(peer) && peer->in.len > 0 && !peer->silent) {
		if (peer->said_hello && peer->cut_left != SIZE_MAX)
			return;
		if (frame_parse(peer->in.data, peer->in.len, BODY_MAX, &body,
				&body_len, &need) != 0)
			return;
		serve(server, peer, body, body_len);
		buffer_consume(&peer->in, FRAME_HEAD_LEN + body_len);
	}
}

static size_t chunk_of(const struct fake_server *server,
		       const struct peer *peer, size_t len)
{
	if (peer->dripping)
		return len < 1 ? len : 1;
	return server->chunk && len > server->chunk ? server->chunk : len;
}

static void read_peer(struct fake_server *server, struct peer *peer)
{
	size_t len = chunk_of(server, peer, READ_MAX);
	ssize_t n;

	if (peer->cut_left < len)
		len = peer->cut_left;
	check(buffer_reserve(&peer->in, READ_MAX) == 0);
	n = len == 0 ? 0 : recv(peer->fd, peer->in.data + peer->in.len, len, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		close_peer(server, peer);
		return;
	}
	peer->in.len += (size_t)n;
	if (peer->cut_left != SIZE_MAX)
		peer->cut_left -= (size_t)n;
	if (peer->cut_left == 0)
		close_peer(server, peer);
}

/* As send, of the first LEN bytes of out and what is to go with the first. */
static ssize_t send_some(struct peer *peer, size_t len)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(peer->fds))];
	} control;
	struct iovec iov = { .iov_base = peer->out.data, .iov_len = len };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	size_t fds_len = peer->n_fds * sizeof(peer->fds[0]);
	ssize_t n;

	if (peer->n_fds > 0 && peer->fds_at == 0) {
		memset(&control, 0, sizeof(control));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(fds_len);
		memcpy(CMSG_DATA(&control.header), peer->fds, fds_len);
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(fds_len);
	}
	n = sendmsg(peer->fd, &message, MSG_NOSIGNAL);
	if (n > 0 && message.msg_control)
		peer->n_fds = 0;
	else if (n > 0 && peer->n_fds > 0)
		peer->fds_at -= (size_t)n;
	return n;
}

static void write_peer(struct fake_server *server, struct peer *peer)
{
	size_t len = chunk_of(server, peer, peer->out.len);
	ssize_t n;

	if (peer->held)
		return;
	/* What comes before them goes without them. */
	if (peer->n_fds > 0 && peer->fds_at > 0 && len > peer->fds_at)
		len = peer->fds_at;
	n = len == 0 ? 0 : send_some(peer, len);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0) {
		close_peer(server, peer);
		return;
	}
	buffer_consume(&peer->out, (size_t)n);
	if (peer->closing && peer->out.len == 0)
		close_peer(server, peer);
}

static void move_peer(struct fake_server *server, struct peer *peer,
		      short revents)
{
	if (peer->fd >= 0 && (revents & (POLLIN | POLLHUP | POLLERR)))
		read_peer(server, peer);
	if (peer->fd >= 0)
		parse(server, peer);
	if (peer->fd >= 0 && (peer->out.len > 0 || peer->closing))
		write_peer(server, peer);
}

static void accept_peer(struct fake_server *server)
{
	struct peer *peer = server->peers;
	int fd = accept4(server->listen_fd, NULL, NULL,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	while (peer->fd >= 0)
		peer++;
	check(peer < server->peers + PEERS_MAX);
	memset(peer, 0, sizeof(*peer));
	peer->fd = fd;
	peer->cut_left = SIZE_MAX;
	server->n_connections++;
}

/* ---- the thread ---- */

static short events_of(const struct fake_server *server,
		       const struct peer *peer)
{
	short events = 0;

	if (!server->not_reading && !is_stuck(peer))
		events |= POLLIN;
	if (peer->out.len > 0 && !peer->held)
		events |= POLLOUT;
	return events;
}

static void drop_peers(struct fake_server *server)
{
	size_t i;

	for (i = 0; i < PEERS_MAX; i++)
		if (server->peers[i].fd >= 0)
			close_peer(server, &server->peers[i]);
	server->want_drop = false;
	pthread_cond_broadcast(&server->changed);
}

static void turn(struct fake_server *server)
{
	struct pollfd polls[PEERS_MAX + 2];
	uint64_t ignored;
	size_t i;

	polls[0] = (struct pollfd){ server->wake_fd, POLLIN, 0 };
	polls[1] = (struct pollfd){ server->listen_fd, POLLIN, 0 };
	for (i = 0; i < PEERS_MAX; i++)
		polls[i + 2] =
			(struct pollfd){ server->peers[i].fd,
					 events_of(server, &server->peers[i]),
					 0 };
	unlock(server);
	check(poll(polls, PEERS_MAX + 2, -1) >= 0 || errno == EINTR);
	lock(server);
	if (polls[0].revents)
		check(read(server->wake_fd, &ignored, sizeof(ignored)) > 0);
	if (server->want_drop)
		drop_peers(server);
	for (i = 0; i < PEERS_MAX; i++)
		if (polls[i + 2].fd >= 0)
			move_peer(server, &server->peers[i],
				  polls[i + 2].revents);
	if (polls[1].revents && polls[1].fd == server->listen_fd)
		accept_peer(server);
}

static void *run(void *argument)
{
	struct fake_server *server = argument;

	lock(server);
	while (!server->stopping)
		turn(server);
	drop_peers(server);
	unlock(server);
	return NULL;
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	check(fd >= 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	check(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	check(listen(fd, 16) == 0);
	return fd;
}

struct fake_server *fake_server_start(void)
{
	struct fake_server *server = calloc(1, sizeof(*server));
	size_t i;

	check(server != NULL);
	for (i = 0; i < PEERS_MAX; i++)
		server->peers[i].fd = -1;
	pthread_mutex_init(&server->mutex, NULL);
	pthread_cond_init(&server->changed, NULL);
	strcpy(server->folder, "/tmp/getme-test-XXXXXX");
	check(mkdtemp(server->folder) != NULL);
	snprintf(server->path, sizeof(server->path), "%s/s", server->folder);
	server->listen_fd = listen_at(server->path);
	server->wake_fd = eventfd(0, EFD_CLOEXEC);
	server->cut_input = SIZE_MAX;
	server->hello.protocol = MESSAGE_PROTOCOL;
	server->store = fake_store_new();
	server->decoder = message_decoder_new();
	check(server->wake_fd >= 0 && server->decoder != NULL);
	check(pthread_create(&server->thread, NULL, run, server) == 0);
	return server;
}

void fake_server_stop(struct fake_server *server)
{
	lock(server);
	server->stopping = true;
	wake(server);
	unlock(server);
	check(pthread_join(server->thread, NULL) == 0);
	if (server->listen_fd >= 0) {
		close(server->listen_fd);
		unlink(server->path);
	}
	rmdir(server->folder);
	close(server->wake_fd);
	fake_store_free(server->store);
	message_decoder_free(server->decoder);
	pthread_mutex_destroy(&server->mutex);
	pthread_cond_destroy(&server->changed);
	free(server);
}

/* ---- what tests tell it ---- */

const char *fake_server_path(const struct fake_server *server)
{
	return server->path;
}

void fake_server_rule(struct fake_server *server, struct fake_rule rule)
{
	lock(server);
	check(server->n_rules < RULES_MAX);
	server->used[server->n_rules] = 0;
	server->rules[server->n_rules++] = rule;
	unlock(server);
}

void fake_server_forget_rules(struct fake_server *server)
{
	lock(server);
	server->n_rules = 0;
	unlock(server);
}

void fake_server_set_hello(struct fake_server *server, struct fake_hello hello)
{
	lock(server);
	server->hello = hello;
	unlock(server);
}

void fake_server_damage(struct fake_server *server, const char *key)
{
	lock(server);
	fake_store_damage(server->store, key, strlen(key));
	unlock(server);
}

void fake_server_release(struct fake_server *server)
{
	size_t i;

	lock(server);
	for (i = 0; i < PEERS_MAX; i++)
		server->peers[i].held = false;
	wake(server);
	unlock(server);
}

void fake_server_slow(struct fake_server *server, size_t chunk)
{
	lock(server);
	server->chunk = chunk;
	unlock(server);
}

void fake_server_cut_input(struct fake_server *server, size_t at)
{
	lock(server);
	server->cut_input = at;
	unlock(server);
}

void fake_server_stop_reading(struct fake_server *server, bool on)
{
	lock(server);
	server->not_reading = on;
	wake(server);
	unlock(server);
}

static void await_change(struct fake_server *server)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += AWAIT_S;
	check(pthread_cond_timedwait(&server->changed, &server->mutex,
				     &until) == 0);
}

void fake_server_drop(struct fake_server *server)
{
	lock(server);
	server->want_drop = true;
	wake(server);
	while (server->want_drop)
		await_change(server);
	unlock(server);
}

void fake_server_down(struct fake_server *server)
{
	lock(server);
	close(server->listen_fd);
	server->listen_fd = -1;
	unlink(server->path);
	unlock(server);
	fake_server_drop(server);
}

void fake_server_up(struct fake_server *server)
{
	lock(server);
	server->listen_fd = listen_at(server->path);
	wake(server);
	unlock(server);
}

static unsigned int count(const struct fake_server *server, int method)
{
	unsigned int n = 0;
	int i;

	if (method != FAKE_ANY)
		return server->seen[method];
	for (i = 0; i < METHOD_COUNT_OF; i++)
		if (i != METHOD_HELLO)
			n += server->seen[i];
	return n;
}

unsigned int fake_server_seen(struct fake_server *server, int method)
{
	unsigned int n;

	lock(server);
	n = count(server, method);
	unlock(server);
	return n;
}

void fake_server_await(struct fake_server *server, int method, unsigned int n)
{
	lock(server);
	while (count(server, method) < n)
		await_change(server);
	unlock(server);
}

void fake_server_await_closed(struct fake_server *server, unsigned int n)
{
	lock(server);
	while (server->n_closed < n)
		await_change(server);
	unlock(server);
}

unsigned int fake_server_connections(struct fake_server *server)
{
	unsigned int n;

	lock(server);
	n = server->n_connections;
	unlock(server);
	return n;
}
