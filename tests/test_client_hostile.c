/*
 * Direct reads over shared memory that holds anything at all: the client lives,
 * ends, and never takes bytes for a value that do not check.
 *
 * This program stands in for client/direct_attach.c: descriptors come from the
 * test, whose memory a thread scribbles over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above */
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/direct_internal.h"
#include "tests/support/shared_store.h"
#include "tests/support/tempdir.h"

enum {
	N_KEYS = 2000,
	VALUE_LEN = 100,
	N_READS = 60000,  /* while the thread scribbles */
	SCRIBBLES = 2000, /* between two pauses of it */
};

static struct shared_store store;
static uint8_t *saved[SHARED_BLOCKS]; /* what was in its blocks at first */
static struct getme *handle;
static int peer;
static char keys[N_KEYS][16];
static atomic_bool over;

/* ---- in the place of client/direct_attach.c ---- */

static int copy_of(int block)
{
	return dup(store.blocks[block].fd);
}

int direct_attach_index(struct direct *direct)
{
	return direct_map_add_header(&direct->map, copy_of(SHARED_HEADER));
}

int direct_attach_chunk(struct direct *direct, enum index_family family,
			unsigned int number)
{
	const int first =
		family == INDEX_PRIMARY ? SHARED_PRIMARY : SHARED_OVERFLOW;

	if (direct->n_asks++ >= DIRECT_ASKS_MAX)
		return -ENOTCONN;
	if (number >= SHARED_CHUNKS)
		return -ENODATA;
	return direct_map_add_chunk(&direct->map, family, number,
				    copy_of(first + (int)number));
}

int direct_attach_segment(struct direct *direct, uint32_t low)
{
	if (direct->n_asks++ >= DIRECT_ASKS_MAX)
		return -ENOTCONN;
	if (low < 1 || low > SHARED_SEGMENTS)
		return -ENODATA;
	return direct_map_add_segment(&direct->map, SHARED_ID_BASE + low,
				      copy_of(SHARED_SEGMENT + (int)low - 1));
}

/* ---- a store ---- */

static void save(void)
{
	for (int i = 0; i < SHARED_BLOCKS; i++) {
		const struct shared_block *block = &store.blocks[i];

		saved[i] = malloc(block->len);
		assert_non_null(saved[i]);
		memcpy(saved[i], block->memory, block->len);
	}
}

static void restore(void)
{
	for (int i = 0; i < SHARED_BLOCKS; i++)
		memcpy(store.blocks[i].memory, saved[i], store.blocks[i].len);
}

static void fill_value(int number, char value[VALUE_LEN])
{
	for (int i = 0; i < VALUE_LEN; i++)
		value[i] = (char)(number * 7 + i * 13 + number / 256);
}

static void add_key(int number)
{
	char value[VALUE_LEN];
	const struct maker_entry entry = { .key = keys[number],
					   .value = value,
					   .value_len = sizeof(value),
					   .sequence = (uint64_t)number + 1 };

	snprintf(keys[number], sizeof(keys[number]), "key %d", number);
	fill_value(number, value);
	shared_store_put(&store, (unsigned int)number % SHARED_SEGMENTS + 1,
			 &entry, 0);
}

static struct digest digest_of_key(int number)
{
	return shared_digest(keys[number], strlen(keys[number]));
}

static void make_store(void)
{
	shared_store_init(&store);
	for (int i = 0; i < N_KEYS; i++)
		add_key(i);
	shared_store_publish(&store);
	save();
}

static int set_up(void **state)
{
	const struct socket_path path = { .text = "" };
	int pair[2];

	make_store();
	handle = handle_new(&path, -1);
	assert_non_null(handle);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	transport_adopt(&handle->transport, pair[0]);
	peer = pair[1];
	handle->n_connections = 1;
	handle->may_attach = true;
	handle->direct = direct_new(*(const enum getme_direct *)*state);
	assert_non_null(handle->direct);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	getme_close(handle);
	close(peer);
	for (int i = 0; i < SHARED_BLOCKS; i++)
		free(saved[i]);
	shared_store_deinit(&store);
	return 0;
}

static int get(int number, struct getme_value *value)
{
	return direct_get(handle, METHOD_GET, keys[number],
			  strlen(keys[number]), value);
}

static void check_value(int number, const struct getme_value *value)
{
	char expected[VALUE_LEN];

	fill_value(number, expected);
	assert_int_equal(value->len, VALUE_LEN);
	assert_memory_equal(value->data, expected, VALUE_LEN);
}

static void test_what_is_whole_is_read(void **state)
{
	struct getme_value value;

	(void)state;
	for (int i = 0; i < N_KEYS; i++) {
		assert_int_equal(get(i, &value), 0);
		check_value(i, &value);
	}
}

/* An entry may last for longer than the caller's number can tell. */
static void test_a_time_too_far_away_is_the_last_one(void **state)
{
	const struct maker_entry entry = { .key = "lasting",
					   .value = "value",
					   .sequence = N_KEYS + 1,
					   .expires_at_ms = UINT64_MAX };
	const struct getme_bytes key = { "lasting", 7 };
	struct getme_item item;
	struct getme_value value;

	(void)state;
	shared_store_put(&store, 1, &entry, 0);
	shared_store_publish(&store);
	assert_int_equal(
		direct_get(handle, METHOD_STAT, key.data, key.len, &value), 0);
	assert_true(value.expires_at_ms == INT64_MAX);
	assert_int_equal(direct_get_many(handle, &key, 1, &item), 0);
	assert_true(item.value.expires_at_ms == INT64_MAX);
}

/* A chain that is a circle, for all keys: still every call ends soon. */
static void test_a_chain_without_an_end(void **state)
{
	static struct getme_bytes names[N_KEYS];
	static struct getme_item items[N_KEYS];
	struct getme_value value;

	(void)state;
	for (int c = 0; c < SHARED_CHUNKS; c++) {
		struct shared_block *chunk = &store.blocks[SHARED_PRIMARY + c];
		struct index_primary *bucket = (void *)chunk->memory;

		for (size_t i = 0; i < chunk->len / sizeof(*bucket); i++) {
			bucket[i].next = 1;
			bucket[i].used = 0;
		}
	}
	shared_overflow(&store, 0)->next = 2;
	shared_overflow(&store, 1)->next = 1;
	assert_int_equal(get(1, &value), DIRECT_ELSEWHERE);
	for (int i = 0; i < N_KEYS; i++)
		names[i] = (struct getme_bytes){ keys[i], strlen(keys[i]) };
	assert_int_equal(direct_get_many(handle, names, N_KEYS, items),
			 DIRECT_ELSEWHERE);
}

static void test_a_bucket_that_is_written_for_ever(void **state)
{
	const struct digest digest = digest_of_key(5);
	struct index_primary *bucket = shared_bucket(&store, &digest);
	struct getme_value value;

	(void)state;
	bucket->version = 1;
	assert_int_equal(get(5, &value), DIRECT_ELSEWHERE);
	bucket->version = 2;
	assert_int_equal(get(5, &value), 0);
	check_value(5, &value);
}

/* Where a place leads: beyond the file, to no segment, into the middle. */
static void test_places_that_lead_nowhere(void **state)
{
	static const struct index_place places[] = {
		{ 1, SHARED_SEGMENT_LEN / 8 - 1, 20, 0 },
		{ 1, SHARED_SEGMENT_LEN / 8, 20, 0 },
		{ 1, INDEX_OFF8_MAX, INDEX_LEN8_UNKNOWN, 0xff },
		{ 1, 0, INDEX_LEN8_UNKNOWN - 1, 0 },
		{ 1, 9, 3, 0 },
		{ 0, 8, 20, 0 },
		{ INDEX_SEGMENT_MASK, 8, 20, 0 },
		{ 2, 8, 0, 0 },
		{ 2, 8, INDEX_LEN8_UNKNOWN, 0 },
	};
	const struct digest digest = digest_of_key(0);
	struct index_slot *slot = shared_slot(&store, &digest);
	struct getme_value value;

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		*slot = index_slot_pack(digest.lo, &places[i]);
		/* The last leads to another key, as a digest of two might. */
		assert_int_not_equal(get(0, &value), 0);
	}
}

static void test_an_owner_that_is_gone(void **state)
{
	struct index_header *head = shared_header(&store);
	struct getme_value value;
	const uint32_t words[] = { 0, UINT32_C(0x40000000),
				   UINT32_C(0x40000000) | SHARED_ALIVE,
				   UINT32_C(0x80000000) };

	(void)state;
	assert_int_equal(get(1, &value), 0);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		memcpy(head->owner, &words[i], sizeof(words[i]));
		assert_int_equal(get(1, &value), DIRECT_ELSEWHERE);
	}
	head->owner[0] = SHARED_ALIVE;
	head->owner[3] = 0;
	assert_int_equal(get(1, &value), 0);
	head->closed = 1;
	assert_int_equal(get(1, &value), DIRECT_ELSEWHERE);
}

/* ---- scribbling ---- */

static uint64_t roll(uint64_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random;
}

static uint64_t nasty(uint64_t *random)
{
	switch (roll(random) % 5) {
	case 0:
		return UINT64_MAX;
	case 1:
		return 0;
	case 2:
		return UINT64_C(1) << roll(random) % 64;
	case 3:
		return roll(random) % 4096;
	default:
		return roll(random);
	}
}

static void scribble_over(int number, size_t from, size_t to, uint64_t *random)
{
	uint64_t word = nasty(random);
	size_t at = from + roll(random) % ((to - from) / 8) * 8;

	memcpy(store.blocks[number].memory + at, &word, sizeof(word));
}

static void scribble_once(uint64_t *random)
{
	uint64_t what = roll(random) % 16;
	int chunk = SHARED_PRIMARY + (int)(roll(random) % SHARED_CHUNKS);
	int segment = SHARED_SEGMENT + (int)(roll(random) % SHARED_SEGMENTS);

	if (what == 0) /* the shape; not the owner */
		scribble_over(SHARED_HEADER, 16, 24, random);
	else if (what < 10)
		scribble_over(chunk, 0, store.blocks[chunk].len, random);
	else if (what < 12)
		scribble_over(SHARED_OVERFLOW, 0, 4096, random);
	else
		scribble_over(segment, 0, SHARED_SEGMENT_LEN / 8, random);
}

static void *scribble(void *ctx)
{
	uint64_t random = 88172645463325252;

	(void)ctx;
	while (!atomic_load(&over)) {
		for (int i = 0; i < SCRIBBLES; i++)
			scribble_once(&random);
		restore();
		usleep(200);
	}
	return NULL;
}

static void read_some(uint64_t *random)
{
	struct getme_bytes names[16];
	struct getme_item items[16];
	int first = (int)(roll(random) % (N_KEYS - 16));

	for (int i = 0; i < 16; i++)
		names[i] = (struct getme_bytes){ keys[first + i],
						 strlen(keys[first + i]) };
	if (direct_get_many(handle, names, 16, items) != 0)
		return;
	for (int i = 0; i < 16; i++)
		if (items[i].result == 0)
			check_value(first + i, &items[i].value);
}

static void test_any_bytes_at_any_time(void **state)
{
	uint64_t random = 1234567;
	pthread_t thread;
	int n_found = 0;

	(void)state;
	atomic_store(&over, false);
	assert_int_equal(pthread_create(&thread, NULL, scribble, NULL), 0);
	for (int i = 0; i < N_READS; i++) {
		int number = (int)(roll(&random) % N_KEYS);
		struct getme_value value;

		if (get(number, &value) == 0) {
			check_value(number, &value);
			n_found++;
		}
		if (i % 64 == 0)
			read_some(&random);
	}
	atomic_store(&over, true);
	pthread_join(thread, NULL);
	assert_true(n_found > 0);
}

/* ---- what is no memory of a daemon's ---- */

static void refuse(int fd)
{
	struct direct_map map = { .preads = false };

	assert_true(fd >= 0);
	assert_int_equal(direct_map_add_header(&map, fd), -EPROTO);
	assert_true(fcntl(fd, F_GETFD) < 0 && errno == EBADF);
	direct_map_clear(&map);
}

static int memory_of(size_t len, unsigned int seals)
{
	int fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void test_only_memory_that_cannot_shrink_is_mapped(void **state)
{
	char *dir = tempdir_new();
	char path[256];
	int pipes[2];

	(void)state;
	snprintf(path, sizeof(path), "%s/file", dir);
	/* A file has no seals: whoever owns it can cut it under the map. */
	close(open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600));
	assert_int_equal(truncate(path, INDEX_HEADER_LEN), 0);
	refuse(open(path, O_RDONLY | O_CLOEXEC));
	refuse(open(dir, O_RDONLY | O_CLOEXEC));
	refuse(open("/dev/zero", O_RDONLY | O_CLOEXEC));
	assert_int_equal(pipe(pipes), 0);
	refuse(pipes[0]);
	close(pipes[1]);
	refuse(memory_of(INDEX_HEADER_LEN, 0));
	refuse(memory_of(INDEX_HEADER_LEN, F_SEAL_GROW));
	refuse(memory_of(INDEX_HEADER_LEN - 1, F_SEAL_SHRINK));
	/* And this is no index. */
	refuse(memory_of(INDEX_HEADER_LEN, F_SEAL_SHRINK));
	tempdir_free(dir);
}

#define EACH(name, mode)                                                       \
	{                                                                      \
#name " (" #mode ")", name, set_up, tear_down,                 \
			(void *)(uintptr_t)&mode                               \
	}
#define BOTH(name) EACH(name, mapped), EACH(name, pread_mode)

int main(void)
{
	static const enum getme_direct mapped = GETME_DIRECT_AUTO;
	static const enum getme_direct pread_mode = GETME_DIRECT_PREAD;
	const struct CMUnitTest tests[] = {
		BOTH(test_what_is_whole_is_read),
		BOTH(test_a_time_too_far_away_is_the_last_one),
		BOTH(test_a_chain_without_an_end),
		BOTH(test_a_bucket_that_is_written_for_ever),
		BOTH(test_places_that_lead_nowhere),
		BOTH(test_an_owner_that_is_gone),
		BOTH(test_any_bytes_at_any_time),
		cmocka_unit_test(test_only_memory_that_cannot_shrink_is_mapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
