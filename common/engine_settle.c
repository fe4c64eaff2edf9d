#include "common/engine_settle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- before the decision ---- */

static struct digest digest_of_key(const struct local *local,
				   const struct engine_bytes *key)
{
	return digest_of(local->store->secret, key->data, key->len);
}

static bool reads_value(const struct engine_mutation *mutation)
{
	return mutation->kind == ENGINE_INCR || mutation->kind == ENGINE_TOUCH;
}

/* Whether what comes of it depends on the entry's bytes. */
static bool depends(const struct cold *cold, const struct digest *digest,
		    const struct engine_mutation *mutation)
{
	struct index_place place;
	struct lookup_stamp stamp;

	if (reads_value(mutation) || mutation->condition == ENGINE_IF_VERSION)
		return true;
	if (mutation->condition == ENGINE_ALWAYS_DO &&
	    mutation->kind == ENGINE_PUT)
		return false;
	/* Only the index says whether it is there, but for an expiry. */
	return lookup_find(cold->view.map, digest, &place, &stamp) == 0 &&
	       (place.flags & INDEX_HAS_EXPIRY);
}

/* Of many mutations nothing is kept: their heads are in memory then. */
static int read_settle(struct cold *cold)
{
	struct settle *settle = (struct settle *)(void *)cold;
	const struct engine_request *request = cold->request;
	size_t i;

	for (i = 0; i < request->n_mutations; i++) {
		const struct engine_mutation *mutation = &request->mutations[i];
		struct digest digest =
			digest_of_key(cold->local, &mutation->key);

		if (!depends(cold, &digest, mutation))
			continue;
		settle->result =
			view_get(&cold->view, &digest, mutation->key.data,
				 mutation->key.len,
				 reads_value(mutation) ? VIEW_VALUE : VIEW_HEAD,
				 &settle->buffer, &settle->entry);
		if (settle->result == VIEW_BUSY)
			return VIEW_BUSY;
		if (settle->result == VIEW_CORRUPT)
			cold->met_damage = true;
	}
	return 0;
}

static void end_settle(struct cold *cold, int result)
{
	struct settle *settle = (struct settle *)(void *)cold;

	(void)result;
	local_settled(cold->local, cold->request, settle);
	cold->is_large = settle->buffer.cap > COLD_LARGE;
}

static void drop_settle(struct cold *cold, struct spares *spares)
{
	struct settle *settle = (struct settle *)(void *)cold;

	spares_give(spares, settle->buffer.data, settle->buffer.cap);
}

static const struct cold_ops settle_ops = {
	.read = read_settle,
	.end = end_settle,
	.drop = drop_settle,
};

void settle_submit(struct local *local, struct engine_request *request)
{
	struct settle *settle =
		cold_new(local, request, &settle_ops, sizeof(*settle));

	if (!settle) {
		local_finish(request, -ENOMEM);
		return;
	}
	cold_take_buffer(&settle->cold, &settle->buffer);
	settle->result = VIEW_NOT_FOUND;
	cold_submit(&settle->cold);
}

bool settle_knows(const struct settle *settle, const struct index_place *place,
		  int *result, struct view_entry *entry)
{
	if (settle->cold.request->n_mutations != 1 ||
	    settle->result == VIEW_NOT_FOUND || settle->result < 0 ||
	    settle->entry.place.segment != place->segment ||
	    settle->entry.place.off8 != place->off8)
		return false;
	*result = settle->result;
	*entry = settle->entry;
	return true;
}

bool settle_give(struct settle *settle, const void *value, struct block *block)
{
	if (!settle || value != settle->entry.value || !settle->buffer.data)
		return false;
	block->data = settle->buffer.data;
	block->cap = settle->buffer.cap;
	memset(&settle->buffer, 0, sizeof(settle->buffer));
	return true;
}

/* ---- after the write ---- */

bool settle_has_puts(const struct engine_request *request)
{
	size_t i;

	for (i = 0; i < request->n_mutations; i++) {
		if (request->mutations[i].kind == ENGINE_PUT)
			return true;
	}
	return false;
}

static int compare_keys(const void *a, const void *b)
{
	const struct engine_mutation *left =
		*(struct engine_mutation *const *)a;
	const struct engine_mutation *right =
		*(struct engine_mutation *const *)b;
	size_t len =
		left->key.len < right->key.len ? left->key.len : right->key.len;
	int order = memcmp(left->key.data, right->key.data, len);

	if (order != 0)
		return order;
	if (left->key.len != right->key.len)
		return left->key.len < right->key.len ? -1 : 1;
	return left < right ? -1 : 1;
}

int settle_count_once(struct local *local, struct engine_request *request)
{
	size_t n = request->n_mutations;
	struct engine_mutation **sorted;
	struct block block;
	size_t i;

	if (n < 2 || settle_has_puts(request))
		return 0;
	sorted = local_take(local, &block, n * sizeof(*sorted));
	if (!sorted)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		sorted[i] = &request->mutations[i];
	qsort(sorted, n, sizeof(struct engine_mutation *), compare_keys);
	for (i = 1; i < n; i++) {
		const struct engine_bytes *key = &sorted[i - 1]->key;

		if (key->len == sorted[i]->key.len &&
		    memcmp(key->data, sorted[i]->key.data, key->len) == 0)
			sorted[i]->existed = false;
	}
	local_give(local, &block);
	return 0;
}

struct unsure {
	size_t i; /* of the mutation */
	struct digest digest;
	struct index_place place;
};

/* Deletes that are visible; what they removed may have expired before. */
struct existed {
	struct cold cold; /* first */
	size_t n;
	struct view_buffer buffer;
	struct unsure unsure[];
};

static int read_existed(struct cold *cold)
{
	struct existed *existed = (struct existed *)(void *)cold;
	size_t i;

	for (i = 0; i < existed->n; i++) {
		const struct unsure *unsure = &existed->unsure[i];
		struct view_entry entry;
		int result = view_read(&cold->view, cold->local->store->secret,
				       &unsure->digest, &unsure->place,
				       VIEW_HEAD, &existed->buffer, &entry);

		/* What cannot be read was there, as far as is known. */
		cold->request->mutations[unsure->i].existed =
			result != VIEW_EXPIRED;
	}
	return 0;
}

static void end_existed(struct cold *cold, int result)
{
	settle_count_once(cold->local, cold->request);
	local_finish(cold->request, result);
}

static void drop_existed(struct cold *cold, struct spares *spares)
{
	struct existed *existed = (struct existed *)(void *)cold;

	spares_give(spares, existed->buffer.data, existed->buffer.cap);
}

static const struct cold_ops existed_ops = {
	.read = read_existed,
	.end = end_existed,
	.drop = drop_existed,
	.is_applied = true,
};

static struct existed *existed_new(struct local *local,
				   struct engine_request *request)
{
	struct existed *existed =
		cold_new(local, request, &existed_ops,
			 sizeof(*existed) +
				 request->n_mutations * sizeof(struct unsure));

	if (existed)
		cold_take_buffer(&existed->cold, &existed->buffer);
	return existed;
}

/*
 * Whether the key of a delete is there: 0 or 1; -EAGAIN: the entry at PLACE
 * has to be read.
 */
static int look(struct local *local, const struct engine_bytes *key,
		const struct digest *digest, struct index_place *place)
{
	struct view view = store_view_now(local->store);
	struct view_entry entry;
	int result;

	if (index_get(local->store->index, digest, place) != 0)
		return 0;
	if (!(place->flags & INDEX_HAS_EXPIRY))
		return 1;
	result = view_get(&view, digest, key->data, key->len, VIEW_HEAD,
			  &local->store->buffer, &entry);
	if (result == -EAGAIN)
		return result;
	return result == 0 || result == VIEW_CORRUPT;
}

bool settle_existed(struct local *local, struct engine_request *request)
{
	struct existed *existed = NULL;
	size_t i;

	for (i = 0; i < request->n_mutations; i++) {
		struct engine_mutation *mutation = &request->mutations[i];
		struct unsure unsure = { .i = i };
		int result;

		if (mutation->kind != ENGINE_DELETE)
			continue;
		unsure.digest = digest_of_key(local, &mutation->key);
		result = look(local, &mutation->key, &unsure.digest,
			      &unsure.place);
		mutation->existed = result != 0;
		if (result == -EAGAIN && !existed)
			existed = existed_new(local, request);
		/* Without memory it counts as there. */
		if (result == -EAGAIN && existed)
			existed->unsure[existed->n++] = unsure;
	}
	if (!existed) {
		settle_count_once(local, request);
		return false;
	}
	cold_submit(&existed->cold);
	return true;
}
