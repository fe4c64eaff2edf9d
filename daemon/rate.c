#include "daemon/rate.h"

#include "daemon/limits.h"

static void restart(struct rate_slot *slot, uint64_t kind, uint64_t now_ms)
{
	slot->kind = kind;
	slot->since_ms = now_ms;
	slot->n_passed = 0;
	slot->n_held_back = 0;
}

bool rate_allow(struct rate *rate, uint64_t kind, uint64_t now_ms,
		uint32_t *held_back)
{
	struct rate_slot *slot = &rate->slots[kind % RATE_SLOTS];
	uint32_t missed = 0;

	if (slot->kind != kind) {
		restart(slot, kind, now_ms);
	} else if (now_ms - slot->since_ms >= LIMITS_LOG_WINDOW_MS) {
		missed = slot->n_held_back;
		restart(slot, kind, now_ms);
	}
	if (slot->n_passed >= LIMITS_LOG_BURST) {
		slot->n_held_back++;
		return false;
	}
	slot->n_passed++;
	*held_back = missed;
	return true;
}
