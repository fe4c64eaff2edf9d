#include "common/tails.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
	const struct tail *left = a;
	const struct tail *right = b;

	/* Those without an entry go to the end. */
	if ((left->first_sequence == 0) != (right->first_sequence == 0))
		return left->first_sequence == 0 ? 1 : -1;
	if (left->first_sequence != right->first_sequence)
		return left->first_sequence < right->first_sequence ? -1 : 1;
	return left->segment->id < right->segment->id ? -1 : 1;
}

/* What stopped the reading of a tail that was synced was damage: over that. */
static int reread_synced(struct tail *tail, struct io *io)
{
	struct segment *segment = tail->segment;
	uint64_t bytes_read = tail->bytes_read;
	int result = 0;

	if (tail->stopped) {
		tail_deinit(tail);
		result = tail_read(tail, io, segment, true);
		tail->bytes_read += bytes_read;
	}
	tail->followed = true;
	return result;
}

int tails_read(struct tail *tails, size_t n, struct io *io,
	       uint64_t synced_below, uint32_t *bad_id)
{
	int result = 0;
	size_t i;

	for (i = 0; result == 0 && i < n; i++) {
		*bad_id = tails[i].segment->id;
		result = tail_read(&tails[i], io, tails[i].segment, false);
	}
	if (result < 0)
		return result;
	qsort(tails, n, sizeof(*tails), compare);
	for (i = 0; result == 0 && i < n; i++) {
		if (tails[i].first_sequence == 0)
			break;
		if ((i + 1 == n || tails[i + 1].first_sequence == 0) &&
		    tails[i].first_sequence >= synced_below)
			break;
		*bad_id = tails[i].segment->id;
		result = reread_synced(&tails[i], io);
	}
	return result;
}
