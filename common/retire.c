#include "common/retire.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/segment.h"

void retire_init(struct retire *retire, const struct retire_ops *ops)
{
	memset(retire, 0, sizeof(*retire));
	retire->ops = *ops;
	atomic_init(&retire->clock, 1);
	retire->holds.next = &retire->holds;
	retire->holds.previous = &retire->holds;
	retire->segments_end = &retire->segments;
}

/* Whether no reader may have looked before AT. */
static bool is_left(const struct retire *retire, uint64_t at)
{
	const struct retire_reader *reader;

	for (reader = retire->readers; reader; reader = reader->next) {
		uint64_t since = atomic_load(&reader->since);

		if (since != 0 && since <= at)
			return false;
	}
	return true;
}

/*
 * Whether nobody who began before AT still reads.  A reader that does is told
 * to say when it leaves; it may have left before it was told.
 */
static bool is_free(struct retire *retire, uint64_t at)
{
	const struct hold *oldest = retire->holds.next;

	if (oldest != &retire->holds && oldest->begun <= at)
		return false;
	if (is_left(retire, at))
		return true;
	atomic_store(&retire->is_awaited, true);
	return is_left(retire, at);
}

static void release_first_segment(struct retire *retire)
{
	struct segment *segment = retire->segments;

	retire->segments = segment->retired_next;
	if (!retire->segments)
		retire->segments_end = &retire->segments;
	segment->retired_next = NULL;
	retire->held_bytes -= segment->len;
	retire->ops.release_segment(retire->ops.ctx, segment);
}

static void release(struct retire *retire)
{
	size_t n = 0;

	if (retire->readers)
		atomic_store(&retire->is_awaited, false);
	while (retire->segments &&
	       is_free(retire, retire->segments->retired_at))
		release_first_segment(retire);
	while (n < retire->n_indexes && is_free(retire, retire->indexes[n].at))
		retire->ops.release_index(retire->ops.ctx,
					  retire->indexes[n++].index);
	if (n == 0)
		return;
	retire->n_indexes -= n;
	memmove(retire->indexes, retire->indexes + n,
		retire->n_indexes * sizeof(*retire->indexes));
}

void retire_deinit(struct retire *retire)
{
	retire->holds.next = &retire->holds;
	retire->holds.previous = &retire->holds;
	retire->readers = NULL;
	release(retire);
	free(retire->indexes);
	retire->indexes = NULL;
	retire->indexes_cap = 0;
}

void retire_hold(struct retire *retire, struct hold *hold)
{
	assert(hold->begun == 0);
	hold->begun = atomic_load(&retire->clock);
	hold->next = &retire->holds;
	hold->previous = retire->holds.previous;
	hold->previous->next = hold;
	hold->next->previous = hold;
}

void retire_end(struct retire *retire, struct hold *hold)
{
	if (hold->begun == 0)
		return;
	hold->previous->next = hold->next;
	hold->next->previous = hold->previous;
	memset(hold, 0, sizeof(*hold));
	release(retire);
}

void retire_add_reader(struct retire *retire, struct retire_reader *reader)
{
	reader->next = retire->readers;
	retire->readers = reader;
}

void retire_enter(const struct retire *retire, struct retire_reader *reader)
{
	uint64_t now = atomic_load(&retire->clock);
	uint64_t shown;

	do {
		shown = now;
		atomic_store(&reader->since, shown);
		now = atomic_load(&retire->clock);
	} while (now != shown);
}

bool retire_leave(const struct retire *retire, struct retire_reader *reader)
{
	atomic_store(&reader->since, 0);
	return atomic_load(&retire->is_awaited);
}

void retire_look(struct retire *retire)
{
	if (retire->segments || retire->n_indexes > 0)
		release(retire);
}

void retire_segment(struct retire *retire, struct segment *segment)
{
	segment->retired_next = NULL;
	segment->retired_at = atomic_fetch_add(&retire->clock, 1);
	*retire->segments_end = segment;
	retire->segments_end = &segment->retired_next;
	retire->held_bytes += segment->len;
	release(retire);
}

int retire_reserve_index(struct retire *retire)
{
	struct retired_index *grown;
	size_t cap = retire->indexes_cap ? retire->indexes_cap * 2 : 2;

	if (retire->n_indexes < retire->indexes_cap)
		return 0;
	grown = realloc(retire->indexes, cap * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	retire->indexes = grown;
	retire->indexes_cap = cap;
	return 0;
}

void retire_index(struct retire *retire, struct index *index)
{
	assert(retire->n_indexes < retire->indexes_cap);
	retire->indexes[retire->n_indexes++] = (struct retired_index){
		.index = index,
		.at = atomic_fetch_add(&retire->clock, 1),
	};
	release(retire);
}
