#include "daemon/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct loop {
	struct event_base *base;
	bool (*round)(void *ctx);
	void *round_ctx;
	void (*woken)(void *ctx);
	void *woken_ctx;
	struct loop_watch *wake_watch;
	atomic_bool wake_pending; /* the eventfd was written to */
	int wake_fd;
	bool stopped;
	bool again; /* the last round wants another at once */
};

struct loop_watch {
	struct event *read;
	struct event *write;
	int what;
	void (*ready)(void *ctx, int what);
	void *ctx;
};

struct loop_timer {
	struct event *event;
	void (*fired)(void *ctx);
	void *ctx;
};

struct loop_signal {
	struct event *event;
	void (*came)(void *ctx);
	void *ctx;
};

static void take_wake(void *ctx, int what)
{
	struct loop *loop = ctx;
	uint64_t count;

	(void)what;
	/* First the count, then the flag: a wake in between comes again. */
	if (read(loop->wake_fd, &count, sizeof(count)) < 0)
		return;
	atomic_store(&loop->wake_pending, false);
	if (loop->woken)
		loop->woken(loop->woken_ctx);
}

static struct event_base *make_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (!config)
		return NULL;
	/* The loop belongs to one thread; wakes come by the eventfd. */
	if (event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0)
		base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

struct loop *loop_new(void)
{
	struct loop *loop = calloc(1, sizeof(*loop));

	if (!loop)
		return NULL;
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	loop->base = make_base();
	if (loop->wake_fd < 0 || !loop->base)
		goto fail;
	loop->wake_watch = loop_watch_new(loop, loop->wake_fd, take_wake, loop);
	if (!loop->wake_watch || loop_watch_set(loop->wake_watch, LOOP_READ))
		goto fail;
	return loop;
fail:
	loop_free(loop);
	return NULL;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	loop_watch_free(loop->wake_watch);
	if (loop->base)
		event_base_free(loop->base);
	if (loop->wake_fd >= 0)
		close(loop->wake_fd);
	free(loop);
}

void loop_set_round(struct loop *loop, bool (*round)(void *ctx), void *ctx)
{
	loop->round = round;
	loop->round_ctx = ctx;
}

void loop_set_woken(struct loop *loop, void (*woken)(void *ctx), void *ctx)
{
	loop->woken = woken;
	loop->woken_ctx = ctx;
}

void loop_wake(struct loop *loop)
{
	const uint64_t one = 1;

	if (atomic_exchange(&loop->wake_pending, true))
		return;
	while (write(loop->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

/*
 * One EVLOOP_ONCE is one round: all events have one priority, so libevent
 * calls everything that is ready and returns.  A low-priority event for the
 * round function would cost a second epoll_wait each time, and never run
 * while sockets stay busy.
 */
int loop_once(struct loop *loop, bool wait)
{
	int flags = EVLOOP_ONCE;

	/* Alone it would go on until nothing is ready. */
	if (!wait || loop->again)
		flags |= EVLOOP_NONBLOCK;

	if (event_base_loop(loop->base, flags) < 0)
		return -EIO;
	loop->again = loop->round && loop->round(loop->round_ctx);
	return 0;
}

int loop_run(struct loop *loop)
{
	int result = 0;

	loop->stopped = false;
	loop->again = true; /* what was asked for before the loop ran */
	while (!loop->stopped && result == 0)
		result = loop_once(loop, true);
	return result;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}

static void on_read(evutil_socket_t fd, short events, void *arg)
{
	struct loop_watch *watch = arg;

	(void)fd;
	(void)events;
	watch->ready(watch->ctx, LOOP_READ);
}

static void on_write(evutil_socket_t fd, short events, void *arg)
{
	struct loop_watch *watch = arg;

	(void)fd;
	(void)events;
	watch->ready(watch->ctx, LOOP_WRITE);
}

struct loop_watch *loop_watch_new(struct loop *loop, int fd,
				  void (*ready)(void *ctx, int what), void *ctx)
{
	struct loop_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return NULL;
	watch->ready = ready;
	watch->ctx = ctx;
	watch->read =
		event_new(loop->base, fd, EV_READ | EV_PERSIST, on_read, watch);
	watch->write = event_new(loop->base, fd, EV_WRITE | EV_PERSIST,
				 on_write, watch);
	if (watch->read && watch->write)
		return watch;
	loop_watch_free(watch);
	return NULL;
}

void loop_watch_free(struct loop_watch *watch)
{
	if (!watch)
		return;
	if (watch->read)
		event_free(watch->read);
	if (watch->write)
		event_free(watch->write);
	free(watch);
}

static int set_event(struct event *event, bool on)
{
	return on ? event_add(event, NULL) : event_del(event);
}

int loop_watch_set(struct loop_watch *watch, int what)
{
	int changed = watch->what ^ what;

	if ((changed & LOOP_READ) && set_event(watch->read, what & LOOP_READ))
		return -ENOMEM;
	watch->what ^= changed & LOOP_READ;
	if ((changed & LOOP_WRITE) &&
	    set_event(watch->write, what & LOOP_WRITE))
		return -ENOMEM;
	watch->what = what;
	return 0;
}

int loop_watch_get(const struct loop_watch *watch)
{
	return watch->what;
}

static void on_timer(evutil_socket_t fd, short events, void *arg)
{
	const struct loop_timer *timer = arg;

	(void)fd;
	(void)events;
	timer->fired(timer->ctx);
}

struct loop_timer *loop_timer_new(struct loop *loop, void (*fired)(void *ctx),
				  void *ctx)
{
	struct loop_timer *timer = calloc(1, sizeof(*timer));

	if (!timer)
		return NULL;
	timer->fired = fired;
	timer->ctx = ctx;
	timer->event = event_new(loop->base, -1, 0, on_timer, timer);
	if (timer->event)
		return timer;
	free(timer);
	return NULL;
}

void loop_timer_free(struct loop_timer *timer)
{
	if (!timer)
		return;
	event_free(timer->event);
	free(timer);
}

void loop_timer_set(struct loop_timer *timer, uint64_t ms)
{
	const struct timeval tv = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_usec = (suseconds_t)(ms % 1000 * 1000),
	};

	event_add(timer->event, &tv);
}

void loop_timer_clear(struct loop_timer *timer)
{
	event_del(timer->event);
}

static void on_signal(evutil_socket_t fd, short events, void *arg)
{
	const struct loop_signal *signal = arg;

	(void)fd;
	(void)events;
	signal->came(signal->ctx);
}

struct loop_signal *loop_signal_new(struct loop *loop, int signal,
				    void (*came)(void *ctx), void *ctx)
{
	struct loop_signal *self = calloc(1, sizeof(*self));

	if (!self)
		return NULL;
	self->came = came;
	self->ctx = ctx;
	self->event = evsignal_new(loop->base, signal, on_signal, self);
	if (self->event && event_add(self->event, NULL) == 0)
		return self;
	loop_signal_free(self);
	return NULL;
}

void loop_signal_free(struct loop_signal *signal)
{
	if (!signal)
		return;
	if (signal->event)
		event_free(signal->event);
	free(signal);
}
