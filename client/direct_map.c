#include "client/direct_map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef F_GET_SEALS
#define F_GET_SEALS   1034
#define F_SEAL_SHRINK 0x0002
#endif

enum {
	/* What a segment begins with; zeros where it was emptied. */
	MAGIC_LEN = 8,
	SEGMENT_LEN_MIN = 64,
	SWEEP_MIN = 8, /* segments */
};

/* ---- the index ---- */

/* What is no memfd has no seals, but -1: every bit. */
static bool never_shrinks(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & F_SEAL_SHRINK);
}

/* Maps LEN bytes of a memfd that cannot become shorter; closes it. */
static int map_memory(int fd, uint64_t len, const void **out)
{
	void *base = MAP_FAILED;
	struct stat st;
	int result = -EPROTO;

	if (fstat(fd, &st) == 0 && st.st_size >= 0 &&
	    (uint64_t)st.st_size >= len && never_shrinks(fd)) {
		base = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);
		if (base == MAP_FAILED)
			result = -errno;
	}
	close(fd);
	if (base == MAP_FAILED)
		return result;
	*out = base;
	return 0;
}

static void unmap(const void *base, uint64_t len)
{
	munmap((void *)(uintptr_t)base, len);
}

int direct_map_add_header(struct direct_map *map, int fd)
{
	const void *base = NULL;
	int result = map_memory(fd, INDEX_HEADER_LEN, &base);

	if (result < 0)
		return result;
	map->index = calloc(1, sizeof(*map->index));
	result = map->index ? lookup_init(map->index, base) : -ENOMEM;
	if (result == 0)
		return 0;
	free(map->index);
	map->index = NULL;
	unmap(base, INDEX_HEADER_LEN);
	return result == -ENOMEM ? result : -EPROTO;
}

int direct_map_add_chunk(struct direct_map *map, enum index_family family,
			 unsigned int number, int fd)
{
	uint64_t len = index_chunk_len(number);
	const void *base = NULL;
	bool used = false;
	int result = map_memory(fd, len, &base);

	if (result < 0)
		return result;
	result = lookup_add_chunk(map->index, family, number, base, &used);
	if (!used)
		unmap(base, len);
	return result < 0 ? -EPROTO : 0;
}

static void clear_index(struct direct_map *map)
{
	unsigned int i;
	int f;

	if (!map->index)
		return;
	for (f = 0; f < INDEX_N_FAMILIES; f++)
		for (i = 0; i < INDEX_CHUNKS_MAX; i++)
			if (map->index->chunks[f][i])
				unmap(map->index->chunks[f][i],
				      index_chunk_len(i));
	unmap(map->index->header, INDEX_HEADER_LEN);
	free(map->index);
	map->index = NULL;
}

/* ---- segments ---- */

static void free_segment(struct direct_segment *segment)
{
	if (segment->base)
		unmap(segment->base, segment->len);
	if (segment->fd >= 0)
		close(segment->fd);
	free(segment);
}

static struct direct_segment **place(struct direct_map *map, uint32_t low)
{
	struct direct_leaf *leaf = map->leaves[low >> DIRECT_LEAF_BITS];

	return &leaf->at[low & (DIRECT_LEAF_LEN - 1)];
}

/* Takes out the one whose id stands at I of the list. */
static void remove_at(struct direct_map *map, size_t i)
{
	struct direct_segment **at = place(map, map->ids[i]);

	free_segment(*at);
	*at = NULL;
	map->ids[i] = map->ids[--map->n_ids];
}

static void remove_low(struct direct_map *map, uint32_t low)
{
	size_t i;

	for (i = 0; i < map->n_ids; i++)
		if (map->ids[i] == low) {
			remove_at(map, i);
			return;
		}
}

/* Whether the daemon has emptied it. */
static bool is_emptied(const struct direct_segment *segment)
{
	static const uint8_t zeros[MAGIC_LEN];

	return segment->base && memcmp(segment->base, zeros, MAGIC_LEN) == 0;
}

/* Looks at all once they have doubled: a look may read from the disk. */
static void sweep(struct direct_map *map)
{
	size_t i = 0;

	if (map->n_ids < map->sweep_at)
		return;
	while (i < map->n_ids)
		if (is_emptied(*place(map, map->ids[i])))
			remove_at(map, i);
		else
			i++;
	map->sweep_at = map->n_ids < SWEEP_MIN ? SWEEP_MIN : map->n_ids * 2;
}

/* Of open descriptors the one that was not used for longest. */
static void close_one(struct direct_map *map)
{
	size_t oldest = 0;
	size_t i;

	for (i = 1; i < map->n_ids; i++)
		if ((*place(map, map->ids[i]))->used <
		    (*place(map, map->ids[oldest]))->used)
			oldest = i;
	remove_at(map, oldest);
}

static int make_room(struct direct_map *map, uint32_t low)
{
	struct direct_leaf **leaf = &map->leaves[low >> DIRECT_LEAF_BITS];
	size_t cap = map->ids_cap ? map->ids_cap * 2 : 16;
	uint32_t *ids;

	if (map->preads && map->n_ids >= DIRECT_FILES_MAX)
		close_one(map);
	if (!*leaf) {
		*leaf = calloc(1, sizeof(**leaf));
		if (!*leaf)
			return -ENOMEM;
		map->n_leaves++;
	}
	if (map->n_ids < map->ids_cap)
		return 0;
	ids = realloc(map->ids, cap * sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	map->ids = ids;
	map->ids_cap = cap;
	return 0;
}

/* Maps it, or keeps the descriptor. */
static int open_segment(const struct direct_map *map,
			struct direct_segment *segment)
{
	struct stat st;
	void *base;

	if (fstat(segment->fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < SEGMENT_LEN_MIN)
		return -EPROTO;
	segment->len = (uint64_t)st.st_size;
	if (map->preads)
		return 0;
	base = mmap(NULL, segment->len, PROT_READ, MAP_SHARED, segment->fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	/* Reads are of single entries: nothing around is worth fetching. */
	(void)madvise(base, segment->len, MADV_RANDOM);
	segment->base = base;
	close(segment->fd);
	segment->fd = -1;
	return 0;
}

int direct_map_add_segment(struct direct_map *map, uint32_t id, int fd)
{
	uint32_t low = id & INDEX_SEGMENT_MASK;
	struct direct_segment *segment = calloc(1, sizeof(*segment));
	int result;

	if (!segment) {
		close(fd);
		return -ENOMEM;
	}
	segment->id = id;
	segment->fd = fd;
	sweep(map);
	remove_low(map, low);
	result = make_room(map, low);
	if (result == 0)
		result = open_segment(map, segment);
	if (result < 0) {
		free_segment(segment);
		return result;
	}
	*place(map, low) = segment;
	map->ids[map->n_ids++] = low;
	return 0;
}

void direct_map_clear(struct direct_map *map)
{
	size_t i;

	while (map->n_ids > 0)
		remove_at(map, map->n_ids - 1);
	free(map->ids);
	map->ids = NULL;
	map->ids_cap = 0;
	for (i = 0; map->n_leaves > 0; i++) {
		if (!map->leaves[i])
			continue;
		free(map->leaves[i]);
		map->leaves[i] = NULL;
		map->n_leaves--;
	}
	clear_index(map);
}

/* ---- reading ---- */

static int pread_full(int fd, void *data, size_t len, uint64_t off)
{
	uint8_t *at = data;

	while (len > 0) {
		ssize_t n = pread(fd, at, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -ENODATA;
		at += n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int direct_map_read(struct direct_map *map, uint32_t low, uint64_t off,
		    void *data, size_t len, uint32_t *id, uint64_t *rest)
{
	struct direct_segment *segment = direct_map_find(map, low);

	if (!segment || off >= segment->len || len > segment->len - off)
		return -EAGAIN;
	*id = segment->id;
	*rest = segment->len - off;
	if (!segment->base) {
		segment->used = ++map->n_reads;
		return pread_full(segment->fd, data, len, off);
	}
	memcpy(data, segment->base + off, len);
	return 0;
}
