/*
 * Gets that the loop answers from mappings of real files, some at a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "common/segment.h"
#include "tests/support/engine_rig.h"

enum {
	N_GETS = 50, /* of one turn: more than are read together */
	LARGE = 200000,
};

static int setup(void **state)
{
	struct engine_rig *rig = calloc(1, sizeof(*rig));

	rig->options.segment_size = 64 << 10;
	rig->options.durability = ENGINE_NONE;
	rig_open(rig);
	rig->hook.io.map = io_system()->map;
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct engine_rig *rig = *state;

	rig_close(rig);
	free(rig);
	return 0;
}

static void assert_value(struct engine_rig *rig, const char *key,
			 const char *expected)
{
	const char *value;

	assert_int_equal(rig_get(rig, key, &value), 0);
	assert_string_equal(value, expected);
}

static void put_large(struct engine_rig *rig, const char *key)
{
	static char value[LARGE];
	struct rig_request put;

	memset(value, 'l', sizeof(value));
	rig_fill_put(&put, key, "", ENGINE_NONE);
	put.mutations[0].value.data = value;
	put.mutations[0].value.len = sizeof(value);
	rig_begin(rig, &put);
	assert_int_equal(rig_wait(rig, &put), 0);
}

static void test_a_hot_get_is_no_call_to_the_kernel(void **state)
{
	struct engine_rig *rig = *state;
	uint64_t before;

	assert_int_equal(rig_put(rig, "k", "v"), 0);
	rig_settle(rig);
	before = rig->hook.n_preads;
	for (int i = 0; i < 10; i++)
		assert_value(rig, "k", "v");
	assert_int_equal(rig_put(rig, "k", "w"), 0);
	assert_value(rig, "k", "w");
	assert_int_equal(rig->hook.n_preads, before);
	assert_int_equal(rig_stat(rig, "cold_reads"), 0);
}

/* What is large is read elsewhere, and holds nobody. */
static void test_gets_of_a_turn_are_answered_in_their_order(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request *gets = calloc(N_GETS, sizeof(*gets));
	char keys[N_GETS][16];
	unsigned int order = 0;

	put_large(rig, "key 30");
	for (int i = 0; i < N_GETS; i++) {
		snprintf(keys[i], sizeof(keys[i]), "key %d", i);
		if (i % 7 != 3 && i != 30)
			assert_int_equal(rig_put(rig, keys[i], keys[i]), 0);
	}
	for (int i = 0; i < N_GETS; i++) {
		rig_fill_get(&gets[i], keys[i]);
		if (i % 11 == 5)
			gets[i].request.op = ENGINE_STAT;
		if (i == 40)
			gets[i].request.deadline_ms = 1;
		rig_begin(rig, &gets[i]);
	}
	rig_turn(rig);
	for (int i = 0; i < N_GETS; i++) {
		int expected = i % 7 == 3 ? ENGINE_NOT_FOUND : 0;

		if (i == 30) {
			assert_false(gets[i].done);
			continue;
		}
		assert_true(gets[i].done);
		assert_int_equal(gets[i].request.result,
				 i == 40 ? ENGINE_DEADLINE : expected);
		assert_true(i == 0 || gets[i].order > order);
		order = gets[i].order;
		if (gets[i].request.result != 0)
			continue;
		assert_int_equal(gets[i].value_len, strlen(keys[i]));
		if (gets[i].request.op == ENGINE_GET)
			assert_string_equal(gets[i].value, keys[i]);
	}
	assert_int_equal(rig_wait(rig, &gets[30]), 0);
	assert_int_equal(gets[30].value_len, LARGE);
	free(gets);
}

static void segment_file(const struct engine_rig *rig, uint32_t id,
			 char path[PATH_LEN_MAX])
{
	assert_int_equal(segment_path(path, rig->dir, id), 0);
}

static void test_a_file_that_is_cut_off_is_an_error_for_its_keys(void **state)
{
	struct engine_rig *rig = *state;
	char path[PATH_LEN_MAX];

	assert_int_equal(rig_put(rig, "before", "v"), 0);
	assert_int_equal(rig_put(rig, "fill", "up"), 0);
	put_large(rig, "large");
	assert_int_equal(rig_put(rig, "behind", "v"), 0);
	assert_value(rig, "before", "v");
	assert_value(rig, "behind", "v");
	segment_file(rig, rig_active_segment(rig), path);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(rig_get(rig, "behind", NULL), ENGINE_CORRUPT);
	assert_int_equal(rig_get(rig, "behind", NULL), ENGINE_CORRUPT);
	/* The others are served, and this file can be written to. */
	assert_value(rig, "before", "v");
	assert_int_equal(rig_put(rig, "behind", "again"), 0);
	assert_value(rig, "behind", "again");
}

static void test_what_has_moved_is_found(void **state)
{
	struct engine_rig *rig = *state;
	char key[16];

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 2000; i++) {
			snprintf(key, sizeof(key), "key %d", i);
			assert_int_equal(rig_put(rig, key, key), 0);
		}
		assert_value(rig, "key 1", "key 1");
		assert_int_equal(rig_simple(rig, ENGINE_COMPACT), 0);
		for (int i = 0; i < 2000; i += 7) {
			snprintf(key, sizeof(key), "key %d", i);
			assert_value(rig, key, key);
		}
	}
	assert_int_equal(rig_simple(rig, ENGINE_CLEAR), 0);
	assert_int_equal(rig_get(rig, "key 1", NULL), ENGINE_NOT_FOUND);
}

/* done of the first asks for more, and lets go of what was asked. */
struct chain {
	struct engine_request request;
	struct engine_bytes key;
	struct engine *engine;
	char bytes[16];
	int *n_left;
	bool done;
};

static void go_on(struct engine_request *request)
{
	struct chain *chain = request->user;

	assert_int_equal(request->result, 0);
	memset(chain->bytes, 0, sizeof(chain->bytes));
	chain->key.data = NULL;
	if (--*chain->n_left < 0) {
		chain->done = true;
		return;
	}
	memcpy(chain->bytes, "k", 1);
	chain->key.data = chain->bytes;
	engine_submit(chain->engine, request);
}

static void test_done_may_ask_for_more(void **state)
{
	struct engine_rig *rig = *state;
	struct chain chains[N_GETS];
	int n_left = 500;

	assert_int_equal(rig_put(rig, "k", "v"), 0);
	memset(chains, 0, sizeof(chains));
	for (int i = 0; i < N_GETS; i++) {
		struct chain *chain = &chains[i];

		chain->request.op = i % 5 ? ENGINE_GET : ENGINE_STAT;
		chain->request.keys = &chain->key;
		chain->request.n_keys = 1;
		chain->request.done = go_on;
		chain->request.user = chain;
		chain->key.data = chain->bytes;
		chain->key.len = 1;
		chain->bytes[0] = 'k';
		chain->engine = rig->engine;
		chain->n_left = &n_left;
		engine_submit(rig->engine, &chain->request);
	}
	for (int i = 0; i < N_GETS; i++)
		rig_await(rig, &chains[i].done);
}

#define engine_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		engine_test(test_a_hot_get_is_no_call_to_the_kernel),
		engine_test(test_gets_of_a_turn_are_answered_in_their_order),
		engine_test(
			test_a_file_that_is_cut_off_is_an_error_for_its_keys),
		engine_test(test_what_has_moved_is_found),
		engine_test(test_done_may_ask_for_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
