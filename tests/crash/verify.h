/*
 * verify: opens a store on what a crash left, and checks everything.
 *
 * For each state, in this order (2 to 4 are left out where the same was done
 * before, struct verify_known):
 *  0. A check of it as it lies there, now and then, finds no damage.
 *  1. The store opens; what it holds is what the oracle admits, by gets and
 *     by a scan; it calls nothing damaged.
 *  2. A second power cut somewhere inside that recovery, drawn by the seed:
 *     the store opens, the oracle admits what it holds.
 *  3. A second power cut when the open has returned, in which all is lost
 *     that may be: what the first open showed is there, no more, no less.
 *  4. One more put, read back; a power cut again loses nothing of it; the
 *     store closes, leaves no descriptor open, opens again, and holds the
 *     same.
 * Before these the oracle's backup: it has no manifest, unless it must have
 * one, or it opens and holds what it must.
 */
#ifndef GETME_TESTS_CRASH_VERIFY_H
#define GETME_TESTS_CRASH_VERIFY_H

#include <stdint.h>

#include "tests/crash/hashset.h"
#include "tests/crash/oracle.h"
#include "tests/crash/simfs.h"

#define VERIFY_PARENT "/srv" /* there, and durable, from the beginning */
#define VERIFY_DIR    "/srv/store"

enum {
	VERIFY_SHOWN_MAX = 12, /* violations that are printed */
	VERIFY_SHOWN_HERE = 2, /* of them from one place */
};

/*
 * What was checked already.  Of two disks with the same bytes and names, of
 * which the same is demanded, the second has nothing new to tell; nor has a
 * recovery that leads to the same disk (what is visible of it and what is
 * durable) and shows the same contents.
 */
struct verify_known {
	struct hashset first;	/* states, with the oracle's signature */
	struct hashset second;	/* the same, left by cuts in recoveries */
	struct hashset settled; /* recovered disks, with their contents */
};

struct verify {
	uint64_t n_first; /* states after a first cut, a kill, a fault */
	uint64_t n_second;
	uint64_t n_known;   /* second cuts whose states were known */
	uint64_t n_at_rest; /* stores that might be checked (common/check.h) */
	uint64_t n_violations;
	unsigned n_shown, n_shown_here;
	const char *where;	    /* borrowed */
	FILE *trace;		    /* of the recoveries; NULL: none */
	struct verify_known *known; /* borrowed; NULL: all is checked */
};

void verify_known_deinit(struct verify_known *known);

/*
 * Whether the state that CRASH left is new, under what ORACLE demands; then
 * it is known from now on.
 */
bool verify_is_new(struct verify_known *known, const struct oracle *oracle,
		   enum oracle_crash crash, struct simfs *state);

/* A simulation with VERIFY_PARENT in it. */
struct simfs *verify_new_fs(void);

/* Opens VERIFY_DIR with small segments; 0, or store_open's error. */
int verify_open(struct simfs *fs, struct store **store,
		struct store_error *error);

/* Where we are, for the messages of violations; borrowed until the next. */
void verify_at(struct verify *verify, const char *where);

/* Counts a violation, and prints it unless there were many. */
__attribute__((format(printf, 2, 3))) void verify_fail(struct verify *verify,
						       const char *format, ...);

/*
 * STATE is used up but not freed.  WHAT tells about it in words.  SEED draws
 * the second cuts.
 */
void verify_state(struct verify *verify, const struct oracle *oracle,
		  enum oracle_crash crash, struct simfs *state, uint64_t seed,
		  const char *what);

/* The running STORE holds what the oracle admits, and a scan finds it. */
void verify_running(struct verify *verify, const struct oracle *oracle,
		    struct store *store, const char *what);

/* An environment variable's number, or OTHERWISE. */
uint64_t verify_env(const char *name, uint64_t otherwise);

/* Milliseconds of CLOCK_MONOTONIC. */
uint64_t verify_now_ms(void);

#endif
