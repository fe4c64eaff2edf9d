#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/engine_cold.h"

enum {
	SCAN_DEFAULT = 256,
	/* one step of a scan looks at so many entries at most, so that a
	 * prefix that matches little does not hold the others */
	SCAN_LOOK_MAX = 1024,
	/* and gathers no more than this, one larger entry excepted */
	SCAN_BYTES_MAX = 1 << 20,
	CURSOR_LEN = 16,
};

/* Where a key's entry was, and the cursor of a step that begins with it. */
struct scan_place {
	struct index_scan_item found;
	uint64_t cursor;
};

/*
 * A step: the loop takes the places of keys out of the index, the pool reads
 * them.  The arrays lie behind it.
 */
struct scan {
	struct cold cold; /* first */
	struct scan_place *places;
	size_t n_places;
	uint64_t cursor; /* of the step after this one */
	size_t limit;
	struct engine_item *items;   /* limit */
	struct index_place *read_at; /* where each was read, for reports */
	size_t n_items;
	struct view_buffer buffer;
	struct arena arena;
	uint64_t len; /* bytes of the items */
};

static struct scan *scan_of(struct cold *cold)
{
	return (struct scan *)(void *)cold;
}

/* ---- cursors ---- */

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

/* ---- reading, in the pool ---- */

static bool has_prefix(const struct engine_item *item,
		       const struct engine_bytes *prefix)
{
	return item->key.len >= prefix->len &&
	       (prefix->len == 0 ||
		memcmp(item->key.data, prefix->data, prefix->len) == 0);
}

static int read_place(struct scan *scan, const struct index_scan_item *found,
		      enum view_want want, struct engine_item *item,
		      struct index_place *at)
{
	const struct cold *cold = &scan->cold;
	struct view_entry entry = { .place = found->place };
	int result = view_follow(&cold->view, cold->local->store->secret,
				 &found->digest, &found->place, want,
				 &scan->buffer, &entry);

	if (result == 0)
		cold_fill(item, &entry);
	*at = entry.place;
	return result;
}

/* Whether an item of so many bytes belongs to the next step. */
static bool is_too_much(const struct scan *scan, uint64_t len)
{
	return scan->n_items > 0 && scan->len + len > SCAN_BYTES_MAX;
}

/*
 * Reads one entry that the index told: 0, or what the view says, or -EMSGSIZE
 * (it is for the next step).  The value only of keys that are wanted; where it
 * is damaged the key still stands.
 */
static int read_item(struct scan *scan, const struct index_scan_item *found,
		     struct engine_item *item, struct index_place *at)
{
	const struct engine_request *request = scan->cold.request;
	int result;

	memset(item, 0, sizeof(*item));
	result = read_place(scan, found, VIEW_HEAD, item, at);
	if (result != 0)
		return result;
	if (!has_prefix(item, &request->prefix))
		return VIEW_NOT_FOUND;
	if (is_too_much(scan,
			item->key.len +
				(request->with_values ? item->value_len : 0)))
		return -EMSGSIZE;
	if (!request->with_values)
		return 0;
	result = read_place(scan, found, VIEW_VALUE, item, at);
	/* Reading the value may have moved the key's bytes, or freed them. */
	if (result != 0 && read_place(scan, found, VIEW_HEAD, item, at) != 0)
		memset(item, 0, sizeof(*item));
	return result;
}

static int keep_item(struct scan *scan, struct engine_item *item)
{
	scan->len += item->key.len + item->value.len;
	if (arena_keep(&scan->arena, &item->key) < 0)
		return -ENOMEM;
	return cold_keep_value(item, &scan->buffer, &scan->arena);
}

/* 0, VIEW_BUSY, -ENOMEM, or -EMSGSIZE: the step ends before this one. */
static int add_item(struct scan *scan, const struct index_scan_item *found)
{
	struct engine_item *item = &scan->items[scan->n_items];
	int result =
		read_item(scan, found, item, &scan->read_at[scan->n_items]);

	switch (result) {
	case VIEW_NOT_FOUND:
	case VIEW_EXPIRED:
		return 0;
	case VIEW_BUSY:
	case -ENOMEM:
	case -EMSGSIZE:
		return result;
	default:
		break;
	}
	if (result == VIEW_CORRUPT)
		scan->cold.met_damage = true;
	item->result = result;
	result = keep_item(scan, item);
	if (result == 0)
		scan->n_items++;
	return result;
}

/* Where it was busy it goes on with that place. */
static int read_cold(struct cold *cold)
{
	struct scan *scan = scan_of(cold);
	size_t i;

	for (i = 0; i < scan->n_places && scan->n_items < scan->limit; i++) {
		int result = add_item(scan, &scan->places[i].found);

		if (result == -EMSGSIZE)
			break;
		if (result != 0) {
			scan->places += i;
			scan->n_places -= i;
			return result;
		}
	}
	if (i < scan->n_places)
		scan->cursor = scan->places[i].cursor;
	return 0;
}

/* ---- in the loop ---- */

static void end_cold(struct cold *cold, int result)
{
	struct scan *scan = scan_of(cold);
	struct engine_request *request = cold->request;
	size_t i;

	if (result == 0) {
		put_cursor(cold->local, request, scan->cursor);
		for (i = 0; i < scan->n_items; i++) {
			struct engine_item *item = &scan->items[i];

			item->result = cold_result(cold->local, item->result,
						   &scan->read_at[i]);
			arena_resolve(&scan->arena, &item->key);
			cold_resolve_value(&scan->arena, item);
		}
		request->items = scan->items;
		request->n_items = scan->n_items;
	}
	cold->is_large = scan->len > COLD_LARGE;
	local_finish(request, result);
}

static void drop_cold(struct cold *cold, struct spares *spares)
{
	struct scan *scan = scan_of(cold);
	size_t i;

	for (i = 0; i < scan->n_items; i++)
		free(scan->items[i].value_owner);
	spares_give(spares, scan->buffer.data, scan->buffer.cap);
	spares_give(spares, scan->arena.data, scan->arena.cap);
}

static const struct cold_ops cold_ops = {
	.read = read_cold,
	.end = end_cold,
	.drop = drop_cold,
};

/* Without a prefix each key found is wanted, most likely. */
static size_t places_max(const struct engine_request *request, size_t limit)
{
	return request->prefix.len > 0 ? SCAN_LOOK_MAX : limit;
}

static struct scan *scan_new(struct local *local,
			     struct engine_request *request, size_t limit)
{
	size_t n = places_max(request, limit);
	struct scan *scan = cold_new(local, request, &cold_ops,
				     sizeof(*scan) + n * sizeof(*scan->places) +
					     limit * (sizeof(*scan->items) +
						      sizeof(*scan->read_at)));

	if (!scan)
		return NULL;
	cold_take_buffer(&scan->cold, &scan->buffer);
	cold_take_arena(&scan->cold, &scan->arena);
	scan->limit = limit;
	scan->places = (struct scan_place *)(void *)(scan + 1);
	scan->items = (struct engine_item *)(void *)(scan->places + n);
	scan->read_at = (struct index_place *)(void *)(scan->items + limit);
	return scan;
}

/* One key at a time, so that each has a cursor of its own. */
static int take_places(struct scan *scan, size_t max)
{
	const struct index *index = scan->cold.local->store->index;
	size_t looked;

	for (looked = 0; looked < SCAN_LOOK_MAX && scan->n_places < max &&
			 scan->cursor != INDEX_SCAN_END;
	     looked++) {
		struct scan_place *place = &scan->places[scan->n_places];
		size_t n_found;
		int result;

		place->cursor = scan->cursor;
		result = index_scan(index, &scan->cursor, &place->found, 1,
				    &n_found);
		if (result < 0)
			return result == -EINVAL ? ENGINE_BAD_CURSOR : result;
		scan->n_places += n_found;
	}
	return 0;
}

void local_scan(struct local *local, struct engine_request *request)
{
	size_t limit = request->limit ? request->limit : SCAN_DEFAULT;
	struct scan *scan;
	int result;

	if (limit > SCAN_LOOK_MAX)
		limit = SCAN_LOOK_MAX;
	request->n_items = 0;
	scan = scan_new(local, request, limit);
	if (!scan) {
		local_finish(request, -ENOMEM);
		return;
	}
	result = get_cursor(local, request, &scan->cursor);
	if (result == 0)
		result = take_places(scan, places_max(request, limit));
	if (result == 0 && scan->n_places > 0) {
		cold_submit(&scan->cold);
		return;
	}
	end_cold(&scan->cold, result);
	cold_free(&scan->cold);
}
