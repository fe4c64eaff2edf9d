#include "proto/message_quick.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/message_decode.h"
#include "proto/message_option.h"

/* First bytes of msgpack values. */
enum {
	FIX_MAP = 0x80,
	FIX_ARRAY = 0x90,
	FIX_STR = 0xa0, /* and its length in the lower five bits */
	NIL = 0xc0,
	FALSE = 0xc2,
	TRUE = 0xc3,
	BIN_8 = 0xc4,
	BIN_32 = 0xc6,
	UINT_8 = 0xcc,
	UINT_64 = 0xcf,
	STR_8 = 0xd9,
	STR_32 = 0xdb,
};

enum {
	/* As many as put has. */
	QUICK_OPTIONS_MAX = 5,
};

struct cursor {
	const uint8_t *p;
	const uint8_t *end;
};

static size_t n_left(const struct cursor *at)
{
	return (size_t)(at->end - at->p);
}

/* Takes BYTE if it is the next one. */
static bool take_byte(struct cursor *at, uint8_t byte)
{
	if (at->p == at->end || *at->p != byte)
		return false;
	at->p++;
	return true;
}

/* Takes 1 << SHIFT bytes, the highest first. */
static bool take_number(struct cursor *at, unsigned int shift, uint64_t *number)
{
	size_t width = (size_t)1 << shift;
	uint64_t n = 0;

	if (n_left(at) < width)
		return false;
	for (size_t i = 0; i < width; i++)
		n = n << 8 | at->p[i];
	at->p += width;
	*number = n;
	return true;
}

static bool take_uint(struct cursor *at, uint64_t *number)
{
	uint8_t first;

	if (at->p == at->end)
		return false;
	first = *at->p++;
	if (first < FIX_MAP) {
		*number = first;
		return true;
	}
	return first >= UINT_8 && first <= UINT_64 &&
	       take_number(at, first - UINT_8, number);
}

/* Takes what LEN bytes there must be. */
static bool take_run(struct cursor *at, uint64_t len,
		     struct message_bytes *bytes)
{
	if (len > n_left(at))
		return false;
	bytes->data = at->p;
	bytes->len = (size_t)len;
	at->p += len;
	return true;
}

static bool take_str(struct cursor *at, struct message_bytes *bytes)
{
	uint64_t len;
	uint8_t first;

	if (at->p == at->end)
		return false;
	first = *at->p++;
	if (first >= FIX_STR && first < NIL)
		len = first - FIX_STR;
	else if (first < STR_8 || first > STR_32 ||
		 !take_number(at, first - STR_8, &len))
		return false;
	return take_run(at, len, bytes);
}

/* A bin, or a str in its place. */
static bool take_bytes(struct cursor *at, struct message_bytes *bytes)
{
	uint64_t len;

	if (at->p == at->end || *at->p < BIN_8 || *at->p > BIN_32)
		return take_str(at, bytes);
	at->p++;
	return take_number(at, at->p[-1] - BIN_8, &len) &&
	       take_run(at, len, bytes);
}

static bool take_key(struct cursor *at, struct message_bytes *key)
{
	return take_bytes(at, key) && key->len >= 1 &&
	       key->len <= MESSAGE_KEY_MAX;
}

/* A string, an unsigned integer or a boolean: what options have. */
static bool take_scalar(struct cursor *at, msgpack_object *object)
{
	struct message_bytes str;

	if (at->p == at->end)
		return false;
	if (*at->p == FALSE || *at->p == TRUE) {
		object->type = MSGPACK_OBJECT_BOOLEAN;
		object->via.boolean = *at->p++ == TRUE;
		return true;
	}
	if (*at->p < FIX_MAP || (*at->p >= UINT_8 && *at->p <= UINT_64)) {
		object->type = MSGPACK_OBJECT_POSITIVE_INTEGER;
		return take_uint(at, &object->via.u64);
	}
	if (!take_str(at, &str) || str.len > UINT32_MAX)
		return false;
	object->type = MSGPACK_OBJECT_STR;
	object->via.str.ptr = str.data;
	object->via.str.size = (uint32_t)str.len;
	return true;
}

/* What the options may be is the general decoder's to say. */
static bool take_options(struct cursor *at, enum method_id method,
			 struct message_options *options)
{
	msgpack_object_kv pairs[QUICK_OPTIONS_MAX];
	msgpack_object map = { .type = MSGPACK_OBJECT_MAP };
	struct message_error ignored;
	struct message_scope scope = { .error = &ignored };
	uint32_t n;

	if (at->p == at->end || *at->p < FIX_MAP ||
	    *at->p > FIX_MAP + QUICK_OPTIONS_MAX)
		return false;
	n = *at->p++ - FIX_MAP;
	if (n == 0)
		return true;
	for (uint32_t i = 0; i < n; i++)
		if (!take_scalar(at, &pairs[i].key) ||
		    !take_scalar(at, &pairs[i].val))
			return false;
	map.via.map.size = n;
	map.via.map.ptr = pairs;
	return message_option_decode(&scope, "options", &map,
				     method_get(method)->options, options) == 0;
}

/* The parameters, of which there are N with the options. */
static bool take_params(struct cursor *at, struct message_request *request)
{
	enum method_id method = request->method;
	uint8_t n = method == METHOD_PUT ? 2 : 1;
	bool with_options;

	with_options = take_byte(at, FIX_ARRAY + n + 1);
	if (!with_options && !take_byte(at, FIX_ARRAY + n))
		return false;
	if (method == METHOD_DELETE && !take_byte(at, FIX_ARRAY + 1))
		return false;
	if (!take_key(at, &request->key) ||
	    (method == METHOD_PUT && !take_bytes(at, &request->value)))
		return false;
	return !with_options || take_options(at, method, &request->options);
}

static bool take_method(struct cursor *at, enum method_id *method)
{
	static const struct {
		struct message_bytes name; /* with its head */
		enum method_id method;
	} rows[] = {
		{ { "\xa3get", 4 }, METHOD_GET },
		{ { "\xa3put", 4 }, METHOD_PUT },
		{ { "\xa4stat", 5 }, METHOD_STAT },
		{ { "\xa6"
		    "delete",
		    7 },
		  METHOD_DELETE },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (n_left(at) < rows[i].name.len ||
		    memcmp(at->p, rows[i].name.data, rows[i].name.len) != 0)
			continue;
		at->p += rows[i].name.len;
		*method = rows[i].method;
		return true;
	}
	return false;
}

/* An array of four, TYPE and the id. */
static bool take_envelope(struct cursor *at, uint8_t type, uint32_t *id)
{
	uint64_t number;

	if (!take_byte(at, FIX_ARRAY + 4) || !take_byte(at, type) ||
	    !take_uint(at, &number) || number > UINT32_MAX)
		return false;
	*id = (uint32_t)number;
	return true;
}

/* The one key of a delete is a list. */
static bool make_list(struct message_decoder *decoder,
		      struct message_request *request)
{
	request->keys =
		message_request_list(decoder, 1, sizeof(*request->keys));
	if (!request->keys)
		return false;
	request->keys[0] = request->key;
	request->n_keys = 1;
	memset(&request->key, 0, sizeof(request->key));
	return true;
}

bool message_quick_request(struct message_decoder *decoder, const void *body,
			   size_t body_len, struct message_request *request)
{
	struct cursor at = { .p = body };

	if (body_len == 0)
		return false;
	at.end = at.p + body_len;
	if (!take_envelope(&at, 0, &request->id) ||
	    !take_method(&at, &request->method) || !take_params(&at, request) ||
	    at.p != at.end)
		return false;
	return request->method != METHOD_DELETE || make_list(decoder, request);
}

/* nil stays 0. */
static bool take_expiry(struct cursor *at, uint64_t *expires_at_ms)
{
	return take_byte(at, NIL) ||
	       (take_uint(at, expires_at_ms) && *expires_at_ms > 0);
}

static bool take_version(struct cursor *at, uint64_t *version)
{
	return take_uint(at, version) && *version > 0;
}

static bool take_found(struct cursor *at, enum method_id method,
		       struct message_item *item)
{
	item->kind = MESSAGE_ITEM_FOUND;
	return take_byte(at, FIX_ARRAY + 3) &&
	       (method == METHOD_GET ? take_bytes(at, &item->value)
				     : take_uint(at, &item->size)) &&
	       take_version(at, &item->version) &&
	       take_expiry(at, &item->expires_at_ms);
}

static bool take_item(struct cursor *at, enum method_id method,
		      struct message_reply *reply)
{
	struct message_item item = { .kind = MESSAGE_ITEM_MISSING };

	reply->missing = take_byte(at, NIL);
	if ((!reply->missing && !take_found(at, method, &item)) ||
	    at->p != at->end)
		return false;
	reply->items = message_new_list(1, sizeof(*reply->items));
	if (!reply->items)
		return false;
	reply->items[0] = item;
	reply->n_items = 1;
	return true;
}

static bool take_written(struct cursor *at, struct message_reply *reply)
{
	msgpack_object name;

	if (!take_byte(at, NIL))
		return take_byte(at, FIX_ARRAY + 2) &&
		       take_version(at, &reply->version) &&
		       take_scalar(at, &name) &&
		       message_durability_decode(&name, &reply->durability) &&
		       at->p == at->end;
	reply->missing = true;
	return at->p == at->end;
}

bool message_quick_reply(enum method_id method, const void *body,
			 size_t body_len, struct message_reply *reply)
{
	struct cursor at = { .p = body };

	if (body_len == 0)
		return false;
	at.end = at.p + body_len;
	if (!take_envelope(&at, 1, &reply->id) || !take_byte(&at, NIL))
		return false;
	switch (method) {
	case METHOD_GET:
	case METHOD_STAT:
		return take_item(&at, method, reply);
	case METHOD_PUT:
		return take_written(&at, reply);
	default:
		return false;
	}
}
