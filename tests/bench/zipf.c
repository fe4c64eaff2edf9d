#include <math.h>

#include "tests/bench/keys.h"
#include "tests/bench/zipf.h"

static const double theta = 0.99;

/* The sum of 1 / i^theta: exact at first, then the integral of the rest. */
static double zeta(uint64_t n)
{
	const uint64_t exact = n < 1000000 ? n : 1000000;
	double sum = 0;

	for (uint64_t i = 1; i <= exact; i++)
		sum += pow((double)i, -theta);
	if (n > exact)
		sum += (pow((double)n + 0.5, 1 - theta) -
			pow((double)exact + 0.5, 1 - theta)) /
		       (1 - theta);
	return sum;
}

void zipf_init(struct zipf *zipf, uint64_t n)
{
	const double zeta_2 = 1 + pow(0.5, theta);

	zipf->n = n;
	zipf->zeta_n = zeta(n);
	zipf->alpha = 1 / (1 - theta);
	zipf->eta = (1 - pow(2 / (double)n, 1 - theta)) /
		    (1 - zeta_2 / zipf->zeta_n);
	zipf->second = zeta_2;
}

uint64_t zipf_rank(const struct zipf *zipf, uint64_t random)
{
	const double u = (double)(random >> 11) * 0x1p-53;
	const double uz = u * zipf->zeta_n;
	uint64_t rank;

	if (uz < 1)
		return 0;
	if (uz < zipf->second)
		return 1;
	rank = (uint64_t)((double)zipf->n *
			  pow(zipf->eta * u - zipf->eta + 1, zipf->alpha));
	return rank < zipf->n ? rank : zipf->n - 1;
}

uint64_t zipf_key(const struct zipf *zipf, uint64_t random)
{
	return key_shuffled(zipf_rank(zipf, random), zipf->n);
}
