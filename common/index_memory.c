#include "common/index_memory.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14; elsewhere an error */
#endif
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
	int fd = memfd_create("getme-index", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int rc;

	if (fd < 0 || ftruncate(fd, (off_t)len))
		goto fail;
	base = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		goto fail;
	/* Nobody else's to open again through /proc, not even to read. */
	(void)fchmod(fd, 0400);
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

/*
 * Makes pages of the mapping at BASE exist, so that writing them cannot end in
 * SIGBUS, and maps them: one call for what would be a fault a page.
 */
static int populate_range(const struct index *index, int fd, void *base,
			  uint64_t off, uint64_t len)
{
	int rc = index_memory_allow(index, len);

	if (rc || index->options.is_private)
		return rc;
	while (fallocate(fd, 0, (off_t)off, (off_t)len)) {
		if (errno != EINTR)
			return -errno;
	}
	if (len > INDEX_PAGE_LEN)
		(void)madvise((unsigned char *)base + off, len,
			      MADV_POPULATE_WRITE);
	return 0;
}

/* ---- private memory ---- */

static int map_private(uint64_t len, void **out)
{
	void *base = mmap(NULL, len, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED)
		return -errno;
	*out = base;
	return 0;
}

/* Memory to be unmapped: what lies side by side goes with one call. */
struct unmapping {
	unsigned char *base;
	size_t len;
};

static void unmap_end(struct unmapping *run)
{
	if (run->len)
		munmap(run->base, run->len);
	run->len = 0;
}

static void unmap_also(struct unmapping *run, void *base, size_t len)
{
	if (run->len == 0 || run->base + run->len != base) {
		unmap_end(run);
		run->base = base;
	}
	run->len += len;
}

/* ---- sequences ---- */

static size_t sequences_len(enum index_family family, unsigned chunk)
{
	return index_chunk_len(chunk) / index_family_bucket_len[family] *
	       index_family_slots[family] * sizeof(uint64_t);
}

/* One mapping for the sequences of the chunks FROM to END of a family. */
static int map_sequences(struct index *index, enum index_family f,
			 unsigned from, unsigned end)
{
	uint64_t **sequences = index->families[f].sequences;
	int rc = index_memory_allow(index, INDEX_PAGE_LEN);
	size_t len = 0;
	void *base = NULL;

	for (unsigned i = from; i < end; i++)
		len += sequences_len(f, i);
	if (!rc)
		rc = map_private(len, &base);
	if (rc)
		return rc;
	for (unsigned i = from; i < end; i++) {
		sequences[i] = base;
		base = (unsigned char *)base + sequences_len(f, i);
	}
	return 0;
}

void index_memory_unmap_sequences(struct index *index)
{
	struct unmapping run = { NULL, 0 };

	for (int f = 0; f < INDEX_N_FAMILIES; f++) {
		struct index_array *family = &index->families[f];

		/* The last may have sequences and no chunk. */
		for (unsigned i = 0; i < INDEX_CHUNKS_MAX; i++) {
			if (!family->sequences[i])
				break;
			unmap_also(&run, family->sequences[i],
				   sequences_len(f, i));
			family->sequences[i] = NULL;
		}
	}
	unmap_end(&run);
}

int index_memory_map_sequences(struct index *index)
{
	for (int f = 0; f < INDEX_N_FAMILIES; f++) {
		unsigned n_chunks = index->families[f].n_chunks;
		int rc = n_chunks ? map_sequences(index, f, 0, n_chunks) : 0;

		if (rc) {
			index_memory_unmap_sequences(index);
			return rc;
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

/* Memory of either kind; FD is -1 when it is private. */
static int map_memory(struct index *index, uint64_t len, int *fd, void **base)
{
	int rc = index_memory_allow(index, INDEX_PAGE_LEN);

	if (rc)
		return rc;
	if (!index->options.is_private)
		return map_memfd(index, len, fd, base);
	*fd = -1;
	return map_private(len, base);
}

/* The family's next chunk is mapped at BASE. */
static void take_chunk(struct index *index, enum index_family f, int fd,
		       void *base)
{
	struct index_array *family = &index->families[f];
	unsigned chunk = family->n_chunks++;
	bool used = false;
	int rc;

	family->fds[chunk] = fd;
	family->bases[chunk] = base;
	rc = lookup_add_chunk(&index->map, f, chunk, base, &used);
	assert(!rc && used);
	(void)rc;
}

static int add_chunk(struct index *index, enum index_family f)
{
	struct index_array *family = &index->families[f];
	unsigned chunk = family->n_chunks;
	void *base = NULL;
	int fd = -1;
	int rc = 0;

	if (chunk == INDEX_CHUNKS_MAX)
		return -ENOMEM;
	if (index->loading && !family->sequences[chunk])
		rc = map_sequences(index, f, chunk, chunk + 1);
	if (!rc)
		rc = map_memory(index, index_chunk_len(chunk), &fd, &base);
	if (!rc)
		take_chunk(index, f, fd, base);
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
			rc = populate_range(index, family->fds[chunk],
					    family->bases[chunk], off, len);
		if (rc)
			return rc;
		family->populated += len;
	}
	return 0;
}

/* The page exists from now on. */
static void note_page(struct index *index, uint64_t page)
{
	uint64_t reversed = 0;

	for (int i = 0; i < INDEX_SCAN_PAGE_BITS; i++)
		reversed = reversed << 1 | (page >> i & 1);
	index->first_pages[page / 64] |= UINT64_C(1) << page % 64;
	index->scan_pages[reversed / 64] |= UINT64_C(1) << reversed % 64;
}

int index_memory_populate_page(struct index *index, uint64_t page)
{
	uint64_t off;
	unsigned chunk = index_chunk_of(page * INDEX_PAGE_LEN, &off);
	const struct index_array *primary = &index->families[INDEX_PRIMARY];
	int rc = populate_range(index, primary->fds[chunk],
				primary->bases[chunk], off, INDEX_PAGE_LEN);

	if (!rc)
		note_page(index, page);
	return rc;
}

/* They are about to be written all over: a page of 4 KiB a fault is slow. */
static void want_huge_sequences(const struct index *index)
{
	const struct index_array *primary = &index->families[INDEX_PRIMARY];

	for (unsigned i = 0; i < primary->n_chunks; i++)
		if (primary->sequences[i])
			(void)madvise(primary->sequences[i],
				      sequences_len(INDEX_PRIMARY, i),
				      MADV_HUGEPAGE);
}

int index_memory_populate_first(struct index *index)
{
	const struct index_array *primary = &index->families[INDEX_PRIMARY];
	uint64_t end;

	want_huge_sequences(index);
	for (uint64_t at = 0; at < INDEX_FIRST_LEN; at = end) {
		uint64_t off;
		unsigned chunk = index_chunk_of(at, &off);
		int rc = populate_range(index, primary->fds[chunk],
					primary->bases[chunk], 0,
					index_chunk_len(chunk));

		if (rc)
			return rc;
		end = at + index_chunk_len(chunk);
		for (; at < end; at += INDEX_PAGE_LEN)
			note_page(index, at / INDEX_PAGE_LEN);
	}
	return 0;
}

/* Pages of memfds; reading may have made some that were not populated. */
static uint64_t shared_len(const struct index *index)
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
	return blocks * 512;
}

static uint64_t populated_len(const struct index *index)
{
	uint64_t len = INDEX_HEADER_LEN - INDEX_FIRST_LEN;

	for (int i = 0; i < INDEX_N_FIRST_PAGES / 64; i++)
		len += (uint64_t)__builtin_popcountll(index->first_pages[i]) *
		       INDEX_PAGE_LEN;
	for (int f = 0; f < INDEX_N_FAMILIES; f++)
		len += index->families[f].populated;
	return len;
}

uint64_t index_memory_len(const struct index *index)
{
	uint64_t len = index->options.is_private ? populated_len(index)
						 : shared_len(index);

	return len + sizeof(*index) + index->open_max * sizeof(*index->open);
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

/* Of a private index there are LEN bytes, the header's the first of them. */
static int make_header(struct index *index, uint64_t len)
{
	struct index_header *header;
	void *base = NULL;
	int fd = -1;
	int rc = map_memory(index, len, &fd, &base);

	if (rc)
		return rc;
	assert(base);
	rc = populate_range(index, fd, base, 0, INDEX_HEADER_LEN);
	if (rc) {
		munmap(base, len);
		if (fd >= 0)
			close(fd);
		return rc;
	}
	header = base;
	index->header = header;
	index->header_fd = fd;
	header->layout = INDEX_LAYOUT;
	header->n_buckets = index->n_buckets;
	memcpy(header->secret, index->options.secret, DIGEST_SECRET_LEN);
	index_store64(&header->magic, INDEX_MAGIC);
	return lookup_init(&index->map, header);
}

static int make_shared(struct index *index)
{
	struct index_array *primary = &index->families[INDEX_PRIMARY];
	int rc = make_header(index, INDEX_HEADER_LEN);

	for (uint64_t end = 0; !rc && end < INDEX_FIRST_LEN;) {
		end += index_chunk_len(primary->n_chunks);
		rc = add_chunk(index, INDEX_PRIMARY);
	}
	return rc;
}

static int make_private(struct index *index)
{
	int rc = make_header(index, INDEX_HEADER_LEN + INDEX_FIRST_LEN);
	unsigned char *base = (unsigned char *)index->header;

	if (rc)
		return rc;
	base += INDEX_HEADER_LEN;
	for (uint64_t end = 0; end < INDEX_FIRST_LEN;) {
		unsigned chunk = index->families[INDEX_PRIMARY].n_chunks;

		take_chunk(index, INDEX_PRIMARY, -1, base + end);
		end += index_chunk_len(chunk);
	}
	return 0;
}

int index_memory_init(struct index *index)
{
	int rc = index->options.is_private ? make_private(index)
					   : make_shared(index);

	if (!rc)
		index->families[INDEX_PRIMARY].populated = INDEX_FIRST_LEN;
	return rc;
}

static void close_all(const struct index *index)
{
	for (int f = 0; f < INDEX_N_FAMILIES; f++) {
		for (unsigned i = 0; i < index->families[f].n_chunks; i++)
			close(index->families[f].fds[i]);
	}
	close(index->header_fd);
}

void index_memory_deinit(struct index *index)
{
	struct unmapping run = { NULL, 0 };

	index_memory_unmap_sequences(index);
	if (!index->header)
		return;
	if (!index->options.is_private)
		close_all(index);
	unmap_also(&run, index->header, INDEX_HEADER_LEN);
	for (int f = 0; f < INDEX_N_FAMILIES; f++) {
		const struct index_array *family = &index->families[f];

		for (unsigned i = 0; i < family->n_chunks; i++)
			unmap_also(&run, family->bases[i], index_chunk_len(i));
	}
	unmap_end(&run);
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
	return index->options.is_private ? -ENOTSUP : index->header_fd;
}

int index_chunk_fd(const struct index *index, enum index_family family,
		   unsigned chunk)
{
	if (index->options.is_private)
		return -ENOTSUP;
	if ((unsigned)family >= INDEX_N_FAMILIES ||
	    chunk >= index->families[family].n_chunks)
		return -ENOENT;
	return index->families[family].fds[chunk];
}
