/*
 * soak_writer: a connection with a pipeline of puts, deletes, batches,
 * additions and expiries at all levels of durability, and the model of what
 * its keys may hold.
 */
#ifndef GETME_TESTS_TORTURE_SOAK_WRITER_H
#define GETME_TESTS_TORTURE_SOAK_WRITER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/getme.h"
#include "tests/support/writer_model.h"
#include "tests/torture/soak_daemon.h"
#include "tests/torture/soak_gate.h"

struct soak_writer {
	struct soak_daemon *daemon;
	struct soak_gate *gate;
	struct writer_model model;
	uint64_t random;
	struct getme *handle;
	struct getme_batch *batch;
	char *value;
	size_t n_collected; /* of model.ops */
	bool lost;	    /* the connection; nothing more is sent */
	/* For others, while it runs: at most so many were sent, at least so
	 * many are answered. */
	_Atomic size_t n_sent;
	_Atomic size_t n_answered;
};

/* Dies without memory. */
void soak_writer_init(struct soak_writer *writer, unsigned int number,
		      uint64_t seed);
void soak_writer_deinit(struct soak_writer *writer);

/*
 * The store was cleared, with RESULT, while the writer stood at the gate; the
 * call was made at SENT_NS.
 */
void soak_writer_cleared(struct soak_writer *writer, int result,
			 uint64_t sent_ns);

/* A round begins: before any of its threads does. */
void soak_writer_begin(struct soak_writer *writer);

/* A thread's: writes until the connection is lost. */
void *soak_writer_run(void *writer);

#endif
