/*
 * dispatch: a frame's body becomes an engine's request, and the engine's
 * answer a reply, for every method of proto/method.h.
 */
#ifndef GETME_DAEMON_DISPATCH_H
#define GETME_DAEMON_DISPATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/request.h"

/*
 * Decodes the LEN bytes that request->frame holds at body_off.  Then REQUEST
 * is REQUEST_HELD and request->engine is filled in but for done and user; or
 * it is REQUEST_DONE with its reply: an error, or a method that needs no
 * engine.
 */
void dispatch_begin(struct request *request, size_t len);

/* Writes the reply for what the engine answered. */
void dispatch_finish(struct request *request);

/* Whether its method's replies may be small, and are frequent. */
bool dispatch_is_quick(const struct request *request);

/*
 * Of such a request: appends the reply to OUT.  false: nothing was done, and
 * dispatch_finish is to be called.
 */
bool dispatch_finish_into(struct request *request, struct buffer *out);

/* About how many bytes that reply will have. */
size_t dispatch_reply_len(const struct request *request);

/* Takes the engine's answer back out, so that it can be asked again. */
void dispatch_restore(struct request *request);

/* Makes REQUEST done with an error reply. */
void dispatch_fail(struct request *request, unsigned int code,
		   const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
