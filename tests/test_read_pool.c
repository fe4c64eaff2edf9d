/*
 * The pool by itself: what it is given is run once and comes back once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>

#include "common/read_pool.h"

enum { N_JOBS = 200 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool held;
static unsigned int n_running;
static unsigned int n_wakes;

struct numbered {
	struct read_job job; /* first */
	unsigned int n_runs;
	unsigned int n_taken;
};

static void wake(void *ctx)
{
	(void)ctx;
	pthread_mutex_lock(&lock);
	n_wakes++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void run(struct read_job *job)
{
	((struct numbered *)(void *)job)->n_runs++;
	pthread_mutex_lock(&lock);
	n_running++;
	pthread_cond_broadcast(&changed);
	while (held)
		pthread_cond_wait(&changed, &lock);
	n_running--;
	pthread_mutex_unlock(&lock);
}

static void hold(void)
{
	pthread_mutex_lock(&lock);
	held = true;
	pthread_mutex_unlock(&lock);
}

static void let_go(void)
{
	pthread_mutex_lock(&lock);
	held = false;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void await_running(unsigned int n)
{
	pthread_mutex_lock(&lock);
	while (n_running < n)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

static void await_wake(unsigned int seen)
{
	pthread_mutex_lock(&lock);
	while (n_wakes == seen)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

static unsigned int wakes_so_far(void)
{
	unsigned int n;

	pthread_mutex_lock(&lock);
	n = n_wakes;
	pthread_mutex_unlock(&lock);
	return n;
}

/* Takes what has ended, and waits for more, until N are there. */
static void take(struct read_pool *pool, unsigned int n)
{
	while (n > 0) {
		unsigned int seen = wakes_so_far();
		struct read_job *job = read_pool_take(pool);

		if (!job) {
			await_wake(seen);
			continue;
		}
		((struct numbered *)(void *)job)->n_taken++;
		n--;
	}
}

static struct read_pool *new_pool(unsigned int n_threads)
{
	struct read_pool *pool;

	n_running = 0;
	assert_int_equal(read_pool_new(n_threads, wake, NULL, &pool), 0);
	return pool;
}

static void test_every_job_is_run_once_and_comes_back_once(void **state)
{
	struct read_pool *pool = new_pool(3);
	struct numbered jobs[N_JOBS] = { 0 };

	(void)state;
	for (int i = 0; i < N_JOBS; i++) {
		jobs[i].job.run = run;
		read_pool_submit(pool, &jobs[i].job);
	}
	take(pool, N_JOBS);
	assert_null(read_pool_take(pool));
	assert_int_equal(read_pool_n_waiting(pool), 0);
	read_pool_free(pool);
	for (int i = 0; i < N_JOBS; i++) {
		assert_int_equal(jobs[i].n_runs, 1);
		assert_int_equal(jobs[i].n_taken, 1);
	}
}

static void test_one_thread_keeps_the_order(void **state)
{
	struct read_pool *pool = new_pool(1);
	struct numbered jobs[8] = { 0 };

	(void)state;
	hold();
	for (int i = 0; i < 8; i++) {
		jobs[i].job.run = run;
		read_pool_submit(pool, &jobs[i].job);
	}
	let_go();
	for (int i = 0; i < 8; i++) {
		take(pool, 1);
		assert_int_equal(jobs[i].n_taken, 1);
	}
	read_pool_free(pool);
}

static void test_what_is_urgent_goes_ahead_of_what_waits(void **state)
{
	struct read_pool *pool = new_pool(1);
	struct numbered jobs[4] = { 0 };
	static const int order[4] = { 0, 3, 1, 2 };

	(void)state;
	hold();
	for (int i = 0; i < 4; i++)
		jobs[i].job.run = run;
	read_pool_submit(pool, &jobs[0].job);
	await_running(1);
	/* An empty list, then one with something in it. */
	read_pool_submit_first(pool, &jobs[1].job);
	read_pool_submit(pool, &jobs[2].job);
	read_pool_submit_first(pool, &jobs[3].job);
	let_go();
	for (int i = 0; i < 4; i++) {
		take(pool, 1);
		assert_int_equal(jobs[order[i]].n_taken, 1);
	}
	read_pool_free(pool);
}

/* A loop that does not take results stops the reading, not the asking. */
static void test_results_that_are_not_taken_are_bounded(void **state)
{
	struct read_pool *pool = new_pool(2);
	struct numbered jobs[N_JOBS] = { 0 };
	unsigned int n_runs = 0;

	(void)state;
	for (int i = 0; i < N_JOBS; i++) {
		jobs[i].job.run = run;
		read_pool_submit(pool, &jobs[i].job);
	}
	/* Joins the threads: what is done then is all that there will be. */
	read_pool_stop(pool);
	for (int i = 0; i < N_JOBS; i++)
		n_runs += jobs[i].n_runs;
	assert_true(n_runs <= READ_POOL_DONE_MAX + 1);
	assert_int_equal(read_pool_n_waiting(pool), N_JOBS - n_runs);
	take(pool, n_runs);
	while (read_pool_cancel(pool))
		n_runs++;
	assert_int_equal(n_runs, N_JOBS);
	read_pool_free(pool);
}

static void test_more_results_than_the_bound_come_in_the_end(void **state)
{
	struct read_pool *pool = new_pool(2);
	struct numbered jobs[READ_POOL_DONE_MAX * 3] = { 0 };

	(void)state;
	for (int i = 0; i < READ_POOL_DONE_MAX * 3; i++) {
		jobs[i].job.run = run;
		read_pool_submit(pool, &jobs[i].job);
	}
	take(pool, READ_POOL_DONE_MAX * 3);
	read_pool_free(pool);
}

static void test_what_has_not_begun_can_be_cancelled(void **state)
{
	struct read_pool *pool = new_pool(2);
	struct numbered jobs[5] = { 0 };

	(void)state;
	hold();
	for (int i = 0; i < 5; i++) {
		jobs[i].job.run = run;
		read_pool_submit(pool, &jobs[i].job);
	}
	await_running(2);
	assert_int_equal(read_pool_n_waiting(pool), 3);
	for (int i = 2; i < 5; i++)
		assert_ptr_equal(read_pool_cancel(pool), &jobs[i].job);
	assert_null(read_pool_cancel(pool));
	let_go();
	take(pool, 2);
	read_pool_free(pool);
	for (int i = 2; i < 5; i++)
		assert_int_equal(jobs[i].n_runs, 0);
}

static void *stop(void *pool)
{
	read_pool_stop(pool);
	return NULL;
}

static void test_stopping_waits_for_what_runs_and_begins_nothing(void **state)
{
	struct read_pool *pool = new_pool(1);
	struct numbered jobs[2] = { 0 };
	pthread_t thread;

	(void)state;
	hold();
	for (int i = 0; i < 2; i++) {
		jobs[i].job.run = run;
		read_pool_submit(pool, &jobs[i].job);
	}
	await_running(1);
	assert_int_equal(pthread_create(&thread, NULL, stop, pool), 0);
	let_go();
	pthread_join(thread, NULL);
	take(pool, jobs[0].n_runs + jobs[1].n_runs);
	/* The second began only if its turn came before the stop. */
	assert_int_equal(jobs[0].n_runs, 1);
	if (jobs[1].n_runs == 0)
		assert_ptr_equal(read_pool_cancel(pool), &jobs[1].job);
	assert_null(read_pool_cancel(pool));
	read_pool_free(pool);
}

static void test_freeing_nothing_is_fine(void **state)
{
	(void)state;
	read_pool_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_every_job_is_run_once_and_comes_back_once),
		cmocka_unit_test(test_one_thread_keeps_the_order),
		cmocka_unit_test(test_what_is_urgent_goes_ahead_of_what_waits),
		cmocka_unit_test(test_results_that_are_not_taken_are_bounded),
		cmocka_unit_test(
			test_more_results_than_the_bound_come_in_the_end),
		cmocka_unit_test(test_what_has_not_begun_can_be_cancelled),
		cmocka_unit_test(
			test_stopping_waits_for_what_runs_and_begins_nothing),
		cmocka_unit_test(test_freeing_nothing_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
