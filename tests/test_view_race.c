/*
 * Readers that map index and segments, as client processes do, while one
 * thread writes: puts, deletes, batches, new segments, compactions that move
 * entries and empty the segments that they came from.
 *
 * Every value tells its key and a number that grows with each write of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants four of the above */
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/direct_map.h"
#include "common/segment.h"
#include "common/store_internal.h"
#include "tests/support/tempdir.h"

enum {
	N_KEYS = 64,
	N_PAIRED = 16, /* the last ones: by batches of two, always equal */
	N_READERS = 3,
	N_ROUNDS = 60, /* of the writer, each with a compaction */
	WRITES_A_ROUND = 300,
	VALUE_LEN = 400,
};

static struct store *store;
static const struct lookup_map *map;
static char *dir;
static atomic_bool over;
static atomic_int n_failed;

struct reader {
	pthread_t thread;
	struct direct_map segments;
	struct view view;
	struct view_buffer buffer;
	uint64_t random;
	uint64_t newest[N_KEYS]; /* numbers seen; they never go back */
	uint64_t n_found;
	uint64_t n_missed;
	uint64_t n_many;
};

static struct reader readers[N_READERS];

/* cmocka's asserts are for its own thread. */
static void expect(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "reader: %s\n", what);
		atomic_fetch_add(&n_failed, 1);
	}
}

static uint64_t roll(uint64_t *random, uint64_t n)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return (*random >> 11) % n;
}

static size_t make_key(int number, char key[16])
{
	return (size_t)snprintf(key, 16, "key %d", number);
}

/* ---- reading ---- */

static int open_segment(uint32_t segment)
{
	char path[512];
	char name[SEGMENT_NAME_MAX];

	segment_name(segment, name);
	snprintf(path, sizeof(path), "%s/store/%s", dir, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static int read_segment(void *ctx, uint32_t segment, uint64_t off, void *data,
			size_t len, uint32_t *segment_id, uint64_t *rest)
{
	struct reader *reader = ctx;
	int result = direct_map_read(&reader->segments, segment, off, data, len,
				     segment_id, rest);
	int fd;

	if (result != -EAGAIN)
		return result;
	fd = open_segment(segment);
	if (fd < 0)
		return -ENODATA;
	result = direct_map_add_segment(&reader->segments, segment, fd);
	if (result == 0)
		result = direct_map_read(&reader->segments, segment, off, data,
					 len, segment_id, rest);
	return result == -EAGAIN ? -ENODATA : result;
}

static uint64_t no_clock(void *ctx)
{
	(void)ctx;
	expect(false, "nothing expires here");
	return 0;
}

/* The number in a value of KEY. */
static uint64_t number_in(const struct view_entry *entry, int key)
{
	char text[64];
	char *end = NULL;
	long found;

	expect(entry->value_len == VALUE_LEN, "a value of another length");
	memcpy(text, entry->value, sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	found = strtol(text, &end, 10);
	expect(end != text && found == key, "another key's value");
	return strtoull(end, NULL, 10);
}

static void see(struct reader *reader, int key, uint64_t number)
{
	expect(number >= reader->newest[key], "an older value came back");
	reader->newest[key] = number;
}

static void read_one(struct reader *reader)
{
	int key = (int)roll(&reader->random, N_KEYS);
	struct view_entry entry;
	struct digest digest;
	char text[16];
	size_t len = make_key(key, text);
	int result;

	digest = digest_of(store->secret, text, len);
	result = view_get(&reader->view, &digest, text, len, VIEW_VALUE,
			  &reader->buffer, &entry);
	if (result == 0) {
		see(reader, key, number_in(&entry, key));
		reader->n_found++;
	} else {
		expect(result == VIEW_NOT_FOUND || result == VIEW_BUSY,
		       "damage that is none");
		reader->n_missed++;
	}
}

struct many {
	struct reader *reader;
	uint64_t numbers[N_KEYS]; /* 0: missed */
	bool unknown;
};

static int take(void *ctx, size_t i, int result, const struct view_entry *entry,
		struct view_buffer *buffer)
{
	struct many *many = ctx;

	(void)buffer;
	expect(result == 0 || result == VIEW_NOT_FOUND, "damage that is none");
	many->numbers[i] = result == 0 ? number_in(entry, (int)i) : 0;
	return 0;
}

static void read_many(struct reader *reader)
{
	struct view_found found[N_KEYS];
	struct many many = { .reader = reader };
	struct view_key keys[N_KEYS];
	char texts[N_KEYS][16];

	memset(found, 0, sizeof(found));
	for (int i = 0; i < N_KEYS; i++) {
		keys[i].data = texts[i];
		keys[i].len = make_key(i, texts[i]);
		keys[i].digest =
			digest_of(store->secret, texts[i], keys[i].len);
	}
	if (view_get_many(&reader->view, keys, N_KEYS, VIEW_VALUE,
			  &reader->buffer, found, take, &many) != 0)
		return;
	reader->n_many++;
	for (int i = N_KEYS - N_PAIRED; i < N_KEYS; i += 2)
		expect(many.numbers[i] == many.numbers[i + 1],
		       "half of a batch");
	for (int i = 0; i < N_KEYS; i++)
		if (many.numbers[i] != 0)
			see(reader, i, many.numbers[i]);
}

static void *read_all(void *ctx)
{
	struct reader *reader = ctx;

	while (!atomic_load(&over)) {
		if (roll(&reader->random, 8) == 0)
			read_many(reader);
		else
			read_one(reader);
	}
	return NULL;
}

/* ---- writing ---- */

static void make_value(char value[VALUE_LEN], int key, uint64_t number)
{
	int n = snprintf(value, VALUE_LEN, "%d %llu ", key,
			 (unsigned long long)number);

	memset(value + n, '.', (size_t)(VALUE_LEN - n));
}

static void write_pair(int key, uint64_t number)
{
	struct store_write writes[2];
	char values[2][VALUE_LEN];
	char texts[2][16];

	memset(writes, 0, sizeof(writes));
	for (int i = 0; i < 2; i++) {
		writes[i].key = texts[i];
		writes[i].key_len = make_key(key + i, texts[i]);
		/* Together they come and go. */
		writes[i].is_delete = number % 7 == 0;
		writes[i].value = values[i];
		writes[i].value_len = VALUE_LEN;
		make_value(values[i], key + i, number);
	}
	assert_int_equal(store_apply(store, writes, 2, STORE_NONE), 0);
}

static void write_one(uint64_t *random, uint64_t number)
{
	int key = (int)roll(random, N_KEYS);
	char value[VALUE_LEN];
	char text[16];
	size_t len;

	if (key >= N_KEYS - N_PAIRED) {
		write_pair(key & ~1, number);
		return;
	}
	len = make_key(key, text);
	make_value(value, key, number);
	if (roll(random, 8) == 0)
		assert_int_equal(store_delete(store, text, len, STORE_NONE), 0);
	else
		assert_int_equal(store_put(store, text, len, value, VALUE_LEN,
					   STORE_NONE),
				 0);
}

static void open_all(void)
{
	struct store_options options = { .segment_size = STORE_SEGMENT_MIN };
	struct store_error error;
	char path[512];

	dir = tempdir_new();
	snprintf(path, sizeof(path), "%s/store", dir);
	options.dir = path;
	assert_int_equal(store_open(&options, &store, &error), 0);
	map = index_map(store->index);
}

static void begin(struct reader *reader, int number)
{
	memset(reader, 0, sizeof(*reader));
	reader->random = 88172645463325252 + (uint64_t)number;
	reader->view.map = map;
	reader->view.source.read = read_segment;
	reader->view.source.clock_ms = no_clock;
	reader->view.source.ctx = reader;
	assert_int_equal(
		pthread_create(&reader->thread, NULL, read_all, reader), 0);
}

static void test_readers_see_what_was_written(void **state)
{
	uint64_t random = 4711;
	uint64_t number = 0;

	(void)state;
	open_all();
	for (int i = 0; i < N_READERS; i++)
		begin(&readers[i], i);
	for (int round = 0; round < N_ROUNDS; round++) {
		for (int i = 0; i < WRITES_A_ROUND; i++)
			write_one(&random, ++number);
		assert_int_equal(store_roll(store), 0);
		assert_int_equal(store_compact(store), 0);
	}
	atomic_store(&over, true);
	for (int i = 0; i < N_READERS; i++) {
		struct reader *reader = &readers[i];

		pthread_join(reader->thread, NULL);
		assert_true(reader->n_found > 0);
		assert_true(reader->n_missed > 0);
		assert_true(reader->n_many > 0);
		printf("    # %llu found, %llu missed, %llu of many keys\n",
		       (unsigned long long)reader->n_found,
		       (unsigned long long)reader->n_missed,
		       (unsigned long long)reader->n_many);
		view_buffer_deinit(&reader->buffer);
		direct_map_clear(&reader->segments);
	}
	assert_int_equal(n_failed, 0);
	store_close(store);
	tempdir_free(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_readers_see_what_was_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
