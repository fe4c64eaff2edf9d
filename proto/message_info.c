#include "proto/message_info.h"

#include <errno.h>

static int decode_limit(const struct message_scope *scope,
			const msgpack_object_kv *pair,
			struct message_limit *limit)
{
	int r;

	r = message_get_str(scope, "a limit's name", &pair->key, &limit->name);
	if (r)
		return r;
	return message_get_uint(scope, "a limit", &pair->val, 0, UINT64_MAX,
				&limit->value);
}

static int decode_limits(const struct message_scope *scope,
			 const msgpack_object *object,
			 struct message_reply *reply)
{
	const msgpack_object_map *map = &object->via.map;
	uint32_t i;
	int r = 0;

	if (object->type != MSGPACK_OBJECT_MAP)
		return message_fail_type(scope, "limits", "a map", object);
	if (reply->limits)
		return message_fail(scope, MESSAGE_ERROR_BAD_MESSAGE,
				    "limits are given twice");
	reply->limits = message_new_list(map->size, sizeof(*reply->limits));
	if (!reply->limits)
		return -ENOMEM;
	reply->n_limits = map->size;
	for (i = 0; r == 0 && i < map->size; i++)
		r = decode_limit(scope, &map->ptr[i], &reply->limits[i]);
	return r;
}

static int decode_capabilities(const struct message_scope *scope,
			       const msgpack_object *object,
			       struct message_reply *reply)
{
	const msgpack_object_array *array = &object->via.array;
	uint32_t i;
	int r = 0;

	if (object->type != MSGPACK_OBJECT_ARRAY)
		return message_fail_type(scope, "capabilities", "an array",
					 object);
	if (reply->capabilities)
		return message_fail(scope, MESSAGE_ERROR_BAD_MESSAGE,
				    "capabilities are given twice");
	reply->capabilities =
		message_new_list(array->size, sizeof(*reply->capabilities));
	if (!reply->capabilities)
		return -ENOMEM;
	reply->n_capabilities = array->size;
	for (i = 0; r == 0 && i < array->size; i++)
		r = message_get_str(scope, "a capability", &array->ptr[i],
				    &reply->capabilities[i]);
	return r;
}

static int decode_member(const struct message_scope *scope,
			 const msgpack_object_kv *pair,
			 struct message_reply *reply)
{
	if (message_is_str(&pair->key, "protocol"))
		return message_get_uint(scope, "protocol", &pair->val, 1,
					UINT64_MAX, &reply->protocol);
	if (message_is_str(&pair->key, "server"))
		return message_get_str(scope, "server", &pair->val,
				       &reply->server);
	if (message_is_str(&pair->key, "limits"))
		return decode_limits(scope, &pair->val, reply);
	if (message_is_str(&pair->key, "capabilities"))
		return decode_capabilities(scope, &pair->val, reply);
	return 0;
}

int message_info_decode_hello(struct message_scope *scope,
			      enum method_id method,
			      const msgpack_object *object,
			      struct message_reply *reply)
{
	uint32_t i;
	int r = 0;

	(void)method;
	if (object->type != MSGPACK_OBJECT_MAP)
		return message_fail_type(scope, "the result", "a map", object);
	for (i = 0; r == 0 && i < object->via.map.size; i++)
		r = decode_member(scope, &object->via.map.ptr[i], reply);
	if (r == 0 && reply->protocol == 0)
		return message_fail(scope, MESSAGE_ERROR_BAD_MESSAGE,
				    "has no protocol version");
	return r;
}

static const char *const kind_names[] = {
	[MESSAGE_STAT_COUNTER] = "counter",
	[MESSAGE_STAT_GAUGE] = "gauge",
	[MESSAGE_STAT_TEXT] = "text",
};

const char *message_info_kind_name(enum message_stat_kind kind)
{
	if ((unsigned int)kind > MESSAGE_STAT_TEXT)
		return NULL;
	return kind_names[kind];
}

static int decode_kind(const struct message_scope *scope,
		       const msgpack_object *object,
		       enum message_stat_kind *kind)
{
	int i;

	for (i = MESSAGE_STAT_COUNTER; i <= MESSAGE_STAT_TEXT; i++) {
		if (message_is_str(object, kind_names[i])) {
			*kind = (enum message_stat_kind)i;
			return 0;
		}
	}
	return message_fail(scope, MESSAGE_ERROR_BAD_MESSAGE,
			    "kind must be \"counter\", \"gauge\" or \"text\"");
}

/* [name, kind, value, help] */
static int decode_stat(const struct message_scope *scope,
		       const msgpack_object *object, struct message_stat *stat)
{
	const msgpack_object *e = message_get_tuple(scope, object, 4);
	int r;

	if (!e)
		return -EPROTO;
	r = message_get_str(scope, "name", &e[0], &stat->name);
	if (r == 0)
		r = decode_kind(scope, &e[1], &stat->kind);
	if (r == 0)
		r = message_get_str(scope, "help", &e[3], &stat->help);
	if (r)
		return r;
	if (stat->kind == MESSAGE_STAT_TEXT)
		return message_get_str(scope, "value", &e[2], &stat->text);
	return message_get_uint(scope, "value", &e[2], 0, UINT64_MAX,
				&stat->value);
}

int message_info_decode_stats(struct message_scope *scope,
			      enum method_id method,
			      const msgpack_object *object,
			      struct message_reply *reply)
{
	const msgpack_object_array *array = &object->via.array;
	int r = 0;

	(void)method;
	if (object->type != MSGPACK_OBJECT_ARRAY)
		return message_fail_type(scope, "the result", "an array",
					 object);
	reply->stats = message_new_list(array->size, sizeof(*reply->stats));
	if (!reply->stats)
		return -ENOMEM;
	reply->n_stats = array->size;
	scope->list = "stats";
	for (scope->index = 0; r == 0 && scope->index < array->size;
	     scope->index++)
		r = decode_stat(scope, &array->ptr[scope->index],
				&reply->stats[scope->index]);
	return r;
}
