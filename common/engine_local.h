/*
 * engine_local: the engine over a store in a local directory.
 *
 * Threads: the loop (who calls engine_turn; it owns the index), the log
 * thread (writes and syncs), upkeep (manifest, spares, hints).
 */
#ifndef GETME_COMMON_ENGINE_LOCAL_H
#define GETME_COMMON_ENGINE_LOCAL_H

#include <stdint.h>

#include "common/engine.h"

struct io;

struct engine_local_options {
	const char *dir;
	enum engine_durability durability; /* ENGINE_DEFAULT: always */
	uint64_t sync_interval_ms;	   /* 0: 1000 */
	uint64_t segment_size;		   /* bytes; 0: automatic */
	uint64_t value_max;		   /* bytes; 0: 64 MiB */
	/* Told while the store loads; may be NULL. */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *progress_ctx;
	struct io *io; /* NULL: the system's; for tests */
};

/* Why it could not be opened: one line, what happened and what to do. */
struct engine_local_error {
	char text[512];
};

/*
 * Opens the store, makes it where there is none, and starts the threads.
 * 0, or a negative errno with ERROR filled in (-EWOULDBLOCK: in use).  The
 * caller ends it with engine_close.
 */
int engine_local_open(const struct engine_local_options *options,
		      const struct engine_host *host, struct engine **engine,
		      struct engine_local_error *error);

#endif
