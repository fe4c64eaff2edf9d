/*
 * latency: a histogram of microseconds with a fixed number of buckets.
 *
 * Every power of two is divided into LATENCY_STEPS buckets, so a quantile
 * is at most 1/LATENCY_STEPS too high, and never too low.  Below
 * LATENCY_STEPS each number has a bucket of its own; what is longer than
 * 2^LATENCY_BITS us (19 hours) counts as that.
 *
 * One thread adds; others may look meanwhile, and may then see a sum that one
 * time is not yet in everywhere.
 */
#ifndef GETME_DAEMON_LATENCY_H
#define GETME_DAEMON_LATENCY_H

#include <stdatomic.h>
#include <stdint.h>

enum {
	LATENCY_STEP_BITS = 4,
	LATENCY_STEPS = 1 << LATENCY_STEP_BITS,
	LATENCY_BITS = 36,
	LATENCY_BUCKETS =
		(LATENCY_BITS - LATENCY_STEP_BITS + 1) * LATENCY_STEPS,
};

/* All zero is an empty one. */
struct latency {
	_Atomic uint64_t count;
	_Atomic uint64_t max_us;
	_Atomic uint64_t buckets[LATENCY_BUCKETS];
};

void latency_add(struct latency *latency, uint64_t us);
/* N that took the same. */
void latency_add_some(struct latency *latency, uint64_t us, uint64_t n);

/* Adds all of FROM to TO, which nobody else uses. */
void latency_merge(struct latency *to, const struct latency *from);

/*
 * The time that PERMILLE (1 to 1000) of all did not exceed; 0 when there
 * were none.
 */
uint64_t latency_quantile(const struct latency *latency, unsigned int permille);

#endif
