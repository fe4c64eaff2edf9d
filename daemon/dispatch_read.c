#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/dispatch.h"
#include "daemon/dispatch_methods.h"
#include "daemon/results.h"
#include "daemon/service.h"

static struct engine_bytes to_engine(struct message_bytes bytes)
{
	return (struct engine_bytes){ .data = bytes.data, .len = bytes.len };
}

static struct message_bytes to_message(struct engine_bytes bytes)
{
	return (struct message_bytes){ .data = bytes.data, .len = bytes.len };
}

static int prepare_one(struct request *request, enum engine_op op)
{
	struct engine_request *engine = &request->engine;

	request->key = to_engine(request->message.key);
	engine->op = op;
	engine->deadline_ms = 0;
	engine->keys = &request->key;
	engine->n_keys = 1;
	return 0;
}

int dispatch_prepare_get(struct request *request)
{
	return prepare_one(request, ENGINE_GET);
}

int dispatch_prepare_stat(struct request *request)
{
	return prepare_one(request, ENGINE_STAT);
}

/* No keys: nothing to ask the engine for. */
static int answer_none(struct request *request)
{
	request->kind = REQUEST_LOCAL;
	return 0;
}

int dispatch_prepare_get_many(struct request *request)
{
	const struct message_request *message = &request->message;

	if (message->n_keys == 0)
		return answer_none(request);
	request->keys = request_new_list(request, message->n_keys,
					 sizeof(*request->keys));
	if (!request->keys)
		return -ENOMEM;
	for (size_t i = 0; i < message->n_keys; i++)
		request->keys[i] = to_engine(message->keys[i]);
	request->engine.op = ENGINE_GET_MANY;
	request->engine.keys = request->keys;
	request->engine.n_keys = message->n_keys;
	return 0;
}

static void fill_cursor(struct request *request)
{
	struct message_bytes cursor = request->message.cursor;

	if (cursor.len > 0)
		memcpy(request->engine.cursor, cursor.data, cursor.len);
	request->engine.cursor_len = cursor.len;
}

int dispatch_prepare_scan(struct request *request)
{
	const struct message_request *message = &request->message;
	struct engine_request *engine = &request->engine;

	if (message->options.limit > ENGINE_SCAN_MAX) {
		dispatch_fail(request, MESSAGE_ERROR_TOO_LARGE,
			      "limit: a scan step has at most %d items",
			      ENGINE_SCAN_MAX);
		return -EINVAL;
	}
	engine->op = ENGINE_SCAN;
	engine->prefix = to_engine(message->options.prefix);
	engine->limit = (size_t)message->options.limit;
	engine->with_values = message->options.values;
	fill_cursor(request);
	return 0;
}

void dispatch_restore(struct request *request)
{
	request_drop_fd(request);
	/* A scan's cursor goes in and out. */
	fill_cursor(request);
}

int dispatch_prepare_count(struct request *request)
{
	request->engine.op = ENGINE_COUNT;
	return 0;
}

int dispatch_prepare_sync(struct request *request)
{
	request->engine.op = ENGINE_SYNC;
	return 0;
}

static void fill_item(struct message_item *out, const struct engine_item *in)
{
	out->key = to_message(in->key);
	if (in->result == ENGINE_NOT_FOUND) {
		out->kind = MESSAGE_ITEM_MISSING;
	} else if (in->result != 0) {
		out->kind = MESSAGE_ITEM_ERROR;
		out->error_code = results_code(in->result);
		out->error_text.data = results_text(in->result);
		out->error_text.len = strlen(results_text(in->result));
	} else {
		out->kind = MESSAGE_ITEM_FOUND;
		out->value = to_message(in->value);
		out->is_apart =
			in->value_owner && in->value.len >= LIMITS_REPLY_MOVE;
	}
	out->size = in->value_len;
	out->version = in->version;
	out->expires_at_ms = in->expires_at_ms;
}

static int fill_items(struct request *request, struct message_reply *reply)
{
	const struct engine_request *engine = &request->engine;

	if (engine->n_items == 0)
		return 0;
	reply->items = dispatch_new_list(request, engine->n_items,
					 sizeof(*reply->items));
	if (!reply->items)
		return -ENOMEM;
	reply->n_items = engine->n_items;
	for (size_t i = 0; i < engine->n_items; i++)
		fill_item(&reply->items[i], &engine->items[i]);
	return 0;
}

int dispatch_reply_get(struct request *request, struct message_reply *reply)
{
	return reply->missing ? 0 : fill_items(request, reply);
}

int dispatch_encode_get(const struct request *request, struct buffer *out)
{
	const struct engine_request *engine = &request->engine;
	size_t max = request->service->frame_max;
	struct message_item item;

	if (engine->result == ENGINE_NOT_FOUND)
		return message_encode_value(out, max, request->id, NULL);
	if (engine->n_items != 1 || engine->items[0].result != 0 ||
	    engine->items[0].value.len >= LIMITS_REPLY_MOVE)
		return DISPATCH_OTHERWISE;
	item.value = to_message(engine->items[0].value);
	item.version = engine->items[0].version;
	item.expires_at_ms = engine->items[0].expires_at_ms;
	return message_encode_value(out, max, request->id, &item);
}

int dispatch_reply_get_many(struct request *request,
			    struct message_reply *reply)
{
	return fill_items(request, reply);
}

int dispatch_reply_scan(struct request *request, struct message_reply *reply)
{
	const struct engine_request *engine = &request->engine;

	reply->with_values = engine->with_values;
	reply->cursor.data = engine->cursor;
	reply->cursor.len = engine->cursor_len;
	return fill_items(request, reply);
}

int dispatch_reply_count(struct request *request, struct message_reply *reply)
{
	reply->count = request->engine.count;
	return 0;
}
