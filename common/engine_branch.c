#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/engine_branch_internal.h"

enum {
	/* errands that are kept for the next requests, with their blocks */
	ERRANDS_KEPT = 1024,
	BLOCK_KEPT = 16 << 10, /* bytes of each */
	/* rounds of one turn; what is left comes with the next wake */
	ROUNDS_MAX = 64,
};

static struct branch *branch_of(struct engine *engine)
{
	return (struct branch *)(void *)engine;
}

static struct errand *errand_of(struct mail *mail)
{
	return (struct errand *)(void *)mail;
}

/* ---- on the engine's thread: copies ---- */

static size_t small_bytes(const struct engine_item *item)
{
	return item->key.len + (item->value_owner ? 0 : item->value.len);
}

static uint8_t *copy_bytes(struct engine_bytes *bytes, uint8_t *to)
{
	if (bytes->len > 0)
		memcpy(to, bytes->data, bytes->len);
	bytes->data = to;
	return to + bytes->len;
}

static int reserve(struct errand *errand, size_t len)
{
	if (errand->cap >= len)
		return 0;
	free(errand->block);
	errand->block = malloc(len);
	errand->cap = errand->block ? len : 0;
	return errand->block ? 0 : -ENOMEM;
}

/* A value that has memory of its own comes along; the rest is copied. */
static int copy_items(struct errand *errand)
{
	struct engine_request *request = errand->request;
	struct engine_item *items;
	size_t len = request->n_items * sizeof(*items);
	uint8_t *to;
	size_t i;

	if (request->n_items == 0)
		return 0;
	for (i = 0; i < request->n_items; i++)
		len += small_bytes(&request->items[i]);
	if (reserve(errand, len) < 0)
		return -ENOMEM;
	items = errand->block;
	to = (uint8_t *)(items + request->n_items);
	for (i = 0; i < request->n_items; i++) {
		struct engine_item *item = &items[i];

		*item = request->items[i];
		request->items[i].value_owner = NULL;
		to = copy_bytes(&item->key, to);
		if (!item->value_owner)
			to = copy_bytes(&item->value, to);
	}
	errand->items = items;
	return 0;
}

/* Their names and texts are the engine's constants. */
static int copy_stats(struct errand *errand)
{
	const struct engine_request *request = errand->request;
	size_t len = request->n_stats * sizeof(*errand->stats);

	if (len == 0)
		return 0;
	if (reserve(errand, len) < 0)
		return -ENOMEM;
	errand->stats = memcpy(errand->block, request->stats, len);
	return 0;
}

static bool is_read(const struct engine_request *request)
{
	return request->op == ENGINE_GET || request->op == ENGINE_STAT ||
	       request->op == ENGINE_GET_MANY || request->op == ENGINE_SCAN;
}

/* Only reads have what can fail to be copied: no write seems refused. */
static void take_answer(struct errand *errand)
{
	struct engine_request *request = errand->request;
	int result = 0;

	if (request->result == 0 && is_read(request))
		result = copy_items(errand);
	else if (request->result == 0 && request->op == ENGINE_STATS)
		result = copy_stats(errand);
	/* Without it the result tells what is to be told. */
	if (request->text)
		errand->text = strdup(request->text);
	request->items = errand->items;
	request->stats = errand->stats;
	request->text = errand->text;
	if (result < 0) {
		request->n_items = 0;
		request->n_stats = 0;
		request->result = result;
	}
}

static void came_back(struct engine_request *request)
{
	struct errand *errand = request->user;
	struct branch *branch = errand->branch;

	take_answer(errand);
	if (mailbox_put(&branch->back, &errand->mail))
		branch->host.wake(branch->host.ctx);
}

void local_take_errands(struct local *local)
{
	struct mail *mail = mailbox_take(&local->errands);

	while (mail) {
		struct mail *next = mail->next;

		local->n_errands++;
		engine_submit(&local->engine, errand_of(mail)->request);
		mail = next;
	}
}

/* ---- on the branch's thread ---- */

static struct errand *errand_new(struct branch *branch)
{
	struct errand *errand = branch->free_errands;

	if (!errand)
		return calloc(1, sizeof(*errand));
	branch->free_errands = errand->next_free;
	branch->n_free_errands--;
	return errand;
}

static void errand_free(struct branch *branch, struct errand *errand)
{
	free(errand->text);
	errand->text = NULL;
	errand->items = NULL;
	errand->stats = NULL;
	if (errand->cap > BLOCK_KEPT) {
		free(errand->block);
		errand->block = NULL;
		errand->cap = 0;
	}
	if (branch->n_free_errands >= ERRANDS_KEPT) {
		free(errand->block);
		free(errand);
		return;
	}
	errand->next_free = branch->free_errands;
	branch->free_errands = errand;
	branch->n_free_errands++;
}

void branch_send(struct branch *branch, struct engine_request *request)
{
	struct errand *errand = errand_new(branch);
	struct local *local = branch->local;

	if (!errand) {
		local_finish(request, -ENOMEM);
		return;
	}
	errand->branch = branch;
	errand->request = request;
	errand->done = request->done;
	errand->user = request->user;
	request->done = came_back;
	request->user = errand;
	if (mailbox_put(&local->errands, &errand->mail))
		local->host.wake(local->host.ctx);
}

/* Of values that nobody has taken. */
static void drop_owners(struct errand *errand, size_t n)
{
	size_t i;

	for (i = 0; errand->items && i < n; i++)
		free(errand->items[i].value_owner);
}

static void end(struct errand *errand)
{
	struct branch *branch = errand->branch;
	struct engine_request *request = errand->request;
	size_t n_items = request->n_items;

	request->done = errand->done;
	request->user = errand->user;
	/* It may be gone after this. */
	request->done(request);
	drop_owners(errand, n_items);
	errand_free(branch, errand);
}

static void take_back(struct branch *branch)
{
	struct mail *mail = mailbox_take(&branch->back);

	while (mail) {
		struct mail *next = mail->next;

		end(errand_of(mail));
		mail = next;
	}
}

/* ---- engine_ops ---- */

static void branch_submit(struct engine *engine, struct engine_request *request)
{
	struct branch *branch = branch_of(engine);

	request->internal = NULL;
	request_list_push(&branch->submitted, request);
}

/* What has been submitted so far; done may submit more. */
static void begin_round(struct branch *branch)
{
	struct request_list round = branch->submitted;

	request_list_init(&branch->submitted);
	while (round.first) {
		if (!branch_read_some(branch, &round))
			branch_send(branch, request_list_pop(&round));
	}
}

static void branch_turn(struct engine *engine)
{
	struct branch *branch = branch_of(engine);
	int rounds = 0;

	/* done may not run a turn inside a turn. */
	if (branch->in_turn)
		return;
	branch->in_turn = true;
	take_back(branch);
	while (branch->submitted.first && rounds++ < ROUNDS_MAX)
		begin_round(branch);
	if (branch->submitted.first)
		branch->host.wake(branch->host.ctx);
	branch->in_turn = false;
}

static int branch_timeout_ms(struct engine *engine)
{
	(void)engine;
	return -1;
}

/* They are told once, by the engine. */
static bool branch_take_event(struct engine *engine, struct engine_event *event)
{
	(void)engine;
	(void)event;
	return false;
}

static enum engine_state branch_state(struct engine *engine, const char **text)
{
	return local_shown_state(branch_of(engine)->local, text);
}

static void branch_capabilities(struct engine *engine,
				struct engine_capabilities *capabilities)
{
	engine_capabilities(&branch_of(engine)->local->engine, capabilities);
}

/* The engine is gone, and so all errands have come back. */
static int branch_close(struct engine *engine)
{
	struct branch *branch = branch_of(engine);
	struct engine_request *request;
	struct errand *errand;

	take_back(branch);
	while ((request = request_list_pop(&branch->submitted)) != NULL)
		local_finish(request, ENGINE_CLOSED);
	while ((errand = branch->free_errands) != NULL) {
		branch->free_errands = errand->next_free;
		free(errand->block);
		free(errand);
	}
	view_buffer_deinit(&branch->buffer);
	free(branch->many.arena.data);
	free(branch);
	return 0;
}

static const struct engine_ops ops = {
	.submit = branch_submit,
	.turn = branch_turn,
	.next_timeout_ms = branch_timeout_ms,
	.take_event = branch_take_event,
	.state = branch_state,
	.capabilities = branch_capabilities,
	.close = branch_close,
};

int local_branch(struct engine *engine, const struct engine_host *host,
		 struct engine **out)
{
	struct local *local = (struct local *)(void *)engine;
	struct branch *branch = calloc(1, sizeof(*branch));

	if (!branch)
		return -ENOMEM;
	branch->engine.ops = &ops;
	branch->host = *host;
	branch->local = local;
	request_list_init(&branch->submitted);
	retire_add_reader(&local->store->retire, &branch->reader);
	*out = &branch->engine;
	return 0;
}
