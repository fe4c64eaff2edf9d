#include "common/upkeep.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/monotonic.h"
#include "common/upkeep_internal.h"

enum {
	RETRY_MS = 1000, /* of a spare or manifest that failed */
};

/* ---- the thread ---- */

/* Whether something failed that time may heal. */
static bool retry_due(const struct upkeep *upkeep)
{
	return (upkeep->want_spare && !upkeep->spare) ||
	       upkeep->manifest_error != 0;
}

static void wait_for_work(struct upkeep *upkeep)
{
	if (!retry_due(upkeep))
		pthread_cond_wait(&upkeep->work, &upkeep->lock);
	else if (!monotonic_wait_until(&upkeep->work, &upkeep->lock,
				       monotonic_ms() + RETRY_MS))
		upkeep->retry = true;
}

static void *thread_main(void *arg)
{
	struct upkeep *upkeep = arg;

	pthread_setname_np(pthread_self(), "getme-upkeep");
	lock(upkeep);
	while (!upkeep->abandon) {
		if (upkeep_is_due(upkeep)) {
			upkeep->busy = true;
			unlock(upkeep);
			upkeep_run_round(upkeep);
			lock(upkeep);
			continue;
		}
		upkeep->busy = false;
		pthread_cond_broadcast(&upkeep->done);
		if (upkeep->stop)
			break;
		wait_for_work(upkeep);
	}
	unlock(upkeep);
	return NULL;
}

void upkeep_go(struct upkeep *upkeep)
{
	if (upkeep->threaded) {
		pthread_cond_signal(&upkeep->work);
		return;
	}
	unlock(upkeep);
	upkeep_run_round(upkeep);
	lock(upkeep);
}

int upkeep_new(const struct upkeep_options *options, struct manifest *manifest,
	       struct upkeep **out)
{
	struct upkeep *upkeep;
	uint32_t i;

	upkeep = calloc(1, sizeof(*upkeep));
	if (!upkeep)
		return -ENOMEM;
	if (path_copy(upkeep->dir, options->dir) < 0) {
		free(upkeep);
		return -ENAMETOOLONG;
	}
	upkeep->io = options->io;
	upkeep->segments = options->segments;
	upkeep->segment_size = options->segment_size;
	upkeep->changed = options->changed;
	upkeep->ctx = options->ctx;
	list_init(&upkeep->fills);
	list_init(&upkeep->noted);
	list_init(&upkeep->hints);
	list_init(&upkeep->discards);
	pthread_mutex_init(&upkeep->lock, NULL);
	monotonic_cond_init(&upkeep->work);
	monotonic_cond_init(&upkeep->done);
	upkeep->manifest = *manifest;
	memset(manifest, 0, sizeof(*manifest));
	upkeep->next_id = upkeep->manifest.next_segment;
	upkeep->hold_reserve = options->hold_reserve;
	for (i = 0; i < upkeep->manifest.n_segments; i++)
		upkeep->bytes_sealed += upkeep->manifest.segments[i].len;
	*out = upkeep;
	return 0;
}

int upkeep_start(struct upkeep *upkeep)
{
	int result;

	upkeep->threaded = true;
	result = pthread_create(&upkeep->thread, NULL, thread_main, upkeep);
	if (result != 0)
		upkeep->threaded = false;
	return -result;
}

static void stop_thread(struct upkeep *upkeep, bool abandon)
{
	lock(upkeep);
	upkeep->stop = true;
	upkeep->abandon = abandon;
	pthread_cond_signal(&upkeep->work);
	unlock(upkeep);
	if (upkeep->threaded)
		pthread_join(upkeep->thread, NULL);
	upkeep->threaded = false;
}

static void drop(struct upkeep *upkeep, const struct segment *unused)
{
	struct manifest_segment *row =
		unused ? manifest_find(&upkeep->manifest, unused->id) : NULL;

	if (!row)
		return;
	row->state = MANIFEST_REPLACED;
	upkeep->dirty = true;
}

/* The last manifest: everything sealed, no spare. */
static int finish(struct upkeep *upkeep)
{
	uint32_t i;
	int result;

	while (upkeep_is_due(upkeep))
		upkeep_run_round(upkeep);
	drop(upkeep, upkeep->spare);
	drop(upkeep, upkeep->unlisted);
	result = upkeep_write_manifest(upkeep);
	for (i = 0; result == 0 && i < upkeep->manifest.n_segments; i++) {
		const struct manifest_segment *row =
			&upkeep->manifest.segments[i];

		if (row->state == MANIFEST_REPLACED)
			segment_unlink(upkeep->io, upkeep->dir, row->id);
	}
	return result > 0 ? -EIO : result;
}

int upkeep_free(struct upkeep *upkeep, enum upkeep_end end)
{
	struct segment *segment;
	int result = 0;

	if (!upkeep)
		return 0;
	stop_thread(upkeep, end == UPKEEP_ABANDON);
	if (end == UPKEEP_FINISH)
		upkeep_drop_reserve(upkeep);
	else
		segment_free(upkeep->io, upkeep->reserve);
	if (end == UPKEEP_FINISH)
		result = finish(upkeep);
	while ((segment = list_pop(&upkeep->discards)) != NULL)
		segment_free(upkeep->io, segment);
	manifest_deinit(&upkeep->manifest);
	manifest_deinit(&upkeep->snapshot.manifest);
	pthread_cond_destroy(&upkeep->work);
	pthread_cond_destroy(&upkeep->done);
	pthread_mutex_destroy(&upkeep->lock);
	free(upkeep);
	return result;
}

int upkeep_take(struct upkeep *upkeep, uint64_t len, struct segment **segment)
{
	int result;

	lock(upkeep);
	/* Ready, and listed: no need to wait for what upkeep is busy with. */
	*segment = upkeep_take_spare(upkeep, len);
	if (*segment) {
		upkeep_go(upkeep);
		unlock(upkeep);
		return 0;
	}
	upkeep->take =
		(struct take_request){ .state = REQUEST_PENDING, .len = len };
	upkeep_go(upkeep);
	while (upkeep->take.state == REQUEST_PENDING)
		pthread_cond_wait(&upkeep->done, &upkeep->lock);
	result = upkeep->take.result;
	if (result == 0)
		*segment = upkeep->take.segment;
	upkeep->take.state = REQUEST_NONE;
	unlock(upkeep);
	return result;
}

void upkeep_want_spare(struct upkeep *upkeep)
{
	lock(upkeep);
	upkeep->want_spare = true;
	upkeep->retry = true;
	upkeep_go(upkeep);
	unlock(upkeep);
}

bool upkeep_has_spare(const struct upkeep *upkeep)
{
	return upkeep->has_spare;
}

int upkeep_spare_error(const struct upkeep *upkeep)
{
	return upkeep->has_spare ? 0 : upkeep->spare_error;
}

bool upkeep_found_replaced(struct upkeep *upkeep)
{
	return upkeep->has_replaced &&
	       atomic_exchange(&upkeep->has_replaced, false);
}

int upkeep_fill(struct upkeep *upkeep, struct segment *segment)
{
	lock(upkeep);
	list_push(&upkeep->fills, segment);
	upkeep_go(upkeep);
	unlock(upkeep);
	return 0;
}

int upkeep_flush(struct upkeep *upkeep)
{
	uint64_t mine;
	int result;

	lock(upkeep);
	mine = ++upkeep->flush.n_asked;
	upkeep_go(upkeep);
	while (upkeep->flush.n_done < mine)
		pthread_cond_wait(&upkeep->done, &upkeep->lock);
	result = upkeep->flush.result;
	unlock(upkeep);
	return result;
}

void upkeep_begin_snapshot(struct upkeep *upkeep)
{
	lock(upkeep);
	/* Of one that nobody has asked for. */
	manifest_deinit(&upkeep->snapshot.manifest);
	upkeep->snapshot.state = REQUEST_PENDING;
	upkeep_go(upkeep);
	unlock(upkeep);
}

int upkeep_end_snapshot(struct upkeep *upkeep, struct manifest *snapshot)
{
	int result;

	lock(upkeep);
	while (upkeep->snapshot.state == REQUEST_PENDING)
		pthread_cond_wait(&upkeep->done, &upkeep->lock);
	result = upkeep->snapshot.result;
	if (result == 0)
		*snapshot = upkeep->snapshot.manifest;
	memset(&upkeep->snapshot, 0, sizeof(upkeep->snapshot));
	unlock(upkeep);
	return result;
}

int upkeep_clear(struct upkeep *upkeep, uint64_t floor)
{
	int result;

	lock(upkeep);
	upkeep->clear = (struct clear_request){ .state = REQUEST_PENDING,
						.floor = floor };
	upkeep_go(upkeep);
	while (upkeep->clear.state == REQUEST_PENDING)
		pthread_cond_wait(&upkeep->done, &upkeep->lock);
	result = upkeep->clear.result;
	upkeep->clear.state = REQUEST_NONE;
	unlock(upkeep);
	return result;
}

void upkeep_discard(struct upkeep *upkeep, struct segment *segment)
{
	lock(upkeep);
	if (list_remove(&upkeep->hints, segment))
		upkeep->stats.n_hints_due--;
	list_remove(&upkeep->noted, segment);
	list_remove(&upkeep->fills, segment);
	list_push(&upkeep->discards, segment);
	upkeep_go(upkeep);
	unlock(upkeep);
}

int upkeep_want_hint(struct upkeep *upkeep, struct segment *segment)
{
	lock(upkeep);
	list_push(&upkeep->hints, segment);
	upkeep->stats.n_hints_due++;
	if (upkeep->threaded)
		pthread_cond_signal(&upkeep->work);
	unlock(upkeep);
	return 0;
}

void upkeep_settle(struct upkeep *upkeep)
{
	lock(upkeep);
	while (!upkeep->threaded && upkeep_is_due(upkeep))
		upkeep_go(upkeep);
	while (upkeep->threaded && (upkeep->busy || upkeep_is_due(upkeep)))
		pthread_cond_wait(&upkeep->done, &upkeep->lock);
	unlock(upkeep);
}

void upkeep_get_stats(struct upkeep *upkeep, struct upkeep_stats *stats)
{
	lock(upkeep);
	*stats = upkeep->stats;
	unlock(upkeep);
}
