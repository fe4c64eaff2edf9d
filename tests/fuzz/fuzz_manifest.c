/*
 * Bytes as a manifest, as they are and with a true CRC: what is accepted
 * keeps the rules, and is the same when it is written and read again.
 */
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/checksum.h"
#include "common/manifest.h"

static void check(int ok)
{
	if (!ok)
		abort();
}

static void check_rows(const struct manifest *manifest)
{
	uint32_t last_id = 0;
	uint32_t i;

	for (i = 0; i < manifest->n_segments; i++) {
		const struct manifest_segment *row = &manifest->segments[i];

		check(row->id > last_id && row->id < manifest->next_segment);
		check(row->state >= MANIFEST_OPEN &&
		      row->state <= MANIFEST_REPLACED);
		check(manifest_find(manifest, row->id) == row);
		last_id = row->id;
	}
}

/* From a block of exactly LEN bytes, so that ASan sees its end. */
static void decode(const uint8_t *data, size_t len, bool make_true)
{
	uint8_t *copy = malloc(len ? len : 1);
	struct manifest manifest;
	uint8_t *again;
	size_t again_len;

	check(copy != NULL);
	if (len > 0)
		memcpy(copy, data, len);
	if (make_true) {
		bytes_put32(copy + 8, 0);
		bytes_put32(copy + 8, crc32c(0, copy, len));
	}
	if (manifest_decode(copy, len, &manifest) == 0) {
		check_rows(&manifest);
		if (bytes_get32(copy + 12) == MANIFEST_FORMAT) {
			check(manifest_encode(&manifest, &again, &again_len) ==
			      0);
			check(again_len == len);
			check(memcmp(again, copy, len) == 0);
			free(again);
		}
		manifest_deinit(&manifest);
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	decode(data, len, false);
	if (len >= 64)
		decode(data, len, true);
	return 0;
}
