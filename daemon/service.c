#include "daemon/service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/clock.h"
#include "daemon/connection.h"

static void want_turn(void *ctx)
{
	struct service *service = ctx;

	service->turn_wanted = true;
}

/* Whether nothing is lost if REQUEST begins before the round's others. */
static bool may_begin_early(const struct service *service,
			    const struct engine_request *request)
{
	enum engine_durability durability = request->durability;

	if (request->op == ENGINE_GET || request->op == ENGINE_STAT)
		return true;
	if (durability == ENGINE_DEFAULT)
		durability = service->capabilities.default_durability;
	return request->op == ENGINE_WRITE && durability != ENGINE_ALWAYS;
}

void service_submit(struct service *service, struct engine_request *request)
{
	bool early = may_begin_early(service, request);

	engine_submit(service->engine, request);
	service->turn_wanted = true;
	service->n_early += early;
	service->has_writes |= request->op == ENGINE_WRITE;
	service->has_others |= !early;
}

static void engine_is_due(void *ctx)
{
	struct service *service = ctx;

	service->engine_due_ms = 0;
	service->turn_wanted = true;
}

/*
 * A turn in MS, or earlier: a timer that is set already is let be, since to
 * set one takes as long as some requests.
 */
static void set_engine_timer(struct service *service, int ms)
{
	uint64_t due_ms = clock_monotonic_ms() + (uint64_t)ms;

	if (service->engine_due_ms != 0 && service->engine_due_ms <= due_ms)
		return;
	service->engine_due_ms = due_ms;
	loop_timer_set(service->engine_timer, (uint64_t)ms);
}

static void clear_engine_timer(struct service *service)
{
	if (service->engine_due_ms == 0)
		return;
	service->engine_due_ms = 0;
	loop_timer_clear(service->engine_timer);
}

static void give_turn(struct service *service)
{
	int ms;

	if (!service->turn_wanted)
		return;
	service->turn_wanted = false;
	service->n_early = 0;
	service->has_writes = false;
	service->has_others = false;
	engine_turn(service->engine);
	ms = engine_next_timeout_ms(service->engine);
	if (ms == 0)
		service->turn_wanted = true;
	if (ms > 0)
		set_engine_timer(service, ms);
	else
		clear_engine_timer(service);
	if (service->on_turn)
		service->on_turn(service->ctx);
}

void service_begin_early(struct service *service)
{
	unsigned int enough =
		service->has_writes ? LIMITS_EARLY_WRITES : LIMITS_EARLY_READS;

	if (service->n_early >= enough && !service->has_others)
		give_turn(service);
}

static bool service_round(void *ctx)
{
	struct service *service = ctx;

	give_turn(service);
	answers_end(&service->answers, &service->metrics);
	while (service->ready)
		connection_progress(connection_pop_ready(service));
	while (service->closed)
		connection_free(connection_pop_closed(service));
	/* First, so that it is called in any case. */
	return discard_step(&service->discard) || service->turn_wanted;
}

void service_want_sweep(struct service *service)
{
	if (service->sweep_set)
		return;
	service->sweep_set = true;
	loop_timer_set(service->sweep_timer, LIMITS_SWEEP_MS);
}

/* Ends connections whose peers did not take their replies in time. */
static void sweep(void *ctx)
{
	struct service *service = ctx;
	uint64_t now_ms = clock_monotonic_ms();
	struct connection *next;

	service->sweep_set = false;
	for (struct connection *at = service->connections; at; at = next) {
		next = at->next;
		if (at->drain_deadline_ms == 0)
			continue;
		if (at->drain_deadline_ms <= now_ms && at->output.len > 0)
			connection_close(at);
		else
			/* A task may have had to wait for its turn. */
			connection_drain(at, at->drain_deadline_ms);
	}
}

int service_init(struct service *service, struct loop *loop,
		 struct engine *engine, const struct limits *limits)
{
	memset(service, 0, sizeof(*service));
	service->loop = loop;
	service->engine = engine;
	service->limits = *limits;
	engine_capabilities(engine, &service->capabilities);
	service->frame_max = limits_frame_max(service->capabilities.value_max);
	service->metrics.started_ms = clock_monotonic_ms();
	service->all_metrics = &service->metrics;
	service->chunks.discard = &service->discard;
	service->decoder = message_decoder_new();
	service->scratch = malloc(LIMITS_SCRATCH);
	service->engine_timer = loop_timer_new(loop, engine_is_due, service);
	service->sweep_timer = loop_timer_new(loop, sweep, service);
	if (!service->decoder || !service->scratch || !service->engine_timer ||
	    !service->sweep_timer) {
		service_deinit(service);
		return -ENOMEM;
	}
	/* The engine may have things to do before the first request. */
	service->turn_wanted = true;
	loop_set_round(loop, service_round, service);
	loop_set_woken(loop, want_turn, service);
	return 0;
}

void service_close_connections(struct service *service)
{
	while (service->connections)
		connection_close(service->connections);
	service->ready = NULL;
	while (service->closed)
		connection_free(connection_pop_closed(service));
}

void service_deinit(struct service *service)
{
	if (service->loop) {
		loop_set_round(service->loop, NULL, NULL);
		loop_set_woken(service->loop, NULL, NULL);
	}
	loop_timer_free(service->engine_timer);
	loop_timer_free(service->sweep_timer);
	request_pool_deinit(&service->pool);
	output_pool_deinit(&service->chunks);
	discard_deinit(&service->discard);
	message_decoder_free(service->decoder);
	free(service->scratch);
	memset(service, 0, sizeof(*service));
}
