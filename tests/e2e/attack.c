/*
 * attack: a client that wants to do more than read with what it is given.
 *
 *	attack SOCKET UID
 *
 * Becomes UID (its own is fine), attaches, and tries on the index' header, a
 * chunk of it and the segments whatever might change, lock or exhaust them;
 * prints a line "ok - ..." or "not ok - ..." for each, then "ready", and keeps
 * all that it has until standard input ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "proto/buffer.h"
#include "proto/frame.h"
#include "proto/message.h"

enum {
	BODY_MAX = 1 << 20,
	N_SEGMENTS = 64,  /* ids that are asked for */
	N_UNREAD = 20000, /* descriptors asked for and left lying */
	REPLY_MS = 20000,
};

static int failed;

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "attack: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void check(bool ok, const char *what, const char *of)
{
	printf("%sok - %s: %s\n", ok ? "" : "not ", of, what);
	failed |= !ok;
}

/* ---- the wire ---- */

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (fd < 0 ||
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		die(path);
	return fd;
}

static void add_attach(struct buffer *out, unsigned int option, uint64_t number,
		       uint64_t index)
{
	struct message_request request = {
		.method = METHOD_ATTACH,
		.options = { .present = option ? option | OPT_INDEX : 0,
			     .index = index,
			     .primary = number,
			     .overflow = number,
			     .segment = number }
	};

	if (message_encode_request(out, BODY_MAX, &request) < 0)
		die("encode");
}

static void send_all(int fd, const struct buffer *out)
{
	if (send(fd, out->data, out->len, MSG_NOSIGNAL) != (ssize_t)out->len)
		die("send");
}

/* One reply's bytes; GOT is its descriptor, or -1. */
static size_t receive(int fd, uint8_t *data, size_t len, int *got)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { .iov_base = data, .iov_len = len };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	ssize_t n;

	*got = -1;
	if (poll(&poll_fd, 1, REPLY_MS) != 1)
		die("no reply");
	n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	if (n <= 0)
		die("recvmsg");
	if (message.msg_controllen > 0 && CMSG_FIRSTHDR(&message))
		memcpy(got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(*got));
	return (size_t)n;
}

struct part {
	int fd; /* -1: there is none */
	uint64_t len;
	uint64_t index;
};

static struct part attach(int fd, unsigned int option, uint64_t number,
			  uint64_t index)
{
	struct message_decoder *decoder = message_decoder_new();
	struct part part = { .fd = -1 };
	struct message_reply reply;
	struct message_error error;
	struct buffer out;
	uint8_t data[4096];
	size_t n;

	buffer_init(&out);
	add_attach(&out, option, number, index);
	send_all(fd, &out);
	buffer_deinit(&out);
	n = receive(fd, data, sizeof(data), &part.fd);
	if (!decoder ||
	    message_decode_reply(decoder, METHOD_ATTACH, data + FRAME_HEAD_LEN,
				 n - FRAME_HEAD_LEN, &reply, &error) != 0)
		die("decode");
	part.len = reply.count;
	part.index = reply.index;
	message_reply_deinit(&reply);
	message_decoder_free(decoder);
	return part;
}

/* ---- what might be done with a descriptor ---- */

static bool cannot_map_writable(int fd, uint64_t len)
{
	void *base = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (base == MAP_FAILED)
		return true;
	munmap(base, len);
	return false;
}

/* Mapped for reading, and then made writable. */
static bool cannot_unprotect(int fd, uint64_t len)
{
	void *base = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
	bool cannot;

	if (base == MAP_FAILED)
		die("mmap");
	cannot = mprotect(base, len, PROT_READ | PROT_WRITE) < 0;
	munmap(base, len);
	return cannot;
}

static void try_all(const struct part *part, int fd, bool is_memory,
		    const char *of)
{
	check(pwrite(fd, "x", 1, 0) < 0, "cannot be written", of);
	check(ftruncate(fd, 0) < 0, "cannot be cut", of);
	check(ftruncate(fd, (off_t)part->len * 4) < 0, "cannot be grown", of);
	check(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			(off_t)part->len) < 0,
	      "cannot be punched", of);
	check(cannot_map_writable(fd, part->len), "cannot be mapped writable",
	      of);
	check(cannot_unprotect(fd, part->len), "cannot be made writable", of);
	if (is_memory)
		check(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0,
		      "cannot be sealed further", of);
}

static void attack(const struct part *part, bool is_memory, bool is_other,
		   const char *of)
{
	char path[64];
	int again;

	try_all(part, part->fd, is_memory, of);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", part->fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	if (is_other) {
		check(again < 0, "cannot be opened for writing", of);
		check(fchmod(part->fd, 0777) < 0, "keeps its mode", of);
		check(fcntl(part->fd, F_SETLEASE, F_RDLCK) < 0,
		      "cannot be leased", of);
	} else if (again >= 0 && is_memory) {
		try_all(part, again, is_memory, of);
	}
	if (again >= 0)
		close(again);
	/* These are allowed, and change nothing for anybody else. */
	(void)flock(part->fd, LOCK_EX | LOCK_NB);
	(void)lseek(part->fd, 1 << 20, SEEK_SET);
	(void)fcntl(part->fd, F_SETFL, O_NONBLOCK);
}

/* Touches all of a mapping, holes as well, and keeps it. */
static void fill(const struct part *part)
{
	const volatile uint8_t *base =
		mmap(NULL, part->len, PROT_READ, MAP_SHARED, part->fd, 0);

	if (base == MAP_FAILED)
		die("mmap");
	for (uint64_t i = 0; i < part->len; i += 4096)
		(void)base[i];
}

/* Asks for more and more, on a connection of its own, and takes none. */
static void hoard(const char *path, uint64_t index)
{
	int fd = connect_to(path);
	struct buffer out;

	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		die("fcntl");
	buffer_init(&out);
	for (int i = 0; i < N_UNREAD; i++)
		add_attach(&out, OPT_PRIMARY, 0, index);
	for (size_t sent = 0; sent < out.len;) {
		ssize_t n =
			send(fd, out.data + sent, out.len - sent, MSG_NOSIGNAL);

		if (n < 0)
			break; /* it takes no more: so be it */
		sent += (size_t)n;
	}
	buffer_deinit(&out);
}

static void become(uid_t uid)
{
	if (uid == geteuid())
		return;
	if (setgroups(0, NULL) < 0 || setgid(uid) < 0 || setuid(uid) < 0)
		die("setuid");
}

int main(int argc, char **argv)
{
	bool is_other;
	struct part header, chunk;
	int n_segments = 0;
	int fd;

	if (argc != 3) {
		fputs("usage: attack SOCKET UID\n", stderr);
		return 2;
	}
	is_other = (uid_t)strtoul(argv[2], NULL, 10) != geteuid();
	become((uid_t)strtoul(argv[2], NULL, 10));
	fd = connect_to(argv[1]);
	header = attach(fd, 0, 0, 0);
	if (header.fd < 0)
		die("no header");
	attack(&header, true, is_other, "the header");
	chunk = attach(fd, OPT_PRIMARY, 0, header.index);
	if (chunk.fd < 0)
		die("no chunk");
	attack(&chunk, true, is_other, "a chunk");
	fill(&chunk);
	for (uint64_t id = 1; id < N_SEGMENTS; id++) {
		struct part segment = attach(fd, OPT_SEGMENT, id, header.index);

		if (segment.fd < 0)
			continue;
		/* A user's own files are open to him anyway. */
		if (is_other && n_segments++ == 0)
			attack(&segment, false, is_other, "a segment");
		(void)flock(segment.fd, LOCK_EX | LOCK_NB);
		fill(&segment);
	}
	hoard(argv[1], header.index);
	puts("ready");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return failed;
}
