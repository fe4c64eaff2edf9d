#include "tests/support/shared_store.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/index.h"

static const uint8_t secret[DIGEST_SECRET_LEN] = "nobody's secret";

static void check(bool ok)
{
	if (!ok) {
		perror("shared_store");
		abort();
	}
}

void shared_block_init(struct shared_block *block, size_t len,
		       unsigned int seals)
{
	block->len = len;
	block->fd = memfd_create("getme-shared-store",
				 MFD_CLOEXEC | MFD_ALLOW_SEALING);
	check(block->fd >= 0 && ftruncate(block->fd, (off_t)len) == 0);
	block->memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED,
			     block->fd, 0);
	check(block->memory != MAP_FAILED);
	check(fcntl(block->fd, F_ADD_SEALS, seals) == 0);
}

void shared_block_deinit(struct shared_block *block)
{
	munmap(block->memory, block->len);
	close(block->fd);
}

static void init_segment(struct shared_store *store, int i)
{
	struct shared_block *block = &store->blocks[SHARED_SEGMENT + i];

	shared_block_init(block, SHARED_SEGMENT_LEN, 0);
	memcpy(block->memory, "getMeSEG", 8);
	store->ends[i] = SHARED_FIRST_ENTRY;
}

void shared_store_init(struct shared_store *store)
{
	struct index_options options = { .is_private = true };
	unsigned int i;

	memset(store, 0, sizeof(*store));
	memcpy(options.secret, secret, sizeof(secret));
	check(index_new(&options, &store->index) == 0);
	shared_block_init(&store->blocks[SHARED_HEADER], INDEX_HEADER_LEN,
			  F_SEAL_SHRINK);
	for (i = 0; i < SHARED_CHUNKS; i++) {
		shared_block_init(&store->blocks[SHARED_PRIMARY + i],
				  index_chunk_len(i), F_SEAL_SHRINK);
		shared_block_init(&store->blocks[SHARED_OVERFLOW + i],
				  index_chunk_len(i), F_SEAL_SHRINK);
	}
	for (i = 0; i < SHARED_SEGMENTS; i++)
		init_segment(store, (int)i);
}

void shared_store_deinit(struct shared_store *store)
{
	int i;

	index_free(store->index);
	for (i = 0; i < SHARED_BLOCKS; i++)
		shared_block_deinit(&store->blocks[i]);
}

struct index_place shared_store_put(struct shared_store *store,
				    unsigned int number,
				    const struct maker_entry *entry,
				    uint32_t len8)
{
	uint64_t *end = &store->ends[number - 1];
	size_t len;
	uint8_t *image =
		maker_image(entry, SHARED_ID_BASE + number, *end, &len);
	size_t key_len = entry->key_len ? entry->key_len : strlen(entry->key);
	const struct digest digest = digest_of(secret, entry->key, key_len);
	const struct index_place place = {
		.segment = number,
		.off8 = (uint32_t)(*end / 8),
		.len8 = len8 ? len8 : (uint32_t)(len / 8),
	};
	struct index_place old;

	check(*end + len <= SHARED_SEGMENT_LEN);
	memcpy(store->blocks[SHARED_SEGMENT + number - 1].memory + *end, image,
	       len);
	free(image);
	*end += len;
	check(index_reserve(store->index, &digest, 1, 0) == 0);
	check(index_put(store->index, &digest, &place, &old) >= 0);
	return place;
}

static void copy_chunk(struct shared_block *block, const void *chunk)
{
	if (chunk)
		memcpy(block->memory, chunk, block->len);
}

void shared_store_publish(struct shared_store *store)
{
	const struct lookup_map *map = index_map(store->index);
	const uint32_t alive = SHARED_ALIVE;
	int i;

	copy_chunk(&store->blocks[SHARED_HEADER], map->header);
	memcpy(shared_header(store)->owner, &alive, sizeof(alive));
	for (i = 0; i < SHARED_CHUNKS; i++) {
		copy_chunk(&store->blocks[SHARED_PRIMARY + i],
			   map->chunks[INDEX_PRIMARY][i]);
		copy_chunk(&store->blocks[SHARED_OVERFLOW + i],
			   map->chunks[INDEX_OVERFLOW][i]);
	}
}

struct index_header *shared_header(const struct shared_store *store)
{
	return (void *)store->blocks[SHARED_HEADER].memory;
}

struct digest shared_digest(const void *key, size_t key_len)
{
	return digest_of(secret, key, key_len);
}

struct index_primary *shared_bucket(const struct shared_store *store,
				    const struct digest *digest)
{
	uint64_t off;
	uint64_t bucket = index_bucket_of(digest->lo, INDEX_BUCKETS_MIN);
	unsigned int chunk =
		index_chunk_of(bucket * sizeof(struct index_primary), &off);

	return (void *)(store->blocks[SHARED_PRIMARY + chunk].memory + off);
}

struct index_overflow *shared_overflow(const struct shared_store *store,
				       size_t number)
{
	struct index_overflow *first =
		(void *)store->blocks[SHARED_OVERFLOW].memory;

	return &first[number];
}

static struct index_slot *find(const uint32_t *tags, struct index_slot *slots,
			       uint32_t used, const struct digest *digest)
{
	int i;

	for (i = 0; used >> i; i++)
		if (tags[i] == digest->hi &&
		    index_slot_is(slots[i], digest->lo))
			return &slots[i];
	return NULL;
}

struct index_slot *shared_slot(const struct shared_store *store,
			       const struct digest *digest)
{
	struct index_primary *primary = shared_bucket(store, digest);
	struct index_slot *slot =
		find(primary->tags, primary->slots, primary->used, digest);
	uint32_t next = primary->next;

	while (!slot && next) {
		struct index_overflow *overflow =
			shared_overflow(store, next - 1);

		slot = find(overflow->tags, overflow->slots, overflow->used,
			    digest);
		next = overflow->next;
	}
	check(slot != NULL);
	return slot;
}
