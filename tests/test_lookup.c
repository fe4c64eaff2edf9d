#include "common/lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/index.h"

/* ---- helpers ---- */

static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static uint64_t seed;

/* GETME_SEED repeats a run. */
static void start_random(void)
{
	const char *text = getenv("GETME_SEED");

	seed = text ? strtoull(text, NULL, 0) : 20240607;
	printf("# seed %llu\n", (unsigned long long)seed);
}

static struct digest digest_nr(uint64_t i)
{
	struct digest digest = {
		.lo = mix(i * 2 + seed),
		.hi = (uint32_t)mix(i * 2 + 1 + seed),
	};

	return digest;
}

/* In the same bucket as every other one, whatever the table's size. */
static struct digest crowded_nr(uint64_t i)
{
	struct digest digest = digest_nr(i);

	digest.lo = (digest.lo & ~UINT64_C(0xfffffff)) | 0xabcdef;
	return digest;
}

/* Every member tells the number: a mixture of two places is noticed. */
static struct index_place place_nr(uint64_t i)
{
	struct index_place place = {
		.segment = i & INDEX_SEGMENT_MASK,
		.off8 = (i * 5 + 1) & INDEX_OFF8_MAX,
		.len8 = (i * 3 + 2) & INDEX_LEN8_UNKNOWN,
	};

	return place;
}

static bool is_whole(const struct index_place *place)
{
	struct index_place whole = place_nr(place->segment);

	return whole.off8 == place->off8 && whole.len8 == place->len8;
}

static struct index *new_index(void)
{
	const struct index_options options = { .secret = "0123456789abcde" };
	struct index *index = NULL;

	assert_int_equal(index_new(&options, &index), 0);
	return index;
}

static void put(struct index *index, struct digest digest, uint64_t i)
{
	struct index_place place = place_nr(i);
	struct index_place old;

	assert_true(index_put(index, &digest, &place, &old) >= 0);
}

static int look(const struct index *index, struct digest digest,
		struct lookup_stamp *stamp)
{
	struct index_place place;

	return lookup_find(index_map(index), &digest, &place, stamp);
}

static void assert_found(const struct lookup_map *map, struct digest digest,
			 uint64_t i)
{
	struct index_place expected = place_nr(i);
	struct index_place place;
	struct lookup_stamp stamp;

	assert_int_equal(lookup_find(map, &digest, &place, &stamp), 0);
	assert_true(lookup_still(&stamp));
	assert_int_equal(place.segment, expected.segment);
	assert_int_equal(place.off8, expected.off8);
	assert_int_equal(place.len8, expected.len8);
	assert_int_equal(place.flags, expected.flags);
}

/* ---- a table that grows with every few keys more, for several tests ---- */

enum {
	N_READERS = 2,
	N_ALWAYS = 4000, /* 0 and up: there all the time, moved about */
	N_PAIRS = 64,	 /* two keys that each batch changes together */
	N_CHURN = 2000,	 /* come and go */
	N_FILL = 748000, /* never changed; 65,536 buckets hold 747,110 */
	PAIRS_FROM = 1000000,
	CHURN_FROM = 2000000,
	NEVER_FROM = 3000000,
	FILL_FROM = 4000000,
	MORE_FROM = 6000000,
	CROWD = 100, /* of the always and the pair keys, in one long chain */
};

static struct index *big;
static uint64_t n_more;

static struct digest race_digest(uint64_t i)
{
	return i % 1000000 < CROWD && i < CHURN_FROM ? crowded_nr(i)
						     : digest_nr(i);
}

static int make_big(void **state)
{
	(void)state;
	start_random();
	big = new_index();
	for (uint64_t i = 0; i < N_ALWAYS; i++)
		put(big, race_digest(i), i);
	for (uint64_t i = 0; i < N_FILL; i++)
		put(big, digest_nr(FILL_FROM + i), i);
	return 0;
}

static int free_big(void **state)
{
	(void)state;
	index_free(big);
	return 0;
}

static uint64_t n_buckets_of(const struct index *index)
{
	return index_map(index)->header->n_buckets;
}

static void put_more(void)
{
	put(big, digest_nr(MORE_FROM + n_more), n_more);
	n_more++;
}

/* ---- one thread ---- */

static void test_finds_what_the_writer_put(void **state)
{
	struct index *index = new_index();
	const struct lookup_map *map = index_map(index);
	struct lookup_stamp stamp;

	(void)state;
	for (uint64_t i = 0; i < 2000; i++)
		put(index, i % 8 ? digest_nr(i) : crowded_nr(i), i);
	for (uint64_t i = 0; i < 2000; i++) {
		assert_found(map, i % 8 ? digest_nr(i) : crowded_nr(i), i);
		assert_int_equal(look(index, digest_nr(i + 5000), &stamp),
				 LOOKUP_NOT_FOUND);
		assert_int_equal(look(index, crowded_nr(i + 5000), &stamp),
				 LOOKUP_NOT_FOUND);
	}
	index_free(index);
}

static void test_stamp_tells_of_changes_of_its_key_only(void **state)
{
	struct index *index = new_index();
	struct digest digest = digest_nr(1);
	struct index_place place = place_nr(1);
	struct index_place other = place_nr(2);
	struct index_place old;
	struct lookup_stamp stamp;

	(void)state;
	assert_int_equal(look(index, digest, &stamp), LOOKUP_NOT_FOUND);
	put(index, digest_nr(2), 2);
	assert_true(lookup_still(&stamp));
	put(index, digest, 1);
	assert_false(lookup_still(&stamp));

	assert_int_equal(look(index, digest, &stamp), 0);
	assert_int_equal(index_move(index, &digest, &other, &place),
			 INDEX_NOT_FOUND);
	assert_true(lookup_still(&stamp));
	assert_int_equal(index_move(index, &digest, &place, &other), 0);
	assert_false(lookup_still(&stamp));

	assert_int_equal(look(index, digest, &stamp), 0);
	assert_int_equal(index_remove(index, &digest, &old), 0);
	assert_false(lookup_still(&stamp));
	assert_int_equal(look(index, digest, &stamp), LOOKUP_NOT_FOUND);
	index_free(index);
}

static void test_batch_shows_nothing_until_its_end(void **state)
{
	struct index *index = new_index();
	struct digest digests[3];
	struct lookup_stamp stamps[3];
	struct lookup_stamp stamp;

	(void)state;
	for (uint64_t i = 0; i < 3; i++) {
		digests[i] = i < 2 ? digest_nr(i) : crowded_nr(1);
		put(index, digests[i], i);
	}
	digests[2] = digests[0]; /* a key twice */
	put(index, digest_nr(9), 9);
	for (int i = 0; i < 3; i++)
		assert_int_equal(look(index, digests[i], &stamps[i]), 0);
	assert_int_equal(index_reserve(index, digests, 3, 0), 0);
	index_begin(index, digests, 3);
	for (uint64_t i = 0; i < 3; i++) {
		assert_false(lookup_still(&stamps[i]));
		assert_int_equal(look(index, digests[i], &stamp), LOOKUP_BUSY);
		put(index, digests[i], 100 + i);
		assert_int_equal(look(index, digests[i], &stamp), LOOKUP_BUSY);
		assert_found(index_map(index), digest_nr(9), 9);
	}
	index_end(index);
	for (int i = 0; i < 3; i++)
		assert_false(lookup_still(&stamps[i]));
	assert_found(index_map(index), digests[0], 102);
	assert_found(index_map(index), digests[1], 101);
	assert_found(index_map(index), crowded_nr(1), 2);
	index_free(index);
}

static void test_growth_disturbs_only_the_split_bucket(void **state)
{
	enum { WATCHED = 20000 };
	static struct lookup_stamp stamps[WATCHED];
	uint64_t before = n_buckets_of(big);
	uint64_t after;
	uint64_t n_split = 0;
	uint64_t n_disturbed = 0;

	(void)state;
	assert_true(before > INDEX_BUCKETS_MIN);
	for (uint64_t i = 0; i < WATCHED; i++)
		assert_int_equal(
			look(big, digest_nr(FILL_FROM + i), &stamps[i]), 0);
	for (int i = 0; i < 200; i++)
		put_more();
	after = n_buckets_of(big);
	assert_true(after >= before + 10);
	for (uint64_t i = 0; i < WATCHED; i++) {
		uint64_t low =
			digest_nr(FILL_FROM + i).lo & (INDEX_BUCKETS_MIN - 1);
		bool split = low >= before - INDEX_BUCKETS_MIN &&
			     low < after - INDEX_BUCKETS_MIN;

		n_split += split;
		n_disturbed += !lookup_still(&stamps[i]);
		assert_true(!split || !lookup_still(&stamps[i]));
	}
	assert_true(n_split > 0);
	assert_true(n_disturbed < WATCHED / 50);
}

static void test_closed_shows(void **state)
{
	struct index *index = new_index();

	(void)state;
	assert_false(lookup_closed(index_map(index)));
	index_close(index);
	assert_true(lookup_closed(index_map(index)));
	index_free(index);
}

/* ---- as another process would ---- */

/* A description of its own, that can be read only. */
static const void *map_readonly(int fd, uint64_t len)
{
	char path[64];
	void *base;
	int own;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(own >= 0);
	base = mmap(NULL, len, PROT_READ, MAP_SHARED, own, 0);
	assert_ptr_not_equal(base, MAP_FAILED);
	close(own);
	return base;
}

static void unmap(const void *base, uint64_t len)
{
	munmap((void *)(uintptr_t)base, len);
}

static void unmap_all(struct lookup_map *map)
{
	for (int f = 0; f < INDEX_N_FAMILIES; f++) {
		for (unsigned i = 0; i < INDEX_CHUNKS_MAX; i++) {
			if (map->chunks[f][i])
				unmap(map->chunks[f][i], index_chunk_len(i));
		}
	}
	unmap(map->header, INDEX_HEADER_LEN);
}

static void test_chunks_are_mapped_as_they_are_needed(void **state)
{
	enum { N = 5000 };
	struct index *index = new_index();
	struct lookup_map map;
	unsigned n_mapped = 0;

	(void)state;
	for (uint64_t i = 0; i < N; i++)
		put(index, i % 64 ? digest_nr(i) : crowded_nr(i), i);
	assert_int_equal(lookup_init(&map, map_readonly(index_header_fd(index),
							INDEX_HEADER_LEN)),
			 0);
	assert_memory_equal(map.header->secret, "0123456789abcde",
			    DIGEST_SECRET_LEN);
	for (uint64_t i = 0; i < N;) {
		struct digest digest = i % 64 ? digest_nr(i) : crowded_nr(i);
		struct index_place place;
		struct lookup_stamp stamp;
		bool used;
		int rc = lookup_find(&map, &digest, &place, &stamp);

		if (rc == 0) {
			assert_int_equal(place.segment, i);
			i++;
			continue;
		}
		assert_int_equal(rc, LOOKUP_NEED_CHUNK);
		assert_int_equal(
			lookup_add_chunk(
				&map, stamp.family, stamp.chunk,
				map_readonly(index_chunk_fd(index, stamp.family,
							    stamp.chunk),
					     index_chunk_len(stamp.chunk)),
				&used),
			0);
		assert_true(used);
		n_mapped++;
	}
	assert_int_equal(n_mapped, 6);
	assert_int_equal(index_chunk_fd(index, INDEX_PRIMARY, 5), -ENOENT);
	assert_int_equal(index_chunk_fd(index, INDEX_N_FAMILIES, 0), -ENOENT);
	unmap_all(&map);
	index_free(index);
}

static void test_added_chunk_is_used_once_and_checked(void **state)
{
	static const struct index_header header = { .magic = INDEX_MAGIC,
						    .layout = INDEX_LAYOUT };
	static struct lookup_map map;
	char a;
	char b;
	bool used = false;

	(void)state;
	assert_int_equal(lookup_init(&map, &header), 0);
	assert_int_equal(lookup_add_chunk(&map, INDEX_OVERFLOW, 3, &a, &used),
			 0);
	assert_true(used);
	assert_int_equal(lookup_add_chunk(&map, INDEX_OVERFLOW, 3, &b, &used),
			 0);
	assert_false(used);
	assert_ptr_equal(map.chunks[INDEX_OVERFLOW][3], &a);
	assert_int_equal(lookup_add_chunk(&map, INDEX_PRIMARY, INDEX_CHUNKS_MAX,
					  &a, &used),
			 -EINVAL);
	assert_int_equal(lookup_add_chunk(&map, INDEX_N_FAMILIES, 0, &a, &used),
			 -EINVAL);
}

static void test_other_layouts_are_refused(void **state)
{
	struct index_header header = { .magic = INDEX_MAGIC,
				       .layout = INDEX_LAYOUT + 1 };
	static struct lookup_map map;

	(void)state;
	assert_int_equal(lookup_init(&map, &header), -EPROTO);
	header.layout = INDEX_LAYOUT;
	header.magic ^= 1;
	assert_int_equal(lookup_init(&map, &header), -EPROTO);
	header.magic ^= 1;
	assert_int_equal(lookup_init(&map, &header), 0);
}

static void assert_read_only(int fd, uint64_t len)
{
	char path[64];
	int own;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, O_RDWR | O_CLOEXEC);
	assert_true(own >= 0);
	assert_ptr_equal(
		mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, own, 0),
		MAP_FAILED);
	assert_int_equal(pwrite(own, "x", 1, 0), -1);
	assert_int_equal(ftruncate(own, 0), -1);
	assert_int_equal(ftruncate(own, (off_t)len * 2), -1);
	assert_int_equal(fallocate(own,
				   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				   0, 4096),
			 -1);
	close(own);
}

static void test_a_descriptor_gives_no_right_to_write(void **state)
{
	struct index *index = new_index();
	struct index_stats stats;

	(void)state;
	index_stats(index, &stats);
	if (!stats.sealed) {
		printf("# skipped: this kernel has no F_SEAL_FUTURE_WRITE\n");
		index_free(index);
		skip();
	}
	put(index, digest_nr(1), 1);
	assert_read_only(index_header_fd(index), INDEX_HEADER_LEN);
	for (unsigned i = 0; i < 5; i++)
		assert_read_only(index_chunk_fd(index, INDEX_PRIMARY, i),
				 index_chunk_len(i));
	assert_read_only(index_chunk_fd(index, INDEX_OVERFLOW, 0),
			 index_chunk_len(0));
	assert_found(index_map(index), digest_nr(1), 1);
	index_free(index);
}

/* ---- a writer that comes in the middle of a lookup ---- */

/*
 * A reader's chunk is made unreadable; the fault, at the first byte that the
 * reader wants of it, is where the writer does its work.
 */
static struct {
	const void *base;
	uint64_t len;
	int prot; /* once it is sprung */
	void (*change)(void);
	int n_faults;
} trap;

static void spring(int signal)
{
	(void)signal;
	mprotect((void *)(uintptr_t)trap.base, trap.len, trap.prot);
	trap.n_faults++;
	trap.change();
}

static int find_with_a_trap(const struct lookup_map *map, struct digest digest,
			    enum index_family family, unsigned chunk,
			    void (*change)(void))
{
	struct sigaction action = { .sa_handler = spring };
	struct sigaction before;
	struct index_place place;
	struct lookup_stamp stamp;
	int rc;

	trap.base = map->chunks[family][chunk];
	trap.len = index_chunk_len(chunk);
	trap.prot = PROT_READ;
	trap.change = change;
	trap.n_faults = 0;
	assert_int_equal(sigaction(SIGSEGV, &action, &before), 0);
	assert_int_equal(
		mprotect((void *)(uintptr_t)trap.base, trap.len, PROT_NONE), 0);
	rc = lookup_find(map, &digest, &place, &stamp);
	assert_int_equal(sigaction(SIGSEGV, &before, NULL), 0);
	assert_int_equal(trap.n_faults, 1);
	return rc;
}

static void map_all(struct lookup_map *map, const struct index *index)
{
	assert_int_equal(lookup_init(map, map_readonly(index_header_fd(index),
						       INDEX_HEADER_LEN)),
			 0);
	for (int f = 0; f < INDEX_N_FAMILIES; f++) {
		for (unsigned i = 0; index_chunk_fd(index, f, i) >= 0; i++) {
			bool used;

			assert_int_equal(
				lookup_add_chunk(
					map, f, i,
					map_readonly(
						index_chunk_fd(index, f, i),
						index_chunk_len(i)),
					&used),
				0);
		}
	}
}

static void split_once(void)
{
	uint64_t n_buckets = n_buckets_of(big);

	while (n_buckets_of(big) == n_buckets)
		put_more();
}

/* A key of BUCKET that moves when it is split. */
static struct digest moving_from(uint64_t bucket)
{
	const uint64_t mask = 2 * INDEX_BUCKETS_MIN - 1;
	uint64_t i = FILL_FROM;

	while ((digest_nr(i).lo & mask) != (bucket | INDEX_BUCKETS_MIN)) {
		assert_true(i < FILL_FROM + N_FILL);
		i++;
	}
	return digest_nr(i);
}

/* Between the shape's load and the bucket's, the key moves elsewhere. */
static void test_split_between_shape_and_bucket_loses_no_key(void **state)
{
	static struct lookup_map map;
	uint64_t bucket = n_buckets_of(big) - INDEX_BUCKETS_MIN;
	uint64_t pos = bucket * sizeof(struct index_primary);
	uint64_t chunk_off;

	(void)state;
	map_all(&map, big);
	assert_int_equal(
		find_with_a_trap(&map, moving_from(bucket), INDEX_PRIMARY,
				 index_chunk_of(pos, &chunk_off), split_once),
		0);
	assert_true(n_buckets_of(big) > bucket + INDEX_BUCKETS_MIN);
	unmap_all(&map);
}

static struct digest moving;
static int result_in_the_middle;

static void look_for_the_moving(void)
{
	struct lookup_stamp stamp;

	result_in_the_middle = look(big, moving, &stamp);
}

#if defined(__SANITIZE_THREAD__)
#define THREAD_CHECKER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_CHECKER 1
#endif
#endif
#ifndef THREAD_CHECKER
#define THREAD_CHECKER 0
#endif

/* Here the writer is trapped: at its store of the shape. */
static void test_shape_changes_while_the_split_bucket_is_busy(void **state)
{
	struct sigaction action = { .sa_handler = spring };
	struct sigaction before;
	struct lookup_stamp stamp;

	(void)state;
	if (THREAD_CHECKER) {
		printf("# skipped: ThreadSanitizer holds a lock of its own "
		       "while a store faults\n");
		skip();
	}
	moving = moving_from(n_buckets_of(big) - INDEX_BUCKETS_MIN);
	trap.base = index_header(big);
	trap.len = INDEX_HEADER_LEN;
	trap.prot = PROT_READ | PROT_WRITE;
	trap.change = look_for_the_moving;
	trap.n_faults = 0;
	assert_int_equal(sigaction(SIGSEGV, &action, &before), 0);
	assert_int_equal(mprotect(index_header(big), trap.len, PROT_READ), 0);
	split_once();
	assert_int_equal(sigaction(SIGSEGV, &before, NULL), 0);
	assert_int_equal(trap.n_faults, 1);
	assert_int_equal(result_in_the_middle, LOOKUP_BUSY);
	assert_int_equal(look(big, moving, &stamp), 0);
}

static struct index *crowd;

static void remove_the_first(void)
{
	struct digest digest = crowded_nr(0);
	struct index_place old;

	assert_int_equal(index_remove(crowd, &digest, &old), 0);
}

/* The key that is looked for moves to where the reader has been. */
static void test_slot_that_moves_within_its_chain_is_not_missed(void **state)
{
	enum { N = 14 };
	static struct lookup_map map;

	(void)state;
	crowd = new_index();
	for (uint64_t i = 0; i < N; i++)
		put(crowd, crowded_nr(i), i);
	map_all(&map, crowd);
	assert_int_equal(find_with_a_trap(&map, crowded_nr(N - 1),
					  INDEX_OVERFLOW, 0, remove_the_first),
			 0);
	unmap_all(&map);
	index_free(crowd);
}

static void put_the_missing(void)
{
	put(crowd, crowded_nr(99), 99);
}

/* A miss that was true when it began: found, or true at one instant. */
static void test_miss_is_not_told_of_a_key_put_meanwhile(void **state)
{
	static struct lookup_map map;
	struct digest digest = crowded_nr(0);
	struct index_place old;

	(void)state;
	crowd = new_index();
	for (uint64_t i = 0; i < 14; i++)
		put(crowd, crowded_nr(i), i);
	assert_int_equal(index_remove(crowd, &digest, &old), 0);
	map_all(&map, crowd);
	assert_int_equal(find_with_a_trap(&map, crowded_nr(99), INDEX_OVERFLOW,
					  0, put_the_missing),
			 0);
	unmap_all(&map);
	index_free(crowd);
}

/* ---- a hostile or broken writer ---- */

/* On the heap, each of its exact length, so that a checker sees overruns. */
struct fake {
	struct lookup_map map;
	struct index_header *header;
	unsigned char *primary[5];
	struct index_overflow *overflow;
	size_t n_overflow;
};

static void fake_init(struct fake *fake)
{
	bool used;

	fake->header = calloc(1, INDEX_HEADER_LEN);
	assert_non_null(fake->header);
	fake->header->magic = INDEX_MAGIC;
	fake->header->layout = INDEX_LAYOUT;
	fake->header->n_buckets = INDEX_BUCKETS_MIN;
	assert_int_equal(lookup_init(&fake->map, fake->header), 0);
	for (unsigned i = 0; i < 5; i++) {
		fake->primary[i] = calloc(1, index_chunk_len(i));
		assert_non_null(fake->primary[i]);
		assert_int_equal(lookup_add_chunk(&fake->map, INDEX_PRIMARY, i,
						  fake->primary[i], &used),
				 0);
	}
	fake->n_overflow = index_chunk_len(0) / sizeof(*fake->overflow);
	fake->overflow = calloc(1, index_chunk_len(0));
	assert_non_null(fake->overflow);
	assert_int_equal(lookup_add_chunk(&fake->map, INDEX_OVERFLOW, 0,
					  fake->overflow, &used),
			 0);
}

static void fake_deinit(struct fake *fake)
{
	for (unsigned i = 0; i < 5; i++)
		free(fake->primary[i]);
	free(fake->overflow);
	free(fake->header);
}

static struct index_primary *fake_bucket(struct fake *fake, uint64_t bucket)
{
	uint64_t off;
	unsigned chunk =
		index_chunk_of(bucket * sizeof(struct index_primary), &off);

	return (void *)(fake->primary[chunk] + off);
}

static void fill_with_noise(void *bytes, uint64_t len, uint64_t from)
{
	uint64_t *words = bytes;

	for (uint64_t i = 0; i < len / sizeof(*words); i++)
		words[i] = mix(from + i);
}

static void test_noise_in_shared_memory_is_survived(void **state)
{
	struct fake fake;
	uint64_t n_results[4] = { 0 };

	(void)state;
	fake_init(&fake);
	for (unsigned i = 0; i < 5; i++)
		fill_with_noise(fake.primary[i], index_chunk_len(i),
				seed + i * (UINT64_C(1) << 40));
	fill_with_noise(fake.overflow, index_chunk_len(0), ~seed);
	for (uint64_t b = 0; b < INDEX_BUCKETS_MIN; b++) {
		struct index_primary *bucket = fake_bucket(&fake, b);

		bucket->version &= b % 16 ? ~UINT32_C(1) : ~UINT32_C(0);
		if (b % 4)
			bucket->next %= fake.n_overflow * 2;
		if (b % 32 == 0)
			bucket->next = 0;
	}
	for (size_t i = 0; i < fake.n_overflow; i++) {
		if (i % 4)
			fake.overflow[i].next %= fake.n_overflow + i % 16;
	}
	for (uint64_t i = 0; i < 60000; i++) {
		struct digest digest = digest_nr(i);
		struct index_place place;
		struct lookup_stamp stamp;
		uint64_t b;
		int rc;

		b = index_bucket_of(digest.lo, INDEX_BUCKETS_MIN);
		if (i % 8 == 0) {
			/* A tag that matches, and now and then a slot. */
			digest.hi = fake_bucket(&fake, b)->tags[i / 8 % 12];
			digest.lo = index_slot_lo(
				fake_bucket(&fake, b)->slots[i / 8 % 12], b);
		}
		lookup_prefetch(&fake.map, &digest);
		lookup_prefetch_slot(&fake.map, &digest);
		lookup_prefetch_all(&fake.map, &digest);
		rc = lookup_find(&fake.map, &digest, &place, &stamp);
		assert_in_range(rc, 0, LOOKUP_NEED_CHUNK);
		n_results[rc]++;
		if (rc == LOOKUP_NEED_CHUNK) {
			assert_int_equal(stamp.family, INDEX_OVERFLOW);
			assert_in_range(stamp.chunk, 1, INDEX_CHUNKS_MAX - 1);
		}
	}
	for (int i = 0; i < 4; i++)
		assert_true(n_results[i] > 0);
	fake_deinit(&fake);
}

static void test_every_shape_is_survived(void **state)
{
	struct fake fake;

	(void)state;
	fake_init(&fake);
	for (unsigned i = 0; i < 64 * 3; i++) {
		uint64_t shape = (UINT64_C(1) << i / 3) + i % 3 - 1;

		fake.header->n_buckets = shape;
		for (uint64_t k = 0; k < 100; k++) {
			struct digest digest = digest_nr(k + i * 1000);
			struct index_place place;
			struct lookup_stamp stamp;
			int rc =
				lookup_find(&fake.map, &digest, &place, &stamp);

			lookup_prefetch(&fake.map, &digest);
			lookup_prefetch_slot(&fake.map, &digest);
			lookup_prefetch_all(&fake.map, &digest);
			if (shape < INDEX_BUCKETS_MIN ||
			    shape > INDEX_BUCKETS_MAX) {
				assert_int_equal(rc, LOOKUP_BUSY);
				continue;
			}
			assert_true(rc == LOOKUP_NOT_FOUND ||
				    rc == LOOKUP_NEED_CHUNK);
			if (rc == LOOKUP_NEED_CHUNK)
				assert_in_range(stamp.chunk, 5,
						INDEX_CHUNKS_MAX - 1);
		}
	}
	fake_deinit(&fake);
}

static void test_endless_and_wild_chains_end(void **state)
{
	struct fake fake;
	struct digest digest = { .lo = 0, .hi = 1 };
	struct index_place place;
	struct lookup_stamp stamp;

	(void)state;
	fake_init(&fake);
	fake_bucket(&fake, 0)->next = 8;
	fake.overflow[7].next = 8;
	assert_int_equal(lookup_find(&fake.map, &digest, &place, &stamp),
			 LOOKUP_BUSY);
	fake.overflow[7].next = 1;
	fake.overflow[0].next = 8;
	assert_int_equal(lookup_find(&fake.map, &digest, &place, &stamp),
			 LOOKUP_BUSY);
	fake.overflow[0].next = UINT32_MAX;
	assert_int_equal(lookup_find(&fake.map, &digest, &place, &stamp),
			 LOOKUP_BUSY);
	fake.overflow[0].next = (uint32_t)(INDEX_FAMILY_LEN / 128);
	assert_int_equal(lookup_find(&fake.map, &digest, &place, &stamp),
			 LOOKUP_NEED_CHUNK);
	assert_int_equal(stamp.family, INDEX_OVERFLOW);
	assert_int_equal(stamp.chunk, INDEX_CHUNKS_MAX - 1);
	fake.overflow[0].next = (uint32_t)(INDEX_FAMILY_LEN / 128) + 1;
	assert_int_equal(lookup_find(&fake.map, &digest, &place, &stamp),
			 LOOKUP_BUSY);
	fake.overflow[0].next = 0;
	assert_int_equal(lookup_find(&fake.map, &digest, &place, &stamp),
			 LOOKUP_NOT_FOUND);
	fake_bucket(&fake, 0)->version = 1;
	assert_int_equal(lookup_find(&fake.map, &digest, &place, &stamp),
			 LOOKUP_BUSY);
	fake_deinit(&fake);
}

/* ---- readers in threads, while the writer works ---- */

struct race {
	struct index *index;
	int stop;
	int failed;
	uint64_t n_answers;
	uint64_t n_busy;
	uint64_t n_repeated;
};

static bool stopped(const struct race *race)
{
	return __atomic_load_n(&race->stop, __ATOMIC_RELAXED);
}

static void fail_race(struct race *race, const char *what)
{
	if (!__atomic_exchange_n(&race->failed, 1, __ATOMIC_RELAXED))
		printf("# failed: %s\n", what);
}

/* Busy is an answer like "ask the daemon": a test asks again. */
static int race_find(struct race *race, uint64_t i, struct index_place *place,
		     struct lookup_stamp *stamp)
{
	struct digest digest = race_digest(i);
	uint64_t n_busy = 0;
	int rc;

	for (;;) {
		rc = lookup_find(index_map(race->index), &digest, place, stamp);
		if (rc != LOOKUP_BUSY || stopped(race))
			break;
		n_busy++;
		sched_yield();
	}
	__atomic_fetch_add(&race->n_busy, n_busy, __ATOMIC_RELAXED);
	__atomic_fetch_add(&race->n_answers, 1, __ATOMIC_RELAXED);
	if (rc == 0 && !is_whole(place))
		fail_race(race, "a place in pieces");
	if (rc == LOOKUP_NEED_CHUNK)
		fail_race(race, "a chunk is missing");
	return rc;
}

/* Both keys as of one instant: of one generation, or both away. */
static void check_pair(struct race *race, uint64_t pair)
{
	uint64_t i = PAIRS_FROM + pair * 2;

	while (!stopped(race)) {
		struct index_place places[2];
		struct lookup_stamp stamps[2];
		int rc[2];

		for (unsigned k = 0; k < 2; k++)
			rc[k] = race_find(race, i + k, &places[k], &stamps[k]);
		if (stopped(race))
			return;
		if (!lookup_still(&stamps[0]) || !lookup_still(&stamps[1])) {
			__atomic_fetch_add(&race->n_repeated, 1,
					   __ATOMIC_RELAXED);
			continue;
		}
		if (rc[0] != rc[1] ||
		    (rc[0] == 0 && places[0].segment != places[1].segment))
			fail_race(race, "half a batch");
		return;
	}
}

static void *reader(void *arg)
{
	struct race *race = arg;
	struct index_place place;
	struct lookup_stamp stamp;
	uint64_t state = mix((uintptr_t)&state);

	while (!stopped(race)) {
		int rc;

		state = mix(state);
		rc = race_find(race, state % N_ALWAYS, &place, &stamp);
		if (rc == LOOKUP_NOT_FOUND)
			fail_race(race, "a key that is there was not found");
		rc = race_find(race, NEVER_FROM + (state >> 20) % N_ALWAYS,
			       &place, &stamp);
		if (rc == 0)
			fail_race(race, "a key that never was was found");
		(void)race_find(race, CHURN_FROM + (state >> 30) % N_CHURN,
				&place, &stamp);
		check_pair(race, (state >> 40) % N_PAIRS);
	}
	return NULL;
}

static void change_pairs(struct index *index, uint64_t generation)
{
	struct digest digests[16];
	struct index_place place = place_nr(generation);
	struct index_place old;
	bool removes = generation % 5 == 0;

	for (uint64_t k = 0; k < 8; k++) {
		uint64_t pair = (generation * 8 + k) % N_PAIRS;

		digests[k * 2] = race_digest(PAIRS_FROM + pair * 2);
		digests[k * 2 + 1] = race_digest(PAIRS_FROM + pair * 2 + 1);
	}
	assert_int_equal(index_reserve(index, digests, 16, 0), 0);
	index_begin(index, digests, 16);
	for (int k = 0; k < 16; k++) {
		if (removes)
			(void)index_remove(index, &digests[k], &old);
		else
			(void)index_put(index, &digests[k], &place, &old);
	}
	index_end(index);
}

static void move_one(struct index *index, uint64_t i, uint64_t generation)
{
	struct digest digest = race_digest(i);
	struct index_place to = place_nr(generation);
	struct index_place from;

	assert_int_equal(index_get(index, &digest, &from), 0);
	assert_int_equal(index_move(index, &digest, &from, &to), 0);
}

static void churn_one(struct index *index, uint64_t i, uint64_t generation)
{
	struct digest digest = race_digest(CHURN_FROM + i);
	struct index_place place = place_nr(generation);
	struct index_place old;

	if (index_remove(index, &digest, &old))
		(void)index_put(index, &digest, &place, &old);
}

static void test_readers_see_whole_states_while_the_table_grows(void **state)
{
	enum { ROUNDS = 10000 };
	struct race race = { .index = big };
	pthread_t threads[N_READERS];
	struct index_stats before;
	struct index_stats after;

	(void)state;
	index_stats(race.index, &before);
	for (int i = 0; i < N_READERS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, reader, &race), 0);
	for (uint64_t round = 1; round <= ROUNDS; round++) {
		change_pairs(race.index, round);
		for (uint64_t k = 0; k < 4; k++) {
			move_one(race.index, (round * 4 + k) % N_ALWAYS, round);
			churn_one(race.index, mix(round * 4 + k) % N_CHURN,
				  round);
			put_more();
		}
	}
	__atomic_store_n(&race.stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < N_READERS; i++)
		pthread_join(threads[i], NULL);
	index_stats(race.index, &after);
	printf("# %llu splits under %llu answers, %llu busy, %llu pairs "
	       "repeated\n",
	       (unsigned long long)(after.n_buckets - before.n_buckets),
	       (unsigned long long)race.n_answers,
	       (unsigned long long)race.n_busy,
	       (unsigned long long)race.n_repeated);
	assert_int_equal(race.failed, 0);
	assert_true(after.n_buckets > before.n_buckets + 1000);
	assert_true(race.n_answers > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finds_what_the_writer_put),
		cmocka_unit_test(test_stamp_tells_of_changes_of_its_key_only),
		cmocka_unit_test(test_batch_shows_nothing_until_its_end),
		cmocka_unit_test(test_growth_disturbs_only_the_split_bucket),
		cmocka_unit_test(test_closed_shows),
		cmocka_unit_test(test_chunks_are_mapped_as_they_are_needed),
		cmocka_unit_test(test_added_chunk_is_used_once_and_checked),
		cmocka_unit_test(test_other_layouts_are_refused),
		cmocka_unit_test(test_a_descriptor_gives_no_right_to_write),
		cmocka_unit_test(
			test_split_between_shape_and_bucket_loses_no_key),
		cmocka_unit_test(
			test_shape_changes_while_the_split_bucket_is_busy),
		cmocka_unit_test(
			test_slot_that_moves_within_its_chain_is_not_missed),
		cmocka_unit_test(test_miss_is_not_told_of_a_key_put_meanwhile),
		cmocka_unit_test(test_noise_in_shared_memory_is_survived),
		cmocka_unit_test(test_every_shape_is_survived),
		cmocka_unit_test(test_endless_and_wild_chains_end),
		cmocka_unit_test(
			test_readers_see_whole_states_while_the_table_grows),
	};

	return cmocka_run_group_tests(tests, make_big, free_big);
}
