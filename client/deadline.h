/*
 * deadline: instants on CLOCK_MONOTONIC, in milliseconds.
 */
#ifndef GETME_CLIENT_DEADLINE_H
#define GETME_CLIENT_DEADLINE_H

#include <stdint.h>

#define DEADLINE_NONE INT64_MAX
#define DEADLINE_NOW  INT64_MIN /* has always passed: do not wait */

/* TIMEOUT_MS from now; below 0: DEADLINE_NONE. */
int64_t deadline_after(int64_t timeout_ms);

/* For poll(): 0 when it has passed, -1 when there is none. */
int deadline_left_ms(int64_t deadline_ms);

#endif
