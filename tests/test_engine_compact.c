/*
 * Compaction beside the work of the engine's other threads: it gives room
 * back, and whatever comes between ends it without a trace.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/engine_internal.h"
#include "common/monotonic.h"
#include "tests/support/engine_rig.h"

enum {
	SEGMENT = 64 << 10,
	N_KEYS = 64,
	VALUE_LEN = 4000,
	PER_SEGMENT = SEGMENT / VALUE_LEN,
};

static int setup(void **state)
{
	struct engine_rig *rig = calloc(1, sizeof(*rig));

	rig->options.segment_size = SEGMENT;
	rig->options.durability = ENGINE_NONE;
	rig_open(rig);
	*state = rig;
	return 0;
}

/* Only when it is asked for. */
static int setup_by_hand(void **state)
{
	struct engine_rig *rig = calloc(1, sizeof(*rig));

	rig->options.segment_size = SEGMENT;
	rig->options.durability = ENGINE_NONE;
	rig->options.compaction.dead_percent = 100;
	rig->options.compaction.small_segments = 1000000;
	rig_open(rig);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct engine_rig *rig = *state;

	rig->hook.hold_syncs = 0;
	rig->hook.hold_writes = 0;
	rig_close(rig);
	free(rig);
	return 0;
}

/* Begins with what makes it unlike any other value. */
static const char *value_of(unsigned key, unsigned round)
{
	static char value[VALUE_LEN + 1];

	memset(value, 'x', VALUE_LEN);
	value[snprintf(value, 40, "%u of round %u", key, round)] = ' ';
	return value;
}

static const char *key_of(unsigned key)
{
	static char name[16];

	snprintf(name, sizeof(name), "key-%u", key);
	return name;
}

static void put_all(struct engine_rig *rig, unsigned round)
{
	for (unsigned i = 0; i < N_KEYS; i++)
		assert_int_equal(rig_put(rig, key_of(i), value_of(i, round)),
				 0);
}

/* Of every segment a part is dead, and a part has to be copied. */
static void put_half(struct engine_rig *rig)
{
	for (unsigned i = 0; i < N_KEYS; i += 2)
		assert_int_equal(rig_put(rig, key_of(i), "short"), 0);
}

static void expect(struct engine_rig *rig, unsigned key, unsigned round)
{
	char due[40];
	const char *value;

	snprintf(due, sizeof(due), "%u of round %u ", key, round);
	assert_int_equal(rig_get(rig, key_of(key), &value), 0);
	assert_memory_equal(value, due, strlen(due));
}

static void expect_all(struct engine_rig *rig, unsigned round)
{
	assert_int_equal(rig_count(rig), N_KEYS);
	for (unsigned i = 0; i < N_KEYS; i++)
		expect(rig, i, round);
}

static void await_runs(struct engine_rig *rig, uint64_t n)
{
	time_t end = time(NULL) + 60;

	while (rig_stat(rig, "compactions") < n) {
		assert_true(time(NULL) < end);
		rig_step(rig);
	}
}

/* ---- by itself ---- */

static void test_overwriting_reaches_a_steady_size(void **state)
{
	struct engine_rig *rig = *state;
	uint64_t live;

	for (unsigned round = 0; round < 30; round++)
		put_all(rig, round);
	await_runs(rig, 1);
	live = rig_stat(rig, "live_bytes");
	while (rig_stat(rig, "dead_bytes") > live / 2)
		rig_step(rig);
	expect_all(rig, 29);
	rig_reopen(rig);
	expect_all(rig, 29);
}

/* A queue: every key is put once, and deleted. */
static void test_a_queue_reaches_a_steady_size(void **state)
{
	struct engine_rig *rig = *state;
	char key[32];

	for (unsigned i = 0; i < 2000; i++) {
		snprintf(key, sizeof(key), "job-%u", i);
		assert_int_equal(rig_put(rig, key, value_of(i, 0)), 0);
		assert_int_equal(rig_delete(rig, key, NULL), 0);
	}
	assert_int_equal(rig_count(rig), 0);
	while (rig_stat(rig, "disk_bytes") > 8 * SEGMENT)
		rig_step(rig);
	rig_reopen(rig);
	assert_int_equal(rig_count(rig), 0);
}

static void test_small_segments_are_merged(void **state)
{
	struct engine_rig *rig = *state;

	for (unsigned i = 0; i < 12; i++) {
		assert_int_equal(rig_put(rig, key_of(i), "small"), 0);
		rig_reopen(rig);
	}
	while (rig_stat(rig, "segments") > 6)
		rig_step(rig);
	for (unsigned i = 0; i < 12; i++) {
		const char *value;

		assert_int_equal(rig_get(rig, key_of(i), &value), 0);
		assert_string_equal(value, "small");
	}
}

/* An hour in which it may not begin; then one in which it may. */
static void test_it_keeps_to_its_hours(void **state)
{
	struct engine_rig *rig = *state;
	time_t now = time(NULL);
	struct tm tm;

	localtime_r(&now, &tm);
	rig->options.compaction.hours.from = (uint64_t)(tm.tm_hour + 2) % 24;
	rig->options.compaction.hours.to = (uint64_t)(tm.tm_hour + 3) % 24;
	rig_reopen(rig);
	for (unsigned round = 0; round < 10; round++)
		put_all(rig, round);
	assert_int_equal(rig_stat(rig, "compactions"), 0);
	rig->hook.clock_step_ms = 2 * 3600 * 1000;
	put_all(rig, 10);
	await_runs(rig, 1);
	rig->hook.clock_step_ms = 0;
	expect_all(rig, 10);
}

/* ---- when asked ---- */

static void test_compact_gives_all_back(void **state)
{
	struct engine_rig *rig = *state;
	uint64_t live;

	for (unsigned round = 0; round < 5; round++)
		put_all(rig, round);
	for (unsigned i = 0; i < N_KEYS; i++) {
		if (i % 8 != 0)
			assert_int_equal(rig_delete(rig, key_of(i), NULL), 0);
	}
	assert_int_equal(rig_stat(rig, "compactions"), 0);
	assert_int_equal(rig_simple(rig, ENGINE_COMPACT), 0);
	live = rig_stat(rig, "live_bytes");
	assert_true(live >= N_KEYS / 8 * VALUE_LEN);
	assert_in_range(rig_stat(rig, "disk_bytes"), live, live + SEGMENT);
	assert_int_equal(rig_count(rig), N_KEYS / 8);
	rig_reopen(rig);
	assert_int_equal(rig_count(rig), N_KEYS / 8);
	expect(rig, 8, 4);
}

static void test_an_empty_store_is_compacted_at_once(void **state)
{
	struct engine_rig *rig = *state;

	assert_int_equal(rig_simple(rig, ENGINE_COMPACT), 0);
	assert_int_equal(rig_put(rig, "a", "b"), 0);
	assert_int_equal(rig_simple(rig, ENGINE_COMPACT), 0);
	assert_int_equal(rig_stat(rig, "compact_total_bytes"), 0);
}

static void test_two_at_once_both_end(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request first = { .request.op = ENGINE_COMPACT };
	struct rig_request second = { .request.op = ENGINE_COMPACT };

	put_all(rig, 0);
	put_all(rig, 1);
	rig_begin(rig, &first);
	rig_turn(rig);
	rig_begin(rig, &second);
	assert_int_equal(rig_wait(rig, &first), 0);
	assert_int_equal(rig_wait(rig, &second), 0);
	expect_all(rig, 1);
}

/* ---- what comes between ---- */

/* So slow that it is under way when this returns. */
static void begin_slow(struct engine_rig *rig, struct rig_request *compact)
{
	rig->options.compaction.bytes_a_second = 1 << 20;
	rig_reopen(rig);
	memset(compact, 0, sizeof(*compact));
	compact->request.op = ENGINE_COMPACT;
	rig_begin(rig, compact);
	while (rig_stat(rig, "compact_total_bytes") == 0) {
		assert_false(compact->done);
		rig_step(rig);
	}
}

static void test_reads_and_writes_go_on_meanwhile(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request compact;

	put_all(rig, 0);
	put_all(rig, 1);
	begin_slow(rig, &compact);
	for (unsigned i = 0; i < N_KEYS; i++)
		expect(rig, i, 1);
	assert_false(compact.done);
	/* newer than what is copied: it has to win */
	assert_int_equal(rig_put(rig, key_of(3), value_of(3, 2)), 0);
	assert_int_equal(rig_delete(rig, key_of(4), NULL), 0);
	assert_int_equal(rig_wait(rig, &compact), 0);
	expect(rig, 3, 2);
	assert_int_equal(rig_get(rig, key_of(4), NULL), ENGINE_NOT_FOUND);
	rig_reopen(rig);
	expect(rig, 3, 2);
	assert_int_equal(rig_get(rig, key_of(4), NULL), ENGINE_NOT_FOUND);
	expect(rig, 5, 1);
	assert_int_equal(rig_count(rig), N_KEYS - 1);
}

/*
 * Or a power cut would find neither the old value nor the new one.  The run
 * is so slow that the put is visible long before it has copied all.
 */
static void test_what_superseded_is_durable_when_it_ends(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request put;
	const struct local *local;

	put_all(rig, 0);
	for (unsigned i = 0; i < N_KEYS; i += 2)
		assert_int_equal(rig_put(rig, key_of(i), value_of(i, 1)), 0);
	rig->options.compaction.dead_bytes = 1;
	rig->options.compaction.bytes_a_second = 1 << 20;
	rig_reopen(rig);
	local = (const struct local *)(const void *)rig->engine;
	rig_fill_put(&put, key_of(3), value_of(3, 2), ENGINE_NONE);
	rig_begin(rig, &put);
	assert_int_equal(rig_wait(rig, &put), 0);
	assert_true(local->store->log.synced_sequence <
		    put.mutations[0].version);
	await_runs(rig, 1);
	assert_true(local->store->log.synced_sequence >=
		    put.mutations[0].version);
	expect(rig, 3, 2);
}

static void test_a_clear_ends_it(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request compact;
	struct rig_request clear = { .request.op = ENGINE_CLEAR };

	put_all(rig, 0);
	put_half(rig);
	begin_slow(rig, &compact);
	rig_begin(rig, &clear);
	assert_int_equal(rig_wait(rig, &clear), 0);
	assert_int_equal(rig_wait(rig, &compact), 0);
	assert_int_equal(rig_count(rig), 0);
	assert_int_equal(rig_put(rig, "after", "it"), 0);
	assert_int_equal(rig_simple(rig, ENGINE_COMPACT), 0);
	rig_reopen(rig);
	assert_int_equal(rig_count(rig), 1);
	assert_int_equal(rig_stat(rig, "live_bytes"), 48);
}

/* At a byte a second nothing would end by itself. */
static void test_a_clear_ends_it_at_any_rate(void **state)
{
	struct engine_rig *rig = *state;
	const struct local *local;
	struct rig_request compact = { .request.op = ENGINE_COMPACT };

	rig->options.compaction.bytes_a_second = 1;
	rig_reopen(rig);
	local = (struct local *)(void *)rig->engine;
	put_all(rig, 0);
	put_half(rig);
	rig_begin(rig, &compact);
	while (local->compact.worker.next_ms == 0) {
		sched_yield();
		rig_turn(rig);
	}
	assert_int_equal(rig_simple(rig, ENGINE_CLEAR), 0);
	assert_int_equal(rig_wait(rig, &compact), 0);
	assert_int_equal(rig_count(rig), 0);
}

/* The log is done with the clear, a turn looks at other things first. */
static void test_what_a_clear_takes_stays_until_it_is_seen(void **state)
{
	struct engine_rig *rig = *state;
	struct local *local = (struct local *)(void *)rig->engine;
	struct rig_request clear = { .request.op = ENGINE_CLEAR };
	struct store_value value;

	put_all(rig, 0);
	rig_begin(rig, &clear);
	rig_turn(rig);
	engine_log_wait(&local->log);
	store_discard_replaced(local->store);
	assert_int_equal(store_get(local->store, "key-1", 5, &value), 0);
	free((void *)(uintptr_t)value.data);
	assert_int_equal(rig_wait(rig, &clear), 0);
	assert_int_equal(rig_count(rig), 0);
	rig_settle(rig);
	assert_int_equal(rig_stat(rig, "corrupt_reads"), 0);
	assert_true(rig_stat(rig, "segments") <= 1);
}

static void test_closing_ends_it(void **state)
{
	struct engine_rig *rig = *state;

	for (unsigned n_turns = 0; n_turns < 12; n_turns++) {
		struct rig_request compact = { .request.op = ENGINE_COMPACT };

		put_all(rig, n_turns);
		rig_begin(rig, &compact);
		for (unsigned i = 0; i < n_turns && !compact.done; i++)
			rig_step(rig);
		rig_reopen(rig);
		assert_true(compact.done);
		assert_true(compact.request.result == 0 ||
			    compact.request.result == ENGINE_CLOSED);
		expect_all(rig, n_turns);
	}
}

static void test_a_sync_that_fails_makes_the_store_read_only(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request compact = { .request.op = ENGINE_COMPACT };

	put_all(rig, 0);
	put_all(rig, 1);
	rig->hook.sync_error = -EIO;
	rig_begin(rig, &compact);
	assert_int_not_equal(rig_wait(rig, &compact), 0);
	rig->hook.sync_error = 0;
	expect_all(rig, 1);
	rig_reopen(rig);
	expect_all(rig, 1);
	assert_int_equal(rig_simple(rig, ENGINE_COMPACT), 0);
	expect_all(rig, 1);
}

/* No room for outputs, nor for manifests: told, and forgotten. */
static void test_without_room_it_fails_and_nothing_is_lost(void **state)
{
	struct engine_rig *rig = *state;
	int result;

	put_all(rig, 0);
	put_all(rig, 1);
	rig->hook.writes_left = 0;
	rig->hook.write_error = -ENOSPC;
	result = rig_simple(rig, ENGINE_COMPACT);
	assert_true(result < 0);
	rig->hook.write_error = 0;
	expect_all(rig, 1);
	assert_int_equal(rig_simple(rig, ENGINE_COMPACT), 0);
	expect_all(rig, 1);
	rig_reopen(rig);
	expect_all(rig, 1);
}

static void test_a_read_only_store_is_not_compacted(void **state)
{
	struct engine_rig *rig = *state;
	struct rig_request put;

	put_all(rig, 0);
	/* Or it is the next segment's sync that fails. */
	rig_settle(rig);
	rig->hook.sync_error = -EIO;
	rig_fill_put(&put, "a", "b", ENGINE_ALWAYS);
	rig_begin(rig, &put);
	assert_int_equal(rig_wait(rig, &put), ENGINE_UNKNOWN);
	rig->hook.sync_error = 0;
	assert_int_equal(rig_simple(rig, ENGINE_COMPACT), ENGINE_READ_ONLY);
}

/* ---- writes that are faster ---- */

static void test_writes_wait_where_it_falls_behind(void **state)
{
	struct engine_rig *rig = *state;

	/* Slow enough that writes would leave it behind. */
	rig->options.compaction.bytes_a_second = 4 << 20;
	rig_reopen(rig);
	for (unsigned round = 0; round < 40; round++)
		put_all(rig, round);
	assert_true(rig_stat(rig, "writes_throttled") > 0);
	expect_all(rig, 39);
}

/* Compaction is far behind, at a rate that gives next to nothing back. */
static struct local *begin_throttled(struct engine_rig *rig)
{
	struct local *local;

	rig->options.compaction.bytes_a_second = 1;
	rig_reopen(rig);
	local = (struct local *)(void *)rig->engine;
	put_all(rig, 0);
	put_half(rig);
	put_half(rig);
	local->throttle.rate = 1;
	while (!local->throttle.on) {
		sched_yield();
		rig_turn(rig);
	}
	return local;
}

/* However many turns they wait, each is counted once, and none overtakes. */
static void test_writes_that_wait_go_on_in_their_order(void **state)
{
	enum { N = 64 };
	static struct rig_request puts[N];
	static char keys[N][8];
	struct engine_rig *rig = *state;
	struct local *local;
	uint64_t n_before;

	local = begin_throttled(rig);
	n_before = rig_stat(rig, "writes_throttled");
	/* A few a millisecond, from now on. */
	local->throttle.rate = 1000;
	local->throttle.credit = -1000;
	memset(puts, 0, sizeof(puts));
	for (unsigned i = 0; i < N; i++) {
		snprintf(keys[i], sizeof(keys[i]), "w%u", i);
		rig_fill_put(&puts[i], keys[i], keys[i], ENGINE_NONE);
		rig_begin(rig, &puts[i]);
	}
	rig_turn(rig);
	assert_ptr_equal(local->held.first, &puts[0].request);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(rig_wait(rig, &puts[i]), 0);
	for (unsigned i = 1; i < N; i++)
		assert_true(puts[i].order == puts[i - 1].order + 1);
	assert_int_equal(rig_stat(rig, "writes_throttled"), n_before + N);
	assert_int_equal(rig_count(rig), N_KEYS + N);
}

/* A put that waits is before a clear that was sent after it. */
static void test_a_clear_comes_behind_writes_that_wait(void **state)
{
	struct engine_rig *rig = *state;
	const struct local *local;
	struct rig_request put = { .done = false };
	struct rig_request clear = { .request.op = ENGINE_CLEAR };

	rig->options.compaction.bytes_a_second = 4 << 20;
	rig_reopen(rig);
	local = (struct local *)(void *)rig->engine;
	for (unsigned i = 0; !local->held.first; i++) {
		assert_true(i < 100 * N_KEYS);
		rig_fill_put(&put, key_of(i % N_KEYS), value_of(i, 0),
			     ENGINE_NONE);
		rig_begin(rig, &put);
		rig_turn(rig);
		if (!local->held.first)
			assert_int_equal(rig_wait(rig, &put), 0);
	}
	rig_begin(rig, &clear);
	assert_int_equal(rig_wait(rig, &clear), 0);
	assert_true(put.done && put.order < clear.order);
	assert_int_equal(rig_count(rig), 0);
}

/* The run does not end, and writes are let through no more. */
static void test_a_write_that_waits_has_its_deadline(void **state)
{
	struct engine_rig *rig = *state;
	struct local *local;
	struct rig_request first;
	struct rig_request late;

	local = begin_throttled(rig);
	local->throttle.credit = INT32_MIN;
	rig_fill_put(&first, "first", "waits", ENGINE_NONE);
	rig_begin(rig, &first);
	rig_fill_put(&late, "late", "waits", ENGINE_NONE);
	late.request.deadline_ms = monotonic_ms() + 1;
	rig_begin(rig, &late);
	assert_int_equal(rig_wait(rig, &late), ENGINE_DEADLINE);
	assert_false(first.done);
	rig_reopen(rig);
	assert_int_equal(first.request.result, ENGINE_CLOSED);
	assert_int_equal(rig_count(rig), N_KEYS);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define test_by_hand(name)                                                     \
	cmocka_unit_test_setup_teardown(name, setup_by_hand, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_overwriting_reaches_a_steady_size),
		test(test_a_queue_reaches_a_steady_size),
		test(test_small_segments_are_merged),
		test(test_it_keeps_to_its_hours),
		test_by_hand(test_compact_gives_all_back),
		test_by_hand(test_an_empty_store_is_compacted_at_once),
		test_by_hand(test_two_at_once_both_end),
		test_by_hand(test_reads_and_writes_go_on_meanwhile),
		test_by_hand(test_what_superseded_is_durable_when_it_ends),
		test_by_hand(test_a_clear_ends_it),
		test_by_hand(test_a_clear_ends_it_at_any_rate),
		test_by_hand(test_what_a_clear_takes_stays_until_it_is_seen),
		test_by_hand(test_closing_ends_it),
		test_by_hand(test_a_sync_that_fails_makes_the_store_read_only),
		test_by_hand(test_without_room_it_fails_and_nothing_is_lost),
		test_by_hand(test_a_read_only_store_is_not_compacted),
		test(test_writes_wait_where_it_falls_behind),
		test(test_writes_that_wait_go_on_in_their_order),
		test(test_a_clear_comes_behind_writes_that_wait),
		test(test_a_write_that_waits_has_its_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
