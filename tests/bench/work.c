#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "tests/bench/keys.h"
#include "tests/bench/stopwatch.h"
#include "tests/bench/work.h"

static const struct kind {
	const char *name;
	unsigned int gets;
	bool is_zipfian;
} kinds[] = {
	{ "load", 0, false }, { "get", 100, false }, { "put", 0, false },
	{ "a", 50, true },    { "b", 95, true },     { "c", 100, true },
};

void work_init(struct work *work, const char *name, uint64_t n_keys,
	       double seconds)
{
	const struct kind *kind = NULL;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0)
			kind = &kinds[i];
	if (!kind || n_keys < 2) {
		errno = 0;
		die("the work is load, get, put, a, b or c, of 2 keys or more");
	}
	*work = (struct work){
		.n_keys = n_keys,
		.gets = kind->gets,
		.is_zipfian = kind->is_zipfian,
		.random = 1,
	};
	if (work->is_zipfian)
		zipf_init(&work->zipf, n_keys);
	if (kind == &kinds[0])
		work->n_left = n_keys;
	else
		work->end = now_s() + seconds;
}

void work_vary(struct work *work, uint64_t number)
{
	work->random = number << 40;
}

static uint64_t next_key(struct work *work)
{
	if (work->end == 0)
		return key_shuffled(--work->n_left, work->n_keys);
	if (work->is_zipfian)
		return zipf_key(&work->zipf, random_next(&work->random));
	return random_below(&work->random, work->n_keys);
}

bool work_next(struct work *work, uint64_t *key, bool *is_get)
{
	if (work->is_over || (work->end == 0 && work->n_left == 0))
		return false;
	*is_get = work->gets == 100 ||
		  (work->gets > 0 &&
		   random_below(&work->random, 100) < work->gets);
	*key = next_key(work);
	return true;
}

void work_tick(struct work *work)
{
	if (work->end > 0 && now_s() >= work->end)
		work->is_over = true;
}
