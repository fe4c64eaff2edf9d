#include "common/read_pool.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct job_list {
	struct read_job *first;
	struct read_job **last;
	size_t n;
};

struct read_pool {
	void (*wake)(void *ctx);
	void *ctx;
	pthread_t threads[READ_POOL_THREADS_MAX];
	unsigned int n_threads;
	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t work;
	bool stop;
	struct job_list waiting;
	struct job_list done;
};

static void push(struct job_list *list, struct read_job *job)
{
	if (!list->first)
		list->last = &list->first;
	job->next = NULL;
	*list->last = job;
	list->last = &job->next;
	list->n++;
}

static void push_first(struct job_list *list, struct read_job *job)
{
	if (!list->first)
		list->last = &job->next;
	job->next = list->first;
	list->first = job;
	list->n++;
}

static struct read_job *pop(struct job_list *list)
{
	struct read_job *job = list->first;

	if (!job)
		return NULL;
	list->first = job->next;
	list->n--;
	job->next = NULL;
	return job;
}

static bool may_begin(const struct read_pool *pool)
{
	return pool->waiting.first && pool->done.n < READ_POOL_DONE_MAX;
}

/* Under the lock, which it gives up while the job runs. */
static void run_one(struct read_pool *pool)
{
	struct read_job *job = pop(&pool->waiting);
	bool is_first;

	pthread_mutex_unlock(&pool->lock);
	job->run(job);
	pthread_mutex_lock(&pool->lock);
	is_first = !pool->done.first;
	push(&pool->done, job);
	if (!is_first)
		return;
	/* Who was woken for the first takes all that follow until then. */
	pthread_mutex_unlock(&pool->lock);
	pool->wake(pool->ctx);
	pthread_mutex_lock(&pool->lock);
}

static void *thread_main(void *arg)
{
	struct read_pool *pool = arg;

	pthread_setname_np(pthread_self(), "getme-read");
	pthread_mutex_lock(&pool->lock);
	while (!pool->stop) {
		if (may_begin(pool))
			run_one(pool);
		else
			pthread_cond_wait(&pool->work, &pool->lock);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

int read_pool_new(unsigned int n_threads, void (*wake)(void *ctx), void *ctx,
		  struct read_pool **out)
{
	struct read_pool *pool = calloc(1, sizeof(*pool));
	int result = 0;

	assert(n_threads > 0 && n_threads <= READ_POOL_THREADS_MAX);
	if (!pool)
		return -ENOMEM;
	pool->wake = wake;
	pool->ctx = ctx;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	while (result == 0 && pool->n_threads < n_threads) {
		result = pthread_create(&pool->threads[pool->n_threads], NULL,
					thread_main, pool);
		pool->n_threads += result == 0;
	}
	if (result != 0) {
		read_pool_free(pool);
		return -result;
	}
	*out = pool;
	return 0;
}

void read_pool_submit(struct read_pool *pool, struct read_job *job)
{
	pthread_mutex_lock(&pool->lock);
	assert(!pool->stop);
	push(&pool->waiting, job);
	pthread_cond_signal(&pool->work);
	pthread_mutex_unlock(&pool->lock);
}

void read_pool_submit_first(struct read_pool *pool, struct read_job *job)
{
	pthread_mutex_lock(&pool->lock);
	assert(!pool->stop);
	push_first(&pool->waiting, job);
	pthread_cond_signal(&pool->work);
	pthread_mutex_unlock(&pool->lock);
}

struct read_job *read_pool_take(struct read_pool *pool)
{
	struct read_job *job;

	pthread_mutex_lock(&pool->lock);
	if (pool->done.n == READ_POOL_DONE_MAX)
		pthread_cond_broadcast(&pool->work);
	job = pop(&pool->done);
	pthread_mutex_unlock(&pool->lock);
	return job;
}

struct read_job *read_pool_cancel(struct read_pool *pool)
{
	struct read_job *job;

	pthread_mutex_lock(&pool->lock);
	job = pop(&pool->waiting);
	pthread_mutex_unlock(&pool->lock);
	return job;
}

size_t read_pool_n_waiting(struct read_pool *pool)
{
	size_t n;

	pthread_mutex_lock(&pool->lock);
	n = pool->waiting.n;
	pthread_mutex_unlock(&pool->lock);
	return n;
}

void read_pool_stop(struct read_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->stop = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	while (pool->n_threads > 0)
		pthread_join(pool->threads[--pool->n_threads], NULL);
}

void read_pool_free(struct read_pool *pool)
{
	if (!pool)
		return;
	read_pool_stop(pool);
	assert(!pool->waiting.first && !pool->done.first);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}
