#include "proto/message.h"

#include <errno.h>
#include <string.h>

#include "proto/message_check.h"
#include "proto/message_decode.h"
#include "proto/message_option.h"
#include "proto/message_quick.h"

/* An operation of a batch: [name, param..., {option: value}]. */
struct op_shape {
	const char *name;
	uint32_t n_params;
	const char *params;
	unsigned int options;
};

static const struct op_shape put_shape = { "put", 2, "a key, a value",
					   OPT_TTL | OPT_EXPIRES_AT |
						   OPT_IF_ABSENT |
						   OPT_IF_VERSION };

static const struct op_shape delete_shape = { "delete", 1, "a key",
					      OPT_IF_VERSION };

/* What is wrong with the four elements; NULL: nothing. */
static const char *envelope_fault(const msgpack_object_array *array)
{
	const msgpack_object *e = array->ptr;

	if (array->size == 0 || e[0].type != MSGPACK_OBJECT_POSITIVE_INTEGER)
		return "this is something else";
	if (e[0].via.u64 == 1)
		return "this is a reply";
	if (e[0].via.u64 == 2)
		return "notifications are not taken";
	if (e[0].via.u64 != 0)
		return "its type is not 0";
	if (array->size != 4)
		return "it has not 4 elements";
	if (e[1].type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
	    e[1].via.u64 > UINT32_MAX)
		return "its id is not an unsigned integer of up to 32 bits";
	if (e[2].type != MSGPACK_OBJECT_STR)
		return "its method is not a string";
	if (e[3].type != MSGPACK_OBJECT_ARRAY)
		return "its params are not an array";
	return NULL;
}

static int check_envelope(const struct message_scope *scope,
			  const msgpack_object *object)
{
	const char *fault = "this is something else";

	if (object->type == MSGPACK_OBJECT_ARRAY)
		fault = envelope_fault(&object->via.array);
	if (!fault)
		return 0;
	return message_fail(scope, MESSAGE_ERROR_BAD_MESSAGE,
			    "a request is [0, id, method, params]: %s", fault);
}

static int decode_method(const struct message_scope *scope,
			 const msgpack_object *object, enum method_id *method)
{
	char quote[MESSAGE_QUOTE_SIZE];
	struct message_bytes name;
	int id;

	message_to_bytes(object, &name);
	id = method_find(name.data, name.len);
	if (id < 0)
		return message_fail(scope, MESSAGE_ERROR_UNKNOWN_METHOD,
				    "unknown method \"%s\"",
				    message_quote(quote, &name));
	*method = (enum method_id)id;
	return 0;
}

static int decode_keys(struct message_decoder *decoder,
		       struct message_scope scope, const msgpack_object *object,
		       struct message_request *request)
{
	const msgpack_object_array *array = &object->via.array;
	int r = 0;

	if (object->type != MSGPACK_OBJECT_ARRAY)
		return message_fail_type(&scope, "keys", "an array", object);
	if (array->size > MESSAGE_KEYS_MAX)
		return message_fail(&scope, MESSAGE_ERROR_TOO_LARGE,
				    "%u keys: at most %d", array->size,
				    MESSAGE_KEYS_MAX);
	request->keys = message_request_list(decoder, array->size,
					     sizeof(*request->keys));
	if (!request->keys)
		return -ENOMEM;
	request->n_keys = array->size;
	scope.list = "keys";
	scope.param = 0;
	for (scope.index = 0; r == 0 && scope.index < array->size;
	     scope.index++)
		r = message_get_key(&scope, "key", &array->ptr[scope.index],
				    &request->keys[scope.index]);
	return r;
}

static const struct op_shape *find_shape(const msgpack_object_array *array)
{
	if (array->size > 0 && message_is_str(&array->ptr[0], "put"))
		return &put_shape;
	if (array->size > 0 && message_is_str(&array->ptr[0], "delete"))
		return &delete_shape;
	return NULL;
}

static int decode_op_params(const struct message_scope *scope,
			    const struct op_shape *shape,
			    const msgpack_object_array *array,
			    struct message_op *op)
{
	uint32_t n = array->size - 1;
	int r;

	if (n != shape->n_params && n != shape->n_params + 1)
		return message_fail(scope, MESSAGE_ERROR_BAD_PARAMS,
				    "\"%s\" takes %s and an options map",
				    shape->name, shape->params);
	r = message_get_key(scope, "key", &array->ptr[1], &op->key);
	if (r == 0 && shape == &put_shape)
		r = message_get_bytes(scope, "value", &array->ptr[2],
				      &op->value);
	if (r == 0 && n > shape->n_params)
		r = message_option_decode(scope, "options", &array->ptr[n],
					  shape->options, &op->options);
	return r;
}

static int decode_op(const struct message_scope *scope,
		     const msgpack_object *object, struct message_op *op)
{
	const struct op_shape *shape;

	if (object->type != MSGPACK_OBJECT_ARRAY)
		return message_fail_type(scope, "an operation", "an array",
					 object);
	shape = find_shape(&object->via.array);
	if (!shape)
		return message_fail(scope, MESSAGE_ERROR_BAD_PARAMS,
				    "an operation begins with \"put\" or "
				    "\"delete\"");
	op->is_delete = shape == &delete_shape;
	return decode_op_params(scope, shape, &object->via.array, op);
}

static int decode_ops(struct message_decoder *decoder,
		      struct message_scope scope, const msgpack_object *object,
		      struct message_request *request)
{
	const msgpack_object_array *array = &object->via.array;
	int r = 0;

	if (object->type != MSGPACK_OBJECT_ARRAY)
		return message_fail_type(&scope, "ops", "an array", object);
	if (array->size > MESSAGE_OPS_MAX)
		return message_fail(&scope, MESSAGE_ERROR_TOO_LARGE,
				    "%u operations: at most %d", array->size,
				    MESSAGE_OPS_MAX);
	request->ops = message_request_list(decoder, array->size,
					    sizeof(*request->ops));
	if (!request->ops)
		return -ENOMEM;
	request->n_ops = array->size;
	scope.list = "ops";
	scope.param = 0;
	for (scope.index = 0; r == 0 && scope.index < array->size;
	     scope.index++)
		r = decode_op(&scope, &array->ptr[scope.index],
			      &request->ops[scope.index]);
	return r;
}

static int decode_cursor(const struct message_scope *scope,
			 const msgpack_object *object,
			 struct message_bytes *cursor)
{
	int r;

	r = message_get_bytes(scope, "cursor", object, cursor);
	if (r == 0 && cursor->len > MESSAGE_CURSOR_MAX)
		return message_fail(scope, MESSAGE_ERROR_BAD_CURSOR,
				    "cursor of %zu bytes: at most %d",
				    cursor->len, MESSAGE_CURSOR_MAX);
	return r;
}

static int decode_path(const struct message_scope *scope,
		       const msgpack_object *object, struct message_bytes *path)
{
	int r;

	r = message_get_bytes(scope, "path", object, path);
	if (r)
		return r;
	if (path->len < 1 || path->len > MESSAGE_PATH_MAX)
		return message_fail(scope, MESSAGE_ERROR_BAD_PARAMS,
				    "path of %zu bytes: a path has 1 to %d",
				    path->len, MESSAGE_PATH_MAX);
	if (memchr(path->data, 0, path->len))
		return message_fail(scope, MESSAGE_ERROR_BAD_PARAMS,
				    "path has a zero byte in it");
	return 0;
}

static int decode_param(struct message_decoder *decoder,
			const struct message_scope *scope, char letter,
			const msgpack_object *object,
			struct message_request *request)
{
	switch (letter) {
	case 'k':
		return message_get_key(scope, "key", object, &request->key);
	case 'v':
		return message_get_bytes(scope, "value", object,
					 &request->value);
	case 'K':
		return decode_keys(decoder, *scope, object, request);
	case 'O':
		return decode_ops(decoder, *scope, object, request);
	case 'i':
		return message_get_int(scope, "by", object, &request->by);
	case 'c':
		return decode_cursor(scope, object, &request->cursor);
	case 'p':
		return decode_path(scope, object, &request->path);
	default:
		return message_fail(scope, MESSAGE_ERROR_INTERNAL,
				    "no decoder for parameter '%c'", letter);
	}
}

static int fail_count(const struct message_scope *scope, size_t n_wanted,
		      uint32_t n)
{
	struct message_scope bare = { .error = scope->error };
	const char *plural = n_wanted == 1 ? "" : "s";

	if (n_wanted == 0)
		return message_fail(&bare, MESSAGE_ERROR_BAD_PARAMS,
				    "%s takes an options map only, not %u "
				    "parameters",
				    scope->where, n);
	return message_fail(&bare, MESSAGE_ERROR_BAD_PARAMS,
			    "%s takes %zu parameter%s and an options map, not "
			    "%u",
			    scope->where, n_wanted, plural, n);
}

/* The options map may be missing: some languages' callers forget it. */
static int decode_params(struct message_decoder *decoder,
			 struct message_scope *scope,
			 const msgpack_object_array *params,
			 struct message_request *request)
{
	const struct method *method = method_get(request->method);
	size_t n = strlen(method->params);
	size_t i;
	int r;

	if (params->size != n && params->size != n + 1)
		return fail_count(scope, n, params->size);
	for (i = 0; i < n; i++) {
		scope->param = (unsigned int)i + 1;
		r = decode_param(decoder, scope, method->params[i],
				 &params->ptr[i], request);
		if (r)
			return r;
	}
	if (params->size == n)
		return 0;
	scope->param = (unsigned int)n + 1;
	return message_option_decode(scope, "options", &params->ptr[n],
				     method->options, &request->options);
}

/* What one parameter or option alone does not show. */
static int check_request(const struct message_scope *scope,
			 const struct message_request *request)
{
	unsigned int present = request->options.present;
	unsigned int expiries =
		present & (OPT_TTL | OPT_EXPIRES_AT | OPT_PERSIST);

	if (request->method == METHOD_DELETE && (present & OPT_IF_VERSION) &&
	    request->n_keys != 1)
		return message_fail(scope, MESSAGE_ERROR_BAD_PARAMS,
				    "option \"if_version\" goes with one key, "
				    "not %zu",
				    request->n_keys);
	if (request->method == METHOD_TOUCH &&
	    (expiries == 0 || (expiries & (expiries - 1)) != 0))
		return message_fail(scope, MESSAGE_ERROR_BAD_PARAMS,
				    "needs exactly one of the options \"ttl\", "
				    "\"expires_at\" and \"persist\"");
	return 0;
}

static int decode_request(struct message_decoder *decoder,
			  struct message_scope *scope,
			  const msgpack_object *object,
			  struct message_request *request)
{
	const msgpack_object *e;
	int r;

	r = check_envelope(scope, object);
	if (r)
		return r;
	e = object->via.array.ptr;
	request->id = (uint32_t)e[1].via.u64;
	r = decode_method(scope, &e[2], &request->method);
	if (r)
		return r;
	scope->where = method_get(request->method)->name;
	r = decode_params(decoder, scope, &e[3].via.array, request);
	if (r)
		return r;
	scope->param = 0;
	return check_request(scope, request);
}

int message_general_request(struct message_decoder *decoder, const void *body,
			    size_t body_len, struct message_request *request,
			    struct message_error *error)
{
	struct message_scope scope = { .error = error };
	msgpack_object object;
	uint64_t type;
	uint32_t id = 0;
	int r;

	memset(request, 0, sizeof(*request));
	r = message_decode_begin(decoder, &scope, body, body_len, &object);
	if (r == 0) {
		r = decode_request(decoder, &scope, &object, request);
		message_decode_end(decoder);
	}
	if (r == 0)
		return 0;
	memset(request, 0, sizeof(*request));
	if (message_check_peek(body, body_len, &type, &id) == 0 && type == 0)
		request->id = id;
	return r;
}

int message_decode_request(struct message_decoder *decoder, const void *body,
			   size_t body_len, struct message_request *request,
			   struct message_error *error)
{
	memset(request, 0, sizeof(*request));
	if (message_quick_request(decoder, body, body_len, request))
		return 0;
	return message_general_request(decoder, body, body_len, request, error);
}
