/*
 * fake_engine: a second implementation of common/engine.h, for the daemon's
 * tests: in memory, and as unpleasant as the interface allows.
 *
 * It keeps the promises of engine.h and no others: answers come late, those
 * of reads in any order, a dependent write (a condition, incr, touch) may be
 * applied after plain writes that were submitted behind it.
 */
#ifndef GETME_TESTS_FAKE_ENGINE_H
#define GETME_TESTS_FAKE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/engine.h"

/* May be changed at any time (fake_engine_behaviour). */
struct fake_behaviour {
	uint64_t seed;
	unsigned int delay_turns; /* answers come 0 to so many turns late */
	bool reorder;	  /* reads' answers, and late dependent writes */
	bool hold;	  /* nothing is begun or answered */
	int write_result; /* not 0: every write's; ENGINE_UNKNOWN may apply */
	int read_result;  /* not 0: of get, stat, get_many, scan, count */
	int every_result; /* not 0: everything's: the backend is gone */
	int item_result;  /* not 0: of every item of get_many and scan */
	int task_result;  /* not 0: of compact and backup, with task_text */
	const char *task_text;
	int share_result;     /* not 0: of share */
	int share_fd;	      /* share gives a copy of it */
	bool hold_tasks;      /* these are not answered */
	unsigned int n_tasks; /* out: how many were answered */
	char path[256];	      /* out: the last backup's */
	enum engine_state state;
	const char *state_text;
	struct engine_capabilities capabilities;
};

/* Fills in a well-behaved one. */
void fake_behaviour_init(struct fake_behaviour *behaviour);

struct engine *fake_engine_new(const struct fake_behaviour *behaviour,
			       const struct engine_host *host);
struct fake_behaviour *fake_engine_behaviour(struct engine *engine);

/* The next take_event brings it. */
void fake_engine_say(struct engine *engine, int priority, const char *text);

/* What was submitted and not answered; what was answered in all. */
size_t fake_engine_n_in_flight(const struct engine *engine);
size_t fake_engine_n_answered(const struct engine *engine);

/* Whether a turn would move anything that was submitted. */
bool fake_engine_may_move(const struct engine *engine);

#endif
