/*
 * Bytes as a hint, as they are and with a true CRC: what is accepted can be
 * read to its end, and asked about keys, without leaving it.
 *
 * Input: the hint without its CRC, behind a segment length in units of 8.
 */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/checksum.h"
#include "common/hint.h"

enum {
	ID = 3,
};

static const uint8_t store_id[SEGMENT_STORE_ID_LEN] = "0123456789abcde";

static void check(int ok)
{
	if (!ok)
		abort();
}

static void use(struct hint *hint, uint64_t segment_len)
{
	struct hint_entry entry;
	uint32_t n = 0;

	while (hint_next(hint, &entry)) {
		check(entry.key_len > 0 && entry.len8 > 0);
		check(entry.key + entry.key_len <= hint->filter);
		check(((uint64_t)entry.off8 + entry.len8) * 8 <= segment_len);
		(void)hint_may_hold(hint, entry.key, entry.key_len);
		n++;
	}
	check(n == hint->n_entries);
	(void)hint_may_hold(hint, "key", 3);
	(void)hint_may_hold(hint, NULL, 0);
}

/* From a block of exactly LEN bytes, so that ASan sees its end. */
static void parse(const uint8_t *data, size_t len, uint64_t segment_len,
		  bool make_true)
{
	size_t whole = len + (make_true ? 4 : 0);
	uint8_t *copy = malloc(whole ? whole : 1);
	struct hint hint;

	check(copy != NULL);
	if (len > 0)
		memcpy(copy, data, len);
	if (make_true)
		bytes_put32(copy + len, crc32c(0, copy, len));
	if (hint_parse(&hint, copy, whole, store_id, ID, segment_len) != 0) {
		free(copy);
		return;
	}
	use(&hint, segment_len);
	hint_deinit(&hint);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint64_t segment_len;

	if (len < 4)
		return 0;
	segment_len = (uint64_t)bytes_get32(data) * 8;
	parse(data + 4, len - 4, segment_len, false);
	parse(data + 4, len - 4, segment_len, true);
	return 0;
}
