#include "common/compaction_graves.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/hint_filter.h"

enum {
	GRAVES_FIRST = 1024,
};

void graves_deinit(struct graves *graves)
{
	free(graves->at);
	*graves = (struct graves){ .at = NULL };
}

int graves_add(struct graves *graves, const uint8_t *secret, const void *key,
	       size_t key_len, uint64_t sequence)
{
	if (graves->n == graves->cap) {
		size_t cap = graves->cap ? graves->cap * 2 : GRAVES_FIRST;
		struct grave *grown;

		grown = realloc(graves->at, cap * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		graves->at = grown;
		graves->cap = cap;
	}
	graves->at[graves->n++] = (struct grave){
		.digest = digest_of(secret, key, key_len),
		.hash = digest_fixed64(key, key_len),
		.sequence = sequence,
	};
	return 0;
}

/* By key, the newest of each first. */
static int compare(const void *a, const void *b)
{
	const struct grave *left = *(struct grave *const *)a;
	const struct grave *right = *(struct grave *const *)b;

	if (left->digest.lo != right->digest.lo)
		return left->digest.lo < right->digest.lo ? -1 : 1;
	if (left->digest.hi != right->digest.hi)
		return left->digest.hi < right->digest.hi ? -1 : 1;
	if (left->sequence != right->sequence)
		return left->sequence > right->sequence ? -1 : 1;
	return 0;
}

/* The newest of each key in NEWEST; how many there are. */
static size_t find_newest(const struct graves *graves, struct grave **newest)
{
	size_t n = 0;
	size_t i;

	for (i = 0; i < graves->n; i++)
		newest[i] = &graves->at[i];
	qsort(newest, graves->n, sizeof(*newest), compare);
	for (i = 0; i < graves->n; i++) {
		if (n > 0 && newest[n - 1]->digest.lo == newest[i]->digest.lo &&
		    newest[n - 1]->digest.hi == newest[i]->digest.hi)
			continue;
		newest[n++] = newest[i];
	}
	return n;
}

/* Whether a put in SEGMENT may be older than GRAVE. */
static bool is_older(const struct segment *segment, const struct grave *grave)
{
	return segment->first_sequence < grave->sequence;
}

static bool concerns_any(const struct segment *segment,
			 struct grave *const *newest, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (!newest[i]->keep && is_older(segment, newest[i]))
			return true;
	}
	return false;
}

/* How many are to be kept for its sake. */
static size_t ask_segment(const struct segment *segment,
			  const struct hint_filter *filter,
			  struct grave *const *newest, size_t n)
{
	size_t n_kept = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		struct grave *grave = newest[i];

		if (grave->keep || !is_older(segment, grave))
			continue;
		grave->keep =
			!filter || hint_filter_may_hold(filter, grave->hash);
		n_kept += grave->keep;
	}
	return n_kept;
}

int graves_decide(struct graves *graves, struct io *io, const char *dir,
		  const uint8_t *store_id, struct segment *const *outside,
		  size_t n)
{
	struct grave **newest;
	size_t n_newest;
	size_t most = 0;
	size_t i;

	if (graves->n == 0)
		return 0;
	newest = malloc(graves->n * sizeof(*newest));
	if (!newest)
		return -ENOMEM;
	n_newest = find_newest(graves, newest);
	for (i = 0; i < n; i++) {
		struct hint_filter filter;
		size_t n_kept;
		int result;

		if (!concerns_any(outside[i], newest, n_newest))
			continue;
		result = hint_filter_load(&filter, io, dir, store_id,
					  outside[i]->id, outside[i]->len);
		n_kept = ask_segment(outside[i], result == 0 ? &filter : NULL,
				     newest, n_newest);
		if (n_kept > most) {
			most = n_kept;
			graves->blocker_id = outside[i]->id;
		}
		if (result == 0)
			hint_filter_deinit(&filter);
	}
	free(newest);
	return 0;
}

bool graves_keeps(const struct graves *graves, size_t i)
{
	assert(i < graves->n);
	return graves->at[i].keep;
}
