/*
 * soak_upkeep: what an administrator asks for, under load: full compactions,
 * and clears.
 */
#ifndef GETME_TESTS_TORTURE_SOAK_UPKEEP_H
#define GETME_TESTS_TORTURE_SOAK_UPKEEP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/torture/soak_daemon.h"
#include "tests/torture/soak_gate.h"
#include "tests/torture/soak_writer.h"

struct soak_compactor {
	struct soak_daemon *daemon;
	uint64_t random; /* not 0 */
	uint64_t n_done;
};

struct soak_clearer {
	struct soak_daemon *daemon;
	struct soak_gate *gate;
	struct soak_writer *writers; /* SOAK_WRITERS */
	/*
	 * Odd from before a clear until the keys that stay are there again;
	 * after a kill meanwhile it is soak.c that sees to that.
	 */
	_Atomic unsigned int *epoch;
	uint64_t random; /* not 0 */
	uint64_t n_done;
};

/* Threads': until the connection is lost, or the round is ending. */
void *soak_compactor_run(void *compactor);
void *soak_clearer_run(void *clearer);

#endif
