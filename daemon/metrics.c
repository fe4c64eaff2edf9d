#include "daemon/metrics.h"

#include <string.h>

static const char *const request_names[METHOD_COUNT_OF] = {
#define REQUEST_NAME(symbol, name, params, options) "requests_" name "_total",
	METHOD_TABLE(REQUEST_NAME)
#undef REQUEST_NAME
};

static const char *const request_helps[METHOD_COUNT_OF] = {
#define REQUEST_HELP(symbol, name, params, options) name " requests received",
	METHOD_TABLE(REQUEST_HELP)
#undef REQUEST_HELP
};

static struct message_bytes bytes_of(const char *text)
{
	return (struct message_bytes){ .data = text, .len = strlen(text) };
}

struct message_stat metrics_row(const char *name, enum message_stat_kind kind,
				uint64_t value, const char *help)
{
	return (struct message_stat){
		.name = bytes_of(name),
		.kind = kind,
		.value = value,
		.help = bytes_of(help),
	};
}

struct message_stat metrics_text(const char *name, const char *text,
				 const char *help)
{
	return (struct message_stat){
		.name = bytes_of(name),
		.kind = MESSAGE_STAT_TEXT,
		.text = bytes_of(text),
		.help = bytes_of(help),
	};
}

static struct message_stat counter(const char *name, uint64_t value,
				   const char *help)
{
	return metrics_row(name, MESSAGE_STAT_COUNTER, value, help);
}

static struct message_stat gauge(const char *name, uint64_t value,
				 const char *help)
{
	return metrics_row(name, MESSAGE_STAT_GAUGE, value, help);
}

static void add_counter(_Atomic uint64_t *to, const _Atomic uint64_t *from)
{
	metrics_add(to, atomic_load_explicit(from, memory_order_relaxed));
}

static void add(struct metrics *to, const struct metrics *from)
{
	add_counter(&to->connections, &from->connections);
	add_counter(&to->connections_total, &from->connections_total);
	add_counter(&to->refused_total, &from->refused_total);
	add_counter(&to->direct_readers, &from->direct_readers);
	for (int i = 0; i < METHOD_COUNT_OF; i++)
		add_counter(&to->requests_total[i], &from->requests_total[i]);
	add_counter(&to->errors_total, &from->errors_total);
	add_counter(&to->bytes_in_total, &from->bytes_in_total);
	add_counter(&to->bytes_out_total, &from->bytes_out_total);
	latency_merge(&to->get, &from->get);
	latency_merge(&to->put, &from->put);
}

static size_t fill_rows(const struct metrics *metrics, uint64_t n_loops,
			uint64_t now_ms, struct message_stat *rows)
{
	const struct latency *get = &metrics->get;
	const struct latency *put = &metrics->put;
	size_t n = 0;

	rows[n++] = gauge("uptime_ms", now_ms - metrics->started_ms,
			  "Time since the daemon began to serve");
	rows[n++] = gauge("threads", n_loops, "Threads that serve clients");
	rows[n++] = gauge("connections", metrics->connections,
			  "Clients that are connected");
	rows[n++] = counter("connections_total", metrics->connections_total,
			    "Clients that were accepted");
	rows[n++] = counter("connections_refused_total", metrics->refused_total,
			    "Clients that were refused");
	rows[n++] = gauge("direct_readers", metrics->direct_readers,
			  "Clients that read from shared memory");
	for (int i = 0; i < METHOD_COUNT_OF; i++)
		rows[n++] =
			counter(request_names[i], metrics->requests_total[i],
				request_helps[i]);
	rows[n++] = counter("errors_total", metrics->errors_total,
			    "Replies that were errors");
	rows[n++] = counter("bytes_in_total", metrics->bytes_in_total,
			    "Bytes read from clients");
	rows[n++] = counter("bytes_out_total", metrics->bytes_out_total,
			    "Bytes taken by clients");
	rows[n++] = gauge("get_latency_p50_us", latency_quantile(get, 500),
			  "Half of the gets took no longer");
	rows[n++] = gauge("get_latency_p99_us", latency_quantile(get, 990),
			  "99 % of the gets took no longer");
	rows[n++] = gauge("get_latency_max_us", get->max_us, "The slowest get");
	rows[n++] = gauge("put_latency_p50_us", latency_quantile(put, 500),
			  "Half of the puts took no longer");
	rows[n++] = gauge("put_latency_p99_us", latency_quantile(put, 990),
			  "99 % of the puts took no longer");
	rows[n++] = gauge("put_latency_max_us", put->max_us, "The slowest put");
	return n;
}

size_t metrics_rows(const struct metrics *first, uint64_t now_ms,
		    struct message_stat *rows)
{
	struct metrics sum = { .started_ms = first->started_ms };
	uint64_t n_loops = 0;

	for (const struct metrics *at = first; at; at = at->next) {
		add(&sum, at);
		n_loops++;
	}
	return fill_rows(&sum, n_loops, now_ms, rows);
}
