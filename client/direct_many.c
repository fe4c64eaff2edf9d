#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/direct_internal.h"

enum {
	/* Bytes of values that a reply over the socket may have, too. */
	VALUES_MAX = 64 << 20,
	ROUNDS = 64, /* of chunks that were lacking */
};

struct reading {
	struct direct *direct;
	const struct getme_bytes *keys;
	struct getme_item *items;
};

static bool make_room(struct direct *direct, size_t n)
{
	struct view_key *keys;
	struct view_found *found;

	if (n <= direct->keys_cap)
		return true;
	keys = realloc(direct->keys, n * sizeof(*keys));
	if (!keys)
		return false;
	direct->keys = keys;
	found = realloc(direct->found, n * sizeof(*found));
	if (!found)
		return false;
	direct->found = found;
	direct->keys_cap = n;
	return true;
}

/* The buffer moves as it grows: until all is read data is an offset + 1. */
static bool keep(struct buffer *values, const struct view_entry *entry,
		 struct getme_value *value)
{
	size_t off = values->len;

	direct_describe(entry, value);
	if (entry->value_len == 0)
		return true;
	if (entry->value_len > VALUES_MAX - off ||
	    buffer_append(values, entry->value, value->len) < 0)
		return false;
	value->data = (const void *)(uintptr_t)(off + 1);
	return true;
}

static int take(void *ctx, size_t i, int result, const struct view_entry *entry,
		struct view_buffer *buffer)
{
	struct reading *reading = ctx;
	struct getme_item *item = &reading->items[i];

	(void)buffer;
	memset(item, 0, sizeof(*item));
	item->key = reading->keys[i];
	if (result == VIEW_NOT_FOUND || result == VIEW_EXPIRED) {
		item->result = GETME_NOT_FOUND;
		return 0;
	}
	if (result != 0 || !keep(&reading->direct->values, entry, &item->value))
		return DIRECT_ELSEWHERE;
	return 0;
}

/* After a round without an answer: whether a chunk was lacking, and is not. */
static bool add_chunks(struct direct *direct, size_t n)
{
	bool added = false;
	size_t i;

	for (i = 0; i < n; i++) {
		int result;

		if (direct->found[i].stamp.version_at)
			continue;
		result = direct_add_chunk_for(direct, &direct->keys[i].digest);
		if (result == -EAGAIN)
			return false;
		added |= result == 0;
	}
	return added;
}

static int read_all(struct reading *reading, size_t n)
{
	struct direct *direct = reading->direct;
	int result;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		result = view_get_many(&direct->view, direct->keys, n,
				       VIEW_VALUE, &direct->buffer,
				       direct->found, take, reading);
		if (result != VIEW_BUSY || !add_chunks(direct, n))
			return result;
	}
	return VIEW_BUSY;
}

static void resolve(const struct buffer *values, struct getme_item *items,
		    size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		struct getme_value *value = &items[i].value;

		if (value->data)
			value->data = values->data + (uintptr_t)value->data - 1;
	}
}

int direct_get_many(struct getme *handle, const struct getme_bytes *keys,
		    size_t n, struct getme_item *items)
{
	struct direct *direct = handle->direct;
	struct reading reading = { direct, keys, items };
	const uint8_t *secret;
	size_t i;

	if (!direct_begin(handle))
		return direct_elsewhere(direct);
	if (!make_room(direct, n))
		return DIRECT_ELSEWHERE;
	view_buffer_trim(&direct->buffer, DIRECT_KEEP);
	buffer_consume(&direct->values, direct->values.len);
	buffer_trim(&direct->values, DIRECT_KEEP);
	memset(direct->found, 0, n * sizeof(*direct->found));
	secret = direct->map.index->header->secret;
	for (i = 0; i < n; i++)
		direct->keys[i] = (struct view_key){
			.data = keys[i].data,
			.len = keys[i].len,
			.digest = digest_of(secret, keys[i].data, keys[i].len),
		};
	if (read_all(&reading, n) != 0)
		return direct_elsewhere(direct);
	resolve(&direct->values, items, n);
	return 0;
}
