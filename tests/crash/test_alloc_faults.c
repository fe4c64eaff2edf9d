/*
 * Fails the first, second, ... allocation of the engine (malloc, calloc,
 * realloc, mmap and memfd_create, linked with --wrap), once and from then on,
 * in some workloads, and checks what tests/crash/fault_run.h says.  Memory
 * that was short is no reason to become read-only.
 *
 *	GETME_CRASH_SEED=N	draws the states after power cuts
 *	GETME_CRASH_SAMPLE=1	few of them, for sanitizers
 *	GETME_CRASH_REPLAY=SEED:WORKLOAD:FROM_THEN:NTH
 *				one run, as a violation names it, with all
 *				calls printed
 */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
/* cmocka wants four of the above */
#include <cmocka.h>

#include "tests/crash/fault_run.h"
#include "tests/crash/simbytes.h"

enum {
	NTH_MAX = 4096,	     /* allocations in a workload */
	SAMPLED_ONE_OF = 16, /* runs */
	WHERE_LEN = 256,
};

static const char *const workloads[] = {
	"a3b3m3d3b1", "a1m2b3d1Sb1e2",	"a3Rb3Rm3d3",  "a3b1Ca3m3",
	"a3m1Ob3d3O", "a3b3Ra1d1K",	"m3Ra3KOb1RK", "a3b1Xd1m2X",
	"a3Rb1XC",    "a1b3RKXa1KXe3K", "g3a1Xg1d3X",  "a3Rb1Ba1Bd3",
};

/* ---- allocations that fail ---- */

/* Of this thread, while the engine runs in it. */
static _Thread_local struct {
	bool armed;
	bool paused;
	bool from_then;
	uint64_t nth;
	uint64_t n; /* so far */
	uint64_t n_failed;
} alloc;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off);
int __real_memfd_create(const char *name, unsigned flags);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off);
int __wrap_memfd_create(const char *name, unsigned flags);

static bool fails(void)
{
	if (!alloc.armed || alloc.paused || sim_in_alloc())
		return false;
	alloc.n++;
	if (alloc.n < alloc.nth || (alloc.n > alloc.nth && !alloc.from_then))
		return false;
	alloc.n_failed++;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
	return fails() ? NULL : __real_realloc(memory, size);
}

void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t off)
{
	return fails() ? MAP_FAILED
		       : __real_mmap(at, len, prot, flags, fd, off);
}

int __wrap_memfd_create(const char *name, unsigned flags)
{
	return fails() ? -1 : __real_memfd_create(name, flags);
}

/* ---- runs ---- */

static void begin(void *ctx, struct simfs *fs)
{
	(void)ctx;
	(void)fs;
	alloc.n = 0;
	alloc.n_failed = 0;
	alloc.armed = true;
}

static void pause_fault(void *ctx, struct simfs *fs, bool paused)
{
	(void)ctx;
	(void)fs;
	alloc.paused = paused;
}

static void end(void *ctx, struct simfs *fs)
{
	(void)ctx;
	(void)fs;
	alloc.armed = false;
}

static bool is_hit(void *ctx, struct simfs *fs)
{
	(void)ctx;
	(void)fs;
	return alloc.n_failed > 0;
}

static const struct fault_ops ops = { begin, pause_fault, end, is_hit };

/* Whether the fault was met. */
static bool run_fault(struct fault_run *run, size_t workload, bool from_then,
		      uint64_t nth)
{
	char where[WHERE_LEN];
	bool hit;

	alloc.nth = nth;
	alloc.from_then = from_then;
	snprintf(where, sizeof(where),
		 "GETME_CRASH_REPLAY=%" PRIu64 ":%zu:%d:%" PRIu64
		 ": %s, an allocation fails%s",
		 run->seed, workload, from_then, nth, workloads[workload],
		 from_then ? " and all that follow" : "");
	verify_at(&run->verify, where);
	hit = fault_run(run, workloads[workload], nth);
	verify_at(&run->verify, NULL);
	return hit;
}

static void run_all(struct fault_run *run, bool sampled)
{
	const size_t n = sizeof(workloads) / sizeof(workloads[0]);
	uint64_t random = run->seed;

	for (size_t i = 0; i < 2 * n; i++) {
		uint64_t nth = 1;

		if (sampled)
			nth += sim_random(&random) % SAMPLED_ONE_OF;
		while (run_fault(run, i / 2, i % 2, nth)) {
			nth += sampled ? SAMPLED_ONE_OF : 1;
			assert_true(nth < NTH_MAX);
		}
	}
}

static void replay_one(struct fault_run *run, const char *text)
{
	uint64_t number[4];
	char *end_of;

	for (int i = 0; i < 4; i++) {
		number[i] = strtoull(text, &end_of, 0);
		assert_true(end_of > text);
		text = end_of + (*end_of == ':');
	}
	assert_true(number[1] < sizeof(workloads) / sizeof(workloads[0]));
	run->seed = number[0];
	run->traced = true;
	run_fault(run, number[1], number[2] != 0, number[3]);
}

static void test_any_allocation_may_fail(void **state)
{
	struct fault_run run = {
		.ops = &ops,
		.seed = verify_env("GETME_CRASH_SEED", 1),
		.never_stops = true,
	};
	const char *replay = getenv("GETME_CRASH_REPLAY");
	uint64_t begun = verify_now_ms();

	(void)state;
	if (replay)
		replay_one(&run, replay);
	else
		run_all(&run, verify_env("GETME_CRASH_SAMPLE", 0) != 0);
	printf("# allocations that fail: %" PRIu64 " runs, %" PRIu64
	       " crashes after them, %" PRIu64 " second cuts, %" PRIu64
	       " violations, %.1f s (seed %" PRIu64 ")\n",
	       run.n_runs, run.verify.n_first, run.verify.n_second,
	       run.verify.n_violations,
	       (double)(verify_now_ms() - begun) / 1000, run.seed);
	assert_true(run.n_runs > 0);
	assert_int_equal(run.verify.n_violations, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
