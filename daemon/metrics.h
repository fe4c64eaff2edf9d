/*
 * metrics: what the daemon counts, and the rows of stats that tell it.
 */
#ifndef GETME_DAEMON_METRICS_H
#define GETME_DAEMON_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/latency.h"
#include "proto/message.h"
#include "proto/method.h"

enum {
	METRICS_ROWS = METHOD_COUNT_OF + 16, /* at most */
};

/* All zero at the start, but started_ms. */
struct metrics {
	uint64_t started_ms; /* CLOCK_MONOTONIC */
	uint64_t connections;
	uint64_t connections_total;
	uint64_t refused_total;
	uint64_t direct_readers; /* connections that have attached */
	uint64_t requests_total[METHOD_COUNT_OF];
	uint64_t errors_total;	  /* error replies */
	uint64_t bytes_in_total;  /* read from clients */
	uint64_t bytes_out_total; /* taken by clients */
	struct latency get;	  /* from the frame's arrival to its reply */
	struct latency put;
};

/* Fills in at most METRICS_ROWS rows; returns how many. */
size_t metrics_rows(const struct metrics *metrics, uint64_t now_ms,
		    struct message_stat *rows);

/* A row; the strings are borrowed. */
struct message_stat metrics_row(const char *name, enum message_stat_kind kind,
				uint64_t value, const char *help);
struct message_stat metrics_text(const char *name, const char *text,
				 const char *help);

#endif
