/*
 * gang: some processes that begin together.
 *
 * Each prepares itself, waits for the others, works for the given time, and
 * tells what it did; the parent sums up.  They share nothing else.
 */
#ifndef GETME_TESTS_BENCH_GANG_H
#define GETME_TESTS_BENCH_GANG_H

#include <stdint.h>

struct gang;

/* What member I did; called in a process of its own, exits with 0. */
typedef uint64_t gang_work(struct gang *gang, unsigned int i, void *ctx);

/*
 * Runs N processes and prints the line of stopwatch.h: operations a second of
 * all together, processor time an operation of each.  Exits when one fails.
 */
void gang_run(unsigned int n, double seconds, gang_work *work, void *ctx);

/* Within a member: waits for all, and tells when to end (now_s). */
double gang_begin(struct gang *gang);

#endif
