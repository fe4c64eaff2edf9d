/*
 * soak_reader: a connection that reads the writers' keys, and holds what it
 * sees against what it saw before, also before a restart.
 */
#ifndef GETME_TESTS_TORTURE_SOAK_READER_H
#define GETME_TESTS_TORTURE_SOAK_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/support/writer_model.h"
#include "tests/torture/soak.h"
#include "tests/torture/soak_daemon.h"

/* What it knows of a key: the last number it saw; absent after it. */
struct soak_sight {
	int64_t number;
	bool absent;
};

struct soak_reader {
	struct soak_daemon *daemon;
	uint64_t random; /* not 0 */
	struct soak_sight sights[SOAK_WRITERS][MODEL_KEYS];
	int64_t seen[SOAK_WRITERS]; /* the highest number */
	uint64_t n_reads;
};

/* A thread's: reads until the connection is lost. */
void *soak_reader_run(void *reader);

#endif
