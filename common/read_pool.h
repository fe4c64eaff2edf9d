/*
 * read_pool: some threads that wait for the disk, so that the loop need not.
 *
 * The loop hands over jobs; a thread runs each, in the order of submission as
 * far as several threads keep one; the loop is woken and takes them back.
 *
 * Invariants
 *  1. A job belongs to the pool from read_pool_submit until it comes back:
 *     from read_pool_take it was run, from read_pool_cancel it was not.
 *  2. Submitting never waits and refuses nothing: what cannot begin yet waits
 *     in a list.  No job begins while READ_POOL_DONE_MAX are done and not
 *     taken, so what results hold is bounded when the loop is slow.
 *  3. wake is called without the lock, from a pool thread, when a job ends
 *     and nothing else waits to be taken: who was woken takes until there is
 *     none, or comes back by itself.
 */
#ifndef GETME_COMMON_READ_POOL_H
#define GETME_COMMON_READ_POOL_H

#include <stddef.h>

enum {
	READ_POOL_THREADS_MAX = 16,
	READ_POOL_DONE_MAX = 16,
};

/* Embedded in what is to be done. */
struct read_job {
	struct read_job *next; /* the pool's own */
	void (*run)(struct read_job *job);
};

struct read_pool;

/*
 * Starts N_THREADS (1 to READ_POOL_THREADS_MAX) with the signal mask of the
 * caller.  0, -ENOMEM, -EAGAIN (no thread); nothing is left of it on failure.
 */
int read_pool_new(unsigned int n_threads, void (*wake)(void *ctx), void *ctx,
		  struct read_pool **pool);

/* The loop's calls. */
void read_pool_submit(struct read_pool *pool, struct read_job *job);
/* Ahead of all that wait: a job that gives memory back. */
void read_pool_submit_first(struct read_pool *pool, struct read_job *job);
/* A job that was run, the one that ended first; NULL: none now. */
struct read_job *read_pool_take(struct read_pool *pool);
/* A job that has not begun, the oldest; NULL: none. */
struct read_job *read_pool_cancel(struct read_pool *pool);

/* How many wait to begin. */
size_t read_pool_n_waiting(struct read_pool *pool);

/*
 * Ends the threads when the jobs that they run have ended.  What has not
 * begun does not begin any more.  take and cancel go on working; submit must
 * not be called.
 */
void read_pool_stop(struct read_pool *pool);

/* Stops it; every job must have been taken back.  NULL is fine. */
void read_pool_free(struct read_pool *pool);

#endif
