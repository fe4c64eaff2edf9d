#include "common/segment_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/checksum.h"

enum {
	/* more than a header and the longest key */
	WINDOW_LEN = 256 << 10,
	WINDOW_MIN = 4096,
};

int segment_reader_init(struct segment_reader *reader, struct io *io,
			const struct segment *segment, uint64_t off,
			uint64_t limit)
{
	memset(reader, 0, sizeof(*reader));
	reader->window_cap = WINDOW_LEN;
	if (limit > off && limit - off < WINDOW_LEN)
		reader->window_cap = (size_t)(limit - off);
	if (reader->window_cap < WINDOW_MIN)
		reader->window_cap = WINDOW_MIN;
	reader->window = malloc(reader->window_cap);
	if (!reader->window)
		return -ENOMEM;
	reader->io = io;
	reader->fd = segment->fd;
	reader->id = segment->id;
	reader->off = off;
	reader->limit = limit;
	return 0;
}

void segment_reader_deinit(struct segment_reader *reader)
{
	free(reader->window);
	reader->window = NULL;
}

/* How many bytes of the window lie at OFF and behind. */
static size_t held(const struct segment_reader *reader, uint64_t off)
{
	if (off < reader->window_off ||
	    off >= reader->window_off + reader->window_len)
		return 0;
	return (size_t)(reader->window_off + reader->window_len - off);
}

static uint8_t *at(const struct segment_reader *reader, uint64_t off)
{
	return reader->window + (off - reader->window_off);
}

/*
 * Brings at least LEN bytes at OFF into the window, or what the limit and
 * the file leave of them; what is missing at the file's end reads as zeros.
 */
static int fill(struct segment_reader *reader, uint64_t off, size_t len)
{
	uint64_t rest = reader->limit - off;
	size_t want = reader->window_cap;
	size_t keep = held(reader, off);

	if (len > rest)
		len = (size_t)rest;
	if (keep >= len)
		return 0;
	if (want > rest)
		want = (size_t)rest;
	if (keep > 0)
		memmove(reader->window, at(reader, off), keep);
	reader->window_off = off;
	reader->window_len = keep;
	while (reader->window_len < want) {
		ssize_t n = reader->io->pread(
			reader->io, reader->fd,
			reader->window + reader->window_len,
			want - reader->window_len, off + reader->window_len);

		if (n < 0)
			return (int)n;
		if (n == 0) {
			memset(reader->window + reader->window_len, 0,
			       want - reader->window_len);
			n = (ssize_t)(want - reader->window_len);
		} else {
			reader->bytes_read += (uint64_t)n;
		}
		reader->window_len += (size_t)n;
	}
	return 0;
}

static int decode_at(struct segment_reader *reader, uint64_t off,
		     struct entry *entry)
{
	uint64_t limit = reader->limit - off;
	size_t need = ENTRY_HEAD_MAX;
	int result;

	do {
		result = fill(reader, off, need);
		if (result < 0)
			return result;
		result = entry_decode(at(reader, off), held(reader, off), limit,
				      reader->id, off, entry, &need);
	} while (result == ENTRY_PARTIAL && held(reader, off) < limit);
	return result == 0 ? 0 : SEGMENT_BAD;
}

/* The CRC of LEN bytes at OFF, which may be more than a window holds. */
static int crc_of(struct segment_reader *reader, uint64_t off, uint64_t len,
		  uint32_t *crc)
{
	*crc = 0;
	while (len > 0) {
		size_t n;
		int result = fill(reader, off, 1);

		if (result < 0)
			return result;
		n = held(reader, off);
		if (n > len)
			n = (size_t)len;
		*crc = crc32c(*crc, at(reader, off), n);
		off += n;
		len -= n;
	}
	return 0;
}

/*
 * Checks the value of OUT.  A value longer than the window drives the key
 * out of it, so the key is fetched again afterwards.
 */
static int check_value_of(struct segment_reader *reader,
			  struct segment_entry *out)
{
	uint64_t value_off = out->off + entry_value_off(&out->entry);
	uint32_t crc = 0;
	int result;

	result = fill(reader, out->off,
		      out->len < reader->window_cap ? (size_t)out->len : 1);
	if (result == 0)
		result = crc_of(reader, value_off,
				out->off + out->len - value_off, &crc);
	if (result < 0)
		return result;
	out->value_ok = crc == out->entry.value_crc;
	if (out->value_ok && out->entry.kind == ENTRY_BATCH)
		out->value_ok = entry_batch_get(at(reader, value_off),
						&out->batch_count,
						&out->batch_run_len) == 0;
	result = fill(reader, out->off, entry_value_off(&out->entry));
	if (result == 0)
		out->entry.key = at(reader, out->off) +
				 entry_value_off(&out->entry) -
				 out->entry.key_len;
	return result;
}

int segment_reader_next(struct segment_reader *reader, bool check_value,
			struct segment_entry *out)
{
	struct segment_entry found = { .off = reader->off, .value_ok = true };
	int result;

	if (reader->off >= reader->limit)
		return SEGMENT_END;
	result = decode_at(reader, reader->off, &found.entry);
	if (result != 0)
		return result;
	found.len = entry_total_len(&found.entry);
	if (check_value || found.entry.kind == ENTRY_BATCH) {
		result = check_value_of(reader, &found);
		if (result < 0)
			return result;
	}
	reader->off += found.len;
	*out = found;
	return 0;
}

int segment_reader_resync(struct segment_reader *reader)
{
	struct entry entry;

	while (reader->limit - reader->off > 8) {
		int result;

		reader->off += 8;
		result = fill(reader, reader->off, 16);
		if (result < 0)
			return result;
		/* Zeros are the rule behind the end: pass them quickly. */
		if (held(reader, reader->off) >= 16 &&
		    bytes_get64(at(reader, reader->off)) == 0 &&
		    bytes_get64(at(reader, reader->off) + 8) == 0)
			continue;
		result = decode_at(reader, reader->off, &entry);
		if (result != SEGMENT_BAD)
			return result;
	}
	reader->off = reader->limit;
	return SEGMENT_END;
}

/* The length of DATA without the zeros at its end. */
static size_t end_of_data(const uint8_t *data, size_t len)
{
	while (len >= 8 && bytes_get64(data + len - 8) == 0)
		len -= 8;
	while (len > 0 && data[len - 1] == 0)
		len--;
	return len;
}

int segment_reader_data_end(struct segment_reader *reader, uint64_t off,
			    uint64_t *end)
{
	uint64_t last = off;

	while (off < reader->limit) {
		size_t n;
		size_t i;
		int result = fill(reader, off, 1);

		if (result < 0)
			return result;
		n = held(reader, off);
		i = end_of_data(at(reader, off), n);
		if (i > 0)
			last = off + i;
		off += n;
	}
	*end = bytes_align8(last);
	return 0;
}
