#include "proto/message.h"

#include <errno.h>
#include <string.h>

#include "proto/message_decode.h"
#include "proto/message_info.h"
#include "proto/message_item.h"

static int decode_written(struct message_scope *scope, enum method_id method,
			  const msgpack_object *object,
			  struct message_reply *reply)
{
	const msgpack_object *e;
	int r;

	if (message_is_nil(object)) {
		reply->missing = true;
		return 0;
	}
	e = message_get_tuple(scope, object, 2);
	if (!e)
		return -EPROTO;
	if (method == METHOD_DELETE)
		r = message_get_uint(scope, "deleted", &e[0], 0,
				     MESSAGE_KEYS_MAX, &reply->count);
	else
		r = message_get_version(scope, &e[0], &reply->version);
	if (r == 0)
		r = message_get_durability(scope, "durability", &e[1],
					   &reply->durability);
	return r;
}

static int decode_versions(const struct message_scope *scope,
			   const msgpack_object *object,
			   struct message_reply *reply)
{
	size_t n = 0;
	size_t i;
	int r;

	r = message_get_list(scope, object, MESSAGE_OPS_MAX, &n);
	if (r)
		return r;
	reply->versions = message_new_list(n, sizeof(*reply->versions));
	if (!reply->versions)
		return -ENOMEM;
	reply->n_versions = n;
	for (i = 0; r == 0 && i < n; i++)
		r = message_get_uint(scope, "version",
				     &object->via.array.ptr[i], 0, UINT64_MAX,
				     &reply->versions[i]);
	return r;
}

static int decode_batch(struct message_scope *scope, enum method_id method,
			const msgpack_object *object,
			struct message_reply *reply)
{
	const msgpack_object *e;
	int r;

	(void)method;
	if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
		reply->condition_failed = true;
		return message_get_uint(scope, "index", object, 0,
					MESSAGE_OPS_MAX - 1,
					&reply->failed_index);
	}
	e = message_get_tuple(scope, object, 2);
	if (!e)
		return -EPROTO;
	r = decode_versions(scope, &e[0], reply);
	if (r == 0)
		r = message_get_durability(scope, "durability", &e[1],
					   &reply->durability);
	return r;
}

static int decode_incr(struct message_scope *scope, enum method_id method,
		       const msgpack_object *object,
		       struct message_reply *reply)
{
	const msgpack_object *e = message_get_tuple(scope, object, 3);
	int r;

	(void)method;
	if (!e)
		return -EPROTO;
	r = message_get_int(scope, "number", &e[0], &reply->number);
	if (r == 0)
		r = message_get_version(scope, &e[1], &reply->version);
	if (r == 0)
		r = message_get_durability(scope, "durability", &e[2],
					   &reply->durability);
	return r;
}

static int decode_count(struct message_scope *scope, enum method_id method,
			const msgpack_object *object,
			struct message_reply *reply)
{
	(void)method;
	return message_get_uint(scope, "count", object, 0, UINT64_MAX,
				&reply->count);
}

static int decode_attach(struct message_scope *scope, enum method_id method,
			 const msgpack_object *object,
			 struct message_reply *reply)
{
	const msgpack_object *e;
	int r;

	(void)method;
	if (message_is_nil(object)) {
		reply->missing = true;
		return 0;
	}
	e = message_get_tuple(scope, object, 3);
	if (!e)
		return -EPROTO;
	r = message_get_uint(scope, "index", &e[0], 0, UINT64_MAX,
			     &reply->index);
	if (r == 0)
		r = message_get_uint(scope, "len", &e[1], 0, UINT64_MAX,
				     &reply->count);
	if (r == 0)
		r = message_get_uint(scope, "id", &e[2], 0, UINT32_MAX,
				     &reply->segment);
	return r;
}

static int decode_nothing(struct message_scope *scope, enum method_id method,
			  const msgpack_object *object,
			  struct message_reply *reply)
{
	(void)method;
	(void)reply;
	return message_is_nil(object)
		       ? 0
		       : message_fail(scope, MESSAGE_ERROR_BAD_MESSAGE,
				      "nil was expected");
}

static int decode_result(struct message_scope *scope, enum method_id method,
			 const msgpack_object *object,
			 struct message_reply *reply)
{
	static int (*const decoders[METHOD_COUNT_OF])(
		struct message_scope *, enum method_id, const msgpack_object *,
		struct message_reply *) = {
		[METHOD_HELLO] = message_info_decode_hello,
		[METHOD_PING] = decode_nothing,
		[METHOD_GET] = message_item_decode_get,
		[METHOD_STAT] = message_item_decode_get,
		[METHOD_GET_MANY] = message_item_decode_many,
		[METHOD_PUT] = decode_written,
		[METHOD_DELETE] = decode_written,
		[METHOD_BATCH] = decode_batch,
		[METHOD_INCR] = decode_incr,
		[METHOD_TOUCH] = decode_written,
		[METHOD_CLEAR] = decode_nothing,
		[METHOD_COUNT] = decode_count,
		[METHOD_SCAN] = message_item_decode_scan,
		[METHOD_SYNC] = decode_nothing,
		[METHOD_STATS] = message_info_decode_stats,
		[METHOD_COMPACT] = decode_nothing,
		[METHOD_BACKUP] = decode_nothing,
		[METHOD_ATTACH] = decode_attach,
	};

	return decoders[method](scope, method, object, reply);
}

/* Copies what a peer says, without control bytes: it ends on terminals. */
static void copy_text(char text[MESSAGE_ERROR_TEXT_MAX],
		      const struct message_bytes *bytes)
{
	const unsigned char *p = bytes->data;
	size_t i;

	for (i = 0; i < bytes->len && i < MESSAGE_ERROR_TEXT_MAX - 1; i++)
		text[i] = p[i] < 0x20 || p[i] == 0x7f ? '?' : (char)p[i];
	text[i] = '\0';
}

static int decode_reply(struct message_scope *scope, enum method_id method,
			const msgpack_object *object,
			struct message_reply *reply)
{
	const msgpack_object *e = message_get_tuple(scope, object, 4);
	struct message_bytes text;
	uint64_t number = 0;
	int r;

	if (!e)
		return -EPROTO;
	r = message_get_uint(scope, "type", &e[0], 1, 1, &number);
	if (r == 0)
		r = message_get_uint(scope, "id", &e[1], 0, UINT32_MAX,
				     &number);
	if (r)
		return r;
	reply->id = (uint32_t)number;
	if (message_is_nil(&e[2]))
		return decode_result(scope, method, &e[3], reply);
	if (!message_is_nil(&e[3]))
		return message_fail(scope, MESSAGE_ERROR_BAD_MESSAGE,
				    "has both an error and a result");
	r = message_get_error(scope, &e[2], &reply->error.code, &text);
	if (r == 0)
		copy_text(reply->error.text, &text);
	return r;
}

int message_decode_reply(struct message_decoder *decoder, enum method_id method,
			 const void *body, size_t body_len,
			 struct message_reply *reply,
			 struct message_error *error)
{
	struct message_scope scope = { .where = method_get(method)->name,
				       .is_reply = true,
				       .error = error };
	msgpack_object object;
	int r;

	memset(reply, 0, sizeof(*reply));
	r = message_decode_begin(decoder, &scope, body, body_len, &object);
	if (r == 0) {
		r = decode_reply(&scope, method, &object, reply);
		message_decode_end(decoder);
	}
	if (r == 0)
		return 0;
	message_reply_deinit(reply);
	memset(reply, 0, sizeof(*reply));
	if (r == -EPROTO)
		error->code = MESSAGE_ERROR_BAD_MESSAGE;
	return r;
}
