/*
 * Fails the first, second, ... call of every function of the disk, once and
 * from then on, in some workloads, and checks after each: nothing that was
 * acknowledged is lost, what failed is not there, the store goes on when the
 * fault is gone or says that it is read-only, it can be reopened, and
 * neither a kill nor a power cut after the fault takes anything back.
 *
 *	GETME_CRASH_SEED=N	draws the states after power cuts
 *	GETME_CRASH_SAMPLE=1	few of them, for sanitizers
 *	GETME_CRASH_REPLAY=SEED:WORKLOAD:FAULT:NTH
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
#include <string.h>
/* cmocka wants four of the above */
#include <cmocka.h>

#include "tests/crash/fault_run.h"
#include "tests/crash/simbytes.h"

enum {
	NTH_MAX = 4096,	     /* calls of one kind in a workload */
	SAMPLED_ONE_OF = 16, /* runs */
	WHERE_LEN = 256,
};

enum how {
	ERROR,	 /* it fails and does nothing */
	SHORT,	 /* it does the half */
	APPLIED, /* it does all, and says that it failed */
};

static const struct {
	enum simfs_call call;
	int error;
	enum how how;
} faults[] = {
	{ SIMFS_OPEN, EMFILE, ERROR },
	{ SIMFS_OPEN, ENFILE, ERROR },
	{ SIMFS_OPEN, ENOMEM, ERROR },
	{ SIMFS_OPEN, EACCES, ERROR },
	{ SIMFS_OPEN, EROFS, ERROR },
	{ SIMFS_OPEN, EIO, ERROR },
	{ SIMFS_OPEN, ENOSPC, ERROR },
	{ SIMFS_OPEN, EDQUOT, ERROR },
	{ SIMFS_OPEN, EIO, APPLIED },
	{ SIMFS_CLOSE, EIO, ERROR },
	{ SIMFS_CLOSE, EDQUOT, ERROR },
	{ SIMFS_PREAD, EIO, ERROR },
	{ SIMFS_PREAD, 0, SHORT },
	{ SIMFS_PWRITEV, EIO, ERROR },
	{ SIMFS_PWRITEV, ENOSPC, ERROR },
	{ SIMFS_PWRITEV, EDQUOT, ERROR },
	{ SIMFS_PWRITEV, EFBIG, ERROR },
	{ SIMFS_PWRITEV, EIO, APPLIED },
	{ SIMFS_PWRITEV, 0, SHORT },
	{ SIMFS_SYNC, EIO, ERROR },
	{ SIMFS_SYNC, ENOSPC, ERROR },
	{ SIMFS_SYNC, EDQUOT, ERROR },
	{ SIMFS_SYNC, EINTR, ERROR },
	{ SIMFS_WRITEBACK, EIO, ERROR },
	{ SIMFS_ALLOCATE, ENOSPC, ERROR },
	{ SIMFS_ALLOCATE, EDQUOT, ERROR },
	{ SIMFS_ALLOCATE, EFBIG, ERROR },
	{ SIMFS_ALLOCATE, EOPNOTSUPP, ERROR },
	{ SIMFS_ALLOCATE, EIO, ERROR },
	{ SIMFS_PUNCH, EOPNOTSUPP, ERROR },
	{ SIMFS_PUNCH, EIO, ERROR },
	{ SIMFS_STAT, EIO, ERROR },
	{ SIMFS_RENAME, EIO, ERROR },
	{ SIMFS_RENAME, ENOSPC, ERROR },
	{ SIMFS_RENAME, EDQUOT, ERROR },
	{ SIMFS_RENAME, EROFS, ERROR },
	{ SIMFS_RENAME, EIO, APPLIED },
	{ SIMFS_LINK, EIO, ERROR },
	{ SIMFS_LINK, EXDEV, ERROR },
	{ SIMFS_LINK, EIO, APPLIED },
	{ SIMFS_UNLINK, EIO, ERROR },
	{ SIMFS_UNLINK, EROFS, ERROR },
	{ SIMFS_UNLINK, EIO, APPLIED },
	{ SIMFS_MKDIR, ENOSPC, ERROR },
	{ SIMFS_MKDIR, EDQUOT, ERROR },
	{ SIMFS_MKDIR, EACCES, ERROR },
	{ SIMFS_MKDIR, EIO, APPLIED },
	{ SIMFS_RMDIR, EIO, ERROR },
	{ SIMFS_SYNC_DIR, EIO, ERROR },
	{ SIMFS_SYNC_DIR, EMFILE, ERROR },
	{ SIMFS_SYNC_DIR, EIO, APPLIED },
	{ SIMFS_LIST, EIO, ERROR },
	{ SIMFS_LIST, EMFILE, ERROR },
	{ SIMFS_LIST, ENOMEM, ERROR },
	{ SIMFS_LOCK, EIO, ERROR },
	{ SIMFS_LOCK, ENOLCK, ERROR },
};

enum {
	/* Each is run once, and from then on. */
	N_FAULTS = 2 * sizeof(faults) / sizeof(faults[0]),
};

static const char *const workloads[] = {
	"a3b3m3d3b1",	 "a1m2b3d1Sb1e2", "a3Rb3Rm3d3",	 "a1b1Ra1",
	"a3b1Ca3m3",	 "a3m1Ob3d3O",	  "a3b3Ra1d1K",	 "m3Ra3KOb1RK",
	"a3b1Xd1m2X",	 "a3Rb1XC",	  "a1b3RKXa1KX", "a3Rb1Ba1",
	"a3b3Ra1d1KBa1",
};

struct faulty {
	struct fault_run run;
	struct simfs_fault fault;
};

static struct simfs_fault make_fault(size_t index, uint64_t nth)
{
	size_t kind = index / 2;

	return (struct simfs_fault){
		.calls = 1u << faults[kind].call,
		.nth = nth,
		.from_then = index % 2,
		.error = faults[kind].error,
		.is_short = faults[kind].how == SHORT,
		.is_applied = faults[kind].how == APPLIED,
	};
}

static void begin(void *ctx, struct simfs *fs)
{
	const struct faulty *faulty = ctx;

	simfs_set_fault(fs, &faulty->fault);
}

static void pause_fault(void *ctx, struct simfs *fs, bool paused)
{
	(void)ctx;
	simfs_pause_fault(fs, paused);
}

static void end(void *ctx, struct simfs *fs)
{
	(void)ctx;
	simfs_set_fault(fs, NULL);
}

static bool is_hit(void *ctx, struct simfs *fs)
{
	(void)ctx;
	return simfs_n_faults(fs) > 0;
}

static const struct fault_ops ops = { begin, pause_fault, end, is_hit };

/* Whether the fault was met. */
static bool run_fault(struct faulty *faulty, size_t workload, size_t index,
		      uint64_t nth)
{
	const char *const hows[] = { "", " short", " after the change" };
	char where[WHERE_LEN];
	bool hit;

	faulty->fault = make_fault(index, nth);
	snprintf(where, sizeof(where),
		 "GETME_CRASH_REPLAY=%" PRIu64 ":%zu:%zu:%" PRIu64
		 ": %s, %s fails%s with %d%s",
		 faulty->run.seed, workload, index, nth, workloads[workload],
		 simfs_call_name(faults[index / 2].call),
		 hows[faults[index / 2].how], faulty->fault.error,
		 faulty->fault.from_then ? " from then on" : "");
	verify_at(&faulty->run.verify, where);
	hit = fault_run(&faulty->run, workloads[workload], nth);
	verify_at(&faulty->run.verify, NULL);
	return hit;
}

static void run_all(struct faulty *faulty, bool sampled)
{
	uint64_t random = faulty->run.seed;

	for (size_t workload = 0;
	     workload < sizeof(workloads) / sizeof(workloads[0]); workload++) {
		for (size_t index = 0; index < N_FAULTS; index++) {
			uint64_t nth = 1;

			if (sampled)
				nth += sim_random(&random) % SAMPLED_ONE_OF;
			while (run_fault(faulty, workload, index, nth)) {
				nth += sampled ? SAMPLED_ONE_OF : 1;
				assert_true(nth < NTH_MAX);
			}
		}
	}
}

static void replay_one(struct faulty *faulty, const char *text)
{
	uint64_t number[4];
	char *end;

	for (int i = 0; i < 4; i++) {
		number[i] = strtoull(text, &end, 0);
		assert_true(end > text);
		text = end + (*end == ':');
	}
	assert_true(number[1] < sizeof(workloads) / sizeof(workloads[0]));
	assert_true(number[2] < N_FAULTS);
	faulty->run.seed = number[0];
	faulty->run.traced = true;
	run_fault(faulty, number[1], number[2], number[3]);
}

static void test_any_call_may_fail(void **state)
{
	struct faulty faulty = { .run = { .ops = &ops,
					  .seed = verify_env("GETME_CRASH_SEED",
							     1) } };
	const char *replay = getenv("GETME_CRASH_REPLAY");
	uint64_t begun = verify_now_ms();

	(void)state;
	faulty.run.ctx = &faulty;
	if (replay)
		replay_one(&faulty, replay);
	else
		run_all(&faulty, verify_env("GETME_CRASH_SAMPLE", 0) != 0);
	printf("# faults: %" PRIu64 " runs, %" PRIu64
	       " crashes after them, %" PRIu64 " second cuts, %" PRIu64
	       " violations, %.1f s (seed %" PRIu64 ")\n",
	       faulty.run.n_runs, faulty.run.verify.n_first,
	       faulty.run.verify.n_second, faulty.run.verify.n_violations,
	       (double)(verify_now_ms() - begun) / 1000, faulty.run.seed);
	assert_true(faulty.run.n_runs > 0);
	assert_int_equal(faulty.run.verify.n_violations, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_call_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
