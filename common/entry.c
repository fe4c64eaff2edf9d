#include "common/entry.h"

#include <string.h>

#include "common/bytes.h"
#include "common/checksum.h"

enum {
	AT_HEAD_CRC = 0,
	AT_VALUE_CRC = 4,
	AT_KIND = 8,
	AT_FLAGS = 9,
	AT_KEY_LEN = 10,
	AT_VALUE_LEN = 12,
	AT_SEQUENCE = 16,
	AT_TIMESTAMP = 24,
	AT_SYNCED = 32,
	AT_RESERVED = 36,
	AT_EXPIRES = 40,
	SYNCED_UNIT = 8,
	KNOWN_FLAGS = ENTRY_HAS_EXPIRY | ENTRY_IN_BATCH,
};

uint64_t entry_len(size_t key_len, uint64_t value_len, bool has_expiry)
{
	return bytes_align8(entry_head_len(has_expiry) + key_len + value_len);
}

static bool has_expiry(const struct entry *entry)
{
	return entry->flags & ENTRY_HAS_EXPIRY;
}

uint64_t entry_total_len(const struct entry *entry)
{
	return entry_len(entry->key_len, entry->value_len, has_expiry(entry));
}

size_t entry_value_off(const struct entry *entry)
{
	return entry_head_len(has_expiry(entry)) + entry->key_len;
}

static uint32_t place_seed(uint32_t segment_id, uint64_t off)
{
	uint8_t place[12];

	bytes_put32(place, segment_id);
	bytes_put64(place + 4, off);
	return crc32c(0, place, sizeof(place));
}

static uint32_t head_crc(const uint8_t *head, size_t len, uint32_t segment_id,
			 uint64_t off)
{
	return crc32c(place_seed(segment_id, off), head + AT_VALUE_CRC,
		      len - AT_VALUE_CRC);
}

void entry_encode(const struct entry *entry, uint8_t *out)
{
	memset(out, 0, ENTRY_HEAD_LEN);
	out[AT_KIND] = (uint8_t)entry->kind;
	out[AT_FLAGS] = entry->flags;
	bytes_put16(out + AT_KEY_LEN, entry->key_len);
	bytes_put32(out + AT_VALUE_LEN, entry->value_len);
	bytes_put64(out + AT_TIMESTAMP, entry->timestamp_ms);
	if (has_expiry(entry))
		bytes_put64(out + AT_EXPIRES, entry->expires_at_ms);
	if (entry->key_len > 0)
		memcpy(out + entry_head_len(has_expiry(entry)), entry->key,
		       entry->key_len);
}

void entry_seal(uint8_t *head, const void *value, uint64_t sequence,
		uint64_t synced_off, uint32_t segment_id, uint64_t off)
{
	static const uint8_t zeros[8];
	bool expiry = head[AT_FLAGS] & ENTRY_HAS_EXPIRY;
	uint32_t value_len = bytes_get32(head + AT_VALUE_LEN);
	size_t len = entry_head_len(expiry) + bytes_get16(head + AT_KEY_LEN);
	size_t padding = bytes_align8(len + value_len) - len - value_len;
	uint32_t crc = crc32c(0, value, value_len);

	crc = crc32c(crc, zeros, padding);
	bytes_put32(head + AT_VALUE_CRC, crc);
	bytes_put64(head + AT_SEQUENCE, sequence);
	bytes_put32(head + AT_SYNCED, (uint32_t)(synced_off / SYNCED_UNIT));
	bytes_put32(head + AT_HEAD_CRC, head_crc(head, len, segment_id, off));
}

void entry_move(uint8_t *head, uint64_t synced_off, uint32_t segment_id,
		uint64_t off)
{
	bool expiry = head[AT_FLAGS] & ENTRY_HAS_EXPIRY;
	size_t len = entry_head_len(expiry) + bytes_get16(head + AT_KEY_LEN);

	head[AT_FLAGS] &= (uint8_t)~ENTRY_IN_BATCH;
	bytes_put32(head + AT_SYNCED, (uint32_t)(synced_off / SYNCED_UNIT));
	bytes_put32(head + AT_HEAD_CRC, head_crc(head, len, segment_id, off));
}

static bool sizes_ok(const struct entry *entry)
{
	if (entry->flags & ~KNOWN_FLAGS || entry->value_len > ENTRY_VALUE_MAX)
		return false;
	switch (entry->kind) {
	case ENTRY_PUT:
		return entry->key_len > 0;
	case ENTRY_TOMBSTONE:
		return entry->key_len > 0 && entry->value_len == 0 &&
		       !has_expiry(entry);
	case ENTRY_BATCH:
		return entry->key_len == 0 && entry->flags == 0 &&
		       entry->value_len == ENTRY_BATCH_VALUE_LEN;
	}
	return false;
}

static void decode_fixed(const uint8_t *data, struct entry *entry)
{
	entry->value_crc = bytes_get32(data + AT_VALUE_CRC);
	entry->kind = (enum entry_kind)data[AT_KIND];
	entry->flags = data[AT_FLAGS];
	entry->key_len = bytes_get16(data + AT_KEY_LEN);
	entry->value_len = bytes_get32(data + AT_VALUE_LEN);
	entry->sequence = bytes_get64(data + AT_SEQUENCE);
	entry->timestamp_ms = bytes_get64(data + AT_TIMESTAMP);
	entry->synced_off =
		(uint64_t)bytes_get32(data + AT_SYNCED) * SYNCED_UNIT;
	entry->expires_at_ms = 0;
}

int entry_decode(const uint8_t *data, size_t len, uint64_t limit,
		 uint32_t segment_id, uint64_t off, struct entry *entry,
		 size_t *need)
{
	struct entry found;
	size_t head;

	if (limit < ENTRY_HEAD_LEN)
		return ENTRY_BAD;
	if (len < ENTRY_HEAD_LEN) {
		*need = ENTRY_HEAD_LEN;
		return ENTRY_PARTIAL;
	}
	decode_fixed(data, &found);
	if (!sizes_ok(&found) || entry_total_len(&found) > limit ||
	    bytes_get32(data + AT_RESERVED) != 0)
		return ENTRY_BAD;
	head = entry_value_off(&found);
	if (len < head) {
		*need = head;
		return ENTRY_PARTIAL;
	}
	if (head_crc(data, head, segment_id, off) !=
	    bytes_get32(data + AT_HEAD_CRC))
		return ENTRY_BAD;
	if (has_expiry(&found))
		found.expires_at_ms = bytes_get64(data + AT_EXPIRES);
	found.key = data + head - found.key_len;
	*entry = found;
	return 0;
}

bool entry_value_ok(const struct entry *entry, const uint8_t *value)
{
	size_t len = entry_total_len(entry) - entry_value_off(entry);

	return crc32c(0, value, len) == entry->value_crc;
}

void entry_batch_put(uint8_t value[ENTRY_BATCH_VALUE_LEN], uint32_t count,
		     uint64_t run_len)
{
	bytes_put32(value, count);
	bytes_put32(value + 4, 0);
	bytes_put64(value + 8, run_len);
}

int entry_batch_get(const uint8_t value[ENTRY_BATCH_VALUE_LEN], uint32_t *count,
		    uint64_t *run_len)
{
	uint32_t n = bytes_get32(value);
	uint64_t len = bytes_get64(value + 8);

	if (n == 0 || n > ENTRY_BATCH_MAX || bytes_get32(value + 4) != 0 ||
	    len % 8 != 0 || len < (uint64_t)n * ENTRY_HEAD_LEN)
		return ENTRY_BAD;
	*count = n;
	*run_len = len;
	return 0;
}
