#include "common/hint_filter.h"

#include <errno.h>
#include <stdlib.h>

#include "common/bytes.h"
#include "common/checksum.h"
#include "common/hint_layout.h"

/* The bit of one probe. */
static uint32_t probe(uint64_t hash, unsigned int i, uint32_t bits)
{
	uint32_t first = (uint32_t)hash;
	uint32_t step = (uint32_t)(hash >> 32) | 1;

	return (first + i * step) % bits;
}

void hint_filter_add(uint8_t *filter, uint32_t bits, uint64_t hash)
{
	unsigned int k;

	for (k = 0; k < HINT_FILTER_PROBES; k++) {
		uint32_t bit = probe(hash, k, bits);

		filter[bit / 8] |= (uint8_t)(1U << bit % 8);
	}
}

bool hint_filter_holds(const uint8_t *filter, uint32_t bits, uint64_t hash)
{
	unsigned int k;

	if (bits == 0)
		return false;
	for (k = 0; k < HINT_FILTER_PROBES; k++) {
		uint32_t bit = probe(hash, k, bits);

		if (!(filter[bit / 8] & 1U << bit % 8))
			return false;
	}
	return true;
}

uint32_t hint_filter_crc(const uint8_t *head, const uint8_t *filter,
			 uint32_t bits)
{
	return crc32c(crc32c(0, head, HINT_HEADER_LEN), filter, bits / 8);
}

static int read_filter(struct hint_filter *filter, struct io *io, int fd,
		       const uint8_t *head, uint64_t segment_len)
{
	uint64_t entries_len = bytes_get64(head + HINT_AT_ENTRIES_LEN);
	uint32_t bits = bytes_get32(head + HINT_AT_FILTER_BITS);
	size_t len = bits / 8;
	uint8_t *data;
	int result;

	if (entries_len > hint_longest(segment_len) ||
	    len > hint_longest(segment_len))
		return HINT_BAD;
	data = malloc(len + HINT_FILTER_CRC_LEN);
	if (!data)
		return -ENOMEM;
	result = io_pread_full(io, fd, data, len + HINT_FILTER_CRC_LEN,
			       HINT_HEADER_LEN + entries_len);
	if (result == -ENODATA)
		result = HINT_BAD;
	if (result == 0 &&
	    hint_filter_crc(head, data, bits) != bytes_get32(data + len))
		result = HINT_BAD;
	if (result != 0) {
		free(data);
		return result;
	}
	filter->data = data;
	filter->bits = bits;
	return 0;
}

int hint_filter_load(struct hint_filter *filter, struct io *io, const char *dir,
		     const uint8_t store_id[SEGMENT_STORE_ID_LEN],
		     uint32_t segment_id, uint64_t segment_len)
{
	uint8_t head[HINT_HEADER_LEN];
	int result;
	int fd;

	result = hint_open(io, dir, segment_id, head, &fd);
	if (result != 0)
		return result;
	result = hint_is_of(head, store_id, segment_id, segment_len)
			 ? read_filter(filter, io, fd, head, segment_len)
			 : HINT_BAD;
	io->close(io, fd);
	return result;
}

void hint_filter_deinit(struct hint_filter *filter)
{
	free(filter->data);
	filter->data = NULL;
}

bool hint_filter_may_hold(const struct hint_filter *filter, uint64_t hash)
{
	return hint_filter_holds(filter->data, filter->bits, hash);
}
