/*
 * fault_run: a workload (tests/crash/workload.h) on a store while something
 * fails, once or from some point on, and what must hold then.
 *
 *  1. Each step returns 0, an error, or that its outcome is unknown; an open
 *     that fails says why, leaves no descriptor, and works without the fault.
 *  2. While the fault goes on, a read gives what is there, or an error.
 *  3. When it is gone, all that was acknowledged is there, what failed is
 *     not, and the next write works, or the store says that it is read-only.
 *  4. A kill or a power cut then takes nothing back; the store closes, leaves
 *     no descriptor, opens again, and takes writes.
 */
#ifndef GETME_TESTS_CRASH_FAULT_RUN_H
#define GETME_TESTS_CRASH_FAULT_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/crash/verify.h"

/* What fails; pause is for calls of the test's own in between. */
struct fault_ops {
	void (*begin)(void *ctx, struct simfs *fs);
	void (*pause)(void *ctx, struct simfs *fs, bool paused);
	void (*end)(void *ctx, struct simfs *fs);
	bool (*is_hit)(void *ctx, struct simfs *fs); /* since begin */
};

struct fault_run {
	/* in */
	const struct fault_ops *ops;
	void *ctx;
	uint64_t seed;	  /* draws the states after power cuts */
	bool traced;	  /* prints all calls */
	bool never_stops; /* it is no reason to become read-only */
	/* out; violations are printed, and counted in verify */
	struct verify verify;
	uint64_t n_runs;
	/* of the run under way */
	const char *workload;
	uint64_t nth;
	bool hit; /* the fault was met before now */
	struct simfs *fs;
	struct store *store;
	struct oracle oracle;
};

/*
 * One run; NTH chooses between a power cut and a kill after it.  Whether the
 * fault was met.
 */
bool fault_run(struct fault_run *run, const char *workload, uint64_t nth);

#endif
