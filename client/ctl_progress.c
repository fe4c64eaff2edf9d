#include "client/ctl_progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
	REDRAW_MS = 200,
	MIB = 1 << 20,
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void ctl_progress_init(struct ctl_progress *progress, const char *verb)
{
	progress->is_shown = isatty(STDERR_FILENO) == 1;
	progress->verb = verb;
	progress->began_ms = now_ms();
	progress->drawn_ms = progress->began_ms;
}

/* Whether the line is to be drawn, a few times a second. */
static bool is_due(struct ctl_progress *progress)
{
	int64_t now;

	if (!progress->is_shown)
		return false;
	now = now_ms();
	if (now - progress->drawn_ms < REDRAW_MS)
		return false;
	progress->drawn_ms = now;
	return true;
}

void ctl_progress_update(struct ctl_progress *progress, uint64_t n_records)
{
	if (is_due(progress))
		fprintf(stderr, "\r%" PRIu64 " records %s", n_records,
			progress->verb);
}

void ctl_progress_share(struct ctl_progress *progress, uint64_t done,
			uint64_t total)
{
	double share = total > 0 ? (double)done / (double)total : 0;

	if (is_due(progress))
		fprintf(stderr, "\r%.0f%% of %.1f MiB %s\033[K", share * 100,
			(double)total / MIB, progress->verb);
}

void ctl_progress_clear(struct ctl_progress *progress)
{
	if (progress->is_shown)
		fputs("\r\033[K", stderr);
}

void ctl_progress_finish(struct ctl_progress *progress, uint64_t n_records)
{
	double seconds = (double)(now_ms() - progress->began_ms) / 1000;

	ctl_progress_clear(progress);
	fprintf(stderr, "%" PRIu64 " records %s", n_records, progress->verb);
	if (progress->is_shown && seconds > 0)
		fprintf(stderr, " in %.1f s (%.0f/s)", seconds,
			(double)n_records / seconds);
	putc('\n', stderr);
}
