/*
 * bench_cold: what a small hot request waits while another client reads what
 * is not in memory: a store far larger than the page cache that it gets.
 *
 * Usage: bench_cold [MIB [SECONDS]]; without operands 512 MiB, 3 seconds a
 * line.  The pages of the segments are dropped all the time, so that nearly
 * every read of the cold keys goes to the disk.  GETMED=PATH measures another
 * getmed.  Prints lines that begin with "# ".
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/bench_rig.h"

enum {
	VALUE_LEN = 4096,
	KEY_LEN = 16,
	BATCH = 1000,
	N_COLD = 2,	       /* clients: more would fight for the cores */
	COLD_SAMPLES = 200000, /* of each */
	DROP_MS = 10,
};

static struct bench_rig rig;
static uint64_t n_keys;
static atomic_bool stop;

static void key_of(char key[32], uint64_t number)
{
	snprintf(key, 32, "key:%012" PRIu64, number);
}

static void load_store(void)
{
	static char value[VALUE_LEN];
	struct getme *handle = bench_rig_connect(&rig);
	struct getme_batch *batch;
	char key[32];

	bench_expect(getme_batch_new(&batch), "batch");
	for (uint64_t i = 0; i < n_keys; i++) {
		key_of(key, i);
		memset(value, (int)(i % 251), sizeof(value));
		bench_expect(getme_batch_put(batch, key, KEY_LEN, value,
					     sizeof(value), NULL),
			     "batch");
		if (getme_batch_count(batch) < BATCH && i + 1 < n_keys)
			continue;
		bench_expect(getme_batch_apply(handle, batch, NULL, NULL),
			     "batch");
		getme_batch_reset(batch);
	}
	getme_batch_free(batch);
	/* In memory whatever the disk does: it is written again and again. */
	bench_expect(getme_put(handle, "hot", 3, "value", 5, NULL, NULL),
		     "put");
	bench_expect(getme_sync(handle), "sync");
	getme_close(handle);
}

/* Only what is synced can be dropped. */
static void drop_pages(void)
{
	char path[BENCH_PATH_MAX + 256];
	const struct dirent *entry;
	DIR *dir = opendir(rig.store);

	while (dir && (entry = readdir(dir)) != NULL) {
		int fd;

		snprintf(path, sizeof(path), "%s/%s", rig.store, entry->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		close(fd);
	}
	if (dir)
		closedir(dir);
}

static void *keep_dropping(void *arg)
{
	const struct timespec pause = { .tv_nsec = DROP_MS * 1000000 };

	(void)arg;
	while (!stop) {
		drop_pages();
		nanosleep(&pause, NULL);
	}
	return NULL;
}

struct cold_client {
	pthread_t thread;
	uint64_t random;
	double us[COLD_SAMPLES];
	size_t n;
};

static struct cold_client clients[N_COLD];

static uint64_t next_random(uint64_t *random)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return *random;
}

static void *read_cold(void *arg)
{
	struct cold_client *client = arg;
	struct getme *handle = bench_rig_connect(&rig);
	struct getme_value value;
	char key[32];

	while (!stop) {
		double at = bench_now_s();

		key_of(key, next_random(&client->random) % n_keys);
		bench_expect(getme_get(handle, key, KEY_LEN, &value), "get");
		if (client->n < COLD_SAMPLES)
			client->us[client->n++] = (bench_now_s() - at) * 1e6;
	}
	getme_close(handle);
	return NULL;
}

static void print_cold(uint64_t n_cold_reads)
{
	static double all[N_COLD * COLD_SAMPLES];
	size_t n = 0;

	for (int i = 0; i < N_COLD; i++) {
		memcpy(all + n, clients[i].us, clients[i].n * sizeof(*all));
		n += clients[i].n;
	}
	bench_print("  those of the 2", all, n);
	printf("#   by the pool: %" PRIu64 "\n", n_cold_reads);
}

static void start(pthread_t *thread, void *(*run)(void *arg), void *arg)
{
	if (pthread_create(thread, NULL, run, arg) != 0)
		bench_expect(-EAGAIN, "thread");
}

static void measure_with_cold(const char *what, double seconds, bool dropping)
{
	uint64_t before = bench_rig_stat(&rig, "cold_reads");
	pthread_t dropper;

	stop = false;
	for (int i = 0; i < N_COLD; i++) {
		clients[i].random = 88172645463325252 + (uint64_t)i * 7919;
		clients[i].n = 0;
		start(&clients[i].thread, read_cold, &clients[i]);
	}
	if (dropping)
		start(&dropper, keep_dropping, NULL);
	bench_measure(&rig, what, seconds);
	stop = true;
	for (int i = 0; i < N_COLD; i++)
		pthread_join(clients[i].thread, NULL);
	if (dropping)
		pthread_join(dropper, NULL);
	print_cold(bench_rig_stat(&rig, "cold_reads") - before);
}

int main(int argc, char **argv)
{
	uint64_t mib = argc > 1 ? strtoull(argv[1], NULL, 10) : 512;
	double seconds = argc > 2 ? strtod(argv[2], NULL) : 3;

	n_keys = mib * (1 << 20) / VALUE_LEN;
	bench_rig_start(&rig, argv[0], "64M");
	load_store();
	printf("# %" PRIu64 " MiB, %" PRIu64 " values of %d bytes\n", mib,
	       n_keys, VALUE_LEN);
	bench_measure(&rig, "hot, alone", seconds);
	measure_with_cold("hot, 2 clients read from memory", seconds, false);
	drop_pages();
	measure_with_cold("hot, 2 clients read from the disk", seconds, true);
	bench_rig_stop(&rig);
	return 0;
}
