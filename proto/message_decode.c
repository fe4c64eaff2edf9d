#include "proto/message_decode.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/message_check.h"
#include "proto/message_option.h"

enum {
	LIST_FIRST = 8 << 10, /* bytes: most requests' keys or operations */
};

int message_decode_begin(struct message_decoder *decoder,
			 const struct message_scope *scope, const void *body,
			 size_t body_len, msgpack_object *object)
{
	msgpack_unpack_return result;
	size_t off = 0;
	int r;

	r = message_check(body, body_len);
	if (r)
		return message_fail(scope, MESSAGE_ERROR_BAD_MESSAGE,
				    "the message %s", message_check_text(r));
	result = msgpack_unpack(body, body_len, &off, decoder->zone, object);
	if (result == MSGPACK_UNPACK_SUCCESS)
		return 0;
	message_decode_end(decoder);
	if (result == MSGPACK_UNPACK_NOMEM_ERROR)
		return -ENOMEM;
	return message_fail(scope, MESSAGE_ERROR_BAD_MESSAGE,
			    "the message is not msgpack");
}

void message_decode_end(struct message_decoder *decoder)
{
	msgpack_zone_clear(decoder->zone);
}

/* "put: ", "batch: ops[3]: " or nothing. */
static size_t print_scope(const struct message_scope *scope, char *text,
			  size_t size)
{
	const char *reply = scope->is_reply ? "reply to " : "";
	int n = 0;

	if (scope->where && scope->list)
		n = snprintf(text, size, "%s%s: %s[%zu]: ", reply, scope->where,
			     scope->list, scope->index);
	else if (scope->where)
		n = snprintf(text, size, "%s%s: ", reply, scope->where);
	return n > 0 ? (size_t)n : 0;
}

int message_fail(const struct message_scope *scope,
		 enum message_error_code code, const char *format, ...)
{
	struct message_error *error = scope->error;
	va_list args;
	size_t n;

	error->code = code;
	n = print_scope(scope, error->text, sizeof(error->text));
	va_start(args, format);
	vsnprintf(error->text + n, sizeof(error->text) - n, format, args);
	va_end(args);
	return -EPROTO;
}

static const char *type_text(const msgpack_object *object)
{
	switch (object->type) {
	case MSGPACK_OBJECT_NIL:
		return "nil";
	case MSGPACK_OBJECT_BOOLEAN:
		return "a boolean";
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		return "an integer";
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		return "a negative integer";
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		return "a float";
	case MSGPACK_OBJECT_STR:
		return "a string";
	case MSGPACK_OBJECT_BIN:
		return "binary";
	case MSGPACK_OBJECT_ARRAY:
		return "an array";
	case MSGPACK_OBJECT_MAP:
		return "a map";
	default:
		return "an extension";
	}
}

static int fail_must(const struct message_scope *scope, const char *name,
		     const char *expected, const char *came)
{
	if (scope->param > 0)
		return message_fail(scope, MESSAGE_ERROR_BAD_PARAMS,
				    "parameter %u (%s) must be %s, not %s",
				    scope->param, name, expected, came);
	return message_fail(scope, MESSAGE_ERROR_BAD_PARAMS,
			    "%s must be %s, not %s", name, expected, came);
}

int message_fail_type(const struct message_scope *scope, const char *name,
		      const char *expected, const msgpack_object *object)
{
	return fail_must(scope, name, expected, type_text(object));
}

const char *message_quote(char quote[MESSAGE_QUOTE_SIZE],
			  const struct message_bytes *bytes)
{
	const unsigned char *p = bytes->data;
	size_t n = bytes->len;
	size_t i;

	if (n > MESSAGE_QUOTE_MAX)
		n = MESSAGE_QUOTE_MAX;
	for (i = 0; i < n; i++) {
		quote[i] = '?';
		if (p[i] >= 0x20 && p[i] < 0x7f && p[i] != '"' && p[i] != '\\')
			quote[i] = (char)p[i];
	}
	snprintf(quote + n, MESSAGE_QUOTE_SIZE - n, "%s",
		 bytes->len > n ? "..." : "");
	return quote;
}

bool message_is_nil(const msgpack_object *object)
{
	return object->type == MSGPACK_OBJECT_NIL;
}

bool message_is_str(const msgpack_object *object, const char *text)
{
	size_t len = strlen(text);

	return object->type == MSGPACK_OBJECT_STR &&
	       object->via.str.size == len &&
	       memcmp(object->via.str.ptr, text, len) == 0;
}

bool message_to_bytes(const msgpack_object *object, struct message_bytes *bytes)
{
	if (object->type == MSGPACK_OBJECT_BIN) {
		bytes->data = object->via.bin.ptr;
		bytes->len = object->via.bin.size;
		return true;
	}
	if (object->type == MSGPACK_OBJECT_STR) {
		bytes->data = object->via.str.ptr;
		bytes->len = object->via.str.size;
		return true;
	}
	return false;
}

int message_get_bytes(const struct message_scope *scope, const char *name,
		      const msgpack_object *object, struct message_bytes *bytes)
{
	if (!message_to_bytes(object, bytes))
		return message_fail_type(scope, name, "binary", object);
	return 0;
}

int message_get_str(const struct message_scope *scope, const char *name,
		    const msgpack_object *object, struct message_bytes *bytes)
{
	if (object->type != MSGPACK_OBJECT_STR)
		return message_fail_type(scope, name, "a string", object);
	message_to_bytes(object, bytes);
	return 0;
}

int message_get_uint(const struct message_scope *scope, const char *name,
		     const msgpack_object *object, uint64_t min, uint64_t max,
		     uint64_t *number)
{
	if (object->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
		return message_fail_type(scope, name, "an unsigned integer",
					 object);
	if (object->via.u64 < min || object->via.u64 > max)
		return message_fail(scope, MESSAGE_ERROR_BAD_PARAMS,
				    "%s is out of its range", name);
	*number = object->via.u64;
	return 0;
}

int message_get_int(const struct message_scope *scope, const char *name,
		    const msgpack_object *object, int64_t *number)
{
	static const char expected[] = "a signed 64-bit integer";

	switch (object->type) {
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		*number = object->via.i64;
		return 0;
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		if (object->via.u64 > INT64_MAX)
			return fail_must(scope, name, expected,
					 "one over 2^63 - 1");
		*number = (int64_t)object->via.u64;
		return 0;
	default:
		return message_fail_type(scope, name, expected, object);
	}
}

int message_get_durability(const struct message_scope *scope, const char *name,
			   const msgpack_object *object,
			   enum message_durability *durability)
{
	if (message_durability_decode(object, durability))
		return 0;
	return message_fail(scope, MESSAGE_ERROR_BAD_PARAMS,
			    "%s must be \"always\", \"interval\" or \"none\"",
			    name);
}

int message_get_key(const struct message_scope *scope, const char *name,
		    const msgpack_object *object, struct message_bytes *key)
{
	int r;

	r = message_get_bytes(scope, name, object, key);
	if (r)
		return r;
	if (key->len >= 1 && key->len <= MESSAGE_KEY_MAX)
		return 0;
	return message_fail(scope,
			    key->len ? MESSAGE_ERROR_TOO_LARGE
				     : MESSAGE_ERROR_BAD_PARAMS,
			    "key of %zu bytes: a key has 1 to %d", key->len,
			    MESSAGE_KEY_MAX);
}

const msgpack_object *message_get_tuple(const struct message_scope *scope,
					const msgpack_object *object,
					uint32_t n)
{
	if (object->type == MSGPACK_OBJECT_ARRAY && object->via.array.size == n)
		return object->via.array.ptr;
	message_fail(scope, MESSAGE_ERROR_BAD_MESSAGE,
		     "an array of %u was expected", n);
	return NULL;
}

int message_get_list(const struct message_scope *scope,
		     const msgpack_object *object, uint32_t max, size_t *n)
{
	if (object->type != MSGPACK_OBJECT_ARRAY)
		return message_fail_type(scope, "the list", "an array", object);
	if (object->via.array.size > max)
		return message_fail(scope, MESSAGE_ERROR_BAD_MESSAGE,
				    "%u elements: at most %u",
				    object->via.array.size, max);
	*n = object->via.array.size;
	return 0;
}

int message_get_version(const struct message_scope *scope,
			const msgpack_object *object, uint64_t *version)
{
	return message_get_uint(scope, "version", object, 1, UINT64_MAX,
				version);
}

int message_get_error(const struct message_scope *scope,
		      const msgpack_object *object, unsigned int *code,
		      struct message_bytes *text)
{
	const msgpack_object *e = message_get_tuple(scope, object, 3);
	struct message_bytes name;
	uint64_t number = 0;
	int r;

	if (!e)
		return -EPROTO;
	r = message_get_uint(scope, "error code", &e[0], 1, UINT_MAX, &number);
	if (r == 0)
		r = message_get_str(scope, "error name", &e[1], &name);
	if (r == 0)
		r = message_get_bytes(scope, "error text", &e[2], text);
	if (r == 0)
		*code = (unsigned int)number;
	return r;
}

void *message_request_list(struct message_decoder *decoder, size_t n,
			   size_t size)
{
	size_t len = (n > 0 ? n : 1) * size;
	size_t cap = len > LIST_FIRST ? len : LIST_FIRST;

	if (len > decoder->list_cap) {
		/* The old bytes are of no use: no realloc. */
		free(decoder->list);
		decoder->list = malloc(cap);
		decoder->list_cap = decoder->list ? cap : 0;
	}
	if (decoder->list)
		memset(decoder->list, 0, len);
	return decoder->list;
}

void *message_new_list(size_t n, size_t size)
{
	return calloc(n > 0 ? n : 1, size);
}
