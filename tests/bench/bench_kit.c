#include "tests/bench/bench_kit.h"

#include <dirent.h>
#include <math.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void kit_die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("bench: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	exit(1);
}

uint64_t kit_next(struct kit_random *random)
{
	uint64_t x = random->state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	random->state = x;
	return x * UINT64_C(0x2545f4914f6cdd1d);
}

/* ---- zipf ---- */

static double zeta(uint64_t n, double theta)
{
	double sum = 0;

	for (uint64_t i = 1; i <= n; i++)
		sum += 1 / pow((double)i, theta);
	return sum;
}

void kit_zipf_init(struct kit_zipf *zipf, uint64_t n)
{
	const double theta = 0.99;

	zipf->n = n;
	zipf->alpha = 1 / (1 - theta);
	zipf->zetan = zeta(n, theta);
	zipf->half_pow = 1 + pow(0.5, theta);
	zipf->eta = (1 - pow(2 / (double)n, 1 - theta)) /
		    (1 - zeta(2, theta) / zipf->zetan);
}

/* Which keys are the frequent ones has nothing to do with their order. */
static uint64_t scatter(uint64_t rank, uint64_t n)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (int i = 0; i < 8; i++, rank >>= 8)
		hash = (hash ^ (rank & 0xff)) * UINT64_C(0x100000001b3);
	return hash % n;
}

uint64_t kit_zipf_next(const struct kit_zipf *zipf, struct kit_random *random)
{
	double u = (double)(kit_next(random) >> 11) * 0x1p-53;
	double uz = u * zipf->zetan;
	double rank;

	if (uz < 1)
		return scatter(0, zipf->n);
	if (uz < zipf->half_pow)
		return scatter(1, zipf->n);
	rank = (double)zipf->n *
	       pow(zipf->eta * u - zipf->eta + 1, zipf->alpha);
	return scatter((uint64_t)rank, zipf->n);
}

/* ---- keys and values ---- */

void kit_key(uint64_t number, char *key)
{
	memcpy(key, "key:", 4);
	for (int i = KIT_KEY_LEN - 1; i >= 4; i--, number /= 10)
		key[i] = (char)('0' + number % 10);
}

void kit_value(char *value, size_t len)
{
	struct kit_random random = { 88172645463325252 };

	for (size_t i = 0; i < len; i++)
		value[i] = (char)('!' + (kit_next(&random) >> 32) % 90);
}

/* ---- time ---- */

double kit_now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double usage_s(int who)
{
	struct rusage usage;

	getrusage(who, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

double kit_cpu_s(void)
{
	return usage_s(RUSAGE_SELF) + usage_s(RUSAGE_CHILDREN);
}

static double thread_cpu_s(long pid, const char *thread)
{
	char path[512];
	unsigned long long ns = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%ld/task/%.32s/schedstat", pid,
		 thread);
	file = fopen(path, "r");
	if (!file)
		return 0; /* it has ended meanwhile */
	if (fscanf(file, "%llu", &ns) != 1)
		ns = 0;
	fclose(file);
	return (double)ns / 1e9;
}

double kit_cpu_of_s(long pid)
{
	const struct dirent *entry;
	char path[64];
	double sum = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%ld/task", pid);
	dir = opendir(path);
	if (!dir)
		kit_die("process %ld is gone", pid);
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			sum += thread_cpu_s(pid, entry->d_name);
	closedir(dir);
	return sum;
}

/* ---- several processes ---- */

struct board {
	atomic_uint n_ready;
	atomic_bool begin;
	atomic_bool over;
	uint64_t n_done[KIT_PROCESSES_MAX];
	double cpu_s[KIT_PROCESSES_MAX];
};

static struct board *board;

bool kit_is_over(void)
{
	return atomic_load_explicit(&board->over, memory_order_relaxed);
}

static void run_child(const struct kit_job *job, unsigned int number)
{
	double cpu;

	if (job->set_up)
		job->set_up(job->ctx, number);
	atomic_fetch_add(&board->n_ready, 1);
	while (!atomic_load(&board->begin))
		usleep(100);
	cpu = kit_cpu_s();
	board->n_done[number] = job->each(job->ctx, number);
	board->cpu_s[number] = kit_cpu_s() - cpu;
	fflush(NULL);
	_exit(0);
}

double kit_run(const struct kit_job *job, unsigned int n, double *cpu_us)
{
	uint64_t done = 0;
	double cpu = 0;
	double begin, end;

	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED || n > KIT_PROCESSES_MAX)
		kit_die("no memory, or too many processes");
	fflush(NULL);
	for (unsigned int i = 0; i < n; i++)
		if (fork() == 0)
			run_child(job, i);
	while (atomic_load(&board->n_ready) < n)
		if (waitpid(-1, NULL, WNOHANG) > 0)
			kit_die("a process has ended early");
	begin = kit_now_s();
	atomic_store(&board->begin, true);
	usleep((useconds_t)(job->seconds * 1e6));
	atomic_store(&board->over, true);
	end = kit_now_s();
	for (unsigned int i = 0; i < n; i++) {
		int status = 0;

		wait(&status);
		if (status != 0)
			kit_die("a process has failed");
	}
	for (unsigned int i = 0; i < n; i++) {
		done += board->n_done[i];
		cpu += board->cpu_s[i];
	}
	*cpu_us = done ? cpu / (double)done * 1e6 : 0;
	return (double)done / (end - begin);
}
