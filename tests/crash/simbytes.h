/*
 * simbytes: the bytes of a simulated file.
 *
 * Sparse, in blocks that are shared between copies and copied when they are
 * written, so that a copy costs a pointer a block.  A block that was never
 * written is a hole; a hole, an allocated block and written zeros read and
 * hash alike.  The size only grows.
 *
 * Copies may be used by different threads, one copy by one at a time.  Out
 * of memory aborts: this is a test's.
 */
#ifndef GETME_TESTS_CRASH_SIMBYTES_H
#define GETME_TESTS_CRASH_SIMBYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SIMBYTES_BLOCK = 4096,
};

struct simbytes_block;

/* All zero is an empty one. */
struct simbytes {
	uint64_t size;
	size_t n_blocks;
	struct simbytes_block **blocks; /* NULL: a hole */
};

void simbytes_deinit(struct simbytes *bytes);

/* TO must be empty. */
void simbytes_copy(struct simbytes *to, const struct simbytes *from);

/* Returns the bytes read: fewer than LEN at the end. */
size_t simbytes_read(const struct simbytes *bytes, uint64_t off, void *data,
		     size_t len);
void simbytes_write(struct simbytes *bytes, uint64_t off, const void *data,
		    size_t len);

/* Grows to SIZE; nothing when it is that large already. */
void simbytes_grow(struct simbytes *bytes, uint64_t size);

/* Fills the holes of the range with blocks of zeros, and grows. */
void simbytes_allocate(struct simbytes *bytes, uint64_t off, uint64_t len);

/* Zeros within the size; whole blocks become holes. */
void simbytes_punch(struct simbytes *bytes, uint64_t off, uint64_t len);

/* Bytes of blocks that are no holes. */
uint64_t simbytes_allocated(const struct simbytes *bytes);

uint64_t simbytes_hash(const struct simbytes *bytes);

/* What the simulation hashes and draws its lots with. */
uint64_t sim_mix(uint64_t x);
uint64_t sim_hash(const void *data, size_t len, uint64_t seed);
uint64_t sim_random(uint64_t *state);

/* malloc, realloc and strdup that abort when there is no memory. */
void *sim_alloc(size_t len); /* zeroed */
void *sim_grow(void *array, size_t n, size_t size);
char *sim_strdup(const char *text);
/* Whether this thread is inside one of them: it is no allocation under test. */
bool sim_in_alloc(void);

#endif
