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

/* How many there are of that kind; KEY NULL: any. */
size_t rest_count(const struct rest_found *found, enum finding_kind kind,
		  const char *key);

void rest_print(const struct rest_found *found);

/* A hash of all files below REST_DIR, LOCK and the quarantine included. */
uint64_t rest_hash(struct simfs *fs);

#endif
