#include <errno.h>
#include <signal.h>
#include <string.h>

#include "common/engine_internal.h"
#include "common/monotonic.h"

enum {
	/* a group up to this many bytes may be written by the loop itself */
	INLINE_LEN_MAX = 128 << 10,
	/* the wait for more writes: this share of a sync, within bounds */
	GATHER_SHARE = 4,
	GATHER_MIN_NS = 20000, /* what is shorter a timer cannot tell */
	GATHER_MAX_NS = 1000000,
	GATHER_SKIP_MAX = 64, /* groups */
	/* the share of the last group in the mean: 1/4 */
	MEAN_OF = 4,
};

void log_queue_init(struct log_queue *queue)
{
	memset(queue, 0, sizeof(*queue));
	queue->last = &queue->first;
}

void log_queue_push(struct log_queue *queue, struct log_record *record)
{
	record->next = NULL;
	*queue->last = record;
	queue->last = &record->next;
	queue->n++;
	queue->len += record->len;
}

void log_queue_append(struct log_queue *queue, struct log_queue *from)
{
	if (from->first) {
		*queue->last = from->first;
		queue->last = from->last;
		queue->n += from->n;
		queue->len += from->len;
		queue->sync = queue->sync || from->sync;
		queue->interval = queue->interval || from->interval;
	}
	log_queue_init(from);
}

/* Writes one group; not under the lock, but busy. */
static void run_group(struct engine_log *elog, const struct log_queue *group)
{
	log_commit(elog->log, group->first, group->sync);
}

/* After a group, under the lock: when the next sync by itself is due. */
static void note_due(struct engine_log *elog, bool interval)
{
	if (!log_is_dirty(elog->log) || elog->log->read_only)
		elog->sync_due_ms = 0;
	else if (interval && elog->sync_due_ms == 0)
		elog->sync_due_ms = monotonic_ms() + elog->interval_ms;
}

/* ---- gathering ---- */

/* After a group with a sync, which took NS. */
static void note_sync(struct engine_log *elog, const struct log_queue *group,
		      uint64_t ns)
{
	struct engine_gather *gather = &elog->gather;

	gather->sync_ns = (gather->sync_ns * (MEAN_OF - 1) + ns) / MEAN_OF;
	gather->n_wanted = group->n + elog->queue.n;
}

/* The wait is over; whether it was of use says when the next one is. */
static void end_gathering(struct engine_log *elog)
{
	struct engine_gather *gather = &elog->gather;
	bool in_vain = elog->queue.n < gather->n_wanted / 4 * 3;

	if (gather->until_ns == 0)
		return;
	gather->until_ns = 0;
	gather->skip = in_vain ? gather->skip * 2 + 1 : 0;
	if (gather->skip > GATHER_SKIP_MAX)
		gather->skip = GATHER_SKIP_MAX;
	gather->n_skip = gather->skip;
}

/*
 * Whether the queue is to wait for more.  Writers that each wait for their
 * answer come again when they have it; where they do not, or think first, it
 * was in vain, and is tried less and less often.
 */
static bool wants_more(struct engine_log *elog)
{
	struct engine_gather *gather = &elog->gather;
	uint64_t ns = gather->sync_ns / GATHER_SHARE;

	if (!elog->queue.sync || elog->stop || ns < GATHER_MIN_NS ||
	    elog->queue.n >= gather->n_wanted)
		return false;
	if (gather->until_ns != 0)
		return monotonic_ns() < gather->until_ns;
	if (gather->n_skip > 0) {
		gather->n_skip--;
		return false;
	}
	if (ns > GATHER_MAX_NS)
		ns = GATHER_MAX_NS;
	gather->until_ns = monotonic_ns() + ns;
	return true;
}

/* Whether the thread, which gathers, need not be woken yet. */
static bool may_sleep_on(const struct engine_log *elog)
{
	return elog->gather.until_ns != 0 && elog->queue.sync &&
	       elog->queue.n < elog->gather.n_wanted;
}

/* ---- the thread ---- */

static void run_queue(struct engine_log *elog)
{
	uint64_t begun_ns = monotonic_ns();
	struct log_queue group;

	end_gathering(elog);
	log_queue_init(&group);
	log_queue_append(&group, &elog->queue);
	elog->busy = true;
	pthread_mutex_unlock(&elog->lock);
	run_group(elog, &group);
	pthread_mutex_lock(&elog->lock);
	elog->busy = false;
	note_due(elog, group.interval);
	if (group.sync)
		note_sync(elog, &group, monotonic_ns() - begun_ns);
	log_queue_append(&elog->done, &group);
	pthread_cond_broadcast(&elog->idle);
	/* Not under the lock, which is the first that the loop asks for. */
	pthread_mutex_unlock(&elog->lock);
	elog->host->wake(elog->host->ctx);
	pthread_mutex_lock(&elog->lock);
}

static bool sync_is_due(const struct engine_log *elog)
{
	return elog->sync_due_ms != 0 && monotonic_ms() >= elog->sync_due_ms;
}

static void run_sync(struct engine_log *elog)
{
	int result;

	elog->busy = true;
	pthread_mutex_unlock(&elog->lock);
	result = log_sync(elog->log);
	pthread_mutex_lock(&elog->lock);
	elog->busy = false;
	note_due(elog, false);
	/* A failure is a change of state that the loop wants to tell. */
	if (result != 0)
		elog->host->wake(elog->host->ctx);
	pthread_cond_broadcast(&elog->idle);
}

static void wait_for_work(struct engine_log *elog)
{
	if (elog->sync_due_ms == 0)
		pthread_cond_wait(&elog->work, &elog->lock);
	else
		monotonic_wait_until(&elog->work, &elog->lock,
				     elog->sync_due_ms);
}

static void *thread_main(void *arg)
{
	struct engine_log *elog = arg;

	pthread_setname_np(pthread_self(), "getme-log");
	pthread_mutex_lock(&elog->lock);
	for (;;) {
		if (elog->busy)
			pthread_cond_wait(&elog->idle, &elog->lock);
		/* First, or a queue that never ends would put it off. */
		else if (sync_is_due(elog))
			run_sync(elog);
		else if (elog->queue.first && wants_more(elog))
			monotonic_wait_until_ns(&elog->work, &elog->lock,
						elog->gather.until_ns);
		else if (elog->queue.first)
			run_queue(elog);
		else if (elog->stop)
			break;
		else
			wait_for_work(elog);
	}
	pthread_mutex_unlock(&elog->lock);
	return NULL;
}

int engine_log_start(struct engine_log *elog, struct log *log,
		     const struct engine_host *host, uint64_t interval_ms)
{
	int result;

	memset(elog, 0, sizeof(*elog));
	pthread_mutex_init(&elog->lock, NULL);
	monotonic_cond_init(&elog->work);
	monotonic_cond_init(&elog->idle);
	log_queue_init(&elog->queue);
	log_queue_init(&elog->done);
	elog->log = log;
	elog->host = host;
	elog->interval_ms = interval_ms;
	result = pthread_create(&elog->thread, NULL, thread_main, elog);
	elog->started = result == 0;
	return -result;
}

void engine_log_stop(struct engine_log *elog)
{
	if (!elog->started)
		return;
	pthread_mutex_lock(&elog->lock);
	elog->stop = true;
	pthread_cond_signal(&elog->work);
	pthread_mutex_unlock(&elog->lock);
	pthread_join(elog->thread, NULL);
	pthread_cond_destroy(&elog->work);
	pthread_cond_destroy(&elog->idle);
	pthread_mutex_destroy(&elog->lock);
	elog->started = false;
}

/* Whether the loop may write GROUP itself. */
static bool may_inline(const struct engine_log *elog,
		       const struct log_queue *group)
{
	return !group->sync && group->len <= INLINE_LEN_MAX && !elog->busy &&
	       !elog->queue.first && !elog->done.first &&
	       log_has_room(elog->log, group->len) && !sync_is_due(elog);
}

void engine_log_submit(struct engine_log *elog, struct log_queue *group,
		       struct log_queue *done)
{
	uint64_t due_before;
	bool may_sleep;

	if (!group->first)
		return;
	pthread_mutex_lock(&elog->lock);
	if (!may_inline(elog, group)) {
		log_queue_append(&elog->queue, group);
		may_sleep = may_sleep_on(elog);
		pthread_mutex_unlock(&elog->lock);
		/* Who wakes up finds the lock free. */
		if (!may_sleep)
			pthread_cond_signal(&elog->work);
		return;
	}
	elog->busy = true;
	pthread_mutex_unlock(&elog->lock);
	run_group(elog, group);
	pthread_mutex_lock(&elog->lock);
	elog->busy = false;
	due_before = elog->sync_due_ms;
	note_due(elog, group->interval);
	if (elog->sync_due_ms != due_before)
		pthread_cond_signal(&elog->work);
	pthread_cond_broadcast(&elog->idle);
	pthread_mutex_unlock(&elog->lock);
	log_queue_append(done, group);
}

bool engine_log_will_sync(struct engine_log *elog)
{
	bool due;

	pthread_mutex_lock(&elog->lock);
	due = elog->sync_due_ms != 0;
	pthread_mutex_unlock(&elog->lock);
	return due;
}

bool engine_log_is_clean(struct engine_log *elog)
{
	bool clean;

	pthread_mutex_lock(&elog->lock);
	clean = !elog->busy && !elog->queue.first && !log_is_dirty(elog->log);
	pthread_mutex_unlock(&elog->lock);
	return clean;
}

void engine_log_take(struct engine_log *elog, struct log_queue *done)
{
	pthread_mutex_lock(&elog->lock);
	log_queue_append(done, &elog->done);
	pthread_mutex_unlock(&elog->lock);
}

void engine_log_wait(struct engine_log *elog)
{
	pthread_mutex_lock(&elog->lock);
	while (elog->queue.first || elog->busy)
		pthread_cond_wait(&elog->idle, &elog->lock);
	pthread_mutex_unlock(&elog->lock);
}
