#include "common/engine_cold.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/monotonic.h"

enum {
	BLOCK_FIRST = 4096, /* bytes: some entries */
};

static struct cold *cold_of(struct read_job *job)
{
	return (struct cold *)(void *)job;
}

static void run(struct read_job *job)
{
	struct cold *cold = cold_of(job);
	uint64_t deadline_ms = cold->request->deadline_ms;

	cold->is_late = deadline_ms != 0 && !cold->ops->is_applied &&
			monotonic_ms() > deadline_ms;
	if (!cold->is_late)
		cold->result = cold->ops->read(cold);
}

void *cold_new(struct local *local, struct engine_request *request,
	       const struct cold_ops *ops, size_t len)
{
	size_t cap;
	struct cold *cold = spares_take(&local->spares, len, &cap);

	if (!cold)
		return NULL;
	memset(cold, 0, len);
	cold->local = local;
	cold->request = request;
	cold->ops = ops;
	cold->cap = cap;
	return cold;
}

void cold_take_buffer(struct cold *cold, struct view_buffer *buffer)
{
	buffer->data =
		spares_take(&cold->local->spares, BLOCK_FIRST, &buffer->cap);
}

void cold_take_arena(struct cold *cold, struct arena *arena)
{
	arena->data =
		spares_take(&cold->local->spares, BLOCK_FIRST, &arena->cap);
}

void cold_submit(struct cold *cold)
{
	struct local *local = cold->local;

	cold->job.run = run;
	cold->view = store_view(local->store);
	retire_hold(&local->store->retire, &cold->hold);
	local->n_cold++;
	local->n_cold_reads++;
	read_pool_submit(local->pool, &cold->job);
}

/* The job is the loop's again; nothing is read any more. */
static void come_back(struct cold *cold)
{
	cold->local->n_cold--;
	retire_end(&cold->local->store->retire, &cold->hold);
}

void cold_free(struct cold *cold)
{
	struct spares *spares = &cold->local->spares;

	cold->ops->drop(cold, spares);
	spares_give(spares, cold, cold->cap);
}

static void run_drop(struct read_job *job)
{
	cold_of(job)->ops->drop(cold_of(job), NULL);
}

static void let_go(struct cold *cold)
{
	struct local *local = cold->local;

	if (!cold->is_large || local->closing) {
		cold_free(cold);
		return;
	}
	cold->is_over = true;
	cold->job.run = run_drop;
	local->n_cold++;
	/* Behind reads that wait, ever more memory would wait with it. */
	read_pool_submit_first(local->pool, &cold->job);
}

static void refuse(struct cold *cold, int result)
{
	struct engine_request *request = cold->request;

	cold_free(cold);
	local_finish(request, result);
}

/* The pool was not able to tell: the loop sees to it once more. */
static void begin_anew(struct cold *cold)
{
	struct local *local = cold->local;
	struct engine_request *request = cold->request;

	cold_free(cold);
	local_begin(local, request);
}

static void end(struct cold *cold)
{
	struct local *local = cold->local;
	/* The old index is held: no new one can lie where it does. */
	bool cleared = cold->view.map != index_map(local->store->index);
	bool is_busy = cold->result == VIEW_BUSY && !cold->is_late;

	if (is_busy && !cleared && !local->closing) {
		read_pool_submit(local->pool, &cold->job);
		return;
	}
	come_back(cold);
	if (cold->is_late) {
		refuse(cold, ENGINE_DEADLINE);
	} else if (is_busy || (cleared && cold->met_damage)) {
		begin_anew(cold);
	} else {
		cold->ops->end(cold, cold->result);
		let_go(cold);
	}
}

static void take_back(struct cold *cold)
{
	if (!cold->is_over) {
		end(cold);
		return;
	}
	cold->local->n_cold--;
	spares_give(&cold->local->spares, cold, cold->cap);
}

static void cancel(struct cold *cold)
{
	if (cold->is_over || cold->ops->is_applied) {
		cold->job.run(&cold->job);
		take_back(cold);
		return;
	}
	come_back(cold);
	refuse(cold, ENGINE_CLOSED);
}

/*
 * As many as there are now.  What ended behind them, handed over while these
 * were taken, woke nobody, since there was something to take: it gets a turn
 * of its own.
 */
void cold_take(struct local *local)
{
	size_t n;

	for (n = local->n_cold; n > 0; n--) {
		struct read_job *job = read_pool_take(local->pool);

		if (!job)
			return;
		take_back(cold_of(job));
	}
	if (local->n_cold > 0)
		local->host.wake(local->host.ctx);
}

void cold_close(struct local *local)
{
	struct read_job *job;

	read_pool_stop(local->pool);
	cold_take(local);
	while ((job = read_pool_cancel(local->pool)) != NULL)
		cancel(cold_of(job));
}

/* ---- answers ---- */

void cold_fill(struct engine_item *item, const struct view_entry *entry)
{
	item->result = 0;
	item->key.data = entry->key;
	item->key.len = entry->key_len;
	item->value.data = entry->value;
	item->value.len = entry->value ? (size_t)entry->value_len : 0;
	item->value_len = entry->value_len;
	item->version = entry->version;
	item->expires_at_ms = entry->expires_at_ms;
}

int cold_keep_value(struct engine_item *item, struct view_buffer *buffer,
		    struct arena *arena)
{
	if (item->value.len < COLD_OWNED_MIN)
		return arena_keep(arena, &item->value);
	item->value_owner = buffer->data;
	memset(buffer, 0, sizeof(*buffer));
	return 0;
}

void cold_resolve_value(const struct arena *arena, struct engine_item *item)
{
	if (!item->value_owner)
		arena_resolve(arena, &item->value);
}

int cold_result(struct local *local, int result,
		const struct index_place *place)
{
	switch (result) {
	case VIEW_NOT_FOUND:
	case VIEW_EXPIRED:
		return ENGINE_NOT_FOUND;
	case VIEW_CORRUPT:
		store_note_corrupt(local->store, place);
		return ENGINE_CORRUPT;
	case VIEW_BUSY:
		return -EIO;
	default:
		return result;
	}
}
