/*
 * zipf: few keys are asked for often, as YCSB has it: the generator of Gray
 * et al., "Quickly generating billion-record synthetic databases" (SIGMOD
 * 1994), theta 0.99, and the popular keys scattered over all of them.
 */
#ifndef GETME_TESTS_BENCH_ZIPF_H
#define GETME_TESTS_BENCH_ZIPF_H

#include <stdint.h>

struct zipf {
	uint64_t n;
	double zeta_n;
	double alpha;
	double eta;
	double second; /* below it the rank is 1, below 1 it is 0 */
};

/* For the numbers below N, at least 2; takes a moment for each million. */
void zipf_init(struct zipf *zipf, uint64_t n);
/* RANDOM is any uniform number of 64 bits. */
uint64_t zipf_rank(const struct zipf *zipf, uint64_t random);
uint64_t zipf_key(const struct zipf *zipf, uint64_t random);

#endif
