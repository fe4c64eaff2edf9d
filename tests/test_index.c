#include "common/index.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

/* ---- helpers ---- */

static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static uint64_t seed;
static uint64_t rolls;

static uint64_t roll(uint64_t n)
{
	return mix(seed ^ mix(rolls++)) % n;
}

/* GETME_SEED repeats a run. */
static void start_random(const char *what)
{
	const char *text = getenv("GETME_SEED");

	seed = text ? strtoull(text, NULL, 0) : 20240607;
	rolls = 0;
	printf("# %s: seed %llu\n", what, (unsigned long long)seed);
}

static struct digest digest_nr(uint64_t i)
{
	struct digest digest = {
		.lo = mix(i * 2 + seed),
		.hi = (uint32_t)mix(i * 2 + 1 + seed),
	};

	return digest;
}

/* All of these fall into one bucket, whatever the table's size. */
static struct digest crowded_nr(uint64_t i)
{
	struct digest digest = digest_nr(i);

	digest.lo = (digest.lo & ~UINT64_C(0xfffffff)) | 0xabcdef;
	return digest;
}

static struct index_place place_nr(uint64_t i)
{
	uint64_t bits = mix(~i);
	struct index_place place = {
		.segment = bits & INDEX_SEGMENT_MASK,
		.off8 = bits >> 24 & INDEX_OFF8_MAX,
		.len8 = mix(bits) & 0xffffff,
		.flags = mix(bits) >> 60 & INDEX_HAS_EXPIRY,
	};

	return place;
}

static void assert_places_equal(const struct index_place *a,
				const struct index_place *b)
{
	assert_int_equal(a->segment, b->segment);
	assert_int_equal(a->off8, b->off8);
	assert_int_equal(a->len8, b->len8);
	assert_int_equal(a->flags, b->flags);
}

static bool is_private; /* what new_index makes */

static struct index *new_index(void)
{
	const struct index_options options = { .secret = "0123456789abcde",
					       .is_private = is_private };
	struct index *index = NULL;

	assert_int_equal(index_new(&options, &index), 0);
	return index;
}

static void put_new(struct index *index, struct digest digest,
		    struct index_place place)
{
	struct index_place old;

	assert_int_equal(index_put(index, &digest, &place, &old), 0);
}

static void assert_at(const struct index *index, struct digest digest,
		      struct index_place place)
{
	struct index_place got;

	assert_int_equal(index_get(index, &digest, &got), 0);
	assert_places_equal(&got, &place);
}

static void assert_absent(const struct index *index, struct digest digest)
{
	struct index_place got;

	assert_int_equal(index_get(index, &digest, &got), INDEX_NOT_FOUND);
}

static struct index_stats stats_of(const struct index *index)
{
	struct index_stats stats;

	index_stats(index, &stats);
	return stats;
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static const void *at(const struct lookup_map *map, enum index_family family,
		      uint64_t pos)
{
	uint64_t off;
	unsigned chunk = index_chunk_of(pos, &off);

	assert_non_null(map->chunks[family][chunk]);
	return map->chunks[family][chunk] + off;
}

/* Slots of one bucket; invariants 1 and 2 of index_layout.h, in part. */
static unsigned check_node(uint64_t bucket, uint64_t n_buckets, uint32_t used,
			   uint32_t next, const struct index_slot *slots,
			   unsigned n_slots)
{
	unsigned n = (unsigned)__builtin_popcount(used);

	assert_int_equal(used, (UINT32_C(1) << n) - 1);
	assert_true(n <= n_slots);
	assert_true(n == n_slots || next == 0);
	for (unsigned i = 0; i < n; i++)
		assert_true(index_bucket_of(index_slot_lo(slots[i], bucket),
					    n_buckets) == bucket);
	return n;
}

/* The bytes in the shared memory hold together. */
static void check_table(const struct index *index)
{
	const struct lookup_map *map = index_map(index);
	uint64_t n_buckets = map->header->n_buckets;
	uint64_t n_slots = 0;
	uint64_t n_overflow = 0;
	struct index_stats stats = stats_of(index);

	assert_true(stats.n_buckets == n_buckets);
	for (uint64_t b = 0; b < n_buckets; b++) {
		const struct index_primary *primary =
			at(map, INDEX_PRIMARY, b * sizeof(*primary));
		uint32_t next = primary->next;

		assert_int_equal(primary->version & 1, 0);
		n_slots += check_node(b, n_buckets, primary->used, next,
				      primary->slots, INDEX_PRIMARY_SLOTS);
		while (next) {
			const struct index_overflow *overflow =
				at(map, INDEX_OVERFLOW,
				   (uint64_t)(next - 1) * sizeof(*overflow));
			unsigned n;

			next = overflow->next;
			n = check_node(b, n_buckets, overflow->used, next,
				       overflow->slots, INDEX_OVERFLOW_SLOTS);
			assert_true(n > 0);
			n_slots += n;
			n_overflow++;
		}
	}
	assert_true(n_slots == stats.n_keys);
	assert_true(n_overflow == stats.n_overflow);
}

static unsigned n_open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* ---- layout ---- */

static void test_chunks_follow_from_the_position(void **state)
{
	const uint64_t mib = UINT64_C(1) << 20;
	uint64_t pos = 0;

	(void)state;
	for (unsigned chunk = 0; chunk < INDEX_CHUNKS_MAX; chunk++) {
		uint64_t len = index_chunk_len(chunk);
		uint64_t off;

		assert_int_equal(index_chunk_of(pos, &off), chunk);
		assert_true(off == 0);
		assert_int_equal(index_chunk_of(pos + len - 1, &off), chunk);
		assert_true(off == len - 1);
		pos += len;
	}
	assert_true(pos == INDEX_FAMILY_LEN);
	assert_true(index_chunk_len(0) == mib);
	assert_true(index_chunk_len(1) == mib);
	assert_true(index_chunk_len(5) == 16 * mib);
	assert_true(index_chunk_len(7) == 32 * mib);
}

static void test_slot_keeps_every_bit(void **state)
{
	(void)state;
	start_random("slots");
	for (uint64_t i = 0; i < 1000; i++) {
		struct digest digest = digest_nr(i);
		struct index_place place = place_nr(i);
		struct index_slot slot;
		struct index_place got;

		place.flags = (uint8_t)i;
		slot = index_slot_pack(digest.lo, &place);
		got = index_slot_place(slot);
		assert_places_equal(&got, &place);
		assert_true(index_slot_lo(slot, digest.lo & 0xfffff) ==
			    digest.lo);
		for (unsigned bit = 0; bit < 64; bit++)
			assert_true(
				index_slot_is(slot,
					      digest.lo ^ UINT64_C(1) << bit) ==
				(bit < 16));
	}
}

static void test_bucket_of_a_split_is_old_or_new(void **state)
{
	(void)state;
	start_random("bucket_of");
	for (uint64_t n = INDEX_BUCKETS_MIN; n < 70000; n += 7) {
		uint64_t lo = digest_nr(n).lo;
		uint64_t before = index_bucket_of(lo, n);
		uint64_t after = index_bucket_of(lo, n + 1);

		assert_true(before < n);
		assert_true(before == after || after == n);
		assert_true((before & 0xffff) == (lo & 0xffff));
	}
}

/* ---- single keys ---- */

static void test_put_get_replace_remove(void **state)
{
	struct index *index = new_index();
	struct digest digest = digest_nr(1);
	struct index_place a = place_nr(1);
	struct index_place b = place_nr(2);
	struct index_place old;

	(void)state;
	assert_absent(index, digest);
	assert_int_equal(index_remove(index, &digest, &old), INDEX_NOT_FOUND);
	put_new(index, digest, a);
	assert_at(index, digest, a);
	assert_int_equal(index_put(index, &digest, &b, &old), INDEX_REPLACED);
	assert_places_equal(&old, &a);
	assert_at(index, digest, b);
	assert_int_equal(index_count(index), 1);
	assert_int_equal(index_remove(index, &digest, &old), 0);
	assert_places_equal(&old, &b);
	assert_absent(index, digest);
	assert_int_equal(index_count(index), 0);
	check_table(index);
	index_free(index);
}

static void test_move_and_remove_if_spare_a_newer_place(void **state)
{
	struct index *index = new_index();
	struct digest digest = digest_nr(1);
	struct index_place first = place_nr(1);
	struct index_place newer = place_nr(2);
	struct index_place moved = place_nr(3);
	struct index_place next = newer;

	(void)state;
	assert_int_equal(index_move(index, &digest, &first, &moved),
			 INDEX_NOT_FOUND);
	put_new(index, digest, newer);
	assert_int_equal(index_move(index, &digest, &first, &moved),
			 INDEX_NOT_FOUND);
	assert_int_equal(index_remove_if(index, &digest, &first),
			 INDEX_NOT_FOUND);
	next.off8 ^= 1;
	assert_int_equal(index_remove_if(index, &digest, &next),
			 INDEX_NOT_FOUND);
	next = newer;
	next.segment ^= 1;
	assert_int_equal(index_move(index, &digest, &next, &moved),
			 INDEX_NOT_FOUND);
	assert_at(index, digest, newer);
	assert_int_equal(index_move(index, &digest, &newer, &moved), 0);
	assert_at(index, digest, moved);
	assert_int_equal(index_remove_if(index, &digest, &newer),
			 INDEX_NOT_FOUND);
	assert_int_equal(index_remove_if(index, &digest, &moved), 0);
	assert_absent(index, digest);
	index_free(index);
}

static void test_digests_that_differ_in_one_bit_are_two_keys(void **state)
{
	struct index *index = new_index();
	struct digest digest = digest_nr(1);

	(void)state;
	put_new(index, digest, place_nr(0));
	for (unsigned bit = 0; bit < 96; bit++) {
		struct digest other = digest;

		if (bit < 64)
			other.lo ^= UINT64_C(1) << bit;
		else
			other.hi ^= UINT32_C(1) << (bit - 64);
		assert_absent(index, other);
		put_new(index, other, place_nr(bit + 1));
	}
	assert_int_equal(index_count(index), 97);
	assert_at(index, digest, place_nr(0));
	check_table(index);
	index_free(index);
}

static void test_a_small_index_takes_little_memory(void **state)
{
	struct index *index = new_index();
	struct index_place old;
	uint64_t len;

	(void)state;
	assert_true(stats_of(index).memory_len < 1 << 20);
	for (uint64_t i = 0; i < 100; i++)
		put_new(index, digest_nr(i), place_nr(i));
	len = stats_of(index).memory_len;
	assert_true(len < 1 << 20);
	for (uint64_t i = 1000; i < 3000; i++) {
		struct digest digest = digest_nr(i);

		assert_absent(index, digest);
		assert_int_equal(index_remove(index, &digest, &old),
				 INDEX_NOT_FOUND);
	}
	assert_true(stats_of(index).memory_len == len);
	index_free(index);
}

static void test_crowded_bucket_is_counted_and_its_overflow_reused(void **state)
{
	enum { N = 1000 };
	struct index *index = new_index();
	uint64_t len = 0;

	(void)state;
	start_random("crowded");
	for (int round = 0; round < 3; round++) {
		struct index_place old;

		for (uint64_t i = 0; i < N; i++) {
			put_new(index, crowded_nr(i), place_nr(i));
			assert_int_equal(stats_of(index).n_long_chains,
					 round + (i >= INDEX_LONG_CHAIN));
		}
		check_table(index);
		assert_int_equal(stats_of(index).longest_chain, N);
		for (uint64_t i = 0; i < N; i++)
			assert_at(index, crowded_nr(i), place_nr(i));
		/* From the middle outwards: holes everywhere. */
		for (uint64_t i = 0; i < N; i++) {
			uint64_t k = i % 2 ? N / 2 + i / 2 : N / 2 - 1 - i / 2;
			struct digest digest = crowded_nr(k);

			assert_int_equal(index_remove(index, &digest, &old), 0);
			assert_absent(index, digest);
		}
		check_table(index);
		assert_int_equal(stats_of(index).n_overflow, 0);
		if (round == 0)
			len = stats_of(index).memory_len;
		assert_true(stats_of(index).memory_len == len);
	}
	index_free(index);
}

/* ---- against a model ---- */

struct model {
	struct index *index;
	uint64_t n;
	uint64_t n_there;
	struct index_place *places;
	unsigned char *there;
	struct digest (*digest_nr)(uint64_t i);
	uint64_t n_places;
};

static void model_init(struct model *model, uint64_t n,
		       struct digest (*nr)(uint64_t i))
{
	*model =
		(struct model){ .index = new_index(), .n = n, .digest_nr = nr };
	model->places = calloc(n, sizeof(*model->places));
	model->there = calloc(n, 1);
	assert_non_null(model->places);
	assert_non_null(model->there);
}

static void model_deinit(struct model *model)
{
	index_free(model->index);
	free(model->places);
	free(model->there);
}

static void model_check(const struct model *model)
{
	assert_true(index_count(model->index) == model->n_there);
	for (uint64_t i = 0; i < model->n; i++) {
		if (model->there[i])
			assert_at(model->index, model->digest_nr(i),
				  model->places[i]);
		else
			assert_absent(model->index, model->digest_nr(i));
	}
	check_table(model->index);
}

static void model_put(struct model *model, uint64_t i)
{
	struct digest digest = model->digest_nr(i);
	struct index_place place = place_nr(model->n_places++);
	struct index_place old;
	int rc = index_put(model->index, &digest, &place, &old);

	assert_int_equal(rc, model->there[i] ? INDEX_REPLACED : 0);
	if (model->there[i])
		assert_places_equal(&old, &model->places[i]);
	model->n_there += !model->there[i];
	model->there[i] = 1;
	model->places[i] = place;
}

static void model_remove(struct model *model, uint64_t i)
{
	struct digest digest = model->digest_nr(i);
	struct index_place old;
	int rc = index_remove(model->index, &digest, &old);

	assert_int_equal(rc, model->there[i] ? 0 : INDEX_NOT_FOUND);
	if (!model->there[i])
		return;
	assert_places_equal(&old, &model->places[i]);
	model->n_there--;
	model->there[i] = 0;
}

static void model_move(struct model *model, uint64_t i, bool right)
{
	struct digest digest = model->digest_nr(i);
	struct index_place from = model->places[i];
	struct index_place to = place_nr(model->n_places++);
	bool works = right && model->there[i];

	if (!right)
		from.off8 ^= 1;
	assert_int_equal(index_move(model->index, &digest, &from, &to),
			 works ? 0 : INDEX_NOT_FOUND);
	if (works)
		model->places[i] = to;
}

static void model_remove_if(struct model *model, uint64_t i, bool right)
{
	struct digest digest = model->digest_nr(i);
	struct index_place from = model->places[i];
	bool works = right && model->there[i];

	if (!right)
		from.segment ^= 1;
	assert_int_equal(index_remove_if(model->index, &digest, &from),
			 works ? 0 : INDEX_NOT_FOUND);
	if (!works)
		return;
	model->n_there--;
	model->there[i] = 0;
}

static void model_step(struct model *model, uint64_t i, uint64_t put_percent)
{
	uint64_t what = roll(100);

	if (what < put_percent)
		model_put(model, i);
	else if (what < 90)
		model_remove(model, i);
	else if (what < 96)
		model_move(model, i, what & 1);
	else
		model_remove_if(model, i, what & 1);
}

/* Keys may come twice in a batch, with any changes. */
static void model_batch(struct model *model, uint64_t put_percent)
{
	enum { MAX = 200 };
	struct digest digests[MAX];
	uint64_t keys[MAX];
	size_t n = 1 + roll(MAX);

	for (size_t i = 0; i < n; i++) {
		keys[i] = i && roll(8) == 0 ? keys[roll(i)] : roll(model->n);
		digests[i] = model->digest_nr(keys[i]);
	}
	assert_int_equal(index_reserve(model->index, digests, n, roll(3)), 0);
	index_begin(model->index, digests, n);
	for (size_t i = 0; i < n; i++)
		model_step(model, keys[i], put_percent);
	index_end(model->index);
}

static void run_model(uint64_t n, struct digest (*nr)(uint64_t i),
		      uint64_t n_steps)
{
	struct model model;

	model_init(&model, n, nr);
	for (uint64_t step = 0; step < n_steps; step++) {
		/* Phases in which it grows, shrinks, and stays. */
		uint64_t put_percent = (step * 5 / n_steps) % 2 ? 20 : 80;

		if (roll(100) == 0)
			model_batch(&model, put_percent);
		else
			model_step(&model, roll(n), put_percent);
		if (step % (n_steps / 5) == 0)
			model_check(&model);
	}
	model_check(&model);
	model_deinit(&model);
}

static void test_random_changes_agree_with_a_model(void **state)
{
	(void)state;
	start_random("model");
	run_model(50000, digest_nr, 300000);
}

static void test_random_changes_of_a_crowded_bucket_agree(void **state)
{
	(void)state;
	start_random("model, crowded");
	run_model(200, crowded_nr, 100000);
}

/* ---- private ---- */

static int set_private(void **state)
{
	(void)state;
	is_private = true;
	return 0;
}

static int set_shared(void **state)
{
	(void)state;
	is_private = false;
	return 0;
}

static void test_private_index_has_no_descriptors(void **state)
{
	unsigned n_files = n_open_files();
	struct index *index = new_index();

	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		put_new(index, crowded_nr(i), place_nr(i));
	assert_int_equal(n_open_files(), n_files);
	assert_int_equal(index_header_fd(index), -ENOTSUP);
	assert_int_equal(index_chunk_fd(index, INDEX_PRIMARY, 0), -ENOTSUP);
	assert_int_equal(index_chunk_fd(index, INDEX_OVERFLOW, 0), -ENOTSUP);
	check_table(index);
	index_free(index);
}

/* ---- growth and memory ---- */

static void test_growth_keeps_every_key_and_the_memory_bound(void **state)
{
	enum { N = 3100000 };
	struct index *index = new_index();
	struct index_stats stats;
	double worst = 0;

	(void)state;
	start_random("growth");
	for (uint64_t i = 0; i < N; i++) {
		put_new(index, digest_nr(i), place_nr(i));
		if (i < 1000000 || i % 20000)
			continue;
		stats = stats_of(index);
		if ((double)stats.memory_len / (double)stats.n_keys > worst)
			worst = (double)stats.memory_len / (double)stats.n_keys;
	}
	stats = stats_of(index);
	printf("# %.2f bytes a key at worst, longest chain %llu\n", worst,
	       (unsigned long long)stats.longest_chain);
	assert_true(worst <= 32);
	assert_true(stats.n_buckets > 1 << 18);
	assert_int_equal(stats.n_long_chains, 0);
	assert_int_equal(stats.n_postponed, 0);
	check_table(index);
	for (uint64_t i = 0; i < N; i += 7)
		assert_at(index, digest_nr(i), place_nr(i));
	for (uint64_t i = N; i < N + 100000; i++)
		assert_absent(index, digest_nr(i));
	index_free(index);
}

static void test_batches_grow_the_table_as_fast_as_single_puts(void **state)
{
	enum { N = 1000000, BATCH = 10000 };
	static struct digest digests[BATCH];
	struct index *index = new_index();
	struct index_stats stats;

	(void)state;
	start_random("batches");
	for (uint64_t i = 0; i < N; i += BATCH) {
		for (uint64_t k = 0; k < BATCH; k++)
			digests[k] = digest_nr(i + k);
		assert_int_equal(index_reserve(index, digests, BATCH, 0), 0);
		index_begin(index, digests, BATCH);
		for (uint64_t k = 0; k < BATCH; k++)
			put_new(index, digests[k], place_nr(i + k));
		index_end(index);
	}
	stats = stats_of(index);
	assert_true(stats.n_keys <= stats.n_buckets * 114 / 10);
	assert_true(stats.memory_len <= stats.n_keys * 32);
	assert_int_equal(stats.n_long_chains, 0);
	check_table(index);
	index_free(index);
}

/* ---- memory that runs out ---- */

struct limiter {
	uint64_t n_asked;
	uint64_t n_allowed; /* all that come later fail */
};

static bool limit(void *ctx, uint64_t len)
{
	struct limiter *limiter = ctx;

	(void)len;
	return limiter->n_asked++ < limiter->n_allowed;
}

static struct index_options limited(struct limiter *limiter)
{
	struct index_options options = { .may_allocate = limit,
					 .ctx = limiter };

	return options;
}

static void new_fails_cleanly(bool private_index, uint64_t n_allocations)
{
	unsigned n_files = n_open_files();
	struct limiter limiter = { 0, 0 };
	struct index_options options = limited(&limiter);
	struct index *index = NULL;

	options.is_private = private_index;
	while (index_new(&options, &index) == -ENOMEM) {
		assert_null(index);
		assert_int_equal(n_open_files(), n_files);
		limiter.n_asked = 0;
		limiter.n_allowed++;
	}
	assert_non_null(index);
	assert_true(limiter.n_allowed >= n_allocations);
	index_free(index);
	assert_int_equal(n_open_files(), n_files);
	index_free(NULL);
}

static void test_new_fails_cleanly_at_each_allocation(void **state)
{
	(void)state;
	new_fails_cleanly(false, 8);
	new_fails_cleanly(true, 3);
}

/*
 * Refuses once there is a memfd, which has no page yet.  That none can be
 * had, as the header's owner would learn by SIGBUS, is played by mprotect.
 */
static bool refuse_first_page(void *ctx, uint64_t len)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	bool *refused = ctx;
	char line[512];

	(void)len;
	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		unsigned long long from, end;
		char *rest;

		if (!strstr(line, "memfd:getme-index"))
			continue;
		from = strtoull(line, &rest, 16);
		assert_int_equal(*rest, '-');
		end = strtoull(rest + 1, NULL, 16);
		assert_int_equal(mprotect((void *)(uintptr_t)from, end - from,
					  PROT_NONE),
				 0);
		*refused = true;
	}
	fclose(maps);
	return !*refused;
}

static void test_header_without_memory_is_not_written(void **state)
{
	bool refused = false;
	struct index_options options = { .may_allocate = refuse_first_page,
					 .ctx = &refused };
	struct index *index = NULL;

	(void)state;
	assert_int_equal(index_new(&options, &index), -ENOMEM);
	assert_true(refused);
	assert_null(index);
}

/* Whatever was promised succeeds when no byte can be had any more. */
static void test_reserved_puts_never_fail(void **state)
{
	enum { MAX = 300, ROUNDS = 400 };
	struct limiter limiter = { 0, UINT64_MAX };
	struct index_options options = limited(&limiter);
	struct index *index = NULL;
	uint64_t next = 0;
	unsigned n_refused = 0;

	(void)state;
	start_random("reserve");
	assert_int_equal(index_new(&options, &index), 0);
	for (int round = 0; round < ROUNDS; round++) {
		struct digest digests[MAX];
		size_t n = 1 + roll(MAX);
		bool batch = roll(2);
		int rc;

		for (size_t i = 0; i < n; i++)
			digests[i] = round % 2 ? crowded_nr(next + i)
					       : digest_nr(next + i);
		limiter.n_asked = 0;
		limiter.n_allowed = roll(8) ? UINT64_MAX : roll(20);
		rc = index_reserve(index, digests, n, 0);
		limiter.n_allowed = 0;
		if (rc) {
			assert_int_equal(rc, -ENOMEM);
			n_refused++;
			continue;
		}
		if (batch)
			index_begin(index, digests, n);
		for (size_t i = 0; i < n; i++)
			put_new(index, digests[i], place_nr(next + i));
		if (batch)
			index_end(index);
		next += n;
	}
	printf("# %u reservations refused\n", n_refused);
	assert_true(n_refused > 0);
	assert_true(index_count(index) == next);
	check_table(index);
	index_free(index);
}

static void test_pending_promises_add_up(void **state)
{
	enum { N = 4000 };
	struct limiter limiter = { 0, UINT64_MAX };
	struct index_options options = limited(&limiter);
	struct index *index = NULL;

	(void)state;
	assert_int_equal(index_new(&options, &index), 0);
	for (uint64_t i = 0; i < N; i++) {
		struct digest digest = crowded_nr(i);

		assert_int_equal(index_reserve(index, &digest, 1, i), 0);
	}
	limiter.n_allowed = 0;
	for (uint64_t i = 0; i < N; i++)
		put_new(index, crowded_nr(i), place_nr(i));
	check_table(index);
	index_free(index);
}

/* The I-th key of bucket LOW, a number of at most 28 bits. */
static struct digest digest_in(uint64_t low, uint64_t i)
{
	struct digest digest = { .lo = mix(i) << 28 | low, .hi = (uint32_t)i };

	return digest;
}

/*
 * A split that needs much overflow comes due while all that is ready was
 * promised: it has to wait.
 */
static void test_split_leaves_promised_memory_alone(void **state)
{
	enum {
		A_BUCKET = 11,
		N_FULL = 5000, /* buckets without a free slot, the last ones */
		FULL_FROM = INDEX_BUCKETS_MIN - N_FULL,
		CROWDED = 3, /* will be split soon, and all its keys move */
		N_CROWDED = 4000,
		N_EXACT = 747115, /* one split is done */
	};
	static struct digest promised[N_FULL];
	struct limiter limiter = { 0, UINT64_MAX };
	struct index_options options = limited(&limiter);
	struct index *index = NULL;

	(void)state;
	assert_int_equal(index_new(&options, &index), 0);
	for (uint64_t b = 0; b < INDEX_BUCKETS_MIN; b++) {
		uint64_t n = A_BUCKET + (b >= FULL_FROM);

		for (uint64_t i = 0; i < n; i++)
			put_new(index, digest_in(b, i), place_nr(i));
	}
	for (uint64_t i = 0; i < N_CROWDED; i++)
		put_new(index, digest_in(CROWDED | INDEX_BUCKETS_MIN, i),
			place_nr(i));
	for (uint64_t b = 100; index_count(index) < N_EXACT; b++)
		put_new(index, digest_in(b, A_BUCKET), place_nr(b));
	assert_int_equal(stats_of(index).n_buckets, INDEX_BUCKETS_MIN + 1);
	for (uint64_t i = 0; i < N_FULL; i++)
		promised[i] = digest_in(FULL_FROM + i, A_BUCKET + 1);
	assert_int_equal(index_reserve(index, promised, N_FULL, 0), 0);
	limiter.n_allowed = 0;
	for (uint64_t i = 0; i < N_FULL; i++)
		put_new(index, promised[i], place_nr(i));
	assert_true(stats_of(index).n_postponed > 0);
	assert_true(stats_of(index).n_buckets <= INDEX_BUCKETS_MIN + CROWDED);
	check_table(index);
	index_free(index);
}

static void test_unreserved_put_fails_and_changes_nothing(void **state)
{
	struct limiter limiter = { 0, UINT64_MAX };
	struct index_options options = limited(&limiter);
	struct index *index = NULL;
	struct index_place place = place_nr(0);
	struct index_place old;
	uint64_t i;

	(void)state;
	assert_int_equal(index_new(&options, &index), 0);
	put_new(index, crowded_nr(0), place);
	limiter.n_allowed = 0;
	for (i = 1; i < 10000; i++) {
		struct digest digest = crowded_nr(i);

		if (index_put(index, &digest, &place, &old))
			break;
	}
	assert_true(i < 10000);
	assert_absent(index, crowded_nr(i));
	assert_true(index_count(index) == i);
	check_table(index);
	limiter.n_allowed = UINT64_MAX;
	put_new(index, crowded_nr(i), place);
	index_free(index);
}

static struct digest postponed_nr(uint64_t i, uint64_t crowded_from)
{
	return i < crowded_from ? digest_nr(i) : crowded_nr(i);
}

/*
 * Splits wait, nothing else suffers, and they are made up for later.  Long
 * chains are no alarm meanwhile.
 */
static void test_growth_without_memory_is_postponed(void **state)
{
	enum {
		FULL = 740000,
		MORE = 47000, /* above 12 a bucket */
		CROWDED = 2 * INDEX_LONG_CHAIN,
		LATER = 60000
	};
	struct limiter limiter = { 0, UINT64_MAX };
	struct index_options options = limited(&limiter);
	struct index *index = NULL;
	struct index_stats stats;
	uint64_t i;

	(void)state;
	start_random("postponed");
	assert_int_equal(index_new(&options, &index), 0);
	for (i = 0; i < FULL; i++)
		put_new(index, digest_nr(i), place_nr(i));
	assert_int_equal(stats_of(index).n_buckets, INDEX_BUCKETS_MIN);
	for (; i < FULL + MORE + CROWDED; i++) {
		struct digest digest = postponed_nr(i, FULL + MORE);

		limiter.n_allowed = UINT64_MAX;
		assert_int_equal(index_reserve(index, &digest, 1, 0), 0);
		limiter.n_allowed = 0;
		put_new(index, digest, place_nr(i));
	}
	stats = stats_of(index);
	assert_int_equal(stats.n_buckets, INDEX_BUCKETS_MIN);
	assert_true(stats.n_postponed > 10);
	assert_true(stats.longest_chain > INDEX_LONG_CHAIN);
	limiter.n_allowed = UINT64_MAX;
	for (; i < FULL + MORE + CROWDED + LATER; i++)
		put_new(index, digest_nr(i), place_nr(i));
	stats = stats_of(index);
	assert_true(stats.n_keys <= stats.n_buckets * 114 / 10);
	assert_int_equal(stats.n_long_chains, 0);
	for (i = 0; i < FULL + MORE + CROWDED; i++)
		assert_at(index, postponed_nr(i, FULL + MORE), place_nr(i));
	check_table(index);
	index_free(index);
}

/* ---- loading ---- */

static struct index_load_result load(struct index *index, struct digest digest,
				     struct index_place place,
				     uint64_t sequence)
{
	struct index_load_result result;

	assert_int_equal(
		index_load_put(index, &digest, &place, sequence, &result), 0);
	return result;
}

static struct index_place entry_place(uint64_t key, unsigned sequence,
				      unsigned tombstones)
{
	struct index_place place = place_nr(key * 8 + sequence);

	if (tombstones >> sequence & 1)
		place.flags |= INDEX_TOMBSTONE;
	return place;
}

/* Three entries a key, in each order, any of them a tombstone. */
static void test_the_highest_sequence_wins_in_every_order(void **state)
{
	static const unsigned char orders[6][3] = {
		{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
		{ 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 },
	};
	struct index *index = new_index();
	struct digest (*nr[2])(uint64_t i) = { digest_nr, crowded_nr };

	(void)state;
	start_random("load orders");
	assert_int_equal(index_load_begin(index), 0);
	for (uint64_t key = 0; key < 96; key++) {
		const unsigned char *order = orders[key % 6];
		unsigned tombstones = (unsigned)(key / 6 % 8);
		struct digest digest = nr[key / 48](key);
		int best = -1;

		for (int i = 0; i < 3; i++) {
			struct index_place place =
				entry_place(key, order[i], tombstones);
			struct index_load_result got =
				load(index, digest, place, 100 + order[i]);

			if (best < 0) {
				assert_int_equal(got.outcome, INDEX_LOAD_NEW);
				best = order[i];
				continue;
			}
			place = entry_place(key, (unsigned)best, tombstones);
			assert_places_equal(&got.other, &place);
			assert_true(got.other_sequence == 100 + (unsigned)best);
			assert_int_equal(got.outcome,
					 order[i] > best ? INDEX_LOAD_NEWER
							 : INDEX_LOAD_OLDER);
			if (order[i] > best)
				best = order[i];
		}
	}
	assert_int_equal(index_count(index), 48);
	assert_int_equal(stats_of(index).n_tombstones, 48);
	assert_true(stats_of(index).loading_len > 0);
	index_load_end(index);
	assert_int_equal(stats_of(index).loading_len, 0);
	assert_int_equal(index_count(index), 48);
	check_table(index);
	for (uint64_t key = 0; key < 96; key++) {
		unsigned tombstones = (unsigned)(key / 6 % 8);
		struct digest digest = nr[key / 48](key);

		if (tombstones >> 2 & 1)
			assert_absent(index, digest);
		else
			assert_at(index, digest,
				  entry_place(key, 2, tombstones));
	}
	put_new(index, digest_nr(1000), place_nr(0));
	index_free(index);
}

static void test_of_two_copies_of_an_entry_the_first_stays(void **state)
{
	struct index *index = new_index();
	struct index_load_result got;

	(void)state;
	assert_int_equal(index_load_begin(index), 0);
	load(index, digest_nr(1), place_nr(1), 7);
	got = load(index, digest_nr(1), place_nr(2), 7);
	assert_int_equal(got.outcome, INDEX_LOAD_OLDER);
	index_load_end(index);
	assert_at(index, digest_nr(1), place_nr(1));
	index_free(index);
}

/* While it grows, with or without room given at first. */
static void load_many(uint64_t presize, uint64_t expect)
{
	enum { N = 900000 };
	struct index *index = new_index();
	struct index_stats stats;

	if (presize)
		assert_int_equal(index_presize(index, presize), 0);
	assert_int_equal(index_load_begin(index), 0);
	if (expect)
		index_load_expect(index, expect);
	for (uint64_t i = 0; i < 2 * N; i++) {
		uint64_t key = i * 7919 % N; /* each twice, mixed */
		uint64_t sequence = mix(i);
		struct index_place place = place_nr(sequence);
		struct digest ahead[2] = { digest_nr(key), digest_nr(i) };

		/* A hint alone: it changes nothing. */
		index_load_ahead(index, ahead, i % 3);
		load(index, digest_nr(key), place, sequence);
	}
	assert_int_equal(index_count(index), N);
	index_load_end(index);
	check_table(index);
	for (uint64_t i = 0; i < N; i++) {
		uint64_t key = i * 7919 % N;
		uint64_t a = mix(i);
		uint64_t b = mix(i + N);

		assert_at(index, digest_nr(key), place_nr(a > b ? a : b));
	}
	stats = stats_of(index);
	assert_true(stats.n_buckets > INDEX_BUCKETS_MIN);
	assert_true(stats.memory_len <= stats.n_keys * 32);
	index_free(index);
}

static void test_loading_grows_the_table(void **state)
{
	(void)state;
	start_random("load");
	load_many(0, 0);
}

static void test_loading_what_was_expected(void **state)
{
	(void)state;
	start_random("load, expected");
	load_many(0, 900000);
}

/* Few keys get no memory for many. */
static void test_expecting_few_takes_no_memory(void **state)
{
	struct index *index = new_index();
	uint64_t before = stats_of(index).memory_len;

	(void)state;
	assert_int_equal(index_load_begin(index), 0);
	index_load_expect(index, 1000);
	assert_int_equal(stats_of(index).memory_len, before);
	index_load_expect(index, 900000);
	assert_true(stats_of(index).memory_len >= before + (16 << 20));
	index_load_end(index);
	check_table(index);
	index_free(index);
}

/* What cannot be had ahead is had, or not, when it is needed. */
static void test_expecting_without_memory_changes_nothing(void **state)
{
	struct limiter limiter = { 0, UINT64_MAX };
	struct index_options options = limited(&limiter);
	struct index *index = NULL;

	(void)state;
	assert_int_equal(index_new(&options, &index), 0);
	assert_int_equal(index_load_begin(index), 0);
	for (uint64_t n = 0; n < 8; n++) {
		limiter.n_asked = 0;
		limiter.n_allowed = n;
		index_load_expect(index, 900000);
	}
	limiter.n_allowed = UINT64_MAX;
	for (uint64_t i = 0; i < 2000; i++)
		load(index, digest_nr(i), place_nr(i), i);
	index_load_end(index);
	check_table(index);
	for (uint64_t i = 0; i < 2000; i++)
		assert_at(index, digest_nr(i), place_nr(i));
	index_free(index);
}

static void test_loading_into_a_presized_table(void **state)
{
	(void)state;
	start_random("load, presized");
	load_many(900000, 0);
}

static void test_tombstones_do_not_leave_a_blown_up_table(void **state)
{
	enum { N = 1000000, LIVE = 100000 };
	struct index *index = new_index();
	struct index_stats stats;

	(void)state;
	start_random("tombstones");
	assert_int_equal(index_load_begin(index), 0);
	for (uint64_t i = 0; i < N; i++) {
		struct index_place place = place_nr(i);

		if (i >= LIVE)
			place.flags |= INDEX_TOMBSTONE;
		load(index, digest_nr(i), place, i);
	}
	stats = stats_of(index);
	assert_true(stats.n_buckets > INDEX_BUCKETS_MIN);
	assert_int_equal(stats.n_keys_max, LIVE);
	index_load_end(index);
	stats = stats_of(index);
	assert_int_equal(stats.n_keys, LIVE);
	assert_int_equal(stats.n_keys_max, LIVE);
	assert_int_equal(stats.n_buckets, INDEX_BUCKETS_MIN);
	assert_true(stats.memory_len < 18 << 20);
	check_table(index);
	for (uint64_t i = 0; i < LIVE; i++)
		assert_at(index, digest_nr(i), place_nr(i));
	for (uint64_t i = LIVE; i < 2 * LIVE; i++)
		assert_absent(index, digest_nr(i));
	index_free(index);
}

static void test_loading_fails_cleanly_without_memory(void **state)
{
	struct limiter limiter = { 0, UINT64_MAX };
	struct index_options options = limited(&limiter);
	struct index *index = NULL;
	uint64_t n_allowed = 0;
	uint64_t n = 0;

	(void)state;
	start_random("load without memory");
	assert_int_equal(index_new(&options, &index), 0);
	do {
		limiter.n_asked = 0;
		limiter.n_allowed = n_allowed++;
	} while (index_load_begin(index) == -ENOMEM);
	assert_true(n_allowed > 1);
	for (uint64_t i = 0; i < 2000; i++) {
		struct index_load_result result;
		struct digest digest = crowded_nr(i);
		struct index_place place = place_nr(i);

		limiter.n_asked = 0;
		limiter.n_allowed = roll(4);
		if (!index_load_put(index, &digest, &place, i, &result)) {
			assert_int_equal(result.outcome, INDEX_LOAD_NEW);
			n++;
		}
		assert_true(index_count(index) == n);
	}
	assert_true(n > 1000);
	limiter.n_allowed = 0;
	index_load_end(index);
	check_table(index);
	index_free(index);
}

/* A rebuild that finds no memory leaves what there was. */
static void test_rebuild_without_memory_keeps_the_table(void **state)
{
	enum { N = 800000 };
	struct limiter limiter = { 0, UINT64_MAX };
	struct index_options options = limited(&limiter);
	struct index *index = NULL;

	(void)state;
	start_random("rebuild without memory");
	assert_int_equal(index_new(&options, &index), 0);
	assert_int_equal(index_load_begin(index), 0);
	for (uint64_t i = 0; i < N; i++) {
		struct index_place place = place_nr(i);

		if (i % 10)
			place.flags |= INDEX_TOMBSTONE;
		load(index, digest_nr(i), place, i);
	}
	limiter.n_asked = 0;
	limiter.n_allowed = 9;
	index_load_end(index);
	assert_true(stats_of(index).n_buckets > INDEX_BUCKETS_MIN);
	check_table(index);
	for (uint64_t i = 0; i < N; i += 10)
		assert_at(index, digest_nr(i), place_nr(i));
	index_free(index);
}

/* ---- scanning ---- */

struct numbered {
	uint64_t lo;
	uint64_t number;
};

static void count_seen(const struct numbered *sorted, size_t n,
		       unsigned char *n_seen,
		       const struct index_scan_item *item)
{
	const struct numbered *found = bsearch(&item->digest.lo, sorted, n,
					       sizeof(*sorted), compare_u64);

	assert_non_null(found);
	n_seen[found->number]++;
}

static struct numbered *number_digests(uint64_t n,
				       struct digest (*nr)(uint64_t i))
{
	struct numbered *sorted = calloc(n, sizeof(*sorted));

	assert_non_null(sorted);
	for (uint64_t i = 0; i < n; i++)
		sorted[i] = (struct numbered){ nr(i).lo, i };
	qsort(sorted, n, sizeof(*sorted), compare_u64);
	return sorted;
}

/*
 * Numbers below N_STAY are there all the time, N_GO more at first and removed
 * while the scan runs, N_COME are put meanwhile.
 */
static void scan_while_changing(uint64_t n_stay, uint64_t n_go, uint64_t n_come,
				size_t max_items, struct digest (*nr)(uint64_t))
{
	struct index *index = new_index();
	uint64_t n = n_stay + n_go + n_come;
	struct numbered *sorted = number_digests(n, nr);
	struct index_scan_item *items = calloc(max_items, sizeof(*items));
	unsigned char *n_seen = calloc(n, 1);
	uint64_t cursor = 0;
	uint64_t n_gone = 0;
	uint64_t n_came = 0;
	uint64_t n_steps = 0;

	assert_non_null(items);
	assert_non_null(n_seen);
	for (uint64_t i = 0; i < n_stay + n_go; i++)
		put_new(index, nr(i), place_nr(i));
	while (cursor != INDEX_SCAN_END) {
		uint64_t before = cursor;
		size_t n_items;

		assert_int_equal(
			index_scan(index, &cursor, items, max_items, &n_items),
			0);
		assert_true(cursor > before);
		assert_true(n_items <= max_items);
		for (size_t i = 0; i < n_items; i++)
			count_seen(sorted, n, n_seen, &items[i]);
		n_steps++;
		for (size_t i = 0; i < max_items; i++) {
			struct index_place old;
			struct digest digest;

			if (n_came < n_come)
				put_new(index, nr(n_stay + n_go + n_came++),
					place_nr(0));
			if (n_gone == n_go)
				continue;
			digest = nr(n_stay + n_gone++);
			assert_int_equal(index_remove(index, &digest, &old), 0);
		}
	}
	assert_true(n_steps > 1);
	for (uint64_t i = 0; i < n; i++)
		assert_true(i < n_stay ? n_seen[i] == 1 : n_seen[i] <= 1);
	free(items);
	free(n_seen);
	free(sorted);
	index_free(index);
}

static void test_scan_sees_each_key_once_while_it_changes(void **state)
{
	(void)state;
	start_random("scan");
	scan_while_changing(20000, 10000, 10000, 256, digest_nr);
	scan_while_changing(2000, 1000, 1000, 40, digest_nr);
}

static void test_scan_sees_each_key_once_while_the_table_grows(void **state)
{
	(void)state;
	start_random("scan, growing");
	scan_while_changing(700000, 100000, 900000, 1000, digest_nr);
}

static void test_scan_cuts_a_chain_that_is_longer_than_the_room(void **state)
{
	(void)state;
	start_random("scan, crowded");
	scan_while_changing(1000, 0, 500, 256, crowded_nr);
	scan_while_changing(300, 100, 100, 1, crowded_nr);
	scan_while_changing(300, 0, 0, 7, crowded_nr);
}

static void test_scan_refuses_what_it_cannot_cut(void **state)
{
	struct index *index = new_index();
	struct index_scan_item items[8];
	uint64_t cursor = 0;
	size_t n_items = 77;

	(void)state;
	for (uint32_t i = 0; i < 5; i++) {
		struct digest digest = { .lo = 99, .hi = i };

		put_new(index, digest, place_nr(i));
	}
	while (index_scan(index, &cursor, items, 4, &n_items) == 0) {
		assert_true(cursor != INDEX_SCAN_END);
		assert_int_equal(n_items, 0);
	}
	assert_int_equal(index_scan(index, &cursor, items, 4, &n_items),
			 -E2BIG);
	assert_int_equal(index_scan(index, &cursor, items, 5, &n_items), 0);
	assert_int_equal(n_items, 5);
	cursor = INDEX_SCAN_END + 1;
	assert_int_equal(index_scan(index, &cursor, items, 5, &n_items),
			 -EINVAL);
	cursor = 0;
	assert_int_equal(index_scan(index, &cursor, items, 0, &n_items),
			 -EINVAL);
	cursor = INDEX_SCAN_END;
	assert_int_equal(index_scan(index, &cursor, items, 5, &n_items), 0);
	assert_int_equal(n_items, 0);
	index_free(index);
}

static void test_scan_of_nothing_ends(void **state)
{
	struct index *index = new_index();
	struct index_scan_item item;
	uint64_t cursor = 0;
	int n_steps = 0;

	(void)state;
	for (; cursor != INDEX_SCAN_END; n_steps++) {
		size_t n_items;

		assert_int_equal(index_scan(index, &cursor, &item, 1, &n_items),
				 0);
		assert_int_equal(n_items, 0);
	}
	/* Buckets that do not exist are not looked into. */
	assert_int_equal(n_steps, 1);
	assert_true(stats_of(index).memory_len < 1 << 20);
	index_free(index);
}

#define PRIVATE(test)                                                          \
	cmocka_unit_test_setup_teardown(test, set_private, set_shared)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chunks_follow_from_the_position),
		cmocka_unit_test(test_slot_keeps_every_bit),
		cmocka_unit_test(test_bucket_of_a_split_is_old_or_new),
		cmocka_unit_test(test_put_get_replace_remove),
		cmocka_unit_test(test_move_and_remove_if_spare_a_newer_place),
		cmocka_unit_test(
			test_digests_that_differ_in_one_bit_are_two_keys),
		cmocka_unit_test(test_a_small_index_takes_little_memory),
		cmocka_unit_test(
			test_crowded_bucket_is_counted_and_its_overflow_reused),
		cmocka_unit_test(test_random_changes_agree_with_a_model),
		cmocka_unit_test(test_random_changes_of_a_crowded_bucket_agree),
		PRIVATE(test_private_index_has_no_descriptors),
		PRIVATE(test_random_changes_agree_with_a_model),
		PRIVATE(test_random_changes_of_a_crowded_bucket_agree),
		PRIVATE(test_loading_grows_the_table),
		PRIVATE(test_loading_into_a_presized_table),
		PRIVATE(test_loading_what_was_expected),
		PRIVATE(test_tombstones_do_not_leave_a_blown_up_table),
		PRIVATE(test_scan_sees_each_key_once_while_it_changes),
		PRIVATE(test_a_small_index_takes_little_memory),
		cmocka_unit_test(
			test_growth_keeps_every_key_and_the_memory_bound),
		cmocka_unit_test(
			test_batches_grow_the_table_as_fast_as_single_puts),
		cmocka_unit_test(test_new_fails_cleanly_at_each_allocation),
		cmocka_unit_test(test_header_without_memory_is_not_written),
		cmocka_unit_test(test_reserved_puts_never_fail),
		cmocka_unit_test(test_pending_promises_add_up),
		cmocka_unit_test(test_split_leaves_promised_memory_alone),
		cmocka_unit_test(test_unreserved_put_fails_and_changes_nothing),
		cmocka_unit_test(test_growth_without_memory_is_postponed),
		cmocka_unit_test(test_the_highest_sequence_wins_in_every_order),
		cmocka_unit_test(
			test_of_two_copies_of_an_entry_the_first_stays),
		cmocka_unit_test(test_loading_grows_the_table),
		cmocka_unit_test(test_loading_into_a_presized_table),
		cmocka_unit_test(test_loading_what_was_expected),
		cmocka_unit_test(test_expecting_few_takes_no_memory),
		cmocka_unit_test(test_expecting_without_memory_changes_nothing),
		cmocka_unit_test(test_tombstones_do_not_leave_a_blown_up_table),
		cmocka_unit_test(test_loading_fails_cleanly_without_memory),
		cmocka_unit_test(test_rebuild_without_memory_keeps_the_table),
		cmocka_unit_test(test_scan_sees_each_key_once_while_it_changes),
		cmocka_unit_test(
			test_scan_sees_each_key_once_while_the_table_grows),
		cmocka_unit_test(
			test_scan_cuts_a_chain_that_is_longer_than_the_room),
		cmocka_unit_test(test_scan_refuses_what_it_cannot_cut),
		cmocka_unit_test(test_scan_of_nothing_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
