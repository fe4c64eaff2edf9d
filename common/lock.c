#include "common/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/path.h"

enum {
	TEXT_LEN = 64,
	TRIES = 100, /* to meet a LOCK that is not just being removed */
};

static void note(struct io *io, int fd, const char *what)
{
	char text[TEXT_LEN + 1];
	int n = snprintf(text, sizeof(text), "pid %ld %s\n", (long)getpid(),
			 what);

	/* Blanks to the end, so that no older text shows through. */
	memset(text + n, ' ', (size_t)(TEXT_LEN - n));
	text[TEXT_LEN - 1] = '\n';
	io_pwrite_full(io, fd, text, TEXT_LEN, 0);
}

void lock_note_sync_failed(struct io *io, int fd)
{
	note(io, fd, "sync-failed");
}

void lock_note_closed(struct io *io, int fd)
{
	note(io, fd, "closed");
}

void lock_note_open(struct io *io, int fd)
{
	note(io, fd, "open");
}

static void read_report(struct io *io, int fd, struct lock_report *report)
{
	char text[TEXT_LEN + 1] = "";
	char *rest;
	ssize_t n = io->pread(io, fd, text, TEXT_LEN, 0);

	memset(report, 0, sizeof(*report));
	if (n <= 0 || strncmp(text, "pid ", 4) != 0)
		return;
	report->holder = strtol(text + 4, &rest, 10);
	report->sync_failed = strncmp(rest, " sync-failed", 12) == 0;
	report->closed = strncmp(rest, " closed", 7) == 0;
}

/*
 * A start that failed removes the folder that it made, LOCK included: who had
 * opened that file by then has a lock that nobody else will meet.
 */
static int is_orphan(struct io *io, int fd)
{
	struct io_stat st;
	int result = io->stat(io, fd, &st);

	return result < 0 ? result : st.n_links == 0;
}

static int take_once(struct io *io, const char *path,
		     struct lock_report *report)
{
	int result;
	int fd = io->open(io, path, O_RDWR | O_CREAT);

	if (fd < 0)
		return fd;
	result = io->lock(io, fd);
	read_report(io, fd, report);
	/* Who only reads a store at rest does not write its name here. */
	if (result == -EWOULDBLOCK && report->closed)
		report->holder = 0;
	if (result == 0) {
		result = is_orphan(io, fd);
		if (result > 0)
			result = -ESTALE;
	}
	if (result < 0) {
		io->close(io, fd);
		return result;
	}
	return fd;
}

int lock_take(struct io *io, const char *dir, struct lock_report *report)
{
	char path[PATH_LEN_MAX];
	int tries = TRIES;
	int result = path_join(path, dir, "LOCK");

	if (result < 0)
		return result;
	do {
		result = take_once(io, path, report);
	} while (result == -ESTALE && --tries > 0);
	return result;
}
