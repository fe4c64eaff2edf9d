#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/engine_internal.h"

enum {
	NUMBER_TEXT_MAX = 21, /* "-9223372036854775808" and its end */
};

/* Where a decision comes to. */
enum decision {
	DECIDE_WRITE,  /* log it */
	DECIDE_ANSWER, /* answer now, with result */
	DECIDE_PARK,   /* answer when ticket has ended: decide again then */
};

/* A write while it is decided. */
struct draft {
	struct local *local;
	struct engine_request *request;
	struct record_op *ops;
	size_t n_ops;
	bool depends;	 /* on a write that is still pending */
	uint64_t ticket; /* the latest of those */
	uint64_t now_ms;
	uint8_t *value; /* made for incr and touch; owned */
	int result;	/* of DECIDE_ANSWER */
};

/* What is known of a key before a write. */
struct key_state {
	bool exists;
	bool pending;
	uint64_t version; /* 0: not known yet, it is pending */
	uint64_t expires_at_ms;
	const uint8_t *value; /* borrowed until the next read */
	size_t value_len;
};

enum look {
	LOOK_EXISTS,
	LOOK_VERSION,
	LOOK_VALUE,
};

/* ---- looking at keys ---- */

static bool expired(const struct draft *draft, uint64_t expires_at_ms)
{
	return expires_at_ms != 0 && draft->now_ms >= expires_at_ms;
}

/* The newest pending write of the key tells what it will be. */
static void look_pending(struct draft *draft, const struct pending_node *node,
			 struct key_state *state)
{
	const struct write *write = node->write;
	const struct record *record = write->record;
	const struct log_item *item = record_item(record, node->item);
	uint64_t expires_at_ms = record->expires_at_ms[node->item];

	draft->depends = true;
	if (write->ticket > draft->ticket)
		draft->ticket = write->ticket;
	state->pending = true;
	if (record->deletes[node->item])
		return;
	state->expires_at_ms = expires_at_ms;
	state->exists = !expired(draft, expires_at_ms);
	state->value = item->value ? item->value :
				     item->head + item->head_len;
	state->value_len = item->value_len;
}

static int look_stored(struct draft *draft, const struct engine_bytes *key,
		       const struct digest *digest, enum look look,
		       struct key_state *state)
{
	struct store *store = draft->local->store;
	struct view view = store_view(store);
	struct view_entry entry;
	struct index_place place;
	int result;

	if (index_get(store->index, digest, &place) != 0)
		return 0;
	if (look == LOOK_EXISTS && !(place.flags & INDEX_HAS_EXPIRY)) {
		state->exists = true;
		return 0;
	}
	result = view_get(&view, digest, key->data, key->len,
			  look == LOOK_VALUE ? VIEW_VALUE : VIEW_HEAD,
			  &store->buffer, &entry);
	if (result == VIEW_NOT_FOUND || result == VIEW_EXPIRED)
		return 0;
	if (result == VIEW_CORRUPT) {
		store_note_corrupt(store, &entry.place);
		return ENGINE_CORRUPT;
	}
	if (result != 0)
		return result < 0 ? result : -EIO;
	state->exists = true;
	state->version = entry.version;
	state->expires_at_ms = entry.expires_at_ms;
	state->value = entry.value;
	state->value_len = (size_t)entry.value_len;
	return 0;
}

/* 0, ENGINE_CORRUPT, -errno. */
static int look_at(struct draft *draft, const struct engine_bytes *key,
		   enum look look, struct key_state *state)
{
	struct local *local = draft->local;
	struct digest digest =
		digest_of(local->store->secret, key->data, key->len);
	const struct pending_node *node =
		pending_find(&local->pending, &digest);

	memset(state, 0, sizeof(*state));
	if (node) {
		look_pending(draft, node, state);
		return 0;
	}
	return look_stored(draft, key, &digest, look, state);
}

/* ---- deciding ---- */

static enum decision answer(struct draft *draft, int result)
{
	draft->result = result;
	/* Errors of the request itself depend on nothing. */
	return draft->depends ? DECIDE_PARK : DECIDE_ANSWER;
}

static int check_size(const struct draft *draft,
		      const struct engine_mutation *mutation)
{
	if (mutation->key.len == 0 || !mutation->key.data)
		return -EINVAL;
	if (mutation->key.len > ENGINE_KEY_MAX)
		return ENGINE_TOO_LARGE;
	if (mutation->kind == ENGINE_PUT &&
	    mutation->value.len > draft->local->value_max)
		return ENGINE_TOO_LARGE;
	if ((mutation->kind == ENGINE_INCR || mutation->kind == ENGINE_TOUCH) &&
	    draft->request->n_mutations != 1)
		return -EINVAL;
	return 0;
}

static int check_write(const struct draft *draft)
{
	const struct engine_request *request = draft->request;
	uint64_t bytes = 0;
	size_t i;

	if (!request->mutations || request->n_mutations == 0)
		return -EINVAL;
	if (request->n_mutations > ENGINE_BATCH_MAX)
		return ENGINE_TOO_LARGE;
	for (i = 0; i < request->n_mutations; i++) {
		const struct engine_mutation *mutation =
			&request->mutations[i];
		int result = check_size(draft, mutation);

		if (result != 0)
			return result;
		bytes += mutation->key.len + mutation->value.len;
	}
	if (request->n_mutations > 1 && bytes > ENGINE_BATCH_BYTES)
		return ENGINE_TOO_LARGE;
	return 0;
}

/* 0: met, or there is none.  ENGINE_CONDITION, ENGINE_CORRUPT, -errno. */
static int check_condition(struct draft *draft,
			   const struct engine_mutation *mutation)
{
	struct key_state state;
	int result;

	if (mutation->condition == ENGINE_ALWAYS_DO)
		return 0;
	result = look_at(draft, &mutation->key,
			 mutation->condition == ENGINE_IF_VERSION ?
				 LOOK_VERSION :
				 LOOK_EXISTS,
			 &state);
	if (result != 0)
		return result;
	if (mutation->condition == ENGINE_IF_ABSENT)
		return state.exists ? ENGINE_CONDITION : 0;
	/* Nobody can know the version of a write that is pending. */
	if (!state.exists || state.version != mutation->if_version)
		return ENGINE_CONDITION;
	return 0;
}

static int check_conditions(struct draft *draft)
{
	struct engine_request *request = draft->request;
	size_t i;

	for (i = 0; i < request->n_mutations; i++) {
		int result = check_condition(draft, &request->mutations[i]);

		if (result != 0) {
			request->failed_index = i;
			return result;
		}
	}
	return 0;
}

static void add_op(struct draft *draft, const struct record_op *op)
{
	draft->ops[draft->n_ops++] = *op;
}

static void draft_put(struct draft *draft, size_t i)
{
	const struct engine_mutation *mutation = &draft->request->mutations[i];
	struct record_op op = {
		.key = mutation->key.data,
		.key_len = (uint16_t)mutation->key.len,
		.value = mutation->value.data,
		.value_len = (uint32_t)mutation->value.len,
		.expires_at_ms = mutation->expires_at_ms,
	};

	add_op(draft, &op);
}

/* A key that is not there needs no tombstone, unless the batch puts it. */
static int draft_delete(struct draft *draft, size_t i, bool batch_puts)
{
	struct engine_mutation *mutation = &draft->request->mutations[i];
	struct record_op op = {
		.is_delete = true,
		.key = mutation->key.data,
		.key_len = (uint16_t)mutation->key.len,
	};
	struct key_state state;
	int result = look_at(draft, &mutation->key, LOOK_EXISTS, &state);

	/* What is damaged can still be deleted. */
	if (result == ENGINE_CORRUPT)
		state.exists = true;
	else if (result != 0)
		return result;
	mutation->existed = state.exists;
	if (state.exists || batch_puts)
		add_op(draft, &op);
	return 0;
}

static bool has_puts(const struct engine_request *request)
{
	size_t i;

	for (i = 0; i < request->n_mutations; i++) {
		if (request->mutations[i].kind == ENGINE_PUT)
			return true;
	}
	return false;
}

/* A 64-bit decimal: optional '-', digits, no blanks, no other text. */
static int parse_number(const uint8_t *text, size_t len, int64_t *number)
{
	bool negative = len > 0 && text[0] == '-';
	uint64_t limit = (uint64_t)INT64_MAX + negative;
	uint64_t value = 0;
	size_t i;

	if (len == 0 || len >= NUMBER_TEXT_MAX || len == (size_t)negative)
		return ENGINE_NOT_INTEGER;
	for (i = negative; i < len; i++) {
		unsigned int digit = (unsigned int)text[i] - '0';

		if (digit > 9 || value > (limit - digit) / 10)
			return ENGINE_NOT_INTEGER;
		value = value * 10 + digit;
	}
	*number = negative ? (int64_t)(0 - value) : (int64_t)value;
	return 0;
}

static int draft_incr(struct draft *draft)
{
	struct engine_mutation *mutation = &draft->request->mutations[0];
	struct record_op op = {
		.key = mutation->key.data,
		.key_len = (uint16_t)mutation->key.len,
	};
	struct key_state state;
	int64_t number = 0;
	int result = look_at(draft, &mutation->key, LOOK_VALUE, &state);

	if (result == 0 && state.exists)
		result = parse_number(state.value, state.value_len, &number);
	if (result != 0)
		return result;
	if (__builtin_add_overflow(number, mutation->by, &number))
		return ENGINE_OVERFLOW;
	draft->value = malloc(NUMBER_TEXT_MAX);
	if (!draft->value)
		return -ENOMEM;
	op.value_len = (uint32_t)snprintf((char *)draft->value,
					  NUMBER_TEXT_MAX, "%" PRId64, number);
	op.value = draft->value;
	op.expires_at_ms = state.exists ? state.expires_at_ms : 0;
	mutation->existed = state.exists;
	mutation->number = number;
	add_op(draft, &op);
	return 0;
}

static int draft_touch(struct draft *draft)
{
	struct engine_mutation *mutation = &draft->request->mutations[0];
	struct record_op op = {
		.key = mutation->key.data,
		.key_len = (uint16_t)mutation->key.len,
		.expires_at_ms = mutation->expires_at_ms,
	};
	struct key_state state;
	int result = look_at(draft, &mutation->key, LOOK_VALUE, &state);

	if (result != 0)
		return result;
	if (!state.exists)
		return ENGINE_NOT_FOUND;
	draft->value = malloc(state.value_len ? state.value_len : 1);
	if (!draft->value)
		return -ENOMEM;
	if (state.value_len > 0)
		memcpy(draft->value, state.value, state.value_len);
	op.value = draft->value;
	op.value_len = (uint32_t)state.value_len;
	mutation->existed = true;
	add_op(draft, &op);
	return 0;
}

static int draft_ops(struct draft *draft)
{
	const struct engine_request *request = draft->request;
	bool batch_puts = has_puts(request);
	size_t i;
	int result = 0;

	for (i = 0; result == 0 && i < request->n_mutations; i++) {
		switch (request->mutations[i].kind) {
		case ENGINE_PUT:
			draft_put(draft, i);
			break;
		case ENGINE_DELETE:
			result = draft_delete(draft, i, batch_puts);
			break;
		case ENGINE_INCR:
			result = draft_incr(draft);
			break;
		case ENGINE_TOUCH:
			result = draft_touch(draft);
			break;
		}
	}
	return result;
}

static int compare_keys(const void *a, const void *b)
{
	const struct engine_mutation *left = *(struct engine_mutation *const *)a;
	const struct engine_mutation *right =
		*(struct engine_mutation *const *)b;
	size_t len = left->key.len < right->key.len ? left->key.len :
						      right->key.len;
	int order = memcmp(left->key.data, right->key.data, len);

	if (order != 0)
		return order;
	if (left->key.len != right->key.len)
		return left->key.len < right->key.len ? -1 : 1;
	return left < right ? -1 : 1;
}

/* A key that is named twice in a list of deletes was there once. */
static int count_once(struct engine_request *request)
{
	size_t n = request->n_mutations;
	struct engine_mutation **sorted;
	size_t i;

	if (n < 2 || has_puts(request))
		return 0;
	sorted = calloc(n, sizeof(struct engine_mutation *));
	if (!sorted)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		sorted[i] = &request->mutations[i];
	qsort(sorted, n, sizeof(struct engine_mutation *), compare_keys);
	for (i = 1; i < n; i++) {
		const struct engine_bytes *key = &sorted[i - 1]->key;

		if (key->len == sorted[i]->key.len &&
		    memcmp(key->data, sorted[i]->key.data, key->len) == 0)
			sorted[i]->existed = false;
	}
	free(sorted);
	return 0;
}

static enum decision decide(struct draft *draft)
{
	int result = check_write(draft);

	if (result != 0) {
		draft->result = result;
		return DECIDE_ANSWER;
	}
	if (draft->local->store->log.read_only) {
		draft->result = ENGINE_READ_ONLY;
		return DECIDE_ANSWER;
	}
	result = check_conditions(draft);
	if (result == 0)
		result = draft_ops(draft);
	if (result == 0)
		result = count_once(draft->request);
	if (result != 0)
		return answer(draft, result);
	/* Deletes of nothing. */
	if (draft->n_ops == 0)
		return answer(draft, 0);
	return DECIDE_WRITE;
}

/* ---- into the group ---- */

static void write_free(struct write *write)
{
	if (!write)
		return;
	index_free(write->index);
	free(write->nodes);
	free(write->value);
	record_free(write->record);
	free(write);
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
	log_queue_push(&local->group, record);
	if (write->durability == ENGINE_ALWAYS)
		local->group.sync = true;
	else if (write->durability == ENGINE_INTERVAL)
		local->group.interval = true;
	local->n_records++;
}

static struct write *write_new(struct local *local, const struct record_op *ops,
			       size_t n)
{
	struct store *store = local->store;
	struct write *write = calloc(1, sizeof(*write));

	if (!write)
		return NULL;
	write->record = record_new(ops, n, store->secret,
				   store->io->clock_ms(store->io));
	write->nodes = calloc(n, sizeof(*write->nodes));
	if (!write->record || !write->nodes ||
	    store_reserve(store, write->record, local->pending.n_nodes) < 0) {
		write_free(write);
		return NULL;
	}
	return write;
}

static int submit_draft(struct draft *draft)
{
	struct local *local = draft->local;
	struct engine_request *request = draft->request;
	struct write *write = write_new(local, draft->ops, draft->n_ops);

	if (!write)
		return -ENOMEM;
	write->request = request;
	write->durability = request->durability ? request->durability :
						  local->durability;
	write->value = draft->value;
	draft->value = NULL;
	write->record->log.depends = draft->depends;
	request->internal = write;
	enqueue(local, write);
	return 0;
}

static int draft_init(struct draft *draft, struct local *local,
		      struct engine_request *request)
{
	size_t n = request->n_mutations;

	memset(draft, 0, sizeof(*draft));
	if (n > ENGINE_BATCH_MAX)
		n = 1;
	draft->local = local;
	draft->request = request;
	draft->now_ms = local->store->io->clock_ms(local->store->io);
	draft->ops = calloc(n + 1, sizeof(*draft->ops));
	return draft->ops ? 0 : -ENOMEM;
}

static void draft_deinit(struct draft *draft)
{
	free(draft->ops);
	free(draft->value);
}

static void answer_write(struct local *local, struct engine_request *request,
			 int result)
{
	request->reached = request->durability ? request->durability :
						 local->durability;
	local_finish(request, result);
}

void local_write(struct local *local, struct engine_request *request)
{
	enum decision decision = DECIDE_ANSWER;
	struct draft draft;

	if (local->n_clears > 0) {
		request_list_push(&local->held, request);
		return;
	}
	draft.result = draft_init(&draft, local, request);
	if (draft.result == 0)
		decision = decide(&draft);
	if (decision == DECIDE_WRITE) {
		draft.result = submit_draft(&draft);
		if (draft.result != 0)
			decision = DECIDE_ANSWER;
	}
	if (decision == DECIDE_PARK) {
		local->n_parked++;
		request->internal = (void *)(uintptr_t)draft.ticket;
		request_list_push(&local->parked, request);
	}
	draft_deinit(&draft);
	view_buffer_trim(&local->store->buffer, 1 << 20);
	if (decision == DECIDE_ANSWER)
		answer_write(local, request, draft.result);
}

/* ---- records without entries ---- */

static void submit_special(struct local *local, struct engine_request *request,
			   enum log_record_kind kind, struct index *index)
{
	struct write *write = calloc(1, sizeof(*write));

	if (write)
		write->record = record_new_special(kind);
	if (!write || !write->record) {
		index_free(index);
		write_free(write);
		local_finish(request, -ENOMEM);
		return;
	}
	write->request = request;
	write->index = index;
	write->durability = ENGINE_ALWAYS;
	request->internal = write;
	if (kind == LOG_CLEAR)
		local->n_clears++;
	enqueue(local, write);
}

/*
 * The empty index is made before anything is logged, so that a clear that is
 * durable can always be made visible.  Writes wait until it is.
 */
void local_clear(struct local *local, struct engine_request *request)
{
	struct index *index;
	int result;

	if (local->n_clears > 0) {
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
	submit_special(local, request, LOG_CLEAR, index);
}

void local_sync(struct local *local, struct engine_request *request)
{
	if (local->store->log.read_only) {
		local_finish(request, ENGINE_READ_ONLY);
		return;
	}
	submit_special(local, request, LOG_SYNC, NULL);
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
	struct index_place now;
	struct write *write;

	/* Only what is still there, and nobody writes meanwhile. */
	if (local->store->log.read_only || local->n_clears > 0 ||
	    local->closing || pending_find(&local->pending, digest) ||
	    index_get(local->store->index, digest, &now) != 0 ||
	    now.segment != place->segment || now.off8 != place->off8)
		return;
	write = write_new(local, &op, 1);
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

static void release_held(struct local *local)
{
	struct engine_request *request;

	while ((request = request_list_pop(&local->held)) != NULL)
		request_list_push(&local->submitted, request);
}

static void end_special(struct local *local, struct write *write, int result)
{
	if (write->record->log.kind == LOG_CLEAR) {
		local->n_clears--;
		if (result == 0) {
			store_make_cleared(local->store, write->index);
			write->index = NULL;
		}
		release_held(local);
	}
	local_finish(write->request, result);
}

static void end_write(struct local *local, struct write *write, int result)
{
	struct engine_request *request = write->request;

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
	answer_write(local, request, result);
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
	for (i = 0; i < record->n_ops; i++)
		pending_remove(&local->pending, &write->nodes[i]);
	if (log_record->kind == LOG_WRITE)
		end_write(local, write,
			  log_record->result == LOG_STALE ? LOG_STALE :
							    result);
	else
		end_special(local, write, result);
	write_free(write);
}

void local_complete(struct local *local, struct log_queue *done)
{
	struct log_record *record = done->first;

	while (record) {
		struct log_record *next = record->next;

		end_record(local, record);
		record = next;
	}
	log_queue_init(done);
}
