/*
 * Reads that wait for the disk: the file system says that nothing is in
 * memory, and lets the reads of the pool wait until the test lets them go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/engine_rig.h"

enum {
	N_THREADS = 4, /* of the pool */
	LARGE = 200000,
};

static int setup(void **state)
{
	struct engine_rig *rig = calloc(1, sizeof(*rig));

	rig->options.segment_size = 64 << 10;
	rig->options.durability = ENGINE_NONE;
	rig_open(rig);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct engine_rig *rig = *state;

	hook_let_reads_go(&rig->hook);
	rig_close(rig);
	free(rig);
	return 0;
}

static void go_cold(struct engine_rig *rig)
{
	rig->hook.nowait_error = -EAGAIN;
	hook_hold_reads(&rig->hook);
}

static void go_warm(struct engine_rig *rig)
{
	rig->hook.nowait_error = 0;
	hook_let_reads_go(&rig->hook);
}

/* Submits it, and returns when N reads wait for the disk. */
static void begin_held(struct engine_rig *rig, struct rig_request *request,
		       unsigned int n)
{
	rig_begin(rig, request);
	rig_turn(rig);
	assert_false(request->done);
	hook_await_held(&rig->hook, n);
}

static void begin_get(struct engine_rig *rig, struct rig_request *get,
		      const char *key, unsigned int n)
{
	rig_fill_get(get, key);
	begin_held(rig, get, n);
}

static void assert_value(struct engine_rig *rig, const char *key,
			 const char *expected)
{
	const char *value;

	assert_int_equal(rig_get(rig, key, &value), 0);
	assert_string_equal(value, expected);
}

static void test_a_hot_get_is_answered_by_the_loop(void **state)
{
	struct engine_rig *rig = *state;

	assert_int_equal(rig_put(rig, "k", "v"), 0);
	assert_value(rig, "k", "v");
	assert_int_equal(rig_stat(rig, "cold_reads"), 0);
}

static void test_others_are_served_while_a_read_waits(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request get;

	assert_int_equal(rig_put(rig, "cold", "v"), 0);
	go_cold(rig);
	begin_get(rig, &get, "cold", 1);
	rig->hook.nowait_error = 0;
	assert_int_equal(rig_put(rig, "hot", "w"), 0);
	assert_value(rig, "hot", "w");
	assert_int_equal(rig_get(rig, "miss", NULL), ENGINE_NOT_FOUND);
	assert_int_equal(rig_count(rig), 2);
	assert_int_equal(rig_simple(rig, ENGINE_SYNC), 0);
	assert_false(get.done);
	hook_let_reads_go(&rig->hook);
	assert_int_equal(rig_wait(rig, &get), 0);
	assert_string_equal(get.value, "v");
	assert_int_equal(rig_stat(rig, "cold_reads"), 1);
}

static void test_a_miss_never_waits(void **state)
{
	struct engine_rig *rig = *state;

	go_cold(rig);
	assert_int_equal(rig_get(rig, "none", NULL), ENGINE_NOT_FOUND);
	assert_int_equal(rig_stat(rig, "cold_reads"), 0);
}

static void test_stat_may_wait_too(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request stat;

	assert_int_equal(rig_put(rig, "k", "value"), 0);
	go_cold(rig);
	rig_fill_get(&stat, "k");
	stat.request.op = ENGINE_STAT;
	begin_held(rig, &stat, 1);
	go_warm(rig);
	assert_int_equal(rig_wait(rig, &stat), 0);
	assert_int_equal(stat.value_len, 5);
}

static void test_what_the_pool_cannot_begin_waits_and_is_counted(void **state)
{
	enum { N = N_THREADS + 3 };
	struct engine_rig *rig = *state;
	struct rig_request gets[N];
	int i;

	assert_int_equal(rig_put(rig, "k", "v"), 0);
	go_cold(rig);
	for (i = 0; i < N; i++)
		begin_get(rig, &gets[i], "k",
			  i < N_THREADS ? i + 1 : N_THREADS);
	assert_int_equal(rig_stat(rig, "waiting_reads"), N - N_THREADS);
	go_warm(rig);
	for (i = 0; i < N; i++) {
		assert_int_equal(rig_wait(rig, &gets[i]), 0);
		assert_string_equal(gets[i].value, "v");
	}
	assert_int_equal(rig_stat(rig, "waiting_reads"), 0);
}

static void test_a_put_during_the_read_is_seen_by_the_next(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request get;

	assert_int_equal(rig_put(rig, "k", "old"), 0);
	go_cold(rig);
	begin_get(rig, &get, "k", 1);
	assert_int_equal(rig_put(rig, "k", "new"), 0);
	go_warm(rig);
	assert_int_equal(rig_wait(rig, &get), 0);
	assert_string_equal(get.value, "old");
	assert_value(rig, "k", "new");
}

static void test_a_delete_during_the_read_is_seen_by_the_next(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request get;
	bool existed;

	assert_int_equal(rig_put(rig, "k", "old"), 0);
	go_cold(rig);
	begin_get(rig, &get, "k", 1);
	assert_int_equal(rig_delete(rig, "k", &existed), 0);
	assert_true(existed);
	go_warm(rig);
	assert_int_equal(rig_wait(rig, &get), 0);
	assert_string_equal(get.value, "old");
	assert_int_equal(rig_get(rig, "k", NULL), ENGINE_NOT_FOUND);
}

/* The first reads have begun; the last finds its segment gone. */
static void test_a_clear_during_reads_is_no_damage(void **state)
{
	enum { N = N_THREADS + 1 };
	struct engine_rig *rig = *state;
	struct rig_request gets[N];
	int i;

	assert_int_equal(rig_put(rig, "k", "v"), 0);
	go_cold(rig);
	for (i = 0; i < N; i++)
		begin_get(rig, &gets[i], "k",
			  i < N_THREADS ? i + 1 : N_THREADS);
	assert_int_equal(rig_simple(rig, ENGINE_CLEAR), 0);
	assert_int_equal(rig_put(rig, "k", "again"), 0);
	go_warm(rig);
	for (i = 0; i < N_THREADS; i++) {
		assert_int_equal(rig_wait(rig, &gets[i]), 0);
		assert_string_equal(gets[i].value, "v");
	}
	assert_int_equal(rig_wait(rig, &gets[N_THREADS]), 0);
	assert_string_equal(gets[N_THREADS].value, "again");
	assert_int_equal(rig_stat(rig, "corrupt_reads"), 0);
}

static void test_an_index_that_grows_meanwhile_does_not_matter(void **state)
{
	enum { N_BATCHES = 48, N = 16384 };
	struct engine_rig *rig = *state;
	struct engine_mutation *puts = calloc(N, sizeof(*puts));
	char(*keys)[12] = calloc(N, sizeof(*keys));
	struct rig_request batch;
	struct rig_request get;
	uint64_t before;
	int i;
	int j;

	/* One segment for all: upkeep reads none back while reads are held. */
	rig->options.segment_size = 128 << 20;
	rig_reopen(rig);
	assert_int_equal(rig_put(rig, "k", "v"), 0);
	before = rig_stat(rig, "index_bytes");
	go_cold(rig);
	begin_get(rig, &get, "k", 1);
	for (i = 0; i < N_BATCHES; i++) {
		for (j = 0; j < N; j++) {
			snprintf(keys[j], sizeof(keys[j]), "%d", i * N + j);
			puts[j] = (struct engine_mutation){
				.kind = ENGINE_PUT,
				.key = { keys[j], strlen(keys[j]) },
			};
		}
		rig_fill_put(&batch, "", "", ENGINE_NONE);
		batch.request.mutations = puts;
		batch.request.n_mutations = N;
		rig_begin(rig, &batch);
		assert_int_equal(rig_wait(rig, &batch), 0);
	}
	/* More than all of the first table: it has grown. */
	assert_true(rig_stat(rig, "index_bytes") >
		    before + (UINT64_C(16) << 20));
	go_warm(rig);
	assert_int_equal(rig_wait(rig, &get), 0);
	assert_string_equal(get.value, "v");
	free(keys);
	free(puts);
}

static void *let_go_later(void *arg)
{
	struct engine_rig *rig = arg;

	hook_let_reads_go(&rig->hook);
	return NULL;
}

static void test_close_ends_reads_that_wait(void **state)
{
	enum { N = N_THREADS + 4 };
	struct engine_rig *rig = *state;
	struct rig_request gets[N];
	struct rig_request cas;
	pthread_t thread;
	int n_ok = 0;
	int i;

	assert_int_equal(rig_put(rig, "k", "v"), 0);
	go_cold(rig);
	for (i = 0; i < N; i++)
		begin_get(rig, &gets[i], "k",
			  i < N_THREADS ? i + 1 : N_THREADS);
	rig_fill_put(&cas, "k", "w", ENGINE_NONE);
	cas.mutations[0].condition = ENGINE_IF_VERSION;
	cas.mutations[0].if_version = 1;
	rig_begin(rig, &cas);
	rig_turn(rig);
	assert_int_equal(pthread_create(&thread, NULL, let_go_later, rig), 0);
	rig_reopen(rig);
	pthread_join(thread, NULL);
	for (i = 0; i < N; i++) {
		assert_true(gets[i].done);
		if (gets[i].request.result == 0)
			n_ok++;
		else
			assert_int_equal(gets[i].request.result, ENGINE_CLOSED);
	}
	assert_true(n_ok >= N_THREADS);
	assert_true(cas.done);
	assert_int_equal(cas.request.result, ENGINE_CLOSED);
	go_warm(rig);
	assert_value(rig, "k", "v");
}

static void test_a_failed_read_fails_that_request_alone(void **state)
{
	enum { LONG = 9000 };
	struct engine_rig *rig = *state;
	char *value = calloc(1, LONG + 1);
	struct rig_request bad;
	struct rig_request good;

	memset(value, 'v', LONG);
	assert_int_equal(rig_put(rig, "long", value), 0);
	assert_int_equal(rig_put(rig, "short", "v"), 0);
	rig->hook.nowait_error = -EAGAIN;
	rig->hook.read_error_len = LONG;
	rig->hook.read_error = -EIO;
	rig_fill_get(&bad, "long");
	rig_fill_get(&good, "short");
	rig_begin(rig, &bad);
	rig_begin(rig, &good);
	assert_int_equal(rig_wait(rig, &bad), -EIO);
	assert_int_equal(rig_wait(rig, &good), 0);
	assert_string_equal(good.value, "v");
	rig->hook.read_error = 0;
	rig_begin(rig, &bad);
	assert_int_equal(rig_wait(rig, &bad), 0);
	assert_int_equal(rig_stat(rig, "corrupt_reads"), 0);
	free(value);
}

static void test_a_file_system_that_cannot_tell_is_asked_once(void **state)
{
	struct engine_rig *rig = *state;
	uint64_t before;

	assert_int_equal(rig_put(rig, "k", "v"), 0);
	before = rig->hook.n_nowaits;
	rig->hook.nowait_error = -EOPNOTSUPP;
	assert_value(rig, "k", "v");
	assert_value(rig, "k", "v");
	assert_int_equal(rig->hook.n_nowaits, before + 1);
	assert_int_equal(rig_stat(rig, "cold_reads"), 2);
}

static void test_a_deadline_counts_until_the_read_begins(void **state)
{
	struct engine_rig *rig = *state;
	struct timespec pause = { .tv_nsec = 1000000 };
	struct rig_request gets[N_THREADS];
	struct rig_request late;
	struct timespec now;
	uint64_t now_ms;
	int i;

	assert_int_equal(rig_put(rig, "k", "v"), 0);
	go_cold(rig);
	for (i = 0; i < N_THREADS; i++)
		begin_get(rig, &gets[i], "k", i + 1);
	rig_fill_get(&late, "k");
	clock_gettime(CLOCK_MONOTONIC, &now);
	now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	late.request.deadline_ms = now_ms + 200;
	rig_begin(rig, &late);
	rig_turn(rig);
	assert_false(late.done);
	while (now_ms <= late.request.deadline_ms) {
		nanosleep(&pause, NULL);
		clock_gettime(CLOCK_MONOTONIC, &now);
		now_ms = (uint64_t)now.tv_sec * 1000 +
			 (uint64_t)now.tv_nsec / 1000000;
	}
	go_warm(rig);
	assert_int_equal(rig_wait(rig, &late), ENGINE_DEADLINE);
	for (i = 0; i < N_THREADS; i++)
		assert_int_equal(rig_wait(rig, &gets[i]), 0);
}

static void put_expiring(struct engine_rig *rig, const char *key,
			 int64_t after_ms)
{
	struct rig_request put;

	rig_fill_put(&put, key, "v", ENGINE_NONE);
	put.mutations[0].expires_at_ms =
		rig->hook.io.clock_ms(&rig->hook.io) + (uint64_t)after_ms;
	rig_begin(rig, &put);
	assert_int_equal(rig_wait(rig, &put), 0);
}

static void test_an_expired_key_that_the_pool_meets_is_removed(void **state)
{
	struct engine_rig *rig = *state;

	put_expiring(rig, "k", 1000);
	rig->hook.clock_step_ms = 2000;
	rig->hook.nowait_error = -EAGAIN;
	assert_int_equal(rig_get(rig, "k", NULL), ENGINE_NOT_FOUND);
	assert_int_equal(rig_stat(rig, "expired_keys"), 1);
	/* The clock is set back: it stays away. */
	rig->hook.clock_step_ms = 0;
	assert_int_equal(rig_get(rig, "k", NULL), ENGINE_NOT_FOUND);
	assert_int_equal(rig_count(rig), 0);
}

/* ---- large values ---- */

struct taken {
	bool done;
	int result;
	struct engine_bytes value;
	void *owner;
};

static void take_value(struct engine_request *request)
{
	struct taken *taken = request->user;

	taken->done = true;
	taken->result = request->result;
	if (request->result != 0)
		return;
	taken->value = request->items[0].value;
	taken->owner = request->items[0].value_owner;
	request->items[0].value_owner = NULL;
}

static char *put_large(struct engine_rig *rig, const char *key)
{
	char *value = malloc(LARGE + 1);
	int i;

	for (i = 0; i < LARGE; i++)
		value[i] = (char)('a' + i % 23);
	value[LARGE] = 0;
	assert_int_equal(rig_put(rig, key, value), 0);
	return value;
}

static void expect_taken(struct engine_rig *rig, struct engine_request *request,
			 const char *value)
{
	struct taken taken = { .done = false };

	request->done = take_value;
	request->user = &taken;
	engine_submit(rig->engine, request);
	rig_await(rig, &taken.done);
	assert_int_equal(taken.result, 0);
	assert_int_equal(taken.value.len, LARGE);
	assert_non_null(taken.owner);
	assert_memory_equal(taken.value.data, value, LARGE);
	free(taken.owner);
}

static void test_a_large_value_is_given_away_without_a_copy(void **state)
{
	struct engine_rig *rig = *state;
	char *value = put_large(rig, "k");
	struct engine_bytes key = { "k", 1 };
	struct engine_request get = { .op = ENGINE_GET,
				      .keys = &key,
				      .n_keys = 1 };
	struct engine_request many = { .op = ENGINE_GET_MANY,
				       .keys = &key,
				       .n_keys = 1 };
	struct engine_request scan = { .op = ENGINE_SCAN, .with_values = true };

	expect_taken(rig, &get, value);
	expect_taken(rig, &many, value);
	expect_taken(rig, &scan, value);
	/* Nothing of it waited for the disk: it is large. */
	assert_int_equal(rig_stat(rig, "cold_reads"), 3);
	free(value);
}

static void test_a_large_value_that_nobody_takes_is_freed(void **state)
{
	struct engine_rig *rig = *state;
	char *value = put_large(rig, "k");
	struct rig_request get;

	rig_fill_get(&get, "k");
	rig_begin(rig, &get);
	assert_int_equal(rig_wait(rig, &get), 0);
	assert_int_equal(get.value_len, LARGE);
	assert_memory_equal(get.value, value, sizeof(get.value) - 1);
	free(value);
}

/* So much that the pool frees it, which closing may cut short. */
static void test_a_very_large_value_is_freed_beside_the_loop(void **state)
{
	enum { LEN = 3 << 20, N = 4 };
	struct engine_rig *rig = *state;
	char *value = malloc(LEN + 1);
	struct rig_request gets[N];
	int i;

	memset(value, 'v', LEN);
	value[LEN] = 0;
	assert_int_equal(rig_put(rig, "k", value), 0);
	for (i = 0; i < N; i++) {
		rig_fill_get(&gets[i], "k");
		rig_begin(rig, &gets[i]);
	}
	for (i = 0; i < N; i++) {
		assert_int_equal(rig_wait(rig, &gets[i]), 0);
		assert_int_equal(gets[i].value_len, LEN);
	}
	free(value);
}

/* ---- many keys, scans ---- */

static void fill_many(struct rig_request *many)
{
	rig_fill_get(many, "a");
	many->request.op = ENGINE_GET_MANY;
	many->keys[1] = (struct engine_bytes){ "none", 4 };
	many->keys[2] = (struct engine_bytes){ "b", 1 };
	many->request.n_keys = 3;
}

static void fill_both(struct rig_request *batch, const char *value)
{
	rig_fill_put(batch, "a", value, ENGINE_NONE);
	batch->mutations[1] = batch->mutations[0];
	batch->mutations[1].key.data = "b";
	batch->request.n_mutations = 2;
}

static void test_cold_get_many_is_of_one_instant(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request batch;
	struct rig_request many;

	fill_both(&batch, "1");
	rig_begin(rig, &batch);
	assert_int_equal(rig_wait(rig, &batch), 0);
	go_cold(rig);
	fill_many(&many);
	/* a was looked up, b was not. */
	begin_held(rig, &many, 1);
	fill_both(&batch, "2");
	rig_begin(rig, &batch);
	assert_int_equal(rig_wait(rig, &batch), 0);
	go_warm(rig);
	assert_int_equal(rig_wait(rig, &many), 0);
	assert_int_equal(many.request.n_items, 3);
	assert_string_equal(many.items[0].value, "2");
	assert_int_equal(many.items[1].result, ENGINE_NOT_FOUND);
	assert_string_equal(many.items[2].value, "2");
}

static void test_get_many_during_a_clear_is_no_damage(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request batch;
	struct rig_request many;

	fill_both(&batch, "1");
	rig_begin(rig, &batch);
	assert_int_equal(rig_wait(rig, &batch), 0);
	go_cold(rig);
	fill_many(&many);
	begin_held(rig, &many, 1);
	assert_int_equal(rig_simple(rig, ENGINE_CLEAR), 0);
	go_warm(rig);
	assert_int_equal(rig_wait(rig, &many), 0);
	/* b's segment is gone: all of it is answered anew. */
	assert_int_equal(many.items[0].result, ENGINE_NOT_FOUND);
	assert_int_equal(many.items[2].result, ENGINE_NOT_FOUND);
	assert_int_equal(rig_stat(rig, "corrupt_reads"), 0);
}

/* So many that the pool reads them in any case. */
static void test_very_many_keys(void **state)
{
	enum { N = 300 };
	struct engine_rig *rig = *state;
	struct engine_bytes keys[N];
	char names[N][8];
	struct rig_request many;
	int i;

	for (i = 0; i < N; i++) {
		snprintf(names[i], sizeof(names[i]), "k%d", i);
		keys[i] = (struct engine_bytes){ names[i], strlen(names[i]) };
		assert_int_equal(rig_put(rig, names[i], names[i]), 0);
	}
	rig_fill_get(&many, "k0");
	many.request.op = ENGINE_GET_MANY;
	many.request.keys = keys;
	many.request.n_keys = N;
	rig_begin(rig, &many);
	assert_int_equal(rig_wait(rig, &many), 0);
	assert_int_equal(many.request.n_items, N);
	for (i = 0; i < 8; i++)
		assert_string_equal(many.items[i].value, names[i]);
	assert_int_equal(rig_stat(rig, "cold_reads"), 1);
}

enum { N_SCANNED = 8 };

static void put_scanned(struct engine_rig *rig, const char *value)
{
	char key[8];
	int i;

	for (i = 0; i < N_SCANNED; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		assert_int_equal(rig_put(rig, key, value), 0);
	}
}

static void begin_scan(struct engine_rig *rig, struct rig_request *scan)
{
	memset(scan, 0, sizeof(*scan));
	scan->request.op = ENGINE_SCAN;
	scan->request.with_values = true;
	scan->request.limit = N_SCANNED;
	begin_held(rig, scan, 1);
}

static void test_a_scan_whose_entries_move_gives_each_key_once(void **state)
{
	struct engine_rig *rig = *state;
	unsigned int times[N_SCANNED] = { 0 };
	struct rig_request scan;
	int i;

	put_scanned(rig, "old");
	go_cold(rig);
	begin_scan(rig, &scan);
	put_scanned(rig, "new");
	go_warm(rig);
	assert_int_equal(rig_wait(rig, &scan), 0);
	assert_int_equal(scan.request.n_items, N_SCANNED);
	for (i = 0; i < N_SCANNED; i++) {
		assert_int_equal(scan.items[i].result, 0);
		times[scan.items[i].key[1] - '0']++;
		assert_true(strcmp(scan.items[i].value, "old") == 0 ||
			    strcmp(scan.items[i].value, "new") == 0);
	}
	for (i = 0; i < N_SCANNED; i++)
		assert_int_equal(times[i], 1);
}

static void test_a_scan_during_a_clear_is_no_damage(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request scan;

	put_scanned(rig, "old");
	go_cold(rig);
	begin_scan(rig, &scan);
	assert_int_equal(rig_simple(rig, ENGINE_CLEAR), 0);
	go_warm(rig);
	assert_int_equal(rig_wait(rig, &scan), 0);
	assert_int_equal(scan.request.n_items, 0);
	assert_int_equal(rig_stat(rig, "corrupt_reads"), 0);
}

static void
test_a_scan_that_gets_too_long_goes_on_in_the_next_step(void **state)
{
	enum { N = 12 };
	struct engine_rig *rig = *state;
	struct rig_request scan = { .request.op = ENGINE_SCAN };
	size_t n_items = 0;
	int n_steps = 0;
	char key[8];
	int i;

	for (i = 0; i < N; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		free(put_large(rig, key));
	}
	scan.request.with_values = true;
	do {
		rig_begin(rig, &scan);
		assert_int_equal(rig_wait(rig, &scan), 0);
		n_items += scan.request.n_items;
		n_steps++;
	} while (scan.request.cursor_len > 0);
	assert_int_equal(n_items, N);
	assert_true(n_steps > 1);
}

/* ---- writes that have to know what is there ---- */

static uint64_t put_version(struct engine_rig *rig, const char *key,
			    const char *value)
{
	struct rig_request put;

	rig_fill_put(&put, key, value, ENGINE_NONE);
	rig_begin(rig, &put);
	assert_int_equal(rig_wait(rig, &put), 0);
	return put.mutations[0].version;
}

static void fill_cas(struct rig_request *put, const char *key,
		     const char *value, uint64_t version)
{
	rig_fill_put(put, key, value, ENGINE_NONE);
	put->mutations[0].condition = ENGINE_IF_VERSION;
	put->mutations[0].if_version = version;
}

static void test_a_condition_waits_without_holding_others(void **state)
{
	struct engine_rig *rig = *state;
	uint64_t version = put_version(rig, "k", "1");
	struct rig_request wrong;
	struct rig_request right;

	go_cold(rig);
	fill_cas(&wrong, "k", "bad", version + 1);
	begin_held(rig, &wrong, 1);
	fill_cas(&right, "k", "2", version);
	begin_held(rig, &right, 2);
	assert_int_equal(rig_put(rig, "other", "v"), 0);
	go_warm(rig);
	assert_int_equal(rig_wait(rig, &wrong), ENGINE_CONDITION);
	assert_int_equal(rig_wait(rig, &right), 0);
	assert_value(rig, "k", "2");
}

/* It is decided by what is there when the pool has read, not before. */
static void test_a_write_meanwhile_decides_a_condition(void **state)
{
	struct engine_rig *rig = *state;
	uint64_t version = put_version(rig, "k", "1");
	struct rig_request cas;

	go_cold(rig);
	fill_cas(&cas, "k", "bad", version);
	begin_held(rig, &cas, 1);
	assert_int_equal(rig_put(rig, "k", "2"), 0);
	hook_let_reads_go(&rig->hook);
	assert_int_equal(rig_wait(rig, &cas), ENGINE_CONDITION);
	go_warm(rig);
	assert_value(rig, "k", "2");
}

static void test_a_condition_over_a_delete_meanwhile(void **state)
{
	struct engine_rig *rig = *state;
	uint64_t version = put_version(rig, "k", "1");
	struct rig_request cas;

	go_cold(rig);
	fill_cas(&cas, "k", "bad", version);
	begin_held(rig, &cas, 1);
	assert_int_equal(rig_delete(rig, "k", NULL), 0);
	go_warm(rig);
	assert_int_equal(rig_wait(rig, &cas), ENGINE_CONDITION);
	assert_int_equal(rig_get(rig, "k", NULL), ENGINE_NOT_FOUND);
}

static void test_a_condition_over_a_clear_meanwhile(void **state)
{
	struct engine_rig *rig = *state;
	uint64_t version = put_version(rig, "k", "1");
	struct rig_request cas;

	go_cold(rig);
	fill_cas(&cas, "k", "bad", version);
	begin_held(rig, &cas, 1);
	assert_int_equal(rig_simple(rig, ENGINE_CLEAR), 0);
	go_warm(rig);
	assert_int_equal(rig_wait(rig, &cas), ENGINE_CONDITION);
	assert_int_equal(rig_count(rig), 0);
}

/* Nothing is ever in memory: it ends all the same. */
static void test_a_batch_of_conditions_on_a_cold_store(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request batch;
	char keys[4][8];
	int i;

	rig->hook.nowait_error = -EAGAIN;
	rig_fill_put(&batch, "", "2", ENGINE_NONE);
	for (i = 0; i < 4; i++) {
		snprintf(keys[i], sizeof(keys[i]), "k%d", i);
		batch.mutations[i] = batch.mutations[0];
		batch.mutations[i].key =
			(struct engine_bytes){ keys[i], strlen(keys[i]) };
		batch.mutations[i].if_version = put_version(rig, keys[i], "1");
	}
	for (i = 0; i < 4; i++)
		batch.mutations[i].condition = ENGINE_IF_VERSION;
	batch.request.n_mutations = 4;
	rig_begin(rig, &batch);
	assert_int_equal(rig_wait(rig, &batch), 0);
	rig_begin(rig, &batch);
	assert_int_equal(rig_wait(rig, &batch), ENGINE_CONDITION);
	assert_int_equal(batch.request.failed_index, 0);
	assert_value(rig, "k3", "2");
}

static void test_incr_of_a_cold_number(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request incr[2];
	int i;

	assert_int_equal(rig_put(rig, "n", "40"), 0);
	go_cold(rig);
	for (i = 0; i < 2; i++) {
		rig_fill_put(&incr[i], "n", "", ENGINE_NONE);
		incr[i].mutations[0].kind = ENGINE_INCR;
		incr[i].mutations[0].by = 1;
		begin_held(rig, &incr[i], (unsigned int)i + 1);
	}
	hook_let_reads_go(&rig->hook);
	assert_int_equal(rig_wait(rig, &incr[0]), 0);
	assert_int_equal(rig_wait(rig, &incr[1]), 0);
	assert_int_equal(incr[0].mutations[0].number +
				 incr[1].mutations[0].number,
			 41 + 42);
	go_warm(rig);
	assert_value(rig, "n", "42");
}

static void touch(struct engine_rig *rig, const char *key, int result)
{
	struct rig_request request;

	rig_fill_put(&request, key, "", ENGINE_NONE);
	request.mutations[0].kind = ENGINE_TOUCH;
	request.mutations[0].expires_at_ms = UINT64_C(5000000000000);
	rig_begin(rig, &request);
	assert_int_equal(rig_wait(rig, &request), result);
}

static void test_touch_of_a_large_value(void **state)
{
	struct engine_rig *rig = *state;
	char *value = put_large(rig, "k");
	struct engine_bytes key = { "k", 1 };
	struct engine_request get = { .op = ENGINE_GET,
				      .keys = &key,
				      .n_keys = 1 };
	struct rig_request stat;

	touch(rig, "k", 0);
	rig->hook.nowait_error = -EAGAIN;
	touch(rig, "k", 0);
	touch(rig, "none", ENGINE_NOT_FOUND);
	expect_taken(rig, &get, value);
	rig_fill_get(&stat, "k");
	stat.request.op = ENGINE_STAT;
	rig_begin(rig, &stat);
	assert_int_equal(rig_wait(rig, &stat), 0);
	assert_true(stat.expires_at_ms == UINT64_C(5000000000000));
	free(value);
}

/* Behind its put, in one turn: the value is not in the index yet. */
static void test_touch_of_a_large_value_that_is_being_written(void **state)
{
	struct engine_rig *rig = *state;
	char *value = put_large(rig, "other");
	struct rig_request put;
	struct rig_request touched;
	struct rig_request get;

	rig_fill_put(&put, "k", value, ENGINE_ALWAYS);
	rig_begin(rig, &put);
	rig_fill_put(&touched, "k", "", ENGINE_NONE);
	touched.mutations[0].kind = ENGINE_TOUCH;
	touched.mutations[0].expires_at_ms = UINT64_C(5000000000000);
	rig_begin(rig, &touched);
	assert_int_equal(rig_wait(rig, &touched), 0);
	assert_true(put.done);
	rig_fill_get(&get, "k");
	rig_begin(rig, &get);
	assert_int_equal(rig_wait(rig, &get), 0);
	assert_int_equal(get.value_len, LARGE);
	assert_true(get.expires_at_ms == UINT64_C(5000000000000));
	free(value);
}

/* ---- deletes ---- */

static void test_a_cold_delete_tells_whether_the_key_had_expired(void **state)
{
	struct engine_rig *rig = *state;
	bool existed;

	put_expiring(rig, "lives", 60000);
	put_expiring(rig, "expired", 1000);
	rig->hook.clock_step_ms = 2000;
	rig->hook.nowait_error = -EAGAIN;
	assert_int_equal(rig_delete(rig, "lives", &existed), 0);
	assert_true(existed);
	assert_int_equal(rig_delete(rig, "expired", &existed), 0);
	assert_false(existed);
	assert_int_equal(rig_count(rig), 0);
}

static void test_a_cold_delete_keeps_its_place_before_a_put(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request gone;
	struct rig_request put;

	put_expiring(rig, "k", 60000);
	go_cold(rig);
	rig_fill_delete(&gone, "k");
	rig_fill_put(&put, "k", "new", ENGINE_NONE);
	rig_begin(rig, &gone);
	rig_begin(rig, &put);
	assert_int_equal(rig_wait(rig, &put), 0);
	/* It is gone; whether it was there is read now. */
	hook_await_held(&rig->hook, 1);
	assert_false(gone.done);
	go_warm(rig);
	assert_int_equal(rig_wait(rig, &gone), 0);
	assert_true(gone.mutations[0].existed);
	assert_value(rig, "k", "new");
}

static void test_a_delete_that_is_done_is_not_refused_by_closing(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request gets[N_THREADS];
	struct rig_request gone;
	pthread_t thread;
	int i;

	put_expiring(rig, "k", 60000);
	assert_int_equal(rig_put(rig, "other", "v"), 0);
	go_cold(rig);
	for (i = 0; i < N_THREADS; i++)
		begin_get(rig, &gets[i], "other", i + 1);
	rig_fill_delete(&gone, "k");
	gone.request.deadline_ms = 0;
	rig_begin(rig, &gone);
	rig_turn(rig);
	assert_false(gone.done);
	assert_int_equal(pthread_create(&thread, NULL, let_go_later, rig), 0);
	rig_reopen(rig);
	pthread_join(thread, NULL);
	assert_true(gone.done);
	assert_int_equal(gone.request.result, 0);
	assert_true(gone.mutations[0].existed);
	go_warm(rig);
	assert_int_equal(rig_get(rig, "k", NULL), ENGINE_NOT_FOUND);
}

static void *let_sync_go_later(void *arg)
{
	struct engine_rig *rig = arg;

	rig->hook.hold_syncs = 0;
	return NULL;
}

/* The log ends it while the engine closes: what it did is read then. */
static void test_a_delete_that_closing_ends_is_told_in_full(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request gone;
	pthread_t thread;

	put_expiring(rig, "k", 60000);
	rig->hook.nowait_error = -EAGAIN;
	rig->hook.hold_syncs = 1;
	rig_fill_delete(&gone, "k");
	gone.request.durability = ENGINE_ALWAYS;
	rig_begin(rig, &gone);
	rig_turn(rig);
	assert_false(gone.done);
	assert_int_equal(pthread_create(&thread, NULL, let_sync_go_later, rig),
			 0);
	rig_reopen(rig);
	pthread_join(thread, NULL);
	assert_true(gone.done);
	assert_int_equal(gone.request.result, 0);
	assert_true(gone.mutations[0].existed);
	assert_int_equal(rig_count(rig), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_a_hot_get_is_answered_by_the_loop),
		T(test_others_are_served_while_a_read_waits),
		T(test_a_miss_never_waits),
		T(test_stat_may_wait_too),
		T(test_what_the_pool_cannot_begin_waits_and_is_counted),
		T(test_a_put_during_the_read_is_seen_by_the_next),
		T(test_a_delete_during_the_read_is_seen_by_the_next),
		T(test_a_clear_during_reads_is_no_damage),
		T(test_an_index_that_grows_meanwhile_does_not_matter),
		T(test_close_ends_reads_that_wait),
		T(test_a_failed_read_fails_that_request_alone),
		T(test_a_file_system_that_cannot_tell_is_asked_once),
		T(test_a_deadline_counts_until_the_read_begins),
		T(test_an_expired_key_that_the_pool_meets_is_removed),
		T(test_a_large_value_is_given_away_without_a_copy),
		T(test_a_large_value_that_nobody_takes_is_freed),
		T(test_a_very_large_value_is_freed_beside_the_loop),
		T(test_cold_get_many_is_of_one_instant),
		T(test_get_many_during_a_clear_is_no_damage),
		T(test_very_many_keys),
		T(test_a_scan_whose_entries_move_gives_each_key_once),
		T(test_a_scan_during_a_clear_is_no_damage),
		T(test_a_scan_that_gets_too_long_goes_on_in_the_next_step),
		T(test_a_condition_waits_without_holding_others),
		T(test_a_write_meanwhile_decides_a_condition),
		T(test_a_condition_over_a_delete_meanwhile),
		T(test_a_condition_over_a_clear_meanwhile),
		T(test_a_batch_of_conditions_on_a_cold_store),
		T(test_incr_of_a_cold_number),
		T(test_touch_of_a_large_value),
		T(test_touch_of_a_large_value_that_is_being_written),
		T(test_a_cold_delete_tells_whether_the_key_had_expired),
		T(test_a_cold_delete_keeps_its_place_before_a_put),
		T(test_a_delete_that_is_done_is_not_refused_by_closing),
		T(test_a_delete_that_closing_ends_is_told_in_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
