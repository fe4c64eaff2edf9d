#include "tests/support/writer_model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void model_init(struct writer_model *model, unsigned int writer)
{
	memset(model, 0, sizeof(*model));
	model->writer = writer;
	model->first = 1;
	model->n_limit = SIZE_MAX;
}

void model_deinit(struct writer_model *model)
{
	free(model->ops);
	model->ops = NULL;
}

int64_t model_next(const struct writer_model *model)
{
	return model->first + (int64_t)model->n_ops;
}

static void apply(struct model_state states[MODEL_KEYS],
		  const struct model_op *op)
{
	if (op->clears)
		memset(states, 0, MODEL_KEYS * sizeof(*states));
	for (size_t i = 0; i < op->n; i++)
		states[op->changes[i].key] = op->changes[i].state;
}

void model_add(struct writer_model *model, const struct model_op *op)
{
	if (model->n_ops == model->cap) {
		model->cap = model->cap > 0 ? model->cap * 2 : 1024;
		model->ops =
			realloc(model->ops, model->cap * sizeof(*model->ops));
		if (!model->ops)
			abort();
	}
	model->ops[model->n_ops++] = *op;
	apply(model->last, op);
}

size_t model_key(unsigned int writer, unsigned int key, char out[MODEL_KEY_MAX])
{
	return (size_t)snprintf(out, MODEL_KEY_MAX, "w%u/%u", writer, key);
}

static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* Most are small, a few larger than the smallest segment. */
static size_t value_len(uint64_t seed, size_t least)
{
	uint64_t dice = mix(seed) % 1000;

	if (dice < 2)
		return MODEL_VALUE_MAX - seed % 5000;
	if (dice < 30)
		return least + mix(seed + 1) % 8192;
	return least + mix(seed + 1) % 256;
}

static size_t tagged_value(unsigned int writer, unsigned int key,
			   int64_t number, char *out)
{
	uint64_t seed = mix((uint64_t)number) ^ (writer << 8 | key);
	size_t at = (size_t)sprintf(out, "%" PRId64 " w%u/%u ", number, writer,
				    key);
	size_t len = value_len(seed, at);

	for (; at < len; at++) {
		if (at % 8 == 0)
			seed = mix(seed);
		out[at] = (char)(seed >> at % 8 * 8);
	}
	return len;
}

size_t model_value(unsigned int writer, unsigned int key, int64_t number,
		   char *out)
{
	if (key >= MODEL_FIRST_COUNTER)
		return (size_t)sprintf(out, "%" PRId64, number);
	return tagged_value(writer, key, number, out);
}

bool model_read(unsigned int writer, unsigned int key, const void *data,
		size_t len, struct model_state *state)
{
	char *expected = malloc(MODEL_VALUE_MAX);
	char text[32] = "";
	bool same;

	if (!expected)
		abort();
	memcpy(text, data, len < sizeof(text) - 1 ? len : sizeof(text) - 1);
	state->present = true;
	state->number = strtoll(text, NULL, 10);
	same = len == model_value(writer, key, state->number, expected) &&
	       memcmp(expected, data, len) == 0;
	free(expected);
	return same;
}

/* Whether EXPECTED may have been found as FOUND. */
static bool fits(const struct model_state *expected,
		 const struct model_state *found, const struct model_view *view)
{
	int64_t end_ms = expected->expires_at_ms;

	if (!found->present)
		return !expected->present ||
		       (end_ms > 0 && end_ms <= view->to_ms);
	return expected->present && expected->number == found->number &&
	       (end_ms == 0 || end_ms >= view->from_ms);
}

/* The first key that differs, or MODEL_KEYS. */
static unsigned int difference(const struct model_state *states,
			       const struct model_view *view)
{
	unsigned int key = 0;

	while (key < MODEL_KEYS && fits(&states[key], &view->found[key], view))
		key++;
	return key;
}

static void explain(const struct writer_model *model, unsigned int key,
		    const struct model_state *found, size_t least, size_t most,
		    char *why, size_t why_len)
{
	snprintf(why, why_len,
		 "w%u/%u holds %s%" PRId64 " and no prefix fits; it was "
		 "%s%" PRId64 " before number %" PRId64 "; all before %" PRId64
		 " must be there, none from %" PRId64 " on may",
		 model->writer, key, found->present ? "" : "nothing, not ",
		 found->number, model->settled[key].present ? "" : "not ",
		 model->settled[key].number, model->first,
		 model->first + (int64_t)least, model->first + (int64_t)most);
}

bool model_find(const struct writer_model *model, const struct model_view *view,
		size_t least, size_t most, struct model_cut *cut, char *why,
		size_t why_len)
{
	struct model_state states[MODEL_KEYS];
	struct model_cut fitting = { SIZE_MAX, 0 };
	unsigned int first_key = 0;

	memcpy(states, model->settled, sizeof(states));
	for (size_t n = 0; n <= most; n++) {
		unsigned int key =
			n < least ? MODEL_KEYS : difference(states, view);

		if (n == least)
			first_key = key;
		if (n >= least && key == MODEL_KEYS) {
			if (fitting.fewest == SIZE_MAX)
				fitting.fewest = n;
			fitting.most = n;
		}
		if (n < most)
			apply(states, &model->ops[n]);
	}
	if (fitting.fewest == SIZE_MAX) {
		explain(model, first_key % MODEL_KEYS,
			&view->found[first_key % MODEL_KEYS], least, most, why,
			why_len);
		return false;
	}
	*cut = fitting;
	return true;
}

bool model_fits(const struct writer_model *model, const struct model_view *view,
		int64_t seen, struct model_cut *cut, char *why, size_t why_len)
{
	size_t least = model->n_acked;
	size_t most =
		model->n_ops < model->n_limit ? model->n_ops : model->n_limit;

	if (seen >= model->first + (int64_t)least)
		least = (size_t)(seen - model->first) + 1;
	return model_find(model, view, least, most, cut, why, why_len);
}

/*
 * The most: what a later one of them has changed has expired since, or was
 * removed again.
 */
void model_settle(struct writer_model *model, const struct model_cut *cut)
{
	for (size_t n = 0; n < cut->most; n++)
		apply(model->settled, &model->ops[n]);
	memcpy(model->last, model->settled, sizeof(model->last));
	model->first = model_next(model);
	model->n_ops = 0;
	model->n_acked = 0;
	model->n_limit = SIZE_MAX;
}

/* Since when a missing one should be there; 0: it need not. */
static uint64_t is_due_ns(const struct model_op *op)
{
	/* A clear is the same one for all writers. */
	return op->clears ? op->sent_ns - 1 : op->answered_ns;
}

bool model_cuts_agree(const struct writer_model *const *models,
		      const struct model_cut *cuts, unsigned int n,
		      unsigned int *n_sent, unsigned int *n_missing)
{
	uint64_t sent_ns = 0;
	uint64_t missing_ns = UINT64_MAX;

	for (unsigned int i = 0; i < n; i++) {
		const struct model_op *ops = models[i]->ops;
		size_t last = cuts[i].fewest;
		uint64_t due_ns = 0;

		if (last > 0 && ops[last - 1].sent_ns > sent_ns) {
			sent_ns = ops[last - 1].sent_ns;
			*n_sent = i;
		}
		if (cuts[i].most < models[i]->n_ops)
			due_ns = is_due_ns(&ops[cuts[i].most]);
		if (due_ns > 0 && due_ns < missing_ns) {
			missing_ns = due_ns;
			*n_missing = i;
		}
	}
	return missing_ns >= sent_ns;
}
