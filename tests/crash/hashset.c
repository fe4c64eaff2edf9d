#include "tests/crash/hashset.h"

#include <stdlib.h>

#include "tests/crash/simbytes.h"

enum {
	FIRST_SIZE = 64,
};

void hashset_deinit(struct hashset *set)
{
	free(set->at);
	*set = (struct hashset){ .at = NULL };
}

/* 0 marks what is free. */
static uint64_t stored(uint64_t hash)
{
	return hash + !hash;
}

/* Where HASH, as it is stored, is or belongs; there is room. */
static uint64_t *place(const struct hashset *set, uint64_t hash)
{
	size_t i = hash & (set->size - 1);

	while (set->at[i] && set->at[i] != hash)
		i = (i + 1) & (set->size - 1);
	return &set->at[i];
}

static void grow(struct hashset *set)
{
	struct hashset larger = {
		.size = set->size ? 2 * set->size : FIRST_SIZE,
		.n = set->n,
	};

	larger.at = sim_alloc(larger.size * sizeof(*larger.at));
	for (size_t i = 0; i < set->size; i++)
		if (set->at[i])
			*place(&larger, set->at[i]) = set->at[i];
	free(set->at);
	*set = larger;
}

bool hashset_add(struct hashset *set, uint64_t hash)
{
	uint64_t *at;

	if (2 * set->n >= set->size)
		grow(set);
	hash = stored(hash);
	at = place(set, hash);
	if (*at)
		return false;
	*at = hash;
	set->n++;
	return true;
}

bool hashset_has(const struct hashset *set, uint64_t hash)
{
	return set->size && *place(set, stored(hash));
}
