/*
 * rest_kit: a store at rest in a simulation, and what check and repair say of
 * it; for their tests.
 *
 * Three runs made it, so three segments, 1, 3 and 5, since the others were
 * spares.  Newest is, of each key, what rest_newest tells.
 */
#ifndef GETME_TESTS_SUPPORT_REST_KIT_H
#define GETME_TESTS_SUPPORT_REST_KIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/check.h"
#include "common/repair.h"
#include "tests/crash/simfs.h"

#define REST_DIR    "/store"
#define REST_NEWDIR "/new"

enum {
	REST_FINDINGS_MAX = 256,
	REST_KEY_MAX = 64,
	REST_SEGMENTS = 3,
};

struct rest_pair {
	const char *key;
	const char *value; /* NULL: deleted */
};

/* All keys that were ever written, with their newest values. */
extern const struct rest_pair rest_newest[];
extern const size_t rest_n_newest;

/* A simulation with the store in it, stopped cleanly, or killed. */
struct simfs *rest_new(bool killed);

/* What a check or a repair told. */
struct rest_found {
	struct finding at[REST_FINDINGS_MAX];
	char keys[REST_FINDINGS_MAX][REST_KEY_MAX]; /* "": none */
	size_t n;
	int result;
	struct store_error error;
	struct check_report report;
	struct repair_report repaired;
};

void rest_check(struct simfs *fs, const char *dir, struct rest_found *found);
/* REST_DIR to REST_NEWDIR. */
void rest_repair(struct simfs *fs, struct rest_found *found);

/* ---- for a test that has one such store ---- */

struct rest {
	struct simfs *fs;
	struct io *io;
	struct rest_found found; /* by the last check or repair */
};

extern struct rest rest;

/* cmocka's setups and teardown: no descriptor is left. */
int rest_set_up(void **state);
int rest_set_up_killed(void **state);
int rest_tear_down(void **state);

#define REST_TEST(name)                                                        \
	cmocka_unit_test_setup_teardown(name, rest_set_up, rest_tear_down)
#define REST_TEST_KILLED(name)                                                 \
	cmocka_unit_test_setup_teardown(name, rest_set_up_killed,              \
					rest_tear_down)

/* Goes on with a clone; the store that it had is to be given back. */
struct simfs *rest_begin_case(void);
void rest_end_case(struct simfs *before);

/* Repairs, and the old store stays as it is whatever comes out. */
void rest_repair_it(void);

/* It worked, and nothing at all is to be said of the new store. */
void rest_expect_done(void);

/*
 * All newest values are in the new store but those of LOST, a list that ends
 * in NULL, and nothing else.
 */
void rest_expect_all_but(const char *const *lost);
#define rest_expect_lost(...)                                                  \
	rest_expect_all_but((const char *const[]){ __VA_ARGS__, NULL })
void rest_expect_all(void);

/* Damages both manifests of DIR beyond use. */
void rest_lose_manifests(const char *dir);

/* ---- looking ---- */

/* How many there are of that kind; KEY NULL: any. */
size_t rest_count(const struct rest_found *found, enum finding_kind kind,
		  const char *key);

/* The first of that kind; there is one. */
const struct finding *rest_first(const struct rest_found *found,
				 enum finding_kind kind);

void rest_print(const struct rest_found *found);

/* A hash of all files in REST_DIR, LOCK included, and of their number. */
uint64_t rest_hash(struct simfs *fs);

#endif
