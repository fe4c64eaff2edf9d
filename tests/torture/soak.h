/*
 * soak: what the parts of the soak share: the daemon under test, faults,
 * chance.
 *
 *	soak.c		rounds
 *	soak_daemon.c	getmed, started and killed; a second one for backups
 *	soak_writer.c	pipelines of writes of which a model is kept
 *	soak_reader.c	what readers see goes forward
 *	soak_keys.c	reads of the writers' keys
 *	soak_crowd.c	processes that overwrite, and are killed
 *	soak_scan.c	scans beside all that
 *	soak_upkeep.c	full compactions, backups, clears
 *
 * A part that works while the daemon is up is a function for a thread; it
 * ends when the connection is lost, and that is a fault unless the round is
 * ending.
 */
#ifndef GETME_TESTS_TORTURE_SOAK_H
#define GETME_TESTS_TORTURE_SOAK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/getme.h"

enum {
	SOAK_WRITERS = 4,
	SOAK_READERS = 2,
	SOAK_TIMEOUT_MS = 60000, /* of a call: a sanitizer's daemon is slow */
};

/* What may go wrong, each a line of the report. */
enum soak_check {
	SOAK_STATE,
	SOAK_ORDER,
	SOAK_BATCH,
	SOAK_READER,
	SOAK_REPLY,
	SOAK_SCAN,
	SOAK_BACKUP,
	SOAK_STOP,
	SOAK_WHOLE,
	SOAK_CHECKS
};

/* Counts, and prints the first of each kind. */
__attribute__((format(printf, 2, 3))) void soak_fault(enum soak_check check,
						      const char *format, ...);

/* Prints the report; the number of kinds of faults. */
int soak_report_faults(void);

/* The run cannot go on. */
__attribute__((noreturn)) void soak_die(const char *what);

/* xorshift64; STATE is not 0. */
uint64_t soak_random(uint64_t *state, uint64_t n);

void soak_pause_ms(uint64_t ms);

uint64_t soak_now_ns(void); /* CLOCK_MONOTONIC */
int64_t soak_wall_ms(void); /* CLOCK_REALTIME */

/* The daemon is, or is about to be, dead. */
extern atomic_bool soak_ending;

#endif
