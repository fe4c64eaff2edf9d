#include "tests/torture/soak.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum {
	FAULTS_PRINTED = 5, /* of a kind */
	FAULT_LEN = 600,
};

static const char *const names[SOAK_CHECKS] = {
	[SOAK_STATE] = ("after a restart every key holds its last "
			"acknowledged value or that of a pending write, and "
			"each connection's writes are a prefix"),
	[SOAK_ORDER] = ("no write is lost that was answered before one that is "
			"there was sent"),
	[SOAK_BATCH] = "a batch is seen as a whole, or not at all",
	[SOAK_READER] = "what a reader saw never goes back, restarts included",
	[SOAK_REPLY] = "replies tell what was done",
	[SOAK_SCAN] = ("a scan gives each key at most once, and once what is "
		       "there all the time"),
	[SOAK_BACKUP] = "a backup is one instant of the store",
	[SOAK_WHOLE] = "the store that is left passes its check",
	[SOAK_STOP] =
		"SIGTERM under load: exit 0, and nothing answered is lost",
};

static _Atomic unsigned int n_faults[SOAK_CHECKS];
atomic_bool soak_ending;

void soak_fault(enum soak_check check, const char *format, ...)
{
	char text[FAULT_LEN];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n_faults[check]++ < FAULTS_PRINTED)
		printf("#   fault: %s\n", text);
	fflush(stdout);
}

int soak_report_faults(void)
{
	int n = 0;

	for (int i = 0; i < SOAK_CHECKS; i++) {
		printf("%s - %s\n", n_faults[i] ? "not ok" : "ok", names[i]);
		n += n_faults[i] > 0;
	}
	return n;
}

/* What was started dies with this process. */
void soak_die(const char *what)
{
	printf("not ok - %s\n", what);
	fflush(stdout);
	_Exit(1);
}

uint64_t soak_random(uint64_t *state, uint64_t n)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (*state >> 11) % n;
}

void soak_pause_ms(uint64_t ms)
{
	struct timespec time = { .tv_sec = (time_t)(ms / 1000),
				 .tv_nsec = (long)(ms % 1000 * 1000000) };

	nanosleep(&time, NULL);
}

uint64_t soak_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int64_t soak_wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
