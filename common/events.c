#include "common/events.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void events_init(struct events *events)
{
	memset(events, 0, sizeof(*events));
	pthread_mutex_init(&events->lock, NULL);
}

void events_deinit(struct events *events)
{
	pthread_mutex_destroy(&events->lock);
}

void events_add(struct events *events, enum event_priority priority,
		const char *format, ...)
{
	struct event *event;
	va_list args;

	pthread_mutex_lock(&events->lock);
	if (events->n == EVENTS_KEPT) {
		events->first = (events->first + 1) % EVENTS_KEPT;
		events->n--;
		events->n_lost++;
	}
	event = &events->ring[(events->first + events->n) % EVENTS_KEPT];
	events->n++;
	event->priority = priority;
	va_start(args, format);
	vsnprintf(event->text, sizeof(event->text), format, args);
	va_end(args);
	pthread_mutex_unlock(&events->lock);
}

bool events_take(struct events *events, struct event *event)
{
	bool taken = true;

	pthread_mutex_lock(&events->lock);
	if (events->n_lost > 0) {
		event->priority = EVENT_WARNING;
		snprintf(event->text, sizeof(event->text),
			 "%llu earlier messages were lost",
			 (unsigned long long)events->n_lost);
		events->n_lost = 0;
	} else if (events->n > 0) {
		*event = events->ring[events->first];
		events->first = (events->first + 1) % EVENTS_KEPT;
		events->n--;
	} else {
		taken = false;
	}
	pthread_mutex_unlock(&events->lock);
	return taken;
}
