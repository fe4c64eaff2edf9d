/*
 * monitor: the engine's events, told to the log, and changes of its state,
 * told to systemd (the engine leaves an event of them too).
 */
#ifndef GETME_DAEMON_MONITOR_H
#define GETME_DAEMON_MONITOR_H

#include <stdbool.h>

#include "common/engine.h"

/* All zero has told nothing yet. */
struct monitor {
	enum engine_state state;
	bool told;
};

/* Tells what is new since the last time; for after each turn. */
void monitor_look(struct monitor *monitor, struct engine *engine);

#endif
