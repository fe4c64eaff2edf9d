/*
 * ctl_lines: lines of a file, of any length up to a limit.
 *
 * Memory: one chunk, and while a line is longer, up to twice that line.
 */
#ifndef GETME_CLIENT_CTL_LINES_H
#define GETME_CLIENT_CTL_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CTL_LINES_CHUNK = 64 << 10, /* bytes of the buffer, at first */
	CTL_LINES_END = 1,	    /* no line is left */
};

/*
 * Invariants between calls
 *  1. What was read and not handed out lies at buffer[start..end), end being
 *     at most capacity.
 *  2. Nothing is read ahead of a whole line that is in the buffer.
 */
struct ctl_lines {
	int fd; /* borrowed */
	size_t limit;
	char *buffer;
	size_t capacity;
	size_t start;
	size_t end;
	uint64_t number; /* of the line handed out last; from 1 */
	bool at_end;	 /* read() has returned 0 */
};

/* LIMIT: bytes of a line at most, its newline apart. */
void ctl_lines_init(struct ctl_lines *lines, int fd, size_t limit);
void ctl_lines_deinit(struct ctl_lines *lines);

/*
 * The next line, without its newline, borrowed until the next call; a last
 * line without one counts.  0; CTL_LINES_END; -EFBIG: longer than the limit
 * (number tells which); -ENOMEM; another negative errno of read().
 */
int ctl_lines_next(struct ctl_lines *lines, const char **line, size_t *len);

/* Whether the next call would have to wait for the file to have more. */
bool ctl_lines_would_wait(const struct ctl_lines *lines);

#endif
