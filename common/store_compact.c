#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/store_internal.h"

enum {
	PREFETCH_AHEAD = 8, /* moves */
};

/* ---- beginning ---- */

static bool is_running(const struct store *store)
{
	return store->run.work.n_inputs > 0;
}

static void set_up(struct store *store, const struct compaction_pick *pick)
{
	struct store_run *run = &store->run;
	void (*pace)(void *ctx, uint64_t bytes) = run->work.pace;
	void *pace_ctx = run->work.pace_ctx;

	run->work = (struct compaction){
		.io = store->io,
		.dir = store->dir,
		.store_id = store->store_id,
		.secret = store->secret,
		.upkeep = store->upkeep,
		.map = index_map(store->index),
		.now_ms = store->io->clock_ms(store->io),
		.inputs = pick->inputs,
		.n_inputs = pick->n_inputs,
		.outside = pick->outside,
		.n_outside = pick->n_outside,
		.output_len = pick->output_len,
		.pace = pace,
		.pace_ctx = pace_ctx,
	};
	run->reason = pick->reason;
	run->in_table = false;
	run->input_bytes = pick->input_bytes;
	retire_hold(&store->retire, &run->hold);
}

int store_compact_begin(struct store *store,
			const struct compaction_policy *policy)
{
	struct compaction_pick pick = {
		.segments = store->segments,
		.policy = *policy,
		.segment_size = upkeep_segment_size(store->upkeep),
		.last_sequence = store->log.last_sequence,
		.visible_sequence = store->visible_sequence,
		.bytes_freed = store->run.bytes_freed,
		.now_ms = store->io->clock_ms(store->io),
		.is_full = store_is_full(store),
	};
	int result;

	if (is_running(store))
		return STORE_NOT_FOUND;
	result = compaction_pick(&pick);
	if (result < 0)
		return result;
	if (pick.reason == COMPACTION_NO_REASON)
		return STORE_NOT_FOUND;
	set_up(store, &pick);
	return 0;
}

/* ---- the index moves ---- */

int store_compact_copied(struct store *store)
{
	struct compaction *work = &store->run.work;
	struct segment *output = work->output;
	int result;

	if (!output)
		return 0;
	output->dead_bytes = work->kept_tombstone_bytes;
	output->tombstone_bytes = work->kept_tombstone_bytes;
	output->stuck_bytes = work->kept_tombstone_bytes;
	output->stuck_by = work->blocker_id;
	output->stuck_at = store->run.bytes_freed;
	result = segments_add(store->segments, output);
	if (result < 0)
		return result;
	store->run.in_table = true;
	store->dead_bytes += output->dead_bytes;
	return 0;
}

/* The copy of an entry that was replaced meanwhile is of no use. */
static void account_move(struct store *store, struct segment *output,
			 const struct index_place *from, bool moved)
{
	uint64_t len = (uint64_t)from->len8 * 8;

	if (!moved) {
		output->dead_bytes += len;
		store->dead_bytes += len;
		return;
	}
	store_note_dead(store, from);
	output->live_bytes += len;
	if (from->flags & INDEX_HAS_EXPIRY)
		output->expiring_bytes += len;
	store->live_bytes += len;
}

static void move_one(struct store *store, const struct compaction_move *move)
{
	struct segment *output = store->run.work.output;
	struct digest digest = { .lo = move->digest_lo, .hi = move->digest_hi };
	struct index_place from = {
		.segment = move->from_segment,
		.off8 = move->from_off8,
		.len8 = move->len8,
		.flags = move->flags,
	};
	struct index_place to = from;

	if (move->to_off8 == 0) {
		if (index_remove_if(store->index, &digest, &from) == 0)
			store_note_dead(store, &from);
		return;
	}
	to.segment = output->id & INDEX_SEGMENT_MASK;
	to.off8 = move->to_off8;
	account_move(store, output, &from,
		     index_move(store->index, &digest, &from, &to) == 0);
}

/* The keys are in any order: each is a miss of the processor's caches. */
static void prefetch(const struct compaction *work, size_t i)
{
	struct digest digest;

	if (i >= work->n_moves)
		return;
	digest.lo = work->moves[i].digest_lo;
	digest.hi = work->moves[i].digest_hi;
	lookup_prefetch(work->map, &digest);
}

bool store_compact_move(struct store *store, size_t max)
{
	struct compaction *work = &store->run.work;

	while (max > 0 && work->n_moved < work->n_moves && !work->cancelled) {
		prefetch(work, work->n_moved + PREFETCH_AHEAD);
		move_one(store, &work->moves[work->n_moved++]);
		max--;
	}
	return work->n_moved == work->n_moves || work->cancelled;
}

/* ---- the end ---- */

/*
 * Whether the output can be taken away: nothing points to it, and no
 * manifest may list it.
 */
static bool is_unused(const struct compaction *work)
{
	return work->cancelled || (work->n_moved == 0 && !work->is_in_limbo);
}

static void drop_output(struct store *store)
{
	struct segment *output = store->run.work.output;

	if (!output)
		return;
	if (store->run.in_table) {
		/* A clear may have retired it. */
		if (segments_get(store->segments, output->id) != output)
			return;
		segments_remove(store->segments, output);
		store->live_bytes -= output->live_bytes;
		store->dead_bytes -= output->dead_bytes;
	}
	retire_segment(&store->retire, output);
}

static void report(struct store *store, int result)
{
	struct compaction *work = &store->run.work;

	if (result == COMPACTION_DAMAGED) {
		struct segment *damaged = work->inputs[work->damaged_input];

		damaged->is_damaged = true;
		damaged->is_wanted = false;
		events_add(
			&store->events, EVENT_ERROR,
			"segment %u is damaged: it is not compacted, so that "
			"nothing of it is lost; 'getmectl check' tells what "
			"it is",
			damaged->id);
		return;
	}
	/* A full disk is a state of its own; others are told once. */
	if (result < 0 && !io_is_full(result) &&
	    result != store->run.last_error)
		events_add(&store->events, EVENT_WARNING,
			   "a compaction failed, it is tried again: %s",
			   strerror(-result));
	if (result < 0)
		store->run.last_error = result;
}

static void finish(struct store *store)
{
	struct store_run *run = &store->run;
	const struct segment *output = run->work.output;
	uint64_t written = output ? output->len : 0;

	run->n_runs++;
	run->last_error = 0;
	run->bytes_written += written;
	/* A longer header may be all that it has brought. */
	if (written < run->input_bytes)
		run->bytes_freed += run->input_bytes - written;
	/* A clear may have retired it meanwhile. */
	if (output && !run->work.hint_written && !output->replaced)
		upkeep_want_hint(store->upkeep, run->work.output);
	store_discard_replaced(store);
}

void store_compact_end(struct store *store, int result)
{
	struct store_run *run = &store->run;

	if (result == 0) {
		finish(store);
	} else {
		run->n_failed += result != COMPACTION_CANCELLED;
		report(store, result);
		/* Or it stays, for as long as the store is open. */
		if (!is_unused(&run->work))
			return;
		drop_output(store);
	}
	if (run->bytes_wanted > 0)
		run->bytes_done += run->input_bytes;
	compaction_deinit(&run->work);
	run->work.n_inputs = 0;
	upkeep_end_output(store->upkeep);
	retire_end(&store->retire, &run->hold);
}

void store_compact_cancel(struct store *store)
{
	struct compaction *work = &store->run.work;

	if (!is_running(store))
		return;
	work->cancelled = true;
	/*
	 * What it holds is counted nowhere any more.  Before it is in the
	 * table nothing is counted, and it is still the thread's that copies.
	 */
	if (store->run.in_table) {
		work->output->live_bytes = 0;
		work->output->dead_bytes = 0;
	}
}

void store_compact_close(struct store *store)
{
	if (!is_running(store))
		return;
	/* A manifest that may list it is made certain by upkeep's last one. */
	if (!store->run.work.is_in_limbo)
		drop_output(store);
	compaction_deinit(&store->run.work);
	store->run.work.n_inputs = 0;
	retire_end(&store->retire, &store->run.hold);
}

void store_compact_abandon(struct store *store)
{
	struct store_run *run = &store->run;

	/* The table's are freed with it. */
	if (is_running(store) && !run->in_table)
		segment_free(store->io, run->work.output);
	compaction_deinit(&run->work);
}

/* ---- full compactions ---- */

void store_compact_want_all(struct store *store)
{
	store->run.bytes_wanted = compaction_want_all(store->segments);
	store->run.bytes_done = 0;
}

static void want_not(void *ctx, struct segment *segment)
{
	(void)ctx;
	segment->is_wanted = false;
}

void store_compact_want_none(struct store *store)
{
	segments_each(store->segments, want_not, NULL);
	store->run.bytes_wanted = 0;
	store->run.bytes_done = 0;
}

uint64_t store_compact_done(const struct store *store)
{
	const struct store_run *run = &store->run;
	uint64_t done = run->bytes_done;

	if (run->bytes_wanted == 0)
		return 0;
	if (is_running(store))
		done += run->work.bytes_done;
	return done < run->bytes_wanted ? done : run->bytes_wanted;
}

/* ---- without threads ---- */

/* What follows the copy.  0, STORE_*, -errno. */
static int move_and_install(struct store *store)
{
	int result;

	while (!store_compact_move(store, SIZE_MAX))
		;
	result = store_log_result(log_sync(&store->log));
	if (result != 0)
		return result;
	result = compaction_install(&store->run.work);
	if (result == COMPACTION_UNKNOWN)
		return -EIO;
	/* Or a clear has taken all that it was about. */
	if (result == 0 || result == COMPACTION_CANCELLED)
		store_compact_end(store, result);
	return result == COMPACTION_CANCELLED ? 0 : result;
}

static int run_once(struct store *store)
{
	int result = compaction_copy(&store->run.work);

	if (result == 0)
		result = store_compact_copied(store);
	if (result != 0) {
		store_compact_end(store, result);
		/* What is damaged stays as it is. */
		return result == COMPACTION_DAMAGED ? 0 : result;
	}
	return move_and_install(store);
}

/* A run that could not end: it is tried again before any other. */
static int end_last(struct store *store)
{
	return is_running(store) ? move_and_install(store) : 0;
}

int store_compact_due(struct store *store)
{
	struct compaction_policy policy = COMPACTION_POLICY_DEFAULT;
	int result = store->log.read_only ? STORE_READ_ONLY : end_last(store);

	if (result == 0)
		result = store_compact_begin(store, &policy);
	if (result == 0)
		result = run_once(store);
	upkeep_settle(store->upkeep);
	return result;
}

int store_compact(struct store *store)
{
	struct compaction_policy policy = { 0 };
	int result = store->log.read_only ? STORE_READ_ONLY : end_last(store);

	if (result == 0)
		result = store_roll(store);
	if (result == 0)
		store_compact_want_all(store);
	while (result == 0) {
		result = store_compact_begin(store, &policy);
		if (result == 0)
			result = run_once(store);
	}
	store_compact_want_none(store);
	upkeep_settle(store->upkeep);
	return result == STORE_NOT_FOUND ? 0 : result;
}
