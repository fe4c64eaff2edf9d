#include "common/upkeep.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/hint.h"
#include "common/path.h"

enum {
	SIZE_MIN = 4 << 20,   /* automatic segment sizes */
	SIZE_MAX_ = 128 << 20,
	SIZE_SHARE = 8,	      /* a segment is at most 1/8 of the store */
	RETRY_MS = 1000,      /* of a spare or manifest that failed */
	TAKEN_IDS_MAX = 1000, /* files in the way of a new segment */
};

enum request_state {
	REQUEST_NONE,
	REQUEST_PENDING,
	REQUEST_DONE,
};

/* What someone waits for; one at a time of each kind. */
struct take_request {
	enum request_state state;
	uint64_t len;
	int result;
	struct segment *segment;
	bool listed; /* in a durable manifest already */
};

struct clear_request {
	enum request_state state;
	uint64_t floor;
	int result;
};

struct flush_request {
	enum request_state state;
	int result;
};

struct list {
	struct segment *first;
	struct segment **last;
};

struct upkeep {
	struct io *io;
	char dir[PATH_LEN_MAX];
	struct segments *segments;
	uint64_t segment_size;
	void (*changed)(void *ctx);
	void *ctx;

	/* the runner's own: the thread, or who calls without one */
	struct manifest manifest;
	bool dirty; /* the manifest in memory is not the one on disk */
	bool frozen; /* it must not be written any more */
	struct segment *unlisted; /* a spare that no manifest lists yet */
	uint64_t bytes_sealed;

	/* shared, under the lock */
	pthread_mutex_t lock;
	pthread_cond_t work;
	pthread_cond_t done;
	pthread_t thread;
	bool threaded;
	bool stop;
	bool abandon;
	bool busy;
	bool want_spare;
	bool retry; /* what failed is to be tried again */
	struct segment *spare;
	_Atomic bool has_spare;
	_Atomic bool has_replaced; /* segments that were never of use */
	_Atomic int spare_error;
	int manifest_error;
	struct take_request take;
	struct clear_request clear;
	struct flush_request flush;
	struct list fills;
	struct list noted; /* filled, but no durable manifest says so yet */
	struct list hints;
	struct list discards;
	struct upkeep_stats stats;
};

static void list_init(struct list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

static void list_push(struct list *list, struct segment *segment)
{
	segment->next = NULL;
	*list->last = segment;
	list->last = &segment->next;
}

static struct segment *list_pop(struct list *list)
{
	struct segment *segment = list->first;

	if (!segment)
		return NULL;
	list->first = segment->next;
	if (!list->first)
		list->last = &list->first;
	segment->next = NULL;
	return segment;
}

/* Whether it was there. */
static bool list_remove(struct list *list, const struct segment *segment)
{
	struct segment **at = &list->first;

	while (*at && *at != segment)
		at = &(*at)->next;
	if (!*at)
		return false;
	*at = segment->next;
	if (!*at)
		list->last = at;
	return true;
}

static void list_move(struct list *to, struct list *from)
{
	list_init(to);
	while (from->first)
		list_push(to, list_pop(from));
}

static void lock(struct upkeep *upkeep)
{
	pthread_mutex_lock(&upkeep->lock);
}

static void unlock(struct upkeep *upkeep)
{
	pthread_mutex_unlock(&upkeep->lock);
}

/* ---- the runner's steps, without the lock ---- */

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

static uint64_t automatic_size(const struct upkeep *upkeep)
{
	uint64_t size = SIZE_MIN;

	if (upkeep->segment_size > 0)
		return upkeep->segment_size;
	while (size < SIZE_MAX_ && size * 2 <= upkeep->bytes_sealed / SIZE_SHARE)
		size *= 2;
	return size;
}

/* Makes and lists, in memory, a segment with room for LEN bytes. */
static int make_segment(struct upkeep *upkeep, uint64_t len,
			struct segment **out)
{
	struct manifest *manifest = &upkeep->manifest;
	uint64_t capacity = automatic_size(upkeep);
	struct segment *made;
	uint32_t id = manifest->next_segment;
	unsigned int tries = 0;
	int result;

	if (capacity < SEGMENT_HEADER_LEN + len)
		capacity = SEGMENT_HEADER_LEN + len;
	do {
		id = segments_next_id(upkeep->segments, id);
		/* Ids are used up: a manifest could not hold the next. */
		if (id < manifest->next_segment || id == UINT32_MAX)
			return -EOVERFLOW;
		result = segment_create(upkeep->io, upkeep->dir,
					manifest->store_id, id, capacity,
					&made);
		if (result == -EEXIST)
			id++;
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
		char name[SEGMENT_NAME_MAX];
		char path[PATH_LEN_MAX];

		segment_name(id, name);
		if (path_join(path, upkeep->dir, name) == 0)
			upkeep->io->unlink(upkeep->io, path);
		segment_free(upkeep->io, made);
		return result;
	}
	manifest->next_segment = id + 1;
	upkeep->dirty = true;
	*out = made;
	return 0;
}

static int write_manifest(struct upkeep *upkeep)
{
	int result;

	if (!upkeep->dirty)
		return 0;
	if (upkeep->frozen)
		return -EROFS;
	result = manifest_store(upkeep->io, upkeep->dir, &upkeep->manifest);
	count_manifest(upkeep, result);
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

/* Marks what a durable manifest calls replaced. */
static void mark_replaced(void *ctx, struct segment *segment)
{
	const struct manifest *manifest = ctx;
	const struct manifest_segment *row =
		manifest_find(manifest, segment->id);

	if (row && row->state == MANIFEST_REPLACED)
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
	result = manifest_store(upkeep->io, upkeep->dir, &next);
	count_manifest(upkeep, result);
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

static int read_hint_entries(struct upkeep *upkeep,
			     const struct segment *segment,
			     struct hint_builder *builder)
{
	struct segment_reader reader;
	struct segment_entry entry;
	int result;

	result = segment_reader_init(&reader, upkeep->io, segment,
				     segment->header_len, segment->len);
	if (result < 0)
		return result;
	while ((result = segment_reader_next(&reader, false, &entry)) == 0) {
		result = hint_builder_add(builder, &entry);
		if (result < 0)
			break;
	}
	segment_reader_deinit(&reader);
	return result == SEGMENT_END ? 0 : result;
}

static void write_hint(struct upkeep *upkeep, const struct segment *segment)
{
	struct hint_builder builder;
	int result;

	hint_builder_init(&builder);
	result = read_hint_entries(upkeep, segment, &builder);
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

static void unlink_files(struct upkeep *upkeep, uint32_t id)
{
	char name[SEGMENT_NAME_MAX];
	char path[PATH_LEN_MAX];

	segment_hint_name(id, name);
	if (path_join(path, upkeep->dir, name) == 0)
		upkeep->io->unlink(upkeep->io, path);
	segment_name(id, name);
	if (path_join(path, upkeep->dir, name) == 0)
		upkeep->io->unlink(upkeep->io, path);
}

static void discard(struct upkeep *upkeep, struct segment *segment)
{
	const struct manifest_segment *row =
		manifest_find(&upkeep->manifest, segment->id);

	/* Only what a durable manifest calls replaced may go. */
	if (row && row->state == MANIFEST_REPLACED && !upkeep->frozen) {
		unlink_files(upkeep, segment->id);
		manifest_remove(&upkeep->manifest, segment->id);
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
static struct segment *take_spare(struct upkeep *upkeep, uint64_t len)
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
		take->segment = take_spare(upkeep, take->len);
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

static void round_spare(struct upkeep *upkeep, bool wanted)
{
	int result;

	if (!wanted || upkeep->unlisted)
		return;
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

static bool something_due(const struct upkeep *upkeep)
{
	return upkeep->fills.first || upkeep->hints.first ||
	       upkeep->discards.first ||
	       upkeep->take.state == REQUEST_PENDING ||
	       upkeep->clear.state == REQUEST_PENDING ||
	       upkeep->flush.state == REQUEST_PENDING ||
	       upkeep->retry ||
	       (upkeep->want_spare && !upkeep->spare && !upkeep->stop &&
		(upkeep->spare_error == 0 || upkeep->retry));
}

/* The urgent part: manifest, spare, whoever waits. */
static void run_urgent(struct upkeep *upkeep)
{
	const struct segment *segment;
	struct take_request take;
	struct list filled;
	bool want_spare;
	bool flush;
	int result;

	lock(upkeep);
	upkeep->retry = false;
	flush = upkeep->flush.state == REQUEST_PENDING;
	unlock(upkeep);
	round_fills(upkeep, &filled);
	round_take(upkeep, &take);
	lock(upkeep);
	want_spare = upkeep->want_spare && !upkeep->spare && !upkeep->stop;
	upkeep->retry = false;
	unlock(upkeep);
	/* One unlisted segment at a time: there is one place to keep it. */
	round_spare(upkeep, want_spare && (!take.segment || take.listed));
	result = write_manifest(upkeep);
	for (segment = filled.first; segment; segment = segment->next)
		segment_trim(upkeep->io, segment);
	lock(upkeep);
	upkeep->manifest_error = result;
	if (flush) {
		upkeep->flush.result = result;
		upkeep->flush.state = REQUEST_DONE;
	}
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
	if (upkeep->clear.state != REQUEST_PENDING) {
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

static void run_round(struct upkeep *upkeep)
{
	run_urgent(upkeep);
	run_clear(upkeep);
	run_background(upkeep);
	if (upkeep->changed)
		upkeep->changed(upkeep->ctx);
}

/* ---- the thread ---- */

/* Whether something failed that time may heal. */
static bool retry_due(const struct upkeep *upkeep)
{
	return (upkeep->want_spare && !upkeep->spare) ||
	       upkeep->manifest_error != 0;
}

static void wait_for_work(struct upkeep *upkeep)
{
	struct timespec until;

	if (!retry_due(upkeep)) {
		pthread_cond_wait(&upkeep->work, &upkeep->lock);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += RETRY_MS / 1000;
	if (pthread_cond_timedwait(&upkeep->work, &upkeep->lock, &until) ==
	    ETIMEDOUT)
		upkeep->retry = true;
}

static void *thread_main(void *arg)
{
	struct upkeep *upkeep = arg;

	lock(upkeep);
	while (!upkeep->abandon) {
		if (something_due(upkeep)) {
			upkeep->busy = true;
			unlock(upkeep);
			run_round(upkeep);
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

/* Wakes the thread, or does its work; with the lock held. */
static void go(struct upkeep *upkeep)
{
	if (upkeep->threaded) {
		pthread_cond_signal(&upkeep->work);
		return;
	}
	unlock(upkeep);
	run_round(upkeep);
	lock(upkeep);
}

static int cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	int result;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	result = pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
	return -result;
}

int upkeep_new(const struct upkeep_options *options,
	       struct manifest *manifest, struct upkeep **out)
{
	struct upkeep *upkeep;
	uint32_t i;

	if (strlen(options->dir) >= PATH_LEN_MAX)
		return -ENAMETOOLONG;
	upkeep = calloc(1, sizeof(*upkeep));
	if (!upkeep)
		return -ENOMEM;
	strcpy(upkeep->dir, options->dir);
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
	cond_init(&upkeep->work);
	cond_init(&upkeep->done);
	upkeep->manifest = *manifest;
	memset(manifest, 0, sizeof(*manifest));
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

	while (something_due(upkeep))
		run_round(upkeep);
	drop(upkeep, upkeep->spare);
	drop(upkeep, upkeep->unlisted);
	result = write_manifest(upkeep);
	for (i = 0; result == 0 && i < upkeep->manifest.n_segments; i++) {
		const struct manifest_segment *row =
			&upkeep->manifest.segments[i];

		if (row->state == MANIFEST_REPLACED)
			unlink_files(upkeep, row->id);
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
		result = finish(upkeep);
	while ((segment = list_pop(&upkeep->discards)) != NULL)
		segment_free(upkeep->io, segment);
	manifest_deinit(&upkeep->manifest);
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
	*segment = take_spare(upkeep, len);
	if (*segment) {
		go(upkeep);
		unlock(upkeep);
		return 0;
	}
	upkeep->take = (struct take_request){ .state = REQUEST_PENDING,
					      .len = len };
	go(upkeep);
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
	go(upkeep);
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
	go(upkeep);
	unlock(upkeep);
	return 0;
}

int upkeep_flush(struct upkeep *upkeep)
{
	int result;

	lock(upkeep);
	upkeep->flush.state = REQUEST_PENDING;
	go(upkeep);
	while (upkeep->flush.state == REQUEST_PENDING)
		pthread_cond_wait(&upkeep->done, &upkeep->lock);
	result = upkeep->flush.result;
	upkeep->flush.state = REQUEST_NONE;
	unlock(upkeep);
	return result;
}

int upkeep_clear(struct upkeep *upkeep, uint64_t floor)
{
	int result;

	lock(upkeep);
	upkeep->clear = (struct clear_request){ .state = REQUEST_PENDING,
						.floor = floor };
	go(upkeep);
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
	go(upkeep);
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
	while (!upkeep->threaded && something_due(upkeep))
		go(upkeep);
	while (upkeep->threaded && (upkeep->busy || something_due(upkeep)))
		pthread_cond_wait(&upkeep->done, &upkeep->lock);
	unlock(upkeep);
}

void upkeep_get_stats(struct upkeep *upkeep, struct upkeep_stats *stats)
{
	lock(upkeep);
	*stats = upkeep->stats;
	unlock(upkeep);
}
