#include <errno.h>
#include <stdlib.h>

#include "common/hint.h"
#include "common/inventory_internal.h"
#include "common/tails.h"

/* ---- without a manifest: what other segments tell of an end ---- */

/* The first sequence in a sealed segment, 0: not known. */
static uint64_t first_of(const struct inventory *inventory,
			 const struct inventory_row *row)
{
	uint64_t sequence = 0;
	struct hint_entry line;
	struct hint hint;

	if (row->state != INVENTORY_SEALED || !row->in_order ||
	    hint_load(&hint, inventory->io, inventory->dir,
		      inventory->manifest.store_id, row->id, row->end) != 0)
		return 0;
	if (hint_next(&hint, &line))
		sequence = line.sequence;
	hint_deinit(&hint);
	return sequence;
}

/* Entries that were synced before those of a tail were written. */
static uint64_t sealed_below(const struct inventory *inventory)
{
	uint64_t highest = 0;
	size_t i;

	for (i = 0; inventory->rebuilt && i < inventory->n_rows; i++) {
		const struct inventory_row *row = &inventory->rows[i];

		if (row->state == INVENTORY_SEALED && row->in_order &&
		    row->last_sequence > highest)
			highest = row->last_sequence;
	}
	return highest;
}

/* The lowest of the N FIRSTS that is above ABOVE; 0: none. */
static uint64_t next_first(const uint64_t *firsts, size_t n, uint64_t above)
{
	uint64_t next = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (firsts[i] > above && (next == 0 || firsts[i] < next))
			next = firsts[i];
	}
	return next;
}

/*
 * The numbers of a write that failed are used again, in the next segment:
 * its bytes may be there, and only the manifest knew of its end.  The same
 * holds for what a recovery has copied.  The head of a batch is in no line.
 */
static void cut_at(struct tail *tail, uint64_t next)
{
	struct hint lines = hint_builder_peek(&tail->entries);
	uint64_t last = 0;
	struct hint_entry line;

	while (hint_next(&lines, &line)) {
		if (line.sequence < next) {
			last = line.sequence;
			continue;
		}
		tail->end = (uint64_t)line.off8 * 8;
		if (line.flags & ENTRY_IN_BATCH && line.sequence == last + 2)
			tail->end -= entry_len(0, ENTRY_BATCH_VALUE_LEN, false);
		tail->last_sequence = last;
		tail->mark = tail->end;
		tail->followed = false;
		return;
	}
}

/* 0 or -ENOMEM. */
static int cut_overlaps(const struct inventory *inventory, struct tail *tails,
			size_t n)
{
	size_t n_firsts = n + inventory->n_rows;
	uint64_t *firsts = malloc((n_firsts + 1) * sizeof(*firsts));
	size_t i;

	if (!firsts)
		return -ENOMEM;
	for (i = 0; i < n_firsts; i++)
		firsts[i] =
			i < n ? tails[i].first_sequence
			      : first_of(inventory, &inventory->rows[i - n]);
	for (i = 0; i < n; i++) {
		uint64_t next =
			next_first(firsts, n_firsts, tails[i].first_sequence);

		if (next != 0 && tails[i].last_sequence >= next)
			cut_at(&tails[i], next);
	}
	free(firsts);
	return 0;
}

/* ---- into the rows ---- */

static struct inventory_row *row_of(const struct inventory *inventory,
				    uint32_t id)
{
	size_t i = 0;

	while (inventory->rows[i].id != id)
		i++;
	return &inventory->rows[i];
}

static void settle_row(const struct inventory *inventory,
		       const struct tail *tail, uint64_t *expected)
{
	struct inventory_row *row = row_of(inventory, tail->segment->id);

	row->end = tail->end;
	row->data_end = tail->data_end > tail->end ? tail->data_end : tail->end;
	row->last_sequence = tail->last_sequence;
	row->synced_end = tail->followed ? row->data_end : tail->mark;
	if (row->synced_end < row->end)
		row->synced_end = row->end;
	if (row->synced_end > row->data_end)
		row->synced_end = row->data_end;
	if (tail->first_sequence == 0)
		return;
	/* Damage in it, or at the end of the one before, may be the reason. */
	if (*expected != 0 && tail->first_sequence != *expected &&
	    tail->n_damaged == 0)
		findings_add(inventory->findings,
			     (struct finding){ .kind = FINDING_SEQUENCE,
					       .is_damage = true,
					       .segment_id = row->id },
			     "entries that were written before this segment's "
			     "are missing");
	*expected = row->synced_end > row->end ? 0 : tail->last_sequence + 1;
}

static int settle(const struct inventory *inventory, struct tail *tails,
		  size_t n, struct store_error *error)
{
	uint64_t expected =
		inventory->rebuilt ? 0 : inventory->manifest.next_sequence;
	uint32_t bad_id = 0;
	size_t i;
	int result = tails_read(tails, n, inventory->io,
				sealed_below(inventory), &bad_id);

	if (result < 0)
		return inventory_fail_segment(inventory, error, result, bad_id);
	if (inventory->rebuilt)
		result = cut_overlaps(inventory, tails, n);
	if (result < 0)
		return inventory_fail(error, result, "out of memory");
	for (i = 0; i < n; i++) {
		settle_row(inventory, &tails[i], &expected);
		if (inventory->rebuilt)
			expected = 0;
	}
	return 0;
}

int inventory_read_tails(struct inventory *inventory, struct store_error *error)
{
	struct tail *tails = calloc(inventory->n_rows + 1, sizeof(*tails));
	size_t n = 0;
	size_t i;
	int result = 0;

	if (!tails)
		return inventory_fail(error, -ENOMEM, "out of memory");
	for (i = 0; result == 0 && i < inventory->n_rows; i++) {
		const struct inventory_row *row = &inventory->rows[i];

		if (row->state != INVENTORY_TAIL)
			continue;
		result = inventory_open(inventory, row, &tails[n].segment);
		if (result < 0)
			inventory_fail_segment(inventory, error, result,
					       row->id);
		else
			n++;
	}
	inventory->unclean = n > 0;
	if (result == 0)
		result = settle(inventory, tails, n, error);
	for (i = 0; i < n; i++) {
		segment_free(inventory->io, tails[i].segment);
		tail_deinit(&tails[i]);
	}
	free(tails);
	return result;
}
