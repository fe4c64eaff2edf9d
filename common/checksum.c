#include "common/checksum.h"

#include <isa-l/crc.h>

/* libisal takes an int length; pieces below 2^30 are always in range. */
enum { PIECE_MAX = 1 << 30 };

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	/* The library's parameter is not const, but it only reads. */
	union {
		const void *in;
		unsigned char *out;
	} at = { .in = data };

	crc = ~crc;
	while (len > 0) {
		size_t n = len < PIECE_MAX ? len : PIECE_MAX;

		crc = crc32_iscsi(at.out, (int)n, crc);
		at.out += n;
		len -= n;
	}
	return ~crc;
}
