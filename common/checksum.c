#include "common/checksum.h"

#include <isa-l/crc.h>
#include <stdbool.h>
#include <string.h>

/* libisal takes an int length; pieces below 2^30 are always in range. */
enum { PIECE_MAX = 1 << 30 };

#if defined(__x86_64__)

/* Of most entries: up to it the instruction itself is faster than the call. */
enum { SHORT_MAX = 256 };

static bool is_short(size_t len)
{
	return len <= SHORT_MAX && __builtin_cpu_supports("sse4.2");
}

__attribute__((target("sse4.2"))) static uint32_t
crc_short(uint32_t crc, const unsigned char *at, size_t len)
{
	uint64_t sum = crc;
	uint64_t eight;
	uint32_t four;

	for (; len >= sizeof(eight); len -= sizeof(eight)) {
		memcpy(&eight, at, sizeof(eight));
		sum = __builtin_ia32_crc32di(sum, eight);
		at += sizeof(eight);
	}
	crc = (uint32_t)sum;
	if (len >= sizeof(four)) {
		memcpy(&four, at, sizeof(four));
		crc = __builtin_ia32_crc32si(crc, four);
		at += sizeof(four);
		len -= sizeof(four);
	}
	for (; len > 0; len--)
		crc = __builtin_ia32_crc32qi(crc, *at++);
	return crc;
}

#else

static bool is_short(size_t len)
{
	(void)len;
	return false;
}

static uint32_t crc_short(uint32_t crc, const unsigned char *at, size_t len)
{
	(void)at, (void)len;
	return crc;
}

#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	/* The library's parameter is not const, but it only reads. */
	union {
		const void *in;
		unsigned char *out;
	} at = { .in = data };

	crc = ~crc;
	if (is_short(len))
		return ~crc_short(crc, at.out, len);
	while (len > 0) {
		size_t n = len < PIECE_MAX ? len : PIECE_MAX;

		crc = crc32_iscsi(at.out, (int)n, crc);
		at.out += n;
		len -= n;
	}
	return ~crc;
}
