/*
 * After a failed sync the bytes are still in the page cache, marked clean: a
 * process that comes next reads them, its syncs return 0, and they are not
 * on the disk.  What a reopened store has shown must survive a power cut all
 * the same.
 *
 *	GETME_CRASH_SEED=N	draws the states after power cuts
 *	GETME_CRASH_REPLAY=SEED:WORKLOAD:NTH:MOMENT:FAILING
 *				one case, as a violation names it, with all
 *				calls printed
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
	WITHOUT_FAILURE, /* no sync of it failed */
	AFTER_THE_STEP,	 /* it was told that a sync failed, and went on */
	AT_THE_SYNC,	 /* it never learned that the sync failed */
};

static const char *const moments[] = {
	"no sync fails before the kill",
	"killed after the step",
	"killed at the sync",
};

struct replay {
	bool wanted;
	char workload[WORKLOAD_LEN_MAX + 1];
	uint64_t nth;
	unsigned moment;
	uint64_t failing;
};

struct run {
	struct verify verify;
	struct replay replay;
	enum moment moment;
	uint64_t seed;
	uint64_t n_runs;
	const char *workload;
	uint64_t nth; /* sync of the last step that fails */
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

/*
 * A process that cannot start, or starts and is killed, because its NTH sync
 * fails.  Whether there was one.
 */
static bool fail_to_start(struct run *run, struct simfs *fs, uint64_t nth)
{
	struct store_error error;
	struct store *store;
	bool hit;

	fail_nth_sync(fs, nth);
	if (!verify_open(fs, &store, &error))
		store_abandon(store);
	hit = simfs_n_faults(fs);
	simfs_set_fault(fs, NULL);
	if (simfs_n_open(fs))
		verify_fail(&run->verify, "%u descriptors are left",
			    simfs_n_open(fs));
	simfs_kill(fs);
	return hit;
}

/*
 * FAILING: the sync that fails in the first process that comes after, which
 * then does not start; 0: none.  Whether there was such a sync.
 */
static bool check_after(struct run *run, struct simfs *killed, uint64_t failing)
{
	struct simfs *again = simfs_clone(killed);
	char where[WHERE_LEN];
	bool hit = true;

	snprintf(where, sizeof(where),
		 "GETME_CRASH_REPLAY=%" PRIu64 ":%s:%" PRIu64 ":%d:%" PRIu64
		 ": %s",
		 run->seed, run->workload, run->nth, (int)run->moment, failing,
		 moments[run->moment]);
	verify_at(&run->verify, where);
	if (run->replay.wanted)
		simfs_set_trace(again, stdout);
	if (failing)
		hit = fail_to_start(run, again, failing);
	if (hit && (!run->replay.wanted || run->replay.failing == failing)) {
		run->n_runs++;
		reopen_and_cut(run, again);
	}
	simfs_free(again);
	verify_at(&run->verify, NULL);
	return hit;
}

static void check_killed(struct run *run, struct simfs *killed)
{
	uint64_t failing = 0;

	while (check_after(run, killed, failing))
		assert_true(++failing < NTH_MAX);
}

/* Does the last step, of which the NTH sync fails, and kills the process. */
static bool last_step(struct run *run, const char *step, unsigned number,
		      struct store **store)
{
	struct simfs *after;
	int result;

	simfs_set_hook(run->fs, kill_at_failed_sync, run);
	fail_nth_sync(run->fs, run->nth);
	result = workload_step(step, number, run->fs, store, &run->oracle);
	simfs_set_hook(run->fs, NULL, NULL);
	simfs_set_fault(run->fs, NULL);
	if (!run->killed)
		assert_int_equal(result, 0);
	if (run->moment == AT_THE_SYNC) {
		if (!run->killed)
			return false;
		run->oracle = run->at_the_sync;
		check_killed(run, run->killed);
		return true;
	}
	if (run->moment == AFTER_THE_STEP && !run->killed)
		return false;
	after = simfs_clone(run->fs);
	check_killed(run, after);
	simfs_free(after);
	return run->moment == AFTER_THE_STEP;
}

/* Whether there may be one more sync in the last step. */
static bool run_workload(struct run *run)
{
	struct store_error error;
	struct store *store;
	unsigned number = 1;
	bool more = false;

	run->fs = verify_new_fs();
	run->killed = NULL;
	if (run->replay.wanted)
		simfs_set_trace(run->fs, stdout);
	oracle_init(&run->oracle);
	assert_int_equal(verify_open(run->fs, &store, &error), 0);
	for (const char *step = run->workload; *step;
	     step += workload_step_len(step), number++) {
		if (step[workload_step_len(step)])
			assert_int_equal(workload_step(step, number, run->fs,
						       &store, &run->oracle),
					 0);
		else
			more = last_step(run, step, number, &store);
	}
	store_abandon(store);
	simfs_free(run->killed);
	simfs_free(run->fs);
	return more;
}

static void run_all(struct run *run)
{
	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
		run->workload = workloads[i];
		/* Without a failure: the sync that does not exist. */
		run->nth = run->moment == WITHOUT_FAILURE ? NTH_MAX : 1;
		while (run_workload(run))
			assert_true(++run->nth < NTH_MAX);
	}
}

/* SEED:WORKLOAD:NTH:MOMENT:FAILING */
static void read_replay(struct run *run, const char *text)
{
	const char *colon;
	char *end;

	run->replay.wanted = true;
	run->seed = strtoull(text, &end, 0);
	assert_int_equal(*end, ':');
	colon = strchr(end + 1, ':');
	assert_non_null(colon);
	assert_true(colon - (end + 1) <= WORKLOAD_LEN_MAX);
	memcpy(run->replay.workload, end + 1, (size_t)(colon - (end + 1)));
	run->replay.nth = strtoull(colon + 1, &end, 0);
	assert_int_equal(*end, ':');
	run->replay.moment = (unsigned)strtoul(end + 1, &end, 0);
	assert_int_equal(*end, ':');
	run->replay.failing = strtoull(end + 1, &end, 0);
}

static void check_moment(enum moment moment)
{
	struct run run = { .seed = verify_env("GETME_CRASH_SEED", 1),
			   .moment = moment };
	const char *replay = getenv("GETME_CRASH_REPLAY");
	uint64_t begun = verify_now_ms();

	if (replay) {
		read_replay(&run, replay);
		if (run.replay.moment != moment)
			return;
		run.verify.trace = stdout;
		run.workload = run.replay.workload;
		run.nth = run.replay.nth;
		run_workload(&run);
	} else {
		run_all(&run);
	}
	printf("# failed syncs, %s: %" PRIu64 " cases, %" PRIu64
	       " power cuts, %" PRIu64 " second cuts, %" PRIu64
	       " violations, %.1f s (seed %" PRIu64 ")\n",
	       moments[moment], run.n_runs, run.verify.n_first,
	       run.verify.n_second, run.verify.n_violations,
	       (double)(verify_now_ms() - begun) / 1000, run.seed);
	assert_true(run.n_runs > 0);
	assert_int_equal(run.verify.n_violations, 0);
}

static void test_a_failed_sync_while_starting_takes_nothing_back(void **state)
{
	(void)state;
	check_moment(WITHOUT_FAILURE);
}

static void test_what_was_shown_after_a_failed_sync_stays(void **state)
{
	(void)state;
	check_moment(AFTER_THE_STEP);
}

static void test_so_it_does_when_killed_at_the_failed_sync(void **state)
{
	(void)state;
	check_moment(AT_THE_SYNC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_a_failed_sync_while_starting_takes_nothing_back),
		cmocka_unit_test(test_what_was_shown_after_a_failed_sync_stays),
		cmocka_unit_test(
			test_so_it_does_when_killed_at_the_failed_sync),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
