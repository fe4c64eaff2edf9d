#include "common/index_memory.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* Linux 5.1, glibc 2.32 */
#endif

enum {
	POPULATE_LEN = 64 << 10, /* a step of growth: some 10 us */
};

/* ---- memfds ---- */

int index_memory_allow(const struct index *index, uint64_t len)
{
	const struct index_options *options = &index->options;

	if (options->may_allocate && !options->may_allocate(options->ctx, len))
		return -ENOMEM;
	return 0;
}

/* True: nobody who gets the descriptor can write, or change the length. */
static bool seal(int fd)
{
	const int size_seals = F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;

	if (!fcntl(fd, F_ADD_SEALS, size_seals | F_SEAL_FUTURE_WRITE))
		return true;
	(void)fcntl(fd, F_ADD_SEALS, size_seals);
	return false;
}

/* Mapped before it is sealed: that mapping alone stays writable. */
static int map_memfd(struct index *index, uint64_t len, int *fd_out, void **out)
{
	void *base = MAP_FAILED;
	int rc = index_memory_allow(index, INDEX_PAGE_LEN);
	int fd;

	if (rc)
		return rc;
	fd = memfd_create("getme-index", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || ftruncate(fd, (off_t)len))
		goto fail;
	base = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		goto fail;
	if (!seal(fd))
		index->sealed = false;
	*fd_out = fd;
	*out = base;
	return 0;
fail:
	rc = -errno;
	if (fd >= 0)
		close(fd);
	return rc;
}

/* Makes pages exist, so that writing them cannot end in SIGBUS. */
static int populate_range(const struct index *index, int fd, uint64_t off,
			  uint64_t len)
{
	int rc = index_memory_allow(index, len);

	if (rc)
		return rc;
	while (fallocate(fd, 0, (off_t)off, (off_t)len)) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

/* ---- sequences ---- */

static size_t sequences_len(enum index_family family, unsigned chunk)
{
	return index_chunk_len(chunk) / index_family_bucket_len[family] *
	       index_family_slots[family] * sizeof(uint64_t);
}

static int map_sequences(struct index *index, enum index_family family,
			 unsigned chunk)
{
	int rc = index_memory_allow(index, INDEX_PAGE_LEN);
	void *base;

	if (rc)
		return rc;
	base = mmap(NULL, sequences_len(family, chunk), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (base == MAP_FAILED)
		return -errno;
	index->families[family].sequences[chunk] = base;
	return 0;
}

void index_memory_unmap_sequences(struct index *index)
{
	for (int f = 0; f < INDEX_N_FAMILIES; f++) {
		struct index_array *family = &index->families[f];

		for (unsigned i = 0; i < INDEX_CHUNKS_MAX; i++) {
			if (!family->sequences[i])
				continue;
			munmap(family->sequences[i], sequences_len(f, i));
			family->sequences[i] = NULL;
		}
	}
}

int index_memory_map_sequences(struct index *index)
{
	for (int f = 0; f < INDEX_N_FAMILIES; f++) {
		for (unsigned i = 0; i < index->families[f].n_chunks; i++) {
			int rc = map_sequences(index, f, i);

			if (rc) {
				index_memory_unmap_sequences(index);
				return rc;
			}
		}
	}
	return 0;
}

uint64_t index_memory_loading_len(const struct index *index)
{
	uint64_t len = 0;

	for (int f = 0; f < INDEX_N_FAMILIES; f++) {
		for (unsigned i = 0; i < index->families[f].n_chunks; i++) {
			if (index->families[f].sequences[i])
				len += sequences_len(f, i);
		}
	}
	return len;
}

/* ---- chunks ---- */

static int add_chunk(struct index *index, enum index_family f)
{
	struct index_array *family = &index->families[f];
	unsigned chunk = family->n_chunks;
	void *base = NULL;
	bool used;
	int rc;

	if (chunk == INDEX_CHUNKS_MAX)
		return -ENOMEM;
	if (index->loading && !family->sequences[chunk]) {
		rc = map_sequences(index, f, chunk);
		if (rc)
			return rc;
	}
	rc = map_memfd(index, index_chunk_len(chunk), &family->fds[chunk],
		       &base);
	if (rc)
		return rc;
	family->bases[chunk] = base;
	family->n_chunks++;
	rc = lookup_add_chunk(&index->map, f, chunk, base, &used);
	assert(!rc && used);
	return rc;
}

int index_memory_populate(struct index *index, enum index_family f,
			  uint64_t end)
{
	struct index_array *family = &index->families[f];

	if (end > INDEX_FAMILY_LEN)
		return -ENOMEM;
	while (family->populated < end) {
		uint64_t off;
		unsigned chunk = index_chunk_of(family->populated, &off);
		uint64_t room = index_chunk_len(chunk) - off;
		uint64_t len = (end - family->populated + POPULATE_LEN - 1) /
			       POPULATE_LEN * POPULATE_LEN;
		int rc = 0;

		if (len > room)
			len = room;
		if (chunk == family->n_chunks)
			rc = add_chunk(index, f);
		if (!rc)
			rc = populate_range(index, family->fds[chunk], off,
					    len);
		if (rc)
			return rc;
		family->populated += len;
	}
	return 0;
}

int index_memory_populate_page(struct index *index, uint64_t page)
{
	uint64_t off;
	unsigned chunk = index_chunk_of(page * INDEX_PAGE_LEN, &off);
	int fd = index->families[INDEX_PRIMARY].fds[chunk];
	int rc = populate_range(index, fd, off, INDEX_PAGE_LEN);

	if (!rc)
		index->first_pages[page / 64] |= UINT64_C(1) << page % 64;
	return rc;
}

uint64_t index_memory_len(const struct index *index)
{
	uint64_t blocks = 0;
	struct stat st;

	if (!fstat(index->header_fd, &st))
		blocks += (uint64_t)st.st_blocks;
	for (int f = 0; f < INDEX_N_FAMILIES; f++) {
		const struct index_array *family = &index->families[f];

		for (unsigned i = 0; i < family->n_chunks; i++) {
			if (!fstat(family->fds[i], &st))
				blocks += (uint64_t)st.st_blocks;
		}
	}
	return blocks * 512 + sizeof(*index) +
	       index->open_max * sizeof(*index->open);
}

/* ---- overflow buckets ---- */

static struct index_overflow *overflow_at(const struct index *index,
					  uint32_t number)
{
	uint64_t *sequences;

	return index_memory_bucket(index, INDEX_OVERFLOW, number, &sequences);
}

uint32_t index_memory_take_overflow(struct index *index)
{
	uint32_t number = index->free_overflow;

	assert(index_memory_n_ready(index) > 0);
	if (!number)
		return (uint32_t)++index->n_overflow_made;
	index->free_overflow = overflow_at(index, number - 1)->next;
	index->n_overflow_free--;
	return number;
}

void index_memory_give_overflow(struct index *index, uint32_t number)
{
	index_store32(&overflow_at(index, number - 1)->next,
		      index->free_overflow);
	index->free_overflow = number;
	index->n_overflow_free++;
}

/* ---- all of it ---- */

static int make_header(struct index *index)
{
	struct index_header *header;
	void *base = NULL;
	int rc = map_memfd(index, INDEX_HEADER_LEN, &index->header_fd, &base);

	if (rc)
		return rc;
	assert(base);
	header = base;
	index->header = header;
	rc = populate_range(index, index->header_fd, 0, INDEX_HEADER_LEN);
	if (rc)
		return rc;
	header->layout = INDEX_LAYOUT;
	header->n_buckets = index->n_buckets;
	memcpy(header->secret, index->options.secret, DIGEST_SECRET_LEN);
	index_store64(&header->magic, INDEX_MAGIC);
	return lookup_init(&index->map, header);
}

int index_memory_init(struct index *index)
{
	struct index_array *primary = &index->families[INDEX_PRIMARY];
	uint64_t end = 0;
	int rc = make_header(index);

	while (!rc && end < INDEX_FIRST_LEN) {
		end += index_chunk_len(primary->n_chunks);
		rc = add_chunk(index, INDEX_PRIMARY);
	}
	if (!rc)
		primary->populated = INDEX_FIRST_LEN;
	return rc;
}

void index_memory_deinit(struct index *index)
{
	index_memory_unmap_sequences(index);
	for (int f = 0; f < INDEX_N_FAMILIES; f++) {
		struct index_array *family = &index->families[f];

		for (unsigned i = 0; i < family->n_chunks; i++) {
			munmap(family->bases[i], index_chunk_len(i));
			close(family->fds[i]);
		}
	}
	if (index->header) {
		munmap(index->header, INDEX_HEADER_LEN);
		close(index->header_fd);
	}
}

/* ---- what readers are given ---- */

const struct lookup_map *index_map(const struct index *index)
{
	return &index->map;
}

struct index_header *index_header(struct index *index)
{
	return index->header;
}

int index_header_fd(const struct index *index)
{
	return index->header_fd;
}

int index_chunk_fd(const struct index *index, enum index_family family,
		   unsigned chunk)
{
	if ((unsigned)family >= INDEX_N_FAMILIES ||
	    chunk >= index->families[family].n_chunks)
		return -ENOENT;
	return index->families[family].fds[chunk];
}
