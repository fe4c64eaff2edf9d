/*
 * rate: how often lines of one kind may be logged.
 *
 * A kind is any 64-bit number.  Of each kind LIMITS_LOG_BURST lines pass in
 * LIMITS_LOG_WINDOW_MS; the rest are counted.  Kinds share a small table, so
 * two of them may now and then reset each other's count: never one line less.
 */
#ifndef GETME_DAEMON_RATE_H
#define GETME_DAEMON_RATE_H

#include <stdbool.h>
#include <stdint.h>

enum {
	RATE_SLOTS = 64,
};

struct rate_slot {
	uint64_t kind;
	uint64_t since_ms;
	uint32_t n_passed;
	uint32_t n_held_back;
};

/* All zero is a fresh one. */
struct rate {
	struct rate_slot slots[RATE_SLOTS];
};

/*
 * May a line of KIND be logged?  If so, HELD_BACK tells how many lines of
 * this kind were not, since the last one that was.
 */
bool rate_allow(struct rate *rate, uint64_t kind, uint64_t now_ms,
		uint32_t *held_back);

#endif
