#include "common/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/path.h"

enum { TEXT_LEN = 64 };

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
}

int lock_take(struct io *io, const char *dir, struct lock_report *report)
{
	char path[PATH_LEN_MAX];
	int result;
	int fd;

	result = path_join(path, dir, "LOCK");
	if (result < 0)
		return result;
	fd = io->open(io, path, O_RDWR | O_CREAT);
	if (fd < 0)
		return fd;
	result = io->lock(io, fd);
	read_report(io, fd, report);
	if (result < 0) {
		io->close(io, fd);
		return result;
	}
	return fd;
}
