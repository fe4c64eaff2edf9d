#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/engine_internal.h"

enum {
	BUFFER_KEEP = 1 << 20,
	ARENA_KEEP = 1 << 20,
	ARENA_FIRST = 64 << 10,
	SCAN_DEFAULT = 256,
	/* one step of a scan looks at so many entries at most, so that a
	 * prefix that matches little does not hold the loop */
	SCAN_LOOK_MAX = 1024,
	/* and gathers no more than this, one larger entry excepted */
	SCAN_BYTES_MAX = 1 << 20,
	CURSOR_LEN = 16,
};

/* ---- results ---- */

static int engine_result(struct local *local, int result,
			 const struct view_entry *entry)
{
	switch (result) {
	case VIEW_NOT_FOUND:
	case VIEW_EXPIRED:
		return ENGINE_NOT_FOUND;
	case VIEW_CORRUPT:
		store_note_corrupt(local->store, &entry->place);
		return ENGINE_CORRUPT;
	case VIEW_BUSY:
		return -EIO;
	default:
		return result;
	}
}

static void fill_item(struct engine_item *item, const struct view_entry *entry)
{
	item->result = 0;
	item->key.data = entry->key;
	item->key.len = entry->key_len;
	item->value.data = entry->value;
	item->value.len = entry->value ? (size_t)entry->value_len : 0;
	item->value_len = entry->value_len;
	item->version = entry->version;
	item->expires_at_ms = entry->expires_at_ms;
}

/* Reads one key; what expired is taken out on the way. */
static int read_key(struct local *local, const struct engine_bytes *key,
		    enum view_want want, struct engine_item *item)
{
	struct store *store = local->store;
	struct view view = store_view(store);
	struct digest digest = digest_of(store->secret, key->data, key->len);
	struct view_entry entry;
	int result;

	memset(item, 0, sizeof(*item));
	result = view_get(&view, &digest, key->data, key->len, want,
			  &store->buffer, &entry);
	if (result == VIEW_EXPIRED)
		local_expire(local, &digest, key->data, key->len, &entry.place);
	if (result == 0)
		fill_item(item, &entry);
	item->key = *key;
	return engine_result(local, result, &entry);
}

void local_get(struct local *local, struct engine_request *request)
{
	enum view_want want =
		request->op == ENGINE_GET ? VIEW_VALUE : VIEW_HEAD;
	int result;

	result = read_key(local, &request->keys[0], want, &local->item);
	request->items = &local->item;
	request->n_items = result == 0;
	local_finish(request, result);
	view_buffer_trim(&local->store->buffer, BUFFER_KEEP);
}

/* ---- many ---- */

static int arena_reserve(struct arena *arena, size_t len)
{
	size_t cap = arena->cap ? arena->cap : ARENA_FIRST;
	uint8_t *grown;

	if (arena->cap - arena->len >= len)
		return 0;
	while (cap - arena->len < len)
		cap *= 2;
	grown = realloc(arena->data, cap);
	if (!grown)
		return -ENOMEM;
	arena->data = grown;
	arena->cap = cap;
	return 0;
}

/*
 * Copies bytes into the arena.  It may move, so BYTES gets an offset, which
 * arena_resolve turns into a pointer when all is there.
 */
static int arena_keep(struct arena *arena, struct engine_bytes *bytes)
{
	size_t off = arena->len;

	if (arena_reserve(arena, bytes->len) < 0)
		return -ENOMEM;
	if (bytes->len > 0)
		memcpy(arena->data + off, bytes->data, bytes->len);
	arena->len += bytes->len;
	bytes->data = (const void *)off;
	return 0;
}

static void arena_resolve(const struct arena *arena, struct engine_bytes *bytes)
{
	bytes->data = arena->data + (size_t)bytes->data;
}

static void arena_empty(struct arena *arena)
{
	arena->len = 0;
	if (arena->cap <= ARENA_KEEP)
		return;
	free(arena->data);
	arena->data = NULL;
	arena->cap = 0;
}

static int items_reserve(struct local *local, size_t n)
{
	struct engine_item *grown;

	if (local->items_cap >= n)
		return 0;
	grown = realloc(local->items, n * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	local->items = grown;
	local->items_cap = n;
	return 0;
}

void local_read_deinit(struct local *local)
{
	free(local->arena.data);
	free(local->items);
}

/*
 * The loop writes the index, so between the first lookup and the last nothing
 * changes: the answers are of one instant.
 */
static int read_many(struct local *local, const struct engine_request *request)
{
	size_t i;
	int result = items_reserve(local, request->n_keys);

	for (i = 0; result == 0 && i < request->n_keys; i++) {
		struct engine_item *item = &local->items[i];

		item->result =
			read_key(local, &request->keys[i], VIEW_VALUE, item);
		if (item->result == -ENOMEM)
			return -ENOMEM;
		if (local->arena.len + item->value.len > ENGINE_REPLY_BYTES)
			return ENGINE_TOO_LARGE;
		result = arena_keep(&local->arena, &item->value);
	}
	return result;
}

void local_get_many(struct local *local, struct engine_request *request)
{
	int result = read_many(local, request);
	size_t i;

	if (result == 0) {
		for (i = 0; i < request->n_keys; i++)
			arena_resolve(&local->arena, &local->items[i].value);
		request->items = local->items;
		request->n_items = request->n_keys;
	}
	local_finish(request, result);
	arena_empty(&local->arena);
	view_buffer_trim(&local->store->buffer, BUFFER_KEEP);
}

/* ---- scan ---- */

/*
 * A cursor: the index's, and which run of the engine gave it out, since the
 * order of keys is another one after a restart.
 */
static int get_cursor(const struct local *local,
		      const struct engine_request *request, uint64_t *cursor)
{
	*cursor = 0;
	if (request->cursor_len == 0)
		return 0;
	if (request->cursor_len != CURSOR_LEN ||
	    bytes_get64(request->cursor + 8) != local->instance)
		return ENGINE_BAD_CURSOR;
	*cursor = bytes_get64(request->cursor);
	return 0;
}

static void put_cursor(const struct local *local,
		       struct engine_request *request, uint64_t cursor)
{
	request->cursor_len = 0;
	if (cursor == INDEX_SCAN_END)
		return;
	bytes_put64(request->cursor, cursor);
	bytes_put64(request->cursor + 8, local->instance);
	request->cursor_len = CURSOR_LEN;
}

static bool has_prefix(const struct engine_item *item,
		       const struct engine_bytes *prefix)
{
	return item->key.len >= prefix->len &&
	       (prefix->len == 0 ||
		memcmp(item->key.data, prefix->data, prefix->len) == 0);
}

static int read_place(struct local *local, const struct index_scan_item *found,
		      enum view_want want, struct engine_item *item)
{
	struct store *store = local->store;
	struct view view = store_view(store);
	struct view_entry entry;
	int result = view_read(&view, store->secret, &found->digest,
			       &found->place, want, &store->buffer, &entry);

	if (result == 0)
		fill_item(item, &entry);
	return engine_result(local, result, &entry);
}

/*
 * Reads one entry that the index told.  The value only of keys that are
 * wanted; where it is damaged the key still stands.
 */
static int scan_entry(struct local *local, const struct engine_request *request,
		      const struct index_scan_item *found,
		      struct engine_item *item)
{
	int result;

	memset(item, 0, sizeof(*item));
	result = read_place(local, found, VIEW_HEAD, item);
	if (result != 0 || !request->with_values ||
	    !has_prefix(item, &request->prefix))
		return result;
	result = read_place(local, found, VIEW_VALUE, item);
	/* Reading the value may have moved the key's bytes, or freed them. */
	if (result != 0 && result != ENGINE_NOT_FOUND &&
	    read_place(local, found, VIEW_HEAD, item) != 0)
		memset(item, 0, sizeof(*item));
	return result;
}

/* Keeps an item's bytes; -ENOMEM, or ENGINE_TOO_LARGE: next step. */
static int keep_item(struct local *local, struct engine_item *item, size_t n)
{
	struct arena *arena = &local->arena;

	if (n > 0 &&
	    arena->len + item->key.len + item->value.len > SCAN_BYTES_MAX)
		return ENGINE_TOO_LARGE;
	if (arena_keep(arena, &item->key) < 0 ||
	    arena_keep(arena, &item->value) < 0)
		return -ENOMEM;
	return 0;
}

static int scan_step(struct local *local, struct engine_request *request,
		     size_t limit, uint64_t *cursor)
{
	size_t looked = 0;
	size_t n = 0;

	while (n < limit && looked < SCAN_LOOK_MAX &&
	       *cursor != INDEX_SCAN_END) {
		struct index_scan_item found;
		struct engine_item item;
		uint64_t before = *cursor;
		size_t n_found;
		int result;

		result = index_scan(local->store->index, cursor, &found, 1,
				    &n_found);
		if (result == -EINVAL)
			return ENGINE_BAD_CURSOR;
		if (result < 0)
			return result;
		looked++;
		if (n_found == 0)
			continue;
		result = scan_entry(local, request, &found, &item);
		if (result == ENGINE_NOT_FOUND ||
		    (result == 0 && !has_prefix(&item, &request->prefix)))
			continue;
		if (result == -ENOMEM)
			return result;
		item.result = result;
		result = keep_item(local, &item, n);
		if (result == ENGINE_TOO_LARGE) {
			*cursor = before;
			break;
		}
		if (result < 0)
			return result;
		local->items[n++] = item;
	}
	request->n_items = n;
	return 0;
}

void local_scan(struct local *local, struct engine_request *request)
{
	size_t limit = request->limit ? request->limit : SCAN_DEFAULT;
	uint64_t cursor;
	size_t i;
	int result;

	if (limit > ENGINE_SCAN_MAX)
		limit = ENGINE_SCAN_MAX;
	request->n_items = 0;
	result = get_cursor(local, request, &cursor);
	if (result == 0)
		result = items_reserve(local, limit);
	if (result == 0)
		result = scan_step(local, request, limit, &cursor);
	if (result == 0) {
		put_cursor(local, request, cursor);
		for (i = 0; i < request->n_items; i++) {
			arena_resolve(&local->arena, &local->items[i].key);
			arena_resolve(&local->arena, &local->items[i].value);
		}
		request->items = local->items;
	}
	local_finish(request, result);
	arena_empty(&local->arena);
	view_buffer_trim(&local->store->buffer, BUFFER_KEEP);
}
