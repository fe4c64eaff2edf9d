#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/gang.h"
#include "tests/bench/stopwatch.h"

enum { GANG_MAX = 64 };

struct gang {
	pthread_barrier_t start;
	double seconds;
	struct {
		uint64_t n;
		double begin;
		double cpu;
		double rate;
	} member[GANG_MAX];
};

static unsigned int self;

double gang_begin(struct gang *gang)
{
	pthread_barrier_wait(&gang->start);
	gang->member[self].cpu = cpu_s(0);
	gang->member[self].begin = now_s();
	return gang->member[self].begin + gang->seconds;
}

static void run_member(struct gang *gang, unsigned int i, gang_work *work,
		       void *ctx)
{
	self = i;
	gang->member[i].n = work(gang, i, ctx);
	gang->member[i].cpu = cpu_s(0) - gang->member[i].cpu;
	gang->member[i].rate =
		(double)gang->member[i].n / (now_s() - gang->member[i].begin);
}

/* One member fails, the others would wait for it for ever. */
static void wait_for_all(const pid_t *pid, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		int status;

		if (wait(&status) < 0)
			die("wait");
		if (status == 0)
			continue;
		for (unsigned int j = 0; j < n; j++)
			kill(pid[j], SIGKILL);
		errno = 0;
		die("a process of the gang failed");
	}
}

static void print(const struct gang *gang, unsigned int n)
{
	double rate = 0;
	double cpu = 0;
	uint64_t all = 0;

	for (unsigned int i = 0; i < n; i++) {
		rate += gang->member[i].rate;
		cpu += gang->member[i].cpu;
		all += gang->member[i].n;
	}
	printf("%.1f %.4f -\n", rate, cpu * 1e6 / (double)all);
}

void gang_run(unsigned int n, double seconds, gang_work *work, void *ctx)
{
	struct gang *gang = mmap(NULL, sizeof(*gang), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_barrierattr_t shared;
	pid_t pid[GANG_MAX];

	if (gang == MAP_FAILED || n == 0 || n > GANG_MAX)
		die("a gang");
	pthread_barrierattr_init(&shared);
	pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&gang->start, &shared, n);
	gang->seconds = seconds;
	fflush(stdout);
	for (unsigned int i = 0; i < n; i++) {
		pid[i] = fork();
		if (pid[i] < 0)
			die("fork");
		if (pid[i] == 0) {
			run_member(gang, i, work, ctx);
			_exit(0);
		}
	}
	wait_for_all(pid, n);
	print(gang, n);
	munmap(gang, sizeof(*gang));
}
