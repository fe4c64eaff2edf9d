/*
 * monotonic: the clock that does not step, and waiting by it.
 *
 * For what has to happen after a while: deadlines, intervals, rates.  Expiry
 * is of the other clock, the store's (common/io.h).  Instants count from an
 * unknown one in the past and are never 0.  Any thread may call all of this.
 */
#ifndef GETME_COMMON_MONOTONIC_H
#define GETME_COMMON_MONOTONIC_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

static inline uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static inline uint64_t monotonic_ms(void)
{
	return monotonic_ns() / 1000000;
}

/* A condition for monotonic_wait_until; cannot fail on Linux. */
static inline void monotonic_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

/*
 * Waits for COND, under LOCK, until DUE_NS.  Whether it was signalled, or woke
 * up for no reason, before that.
 */
static inline bool monotonic_wait_until_ns(pthread_cond_t *cond,
					   pthread_mutex_t *lock,
					   uint64_t due_ns)
{
	struct timespec until = {
		.tv_sec = (time_t)(due_ns / 1000000000),
		.tv_nsec = (long)(due_ns % 1000000000),
	};

	return pthread_cond_timedwait(cond, lock, &until) == 0;
}

/* The same, until DUE_MS. */
static inline bool monotonic_wait_until(pthread_cond_t *cond,
					pthread_mutex_t *lock, uint64_t due_ms)
{
	return monotonic_wait_until_ns(cond, lock, due_ms * 1000000);
}

#endif
