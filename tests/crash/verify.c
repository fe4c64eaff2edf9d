#include "tests/crash/verify.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/check.h"
#include "common/folder.h"
#include "tests/crash/simbytes.h"

enum {
	STATE_TEXT_LEN = 128,
	LAST_LEN = 777, /* of the put after a recovery */
	LAST_ID = 4711,
	AT_REST_ONE_OF = 8, /* states and stops */
};

/* A state that a second cut may leave, picked while the recovery runs. */
struct pick {
	uint64_t random;
	unsigned n_calls; /* that changed something */
	unsigned at_call;
	struct simfs *state;
	char text[STATE_TEXT_LEN];
};

/* What one check works on. */
struct check {
	struct verify *verify;
	const struct oracle *oracle;
	const char *what;
};

uint64_t verify_env(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

uint64_t verify_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct simfs *verify_new_fs(void)
{
	struct simfs *fs = simfs_new();
	struct io *io = simfs_io(fs);

	if (io->mkdir(io, VERIFY_PARENT) || io->sync_dir(io, "/"))
		abort();
	return fs;
}

static int open_dir(struct simfs *fs, const char *dir, struct store **store,
		    struct store_error *error)
{
	struct store_options options = { .dir = dir,
					 .io = simfs_io(fs),
					 .segment_size = STORE_SEGMENT_MIN,
					 .private_index = true };

	error->text[0] = '\0';
	return store_open(&options, store, error);
}

int verify_open(struct simfs *fs, struct store **store,
		struct store_error *error)
{
	return open_dir(fs, VERIFY_DIR, store, error);
}

void verify_at(struct verify *verify, const char *where)
{
	verify->where = where;
	verify->n_shown_here = 0;
}

void verify_fail(struct verify *verify, const char *format, ...)
{
	va_list args;

	verify->n_violations++;
	if (verify->n_shown == VERIFY_SHOWN_MAX ||
	    verify->n_shown_here == VERIFY_SHOWN_HERE)
		return;
	verify->n_shown++;
	verify->n_shown_here++;
	printf("# violation: %s: ", verify->where);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

void verify_known_deinit(struct verify_known *known)
{
	hashset_deinit(&known->first);
	hashset_deinit(&known->second);
	hashset_deinit(&known->settled);
}

static uint64_t key_of(const struct oracle *oracle, enum oracle_crash crash,
		       struct simfs *state)
{
	return sim_mix(simfs_hash(state)) + oracle_signature(oracle, crash);
}

/* All of a disk: what a process sees, and what is durable of it. */
static uint64_t hash_both(struct simfs *fs, struct simfs *durable)
{
	return sim_mix(sim_mix(simfs_hash(fs)) + simfs_hash(durable));
}

static uint64_t killed_key(const struct oracle *oracle, struct simfs *state)
{
	struct simfs *durable = simfs_crash_durable(state);
	uint64_t hash = hash_both(state, durable);

	simfs_free(durable);
	return ~hash + oracle_signature(oracle, ORACLE_KILL);
}

bool verify_is_new(struct verify_known *known, const struct oracle *oracle,
		   enum oracle_crash crash, struct simfs *state)
{
	uint64_t key = crash == ORACLE_KILL ? killed_key(oracle, state)
					    : key_of(oracle, crash, state);

	return hashset_add(&known->first, key);
}

/* The same for a second cut; only the admitted contents are looked at. */
static bool is_new_second(const struct check *check, struct simfs *state)
{
	struct verify_known *known = check->verify->known;
	uint64_t key;

	check->verify->n_second++;
	if (!known)
		return true;
	key = key_of(check->oracle, ORACLE_POWER_CUT, state);
	if (!hashset_has(&known->first, key) &&
	    hashset_add(&known->second, key))
		return true;
	check->verify->n_known++;
	return false;
}

static bool is_new_settled(const struct check *check, struct simfs *state,
			   struct simfs *durable,
			   const struct oracle_contents *seen)
{
	struct verify_known *known = check->verify->known;

	return !known ||
	       hashset_add(&known->settled,
			   hash_both(state, durable) + oracle_hash(seen));
}

/* NULL, with the violation told, when it does not open. */
static struct store *open_on(const struct check *check, struct simfs *state,
			     const char *dir)
{
	struct store_error error;
	struct store *store;
	int result;

	if (check->verify->trace)
		fprintf(check->verify->trace, "# open: %s\n", check->what);
	simfs_set_trace(state, check->verify->trace);
	result = open_dir(state, dir, &store, &error);
	if (!result)
		return store;
	verify_fail(check->verify, "%s: open returns %d: %s", check->what,
		    result, error.text);
	return NULL;
}

static bool read_all(const struct check *check, struct store *store,
		     struct oracle_contents *seen)
{
	char why[ORACLE_TEXT_LEN];

	if (!oracle_read(check->oracle, store, seen, why))
		return true;
	verify_fail(check->verify, "%s: %s", check->what, why);
	return false;
}

static bool check_scan(const struct check *check, struct store *store,
		       const struct oracle_contents *seen)
{
	char why[ORACLE_TEXT_LEN];

	if (!oracle_check_scan(store, seen, why))
		return true;
	verify_fail(check->verify, "%s: %s", check->what, why);
	return false;
}

static bool check_admitted(const struct check *check, enum oracle_crash crash,
			   const struct oracle_contents *seen)
{
	char why[ORACLE_TEXT_LEN];

	if (oracle_admits(check->oracle, crash, seen, why))
		return true;
	verify_fail(check->verify, "%s: %s", check->what, why);
	return false;
}

static bool check_equal(const struct check *check,
			const struct oracle_contents *seen,
			const struct oracle_contents *due)
{
	char seen_text[ORACLE_TEXT_LEN], due_text[ORACLE_TEXT_LEN];

	if (oracle_equal(seen, due))
		return true;
	oracle_print(seen, seen_text);
	oracle_print(due, due_text);
	verify_fail(check->verify, "%s: saw %s, due is %s", check->what,
		    seen_text, due_text);
	return false;
}

/* A crash tears, it damages nothing. */
static void check_stats(const struct check *check, struct store *store)
{
	struct store_stats stats;

	memset(&stats, 0, sizeof(stats));
	store_get_stats(store, &stats);
	if (stats.damaged || stats.damaged_entries || stats.corrupt_reads)
		verify_fail(check->verify,
			    "%s: the store says it is damaged (%llu entries)",
			    check->what,
			    (unsigned long long)stats.damaged_entries);
	if (stats.read_only || stats.full)
		verify_fail(check->verify, "%s: the store says it is %s",
			    check->what, stats.full ? "full" : "read-only");
}

static void check_descriptors(const struct check *check, struct simfs *state)
{
	if (simfs_n_open(state) || simfs_n_misused(state))
		verify_fail(check->verify,
			    "%s: %u descriptors are left open, %u misused",
			    check->what, simfs_n_open(state),
			    simfs_n_misused(state));
}

static void keep_damage(void *ctx, const struct finding *finding)
{
	struct finding *damage = ctx;

	if (finding->is_damage)
		*damage = *finding;
}

/*
 * What a crash left is no damage to a check either, whatever the next open
 * makes of it; after a clean stop nothing is left to be made.
 */
static void check_at_rest(const struct check *check, struct simfs *state,
			  bool closed)
{
	struct finding damage = { .text = "" };
	const struct check_options options = { .dir = VERIFY_DIR,
					       .io = simfs_io(state),
					       .finding = keep_damage,
					       .ctx = &damage };
	struct check_report report;
	struct store_error error;
	int result = check_run(&options, &report, &error);

	/* One of a few: it reads every byte. */
	if (check->verify->n_at_rest++ % AT_REST_ONE_OF != 0)
		return;
	/* The crash was before there was a store. */
	if (!closed && (result == -ENOENT || result == -ENODATA))
		return;
	if (result)
		verify_fail(check->verify, "%s: check returns %d: %s",
			    check->what, result, error.text);
	else if (report.n_damaged > 0 || (closed && report.unclean))
		verify_fail(check->verify,
			    "%s: check finds damage in segment %u at %llu: %s",
			    check->what, damage.segment_id,
			    (unsigned long long)damage.off, damage.text);
	check_descriptors(check, state);
}

static void close_on(const struct check *check, struct simfs *state,
		     struct store *store)
{
	int result = store_close(store);

	if (result)
		verify_fail(check->verify, "%s: close returns %d", check->what,
			    result);
	check_descriptors(check, state);
}

/* Where closing is not what matters; it takes longer than opening. */
static void abandon_on(const struct check *check, struct simfs *state,
		       struct store *store)
{
	store_abandon(store);
	check_descriptors(check, state);
}

/* Keeps one of the calls, each with the same odds. */
static void pick_cut(void *ctx, struct simfs *fs, enum simfs_call call,
		     bool changed)
{
	struct pick *pick = ctx;

	(void)call;
	if (!changed || sim_random(&pick->random) % ++pick->n_calls)
		return;
	simfs_free(pick->state);
	pick->at_call = pick->n_calls;
	pick->state = simfs_crash_random(fs, sim_random(&pick->random),
					 pick->text, sizeof(pick->text));
}

/* A cut inside the recovery. */
static void check_picked(const struct check *check, const struct pick *pick)
{
	char what[4 * STATE_TEXT_LEN];
	struct check again = *check;
	struct oracle_contents seen;
	struct store *store;

	if (!pick->state || !is_new_second(check, pick->state))
		return;
	snprintf(what, sizeof(what), "%s; cut again after change %u of %u, %s",
		 check->what, pick->at_call, pick->n_calls, pick->text);
	again.what = what;
	store = open_on(&again, pick->state, VERIFY_DIR);
	if (!store)
		return;
	if (read_all(&again, store, &seen))
		check_admitted(&again, ORACLE_POWER_CUT, &seen);
	check_stats(&again, store);
	abandon_on(&again, pick->state, store);
}

/* LEFT is what a cut now leaves that loses all it may; DUE must be there. */
static void check_durable(const struct check *check, struct simfs *left,
			  const struct oracle_contents *due, const char *when)
{
	char what[4 * STATE_TEXT_LEN];
	struct check again = *check;
	struct oracle_contents seen;
	struct store *store;

	check->verify->n_second++;
	snprintf(what, sizeof(what), "%s; cut again %s, all lost", check->what,
		 when);
	again.what = what;
	store = open_on(&again, left, VERIFY_DIR);
	if (!store)
		return;
	if (read_all(&again, store, &seen))
		check_equal(&again, &seen, due);
	check_stats(&again, store);
	abandon_on(&again, left, store);
}

static void check_next_put(const struct check *check, struct simfs *state,
			   struct store *store,
			   const struct oracle_contents *before)
{
	struct oracle_contents seen, due;
	struct oracle after;
	struct check next = *check;
	struct simfs *left;
	int result;

	oracle_init(&after);
	oracle_settle(&after, before);
	next.oracle = &after;
	result = oracle_put(&after, store, "last", LAST_ID, LAST_LEN,
			    STORE_ALWAYS);
	if (result)
		verify_fail(check->verify, "%s: the next put returns %d",
			    check->what, result);
	oracle_newest(&after, &due);
	if (read_all(&next, store, &seen))
		check_equal(&next, &seen, &due);
	left = simfs_crash_durable(state);
	check_durable(&next, left, &due, "after the next put");
	simfs_free(left);
	close_on(&next, state, store);
	check_at_rest(&next, state, true);
	store = open_on(&next, state, VERIFY_DIR);
	if (!store)
		return;
	if (read_all(&next, store, &seen))
		check_equal(&next, &seen, &due);
	check_stats(&next, store);
	close_on(&next, state, store);
	check_at_rest(&next, state, true);
}

static void read_backup(const struct check *check, struct simfs *state,
			const struct oracle_backup *backup)
{
	struct store *store = open_on(check, state, backup->dir);
	struct oracle_contents seen;

	if (!store)
		return;
	if (read_all(check, store, &seen) &&
	    check_equal(check, &seen, &backup->contents))
		check_scan(check, store, &seen);
	check_stats(check, store);
	close_on(check, state, store);
}

/* In a copy: what is checked of the store should not depend on it. */
static void check_backup(const struct check *check, struct simfs *state)
{
	const struct oracle_backup *backup = &check->oracle->backup;
	char what[4 * STATE_TEXT_LEN];
	struct check again = *check;
	struct folder_view view;
	struct oracle alone;
	struct simfs *copy;
	int result;

	if (!backup->dir[0])
		return;
	snprintf(what, sizeof(what), "%s; the backup", check->what);
	oracle_init(&alone);
	oracle_settle(&alone, &backup->contents);
	again.oracle = &alone;
	again.what = what;
	copy = simfs_clone(state);
	simfs_kill(copy);
	result = folder_look(simfs_io(copy), backup->dir, &view);
	if (result == 0 && view.manifest)
		read_backup(&again, copy, backup);
	else if (backup->done)
		verify_fail(check->verify, "%s is not there: %d", what, result);
	simfs_free(copy);
}

void verify_state(struct verify *verify, const struct oracle *oracle,
		  enum oracle_crash crash, struct simfs *state, uint64_t seed,
		  const char *what)
{
	struct check check = { verify, oracle, what };
	struct pick pick = { .random = seed };
	struct oracle_contents seen;
	struct simfs *left;
	struct store *store;

	verify->n_first++;
	check_at_rest(&check, state, false);
	check_backup(&check, state);
	simfs_set_hook(state, pick_cut, &pick);
	store = open_on(&check, state, VERIFY_DIR);
	simfs_set_hook(state, NULL, NULL);
	check_picked(&check, &pick);
	simfs_free(pick.state);
	if (!store)
		return;
	check_stats(&check, store);
	if (!read_all(&check, store, &seen) ||
	    !check_admitted(&check, crash, &seen) ||
	    !check_scan(&check, store, &seen)) {
		store_abandon(store);
		return;
	}
	left = simfs_crash_durable(state);
	if (is_new_settled(&check, state, left, &seen)) {
		check_durable(&check, left, &seen, "after the open");
		check_next_put(&check, state, store, &seen);
	} else {
		verify->n_second += 2;
		verify->n_known += 2;
		abandon_on(&check, state, store);
	}
	simfs_free(left);
}

void verify_running(struct verify *verify, const struct oracle *oracle,
		    struct store *store, const char *what)
{
	struct check check = { verify, oracle, what };
	struct oracle_contents seen;

	if (read_all(&check, store, &seen) &&
	    check_admitted(&check, ORACLE_KILL, &seen))
		check_scan(&check, store, &seen);
}
