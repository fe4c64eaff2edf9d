#include "daemon/dispatch.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/dispatch_methods.h"
#include "daemon/results.h"
#include "daemon/service.h"

/* What the codec lets through, the engine takes. */
_Static_assert((int)MESSAGE_KEYS_MAX <= (int)ENGINE_KEYS_MAX &&
		       (int)MESSAGE_KEYS_MAX <= (int)ENGINE_BATCH_MAX &&
		       (int)MESSAGE_OPS_MAX <= (int)ENGINE_BATCH_MAX &&
		       (int)MESSAGE_CURSOR_MAX <= (int)ENGINE_CURSOR_MAX,
	       "the limits of the wire and of the engine");

enum {
	/* bytes: the codec's guess of heads is generous */
	REPLY_OVERHEAD = 128,
	ERROR_LEN = MESSAGE_ERROR_TEXT_MAX + REPLY_OVERHEAD,
};

static const struct dispatch_method methods[METHOD_COUNT_OF] = {
	[METHOD_HELLO] = { dispatch_prepare_hello, dispatch_reply_hello,
			   REQUEST_LOCAL, 0, NULL },
	[METHOD_PING] = { NULL, dispatch_reply_nothing, REQUEST_LOCAL, 0,
			  NULL },
	[METHOD_GET] = { dispatch_prepare_get, dispatch_reply_get, REQUEST_READ,
			 ENGINE_NOT_FOUND, dispatch_encode_get },
	[METHOD_STAT] = { dispatch_prepare_stat, dispatch_reply_get,
			  REQUEST_READ, ENGINE_NOT_FOUND, NULL },
	[METHOD_GET_MANY] = { dispatch_prepare_get_many,
			      dispatch_reply_get_many, REQUEST_READ, 0, NULL },
	[METHOD_PUT] = { dispatch_prepare_put, dispatch_reply_version,
			 REQUEST_WRITE, ENGINE_CONDITION, dispatch_encode_put },
	[METHOD_DELETE] = { dispatch_prepare_delete, dispatch_reply_delete,
			    REQUEST_WRITE, ENGINE_CONDITION, NULL },
	[METHOD_BATCH] = { dispatch_prepare_batch, dispatch_reply_batch,
			   REQUEST_WRITE, ENGINE_CONDITION, NULL },
	[METHOD_INCR] = { dispatch_prepare_incr, dispatch_reply_version,
			  REQUEST_WRITE, 0, NULL },
	[METHOD_TOUCH] = { dispatch_prepare_touch, dispatch_reply_version,
			   REQUEST_WRITE, ENGINE_NOT_FOUND, NULL },
	[METHOD_CLEAR] = { dispatch_prepare_clear, dispatch_reply_nothing,
			   REQUEST_WRITE, 0, NULL },
	[METHOD_COUNT] = { dispatch_prepare_count, dispatch_reply_count,
			   REQUEST_READ, 0, NULL },
	[METHOD_SCAN] = { dispatch_prepare_scan, dispatch_reply_scan,
			  REQUEST_READ, 0, NULL },
	/* What it syncs are the earlier writes: it comes after them. */
	[METHOD_SYNC] = { dispatch_prepare_sync, dispatch_reply_nothing,
			  REQUEST_READ, 0, NULL },
	[METHOD_STATS] = { dispatch_prepare_stats, dispatch_reply_stats,
			   REQUEST_READ, 0, NULL },
	[METHOD_COMPACT] = { dispatch_prepare_compact, dispatch_reply_nothing,
			     REQUEST_TASK, 0, NULL },
	[METHOD_BACKUP] = { dispatch_prepare_backup, dispatch_reply_nothing,
			    REQUEST_TASK, 0, NULL },
	[METHOD_ATTACH] = { dispatch_prepare_attach, dispatch_reply_attach,
			    REQUEST_READ, ENGINE_NOT_FOUND, NULL },
};

/*
 * Of what was discarded, where there is some.  Much more than that is most
 * likely apart.
 */
static void make_room(struct request *request)
{
	size_t len = dispatch_reply_len(request) + REPLY_OVERHEAD;

	if (len <= SPARES_BLOCK_MAX)
		discard_reserve(&request->service->discard, &request->reply,
				len);
}

/* An error that was decoded or made; the reply stays empty without memory. */
static void fail_with(struct request *request,
		      const struct message_error *error)
{
	buffer_clear(&request->reply);
	discard_reserve(&request->service->discard, &request->reply, ERROR_LEN);
	metrics_add(&request->service->metrics.errors_total, 1);
	request->state = REQUEST_DONE;
	if (message_encode_error(&request->reply, request->id, error) < 0)
		buffer_clear(&request->reply);
}

void dispatch_fail(struct request *request, unsigned int code,
		   const char *format, ...)
{
	struct message_error error = { .code = code };
	va_list args;

	va_start(args, format);
	vsnprintf(error.text, sizeof(error.text), format, args);
	va_end(args);
	fail_with(request, &error);
}

/* A write that was applied but cannot be answered may not seem refused. */
static void fail_no_memory(struct request *request)
{
	if (request->state == REQUEST_DONE && request->kind == REQUEST_WRITE)
		dispatch_fail(request, MESSAGE_ERROR_UNKNOWN_OUTCOME,
			      "applied, but there was no memory for the "
			      "reply");
	else
		dispatch_fail(request, MESSAGE_ERROR_NO_MEMORY, "%s",
			      results_text(-ENOMEM));
}

/*
 * The values that are apart become the request's: the engine's memory is
 * taken over, so that they leave without being copied.  0 or -ENOMEM.
 */
static int take_values(struct request *request,
		       const struct message_reply *reply,
		       const struct message_parts *parts)
{
	size_t n = 0;

	if (parts->n == 0)
		return 0;
	request->values = calloc(parts->n, sizeof(*request->values));
	if (!request->values)
		return -ENOMEM;
	for (size_t i = 0; n < parts->n && i < reply->n_items; i++) {
		struct engine_item *item = &request->engine.items[i];
		struct buffer *bytes = &request->values[n].bytes;

		if (!reply->items[i].is_apart)
			continue;
		request->values[n].off = parts->parts[n].off;
		buffer_adopt(bytes, item->value_owner, item->value.data,
			     item->value.len);
		item->value_owner = NULL;
		n++;
	}
	request->n_values = n;
	request->values_len = parts->len;
	return 0;
}

void *dispatch_new_list(struct request *request, size_t n, size_t size)
{
	struct service *service = request->service;
	struct buffer *list = &service->reply_list;

	if (discard_reserve(&service->discard, list, n * size) < 0)
		return NULL;
	memset(list->data, 0, n * size);
	return list->data;
}

static int encode_reply(struct request *request,
			const struct message_reply *reply)
{
	struct message_parts parts = { .n = 0 };
	int result = message_encode_apart(
		&request->reply, request->service->frame_max,
		request->message.method, reply, &parts);
	if (result == 0)
		result = take_values(request, reply, &parts);
	message_parts_deinit(&parts);
	return result;
}

static int answer_generally(struct request *request,
			    const struct dispatch_method *method)
{
	struct message_reply reply;
	int result;

	memset(&reply, 0, sizeof(reply));
	reply.id = request->id;
	reply.missing = request->engine.result != 0;
	result = method->reply(request, &reply);
	if (result == 0)
		result = encode_reply(request, &reply);
	discard_buffer(&request->service->discard,
		       &request->service->reply_list);
	free(reply.stats);
	free(reply.limits);
	free(reply.capabilities);
	return result;
}

static void answer(struct request *request,
		   const struct dispatch_method *method)
{
	int result = DISPATCH_OTHERWISE;

	request->state = REQUEST_DONE;
	make_room(request);
	if (method->encode)
		result = method->encode(request, &request->reply);
	if (result == DISPATCH_OTHERWISE)
		result = answer_generally(request, method);
	if (result == -EMSGSIZE)
		dispatch_fail(request, MESSAGE_ERROR_TOO_LARGE,
			      "the reply is over the limit of %zu bytes: ask "
			      "for less at a time",
			      request->service->frame_max);
	else if (result < 0)
		fail_no_memory(request);
}

/* The record may have been another request's. */
static void clear(struct request *request)
{
	memset(&request->engine, 0, sizeof(request->engine));
	memset(&request->mutation, 0, sizeof(request->mutation));
}

static void begin_method(struct request *request)
{
	const struct dispatch_method *method =
		&methods[request->message.method];
	int result = 0;

	if (!method->encode)
		clear(request);
	metrics_add(&request->service->metrics
			     .requests_total[request->message.method],
		    1);
	request->kind = method->kind;
	request->state = REQUEST_HELD;
	if (method->prepare)
		result = method->prepare(request);
	if (result == -ENOMEM)
		fail_no_memory(request);
	else if (result == 0 && request->state == REQUEST_HELD &&
		 request->kind == REQUEST_LOCAL)
		answer(request, method);
}

void dispatch_begin(struct request *request, size_t len)
{
	struct message_error error = { .code = MESSAGE_ERROR_NONE };
	int result =
		message_decode_request(request->service->decoder,
				       request->frame.data + request->body_off,
				       len, &request->message, &error);

	request->id = request->message.id;
	if (result == 0)
		begin_method(request);
	else if (result == -ENOMEM)
		fail_no_memory(request);
	else
		fail_with(request, &error);
	/* What lies in the decoder has been taken over. */
	request->message.keys = NULL;
	request->message.ops = NULL;
	message_decoder_trim(request->service->decoder);
	if (request->state == REQUEST_DONE)
		request_drop_input(request);
}

static void count_latency(const struct request *request)
{
	struct service *service = request->service;
	enum method_id method = request->message.method;

	if (method == METHOD_GET || method == METHOD_PUT)
		answers_add(&service->answers, &service->metrics,
			    request->arrived_us, method == METHOD_PUT);
}

void dispatch_finish(struct request *request)
{
	const struct dispatch_method *method =
		&methods[request->message.method];
	int result = request->engine.result;
	const char *text = request->engine.text;

	if (result == 0 || result == method->nil_result)
		answer(request, method);
	else
		dispatch_fail(request, results_code(result), "%s",
			      text ? text : results_text(result));
	count_latency(request);
}

bool dispatch_is_quick(const struct request *request)
{
	return methods[request->message.method].encode != NULL;
}

bool dispatch_finish_into(struct request *request, struct buffer *out)
{
	const struct dispatch_method *method =
		&methods[request->message.method];
	int result = request->engine.result;

	if ((result != 0 && result != method->nil_result) ||
	    method->encode(request, out) != 0)
		return false;
	request->state = REQUEST_DONE;
	count_latency(request);
	return true;
}

size_t dispatch_reply_len(const struct request *request)
{
	/* Heads, numbers and an error's text; far less in most cases. */
	const size_t each = 32;
	const struct engine_request *engine = &request->engine;
	size_t len = 0;

	if (engine->result != 0)
		return each;
	for (size_t i = 0; i < engine->n_items; i++)
		len += engine->items[i].key.len + engine->items[i].value.len;
	return len + (engine->n_items + 1 + 4 * engine->n_stats) * each;
}
