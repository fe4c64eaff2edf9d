#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/engine_cold.h"

enum {
	BUFFER_KEEP = 1 << 20,
};

static enum view_want want_of(const struct engine_request *request)
{
	return request->op == ENGINE_GET ? VIEW_VALUE : VIEW_HEAD;
}

/* What a view said of the key becomes the answer; what expired goes. */
static int tell(struct local *local, const struct engine_request *request,
		const struct digest *digest, int result,
		const struct view_entry *entry)
{
	const struct engine_bytes *key = &request->keys[0];
	struct engine_item *item = &local->item;

	memset(item, 0, sizeof(*item));
	if (result == VIEW_EXPIRED)
		local_expire(local, digest, key->data, key->len, &entry->place);
	if (result == 0)
		cold_fill(item, entry);
	item->key = *key;
	return cold_result(local, result, &entry->place);
}

static void answer(struct local *local, struct engine_request *request,
		   int result)
{
	request->items = &local->item;
	request->n_items = result == 0;
	local_finish(request, result);
}

/* ---- by the pool ---- */

struct cold_get {
	struct cold cold; /* first */
	struct digest digest;
	struct view_buffer buffer;
	struct view_entry entry;
};

static int read_cold(struct cold *cold)
{
	struct cold_get *get = (struct cold_get *)(void *)cold;
	const struct engine_bytes *key = &cold->request->keys[0];
	int result =
		view_get(&cold->view, &get->digest, key->data, key->len,
			 want_of(cold->request), &get->buffer, &get->entry);

	cold->met_damage = result == VIEW_CORRUPT;
	return result;
}

static void end_cold(struct cold *cold, int result)
{
	struct cold_get *get = (struct cold_get *)(void *)cold;
	struct local *local = cold->local;

	result = tell(local, cold->request, &get->digest, result, &get->entry);
	if (result == 0 && get->entry.value)
		local->item.value_owner = get->buffer.data;
	answer(local, cold->request, result);
	/* Who took the value has the buffer. */
	if (result == 0 && get->entry.value)
		get->buffer.data = local->item.value_owner;
	cold->is_large = get->buffer.data && get->buffer.cap > COLD_LARGE;
}

static void drop_cold(struct cold *cold, struct spares *spares)
{
	struct cold_get *get = (struct cold_get *)(void *)cold;

	spares_give(spares, get->buffer.data, get->buffer.cap);
}

static const struct cold_ops cold_ops = {
	.read = read_cold,
	.end = end_cold,
	.drop = drop_cold,
};

static void get_cold(struct local *local, struct engine_request *request,
		     const struct digest *digest)
{
	struct cold_get *get =
		cold_new(local, request, &cold_ops, sizeof(*get));

	if (!get) {
		local_finish(request, -ENOMEM);
		return;
	}
	cold_take_buffer(&get->cold, &get->buffer);
	get->digest = *digest;
	cold_submit(&get->cold);
}

/* ---- by the loop ---- */

/* Some that are read together. */
struct gets {
	struct local *local;
	size_t n;
	struct engine_request *requests[VIEW_STAGED];
	struct view_key keys[VIEW_STAGED];
};

static void tell_one(void *ctx, size_t i, int result,
		     const struct view_entry *entry)
{
	const struct gets *gets = ctx;
	struct local *local = gets->local;
	struct engine_request *request = gets->requests[i];
	const struct digest *digest = &gets->keys[i].digest;

	if (result == -EAGAIN)
		get_cold(local, request, digest);
	else
		answer(local, request,
		       tell(local, request, digest, result, entry));
}

static void add(struct gets *gets, struct engine_request *request)
{
	const struct engine_bytes *key = &request->keys[0];
	struct view_key *to = &gets->keys[gets->n];

	to->data = key->data;
	to->len = key->len;
	to->digest = digest_of(gets->local->store->secret, key->data, key->len);
	gets->requests[gets->n++] = request;
}

static void read_all(struct gets *gets)
{
	struct store *store = gets->local->store;
	struct view view = store_view_now(store);

	view_get_each(&view, gets->keys, gets->n, want_of(gets->requests[0]),
		      &store->buffer, tell_one, gets);
	view_buffer_trim(&store->buffer, BUFFER_KEEP);
}

void local_get(struct local *local, struct engine_request *request)
{
	struct gets gets;

	gets.local = local;
	gets.n = 0;
	add(&gets, request);
	read_all(&gets);
}

bool local_get_some(struct local *local, struct request_list *list)
{
	struct gets gets;
	enum engine_op op = list->first->op;

	if (op != ENGINE_GET && op != ENGINE_STAT)
		return false;
	gets.local = local;
	gets.n = 0;
	while (gets.n < VIEW_STAGED && list->first && list->first->op == op &&
	       local_check(local, list->first) == 0)
		add(&gets, request_list_pop(list));
	if (gets.n == 0)
		return false;
	read_all(&gets);
	return true;
}
