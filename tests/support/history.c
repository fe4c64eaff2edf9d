#include "tests/support/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The operations on one value. */
struct cluster {
	const struct history_op *write; /* NULL: nobody wrote it */
	const struct history_op *first_end;
	const struct history_op *last_begin;
};

static void tell(char *why, size_t len, const char *what,
		 const struct history_op *a, const struct history_op *b)
{
	snprintf(why, len,
		 "%s: %s of %" PRIx64 " by %u, %" PRIu64 " to %" PRIu64
		 "; %s of %" PRIx64 " by %u, %" PRIu64 " to %" PRIu64,
		 what, a->is_write ? "write" : "read", a->value, a->who,
		 a->begin, a->end, b->is_write ? "write" : "read", b->value,
		 b->who, b->begin, b->end);
}

static int by_value(const void *a, const void *b)
{
	const struct history_op *x = a;
	const struct history_op *y = b;

	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	if (x->is_write != y->is_write)
		return x->is_write ? -1 : 1;
	return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* ---- what lies wholly between ---- */

/*
 * Writes by their begin, each with the earliest end from there on, and the
 * latest up to there.
 */
struct timeline {
	const struct history_op **at;
	const struct history_op **first_end_from;
	const struct history_op **last_end_to;
	size_t n;
};

static int by_begin(const void *a, const void *b)
{
	const struct history_op *const *x = a;
	const struct history_op *const *y = b;

	return (*x)->begin < (*y)->begin ? -1 : (*x)->begin > (*y)->begin;
}

static void *must(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

enum which { VALUES, ABSENCES, ALL };

static bool is_of(const struct history_op *op, enum which which)
{
	if (!op->is_write)
		return false;
	return which == ALL ||
	       (which == VALUES) == (op->value != HISTORY_ABSENT);
}

static void timeline_init(struct timeline *line, const struct history_op *ops,
			  size_t n, enum which which)
{
	size_t size = (n + 1) * sizeof(*line->at);

	line->at = must(malloc(size));
	line->first_end_from = must(malloc(size));
	line->last_end_to = must(malloc(size));
	line->n = 0;
	for (size_t i = 0; i < n; i++)
		if (is_of(&ops[i], which))
			line->at[line->n++] = &ops[i];
	qsort(line->at, line->n, sizeof(*line->at), by_begin);
	for (size_t i = line->n; i-- > 0;)
		line->first_end_from[i] =
			i + 1 < line->n && line->first_end_from[i + 1]->end <
						   line->at[i]->end
				? line->first_end_from[i + 1]
				: line->at[i];
	for (size_t i = 0; i < line->n; i++)
		line->last_end_to[i] = i > 0 && line->last_end_to[i - 1]->end >
							       line->at[i]->end
					       ? line->last_end_to[i - 1]
					       : line->at[i];
}

static void timeline_deinit(struct timeline *line)
{
	free(line->at);
	free(line->first_end_from);
	free(line->last_end_to);
}

/* How many begin up to TIME. */
static size_t n_begun(const struct timeline *line, uint64_t time)
{
	size_t low = 0, high = line->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (line->at[middle]->begin <= time)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* A write that begins after FROM and ends before TO, or NULL. */
static const struct history_op *between(const struct timeline *line,
					uint64_t from, uint64_t to)
{
	size_t i = from == HISTORY_NEVER ? line->n : n_begun(line, from);

	if (i == line->n || line->first_end_from[i]->end >= to)
		return NULL;
	return line->first_end_from[i];
}

/* ---- clusters ---- */

static bool make_cluster(const struct history_op *ops, size_t n,
			 struct cluster *cluster, char *why, size_t len)
{
	cluster->write = ops[0].is_write ? &ops[0] : NULL;
	cluster->first_end = &ops[0];
	cluster->last_begin = &ops[0];
	if (!cluster->write || (n > 1 && ops[1].is_write)) {
		tell(why, len,
		     cluster->write ? "written twice" : "never written",
		     &ops[0], &ops[n - 1]);
		return false;
	}
	for (size_t i = 1; i < n; i++) {
		if (ops[i].end < ops[0].begin) {
			tell(why, len, "read before it was written", &ops[i],
			     &ops[0]);
			return false;
		}
		if (ops[i].end < cluster->first_end->end)
			cluster->first_end = &ops[i];
		if (ops[i].begin > cluster->last_begin->begin)
			cluster->last_begin = &ops[i];
	}
	return true;
}

static bool is_forward(const struct cluster *cluster)
{
	return cluster->first_end->end < cluster->last_begin->begin;
}

static int by_first_end(const void *a, const void *b)
{
	const struct cluster *x = a;
	const struct cluster *y = b;

	return x->first_end->end < y->first_end->end
		       ? -1
		       : x->first_end->end > y->first_end->end;
}

/* ZONES are the forward ones, in their order, none over another. */
static const struct cluster *around(const struct cluster *zones, size_t n,
				    const struct cluster *backward)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (zones[middle].first_end->end < backward->last_begin->begin)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 ||
	    zones[low - 1].last_begin->begin <= backward->first_end->end)
		return NULL;
	return &zones[low - 1];
}

static bool zones_fit(struct cluster *clusters, size_t n, char *why, size_t len)
{
	struct cluster *forward = must(malloc((n + 1) * sizeof(*forward)));
	size_t n_forward = 0;
	bool fit = true;

	for (size_t i = 0; i < n; i++)
		if (is_forward(&clusters[i]))
			forward[n_forward++] = clusters[i];
	qsort(forward, n_forward, sizeof(*forward), by_first_end);
	for (size_t i = 1; fit && i < n_forward; i++)
		if (forward[i].first_end->end <
		    forward[i - 1].last_begin->begin) {
			tell(why, len, "an older value came back",
			     forward[i].first_end, forward[i - 1].last_begin);
			fit = false;
		}
	for (size_t i = 0; fit && i < n; i++) {
		const struct cluster *outer;

		if (is_forward(&clusters[i]))
			continue;
		outer = around(forward, n_forward, &clusters[i]);
		if (outer) {
			tell(why, len, "another value was there meanwhile",
			     outer->last_begin, clusters[i].first_end);
			fit = false;
		}
	}
	free(forward);
	return fit;
}

static bool values_fit(const struct history_op *ops, size_t n, char *why,
		       size_t len)
{
	struct cluster *clusters = must(malloc((n + 1) * sizeof(*clusters)));
	size_t n_clusters = 0;
	bool fit = true;

	for (size_t i = 0, end; fit && i < n; i = end) {
		for (end = i + 1; end < n && ops[end].value == ops[i].value;)
			end++;
		if (ops[i].value == HISTORY_ABSENT)
			continue;
		/* What may never have happened, and nobody saw. */
		if (end == i + 1 && ops[i].is_write &&
		    ops[i].end == HISTORY_NEVER)
			continue;
		fit = make_cluster(&ops[i], end - i, &clusters[n_clusters++],
				   why, len);
	}
	if (fit)
		fit = zones_fit(clusters, n_clusters, why, len);
	free(clusters);
	return fit;
}

/* ---- deletes ---- */

/* Of each read of a value: no other write lies between its write and it. */
static bool values_last(const struct history_op *ops, size_t n, char *why,
			size_t len)
{
	const struct history_op *write = NULL;
	struct timeline all;
	bool fit = true;

	timeline_init(&all, ops, n, ALL);
	for (size_t i = 0; fit && i < n; i++) {
		const struct history_op *other;

		if (ops[i].value == HISTORY_ABSENT)
			continue;
		/* Each value's write comes first (values_fit has seen to it). */
		if (!write || ops[i].is_write) {
			write = &ops[i];
			continue;
		}
		other = between(&all, write->end, ops[i].begin);
		if (other) {
			tell(why, len, "read after it was replaced", &ops[i],
			     other);
			fit = false;
		}
	}
	timeline_deinit(&all);
	return fit;
}

/* Of each miss: there is a delete, or the beginning, that explains it. */
static bool misses_fit(const struct history_op *ops, size_t n, char *why,
		       size_t len)
{
	struct timeline values, absences;
	bool fit = true;

	timeline_init(&values, ops, n, VALUES);
	timeline_init(&absences, ops, n, ABSENCES);
	for (size_t i = 0; fit && i < n; i++) {
		const struct history_op *put;
		uint64_t from = 0;
		size_t begun;

		if (ops[i].is_write || ops[i].value != HISTORY_ABSENT)
			continue;
		begun = n_begun(&absences, ops[i].end);
		if (begun > 0)
			from = absences.last_end_to[begun - 1]->end;
		put = between(&values, from, ops[i].begin);
		if (put) {
			tell(why, len, "missed though it was there", &ops[i],
			     put);
			fit = false;
		}
	}
	timeline_deinit(&values);
	timeline_deinit(&absences);
	return fit;
}

bool history_is_linear(struct history_op *ops, size_t n, char *why, size_t len)
{
	qsort(ops, n, sizeof(*ops), by_value);
	return values_fit(ops, n, why, len) && values_last(ops, n, why, len) &&
	       misses_fit(ops, n, why, len);
}
