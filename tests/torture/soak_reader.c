#include "tests/torture/soak_reader.h"

#include <inttypes.h>

#include "tests/torture/soak_keys.h"

static void see(struct soak_reader *reader, unsigned int writer,
		unsigned int key, const struct model_state *state)
{
	struct soak_sight *sight = &reader->sights[writer][key];

	reader->n_reads++;
	if (key >= MODEL_FIRST_COUNTER)
		return;
	if (!state->present) {
		sight->absent = true;
		return;
	}
	if (state->number < sight->number ||
	    (state->number == sight->number && sight->absent))
		soak_fault(SOAK_READER,
			   "w%u/%u: number %" PRId64 " after %" PRId64 "%s",
			   writer, key, state->number, sight->number,
			   sight->absent ? " was gone" : "");
	sight->number = state->number;
	sight->absent = false;
	if (reader->seen[writer] < state->number)
		reader->seen[writer] = state->number;
}

/* Two keys of three are read alone, the rest is the group. */
static bool read_something(struct soak_reader *reader, struct getme *handle)
{
	unsigned int writer =
		(unsigned int)soak_random(&reader->random, SOAK_WRITERS);
	unsigned int first =
		(unsigned int)soak_random(&reader->random, MODEL_FIRST_COUNTER);
	struct model_state states[MODEL_KEYS];
	size_t n = 1;

	if (soak_random(&reader->random, 3) == 0) {
		first = MODEL_FIRST_GROUP;
		n = MODEL_GROUP;
	}
	if (!soak_keys_get(handle, SOAK_READER, writer, first, n, states))
		return false;
	for (unsigned int i = 0; i < n; i++)
		see(reader, writer, first + i, &states[i]);
	if (n == MODEL_GROUP)
		soak_keys_check_group(writer, states);
	return true;
}

void *soak_reader_run(void *arg)
{
	struct soak_reader *reader = arg;
	struct getme *handle = soak_daemon_need(reader->daemon);

	while (handle && read_something(reader, handle))
		;
	if (handle && !soak_ending)
		soak_fault(SOAK_READER, "a reader: %s",
			   getme_last_error(handle));
	getme_close(handle);
	return NULL;
}
