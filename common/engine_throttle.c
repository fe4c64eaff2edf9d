#include "common/engine_internal.h"
#include "common/entry.h"
#include "common/monotonic.h"

/*
 * Where entries die faster than compaction gives their room back the disk
 * would fill, so writes wait: as many bytes are let through as runs give
 * back, measured, and half of that when it gets worse.  It begins only while
 * a run is under way, so nothing waits for a compaction that may not run.
 */
enum {
	/* dead bytes over the share at which runs begin, percent of all */
	SOFT_PERCENT = 2,
	HARD_PERCENT = 4,
	/* of a store smaller than so many segments disk use is no concern */
	SEGMENTS_MIN = 4,
	/* bytes a ms that are let through in any case */
	RATE_MIN = 1000,
	/* credit that may gather, in ms of the rate */
	BURST_MS = 20,
	/* the share of the last run in the mean: 1/4 */
	MEAN_OF = 4,
	/* how often the log's rate is looked at */
	PACE_MS = 250,
	/*
	 * A run that nobody waits for reads and writes so many bytes for each
	 * of the log's, which is more than it takes to keep up, and so many a
	 * second at least: spread over time it is in nobody's way.
	 */
	PACE_FACTOR = 8,
	PACE_MIN = 32 << 20,
};

static bool is_over(const struct local *local, uint64_t percent)
{
	const struct store *store = local->store;
	uint64_t all = store->live_bytes + store->dead_bytes;

	if (all < SEGMENTS_MIN * upkeep_segment_size(store->upkeep))
		return false;
	percent += local_compact_percent(local);
	return percent < 100 && store->dead_bytes > all / 100 * percent;
}

void local_throttle_begin(struct local *local)
{
	local->throttle.run_begun_ms = monotonic_ms();
	local->throttle.was_paced = local->throttle.is_paced;
}

void local_throttle_end(struct local *local, uint64_t bytes)
{
	struct engine_throttle *throttle = &local->throttle;
	uint64_t ms = monotonic_ms() - throttle->run_begun_ms + 1;
	uint64_t rate = bytes / ms;

	/* What a run could do is not told by one that took its time. */
	if (bytes == 0 || throttle->was_paced)
		return;
	if (throttle->rate > 0)
		rate = (throttle->rate * (MEAN_OF - 1) + rate) / MEAN_OF;
	throttle->rate = rate > RATE_MIN ? rate : RATE_MIN;
}

static void add_credit(struct local *local)
{
	struct engine_throttle *throttle = &local->throttle;
	uint64_t now = monotonic_ms();
	int64_t rate = (int64_t)throttle->rate;
	int64_t ms = (int64_t)(now - throttle->credit_ms);

	if (is_over(local, HARD_PERCENT))
		rate /= 2;
	if (ms > BURST_MS)
		ms = BURST_MS;
	throttle->credit_ms = now;
	throttle->credit += rate * ms;
	if (throttle->credit > rate * BURST_MS)
		throttle->credit = rate * BURST_MS;
}

void local_throttle_hold(struct local *local, struct engine_request *request)
{
	if (local->n_clears == 0)
		local->throttle.n_held++;
	if (request->deadline_ms != 0)
		local->throttle.has_deadlines = true;
	request_list_push(&local->held, request);
}

/* What it will take in the log, about. */
static int64_t len_of(const struct engine_request *request)
{
	int64_t len = 0;

	for (size_t i = 0; i < request->n_mutations; i++)
		len += (int64_t)(request->mutations[i].key.len +
				 request->mutations[i].value.len) +
		       ENTRY_HEAD_LEN;
	return len;
}

/*
 * As many as there is credit for, the oldest first: to begin all of a
 * thousand anew each time, only to hold them again, would take longer than
 * what they wait for.  Nothing passes a clear.
 */
static void release_some(struct local *local)
{
	int64_t credit = local->throttle.credit;
	struct request_list some;

	request_list_init(&some);
	while (credit > 0 && local->held.first &&
	       local->held.first->op == ENGINE_WRITE) {
		struct engine_request *request = request_list_pop(&local->held);

		credit -= len_of(request);
		request->internal = local;
		request_list_push(&some, request);
	}
	if (some.first)
		local_submit_first(local, &some);
	else
		local_release_held(local);
}

/* Who waits no longer is told so now, not when the others may go on. */
static void refuse_late(struct local *local)
{
	struct request_list all = local->held;
	struct engine_request *request;
	uint64_t now = monotonic_ms();

	if (!local->throttle.has_deadlines)
		return;
	local->throttle.has_deadlines = false;
	request_list_init(&local->held);
	while ((request = request_list_pop(&all)) != NULL) {
		local->throttle.has_deadlines |= request->deadline_ms != 0;
		if (request->deadline_ms != 0 && now > request->deadline_ms)
			local_finish(request, ENGINE_DEADLINE);
		else
			request_list_push(&local->held, request);
	}
}

static void look_at_log(struct local *local)
{
	struct engine_throttle *throttle = &local->throttle;
	uint64_t bytes = local->store->log.n_bytes;
	uint64_t now = monotonic_ms();
	uint64_t ms = now - throttle->seen_ms;
	uint64_t rate;

	if (ms < PACE_MS)
		return;
	rate = (bytes - throttle->seen_bytes) * 1000 / ms;
	throttle->log_rate =
		(throttle->log_rate * (MEAN_OF - 1) + rate) / MEAN_OF;
	throttle->seen_bytes = bytes;
	throttle->seen_ms = now;
}

/* As fast as it can where it is behind, or someone waits for it. */
static void set_pace(struct local *local)
{
	uint64_t limit = local->compact.options.bytes_a_second;
	uint64_t pace = local->throttle.log_rate * PACE_FACTOR;

	if (pace < PACE_MIN)
		pace = PACE_MIN;
	if (local->compact.waiting.first || store_is_full(local->store) ||
	    is_over(local, SOFT_PERCENT))
		pace = 0;
	if (pace == 0 || (limit > 0 && limit < pace))
		pace = limit;
	local->throttle.is_paced = pace != limit;
	local->compact.worker.bytes_a_second = pace;
}

void local_throttle_turn(struct local *local)
{
	struct engine_throttle *throttle = &local->throttle;
	bool on = local->compact.phase != COMPACT_IDLE &&
		  local->compact.phase <= COMPACT_INSTALLING &&
		  throttle->rate > 0 && is_over(local, SOFT_PERCENT);

	look_at_log(local);
	set_pace(local);
	/* Between two runs it stays as it is. */
	if (local->compact.phase == COMPACT_IDLE && local->compact.look_again)
		on = throttle->on;
	if (on && !throttle->on) {
		throttle->credit = 0;
		throttle->credit_ms = monotonic_ms();
	}
	throttle->on = on;
	if (on)
		add_credit(local);
	if (!local->held.first)
		return;
	if (local->n_clears > 0 || (on && throttle->credit <= 0))
		refuse_late(local);
	else if (on)
		release_some(local);
	else
		local_release_held(local);
}

bool local_throttle_holds(const struct local *local,
			  struct engine_request *request)
{
	bool was_released = request->internal == local;

	if (was_released)
		request->internal = NULL;
	return local->throttle.on && !was_released &&
	       (local->held.first || local->throttle.credit <= 0);
}

void local_throttle_take(struct local *local, uint64_t len)
{
	if (local->throttle.on)
		local->throttle.credit -= (int64_t)len;
}
