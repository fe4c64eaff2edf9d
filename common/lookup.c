#include "common/lookup.h"

#include <errno.h>
#include <linux/futex.h>
#include <string.h>

/* What checks threads has to see each load. */
#if defined(__SANITIZE_THREAD__)
#define LOADS_ARE_CHECKED
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LOADS_ARE_CHECKED
#endif
#endif

#if defined(__SSE2__) && !defined(LOADS_ARE_CHECKED)
#define COMPARE_FOUR
#include <emmintrin.h>
#endif

/*
 * Loads with acquire order, never fences: the data loads cannot sink below
 * the version's second load, nor rise above its first, and a thread checker
 * understands it.
 */
static uint32_t load32(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static uint64_t load64(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

int lookup_init(struct lookup_map *map, const void *header)
{
	const struct index_header *bytes = header;

	if (load64(&bytes->magic) != INDEX_MAGIC ||
	    load32(&bytes->layout) != INDEX_LAYOUT)
		return -EPROTO;
	memset(map, 0, sizeof(*map));
	map->header = bytes;
	return 0;
}

int lookup_add_chunk(struct lookup_map *map, enum index_family family,
		     unsigned chunk, const void *base, bool *used)
{
	const unsigned char *none = NULL;

	if ((unsigned)family >= INDEX_N_FAMILIES || chunk >= INDEX_CHUNKS_MAX)
		return -EINVAL;
	*used = __atomic_compare_exchange_n(&map->chunks[family][chunk], &none,
					    (const unsigned char *)base, false,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED);
	return 0;
}

/* The bytes at POS, which is below INDEX_FAMILY_LEN; NULL: not mapped. */
static const void *bytes_at(const struct lookup_map *map,
			    enum index_family family, uint64_t pos,
			    unsigned *chunk)
{
	const unsigned char *base;
	uint64_t chunk_off;

	*chunk = index_chunk_of(pos, &chunk_off);
	base = __atomic_load_n(&map->chunks[family][*chunk], __ATOMIC_ACQUIRE);
	return base ? base + chunk_off : NULL;
}

/*
 * Which of the first N_SLOTS slots have this tag, a bit each.  All are looked
 * at: a branch that depends on the tags would be guessed wrong.
 */
#if defined(COMPARE_FOUR)

/*
 * Four at a time.  What is loaded while it is written may be anything: then
 * the version is another.  The fence is for the compiler alone, since this
 * processor keeps loads in order.
 */
static uint32_t same_tags(const uint32_t *tags, unsigned n_slots, uint32_t tag)
{
	const __m128i wanted = _mm_set1_epi32((int)tag);
	uint32_t same = 0;

	/* Of 6 the last two are a slot's; they are not told. */
	for (unsigned i = 0; i < n_slots; i += 4) {
		const void *at = &tags[i];
		__m128i equal = _mm_cmpeq_epi32(_mm_loadu_si128(at), wanted);

		same |= (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(equal)) << i;
	}
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return same & ((1U << n_slots) - 1);
}

#else

static uint32_t same_tags(const uint32_t *tags, unsigned n_slots, uint32_t tag)
{
	uint32_t same = 0;

	for (unsigned i = 0; i < n_slots; i++)
		same |= (uint32_t)(load32(&tags[i]) == tag) << i;
	return same;
}

#endif

static bool find_slot(const uint32_t *tags, const struct index_slot *slots,
		      unsigned n_slots, uint32_t used,
		      const struct digest *digest, struct index_place *place)
{
	uint32_t same = same_tags(tags, n_slots, digest->hi) & used;

	for (; same; same &= same - 1) {
		unsigned i = (unsigned)__builtin_ctz(same);
		struct index_slot slot;

		slot.word[0] = load64(&slots[i].word[0]);
		if (!index_slot_is(slot, digest->lo))
			continue;
		slot.word[1] = load64(&slots[i].word[1]);
		*place = index_slot_place(slot);
		return true;
	}
	return false;
}

/*
 * What one walk over a chain says; its version tells whether it was true.
 * STEPS is what is left of them for the whole lookup.
 */
static int find_in_chain(const struct lookup_map *map,
			 const struct index_primary *primary,
			 const struct digest *digest, struct index_place *place,
			 unsigned *chunk, unsigned *steps)
{
	uint32_t next;

	if (find_slot(primary->tags, primary->slots, INDEX_PRIMARY_SLOTS,
		      load32(&primary->used), digest, place))
		return 0;
	next = load32(&primary->next);
	for (; next && *steps > 0; --*steps) {
		const struct index_overflow *overflow;
		uint64_t pos = (uint64_t)(next - 1) * sizeof(*overflow);

		if (pos >= INDEX_FAMILY_LEN)
			return LOOKUP_BUSY;
		overflow = bytes_at(map, INDEX_OVERFLOW, pos, chunk);
		if (!overflow)
			return LOOKUP_NEED_CHUNK;
		if (find_slot(overflow->tags, overflow->slots,
			      INDEX_OVERFLOW_SLOTS, load32(&overflow->used),
			      digest, place))
			return 0;
		next = load32(&overflow->next);
	}
	return next ? LOOKUP_BUSY : LOOKUP_NOT_FOUND;
}

static int find_once(const struct lookup_map *map, const struct digest *digest,
		     struct index_place *place, struct lookup_stamp *stamp,
		     unsigned *steps)
{
	const uint64_t *shape = &map->header->n_buckets;
	uint64_t n_buckets = load64(shape);
	const struct index_primary *primary;
	struct lookup_stamp now = { .family = INDEX_PRIMARY };
	int result;

	if (n_buckets < INDEX_BUCKETS_MIN || n_buckets > INDEX_BUCKETS_MAX)
		return LOOKUP_BUSY;
	primary = bytes_at(map, INDEX_PRIMARY,
			   index_bucket_of(digest->lo, n_buckets) *
				   sizeof(*primary),
			   &now.chunk);
	if (!primary) {
		*stamp = now;
		return LOOKUP_NEED_CHUNK;
	}
	now.version_at = &primary->version;
	now.version = load32(now.version_at);
	if (now.version & 1)
		return LOOKUP_BUSY;
	/* A split that came between the two loads above shows here. */
	if (__atomic_load_n(shape, __ATOMIC_RELAXED) != n_buckets)
		return LOOKUP_BUSY;
	now.family = INDEX_OVERFLOW;
	result = find_in_chain(map, primary, digest, place, &now.chunk, steps);
	if (result == LOOKUP_BUSY || !lookup_still(&now))
		return LOOKUP_BUSY;
	*stamp = now;
	return result;
}

int lookup_find(const struct lookup_map *map, const struct digest *digest,
		struct index_place *place, struct lookup_stamp *stamp)
{
	unsigned steps = LOOKUP_CHAIN_MAX;
	struct index_place found;

	for (int i = 0; i < LOOKUP_TRIES; i++) {
		int result = find_once(map, digest, &found, stamp, &steps);

		if (result == LOOKUP_BUSY) {
			pause_briefly();
			continue;
		}
		if (result == 0)
			*place = found;
		return result;
	}
	return LOOKUP_BUSY;
}

/* The bucket of a digest; NULL: there is none to be told of. */
static const struct index_primary *bucket_at(const struct lookup_map *map,
					     const struct digest *digest)
{
	uint64_t n_buckets = load64(&map->header->n_buckets);
	unsigned chunk;

	if (n_buckets < INDEX_BUCKETS_MIN || n_buckets > INDEX_BUCKETS_MAX)
		return NULL;
	return bytes_at(map, INDEX_PRIMARY,
			index_bucket_of(digest->lo, n_buckets) *
				sizeof(struct index_primary),
			&chunk);
}

void lookup_prefetch(const struct lookup_map *map, const struct digest *digest)
{
	const struct index_primary *primary = bucket_at(map, digest);

	if (primary)
		__builtin_prefetch(primary);
}

void lookup_prefetch_slot(const struct lookup_map *map,
			  const struct digest *digest)
{
	const struct index_primary *primary = bucket_at(map, digest);
	uint32_t same;

	if (!primary)
		return;
	same = same_tags(primary->tags, INDEX_PRIMARY_SLOTS, digest->hi);
	if (same)
		__builtin_prefetch(&primary->slots[__builtin_ctz(same)]);
}

void lookup_prefetch_all(const struct lookup_map *map,
			 const struct digest *digest)
{
	enum { SLOTS_A_LINE = 64 / sizeof(struct index_slot) };
	const struct index_primary *primary = bucket_at(map, digest);

	if (!primary)
		return;
	__builtin_prefetch(primary);
	for (unsigned i = 0; i < INDEX_PRIMARY_SLOTS; i += SLOTS_A_LINE)
		__builtin_prefetch(&primary->slots[i]);
}

bool lookup_still(const struct lookup_stamp *stamp)
{
	return __atomic_load_n(stamp->version_at, __ATOMIC_RELAXED) ==
	       stamp->version;
}

bool lookup_closed(const struct lookup_map *map)
{
	return load32(&map->header->closed) != 0;
}

bool lookup_is_current(const struct lookup_map *map)
{
	const void *owner = map->header->owner;
	uint32_t word = load32(owner);

	return (word & FUTEX_TID_MASK) && !(word & FUTEX_OWNER_DIED) &&
	       !lookup_closed(map);
}
