#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/engine_decide.h"

enum {
	/* records; less is not there in time, more is gone again */
	BUCKETS_AHEAD = 16,
	SLOTS_AHEAD = 8,
};

/* ---- into the group ---- */

static struct write *write_take(struct local *local)
{
	struct write *write = pool_take(&local->writes);

	if (!write)
		return NULL;
	write->record = NULL;
	write->request = NULL;
	write->durability = ENGINE_DEFAULT;
	write->ticket = 0;
	write->index = NULL;
	write->nodes = &write->only_node;
	memset(&write->node_block, 0, sizeof(write->node_block));
	memset(&write->value, 0, sizeof(write->value));
	write->guessed = false;
	write->unsure = false;
	write->is_run_sync = false;
	return write;
}

static void write_free(struct local *local, struct write *write)
{
	if (!write)
		return;
	index_free(write->index);
	local_give(local, &write->node_block);
	local_give(local, &write->value);
	record_free(write->record);
	pool_give(&local->writes, write);
}

static void enqueue(struct local *local, struct write *write)
{
	struct log_record *record = &write->record->log;
	struct record *whole = write->record;
	uint32_t i;

	whole->user = write;
	write->ticket = local->next_ticket++;
	record->seen_refusals = local->seen_refusals;
	for (i = 0; i < whole->n_ops; i++) {
		write->nodes[i].digest = whole->digests[i];
		write->nodes[i].write = write;
		write->nodes[i].item = i;
		pending_add(&local->pending, &write->nodes[i]);
	}
	local_throttle_take(local, record->len);
	log_queue_push(&local->group, record);
	if (write->durability == ENGINE_ALWAYS)
		local->group.sync = true;
	else if (write->durability == ENGINE_INTERVAL)
		local->group.interval = true;
	local->n_records++;
}

static struct write *write_new(struct local *local, const struct record_op *ops,
			       size_t n, uint64_t now_ms)
{
	struct store *store = local->store;
	struct write *write = write_take(local);

	if (!write)
		return NULL;
	write->record =
		record_new_in(&local->spares, ops, n, store->secret, now_ms);
	if (n > 1)
		write->nodes = local_take(local, &write->node_block,
					  n * sizeof(*write->nodes));
	if (!write->record || !write->nodes ||
	    store_reserve(store, write->record, local->pending.n_nodes) < 0) {
		write_free(local, write);
		return NULL;
	}
	return write;
}

static int submit_draft(struct draft *draft)
{
	struct local *local = draft->local;
	struct engine_request *request = draft->request;
	struct write *write =
		write_new(local, draft->ops, draft->n_ops, local->turn_ms);

	if (!write)
		return -ENOMEM;
	write->request = request;
	write->durability =
		request->durability ? request->durability : local->durability;
	write->value = draft->value;
	memset(&draft->value, 0, sizeof(draft->value));
	write->record->log.depends = draft->depends;
	write->guessed = draft->guessed;
	write->unsure = draft->unsure;
	request->internal = write;
	enqueue(local, write);
	return 0;
}

static void answer_write(struct local *local, struct engine_request *request,
			 int result)
{
	request->reached =
		request->durability ? request->durability : local->durability;
	local_finish(request, result);
}

int local_submit_special(struct local *local, struct engine_request *request,
			 enum log_record_kind kind, struct index *index)
{
	struct write *write = write_take(local);

	if (write)
		write->record = record_new_special_in(&local->spares, kind);
	if (!write || !write->record) {
		index_free(index);
		write_free(local, write);
		return -ENOMEM;
	}
	write->request = request;
	write->index = index;
	write->durability = ENGINE_ALWAYS;
	request->internal = write;
	if (kind == LOG_CLEAR)
		local->n_clears++;
	enqueue(local, write);
	return 0;
}

static void submit_plain(struct local *local, struct engine_request *request,
			 enum log_record_kind kind)
{
	int result = local_submit_special(local, request, kind, NULL);

	if (result < 0)
		local_finish(request, result);
}

/*
 * Deletes of nothing are logged nowhere, but what took the keys away may not
 * be durable yet.
 */
static bool wants_sync(struct local *local,
		       const struct engine_request *request)
{
	enum engine_durability durability =
		request->durability ? request->durability : local->durability;

	return durability != ENGINE_NONE && !engine_log_is_clean(&local->log);
}

static void park(struct local *local, struct engine_request *request,
		 uint64_t ticket)
{
	local->n_parked++;
	request->internal = (void *)(uintptr_t)ticket;
	request_list_push(&local->parked, request);
}

void local_settled(struct local *local, struct engine_request *request,
		   struct settle *settle)
{
	enum decision decision = DECIDE_ANSWER;
	struct draft draft;

	if (local->closing) {
		local_finish(request, ENGINE_CLOSED);
		return;
	}
	if (local_throttle_holds(local, request) || local->n_clears > 0) {
		local_throttle_hold(local, request);
		return;
	}
	draft.result = draft_init(&draft, local, request);
	draft.read = settle;
	if (draft.result == 0)
		decision = draft_decide(&draft);
	if (decision == DECIDE_WRITE) {
		draft.result = submit_draft(&draft);
		if (draft.result != 0)
			decision = DECIDE_ANSWER;
	}
	if (decision == DECIDE_PARK)
		park(local, request, draft.ticket);
	if (decision == DECIDE_READ)
		settle_submit(local, request);
	draft_deinit(&draft);
	view_buffer_trim(&local->store->buffer, 1 << 20);
	if (decision != DECIDE_ANSWER)
		return;
	if (draft.result == 0 && wants_sync(local, request))
		submit_plain(local, request, LOG_SYNC);
	else
		answer_write(local, request, draft.result);
}

void local_write(struct local *local, struct engine_request *request)
{
	local_settled(local, request, NULL);
}

/* ---- clear, sync, expiry ---- */

/*
 * The empty index is made before anything is logged, so that a clear that is
 * durable can always be made visible.  Writes wait until it is.  It waits
 * for those that are held, or it would leave what it is to take away.
 */
void local_clear(struct local *local, struct engine_request *request)
{
	struct index *index;
	int result;

	if (local->n_clears > 0 || local->held.first) {
		request_list_push(&local->held, request);
		return;
	}
	if (local->store->log.read_only) {
		local_finish(request, ENGINE_READ_ONLY);
		return;
	}
	result = store_new_index(local->store, &index);
	if (result < 0) {
		local_finish(request, result);
		return;
	}
	result = local_submit_special(local, request, LOG_CLEAR, index);
	if (result < 0)
		local_finish(request, result);
}

int local_sync_run(struct local *local)
{
	struct write *write = write_take(local);

	if (write)
		write->record = record_new_special_in(&local->spares, LOG_SYNC);
	if (!write || !write->record) {
		write_free(local, write);
		return -ENOMEM;
	}
	write->is_run_sync = true;
	write->durability = ENGINE_ALWAYS;
	enqueue(local, write);
	return 0;
}

/* What is in the active segment is to be looked through too. */
void local_compact(struct local *local, struct engine_request *request)
{
	if (local->store->log.read_only) {
		local_finish(request, ENGINE_READ_ONLY);
		return;
	}
	submit_plain(local, request, LOG_ROLL);
}

void local_sync(struct local *local, struct engine_request *request)
{
	if (local->store->log.read_only) {
		local_finish(request, ENGINE_READ_ONLY);
		return;
	}
	submit_plain(local, request, LOG_SYNC);
}

void local_expire(struct local *local, const struct digest *digest,
		  const void *key, size_t key_len,
		  const struct index_place *place)
{
	struct record_op op = {
		.is_delete = true,
		.key = key,
		.key_len = (uint16_t)key_len,
	};
	struct io *io = local->store->io;
	struct index_place now;
	struct write *write;

	/* Only what is still there, and nobody writes meanwhile. */
	if (local->store->log.read_only || local->n_clears > 0 ||
	    local->closing || pending_find(&local->pending, digest) ||
	    index_get(local->store->index, digest, &now) != 0 ||
	    now.segment != place->segment || now.off8 != place->off8)
		return;
	write = write_new(local, &op, 1, io->clock_ms(io));
	if (!write)
		return;
	write->durability = ENGINE_NONE;
	local->n_expired++;
	enqueue(local, write);
}

/* ---- the end of a write ---- */

static int result_of(const struct log_record *record)
{
	switch (record->result) {
	case LOG_UNKNOWN:
		return ENGINE_UNKNOWN;
	case LOG_READ_ONLY:
		return ENGINE_READ_ONLY;
	default:
		return record->result;
	}
}

/*
 * Only deletes of nothing have no entry, and then all mutations are deletes,
 * which have no version.
 */
static void tell_versions(const struct write *write)
{
	struct engine_request *request = write->request;
	const struct record *record = write->record;
	uint32_t i;

	if (record->n_ops != request->n_mutations)
		return;
	for (i = 0; i < record->n_ops; i++) {
		if (!record->deletes[i])
			request->mutations[i].version =
				record_item(record, i)->sequence;
	}
}

void local_submit_first(struct local *local, struct request_list *list)
{
	if (!list->first)
		return;
	*list->last = local->submitted.first;
	if (local->submitted.first)
		list->last = local->submitted.last;
	local->submitted = *list;
	request_list_init(list);
}

void local_release_held(struct local *local)
{
	local_submit_first(local, &local->held);
}

static void end_special(struct local *local, struct write *write, int result)
{
	if (write->record->log.kind == LOG_CLEAR) {
		local->n_clears--;
		if (result == 0) {
			store_make_cleared(local->store, write->index);
			write->index = NULL;
			engine_worker_hurry(&local->compact.worker);
		}
		local_release_held(local);
	}
	if (write->is_run_sync)
		local_compact_synced(local, result);
	else if (write->request->op == ENGINE_COMPACT && result == 0)
		local_compact_rolled(local, write->request);
	else if (write->record->log.kind == LOG_CUT)
		local_backup_cut(local, result);
	else if (write->request->op == ENGINE_WRITE)
		answer_write(local, write->request, result);
	else
		local_finish(write->request, result);
}

/* A write that was refused meanwhile did not make the key. */
static bool told_wrongly(const struct local *local, const struct write *write)
{
	return write->unsure ||
	       (write->guessed &&
		write->record->log.seen_refusals != local->seen_refusals);
}

static void end_write(struct local *local, struct write *write, int result)
{
	struct engine_request *request = write->request;
	bool is_later = false;

	if (request)
		request->reached = write->durability;
	if (result == 0 && told_wrongly(local, write))
		is_later = settle_existed(local, request);
	if (result == 0)
		store_make_visible(local->store, write->record);
	if (!request)
		return;
	if (result == LOG_STALE) {
		request_list_push(&local->submitted, request);
		return;
	}
	if (result == 0)
		tell_versions(write);
	if (!is_later)
		local_finish(request, result);
}

static void end_record(struct local *local, struct log_record *log_record)
{
	struct record *record = (struct record *)(void *)log_record;
	struct write *write = record->user;
	int result = result_of(log_record);
	uint32_t i;

	local->done_ticket = write->ticket;
	if (log_record->result != 0)
		local->seen_refusals++;
	/* The newest first: where a key is named often that is quick. */
	for (i = record->n_ops; i > 0; i--)
		pending_remove(&local->pending, &write->nodes[i - 1]);
	if (log_record->kind == LOG_WRITE)
		end_write(local, write,
			  log_record->result == LOG_STALE ? LOG_STALE : result);
	else
		end_special(local, write, result);
	write_free(local, write);
}

/* The memory of a record's first key, before the record's turn comes. */
static void prefetch(const struct local *local, const struct log_record *record,
		     void (*how)(const struct lookup_map *map,
				 const struct digest *digest))
{
	const struct record *whole =
		(const struct record *)(const void *)record;

	if (whole->n_ops > 0)
		how(index_map(local->store->index), &whole->digests[0]);
}

/*
 * Each record's bucket is fetched some records ahead, and its slot when the
 * bucket is there: a group waits for the memory less often than once a key.
 */
void local_complete(struct local *local, struct log_queue *done)
{
	struct log_record *record = done->first;
	struct log_record *slot_of = record;
	struct log_record *bucket_of = record;
	int n_slots = 0; /* that are ahead of the record */
	int n_buckets = 0;

	while (record) {
		struct log_record *next = record->next;

		for (; bucket_of && n_buckets < BUCKETS_AHEAD; n_buckets++) {
			prefetch(local, bucket_of, lookup_prefetch);
			bucket_of = bucket_of->next;
		}
		for (; slot_of && n_slots < SLOTS_AHEAD; n_slots++) {
			prefetch(local, slot_of, lookup_prefetch_slot);
			slot_of = slot_of->next;
		}
		n_buckets--;
		n_slots--;
		end_record(local, record);
		record = next;
	}
	log_queue_init(done);
}
