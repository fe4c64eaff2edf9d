#include "tests/bench/peer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/bench_kit.h"

enum {
	BATCH = 1000,
	OFTEN = 64, /* operations between two looks at the time */
	WARM_UP = 200000, /* reads */
	VALUE_MAX = 4 << 20,
	THREADS_MAX = 64,
};

static const struct peer *store;
static const char *dir;
static uint64_t n_keys;
static size_t value_len;

/* A number that shares no factor with that of the keys, near its golden cut. */
static uint64_t stride(void)
{
	uint64_t step = (uint64_t)((double)n_keys * 0.618) | 1;

	for (;; step += 2) {
		uint64_t a = n_keys, b = step;

		while (b) {
			uint64_t rest = a % b;

			a = b;
			b = rest;
		}
		if (a == 1)
			return step;
	}
}

static void load(void)
{
	char *keys = malloc((size_t)BATCH * KIT_KEY_LEN);
	char *values = malloc(BATCH * value_len);
	uint64_t step = stride();
	double begin = kit_now_s();

	if (!keys || !values)
		kit_die("out of memory");
	for (size_t i = 0; i < BATCH; i++)
		kit_value(values + i * value_len, value_len);
	store->open(dir, false);
	for (uint64_t i = 0; i < n_keys; i += BATCH) {
		size_t n = n_keys - i < BATCH ? (size_t)(n_keys - i) : BATCH;

		for (size_t j = 0; j < n; j++) {
			kit_key((i + j) * step % n_keys,
				keys + j * KIT_KEY_LEN);
			memcpy(values + j * value_len, keys + j * KIT_KEY_LEN,
			       KIT_KEY_LEN);
		}
		store->put(keys, values, value_len, n, i + n == n_keys);
	}
	store->close();
	printf("%.3f\n", kit_now_s() - begin);
	free(keys);
	free(values);
}

/* ---- reading ---- */

/* What is read at first is mapped, cached and so on; that is not counted. */
static void open_to_read(void *ctx, unsigned int number)
{
	struct kit_random random = { 7919 + number };
	static char value[VALUE_MAX];
	char key[KIT_KEY_LEN];

	(void)ctx;
	store->open(dir, true);
	for (int i = 0; i < WARM_UP; i++) {
		kit_key(kit_next(&random) % n_keys, key);
		store->get(key, value, sizeof(value));
	}
}

static uint64_t get_each(void *ctx, unsigned int number)
{
	struct kit_random random = { 88172645463325252 + number * 7919 };
	static char value[VALUE_MAX];
	char key[KIT_KEY_LEN];
	uint64_t n = 0;

	(void)ctx;
	while (!kit_is_over()) {
		for (int i = 0; i < OFTEN; i++) {
			size_t len;

			kit_key(kit_next(&random) % n_keys, key);
			len = store->get(key, value, sizeof(value));
			if (len < KIT_KEY_LEN ||
			    memcmp(value, key, KIT_KEY_LEN) != 0)
				kit_die("%s: a wrong value", store->name);
		}
		n += OFTEN;
	}
	return n;
}

static uint64_t many_each(void *ctx, unsigned int number)
{
	struct kit_random random = { 88172645463325252 + number * 7919 };
	static char keys[PEER_MANY * KIT_KEY_LEN];
	uint64_t n = 0;

	(void)ctx;
	for (; !kit_is_over(); n += PEER_MANY) {
		for (int i = 0; i < PEER_MANY; i++)
			kit_key(kit_next(&random) % n_keys,
				keys + i * KIT_KEY_LEN);
		store->get_many(keys);
	}
	return n;
}

static void print_rate(double rate, double cpu_us)
{
	printf("%.0f %.3f 0\n", rate, cpu_us);
}

static void read_all(bool many, unsigned int n, double seconds)
{
	const struct kit_job job = {
		.set_up = open_to_read,
		.each = many ? many_each : get_each,
		.seconds = seconds,
	};
	double cpu_us;
	double rate = kit_run(&job, n, &cpu_us);

	print_rate(rate, cpu_us);
}

/* ---- durable puts ---- */

static atomic_bool over;
static _Atomic uint64_t n_puts;

static void *put_each(void *ctx)
{
	struct kit_random random = { (uint64_t)(uintptr_t)ctx * 7919 + 1 };
	char *value = malloc(value_len);
	char key[KIT_KEY_LEN];

	if (!value)
		kit_die("out of memory");
	kit_value(value, value_len);
	while (!atomic_load(&over)) {
		kit_key(kit_next(&random) % n_keys, key);
		memcpy(value, key, KIT_KEY_LEN);
		store->put(key, value, value_len, 1, true);
		atomic_fetch_add(&n_puts, 1);
	}
	free(value);
	return NULL;
}

static void put_durably(unsigned int n, double seconds)
{
	pthread_t threads[THREADS_MAX];
	double begin, cpu, took;

	if (n > THREADS_MAX || (n > 1 && !store->threads_put))
		kit_die("%s: not with so many threads", store->name);
	store->open(dir, false);
	begin = kit_now_s();
	cpu = kit_cpu_s();
	for (uintptr_t i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, put_each,
				   (void *)(i + 1)))
			kit_die("cannot start a thread");
	usleep((useconds_t)(seconds * 1e6));
	took = kit_now_s() - begin;
	atomic_store(&over, true);
	for (unsigned int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	print_rate((double)n_puts / took,
		   (kit_cpu_s() - cpu) / (double)n_puts * 1e6);
	store->close();
}

int peer_main(const struct peer *peer, int argc, char **argv)
{
	const char *what = argc > 2 ? argv[2] : "";

	store = peer;
	dir = argc > 1 ? argv[1] : "";
	if (argc == 5 && strcmp(what, "load") == 0) {
		n_keys = strtoull(argv[3], NULL, 10);
		value_len = strtoul(argv[4], NULL, 10);
		load();
	} else if (argc == 6 &&
		   (strcmp(what, "get") == 0 ||
		    (strcmp(what, "many") == 0 && store->get_many))) {
		n_keys = strtoull(argv[5], NULL, 10);
		read_all(what[0] == 'm',
			 (unsigned int)strtoul(argv[3], NULL, 10),
			 strtod(argv[4], NULL));
	} else if (argc == 7 && strcmp(what, "durable") == 0) {
		n_keys = strtoull(argv[5], NULL, 10);
		value_len = strtoul(argv[6], NULL, 10);
		put_durably((unsigned int)strtoul(argv[3], NULL, 10),
			    strtod(argv[4], NULL));
	} else {
		fputs("usage: see the head of tests/bench/peer.h\n", stderr);
		return 2;
	}
	return 0;
}
