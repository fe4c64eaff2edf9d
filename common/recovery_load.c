#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/recovery_internal.h"
#include "common/segment_reader.h"

enum {
	LINES_AT_ONCE = 32, /* of a hint: some misses more than overlap */
};

/* ---- entries into the index ---- */

static uint64_t place_len(const struct recovery *out,
			  const struct index_place *place)
{
	const struct segment *segment;

	if (place->len8 != INDEX_LEN8_UNKNOWN)
		return (uint64_t)place->len8 * 8;
	segment = segments_get(out->segments, place->segment);
	return segment ? segment->len - segment->header_len : 0;
}

static void account(struct recovery *out, struct segment *segment,
		    const struct index_place *place,
		    const struct index_load_result *loaded)
{
	struct segment *other;
	uint64_t len = place_len(out, place);

	if (place->flags & INDEX_TOMBSTONE)
		segment->tombstone_bytes += len;
	if (loaded->outcome == INDEX_LOAD_OLDER) {
		segment->dead_bytes += len;
		return;
	}
	if (place->flags & INDEX_TOMBSTONE) {
		segment->dead_bytes += len;
	} else {
		segment->live_bytes += len;
		if (place->flags & INDEX_HAS_EXPIRY)
			segment->expiring_bytes += len;
		out->live_bytes += len;
	}
	if (loaded->outcome == INDEX_LOAD_NEW ||
	    loaded->other.flags & INDEX_TOMBSTONE)
		return;
	other = segments_get(out->segments, loaded->other.segment);
	len = place_len(out, &loaded->other);
	out->live_bytes -= len;
	if (other) {
		if (loaded->other.flags & INDEX_HAS_EXPIRY)
			other->expiring_bytes -= len;
		other->live_bytes -= len;
		other->dead_bytes += len;
	}
}

/* What a line says goes into the index, unless a clear came after it. */
static int load(struct recovery *out, struct segment *segment,
		const struct hint_entry *entry, const struct digest *digest)
{
	struct index_load_result loaded;
	struct index_place place = {
		.segment = segment->id & INDEX_SEGMENT_MASK,
		.off8 = entry->off8,
		.len8 = entry->len8 < INDEX_LEN8_UNKNOWN ? entry->len8
							 : INDEX_LEN8_UNKNOWN,
	};
	int result;

	if (entry->sequence < out->manifest.floor)
		return 0;
	if (entry->sequence < segment->first_sequence)
		segment->first_sequence = entry->sequence;
	segment_note_expiry(segment, entry->expires_at_ms);
	if (entry->flags & ENTRY_HAS_EXPIRY)
		place.flags |= INDEX_HAS_EXPIRY;
	if (entry->kind == ENTRY_TOMBSTONE)
		place.flags |= INDEX_TOMBSTONE;
	result = index_load_put(out->index, digest, &place, entry->sequence,
				&loaded);
	if (result < 0)
		return result;
	account(out, segment, &place, &loaded);
	return 0;
}

int recovery_load_entry(struct recovery *out, struct segment *segment,
			const struct hint_entry *entry)
{
	struct digest digest =
		digest_of(out->secret, entry->key, entry->key_len);

	return load(out, segment, entry, &digest);
}

/* Some lines at a time, so that their buckets are fetched together. */
static int load_hint(struct recovery *out, struct segment *segment,
		     struct hint *hint)
{
	struct hint_entry entries[LINES_AT_ONCE];
	struct digest digests[LINES_AT_ONCE];
	int result = 0;
	size_t n;
	size_t i;

	index_load_expect(out->index, hint->n_entries);
	do {
		for (n = 0; n < LINES_AT_ONCE && hint_next(hint, &entries[n]);
		     n++)
			digests[n] = digest_of(out->secret, entries[n].key,
					       entries[n].key_len);
		index_load_ahead(out->index, digests, n);
		for (i = 0; i < n && result == 0; i++)
			result = load(out, segment, &entries[i], &digests[i]);
	} while (result == 0 && n == LINES_AT_ONCE);
	return result;
}

static int load_found(struct recovery *out, struct segment *segment,
		      const struct segment_entry *found)
{
	struct hint_entry entry = {
		.kind = found->entry.kind,
		.flags = found->entry.flags,
		.key_len = found->entry.key_len,
		.off8 = (uint32_t)(found->off / 8),
		.len8 = (uint32_t)(found->len / 8),
		.sequence = found->entry.sequence,
		.expires_at_ms = found->entry.expires_at_ms,
		.key = found->entry.key,
	};

	return found->entry.kind == ENTRY_BATCH
		       ? 0
		       : recovery_load_entry(out, segment, &entry);
}

/* A sealed segment without a good hint: read front to back. */
int recovery_scan(struct recovery *out, struct segment *segment)
{
	struct segment_reader reader;
	struct segment_entry found;
	uint64_t damaged_at = 0;
	int result;

	result = segment_reader_init(&reader, out->io, segment,
				     segment->header_len, segment->len);
	if (result < 0)
		return result;
	do {
		result = segment_reader_next(&reader, false, &found);
		if (result == 0) {
			result = load_found(out, segment, &found);
		} else if (result == SEGMENT_BAD) {
			damaged_at = reader.off;
			out->damaged_entries++;
			segment->is_damaged = true;
			result = segment_reader_resync(&reader);
		}
	} while (result == 0);
	out->segment_bytes_read += reader.bytes_read;
	segment_reader_deinit(&reader);
	if (damaged_at != 0)
		events_add(out->events, EVENT_ERROR,
			   "segment %u is damaged at offset %llu: what was "
			   "there is lost",
			   segment->id, (unsigned long long)damaged_at);
	return result < 0 ? result : 0;
}

int recovery_want_hint(struct recovery *out, struct segment *segment)
{
	struct segment **grown;

	grown = realloc(out->unhinted, (out->n_unhinted + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	out->unhinted = grown;
	out->unhinted[out->n_unhinted++] = segment;
	return 0;
}

static int load_sealed(struct recovery *out, struct segment *segment)
{
	struct hint hint;
	int result;

	result = hint_load(&hint, out->io, out->dir, out->manifest.store_id,
			   segment->id, segment->len);
	if (result == 0) {
		out->hint_bytes_read += hint.len;
		result = load_hint(out, segment, &hint);
		hint_deinit(&hint);
		return result;
	}
	if (result == -ENOMEM)
		return result;
	/* One that cannot be read is no loss: the segment has all of it. */
	if (result != -ENOENT) {
		out->hints_rebuilt++;
		events_add(out->events, EVENT_WARNING,
			   "the hint of segment %u %s: the segment is read "
			   "instead, the hint written again",
			   segment->id,
			   result == HINT_BAD ? "is damaged"
					      : "cannot be read");
	}
	result = recovery_scan(out, segment);
	return result == 0 ? recovery_want_hint(out, segment) : result;
}

/* ---- opening segments ---- */

int recovery_open_listed(struct recovery_run_state *run,
			 const struct manifest_segment *row,
			 struct segment **segment)
{
	struct recovery *out = run->out;
	struct segment *opened = NULL;
	int result;

	result = segment_open(out->io, out->dir, out->manifest.store_id,
			      row->id, &opened);
	if (result == -ENOENT)
		return recovery_fail(
			run, -EUCLEAN,
			"%s: segment %u is missing, though the manifest "
			"lists it: put the file back, or 'getmectl repair "
			"%s NEWDIR' saves the rest",
			out->dir, row->id, out->dir);
	if (result == SEGMENT_NEWER)
		return recovery_fail(
			run, -EPROTONOSUPPORT,
			"%s: segment %u has a newer format than this "
			"getmed knows; use the newer getmed",
			out->dir, row->id);
	if (result == SEGMENT_FOREIGN)
		return recovery_fail(
			run, -EUCLEAN,
			"%s: segment %u belongs to another store: put the "
			"right file back",
			out->dir, row->id);
	if (result < 0)
		return recovery_fail_errno(run, result, "cannot open", row->id);
	if (result == SEGMENT_BAD) {
		out->damaged_entries++;
		events_add(out->events, EVENT_ERROR,
			   "the header of segment %u is damaged; its entries "
			   "are checked one by one",
			   row->id);
	}
	result = segments_add(out->segments, opened);
	if (result < 0) {
		segment_free(out->io, opened);
		return recovery_fail_errno(run, result, "cannot keep", row->id);
	}
	*segment = opened;
	return 0;
}

static int load_sealed_row(struct recovery_run_state *run,
			   const struct manifest_segment *row)
{
	struct segment *segment = NULL;
	int result = recovery_open_listed(run, row, &segment);

	if (result != 0 || !segment)
		return result;
	if (segment->capacity < row->len) {
		run->out->damaged_entries++;
		segment->is_damaged = true;
		events_add(run->out->events, EVENT_ERROR,
			   "segment %u is shorter than it was: what lay "
			   "behind its end is lost",
			   row->id);
	}
	segment->len = row->len;
	segment->synced_len = row->len;
	segment->last_sequence = row->last_sequence;
	/* The loading lowers it. */
	segment->first_sequence = row->last_sequence;
	segment->sealed = true;
	result = load_sealed(run->out, segment);
	if (result < 0)
		return recovery_fail_errno(run, result, "cannot load", row->id);
	/* What was lost may have been older. */
	if (segment->is_damaged && segment->first_sequence > 1)
		segment->first_sequence = 1;
	return 0;
}

int recovery_load_sealed(struct recovery_run_state *run)
{
	struct recovery *out = run->out;
	uint32_t i;

	for (i = 0; i < out->manifest.n_segments; i++) {
		const struct manifest_segment *row = &out->manifest.segments[i];
		int result;

		if (row->state != MANIFEST_SEALED)
			continue;
		result = load_sealed_row(run, row);
		if (result != 0)
			return result;
		if (out->progress)
			out->progress(out->progress_ctx, i + 1,
				      out->manifest.n_segments);
	}
	return 0;
}
