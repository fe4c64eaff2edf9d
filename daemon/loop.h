/*
 * loop: descriptors, timers, signals and wakeups.  Nothing else in the
 * daemon knows libevent.
 *
 * A round is one wait for events, the callbacks of all that are ready, and
 * then the round function once.  That is where the engine gets what the
 * round's requests were, as one group, and where replies leave.
 *
 * All calls come from the loop's thread, except loop_wake.  A watch, a timer
 * or a signal may be freed inside any callback, its own too.
 */
#ifndef GETME_DAEMON_LOOP_H
#define GETME_DAEMON_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_watch;
struct loop_timer;
struct loop_signal;

enum {
	LOOP_READ = 1 << 0,
	LOOP_WRITE = 1 << 1,
};

/* NULL: no memory or no descriptors; errno tells. */
struct loop *loop_new(void);
void loop_free(struct loop *loop);

/* ROUND returns true when it wants another round at once. */
void loop_set_round(struct loop *loop, bool (*round)(void *ctx), void *ctx);

/* Called in the loop after loop_wake, once for any number of wakes. */
void loop_set_woken(struct loop *loop, void (*woken)(void *ctx), void *ctx);

/* Any thread; also before the loop runs. */
void loop_wake(struct loop *loop);

/* One round; WAIT: sleeps until something is ready.  0 or -EIO. */
int loop_once(struct loop *loop, bool wait);

/* Rounds until loop_stop.  0 or -EIO (the wait failed). */
int loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Watches FD (borrowed) for nothing yet.  NULL: no memory. */
struct loop_watch *loop_watch_new(struct loop *loop, int fd,
				  void (*ready)(void *ctx, int what),
				  void *ctx);
void loop_watch_free(struct loop_watch *watch);

/* WHAT: LOOP_READ, LOOP_WRITE, both, or 0.  0 or -ENOMEM. */
int loop_watch_set(struct loop_watch *watch, int what);
int loop_watch_get(const struct loop_watch *watch);

/* Fires once each time that it is set.  NULL: no memory. */
struct loop_timer *loop_timer_new(struct loop *loop, void (*fired)(void *ctx),
				  void *ctx);
void loop_timer_free(struct loop_timer *timer);
void loop_timer_set(struct loop_timer *timer, uint64_t ms);
void loop_timer_clear(struct loop_timer *timer);

struct loop_signal *loop_signal_new(struct loop *loop, int signal,
				    void (*came)(void *ctx), void *ctx);
void loop_signal_free(struct loop_signal *signal);

#endif
