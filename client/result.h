/*
 * result: what a daemon's error code means to a caller of the library.
 */
#ifndef GETME_CLIENT_RESULT_H
#define GETME_CLIENT_RESULT_H

#include <stdbool.h>

#include "proto/method.h"

/*
 * Whether METHOD changes the store, or writes a backup, so that it is never
 * sent twice.
 */
bool result_is_write(enum method_id method);

/*
 * The result for code CODE (enum message_error_code) in the reply to METHOD;
 * a code that is not known is the daemon's fault.
 */
int result_from_code(enum method_id method, unsigned int code);

/*
 * The result of a request to METHOD that gets no reply because of CAUSE (a
 * negative result).  SENT: a byte of it may have reached the daemon.
 */
int result_without_reply(enum method_id method, bool sent, int cause);

#endif
