/*
 * handle: what stands behind struct getme, and what every call does first.
 */
#ifndef GETME_CLIENT_HANDLE_H
#define GETME_CLIENT_HANDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/fork_mark.h"
#include "client/getme.h"
#include "client/tickets.h"
#include "client/socket_path.h"
#include "client/transport.h"
#include "proto/message.h"

enum {
	HANDLE_TEXT_MAX = 512, /* bytes of an error's line */
};

struct direct;
struct session_idle;

/* What the daemon told in hello. */
struct limits {
	uint64_t value_max;   /* bytes of a value */
	uint64_t request_max; /* bytes of a request's body */
	size_t in_flight_max; /* requests without a reply */
};

/*
 * Invariants, between calls
 *  1. Requests under way exist only while transport.fd >= 0: losing the
 *     connection gives each of them its result.
 *  2. The input before parsed_pos is whole frames; each belongs to an
 *     answered ticket, or is of no more use.
 */
struct getme {
	struct fork_mark mark; /* whose connection this is */
	int64_t timeout_ms;
	int64_t deadline_ms; /* of the call under way; 0: not asked for yet */
	struct socket_path path;
	struct transport transport;
	struct tickets tickets;
	struct message_decoder *decoder;
	struct limits limits;
	uint64_t n_connections; /* that hello was answered on */
	bool may_attach;	/* the daemon of this one lets us */
	struct direct *direct;	/* owned; NULL: reads go over the socket */
	uint32_t last_id;
	uint64_t parsed_pos;
	size_t need; /* bytes until the frame that is arriving is whole */
	struct getme_stats_row *stats_rows; /* the last getme_stats' */
	/* What the call under way does while it waits; NULL: nothing. */
	const struct session_idle *idle;
	char lost[HANDLE_TEXT_MAX]; /* how the last connection ended */
	char error[HANDLE_TEXT_MAX];
};

/* One that is not connected, for getme_close to free.  NULL: no memory. */
struct getme *handle_new(const struct socket_path *path, int64_t timeout_ms);

/*
 * Begins a call: what the last one lent ends, and a child of fork() lets go
 * of its parent's connection.  0, or -EINVAL when HANDLE is NULL.
 */
int handle_begin(struct getme *handle);

/* Whether HANDLE's connection and requests are this process' own. */
bool handle_is_ours(const struct getme *handle);

/* The instant at which the call under way must end. */
int64_t handle_deadline(struct getme *handle);

/* Keeps the text for getme_last_error and returns RESULT. */
__attribute__((format(printf, 3, 4))) int
handle_fail(struct getme *handle, int result, const char *format, ...);

/* The same with RESULT's own text. */
int handle_fail_plain(struct getme *handle, int result);

/* The same for a RESULT that may be none: an ordinary answer has no text. */
int handle_result(struct getme *handle, int result);

#endif
