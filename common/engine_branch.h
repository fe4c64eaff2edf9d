/*
 * engine_branch: a further way into the local engine, for a loop on a thread
 * of its own.
 *
 * A branch answers gets, of one key or a few, by itself where memory can
 * answer them, through a view, as the engine's own thread does; it takes no
 * lock and waits for nobody.  All else (writes, what is on the disk, what is
 * damaged or has expired, scans, stats) becomes an errand: the request goes to
 * the engine's thread by a mailbox, and comes back by another one with copies
 * of what the answer points to, which on that thread ends with done.
 *
 *	branch's thread			engine's thread
 *	submit -> turn: get ── view
 *	              : errand ───────► local->errands, submit
 *	done   <- turn  ◄────────────── done: copies, branch->back
 *
 * Invariants
 *  1. Of a request that is an errand the branch touches nothing until it has
 *     come back.
 *  2. Writes of one branch reach the engine in the order of their submission.
 *  3. While a branch looks through the view it is a reader of retire.
 */
#ifndef GETME_COMMON_ENGINE_BRANCH_H
#define GETME_COMMON_ENGINE_BRANCH_H

#include "common/engine_internal.h"

/* engine_ops.branch of the local engine. */
int local_branch(struct engine *engine, const struct engine_host *host,
		 struct engine **branch);

/* Submits what branches have sent. */
void local_take_errands(struct local *local);

#endif
