#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/folder.h"
#include "common/recovery_internal.h"
#include "common/segment_reader.h"
#include "common/tails.h"

/*
 * The gap in the sequence after an unclean stop: more than any run can have
 * had unsynced (a segment of 128 MiB holds 2.8 million entries at most).
 */
#define SEQUENCE_GAP (UINT64_C(1) << 24)

/* ---- the segments that were not sealed ---- */

int recovery_read_tails(struct recovery_run_state *run)
{
	const struct manifest *manifest = &run->out->manifest;
	uint32_t bad_id = 0;
	uint32_t i;
	size_t k;
	int result;

	run->tails = calloc(manifest->n_segments + 1, sizeof(*run->tails));
	if (!run->tails)
		return recovery_fail(run, -ENOMEM, "out of memory");
	for (i = 0; i < manifest->n_segments; i++) {
		struct tail *tail = &run->tails[run->n_tails];

		if (manifest->segments[i].state != MANIFEST_OPEN)
			continue;
		run->out->unclean = true;
		result = recovery_open_listed(run, &manifest->segments[i],
					      &tail->segment);
		if (result != 0)
			return result;
		run->n_tails++;
	}
	result = tails_read(run->tails, run->n_tails, run->out->io, 0, &bad_id);
	if (result < 0)
		return recovery_fail_errno(run, result, "cannot read", bad_id);
	for (k = 0; k < run->n_tails; k++) {
		run->out->segment_bytes_read += run->tails[k].bytes_read;
		if (run->tails[k].followed)
			run->tails[k].mark = run->tails[k].end;
	}
	return 0;
}

static void report_tail(struct recovery *out, const struct tail *tail)
{
	if (tail->n_damaged > 0) {
		out->damaged_entries += tail->n_damaged;
		events_add(out->events, EVENT_ERROR,
			   "segment %u is damaged in %llu places that were "
			   "on stable storage",
			   tail->segment->id,
			   (unsigned long long)tail->n_damaged);
	}
	if (!tail->stopped)
		return;
	events_add(out->events, EVENT_NOTICE,
		   "segment %u: %llu bytes of writes that were not "
		   "acknowledged as durable were cut off, kept in quarantine",
		   tail->segment->id,
		   (unsigned long long)(tail->data_end - tail->end));
}

/* What the log does not hold goes to the quarantine; a full disk forgives. */
static int quarantine_tail(struct recovery_run_state *run,
			   const struct tail *tail)
{
	struct recovery *out = run->out;
	uint64_t len = tail->data_end - tail->end;
	int result;

	report_tail(out, tail);
	if (!tail->stopped)
		return 0;
	result = folder_quarantine(out->io, out->dir, tail->segment, tail->end,
				   len);
	if (result < 0 && !io_is_full(result))
		return recovery_fail_errno(run, result,
					   "cannot quarantine from",
					   tail->segment->id);
	out->quarantined_bytes += len;
	return 0;
}

/* One entry of the unsynced tail again, at its new place in COPY. */
static int copy_entry(struct recovery *out, const struct tail *tail,
		      const struct segment_entry *found, struct segment *copy)
{
	uint8_t *bytes = malloc(found->len);
	int result;

	if (!bytes)
		return -ENOMEM;
	result = io_pread_full(out->io, tail->segment->fd, bytes, found->len,
			       found->off);
	if (result == 0) {
		entry_seal(bytes, bytes + entry_value_off(&found->entry),
			   found->entry.sequence, copy->header_len, copy->id,
			   copy->len);
		result = io_pwrite_full(out->io, copy->fd, bytes, found->len,
					copy->len);
	}
	free(bytes);
	if (result == 0)
		copy->len += found->len;
	return result;
}

static int copy_entries(struct recovery *out, const struct tail *tail,
			struct segment *copy)
{
	struct segment_reader reader;
	struct segment_entry found;
	int result;

	result = segment_reader_init(&reader, out->io, tail->segment,
				     tail->mark, tail->end);
	if (result < 0)
		return result;
	while ((result = segment_reader_next(&reader, true, &found)) == 0) {
		result = copy_entry(out, tail, &found, copy);
		if (result < 0)
			break;
	}
	segment_reader_deinit(&reader);
	if (result == SEGMENT_END)
		result = out->io->sync(out->io, copy->fd);
	return result;
}

static int note_copy(struct recovery *out, const struct tail *tail,
		     struct segment *copy)
{
	struct manifest_segment *row;
	int result = manifest_add(&out->manifest, copy->id, MANIFEST_SEALED);

	if (result < 0)
		return result;
	row = manifest_find(&out->manifest, copy->id);
	row->len = copy->len;
	row->last_sequence = tail->last_sequence;
	out->manifest.next_segment = copy->id + 1;
	copy->synced_len = copy->len;
	copy->first_sequence = tail->first_sequence;
	copy->last_sequence = tail->last_sequence;
	copy->sealed = true;
	return segments_add(out->segments, copy);
}

static void drop_copy(struct recovery *out, struct segment *copy)
{
	char name[SEGMENT_NAME_MAX];

	segment_name(copy->id, name);
	recovery_unlink(out, name);
	segment_free(out->io, copy);
}

static int make_copy(struct recovery_run_state *run, const struct tail *tail,
		     struct segment **made)
{
	struct recovery *out = run->out;
	struct segment *copy;
	uint32_t id =
		segments_next_id(out->segments, out->manifest.next_segment);
	int result;

	result = segment_create(out->io, out->dir, out->manifest.store_id, id,
				SEGMENT_HEADER_LEN + tail->end - tail->mark,
				&copy);
	if (result < 0)
		return result;
	result = copy_entries(out, tail, copy);
	if (result < 0) {
		drop_copy(out, copy);
		return result;
	}
	result = note_copy(out, tail, copy);
	if (result < 0) {
		segment_free(out->io, copy);
		return result;
	}
	*made = copy;
	return 0;
}

/*
 * After a failed sync the kernel may show pages that are not on the disk and
 * that no later sync will write.  Whether a sync failed just before the last
 * run was killed nobody can tell, so what was not known to be synced is
 * always written anew.  On a full disk a sync has to do, unless the last run
 * noted that its own had failed.
 */
static int copy_unsynced(struct recovery_run_state *run, struct tail *tail,
			 struct segment **copy)
{
	int result;

	if (tail->mark < tail->segment->header_len)
		tail->mark = tail->segment->header_len;
	if (tail->mark >= tail->end)
		return 0;
	result = make_copy(run, tail, copy);
	if (io_is_full(result) && !run->out->sync_failed)
		return 0;
	if (result < 0)
		return recovery_fail(
			run, result,
			"%s: cannot copy what the last run had not "
			"synced: %s",
			run->out->dir, strerror(-result));
	tail->end = tail->mark;
	return 0;
}

/* The original of a copy that took everything. */
static void replace_original(struct recovery *out, struct tail *tail,
			     struct manifest_segment *row)
{
	row->state = MANIFEST_REPLACED;
	segments_remove(out->segments, tail->segment);
	segment_free(out->io, tail->segment);
	tail->segment = NULL;
}

static void seal_original(struct recovery *out, const struct tail *tail,
			  struct manifest_segment *row, bool trim)
{
	struct segment *segment = tail->segment;

	row->state = MANIFEST_SEALED;
	row->len = tail->end;
	row->last_sequence = tail->last_sequence;
	segment->len = tail->end;
	segment->synced_len = tail->end;
	segment->first_sequence = tail->first_sequence;
	segment->last_sequence = tail->last_sequence;
	segment->is_damaged = tail->n_damaged > 0;
	segment->sealed = true;
	if (trim)
		segment_trim(out->io, segment);
}

/* Seals a tail in the manifest (in memory) and makes it durable. */
static int settle_tail(struct recovery_run_state *run, struct tail *tail)
{
	struct recovery *out = run->out;
	struct segment *copy = NULL;
	struct manifest_segment *row;
	uint32_t id = tail->segment->id;
	int result;

	result = quarantine_tail(run, tail);
	if (result == 0)
		result = copy_unsynced(run, tail, &copy);
	if (result != 0)
		return result;
	result = out->io->sync(out->io, tail->segment->fd);
	if (result < 0)
		return recovery_fail_errno(run, result, "cannot sync", id);
	if (tail->last_sequence >= out->manifest.next_sequence)
		out->manifest.next_sequence = tail->last_sequence + 1;
	row = manifest_find(&out->manifest, id);
	if (copy && tail->end == tail->segment->header_len)
		replace_original(out, tail, row);
	else
		/* What was copied stays until a manifest lists the copy. */
		seal_original(out, tail, row, !tail->stopped && !copy);
	tail->copy = copy;
	return 0;
}

/* The copy is one run of the tail's entries from the mark on. */
static int load_one(struct recovery *out, const struct tail *tail,
		    struct hint_entry *entry)
{
	if (!tail->copy || (uint64_t)entry->off8 * 8 < tail->mark)
		return recovery_load_entry(out, tail->segment, entry);
	entry->off8 -= (uint32_t)(tail->mark / 8);
	entry->off8 += tail->copy->header_len / 8;
	return recovery_load_entry(out, tail->copy, entry);
}

static int load_tail(struct recovery_run_state *run, struct tail *tail)
{
	struct recovery *out = run->out;
	struct hint hint = hint_builder_peek(&tail->entries);
	struct hint_entry entry;
	int result = 0;

	while (result == 0 && hint_next(&hint, &entry))
		result = load_one(out, tail, &entry);
	if (result == 0 && tail->segment)
		result = recovery_want_hint(out, tail->segment);
	if (result == 0 && tail->copy)
		result = recovery_want_hint(out, tail->copy);
	if (result < 0)
		return recovery_fail(run, result,
				     "%s: cannot load what the last run left: "
				     "%s",
				     out->dir, strerror(-result));
	return 0;
}

/* A segment without entries: what is in it is none of ours to keep. */
static int settle_empty(struct recovery_run_state *run, struct tail *tail)
{
	struct manifest_segment *row;
	int result;

	result = quarantine_tail(run, tail);
	if (result != 0)
		return result;
	row = manifest_find(&run->out->manifest, tail->segment->id);
	row->state = MANIFEST_REPLACED;
	segments_remove(run->out->segments, tail->segment);
	segment_free(run->out->io, tail->segment);
	tail->segment = NULL;
	return 0;
}

static void check_gaps(struct recovery_run_state *run)
{
	uint64_t expected = run->out->manifest.next_sequence;
	bool told = false; /* damage that was counted may be the reason */
	size_t i;

	for (i = 0; i < run->n_tails; i++) {
		const struct tail *tail = &run->tails[i];

		if (tail->first_sequence == 0)
			return;
		told = told || tail->n_damaged > 0;
		if (tail->first_sequence != expected && !told) {
			run->out->damaged_entries++;
			events_add(run->out->events, EVENT_ERROR,
				   "entries before segment %u are missing",
				   tail->segment->id);
		}
		expected = tail->last_sequence + 1;
	}
}

int recovery_settle_tails(struct recovery_run_state *run)
{
	size_t i;

	check_gaps(run);
	for (i = 0; i < run->n_tails; i++) {
		struct tail *tail = &run->tails[i];
		int result;

		if (tail->first_sequence == 0) {
			result = settle_empty(run, tail);
		} else {
			result = settle_tail(run, tail);
			if (result == 0)
				result = load_tail(run, tail);
		}
		if (result != 0)
			return result;
	}
	if (run->out->unclean) {
		run->out->manifest.next_sequence += SEQUENCE_GAP;
		run->rewrite = true;
	}
	return 0;
}
