#include "tests/torture/soak_keys.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The state that RESULT and VALUE are. */
static bool read_state(enum soak_check check, unsigned int writer,
		       unsigned int key, const struct getme_item *item,
		       struct model_state *state)
{
	*state = (struct model_state){ .present = false };
	if (item->result == GETME_NOT_FOUND)
		return true;
	if (item->result != 0) {
		soak_fault(check, "w%u/%u: %s", writer, key,
			   getme_strerror(item->result));
		return false;
	}
	if (model_read(writer, key, item->value.data, item->value.len, state))
		return true;
	soak_fault(check, "w%u/%u: %zu bytes that nobody wrote", writer, key,
		   item->value.len);
	return false;
}

bool soak_keys_get(struct getme *handle, enum soak_check check,
		   unsigned int writer, unsigned int first, size_t n,
		   struct model_state *states)
{
	char names[MODEL_KEYS][MODEL_KEY_MAX];
	struct getme_bytes keys[MODEL_KEYS] = { { NULL, 0 } };
	struct getme_item items[MODEL_KEYS];
	bool good = true;

	for (unsigned int i = 0; i < n; i++) {
		keys[i].len = model_key(writer, first + i, names[i]);
		keys[i].data = names[i];
	}
	if (getme_get_many(handle, keys, n, items) != 0)
		return false;
	for (unsigned int i = 0; i < n; i++)
		good = read_state(check, writer, first + i, &items[i],
				  &states[i]) &&
		       good;
	return good;
}

bool soak_keys_view(struct getme *handle, enum soak_check check,
		    unsigned int writer, struct model_view *view)
{
	bool good;

	view->from_ms = soak_wall_ms();
	good = soak_keys_get(handle, check, writer, 0, MODEL_KEYS, view->found);
	view->to_ms = soak_wall_ms();
	return good;
}

void soak_keys_check_group(unsigned int writer,
			   const struct model_state *states)
{
	for (unsigned int i = 1; i < MODEL_GROUP; i++)
		if (states[i].present != states[0].present ||
		    states[i].number != states[0].number)
			soak_fault(SOAK_BATCH,
				   "w%u: number %" PRId64 " beside %" PRId64,
				   writer, states[0].number, states[i].number);
}

bool soak_keys_parse(const struct getme_bytes *name, unsigned int *writer,
		     unsigned int *key)
{
	char text[MODEL_KEY_MAX] = "";
	char *rest;

	if (name->len >= sizeof(text))
		return false;
	memcpy(text, name->data, name->len);
	if (text[0] != 'w')
		return false;
	*writer = (unsigned int)strtoul(text + 1, &rest, 10);
	if (*rest != '/')
		return false;
	*key = (unsigned int)strtoul(rest + 1, &rest, 10);
	return *rest == 0 && *writer < SOAK_WRITERS && *key < MODEL_KEYS;
}
