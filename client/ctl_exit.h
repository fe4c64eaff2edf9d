/*
 * ctl_exit: getmectl's exit statuses, and how it says what went wrong.
 */
#ifndef GETME_CLIENT_CTL_EXIT_H
#define GETME_CLIENT_CTL_EXIT_H

/* Scripts rely on these numbers. */
enum ctl_status {
	CTL_DONE = 0,
	CTL_NO = 1,	     /* key not there, condition not met */
	CTL_USAGE = 2,	     /* wrong options, input that cannot be parsed */
	CTL_NO_DAEMON = 3,   /* nothing was sent, so nothing happens later */
	CTL_NOT_ALLOWED = 4, /* by the socket's mode or by the daemon */
	CTL_ERROR = 5,	     /* the daemon, the store or an output failed */
	CTL_UNKNOWN = 6,     /* a write may or may not be applied */
	CTL_TIMEOUT = 7,     /* a read had no answer in time */
};

/* The status for a result of the client library. */
enum ctl_status ctl_exit_status(int result);

/*
 * Writes "getmectl: ", the text and a newline to stderr.  Control characters
 * in the text become '?', so that it is one line whatever a path holds.
 */
__attribute__((format(printf, 1, 2))) void ctl_complain(const char *format,
							...);

#endif
