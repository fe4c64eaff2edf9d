#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/clock.h"
#include "daemon/dispatch.h"
#include "daemon/dispatch_methods.h"
#include "daemon/service.h"

static int refuse(struct request *request, unsigned int code, const char *text)
{
	dispatch_fail(request, code, "%s", text);
	return -EINVAL;
}

static int bad_params(struct request *request, const char *text)
{
	return refuse(request, MESSAGE_ERROR_BAD_PARAMS, text);
}

/* The moment counts from the request's arrival. */
static int fill_expiry(struct request *request,
		       const struct message_options *options,
		       struct engine_mutation *mutation)
{
	unsigned int present = options->present;
	uint64_t now_ms;

	if (present & OPT_EXPIRES_AT) {
		mutation->expires_at_ms = options->expires_at_ms;
		return 0;
	}
	if (!(present & OPT_TTL))
		return 0;
	now_ms = clock_real_ms();
	if (options->ttl_ms > UINT64_MAX - now_ms)
		return bad_params(request, "ttl: is out of range");
	mutation->expires_at_ms = now_ms + options->ttl_ms;
	return 0;
}

static int fill_condition(struct request *request,
			  const struct message_options *options,
			  struct engine_mutation *mutation)
{
	unsigned int present = options->present;

	if (!(present & (OPT_IF_ABSENT | OPT_IF_VERSION)))
		return 0;
	if (!request->service->capabilities.conditions)
		return refuse(request, MESSAGE_ERROR_UNSUPPORTED,
			      "this store knows no conditions");
	request->dependent = true;
	mutation->condition =
		present & OPT_IF_ABSENT ? ENGINE_IF_ABSENT : ENGINE_IF_VERSION;
	mutation->if_version = options->if_version;
	return 0;
}

static void fill_key(struct message_bytes key, struct engine_mutation *mutation)
{
	mutation->key.data = key.data;
	mutation->key.len = key.len;
}

static int fill_value(struct request *request, struct message_bytes value,
		      struct engine_mutation *mutation)
{
	uint64_t max = request->service->capabilities.value_max;

	mutation->value.data = value.data;
	mutation->value.len = value.len;
	if (value.len <= max)
		return 0;
	dispatch_fail(request, MESSAGE_ERROR_TOO_LARGE,
		      "a value of %zu bytes is over the limit of %" PRIu64,
		      value.len, max);
	return -EINVAL;
}

static int fill_put(struct request *request, struct message_bytes key,
		    struct message_bytes value,
		    const struct message_options *options,
		    struct engine_mutation *mutation)
{
	int result;

	mutation->kind = ENGINE_PUT;
	fill_key(key, mutation);
	result = fill_value(request, value, mutation);
	if (result == 0)
		result = fill_expiry(request, options, mutation);
	if (result == 0)
		result = fill_condition(request, options, mutation);
	return result;
}

static int fill_delete(struct request *request, struct message_bytes key,
		       const struct message_options *options,
		       struct engine_mutation *mutation)
{
	mutation->kind = ENGINE_DELETE;
	fill_key(key, mutation);
	return fill_condition(request, options, mutation);
}

/* The names are those of the wire; the numbers follow common/engine.h. */
static enum engine_durability to_engine(enum message_durability durability)
{
	switch (durability) {
	case MESSAGE_DURABILITY_NONE:
		return ENGINE_NONE;
	case MESSAGE_DURABILITY_INTERVAL:
		return ENGINE_INTERVAL;
	case MESSAGE_DURABILITY_ALWAYS:
		return ENGINE_ALWAYS;
	case MESSAGE_DURABILITY_DEFAULT:
		break;
	}
	return ENGINE_DEFAULT;
}

static enum message_durability to_message(enum engine_durability durability)
{
	switch (durability) {
	case ENGINE_NONE:
		return MESSAGE_DURABILITY_NONE;
	case ENGINE_INTERVAL:
		return MESSAGE_DURABILITY_INTERVAL;
	default:
		return MESSAGE_DURABILITY_ALWAYS;
	}
}

static int finish_write(struct request *request,
			struct engine_mutation *mutations, size_t n)
{
	struct engine_request *engine = &request->engine;

	engine->op = ENGINE_WRITE;
	engine->deadline_ms = 0;
	engine->durability = to_engine(request->message.options.durability);
	engine->mutations = mutations;
	engine->n_mutations = n;
	return 0;
}

static int finish_one(struct request *request)
{
	return finish_write(request, &request->mutation, 1);
}

/* Room for N mutations, after checking that N is allowed. */
static int make_many(struct request *request, size_t n)
{
	if (n == 0)
		return bad_params(request, "the list is empty");
	if (n > 1 && !request->service->capabilities.batches)
		return refuse(request, MESSAGE_ERROR_UNSUPPORTED,
			      "this store cannot change more than one key at "
			      "once");
	request->mutations =
		request_new_list(request, n, sizeof(*request->mutations));
	return request->mutations ? 0 : -ENOMEM;
}

int dispatch_prepare_put(struct request *request)
{
	const struct message_request *message = &request->message;
	int result;

	memset(&request->mutation, 0, sizeof(request->mutation));
	result = fill_put(request, message->key, message->value,
			  &message->options, &request->mutation);
	return result < 0 ? result : finish_one(request);
}

int dispatch_prepare_delete(struct request *request)
{
	const struct message_request *message = &request->message;
	int result = 0;

	if (message->n_keys == 1) {
		result = fill_delete(request, message->keys[0],
				     &message->options, &request->mutation);
		return result < 0 ? result : finish_one(request);
	}
	result = make_many(request, message->n_keys);
	for (size_t i = 0; i < message->n_keys && result == 0; i++)
		result = fill_delete(request, message->keys[i],
				     &message->options, &request->mutations[i]);
	if (result < 0)
		return result;
	return finish_write(request, request->mutations, message->n_keys);
}

static int fill_op(struct request *request, const struct message_op *op,
		   struct engine_mutation *mutation)
{
	if (op->is_delete)
		return fill_delete(request, op->key, &op->options, mutation);
	return fill_put(request, op->key, op->value, &op->options, mutation);
}

int dispatch_prepare_batch(struct request *request)
{
	const struct message_request *message = &request->message;
	int result = make_many(request, message->n_ops);
	uint64_t bytes = 0;

	for (size_t i = 0; i < message->n_ops && result == 0; i++) {
		result = fill_op(request, &message->ops[i],
				 &request->mutations[i]);
		bytes += message->ops[i].key.len + message->ops[i].value.len;
	}
	if (result < 0)
		return result;
	if (bytes > ENGINE_BATCH_BYTES) {
		dispatch_fail(request, MESSAGE_ERROR_TOO_LARGE,
			      "a batch of %" PRIu64
			      " bytes of keys and values is over the limit "
			      "of %d",
			      bytes, ENGINE_BATCH_BYTES);
		return -EINVAL;
	}
	return finish_write(request, request->mutations, message->n_ops);
}

int dispatch_prepare_incr(struct request *request)
{
	struct engine_mutation *mutation = &request->mutation;

	fill_key(request->message.key, mutation);
	mutation->kind = ENGINE_INCR;
	mutation->by = request->message.by;
	request->dependent = true;
	return finish_one(request);
}

/* persist is an expiry of none. */
int dispatch_prepare_touch(struct request *request)
{
	struct engine_mutation *mutation = &request->mutation;
	int result = fill_expiry(request, &request->message.options, mutation);

	if (result < 0)
		return result;
	fill_key(request->message.key, mutation);
	mutation->kind = ENGINE_TOUCH;
	request->dependent = true;
	return finish_one(request);
}

int dispatch_prepare_clear(struct request *request)
{
	request->engine.op = ENGINE_CLEAR;
	/* The engine may empty the store at another moment than it writes. */
	request->dependent = true;
	return 0;
}

/* put, incr and touch */
int dispatch_reply_version(struct request *request, struct message_reply *reply)
{
	reply->version = request->mutation.version;
	reply->number = request->mutation.number;
	reply->durability = to_message(request->engine.reached);
	return 0;
}

int dispatch_encode_put(const struct request *request, struct buffer *out)
{
	const struct engine_request *engine = &request->engine;

	if (engine->result != 0)
		return DISPATCH_OTHERWISE;
	return message_encode_written(out, request->service->frame_max,
				      request->id, request->mutation.version,
				      to_message(engine->reached));
}

int dispatch_reply_delete(struct request *request, struct message_reply *reply)
{
	const struct engine_request *engine = &request->engine;

	for (size_t i = 0; i < engine->n_mutations; i++)
		reply->count += engine->mutations[i].existed;
	reply->durability = to_message(engine->reached);
	return 0;
}

int dispatch_reply_batch(struct request *request, struct message_reply *reply)
{
	const struct engine_request *engine = &request->engine;

	if (engine->result == ENGINE_CONDITION) {
		reply->condition_failed = true;
		reply->failed_index = engine->failed_index;
		return 0;
	}
	reply->versions = dispatch_new_list(request, engine->n_mutations,
					    sizeof(*reply->versions));
	if (!reply->versions)
		return -ENOMEM;
	reply->n_versions = engine->n_mutations;
	for (size_t i = 0; i < engine->n_mutations; i++)
		reply->versions[i] = engine->mutations[i].version;
	reply->durability = to_message(engine->reached);
	return 0;
}
