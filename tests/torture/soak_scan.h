/*
 * soak_scan: scans that look for what is missing and what comes twice.
 */
#ifndef GETME_TESTS_TORTURE_SOAK_SCAN_H
#define GETME_TESTS_TORTURE_SOAK_SCAN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "client/getme.h"
#include "tests/support/writer_model.h"
#include "tests/torture/soak.h"
#include "tests/torture/soak_crowd.h"
#include "tests/torture/soak_daemon.h"

/* How often each key came. */
struct soak_census {
	unsigned int writers[SOAK_WRITERS][MODEL_KEYS];
	unsigned int staying[SOAK_STAYING];
	uint64_t n;
};

struct soak_scanner {
	struct soak_daemon *daemon;
	const _Atomic unsigned int *epoch; /* odd: keys that stay may be gone */
	uint64_t random;		   /* not 0 */
	uint64_t n_scans;
};

/* A scan from begin to end.  0 or an error; faults are told. */
int soak_scan(struct getme *handle, uint64_t *random,
	      struct soak_census *census);

/* Keys that stay have come. */
void soak_scan_check_staying(const struct soak_census *census);

/* A thread's: scans until the connection is lost. */
void *soak_scanner_run(void *scanner);

#endif
