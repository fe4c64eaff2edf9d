#include "common/index.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* Linux 5.1, glibc 2.32 */
#endif

enum {
	PAGE_LEN = 4096,
	POPULATE_LEN = 64 << 10, /* a step of growth: some 10 us */
	FIRST_LEN = INDEX_BUCKETS_MIN * sizeof(struct index_primary),
	N_FIRST_PAGES = FIRST_LEN / PAGE_LEN,
	PAGE_BUCKETS = PAGE_LEN / sizeof(struct index_primary),
	FAILED_SPLIT_WAIT = 256, /* insertions until memory is asked again */
	PREFETCH_AHEAD = 8,
	/* A table above this after loading was blown up by tombstones. */
	BYTES_A_KEY_MAX = 30,
};

/* A table is full at 19/20 of its primary slots: 28 bytes a key at worst. */
#define FULL_MUL (INDEX_PRIMARY_SLOTS * 19)
#define FULL_DIV 20

static const unsigned char family_slots[INDEX_N_FAMILIES] = {
	[INDEX_PRIMARY] = INDEX_PRIMARY_SLOTS,
	[INDEX_OVERFLOW] = INDEX_OVERFLOW_SLOTS,
};

static const size_t family_bucket_len[INDEX_N_FAMILIES] = {
	[INDEX_PRIMARY] = sizeof(struct index_primary),
	[INDEX_OVERFLOW] = sizeof(struct index_overflow),
};

/* One array of buckets.  Bytes below populated are pages that exist. */
struct family {
	unsigned n_chunks;
	uint64_t populated;
	int fds[INDEX_CHUNKS_MAX];
	unsigned char *bases[INDEX_CHUNKS_MAX];
	uint64_t *sequences[INDEX_CHUNKS_MAX]; /* one a slot, while loading */
};

/*
 * The first 16 MiB of primary buckets are there from the start, but a small
 * store must not pay for them: first_pages tells which of their pages exist.
 */
struct index {
	struct index_options options;
	struct index_header *header;
	int header_fd;
	bool sealed;
	bool loading;
	bool in_batch;
	struct family families[INDEX_N_FAMILIES];
	uint64_t first_pages[N_FIRST_PAGES / 64];
	struct lookup_map map;

	uint64_t n_buckets;
	uint64_t n_slots; /* keys and tombstones */
	uint64_t n_tombstones;
	uint64_t n_keys_max;

	uint64_t n_overflow_made; /* handed out at least once */
	uint64_t n_overflow_free; /* of these, in the free list */
	uint32_t free_overflow;	  /* number + 1 of the first, 0: none */
	uint64_t n_promised;	  /* puts, each may take one */

	struct index_primary **open; /* buckets of the batch */
	size_t n_open;
	size_t open_max;
	size_t n_inserted; /* by the batch */

	unsigned split_wait;
	uint64_t n_postponed;
	uint64_t n_long_chains;
	uint64_t longest_chain;
};

/* One bucket, of either kind. */
struct node {
	uint32_t *next;
	uint32_t *used;
	uint32_t *tags;
	struct index_slot *slots;
	uint64_t *sequences; /* NULL unless loading */
	unsigned n_slots;
};

/* A slot, or the place behind a chain's last one. */
struct spot {
	struct node node;
	unsigned i;
	uint64_t n_before; /* slots before it, when it is behind the last */
};

/* ---- words that readers see ---- */

static void store32(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static void store64(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* The stores that follow have release order: none is seen before this one. */
static void make_odd(struct index_primary *bucket)
{
	assert(!(bucket->version & 1));
	__atomic_store_n(&bucket->version, bucket->version + 1,
			 __ATOMIC_RELAXED);
}

static void make_even(struct index_primary *bucket)
{
	assert(bucket->version & 1);
	store32(&bucket->version, bucket->version + 1);
}

/* ---- memory ---- */

static int allow(const struct index *index, uint64_t len)
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
	int rc = allow(index, PAGE_LEN);
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
	int rc = allow(index, len);

	if (rc)
		return rc;
	while (fallocate(fd, 0, (off_t)off, (off_t)len)) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static size_t sequences_len(enum index_family family, unsigned chunk)
{
	return index_chunk_len(chunk) / family_bucket_len[family] *
	       family_slots[family] * sizeof(uint64_t);
}

static int map_sequences(struct index *index, enum index_family family,
			 unsigned chunk)
{
	int rc = allow(index, PAGE_LEN);
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

static void unmap_sequences(struct index *index)
{
	for (int f = 0; f < INDEX_N_FAMILIES; f++) {
		struct family *family = &index->families[f];

		for (unsigned i = 0; i < INDEX_CHUNKS_MAX; i++) {
			if (!family->sequences[i])
				continue;
			munmap(family->sequences[i], sequences_len(f, i));
			family->sequences[i] = NULL;
		}
	}
}

static int add_chunk(struct index *index, enum index_family f)
{
	struct family *family = &index->families[f];
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

/* Makes the first END bytes of a family exist. */
static int populate(struct index *index, enum index_family f, uint64_t end)
{
	struct family *family = &index->families[f];

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

static bool bucket_exists(const struct index *index, uint64_t bucket)
{
	uint64_t page = bucket / PAGE_BUCKETS;

	return page >= N_FIRST_PAGES ||
	       (index->first_pages[page / 64] >> page % 64 & 1);
}

static int populate_bucket(struct index *index, uint64_t bucket)
{
	uint64_t page = bucket / PAGE_BUCKETS;
	uint64_t off;
	unsigned chunk;
	int rc;

	if (bucket_exists(index, bucket))
		return 0;
	chunk = index_chunk_of(page * PAGE_LEN, &off);
	rc = populate_range(index, index->families[INDEX_PRIMARY].fds[chunk],
			    off, PAGE_LEN);
	if (!rc)
		index->first_pages[page / 64] |= UINT64_C(1) << page % 64;
	return rc;
}

/* ---- buckets ---- */

static unsigned char *bucket_at(const struct index *index, enum index_family f,
				uint64_t number, uint64_t **sequences)
{
	const struct family *family = &index->families[f];
	uint64_t off;
	unsigned chunk = index_chunk_of(number * family_bucket_len[f], &off);

	*sequences = family->sequences[chunk];
	if (*sequences)
		*sequences += off / family_bucket_len[f] * family_slots[f];
	return family->bases[chunk] + off;
}

static struct index_primary *primary_at(const struct index *index,
					uint64_t bucket)
{
	uint64_t *sequences;

	return (void *)bucket_at(index, INDEX_PRIMARY, bucket, &sequences);
}

static struct node primary_node(const struct index *index, uint64_t bucket)
{
	struct node node = { .n_slots = INDEX_PRIMARY_SLOTS };
	struct index_primary *primary = (void *)bucket_at(
		index, INDEX_PRIMARY, bucket, &node.sequences);

	node.next = &primary->next;
	node.used = &primary->used;
	node.tags = primary->tags;
	node.slots = primary->slots;
	return node;
}

static struct node overflow_node(const struct index *index, uint32_t number)
{
	struct node node = { .n_slots = INDEX_OVERFLOW_SLOTS };
	struct index_overflow *overflow = (void *)bucket_at(
		index, INDEX_OVERFLOW, number, &node.sequences);

	node.next = &overflow->next;
	node.used = &overflow->used;
	node.tags = overflow->tags;
	node.slots = overflow->slots;
	return node;
}

/* The taken slots of a bucket are its first ones. */
static unsigned node_n_used(const struct node *node)
{
	return (unsigned)__builtin_ctz(~*node->used);
}

static uint32_t first_bits(unsigned n)
{
	return (UINT32_C(1) << n) - 1;
}

static bool next_node(const struct index *index, struct node *node)
{
	if (!*node->next)
		return false;
	*node = overflow_node(index, *node->next - 1);
	return true;
}

static struct spot first_spot(const struct index *index, uint64_t bucket)
{
	struct spot spot = { .node = primary_node(index, bucket) };

	return spot;
}

/* Moves SPOT to a taken slot, from where it is; false: there is none. */
static bool at_slot(const struct index *index, struct spot *spot)
{
	while (spot->i == spot->node.n_slots) {
		if (!next_node(index, &spot->node))
			return false;
		spot->i = 0;
	}
	return *spot->node.used >> spot->i & 1;
}

static uint64_t n_overflow_ready(const struct index *index)
{
	return index->n_overflow_free +
	       index->families[INDEX_OVERFLOW].populated /
		       sizeof(struct index_overflow) -
	       index->n_overflow_made;
}

/* Makes N overflow buckets ready, those that are promised among them. */
static int prepare_overflow(struct index *index, uint64_t n)
{
	uint64_t ready = n_overflow_ready(index);

	if (ready >= n)
		return 0;
	return populate(index, INDEX_OVERFLOW,
			index->families[INDEX_OVERFLOW].populated +
				(n - ready) * sizeof(struct index_overflow));
}

/* Hangs an empty overflow bucket, which is ready, behind NODE. */
static void link_overflow(struct index *index, struct node *node)
{
	uint32_t number = index->free_overflow;
	struct node fresh;

	assert(n_overflow_ready(index) > 0);
	if (number) {
		fresh = overflow_node(index, number - 1);
		index->free_overflow = *fresh.next;
		index->n_overflow_free--;
	} else {
		number = (uint32_t)++index->n_overflow_made;
		fresh = overflow_node(index, number - 1);
	}
	store32(fresh.used, 0);
	store32(fresh.next, 0);
	store32(node->next, number);
	*node = fresh;
}

/* Frees the overflow buckets behind NODE. */
static void cut_chain(struct index *index, struct node *node)
{
	uint32_t number = *node->next;

	store32(node->next, 0);
	while (number) {
		struct node gone = overflow_node(index, number - 1);
		uint32_t next = *gone.next;

		store32(gone.next, index->free_overflow);
		index->free_overflow = number;
		index->n_overflow_free++;
		number = next;
	}
}

static void set_slot(const struct spot *spot, uint32_t tag,
		     struct index_slot slot, uint64_t sequence)
{
	store32(&spot->node.tags[spot->i], tag);
	store64(&spot->node.slots[spot->i].word[0], slot.word[0]);
	store64(&spot->node.slots[spot->i].word[1], slot.word[1]);
	if (spot->node.sequences)
		spot->node.sequences[spot->i] = sequence;
}

static void copy_slot(const struct spot *to, const struct spot *from)
{
	const struct node *node = &from->node;

	set_slot(to, node->tags[from->i], node->slots[from->i],
		 node->sequences ? node->sequences[from->i] : 0);
}

/* Makes room at the place behind a chain's last slot. */
static void make_slot(struct index *index, struct spot *spot)
{
	if (spot->i == spot->node.n_slots) {
		link_overflow(index, &spot->node);
		spot->i = 0;
	}
	store32(spot->node.used, *spot->node.used | UINT32_C(1) << spot->i);
}

/* Ends a chain behind the slots before SPOT, which is no empty overflow. */
static void end_chain(struct index *index, struct spot *spot)
{
	cut_chain(index, &spot->node);
	store32(spot->node.used, first_bits(spot->i));
}

/* ---- keys ---- */

/* False: SPOT is the place behind the chain's last slot. */
static bool find(const struct index *index, const struct digest *digest,
		 uint64_t bucket, struct spot *spot)
{
	struct node *node = &spot->node;

	*spot = first_spot(index, bucket);
	if (!bucket_exists(index, bucket))
		return false; /* and reading its hole would fill it */
	do {
		unsigned n_used = node_n_used(node);

		for (spot->i = 0; spot->i < n_used; spot->i++) {
			if (node->tags[spot->i] == digest->hi &&
			    index_slot_is(node->slots[spot->i], digest->lo))
				return true;
		}
		spot->n_before += n_used;
	} while (next_node(index, node));
	return false;
}

static struct index_place place_at(const struct spot *spot)
{
	return index_slot_place(spot->node.slots[spot->i]);
}

/* Memory for one more slot in BUCKET; a promised one finds it there. */
static int prepare_insert(struct index *index, uint64_t bucket)
{
	int rc = populate_bucket(index, bucket);

	return rc ? rc : prepare_overflow(index, 1);
}

static void count_inserted(struct index *index, const struct spot *spot)
{
	uint64_t n_keys;

	index->n_slots++;
	n_keys = index->n_slots - index->n_tombstones;
	if (n_keys > index->n_keys_max)
		index->n_keys_max = n_keys;
	if (spot->n_before + 1 > index->longest_chain)
		index->longest_chain = spot->n_before + 1;
	/* Not when splits wait for memory: then all chains are long. */
	if (spot->n_before == INDEX_LONG_CHAIN &&
	    index->n_slots < index->n_buckets * INDEX_PRIMARY_SLOTS)
		index->n_long_chains++;
}

static void insert(struct index *index, struct spot *spot,
		   const struct digest *digest, const struct index_place *place,
		   uint64_t sequence)
{
	make_slot(index, spot);
	set_slot(spot, digest->hi, index_slot_pack(digest->lo, place),
		 sequence);
	count_inserted(index, spot);
}

/* Fills the hole at SPOT with the chain's last slot. */
static void take_out(struct index *index, uint64_t bucket,
		     const struct spot *spot)
{
	struct spot last = first_spot(index, bucket);
	struct node before = last.node;
	struct node ahead = last.node;

	while (next_node(index, &ahead)) {
		before = last.node;
		last.node = ahead;
	}
	last.i = node_n_used(&last.node) - 1;
	if (last.node.used != spot->node.used || last.i != spot->i)
		copy_slot(spot, &last);
	if (last.i == 0 && last.node.n_slots == INDEX_OVERFLOW_SLOTS)
		cut_chain(index, &before);
	else
		store32(last.node.used, first_bits(last.i));
	index->n_slots--;
}

/* ---- growth ---- */

static bool is_full(const struct index *index)
{
	return index->n_slots * FULL_DIV > index->n_buckets * FULL_MUL;
}

/* How many overflow buckets the digests with BIT need, in a chain alone. */
static uint64_t overflow_needed(const struct index *index, uint64_t bucket,
				uint64_t bit)
{
	struct spot spot = first_spot(index, bucket);
	uint64_t n = 0;

	for (; at_slot(index, &spot); spot.i++)
		n += !!(index_slot_lo(spot.node.slots[spot.i], bucket) & bit);
	if (n <= INDEX_PRIMARY_SLOTS)
		return 0;
	return (n - INDEX_PRIMARY_SLOTS + INDEX_OVERFLOW_SLOTS - 1) /
	       INDEX_OVERFLOW_SLOTS;
}

/* Moves to bucket TO the digests of FROM that have BIT. */
static void share(struct index *index, uint64_t from, uint64_t to, uint64_t bit)
{
	struct spot spot = first_spot(index, from);
	struct spot keep = spot;
	struct spot move = first_spot(index, to);

	for (; at_slot(index, &spot); spot.i++) {
		uint64_t lo = index_slot_lo(spot.node.slots[spot.i], from);

		if (lo & bit) {
			make_slot(index, &move);
			copy_slot(&move, &spot);
			move.i++;
			continue;
		}
		at_slot(index, &keep);
		copy_slot(&keep, &spot);
		keep.i++;
	}
	end_chain(index, &keep);
}

static int split(struct index *index)
{
	uint64_t to = index->n_buckets;
	uint64_t bit = UINT64_C(1) << (63 - __builtin_clzll(to));
	uint64_t from = to - bit;
	struct index_primary *from_bucket;
	struct index_primary *to_bucket;
	int rc;

	if (to == INDEX_BUCKETS_MAX)
		return -ENOMEM;
	rc = populate(index, INDEX_PRIMARY,
		      (to + 1) * sizeof(struct index_primary));
	if (!rc)
		rc = populate_bucket(index, from);
	if (!rc)
		rc = prepare_overflow(
			index,
			index->n_promised + overflow_needed(index, from, bit));
	if (rc)
		return rc;

	from_bucket = primary_at(index, from);
	to_bucket = primary_at(index, to);
	make_odd(from_bucket);
	make_odd(to_bucket);
	share(index, from, to, bit);
	index->n_buckets = to + 1;
	store64(&index->header->n_buckets, index->n_buckets);
	make_even(to_bucket);
	make_even(from_bucket);
	return 0;
}

/* A split that finds no memory is no error: chains grow meanwhile. */
static void grow(struct index *index, size_t n_splits_max)
{
	for (size_t i = 0; i < n_splits_max && is_full(index); i++) {
		if (index->split_wait) {
			index->split_wait--;
			return;
		}
		if (split(index)) {
			index->n_postponed++;
			index->split_wait = FAILED_SPLIT_WAIT;
			return;
		}
	}
}

/* ---- new, free ---- */

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
	store64(&header->magic, INDEX_MAGIC);
	return lookup_init(&index->map, header);
}

int index_new(const struct index_options *options, struct index **out)
{
	struct index *index;
	uint64_t end;
	int rc;

	if (options->may_allocate &&
	    !options->may_allocate(options->ctx, sizeof(*index)))
		return -ENOMEM;
	index = calloc(1, sizeof(*index));
	if (!index)
		return -ENOMEM;
	index->options = *options;
	index->header_fd = -1;
	index->sealed = true;
	index->n_buckets = INDEX_BUCKETS_MIN;
	rc = make_header(index);
	for (end = 0; !rc && end < FIRST_LEN;) {
		end += index_chunk_len(index->families[INDEX_PRIMARY].n_chunks);
		rc = add_chunk(index, INDEX_PRIMARY);
	}
	if (rc)
		goto fail;
	index->families[INDEX_PRIMARY].populated = FIRST_LEN;
	*out = index;
	return 0;
fail:
	index_free(index);
	return rc;
}

void index_close(struct index *index)
{
	store32(&index->header->closed, 1);
}

void index_free(struct index *index)
{
	if (!index)
		return;
	unmap_sequences(index);
	for (int f = 0; f < INDEX_N_FAMILIES; f++) {
		struct family *family = &index->families[f];

		for (unsigned i = 0; i < family->n_chunks; i++) {
			munmap(family->bases[i], index_chunk_len(i));
			close(family->fds[i]);
		}
	}
	if (index->header) {
		index_close(index);
		munmap(index->header, INDEX_HEADER_LEN);
		close(index->header_fd);
	}
	free(index->open);
	free(index);
}

/* ---- changes ---- */

static int reserve_open(struct index *index, size_t n)
{
	struct index_primary **open;
	int rc;

	if (n <= index->open_max)
		return 0;
	rc = allow(index, n * sizeof(*open));
	if (rc)
		return rc;
	open = realloc(index->open, n * sizeof(*open));
	if (!open)
		return -ENOMEM;
	index->open = open;
	index->open_max = n;
	return 0;
}

int index_reserve(struct index *index, const struct digest *digests, size_t n,
		  size_t n_pending)
{
	int rc = reserve_open(index, n);

	for (size_t i = 0; !rc && i < n; i++)
		rc = populate_bucket(index, index_bucket_of(digests[i].lo,
							    index->n_buckets));
	if (!rc)
		rc = prepare_overflow(index, n + n_pending);
	if (!rc)
		index->n_promised = n + n_pending;
	return rc;
}

void index_begin(struct index *index, const struct digest *digests, size_t n)
{
	assert(!index->in_batch && n <= index->open_max);
	index->in_batch = true;
	for (size_t i = 0; i < n; i++) {
		struct index_primary *bucket;

		if (i + PREFETCH_AHEAD < n)
			lookup_prefetch(&index->map,
					&digests[i + PREFETCH_AHEAD]);
		bucket = primary_at(index, index_bucket_of(digests[i].lo,
							   index->n_buckets));
		if (bucket->version & 1)
			continue; /* shared with another key of the batch */
		make_odd(bucket);
		index->open[index->n_open++] = bucket;
	}
}

void index_end(struct index *index)
{
	size_t n_splits_max = 2 + index->n_inserted / 4;

	assert(index->in_batch);
	for (size_t i = 0; i < index->n_open; i++)
		make_even(index->open[i]);
	index->n_open = 0;
	index->n_inserted = 0;
	index->in_batch = false;
	grow(index, n_splits_max);
}

/* Inside a batch the bucket is odd already, and stays so. */
static void begin_one(const struct index *index, uint64_t bucket)
{
	struct index_primary *primary = primary_at(index, bucket);

	assert(!index->loading);
	if (!index->in_batch)
		make_odd(primary);
	assert(primary->version & 1);
}

static void end_one(const struct index *index, uint64_t bucket)
{
	if (!index->in_batch)
		make_even(primary_at(index, bucket));
}

static uint64_t bucket_of(const struct index *index,
			  const struct digest *digest)
{
	return index_bucket_of(digest->lo, index->n_buckets);
}

static void replace(const struct index *index, uint64_t bucket,
		    const struct spot *spot, const struct digest *digest,
		    const struct index_place *place)
{
	begin_one(index, bucket);
	set_slot(spot, digest->hi, index_slot_pack(digest->lo, place), 0);
	end_one(index, bucket);
}

int index_put(struct index *index, const struct digest *digest,
	      const struct index_place *place, struct index_place *old)
{
	uint64_t bucket = bucket_of(index, digest);
	struct spot spot;
	int rc;

	assert(!(place->flags & INDEX_TOMBSTONE));
	if (find(index, digest, bucket, &spot)) {
		*old = place_at(&spot);
		replace(index, bucket, &spot, digest, place);
		index->n_promised -= index->n_promised > 0;
		return INDEX_REPLACED;
	}
	rc = prepare_insert(index, bucket);
	if (rc)
		return rc;
	begin_one(index, bucket);
	insert(index, &spot, digest, place, 0);
	end_one(index, bucket);
	index->n_promised -= index->n_promised > 0;
	if (index->in_batch)
		index->n_inserted++;
	else
		grow(index, 2);
	return 0;
}

int index_remove(struct index *index, const struct digest *digest,
		 struct index_place *old)
{
	uint64_t bucket = bucket_of(index, digest);
	struct spot spot;

	if (!find(index, digest, bucket, &spot))
		return INDEX_NOT_FOUND;
	*old = place_at(&spot);
	begin_one(index, bucket);
	take_out(index, bucket, &spot);
	end_one(index, bucket);
	return 0;
}

static bool holds(const struct spot *spot, const struct index_place *place)
{
	struct index_place here = place_at(spot);

	return here.segment == (place->segment & INDEX_SEGMENT_MASK) &&
	       here.off8 == place->off8;
}

int index_remove_if(struct index *index, const struct digest *digest,
		    const struct index_place *from)
{
	struct index_place old;
	struct spot spot;

	if (!find(index, digest, bucket_of(index, digest), &spot) ||
	    !holds(&spot, from))
		return INDEX_NOT_FOUND;
	return index_remove(index, digest, &old);
}

int index_move(struct index *index, const struct digest *digest,
	       const struct index_place *from, const struct index_place *to)
{
	uint64_t bucket = bucket_of(index, digest);
	struct spot spot;

	assert(!(to->flags & INDEX_TOMBSTONE));
	if (!find(index, digest, bucket, &spot) || !holds(&spot, from))
		return INDEX_NOT_FOUND;
	replace(index, bucket, &spot, digest, to);
	return 0;
}

int index_get(const struct index *index, const struct digest *digest,
	      struct index_place *place)
{
	struct spot spot;

	if (!find(index, digest, bucket_of(index, digest), &spot))
		return INDEX_NOT_FOUND;
	*place = place_at(&spot);
	return 0;
}

/* ---- loading ---- */

int index_presize(struct index *index, uint64_t n_keys)
{
	uint64_t n_buckets;
	int rc;

	assert(index->n_slots == 0 && !index->in_batch);
	if (n_keys > INDEX_BUCKETS_MAX * INDEX_PRIMARY_SLOTS)
		return -ENOMEM;
	n_buckets = (n_keys * FULL_DIV + FULL_MUL - 1) / FULL_MUL;
	if (n_buckets > INDEX_BUCKETS_MAX)
		n_buckets = INDEX_BUCKETS_MAX;
	if (n_buckets <= index->n_buckets)
		return 0;
	rc = populate(index, INDEX_PRIMARY,
		      n_buckets * sizeof(struct index_primary));
	if (rc)
		return rc;
	index->n_buckets = n_buckets;
	store64(&index->header->n_buckets, n_buckets);
	return 0;
}

int index_load_begin(struct index *index)
{
	assert(index->n_slots == 0 && !index->loading && !index->in_batch);
	for (int f = 0; f < INDEX_N_FAMILIES; f++) {
		for (unsigned i = 0; i < index->families[f].n_chunks; i++) {
			int rc = map_sequences(index, f, i);

			if (rc) {
				unmap_sequences(index);
				return rc;
			}
		}
	}
	index->loading = true;
	return 0;
}

static void load_over(struct index *index, const struct spot *spot,
		      const struct digest *digest,
		      const struct index_place *place, uint64_t sequence,
		      struct index_load_result *result)
{
	struct index_place old = place_at(spot);
	uint64_t n_keys;

	result->other = old;
	result->other_sequence = spot->node.sequences[spot->i];
	if (result->other_sequence >= sequence) {
		result->outcome = INDEX_LOAD_OLDER;
		return;
	}
	result->outcome = INDEX_LOAD_NEWER;
	set_slot(spot, digest->hi, index_slot_pack(digest->lo, place),
		 sequence);
	index->n_tombstones -= !!(old.flags & INDEX_TOMBSTONE);
	index->n_tombstones += !!(place->flags & INDEX_TOMBSTONE);
	n_keys = index_count(index);
	if (n_keys > index->n_keys_max)
		index->n_keys_max = n_keys;
}

int index_load_put(struct index *index, const struct digest *digest,
		   const struct index_place *place, uint64_t sequence,
		   struct index_load_result *result)
{
	uint64_t bucket = bucket_of(index, digest);
	struct spot spot;
	int rc;

	assert(index->loading);
	if (find(index, digest, bucket, &spot)) {
		load_over(index, &spot, digest, place, sequence, result);
		return 0;
	}
	rc = prepare_insert(index, bucket);
	if (rc)
		return rc;
	index->n_tombstones += !!(place->flags & INDEX_TOMBSTONE);
	insert(index, &spot, digest, place, sequence);
	grow(index, 2);
	result->outcome = INDEX_LOAD_NEW;
	return 0;
}

static void drop_tombstones(struct index *index, uint64_t bucket)
{
	struct spot spot = first_spot(index, bucket);
	struct spot keep = spot;

	for (; at_slot(index, &spot); spot.i++) {
		if (place_at(&spot).flags & INDEX_TOMBSTONE) {
			index->n_slots--;
			continue;
		}
		at_slot(index, &keep);
		copy_slot(&keep, &spot);
		keep.i++;
	}
	end_chain(index, &keep);
}

static int copy_chain(const struct index *index, uint64_t bucket,
		      struct index *to)
{
	struct spot spot = first_spot(index, bucket);

	for (; at_slot(index, &spot); spot.i++) {
		struct digest digest = {
			.lo = index_slot_lo(spot.node.slots[spot.i], bucket),
			.hi = spot.node.tags[spot.i],
		};
		struct index_place place = place_at(&spot);
		struct index_place old;
		int rc = index_put(to, &digest, &place, &old);

		if (rc)
			return rc;
	}
	return 0;
}

/* The same keys in a table of the size that they need. */
static void rebuild(struct index *index)
{
	struct index *fresh = NULL;
	struct index *swap = NULL;
	int rc = index_new(&index->options, &fresh);

	if (!rc)
		rc = index_presize(fresh, index->n_slots);
	for (uint64_t b = 0; !rc && b < index->n_buckets; b++) {
		if (bucket_exists(index, b))
			rc = copy_chain(index, b, fresh);
	}
	if (!rc)
		swap = malloc(sizeof(*swap));
	if (swap) {
		fresh->n_keys_max = index->n_keys_max;
		fresh->n_postponed = index->n_postponed;
		fresh->n_long_chains = index->n_long_chains;
		fresh->longest_chain = index->longest_chain;
		*swap = *index;
		*index = *fresh;
		*fresh = *swap;
		free(swap);
	}
	index_free(fresh);
}

static uint64_t memory_len(const struct index *index)
{
	uint64_t blocks = 0;
	struct stat st;

	if (!fstat(index->header_fd, &st))
		blocks += (uint64_t)st.st_blocks;
	for (int f = 0; f < INDEX_N_FAMILIES; f++) {
		const struct family *family = &index->families[f];

		for (unsigned i = 0; i < family->n_chunks; i++) {
			if (!fstat(family->fds[i], &st))
				blocks += (uint64_t)st.st_blocks;
		}
	}
	return blocks * 512 + sizeof(*index) +
	       index->open_max * sizeof(*index->open);
}

void index_load_end(struct index *index)
{
	bool had_tombstones = index->n_tombstones > 0;

	assert(index->loading);
	for (uint64_t b = 0; had_tombstones && b < index->n_buckets; b++) {
		if (bucket_exists(index, b))
			drop_tombstones(index, b);
	}
	index->n_tombstones = 0;
	unmap_sequences(index);
	index->loading = false;
	if (had_tombstones && index->n_buckets > INDEX_BUCKETS_MIN &&
	    memory_len(index) > index->n_slots * BYTES_A_KEY_MAX)
		rebuild(index);
}

/* ---- scanning ---- */

/*
 * A digest's place in the scan: the low 63 bits of lo, reversed.  A bucket
 * that is chosen by k bits is a run of 2^(63 - k) places; a split halves it.
 */
static uint64_t scan_position(uint64_t lo)
{
	uint64_t x = __builtin_bswap64(lo);

	x = (x & UINT64_C(0x0f0f0f0f0f0f0f0f)) << 4 |
	    (x >> 4 & UINT64_C(0x0f0f0f0f0f0f0f0f));
	x = (x & UINT64_C(0x3333333333333333)) << 2 |
	    (x >> 2 & UINT64_C(0x3333333333333333));
	x = (x & UINT64_C(0x5555555555555555)) << 1 |
	    (x >> 1 & UINT64_C(0x5555555555555555));
	return x >> 1;
}

/* The inverse, but for the bit that is lost. */
static uint64_t scan_lo(uint64_t position)
{
	return scan_position(position) & (INDEX_SCAN_END - 1);
}

/* The part of a bucket that a step has still to emit. */
struct scan_run {
	uint64_t bucket;
	uint64_t begin;
	uint64_t end;
};

static struct scan_run run_at(const struct index *index, uint64_t cursor)
{
	uint64_t bit = UINT64_C(1) << (63 - __builtin_clzll(index->n_buckets));
	uint64_t len = INDEX_SCAN_END / bit;
	struct scan_run run = { .begin = cursor };

	run.bucket = index_bucket_of(scan_lo(cursor), index->n_buckets);
	if (run.bucket >= bit || run.bucket + bit < index->n_buckets)
		len /= 2;
	run.end = (cursor & ~(len - 1)) + len;
	return run;
}

static uint64_t position_at(const struct spot *spot, uint64_t bucket)
{
	return scan_position(index_slot_lo(spot->node.slots[spot->i], bucket));
}

/* Emits what lies in RUN, up to MAX items; returns how many there are. */
static size_t emit_run(const struct index *index, const struct scan_run *run,
		       struct index_scan_item *items, size_t max)
{
	struct spot spot = first_spot(index, run->bucket);
	size_t n = 0;

	if (!bucket_exists(index, run->bucket))
		return 0;
	for (; at_slot(index, &spot); spot.i++) {
		uint64_t position = position_at(&spot, run->bucket);

		if (position < run->begin || position >= run->end)
			continue;
		if (n < max) {
			items[n].digest.lo = index_slot_lo(
				spot.node.slots[spot.i], run->bucket);
			items[n].digest.hi = spot.node.tags[spot.i];
			items[n].place = place_at(&spot);
		}
		n++;
	}
	return n;
}

/* The lowest position in RUN, which holds one. */
static uint64_t first_position(const struct index *index,
			       const struct scan_run *run)
{
	struct spot spot = first_spot(index, run->bucket);
	uint64_t first = run->end;

	for (; at_slot(index, &spot); spot.i++) {
		uint64_t position = position_at(&spot, run->bucket);

		if (position >= run->begin && position < first)
			first = position;
	}
	return first;
}

/* A chain that is longer than the room: its lowest positions, in order. */
static int emit_part(const struct index *index, struct scan_run run,
		     struct index_scan_item *items, size_t max, size_t *n_items,
		     uint64_t *cursor)
{
	size_t n = 0;

	for (;;) {
		struct scan_run one = run;
		size_t got;

		one.begin = first_position(index, &run);
		one.end = one.begin + 1;
		got = emit_run(index, &one, items + n, max - n);
		if (n + got > max)
			break;
		n += got;
		run.begin = one.end;
	}
	if (n == 0)
		return -E2BIG;
	*n_items = n;
	*cursor = run.begin;
	return 0;
}

int index_scan(const struct index *index, uint64_t *cursor,
	       struct index_scan_item *items, size_t max_items, size_t *n_items)
{
	uint64_t position = *cursor;
	size_t n = 0;

	assert(!index->in_batch && !index->loading);
	if (position > INDEX_SCAN_END || max_items == 0)
		return -EINVAL;
	for (int i = 0; i < INDEX_SCAN_BUCKETS; i++) {
		struct scan_run run;
		size_t got;

		if (position == INDEX_SCAN_END || n == max_items)
			break;
		run = run_at(index, position);
		got = emit_run(index, &run, items + n, max_items - n);
		if (got > max_items - n) {
			if (n > 0)
				break;
			return emit_part(index, run, items, max_items, n_items,
					 cursor);
		}
		n += got;
		position = run.end;
	}
	*n_items = n;
	*cursor = position;
	return 0;
}

/* ---- looking at it ---- */

uint64_t index_count(const struct index *index)
{
	return index->n_slots - index->n_tombstones;
}

void index_stats(const struct index *index, struct index_stats *stats)
{
	uint64_t loading_len = 0;

	for (int f = 0; f < INDEX_N_FAMILIES; f++) {
		for (unsigned i = 0; i < index->families[f].n_chunks; i++) {
			if (index->families[f].sequences[i])
				loading_len += sequences_len(f, i);
		}
	}
	*stats = (struct index_stats){
		.n_keys = index_count(index),
		.n_keys_max = index->n_keys_max,
		.n_tombstones = index->n_tombstones,
		.n_buckets = index->n_buckets,
		.n_overflow = index->n_overflow_made - index->n_overflow_free,
		.memory_len = memory_len(index),
		.loading_len = loading_len,
		.n_long_chains = index->n_long_chains,
		.longest_chain = index->longest_chain,
		.n_postponed = index->n_postponed,
		.sealed = index->sealed,
	};
}

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
