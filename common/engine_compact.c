#include <errno.h>
#include <limits.h>
#include <time.h>

#include "common/engine_internal.h"
#include "common/monotonic.h"

enum {
	/* entries that move in one turn at most, and for how long */
	SLICE = 1024,
	SLICE_NS = 100000,
	/* moves between two looks at the clock */
	SLICE_STEP = 64,
	/* how soon writes that wait are looked after */
	HELD_MS = 1,
	/* how often is looked whether the log has synced, and for how long */
	AWAIT_MS = 20,
	AWAIT_MAX_MS = 2000,
	/* between two looks for a reason, which walk over all segments */
	LOOK_MS = 100,
	/* after a run that failed, and between attempts to write a manifest */
	RETRY_MS = 1000,
	/* where hours are set somebody has to look at the clock */
	HOURS_MS = 60000,
	NEVER_PERCENT = 100,
};

/* ---- when ---- */

/* Whether it is one of the hours in which a run may begin by itself. */
static bool is_time(const struct local *local)
{
	const struct engine_hours *hours = &local->compact.options.hours;
	struct io *io = local->store->io;
	time_t now = (time_t)(io->clock_ms(io) / 1000);
	uint64_t hour;
	struct tm tm;

	if (hours->from == hours->to)
		return true;
	if (!localtime_r(&now, &tm))
		return true;
	hour = (uint64_t)tm.tm_hour;
	if (hours->from < hours->to)
		return hour >= hours->from && hour < hours->to;
	return hour >= hours->from || hour < hours->to;
}

uint64_t local_compact_percent(const struct local *local)
{
	uint64_t percent = local->compact.options.dead_percent;

	return percent ? percent : COMPACTION_DEAD_PERCENT;
}

static struct compaction_policy make_policy(const struct local *local)
{
	const struct engine_compaction *options = &local->compact.options;
	struct compaction_policy policy = {
		.disk_bytes = options->disk_bytes,
	};

	if (!is_time(local))
		return policy;
	policy.dead_percent = (unsigned)local_compact_percent(local);
	if (policy.dead_percent >= NEVER_PERCENT)
		policy.dead_percent = 0;
	policy.dead_bytes = options->dead_bytes;
	policy.small_segments = options->small_segments
					? (unsigned)options->small_segments
					: COMPACTION_SMALL_SEGMENTS;
	return policy;
}

/* ---- full compactions ---- */

static void answer_waiting(struct local *local, int result)
{
	struct request_list waiting = local->compact.waiting;
	struct engine_request *request;

	if (!waiting.first)
		return;
	request_list_init(&local->compact.waiting);
	store_compact_want_none(local->store);
	while ((request = request_list_pop(&waiting)) != NULL)
		local_finish(request, result);
}

void local_compact_rolled(struct local *local, struct engine_request *request)
{
	request_list_push(&local->compact.waiting, request);
	store_compact_want_all(local->store);
	local->compact.look_ms = 0;
}

/* ---- the steps of a run ---- */

static void end_run(struct local *local, int result)
{
	struct engine_compact *compact = &local->compact;
	uint64_t freed = local->store->run.bytes_freed;

	store_compact_end(local->store, result);
	local_throttle_end(local, local->store->run.bytes_freed - freed);
	compact->phase = local->store->run.work.n_inputs > 0 ? COMPACT_STUCK
							     : COMPACT_IDLE;
	compact->look_ms = 0;
	compact->look_again = true;
	/* The next run is another one, or finds more room. */
	if (result >= 0)
		return;
	compact->look_ms = monotonic_ms() + RETRY_MS;
	answer_waiting(local, result);
}

static void begin_run(struct local *local)
{
	struct engine_compact *compact = &local->compact;
	struct compaction_policy policy = { 0 };
	uint64_t now = monotonic_ms();
	int result;

	compact->look_again = false;
	if (local->store->log.read_only) {
		answer_waiting(local, ENGINE_READ_ONLY);
		return;
	}
	/* The end of a clear is a turn of its own. */
	if (local->n_clears > 0)
		return;
	compact->look_again = now < compact->look_ms;
	if (compact->look_again)
		return;
	if (!compact->waiting.first)
		policy = make_policy(local);
	result = store_compact_begin(local->store, &policy);
	if (result == 0) {
		compact->phase = COMPACT_COPYING;
		local_throttle_begin(local);
		engine_worker_ask(&compact->worker, WORKER_COPY);
		return;
	}
	answer_waiting(local, result == STORE_NOT_FOUND ? 0 : result);
	compact->look_ms = now + LOOK_MS;
}

/* Whether all have moved. */
static bool move_some(struct local *local)
{
	uint64_t begun = monotonic_ns();
	unsigned n = 0;

	do {
		if (store_compact_move(local->store, SLICE_STEP))
			return true;
		n += SLICE_STEP;
	} while (n < SLICE && monotonic_ns() - begun < SLICE_NS);
	return false;
}

static void install(struct local *local)
{
	local->compact.phase = COMPACT_INSTALLING;
	engine_worker_ask(&local->compact.worker, WORKER_INSTALL);
}

/*
 * What made the rest of the inputs dead has to be durable.  A run that nobody
 * waits for takes the next sync that comes anyway: one more would hold up the
 * writes behind it.
 */
static void await_sync(struct local *local)
{
	struct engine_compact *compact = &local->compact;
	const struct log *log = &local->store->log;

	if (local->store->run.work.cancelled)
		end_run(local, COMPACTION_CANCELLED);
	else if (log->synced_sequence >= compact->due_sequence)
		install(local);
	else if (local->throttle.is_paced && !log->read_only &&
		 monotonic_ms() < compact->retry_ms &&
		 engine_log_will_sync(&local->log))
		return;
	/* A record that finds no memory is made in a later turn. */
	else if (local_sync_run(local) == 0)
		compact->phase = COMPACT_SYNCING;
	local->host.wake(local->host.ctx);
}

static void move_slice(struct local *local)
{
	struct engine_compact *compact = &local->compact;

	if (local->store->run.work.cancelled) {
		end_run(local, COMPACTION_CANCELLED);
		return;
	}
	if (move_some(local)) {
		compact->phase = COMPACT_AWAIT_SYNC;
		compact->due_sequence = local->store->visible_sequence;
		compact->retry_ms = monotonic_ms() + AWAIT_MAX_MS;
		await_sync(local);
		return;
	}
	local->host.wake(local->host.ctx);
}

static void after_copy(struct local *local)
{
	struct engine_compact *compact = &local->compact;
	int result;

	if (!engine_worker_take(&compact->worker, &result))
		return;
	if (result == 0 && local->store->run.work.cancelled)
		result = COMPACTION_CANCELLED;
	if (result == 0)
		result = store_compact_copied(local->store);
	if (result != 0) {
		end_run(local, result);
		return;
	}
	compact->phase = COMPACT_MOVING;
	move_slice(local);
}

void local_compact_synced(struct local *local, int result)
{
	struct engine_compact *compact = &local->compact;

	if (local->closing)
		return;
	if (local->store->run.work.cancelled) {
		end_run(local, COMPACTION_CANCELLED);
	} else if (result == 0) {
		install(local);
	} else {
		/* Inputs and output stay, as long as the store is open. */
		compact->phase = COMPACT_STUCK;
		answer_waiting(local, ENGINE_READ_ONLY);
	}
}

static void after_install(struct local *local)
{
	struct engine_compact *compact = &local->compact;
	bool cancelled = local->store->run.work.cancelled;
	int result;

	if (!engine_worker_take(&compact->worker, &result))
		return;
	if (result == 0 || cancelled) {
		end_run(local, result == 0 ? 0 : COMPACTION_CANCELLED);
	} else if (result == COMPACTION_CANCELLED) {
		compact->phase = COMPACT_AWAIT_CLEAR;
	} else {
		compact->phase = COMPACT_RETRYING;
		compact->retry_ms = monotonic_ms() + RETRY_MS;
		answer_waiting(local, result < 0 ? result : -EIO);
	}
}

static void retry(struct local *local)
{
	struct engine_compact *compact = &local->compact;

	if (local->store->run.work.cancelled) {
		end_run(local, COMPACTION_CANCELLED);
	} else if (monotonic_ms() >= compact->retry_ms) {
		install(local);
	}
}

void local_compact_turn(struct local *local)
{
	switch (local->compact.phase) {
	case COMPACT_IDLE:
		begin_run(local);
		break;
	case COMPACT_COPYING:
		after_copy(local);
		break;
	case COMPACT_MOVING:
		move_slice(local);
		break;
	case COMPACT_AWAIT_SYNC:
		await_sync(local);
		break;
	case COMPACT_INSTALLING:
		after_install(local);
		break;
	case COMPACT_RETRYING:
		retry(local);
		break;
	case COMPACT_AWAIT_CLEAR:
		if (local->store->run.work.cancelled)
			end_run(local, COMPACTION_CANCELLED);
		break;
	case COMPACT_SYNCING:
		break;
	case COMPACT_STUCK:
		answer_waiting(local, ENGINE_READ_ONLY);
		break;
	}
}

static int ms_until(uint64_t due_ms)
{
	uint64_t now = monotonic_ms();

	if (due_ms <= now)
		return 0;
	return due_ms - now < INT_MAX ? (int)(due_ms - now) : INT_MAX;
}

int local_compact_timeout_ms(const struct local *local)
{
	const struct engine_compact *compact = &local->compact;

	if (local->throttle.on && local->held.first)
		return HELD_MS;
	if (compact->phase == COMPACT_RETRYING)
		return ms_until(compact->retry_ms);
	if (compact->phase == COMPACT_AWAIT_SYNC)
		return AWAIT_MS;
	if (compact->phase != COMPACT_IDLE)
		return -1;
	if (local->n_clears == 0 &&
	    (compact->waiting.first || compact->look_again))
		return ms_until(compact->look_ms);
	return compact->options.hours.from == compact->options.hours.to
		       ? -1
		       : HOURS_MS;
}

/* ---- the thread ---- */

int local_compact_start(struct local *local,
			const struct engine_compaction *options)
{
	local->compact.options = *options;
	return engine_worker_start(&local->compact.worker,
				   &local->store->run.work, &local->host,
				   options->bytes_a_second);
}

void local_compact_stop(struct local *local)
{
	engine_worker_stop(&local->compact.worker);
}
