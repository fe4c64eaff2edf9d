/*
 * Fails the first, second, ... call of every function of the disk, once and
 * from then on, in some workloads, and checks after each: nothing that was
 * acknowledged is lost, what failed is not there, the store goes on when the
 * fault is gone or says that it is read-only, it can be reopened, and
 * neither a kill nor a power cut after the fault takes anything back.
 *
 *	GETME_CRASH_SEED=N	draws the states after power cuts
 *	GETME_CRASH_SAMPLE=1	about one run of 16
 *	GETME_CRASH_REPLAY=SEED:WORKLOAD:FAULT:NTH
 *				one run, as a violation names it, with all
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
	NTH_MAX = 4096,	     /* calls of one kind in a workload */
	STATES_MAX = 1,	     /* of the power cut after a run */
	SAMPLED_ONE_OF = 16, /* runs */
	LATER_ID = 9000,
	LATER_LEN = 300,
	WHERE_LEN = 256,
};

enum how {
	ERROR,	 /* it fails and does nothing */
	SHORT,	 /* it does the half */
	APPLIED, /* it does all, and says that it failed */
};

static const struct {
	enum simfs_call call;
	int error;
	enum how how;
} faults[] = {
	{ SIMFS_OPEN, EMFILE, ERROR },
	{ SIMFS_OPEN, EIO, ERROR },
	{ SIMFS_OPEN, ENOSPC, ERROR },
	{ SIMFS_OPEN, EIO, APPLIED },
	{ SIMFS_CLOSE, EIO, ERROR },
	{ SIMFS_PREAD, EIO, ERROR },
	{ SIMFS_PREAD, 0, SHORT },
	{ SIMFS_PWRITEV, EIO, ERROR },
	{ SIMFS_PWRITEV, ENOSPC, ERROR },
	{ SIMFS_PWRITEV, EIO, APPLIED },
	{ SIMFS_PWRITEV, 0, SHORT },
	{ SIMFS_SYNC, EIO, ERROR },
	{ SIMFS_SYNC, ENOSPC, ERROR },
	{ SIMFS_WRITEBACK, EIO, ERROR },
	{ SIMFS_ALLOCATE, ENOSPC, ERROR },
	{ SIMFS_ALLOCATE, EOPNOTSUPP, ERROR },
	{ SIMFS_ALLOCATE, EIO, ERROR },
	{ SIMFS_PUNCH, EOPNOTSUPP, ERROR },
	{ SIMFS_STAT, EIO, ERROR },
	{ SIMFS_RENAME, EIO, ERROR },
	{ SIMFS_RENAME, ENOSPC, ERROR },
	{ SIMFS_RENAME, EIO, APPLIED },
	{ SIMFS_LINK, EIO, ERROR },
	{ SIMFS_LINK, EXDEV, ERROR },
	{ SIMFS_LINK, EIO, APPLIED },
	{ SIMFS_UNLINK, EIO, ERROR },
	{ SIMFS_UNLINK, EIO, APPLIED },
	{ SIMFS_MKDIR, ENOSPC, ERROR },
	{ SIMFS_RMDIR, EIO, ERROR },
	{ SIMFS_SYNC_DIR, EIO, ERROR },
	{ SIMFS_SYNC_DIR, EIO, APPLIED },
	{ SIMFS_LIST, EIO, ERROR },
	{ SIMFS_LOCK, EIO, ERROR },
};

enum {
	/* Each is run once, and from then on. */
	N_FAULTS = 2 * sizeof(faults) / sizeof(faults[0]),
};

static const char *const workloads[] = {
	"a3b3m3d3b1", "a1m2b3d1Sb1e2", "a3Rb3Rm3d3", "a1b1Ra1",
	"a3b1Ca3m3",  "a3m1Ob3d3O",    "a3b3Ra1d1K", "m3Ra3KOb1RK",
	"a3Rb1Ba1",   "a3b3Ra1d1KBa1",
};

struct run {
	struct verify verify;
	uint64_t seed;
	uint64_t n_runs;
	const char *workload;
	struct simfs_fault fault;
	uint64_t nth;
	bool traced;
	bool hit; /* the fault was met before now */
	struct simfs *fs;
	struct store *store;
	struct oracle oracle;
};

static struct simfs_fault make_fault(size_t index, uint64_t nth)
{
	size_t kind = index / 2;

	return (struct simfs_fault){
		.calls = 1u << faults[kind].call,
		.nth = nth,
		.from_then = index % 2,
		.error = faults[kind].error,
		.is_short = faults[kind].how == SHORT,
		.is_applied = faults[kind].how == APPLIED,
	};
}

static void end_fault(struct run *run)
{
	run->hit = run->hit || simfs_n_faults(run->fs);
	simfs_set_fault(run->fs, NULL);
}

static bool is_read_only(struct store *store)
{
	struct store_stats stats;

	memset(&stats, 0, sizeof(stats));
	store_get_stats(store, &stats);
	return stats.read_only;
}

static bool has_unknown(const struct oracle *oracle)
{
	for (size_t i = 0; i < oracle->n_ops; i++)
		if (oracle->ops[i].outcome == ORACLE_UNKNOWN)
			return true;
	return false;
}

/* What a new process shows is from then on what must be there. */
static void settle(struct run *run)
{
	struct oracle_contents seen;
	char why[ORACLE_TEXT_LEN];

	simfs_pause_fault(run->fs, true);
	if (oracle_read(&run->oracle, run->store, &seen, why))
		verify_fail(&run->verify, "reopened: %s", why);
	else if (!oracle_admits(&run->oracle, ORACLE_KILL, &seen, why))
		verify_fail(&run->verify, "reopened: %s", why);
	else
		oracle_settle(&run->oracle, &seen);
	simfs_pause_fault(run->fs, false);
}

/* The first open, or one after a failed one: without the fault it works. */
static void open_again(struct run *run)
{
	struct store_error error;
	int result;

	if (simfs_n_open(run->fs))
		verify_fail(&run->verify,
			    "%u descriptors are left after a failed open",
			    simfs_n_open(run->fs));
	simfs_kill(run->fs);
	end_fault(run);
	result = verify_open(run->fs, &run->store, &error);
	if (result) {
		run->store = NULL;
		verify_fail(&run->verify,
			    "without the fault open returns %d: %s", result,
			    error.text);
	} else {
		settle(run);
	}
}

static void first_open(struct run *run)
{
	struct store_error error;
	int result = verify_open(run->fs, &run->store, &error);

	if (!result)
		return;
	if (result > 0 || !error.text[0])
		verify_fail(&run->verify, "open returns %d and says \"%s\"",
			    result, error.text);
	open_again(run);
}

/* A failing disk may give an error, and never something wrong. */
static void read_under_fault(struct run *run)
{
	static const char *const keys[] = { "a", "b", "c" };
	struct oracle_contents newest;

	if (has_unknown(&run->oracle))
		return;
	oracle_newest(&run->oracle, &newest);
	for (size_t i = 0; i < 3; i++) {
		const struct oracle_entry *due = oracle_find(&newest, keys[i]);
		struct store_value value;
		int result = store_get(run->store, keys[i], 1, &value);
		bool right = result < 0;

		if (result == STORE_NOT_FOUND)
			right = !due;
		if (result == STORE_OK) {
			right = due && due->len == value.len &&
				due->version == value.version;
			free(value.data);
		}
		if (!right)
			verify_fail(&run->verify,
				    "get of %s returns %d under the fault",
				    keys[i], result);
	}
}

static void check_result(struct run *run, const char *step, int result)
{
	bool hit = run->hit || simfs_n_faults(run->fs);

	if (!result)
		return;
	if (!hit)
		verify_fail(&run->verify, "%.2s returns %d before the fault",
			    step, result);
	else if (result > 0 && result != STORE_UNKNOWN &&
		 result != STORE_READ_ONLY)
		verify_fail(&run->verify, "%.2s returns %d", step, result);
	else if (result == STORE_READ_ONLY && run->store &&
		 !is_read_only(run->store) && *step != 'O')
		verify_fail(&run->verify,
			    "%.2s is refused, the store says not read-only",
			    step);
}

static void run_steps(struct run *run)
{
	unsigned number = 1;

	for (const char *step = run->workload; *step && run->store;
	     step += workload_step_len(step)) {
		int result = workload_step(step, number++, run->fs, &run->store,
					   &run->oracle);

		check_result(run, step, result);
		if (!run->store)
			open_again(run);
		else if (*step == 'O')
			settle(run);
		if (run->store)
			read_under_fault(run);
	}
}

/* The fault is gone. */
static void check_service(struct run *run)
{
	bool read_only = is_read_only(run->store);
	int result;

	verify_running(&run->verify, &run->oracle, run->store,
		       "after the fault");
	result = oracle_put(&run->oracle, run->store, "later", LATER_ID,
			    LATER_LEN, STORE_ALWAYS);
	if (result != (read_only ? STORE_READ_ONLY : STORE_OK))
		verify_fail(&run->verify,
			    "after the fault a put returns %d, %sread-only",
			    result, read_only ? "" : "not ");
	verify_running(&run->verify, &run->oracle, run->store,
		       "after the next put");
}

static int each_state(void *ctx, struct simfs *state, unsigned index,
		      const char *what)
{
	struct run *run = ctx;

	verify_state(&run->verify, &run->oracle, ORACLE_POWER_CUT, state,
		     run->seed + index, what);
	return 0;
}

/* A power cut after one run, a kill after the next. */
static void check_crashes(struct run *run)
{
	struct simfs *killed;

	run->verify.trace = run->traced ? stdout : NULL;
	if (run->nth % 2) {
		simfs_crash_states(run->fs, run->seed + run->nth, STATES_MAX,
				   each_state, run);
		return;
	}
	killed = simfs_clone(run->fs);
	verify_state(&run->verify, &run->oracle, ORACLE_KILL, killed, run->seed,
		     "killed");
	simfs_free(killed);
}

static void check_reopened(struct run *run)
{
	bool read_only = is_read_only(run->store);
	struct store_error error;
	int result = oracle_close(&run->oracle, run->store);

	run->store = NULL;
	if (result && !read_only)
		verify_fail(&run->verify, "close returns %d", result);
	if (simfs_n_open(run->fs) || simfs_n_misused(run->fs))
		verify_fail(&run->verify,
			    "%u descriptors are left open, %u misused",
			    simfs_n_open(run->fs), simfs_n_misused(run->fs));
	result = verify_open(run->fs, &run->store, &error);
	if (result) {
		verify_fail(&run->verify, "open returns %d: %s", result,
			    error.text);
		return;
	}
	settle(run);
	result = oracle_put(&run->oracle, run->store, "last", LATER_ID + 1,
			    LATER_LEN, STORE_ALWAYS);
	if (result)
		verify_fail(&run->verify, "reopened, a put returns %d", result);
	verify_running(&run->verify, &run->oracle, run->store, "reopened");
	result = store_close(run->store);
	if (result)
		verify_fail(&run->verify, "reopened, close returns %d", result);
}

/* Whether the fault was met. */
static bool run_once(struct run *run)
{
	run->n_runs++;
	run->fs = verify_new_fs();
	run->hit = false;
	oracle_init(&run->oracle);
	if (run->traced)
		simfs_set_trace(run->fs, stdout);
	simfs_set_fault(run->fs, &run->fault);
	first_open(run);
	if (run->store)
		run_steps(run);
	end_fault(run);
	if (run->store) {
		check_service(run);
		check_crashes(run);
		check_reopened(run);
	}
	simfs_free(run->fs);
	return run->hit;
}

/* Whether the fault was met. */
static bool run_fault(struct run *run, size_t workload, size_t index,
		      uint64_t nth)
{
	const char *const hows[] = { "", " short", " after the change" };
	char where[WHERE_LEN];
	bool hit;

	run->workload = workloads[workload];
	run->nth = nth;
	run->fault = make_fault(index, nth);
	snprintf(where, sizeof(where),
		 "GETME_CRASH_REPLAY=%" PRIu64 ":%zu:%zu:%" PRIu64
		 ": %s, %s fails%s with %d%s",
		 run->seed, workload, index, nth, run->workload,
		 simfs_call_name(faults[index / 2].call),
		 hows[faults[index / 2].how], run->fault.error,
		 run->fault.from_then ? " from then on" : "");
	verify_at(&run->verify, where);
	hit = run_once(run);
	verify_at(&run->verify, NULL);
	return hit;
}

static void run_all(struct run *run, bool sampled)
{
	uint64_t random = run->seed;

	for (size_t workload = 0;
	     workload < sizeof(workloads) / sizeof(workloads[0]); workload++) {
		for (size_t index = 0; index < N_FAULTS; index++) {
			uint64_t nth = 1;

			if (sampled)
				nth += sim_random(&random) % SAMPLED_ONE_OF;
			while (run_fault(run, workload, index, nth)) {
				nth += sampled ? SAMPLED_ONE_OF : 1;
				assert_true(nth < NTH_MAX);
			}
		}
	}
}

static void replay_one(struct run *run, const char *text)
{
	uint64_t number[4];
	char *end;

	for (int i = 0; i < 4; i++) {
		number[i] = strtoull(text, &end, 0);
		assert_true(end > text);
		text = end + (*end == ':');
	}
	assert_true(number[1] < sizeof(workloads) / sizeof(workloads[0]));
	assert_true(number[2] < N_FAULTS);
	run->seed = number[0];
	run->traced = true;
	run_fault(run, number[1], number[2], number[3]);
}

static void test_any_call_may_fail(void **state)
{
	struct run run = { .seed = verify_env("GETME_CRASH_SEED", 1) };
	const char *replay = getenv("GETME_CRASH_REPLAY");
	uint64_t begun = verify_now_ms();

	(void)state;
	if (replay)
		replay_one(&run, replay);
	else
		run_all(&run, verify_env("GETME_CRASH_SAMPLE", 0) != 0);
	printf("# faults: %" PRIu64 " runs, %" PRIu64
	       " crashes after them, %" PRIu64 " second cuts, %" PRIu64
	       " violations, %.1f s (seed %" PRIu64 ")\n",
	       run.n_runs, run.verify.n_first, run.verify.n_second,
	       run.verify.n_violations,
	       (double)(verify_now_ms() - begun) / 1000, run.seed);
	assert_true(run.n_runs > 0);
	assert_int_equal(run.verify.n_violations, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_call_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
