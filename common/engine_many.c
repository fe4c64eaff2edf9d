#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/engine_cold.h"

enum {
	/* the loop reads so many keys at once, and so many bytes of values */
	NOW_KEYS_MAX = 32,
	NOW_BYTES_MAX = 64 << 10,
};

/* A get_many while it is read; the arrays lie behind it. */
struct many {
	struct cold cold; /* first */
	size_t n;
	struct view_key *keys;
	struct view_found *found;
	struct engine_item *items;
	struct view_buffer buffer;
	struct arena arena;
	uint64_t values_len;
};

static struct many *many_of(struct cold *cold)
{
	return (struct many *)(void *)cold;
}

static void drop(struct many *many, struct engine_item *item)
{
	free(item->value_owner);
	many->values_len -= item->value.len;
	memset(item, 0, sizeof(*item));
}

/*
 * One answer.  A value that was told before, of a key that has changed since,
 * leaves its bytes in the arena: where that happens all the time they get too
 * many, as if they were wanted.
 */
static int keep(struct many *many, size_t i, int result,
		const struct view_entry *entry, struct view_buffer *buffer,
		uint64_t len_max)
{
	struct engine_item *item = &many->items[i];

	drop(many, item);
	if (result == -ENOMEM || result == -EAGAIN)
		return result;
	if (result == VIEW_CORRUPT)
		many->cold.met_damage = true;
	if (result != 0)
		return 0;
	if (entry->value_len > len_max ||
	    many->values_len + entry->value_len > len_max ||
	    many->arena.len > 2 * len_max)
		return -EMSGSIZE;
	cold_fill(item, entry);
	many->values_len += item->value.len;
	return cold_keep_value(item, buffer, &many->arena);
}

static int keep_now(void *ctx, size_t i, int result,
		    const struct view_entry *entry, struct view_buffer *buffer)
{
	return keep(ctx, i, result, entry, buffer, NOW_BYTES_MAX);
}

static int keep_cold(void *ctx, size_t i, int result,
		     const struct view_entry *entry, struct view_buffer *buffer)
{
	return keep(ctx, i, result, entry, buffer, ENGINE_REPLY_BYTES);
}

static int read_many(struct many *many, const struct view *view,
		     view_each *each)
{
	return view_get_many(view, many->keys, many->n, VIEW_VALUE,
			     &many->buffer, many->found, each, many);
}

static int read_cold(struct cold *cold)
{
	return read_many(many_of(cold), &cold->view, keep_cold);
}

static void tell(struct many *many, size_t i)
{
	struct local *local = many->cold.local;
	const struct view_key *key = &many->keys[i];
	const struct view_found *found = &many->found[i];
	struct engine_item *item = &many->items[i];

	if (found->result == VIEW_EXPIRED)
		local_expire(local, &key->digest, key->data, key->len,
			     &found->place);
	item->key = many->cold.request->keys[i];
	item->result = cold_result(local, found->result, &found->place);
	cold_resolve_value(&many->arena, item);
}

static void end_cold(struct cold *cold, int result)
{
	struct many *many = many_of(cold);
	struct engine_request *request = cold->request;
	size_t i;

	if (result == 0) {
		for (i = 0; i < many->n; i++)
			tell(many, i);
		request->items = many->items;
		request->n_items = many->n;
	}
	cold->is_large = many->values_len > COLD_LARGE;
	local_finish(request, result == -EMSGSIZE ? ENGINE_TOO_LARGE : result);
}

static void drop_cold(struct cold *cold, struct spares *spares)
{
	struct many *many = many_of(cold);
	size_t i;

	for (i = 0; i < many->n; i++)
		free(many->items[i].value_owner);
	spares_give(spares, many->buffer.data, many->buffer.cap);
	spares_give(spares, many->arena.data, many->arena.cap);
}

static const struct cold_ops cold_ops = {
	.read = read_cold,
	.end = end_cold,
	.drop = drop_cold,
};

static struct many *many_new(struct local *local,
			     struct engine_request *request)
{
	size_t n = request->n_keys;
	struct many *many =
		cold_new(local, request, &cold_ops,
			 sizeof(*many) + n * (sizeof(*many->keys) +
					      sizeof(*many->found) +
					      sizeof(*many->items)));
	size_t i;

	if (!many)
		return NULL;
	cold_take_buffer(&many->cold, &many->buffer);
	cold_take_arena(&many->cold, &many->arena);
	many->n = n;
	many->keys = (struct view_key *)(void *)(many + 1);
	many->found = (struct view_found *)(void *)(many->keys + n);
	many->items = (struct engine_item *)(void *)(many->found + n);
	for (i = 0; i < n; i++) {
		const struct engine_bytes *key = &request->keys[i];

		many->keys[i].data = key->data;
		many->keys[i].len = key->len;
		many->keys[i].digest =
			digest_of(local->store->secret, key->data, key->len);
	}
	return many;
}

/* Nothing is known yet. */
static void start_over(struct many *many)
{
	size_t i;

	for (i = 0; i < many->n; i++)
		drop(many, &many->items[i]);
	memset(many->found, 0, many->n * sizeof(*many->found));
	many->arena.len = 0;
}

/* Few keys in memory are read at once: the loop is who writes the index. */
static int read_now(struct many *many)
{
	struct view view = store_view_now(many->cold.local->store);
	int result = -EAGAIN;

	if (many->n <= NOW_KEYS_MAX)
		result = read_many(many, &view, keep_now);
	return result == -EMSGSIZE || result == VIEW_BUSY ? -EAGAIN : result;
}

void local_get_many(struct local *local, struct engine_request *request)
{
	struct many *many = many_new(local, request);
	int result;

	if (!many) {
		local_finish(request, -ENOMEM);
		return;
	}
	result = read_now(many);
	if (result == -EAGAIN) {
		start_over(many);
		cold_submit(&many->cold);
		return;
	}
	end_cold(&many->cold, result);
	cold_free(&many->cold);
}
