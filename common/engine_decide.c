#include "common/engine_decide.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	NUMBER_TEXT_MAX = 21, /* "-9223372036854775808" and its end */
};

/* What is known of a key before a write. */
struct key_state {
	bool exists;
	bool expired; /* there, but its time is over: it does not exist */
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

/* All keys of a write are looked at at one moment. */
static bool expired(struct draft *draft, uint64_t expires_at_ms)
{
	struct io *io = draft->local->store->io;

	if (expires_at_ms == 0)
		return false;
	if (draft->now_ms == 0)
		draft->now_ms = io->clock_ms(io);
	return draft->now_ms >= expires_at_ms;
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
	state->expired = !state->exists;
	state->value = item->value ? item->value : item->head + item->head_len;
	state->value_len = item->value_len;
}

/*
 * As view_get.  -EAGAIN: the pool is to read it first; then, unless it is
 * large and another one meanwhile, it is there.
 */
static int read_stored(struct draft *draft, const struct engine_bytes *key,
		       const struct digest *digest,
		       const struct index_place *place, enum look look,
		       struct view_entry *entry)
{
	struct store *store = draft->local->store;
	struct view view;
	int result;

	if (draft->read && settle_knows(draft->read, place, &result, entry))
		return result == 0 && expired(draft, entry->expires_at_ms)
			       ? VIEW_EXPIRED
			       : result;
	view = draft->read ? store_view_short(store) : store_view_now(store);
	return view_get(&view, digest, key->data, key->len,
			look == LOOK_VALUE ? VIEW_VALUE : VIEW_HEAD,
			&store->buffer, entry);
}

static int look_stored(struct draft *draft, const struct engine_bytes *key,
		       const struct digest *digest, enum look look,
		       struct key_state *state)
{
	struct store *store = draft->local->store;
	struct view_entry entry;
	struct index_place place;
	int result;

	if (index_get(store->index, digest, &place) != 0)
		return 0;
	if (look == LOOK_EXISTS && !(place.flags & INDEX_HAS_EXPIRY)) {
		state->exists = true;
		return 0;
	}
	result = read_stored(draft, key, digest, &place, look, &entry);
	state->expired = result == VIEW_EXPIRED;
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

/* 0, ENGINE_CORRUPT, -errno; -EAGAIN: not before the pool has read it. */
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
	if (result == -EAGAIN)
		return DECIDE_READ;
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
		const struct engine_mutation *mutation = &request->mutations[i];
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
	draft->conditional = true;
	result = look_at(draft, &mutation->key,
			 mutation->condition == ENGINE_IF_VERSION ? LOOK_VERSION
								  : LOOK_EXISTS,
			 &state);
	if (result != 0)
		return result;
	if (mutation->condition == ENGINE_IF_ABSENT)
		return state.exists ? ENGINE_CONDITION : 0;
	/* Nobody can know the version of a write that is pending. */
	if (!state.exists || state.pending ||
	    state.version != mutation->if_version)
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

/*
 * A key that is not there needs no tombstone, unless the batch puts it, or it
 * only expired (the clock may be set back), or a pending write is what took
 * it away: then the tombstone is logged behind that one, since a delete that
 * waited to be decided again could come after a later put.
 */
static int draft_delete(struct draft *draft, size_t i, bool batch_puts)
{
	struct engine_mutation *mutation = &draft->request->mutations[i];
	struct record_op op = {
		.is_delete = true,
		.key = mutation->key.data,
		.key_len = (uint16_t)mutation->key.len,
	};
	struct key_state state;
	bool depends = draft->depends;
	int result = look_at(draft, &mutation->key, LOOK_EXISTS, &state);

	/* It is done whatever comes of that write: nothing hangs on it. */
	draft->depends = depends;
	draft->guessed = draft->guessed || state.pending;
	/* It is logged in any case: what it did is told in the end. */
	if (result == -EAGAIN && !draft->conditional) {
		draft->unsure = true;
		state.exists = true;
		result = 0;
	}
	/* What is damaged can still be deleted. */
	if (result == ENGINE_CORRUPT)
		state.exists = true;
	else if (result != 0)
		return result;
	mutation->existed = state.exists;
	if (state.exists || state.expired || state.pending || batch_puts)
		add_op(draft, &op);
	return 0;
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
	char *text;
	int result = look_at(draft, &mutation->key, LOOK_VALUE, &state);

	if (result == 0 && state.exists)
		result = parse_number(state.value, state.value_len, &number);
	if (result != 0)
		return result;
	if (__builtin_add_overflow(number, mutation->by, &number))
		return ENGINE_OVERFLOW;
	text = local_take(draft->local, &draft->value, NUMBER_TEXT_MAX);
	if (!text)
		return -ENOMEM;
	op.value_len =
		(uint32_t)snprintf(text, NUMBER_TEXT_MAX, "%" PRId64, number);
	op.value = text;
	op.expires_at_ms = state.exists ? state.expires_at_ms : 0;
	mutation->existed = state.exists;
	mutation->number = number;
	add_op(draft, &op);
	return 0;
}

/* The value, which is borrowed, becomes the draft's. */
static int take_value(struct draft *draft, struct key_state *state)
{
	uint8_t *copy;

	if (settle_give(draft->read, state->value, &draft->value))
		return 0;
	copy = local_take(draft->local, &draft->value, state->value_len);
	if (!copy)
		return -ENOMEM;
	if (state->value_len > 0)
		memcpy(copy, state->value, state->value_len);
	state->value = copy;
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
	/* A large value is not copied while others wait. */
	if (state.pending && state.value_len > STORE_READ_SHORT)
		return -EBUSY;
	result = take_value(draft, &state);
	if (result < 0)
		return result;
	op.value = state.value;
	op.value_len = (uint32_t)state.value_len;
	mutation->existed = true;
	add_op(draft, &op);
	return 0;
}

static int draft_ops(struct draft *draft)
{
	const struct engine_request *request = draft->request;
	bool batch_puts = settle_has_puts(request);
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

enum decision draft_decide(struct draft *draft)
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
		result = settle_count_once(draft->local, draft->request);
	if (result != 0)
		return answer(draft, result);
	/* Deletes of nothing. */
	if (draft->n_ops == 0)
		return answer(draft, 0);
	return DECIDE_WRITE;
}

/* ---- drafts ---- */

int draft_init(struct draft *draft, struct local *local,
	       struct engine_request *request)
{
	size_t n = request->n_mutations;

	if (n > ENGINE_BATCH_MAX)
		n = 1;
	draft->local = local;
	draft->request = request;
	draft->n_ops = 0;
	memset(&draft->op_block, 0, sizeof(draft->op_block));
	draft->depends = false;
	draft->guessed = false;
	draft->unsure = false;
	draft->conditional = false;
	draft->read = NULL;
	draft->ticket = 0;
	draft->now_ms = 0;
	memset(&draft->value, 0, sizeof(draft->value));
	draft->ops = n > 1 ? local_take(local, &draft->op_block,
					n * sizeof(*draft->ops))
			   : &draft->only_op;
	return draft->ops ? 0 : -ENOMEM;
}

void draft_deinit(struct draft *draft)
{
	local_give(draft->local, &draft->op_block);
	local_give(draft->local, &draft->value);
}
