/*
 * check: verifies every byte of a store at rest, and changes none.
 *
 * Both manifests; every listed segment's header, entries, values, batches and
 * sequences; its hint, line by line.  What is wrong is told as it is found
 * (common/finding.h).  Damage is what a store that was handled well cannot
 * show; a torn end that the next start cuts off, a missing hint, bytes behind
 * a sealed end and files that do not belong to the store are notes.
 *
 * The folder stays as it is to the byte; a medium that cannot be written will
 * do.  Memory: 16 bytes an entry, and one hint.
 */
#ifndef GETME_COMMON_CHECK_H
#define GETME_COMMON_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/finding.h"
#include "common/io.h"
#include "common/store.h"

struct check_options {
	const char *dir;
	struct io *io;	/* NULL: io_system() */
	bool is_locked; /* the caller has the store's lock */
	void (*finding)(void *ctx, const struct finding *finding);
	void (*progress)(void *ctx, uint64_t done, uint64_t total); /* bytes */
	void *ctx;
};

struct check_report {
	uint64_t n_segments;
	uint64_t n_entries;
	uint64_t n_bytes; /* of segments, verified */
	uint64_t n_damaged;
	uint64_t damaged_bytes;
	uint64_t n_notes;
	bool unclean; /* the store was not stopped cleanly */
};

/*
 * 0: it was verified, and REPORT tells what came out (n_damaged 0: it is
 * whole).  A negative errno with ERROR filled in, as inventory_take's:
 * -EWOULDBLOCK in use, -EACCES or -EPERM not allowed, -EPROTONOSUPPORT a newer
 * format, -ENODATA no store, others.
 */
int check_run(const struct check_options *options, struct check_report *report,
	      struct store_error *error);

#endif
