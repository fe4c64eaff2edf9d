/*
 * work: what is asked next: load, get, put, and YCSB's a, b and c.
 */
#ifndef GETME_TESTS_BENCH_WORK_H
#define GETME_TESTS_BENCH_WORK_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/bench/zipf.h"

struct work {
	uint64_t n_keys;
	uint64_t n_left; /* load: not asked for yet */
	uint64_t n_done; /* the caller's */
	uint64_t random;
	double end;	   /* now_s(); 0: when all is loaded */
	unsigned int gets; /* per cent */
	bool is_zipfian;
	bool is_over;
	struct zipf zipf;
};

/* Ends SECONDS from now on, except load; exits when NAME is none. */
void work_init(struct work *work, const char *name, uint64_t n_keys,
	       double seconds);
/* For one of some processes: other keys than the other processes'. */
void work_vary(struct work *work, uint64_t number);

/* false: nothing more. */
bool work_next(struct work *work, uint64_t *key, bool *is_get);
/* Looks at the clock; now and then. */
void work_tick(struct work *work);

#endif
