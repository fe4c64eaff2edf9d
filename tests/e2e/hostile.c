/*
 * hostile: clients that nobody wants, and one that is to be served well
 * beside them.
 *
 *	hostile good SOCKET           puts and gets until standard input ends
 *	hostile garbage SOCKET N      N connections of random bytes
 *	hostile half SOCKET N         N puts cut off in the middle
 *	hostile part SOCKET N         the same, staying where they are
 *	hostile deaf SOCKET N KEY     N that ask for KEY and never read
 *	hostile idle SOCKET N         N that do nothing after one ping
 *
 * Those that stay print "ready" and end with standard input.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "client/getme.h"
#include "proto/buffer.h"
#include "proto/message.h"

enum {
	FRAME_MAX = 64 << 20,
	VALUE_LEN = 1 << 20,	/* of a put that is cut off */
	GARBAGE_LEN = 64 << 10, /* at most, of a connection */
	DEAF_REQUESTS = 1000,
	SILENCE_MS = 20000,
	GOOD_TIMEOUT_MS = 20000,
	GOOD_VALUE_LEN = 2000,
	GOOD_KEYS = 100,
};

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "hostile: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t random_next(void)
{
	static uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* A connected socket, or -1. */
static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) ==
	    0)
		return fd;
	close(fd);
	return -1;
}

/* As far as the peer takes it. */
static void send_some(int fd, const void *data, size_t len, int flags)
{
	size_t sent = 0;

	while (sent < len) {
		ssize_t n = send(fd, (const char *)data + sent, len - sent,
				 flags | MSG_NOSIGNAL);

		if (n <= 0)
			return;
		sent += (size_t)n;
	}
}

/* Reads until the peer closes; false: it does not. */
static bool await_close(int fd)
{
	struct pollfd at = { fd, POLLIN, 0 };
	char room[4096];
	ssize_t n;

	do {
		if (poll(&at, 1, SILENCE_MS) <= 0)
			return false;
		n = recv(fd, room, sizeof(room), 0);
	} while (n > 0);
	return true;
}

static void stay(const char *what)
{
	char c;

	printf("ready%s\n", what);
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
}

static void encode(struct buffer *out, enum method_id method, const char *key,
		   size_t value_len)
{
	struct message_request request = { .id = 1, .method = method };
	void *value = calloc(1, value_len + 1);

	request.key = (struct message_bytes){ key, key ? strlen(key) : 0 };
	request.value = (struct message_bytes){ value, value_len };
	buffer_init(out);
	if (!value || message_encode_request(out, FRAME_MAX, &request) < 0)
		die("encoding");
	free(value);
}

/* ---- the hostile ---- */

static int garbage(const char *path, unsigned long n)
{
	static char bytes[GARBAGE_LEN];
	int status = 0;

	for (; n > 0; n--) {
		int fd = connect_to(path);
		size_t len = random_next() % GARBAGE_LEN;

		if (fd < 0)
			die("connect");
		for (size_t i = 0; i < len; i++)
			bytes[i] = (char)(random_next() >> 32);
		/* Else most would begin with a length over the limit. */
		if (n % 2 == 0)
			memset(bytes, 0, 2);
		send_some(fd, bytes, len, 0);
		shutdown(fd, SHUT_WR);
		if (!await_close(fd))
			status = 1;
		close(fd);
	}
	return status;
}

static int half(const char *path, unsigned long n, bool staying)
{
	struct buffer frame;

	encode(&frame, METHOD_PUT, "half", VALUE_LEN);
	for (unsigned long i = 0; i < n; i++) {
		int fd = connect_to(path);

		if (fd < 0)
			die("connect");
		send_some(fd, frame.data, frame.len / 2 + i, 0);
		if (!staying)
			close(fd);
	}
	buffer_deinit(&frame);
	if (staying)
		stay("");
	return 0;
}

static int deaf(const char *path, unsigned long n, const char *key)
{
	struct buffer frame;

	encode(&frame, METHOD_GET, key, 0);
	for (unsigned long i = 0; i < n; i++) {
		int fd = connect_to(path);

		if (fd < 0)
			die("connect");
		for (int j = 0; j < DEAF_REQUESTS; j++)
			send_some(fd, frame.data, frame.len, MSG_DONTWAIT);
	}
	buffer_deinit(&frame);
	stay("");
	return 0;
}

/* Whether a connection's ping is answered with anything but an error. */
static bool is_served(int fd, const struct buffer *ping)
{
	struct pollfd at = { fd, POLLIN, 0 };
	unsigned char reply[256];
	ssize_t n;

	send_some(fd, ping->data, ping->len, 0);
	if (poll(&at, 1, SILENCE_MS) <= 0)
		return false;
	n = recv(fd, reply, sizeof(reply), 0);
	/* [1, 1, nil, nil] */
	return n == 9 && memcmp(reply + 4, "\x94\x01\x01\xc0", 4) == 0;
}

static int idle(const char *path, unsigned long n)
{
	unsigned long n_served = 0;
	struct buffer ping;
	char text[64];

	encode(&ping, METHOD_PING, NULL, 0);
	for (unsigned long i = 0; i < n; i++) {
		int fd = connect_to(path);

		n_served += fd >= 0 && is_served(fd, &ping);
	}
	buffer_deinit(&ping);
	snprintf(text, sizeof(text), " %lu served", n_served);
	stay(text);
	return 0;
}

/* ---- the good ---- */

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static bool input_ended(void)
{
	struct pollfd at = { STDIN_FILENO, POLLIN, 0 };
	char c;

	return poll(&at, 1, 0) > 0 && read(STDIN_FILENO, &c, 1) <= 0;
}

/* GETME_E_BUSY, or 0; anything else ends the program. */
static int put_and_get(struct getme *handle, unsigned long number)
{
	char key[32];
	char bytes[GOOD_VALUE_LEN];
	size_t key_len = (size_t)snprintf(key, sizeof(key), "good/%lu",
					  number % GOOD_KEYS);
	struct getme_value value;
	int result;

	memset(bytes, (int)(number % 251), sizeof(bytes));
	result = getme_put(handle, key, key_len, bytes, sizeof(bytes), NULL,
			   NULL);
	if (result == 0)
		result = getme_get(handle, key, key_len, &value);
	if (result == GETME_E_BUSY)
		return result;
	if (result != 0) {
		fprintf(stderr, "good: %s\n", getme_last_error(handle));
		exit(1);
	}
	if (value.len != sizeof(bytes) ||
	    memcmp(value.data, bytes, value.len) != 0) {
		fprintf(stderr, "good: another value came back\n");
		exit(1);
	}
	return 0;
}

static int good(const char *path)
{
	struct getme_options options = GETME_OPTIONS_INIT;
	struct getme *handle;
	unsigned long n = 0;
	unsigned long n_busy = 0;
	double slowest = 0;

	options.socket = path;
	options.timeout_ms = GOOD_TIMEOUT_MS;
	if (getme_open(&options, &handle, NULL, 0) != 0 ||
	    getme_ping(handle) != 0)
		die("open");
	puts("ready");
	fflush(stdout);
	while (!input_ended()) {
		double start = now_ms();

		if (put_and_get(handle, n++) != 0)
			n_busy++;
		if (slowest < now_ms() - start)
			slowest = now_ms() - start;
	}
	getme_close(handle);
	printf("%lu puts and gets, %lu refused as busy, the slowest pair took "
	       "%.0f ms\n",
	       n, n_busy, slowest);
	return n > n_busy ? 0 : 1;
}

/* Many connections need many descriptors. */
static void raise_descriptors(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

int main(int argc, char **argv)
{
	const char *mode = argc > 2 ? argv[1] : "";
	unsigned long n = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;

	raise_descriptors();
	if (strcmp(mode, "good") == 0)
		return good(argv[2]);
	if (strcmp(mode, "garbage") == 0)
		return garbage(argv[2], n);
	if (strcmp(mode, "half") == 0 || strcmp(mode, "part") == 0)
		return half(argv[2], n, *mode == 'p');
	if (strcmp(mode, "deaf") == 0 && argc > 4)
		return deaf(argv[2], n, argv[4]);
	if (strcmp(mode, "idle") == 0)
		return idle(argv[2], n);
	fputs("hostile: usage: see the source\n", stderr);
	return 2;
}
