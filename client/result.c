#include "client/result.h"

#include <string.h>

#include "client/getme.h"
#include "proto/message.h"

#ifndef GETME_VERSION
#define GETME_VERSION "0.1.0"
#endif

const char *getme_version(void)
{
	return GETME_VERSION;
}

/* The C library's texts that are static and need no lock. */
static const char *errno_text(int number)
{
#ifdef __GLIBC__
	const char *text = strerrordesc_np(number);
#else
	const char *text = strerror(number);
#endif
	return text ? text : "unknown result";
}

const char *getme_strerror(int result)
{
	switch (result) {
	case GETME_OK:
		return "success";
	case GETME_NOT_FOUND:
		return "the key is not there";
	case GETME_CONDITION:
		return "the condition is not met";
	case GETME_END:
		return "the end is reached";
	case GETME_E_NO_DAEMON:
		return "no daemon; nothing was sent";
	case GETME_E_NOT_ALLOWED:
		return "not allowed";
	case GETME_E_UNKNOWN_OUTCOME:
		return "the outcome of the write is unknown";
	case GETME_E_TIMEOUT:
		return "timed out";
	case GETME_E_PROTOCOL:
		return "the peer does not speak getMe's protocol";
	case GETME_E_VERSION:
		return "the protocol versions do not fit";
	case GETME_E_DISCONNECTED:
		return "the connection was lost";
	case GETME_E_FULL:
		return "the disk is full";
	case GETME_E_READ_ONLY:
		return "the store is read-only";
	case GETME_E_CORRUPT:
		return "the entry is damaged on disk";
	case GETME_E_IO:
		return "the daemon met a disk error";
	case GETME_E_NO_MEMORY:
		return "the daemon has not enough memory";
	case GETME_E_NOT_INTEGER:
		return "the value is not a 64-bit decimal integer";
	case GETME_E_OVERFLOW:
		return "the sum leaves 64 bits";
	case GETME_E_TOO_LARGE:
		return "too large";
	case GETME_E_BUSY:
		return "the daemon is busy; try later";
	case GETME_E_UNSUPPORTED:
		return "the daemon does not support this";
	case GETME_E_CLOSING:
		return "the daemon is stopping";
	case GETME_E_BAD_REQUEST:
		return "the daemon refused the request";
	case GETME_E_BAD_CURSOR:
		return "the scan cannot be continued";
	case GETME_E_INTERNAL:
		return "the daemon is at fault";
	default:
		if (result < 0 && result > -1000)
			return errno_text(-result);
		return "unknown result";
	}
}

bool result_is_write(enum method_id method)
{
	switch (method) {
	case METHOD_PUT:
	case METHOD_DELETE:
	case METHOD_BATCH:
	case METHOD_INCR:
	case METHOD_TOUCH:
	case METHOD_CLEAR:
	case METHOD_COMPACT:
	case METHOD_BACKUP:
		return true;
	default:
		return false;
	}
}

int result_from_code(enum method_id method, unsigned int code)
{
	switch ((enum message_error_code)code) {
	case MESSAGE_ERROR_BAD_FRAME:
		return GETME_E_PROTOCOL;
	case MESSAGE_ERROR_BAD_MESSAGE:
	case MESSAGE_ERROR_BAD_PARAMS:
		return GETME_E_BAD_REQUEST;
	case MESSAGE_ERROR_UNKNOWN_METHOD:
	case MESSAGE_ERROR_UNSUPPORTED:
		return GETME_E_UNSUPPORTED;
	case MESSAGE_ERROR_TOO_LARGE:
		return GETME_E_TOO_LARGE;
	case MESSAGE_ERROR_VERSION:
		return GETME_E_VERSION;
	case MESSAGE_ERROR_NOT_ALLOWED:
		return GETME_E_NOT_ALLOWED;
	case MESSAGE_ERROR_BUSY:
		return GETME_E_BUSY;
	case MESSAGE_ERROR_DEADLINE:
		/* The daemon did not begin it: a write is surely not done. */
		return result_is_write(method) ? GETME_E_BUSY : GETME_E_TIMEOUT;
	case MESSAGE_ERROR_FULL:
		return GETME_E_FULL;
	case MESSAGE_ERROR_READ_ONLY:
		return GETME_E_READ_ONLY;
	case MESSAGE_ERROR_CORRUPT:
		return GETME_E_CORRUPT;
	case MESSAGE_ERROR_IO:
		return GETME_E_IO;
	case MESSAGE_ERROR_NO_MEMORY:
		return GETME_E_NO_MEMORY;
	case MESSAGE_ERROR_UNKNOWN_OUTCOME:
		return GETME_E_UNKNOWN_OUTCOME;
	case MESSAGE_ERROR_NOT_INTEGER:
		return GETME_E_NOT_INTEGER;
	case MESSAGE_ERROR_OVERFLOW:
		return GETME_E_OVERFLOW;
	case MESSAGE_ERROR_BAD_CURSOR:
		return GETME_E_BAD_CURSOR;
	case MESSAGE_ERROR_CLOSING:
		return GETME_E_CLOSING;
	case MESSAGE_ERROR_INTERNAL:
	case MESSAGE_ERROR_NONE:
		break;
	}
	return GETME_E_INTERNAL;
}

int result_without_reply(enum method_id method, bool sent, int cause)
{
	if (!result_is_write(method))
		return cause;
	return sent ? GETME_E_UNKNOWN_OUTCOME : GETME_E_NO_DAEMON;
}
