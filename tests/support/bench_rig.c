#include "tests/support/bench_rig.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/tempdir.h"

enum {
	START_TRIES = 2000, /* 5 ms each */
	SAMPLES_FIRST = 1 << 16,
};

static void die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

void bench_expect(int result, const char *what)
{
	if (result == 0)
		return;
	fprintf(stderr, "bench: %s: %s\n", what, getme_strerror(result));
	exit(1);
}

double bench_now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* BUILD/tests/bench/NAME lies two folders below BUILD/getmed's. */
static void find_getmed(const char *program, char *path, size_t size)
{
	const char *set = getenv("GETMED");
	const char *slash = strrchr(program, '/');
	int len = slash ? (int)(slash - program) : 0;

	if (set)
		snprintf(path, size, "%s", set);
	else
		snprintf(path, size, "%.*s/../../getmed", len, program);
}

static int try_open(const struct bench_rig *rig, struct getme **handle)
{
	struct getme_options options = GETME_OPTIONS_INIT;

	options.socket = rig->socket;
	options.timeout_ms = -1;
	return getme_open(&options, handle, NULL, 0);
}

static void await_start(const struct bench_rig *rig)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	struct getme *handle;
	int tries;

	for (tries = 0; tries < START_TRIES; tries++) {
		if (try_open(rig, &handle) == 0) {
			getme_close(handle);
			return;
		}
		nanosleep(&pause, NULL);
	}
	fprintf(stderr, "bench: getmed does not answer\n");
	exit(1);
}

void bench_rig_start(struct bench_rig *rig, const char *program,
		     const char *max_value)
{
	char getmed[BENCH_PATH_MAX];

	find_getmed(program, getmed, sizeof(getmed));
	snprintf(rig->dir, sizeof(rig->dir), "bench-XXXXXX");
	if (!mkdtemp(rig->dir))
		die("mkdtemp");
	snprintf(rig->store, sizeof(rig->store), "%.500s/store", rig->dir);
	snprintf(rig->socket, sizeof(rig->socket), "%.500s/s", rig->dir);
	rig->pid = fork();
	if (rig->pid < 0)
		die("fork");
	if (rig->pid == 0) {
		execl(getmed, "getmed", "--store", rig->store, "--socket",
		      rig->socket, "--max-value", max_value, "--durability",
		      "none", "--log-level", "error", (char *)NULL);
		die(getmed);
	}
	await_start(rig);
}

void bench_rig_stop(struct bench_rig *rig)
{
	kill(rig->pid, SIGTERM);
	waitpid(rig->pid, NULL, 0);
	tempdir_remove(rig->dir);
}

struct getme *bench_rig_connect(const struct bench_rig *rig)
{
	struct getme *handle;

	bench_expect(try_open(rig, &handle), "connect");
	return handle;
}

uint64_t bench_rig_memory(const struct bench_rig *rig, const char *name)
{
	char path[64];
	char line[256];
	uint64_t kib = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)rig->pid);
	file = fopen(path, "re");
	if (!file)
		die(path);
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, name, strlen(name)) == 0)
			kib = strtoull(strchr(line, ':') + 1, NULL, 10);
	}
	fclose(file);
	return kib;
}

bool bench_rig_reset_peak(const struct bench_rig *rig)
{
	char path[64];
	bool done;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/clear_refs", (long)rig->pid);
	file = fopen(path, "we");
	if (!file)
		return false;
	done = fputs("5", file) >= 0;
	return fclose(file) == 0 && done;
}

uint64_t bench_rig_stat(const struct bench_rig *rig, const char *name)
{
	struct getme *handle = bench_rig_connect(rig);
	const struct getme_stats_row *rows;
	uint64_t value = 0;
	size_t n;

	bench_expect(getme_stats(handle, &rows, &n), "stats");
	for (size_t i = 0; i < n; i++) {
		if (strcmp(rows[i].name, name) == 0)
			value = rows[i].value;
	}
	getme_close(handle);
	return value;
}

/* ---- latencies ---- */

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a;
	double right = *(const double *)b;

	return left < right ? -1 : left > right;
}

void bench_print(const char *what, double *us, size_t n)
{
	if (n == 0) {
		printf("# %-34s none\n", what);
		return;
	}
	qsort(us, n, sizeof(*us), compare);
	printf("# %-34s n %8zu  p50 %8.0f  p99 %8.0f  p99.9 %8.0f  max "
	       "%8.0f us\n",
	       what, n, us[n / 2], us[n * 99 / 100], us[n * 999 / 1000],
	       us[n - 1]);
	fflush(stdout);
}

void bench_measure(const struct bench_rig *rig, const char *what,
		   double seconds)
{
	struct getme *handle = bench_rig_connect(rig);
	double end = bench_now_s() + seconds;
	size_t cap = SAMPLES_FIRST;
	double *us = malloc(cap * sizeof(*us));
	struct getme_value value;
	size_t n = 0;
	double at;

	while (us && (at = bench_now_s()) < end) {
		bench_expect(getme_get(handle, "hot", 3, &value), "get hot");
		us[n++] = (bench_now_s() - at) * 1e6;
		if (n < cap)
			continue;
		cap *= 2;
		us = realloc(us, cap * sizeof(*us));
	}
	if (!us)
		die("malloc");
	bench_print(what, us, n);
	free(us);
	getme_close(handle);
}
