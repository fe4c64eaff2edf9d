#include "common/engine_branch.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/engine_cold.h"
#include "common/mailbox.h"
#include "common/pool.h"

enum {
	/* errands under way whose memory is kept: 1 MiB */
	ERRANDS_KEPT = 4096,
	/* rounds of one turn; what is left comes with the next wake */
	ROUNDS_MAX = 64,
	BUFFER_KEEP = 1 << 20,
};

struct branch {
	struct engine engine; /* first */
	struct engine_host host;
	struct local *local;
	struct retire_reader reader;
	struct request_list submitted;
	struct mailbox back;
	struct pool errands;
	struct view_buffer buffer;
	struct engine_item item;
	bool in_turn;
};

/* A request that the engine has, and what its answer is made of. */
struct errand {
	struct mail mail; /* first */
	struct branch *branch;
	struct engine_request *request;
	/* the request's own, while these are the errand's */
	void (*done)(struct engine_request *request);
	void *user;
	/* copies; owned */
	struct engine_item *items; /* with their small bytes behind */
	struct engine_stat *stats;
	char *text;
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

/* A value that has memory of its own comes along; the rest is copied. */
static int copy_items(struct errand *errand)
{
	struct engine_request *request = errand->request;
	size_t len = request->n_items * sizeof(*errand->items);
	uint8_t *to;
	size_t i;

	if (request->n_items == 0)
		return 0;
	for (i = 0; i < request->n_items; i++)
		len += small_bytes(&request->items[i]);
	errand->items = malloc(len);
	if (!errand->items)
		return -ENOMEM;
	to = (uint8_t *)(errand->items + request->n_items);
	for (i = 0; i < request->n_items; i++) {
		struct engine_item *item = &errand->items[i];

		*item = request->items[i];
		request->items[i].value_owner = NULL;
		to = copy_bytes(&item->key, to);
		if (!item->value_owner)
			to = copy_bytes(&item->value, to);
	}
	return 0;
}

/* Their names and texts are the engine's constants. */
static int copy_stats(struct errand *errand)
{
	const struct engine_request *request = errand->request;
	size_t len = request->n_stats * sizeof(*errand->stats);

	if (len == 0)
		return 0;
	errand->stats = malloc(len);
	if (!errand->stats)
		return -ENOMEM;
	memcpy(errand->stats, request->stats, len);
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

static void finish(struct engine_request *request, int result)
{
	request->result = result;
	request->done(request);
}

static void send(struct branch *branch, struct engine_request *request)
{
	struct errand *errand = pool_take(&branch->errands);
	struct local *local = branch->local;

	if (!errand) {
		finish(request, -ENOMEM);
		return;
	}
	memset(errand, 0, sizeof(*errand));
	errand->branch = branch;
	errand->request = request;
	errand->done = request->done;
	errand->user = request->user;
	request->done = came_back;
	request->user = errand;
	if (mailbox_put(&local->errands, &errand->mail))
		local->host.wake(local->host.ctx);
}

static void drop_items(struct errand *errand, size_t n)
{
	size_t i;

	for (i = 0; errand->items && i < n; i++)
		free(errand->items[i].value_owner);
	free(errand->items);
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
	drop_items(errand, n_items);
	free(errand->stats);
	free(errand->text);
	pool_give(&branch->errands, errand);
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

/* ---- gets ---- */

/* Some that are read together. */
struct gets {
	struct branch *branch;
	size_t n;
	struct engine_request *requests[VIEW_STAGED];
	struct view_key keys[VIEW_STAGED];
};

static void answer(struct branch *branch, struct engine_request *request,
		   const struct view_entry *entry)
{
	struct engine_item *item = &branch->item;

	memset(item, 0, sizeof(*item));
	cold_fill(item, entry);
	item->key = request->keys[0];
	request->items = item;
	request->n_items = 1;
	finish(request, 0);
}

/* What is not plainly there or not is seen to by who may do something. */
static void tell(void *ctx, size_t i, int result,
		 const struct view_entry *entry)
{
	const struct gets *gets = ctx;
	struct engine_request *request = gets->requests[i];

	if (result == 0) {
		answer(gets->branch, request, entry);
	} else if (result == VIEW_NOT_FOUND) {
		request->n_items = 0;
		finish(request, ENGINE_NOT_FOUND);
	} else {
		send(gets->branch, request);
	}
}

static void add(struct gets *gets, struct engine_request *request)
{
	const struct engine_bytes *key = &request->keys[0];
	struct view_key *to = &gets->keys[gets->n];

	to->data = key->data;
	to->len = key->len;
	to->digest = digest_of(gets->branch->local->store->secret, key->data,
			       key->len);
	gets->requests[gets->n++] = request;
}

/*
 * The view is made here: a clear that was acknowledged before these requests
 * came is seen, and so is what was written after it.
 */
static void read_all(struct gets *gets)
{
	struct branch *branch = gets->branch;
	struct local *local = branch->local;
	struct store *store = local->store;
	enum view_want want =
		gets->requests[0]->op == ENGINE_GET ? VIEW_VALUE : VIEW_HEAD;
	struct view view;

	retire_enter(&store->retire, &branch->reader);
	view = store_view_now(store);
	view_get_each(&view, gets->keys, gets->n, want, &branch->buffer, tell,
		      gets);
	if (retire_leave(&store->retire, &branch->reader))
		local->host.wake(local->host.ctx);
	view_buffer_trim(&branch->buffer, BUFFER_KEEP);
}

static bool is_get(const struct local *local,
		   const struct engine_request *request, enum engine_op op)
{
	return request->op == op && local_check(local, request) == 0;
}

/* As many of the first ones as are gets of one kind; LIST is not empty. */
static bool get_some(struct branch *branch, struct request_list *list)
{
	enum engine_op op = list->first->op;
	struct gets gets = { .branch = branch };

	if (op != ENGINE_GET && op != ENGINE_STAT)
		return false;
	while (gets.n < VIEW_STAGED && list->first &&
	       is_get(branch->local, list->first, op))
		add(&gets, request_list_pop(list));
	if (gets.n == 0)
		return false;
	read_all(&gets);
	return true;
}

/* ---- engine_ops ---- */

static void branch_submit(struct engine *engine, struct engine_request *request)
{
	struct branch *branch = branch_of(engine);

	request->internal = NULL;
	request->text = NULL;
	request_list_push(&branch->submitted, request);
}

/* What has been submitted so far; done may submit more. */
static void begin_round(struct branch *branch)
{
	struct request_list round = branch->submitted;

	request_list_init(&branch->submitted);
	while (round.first) {
		if (!get_some(branch, &round))
			send(branch, request_list_pop(&round));
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

	take_back(branch);
	while ((request = request_list_pop(&branch->submitted)) != NULL)
		finish(request, ENGINE_CLOSED);
	view_buffer_deinit(&branch->buffer);
	pool_deinit(&branch->errands);
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
	pool_init(&branch->errands, sizeof(struct errand), ERRANDS_KEPT);
	retire_add_reader(&local->store->retire, &branch->reader);
	*out = &branch->engine;
	return 0;
}
