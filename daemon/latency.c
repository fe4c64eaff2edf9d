#include "daemon/latency.h"

static uint64_t look(const _Atomic uint64_t *number)
{
	return atomic_load_explicit(number, memory_order_relaxed);
}

/* By its only writer: no locked instruction is needed. */
static void raise_by(_Atomic uint64_t *number, uint64_t n)
{
	atomic_store_explicit(number, look(number) + n, memory_order_relaxed);
}

/* The bits below the highest one that choose the step. */
static unsigned int bucket_of(uint64_t us)
{
	unsigned int shift;

	if (us < LATENCY_STEPS)
		return (unsigned int)us;
	if (us >> LATENCY_BITS)
		return LATENCY_BUCKETS - 1;
	shift = 63 - (unsigned int)__builtin_clzll(us) - LATENCY_STEP_BITS;
	return (shift << LATENCY_STEP_BITS) + (unsigned int)(us >> shift);
}

/* The highest number that falls into the bucket. */
static uint64_t bucket_end(unsigned int bucket)
{
	unsigned int shift;
	uint64_t step;

	if (bucket < LATENCY_STEPS)
		return bucket;
	shift = (bucket >> LATENCY_STEP_BITS) - 1;
	step = (bucket & (LATENCY_STEPS - 1)) + LATENCY_STEPS;
	return ((step + 1) << shift) - 1;
}

void latency_add_some(struct latency *latency, uint64_t us, uint64_t n)
{
	if (n == 0)
		return;
	raise_by(&latency->buckets[bucket_of(us)], n);
	raise_by(&latency->count, n);
	if (us > look(&latency->max_us))
		atomic_store_explicit(&latency->max_us, us,
				      memory_order_relaxed);
}

void latency_add(struct latency *latency, uint64_t us)
{
	latency_add_some(latency, us, 1);
}

void latency_merge(struct latency *to, const struct latency *from)
{
	uint64_t max_us = look(&from->max_us);

	for (unsigned int i = 0; i < LATENCY_BUCKETS; i++)
		raise_by(&to->buckets[i], look(&from->buckets[i]));
	raise_by(&to->count, look(&from->count));
	if (max_us > look(&to->max_us))
		atomic_store_explicit(&to->max_us, max_us,
				      memory_order_relaxed);
}

uint64_t latency_quantile(const struct latency *latency, unsigned int permille)
{
	/* How many are at or below the answer, rounded up. */
	uint64_t rank = latency->count / 1000 * permille +
			(latency->count % 1000 * permille + 999) / 1000;
	uint64_t seen = 0;

	for (unsigned int i = 0; i < LATENCY_BUCKETS - 1; i++) {
		seen += latency->buckets[i];
		if (seen >= rank && seen > 0)
			return bucket_end(i) < latency->max_us
				       ? bucket_end(i)
				       : latency->max_us;
	}
	return latency->max_us;
}
