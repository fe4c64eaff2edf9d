#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/pending.h"

enum {
	MODEL_NODES = 6000, /* more than the first table holds, twice over */
	MODEL_KEYS = 500,
	MODEL_STEPS = 200000,
};

static struct pending pending;

static int set_up(void **state)
{
	(void)state;
	return pending_init(&pending);
}

static int tear_down(void **state)
{
	(void)state;
	pending_deinit(&pending);
	return 0;
}

/* As a real one: a key's number, scattered. */
static struct digest key_digest(uint64_t key)
{
	struct digest digest = {
		.lo = key * UINT64_C(0x9e3779b97f4a7c15),
		.hi = (uint32_t)(key * UINT64_C(0xc2b2ae3d27d4eb4f) >> 32),
	};

	return digest;
}

static const struct pending_node *find(uint64_t key)
{
	struct digest digest = key_digest(key);

	return pending_find(&pending, &digest);
}

static void test_an_empty_table_finds_nothing(void **state)
{
	(void)state;
	assert_null(find(0));
	assert_null(find(1));
	assert_int_equal(pending.n_nodes, 0);
}

static void test_the_newest_of_a_key_is_found(void **state)
{
	struct pending_node nodes[3] = { 0 };
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		nodes[i].digest = key_digest(7);
		pending_add(&pending, &nodes[i]);
		assert_ptr_equal(find(7), &nodes[i]);
	}
	assert_null(find(8));
	/* an older one's end changes nothing; the newest one's does */
	pending_remove(&pending, &nodes[1]);
	assert_ptr_equal(find(7), &nodes[2]);
	pending_remove(&pending, &nodes[2]);
	assert_ptr_equal(find(7), &nodes[0]);
	pending_remove(&pending, &nodes[0]);
	assert_null(find(7));
}

static void test_a_digest_is_equal_in_both_its_parts(void **state)
{
	struct pending_node node = { .digest = { .lo = 1, .hi = 5 } };
	struct digest other = { .lo = 2, .hi = 5 };

	(void)state;
	pending_add(&pending, &node);
	assert_null(pending_find(&pending, &other));
	other.lo = 1;
	other.hi = 6;
	assert_null(pending_find(&pending, &other));
	other.hi = 5;
	assert_ptr_equal(pending_find(&pending, &other), &node);
	pending_remove(&pending, &node);
}

static void test_removing_what_is_not_there_changes_nothing(void **state)
{
	struct pending_node node = { .digest = key_digest(1) };
	struct pending_node absent = { .digest = key_digest(1) };

	(void)state;
	pending_add(&pending, &node);
	pending_remove(&pending, &absent);
	assert_int_equal(pending.n_nodes, 1);
	assert_ptr_equal(find(1), &node);
	pending_remove(&pending, &node);
	pending_remove(&pending, &node);
	assert_int_equal(pending.n_nodes, 0);
}

static void test_one_key_may_have_any_number_of_writes(void **state)
{
	struct pending_node *nodes = calloc(MODEL_NODES, sizeof(*nodes));
	size_t i;

	(void)state;
	assert_non_null(nodes);
	for (i = 0; i < MODEL_NODES; i++) {
		nodes[i].digest = key_digest(3);
		pending_add(&pending, &nodes[i]);
	}
	assert_int_equal(pending.n_nodes, MODEL_NODES);
	for (i = MODEL_NODES; i-- > 0;) {
		assert_ptr_equal(find(3), &nodes[i]);
		pending_remove(&pending, &nodes[i]);
	}
	free(nodes);
}

static void test_growing_keeps_the_newest_of_each_key_first(void **state)
{
	struct pending_node *nodes = calloc(MODEL_NODES, sizeof(*nodes));
	size_t n_heads = pending.n_heads;
	size_t i;

	(void)state;
	assert_non_null(nodes);
	for (i = 0; i < MODEL_NODES; i++) {
		nodes[i].digest = key_digest(i % MODEL_KEYS);
		pending_add(&pending, &nodes[i]);
	}
	assert_true(pending.n_heads > 2 * n_heads);
	/* a key's nodes end in the order in which they came, as writes do */
	for (i = 0; i < MODEL_NODES; i++) {
		size_t newest = MODEL_NODES - MODEL_KEYS + i % MODEL_KEYS;

		assert_ptr_equal(find(i % MODEL_KEYS), &nodes[newest]);
		pending_remove(&pending, &nodes[i]);
	}
	assert_int_equal(pending.n_nodes, 0);
	free(nodes);
}

/* ---- against a list ---- */

struct model {
	struct pending_node nodes[MODEL_NODES];
	uint64_t keys[MODEL_NODES];
	uint64_t added[MODEL_NODES]; /* when; 0: it is not in the table */
	uint64_t n_nodes;
};

static uint64_t next_random(uint64_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random;
}

static const struct pending_node *model_find(const struct model *model,
					     uint64_t key)
{
	const struct pending_node *newest = NULL;
	uint64_t when = 0;
	size_t i;

	for (i = 0; i < MODEL_NODES; i++) {
		if (model->keys[i] == key && model->added[i] > when) {
			when = model->added[i];
			newest = &model->nodes[i];
		}
	}
	return newest;
}

/* The share of nodes that are in the table rises and falls. */
static void model_step(struct model *model, uint64_t step, uint64_t random)
{
	size_t i = random % MODEL_NODES;
	uint64_t key = (random >> 32) % MODEL_KEYS;
	bool fill = step / (2 * MODEL_NODES) % 2 == 0;

	if (model->added[i] != 0) {
		if (fill && random >> 60 != 0)
			return;
		pending_remove(&pending, &model->nodes[i]);
		model->added[i] = 0;
		model->n_nodes--;
		return;
	}
	if (!fill && random >> 60 != 0)
		return;
	model->keys[i] = key;
	model->added[i] = step + 1;
	model->nodes[i].digest = key_digest(key);
	model->nodes[i].item = (uint32_t)i;
	model->n_nodes++;
	pending_add(&pending, &model->nodes[i]);
}

static void test_random_writes_are_found_as_in_a_list(void **state)
{
	struct model *model = calloc(1, sizeof(*model));
	uint64_t seed = (uint64_t)time(NULL) | 1;
	uint64_t random = seed;
	uint64_t step;

	(void)state;
	assert_non_null(model);
	printf("# seed %llu\n", (unsigned long long)seed);
	for (step = 0; step < MODEL_STEPS; step++) {
		uint64_t key;

		model_step(model, step, next_random(&random));
		assert_int_equal(pending.n_nodes, model->n_nodes);
		if (step % 16 != 0)
			continue;
		key = next_random(&random) % MODEL_KEYS;
		assert_ptr_equal(find(key), model_find(model, key));
	}
	free(model);
}

#define pending_test(name)                                                     \
	cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		pending_test(test_an_empty_table_finds_nothing),
		pending_test(test_the_newest_of_a_key_is_found),
		pending_test(test_a_digest_is_equal_in_both_its_parts),
		pending_test(test_removing_what_is_not_there_changes_nothing),
		pending_test(test_one_key_may_have_any_number_of_writes),
		pending_test(test_growing_keeps_the_newest_of_each_key_first),
		pending_test(test_random_writes_are_found_as_in_a_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
