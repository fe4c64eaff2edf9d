#include "tests/torture/soak_upkeep.h"

#include "tests/torture/soak.h"
#include "tests/torture/soak_crowd.h"

enum {
	COMPACT_PAUSE_MS = 200, /* at most, before each */
	CLEAR_PAUSE_MS = 800,
	STEP_MS = 10, /* soon enough to see that the round is ending */
};

static void pause_while_up(uint64_t ms)
{
	for (uint64_t i = 0; i < ms && !soak_ending; i += STEP_MS)
		soak_pause_ms(STEP_MS);
}

void *soak_compactor_run(void *arg)
{
	struct soak_compactor *compactor = arg;
	struct getme *handle = soak_daemon_need(compactor->daemon);
	int result = 0;

	while (handle && result == 0 && !soak_ending) {
		pause_while_up(
			soak_random(&compactor->random, COMPACT_PAUSE_MS));
		result = getme_compact(handle, NULL);
		compactor->n_done += result == 0;
	}
	if (result != 0 && !soak_ending)
		soak_fault(SOAK_REPLY, "compact: %s: %s",
			   getme_strerror(result), getme_last_error(handle));
	getme_close(handle);
	return NULL;
}

/* The writers stand at the gate. */
static int clear(struct soak_clearer *clearer, struct getme *handle)
{
	uint64_t sent_ns = soak_now_ns();
	int result;

	++*clearer->epoch;
	result = getme_clear(handle);
	/* Of this nothing was sent. */
	if (result == GETME_E_NO_DAEMON)
		return result;
	for (int i = 0; i < SOAK_WRITERS; i++)
		soak_writer_cleared(&clearer->writers[i], result, sent_ns);
	clearer->n_done += result == 0;
	return result;
}

void *soak_clearer_run(void *arg)
{
	struct soak_clearer *clearer = arg;
	struct getme *handle = soak_daemon_need(clearer->daemon);
	int result = 0;

	while (handle && result == 0 && !soak_ending) {
		pause_while_up(soak_random(&clearer->random, CLEAR_PAUSE_MS));
		if (soak_ending || !soak_gate_close(clearer->gate))
			break;
		result = clear(clearer, handle);
		soak_gate_open(clearer->gate);
		if (result == 0)
			result = soak_crowd_fill(handle, &clearer->random);
		if (result == 0)
			++*clearer->epoch;
	}
	if (result != 0 && !soak_ending)
		soak_fault(SOAK_REPLY, "clear: %s: %s", getme_strerror(result),
			   getme_last_error(handle));
	getme_close(handle);
	return NULL;
}
