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

static bool equal(const struct model_state *a, const struct model_state *b)
{
	return a->present == b->present &&
	       (!a->present || a->number == b->number);
}

/* The first key that differs, or MODEL_KEYS. */
static unsigned int difference(const struct model_state *a,
			       const struct model_state *b)
{
	unsigned int key = 0;

	while (key < MODEL_KEYS && equal(&a[key], &b[key]))
		key++;
	return key;
}

static void explain(const struct writer_model *model, unsigned int key,
		    const struct model_state *found, int64_t least, char *why,
		    size_t why_len)
{
	snprintf(why, why_len,
		 "w%u/%u holds %s%" PRId64 " and no prefix fits; it was "
		 "%s%" PRId64 " before number %" PRId64 "; all up to %" PRId64
		 " must be there, %" PRId64 " was the last",
		 model->writer, key, found->present ? "" : "nothing, not ",
		 found->number, model->settled[key].present ? "" : "not ",
		 model->settled[key].number, model->first, least,
		 model_next(model) - 1);
}

bool model_settle(struct writer_model *model,
		  const struct model_state found[MODEL_KEYS], int64_t seen,
		  char *why, size_t why_len)
{
	struct model_state states[MODEL_KEYS];
	int64_t least = model->first + (int64_t)model->n_acked - 1;
	unsigned int key = MODEL_KEYS;
	unsigned int first_key = MODEL_KEYS;
	size_t n = 0;

	if (least < seen)
		least = seen;
	memcpy(states, model->settled, sizeof(states));
	for (;; n++) {
		if (model->first + (int64_t)n > least) {
			key = difference(states, found);
			if (first_key == MODEL_KEYS)
				first_key = key;
			if (key == MODEL_KEYS)
				break;
		}
		if (n == model->n_ops || n == model->n_limit)
			break;
		apply(states, &model->ops[n]);
	}
	if (key < MODEL_KEYS || model->first + (int64_t)n <= least) {
		explain(model, first_key % MODEL_KEYS,
			&found[first_key % MODEL_KEYS], least, why, why_len);
		return false;
	}
	memcpy(model->settled, found, sizeof(model->settled));
	memcpy(model->last, found, sizeof(model->last));
	model->first = model_next(model);
	model->n_ops = 0;
	model->n_acked = 0;
	model->n_limit = SIZE_MAX;
	return true;
}
