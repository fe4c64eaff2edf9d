/*
 * bench_kit: what the programs of `make bench` share, so that all stores get
 * the same keys and values, made at the same cost.
 *
 * Key I is "key:%012u" of I; its value begins with the key, so that a reader
 * sees cheaply whether it got the right one, and goes on with bytes that do
 * not compress.
 */
#ifndef GETME_TESTS_BENCH_BENCH_KIT_H
#define GETME_TESTS_BENCH_BENCH_KIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	KIT_KEY_LEN = 16,
	KIT_PROCESSES_MAX = 64,
};

/* xorshift64*; SEED is not 0. */
struct kit_random {
	uint64_t state;
};

uint64_t kit_next(struct kit_random *random);

/*
 * Zipfian numbers below N, theta 0.99, scattered over the keys, as YCSB draws
 * them (Gray et al., "Quickly generating billion-record synthetic databases",
 * 1994).
 */
struct kit_zipf {
	uint64_t n;
	double alpha;
	double zetan;
	double eta;
	double half_pow;
};

void kit_zipf_init(struct kit_zipf *zipf, uint64_t n);
uint64_t kit_zipf_next(const struct kit_zipf *zipf, struct kit_random *random);

/* Writes the KIT_KEY_LEN bytes of key NUMBER. */
void kit_key(uint64_t number, char *key);

/* Fills the LEN bytes of a value; then kit_key goes to its front, for each. */
void kit_value(char *value, size_t len);

double kit_now_s(void);
/* CPU seconds of this process so far, and of children that were waited for. */
double kit_cpu_s(void);
/* CPU seconds of all threads of another process; exits when it is gone. */
double kit_cpu_of_s(long pid);

__attribute__((noreturn, format(printf, 1, 2))) void kit_die(const char *format,
							     ...);

/*
 * Runs EACH in N processes at once, which begin together after SET_UP has
 * returned in all of them, and returns how often all of them did it in a
 * second of the wall's clock: EACH returns how many operations it did until
 * kit_is_over().  CPU_US gets the CPU time an operation.
 */
struct kit_job {
	void (*set_up)(void *ctx, unsigned int number);
	uint64_t (*each)(void *ctx, unsigned int number);
	void *ctx;
	double seconds;
};

double kit_run(const struct kit_job *job, unsigned int n, double *cpu_us);
/* In EACH, every some operations. */
bool kit_is_over(void);

#endif
