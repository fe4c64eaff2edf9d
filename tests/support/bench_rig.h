/*
 * bench_rig: getmed in a process of its own, for benchmarks, and the latency
 * of one client's small requests while others keep it busy.
 */
#ifndef GETME_TESTS_SUPPORT_BENCH_RIG_H
#define GETME_TESTS_SUPPORT_BENCH_RIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "client/getme.h"

enum { BENCH_PATH_MAX = 512 };

struct bench_rig {
	pid_t pid;
	char dir[BENCH_PATH_MAX];    /* below the current folder: a disk */
	char store[BENCH_PATH_MAX];  /* DIR/store */
	char socket[BENCH_PATH_MAX]; /* DIR/s */
};

/*
 * Starts $GETMED, or the getmed beside PROGRAM's build (argv[0]), with
 * MAX_VALUE ("64M"), and waits until it answers.  Exits when it cannot.
 */
void bench_rig_start(struct bench_rig *rig, const char *program,
		     const char *max_value);
/* Stops it and removes the folder. */
void bench_rig_stop(struct bench_rig *rig);

/* A connection without a deadline. */
struct getme *bench_rig_connect(const struct bench_rig *rig);

/* Prints and exits unless RESULT is 0. */
void bench_expect(int result, const char *what);

/* KiB of /proc/PID/status: "VmHWM", "VmRSS". */
uint64_t bench_rig_memory(const struct bench_rig *rig, const char *name);
/* Begins VmHWM anew; false: this kernel does not let us. */
bool bench_rig_reset_peak(const struct bench_rig *rig);

uint64_t bench_rig_stat(const struct bench_rig *rig, const char *name);

double bench_now_s(void);

/*
 * For SECONDS asks for the key "hot", one request after another, and prints
 * one line: WHAT, how many, and the latency's 50th, 99th, 99.9th percentile
 * and the highest.
 */
void bench_measure(const struct bench_rig *rig, const char *what,
		   double seconds);

/* The same of N latencies in us, which are sorted. */
void bench_print(const char *what, double *us, size_t n);

#endif
