#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/store_internal.h"
#include "tests/crash/simfs.h"
#include "tests/support/store_kit.h"

/*
 * Random writes, rolls, clears, compactions (whole, due, of some segments, cut
 * into steps with writes between), clean and unclean ends and power cuts,
 * against a plain map.  GETME_COMPACT_SEED=N draws the same again,
 * GETME_COMPACT_STEPS=N more of them.
 */

#define DIR "/store"

enum {
	KEYS = 48,
	STEPS = 6000,
	LEN_MAX = 90 << 10, /* more than a segment */
	BATCH_MAX = 12,
	TTL_MAX_MS = 2000,
	TICK_MS = 20, /* what a step may take by the clock */
};

struct expected {
	bool there;
	uint64_t stamp; /* tells the value's bytes */
	size_t len;
	uint64_t expires_at_ms; /* 0: never */
	uint64_t version;
};

static struct simfs *fs;
static struct io *io;
static struct store *store;
static struct expected map[KEYS];
static uint64_t random_state;
static uint64_t next_stamp;
static uint8_t bytes[BATCH_MAX][LEN_MAX];
/* A run under way, in steps; -1: none. */
static enum { NO_RUN, COPIED, MOVED } phase;

static uint32_t draw(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % n;
}

/* ---- values ---- */

static void make_value(uint64_t stamp, size_t len, uint8_t *out)
{
	size_t i;

	for (i = 0; i < len; i++)
		out[i] = (uint8_t)(stamp + i * 7 + i / 256);
	if (len >= sizeof(stamp))
		memcpy(out, &stamp, sizeof(stamp));
}

static size_t draw_len(void)
{
	switch (draw(40)) {
	case 0:
		return 0;
	case 1:
		return draw(LEN_MAX);
	case 2:
	case 3:
	case 4:
		return draw(20000);
	default:
		return draw(600);
	}
}

static void key_of(unsigned i, char key[12])
{
	snprintf(key, 12, "k%u", i);
}

/* ---- checking ---- */

static bool is_there(const struct expected *expected)
{
	return expected->there && (expected->expires_at_ms == 0 ||
				   expected->expires_at_ms > io->clock_ms(io));
}

static void check(unsigned i)
{
	static uint8_t value[LEN_MAX];
	const struct expected *expected = &map[i];
	struct store_value found;
	char key[12];
	int result;

	key_of(i, key);
	result = store_get(store, key, strlen(key), &found);
	if (!is_there(expected)) {
		assert_int_equal(result, STORE_NOT_FOUND);
		return;
	}
	assert_int_equal(result, 0);
	make_value(expected->stamp, expected->len, value);
	assert_int_equal(found.len, expected->len);
	assert_memory_equal(found.data, value, expected->len);
	assert_true(found.version == expected->version);
	assert_true(found.expires_at_ms == expected->expires_at_ms);
	free(found.data);
}

static void check_all(void)
{
	for (unsigned i = 0; i < KEYS; i++)
		check(i);
}

/* ---- writing ---- */

static void draw_write(struct store_write *write, unsigned i, char key[12],
		       uint8_t *value)
{
	key_of(i, key);
	*write = (struct store_write){ .key = key, .key_len = strlen(key) };
	write->is_delete = draw(4) == 0;
	map[i].there = !write->is_delete;
	if (write->is_delete)
		return;
	map[i].stamp = next_stamp++;
	map[i].len = draw_len();
	map[i].expires_at_ms =
		draw(5) ? 0 : io->clock_ms(io) + 1 + draw(TTL_MAX_MS);
	make_value(map[i].stamp, map[i].len, value);
	write->value = value;
	write->value_len = map[i].len;
	write->expires_at_ms = map[i].expires_at_ms;
}

/* Each key once. */
static void write_some(unsigned n)
{
	struct store_write writes[BATCH_MAX];
	char keys[BATCH_MAX][12];
	unsigned first = draw(KEYS);

	for (unsigned i = 0; i < n; i++)
		draw_write(&writes[i], (first + i * 5) % KEYS, keys[i],
			   bytes[i]);
	assert_int_equal(store_apply(store, writes, n, STORE_ALWAYS), 0);
	for (unsigned i = 0; i < n; i++)
		map[(first + i * 5) % KEYS].version = writes[i].version;
}

static void clear(void)
{
	assert_int_equal(store_clear(store), 0);
	memset(map, 0, sizeof(map));
	if (phase == NO_RUN)
		return;
	store_compact_end(store, COMPACTION_CANCELLED);
	phase = NO_RUN;
}

/* ---- a run in steps ---- */

static void want_some(void *ctx, struct segment *segment)
{
	(void)ctx;
	segment->is_wanted = segment->sealed && draw(2);
}

static void begin_run(void)
{
	struct compaction_policy policy = { 0 };

	segments_each(store->segments, want_some, NULL);
	if (store_compact_begin(store, &policy) != 0)
		return;
	assert_int_equal(compaction_copy(&store->run.work), 0);
	phase = COPIED;
}

static void go_on(void)
{
	switch (phase) {
	case NO_RUN:
		begin_run();
		return;
	case COPIED:
		assert_int_equal(store_compact_copied(store), 0);
		store_compact_move(store, draw(10));
		phase = MOVED;
		return;
	case MOVED:
		if (!store_compact_move(store, draw(30)))
			return;
		assert_int_equal(log_sync(&store->log), 0);
		assert_int_equal(compaction_install(&store->run.work), 0);
		store_compact_end(store, 0);
		store_compact_want_none(store);
		upkeep_settle(store->upkeep);
		phase = NO_RUN;
		return;
	}
}

static void end_run(void)
{
	while (phase != NO_RUN)
		go_on();
}

/* ---- ends ---- */

static void reopen(void)
{
	struct store_stats before = kit_stats(store);
	struct store_stats after;
	bool whole = phase == NO_RUN;

	kit_close(store);
	store = kit_open(io, DIR);
	phase = NO_RUN;
	after = kit_stats(store);
	assert_int_equal(kit_count(io, DIR, "", ".tmp"), 0);
	/* a hint may have lost its segment by a power cut */
	assert_int_equal(kit_count(io, DIR, "quarantine", ".seg"), 0);
	assert_int_equal(after.damaged_entries, 0);
	if (!whole)
		return;
	assert_int_equal(before.keys, after.keys);
	assert_int_equal(before.live_bytes, after.live_bytes);
	assert_int_equal(before.dead_bytes, after.dead_bytes);
}

static void kill_and_reopen(void)
{
	store_abandon(store);
	store = kit_open(io, DIR);
	phase = NO_RUN;
}

static void cut_power(void)
{
	struct simfs *after = simfs_crash_random(fs, next_stamp, NULL, 0);
	uint64_t now = io->clock_ms(io);

	store_abandon(store);
	simfs_free(fs);
	fs = after;
	io = simfs_io(fs);
	simfs_set_clock(fs, now);
	store = kit_open(io, DIR);
	phase = NO_RUN;
}

static void step(void)
{
	uint32_t which = draw(200);

	simfs_set_clock(fs, io->clock_ms(io) + draw(TICK_MS));
	if (which < 120) {
		write_some(1);
	} else if (which < 135) {
		write_some(2 + draw(BATCH_MAX - 1));
	} else if (which < 140) {
		assert_int_equal(store_roll(store), 0);
	} else if (which < 180) {
		go_on();
	} else if (which < 190) {
		end_run();
		store_compact_due(store);
	} else if (which < 193) {
		end_run();
		assert_int_equal(store_compact(store), 0);
	} else if (which < 195) {
		reopen();
		check_all();
	} else if (which < 197) {
		kill_and_reopen();
		check_all();
	} else if (which < 199) {
		cut_power();
		check_all();
	} else if (draw(4) == 0) {
		clear();
	}
	check(draw(KEYS));
}

static unsigned long from_env(const char *name, unsigned long otherwise)
{
	const char *given = getenv(name);

	return given ? strtoul(given, NULL, 0) : otherwise;
}

static void test_random_operations_do_as_with_a_map(void **state)
{
	unsigned long seed =
		from_env("GETME_COMPACT_SEED", (unsigned long)time(NULL));
	unsigned long n_steps = from_env("GETME_COMPACT_STEPS", STEPS);

	(void)state;
	printf("# GETME_COMPACT_SEED=%lu\n", seed);
	random_state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	next_stamp = 1;
	fs = simfs_new();
	io = simfs_io(fs);
	store = kit_open(io, DIR);
	for (unsigned long i = 1; i <= n_steps; i++) {
		step();
		if (i % 100 == 0)
			check_all();
	}
	end_run();
	assert_int_equal(store_compact(store), 0);
	check_all();
	reopen();
	check_all();
	kit_close(store);
	assert_int_equal(simfs_n_open(fs), 0);
	assert_int_equal(simfs_n_misused(fs), 0);
	simfs_free(fs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_operations_do_as_with_a_map),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
