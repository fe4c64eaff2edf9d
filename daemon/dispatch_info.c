#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/clock.h"
#include "daemon/dispatch.h"
#include "daemon/dispatch_methods.h"
#include "daemon/service.h"
#include "daemon/version.h"

int dispatch_prepare_hello(struct request *request)
{
	const struct message_options *options = &request->message.options;

	if (!(options->present & OPT_PROTOCOL) ||
	    options->protocol == MESSAGE_PROTOCOL)
		return 0;
	dispatch_fail(request, MESSAGE_ERROR_VERSION,
		      "the client speaks protocol %" PRIu64
		      ", the server protocol %d: update the older one",
		      options->protocol, MESSAGE_PROTOCOL);
	return -EINVAL;
}

static struct message_bytes bytes_of(const char *text)
{
	return (struct message_bytes){ .data = text, .len = strlen(text) };
}

/* Shared by the daemon's life: what hello tells does not change. */
static int fill_limits(const struct service *service,
		       struct message_reply *reply)
{
	const struct {
		const char *name;
		uint64_t value;
	} limits[] = {
		{ "key_max", ENGINE_KEY_MAX },
		{ "value_max", service->capabilities.value_max },
		{ "batch_ops", ENGINE_BATCH_MAX },
		{ "batch_bytes", ENGINE_BATCH_BYTES },
		{ "keys_max", ENGINE_KEYS_MAX },
		{ "frame_max", service->frame_max },
		{ "reply_bytes", ENGINE_REPLY_BYTES },
		{ "pipeline", service->limits.max_pipeline },
	};
	const size_t n = sizeof(limits) / sizeof(limits[0]);

	reply->limits = calloc(n, sizeof(*reply->limits));
	if (!reply->limits)
		return -ENOMEM;
	reply->n_limits = n;
	for (size_t i = 0; i < n; i++) {
		reply->limits[i].name = bytes_of(limits[i].name);
		reply->limits[i].value = limits[i].value;
	}
	return 0;
}

static bool is_offered(const struct service *service, enum method_id method)
{
	return method != METHOD_ATTACH || service->limits.direct_reads;
}

static int fill_capabilities(const struct service *service,
			     struct message_reply *reply)
{
	reply->capabilities =
		calloc(METHOD_COUNT_OF, sizeof(*reply->capabilities));
	if (!reply->capabilities)
		return -ENOMEM;
	for (int i = 0; i < METHOD_COUNT_OF; i++) {
		enum method_id id = (enum method_id)i;

		if (is_offered(service, id))
			reply->capabilities[reply->n_capabilities++] =
				bytes_of(method_get(id)->name);
	}
	return 0;
}

int dispatch_reply_hello(struct request *request, struct message_reply *reply)
{
	int result = fill_limits(request->service, reply);

	if (result < 0)
		return result;
	reply->protocol = MESSAGE_PROTOCOL;
	reply->server = bytes_of("getmed " GETME_VERSION);
	return fill_capabilities(request->service, reply);
}

/* ping, clear, sync, compact and backup */
int dispatch_reply_nothing(struct request *request, struct message_reply *reply)
{
	(void)request;
	(void)reply;
	return 0;
}

int dispatch_prepare_stats(struct request *request)
{
	request->engine.op = ENGINE_STATS;
	return 0;
}

int dispatch_prepare_compact(struct request *request)
{
	request->engine.op = ENGINE_COMPACT;
	return 0;
}

int dispatch_prepare_backup(struct request *request)
{
	const struct message_bytes *path = &request->message.path;

	request->path = malloc(path->len + 1);
	if (!request->path)
		return -ENOMEM;
	memcpy(request->path, path->data, path->len);
	request->path[path->len] = '\0';
	request->engine.op = ENGINE_BACKUP;
	request->engine.path = request->path;
	return 0;
}

static struct message_stat from_engine(const struct engine_stat *stat)
{
	switch (stat->kind) {
	case ENGINE_STAT_TEXT:
		return metrics_text(stat->name, stat->text, stat->help);
	case ENGINE_STAT_GAUGE:
		return metrics_row(stat->name, MESSAGE_STAT_GAUGE, stat->value,
				   stat->help);
	case ENGINE_STAT_COUNTER:
		break;
	}
	return metrics_row(stat->name, MESSAGE_STAT_COUNTER, stat->value,
			   stat->help);
}

static const char *state_name(enum engine_state state)
{
	switch (state) {
	case ENGINE_STATE_OK:
		return "ok";
	case ENGINE_STATE_FULL:
		return "full";
	case ENGINE_STATE_READ_ONLY:
		return "read-only";
	case ENGINE_STATE_DAMAGED:
		return "damaged";
	}
	return "unknown";
}

static bool has_row(const struct engine_request *engine, const char *name)
{
	for (size_t i = 0; i < engine->n_stats; i++)
		if (strcmp(engine->stats[i].name, name) == 0)
			return true;
	return false;
}

/* The engine may tell its state among its rows, too: its row counts. */
static size_t add_state(const struct service *service,
			const struct engine_request *engine,
			struct message_stat *rows)
{
	const char *text = NULL;
	enum engine_state state = engine_state(service->engine, &text);
	size_t n = 0;

	if (!has_row(engine, "state"))
		rows[n++] = metrics_text("state", state_name(state),
					 "ok, full, read-only or damaged");
	if (!has_row(engine, "state_text"))
		rows[n++] = metrics_text("state_text", text ? text : "",
					 "What happened, and what to do");
	return n;
}

int dispatch_reply_stats(struct request *request, struct message_reply *reply)
{
	struct service *service = request->service;
	const struct engine_request *engine = &request->engine;
	struct message_stat *rows;
	size_t n = 0;

	rows = calloc(engine->n_stats + METRICS_ROWS + 2, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < engine->n_stats; i++)
		rows[n++] = from_engine(&engine->stats[i]);
	n += add_state(service, engine, rows + n);
	answers_end(&service->answers, &service->metrics);
	n += metrics_rows(service->all_metrics, clock_monotonic_ms(), rows + n);
	reply->stats = rows;
	reply->n_stats = n;
	return 0;
}
