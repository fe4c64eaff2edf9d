/*
 * After a failed sync the bytes are still in the page cache, marked clean: a
 * process that comes next reads them, its syncs return 0, and they are not
 * on the disk.  What a reopened store has shown must survive a power cut all
 * the same.
 *
 *	GETME_CRASH_SEED=N	draws the states after power cuts
 *	GETME_CRASH_TRACE=1	prints all calls
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above */
#include <cmocka.h>

#include "tests/crash/simbytes.h"
#include "tests/crash/verify.h"
#include "tests/crash/workload.h"

enum {
	NTH_MAX = 256, /* syncs in one step, or in one recovery */
	STATES_MAX = 64,
	WHERE_LEN = 256,
};

/* The syncs of the last step fail, in turn. */
static const char *const workloads[] = {
	"a3b3",	 "a3b1m3",  "a3b1S",   "a1m1R",	    "a3b1C",
	"a3b1O", "a3Rb1d3", "a1Rm2b3", "a3m3Oa1b3", "b1d3",
};

/* When the process is killed. */
enum moment {
	AT_THE_SYNC,	/* it never learned that the sync failed */
	AFTER_THE_STEP, /* it did */
};

struct run {
	struct verify verify;
	uint64_t seed;
	uint64_t n_failed;
	uint64_t n_runs;
	FILE *trace;
	struct simfs *fs;
	struct simfs *killed; /* at the sync that failed */
	struct oracle oracle;
	struct oracle at_the_sync; /* when it was killed there */
};

static void kill_at_failed_sync(void *ctx, struct simfs *fs,
				enum simfs_call call, bool changed)
{
	struct run *run = ctx;

	(void)changed;
	if (call != SIMFS_SYNC || !simfs_n_faults(fs) || run->killed)
		return;
	run->killed = simfs_clone(fs);
	run->at_the_sync = run->oracle;
}

static int each_state(void *ctx, struct simfs *state, unsigned index,
		      const char *what)
{
	struct run *run = ctx;

	verify_state(&run->verify, &run->oracle, ORACLE_POWER_CUT, state,
		     run->seed + index, what);
	return 0;
}

static void fail_nth_sync(struct simfs *fs, uint64_t nth)
{
	struct simfs_fault fault = { .calls = 1u << SIMFS_SYNC,
				     .nth = nth,
				     .error = EIO };

	simfs_set_fault(fs, &fault);
}

/*
 * The next process on the same kernel: what it shows is settled, and a power
 * cut at any of its calls after that loses nothing of it.
 */
static void reopen_and_cut(struct run *run, struct simfs *killed)
{
	struct oracle before = run->oracle;
	struct oracle_contents seen;
	struct store_error error;
	struct store *store;
	char why[ORACLE_TEXT_LEN];
	int result = verify_open(killed, &store, &error);

	if (result) {
		verify_fail(&run->verify, "open returns %d: %s", result,
			    error.text);
		return;
	}
	if (oracle_read(&run->oracle, store, &seen, why) ||
	    !oracle_admits(&run->oracle, ORACLE_KILL, &seen, why)) {
		verify_fail(&run->verify, "reopened: %s", why);
	} else {
		oracle_settle(&run->oracle, &seen);
		simfs_crash_states(killed, run->seed, STATES_MAX, each_state,
				   run);
		if (oracle_put(&run->oracle, store, "next", 1, 1, STORE_ALWAYS))
			verify_fail(&run->verify, "the next put fails");
		simfs_crash_states(killed, run->seed, STATES_MAX, each_state,
				   run);
	}
	store_abandon(store);
	run->oracle = before;
}

/* The disk fails the next process as well, at each sync in turn. */
static void reopen_with_failures(struct run *run, struct simfs *killed)
{
	for (uint64_t nth = 1; nth < NTH_MAX; nth++) {
		struct simfs *again = simfs_clone(killed);
		struct store_error error;
		struct store *store;
		bool hit;

		fail_nth_sync(again, nth);
		if (!verify_open(again, &store, &error))
			store_abandon(store);
		hit = simfs_n_faults(again);
		simfs_set_fault(again, NULL);
		if (hit && simfs_n_open(again))
			verify_fail(&run->verify, "%u descriptors are left",
				    simfs_n_open(again));
		simfs_kill(again);
		if (hit)
			reopen_and_cut(run, again);
		simfs_free(again);
		if (!hit)
			return;
	}
}

static void check_killed(struct run *run, const char *workload, uint64_t nth,
			 enum moment moment, struct simfs *killed)
{
	char where[WHERE_LEN];
	struct simfs *again = simfs_clone(killed);

	snprintf(where, sizeof(where),
		 "%s, sync %" PRIu64 " of the last step fails, killed %s",
		 workload, nth,
		 moment == AT_THE_SYNC ? "at once" : "after the step");
	verify_at(&run->verify, where);
	run->n_runs++;
	simfs_set_trace(killed, run->trace);
	reopen_and_cut(run, killed);
	reopen_with_failures(run, again);
	simfs_free(again);
	verify_at(&run->verify, NULL);
}

/* Does the last step; whether its NTH sync failed. */
static void last_step(struct run *run, const char *workload, const char *step,
		      unsigned number, uint64_t nth, struct store **store)
{
	struct oracle after_the_step;
	struct simfs *after;
	int result;

	simfs_set_hook(run->fs, kill_at_failed_sync, run);
	fail_nth_sync(run->fs, nth);
	result = workload_step(step, number, run->fs, store, &run->oracle);
	simfs_set_hook(run->fs, NULL, NULL);
	if (!run->killed) {
		assert_int_equal(result, 0);
		return;
	}
	after_the_step = run->oracle;
	run->oracle = run->at_the_sync;
	check_killed(run, workload, nth, AT_THE_SYNC, run->killed);
	run->oracle = after_the_step;
	after = simfs_clone(run->fs);
	check_killed(run, workload, nth, AFTER_THE_STEP, after);
	simfs_free(after);
	run->n_failed++;
}

/* Whether there was an NTH sync in the last step. */
static bool run_workload(struct run *run, const char *workload, uint64_t nth)
{
	struct store_error error;
	struct store *store;
	unsigned number = 1;
	bool hit;

	run->fs = verify_new_fs();
	run->killed = NULL;
	simfs_set_trace(run->fs, run->trace);
	oracle_init(&run->oracle);
	assert_int_equal(verify_open(run->fs, &store, &error), 0);
	for (const char *step = workload; *step;
	     step += workload_step_len(step), number++) {
		if (step[workload_step_len(step)])
			assert_int_equal(workload_step(step, number, run->fs,
						       &store, &run->oracle),
					 0);
		else
			last_step(run, workload, step, number, nth, &store);
	}
	store_abandon(store);
	hit = run->killed != NULL;
	simfs_free(run->killed);
	simfs_free(run->fs);
	return hit;
}

static void test_what_was_shown_after_a_failed_sync_stays(void **state)
{
	struct run run = { .seed = verify_env("GETME_CRASH_SEED", 1) };
	uint64_t begun = verify_now_ms();

	(void)state;
	if (verify_env("GETME_CRASH_TRACE", 0))
		run.trace = run.verify.trace = stdout;
	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
		uint64_t nth = 1;

		while (run_workload(&run, workloads[i], nth))
			assert_true(++nth < NTH_MAX);
	}
	printf("# failed syncs: %" PRIu64 ", %" PRIu64 " kills, %" PRIu64
	       " power cuts, %" PRIu64 " second cuts, %" PRIu64
	       " violations, %.1f s (seed %" PRIu64 ")\n",
	       run.n_failed, run.n_runs, run.verify.n_first,
	       run.verify.n_second, run.verify.n_violations,
	       (double)(verify_now_ms() - begun) / 1000, run.seed);
	assert_true(run.n_failed > 0);
	assert_int_equal(run.verify.n_violations, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_shown_after_a_failed_sync_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
