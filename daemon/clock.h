/*
 * clock: the two clocks.  Real time is for expiry only; it may step.
 */
#ifndef GETME_DAEMON_CLOCK_H
#define GETME_DAEMON_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_us(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static inline uint64_t clock_monotonic_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

static inline uint64_t clock_monotonic_ms(void)
{
	return clock_us(CLOCK_MONOTONIC) / 1000;
}

/* Milliseconds since 1970. */
static inline uint64_t clock_real_ms(void)
{
	return clock_us(CLOCK_REALTIME) / 1000;
}

#endif
