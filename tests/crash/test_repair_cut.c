/*
 * Cuts the power at every change that a repair makes to the disk, and looks
 * at every state that this may leave: the old store is as it was, to the
 * byte, and the new folder is no store yet, or all of it.  Once the repair
 * has returned it is all of it in every state.
 *
 *	GETME_CRASH_SEED=N	draws other states, where there are too many
 *	GETME_CRASH_SAMPLE=1	few states of each cut
 */
#include <errno.h>
#include <fcntl.h>
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

#include "tests/crash/hashset.h"
#include "tests/crash/verify.h"
#include "tests/support/rest_kit.h"
#include "tests/support/store_kit.h"

enum {
	STATES_MAX = 256, /* of one cut */
	SAMPLED_MAX = 8,
	WHERE_LEN = 128,
	SECOND_SEGMENT = 3,
};

#define SECOND_NAME "0000000003.seg"

struct run {
	struct verify verify;
	const char *name;
	const char *lost; /* a key whose newest value is damaged, or NULL */
	uint64_t seed;
	unsigned max;
	uint64_t old_hash;
	uint64_t n_calls; /* that changed something */
	uint64_t n_states;
	uint64_t n_begun; /* no store yet */
	uint64_t n_whole;
	bool is_done; /* the repair has returned */
	struct hashset known;
};

/* ---- what a state holds ---- */

static int each_name(void *ctx, const char *name)
{
	bool *has_other = ctx;

	*has_other = *has_other || strcmp(name, "LOCK") != 0;
	return 0;
}

/* Nothing but a LOCK, if that: as before the repair. */
static bool is_bare(struct simfs *state)
{
	struct io *io = simfs_io(state);
	bool has_other = false;
	int result = io->list(io, REST_NEWDIR, each_name, &has_other);

	return result == -ENOENT || (result == 0 && !has_other);
}

/* Then it is a store, for everybody. */
static bool has_manifest(struct simfs *state)
{
	struct io *io = simfs_io(state);

	return kit_exists(io, REST_NEWDIR, "MANIFEST.0") ||
	       kit_exists(io, REST_NEWDIR, "MANIFEST.1");
}

/* How many keys have another value than they must. */
static unsigned count_wrong(const struct run *run, struct store *store)
{
	unsigned n_wrong = 0;
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < rest_n_newest; i++) {
		const struct rest_pair *pair = &rest_newest[i];
		bool is_lost = run->lost && strcmp(pair->key, run->lost) == 0;
		const char *due = is_lost ? NULL : pair->value;
		char value[64];
		int result = kit_get(store, pair->key, value, sizeof(value));

		n += due != NULL;
		if (due ? result != 0 || strcmp(value, due) != 0
			: result != STORE_NOT_FOUND)
			n_wrong++;
	}
	return n_wrong + (store_count(store) != n);
}

static void look_at_new(struct run *run, struct simfs *state, const char *what)
{
	struct store_error error;
	struct rest_found found;
	struct store *store;
	unsigned n_wrong;
	int result;

	if (!run->is_done && is_bare(state)) {
		run->n_begun++;
		return;
	}
	if (has_manifest(state)) {
		rest_check(state, REST_NEWDIR, &found);
		if (found.result != 0 || found.report.n_damaged > 0)
			verify_fail(&run->verify, "%s: check returns %d: %s",
				    what, found.result, found.error.text);
	}
	result = kit_try_open(simfs_io(state), REST_NEWDIR, &store, &error);
	if (result != 0) {
		run->n_begun++;
		if (run->is_done || has_manifest(state) ||
		    (result != -EUCLEAN && result != -ENOTEMPTY))
			verify_fail(&run->verify, "%s: open returns %d: %s",
				    what, result, error.text);
		return;
	}
	run->n_whole++;
	n_wrong = count_wrong(run, store);
	if (n_wrong > 0)
		verify_fail(&run->verify, "%s: %u keys are wrong", what,
			    n_wrong);
	store_abandon(store);
}

static int each_state(void *ctx, struct simfs *state, unsigned index,
		      const char *what)
{
	struct run *run = ctx;

	(void)index;
	run->n_states++;
	if (!hashset_add(&run->known,
			 simfs_hash(state) ^ (run->is_done ? UINT64_MAX : 0)))
		return 0;
	if (rest_hash(state) != run->old_hash)
		verify_fail(&run->verify, "%s: the old store was changed",
			    what);
	look_at_new(run, state, what);
	return 0;
}

static void cut(void *ctx, struct simfs *fs, enum simfs_call call, bool changed)
{
	struct run *run = ctx;
	char where[WHERE_LEN];

	if (!changed)
		return;
	run->n_calls++;
	snprintf(where, sizeof(where),
		 "GETME_CRASH_SEED=%" PRIu64 ": %s, cut after change %" PRIu64
		 ", %s",
		 run->seed, run->name, run->n_calls, simfs_call_name(call));
	verify_at(&run->verify, where);
	simfs_crash_states(fs, run->seed + run->n_calls, run->max, each_state,
			   run);
	verify_at(&run->verify, NULL);
}

/* ---- repairs ---- */

static void damage(struct simfs *fs, const char *key)
{
	struct io *io = simfs_io(fs);
	struct kit_place place = kit_find(io, REST_DIR, SECOND_SEGMENT, key);
	char path[KIT_PATH_MAX];
	int fd;

	kit_flip(io, REST_DIR, SECOND_NAME, place.value_off, 1);
	kit_path(REST_DIR, SECOND_NAME, path);
	fd = io->open(io, path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(io->sync(io, fd), 0);
	io->close(io, fd);
}

/* The old store on a disk on which all that is there is durable. */
static struct simfs *make_old(const char *damaged_key, bool killed)
{
	struct simfs *made = rest_new(killed);
	struct simfs *durable;

	simfs_kill(made);
	if (damaged_key)
		damage(made, damaged_key);
	durable = simfs_crash_durable(made);
	simfs_free(made);
	return durable;
}

static void tell(struct run *run)
{
	printf("# repair of a %s store: cut after %" PRIu64 " changes, %" PRIu64
	       " states, %zu of them different: %" PRIu64
	       " no store yet, %" PRIu64 " whole, %" PRIu64
	       " violations (seed %" PRIu64 ")\n",
	       run->name, run->n_calls, run->n_states, run->known.n,
	       run->n_begun, run->n_whole, run->verify.n_violations, run->seed);
}

static void cut_all(const char *name, const char *lost, bool killed,
		    bool without_manifests)
{
	struct run run = {
		.name = name,
		.lost = lost,
		.seed = verify_env("GETME_CRASH_SEED", 1),
		.max = verify_env("GETME_CRASH_SAMPLE", 0) ? SAMPLED_MAX
							   : STATES_MAX,
	};
	struct simfs *fs = make_old(lost, killed);
	struct rest_found found;

	if (without_manifests) {
		struct simfs *made = fs;

		kit_unlink(simfs_io(made), REST_DIR, "MANIFEST.0");
		kit_unlink(simfs_io(made), REST_DIR, "MANIFEST.1");
		assert_int_equal(
			simfs_io(made)->sync_dir(simfs_io(made), REST_DIR), 0);
		fs = simfs_crash_durable(made);
		simfs_free(made);
	}
	run.old_hash = rest_hash(fs);
	simfs_set_hook(fs, cut, &run);
	rest_repair(fs, &found);
	simfs_set_hook(fs, NULL, NULL);
	assert_int_equal(found.result, 0);
	run.is_done = true;
	verify_at(&run.verify, "after the repair");
	simfs_crash_states(fs, run.seed, run.max, each_state, &run);
	tell(&run);
	assert_true(run.n_begun > 0 && run.n_whole > 0);
	assert_int_equal(run.verify.n_violations, 0);
	hashset_deinit(&run.known);
	simfs_free(fs);
}

static void test_cuts_in_a_repair_of_a_whole_store(void **state)
{
	(void)state;
	cut_all("whole", NULL, false, false);
}

static void test_cuts_in_a_repair_of_a_damaged_store(void **state)
{
	(void)state;
	cut_all("damaged", "b", false, false);
}

static void test_cuts_in_a_repair_of_a_killed_store(void **state)
{
	(void)state;
	cut_all("killed", NULL, true, false);
}

static void test_cuts_in_a_repair_without_manifests(void **state)
{
	(void)state;
	cut_all("manifestless", "b", false, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cuts_in_a_repair_of_a_whole_store),
		cmocka_unit_test(test_cuts_in_a_repair_of_a_damaged_store),
		cmocka_unit_test(test_cuts_in_a_repair_of_a_killed_store),
		cmocka_unit_test(test_cuts_in_a_repair_without_manifests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
