/*
 * answers: how long the answers of one turn took.
 *
 * The clock is read when bytes have come, once for all requests whose last
 * byte is among them, and at the end of the engine's turn, once for all that
 * it has answered: right before replies leave.  So what the histograms tell is
 * never too short, and too long by no more than the turn's own time, in which
 * no reply could leave.
 */
#ifndef GETME_DAEMON_ANSWERS_H
#define GETME_DAEMON_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/metrics.h"

enum {
	/* requests that came together; more of them cost one more reading */
	ANSWERS_MAX = 64,
};

/* Those of the turn that arrived at one time. */
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
