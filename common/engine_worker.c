#include <errno.h>
#include <string.h>
#include <sched.h>

#include "common/engine_internal.h"
#include "common/monotonic.h"

enum {
	MS_A_SECOND = 1000,
};

/* ---- the rate ---- */

static void wait_until(struct engine_worker *worker, uint64_t due_ms)
{
	pthread_mutex_lock(&worker->lock);
	while (!worker->stop && !worker->run->cancelled &&
	       monotonic_ms() < due_ms)
		monotonic_wait_until(&worker->work, &worker->lock, due_ms);
	pthread_mutex_unlock(&worker->lock);
}

/* Each byte pushes the time of the next one back. */
static void pace(void *ctx, uint64_t bytes)
{
	struct engine_worker *worker = ctx;
	uint64_t rate = worker->bytes_a_second;
	uint64_t now = monotonic_ms();

	if (rate == 0)
		return;
	if (worker->next_ms < now)
		worker->next_ms = now;
	worker->next_ms += bytes * MS_A_SECOND / rate;
	if (worker->next_ms > now)
		wait_until(worker, worker->next_ms);
}

/* ---- the thread ---- */

static int run_step(struct engine_worker *worker, enum worker_step step)
{
	return step == WORKER_COPY ? compaction_copy(worker->run)
				   : compaction_install(worker->run);
}

static void *thread_main(void *arg)
{
	struct engine_worker *worker = arg;
	const struct sched_param priority = { 0 };

	pthread_setname_np(pthread_self(), "getme-compact");
	/*
	 * It gets its share, or a store under steady load would never be
	 * compacted, but takes no processor from a thread that wakes up.
	 */
	pthread_setschedparam(pthread_self(), SCHED_BATCH, &priority);
	pthread_mutex_lock(&worker->lock);
	while (!worker->stop) {
		enum worker_step step = worker->step;
		int result;

		if (step == WORKER_NOTHING || worker->ended) {
			pthread_cond_wait(&worker->work, &worker->lock);
			continue;
		}
		pthread_mutex_unlock(&worker->lock);
		result = run_step(worker, step);
		pthread_mutex_lock(&worker->lock);
		worker->result = result;
		worker->ended = true;
		worker->host->wake(worker->host->ctx);
	}
	pthread_mutex_unlock(&worker->lock);
	return NULL;
}

int engine_worker_start(struct engine_worker *worker, struct compaction *run,
			const struct engine_host *host, uint64_t bytes_a_second)
{
	int result;

	memset(worker, 0, sizeof(*worker));
	pthread_mutex_init(&worker->lock, NULL);
	monotonic_cond_init(&worker->work);
	worker->run = run;
	worker->host = host;
	worker->bytes_a_second = bytes_a_second;
	run->pace = pace;
	run->pace_ctx = worker;
	result = pthread_create(&worker->thread, NULL, thread_main, worker);
	worker->started = result == 0;
	return -result;
}

void engine_worker_stop(struct engine_worker *worker)
{
	if (!worker->started)
		return;
	pthread_mutex_lock(&worker->lock);
	worker->stop = true;
	worker->run->cancelled = true;
	pthread_cond_broadcast(&worker->work);
	pthread_mutex_unlock(&worker->lock);
	pthread_join(worker->thread, NULL);
	pthread_cond_destroy(&worker->work);
	pthread_mutex_destroy(&worker->lock);
	worker->started = false;
}

void engine_worker_hurry(struct engine_worker *worker)
{
	pthread_mutex_lock(&worker->lock);
	pthread_cond_broadcast(&worker->work);
	pthread_mutex_unlock(&worker->lock);
}

void engine_worker_ask(struct engine_worker *worker, enum worker_step step)
{
	pthread_mutex_lock(&worker->lock);
	worker->step = step;
	worker->ended = false;
	pthread_cond_signal(&worker->work);
	pthread_mutex_unlock(&worker->lock);
}

bool engine_worker_take(struct engine_worker *worker, int *result)
{
	bool ended;

	pthread_mutex_lock(&worker->lock);
	ended = worker->ended;
	if (ended) {
		*result = worker->result;
		worker->step = WORKER_NOTHING;
		worker->ended = false;
	}
	pthread_mutex_unlock(&worker->lock);
	return ended;
}
