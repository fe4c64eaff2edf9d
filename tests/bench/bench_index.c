/*
 * bench_index: what the index costs, in bytes a key and in time.
 *
 * Usage: bench_index [KEYS...]; without operands 1 and 10 million.  Prints
 * lines that begin with "# ".
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/digest.h"
#include "common/index.h"
#include "common/lookup.h"

enum {
	LOOKS_A_CYCLE = 40, /* at the memory, while the keys double */
	PREFETCHED = 16,
};

static const uint8_t secret[DIGEST_SECRET_LEN] = "0123456789abcde";

static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* Made up: as good as SipHash's for a table, and nearly free. */
static struct digest digest_nr(uint64_t i)
{
	struct digest digest = { .lo = mix(i * 2),
				 .hi = (uint32_t)mix(i * 2 + 1) };

	return digest;
}

static const struct index_place some_place = { .segment = 1,
					       .off8 = 2,
					       .len8 = 3 };

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void expect(int rc, int expected)
{
	if (rc == expected)
		return;
	fprintf(stderr, "bench_index: result %d, not %d\n", rc, expected);
	exit(1);
}

static struct index *make_index(void)
{
	struct index_options options = { .secret = { 0 } };
	struct index *index;

	memcpy(options.secret, secret, sizeof(secret));
	expect(index_new(&options, &index), 0);
	return index;
}

static double bytes_a_key(const struct index *index)
{
	struct index_stats stats;

	index_stats(index, &stats);
	return (double)stats.memory_len / (double)stats.n_keys_max;
}

/* Grows from N to 2 N keys: one cycle of the table. */
static void report_memory(uint64_t n)
{
	struct index *index = make_index();
	struct index_stats stats;
	struct index_place old;
	uint64_t step = n / LOOKS_A_CYCLE + 1;
	double worst = 0;
	double best = 1e9;

	for (uint64_t i = 1; i <= 2 * n; i++) {
		struct digest digest = digest_nr(i);
		double bytes;

		expect(index_put(index, &digest, &some_place, &old), 0);
		if (i < n || i % step != 0)
			continue;
		bytes = bytes_a_key(index);
		worst = bytes > worst ? bytes : worst;
		best = bytes < best ? bytes : best;
	}
	index_stats(index, &stats);
	printf("# memory: %.2f to %.2f bytes a key from %" PRIu64 " to %" PRIu64
	       " keys\n",
	       best, worst, n, 2 * n);
	printf("# table: %" PRIu64 " buckets, %" PRIu64
	       " overflow, longest chain %" PRIu64 " slots\n",
	       stats.n_buckets, stats.n_overflow, stats.longest_chain);
	index_free(index);
}

static void report(const char *what, double began, uint64_t n)
{
	printf("# %-28s %6.0f ns\n", what, (now_ns() - began) / (double)n);
}

static void report_put(struct index *index, uint64_t n)
{
	struct index_place old;
	double began = now_ns();

	for (uint64_t i = 0; i < n; i++) {
		struct digest digest = digest_nr(i);

		expect(index_put(index, &digest, &some_place, &old), 0);
	}
	report("put, new, while it grows", began, n);
	began = now_ns();
	for (uint64_t i = 0; i < n; i++) {
		struct digest digest = digest_nr(mix(i) % n);

		expect(index_put(index, &digest, &some_place, &old),
		       INDEX_REPLACED);
	}
	report("put, over an older one", began, n);
}

static void report_get(const struct index *index, uint64_t n)
{
	const struct lookup_map *map = index_map(index);
	struct index_place place;
	struct lookup_stamp stamp;
	double began = now_ns();

	for (uint64_t i = 0; i < n; i++) {
		struct digest digest = digest_nr(mix(i) % n);

		expect(index_get(index, &digest, &place), 0);
	}
	report("get by the writer, hit", began, n);
	began = now_ns();
	for (uint64_t i = 0; i < n; i++) {
		struct digest digest = digest_nr(mix(i) % n);

		expect(lookup_find(map, &digest, &place, &stamp), 0);
	}
	report("get by a reader, hit", began, n);
	began = now_ns();
	for (uint64_t i = 0; i < n; i++) {
		struct digest digest = digest_nr(mix(i) + n);

		expect(lookup_find(map, &digest, &place, &stamp),
		       LOOKUP_NOT_FOUND);
	}
	report("get by a reader, miss", began, n);
}

static void report_get_many(const struct index *index, uint64_t n)
{
	const struct lookup_map *map = index_map(index);
	struct index_place place;
	struct lookup_stamp stamp;
	double began = now_ns();

	for (uint64_t i = 0; i < n; i += PREFETCHED) {
		struct digest digests[PREFETCHED];

		for (uint64_t k = 0; k < PREFETCHED; k++) {
			digests[k] = digest_nr(mix(i + k) % n);
			lookup_prefetch(map, &digests[k]);
		}
		for (uint64_t k = 0; k < PREFETCHED; k++)
			expect(lookup_find(map, &digests[k], &place, &stamp),
			       0);
	}
	report("get by a reader, 16 at once", began, n);
}

static void report_remove(struct index *index, uint64_t n)
{
	struct index_place old;
	double began = now_ns();

	for (uint64_t i = 0; i < n; i++) {
		struct digest digest = digest_nr(i);

		expect(index_remove(index, &digest, &old), 0);
	}
	report("remove", began, n);
}

static void report_load(uint64_t n, bool presized)
{
	struct index *index = make_index();
	struct index_load_result result;
	double began = now_ns();

	if (presized)
		expect(index_presize(index, n), 0);
	expect(index_load_begin(index), 0);
	for (uint64_t i = 0; i < n; i += PREFETCHED) {
		struct digest digests[PREFETCHED];

		for (uint64_t k = 0; k < PREFETCHED; k++) {
			digests[k] = digest_nr(i + k);
			lookup_prefetch(index_map(index), &digests[k]);
		}
		for (uint64_t k = 0; k < PREFETCHED; k++)
			expect(index_load_put(index, &digests[k], &some_place,
					      i + k, &result),
			       0);
	}
	index_load_end(index);
	printf("# %-28s %6.2f million keys a second\n",
	       presized ? "load, presized" : "load",
	       (double)n * 1e3 / (now_ns() - began));
	index_free(index);
}

static void report_digest(void)
{
	static const char key[] = "user:0123456789";
	uint64_t n = 5000000;
	uint64_t sum = 0;
	double began = now_ns();

	for (uint64_t i = 0; i < n; i++)
		sum += digest_of(secret, key, 8 + i % 8).lo;
	report(sum ? "digest of a short key" : "", began, n);
}

/* Through real digests: the length of the keys makes no difference. */
static void report_key_len(uint64_t n, size_t key_len)
{
	struct index *index = make_index();
	char key[256];

	memset(key, 'k', sizeof(key));
	for (uint64_t i = 0; i < n; i++) {
		struct index_place old;
		struct digest digest;

		snprintf(key, sizeof(key), "%016" PRIu64, i);
		key[16] = 'k';
		digest = digest_of(secret, key, key_len);
		expect(index_reserve(index, &digest, 1, 0), 0);
		expect(index_put(index, &digest, &some_place, &old), 0);
	}
	printf("# memory: %.2f bytes a key of %zu bytes, %" PRIu64 " keys\n",
	       bytes_a_key(index), key_len, n);
	index_free(index);
}

static void report_size(uint64_t n)
{
	struct index *index = make_index();

	printf("# -- %" PRIu64 " keys\n", n);
	report_memory(n);
	report_put(index, n);
	report_get(index, n);
	report_get_many(index, n);
	report_remove(index, n);
	index_free(index);
	report_load(n, false);
	report_load(n, true);
}

int main(int argc, char **argv)
{
	report_digest();
	if (argc < 2) {
		report_key_len(1000000, 16);
		report_key_len(1000000, 200);
		report_key_len(10000000, 16);
		report_key_len(10000000, 200);
		report_size(1000000);
		report_size(10000000);
	}
	for (int i = 1; i < argc; i++) {
		char *end;
		uint64_t n = strtoull(argv[i], &end, 10);

		if (*end || n < 1000) {
			fprintf(stderr, "usage: bench_index [KEYS...], "
					"each at least 1000\n");
			return 2;
		}
		report_size(n / PREFETCHED * PREFETCHED);
	}
	return 0;
}
