/*
 * ctl_progress: how far a long command is, on stderr, if that is a terminal.
 */
#ifndef GETME_CLIENT_CTL_PROGRESS_H
#define GETME_CLIENT_CTL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct ctl_progress {
	bool is_shown;
	const char *verb; /* "imported" */
	int64_t began_ms;
	int64_t drawn_ms; /* when the line was drawn last */
};

void ctl_progress_init(struct ctl_progress *progress, const char *verb);

/* Draws the line again, a few times a second. */
void ctl_progress_update(struct ctl_progress *progress, uint64_t n_records);

/* The same as a share of so many bytes. */
void ctl_progress_share(struct ctl_progress *progress, uint64_t done,
			uint64_t total);

/* Removes the line: before any other message, and at the end. */
void ctl_progress_clear(struct ctl_progress *progress);

/* "63000 records imported", on a terminal with time and rate. */
void ctl_progress_finish(struct ctl_progress *progress, uint64_t n_records);

#endif
