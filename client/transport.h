/*
 * transport: bytes to and from a Unix domain socket.
 *
 * Both directions are streams that are numbered from the first byte of the
 * first connection on and go on counting over reconnects, so a position
 * stays true while buffers move and shrink.
 *
 * Invariants
 *  1. in holds the bytes from in_pos on, out those that the kernel has not
 *     taken, from out_pos on.
 *  2. Closing drops what was not sent: nothing written for one connection
 *     ever goes out on another.
 */
#ifndef GETME_CLIENT_TRANSPORT_H
#define GETME_CLIENT_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/socket_path.h"
#include "proto/buffer.h"

struct transport {
	int fd; /* -1: not connected */
	/*
	 * A peer that is gone takes no bytes, but its last replies may still
	 * be there to read: only reading finds the end.
	 */
	bool send_failed;
	struct buffer out;
	uint64_t out_pos;
	struct buffer in;
	uint64_t in_pos;
	/*
	 * While it is set a descriptor that comes with the input is kept, the
	 * last one; all others are closed.
	 */
	bool takes_fd;
	int received_fd; /* -1: none */
};

void transport_init(struct transport *transport);
void transport_deinit(struct transport *transport);

/*
 * 0 or a negative errno: -ETIMEDOUT (the daemon's queue of connections
 * stayed full), -ENOENT, -ECONNREFUSED, -EACCES, -EMFILE, ...
 */
int transport_connect(struct transport *transport,
		      const struct socket_path *path, int64_t deadline_ms);

/* Takes over FD, a connected stream socket. */
void transport_adopt(struct transport *transport, int fd);

/* Also from a child of fork(): the parent's connection is not disturbed. */
void transport_close(struct transport *transport);

/* The descriptor that was received, the caller's from now on; -1: none. */
int transport_take_fd(struct transport *transport);

/* Sends what the socket takes without waiting. */
void transport_send(struct transport *transport);

/*
 * Receives once, without waiting, room for NEED more bytes at a time.  0, or
 * -EAGAIN (nothing is there), -EPIPE (the peer has closed), a negative errno.
 */
int transport_receive(struct transport *transport, size_t need);

/* Waits until something can be done.  0, or -EAGAIN: not until DEADLINE. */
int transport_wait(const struct transport *transport, int64_t deadline_ms);

/* Whether the peer has closed (or spoken unasked) while all was quiet. */
bool transport_is_stale(const struct transport *transport);

/* POLLIN, and POLLOUT while there is something to send. */
short transport_events(const struct transport *transport);

/* The output from stream position POS on, not sent, is not to be sent. */
void transport_take_back(struct transport *transport, uint64_t pos);

/* The input before stream position POS is of no more use. */
void transport_reclaim(struct transport *transport, uint64_t pos);

/* The input from stream position POS on is of no use. */
void transport_cut_input(struct transport *transport, uint64_t pos);

#endif
