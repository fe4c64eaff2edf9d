#include "client/ctl_exit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "client/getme.h"

enum {
	LINE_MAX_BYTES = 2048, /* of a complaint; a socket path has 107 */
};

enum ctl_status ctl_exit_status(int result)
{
	switch (result) {
	case GETME_OK:
	case GETME_END:
		return CTL_DONE;
	case GETME_NOT_FOUND:
	case GETME_CONDITION:
		return CTL_NO;
	case GETME_E_NO_DAEMON:
		return CTL_NO_DAEMON;
	case GETME_E_NOT_ALLOWED:
		return CTL_NOT_ALLOWED;
	case GETME_E_UNKNOWN_OUTCOME:
		return CTL_UNKNOWN;
	case GETME_E_TIMEOUT:
		return CTL_TIMEOUT;
	case -ENAMETOOLONG: /* the path of the socket, as it was given */
		return CTL_USAGE;
	default:
		return CTL_ERROR;
	}
}

void ctl_complain(const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	for (char *p = line; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	fprintf(stderr, "getmectl: %s\n", line);
}
