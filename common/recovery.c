#include "common/recovery.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/folder.h"
#include "common/path.h"
#include "common/tail.h"

/*
 * The gap in the sequence after an unclean stop: more than any run can have
 * had unsynced (a segment of 128 MiB holds 2.8 million entries at most).
 */
#define SEQUENCE_GAP (UINT64_C(1) << 24)

/* The work of one run. */
struct run {
	struct recovery *out;
	struct store_error *error;
	struct tail *tails; /* of the open segments that have entries */
	size_t n_tails;
	struct segment **empty; /* open segments without entries */
	size_t n_empty;
	bool rewrite; /* the manifest must be written again */
};

static int fail(struct run *run, int result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct run *run, int result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(run->error->text, sizeof(run->error->text), format, args);
	va_end(args);
	return result;
}

static int fail_errno(struct run *run, int result, const char *what,
		      uint32_t id)
{
	return fail(run, result, "%s: %s segment %u: %s", run->out->dir, what,
		    id, strerror(-result));
}

/* ---- the manifest ---- */

static int new_manifest(struct run *run)
{
	struct recovery *out = run->out;
	struct manifest *manifest = &out->manifest;
	ssize_t n = getrandom(manifest->store_id, SEGMENT_STORE_ID_LEN, 0);

	if (n != SEGMENT_STORE_ID_LEN)
		return fail(run, -EIO, "no random bytes for a store id");
	manifest->next_sequence = 1;
	manifest->floor = 1;
	manifest->next_segment = 1;
	run->rewrite = true;
	return 0;
}

static int load_manifest(struct run *run)
{
	struct recovery *out = run->out;
	struct manifest_report report;
	int result;

	result = manifest_load(out->io, out->dir, &out->manifest, &report);
	switch (result) {
	case 0:
		run->rewrite = !report.equal;
		if (report.damaged[0] || report.damaged[1])
			events_add(out->events, EVENT_WARNING,
				   "one of the two manifests was damaged; "
				   "written again from the other");
		return 0;
	case MANIFEST_MISSING:
		return new_manifest(run);
	case MANIFEST_NEWER:
		return fail(run, -EPROTONOSUPPORT,
			    "%s: the store has a newer format than this "
			    "getmed knows; use the newer getmed",
			    out->dir);
	case MANIFEST_BAD:
		return fail(run, -EUCLEAN,
			    "%s: both manifests are damaged; 'getmectl "
			    "repair %s NEWDIR' rebuilds the store from its "
			    "segments",
			    out->dir, out->dir);
	default:
		return fail(run, result, "%s: cannot read the manifest: %s",
			    out->dir, strerror(-result));
	}
}

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

	if (loaded->outcome == INDEX_LOAD_OLDER) {
		segment->dead_bytes += len;
		return;
	}
	if (place->flags & INDEX_TOMBSTONE) {
		segment->dead_bytes += len;
	} else {
		segment->live_bytes += len;
		out->live_bytes += len;
	}
	if (loaded->outcome == INDEX_LOAD_NEW ||
	    loaded->other.flags & INDEX_TOMBSTONE)
		return;
	other = segments_get(out->segments, loaded->other.segment);
	len = place_len(out, &loaded->other);
	out->live_bytes -= len;
	if (other) {
		other->live_bytes -= len;
		other->dead_bytes += len;
	}
}

static int load_entry(struct recovery *out, struct segment *segment,
		      const struct hint_entry *entry)
{
	struct index_load_result loaded;
	struct index_place place = {
		.segment = segment->id & INDEX_SEGMENT_MASK,
		.off8 = entry->off8,
		.len8 = entry->len8 < INDEX_LEN8_UNKNOWN ? entry->len8 :
							   INDEX_LEN8_UNKNOWN,
	};
	struct digest digest;
	int result;

	if (entry->sequence < out->manifest.floor)
		return 0;
	if (entry->flags & ENTRY_HAS_EXPIRY)
		place.flags |= INDEX_HAS_EXPIRY;
	if (entry->kind == ENTRY_TOMBSTONE)
		place.flags |= INDEX_TOMBSTONE;
	digest = digest_of(out->secret, entry->key, entry->key_len);
	result = index_load_put(out->index, &digest, &place, entry->sequence,
				&loaded);
	if (result < 0)
		return result;
	account(out, segment, &place, &loaded);
	return 0;
}

static int load_hint(struct recovery *out, struct segment *segment,
		     struct hint *hint)
{
	struct hint_entry entry;
	int result = 0;

	while (result == 0 && hint_next(hint, &entry))
		result = load_entry(out, segment, &entry);
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

	return found->entry.kind == ENTRY_BATCH ?
		       0 :
		       load_entry(out, segment, &entry);
}

/* A sealed segment without a good hint: read front to back. */
static int scan_sealed(struct recovery *out, struct segment *segment)
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

static int want_hint(struct recovery *out, struct segment *segment)
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
	if (result == HINT_BAD) {
		out->hints_rebuilt++;
		events_add(out->events, EVENT_WARNING,
			   "the hint of segment %u is damaged: the segment is "
			   "read instead, the hint written again",
			   segment->id);
	} else if (result != -ENOENT) {
		return result;
	}
	result = scan_sealed(out, segment);
	return result == 0 ? want_hint(out, segment) : result;
}

/* ---- opening segments ---- */

static int open_listed(struct run *run, const struct manifest_segment *row,
		       struct segment **segment)
{
	struct recovery *out = run->out;
	struct segment *opened = NULL;
	int result;

	result = segment_open(out->io, out->dir, out->manifest.store_id,
			      row->id, &opened);
	if (result == -ENOENT)
		return fail(run, -EUCLEAN,
			    "%s: segment %u is missing, though the manifest "
			    "lists it: put the file back, or 'getmectl repair "
			    "%s NEWDIR' saves the rest",
			    out->dir, row->id, out->dir);
	if (result == SEGMENT_NEWER)
		return fail(run, -EPROTONOSUPPORT,
			    "%s: segment %u has a newer format than this "
			    "getmed knows; use the newer getmed",
			    out->dir, row->id);
	if (result == SEGMENT_FOREIGN)
		return fail(run, -EUCLEAN,
			    "%s: segment %u belongs to another store: put the "
			    "right file back",
			    out->dir, row->id);
	if (result < 0)
		return fail_errno(run, result, "cannot open", row->id);
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
		return fail_errno(run, result, "cannot keep", row->id);
	}
	*segment = opened;
	return 0;
}

static int load_sealed_row(struct run *run, const struct manifest_segment *row)
{
	struct segment *segment;
	int result = open_listed(run, row, &segment);

	if (result != 0)
		return result;
	if (segment->capacity < row->len) {
		run->out->damaged_entries++;
		events_add(run->out->events, EVENT_ERROR,
			   "segment %u is shorter than it was: what lay "
			   "behind its end is lost",
			   row->id);
	}
	segment->len = row->len;
	segment->synced_len = row->len;
	segment->last_sequence = row->last_sequence;
	segment->first_sequence = row->last_sequence ? 1 : 0;
	segment->sealed = true;
	result = load_sealed(run->out, segment);
	if (result < 0)
		return fail_errno(run, result, "cannot load", row->id);
	return 0;
}

static int load_all_sealed(struct run *run)
{
	struct recovery *out = run->out;
	uint32_t i;

	for (i = 0; i < out->manifest.n_segments; i++) {
		const struct manifest_segment *row =
			&out->manifest.segments[i];
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

/* ---- the segments that were not sealed ---- */

static int read_tail(struct run *run, struct segment *segment)
{
	struct tail *tail = &run->tails[run->n_tails];
	int result;

	result = tail_read(tail, run->out->io, segment, false);
	if (result < 0) {
		tail_deinit(tail);
		return fail_errno(run, result, "cannot read", segment->id);
	}
	run->out->segment_bytes_read += tail->bytes_read;
	run->n_tails++;
	return 0;
}

static int compare_tails(const void *a, const void *b)
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

static int read_open_segments(struct run *run)
{
	const struct manifest *manifest = &run->out->manifest;
	uint32_t i;

	run->tails = calloc(manifest->n_segments + 1, sizeof(*run->tails));
	if (!run->tails)
		return fail(run, -ENOMEM, "out of memory");
	for (i = 0; i < manifest->n_segments; i++) {
		struct segment *segment;
		int result;

		if (manifest->segments[i].state != MANIFEST_OPEN)
			continue;
		run->out->unclean = true;
		result = open_listed(run, &manifest->segments[i], &segment);
		if (result == 0)
			result = read_tail(run, segment);
		if (result != 0)
			return result;
	}
	qsort(run->tails, run->n_tails, sizeof(*run->tails), compare_tails);
	return 0;
}

/*
 * A segment before the last one with entries was synced to its end, so what
 * stopped its reading was damage: it is read again, over that.
 */
static int reread_synced(struct run *run)
{
	size_t i;

	for (i = 0; i + 1 < run->n_tails; i++) {
		struct tail *tail = &run->tails[i];
		struct segment *segment = tail->segment;
		int result;

		if (run->tails[i + 1].first_sequence == 0)
			break;
		result = 0;
		if (tail->stopped) {
			tail_deinit(tail);
			result = tail_read(tail, run->out->io, segment, true);
		}
		if (result < 0)
			return fail_errno(run, result, "cannot read",
					  segment->id);
		tail->mark = tail->end;
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
static int quarantine_tail(struct run *run, const struct tail *tail)
{
	struct recovery *out = run->out;
	uint64_t len = tail->data_end - tail->end;
	int result;

	report_tail(out, tail);
	if (!tail->stopped)
		return 0;
	result = folder_quarantine(out->io, out->dir, tail->segment,
				   tail->end, len);
	if (result < 0 && !io_is_full(result))
		return fail_errno(run, result, "cannot quarantine from",
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

static void unlink_name(struct recovery *out, const char *name)
{
	char path[PATH_LEN_MAX];

	if (path_join(path, out->dir, name) == 0)
		out->io->unlink(out->io, path);
}

static void drop_copy(struct recovery *out, struct segment *copy)
{
	char name[SEGMENT_NAME_MAX];

	segment_name(copy->id, name);
	unlink_name(out, name);
	segment_free(out->io, copy);
}

static int make_copy(struct run *run, const struct tail *tail,
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
static int copy_unsynced(struct run *run, struct tail *tail,
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
		return fail(run, result,
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
	segment->sealed = true;
	if (trim)
		segment_trim(out->io, segment);
}

/* Seals a tail in the manifest (in memory) and makes it durable. */
static int settle_tail(struct run *run, struct tail *tail)
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
		return fail_errno(run, result, "cannot sync", id);
	if (tail->last_sequence >= out->manifest.next_sequence)
		out->manifest.next_sequence = tail->last_sequence + 1;
	row = manifest_find(&out->manifest, id);
	if (copy && tail->end == tail->segment->header_len)
		replace_original(out, tail, row);
	else
		/* What was copied stays until a manifest lists the copy. */
		seal_original(out, tail, row, !tail->stopped && !copy);
	if (!copy)
		return 0;
	result = scan_sealed(out, copy);
	if (result == 0)
		result = want_hint(out, copy);
	return result < 0 ? fail_errno(run, result, "cannot load", copy->id) :
			    0;
}

static int load_tail(struct run *run, struct tail *tail)
{
	struct hint hint = {
		.data = tail->entries.data,
		.at = HINT_HEADER_LEN,
		.n_entries = tail->entries.n_entries,
	};
	struct hint_entry entry;
	int result = 0;

	while (result == 0 && hint_next(&hint, &entry)) {
		/* What was copied is loaded from the copy. */
		if ((uint64_t)entry.off8 * 8 < tail->end)
			result = load_entry(run->out, tail->segment, &entry);
	}
	if (result == 0)
		result = want_hint(run->out, tail->segment);
	return result < 0 ? fail_errno(run, result, "cannot load",
				       tail->segment->id) :
			    0;
}

/* A segment without entries: what is in it is none of ours to keep. */
static int settle_empty(struct run *run, struct tail *tail)
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

static void check_gaps(struct run *run)
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

static int settle_tails(struct run *run)
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
			if (result == 0 && tail->segment)
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

/* ---- the end ---- */

static int write_manifest(struct run *run)
{
	struct recovery *out = run->out;
	int result;

	if (!run->rewrite)
		return 0;
	result = manifest_store(out->io, out->dir, &out->manifest);
	if (result == MANIFEST_UNKNOWN)
		result = -EIO;
	if (result < 0)
		return fail(run, result, "%s: cannot write the manifest: %s",
			    out->dir, strerror(-result));
	return 0;
}

/* Their rows go too; a manifest that still has them does no harm. */
static void remove_replaced(struct recovery *out)
{
	struct manifest *manifest = &out->manifest;
	uint32_t i = 0;

	while (i < manifest->n_segments) {
		uint32_t id = manifest->segments[i].id;
		char name[SEGMENT_NAME_MAX];

		if (manifest->segments[i].state != MANIFEST_REPLACED) {
			i++;
			continue;
		}
		segment_hint_name(id, name);
		unlink_name(out, name);
		segment_name(id, name);
		unlink_name(out, name);
		manifest_remove(manifest, id);
	}
}

static int sweep(struct run *run)
{
	struct recovery *out = run->out;
	struct folder_swept swept;
	int result;

	result = folder_sweep(out->io, out->dir, &out->manifest, &swept);
	if (result < 0)
		return fail(run, result, "%s: cannot tidy up: %s", out->dir,
			    strerror(-result));
	if (swept.n_quarantined > 0)
		events_add(out->events, EVENT_NOTICE,
			   "%llu files that the manifest does not list were "
			   "moved to quarantine",
			   (unsigned long long)swept.n_quarantined);
	return 0;
}

static int make_tables(struct run *run)
{
	struct recovery *out = run->out;
	struct index_options options = { 0 };
	int result = 0;

	memcpy(options.secret, out->secret, sizeof(options.secret));
	out->segments = segments_new();
	if (!out->segments)
		result = -ENOMEM;
	if (result == 0)
		result = index_new(&options, &out->index);
	if (result == 0)
		result = index_load_begin(out->index);
	if (result < 0)
		return fail(run, result, "cannot make the index: %s",
			    strerror(-result));
	return 0;
}

static int run_steps(struct run *run)
{
	int result = load_manifest(run);

	if (result == 0)
		result = make_tables(run);
	if (result == 0)
		result = sweep(run);
	if (result == 0)
		result = load_all_sealed(run);
	if (result == 0)
		result = read_open_segments(run);
	if (result == 0)
		result = reread_synced(run);
	if (result == 0)
		result = settle_tails(run);
	if (result == 0)
		result = write_manifest(run);
	return result;
}

int recovery_run(struct recovery *recovery, struct store_error *error)
{
	struct run run = { .out = recovery, .error = error };
	size_t i;
	int result;

	result = run_steps(&run);
	for (i = 0; i < run.n_tails; i++)
		tail_deinit(&run.tails[i]);
	free(run.tails);
	if (result != 0) {
		recovery_deinit(recovery);
		return result;
	}
	remove_replaced(recovery);
	index_load_end(recovery->index);
	recovery->next_sequence = recovery->manifest.next_sequence;
	return 0;
}

static void free_segment(void *ctx, struct segment *segment)
{
	segment_free(ctx, segment);
}

void recovery_deinit(struct recovery *recovery)
{
	if (recovery->segments)
		segments_each(recovery->segments, free_segment, recovery->io);
	segments_free(recovery->segments);
	index_free(recovery->index);
	manifest_deinit(&recovery->manifest);
	free(recovery->unhinted);
	recovery->segments = NULL;
	recovery->index = NULL;
	recovery->unhinted = NULL;
}
