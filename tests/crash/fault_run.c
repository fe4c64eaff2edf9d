#include "tests/crash/fault_run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/crash/workload.h"

enum {
	STATES_MAX = 1, /* of the power cut after a run */
	LATER_ID = 9000,
	LATER_LEN = 300,
};

static void end_fault(struct fault_run *run)
{
	run->hit = run->hit || run->ops->is_hit(run->ctx, run->fs);
	run->ops->end(run->ctx, run->fs);
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
static void settle(struct fault_run *run)
{
	struct oracle_contents seen;
	char why[ORACLE_TEXT_LEN];

	run->ops->pause(run->ctx, run->fs, true);
	if (oracle_read(&run->oracle, run->store, &seen, why))
		verify_fail(&run->verify, "reopened: %s", why);
	else if (!oracle_admits(&run->oracle, ORACLE_KILL, &seen, why))
		verify_fail(&run->verify, "reopened: %s", why);
	else
		oracle_settle(&run->oracle, &seen);
	run->ops->pause(run->ctx, run->fs, false);
}

/* The first open, or one after a failed one: without the fault it works. */
static void open_again(struct fault_run *run)
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

static void first_open(struct fault_run *run)
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
static void read_under_fault(struct fault_run *run)
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

static void check_result(struct fault_run *run, const char *step, int result)
{
	bool hit = run->hit || run->ops->is_hit(run->ctx, run->fs);

	if (!result)
		return;
	if (!hit)
		verify_fail(&run->verify, "%.2s returns %d before the fault",
			    step, result);
	else if (result > 0 && result != STORE_UNKNOWN &&
		 result != STORE_READ_ONLY &&
		 !(*step == 'B' && result == STORE_REFUSED))
		verify_fail(&run->verify, "%.2s returns %d", step, result);
	else if (result == STORE_READ_ONLY && run->store &&
		 !is_read_only(run->store) && *step != 'O' && *step != 'X')
		verify_fail(&run->verify,
			    "%.2s is refused, the store says not read-only",
			    step);
}

static void run_steps(struct fault_run *run)
{
	unsigned number = 1;

	for (const char *step = run->workload; *step && run->store;
	     step += workload_step_len(step)) {
		int result = workload_step(step, number++, run->fs, &run->store,
					   &run->oracle);

		check_result(run, step, result);
		if (!run->store)
			open_again(run);
		else if (*step == 'O' || *step == 'X')
			settle(run);
		if (run->store)
			read_under_fault(run);
	}
}

/* The fault is gone. */
static void check_service(struct fault_run *run)
{
	bool read_only = is_read_only(run->store);
	int result;

	if (read_only && run->never_stops)
		verify_fail(&run->verify,
			    "after the fault the store only reads");
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
	struct fault_run *run = ctx;

	verify_state(&run->verify, &run->oracle, ORACLE_POWER_CUT, state,
		     run->seed + index, what);
	return 0;
}

/* A power cut after one run, a kill after the next. */
static void check_crashes(struct fault_run *run)
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

static void check_reopened(struct fault_run *run)
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

bool fault_run(struct fault_run *run, const char *workload, uint64_t nth)
{
	run->n_runs++;
	run->workload = workload;
	run->nth = nth;
	run->fs = verify_new_fs();
	run->hit = false;
	oracle_init(&run->oracle);
	if (run->traced)
		simfs_set_trace(run->fs, stdout);
	run->ops->begin(run->ctx, run->fs);
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
