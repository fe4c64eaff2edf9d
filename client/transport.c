#include "client/transport.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/deadline.h"

enum {
	/* Room for one recv(): many small replies in one system call. */
	RECEIVE_MIN = 32 << 10,
	/* A length is a claim until its bytes are there: memory follows. */
	RECEIVE_AHEAD_MAX = 16 << 20,
	/* What an idle handle keeps of each buffer. */
	KEEP_MAX = 256 << 10,
	/* Descriptors of one message; the kernel closes what is more. */
	FDS_AT_ONCE = 4,
};

void transport_init(struct transport *transport)
{
	memset(transport, 0, sizeof(*transport));
	transport->fd = -1;
	transport->received_fd = -1;
}

void transport_deinit(struct transport *transport)
{
	transport_close(transport);
	buffer_deinit(&transport->out);
	buffer_deinit(&transport->in);
}

/*
 * A Unix socket's connect() waits while the daemon's queue is full; its
 * limit is the send timeout (0: for ever).
 */
static int set_connect_timeout(int fd, int64_t deadline_ms)
{
	struct timeval timeout = { 0, 0 };
	int left_ms = deadline_left_ms(deadline_ms);

	if (left_ms == 0)
		return -ETIMEDOUT;
	if (left_ms > 0) {
		timeout.tv_sec = left_ms / 1000;
		timeout.tv_usec = (suseconds_t)(left_ms % 1000) * 1000;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) <
	    0)
		return -errno;
	return 0;
}

static int connect_by(int fd, const struct socket_path *path,
		      int64_t deadline_ms)
{
	struct sockaddr_un address;
	int r;

	memset(&address, 0, sizeof(address));
	address.sun_family = AF_UNIX;
	memcpy(address.sun_path, path->text, sizeof(path->text));
	do {
		r = set_connect_timeout(fd, deadline_ms);
		if (r < 0)
			return r;
		r = connect(fd, (const struct sockaddr *)&address,
			    sizeof(address));
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	return 0;
}

int transport_connect(struct transport *transport,
		      const struct socket_path *path, int64_t deadline_ms)
{
	int fd;
	int r;

	r = socket_path_check(path);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = connect_by(fd, path, deadline_ms);
	if (r < 0) {
		close(fd);
		return r;
	}
	transport_adopt(transport, fd);
	return 0;
}

void transport_adopt(struct transport *transport, int fd)
{
	transport_close(transport);
	transport->fd = fd;
	transport->send_failed = false;
}

static void drop_fd(struct transport *transport)
{
	if (transport->received_fd >= 0)
		close(transport->received_fd);
	transport->received_fd = -1;
}

int transport_take_fd(struct transport *transport)
{
	int fd = transport->received_fd;

	transport->received_fd = -1;
	return fd;
}

void transport_close(struct transport *transport)
{
	if (transport->fd >= 0)
		close(transport->fd);
	transport->fd = -1;
	drop_fd(transport);
	transport->out_pos += transport->out.len;
	buffer_consume(&transport->out, transport->out.len);
	buffer_trim(&transport->out, KEEP_MAX);
}

void transport_send(struct transport *transport)
{
	struct buffer *out = &transport->out;
	ssize_t n;

	while (out->len > 0 && !transport->send_failed) {
		n = send(transport->fd, out->data, out->len,
			 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0) {
			buffer_consume(out, (size_t)n);
			transport->out_pos += (uint64_t)n;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			return;
		} else if (errno != EINTR) {
			/* What has arrived can still be read, then the end. */
			transport->send_failed = true;
			shutdown(transport->fd, SHUT_RDWR);
		}
	}
	buffer_trim(out, KEEP_MAX);
}

/* A peer may send any number at any time: one is kept, all others closed. */
static void keep_fds(struct transport *transport, struct msghdr *message)
{
	struct cmsghdr *at;
	size_t i;

	for (at = CMSG_FIRSTHDR(message); at; at = CMSG_NXTHDR(message, at)) {
		if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS)
			continue;
		for (i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= at->cmsg_len;
		     i++) {
			drop_fd(transport);
			memcpy(&transport->received_fd,
			       CMSG_DATA(at) + i * sizeof(int), sizeof(int));
		}
	}
}

/* As recv. */
static ssize_t receive_with_fd(struct transport *transport, void *data,
			       size_t len)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(FDS_AT_ONCE * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = data, .iov_len = len };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t n;

	n = recvmsg(transport->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n > 0)
		keep_fds(transport, &message);
	return n;
}

static ssize_t receive_some(struct transport *transport, void *data, size_t len)
{
	if (transport->takes_fd)
		return receive_with_fd(transport, data, len);
	return recv(transport->fd, data, len, MSG_DONTWAIT);
}

int transport_receive(struct transport *transport, size_t need)
{
	struct buffer *in = &transport->in;
	ssize_t n;
	int r;

	if (need < RECEIVE_MIN)
		need = RECEIVE_MIN;
	if (need > RECEIVE_AHEAD_MAX)
		need = RECEIVE_AHEAD_MAX;
	r = buffer_reserve(in, need);
	if (r < 0)
		return r;
	do {
		n = receive_some(transport, in->data + in->len,
				 in->cap - in->len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	if (n == 0)
		return -EPIPE;
	in->len += (size_t)n;
	return 0;
}

int transport_wait(const struct transport *transport, int64_t deadline_ms)
{
	struct pollfd poll_fd;
	int r;

	poll_fd.fd = transport->fd;
	poll_fd.events = transport_events(transport);
	do {
		r = poll(&poll_fd, 1, deadline_left_ms(deadline_ms));
	} while (r < 0 && (errno == EINTR || errno == EAGAIN));
	if (r < 0)
		return -errno;
	return r == 0 ? -EAGAIN : 0;
}

bool transport_is_stale(const struct transport *transport)
{
	char byte;

	return recv(transport->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
	       (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

short transport_events(const struct transport *transport)
{
	if (transport->out.len > 0 && !transport->send_failed)
		return POLLIN | POLLOUT;
	return POLLIN;
}

void transport_take_back(struct transport *transport, uint64_t pos)
{
	transport->out.len = (size_t)(pos - transport->out_pos);
	buffer_trim(&transport->out, KEEP_MAX);
}

void transport_reclaim(struct transport *transport, uint64_t pos)
{
	buffer_consume(&transport->in, (size_t)(pos - transport->in_pos));
	transport->in_pos = pos;
	buffer_trim(&transport->in, KEEP_MAX);
}

void transport_cut_input(struct transport *transport, uint64_t pos)
{
	transport->in.len = (size_t)(pos - transport->in_pos);
}
