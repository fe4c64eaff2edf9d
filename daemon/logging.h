/*
 * logging: one line an event on standard error, never a key or a value.
 *
 * Where standard error is the journal's socket (JOURNAL_STREAM), a line
 * begins with its priority as "<N>"; elsewhere with "getmed: ".  Lines of
 * one kind that come too often are held back and counted (daemon/rate.h).
 * The log belongs to the process: logging_init comes first, then any thread
 * may log.
 */
#ifndef GETME_DAEMON_LOGGING_H
#define GETME_DAEMON_LOGGING_H

#include <stdbool.h>

/* syslog's priorities; a level lets itself and what is lower through. */
enum logging_level {
	LOGGING_ERROR = 3,
	LOGGING_WARNING = 4,
	LOGGING_NOTICE = 5,
	LOGGING_INFO = 6,
	LOGGING_DEBUG = 7,
};

enum {
	LOGGING_LINE_MAX = 1024, /* bytes; longer lines are cut */
};

/* Writes to FD from now on.  Without it: standard error, plain, info. */
void logging_init(int fd, enum logging_level level, bool journal);

/* Is FD the stream that JOURNAL_STREAM ("device:inode") names? */
bool logging_is_journal(int fd);

/* Lines with the same FORMAT (the same pointer) are of one kind. */
void logging_write(int priority, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* TEXT as it is; lines with the same text are of one kind. */
void logging_text(int priority, const char *text);

/* 0 or -EINVAL. */
int logging_parse_level(const char *name, enum logging_level *level);

/* "error, warning, notice, info or debug", for messages. */
const char *logging_level_names(void);

#endif
