/*
 * answers: how long the answers of one round took.
 *
 * The clock is read when bytes have come, once for all requests whose last
 * byte is among them, and when the round's replies are about to leave, once
 * for all of them.  So what the histograms tell is how long a reply had to
 * wait to be sent, and not how long it took to be made.  Where more than
 * ANSWERS_MAX sockets had answers in a round, those of the first ones are
 * short by what the rest of the round took.
 */
#ifndef GETME_DAEMON_ANSWERS_H
#define GETME_DAEMON_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/metrics.h"

enum {
	ANSWERS_MAX = 256, /* times of arrival; 4 KiB */
};

/* Those of the round that arrived at one time. */
struct answers_row {
	uint64_t arrived_us; /* CLOCK_MONOTONIC */
	uint32_t n_gets;
	uint32_t n_puts;
};

/* All zero is none. */
struct answers {
	size_t n;
	struct answers_row rows[ANSWERS_MAX];
};

/* One is given: to a put or to a get. */
void answers_add(struct answers *answers, struct metrics *metrics,
		 uint64_t arrived_us, bool is_put);

/* All so far have been given: the histograms have them. */
void answers_end(struct answers *answers, struct metrics *metrics);

#endif
