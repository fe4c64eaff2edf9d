#include <errno.h>
#include <string.h>

#include "common/engine_branch_internal.h"

enum {
	BUFFER_KEEP = 1 << 20,
};

/*
 * The view is made here: a clear that was acknowledged before these requests
 * came is seen, and so is what was written after it.
 */
static struct view begin_reading(struct branch *branch)
{
	struct store *store = branch->local->store;

	retire_enter(&store->retire, &branch->reader);
	return store_view_now(store);
}

static void end_reading(struct branch *branch)
{
	struct local *local = branch->local;

	if (retire_leave(&local->store->retire, &branch->reader))
		local->host.wake(local->host.ctx);
	view_buffer_trim(&branch->buffer, BUFFER_KEEP);
}

/* ---- gets ---- */

/* Some that are read together. */
struct gets {
	struct branch *branch;
	size_t n;
	struct engine_request *requests[VIEW_STAGED];
	struct view_key keys[VIEW_STAGED];
};

static void answer(struct branch *branch, struct engine_request *request,
		   const struct view_entry *entry)
{
	struct engine_item *item = &branch->item;

	memset(item, 0, sizeof(*item));
	cold_fill(item, entry);
	item->key = request->keys[0];
	request->items = item;
	request->n_items = 1;
	local_finish(request, 0);
}

/* What is not plainly there or not is seen to by who may do something. */
static void tell(void *ctx, size_t i, int result,
		 const struct view_entry *entry)
{
	const struct gets *gets = ctx;
	struct engine_request *request = gets->requests[i];

	if (result == 0) {
		answer(gets->branch, request, entry);
	} else if (result == VIEW_NOT_FOUND) {
		request->n_items = 0;
		local_finish(request, ENGINE_NOT_FOUND);
	} else {
		branch_send(gets->branch, request);
	}
}

static void add(struct gets *gets, struct engine_request *request)
{
	const struct engine_bytes *key = &request->keys[0];
	struct view_key *to = &gets->keys[gets->n];

	to->data = key->data;
	to->len = key->len;
	to->digest = digest_of(gets->branch->local->store->secret, key->data,
			       key->len);
	gets->requests[gets->n++] = request;
}

static void read_all(struct gets *gets)
{
	struct branch *branch = gets->branch;
	enum view_want want =
		gets->requests[0]->op == ENGINE_GET ? VIEW_VALUE : VIEW_HEAD;
	struct view view = begin_reading(branch);

	view_get_each(&view, gets->keys, gets->n, want, &branch->buffer, tell,
		      gets);
	end_reading(branch);
}

static bool is_get(const struct local *local,
		   const struct engine_request *request, enum engine_op op)
{
	return request->op == op && local_check(local, request) == 0;
}

/* As many of the first ones as are gets of one kind. */
static bool get_some(struct branch *branch, struct request_list *list)
{
	enum engine_op op = list->first->op;
	struct gets gets;

	gets.branch = branch;
	gets.n = 0;
	while (gets.n < VIEW_STAGED && list->first &&
	       is_get(branch->local, list->first, op))
		add(&gets, request_list_pop(list));
	if (gets.n == 0)
		return false;
	read_all(&gets);
	return true;
}

/* ---- many ---- */

/* All of it becomes an errand where one key cannot be told here. */
static int keep(void *ctx, size_t i, int result, const struct view_entry *entry,
		struct view_buffer *buffer)
{
	struct branch_many *many = ctx;
	struct engine_item *item = &many->items[i];

	(void)buffer;
	memset(item, 0, sizeof(*item));
	item->result = ENGINE_NOT_FOUND;
	if (result == VIEW_NOT_FOUND)
		return 0;
	if (result != 0 || entry->value_len > BRANCH_BYTES_MAX ||
	    many->arena.len + entry->value_len > BRANCH_BYTES_MAX)
		return -EAGAIN;
	cold_fill(item, entry);
	return arena_keep(&many->arena, &item->value);
}

static int read_many(struct branch *branch,
		     const struct engine_request *request)
{
	struct branch_many *many = &branch->many;
	size_t n = request->n_keys;
	struct view view;
	size_t i;
	int result;

	for (i = 0; i < n; i++) {
		const struct engine_bytes *key = &request->keys[i];

		many->keys[i].data = key->data;
		many->keys[i].len = key->len;
		many->keys[i].digest = digest_of(branch->local->store->secret,
						 key->data, key->len);
	}
	memset(many->found, 0, n * sizeof(many->found[0]));
	many->arena.len = 0;
	view = begin_reading(branch);
	result = view_get_many(&view, many->keys, n, VIEW_VALUE,
			       &branch->buffer, many->found, keep, many);
	end_reading(branch);
	return result;
}

static void get_many(struct branch *branch, struct engine_request *request)
{
	struct branch_many *many = &branch->many;
	size_t i;

	if (read_many(branch, request) != 0) {
		branch_send(branch, request);
		return;
	}
	for (i = 0; i < request->n_keys; i++) {
		many->items[i].key = request->keys[i];
		if (many->items[i].result == 0)
			arena_resolve(&many->arena, &many->items[i].value);
	}
	request->items = many->items;
	request->n_items = request->n_keys;
	local_finish(request, 0);
}

bool branch_read_some(struct branch *branch, struct request_list *list)
{
	struct engine_request *first = list->first;

	if (first->op == ENGINE_GET || first->op == ENGINE_STAT)
		return get_some(branch, list);
	if (!is_get(branch->local, first, ENGINE_GET_MANY) ||
	    first->n_keys > BRANCH_KEYS_MAX)
		return false;
	get_many(branch, request_list_pop(list));
	return true;
}
