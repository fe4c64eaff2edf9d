#include "tests/support/entry_witness.h"

#include <stdlib.h>
#include <string.h>

enum {
	HEAD_LEN = 40,
	EXPIRY_LEN = 8,
	KIND_PUT = 1,
	HAS_EXPIRY = 1,
	FLAGS = 3,
	VALUE_MAX = 1 << 30,
};

static uint64_t get(const uint8_t *at, size_t len)
{
	uint64_t number = 0;

	while (len-- > 0)
		number = number << 8 | at[len];
	return number;
}

static void put(uint8_t *at, size_t len, uint64_t number)
{
	for (; len-- > 0; number >>= 8)
		*at++ = (uint8_t)number;
}

/* CRC-32C, a byte at a time. */
static uint32_t crc_of(uint32_t crc, const uint8_t *data, size_t len)
{
	static uint32_t table[256];
	uint32_t i;
	int bit;

	for (i = 0; i < 256 && table[255] == 0; i++) {
		table[i] = i;
		for (bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^
				   (table[i] & 1 ? UINT32_C(0x82f63b78) : 0);
	}
	crc = ~crc;
	while (len-- > 0)
		crc = crc >> 8 ^ table[(crc ^ *data++) & 0xff];
	return ~crc;
}

static uint64_t sum_of(const void *data, size_t len)
{
	const uint8_t *bytes = data;
	uint64_t sum = UINT64_C(14695981039346656037) ^ len;

	while (len-- > 0)
		sum = (sum ^ *bytes++) * UINT64_C(1099511628211);
	return sum;
}

static bool head_holds(const uint8_t *data, size_t head, uint32_t id,
		       uint64_t off)
{
	uint8_t place[12];

	put(place, 4, id);
	put(place + 4, 8, off);
	return crc_of(crc_of(0, place, sizeof(place)), data + 4, head - 4) ==
	       get(data, 4);
}

/* 0 is none, too; what is too far away for the number is its end. */
static int64_t expiry(uint64_t at_ms)
{
	if (at_ms == 0)
		return -1;
	return at_ms < INT64_MAX ? (int64_t)at_ms : INT64_MAX;
}

static bool same(const struct witnessed *a, const struct witnessed *b)
{
	return a->key_sum == b->key_sum && a->whole == b->whole &&
	       a->value_sum == b->value_sum && a->value_len == b->value_len &&
	       a->version == b->version && a->expires_at_ms == b->expires_at_ms;
}

static void add(struct entry_witness *witness, const struct witnessed *found)
{
	size_t i;

	for (i = 0; i < witness->n; i++)
		if (same(&witness->seen[i], found))
			return;
	if (witness->n == ENTRY_WITNESS_MAX)
		abort();
	witness->seen[witness->n++] = *found;
}

void entry_witness_note(struct entry_witness *witness, const uint8_t *data,
			size_t len, uint64_t rest, uint32_t id, uint64_t off)
{
	struct witnessed found = { .expires_at_ms = -1 };
	bool expires;
	size_t key_len, head;
	uint64_t total;

	if (len < HEAD_LEN)
		return;
	expires = data[9] & HAS_EXPIRY;
	key_len = (size_t)get(data + 10, 2);
	found.value_len = get(data + 12, 4);
	found.version = get(data + 16, 8);
	head = HEAD_LEN + (expires ? EXPIRY_LEN : 0) + key_len;
	total = (head + found.value_len + 7) / 8 * 8;
	if (data[8] != KIND_PUT || (data[9] & ~FLAGS) || key_len == 0 ||
	    found.value_len > VALUE_MAX || get(data + 36, 4) != 0 ||
	    len < head || total > rest || !head_holds(data, head, id, off))
		return;
	if (expires)
		found.expires_at_ms = expiry(get(data + HEAD_LEN, EXPIRY_LEN));
	found.key_sum = sum_of(data + head - key_len, key_len);
	add(witness, &found);
	if (len < total ||
	    crc_of(0, data + head, (size_t)total - head) != get(data + 4, 4))
		return;
	found.whole = true;
	found.value_sum = sum_of(data + head, (size_t)found.value_len);
	add(witness, &found);
}

bool entry_witness_saw(const struct entry_witness *witness, const void *key,
		       size_t key_len, const void *value, uint64_t value_len,
		       uint64_t version, int64_t expires_at_ms)
{
	const struct witnessed wanted = {
		.key_sum = sum_of(key, key_len),
		.whole = value != NULL,
		.value_sum = value ? sum_of(value, (size_t)value_len) : 0,
		.value_len = value_len,
		.version = version,
		.expires_at_ms = expires_at_ms,
	};
	size_t i;

	for (i = 0; i < witness->n; i++)
		if (same(&witness->seen[i], &wanted))
			return true;
	return false;
}
