/*
 * events: what happened that an administrator wants to read, once each.
 *
 * The engine never logs: it leaves lines here, and whoever runs it takes
 * them.  A small ring: when nobody takes them the oldest are lost, which is
 * itself told.  Safe from any thread.  Lines never hold keys or values.
 */
#ifndef GETME_COMMON_EVENTS_H
#define GETME_COMMON_EVENTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	EVENTS_TEXT_MAX = 256, /* bytes of a line, its end mark included */
	EVENTS_KEPT = 64,
};

/* As syslog's. */
enum event_priority {
	EVENT_ERROR = 3,
	EVENT_WARNING = 4,
	EVENT_NOTICE = 5,
	EVENT_INFO = 6,
};

struct event {
	int priority;
	char text[EVENTS_TEXT_MAX];
};

struct events {
	pthread_mutex_t lock;
	struct event ring[EVENTS_KEPT];
	size_t first;
	size_t n;
	uint64_t n_lost;
};

void events_init(struct events *events);
void events_deinit(struct events *events);

void events_add(struct events *events, enum event_priority priority,
		const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The oldest; false: none. */
bool events_take(struct events *events, struct event *event);

#endif
