/*
 * Cuts the power after every call to the disk, of all workloads of up to
 * three steps (tests/crash/workload.h), and checks every state that may be
 * left (tests/crash/verify.h).
 *
 * Workloads form a tree: only the last step of each is cut, what comes
 * before it is another's last step.  A plain run takes every workload whose
 * writes ask for the same durability (of those of three steps that have a
 * backup among them a sample), and checks every state of every cut; of some
 * of the others it does so with some cuts, and of some longer ones,
 * with larger values, it checks a few states.  What is known is not checked
 * again (struct verify_known).
 *
 *	GETME_CRASH_SEED=N	draws everything that is drawn
 *	GETME_CRASH_SAMPLE=1	about 1,500 first cuts, for sanitizers
 *	GETME_CRASH_FULL=1	all workloads, all cuts, all states
 *	GETME_CRASH_LONG=N	so many of the longer workloads, and no others
 *	GETME_CRASH_REPLAY=SEED:WORKLOAD:CUT:STATE
 *				one state, as a violation names it, with all
 *				calls printed; _SAMPLE and _FULL as then
 */
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
	N_STEPS_MAX = 3,
	N_SYMBOLS = 5 * 3 + 5, /* writes with each durability, and others */
	WORKLOADS_MAX = 1 + N_SYMBOLS + N_SYMBOLS * N_SYMBOLS +
			N_SYMBOLS * N_SYMBOLS * N_SYMBOLS,
	FIRST_CUTS_SAMPLED = 1500,
	MIXED_WORKLOADS = 300,
	LONG_WORKLOADS = 150,
	LONG_WORKLOADS_SAMPLED = 10,
	LONG_STEPS_MIN = 4,
	LONG_STEPS_MAX = 12,
	KILLED = -1, /* in place of a state's index */
	WHERE_LEN = 256,
};

/* How much is checked of the cuts of a workload. */
struct effort {
	unsigned cuts_one_of; /* so many cuts */
	unsigned
		kills_one_of; /* so many of these cuts: the process is killed */
	unsigned states_max;  /* of a cut */
};

static const struct effort effort_all = { 1, 1, 1 << 12 };
static const struct effort effort_mixed = { 4, 8, 1 };
static const struct effort effort_long = { 3, 3, 4 };
static const struct effort effort_sampled = { 3, 4, 6 };

struct replay {
	bool wanted;
	char workload[WORKLOAD_LEN_MAX + 1];
	unsigned cut;
	int state;
};

struct run {
	struct verify verify;
	struct replay replay;
	uint64_t seed;
	bool sampled;
	bool full;
	struct effort effort; /* with this workload */
	uint64_t n_cuts;
	uint64_t n_workloads;
	uint64_t n_whole; /* workloads of which all states of all cuts are */
	uint64_t n_whole_cuts;
	/* The workload that is running. */
	const char *workload;
	unsigned cut; /* of its last step, counted */
	const char *call;
	struct simfs *fs;
	struct oracle oracle;
	struct verify_known known; /* of all workloads */
};

static uint64_t cut_seed(const struct run *run)
{
	uint64_t text = sim_hash(run->workload, strlen(run->workload), 0);

	return sim_mix(run->seed ^ text) + run->cut;
}

static void check_state(struct run *run, enum oracle_crash crash,
			struct simfs *state, int index, const char *what)
{
	char where[WHERE_LEN];
	bool replayed = run->replay.wanted;

	if (replayed &&
	    (run->replay.cut != run->cut || run->replay.state != index))
		return;
	snprintf(where, sizeof(where),
		 "GETME_CRASH_REPLAY=%" PRIu64 ":%s:%u:%d: cut after %s",
		 run->seed, run->workload, run->cut, index, run->call);
	verify_at(&run->verify, where);
	run->verify.trace = replayed ? stdout : NULL;
	verify_state(&run->verify, &run->oracle, crash, state,
		     cut_seed(run) ^ (uint64_t)(index + 1), what);
	verify_at(&run->verify, NULL);
}

static int each_state(void *ctx, struct simfs *state, unsigned index,
		      const char *what)
{
	struct run *run = ctx;

	if (verify_is_new(&run->known, &run->oracle, ORACLE_POWER_CUT, state))
		check_state(run, ORACLE_POWER_CUT, state, (int)index, what);
	return 0;
}

static bool is_whole(const struct run *run)
{
	return run->effort.states_max == effort_all.states_max;
}

static void check_cut(struct run *run)
{
	struct simfs *killed;
	uint64_t seed = cut_seed(run);

	if (sim_random(&seed) % run->effort.cuts_one_of)
		return;
	run->n_cuts++;
	run->n_whole_cuts += is_whole(run);
	simfs_crash_states(run->fs, seed, run->effort.states_max, each_state,
			   run);
	if (sim_random(&seed) % run->effort.kills_one_of)
		return;
	killed = simfs_clone(run->fs);
	if (verify_is_new(&run->known, &run->oracle, ORACLE_KILL, killed))
		check_state(run, ORACLE_KILL, killed, KILLED, "killed");
	simfs_free(killed);
}

static void cut_power(struct run *run, const char *call)
{
	if (run->replay.wanted)
		printf("# cut %u\n", run->cut);
	run->call = call;
	check_cut(run);
	run->cut++;
}

static void cut_after_call(void *ctx, struct simfs *fs, enum simfs_call call,
			   bool changed)
{
	(void)fs;
	if (changed)
		cut_power(ctx, simfs_call_name(call));
}

static bool first_open(struct run *run, struct store **store)
{
	struct store_error error;
	int result;

	if (!*run->workload)
		simfs_set_hook(run->fs, cut_after_call, run);
	result = verify_open(run->fs, store, &error);
	if (!result)
		return true;
	verify_fail(&run->verify, "the first open returns %d: %s", result,
		    error.text);
	return false;
}

static void run_steps(struct run *run)
{
	const char *step = run->workload;
	struct store *store;
	unsigned number = 1;

	if (!first_open(run, &store))
		return;
	for (; *step && store; step += workload_step_len(step)) {
		int result;

		if (!step[workload_step_len(step)])
			simfs_set_hook(run->fs, cut_after_call, run);
		result = workload_step(step, number++, run->fs, &store,
				       &run->oracle);
		if (result)
			verify_fail(&run->verify, "%s: %s returns %d",
				    run->workload, step, result);
	}
	simfs_set_hook(run->fs, NULL, NULL);
	if (store)
		verify_running(&run->verify, &run->oracle, store, "running");
	cut_power(run, "the end of the step");
	store_abandon(store);
}

static size_t n_steps(const char *workload)
{
	size_t n = 0;

	for (; *workload; workload += workload_step_len(workload))
		n++;
	return n;
}

/* Its writes ask for different durabilities, or a backup is one of three. */
static bool is_mixed(const char *text)
{
	char durability = 0;

	if (strchr(text, 'B') && n_steps(text) == N_STEPS_MAX)
		return true;
	for (; *text; text += workload_step_len(text)) {
		if (!workload_is_write(*text))
			continue;
		if (durability && durability != text[1])
			return true;
		durability = text[1];
	}
	return false;
}

static struct effort choose_effort(const struct run *run, const char *workload)
{
	size_t steps = n_steps(workload);

	if (run->sampled)
		return effort_sampled;
	if (steps > N_STEPS_MAX)
		return effort_long;
	if (run->full || steps < N_STEPS_MAX || !is_mixed(workload))
		return effort_all;
	return effort_mixed;
}

static void run_workload(struct run *run, const char *workload)
{
	run->effort = choose_effort(run, workload);
	run->workload = workload;
	verify_at(&run->verify, workload);
	run->n_workloads++;
	run->n_whole += is_whole(run);
	run->cut = 0;
	run->fs = verify_new_fs();
	if (run->replay.wanted)
		simfs_set_trace(run->fs, stdout);
	oracle_init(&run->oracle);
	run_steps(run);
	simfs_free(run->fs);
}

/* All workloads */

struct workload {
	char text[2 * N_STEPS_MAX + 1];
	bool is_mixed; /* of these a sample is taken */
};

struct workloads {
	struct workload *at;
	size_t n;
};

static void add_workloads(struct workloads *list, const char *prefix,
			  unsigned n_steps)
{
	static const char letters[] = "abedmRCKOB";
	struct workload *workload = &list->at[list->n++];
	char longer[2 * N_STEPS_MAX + 3], step[3] = "";

	memcpy(workload->text, prefix, strlen(prefix) + 1);
	workload->is_mixed = is_mixed(prefix);
	if (n_steps == N_STEPS_MAX)
		return;
	for (const char *letter = letters; *letter; letter++) {
		for (int digit = '1'; digit <= '3'; digit++) {
			bool is_write = workload_is_write(*letter);

			if (!is_write && digit > '1')
				continue;
			step[0] = *letter;
			step[1] = is_write ? (char)digit : '\0';
			snprintf(longer, sizeof(longer), "%s%s", prefix, step);
			add_workloads(list, longer, n_steps + 1);
		}
	}
}

static void shuffle(struct workloads *list, uint64_t seed)
{
	for (size_t i = list->n; i > 1; i--) {
		size_t other = sim_random(&seed) % i;
		struct workload taken = list->at[other];

		list->at[other] = list->at[i - 1];
		list->at[i - 1] = taken;
	}
}

static void run_tree(struct run *run)
{
	struct workloads list = { NULL, 0 };
	size_t n_mixed = 0;

	list.at = sim_alloc(WORKLOADS_MAX * sizeof(*list.at));
	add_workloads(&list, "", 0);
	shuffle(&list, run->seed);
	for (size_t i = 0; i < list.n; i++) {
		if (run->sampled && run->verify.n_first >= FIRST_CUTS_SAMPLED)
			break;
		if (!run->sampled && !run->full && list.at[i].is_mixed &&
		    ++n_mixed > MIXED_WORKLOADS)
			continue;
		run_workload(run, list.at[i].text);
	}
	free(list.at);
}

static void draw_workload(uint64_t *random, char text[WORKLOAD_LEN_MAX + 1])
{
	static const char letters[] = "abedmfgRCKOBS";
	unsigned n = LONG_STEPS_MIN +
		     sim_random(random) % (LONG_STEPS_MAX - LONG_STEPS_MIN + 1);

	while (n--) {
		*text = letters[sim_random(random) % strlen(letters)];
		if (workload_is_write(*text++))
			*text++ = (char)('1' + sim_random(random) % 3);
	}
	*text = '\0';
}

static void run_longer(struct run *run)
{
	uint64_t n = verify_env("GETME_CRASH_LONG",
				run->sampled ? LONG_WORKLOADS_SAMPLED
					     : LONG_WORKLOADS);
	uint64_t random = run->seed;
	char text[WORKLOAD_LEN_MAX + 1];

	while (n--) {
		draw_workload(&random, text);
		run_workload(run, text);
	}
}

/* SEED:WORKLOAD:CUT:STATE */
static void read_replay(struct run *run, const char *text)
{
	const char *colon;
	size_t len;
	char *end;

	run->replay.wanted = true;
	run->seed = strtoull(text, &end, 0);
	assert_int_equal(*end, ':');
	colon = strchr(end + 1, ':');
	assert_non_null(colon);
	len = (size_t)(colon - (end + 1));
	assert_true(len <= WORKLOAD_LEN_MAX);
	memcpy(run->replay.workload, end + 1, len);
	run->replay.cut = (unsigned)strtoul(colon + 1, &end, 0);
	assert_int_equal(*end, ':');
	run->replay.state = (int)strtol(end + 1, NULL, 0);
}

static void check_workloads(const char *name, void (*run_them)(struct run *))
{
	struct run run = { .seed = verify_env("GETME_CRASH_SEED", 1),
			   .sampled = verify_env("GETME_CRASH_SAMPLE", 0),
			   .full = verify_env("GETME_CRASH_FULL", 0) };
	const char *replay = getenv("GETME_CRASH_REPLAY");
	uint64_t begun = verify_now_ms();

	run.verify.known = &run.known;
	if (replay) {
		read_replay(&run, replay);
		run_workload(&run, run.replay.workload);
	} else {
		run_them(&run);
	}
	verify_known_deinit(&run.known);
	printf("# %s: %" PRIu64 " first cuts, %" PRIu64 " second cuts, %" PRIu64
	       " violations, %.1f s (seed %" PRIu64 ", %" PRIu64
	       " workloads cut at %" PRIu64 " points)\n",
	       name, run.verify.n_first, run.verify.n_second,
	       run.verify.n_violations,
	       (double)(verify_now_ms() - begun) / 1000, run.seed,
	       run.n_workloads, run.n_cuts);
	printf("# %s: all states of all %" PRIu64 " cuts of %" PRIu64
	       " workloads, sampled %" PRIu64 " cuts of %" PRIu64 "; %" PRIu64
	       " of the second cuts left a known state\n",
	       name, run.n_whole_cuts, run.n_whole,
	       run.n_cuts - run.n_whole_cuts, run.n_workloads - run.n_whole,
	       run.verify.n_known);
	assert_true(run.verify.n_first > 0);
	assert_int_equal(run.verify.n_violations, 0);
}

static void test_a_power_cut_leaves_a_prefix_with_all_that_is_due(void **state)
{
	(void)state;
	if (getenv("GETME_CRASH_LONG"))
		return;
	check_workloads("crash states", run_tree);
}

static void test_so_it_does_after_longer_workloads(void **state)
{
	(void)state;
	if (getenv("GETME_CRASH_REPLAY"))
		return;
	check_workloads("crash states of longer workloads", run_longer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_a_power_cut_leaves_a_prefix_with_all_that_is_due),
		cmocka_unit_test(test_so_it_does_after_longer_workloads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
