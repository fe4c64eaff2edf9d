#include "common/compaction_pick.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/segment_header.h"

enum {
	/* of every input, for opening, syncing, a manifest: bytes */
	FIXED_COST = 64 << 10,
	/* what is smaller than this share of a segment is small */
	SMALL_SHARE = 4,
	/* an input gives back at least this share of its length ... */
	GAIN_SHARE = 16,
	/* ... or of what is dead on average, this share */
	MEAN_SHARE = 2,
	/* of a full disk's last room, what manifest and hint can have */
	LEFT_SHARE = 8,
	/* of what is stuck, so much has to become free before another look */
	LOOK_SHARE = 4,
	/*
	 * Over the ceiling so much of all has to be dead: a store that is over
	 * it with what is alive is not written again for a few dead bytes.
	 */
	DISK_SHARE = 64,
	CANDIDATES_FIRST = 64,
	/* a wanted segment in which there was nothing to do */
	PICK_AGAIN = 1,
};

struct candidate {
	struct segment *segment;
	uint64_t copy;
	uint64_t gain;
	double score;
	uint64_t expired; /* of copy: little will be left of it */
	bool small;
	bool barred; /* damaged, or not all of it is in the index yet */
};

struct candidates {
	struct candidate *at;
	size_t n;
	size_t cap;
	bool failed;
	const struct compaction_pick *pick;
	uint64_t last;	/* entries up to it lie where a run can be told of */
	uint64_t bytes; /* of all */
	uint64_t gain;
	size_t n_small;
	bool all_dead; /* one of them needs no copying */
	bool wanted;
};

/* ---- looking at the segments ---- */

/*
 * A segment that kept them and was compacted has another name now.  If it
 * gave little back it keeps them still; and two that keep each other's would
 * be compacted in turn, for ever.
 */
static uint64_t stuck_bytes(const struct compaction_pick *pick,
			    const struct segment *segment)
{
	uint64_t freed = pick->bytes_freed - segment->stuck_at;
	const struct segment *by;

	if (segment->stuck_bytes == 0)
		return 0;
	by = segments_get(pick->segments, segment->stuck_by);
	if ((by && by->id == segment->stuck_by) ||
	    freed < segment->stuck_bytes / LOOK_SHARE)
		return segment->stuck_bytes;
	return 0;
}

static double score_of(const struct compaction_pick *pick,
		       const struct candidate *candidate)
{
	double age = 0;

	if (pick->last_sequence > 0)
		age = 1 - (double)candidate->segment->last_sequence /
				  (double)pick->last_sequence;
	return (double)candidate->gain * (1 + age) /
	       (double)(candidate->copy - candidate->expired + FIXED_COST);
}

static struct candidate judge(const struct candidates *all,
			      struct segment *segment)
{
	const struct compaction_pick *pick = all->pick;
	struct candidate candidate = { .segment = segment };
	uint64_t used = segment->header_len + segment->live_bytes;
	uint64_t stuck = stuck_bytes(pick, segment);

	if (pick->now_ms >= segment->expires_max_ms)
		candidate.expired = segment->expiring_bytes;
	used -= candidate.expired;
	candidate.copy = segment->live_bytes + segment->tombstone_bytes;
	if (segment->len > used)
		candidate.gain = segment->len - used;
	if (!segment->is_wanted)
		candidate.gain -=
			stuck < candidate.gain ? stuck : candidate.gain;
	candidate.small = segment->len < pick->segment_size / SMALL_SHARE;
	candidate.barred =
		segment->is_damaged || segment->last_sequence > all->last;
	candidate.score = score_of(pick, &candidate);
	return candidate;
}

/* A full compaction also looks where only some of it may have expired. */
static bool may_gain(const struct candidate *candidate, uint64_t now_ms)
{
	const struct segment *segment = candidate->segment;

	return candidate->gain > 0 ||
	       (segment->is_wanted && segment->expiring_bytes > 0 &&
		now_ms >= segment->expires_min_ms);
}

static void gather(void *ctx, struct segment *segment)
{
	struct candidates *all = ctx;
	struct candidate *candidate;

	if (!segment->sealed || segment->replaced || all->failed)
		return;
	if (all->n == all->cap) {
		size_t cap = all->cap ? all->cap * 2 : CANDIDATES_FIRST;
		struct candidate *grown;

		grown = realloc(all->at, cap * sizeof(*grown));
		if (!grown) {
			all->failed = true;
			return;
		}
		all->at = grown;
		all->cap = cap;
	}
	candidate = &all->at[all->n++];
	*candidate = judge(all, segment);
	all->bytes += segment->len;
	if (segment->is_damaged)
		segment->is_wanted = false;
	if (candidate->barred)
		return;
	all->gain += candidate->gain;
	all->n_small += candidate->small;
	all->all_dead =
		all->all_dead || (candidate->copy == 0 && candidate->gain > 0);
	if (!may_gain(candidate, all->pick->now_ms) && !candidate->small)
		segment->is_wanted = false;
	all->wanted = all->wanted || segment->is_wanted;
}

/* ---- is there a reason? ---- */

static enum compaction_reason find_reason(const struct candidates *all)
{
	const struct compaction_pick *pick = all->pick;
	const struct compaction_policy *policy = &pick->policy;
	/* What is not worth a run, however large its share of little. */
	uint64_t least = pick->segment_size / 2;

	if (all->wanted)
		return COMPACTION_WANTED;
	if (all->all_dead && policy->dead_percent)
		return COMPACTION_ALL_DEAD;
	if (pick->is_full && all->gain > 0)
		return COMPACTION_DISK_FULL;
	if (policy->disk_bytes && all->bytes > policy->disk_bytes &&
	    all->gain > all->bytes / DISK_SHARE)
		return COMPACTION_DISK_BYTES;
	if (policy->dead_percent && all->gain >= least &&
	    all->gain >= all->bytes / 100 * policy->dead_percent)
		return COMPACTION_DEAD_SHARE;
	if (policy->dead_bytes && all->gain >= policy->dead_bytes)
		return COMPACTION_DEAD_BYTES;
	if (policy->small_segments && all->n_small >= policy->small_segments)
		return COMPACTION_SMALL;
	return COMPACTION_NO_REASON;
}

/* Whether a run with this reason takes it. */
static bool is_eligible(const struct candidates *all,
			enum compaction_reason reason,
			const struct candidate *candidate)
{
	const struct segment *segment = candidate->segment;
	uint64_t share = segment->len / GAIN_SHARE;
	uint64_t mean = 0;

	if (candidate->barred)
		return false;
	switch (reason) {
	case COMPACTION_WANTED:
		return segment->is_wanted;
	case COMPACTION_ALL_DEAD:
		return candidate->copy == 0 && candidate->gain > 0;
	case COMPACTION_SMALL:
		return candidate->small;
	default:
		break;
	}
	if (all->bytes > 0)
		mean = (uint64_t)((double)segment->len * (double)all->gain /
				  (double)all->bytes) /
		       MEAN_SHARE;
	return candidate->gain > 0 &&
	       (candidate->gain >= share || candidate->gain >= mean);
}

/* ---- which of them ---- */

static int by_score(const void *a, const void *b)
{
	const struct candidate *left = a;
	const struct candidate *right = b;

	if (left->score != right->score)
		return left->score > right->score ? -1 : 1;
	return left->segment->id < right->segment->id ? -1 : 1;
}

static int by_age(const void *a, const void *b)
{
	const struct candidate *left = a;
	const struct candidate *right = b;

	if (left->segment->first_sequence != right->segment->first_sequence)
		return left->segment->first_sequence <
				       right->segment->first_sequence
			       ? -1
			       : 1;
	return left->segment->id < right->segment->id ? -1 : 1;
}

/* On a full disk the output has the reserve, and leaves some of it. */
static uint64_t room_of(const struct compaction_pick *pick)
{
	uint64_t size = pick->segment_size;

	return pick->is_full ? size - size / LEFT_SHARE : size;
}

/* Moves those that are taken to the front; how many. */
static size_t take(struct candidates *all, enum compaction_reason reason,
		   bool may_be_larger, uint64_t *copied)
{
	uint64_t room = room_of(all->pick);
	size_t n = 0;
	size_t i;

	*copied = 0;
	for (i = 0; i < all->n && n < SEGMENT_REPLACES_MAX; i++) {
		struct candidate candidate = all->at[i];
		uint64_t needs =
			segment_header_len(n + 1) + *copied + candidate.copy;

		if (!is_eligible(all, reason, &candidate))
			continue;
		/* The first may need more than others. */
		if (n == 0 && may_be_larger && needs > room)
			room = needs;
		if (needs > room)
			continue;
		*copied += candidate.copy;
		all->at[i] = all->at[n];
		all->at[n++] = candidate;
	}
	return n;
}

/* One small segment by itself becomes no fewer. */
static bool is_of_use(const struct candidates *all, size_t n)
{
	return n > 1 || (n == 1 && may_gain(&all->at[0], all->pick->now_ms));
}

static struct segment **copy_out(const struct candidate *from, size_t n)
{
	struct segment **out = malloc((n + 1) * sizeof(struct segment *));
	size_t i;

	for (i = 0; out && i < n; i++)
		out[i] = from[i].segment;
	return out;
}

static int fill_in(struct compaction_pick *pick, struct candidates *all,
		   size_t n, uint64_t copied)
{
	size_t i;

	qsort(all->at, n, sizeof(*all->at), by_age);
	pick->inputs = copy_out(all->at, n);
	pick->outside = copy_out(all->at + n, all->n - n);
	if (!pick->inputs || !pick->outside) {
		free(pick->inputs);
		free(pick->outside);
		return -ENOMEM;
	}
	pick->n_inputs = n;
	pick->n_outside = all->n - n;
	pick->output_len = segment_header_len(n) + copied;
	pick->input_bytes = 0;
	for (i = 0; i < n; i++)
		pick->input_bytes += pick->inputs[i]->len;
	return 0;
}

static int choose(struct compaction_pick *pick, struct candidates *all)
{
	uint64_t copied;
	size_t n;
	int result;

	pick->reason = find_reason(all);
	if (pick->reason == COMPACTION_NO_REASON)
		return 0;
	/*
	 * Sorted whole, so what is put to the front leaves the others in any
	 * order.  A full compaction begins with the oldest: their tombstones
	 * are free to go, and so are later ones then.
	 */
	qsort(all->at, all->n, sizeof(*all->at),
	      pick->reason == COMPACTION_WANTED ? by_age : by_score);
	n = take(all, pick->reason, !pick->is_full, &copied);
	if (n == 0)
		n = take(all, pick->reason, true, &copied);
	if (!is_of_use(all, n)) {
		bool again = pick->reason == COMPACTION_WANTED && n == 1;

		pick->reason = COMPACTION_NO_REASON;
		if (again)
			all->at[0].segment->is_wanted = false;
		return again ? PICK_AGAIN : 0;
	}
	result = fill_in(pick, all, n, copied);
	if (result < 0)
		pick->reason = COMPACTION_NO_REASON;
	return result;
}

static void find_last(void *ctx, struct segment *segment)
{
	uint64_t *last = ctx;

	if (segment->sealed && segment->last_sequence > *last)
		*last = segment->last_sequence;
}

/*
 * Segments are sealed by another thread, in the order of their entries, while
 * they are walked over in that of their ids.  So an older one can be passed
 * before it is sealed and a newer one met after that: the newer one's
 * tombstones would find no put that they are needed for.  What is sealed at
 * the end of one walk, and all that is older, the next one meets.
 */
static uint64_t last_of_all(const struct compaction_pick *pick)
{
	uint64_t last = 0;

	segments_each(pick->segments, find_last, &last);
	return last < pick->visible_sequence ? last : pick->visible_sequence;
}

static int pick_once(struct compaction_pick *pick)
{
	struct candidates all = { .pick = pick, .last = last_of_all(pick) };
	int result = -ENOMEM;

	segments_each(pick->segments, gather, &all);
	if (!all.failed)
		result = choose(pick, &all);
	free(all.at);
	return result;
}

int compaction_pick(struct compaction_pick *pick)
{
	int result;

	pick->reason = COMPACTION_NO_REASON;
	do {
		result = pick_once(pick);
	} while (result == PICK_AGAIN);
	return result;
}

struct want {
	uint64_t bytes;
};

static void want(void *ctx, struct segment *segment)
{
	struct want *sum = ctx;

	if (!segment->sealed || segment->replaced)
		return;
	segment->is_wanted = true;
	sum->bytes += segment->len;
}

uint64_t compaction_want_all(const struct segments *segments)
{
	struct want sum = { 0 };

	segments_each(segments, want, &sum);
	return sum.bytes;
}
