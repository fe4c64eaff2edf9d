#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/gang.h"
#include "tests/bench/peer.h"
#include "tests/bench/stopwatch.h"
#include "tests/bench/work.h"

enum {
	AT_A_LOOK = 64, /* operations between two looks at the clock */
	HALF_PAGE = 2048,
	THREADS_MAX = 256,
};

struct run {
	struct peer_setting setting;
	const char *name;
	double seconds;
	unsigned int members;
	uint64_t warm_every; /* which key is read first; 0: none */
	struct work work;
	uint8_t *value;
};

static void check(const void *value, size_t len, const struct run *run,
		  uint64_t key)
{
	if (len == run->setting.value_len && value_is(value, key))
		return;
	errno = 0;
	die("a wrong value");
}

/* ---- reading, in processes ---- */

static void get_one(struct peer *peer, const struct run *run, uint64_t number)
{
	char key[KEY_LEN];
	size_t len;
	const void *value;

	key_make(key, number);
	value = peer_get(peer, key, &len);
	check(value, len, run, number);
}

static void get_many(struct peer *peer, struct run *run)
{
	char keys[PEER_MANY][KEY_LEN];
	uint64_t numbers[PEER_MANY];
	const void *values[PEER_MANY];

	for (size_t i = 0; i < PEER_MANY; i++) {
		numbers[i] =
			random_below(&run->work.random, run->setting.n_keys);
		key_make(keys[i], numbers[i]);
	}
	peer_get_many(peer, (const char(*)[KEY_LEN])keys, values);
	for (size_t i = 0; i < PEER_MANY; i++)
		check(values[i], run->setting.value_len, run, numbers[i]);
}

static void put_one(struct peer *peer, const struct run *run, uint8_t *value,
		    uint64_t number)
{
	struct peer_put put = { .value = value };

	(void)run;
	key_make(put.key, number);
	value_stamp(value, number);
	peer_put(peer, &put, 1);
}

static uint64_t work_until(struct run *run, struct peer *peer, double end)
{
	const bool many = strcmp(run->name, "many") == 0;
	uint64_t n = 0;

	while (now_s() < end) {
		for (int i = 0; i < AT_A_LOOK; i++) {
			uint64_t key;
			bool is_get;

			if (many) {
				get_many(peer, run);
				n += PEER_MANY - 1;
				continue;
			}
			work_next(&run->work, &key, &is_get);
			if (is_get)
				get_one(peer, run, key);
			else
				put_one(peer, run, run->value, key);
		}
		n += AT_A_LOOK;
	}
	return n;
}

static uint64_t member(struct gang *gang, unsigned int i, void *ctx)
{
	struct run *run = ctx;
	struct peer *peer = peer_open(&run->setting);
	uint64_t n;

	work_vary(&run->work, i + 1);
	for (uint64_t key = 0; run->warm_every && key < run->setting.n_keys;
	     key += run->warm_every)
		get_one(peer, run, key);
	n = work_until(run, peer, gang_begin(gang));
	/* What closing costs is no member's time: the process just ends. */
	return n;
}

/* ---- writing, in threads of one process ---- */

struct writer {
	const struct run *run;
	struct peer *peer;
	unsigned int number;
	double end;
	uint64_t n;
};

static uint8_t *new_value(const struct run *run)
{
	uint8_t *value = malloc(run->setting.value_len);

	if (!value)
		die("malloc");
	value_fill(value, run->setting.value_len);
	return value;
}

static void *write_body(void *ctx)
{
	struct writer *writer = ctx;
	uint8_t *value = new_value(writer->run);
	uint64_t random = (uint64_t)(writer->number + 1) << 40;

	while (now_s() < writer->end) {
		put_one(writer->peer, writer->run, value,
			random_below(&random, writer->run->setting.n_keys));
		writer->n++;
	}
	free(value);
	return NULL;
}

static void write_in_threads(const struct run *run)
{
	struct writer writers[THREADS_MAX];
	pthread_t threads[THREADS_MAX];
	struct stopwatch watch;
	uint64_t n = 0;
	struct peer *peer = peer_open(&run->setting);

	stopwatch_start(&watch, 0);
	for (unsigned int i = 0; i < run->members; i++) {
		writers[i] = (struct writer){ run, peer, i,
					      watch.begin + run->seconds, 0 };
		errno = pthread_create(&threads[i], NULL, write_body,
				       &writers[i]);
		if (errno)
			die("pthread_create");
	}
	for (unsigned int i = 0; i < run->members; i++) {
		pthread_join(threads[i], NULL);
		n += writers[i].n;
	}
	stopwatch_print(&watch, n);
	peer_close(peer);
}

/* ---- loading ---- */

static void load(const struct run *run)
{
	const uint64_t n_keys = run->setting.n_keys;
	static struct peer_put puts[PEER_BATCH];
	struct stopwatch watch;
	struct peer *peer = peer_open(&run->setting);
	size_t batch = PEER_BATCH;

	while (batch > 1 && batch * run->setting.value_len > 16 << 20)
		batch /= 2;
	for (size_t i = 0; i < batch; i++)
		puts[i].value = new_value(run);
	stopwatch_start(&watch, 0);
	for (uint64_t i = 0; i < n_keys; i += batch) {
		size_t n = n_keys - i < batch ? (size_t)(n_keys - i) : batch;

		for (size_t j = 0; j < n; j++) {
			uint64_t number = key_shuffled(i + j, n_keys);

			key_make(puts[j].key, number);
			value_stamp(puts[j].value, number);
		}
		peer_put(peer, puts, n);
	}
	stopwatch_print(&watch, n_keys);
	peer_settle(peer);
	peer_close(peer);
}

/* ---- */

__attribute__((noreturn)) static void usage(void)
{
	fprintf(stderr, "usage: peer_NAME [-k KEYS] [-v VALUE] [-s SECONDS]\n"
			"       [-n MEMBERS] [-w EVERY] [-m MODE] PATH WORK\n");
	exit(2);
}

static void parse(int argc, char **argv, struct run *run)
{
	int option;

	while ((option = getopt(argc, argv, "k:v:s:n:m:w:")) != -1) {
		if (option == 'k')
			run->setting.n_keys = number_of(optarg);
		else if (option == 'v')
			run->setting.value_len = number_of(optarg);
		else if (option == 's')
			run->seconds = strtod(optarg, NULL);
		else if (option == 'n')
			run->members = (unsigned int)number_of(optarg);
		else if (option == 'w')
			run->warm_every = number_of(optarg);
		else if (option == 'm')
			run->setting.mode = optarg;
		else
			usage();
	}
	if (argc != optind + 2 || run->members == 0 ||
	    run->members > THREADS_MAX || run->setting.n_keys < 2 ||
	    run->setting.value_len < KEY_STAMP_LEN)
		usage();
	run->setting.path = argv[optind];
	run->name = argv[optind + 1];
}

int main(int argc, char **argv)
{
	struct run run = {
		.setting = { .n_keys = 1000000, .value_len = 100 },
		.seconds = 1,
		.members = 1,
		.warm_every = UINT64_MAX,
	};

	parse(argc, argv, &run);
	if (run.warm_every == UINT64_MAX)
		run.warm_every = 1 + HALF_PAGE / run.setting.value_len;
	if (strcmp(run.name, "load") == 0) {
		run.setting.use = PEER_LOAD;
		load(&run);
	} else if (strcmp(run.name, "put") == 0) {
		run.setting.use = PEER_WRITE;
		write_in_threads(&run);
	} else if (strcmp(run.name, "sync") == 0) {
		run.setting.use = PEER_SYNC;
		write_in_threads(&run);
	} else {
		const char *work =
			strcmp(run.name, "many") == 0 ? "get" : run.name;
		bool writes = strcmp(work, "a") == 0 || strcmp(work, "b") == 0;

		run.setting.use = writes ? PEER_WRITE : PEER_READ;
		run.value = new_value(&run);
		work_init(&run.work, work, run.setting.n_keys, run.seconds);
		gang_run(run.members, run.seconds, member, &run);
		free(run.value);
	}
	return 0;
}
