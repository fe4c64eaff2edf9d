#include "client/ctl_lines.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void ctl_lines_init(struct ctl_lines *lines, int fd, size_t limit)
{
	memset(lines, 0, sizeof(*lines));
	lines->fd = fd;
	lines->limit = limit;
}

void ctl_lines_deinit(struct ctl_lines *lines)
{
	free(lines->buffer);
	lines->buffer = NULL;
}

/* Moves what is there to the front of a buffer of CAPACITY bytes. */
static int resize(struct ctl_lines *lines, size_t capacity)
{
	char *buffer;

	if (lines->start > 0) {
		memmove(lines->buffer, lines->buffer + lines->start,
			lines->end - lines->start);
		lines->end -= lines->start;
		lines->start = 0;
	}
	if (capacity == lines->capacity)
		return 0;
	buffer = realloc(lines->buffer, capacity);
	if (!buffer)
		return -ENOMEM;
	lines->buffer = buffer;
	lines->capacity = capacity;
	return 0;
}

/* Makes room behind what is there, or gives back what a long line took. */
static int make_room(struct ctl_lines *lines)
{
	size_t used = lines->end - lines->start;

	if (lines->capacity > CTL_LINES_CHUNK && used < CTL_LINES_CHUNK / 2)
		return resize(lines, CTL_LINES_CHUNK);
	if (lines->end < lines->capacity)
		return 0;
	if (used <= lines->capacity / 2 && lines->capacity > 0)
		return resize(lines, lines->capacity);
	return resize(lines, lines->capacity > 0 ? lines->capacity * 2
						 : CTL_LINES_CHUNK);
}

static int read_more(struct ctl_lines *lines)
{
	ssize_t n;
	int r = make_room(lines);

	if (r < 0)
		return r;
	do
		n = read(lines->fd, lines->buffer + lines->end,
			 lines->capacity - lines->end);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	lines->end += (size_t)n;
	lines->at_end = n == 0;
	return 0;
}

/* Where, from start, the first newline at or behind SEEN is; else all. */
static size_t find_newline(const struct ctl_lines *lines, size_t seen)
{
	size_t used = lines->end - lines->start;
	const char *from, *newline;

	if (used <= seen)
		return used;
	from = lines->buffer + lines->start;
	newline = memchr(from + seen, '\n', used - seen);
	return newline ? (size_t)(newline - from) : used;
}

/* Hands out USED bytes and goes on STEP, which may include a newline. */
static int hand_out(struct ctl_lines *lines, size_t used, size_t step,
		    const char **line, size_t *len)
{
	lines->number++;
	if (used > lines->limit)
		return -EFBIG;
	*line = lines->buffer + lines->start;
	*len = used;
	lines->start += step;
	return 0;
}

int ctl_lines_next(struct ctl_lines *lines, const char **line, size_t *len)
{
	size_t seen = 0; /* bytes of this line that hold no newline */

	for (;;) {
		size_t used = lines->end - lines->start;
		size_t found = find_newline(lines, seen);
		int r;

		if (found < used)
			return hand_out(lines, found, found + 1, line, len);
		seen = used;
		if (seen > lines->limit || (lines->at_end && seen > 0))
			return hand_out(lines, seen, seen, line, len);
		if (lines->at_end)
			return CTL_LINES_END;
		r = read_more(lines);
		if (r < 0)
			return r;
	}
}

bool ctl_lines_would_wait(const struct ctl_lines *lines)
{
	struct pollfd poll_fd = { .fd = lines->fd, .events = POLLIN };

	if (lines->at_end)
		return false;
	if (find_newline(lines, 0) < lines->end - lines->start)
		return false;
	return poll(&poll_fd, 1, 0) == 0;
}
