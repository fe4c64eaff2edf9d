#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/repair_internal.h"
#include "common/segment_reader.h"

bool repair_is_at(const struct index_place *place, uint32_t segment_id,
		  uint64_t off)
{
	return place->segment == (segment_id & INDEX_SEGMENT_MASK) &&
	       place->off8 == off / 8;
}

static struct index_place place_at(uint32_t segment_id, uint64_t off,
				   uint64_t len)
{
	uint64_t len8 = len / 8;

	return (struct index_place){
		.segment = segment_id & INDEX_SEGMENT_MASK,
		.off8 = (uint32_t)(off / 8),
		.len8 = len8 < INDEX_LEN8_UNKNOWN ? (uint32_t)len8
						  : INDEX_LEN8_UNKNOWN,
	};
}

/* ---- damaged entries with a known key ---- */

static int keep_lost(struct repair *repair, const struct repair_lost *lost,
		     const uint8_t *key)
{
	struct repair_lost *kept;
	uint8_t *copy;

	if (repair->n_lost == repair->cap_lost) {
		size_t cap = repair->cap_lost ? repair->cap_lost * 2 : 64;
		struct repair_lost *grown;

		grown = realloc(repair->lost, cap * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		repair->lost = grown;
		repair->cap_lost = cap;
	}
	copy = malloc(lost->key_len);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, key, lost->key_len);
	kept = &repair->lost[repair->n_lost++];
	*kept = *lost;
	kept->key = copy;
	return 0;
}

static int lose(struct repair *repair, const struct inventory_row *row,
		uint64_t off, uint64_t len, const struct hint_entry *line)
{
	struct repair_lost lost = {
		.place = place_at(row->id, off, len),
		.sequence = line->sequence,
		.segment_id = row->id,
		.off = off,
		.len = len,
		.key_len = line->key_len,
	};

	if (line->sequence < repair->inventory.manifest.floor)
		return 0;
	/* That a key was deleted is all that a deletion says. */
	lost.place.flags = line->kind == ENTRY_TOMBSTONE ? INDEX_TOMBSTONE
							 : REPAIR_DAMAGED;
	lost.digest = digest_of(repair->secret, line->key, line->key_len);
	return keep_lost(repair, &lost, line->key);
}

/* ---- what the check meets ---- */

static void note_sequence(struct repair *repair, uint64_t sequence)
{
	if (sequence > repair->highest_sequence)
		repair->highest_sequence = sequence;
}

static int load(struct repair *repair, const struct inventory_row *row,
		const struct segment_entry *found)
{
	const struct entry *entry = &found->entry;
	struct index_place place = place_at(row->id, found->off, found->len);
	struct index_load_result loaded;
	struct digest digest;

	if (entry->sequence < repair->inventory.manifest.floor)
		return 0;
	if (entry->kind == ENTRY_TOMBSTONE)
		place.flags = INDEX_TOMBSTONE;
	digest = digest_of(repair->secret, entry->key, entry->key_len);
	return index_load_put(repair->index, &digest, &place, entry->sequence,
			      &loaded);
}

static int meet_entry(void *ctx, const struct inventory_row *row,
		      const struct segment_entry *found)
{
	struct repair *repair = ctx;
	const struct entry *entry = &found->entry;
	const struct hint_entry line = {
		.kind = entry->kind,
		.key_len = entry->key_len,
		.sequence = entry->sequence,
		.key = entry->key,
	};
	int result = 0;

	note_sequence(repair, entry->sequence);
	if (!found->value_ok)
		result = repair_quarantine(repair, row, found->off, found->len);
	if (result != 0 || entry->kind == ENTRY_BATCH)
		return result;
	/* A deletion has no value that it could need. */
	if (found->value_ok || entry->kind == ENTRY_TOMBSTONE)
		return load(repair, row, found);
	return lose(repair, row, found->off, found->len, &line);
}

static int meet_lost(void *ctx, const struct inventory_row *row, uint64_t off,
		     uint64_t len, const struct hint_entry *line)
{
	struct repair *repair = ctx;
	int result = 0;

	if (row->state != INVENTORY_GONE)
		result = repair_quarantine(repair, row, off, len);
	if (result != 0)
		return result;
	if (!line) {
		repair->report->n_unknown++;
		return 0;
	}
	note_sequence(repair, line->sequence);
	return lose(repair, row, off, len, line);
}

/* ---- who wins ---- */

/*
 * After the good ones, so that of two copies of one entry the good one is
 * taken.
 */
static int load_lost(struct repair *repair)
{
	struct index_load_result loaded;
	size_t i;
	int result = 0;

	for (i = 0; result == 0 && i < repair->n_lost; i++) {
		const struct repair_lost *lost = &repair->lost[i];

		result = index_load_put(repair->index, &lost->digest,
					&lost->place, lost->sequence, &loaded);
	}
	return result;
}

static void report_lost(struct repair *repair)
{
	size_t i;

	for (i = 0; i < repair->n_lost; i++) {
		const struct repair_lost *lost = &repair->lost[i];
		struct index_place place;

		if (index_get(repair->index, &lost->digest, &place) != 0 ||
		    !(place.flags & REPAIR_DAMAGED) ||
		    !repair_is_at(&place, lost->segment_id, lost->off))
			continue;
		repair->report->n_lost++;
		findings_add(&repair->findings,
			     (struct finding){ .kind = FINDING_LOST,
					       .segment_id = lost->segment_id,
					       .off = lost->off,
					       .len = lost->len,
					       .key = lost->key,
					       .key_len = lost->key_len },
			     "its newest value is damaged, and an older one "
			     "would be wrong");
	}
}

static void tell_progress(void *ctx, uint64_t done, uint64_t total)
{
	const struct repair *repair = ctx;

	if (repair->options->progress)
		repair->options->progress(repair->options->ctx, done,
					  2 * total);
}

int repair_load(struct repair *repair)
{
	const struct check_options options = {
		.progress = tell_progress,
		.ctx = repair,
	};
	const struct check_watch watch = {
		.entry = meet_entry,
		.lost = meet_lost,
		.ctx = repair,
	};
	struct check_report report;
	int result;

	repair->error->text[0] = 0;
	result = check_inventory(&repair->inventory, &options, &watch, &report,
				 repair->error);
	if (result == 0)
		result = load_lost(repair);
	if (result < 0)
		return *repair->error->text
			       ? result
			       : repair_fail(repair, result, "%s: %s",
					     repair->options->dir,
					     strerror(-result));
	repair->report->n_damaged = report.n_damaged;
	repair->report->damaged_bytes = report.damaged_bytes;
	repair->report->n_notes = report.n_notes;
	report_lost(repair);
	return 0;
}
