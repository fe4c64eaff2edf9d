#include "common/engine.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/engine_branch.h"
#include "common/engine_cold.h"
#include "common/monotonic.h"

enum {
	SYNC_INTERVAL_MS = 1000,
	VALUE_MAX = 64 << 20,
	/* rounds of one turn; what is left comes with the next wake */
	ROUNDS_MAX = 64,
	/* so many reads keep a disk busy; they do little else than wait */
	POOL_THREADS = 4,
	/* writes under way whose memory is kept: 1 MiB */
	WRITES_KEPT = 4096,
};

/* ---- lists of requests ---- */

void request_list_init(struct request_list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

void request_list_push(struct request_list *list,
		       struct engine_request *request)
{
	request->next = NULL;
	*list->last = request;
	list->last = &request->next;
}

struct engine_request *request_list_pop(struct request_list *list)
{
	struct engine_request *request = list->first;

	if (!request)
		return NULL;
	list->first = request->next;
	if (!list->first)
		list->last = &list->first;
	request->next = NULL;
	return request;
}

/* ---- memory ---- */

void *local_take(struct local *local, struct block *block, size_t len)
{
	block->data = spares_take(&local->spares, len, &block->cap);
	return block->data;
}

void local_give(struct local *local, struct block *block)
{
	spares_give(&local->spares, block->data, block->cap);
	memset(block, 0, sizeof(*block));
}

/* ---- one request ---- */

void local_finish(struct engine_request *request, int result)
{
	request->result = result;
	request->done(request);
}

static bool key_ok(const struct engine_bytes *key)
{
	return key->len > 0 && key->len <= ENGINE_KEY_MAX && key->data;
}

/* 0, -EINVAL, ENGINE_TOO_LARGE. */
static int check_keys(const struct engine_request *request, size_t n_max)
{
	size_t i;

	if (!request->keys || request->n_keys == 0)
		return -EINVAL;
	if (request->n_keys > n_max)
		return ENGINE_TOO_LARGE;
	for (i = 0; i < request->n_keys; i++) {
		if (!key_ok(&request->keys[i]))
			return request->keys[i].len > ENGINE_KEY_MAX
				       ? ENGINE_TOO_LARGE
				       : -EINVAL;
	}
	return 0;
}

int local_check(const struct local *local, const struct engine_request *request)
{
	if (local->closing)
		return ENGINE_CLOSED;
	if (request->deadline_ms != 0 && monotonic_ms() > request->deadline_ms)
		return ENGINE_DEADLINE;
	if (request->op == ENGINE_GET || request->op == ENGINE_STAT)
		return check_keys(request, 1);
	if (request->op == ENGINE_GET_MANY)
		return check_keys(request, ENGINE_KEYS_MAX);
	return request->op < ENGINE_N_OPS ? 0 : ENGINE_UNSUPPORTED;
}

static void count_keys(struct local *local, struct engine_request *request)
{
	request->count = index_count(local->store->index);
	local_finish(request, 0);
}

void local_begin(struct local *local, struct engine_request *request)
{
	static void (*const begin[ENGINE_N_OPS])(struct local *,
						 struct engine_request *) = {
		[ENGINE_GET] = local_get,
		[ENGINE_STAT] = local_get,
		[ENGINE_GET_MANY] = local_get_many,
		[ENGINE_WRITE] = local_write,
		[ENGINE_CLEAR] = local_clear,
		[ENGINE_COUNT] = count_keys,
		[ENGINE_SCAN] = local_scan,
		[ENGINE_SYNC] = local_sync,
		[ENGINE_STATS] = local_stats,
		[ENGINE_COMPACT] = local_compact,
		[ENGINE_BACKUP] = local_backup,
		[ENGINE_SHARE] = local_share,
	};
	int result = local_check(local, request);

	if (result != 0)
		local_finish(request, result);
	else
		begin[request->op](local, request);
}

static void local_submit(struct engine *engine, struct engine_request *request)
{
	struct local *local = (struct local *)(void *)engine;

	request->internal = NULL;
	request_list_push(&local->submitted, request);
}

/* ---- turns ---- */

static void unpark(struct local *local)
{
	struct engine_request *request = local->parked.first;

	while (request && (uintptr_t)request->internal <= local->done_ticket) {
		local_begin(local, request_list_pop(&local->parked));
		request = local->parked.first;
	}
}

static void complete_round(struct local *local)
{
	struct log_queue done;

	log_queue_init(&done);
	engine_log_take(&local->log, &done);
	local_complete(local, &done);
}

static void begin_round(struct local *local)
{
	struct request_list round = local->submitted;
	struct log_queue done;

	/* A list that is copied takes its end along. */
	if (!round.first)
		round.last = &round.first;
	request_list_init(&local->submitted);
	while (round.first) {
		if (!local_get_some(local, &round))
			local_begin(local, request_list_pop(&round));
	}
	log_queue_init(&done);
	if (local->group.first)
		local->n_groups++;
	engine_log_submit(&local->log, &local->group, &done);
	local_complete(local, &done);
}

static void local_turn(struct engine *engine)
{
	struct local *local = (struct local *)(void *)engine;
	struct io *io = local->store->io;
	int rounds = 0;

	/* done may not run a turn inside a turn. */
	if (local->in_turn)
		return;
	local->in_turn = true;
	local->turn_ms = io->clock_ms(io);
	mapped_tick(&local->store->mapped, monotonic_ms());
	retire_look(&local->store->retire);
	local_take_errands(local);
	complete_round(local);
	cold_take(local);
	local_end_backup(local, false);
	unpark(local);
	local_compact_turn(local);
	local_throttle_turn(local);
	do {
		begin_round(local);
		unpark(local);
	} while ((local->submitted.first || local->group.first) &&
		 ++rounds < ROUNDS_MAX);
	if (local->submitted.first || local->group.first)
		local->host.wake(local->host.ctx);
	store_sweep(local->store);
	local_watch_state(local);
	local->in_turn = false;
}

static int local_next_timeout_ms(struct engine *engine)
{
	return local_compact_timeout_ms((struct local *)(void *)engine);
}

static bool local_take_event(struct engine *engine, struct engine_event *event)
{
	struct local *local = (struct local *)(void *)engine;
	struct event taken;

	if (!events_take(&local->store->events, &taken))
		return false;
	event->priority = taken.priority;
	memcpy(event->text, taken.text, sizeof(event->text));
	return true;
}

static void local_capabilities(struct engine *engine,
			       struct engine_capabilities *capabilities)
{
	const struct local *local = (const struct local *)(void *)engine;

	capabilities->value_max = local->value_max;
	capabilities->batches = true;
	capabilities->conditions = true;
	capabilities->default_durability = local->durability;
}

/* ---- closing ---- */

static void refuse_all(struct request_list *list)
{
	struct engine_request *request;

	while ((request = request_list_pop(list)) != NULL)
		local_finish(request, ENGINE_CLOSED);
}

static void release(struct local *local)
{
	read_pool_free(local->pool);
	pending_deinit(&local->pending);
	pool_deinit(&local->writes);
	spares_deinit(&local->spares);
	free(local);
}

static int local_close(struct engine *engine)
{
	struct local *local = (struct local *)(void *)engine;
	struct log_queue done;
	int result;

	local->closing = true;
	local_compact_stop(local);
	/* What the last turn decided but left for the next one. */
	log_queue_init(&done);
	engine_log_submit(&local->log, &local->group, &done);
	local_complete(local, &done);
	engine_log_wait(&local->log);
	/* These may still have something to read; nothing else comes. */
	complete_round(local);
	cold_close(local);
	/* done of the last ones may submit more: that is refused. */
	local_end_backup(local, true);
	/* done of the last writes may submit more: that is refused. */
	do {
		complete_round(local);
		local_take_errands(local);
		refuse_all(&local->parked);
		refuse_all(&local->held);
		refuse_all(&local->compact.waiting);
		refuse_all(&local->submitted);
	} while (local->submitted.first);
	engine_log_stop(&local->log);
	result = store_close(local->store);
	release(local);
	return result;
}

/* ---- opening ---- */

static const struct engine_ops ops = {
	.submit = local_submit,
	.turn = local_turn,
	.next_timeout_ms = local_next_timeout_ms,
	.take_event = local_take_event,
	.state = local_state,
	.capabilities = local_capabilities,
	.close = local_close,
	.branch = local_branch,
};

static struct local *local_new(const struct engine_local_options *options,
			       const struct engine_host *host)
{
	struct local *local = calloc(1, sizeof(*local));

	if (!local)
		return NULL;
	if (pending_init(&local->pending) < 0) {
		free(local);
		return NULL;
	}
	pool_init(&local->writes, sizeof(struct write), WRITES_KEPT);
	local->engine.ops = &ops;
	local->host = *host;
	local->durability =
		options->durability ? options->durability : ENGINE_ALWAYS;
	local->value_max = options->value_max ? options->value_max : VALUE_MAX;
	/* What an entry can hold. */
	if (local->value_max > STORE_VALUE_MAX)
		local->value_max = STORE_VALUE_MAX;
	local->next_ticket = 1;
	request_list_init(&local->submitted);
	request_list_init(&local->parked);
	request_list_init(&local->held);
	request_list_init(&local->compact.waiting);
	log_queue_init(&local->group);
	if (getrandom(&local->instance, sizeof(local->instance), 0) !=
	    (ssize_t)sizeof(local->instance))
		local->instance = monotonic_ms();
	return local;
}

static int open_store(struct local *local,
		      const struct engine_local_options *options,
		      struct engine_local_error *error)
{
	struct store_options store_options = {
		.dir = options->dir,
		.io = options->io,
		.segment_size = options->segment_size,
		.hold_reserve = true,
		.progress = options->progress,
		.progress_ctx = options->progress_ctx,
		.changed = local->host.wake,
		.changed_ctx = local->host.ctx,
	};
	struct store_error why = { "" };
	int result = store_open(&store_options, &local->store, &why);

	if (result < 0)
		snprintf(error->text, sizeof(error->text), "%s", why.text);
	else
		local->store->index_number = local->instance;
	return result;
}

static int start_threads(struct local *local,
			 const struct engine_compaction *compaction,
			 uint64_t interval_ms)
{
	sigset_t all;
	sigset_t before;
	int result;

	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	result = read_pool_new(POOL_THREADS, local->host.wake, local->host.ctx,
			       &local->pool);
	if (result == 0)
		result = upkeep_start(local->store->upkeep);
	if (result == 0)
		result = engine_log_start(&local->log, &local->store->log,
					  &local->host, interval_ms);
	if (result == 0)
		result = local_compact_start(local, compaction);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (result == 0)
		upkeep_want_spare(local->store->upkeep);
	return result;
}

int engine_local_open(const struct engine_local_options *options,
		      const struct engine_host *host, struct engine **engine,
		      struct engine_local_error *error)
{
	uint64_t interval_ms = options->sync_interval_ms
				       ? options->sync_interval_ms
				       : SYNC_INTERVAL_MS;
	struct local *local = local_new(options, host);
	int result;

	if (!local) {
		snprintf(error->text, sizeof(error->text), "out of memory");
		return -ENOMEM;
	}
	result = open_store(local, options, error);
	if (result < 0) {
		release(local);
		return result;
	}
	result = start_threads(local, &options->compaction, interval_ms);
	if (result < 0) {
		snprintf(error->text, sizeof(error->text),
			 "cannot start a thread: %s", strerror(-result));
		engine_log_stop(&local->log);
		store_close(local->store);
		release(local);
		return result;
	}
	*engine = &local->engine;
	return 0;
}

const char *engine_result_text(int result)
{
	switch (result) {
	case ENGINE_OK:
		return "done";
	case ENGINE_NOT_FOUND:
		return "not found";
	case ENGINE_CONDITION:
		return "the condition was not met";
	case ENGINE_CORRUPT:
		return "the entry is damaged on disk";
	case ENGINE_NOT_INTEGER:
		return "the value is not a 64-bit decimal integer";
	case ENGINE_OVERFLOW:
		return "the sum does not fit 64 bits";
	case ENGINE_UNKNOWN:
		return "a sync failed: whether the write is there is not "
		       "known";
	case ENGINE_READ_ONLY:
		return "the store is read-only after a failed sync: check "
		       "the disk, then restart getmed";
	case ENGINE_DEADLINE:
		return "not begun before its deadline";
	case ENGINE_UNSUPPORTED:
		return "not supported";
	case ENGINE_TOO_LARGE:
		return "too large";
	case ENGINE_BAD_CURSOR:
		return "not a cursor of this run of the daemon";
	case ENGINE_CLOSED:
		return "the daemon is stopping";
	case ENGINE_REFUSED:
		return "the folder cannot be used";
	case ENGINE_BUSY:
		return "one is under way already: try again when it has ended";
	case -ENOSPC:
		return "the disk is full: free some room; deletes still work";
	default:
		return result < 0 ? strerror(-result) : "unknown result";
	}
}
