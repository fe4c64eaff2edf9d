#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/bench/stopwatch.h"

static double seconds_of(clockid_t clock)
{
	struct timespec time;

	if (clock_gettime(clock, &time) < 0)
		die("clock_gettime");
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

double now_s(void)
{
	return seconds_of(CLOCK_MONOTONIC);
}

double cpu_s(pid_t pid)
{
	clockid_t clock = CLOCK_PROCESS_CPUTIME_ID;

	if (pid != 0) {
		errno = clock_getcpuclockid(pid, &clock);
		if (errno != 0)
			die("the server's clock");
	}
	return seconds_of(clock);
}

void stopwatch_start(struct stopwatch *watch, pid_t server)
{
	watch->server = server;
	watch->server_cpu = server ? cpu_s(server) : 0;
	watch->own_cpu = cpu_s(0);
	watch->begin = now_s();
}

void stopwatch_print(const struct stopwatch *watch, uint64_t n)
{
	const double seconds = now_s() - watch->begin;
	const double own = (cpu_s(0) - watch->own_cpu) * 1e6 / (double)n;

	if (!watch->server) {
		printf("%.1f %.4f -\n", (double)n / seconds, own);
		return;
	}
	printf("%.1f %.4f %.4f\n", (double)n / seconds,
	       (cpu_s(watch->server) - watch->server_cpu) * 1e6 / (double)n,
	       own);
}

void die(const char *what)
{
	fprintf(stderr, "%s%s%s\n", what, errno ? ": " : "",
		errno ? strerror(errno) : "");
	exit(1);
}

uint64_t number_of(const char *text)
{
	char *end;
	uint64_t number = strtoull(text, &end, 10);

	if (*end == 'k' || *end == 'K')
		number *= 1000;
	else if (*end == 'M')
		number *= 1000000;
	else if (*end)
		end = NULL;
	if (!end || end == text || (*end && end[1])) {
		errno = 0;
		die("not a number");
	}
	return number;
}
