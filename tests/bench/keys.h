/*
 * keys: the keys and values that all contestants of a benchmark are given.
 *
 * Key N is "key:%012u"; its value begins with 8 bytes that follow from N, so
 * that a reader sees cheaply whether it got the right one, and goes on with
 * random bytes, the same in all values, that do not compress.
 */
#ifndef GETME_TESTS_BENCH_KEYS_H
#define GETME_TESTS_BENCH_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	KEY_LEN = 16,
	KEY_STAMP_LEN = 8, /* the shortest value, too */
};

/* Not terminated by a 0. */
void key_make(char key[KEY_LEN], uint64_t number);

/* LEN bytes of which value_stamp() then makes some key's value. */
void value_fill(void *value, size_t len);
void value_stamp(void *value, uint64_t number);
bool value_is(const void *value, uint64_t number);

/* splitmix64: the next number of a sequence that STATE, any number, begins. */
uint64_t random_next(uint64_t *state);
/* The same below N, which is not 0. */
uint64_t random_below(uint64_t *state, uint64_t n);

/* A fixed order of the numbers below N: the I-th of them, each once. */
uint64_t key_shuffled(uint64_t i, uint64_t n);

#endif
