/*
 * metrics: what the daemon counts, and the rows of stats that tell it.
 *
 * Each loop counts for itself, so counting costs no more than an addition;
 * who tells the rows adds up all loops.  One thread writes a struct metrics,
 * others read it meanwhile.
 */
#ifndef GETME_DAEMON_METRICS_H
#define GETME_DAEMON_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/latency.h"
#include "proto/message.h"
#include "proto/method.h"

enum {
	METRICS_ROWS = METHOD_COUNT_OF + 17, /* at most */
};

/* All zero at the start, but started_ms. */
struct metrics {
	const struct metrics *next; /* of the next loop; NULL: there is none */
	uint64_t started_ms;	    /* CLOCK_MONOTONIC */
	_Atomic uint64_t connections;
	_Atomic uint64_t connections_total;
	_Atomic uint64_t refused_total;
	_Atomic uint64_t direct_readers; /* connections that have attached */
	_Atomic uint64_t requests_total[METHOD_COUNT_OF];
	_Atomic uint64_t errors_total;	  /* error replies */
	_Atomic uint64_t bytes_in_total;  /* read from clients */
	_Atomic uint64_t bytes_out_total; /* taken by clients */
	struct latency get; /* from the frame's arrival to its reply */
	struct latency put;
};

/* Adds N to a counter that the calling thread alone writes. */
static inline void metrics_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(
		counter,
		atomic_load_explicit(counter, memory_order_relaxed) + n,
		memory_order_relaxed);
}

/*
 * The rows of FIRST and all that follow it, added up; at most METRICS_ROWS.
 * Returns how many.
 */
size_t metrics_rows(const struct metrics *first, uint64_t now_ms,
		    struct message_stat *rows);

/* A row; the strings are borrowed. */
struct message_stat metrics_row(const char *name, enum message_stat_kind kind,
				uint64_t value, const char *help);
struct message_stat metrics_text(const char *name, const char *text,
				 const char *help);

#endif
