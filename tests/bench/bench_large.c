/*
 * bench_large: what a small request waits while large values come and go, and
 * what a large value takes of the daemon's memory.
 *
 * Usage: bench_large [MIB [SECONDS [GIANT]]]; without operands values of
 * 64 MiB, 3 seconds a line, and one of 1024 MiB for the memory.  GETMED=PATH
 * measures another getmed.  Prints lines that begin with "# ".
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/bench_rig.h"

static struct bench_rig rig;
static atomic_bool stop;
static size_t value_len;
static char *value;
static atomic_uint n_puts;
static atomic_uint n_gets;

static void *put_large(void *arg)
{
	struct getme *handle = bench_rig_connect(&rig);

	(void)arg;
	while (!stop) {
		bench_expect(getme_put(handle, "large", 5, value, value_len,
				       NULL, NULL),
			     "put");
		n_puts++;
	}
	getme_close(handle);
	return NULL;
}

static void *get_large(void *arg)
{
	struct getme *handle = bench_rig_connect(&rig);
	struct getme_value got;

	(void)arg;
	while (!stop) {
		bench_expect(getme_get(handle, "large", 5, &got), "get");
		n_gets++;
	}
	getme_close(handle);
	return NULL;
}

static pthread_t start(void *(*run)(void *arg))
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, NULL) != 0) {
		fprintf(stderr, "bench_large: no thread\n");
		exit(1);
	}
	return thread;
}

static void measure_with(const char *what, bool puts, bool gets, double seconds)
{
	pthread_t threads[2];
	int n = 0;

	stop = false;
	n_puts = 0;
	n_gets = 0;
	if (puts)
		threads[n++] = start(put_large);
	if (gets)
		threads[n++] = start(get_large);
	bench_measure(&rig, what, seconds);
	printf("#   meanwhile %u puts, %u gets of %zu MiB\n", n_puts, n_gets,
	       value_len >> 20);
	stop = true;
	while (n > 0)
		pthread_join(threads[--n], NULL);
}

static void print_peak(const char *what, uint64_t before)
{
	printf("# %-34s VmHWM %" PRIu64 " MiB over the %" PRIu64
	       " MiB before\n",
	       what, (bench_rig_memory(&rig, "VmHWM") - before) >> 10,
	       before >> 10);
}

static void measure_memory(size_t giant)
{
	struct getme *handle = bench_rig_connect(&rig);
	char *bytes = malloc(giant);
	struct getme_value got;
	uint64_t before;

	if (!bytes) {
		printf("# no memory for a value of %zu MiB\n", giant >> 20);
		return;
	}
	memset(bytes, 'g', giant);
	printf("# a value of %zu MiB\n", giant >> 20);
	before = bench_rig_memory(&rig, "VmRSS");
	if (!bench_rig_reset_peak(&rig))
		printf("# (peaks are those since the start)\n");
	bench_expect(getme_put(handle, "giant", 5, bytes, giant, NULL, NULL),
		     "put giant");
	print_peak("  put", before);
	free(bytes);
	before = bench_rig_memory(&rig, "VmRSS");
	bench_rig_reset_peak(&rig);
	bench_expect(getme_get(handle, "giant", 5, &got), "get giant");
	print_peak("  get", before);
	getme_close(handle);
}

int main(int argc, char **argv)
{
	double seconds = argc > 2 ? strtod(argv[2], NULL) : 3;
	size_t giant = argc > 3 ? strtoull(argv[3], NULL, 10) : 1024;
	struct getme *handle;

	value_len = (argc > 1 ? strtoull(argv[1], NULL, 10) : 64) << 20;
	value = malloc(value_len);
	if (!value)
		return 1;
	memset(value, 'v', value_len);
	bench_rig_start(&rig, argv[0], "1G");
	handle = bench_rig_connect(&rig);
	bench_expect(getme_put(handle, "hot", 3, "value", 5, NULL, NULL),
		     "put");
	bench_expect(
		getme_put(handle, "large", 5, value, value_len, NULL, NULL),
		"put");
	bench_measure(&rig, "hot, alone", seconds);
	measure_with("hot, large values are put", true, false, seconds);
	measure_with("hot, large values are got", false, true, seconds);
	measure_with("hot, both", true, true, seconds);
	if (giant > 0)
		measure_memory(giant << 20);
	getme_close(handle);
	bench_rig_stop(&rig);
	free(value);
	return 0;
}
