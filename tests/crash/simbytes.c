#include "tests/crash/simbytes.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
	HASH_UNKNOWN = 0,
	HASH_ZEROS = 1, /* of a block of zeros: it counts like a hole */
};

struct simbytes_block {
	_Atomic unsigned refs;
	_Atomic uint64_t hash;
	uint8_t data[SIMBYTES_BLOCK];
};

/* Allocated, never written.  Never freed, never written: see own_block(). */
static struct simbytes_block zero_block = { .refs = 1, .hash = HASH_ZEROS };

/* volatile: the compiler thinks that it knows what realloc reads */
static _Thread_local volatile bool in_alloc;

bool sim_in_alloc(void)
{
	return in_alloc;
}

static void *resize(void *memory, size_t len)
{
	in_alloc = true;
	memory = realloc(memory, len ? len : 1);
	in_alloc = false;
	if (!memory)
		abort();
	return memory;
}

void *sim_alloc(size_t len)
{
	return memset(resize(NULL, len), 0, len);
}

void *sim_grow(void *array, size_t n, size_t size)
{
	/* Doubled at the powers of two, so that growing is cheap. */
	if (n > 1 && (n & (n - 1)))
		return array;
	return resize(array, (n ? 2 * n : 1) * size);
}

char *sim_strdup(const char *text)
{
	size_t len = strlen(text) + 1;

	return memcpy(resize(NULL, len), text, len);
}

uint64_t sim_mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9;
	x ^= x >> 27;
	x *= 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

uint64_t sim_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15;
	return sim_mix(*state);
}

uint64_t sim_hash(const void *data, size_t len, uint64_t seed)
{
	const uint8_t *p = data;
	uint64_t hash = seed ^ (len * 0x9e3779b97f4a7c15);
	uint64_t word;

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		hash = (hash ^ word) * 0x9fb21c651e98df25;
		hash ^= hash >> 32;
	}
	word = 0;
	if (len)
		memcpy(&word, p, len);
	return sim_mix(hash ^ word);
}

static void block_put(struct simbytes_block *block)
{
	if (!block || block == &zero_block)
		return;
	if (atomic_fetch_sub(&block->refs, 1) == 1)
		free(block);
}

static struct simbytes_block *block_get(struct simbytes_block *block)
{
	if (block && block != &zero_block)
		atomic_fetch_add(&block->refs, 1);
	return block;
}

/* The block at INDEX, which exists, made ours alone to write to. */
static struct simbytes_block *own_block(struct simbytes *bytes, size_t index)
{
	struct simbytes_block *old = bytes->blocks[index];
	struct simbytes_block *block = old;

	if (!old || old == &zero_block || atomic_load(&old->refs) > 1) {
		block = resize(NULL, sizeof(*block));
		if (old)
			memcpy(block->data, old->data, sizeof(block->data));
		else
			memset(block->data, 0, sizeof(block->data));
		atomic_init(&block->refs, 1);
		block_put(old);
		bytes->blocks[index] = block;
	}
	atomic_store(&block->hash, HASH_UNKNOWN);
	return block;
}

static uint64_t block_hash(struct simbytes_block *block)
{
	uint64_t hash = atomic_load(&block->hash);

	if (hash != HASH_UNKNOWN)
		return hash;
	if (!memcmp(block->data, zero_block.data, sizeof(block->data)))
		hash = HASH_ZEROS;
	else
		hash = sim_hash(block->data, sizeof(block->data), 1) | 2;
	atomic_store(&block->hash, hash);
	return hash;
}

void simbytes_deinit(struct simbytes *bytes)
{
	for (size_t i = 0; i < bytes->n_blocks; i++)
		block_put(bytes->blocks[i]);
	free(bytes->blocks);
	memset(bytes, 0, sizeof(*bytes));
}

void simbytes_copy(struct simbytes *to, const struct simbytes *from)
{
	to->size = from->size;
	to->n_blocks = from->n_blocks;
	to->blocks =
		sim_alloc(from->n_blocks * sizeof(struct simbytes_block *));
	for (size_t i = 0; i < from->n_blocks; i++)
		to->blocks[i] = block_get(from->blocks[i]);
}

void simbytes_grow(struct simbytes *bytes, uint64_t size)
{
	size_t n = (size + SIMBYTES_BLOCK - 1) / SIMBYTES_BLOCK;

	if (size <= bytes->size)
		return;
	bytes->size = size;
	if (n <= bytes->n_blocks)
		return;
	bytes->blocks =
		resize(bytes->blocks, n * sizeof(struct simbytes_block *));
	for (size_t i = bytes->n_blocks; i < n; i++)
		bytes->blocks[i] = NULL;
	bytes->n_blocks = n;
}

/* The part of a range that lies in the block of OFF. */
static size_t within_block(uint64_t off, uint64_t len)
{
	size_t room = SIMBYTES_BLOCK - off % SIMBYTES_BLOCK;

	return len < room ? len : room;
}

size_t simbytes_read(const struct simbytes *bytes, uint64_t off, void *data,
		     size_t len)
{
	uint8_t *to = data;
	size_t done = 0;

	if (off >= bytes->size)
		return 0;
	if (len > bytes->size - off)
		len = bytes->size - off;
	while (done < len) {
		uint64_t at = off + done;
		size_t n = within_block(at, len - done);
		const struct simbytes_block *block =
			bytes->blocks[at / SIMBYTES_BLOCK];

		if (block)
			memcpy(to + done, block->data + at % SIMBYTES_BLOCK, n);
		else
			memset(to + done, 0, n);
		done += n;
	}
	return len;
}

void simbytes_write(struct simbytes *bytes, uint64_t off, const void *data,
		    size_t len)
{
	const uint8_t *from = data;

	simbytes_grow(bytes, off + len);
	while (len) {
		size_t n = within_block(off, len);
		struct simbytes_block *block =
			own_block(bytes, off / SIMBYTES_BLOCK);

		memcpy(block->data + off % SIMBYTES_BLOCK, from, n);
		from += n;
		off += n;
		len -= n;
	}
}

void simbytes_allocate(struct simbytes *bytes, uint64_t off, uint64_t len)
{
	if (!len)
		return;
	simbytes_grow(bytes, off + len);
	for (size_t i = off / SIMBYTES_BLOCK;
	     i <= (off + len - 1) / SIMBYTES_BLOCK; i++)
		if (!bytes->blocks[i])
			bytes->blocks[i] = &zero_block;
}

void simbytes_punch(struct simbytes *bytes, uint64_t off, uint64_t len)
{
	if (off >= bytes->size)
		return;
	if (len > bytes->size - off)
		len = bytes->size - off;
	while (len) {
		size_t n = within_block(off, len);
		size_t index = off / SIMBYTES_BLOCK;

		if (n == SIMBYTES_BLOCK) {
			block_put(bytes->blocks[index]);
			bytes->blocks[index] = NULL;
		} else if (bytes->blocks[index]) {
			memset(own_block(bytes, index)->data +
				       off % SIMBYTES_BLOCK,
			       0, n);
		}
		off += n;
		len -= n;
	}
}

uint64_t simbytes_allocated(const struct simbytes *bytes)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < bytes->n_blocks; i++)
		if (bytes->blocks[i])
			sum += SIMBYTES_BLOCK;
	return sum;
}

uint64_t simbytes_hash(const struct simbytes *bytes)
{
	uint64_t sum = sim_mix(bytes->size + 1);

	for (size_t i = 0; i < bytes->n_blocks; i++) {
		uint64_t hash = HASH_ZEROS;

		if (bytes->blocks[i])
			hash = block_hash(bytes->blocks[i]);
		if (hash != HASH_ZEROS)
			sum += sim_mix(hash + i);
	}
	return sum;
}
