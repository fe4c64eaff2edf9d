#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/hint_builder.h"
#include "common/upkeep_internal.h"

enum {
	AUTO_MIN = 4 << 20, /* bytes, automatic segment sizes */
	AUTO_MAX = 128 << 20,
	AUTO_SHARE = 32,      /* a segment is at most 1/32 of the store */
	TAKEN_IDS_MAX = 1000, /* files in the way of a new segment */
};

/* ---- steps, without the lock ---- */

static void count_manifest(struct upkeep *upkeep, int result)
{
	lock(upkeep);
	upkeep->stats.manifest_writes++;
	upkeep->stats.syncs += 4;
	if (result != 0)
		upkeep->stats.manifest_errors++;
	unlock(upkeep);
}

static void note_filled(struct upkeep *upkeep, const struct segment *segment)
{
	struct manifest_segment *row =
		manifest_find(&upkeep->manifest, segment->id);

	if (!row || row->state != MANIFEST_OPEN)
		return;
	upkeep->dirty = true;
	if (segment->last_sequence == 0) {
		row->state = MANIFEST_REPLACED;
		return;
	}
	row->state = MANIFEST_SEALED;
	row->len = segment->len;
	row->last_sequence = segment->last_sequence;
	if (segment->last_sequence >= upkeep->manifest.next_sequence)
		upkeep->manifest.next_sequence = segment->last_sequence + 1;
	upkeep->bytes_sealed += segment->len;
}

uint64_t upkeep_automatic_size(const struct upkeep *upkeep)
{
	uint64_t size = AUTO_MIN;

	if (upkeep->segment_size > 0)
		return upkeep->segment_size;
	while (size < AUTO_MAX && size * 2 <= upkeep->bytes_sealed / AUTO_SHARE)
		size *= 2;
	return size;
}

int upkeep_new_id(struct upkeep *upkeep, uint32_t *out)
{
	uint32_t id;

	lock(upkeep);
	id = segments_next_id(upkeep->segments, upkeep->next_id);
	/* Ids are used up: a manifest could not hold the next. */
	if (id < upkeep->next_id || id == UINT32_MAX) {
		unlock(upkeep);
		return -EOVERFLOW;
	}
	upkeep->next_id = id + 1;
	unlock(upkeep);
	*out = id;
	return 0;
}

/* Makes and lists, in memory, a segment with room for LEN bytes. */
static int make_segment(struct upkeep *upkeep, uint64_t len,
			struct segment **out)
{
	struct manifest *manifest = &upkeep->manifest;
	uint64_t capacity = upkeep_automatic_size(upkeep);
	struct segment *made;
	unsigned int tries = 0;
	uint32_t id;
	int result;

	if (capacity < SEGMENT_HEADER_LEN + len)
		capacity = SEGMENT_HEADER_LEN + len;
	do {
		result = upkeep_new_id(upkeep, &id);
		if (result < 0)
			return result;
		result =
			segment_create(upkeep->io, upkeep->dir,
				       manifest->store_id, id, capacity, &made);
	} while (result == -EEXIST && ++tries < TAKEN_IDS_MAX);
	lock(upkeep);
	upkeep->stats.syncs++;
	unlock(upkeep);
	if (result < 0)
		return result;
	result = manifest_add(manifest, id, MANIFEST_OPEN);
	if (result == 0) {
		/* Last: others may look at what is in the table. */
		result = segments_add(upkeep->segments, made);
		if (result < 0)
			manifest_remove(manifest, id);
	}
	if (result < 0) {
		char path[PATH_LEN_MAX];

		if (segment_path(path, upkeep->dir, id) == 0)
			upkeep->io->unlink(upkeep->io, path);
		segment_free(upkeep->io, made);
		return result;
	}
	manifest->next_segment = id + 1;
	upkeep->dirty = true;
	*out = made;
	return 0;
}

int upkeep_store_manifest(struct upkeep *upkeep, struct manifest *manifest)
{
	int result = manifest_store(upkeep->io, upkeep->dir, manifest);

	int again;

	count_manifest(upkeep, result);
	/* A manifest is worth more than what is held back for a run. */
	if (!(io_is_full(result) || result == MANIFEST_UNKNOWN) ||
	    !upkeep_drop_reserve(upkeep))
		return result;
	again = manifest_store(upkeep->io, upkeep->dir, manifest);
	count_manifest(upkeep, again);
	/* What was not known is not known to be undone. */
	return again < 0 && result > 0 ? result : again;
}

int upkeep_write_manifest(struct upkeep *upkeep)
{
	int result;

	if (!upkeep->dirty)
		return 0;
	if (upkeep->frozen)
		return -EROFS;
	result = upkeep_store_manifest(upkeep, &upkeep->manifest);
	if (result == 0)
		upkeep->dirty = false;
	return result == MANIFEST_UNKNOWN ? UPKEEP_UNKNOWN : result;
}

/* All but those that upkeep may still give out. */
static void replace_all(const struct upkeep *upkeep, struct manifest *manifest)
{
	const struct segment *spare = upkeep->spare;
	const struct segment *unlisted = upkeep->unlisted;
	uint32_t i;

	for (i = 0; i < manifest->n_segments; i++) {
		struct manifest_segment *row = &manifest->segments[i];

		if (!(spare && row->id == spare->id) &&
		    !(unlisted && row->id == unlisted->id))
			row->state = MANIFEST_REPLACED;
	}
}

/* Marks what a clear's manifest, which is durable, calls replaced. */
static void mark_replaced(void *ctx, struct segment *segment)
{
	const struct manifest *manifest = ctx;
	const struct manifest_segment *row =
		manifest_find(manifest, segment->id);

	if (!row || row->state != MANIFEST_REPLACED)
		return;
	/* First: who sees the other sees it too. */
	segment->cleared = true;
	segment->replaced = true;
}

static int write_clear(struct upkeep *upkeep, uint64_t floor)
{
	struct manifest next;
	int result;

	if (upkeep->frozen)
		return -EROFS;
	result = manifest_copy(&next, &upkeep->manifest);
	if (result < 0)
		return result;
	replace_all(upkeep, &next);
	next.floor = floor;
	next.next_sequence = floor;
	result = upkeep_store_manifest(upkeep, &next);
	upkeep->manifest.generation = next.generation;
	if (result != 0) {
		upkeep->frozen = result == MANIFEST_UNKNOWN;
		manifest_deinit(&next);
		return result == MANIFEST_UNKNOWN ? UPKEEP_UNKNOWN : result;
	}
	manifest_deinit(&upkeep->manifest);
	upkeep->manifest = next;
	upkeep->bytes_sealed = 0;
	upkeep->dirty = false;
	segments_each(upkeep->segments, mark_replaced, &upkeep->manifest);
	return 0;
}

static void write_hint(struct upkeep *upkeep, const struct segment *segment)
{
	struct hint_builder builder;
	int result;

	hint_builder_init(&builder);
	result = hint_builder_read(&builder, upkeep->io, segment);
	if (result == 0)
		result = hint_builder_write(&builder, upkeep->io, upkeep->dir,
					    upkeep->manifest.store_id,
					    segment->id, segment->len);
	hint_builder_deinit(&builder);
	lock(upkeep);
	if (result == 0)
		upkeep->stats.hints_written++;
	else
		upkeep->stats.hint_errors++;
	upkeep->stats.n_hints_due--;
	unlock(upkeep);
}

/*
 * A file whose name is gone keeps its room while another process has it
 * mapped, asleep perhaps; so the room is given back before the descriptor is.
 * Who reads there sees zeros, fails the check and looks again.  Not where a
 * backup has linked the file: its room is the backup's.
 */
static void punch_unlinked(struct upkeep *upkeep, const struct segment *segment)
{
	struct io *io = upkeep->io;
	struct io_stat stat;

	if (io->stat(io, segment->fd, &stat) < 0 || stat.n_links > 0)
		return;
	if (io->punch(io, segment->fd, 0, stat.size) == 0 || !segment->shared)
		return;
	lock(upkeep);
	upkeep->stats.pinned_bytes += stat.allocated;
	unlock(upkeep);
}

static void discard(struct upkeep *upkeep, struct segment *segment)
{
	const struct manifest_segment *row =
		manifest_find(&upkeep->manifest, segment->id);

	/* Only what a durable manifest calls replaced may go, or never had. */
	if ((!row || row->state == MANIFEST_REPLACED) && !upkeep->frozen) {
		segment_unlink(upkeep->io, upkeep->dir, segment->id);
		manifest_remove(&upkeep->manifest, segment->id);
		punch_unlinked(upkeep, segment);
	}
	segment_free(upkeep->io, segment);
}

/* ---- one round of what is due ---- */

static void round_fills(struct upkeep *upkeep, struct list *filled)
{
	struct segment *segment;

	lock(upkeep);
	list_move(filled, &upkeep->fills);
	unlock(upkeep);
	for (segment = filled->first; segment; segment = segment->next)
		note_filled(upkeep, segment);
}

/* The spare, if there is one with room for LEN bytes; under the lock. */
struct segment *upkeep_take_spare(struct upkeep *upkeep, uint64_t len)
{
	struct segment *spare = upkeep->spare;

	if (!spare || spare->capacity < SEGMENT_HEADER_LEN + len)
		return NULL;
	upkeep->spare = NULL;
	upkeep->has_spare = false;
	upkeep->want_spare = true;
	return spare;
}

/* Fills in what the taker gets, or the error. */
static void round_take(struct upkeep *upkeep, struct take_request *take)
{
	lock(upkeep);
	*take = upkeep->take;
	if (take->state == REQUEST_PENDING)
		take->segment = upkeep_take_spare(upkeep, take->len);
	take->listed = take->segment != NULL;
	unlock(upkeep);
	if (take->state != REQUEST_PENDING || take->segment)
		return;
	/* A spare whose manifest failed may do. */
	if (upkeep->unlisted &&
	    upkeep->unlisted->capacity >= SEGMENT_HEADER_LEN + take->len) {
		take->segment = upkeep->unlisted;
		upkeep->unlisted = NULL;
	} else {
		take->result = make_segment(upkeep, take->len, &take->segment);
	}
}

/* Under the lock.  On a full disk a run that is under way gives room first. */
static bool wants_spare(const struct upkeep *upkeep)
{
	return upkeep->want_spare && !upkeep->spare && !upkeep->stop &&
	       !(upkeep->output_out && io_is_full(upkeep->spare_error));
}

static void round_spare(struct upkeep *upkeep, bool wanted)
{
	int result;

	if (!wanted || upkeep->unlisted)
		return;
	result = upkeep_round_reserve(upkeep);
	if (result == 0)
		result = make_segment(upkeep, 0, &upkeep->unlisted);
	upkeep->spare_error = result;
}

static void publish_spare(struct upkeep *upkeep, int result)
{
	if (!upkeep->unlisted || upkeep->spare)
		return;
	upkeep->spare_error = result > 0 ? -EIO : result;
	if (result != 0)
		return;
	upkeep->spare = upkeep->unlisted;
	upkeep->unlisted = NULL;
	upkeep->want_spare = false;
	upkeep->has_spare = true;
}

static void publish_take(struct upkeep *upkeep, struct take_request *take,
			 int result)
{
	if (take->state != REQUEST_PENDING)
		return;
	if (take->segment && !take->listed && result != 0) {
		/* It exists and may be listed: keep it for the next try. */
		upkeep->unlisted = take->segment;
		take->segment = NULL;
		take->result = result > 0 ? -EIO : result;
	}
	if (take->result != 0)
		upkeep->spare_error = take->result;
	take->state = REQUEST_DONE;
	upkeep->take = *take;
}

static void publish_filled(struct upkeep *upkeep, struct list *filled,
			   int result)
{
	struct segment *segment;

	while ((segment = list_pop(filled)) != NULL)
		list_push(&upkeep->noted, segment);
	while (result == 0 && (segment = list_pop(&upkeep->noted)) != NULL) {
		segment->sealed = true;
		if (segment->last_sequence == 0) {
			segment->replaced = true;
			upkeep->has_replaced = true;
			continue;
		}
		list_push(&upkeep->hints, segment);
		upkeep->stats.n_hints_due++;
	}
}

bool upkeep_is_due(const struct upkeep *upkeep)
{
	return upkeep->fills.first || upkeep->hints.first ||
	       upkeep->discards.first ||
	       upkeep->take.state == REQUEST_PENDING ||
	       upkeep->clear.state == REQUEST_PENDING ||
	       upkeep->install.state == REQUEST_PENDING ||
	       upkeep->flush.n_done != upkeep->flush.n_asked ||
	       upkeep->snapshot.state == REQUEST_PENDING || upkeep->retry ||
	       (upkeep->want_spare && !upkeep->spare && !upkeep->stop &&
		(upkeep->spare_error == 0 || upkeep->retry));
}

/* RESULT is that of writing the manifest, which is durable then. */
static void run_snapshot(struct upkeep *upkeep, int result)
{
	struct snapshot_request *snapshot = &upkeep->snapshot;

	if (result == 0)
		result = manifest_copy_sealed(&snapshot->manifest,
					      &upkeep->manifest);
	lock(upkeep);
	snapshot->result = result;
	snapshot->state = REQUEST_DONE;
	unlock(upkeep);
}

/* The urgent part: manifest, spare, whoever waits. */
static void run_urgent(struct upkeep *upkeep)
{
	const struct segment *segment;
	struct take_request take;
	struct list filled;
	uint64_t n_flushes;
	bool want_spare;
	bool snapshot;
	int result;

	lock(upkeep);
	upkeep->retry = false;
	n_flushes = upkeep->flush.n_asked;
	snapshot = upkeep->snapshot.state == REQUEST_PENDING;
	unlock(upkeep);
	round_fills(upkeep, &filled);
	round_take(upkeep, &take);
	lock(upkeep);
	want_spare = wants_spare(upkeep);
	upkeep->retry = false;
	unlock(upkeep);
	/* One unlisted segment at a time: there is one place to keep it. */
	round_spare(upkeep, want_spare && (!take.segment || take.listed));
	result = upkeep_write_manifest(upkeep);
	if (snapshot)
		run_snapshot(upkeep, result);
	for (segment = filled.first; segment; segment = segment->next)
		segment_trim(upkeep->io, segment);
	lock(upkeep);
	upkeep->manifest_error = result;
	if (upkeep->flush.n_done != n_flushes)
		upkeep->flush.result = result;
	upkeep->flush.n_done = n_flushes;
	publish_spare(upkeep, result);
	publish_take(upkeep, &take, result);
	publish_filled(upkeep, &filled, result);
	pthread_cond_broadcast(&upkeep->done);
	unlock(upkeep);
}

static void run_clear(struct upkeep *upkeep)
{
	uint64_t floor;
	int result;

	lock(upkeep);
	floor = upkeep->clear.floor;
	/*
	 * What was filled during this round is noted first: its owner may
	 * discard it as soon as it is replaced, and then no list of ours may
	 * be about to get it.
	 */
	if (upkeep->clear.state != REQUEST_PENDING || upkeep->fills.first ||
	    upkeep->snapshot.state == REQUEST_PENDING) {
		unlock(upkeep);
		return;
	}
	unlock(upkeep);
	result = write_clear(upkeep, floor);
	lock(upkeep);
	upkeep->clear.result = result;
	upkeep->clear.state = REQUEST_DONE;
	pthread_cond_broadcast(&upkeep->done);
	unlock(upkeep);
}

static void run_background(struct upkeep *upkeep)
{
	struct segment *segment;

	lock(upkeep);
	segment = list_pop(&upkeep->discards);
	unlock(upkeep);
	if (segment) {
		discard(upkeep, segment);
		return;
	}
	lock(upkeep);
	segment = list_pop(&upkeep->hints);
	unlock(upkeep);
	if (segment)
		write_hint(upkeep, segment);
}

void upkeep_run_round(struct upkeep *upkeep)
{
	run_urgent(upkeep);
	run_clear(upkeep);
	upkeep_run_install(upkeep);
	run_background(upkeep);
	if (upkeep->changed)
		upkeep->changed(upkeep->ctx);
}
