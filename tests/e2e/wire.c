/*
 * wire: sends standard input to a Unix socket as it is, and prints N replies
 * as text, one a line; "closed" when the connection ends before, "silent"
 * when nothing comes for a while.
 *
 *	wire SOCKET N <BYTES
 */
#include <errno.h>
#include <msgpack.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	INPUT_MAX = 4 << 20,
	REPLY_MAX = 4 << 20,
	HEAD_LEN = 4,
	SILENCE_MS = 20000,
};

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address,
			      sizeof(address)) < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

static void print_body(const char *body, size_t len)
{
	msgpack_unpacked value;

	msgpack_unpacked_init(&value);
	if (msgpack_unpack_next(&value, body, len, NULL) ==
	    MSGPACK_UNPACK_SUCCESS)
		msgpack_object_print(stdout, value.data);
	else
		fputs("no msgpack", stdout);
	putchar('\n');
	msgpack_unpacked_destroy(&value);
}

/* Prints whole frames; returns how many bytes they have. */
static size_t print_frames(const char *data, size_t len, unsigned long *n)
{
	size_t at = 0;

	while (*n > 0 && len - at >= HEAD_LEN) {
		const unsigned char *head = (const unsigned char *)data + at;
		size_t body_len = (size_t)head[0] << 24 | head[1] << 16 |
				  head[2] << 8 | head[3];

		if (body_len > len - at - HEAD_LEN)
			break;
		print_body(data + at + HEAD_LEN, body_len);
		at += HEAD_LEN + body_len;
		(*n)--;
	}
	return at;
}

int main(int argc, char **argv)
{
	static char input[INPUT_MAX];
	static char reply[REPLY_MAX];
	size_t input_len;
	size_t sent = 0;
	size_t len = 0;
	unsigned long n;
	int fd;

	if (argc != 3)
		return 2;
	n = strtoul(argv[2], NULL, 10);
	input_len = fread(input, 1, INPUT_MAX, stdin);
	fd = connect_to(argv[1]);
	while (n > 0) {
		bool sending = sent < input_len;
		struct pollfd at = { fd, POLLIN | (sending ? POLLOUT : 0), 0 };
		ssize_t got;
		size_t done;

		if (poll(&at, 1, SILENCE_MS) <= 0) {
			puts("silent");
			break;
		}
		if (sending && at.revents & POLLOUT) {
			got = send(fd, input + sent, input_len - sent,
				   MSG_DONTWAIT | MSG_NOSIGNAL);
			/* Replies sent before it closed are still there. */
			sent = got < 0 && errno != EAGAIN
				       ? input_len
				       : sent + (got > 0 ? (size_t)got : 0);
		}
		if (!(at.revents & (POLLIN | POLLHUP | POLLERR)))
			continue;
		got = recv(fd, reply + len, REPLY_MAX - len, 0);
		if (got <= 0) {
			puts("closed");
			break;
		}
		len += (size_t)got;
		done = print_frames(reply, len, &n);
		len -= done;
		memmove(reply, reply + done, len);
	}
	return 0;
}
