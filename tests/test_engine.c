/*
 * The local engine, with its threads, over a real folder: what is visible
 * when, what waits for what, and what every failure comes to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/segment.h"
#include "tests/support/engine_rig.h"
#include "tests/support/store_kit.h"

static int setup(void **state)
{
	struct engine_rig *rig = calloc(1, sizeof(*rig));

	rig->options.segment_size = 64 << 10;
	rig_open(rig);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct engine_rig *rig = *state;

	rig->hook.hold_syncs = 0;
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

static void assert_missing(struct engine_rig *rig, const char *key)
{
	assert_int_equal(rig_get(rig, key, NULL), ENGINE_NOT_FOUND);
}

static void test_get_after_put_gives_the_value(void **state)
{
	struct engine_rig *rig = *state;

	assert_int_equal(rig_put(rig, "k", "v1"), 0);
	assert_value(rig, "k", "v1");
	assert_int_equal(rig_put(rig, "k", ""), 0);
	assert_value(rig, "k", "");
}

static void test_get_after_delete_is_not_found(void **state)
{
	struct engine_rig *rig = *state;
	bool existed;

	assert_int_equal(rig_put(rig, "k", "v"), 0);
	assert_int_equal(rig_delete(rig, "k", &existed), 0);
	assert_true(existed);
	assert_missing(rig, "k");
	assert_int_equal(rig_delete(rig, "k", &existed), 0);
	assert_false(existed);
}

static void test_a_second_delete_does_not_take_a_later_put(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request writes[4];
	int i;

	rig_fill_put(&writes[0], "k", "1", ENGINE_ALWAYS);
	rig_fill_delete(&writes[1], "k");
	rig_fill_delete(&writes[2], "k");
	rig_fill_put(&writes[3], "k", "2", ENGINE_ALWAYS);
	for (i = 0; i < 4; i++)
		rig_begin(rig, &writes[i]);
	for (i = 0; i < 4; i++)
		assert_int_equal(rig_wait(rig, &writes[i]), 0);
	assert_true(writes[1].mutations[0].existed);
	assert_false(writes[2].mutations[0].existed);
	assert_value(rig, "k", "2");
}

static void test_done_is_not_called_by_submit(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request get;

	rig_fill_get(&get, "k");
	rig_begin(rig, &get);
	assert_false(get.done);
	assert_int_equal(rig_wait(rig, &get), ENGINE_NOT_FOUND);
}

static void test_a_write_is_invisible_until_it_is_durable(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request put;

	assert_int_equal(rig_put(rig, "k", "old"), 0);
	rig->hook.hold_syncs = 1;
	rig_fill_put(&put, "k", "new", ENGINE_ALWAYS);
	rig_begin(rig, &put);
	rig_turn(rig);
	assert_value(rig, "k", "old");
	assert_false(put.done);
	rig->hook.hold_syncs = 0;
	assert_int_equal(rig_wait(rig, &put), 0);
	assert_value(rig, "k", "new");
}

static void test_a_weaker_write_does_not_overtake(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request strong;
	struct rig_request weak;

	assert_int_equal(rig_put(rig, "warm", "up"), 0);
	rig->hook.hold_syncs = 1;
	rig_fill_put(&strong, "k", "1", ENGINE_ALWAYS);
	rig_fill_put(&weak, "k", "2", ENGINE_NONE);
	rig_begin(rig, &strong);
	rig_turn(rig);
	rig_begin(rig, &weak);
	rig_turn(rig);
	assert_false(weak.done);
	rig->hook.hold_syncs = 0;
	assert_int_equal(rig_wait(rig, &weak), 0);
	assert_true(strong.done);
	assert_true(strong.order < weak.order);
	assert_value(rig, "k", "2");
}

static void test_writes_of_one_turn_share_a_sync(void **state)
{
	enum { N = 100 };
	struct engine_rig *rig = *state;
	struct rig_request *puts = calloc(N, sizeof(*puts));
	char keys[N][16];
	uint64_t before;
	int i;

	assert_int_equal(rig_put(rig, "warm", "up"), 0);
	before = rig->hook.n_syncs;
	for (i = 0; i < N; i++) {
		snprintf(keys[i], sizeof(keys[i]), "key%d", i);
		rig_fill_put(&puts[i], keys[i], "v", ENGINE_ALWAYS);
		rig_begin(rig, &puts[i]);
	}
	for (i = 0; i < N; i++)
		assert_int_equal(rig_wait(rig, &puts[i]), 0);
	/* One for the group; the spare that is made beside it has its own. */
	assert_true(rig->hook.n_syncs - before < 10);
	assert_int_equal(rig_count(rig), N + 1);
	free(puts);
}

/* A group of eight: the log thread expects as many the next time. */
static void put_eight(struct engine_rig *rig)
{
	struct rig_request puts[8];
	char key[8];
	int i;

	for (i = 0; i < 8; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		rig_fill_put(&puts[i], key, "1", ENGINE_ALWAYS);
		rig_begin(rig, &puts[i]);
	}
	for (i = 0; i < 8; i++)
		assert_int_equal(rig_wait(rig, &puts[i]), 0);
}

static void test_who_writes_alone_does_not_wait_for_others(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request put;
	int i;

	for (i = 0; i < 20; i++) {
		put_eight(rig);
		rig_fill_put(&put, "alone", "1", ENGINE_ALWAYS);
		rig_begin(rig, &put);
		assert_int_equal(rig_wait(rig, &put), 0);
		assert_int_equal(put.request.reached, ENGINE_ALWAYS);
	}
}

static void test_a_close_does_not_wait_for_others(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request put;
	const char *value;

	put_eight(rig);
	rig_fill_put(&put, "alone", "1", ENGINE_ALWAYS);
	rig_begin(rig, &put);
	rig_turn(rig);
	rig_reopen(rig);
	assert_true(put.done);
	assert_int_equal(put.request.result, 0);
	assert_int_equal(rig_get(rig, "alone", &value), 0);
	assert_string_equal(value, "1");
}

static void test_none_needs_no_sync(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request put;
	uint64_t before;

	assert_int_equal(rig_put(rig, "warm", "up"), 0);
	assert_int_equal(rig_simple(rig, ENGINE_SYNC), 0);
	/* The spare that is made beside it has its own syncs. */
	rig_settle(rig);
	before = rig_stat(rig, "syncs");
	rig_fill_put(&put, "k", "v", ENGINE_NONE);
	rig_begin(rig, &put);
	assert_int_equal(rig_wait(rig, &put), 0);
	assert_int_equal(put.request.reached, ENGINE_NONE);
	assert_int_equal(rig_stat(rig, "syncs"), before);
	assert_int_equal(rig_simple(rig, ENGINE_SYNC), 0);
	assert_int_equal(rig_stat(rig, "syncs"), before + 1);
}

static void test_interval_is_synced_by_itself(void **state)
{
	struct engine_rig *rig = *state;
	struct timespec pause = { .tv_nsec = 2000000 };
	struct rig_request put;
	uint64_t before;
	int tries = 0;

	rig->options.sync_interval_ms = 20;
	rig_reopen(rig);
	assert_int_equal(rig_put(rig, "warm", "up"), 0);
	rig_settle(rig);
	before = rig_stat(rig, "syncs");
	rig_fill_put(&put, "k", "v", ENGINE_INTERVAL);
	rig_begin(rig, &put);
	assert_int_equal(rig_wait(rig, &put), 0);
	/* Awaited as a condition; 10 s is for the slowest machine. */
	while (rig_stat(rig, "syncs") == before && ++tries < 5000)
		nanosleep(&pause, NULL);
	assert_true(rig_stat(rig, "syncs") > before);
}

static void test_if_absent_and_if_version(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request put;
	uint64_t version;

	rig_fill_put(&put, "k", "1", ENGINE_DEFAULT);
	put.mutations[0].condition = ENGINE_IF_ABSENT;
	rig_begin(rig, &put);
	assert_int_equal(rig_wait(rig, &put), 0);
	version = put.mutations[0].version;
	assert_true(version != 0);
	rig_begin(rig, &put);
	assert_int_equal(rig_wait(rig, &put), ENGINE_CONDITION);

	rig_fill_put(&put, "k", "2", ENGINE_DEFAULT);
	put.mutations[0].condition = ENGINE_IF_VERSION;
	put.mutations[0].if_version = version + 1;
	rig_begin(rig, &put);
	assert_int_equal(rig_wait(rig, &put), ENGINE_CONDITION);
	assert_value(rig, "k", "1");
	put.mutations[0].if_version = version;
	rig_begin(rig, &put);
	assert_int_equal(rig_wait(rig, &put), 0);
	assert_value(rig, "k", "2");
	assert_true(put.mutations[0].version > version);
}

static void test_a_failed_condition_waits_for_what_it_tells_of(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request first;
	struct rig_request second;

	assert_int_equal(rig_put(rig, "warm", "up"), 0);
	rig->hook.hold_syncs = 1;
	rig_fill_put(&first, "k", "1", ENGINE_ALWAYS);
	rig_begin(rig, &first);
	rig_turn(rig);
	rig_fill_put(&second, "k", "2", ENGINE_ALWAYS);
	second.mutations[0].condition = ENGINE_IF_ABSENT;
	rig_begin(rig, &second);
	rig_turn(rig);
	/* It would tell of a write that no read can see yet. */
	assert_false(second.done);
	rig->hook.hold_syncs = 0;
	assert_int_equal(rig_wait(rig, &second), ENGINE_CONDITION);
	assert_true(first.done);
	assert_value(rig, "k", "1");
}

static void test_incr_counts_over_pending_writes(void **state)
{
	enum { N = 50 };
	struct engine_rig *rig = *state;
	struct rig_request incr[N];
	int i;

	for (i = 0; i < N; i++) {
		rig_fill_put(&incr[i], "n", "", ENGINE_ALWAYS);
		incr[i].mutations[0].kind = ENGINE_INCR;
		incr[i].mutations[0].by = 2;
		rig_begin(rig, &incr[i]);
	}
	for (i = 0; i < N; i++) {
		assert_int_equal(rig_wait(rig, &incr[i]), 0);
		assert_int_equal(incr[i].mutations[0].number, 2 * (i + 1));
	}
	assert_value(rig, "n", "100");
}

static int incr(struct engine_rig *rig, const char *key, int64_t by,
		int64_t *number)
{
	struct rig_request request;

	rig_fill_put(&request, key, "", ENGINE_NONE);
	request.mutations[0].kind = ENGINE_INCR;
	request.mutations[0].by = by;
	rig_begin(rig, &request);
	rig_wait(rig, &request);
	*number = request.mutations[0].number;
	return request.request.result;
}

static void test_incr_refuses_what_is_no_number(void **state)
{
	static const char *const bad[] = {
		"",
		"-",
		"+1",
		" 1",
		"1 ",
		"0x1",
		"1.0",
		"--1",
		"9223372036854775808",
		"-9223372036854775809",
		"111111111111111111111111",
	};
	struct engine_rig *rig = *state;
	int64_t number;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(rig_put(rig, "n", bad[i]), 0);
		assert_int_equal(incr(rig, "n", 1, &number),
				 ENGINE_NOT_INTEGER);
		assert_value(rig, "n", bad[i]);
	}
}

static void test_incr_at_the_edges(void **state)
{
	struct engine_rig *rig = *state;
	int64_t number;

	assert_int_equal(rig_put(rig, "n", "9223372036854775806"), 0);
	assert_int_equal(incr(rig, "n", 1, &number), 0);
	assert_true(number == INT64_MAX);
	assert_int_equal(incr(rig, "n", 1, &number), ENGINE_OVERFLOW);
	assert_value(rig, "n", "9223372036854775807");
	assert_int_equal(rig_put(rig, "n", "-9223372036854775808"), 0);
	assert_int_equal(incr(rig, "n", -1, &number), ENGINE_OVERFLOW);
	assert_int_equal(incr(rig, "n", INT64_MAX, &number), 0);
	assert_true(number == -1);
	assert_int_equal(incr(rig, "new", -7, &number), 0);
	assert_true(number == -7);
}

static void put_expiring(struct engine_rig *rig, const char *key,
			 uint64_t in_ms)
{
	struct rig_request put;

	rig_fill_put(&put, key, "v", ENGINE_DEFAULT);
	put.mutations[0].expires_at_ms =
		rig->hook.io.clock_ms(&rig->hook.io) + in_ms;
	rig_begin(rig, &put);
	assert_int_equal(rig_wait(rig, &put), 0);
}

static void test_an_expired_key_is_gone_and_removed(void **state)
{
	struct engine_rig *rig = *state;

	put_expiring(rig, "k", 60000);
	assert_value(rig, "k", "v");
	rig->hook.clock_step_ms = 60001;
	assert_missing(rig, "k");
	/* Asked for, so it is removed for good, clock or no clock. */
	assert_int_equal(rig_simple(rig, ENGINE_SYNC), 0);
	assert_int_equal(rig_count(rig), 0);
	rig->hook.clock_step_ms = 0;
	assert_missing(rig, "k");
	rig_reopen(rig);
	assert_missing(rig, "k");
}

static void test_a_put_clears_an_older_expiry(void **state)
{
	struct engine_rig *rig = *state;

	put_expiring(rig, "k", 1000);
	assert_int_equal(rig_put(rig, "k", "stays"), 0);
	rig->hook.clock_step_ms = 2000;
	assert_value(rig, "k", "stays");
}

static void test_lazy_expiry_spares_a_fresh_value(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request put;
	struct rig_request get;

	put_expiring(rig, "k", 1000);
	rig->hook.clock_step_ms = 2000;
	rig_fill_put(&put, "k", "fresh", ENGINE_ALWAYS);
	rig_fill_get(&get, "k");
	rig_begin(rig, &put);
	rig_begin(rig, &get);
	assert_int_equal(rig_wait(rig, &put), 0);
	assert_int_equal(rig_wait(rig, &get), ENGINE_NOT_FOUND);
	assert_value(rig, "k", "fresh");
}

static void test_clock_steps_lose_and_revive_nothing(void **state)
{
	static const int64_t steps[] = { 0, -3600000, 7200000, -86400000, 1 };
	struct engine_rig *rig = *state;
	char value[16];
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		rig->hook.clock_step_ms = steps[i];
		snprintf(value, sizeof(value), "v%zu", i);
		assert_int_equal(rig_put(rig, "k", value), 0);
		assert_int_equal(rig_put(rig, "gone", "x"), 0);
		assert_int_equal(rig_delete(rig, "gone", NULL), 0);
		rig_reopen(rig);
		assert_value(rig, "k", value);
		assert_missing(rig, "gone");
	}
}

static void test_touch_and_persist(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request touch;
	struct rig_request get;

	rig_fill_put(&touch, "k", "", ENGINE_DEFAULT);
	touch.mutations[0].kind = ENGINE_TOUCH;
	rig_begin(rig, &touch);
	assert_int_equal(rig_wait(rig, &touch), ENGINE_NOT_FOUND);
	assert_int_equal(rig_put(rig, "k", "value"), 0);
	touch.mutations[0].expires_at_ms = UINT64_C(5000000000000);
	rig_begin(rig, &touch);
	assert_int_equal(rig_wait(rig, &touch), 0);
	rig_fill_get(&get, "k");
	rig_begin(rig, &get);
	assert_int_equal(rig_wait(rig, &get), 0);
	assert_string_equal(get.value, "value");
	assert_true(get.expires_at_ms == UINT64_C(5000000000000));
	assert_true(get.version == touch.mutations[0].version);
	touch.mutations[0].expires_at_ms = 0;
	rig_begin(rig, &touch);
	assert_int_equal(rig_wait(rig, &touch), 0);
	rig_begin(rig, &get);
	assert_int_equal(rig_wait(rig, &get), 0);
	assert_true(get.expires_at_ms == 0);
}

/* put a, delete b, put c, delete a, put c: the last on a key wins. */
static void fill_batch(struct rig_request *batch)
{
	static const struct {
		enum engine_mutation_kind kind;
		const char *key, *value;
	} ops[] = {
		{ ENGINE_PUT, "a", "1" },     { ENGINE_DELETE, "b", "" },
		{ ENGINE_PUT, "c", "2" },     { ENGINE_DELETE, "a", "" },
		{ ENGINE_PUT, "c", "three" },
	};
	size_t i;

	rig_fill_put(batch, "", "", ENGINE_DEFAULT);
	batch->request.n_mutations = sizeof(ops) / sizeof(ops[0]);
	for (i = 0; i < batch->request.n_mutations; i++) {
		struct engine_mutation *mutation = &batch->mutations[i];

		mutation->kind = ops[i].kind;
		mutation->key.data = ops[i].key;
		mutation->key.len = strlen(ops[i].key);
		mutation->value.data = ops[i].value;
		mutation->value.len = strlen(ops[i].value);
	}
}

static void test_batch_last_on_a_key_wins(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request batch;

	assert_int_equal(rig_put(rig, "b", "x"), 0);
	fill_batch(&batch);
	rig_begin(rig, &batch);
	assert_int_equal(rig_wait(rig, &batch), 0);
	assert_true(batch.mutations[1].existed);
	assert_true(batch.mutations[4].version > batch.mutations[2].version);
	assert_missing(rig, "a");
	assert_missing(rig, "b");
	assert_value(rig, "c", "three");
	rig_reopen(rig);
	assert_missing(rig, "a");
	assert_missing(rig, "b");
	assert_value(rig, "c", "three");
	assert_int_equal(rig_count(rig), 1);
}

static void test_batch_with_a_failed_condition_applies_nothing(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request batch;

	assert_int_equal(rig_put(rig, "c", "x"), 0);
	fill_batch(&batch);
	batch.mutations[2].condition = ENGINE_IF_ABSENT;
	rig_begin(rig, &batch);
	assert_int_equal(rig_wait(rig, &batch), ENGINE_CONDITION);
	assert_int_equal(batch.request.failed_index, 2);
	assert_value(rig, "c", "x");
	assert_int_equal(rig_count(rig), 1);
}

static void test_a_key_named_twice_was_there_once(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request batch;
	int n = 0;
	size_t i;

	assert_int_equal(rig_put(rig, "a", "x"), 0);
	rig_fill_delete(&batch, "a");
	batch.request.n_mutations = 3;
	for (i = 1; i < 3; i++)
		batch.mutations[i] = batch.mutations[0];
	rig_begin(rig, &batch);
	assert_int_equal(rig_wait(rig, &batch), 0);
	for (i = 0; i < 3; i++)
		n += batch.mutations[i].existed;
	assert_int_equal(n, 1);
	assert_missing(rig, "a");
}

static void test_get_many_is_of_one_instant(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request many;

	assert_int_equal(rig_put(rig, "a", "1"), 0);
	assert_int_equal(rig_put(rig, "b", "22"), 0);
	rig_fill_get(&many, "a");
	many.request.op = ENGINE_GET_MANY;
	many.keys[1] = (struct engine_bytes){ "none", 4 };
	many.keys[2] = (struct engine_bytes){ "b", 1 };
	many.request.n_keys = 3;
	rig_begin(rig, &many);
	assert_int_equal(rig_wait(rig, &many), 0);
	assert_int_equal(many.request.n_items, 3);
	assert_int_equal(many.items[1].result, ENGINE_NOT_FOUND);
	assert_string_equal(many.value, "1");
}

struct seen {
	unsigned int times[2000];
	size_t n;
};

static void scan_all(struct engine_rig *rig, struct seen *seen,
		     const char *prefix, size_t limit)
{
	struct rig_request scan = { .request.op = ENGINE_SCAN };

	memset(seen, 0, sizeof(*seen));
	scan.request.limit = limit;
	scan.request.prefix.data = prefix;
	scan.request.prefix.len = strlen(prefix);
	do {
		rig_begin(rig, &scan);
		assert_int_equal(rig_wait(rig, &scan), 0);
		assert_true(scan.request.n_items <= limit);
		seen->n += scan.request.n_items;
	} while (scan.request.cursor_len > 0);
}

static void test_scan_gives_each_key_once(void **state)
{
	struct engine_rig *rig = *state;
	struct seen *seen = calloc(1, sizeof(*seen));
	char key[16];
	int i;

	rig->options.durability = ENGINE_NONE;
	rig_reopen(rig);
	for (i = 0; i < 1000; i++) {
		snprintf(key, sizeof(key), "%s%d", i % 2 ? "odd" : "even", i);
		assert_int_equal(rig_put(rig, key, "v"), 0);
	}
	scan_all(rig, seen, "", 7);
	assert_int_equal(seen->n, 1000);
	scan_all(rig, seen, "odd", 3);
	assert_int_equal(seen->n, 500);
	scan_all(rig, seen, "nobody", 100);
	assert_int_equal(seen->n, 0);
	free(seen);
}

static void test_a_foreign_cursor_is_refused(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request scan = { .request.op = ENGINE_SCAN };
	int i;

	for (i = 0; i < 40; i++) {
		char key[16];

		snprintf(key, sizeof(key), "k%d", i);
		assert_int_equal(rig_put(rig, key, "v"), 0);
	}
	scan.request.limit = 5;
	rig_begin(rig, &scan);
	assert_int_equal(rig_wait(rig, &scan), 0);
	assert_true(scan.request.cursor_len > 0);
	/* The order of keys is another one in the next run. */
	rig_reopen(rig);
	rig_begin(rig, &scan);
	assert_int_equal(rig_wait(rig, &scan), ENGINE_BAD_CURSOR);
	scan.request.cursor_len = 3;
	rig_begin(rig, &scan);
	assert_int_equal(rig_wait(rig, &scan), ENGINE_BAD_CURSOR);
}

static void test_clear_removes_all_and_lets_writes_wait(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request clear = { .request.op = ENGINE_CLEAR };
	struct rig_request before;
	struct rig_request after;

	assert_int_equal(rig_put(rig, "old", "x"), 0);
	rig_fill_put(&before, "before", "x", ENGINE_NONE);
	rig_fill_put(&after, "after", "x", ENGINE_NONE);
	rig_begin(rig, &before);
	rig_begin(rig, &clear);
	rig_begin(rig, &after);
	assert_int_equal(rig_wait(rig, &after), 0);
	assert_true(before.order < clear.order);
	assert_true(clear.order < after.order);
	assert_int_equal(clear.request.result, 0);
	assert_missing(rig, "old");
	assert_missing(rig, "before");
	assert_value(rig, "after", "x");
	rig_reopen(rig);
	assert_missing(rig, "old");
	assert_value(rig, "after", "x");
	assert_int_equal(rig_count(rig), 1);
}

static void test_versions_survive_a_restart(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request put;
	struct rig_request get;

	rig_fill_put(&put, "k", "v", ENGINE_DEFAULT);
	rig_begin(rig, &put);
	assert_int_equal(rig_wait(rig, &put), 0);
	rig_reopen(rig);
	rig_fill_get(&get, "k");
	get.request.op = ENGINE_STAT;
	rig_begin(rig, &get);
	assert_int_equal(rig_wait(rig, &get), 0);
	assert_true(get.version == put.mutations[0].version);
	assert_int_equal(get.value_len, 1);
}

static void test_a_failed_sync_makes_it_read_only(void **state)
{
	struct engine_rig *rig = *state;
	struct engine_event event;
	const char *text;
	struct rig_request put;
	bool told = false;

	assert_int_equal(rig_put(rig, "k", "old"), 0);
	rig->hook.sync_error = -EIO;
	rig_fill_put(&put, "k", "new", ENGINE_ALWAYS);
	rig_begin(rig, &put);
	assert_int_equal(rig_wait(rig, &put), ENGINE_UNKNOWN);
	rig->hook.sync_error = 0;
	/* The next sync would say 0: it must not be believed. */
	assert_int_equal(rig_put(rig, "k", "newer"), ENGINE_READ_ONLY);
	assert_int_equal(rig_delete(rig, "k", NULL), ENGINE_READ_ONLY);
	assert_int_equal(rig_simple(rig, ENGINE_CLEAR), ENGINE_READ_ONLY);
	assert_int_equal(rig_simple(rig, ENGINE_SYNC), ENGINE_READ_ONLY);
	assert_value(rig, "k", "old");
	assert_int_equal(engine_state(rig->engine, &text),
			 ENGINE_STATE_READ_ONLY);
	while (engine_take_event(rig->engine, &event))
		told = told || strstr(event.text, "sync failed");
	assert_true(told);
	rig_reopen(rig);
	assert_int_equal(rig_put(rig, "k", "works"), 0);
	assert_value(rig, "k", "works");
}

static void
test_a_failed_write_is_not_applied_and_the_store_goes_on(void **state)
{
	struct engine_rig *rig = *state;

	assert_int_equal(rig_put(rig, "k", "old"), 0);
	rig->hook.writes_left = 0;
	rig->hook.write_error = -EIO;
	assert_int_not_equal(rig_put(rig, "k", "new"), 0);
	rig->hook.write_error = 0;
	assert_value(rig, "k", "old");
	assert_int_equal(rig_put(rig, "k", "newer"), 0);
	assert_value(rig, "k", "newer");
	rig_reopen(rig);
	assert_value(rig, "k", "newer");
}

static void fill_up(struct engine_rig *rig, int *result)
{
	static char value[1000];
	int i;

	memset(value, 'x', sizeof(value) - 1);
	*result = 0;
	for (i = 0; i < 500 && *result == 0; i++) {
		char key[16];

		snprintf(key, sizeof(key), "fill%d", i % 500);
		*result = rig_put(rig, key, value);
	}
}

static void test_a_full_disk_refuses_puts_and_resumes(void **state)
{
	struct engine_rig *rig = *state;
	struct timespec pause = { .tv_nsec = 10000000 };
	const char *text;
	int result;
	int tries = 0;

	assert_int_equal(rig_put(rig, "k", "v"), 0);
	rig->hook.allocate_error = -ENOSPC;
	fill_up(rig, &result);
	assert_int_equal(result, -ENOSPC);
	assert_int_equal(engine_state(rig->engine, &text), ENGINE_STATE_FULL);
	assert_value(rig, "k", "v");
	assert_int_equal(rig_delete(rig, "k", NULL), 0);
	assert_missing(rig, "k");
	rig->hook.allocate_error = 0;
	while (engine_state(rig->engine, &text) != ENGINE_STATE_OK &&
	       ++tries < 1000)
		nanosleep(&pause, NULL);
	assert_true(tries < 1000);
	fill_up(rig, &result);
	assert_int_equal(result, 0);
	assert_int_equal(rig_put(rig, "k", "again"), 0);
	assert_value(rig, "k", "again");
}

static void test_no_descriptors_is_a_state_that_passes(void **state)
{
	struct engine_rig *rig = *state;
	struct timespec pause = { .tv_nsec = 10000000 };
	int result;
	int tries = 0;

	assert_int_equal(rig_put(rig, "k", "v"), 0);
	rig->hook.open_error = -EMFILE;
	fill_up(rig, &result);
	assert_int_equal(result, -EMFILE);
	assert_value(rig, "k", "v");
	rig->hook.open_error = 0;
	while (rig_put(rig, "k", "again") != 0 && ++tries < 1000)
		nanosleep(&pause, NULL);
	assert_value(rig, "k", "again");
}

static void test_a_deadline_that_passed_is_surely_not_applied(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request put;

	rig_fill_put(&put, "k", "v", ENGINE_DEFAULT);
	put.request.deadline_ms = 1;
	rig_begin(rig, &put);
	assert_int_equal(rig_wait(rig, &put), ENGINE_DEADLINE);
	assert_missing(rig, "k");
}

static void test_sizes_are_checked(void **state)
{
	struct engine_rig *rig = *state;
	char *key = malloc(ENGINE_KEY_MAX + 2);
	struct rig_request put;

	memset(key, 'k', ENGINE_KEY_MAX + 1);
	key[ENGINE_KEY_MAX + 1] = 0;
	assert_int_equal(rig_put(rig, key, "v"), ENGINE_TOO_LARGE);
	key[ENGINE_KEY_MAX] = 0;
	assert_int_equal(rig_put(rig, key, "v"), 0);
	assert_value(rig, key, "v");
	assert_int_equal(rig_put(rig, "", "v"), -EINVAL);
	rig_fill_put(&put, "k", "", ENGINE_DEFAULT);
	put.mutations[0].value.len = (64 << 20) + 1;
	rig_begin(rig, &put);
	assert_int_equal(rig_wait(rig, &put), ENGINE_TOO_LARGE);
	free(key);
}

static void test_a_value_larger_than_a_segment(void **state)
{
	struct engine_rig *rig = *state;
	size_t len = 300 << 10;
	char *value = malloc(len);
	struct rig_request put;
	struct rig_request get;

	memset(value, 'y', len);
	assert_int_equal(rig_put(rig, "before", "1"), 0);
	rig_fill_put(&put, "big", "", ENGINE_DEFAULT);
	put.mutations[0].value.data = value;
	put.mutations[0].value.len = len;
	rig_begin(rig, &put);
	assert_int_equal(rig_wait(rig, &put), 0);
	assert_int_equal(rig_put(rig, "after", "2"), 0);
	rig_reopen(rig);
	rig_fill_get(&get, "big");
	rig_begin(rig, &get);
	assert_int_equal(rig_wait(rig, &get), 0);
	assert_int_equal(get.value_len, len);
	assert_value(rig, "before", "1");
	assert_value(rig, "after", "2");
	free(value);
}

static void test_a_put_never_reads_the_disk(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request put;
	uint64_t before;

	assert_int_equal(rig_put(rig, "k", "v"), 0);
	rig_simple(rig, ENGINE_SYNC);
	before = rig->hook.n_preads;
	rig_fill_put(&put, "k", "w", ENGINE_NONE);
	rig_begin(rig, &put);
	assert_int_equal(rig_wait(rig, &put), 0);
	assert_int_equal(rig->hook.n_preads, before);
	assert_missing(rig, "miss");
	assert_int_equal(rig->hook.n_preads, before);
	assert_value(rig, "k", "w");
	assert_int_equal(rig->hook.n_preads, before + 1);
}

static void test_close_ends_every_request(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request begun;
	struct rig_request late;

	assert_int_equal(rig_put(rig, "warm", "up"), 0);
	rig_fill_put(&begun, "begun", "v", ENGINE_ALWAYS);
	rig_begin(rig, &begun);
	rig_turn(rig);
	rig_fill_put(&late, "late", "v", ENGINE_ALWAYS);
	rig_begin(rig, &late);
	rig_reopen(rig);
	assert_true(begun.done);
	assert_int_equal(begun.request.result, 0);
	assert_true(late.done);
	assert_int_equal(late.request.result, ENGINE_CLOSED);
	assert_value(rig, "begun", "v");
	assert_missing(rig, "late");
}

/* Many writers of few keys, so that conditions meet pending writes. */
static void test_compare_and_set_never_loses_an_update(void **state)
{
	enum { CLIENTS = 8, ROUNDS = 25 };
	struct engine_rig *rig = *state;
	struct rig_request puts[CLIENTS];
	char values[CLIENTS][16];
	int sum = 0;
	int wins = 0;
	int i;

	assert_int_equal(rig_put(rig, "n", "0"), 0);
	while (wins < CLIENTS * ROUNDS) {
		struct rig_request get;
		int won = 0;

		rig_fill_get(&get, "n");
		rig_begin(rig, &get);
		assert_int_equal(rig_wait(rig, &get), 0);
		sum = (int)strtol(get.value, NULL, 10);
		assert_int_equal(sum, wins);
		for (i = 0; i < CLIENTS; i++) {
			snprintf(values[i], sizeof(values[i]), "%d", sum + 1);
			rig_fill_put(&puts[i], "n", values[i], ENGINE_NONE);
			puts[i].mutations[0].condition = ENGINE_IF_VERSION;
			puts[i].mutations[0].if_version = get.version;
			rig_begin(rig, &puts[i]);
		}
		for (i = 0; i < CLIENTS; i++)
			won += rig_wait(rig, &puts[i]) == 0;
		assert_int_equal(won, 1);
		wins++;
	}
}

static void test_no_version_meets_a_pending_write(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request put;
	struct rig_request cas;

	assert_int_equal(rig_put(rig, "warm", "up"), 0);
	rig->hook.hold_syncs = 1;
	rig_fill_put(&put, "k", "first", ENGINE_ALWAYS);
	rig_begin(rig, &put);
	rig_turn(rig);
	rig_fill_put(&cas, "k", "second", ENGINE_ALWAYS);
	cas.mutations[0].condition = ENGINE_IF_VERSION;
	cas.mutations[0].if_version = 0;
	rig_begin(rig, &cas);
	rig_turn(rig);
	rig->hook.hold_syncs = 0;
	assert_int_equal(rig_wait(rig, &cas), ENGINE_CONDITION);
	assert_value(rig, "k", "first");
}

static void test_an_expired_key_that_is_deleted_stays_deleted(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request put;
	bool existed;

	rig_fill_put(&put, "k", "v", ENGINE_ALWAYS);
	put.mutations[0].expires_at_ms =
		rig->hook.io.clock_ms(&rig->hook.io) + 100000;
	rig_begin(rig, &put);
	assert_int_equal(rig_wait(rig, &put), 0);
	rig->hook.clock_step_ms = 200000;
	assert_int_equal(rig_delete(rig, "k", &existed), 0);
	assert_false(existed);
	rig->hook.clock_step_ms = 0;
	assert_missing(rig, "k");
	rig_reopen(rig);
	assert_missing(rig, "k");
}

static void test_a_delete_of_nothing_is_as_durable_as_it_says(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request request;
	uint64_t before;

	assert_int_equal(rig_put(rig, "k", "v"), 0);
	rig_fill_delete(&request, "k");
	request.request.durability = ENGINE_NONE;
	rig_begin(rig, &request);
	assert_int_equal(rig_wait(rig, &request), 0);
	rig_settle(rig);
	before = rig_stat(rig, "syncs");
	rig_fill_delete(&request, "k");
	request.request.durability = ENGINE_ALWAYS;
	rig_begin(rig, &request);
	assert_int_equal(rig_wait(rig, &request), 0);
	assert_int_equal(request.request.reached, ENGINE_ALWAYS);
	assert_false(request.mutations[0].existed);
	assert_int_equal(rig_stat(rig, "syncs"), before + 1);
	/* Nothing is left that a sync could add. */
	assert_int_equal(rig_delete(rig, "k", NULL), 0);
	assert_int_equal(rig_stat(rig, "syncs"), before + 1);
}

static void test_a_damaged_value_is_corrupt_and_can_be_replaced(void **state)
{
	struct engine_rig *rig = *state;
	struct io *io = io_system();
	char name[SEGMENT_NAME_MAX];
	struct rig_request stat;
	uint32_t id;

	assert_int_equal(rig_put(rig, "k", "older"), 0);
	assert_int_equal(rig_put(rig, "k", "newer"), 0);
	assert_int_equal(rig_put(rig, "other", "value"), 0);
	id = rig_active_segment(rig);
	segment_name(id, name);
	kit_flip(io, rig->dir, name, kit_find(io, rig->dir, id, "k").value_off,
		 1);
	assert_int_equal(rig_get(rig, "k", NULL), ENGINE_CORRUPT);
	/* Its key is whole, and so is the other one. */
	rig_fill_get(&stat, "k");
	stat.request.op = ENGINE_STAT;
	rig_begin(rig, &stat);
	assert_int_equal(rig_wait(rig, &stat), 0);
	assert_value(rig, "other", "value");
	assert_int_equal(rig_put(rig, "k", "newest"), 0);
	assert_value(rig, "k", "newest");
}

static void test_a_busy_log_does_not_put_off_the_interval(void **state)
{
	enum { LEN = 200000, INTERVAL_MS = 100 };
	struct engine_rig *rig = *state;
	struct timespec pause = { .tv_nsec = 2 * INTERVAL_MS * 1000000 };
	char *value = calloc(1, LEN + 1);
	struct rig_request puts[3];
	uint64_t before;

	memset(value, 'v', LEN);
	rig->options.sync_interval_ms = INTERVAL_MS;
	rig->options.segment_size = 16 << 20;
	rig_reopen(rig);
	assert_int_equal(rig_put(rig, "warm", "up"), 0);
	rig_settle(rig);
	before = rig->hook.n_syncs;
	rig_fill_put(&puts[0], "k", "v", ENGINE_INTERVAL);
	rig_begin(rig, &puts[0]);
	assert_int_equal(rig_wait(rig, &puts[0]), 0);
	/* The sync is due while the log writes, and more is to be written. */
	rig->hook.hold_writes = 1;
	rig_fill_put(&puts[1], "k", value, ENGINE_NONE);
	rig_begin(rig, &puts[1]);
	rig_turn(rig);
	nanosleep(&pause, NULL);
	rig_fill_put(&puts[2], "k", value, ENGINE_NONE);
	rig_begin(rig, &puts[2]);
	rig_turn(rig);
	rig->hook.hold_writes = 0;
	assert_int_equal(rig_wait(rig, &puts[2]), 0);
	assert_true(rig->hook.syncs_at_write > before);
	free(value);
}

struct scanned {
	bool done;
	int result;
	size_t n;
	int item_result;
	char key[32];
};

static void note_scan(struct engine_request *request)
{
	struct scanned *scanned = request->user;

	scanned->done = true;
	scanned->result = request->result;
	scanned->n = request->n_items;
	if (request->result != 0 || request->n_items != 1)
		return;
	scanned->item_result = request->items[0].result;
	snprintf(scanned->key, sizeof(scanned->key), "%.*s",
		 (int)request->items[0].key.len,
		 (const char *)request->items[0].key.data);
}

static void test_a_scan_names_the_key_whose_value_cannot_be_read(void **state)
{
	enum { LEN = 20000 };
	struct engine_rig *rig = *state;
	char *value = calloc(1, LEN + 1);
	struct scanned scanned = { .done = false };
	struct engine_request scan = {
		.op = ENGINE_SCAN,
		.with_values = true,
		.done = note_scan,
		.user = &scanned,
	};

	memset(value, 'v', LEN);
	assert_int_equal(rig_put(rig, "the key", value), 0);
	rig->hook.read_error_len = LEN;
	rig->hook.read_error = -EIO;
	engine_submit(rig->engine, &scan);
	rig_await(rig, &scanned.done);
	assert_int_equal(scanned.result, 0);
	assert_int_equal(scanned.n, 1);
	assert_int_equal(scanned.item_result, -EIO);
	assert_string_equal(scanned.key, "the key");
	free(value);
}

/* Plain writes never change places, whatever becomes of those before. */
static void test_a_delete_keeps_its_place_behind_a_refused_put(void **state)
{
	enum { LEN = 200000 };
	struct engine_rig *rig = *state;
	char *value = calloc(1, LEN + 1);
	struct rig_request big[2];
	struct rig_request gone[2];
	struct rig_request small[2];
	static const char *const keys[2] = { "old", "new" };
	int i;

	memset(value, 'v', LEN);
	assert_int_equal(rig_put(rig, "old", "0"), 0);
	rig->hook.allocate_error = -ENOSPC;
	for (i = 0; i < 2; i++) {
		rig_fill_put(&big[i], keys[i], value, ENGINE_ALWAYS);
		rig_begin(rig, &big[i]);
		rig_fill_delete(&gone[i], keys[i]);
		rig_begin(rig, &gone[i]);
		rig_fill_put(&small[i], keys[i], "2", ENGINE_ALWAYS);
		rig_begin(rig, &small[i]);
	}
	for (i = 0; i < 2; i++) {
		assert_int_equal(rig_wait(rig, &big[i]), -ENOSPC);
		assert_int_equal(rig_wait(rig, &gone[i]), 0);
		assert_int_equal(rig_wait(rig, &small[i]), 0);
		assert_value(rig, keys[i], "2");
	}
	/* And tells what was there when its turn came. */
	assert_true(gone[0].mutations[0].existed);
	assert_false(gone[1].mutations[0].existed);
	rig->hook.allocate_error = 0;
	free(value);
}

static void test_a_condition_behind_a_clear_sees_what_it_leaves(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request clear = { .request.op = ENGINE_CLEAR };
	struct rig_request put;

	assert_int_equal(rig_put(rig, "k", "0"), 0);
	rig->hook.hold_syncs = 1;
	rig_begin(rig, &clear);
	rig_turn(rig);
	rig_fill_put(&put, "k", "1", ENGINE_ALWAYS);
	put.mutations[0].condition = ENGINE_IF_ABSENT;
	rig_begin(rig, &put);
	rig_turn(rig);
	assert_false(clear.done);
	rig->hook.hold_syncs = 0;
	assert_int_equal(rig_wait(rig, &put), 0);
	assert_true(clear.done);
	assert_value(rig, "k", "1");
}

static void test_writes_behind_a_clear_keep_their_order(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request clear = { .request.op = ENGINE_CLEAR };
	struct rig_request first;
	struct rig_request second;
	struct pollfd woken = { .fd = rig->wake_fd, .events = POLLIN };

	assert_int_equal(rig_put(rig, "k", "0"), 0);
	rig->hook.hold_syncs = 1;
	rig_begin(rig, &clear);
	rig_turn(rig);
	rig_fill_put(&first, "k", "1", ENGINE_ALWAYS);
	rig_begin(rig, &first);
	rig_turn(rig);
	/* The clear ends, and is not taken in before the second put is. */
	rig->hook.hold_syncs = 0;
	assert_int_equal(poll(&woken, 1, 20000), 1);
	rig_fill_put(&second, "k", "2", ENGINE_ALWAYS);
	rig_begin(rig, &second);
	assert_int_equal(rig_wait(rig, &clear), 0);
	assert_int_equal(rig_wait(rig, &first), 0);
	assert_int_equal(rig_wait(rig, &second), 0);
	assert_value(rig, "k", "2");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_get_after_put_gives_the_value),
		T(test_get_after_delete_is_not_found),
		T(test_a_second_delete_does_not_take_a_later_put),
		T(test_done_is_not_called_by_submit),
		T(test_a_write_is_invisible_until_it_is_durable),
		T(test_a_weaker_write_does_not_overtake),
		T(test_writes_of_one_turn_share_a_sync),
		T(test_who_writes_alone_does_not_wait_for_others),
		T(test_a_close_does_not_wait_for_others),
		T(test_none_needs_no_sync),
		T(test_interval_is_synced_by_itself),
		T(test_if_absent_and_if_version),
		T(test_a_failed_condition_waits_for_what_it_tells_of),
		T(test_incr_counts_over_pending_writes),
		T(test_incr_refuses_what_is_no_number),
		T(test_incr_at_the_edges),
		T(test_an_expired_key_is_gone_and_removed),
		T(test_a_put_clears_an_older_expiry),
		T(test_lazy_expiry_spares_a_fresh_value),
		T(test_clock_steps_lose_and_revive_nothing),
		T(test_touch_and_persist),
		T(test_batch_last_on_a_key_wins),
		T(test_batch_with_a_failed_condition_applies_nothing),
		T(test_a_key_named_twice_was_there_once),
		T(test_get_many_is_of_one_instant),
		T(test_scan_gives_each_key_once),
		T(test_a_foreign_cursor_is_refused),
		T(test_clear_removes_all_and_lets_writes_wait),
		T(test_versions_survive_a_restart),
		T(test_a_failed_sync_makes_it_read_only),
		T(test_a_failed_write_is_not_applied_and_the_store_goes_on),
		T(test_a_full_disk_refuses_puts_and_resumes),
		T(test_no_descriptors_is_a_state_that_passes),
		T(test_a_deadline_that_passed_is_surely_not_applied),
		T(test_sizes_are_checked),
		T(test_a_value_larger_than_a_segment),
		T(test_a_put_never_reads_the_disk),
		T(test_close_ends_every_request),
		T(test_compare_and_set_never_loses_an_update),
		T(test_no_version_meets_a_pending_write),
		T(test_an_expired_key_that_is_deleted_stays_deleted),
		T(test_a_delete_of_nothing_is_as_durable_as_it_says),
		T(test_a_damaged_value_is_corrupt_and_can_be_replaced),
		T(test_a_busy_log_does_not_put_off_the_interval),
		T(test_a_scan_names_the_key_whose_value_cannot_be_read),
		T(test_a_delete_keeps_its_place_behind_a_refused_put),
		T(test_a_condition_behind_a_clear_sees_what_it_leaves),
		T(test_writes_behind_a_clear_keep_their_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
