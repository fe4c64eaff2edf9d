/*
 * load: the same requests to getMe or to redis, from one process.
 *
 *	load TARGET SOCKET OP CONNECTIONS DEPTH REQUESTS [KEYS [VALUE [PID
 *	     [DURABILITY]]]]
 *
 * TARGET is getme or redis, OP get or set.  Every connection keeps DEPTH
 * requests in flight; keys are "key:%012u" below KEYS, in a fixed random
 * order.  With PID, the server's CPU time is read from /proc.  Prints one
 * line: requests a second, and CPU microseconds an operation of the server.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "proto/buffer.h"
#include "proto/frame.h"
#include "proto/message.h"

enum {
	KEY_LEN = 16,
	IN_LEN = 1 << 20,
	BODY_MAX = 64 << 20,
	EVENTS = 64,
};

struct connection {
	int fd;
	struct buffer out;
	uint8_t *in;
	size_t in_len;
	unsigned int in_flight;
};

struct load {
	bool redis;
	bool set;
	unsigned int depth;
	uint64_t left;	  /* to be sent */
	uint64_t waiting; /* for their replies */
	uint64_t n_keys;
	uint64_t random;
	size_t value_len;
	char *value;
	enum message_durability durability;
	uint64_t n_bad;
};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* xorshift64: the same keys in every run. */
static uint64_t next_random(struct load *load)
{
	load->random ^= load->random << 13;
	load->random ^= load->random >> 7;
	load->random ^= load->random << 17;
	return load->random;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 ||
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		die(path);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void encode_redis(const struct load *load, const char *key,
			 struct buffer *out)
{
	char text[128];
	int n;

	if (!load->set) {
		n = snprintf(text, sizeof(text),
			     "*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n", KEY_LEN, key);
		buffer_append(out, text, (size_t)n);
		return;
	}
	n = snprintf(text, sizeof(text),
		     "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%zu\r\n", KEY_LEN, key,
		     load->value_len);
	buffer_append(out, text, (size_t)n);
	buffer_append(out, load->value, load->value_len);
	buffer_append(out, "\r\n", 2);
}

static void encode_getme(const struct load *load, const char *key,
			 struct buffer *out)
{
	struct message_request request = {
		.method = load->set ? METHOD_PUT : METHOD_GET,
		.key = { .data = key, .len = KEY_LEN },
	};

	if (load->set) {
		request.value.data = load->value;
		request.value.len = load->value_len;
		if (load->durability) {
			request.options.present = OPT_DURABILITY;
			request.options.durability = load->durability;
		}
	}
	if (message_encode_request(out, BODY_MAX, &request) < 0)
		die("encode");
}

static void fill(struct load *load, struct connection *connection)
{
	while (connection->in_flight < load->depth && load->left > 0) {
		char key[KEY_LEN + 16];

		snprintf(
			key, sizeof(key), "key:%012llu",
			(unsigned long long)(next_random(load) % load->n_keys));
		if (load->redis)
			encode_redis(load, key, &connection->out);
		else
			encode_getme(load, key, &connection->out);
		connection->in_flight++;
		load->left--;
		load->waiting++;
	}
}

static void flush(struct connection *connection)
{
	while (connection->out.len > 0) {
		ssize_t n = send(connection->fd, connection->out.data,
				 connection->out.len, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0)
			die("send");
		buffer_consume(&connection->out, (size_t)n);
	}
}

/* The length of the reply at DATA; 0: not whole yet. */
static size_t redis_reply(const uint8_t *data, size_t len, uint64_t *n_bad)
{
	const uint8_t *end = memchr(data, '\n', len);
	size_t head;
	long body;

	if (!end)
		return 0;
	head = (size_t)(end - data) + 1;
	if (data[0] == '-')
		++*n_bad;
	if (data[0] != '$')
		return head;
	body = strtol((const char *)data + 1, NULL, 10);
	if (body < 0) {
		++*n_bad;
		return head;
	}
	return len >= head + (size_t)body + 2 ? head + (size_t)body + 2 : 0;
}

static size_t getme_reply(const uint8_t *data, size_t len, uint64_t *n_bad)
{
	const uint8_t *body;
	size_t body_len;
	size_t need;
	int result = frame_parse(data, len, BODY_MAX, &body, &body_len, &need);

	if (result == FRAME_PARTIAL)
		return 0;
	if (result != 0)
		die("frame");
	/* [1, id, nil, result]: anything but nil at the end is an answer. */
	if (body[body_len - 1] == 0xc0 && body_len < 10)
		++*n_bad;
	return FRAME_HEAD_LEN + body_len;
}

static void take_replies(struct load *load, struct connection *connection)
{
	size_t at = 0;

	for (;;) {
		size_t len = connection->in_len - at;
		size_t n = 0;

		if (len > 0 && load->redis)
			n = redis_reply(connection->in + at, len, &load->n_bad);
		else if (len > 0)
			n = getme_reply(connection->in + at, len, &load->n_bad);
		if (n == 0)
			break;
		at += n;
		connection->in_flight--;
		load->waiting--;
	}
	memmove(connection->in, connection->in + at, connection->in_len - at);
	connection->in_len -= at;
}

static void receive(struct load *load, struct connection *connection)
{
	ssize_t n = recv(connection->fd, connection->in + connection->in_len,
			 IN_LEN - connection->in_len, 0);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		die("recv");
	if (n > 0)
		connection->in_len += (size_t)n;
	take_replies(load, connection);
}

/* User and system time of a process, in seconds. */
static double cpu_of(long pid)
{
	char path[64];
	char text[1024] = "";
	unsigned long ticks = 0;
	char *at;
	int field;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (!fgets(text, sizeof(text), file))
		text[0] = 0;
	fclose(file);
	/* Behind the name: the state is field 3, the times are 14 and 15. */
	at = strrchr(text, ')');
	for (field = 3; at && field <= 15; field++) {
		at = strchr(at + 1, ' ');
		if (at && field >= 14)
			ticks += strtoul(at, NULL, 10);
	}
	return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

static void run(struct load *load, struct connection *connections, int n)
{
	struct epoll_event events[EVENTS];
	int epoll = epoll_create1(0);
	int i;

	for (i = 0; i < n; i++) {
		struct epoll_event event = {
			.events = EPOLLIN | EPOLLOUT | EPOLLET,
			.data.ptr = &connections[i],
		};

		epoll_ctl(epoll, EPOLL_CTL_ADD, connections[i].fd, &event);
		fill(load, &connections[i]);
		flush(&connections[i]);
	}
	while (load->waiting > 0) {
		int n_events = epoll_wait(epoll, events, EVENTS, 10000);

		if (n_events == 0) {
			fprintf(stderr, "load: no reply for 10 s\n");
			exit(1);
		}
		for (i = 0; i < n_events; i++) {
			struct connection *connection = events[i].data.ptr;

			if (events[i].events & EPOLLIN)
				receive(load, connection);
			fill(load, connection);
			flush(connection);
		}
	}
	close(epoll);
}

static enum message_durability durability_of(const char *text)
{
	if (strcmp(text, "none") == 0)
		return MESSAGE_DURABILITY_NONE;
	if (strcmp(text, "interval") == 0)
		return MESSAGE_DURABILITY_INTERVAL;
	return MESSAGE_DURABILITY_ALWAYS;
}

int main(int argc, char **argv)
{
	struct load load = { .random = 88172645463325252ULL };
	struct connection *connections;
	uint64_t n_requests;
	double begin, cpu, seconds;
	long pid;
	int n;
	int i;

	if (argc < 7) {
		fprintf(stderr,
			"usage: load TARGET SOCKET OP CONNECTIONS DEPTH "
			"REQUESTS [KEYS [VALUE [PID [DURABILITY]]]]\n");
		return 2;
	}
	load.redis = strcmp(argv[1], "redis") == 0;
	load.set = strcmp(argv[3], "set") == 0;
	n = (int)strtol(argv[4], NULL, 10);
	load.depth = (unsigned int)strtoul(argv[5], NULL, 10);
	n_requests = strtoull(argv[6], NULL, 10);
	load.n_keys = argc > 7 ? strtoull(argv[7], NULL, 10) : 100000;
	load.value_len = argc > 8 ? strtoull(argv[8], NULL, 10) : 100;
	pid = argc > 9 ? strtol(argv[9], NULL, 10) : 0;
	if (argc > 10)
		load.durability = durability_of(argv[10]);
	load.left = n_requests;
	load.value = malloc(load.value_len + 1);
	connections = calloc((size_t)n, sizeof(*connections));
	if (!load.value || !connections)
		die("malloc");
	memset(load.value, 'x', load.value_len);
	for (i = 0; i < n; i++) {
		connections[i].fd = connect_to(argv[2]);
		connections[i].in = malloc(IN_LEN);
		if (!connections[i].in)
			die("malloc");
	}
	begin = now();
	cpu = cpu_of(pid);
	run(&load, connections, n);
	seconds = now() - begin;
	cpu = cpu_of(pid) - cpu;
	printf("%.0f %.3f", (double)n_requests / seconds,
	       cpu * 1e6 / (double)n_requests);
	if (load.n_bad > 0)
		printf(" (%llu misses or errors)",
		       (unsigned long long)load.n_bad);
	printf("\n");
	for (i = 0; i < n; i++) {
		close(connections[i].fd);
		free(connections[i].in);
		buffer_deinit(&connections[i].out);
	}
	free(connections);
	free(load.value);
	return 0;
}
