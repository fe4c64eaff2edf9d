/*
 * generator: the same requests to getMe, redis or memcached, from one process.
 *
 *	generator TARGET SOCKET MIX CONNECTIONS DEPTH SECONDS KEYS VALUE PID
 *		  [DURABILITY]
 *
 * TARGET is getme, redis or memcached (its meta commands).  MIX: "get", "set",
 * "load" (every key once, in order; SECONDS does not count) or a percentage of
 * gets, then with zipfian keys.  Every connection keeps DEPTH requests in
 * flight.  Requests are copied from a template into which the key is written;
 * of replies the lengths are read, and whether they are errors or misses,
 * which end the run.  PID is the server's, for its CPU time.  Prints one line:
 * operations a second, CPU us an operation of the server, of this program.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/buffer.h"
#include "proto/message.h"
#include "tests/bench/bench_kit.h"

enum {
	BODY_MAX = 80 << 20,
	CONNECTIONS_MAX = 256,
	IN_MIN = 256 << 10,
	EVENTS = 64,
};

struct template
{
	struct buffer bytes;
	size_t key_at;	 /* where the key goes */
	size_t value_at; /* a value's beginning, which repeats it; or 0 */
};

struct connection {
	int fd;
	uint8_t *out;
	size_t out_len, out_at;
	uint8_t *in;
	size_t in_len;
	unsigned int in_flight;
	bool waits; /* for room to send */
};

/* One reply at DATA: its length, 0 when it is not whole; dies on an error. */
typedef size_t parse_reply(const uint8_t *data, size_t len);

static struct template get_template, set_template;
static parse_reply *parse;
static unsigned int depth;
static unsigned int percent_gets;
static bool is_load, is_zipf;
static uint64_t n_keys, n_sent, n_done;
static size_t in_cap;
static struct kit_random random_ = { 88172645463325252 };
static struct kit_zipf zipf;
static struct connection connections[CONNECTIONS_MAX];
static int poll_fd;

/* ---- getMe ---- */

static size_t parse_getme(const uint8_t *data, size_t len)
{
	size_t body;

	if (len < 4)
		return 0;
	body = (size_t)data[0] << 24 | (size_t)data[1] << 16 |
	       (size_t)data[2] << 8 | data[3];
	if (len < 4 + body)
		return 0;
	/* [1, 1, nil, result that is not nil] */
	if (memcmp(data + 4, "\x94\x01\x01\xc0", 4) != 0 || data[8] == 0xc0)
		kit_die("getMe: an error, or a key that is not there");
	return 4 + body;
}

static void make_getme(struct template *template, bool is_set,
		       const char *value, size_t value_len,
		       const char *durability)
{
	char key[KIT_KEY_LEN];
	struct message_request request = {
		.id = 1,
		.method = is_set ? METHOD_PUT : METHOD_GET,
		.key = { key, KIT_KEY_LEN },
		.value = { value, value_len },
	};

	kit_key(123456789012, key);
	if (is_set && durability) {
		request.options.present = OPT_DURABILITY;
		request.options.durability =
			strcmp(durability, "none") == 0
				? MESSAGE_DURABILITY_NONE
			: strcmp(durability, "interval") == 0
				? MESSAGE_DURABILITY_INTERVAL
				: MESSAGE_DURABILITY_ALWAYS;
	}
	buffer_init(&template->bytes);
	if (message_encode_request(&template->bytes, BODY_MAX, &request) < 0)
		kit_die("cannot encode a request");
}

/* ---- redis ---- */

static size_t line_len(const uint8_t *data, size_t len)
{
	const uint8_t *end = memchr(data, '\n', len);

	return end ? (size_t)(end - data) + 1 : 0;
}

static size_t parse_redis(const uint8_t *data, size_t len)
{
	size_t line = line_len(data, len);
	size_t whole;

	if (line == 0)
		return 0;
	if (data[0] == '+')
		return line;
	if (data[0] != '$' || data[1] == '-')
		kit_die("redis: %.*s", (int)line - 2, (const char *)data);
	whole = line + strtoul((const char *)data + 1, NULL, 10) + 2;
	return len < whole ? 0 : whole;
}

static void add(struct template *template, const void *data, size_t len)
{
	if (buffer_append(&template->bytes, data, len) < 0)
		kit_die("out of memory");
}

static void add_text(struct template *template, const char *text)
{
	add(template, text, strlen(text));
}

static void make_redis(struct template *template, bool is_set,
		       const char *value, size_t value_len)
{
	char head[64];

	buffer_init(&template->bytes);
	add_text(template, is_set ? "*3\r\n$3\r\nSET\r\n$16\r\n"
				  : "*2\r\n$3\r\nGET\r\n$16\r\n");
	add_text(template, "key:123456789012\r\n");
	if (!is_set)
		return;
	snprintf(head, sizeof(head), "$%zu\r\n", value_len);
	add_text(template, head);
	add(template, value, value_len);
	add_text(template, "\r\n");
}

/* ---- memcached ---- */

static size_t parse_memcached(const uint8_t *data, size_t len)
{
	size_t line = line_len(data, len);
	size_t whole;

	if (line == 0)
		return 0;
	if (memcmp(data, "HD", 2) == 0)
		return line;
	if (memcmp(data, "VA ", 3) != 0)
		kit_die("memcached: %.*s", (int)line - 2, (const char *)data);
	whole = line + strtoul((const char *)data + 3, NULL, 10) + 2;
	return len < whole ? 0 : whole;
}

static void make_memcached(struct template *template, bool is_set,
			   const char *value, size_t value_len)
{
	char head[64];

	buffer_init(&template->bytes);
	if (!is_set) {
		add_text(template, "mg key:123456789012 v\r\n");
		return;
	}
	snprintf(head, sizeof(head), "ms key:123456789012 %zu\r\n", value_len);
	add_text(template, head);
	add(template, value, value_len);
	add_text(template, "\r\n");
}

/* ---- templates ---- */

static void find_key(struct template *template)
{
	const uint8_t *key = memmem(template->bytes.data, template->bytes.len,
				    "key:123456789012", KIT_KEY_LEN);

	if (!key)
		kit_die("a request without its key");
	template->key_at = (size_t)(key - template->bytes.data);
}

static void make_templates(const char *target, size_t value_len,
			   const char *durability)
{
	char *value = malloc(value_len);
	const uint8_t *at;

	if (!value)
		kit_die("out of memory");
	kit_value(value, value_len);
	if (strcmp(target, "getme") == 0) {
		parse = parse_getme;
		make_getme(&get_template, false, value, value_len, NULL);
		make_getme(&set_template, true, value, value_len, durability);
	} else if (strcmp(target, "redis") == 0) {
		parse = parse_redis;
		make_redis(&get_template, false, value, value_len);
		make_redis(&set_template, true, value, value_len);
	} else {
		parse = parse_memcached;
		make_memcached(&get_template, false, value, value_len);
		make_memcached(&set_template, true, value, value_len);
	}
	find_key(&get_template);
	find_key(&set_template);
	at = memmem(set_template.bytes.data, set_template.bytes.len, value,
		    value_len);
	set_template.value_at = (size_t)(at - set_template.bytes.data);
	free(value);
}

/* ---- sending and receiving ---- */

static uint64_t next_key(void)
{
	if (is_load)
		return n_sent;
	if (is_zipf)
		return kit_zipf_next(&zipf, &random_);
	return kit_next(&random_) % n_keys;
}

static bool is_get(void)
{
	return percent_gets == 100 ||
	       (percent_gets > 0 && kit_next(&random_) % 100 < percent_gets);
}

static void add_request(struct connection *connection)
{
	const struct template *template =
		is_get() ? &get_template : &set_template;
	uint8_t *to = connection->out + connection->out_len;
	char key[KIT_KEY_LEN];

	kit_key(next_key(), key);
	memcpy(to, template->bytes.data, template->bytes.len);
	memcpy(to + template->key_at, key, KIT_KEY_LEN);
	if (template->value_at)
		memcpy(to + template->value_at, key, KIT_KEY_LEN);
	connection->out_len += template->bytes.len;
	connection->in_flight++;
	n_sent++;
}

static void want(const struct connection *connection, uint32_t events)
{
	struct epoll_event event = { .events = events,
				     .data.ptr =
					     (void *)(uintptr_t)connection };

	epoll_ctl(poll_fd, EPOLL_CTL_MOD, connection->fd, &event);
}

static void send_out(struct connection *connection)
{
	while (connection->out_at < connection->out_len) {
		ssize_t n = send(
			connection->fd, connection->out + connection->out_at,
			connection->out_len - connection->out_at, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			if (!connection->waits)
				want(connection, EPOLLIN | EPOLLOUT);
			connection->waits = true;
			return;
		}
		if (n < 0)
			kit_die("send: %s", strerror(errno));
		connection->out_at += (size_t)n;
	}
	connection->out_at = connection->out_len = 0;
	if (connection->waits)
		want(connection, EPOLLIN);
	connection->waits = false;
}

static void refill(struct connection *connection, bool over)
{
	if (connection->out_len > 0)
		return;
	while (!over && connection->in_flight < depth &&
	       (!is_load || n_sent < n_keys))
		add_request(connection);
	send_out(connection);
}

static void receive(struct connection *connection)
{
	size_t at = 0;
	ssize_t n = recv(connection->fd, connection->in + connection->in_len,
			 in_cap - connection->in_len, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		kit_die("the server has closed a connection");
	connection->in_len += (size_t)n;
	for (;;) {
		size_t len =
			parse(connection->in + at, connection->in_len - at);

		if (len == 0)
			break;
		at += len;
		connection->in_flight--;
		n_done++;
	}
	connection->in_len -= at;
	memmove(connection->in, connection->in + at, connection->in_len);
}

static void open_connection(struct connection *connection, const char *path,
			    size_t request_max)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct epoll_event event = { .events = EPOLLIN,
				     .data.ptr = connection };

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	connection->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connection->fd < 0 ||
	    connect(connection->fd, (const struct sockaddr *)&address,
		    sizeof(address)) < 0 ||
	    fcntl(connection->fd, F_SETFL, O_NONBLOCK) < 0 ||
	    epoll_ctl(poll_fd, EPOLL_CTL_ADD, connection->fd, &event) < 0)
		kit_die("%s: %s", path, strerror(errno));
	connection->out = malloc(request_max * depth);
	connection->in = malloc(in_cap);
	if (!connection->out || !connection->in)
		kit_die("out of memory");
}

static void turn(bool over)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(poll_fd, events, EVENTS, 1000);

	for (int i = 0; i < n; i++) {
		struct connection *connection = events[i].data.ptr;

		if (events[i].events & EPOLLOUT)
			send_out(connection);
		if (events[i].events & EPOLLIN)
			receive(connection);
		refill(connection, over);
	}
}

static void run(unsigned int n, double seconds, long pid)
{
	double begin = kit_now_s();
	double server = kit_cpu_of_s(pid);
	double own = kit_cpu_s();
	uint64_t done;
	double took;

	for (unsigned int i = 0; i < n; i++)
		refill(&connections[i], false);
	if (is_load) {
		while (n_done < n_keys)
			turn(false);
	} else {
		while (kit_now_s() - begin < seconds)
			turn(false);
	}
	took = kit_now_s() - begin;
	done = n_done;
	printf("%.0f %.3f %.3f\n", (double)done / took,
	       (kit_cpu_of_s(pid) - server) / (double)done * 1e6,
	       (kit_cpu_s() - own) / (double)done * 1e6);
	while (n_done < n_sent)
		turn(true);
}

static void read_mix(const char *mix)
{
	is_load = strcmp(mix, "load") == 0;
	if (strcmp(mix, "get") == 0) {
		percent_gets = 100;
	} else if (!is_load && strcmp(mix, "set") != 0) {
		percent_gets = (unsigned int)strtoul(mix, NULL, 10);
		is_zipf = true;
		kit_zipf_init(&zipf, n_keys);
	}
}

int main(int argc, char **argv)
{
	unsigned int n;
	size_t value_len;

	if (argc < 10 || argc > 11) {
		fputs("usage: see the head of generator.c\n", stderr);
		return 2;
	}
	n = (unsigned int)strtoul(argv[4], NULL, 10);
	depth = (unsigned int)strtoul(argv[5], NULL, 10);
	n_keys = strtoull(argv[7], NULL, 10);
	value_len = strtoul(argv[8], NULL, 10);
	if (n == 0 || n > CONNECTIONS_MAX || depth == 0 || n_keys == 0 ||
	    value_len < KIT_KEY_LEN)
		kit_die("a number is out of range");
	read_mix(argv[3]);
	make_templates(argv[1], value_len, argc > 10 ? argv[10] : NULL);
	in_cap = value_len * 2 + IN_MIN;
	poll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned int i = 0; i < n; i++)
		open_connection(&connections[i], argv[2],
				set_template.bytes.len +
					get_template.bytes.len);
	run(n, strtod(argv[6], NULL), strtol(argv[9], NULL, 10));
	return 0;
}
