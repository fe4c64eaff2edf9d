/*
 * bytes: little-endian numbers in the formats on disk, and alignment.
 *
 * Every format of the store is little-endian; these read and write single
 * fields at any alignment.
 */
#ifndef GETME_COMMON_BYTES_H
#define GETME_COMMON_BYTES_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline void bytes_put16(uint8_t *at, uint16_t value)
{
	value = htole16(value);
	memcpy(at, &value, sizeof(value));
}

static inline void bytes_put32(uint8_t *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

static inline void bytes_put64(uint8_t *at, uint64_t value)
{
	value = htole64(value);
	memcpy(at, &value, sizeof(value));
}

static inline uint16_t bytes_get16(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return le16toh(value);
}

static inline uint32_t bytes_get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

static inline uint64_t bytes_get64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return le64toh(value);
}

/* The next multiple of 8. */
static inline uint64_t bytes_align8(uint64_t len)
{
	return (len + 7) & ~UINT64_C(7);
}

enum {
	BYTES_VARINT_MAX = 10, /* of 64 bits */
};

/*
 * A number in groups of 7 bits, the lowest first, the high bit set in all
 * bytes but the last (LEB128).  Returns how many bytes it takes.
 */
static inline size_t bytes_put_varint(uint8_t at[BYTES_VARINT_MAX],
				      uint64_t value)
{
	size_t n = 0;

	while (value >= 0x80) {
		at[n++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	at[n++] = (uint8_t)value;
	return n;
}

/* The same back, out of LEN bytes; 0: there is none, or it is too long. */
static inline size_t bytes_get_varint(const uint8_t *at, size_t len,
				      uint64_t *value)
{
	uint64_t sum = 0;
	size_t n;

	/* Most are short. */
	if (len > 0 && at[0] < 0x80) {
		*value = at[0];
		return 1;
	}
	for (n = 0; n < len && n < BYTES_VARINT_MAX; n++) {
		sum |= (uint64_t)(at[n] & 0x7f) << 7 * n;
		if (at[n] & 0x80)
			continue;
		if (n == BYTES_VARINT_MAX - 1 && at[n] > 1)
			return 0;
		*value = sum;
		return n + 1;
	}
	return 0;
}

/* Differences of either sign, small ones as small numbers. */
static inline uint64_t bytes_zigzag(uint64_t difference)
{
	return difference << 1 ^ (0 - (difference >> 63));
}

static inline uint64_t bytes_unzigzag(uint64_t number)
{
	return number >> 1 ^ (0 - (number & 1));
}

#endif
