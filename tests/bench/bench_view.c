/*
 * bench_view: what reading a key costs, of a store whose segments are in
 * memory: its parts, one key, 64 keys at once, and an engine's gets.
 *
 * Usage: bench_view [KEYS [WHAT]]; without operands 1 million, all; with WHAT
 * only the lines that contain it.  Processor time, the best of some runs.
 * Prints lines that begin with "# ".
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "common/checksum.h"
#include "common/engine.h"
#include "common/store_internal.h"
#include "tests/support/tempdir.h"

enum {
	KEYS = 1000000,
	KEY_LEN = 16,
	VALUE_LEN = 100,
	BATCH = 1000,
	READS = 400000, /* a run */
	RUNS = 5,
	AT_ONCE = 64,
	A_TURN = 800, /* gets: 50 connections with 16 each */
	N_SEGMENTS = 4096,
};

static uint64_t n_keys = KEYS;
static const char *only = "";
static char *dir;
static struct store *store;
static struct view view;
static struct view_buffer buffer;
static uint64_t order;
static uint64_t sum; /* of what was read, so that it is */

static void expect(int result, int expected, const char *what)
{
	if (result == expected)
		return;
	fprintf(stderr, "bench_view: %s: result %d\n", what, result);
	exit(1);
}

static double cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static uint64_t next_random(void)
{
	order += UINT64_C(0x9e3779b97f4a7c15);
	uint64_t x = order;

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* As cheap as it can be: it is in every figure. */
static void key_of(char key[KEY_LEN], uint64_t number)
{
	static const char digits[16] = "0123456789abcdef";

	key[0] = 'k';
	key[1] = 'e';
	key[2] = 'y';
	key[3] = '-';
	for (int i = KEY_LEN - 1; i >= 4; i--) {
		key[i] = digits[number & 15];
		number >>= 4;
	}
}

/* ---- the store ---- */

static void open_store(void)
{
	const struct store_options options = { .dir = dir };
	struct store_error error = { "" };

	expect(store_open(&options, &store, &error), 0, error.text);
}

static void load_store(void)
{
	static char keys[BATCH][KEY_LEN];
	static char value[VALUE_LEN];
	static struct store_write writes[BATCH];

	memset(value, 'v', sizeof(value));
	for (uint64_t i = 0; i < n_keys; i += BATCH) {
		size_t n = n_keys - i < BATCH ? (size_t)(n_keys - i) : BATCH;

		for (size_t j = 0; j < n; j++) {
			key_of(keys[j], i + j);
			writes[j] = (struct store_write){
				.key = keys[j],
				.key_len = KEY_LEN,
				.value = value,
				.value_len = VALUE_LEN,
			};
		}
		expect(store_apply(store, writes, n, STORE_NONE), 0, "put");
	}
}

/* ---- a source that a process of its own might have ---- */

struct mapping {
	const uint8_t *base;
	uint64_t len;
	uint32_t id;
};

static struct mapping mappings[N_SEGMENTS];

static void map_segment(void *ctx, struct segment *segment)
{
	struct mapping *mapping = &mappings[segment->id % N_SEGMENTS];
	void *base = mmap(NULL, segment->capacity, PROT_READ,
			  MAP_SHARED | MAP_POPULATE, segment->fd, 0);

	(void)ctx;
	expect(base == MAP_FAILED || mapping->base, 0, "mmap");
	mapping->base = base;
	mapping->len = segment->capacity;
	mapping->id = segment->id;
}

static const struct mapping *mapping_of(uint32_t segment, uint64_t off,
					size_t len)
{
	const struct mapping *mapping = &mappings[segment % N_SEGMENTS];

	return off < mapping->len && len <= mapping->len - off ? mapping : NULL;
}

static int own_read(void *ctx, uint32_t segment, uint64_t off, void *data,
		    size_t len, uint32_t *segment_id, uint64_t *rest)
{
	const struct mapping *mapping = mapping_of(segment, off, len);

	(void)ctx;
	if (!mapping)
		return -ENODATA;
	*segment_id = mapping->id;
	*rest = mapping->len - off;
	memcpy(data, mapping->base + off, len);
	return 0;
}

static void own_prefetch(void *ctx, uint32_t segment, uint64_t off, size_t len)
{
	const struct mapping *mapping = mapping_of(segment, off, len);

	(void)ctx;
	for (size_t at = 0; mapping && at < len; at += 64)
		__builtin_prefetch(mapping->base + off + at);
}

static uint64_t some_clock(void *ctx)
{
	(void)ctx;
	return 1;
}

static struct view own_view(void)
{
	return (struct view){
		.map = index_map(store->index),
		.source = {
			.read = own_read,
			.prefetch = own_prefetch,
			.clock_ms = some_clock,
		},
	};
}

/* ---- what is measured; each of READS reads ---- */

static void do_digests(void)
{
	char key[KEY_LEN];

	for (int i = 0; i < READS; i++) {
		key_of(key, next_random() % n_keys);
		sum += digest_of(store->secret, key, KEY_LEN).lo;
	}
}

static void do_checksums(void)
{
	static uint8_t entry[160];

	for (int i = 0; i < READS; i++) {
		entry[20] = (uint8_t)i;
		sum += crc32c(crc32c(0, entry, 12), entry, 52);
		sum += crc32c(0, entry + 56, 104);
	}
}

static void do_lookups(void)
{
	struct lookup_stamp stamp;
	struct index_place place;
	struct digest digest;
	char key[KEY_LEN];

	for (int i = 0; i < READS; i++) {
		key_of(key, next_random() % n_keys);
		digest = digest_of(store->secret, key, KEY_LEN);
		expect(lookup_find(view.map, &digest, &place, &stamp), 0,
		       "lookup");
		sum += place.off8;
	}
}

static void do_gets(void)
{
	struct view_entry entry;
	struct digest digest;
	char key[KEY_LEN];

	for (int i = 0; i < READS; i++) {
		key_of(key, next_random() % n_keys);
		digest = digest_of(store->secret, key, KEY_LEN);
		expect(view_get(&view, &digest, key, KEY_LEN, VIEW_VALUE,
				&buffer, &entry),
		       0, "get");
		sum += entry.value[0];
	}
}

static int count_value(void *ctx, size_t i, int result,
		       const struct view_entry *entry, struct view_buffer *from)
{
	(void)ctx;
	(void)i;
	(void)from;
	sum += entry->value[0];
	return result;
}

static void do_many(void)
{
	static char bytes[AT_ONCE][KEY_LEN];
	static struct view_key keys[AT_ONCE];
	static struct view_found found[AT_ONCE];

	for (int i = 0; i < READS; i += AT_ONCE) {
		for (int j = 0; j < AT_ONCE; j++) {
			key_of(bytes[j], next_random() % n_keys);
			keys[j].data = bytes[j];
			keys[j].len = KEY_LEN;
			keys[j].digest =
				digest_of(store->secret, bytes[j], KEY_LEN);
		}
		memset(found, 0, sizeof(found));
		expect(view_get_many(&view, keys, AT_ONCE, VIEW_VALUE, &buffer,
				     found, count_value, NULL),
		       0, "get_many");
	}
}

static void measure(const char *what, void (*run)(void))
{
	double best = 0;

	if (!strstr(what, only))
		return;
	for (int i = 0; i < RUNS; i++) {
		double began = cpu_ns();
		double took;

		run();
		took = cpu_ns() - began;
		best = best == 0 || took < best ? took : best;
	}
	printf("# %-36s %6.1f ns\n", what, best / READS);
	fflush(stdout);
}

static void measure_views(void)
{
	view = own_view();
	measure("digest", do_digests);
	measure("checksums", do_checksums);
	measure("digest and lookup", do_lookups);
	measure("view_get, mapped", do_gets);
	measure("view_get_many of 64, mapped, a key", do_many);
	view = store_view_now(store);
	measure("view_get, as the loop does", do_gets);
	measure("view_get_many of 64, as the loop", do_many);
}

/* ---- the engine ---- */

static struct engine *engine;

static void wake(void *ctx)
{
	(void)ctx;
}

static void done(struct engine_request *request)
{
	expect(request->result, 0, "engine");
	sum += request->items[0].value.len;
}

static void do_engine(void)
{
	static char bytes[A_TURN][KEY_LEN];
	static struct engine_bytes keys[A_TURN];
	static struct engine_request requests[A_TURN];

	for (int i = 0; i < READS; i += A_TURN) {
		for (int j = 0; j < A_TURN; j++) {
			key_of(bytes[j], next_random() % n_keys);
			keys[j].data = bytes[j];
			keys[j].len = KEY_LEN;
			requests[j].op = ENGINE_GET;
			requests[j].keys = &keys[j];
			requests[j].n_keys = 1;
			requests[j].done = done;
			engine_submit(engine, &requests[j]);
		}
		engine_turn(engine);
	}
}

static void measure_engine(void)
{
	const struct engine_local_options options = { .dir = dir };
	const struct engine_host host = { .wake = wake };
	struct engine_local_error error = { "" };

	expect(engine_local_open(&options, &host, &engine, &error), 0,
	       error.text);
	measure("engine, 800 gets a turn, a get", do_engine);
	expect(engine_close(engine), 0, "close");
}

int main(int argc, char **argv)
{
	if (argc > 1)
		n_keys = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		only = argv[2];
	dir = tempdir_new();
	open_store();
	load_store();
	segments_each(store->segments, map_segment, NULL);
	printf("# %" PRIu64 " keys of %d bytes, values of %d\n", n_keys,
	       KEY_LEN, VALUE_LEN);
	measure_views();
	view_buffer_deinit(&buffer);
	expect(store_close(store), 0, "close");
	measure_engine();
	tempdir_free(dir);
	return sum == 0;
}
