/*
 * lane: a connection's requests in the order they were sent.
 *
 * Invariants
 *  1. Requests take effect in the order sent.  The engine promises order
 *     among plain writes only, so: reads may be under way together, plain
 *     writes too; a read starts when no write is under way, a write when
 *     neither a read nor a dependent write is (one whose effect depends on
 *     the state: a condition, incr, touch; the engine may apply it late).
 *     A task (compact, backup) keeps its place as a read does.
 *  2. Replies leave in the order of the requests.
 *  3. At most one request is held, and it is the last: nothing is parsed
 *     behind it.
 */
#ifndef GETME_DAEMON_LANE_H
#define GETME_DAEMON_LANE_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/request.h"

/* All zero is an empty one. */
struct lane {
	struct request *head;
	struct request *tail;
	size_t n;
	size_t n_running[REQUEST_N_KINDS]; /* REQUEST_AGAIN too */
	size_t n_dependent;		   /* running */
	size_t input_len;		   /* bytes of frames that are kept */
	size_t replies_len; /* bytes of replies not yet taken out */
	struct request *held;
};

/*
 * Adds REQUEST, which is REQUEST_DONE, or REQUEST_HELD and is submitted at
 * once if its turn has come.  Nothing may be held.
 */
void lane_add(struct lane *lane, struct request *request);

/*
 * The daemon stops, and waits for no task: those that the engine has are
 * answered with an error now, and what it says of them later is dropped.
 */
void lane_stop_tasks(struct lane *lane);

/* Submits what is held if its turn has come. */
void lane_release(struct lane *lane);

/* The engine has answered REQUEST, whose reply is in place. */
void lane_done(struct lane *lane, struct request *request);

/* The engine has answered REQUEST, and will be asked again. */
void lane_postpone(struct request *request, size_t expected_len);

/* Submits REQUEST, which is REQUEST_AGAIN. */
void lane_repeat(struct request *request);

/* Takes the first request out if it is done; else NULL. */
struct request *lane_take(struct lane *lane);

/* Empties it; requests that the engine has lose their connection. */
void lane_abandon(struct lane *lane);

#endif
