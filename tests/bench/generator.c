/*
 * generator: the same requests to getMe, redis or memcached over a Unix
 * socket, from one process.
 *
 *	generator [-c CONNECTIONS] [-d IN_FLIGHT] [-k KEYS] [-v VALUE]
 *	          [-s SECONDS] [-p SERVER_PID] [-l LEVEL] WIRE SOCKET WORK
 *
 * WIRE is getme, redis or memcached.  WORK: load (all KEYS once), get, put
 * (of uniform keys), or a, b, c (YCSB's: half, 95 %, all of it gets, keys
 * zipfian).  LEVEL is the durability that is asked of getMe.  Every connection
 * keeps IN_FLIGHT requests in flight.  Each value that is read is compared
 * with its key; an error, a miss or a wrong value ends the run with status 1.
 * Prints the line of stopwatch.h.
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
#include <unistd.h>

#include "tests/bench/keys.h"
#include "tests/bench/stopwatch.h"
#include "tests/bench/wire.h"
#include "tests/bench/work.h"

enum {
	IN_LEN = 256 << 10, /* and a value */
	EVENTS = 64,
	STUCK_MS = 30000,
};

/* What one slot of a connection waits for. */
struct asked {
	uint64_t key;
	bool is_get;
};

struct connection {
	int fd;
	bool wants_out;
	uint8_t *out;
	size_t out_at;
	size_t out_len;
	uint8_t *in;
	size_t in_len;
	unsigned int
		first; /* the oldest slot in flight, of wires without ids */
	unsigned int in_flight;
	unsigned int n_free; /* of wires with ids */
	uint8_t free_slots[WIRE_SLOTS];
	struct asked asked[WIRE_SLOTS];
};

struct generator {
	struct wire wire;
	struct work work;
	unsigned int depth;
	size_t in_cap;
	uint64_t in_flight;
	int epoll;
};

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (fd < 0 ||
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		die(path);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void connection_open(struct generator *generator, const char *path,
			    struct connection *connection)
{
	struct epoll_event event = { .events = EPOLLIN,
				     .data.ptr = connection };

	connection->fd = connect_to(path);
	connection->out = malloc(generator->wire.put.len * generator->depth);
	connection->in = malloc(generator->in_cap);
	if (!connection->out || !connection->in)
		die("malloc");
	while (connection->n_free < generator->depth) {
		connection->free_slots[connection->n_free] =
			(uint8_t)connection->n_free;
		connection->n_free++;
	}
	if (epoll_ctl(generator->epoll, EPOLL_CTL_ADD, connection->fd, &event) <
	    0)
		die("epoll_ctl");
}

static unsigned int next_slot(const struct generator *generator,
			      struct connection *connection)
{
	if (generator->wire.has_ids)
		return connection->free_slots[--connection->n_free];
	return (connection->first + connection->in_flight) % generator->depth;
}

static void fill(struct generator *generator, struct connection *connection)
{
	struct asked asked;

	if (connection->out_len > 0)
		return;
	while (connection->in_flight < generator->depth &&
	       work_next(&generator->work, &asked.key, &asked.is_get)) {
		const struct wire_template *template =
			asked.is_get ? &generator->wire.get
				     : &generator->wire.put;
		unsigned int slot = next_slot(generator, connection);

		connection->asked[slot] = asked;
		wire_put(template, connection->out + connection->out_len,
			 asked.key, slot);
		connection->out_len += template->len;
		connection->in_flight++;
		generator->in_flight++;
	}
}

static void watch_out(struct generator *generator,
		      struct connection *connection, bool wants_out)
{
	struct epoll_event event = {
		.events = wants_out ? EPOLLIN | EPOLLOUT : EPOLLIN,
		.data.ptr = connection,
	};

	if (connection->wants_out == wants_out)
		return;
	connection->wants_out = wants_out;
	if (epoll_ctl(generator->epoll, EPOLL_CTL_MOD, connection->fd, &event) <
	    0)
		die("epoll_ctl");
}

static void flush(struct generator *generator, struct connection *connection)
{
	while (connection->out_at < connection->out_len) {
		ssize_t n = send(
			connection->fd, connection->out + connection->out_at,
			connection->out_len - connection->out_at, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			die("send");
		connection->out_at += (size_t)n;
	}
	watch_out(generator, connection,
		  connection->out_at < connection->out_len);
	if (connection->out_at == connection->out_len)
		connection->out_at = connection->out_len = 0;
}

static void check(const struct wire_reply *reply, const struct asked *asked)
{
	errno = 0;
	if (!reply->ok)
		die("generator: an error or a miss");
	if (asked->is_get && !value_is(reply->value, asked->key))
		die("generator: a wrong value");
}

/* False: the reply at the front is not all there. */
static bool take_reply(struct generator *generator,
		       struct connection *connection, size_t *at)
{
	struct wire_reply reply = { .slot = connection->first };
	const uint8_t *data = connection->in + *at;
	const size_t len = connection->in_len - *at;
	bool is_get = connection->asked[connection->first].is_get;

	if (len == 0)
		return false;
	if (generator->wire.has_ids && len > 6)
		is_get = connection->asked[data[6] % WIRE_SLOTS].is_get;
	if (!generator->wire.parse(data, len, is_get, &reply))
		return false;
	check(&reply, &connection->asked[reply.slot]);
	if (generator->wire.has_ids)
		connection->free_slots[connection->n_free++] =
			(uint8_t)reply.slot;
	else
		connection->first = (connection->first + 1) % generator->depth;
	*at += reply.len;
	connection->in_flight--;
	generator->in_flight--;
	generator->work.n_done++;
	return true;
}

static void receive(struct generator *generator, struct connection *connection)
{
	ssize_t n = recv(connection->fd, connection->in + connection->in_len,
			 generator->in_cap - connection->in_len, 0);
	size_t at = 0;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		die("recv");
	connection->in_len += (size_t)n;
	while (take_reply(generator, connection, &at))
		;
	connection->in_len -= at;
	if (at > 0 && connection->in_len > 0)
		memmove(connection->in, connection->in + at,
			connection->in_len);
}

static void run(struct generator *generator, struct connection *connections,
		unsigned int n)
{
	struct epoll_event events[EVENTS];

	for (unsigned int i = 0; i < n; i++) {
		fill(generator, &connections[i]);
		flush(generator, &connections[i]);
	}
	while (generator->in_flight > 0) {
		int n_events =
			epoll_wait(generator->epoll, events, EVENTS, STUCK_MS);

		if (n_events == 0)
			die("generator: no reply");
		work_tick(&generator->work);
		for (int i = 0; i < n_events; i++) {
			struct connection *connection = events[i].data.ptr;

			if (events[i].events & (EPOLLIN | EPOLLHUP))
				receive(generator, connection);
			fill(generator, connection);
			flush(generator, connection);
		}
	}
}

static enum message_durability level_of(const char *text)
{
	if (strcmp(text, "none") == 0)
		return MESSAGE_DURABILITY_NONE;
	if (strcmp(text, "interval") == 0)
		return MESSAGE_DURABILITY_INTERVAL;
	if (strcmp(text, "always") == 0)
		return MESSAGE_DURABILITY_ALWAYS;
	errno = 0;
	die("the level is none, interval or always");
}

__attribute__((noreturn)) static void usage(void)
{
	fprintf(stderr,
		"usage: generator [-c CONNECTIONS] [-d IN_FLIGHT] [-k KEYS]\n"
		"       [-v VALUE] [-s SECONDS] [-p SERVER_PID] [-l LEVEL]\n"
		"       WIRE SOCKET load|get|put|a|b|c\n");
	exit(2);
}

struct setting {
	unsigned int n_connections;
	unsigned int depth;
	uint64_t n_keys;
	size_t value_len;
	double seconds;
	pid_t server;
	enum message_durability level;
};

static void parse(int argc, char **argv, struct setting *setting)
{
	int option;

	while ((option = getopt(argc, argv, "c:d:k:v:s:p:l:")) != -1) {
		if (option == 'c')
			setting->n_connections =
				(unsigned int)number_of(optarg);
		else if (option == 'd')
			setting->depth = (unsigned int)number_of(optarg);
		else if (option == 'k')
			setting->n_keys = number_of(optarg);
		else if (option == 'v')
			setting->value_len = number_of(optarg);
		else if (option == 's')
			setting->seconds = strtod(optarg, NULL);
		else if (option == 'p')
			setting->server = (pid_t)number_of(optarg);
		else if (option == 'l')
			setting->level = level_of(optarg);
		else
			usage();
	}
	if (argc != optind + 3 || setting->depth == 0 ||
	    setting->depth > WIRE_SLOTS || setting->n_connections == 0 ||
	    setting->value_len < KEY_STAMP_LEN)
		usage();
}

int main(int argc, char **argv)
{
	struct setting setting = {
		1, 1, 1000000, 100, 1, 0, MESSAGE_DURABILITY_DEFAULT
	};
	struct generator generator = { .epoll = epoll_create1(EPOLL_CLOEXEC) };
	struct connection *connections;
	struct stopwatch watch;

	parse(argc, argv, &setting);
	argv += optind;
	generator.depth = setting.depth;
	generator.in_cap = IN_LEN + setting.value_len;
	wire_init(&generator.wire, argv[0], setting.value_len, setting.level);
	connections = calloc(setting.n_connections, sizeof(*connections));
	if (!connections)
		die("malloc");
	for (unsigned int i = 0; i < setting.n_connections; i++)
		connection_open(&generator, argv[1], &connections[i]);
	work_init(&generator.work, argv[2], setting.n_keys, setting.seconds);
	stopwatch_start(&watch, setting.server);
	run(&generator, connections, setting.n_connections);
	stopwatch_print(&watch, generator.work.n_done);
	for (unsigned int i = 0; i < setting.n_connections; i++) {
		close(connections[i].fd);
		free(connections[i].out);
		free(connections[i].in);
	}
	free(connections);
	wire_deinit(&generator.wire);
	return 0;
}
