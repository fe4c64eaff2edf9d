/*
 * stopwatch: time, processor time, and the one line that each program here
 * prints about a run:
 *
 *	RATE CPU OWN
 *
 * operations a second; processor microseconds an operation of the server, or
 * of the process that does it all itself; and of the client ("-": none).
 */
#ifndef GETME_TESTS_BENCH_STOPWATCH_H
#define GETME_TESTS_BENCH_STOPWATCH_H

#include <stdint.h>
#include <sys/types.h>

double now_s(void);
/* Of all threads of a process, of those that have ended too; PID 0: own. */
double cpu_s(pid_t pid);

struct stopwatch {
	pid_t server; /* 0: none */
	double begin;
	double server_cpu;
	double own_cpu;
};

void stopwatch_start(struct stopwatch *watch, pid_t server);
/* Prints the line about N operations since the start. */
void stopwatch_print(const struct stopwatch *watch, uint64_t n);

/* Says what went wrong, with errno where that is not 0, and exits. */
__attribute__((noreturn)) void die(const char *what);

/* A number, "100k", "1M"; exits when TEXT is none. */
uint64_t number_of(const char *text);

#endif
