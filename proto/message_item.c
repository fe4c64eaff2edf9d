#include "proto/message_item.h"

#include <errno.h>

static int get_expiry(const struct message_scope *scope,
		      const msgpack_object *object, uint64_t *expires_at_ms)
{
	if (message_is_nil(object))
		return 0;
	return message_get_uint(scope, "expires_at", object, 1, UINT64_MAX,
				expires_at_ms);
}

static int decode_item_error(const struct message_scope *scope,
			     const msgpack_object *object,
			     struct message_item *item)
{
	item->kind = MESSAGE_ITEM_ERROR;
	return message_get_error(scope, object, &item->error_code,
				 &item->error_text);
}

/* [value or size, version, expires_at or nil] */
static int decode_found(const struct message_scope *scope,
			const msgpack_object *object, enum method_id method,
			struct message_item *item)
{
	const msgpack_object *e = message_get_tuple(scope, object, 3);
	int r;

	if (!e)
		return -EPROTO;
	item->kind = MESSAGE_ITEM_FOUND;
	if (method == METHOD_STAT)
		r = message_get_uint(scope, "size", &e[0], 0, UINT64_MAX,
				     &item->size);
	else
		r = message_get_bytes(scope, "value", &e[0], &item->value);
	if (r == 0)
		r = message_get_version(scope, &e[1], &item->version);
	if (r == 0)
		r = get_expiry(scope, &e[2], &item->expires_at_ms);
	return r;
}

static int new_items(struct message_reply *reply, size_t n)
{
	reply->items = message_new_list(n, sizeof(*reply->items));
	if (!reply->items)
		return -ENOMEM;
	reply->n_items = n;
	return 0;
}

int message_item_decode_get(struct message_scope *scope, enum method_id method,
			    const msgpack_object *object,
			    struct message_reply *reply)
{
	int r;

	r = new_items(reply, 1);
	if (r)
		return r;
	if (!message_is_nil(object))
		return decode_found(scope, object, method, reply->items);
	reply->missing = true;
	reply->items[0].kind = MESSAGE_ITEM_MISSING;
	return 0;
}

/* An error begins with its code, what was found with its value. */
static int decode_many_item(const struct message_scope *scope,
			    const msgpack_object *object,
			    struct message_item *item)
{
	if (message_is_nil(object)) {
		item->kind = MESSAGE_ITEM_MISSING;
		return 0;
	}
	if (object->type == MSGPACK_OBJECT_ARRAY &&
	    object->via.array.size > 0 &&
	    object->via.array.ptr[0].type == MSGPACK_OBJECT_POSITIVE_INTEGER)
		return decode_item_error(scope, object, item);
	return decode_found(scope, object, METHOD_GET_MANY, item);
}

int message_item_decode_many(struct message_scope *scope, enum method_id method,
			     const msgpack_object *object,
			     struct message_reply *reply)
{
	size_t n = 0;
	int r;

	(void)method;
	r = message_get_list(scope, object, MESSAGE_KEYS_MAX, &n);
	if (r == 0)
		r = new_items(reply, n);
	scope->list = "items";
	for (scope->index = 0; r == 0 && scope->index < n; scope->index++)
		r = decode_many_item(scope,
				     &object->via.array.ptr[scope->index],
				     &reply->items[scope->index]);
	return r;
}

/* [key, version, nil, error]: where the header is damaged no key is known. */
static int decode_scan_error(const struct message_scope *scope,
			     const msgpack_object *e, struct message_item *item)
{
	int r = message_get_bytes(scope, "key", &e[0], &item->key);

	if (r == 0)
		r = message_get_uint(scope, "version", &e[1], 0, UINT64_MAX,
				     &item->version);
	if (r == 0)
		r = get_expiry(scope, &e[2], &item->expires_at_ms);
	return r ? r : decode_item_error(scope, &e[3], item);
}

/* [key, version, expires_at or nil], and behind it the value, or an error */
static int decode_scan_item(const struct message_scope *scope,
			    const msgpack_object *object, bool *has_value,
			    struct message_item *item)
{
	bool four = object->type == MSGPACK_OBJECT_ARRAY &&
		    object->via.array.size == 4;
	const msgpack_object *e =
		message_get_tuple(scope, object, four ? 4 : 3);
	int r;

	if (!e)
		return -EPROTO;
	if (four && e[3].type == MSGPACK_OBJECT_ARRAY)
		return decode_scan_error(scope, e, item);
	r = message_get_key(scope, "key", &e[0], &item->key);
	if (r == 0)
		r = message_get_version(scope, &e[1], &item->version);
	if (r == 0)
		r = get_expiry(scope, &e[2], &item->expires_at_ms);
	if (r || !four)
		return r;
	*has_value = true;
	return message_get_bytes(scope, "value", &e[3], &item->value);
}

static int decode_scan_items(struct message_scope *scope,
			     const msgpack_object *object,
			     struct message_reply *reply)
{
	const msgpack_object *e;
	size_t n = 0;
	int r;

	r = message_get_list(scope, object, MESSAGE_ITEMS_MAX, &n);
	if (r == 0)
		r = new_items(reply, n);
	if (r)
		return r;
	e = object->via.array.ptr;
	scope->list = "items";
	for (scope->index = 0; r == 0 && scope->index < n; scope->index++)
		r = decode_scan_item(scope, &e[scope->index],
				     &reply->with_values,
				     &reply->items[scope->index]);
	return r;
}

int message_item_decode_scan(struct message_scope *scope, enum method_id method,
			     const msgpack_object *object,
			     struct message_reply *reply)
{
	const msgpack_object *e = message_get_tuple(scope, object, 2);
	int r;

	(void)method;
	if (!e)
		return -EPROTO;
	if (!message_is_nil(&e[0])) {
		r = message_get_bytes(scope, "cursor", &e[0], &reply->cursor);
		if (r)
			return r;
		if (reply->cursor.len == 0 ||
		    reply->cursor.len > MESSAGE_CURSOR_MAX)
			return message_fail(scope, MESSAGE_ERROR_BAD_MESSAGE,
					    "a cursor has 1 to 32 bytes");
	}
	return decode_scan_items(scope, &e[1], reply);
}
