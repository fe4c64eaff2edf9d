#include <errno.h>

#include "common/check_internal.h"
#include "common/scrub.h"

/* A finding at a place of the segment in hand. */
static struct finding at(const struct check *check, enum finding_kind kind,
			 uint64_t off, uint64_t len)
{
	return (struct finding){
		.kind = kind,
		.is_damage = true,
		.segment_id = check->row->id,
		.off = off,
		.len = len,
	};
}

/* ---- entries ---- */

static void report_value(struct check *check, const struct segment_entry *found)
{
	const struct entry *entry = &found->entry;
	struct finding finding =
		at(check, FINDING_VALUE, found->off, found->len);
	const char *what = "the value is damaged";

	if (entry->kind == ENTRY_BATCH) {
		what = "the head of a batch is damaged; its members are not";
	} else {
		finding.key = entry->key;
		finding.key_len = entry->key_len;
	}
	if (entry->kind == ENTRY_TOMBSTONE)
		what = "the padding of a deletion is damaged; the key stays "
		       "deleted";
	findings_add(check->findings, finding, "%s", what);
}

static void check_sequence_of(struct check *check,
			      const struct segment_entry *found)
{
	const struct inventory *inventory = check->inventory;
	const struct inventory_row *row = check->row;
	struct finding finding =
		at(check, FINDING_SEQUENCE, found->off, found->len);
	uint64_t sequence = found->entry.sequence;

	if (row->in_order && sequence <= check->last_sequence)
		findings_add(check->findings, finding,
			     "the sequence number is not above the one before");
	if (!inventory->rebuilt && row->state == INVENTORY_SEALED &&
	    (sequence >= inventory->manifest.next_sequence ||
	     sequence > row->last_sequence))
		findings_add(check->findings, finding,
			     "the sequence number is above the highest one "
			     "that the manifest knows");
	check->last_sequence = sequence;
	if (sequence > check->highest_sequence)
		check->highest_sequence = sequence;
}

/* ---- batches ---- */

static void report_batch(struct check *check)
{
	findings_add(check->findings,
		     at(check, FINDING_BATCH, check->batch.off,
			check->batch.end - check->batch.off),
		     "the members of a batch are not those that its head "
		     "tells of");
	check->batch.left = 0;
}

static void begin_batch(struct check *check, const struct segment_entry *head)
{
	if (check->batch.left > 0)
		report_batch(check);
	if (!head->value_ok)
		return;
	check->batch = (struct check_batch){
		.off = head->off,
		.end = head->off + head->len + head->batch_run_len,
		.sequence = head->entry.sequence + 1,
		.left = head->batch_count,
	};
}

static void check_batch(struct check *check, const struct segment_entry *found)
{
	struct check_batch *batch = &check->batch;
	uint64_t end = found->off + found->len;

	if (found->entry.kind == ENTRY_BATCH) {
		begin_batch(check, found);
		return;
	}
	if (batch->left == 0)
		return;
	batch->left--;
	if (!(found->entry.flags & ENTRY_IN_BATCH) ||
	    found->entry.sequence != batch->sequence++ || end > batch->end ||
	    (batch->left == 0 && end != batch->end))
		report_batch(check);
}

/* ---- what the scrub meets ---- */

static void tell_progress(const struct check *check, uint64_t off)
{
	if (check->options->progress)
		check->options->progress(check->options->ctx, check->done + off,
					 check->total);
}

static int meet_entry(void *ctx, const struct segment_entry *found)
{
	struct check *check = ctx;
	const struct entry *entry = &found->entry;
	int result = 0;

	check->n_entries++;
	if (!found->value_ok)
		report_value(check, found);
	check_sequence_of(check, found);
	check_batch(check, found);
	if (check->hint && entry->kind == ENTRY_PUT &&
	    !hint_may_hold(check->hint, entry->key, entry->key_len))
		check->n_filter_faults++;
	if (entry->kind != ENTRY_BATCH &&
	    entry->sequence >= check->inventory->manifest.floor)
		result = check_add_sequence(check, entry);
	if (result == 0 && check->watch)
		result = check->watch->entry(check->watch->ctx, check->row,
					     found);
	tell_progress(check, found->off + found->len);
	return result;
}

static int meet_lost(void *ctx, uint64_t off, uint64_t len,
		     const struct hint_entry *line)
{
	struct check *check = ctx;
	struct finding finding = at(check, FINDING_BYTES, off, len);
	bool gone = check->row->state == INVENTORY_GONE;

	/* What it has of members cannot be told any more. */
	check->batch.left = 0;
	if (line) {
		finding.kind = FINDING_ENTRY;
		finding.key = line->key;
		finding.key_len = line->key_len;
		findings_add(check->findings, finding, "the %s of a key is %s",
			     line->kind == ENTRY_TOMBSTONE ? "deletion"
							   : "value",
			     gone ? "in a segment that is gone"
				  : "lost: its header is damaged");
	} else {
		findings_add(check->findings, finding,
			     "damaged, and nothing tells which keys were "
			     "there");
	}
	if (!check->watch)
		return 0;
	return check->watch->lost(check->watch->ctx, check->row, off, len,
				  line);
}

/* ---- around the entries ---- */

static int load_hint(struct check *check, struct hint *hint, bool *has_hint)
{
	const struct inventory *inventory = check->inventory;
	const struct inventory_row *row = check->row;
	struct finding finding = at(check, FINDING_HINT, 0, 0);
	int result;

	*has_hint = false;
	/* One that was not sealed has none. */
	if (row->state == INVENTORY_TAIL || row->end == 0)
		return 0;
	result = hint_load(hint, inventory->io, inventory->dir,
			   inventory->manifest.store_id, row->id, row->end);
	*has_hint = result == 0;
	if (result == HINT_BAD) {
		findings_add(check->findings, finding,
			     "the hint is damaged; the next start writes it "
			     "again");
	} else if (result == -ENOENT) {
		finding.is_damage = false;
		findings_add(check->findings, finding,
			     "there is no hint; the next start writes it");
	} else if (result < 0) {
		return result;
	}
	return 0;
}

static void check_hint(struct check *check, const struct scrub *scrub)
{
	struct finding finding = at(check, FINDING_HINT, 0, 0);

	if (!check->hint)
		return;
	if (scrub->n_hint_faults > 0)
		findings_add(check->findings, finding,
			     "the hint does not agree with %llu entries of "
			     "its segment",
			     (unsigned long long)scrub->n_hint_faults);
	if (check->n_filter_faults > 0)
		findings_add(check->findings, finding,
			     "the hint's filter lacks %llu keys",
			     (unsigned long long)check->n_filter_faults);
	if (scrub->n_lost == 0 &&
	    check->hint->last_sequence != check->highest_sequence)
		findings_add(check->findings, finding,
			     "the hint has another last sequence number than "
			     "its segment");
}

static int note_behind(struct check *check, const struct segment *segment)
{
	uint64_t begin = check->row->end;
	struct segment_reader reader;
	struct finding finding;
	uint64_t limit = segment->capacity;
	uint64_t end;
	int result;

	if (check->inventory->io->data_end &&
	    check->inventory->io->data_end(check->inventory->io, segment->fd,
					   &end) == 0 &&
	    end < limit)
		limit = end;
	if (limit <= begin)
		return 0;
	result = segment_reader_init(&reader, check->inventory->io, segment,
				     begin, limit);
	if (result < 0)
		return result;
	result = segment_reader_data_end(&reader, begin, &end);
	segment_reader_deinit(&reader);
	if (result < 0 || end <= begin)
		return result;
	finding = at(check, FINDING_TAIL, begin, end - begin);
	finding.is_damage = false;
	findings_add(check->findings, finding,
		     "bytes behind the segment's end, of writes that failed "
		     "or were cut off");
	return 0;
}

static void check_tail(struct check *check)
{
	const struct inventory_row *row = check->row;
	struct finding finding =
		at(check, FINDING_BYTES, row->end, row->synced_end - row->end);

	if (row->synced_end > row->end)
		findings_add(check->findings, finding,
			     "damaged, though it had been synced, and nothing "
			     "tells which keys were there");
	if (row->data_end <= row->synced_end)
		return;
	finding = at(check, FINDING_TAIL, row->synced_end,
		     row->data_end - row->synced_end);
	finding.is_damage = false;
	findings_add(check->findings, finding,
		     "unsynced tail: the next start would cut it off and keep "
		     "it in quarantine");
}

static int scrub_segment(struct check *check, struct segment *segment,
			 struct hint *hint)
{
	struct scrub scrub = {
		.io = check->inventory->io,
		.segment = segment,
		.hint = hint,
		.end = check->row->end,
		.check_values = true,
		.entry = meet_entry,
		.lost = meet_lost,
		.ctx = check,
	};
	int result = scrub_run(&scrub);

	/* Nothing at all is left of it. */
	if (result == 0 && !segment && !hint)
		return meet_lost(check, 0, check->row->end, NULL);
	if (result < 0 || !segment)
		return result;
	if (check->batch.left > 0)
		report_batch(check);
	check_hint(check, &scrub);
	if (check->row->state == INVENTORY_SEALED)
		return note_behind(check, segment);
	check_tail(check);
	return 0;
}

int check_segment(struct check *check, const struct inventory_row *row)
{
	struct segment *segment = NULL;
	struct hint hint;
	bool has_hint;
	int result;

	check->row = row;
	check->batch.left = 0;
	check->last_sequence = 0;
	check->highest_sequence = 0;
	check->n_filter_faults = 0;
	result = load_hint(check, &hint, &has_hint);
	if (result < 0)
		return result;
	check->hint = has_hint ? &hint : NULL;
	if (row->state != INVENTORY_GONE)
		result = inventory_open(check->inventory, row, &segment);
	if (result == 0)
		result = scrub_segment(check, segment, has_hint ? &hint : NULL);
	segment_free(check->inventory->io, segment);
	check->hint = NULL;
	if (has_hint)
		hint_deinit(&hint);
	return result;
}
