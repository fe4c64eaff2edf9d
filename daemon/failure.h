/*
 * failure: the one line that a start-up failure leaves: what, and what to do.
 */
#ifndef GETME_DAEMON_FAILURE_H
#define GETME_DAEMON_FAILURE_H

enum {
	FAILURE_TEXT_MAX = 640, /* bytes: a sentence and a path */
};

struct failure {
	char text[FAILURE_TEXT_MAX];
};

/* Fills in the text, cut where it is too long; returns RESULT. */
int failure_set(struct failure *failure, int result, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
