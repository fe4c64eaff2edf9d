/*
 * daemon: start, run, stop.
 *
 * The order of the start is what makes a failure harmless: everything that
 * can be checked is, before the store is opened; the store's lock is held
 * before a stale socket is removed; READY=1 comes last.
 */
#ifndef GETME_DAEMON_DAEMON_H
#define GETME_DAEMON_DAEMON_H

#include "common/engine.h"
#include "daemon/failure.h"
#include "daemon/options.h"

/* Opens the engine over the store in the folder STORE.  0 or -errno. */
typedef int daemon_open_engine(const struct options *options, const char *store,
			       const struct engine_host *host,
			       struct engine **engine, struct failure *failure);

/*
 * Serves until SIGTERM or SIGINT, then stops in order.  0; or a negative
 * errno with FAILURE: it could not start (what was made for it is removed
 * again), or the last sync failed.
 */
int daemon_run(const struct options *options, daemon_open_engine *open_engine,
	       struct failure *failure);

#endif
