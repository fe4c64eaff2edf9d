/*
 * Random requests over a disk that is now in memory and now not: each answer
 * was true at one instant between the request and its answer.
 *
 * Writes are numbered, and change two keys together.  What a read may tell is
 * the last write that had been acknowledged when it was submitted, or any that
 * was submitted before it was answered.  GETME_COLD_SEED=N draws another run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/engine_rig.h"

enum {
	N_PAIRS = 6,
	N_SLOTS = 24, /* requests under way */
	N_STEPS = 4000,
	N_WRITES_MAX = N_STEPS + 1,
	LARGE = 150000, /* goes to the pool in any case */
	NONE = -1,	/* a slot that is free */
};

enum what {
	GET,
	GET_BOTH,
	SCAN,
	PUT,
	DELETE,
	CLEAR,
};

/* What is known of a pair of keys. */
struct pair {
	char keys[2][8];
	int submitted; /* the number of its last write; 0: there was none */
	int acknowledged;
	bool is_delete[N_WRITES_MAX];
};

struct slot {
	struct rig_request rig;
	enum what what;
	int pair;	      /* NONE: the slot is free */
	int which;	      /* GET: of the two keys */
	int number;	      /* of a write */
	int numbers[N_PAIRS]; /* CLEAR: those of each pair */
	int before[N_PAIRS];  /* acknowledged at the submission */
	char *value;
};

struct history {
	struct engine_rig rig;
	struct pair pairs[N_PAIRS];
	struct slot slots[N_SLOTS];
	bool with_clears;
	uint64_t random;
	unsigned int n_found;
};

static unsigned int draw(struct history *history, unsigned int below)
{
	uint64_t *random = &history->random;

	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return (unsigned int)(*random >> 20) % below;
}

static struct engine_bytes bytes_of(const char *text)
{
	return (struct engine_bytes){ .data = text, .len = strlen(text) };
}

/* ---- what may be told ---- */

/* NUMBER 0: not there. */
static void check(const struct history *history, const struct slot *slot,
		  int pair, int number)
{
	const struct pair *of = &history->pairs[pair];
	int i = slot->before[pair];

	if (number != 0) {
		assert_in_range(number, i, of->submitted);
		assert_false(of->is_delete[number]);
		return;
	}
	for (; i <= of->submitted; i++) {
		if (i == 0 || of->is_delete[i])
			return;
	}
	fail_msg("pair %d was there all the time", pair);
}

static int number_of(const struct rig_item *item)
{
	if (item->result == ENGINE_NOT_FOUND)
		return 0;
	assert_int_equal(item->result, 0);
	return (int)strtol(item->value, NULL, 10);
}

static void check_scan(struct history *history, const struct slot *slot)
{
	size_t n = slot->rig.request.n_items;
	bool seen[N_PAIRS][2] = { { false } };
	size_t i;

	for (i = 0; i < n && i < 8; i++) {
		const struct rig_item *item = &slot->rig.items[i];
		int which = item->key[0] == 'b';
		int pair = item->key[1] - '0';

		assert_false(seen[pair][which]);
		seen[pair][which] = true;
		check(history, slot, pair, number_of(item));
	}
	history->n_found += n > 0;
}

static void end_read(struct history *history, const struct slot *slot)
{
	int result = slot->rig.request.result;
	int number = 0;

	switch (slot->what) {
	case GET:
		assert_true(result == 0 || result == ENGINE_NOT_FOUND);
		if (result == 0)
			number = (int)strtol(slot->rig.value, NULL, 10);
		check(history, slot, slot->pair, number);
		history->n_found += result == 0;
		break;
	case GET_BOTH:
		assert_int_equal(result, 0);
		number = number_of(&slot->rig.items[0]);
		/* Written together, seen together. */
		assert_int_equal(number_of(&slot->rig.items[1]), number);
		check(history, slot, slot->pair, number);
		break;
	default:
		assert_int_equal(result, 0);
		check_scan(history, slot);
		break;
	}
}

static void acknowledge(struct pair *pair, int number)
{
	if (number > pair->acknowledged)
		pair->acknowledged = number;
}

static void end_slot(struct history *history, struct slot *slot)
{
	int i;

	if (slot->what < PUT) {
		end_read(history, slot);
	} else {
		assert_int_equal(slot->rig.request.result, 0);
		if (slot->what != CLEAR)
			acknowledge(&history->pairs[slot->pair], slot->number);
		for (i = 0; slot->what == CLEAR && i < N_PAIRS; i++)
			acknowledge(&history->pairs[i], slot->numbers[i]);
	}
	free(slot->value);
	slot->value = NULL;
	slot->pair = NONE;
}

/* ---- requests ---- */

static int next_write(struct pair *pair, bool is_delete)
{
	pair->submitted++;
	pair->is_delete[pair->submitted] = is_delete;
	return pair->submitted;
}

static void fill_write(struct history *history, struct slot *slot)
{
	struct pair *pair = &history->pairs[slot->pair];
	bool is_delete = slot->what == DELETE;
	size_t len = draw(history, 16) == 0 ? LARGE : 32;
	int i;

	slot->number = next_write(pair, is_delete);
	slot->value = calloc(1, LARGE);
	snprintf(slot->value, LARGE, "%d", slot->number);
	rig_fill_put(&slot->rig, "", "", ENGINE_NONE);
	slot->rig.request.n_mutations = 2;
	for (i = 0; i < 2; i++) {
		struct engine_mutation *mutation = &slot->rig.mutations[i];

		mutation->kind = is_delete ? ENGINE_DELETE : ENGINE_PUT;
		mutation->key = bytes_of(pair->keys[i]);
		mutation->value.data = slot->value;
		mutation->value.len = is_delete ? 0 : len;
		/* Far away, but so that deletes have to look. */
		if (!is_delete && draw(history, 2) == 0)
			mutation->expires_at_ms = UINT64_C(5000000000000);
	}
}

static void fill_read(struct history *history, struct slot *slot)
{
	struct pair *pair = &history->pairs[slot->pair];

	slot->which = (int)draw(history, 2);
	rig_fill_get(&slot->rig, pair->keys[slot->which]);
	if (slot->what == GET)
		return;
	slot->rig.request.op =
		slot->what == SCAN ? ENGINE_SCAN : ENGINE_GET_MANY;
	slot->rig.request.with_values = true;
	slot->rig.keys[0] = bytes_of(pair->keys[0]);
	slot->rig.keys[1] = bytes_of(pair->keys[1]);
	slot->rig.request.n_keys = 2;
}

static enum what draw_what(struct history *history)
{
	static const enum what often[] = { GET, GET,	  GET,	  GET_BOTH,
					   PUT, GET_BOTH, SCAN,	  PUT,
					   PUT, PUT,	  DELETE, DELETE };

	if (history->with_clears && draw(history, 200) == 0)
		return CLEAR;
	return often[draw(history, sizeof(often) / sizeof(often[0]))];
}

static void begin_slot(struct history *history, struct slot *slot)
{
	int i;

	slot->what = draw_what(history);
	slot->pair = (int)draw(history, N_PAIRS);
	for (i = 0; i < N_PAIRS; i++)
		slot->before[i] = history->pairs[i].acknowledged;
	if (slot->what < PUT) {
		fill_read(history, slot);
	} else if (slot->what != CLEAR) {
		fill_write(history, slot);
	} else {
		memset(&slot->rig, 0, sizeof(slot->rig));
		slot->rig.request.op = ENGINE_CLEAR;
		for (i = 0; i < N_PAIRS; i++)
			slot->numbers[i] = next_write(&history->pairs[i], true);
	}
	rig_begin(&history->rig, &slot->rig);
}

static size_t end_what_is_done(struct history *history)
{
	size_t n_open = 0;
	int i;

	for (i = 0; i < N_SLOTS; i++) {
		struct slot *slot = &history->slots[i];

		if (slot->pair == NONE)
			continue;
		if (slot->rig.done)
			end_slot(history, slot);
		else
			n_open++;
	}
	return n_open;
}

static void step(struct history *history)
{
	struct slot *slot = &history->slots[draw(history, N_SLOTS)];

	history->rig.hook.nowait_error = draw(history, 3) == 0 ? 0 : -EAGAIN;
	if (slot->pair != NONE) {
		rig_await(&history->rig, &slot->rig.done);
		end_what_is_done(history);
	}
	begin_slot(history, slot);
	if (draw(history, 3) == 0)
		rig_turn(&history->rig);
	end_what_is_done(history);
}

static void run(bool with_clears)
{
	struct history *history = calloc(1, sizeof(*history));
	const char *seed = getenv("GETME_COLD_SEED");
	int i;

	history->random =
		seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
	print_message("GETME_COLD_SEED=%" PRIu64 "\n", history->random);
	history->random = history->random * 2654435761 + 1;
	history->with_clears = with_clears;
	for (i = 0; i < N_PAIRS; i++) {
		snprintf(history->pairs[i].keys[0], 8, "a%d", i);
		snprintf(history->pairs[i].keys[1], 8, "b%d", i);
	}
	for (i = 0; i < N_SLOTS; i++)
		history->slots[i].pair = NONE;
	history->rig.options.segment_size = 1 << 20;
	rig_open(&history->rig);
	for (i = 0; i < N_STEPS; i++)
		step(history);
	for (i = 0; i < N_SLOTS; i++) {
		if (history->slots[i].pair != NONE)
			rig_await(&history->rig, &history->slots[i].rig.done);
		end_what_is_done(history);
	}
	assert_true(history->n_found > N_STEPS / 20);
	assert_true(rig_stat(&history->rig, "cold_reads") > N_STEPS / 20);
	assert_int_equal(rig_stat(&history->rig, "corrupt_reads"), 0);
	rig_close(&history->rig);
	free(history);
}

static void test_every_answer_was_true_at_one_instant(void **state)
{
	(void)state;
	run(false);
}

static void test_so_it_was_with_clears(void **state)
{
	(void)state;
	run(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_answer_was_true_at_one_instant),
		cmocka_unit_test(test_so_it_was_with_clears),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
