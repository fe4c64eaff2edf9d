#include "client/deadline.h"

#include <limits.h>
#include <time.h>

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t deadline_after(int64_t timeout_ms)
{
	int64_t now;

	if (timeout_ms < 0)
		return DEADLINE_NONE;
	now = now_ms();
	if (timeout_ms >= DEADLINE_NONE - now)
		return DEADLINE_NONE;
	return now + timeout_ms;
}

int deadline_left_ms(int64_t deadline_ms)
{
	int64_t now;

	if (deadline_ms == DEADLINE_NONE)
		return -1;
	if (deadline_ms == DEADLINE_NOW)
		return 0;
	now = now_ms();
	if (deadline_ms <= now)
		return 0;
	return deadline_ms - now > INT_MAX ? INT_MAX : (int)(deadline_ms - now);
}
