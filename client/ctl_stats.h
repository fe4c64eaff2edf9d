/*
 * ctl_stats: the daemon's numbers, for people, programs and collectors.
 */
#ifndef GETME_CLIENT_CTL_STATS_H
#define GETME_CLIENT_CTL_STATS_H

#include <stddef.h>
#include <stdio.h>

#include "client/ctl_command.h"

enum ctl_status ctl_stats(struct ctl *ctl);

/* "name value" lines, the values aligned. */
void ctl_stats_write_plain(FILE *out, const struct getme_stats_row *rows,
			   size_t n_rows);

/* One object, a member a row. */
void ctl_stats_write_json(FILE *out, const struct getme_stats_row *rows,
			  size_t n_rows);

/*
 * OpenMetrics 1.0 text: families named getme_..., texts as info metrics with
 * the text in a label of the row's name, "# EOF" at the end.
 */
void ctl_stats_write_openmetrics(FILE *out, const struct getme_stats_row *rows,
				 size_t n_rows);

#endif
