/*
 * Bytes as an entry: whatever they are, decoding reads nothing beyond them
 * and asks only for what the limit allows.  The bytes are tried as they are
 * and with both CRCs made true, or no change would ever come past them.
 *
 * Input: 1 byte how many bytes are held back at first, then the entry.
 */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/entry.h"

enum {
	ID = 7,
	OFF = 4096,
};

static void check(int ok)
{
	if (!ok)
		abort();
}

/* From a block of exactly LEN bytes, so that ASan sees its end. */
static void decode(const uint8_t *data, size_t len, uint64_t limit)
{
	uint8_t *copy = malloc(len ? len : 1);
	struct entry entry;
	size_t need = 0;
	int result;

	check(copy != NULL);
	if (len > 0)
		memcpy(copy, data, len);
	result = entry_decode(copy, len, limit, ID, OFF, &entry, &need);
	if (result == ENTRY_PARTIAL) {
		check(need > len && need <= limit);
	} else if (result == 0) {
		uint64_t total = entry_total_len(&entry);
		size_t value_off = entry_value_off(&entry);

		check(total <= limit && total % 8 == 0 && value_off <= len);
		check(entry.key >= copy);
		check(entry.key + entry.key_len == copy + value_off);
		if (total <= len)
			(void)entry_value_ok(&entry, copy + value_off);
	} else {
		check(result == ENTRY_BAD);
	}
	free(copy);
}

/* With the CRCs made true, if its sizes let it be sealed. */
static void decode_sealed(const uint8_t *data, size_t len)
{
	uint8_t *copy;
	size_t head;

	if (len < ENTRY_HEAD_LEN)
		return;
	head = entry_head_len(data[9] & ENTRY_HAS_EXPIRY) +
	       bytes_get16(data + 10);
	if (bytes_get32(data + 12) > len || head > len ||
	    head + bytes_get32(data + 12) > len)
		return;
	copy = malloc(len);
	check(copy != NULL);
	memcpy(copy, data, len);
	entry_seal(copy, copy + head, bytes_get64(copy + 16), 64, ID, OFF);
	decode(copy, len, len);
	decode(copy, head, len);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t batch[ENTRY_BATCH_VALUE_LEN];
	uint64_t run_len;
	uint32_t count;
	size_t held_back;

	if (len < 1)
		return 0;
	held_back = data[0];
	data++;
	len--;
	decode(data, len, len);
	decode(data, len, UINT64_MAX);
	if (held_back < len)
		decode(data, len - held_back, len);
	decode_sealed(data, len);
	if (len >= sizeof(batch)) {
		memcpy(batch, data, sizeof(batch));
		if (entry_batch_get(batch, &count, &run_len) == 0)
			check(count >= 1 && count <= ENTRY_BATCH_MAX);
	}
	return 0;
}
