/*
 * A segment's bytes behind its header, read front to back, resynchronised,
 * and judged as a tail.  The input is a little program that lays out entries
 * with true CRCs, and bytes that are none, so that damage lies between them.
 *
 * Input: pieces of 4 bytes and what they ask for:
 *	kind   bits 0..1  0 raw bytes, 1 put, 2 tombstone, 3 batch head
 *	       bit  2     a gap in the sequence before it
 *	       bit  3     ENTRY_IN_BATCH
 *	       bit  4     knows all before it as synced
 *	       bit  5     one byte of it is flipped afterwards
 *	len    of raw bytes or of the value; a batch head's count
 *	where  the byte that is flipped; a batch head's length
 *	more   units of 256 more bytes of value
 */
#include <stdlib.h>
#include <string.h>

#include "common/entry.h"
#include "common/segment_reader.h"
#include "common/tail.h"

enum {
	ID = 7,
	CAPACITY = 512 << 10,
};

/* All zeros between two runs: to clear it whole would take most of the time. */
static uint8_t bytes[CAPACITY];

/* A file in memory; reads may be short, as the input says. */
struct memory {
	struct io io; /* first */
	size_t len;
	size_t step;
};

static void check(int ok)
{
	if (!ok)
		abort();
}

static ssize_t memory_pread(struct io *io, int fd, void *data, size_t len,
			    uint64_t off)
{
	const struct memory *memory = (const struct memory *)io;

	(void)fd;
	if (off >= memory->len)
		return 0;
	if (len > memory->len - off)
		len = (size_t)(memory->len - off);
	if (memory->step > 0 && len > memory->step)
		len = memory->step;
	memcpy(data, bytes + off, len);
	return (ssize_t)len;
}

static size_t put_entry(uint8_t *at, uint64_t off, const uint8_t *piece,
			uint64_t sequence)
{
	static const uint8_t key[] = "key";
	struct entry entry = {
		.kind = (enum entry_kind)(piece[0] & 3),
		.flags = piece[0] & 8 ? ENTRY_IN_BATCH : 0,
		.key = key,
		.key_len = sizeof(key),
		.value_len = piece[1] + (uint32_t)piece[3] * 256,
	};
	size_t total;

	if (entry.kind == ENTRY_TOMBSTONE)
		entry.value_len = 0;
	if (entry.kind == ENTRY_BATCH) {
		entry.flags = 0;
		entry.key_len = 0;
		entry.value_len = ENTRY_BATCH_VALUE_LEN;
	}
	total = (size_t)entry_total_len(&entry);
	if (total > CAPACITY - off)
		return 0;
	memset(at, 0, total);
	entry_encode(&entry, at);
	if (entry.kind == ENTRY_BATCH)
		entry_batch_put(at + ENTRY_HEAD_LEN, piece[1],
				(uint64_t)piece[2] * 8);
	else
		memset(at + entry_value_off(&entry), piece[2], entry.value_len);
	entry_seal(at, at + entry_value_off(&entry), sequence,
		   piece[0] & 16 ? off : 0, ID, off);
	if (piece[0] & 32)
		at[(size_t)piece[2] * 7 % total] ^= 1;
	return total;
}

/* Where the data ends. */
static size_t lay_out(const uint8_t *data, size_t len)
{
	size_t off = SEGMENT_HEADER_LEN;
	uint64_t sequence = 1;

	while (len >= 4) {
		const uint8_t *piece = data;
		size_t n = piece[1];

		data += 4;
		len -= 4;
		if (piece[0] & 3) {
			sequence += piece[0] & 4 ? 2 : 1;
			off += put_entry(bytes + off, off, piece, sequence);
			continue;
		}
		if (n > len)
			n = len;
		if (n > CAPACITY - off)
			break;
		memcpy(bytes + off, data, n);
		data += n;
		len -= n;
		off += (n + 7) / 8 * 8;
	}
	return off;
}

static void read_all(struct memory *memory, const struct segment *segment,
		     bool check_value)
{
	struct segment_reader reader;
	struct segment_entry found;
	uint64_t last = 0;
	int result;

	check(segment_reader_init(&reader, &memory->io, segment,
				  SEGMENT_HEADER_LEN, segment->capacity) == 0);
	for (;;) {
		uint64_t before = reader.off;

		result = segment_reader_next(&reader, check_value, &found);
		if (result == SEGMENT_END)
			break;
		if (result == 0) {
			check(found.off == before && found.off >= last);
			check(reader.off == found.off + found.len);
			check(reader.off <= segment->capacity);
			last = reader.off;
			continue;
		}
		check(result == SEGMENT_BAD && reader.off == before);
		result = segment_reader_resync(&reader);
		check(result == 0 || result == SEGMENT_END);
		check(reader.off > before);
	}
	segment_reader_deinit(&reader);
}

static void read_tail(struct memory *memory, struct segment *segment,
		      bool all_synced)
{
	struct tail tail;

	check(tail_read(&tail, &memory->io, segment, all_synced) == 0);
	check(tail.end >= SEGMENT_HEADER_LEN && tail.end <= segment->capacity);
	check(tail.data_end <= segment->capacity);
	check(tail.stopped == (tail.data_end > tail.end));
	check((tail.first_sequence == 0) == (tail.end == SEGMENT_HEADER_LEN));
	check(tail.first_sequence <= tail.last_sequence);
	tail_deinit(&tail);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct memory memory = { .io = { .pread = memory_pread } };
	struct segment segment = { .id = ID,
				   .fd = 1,
				   .header_len = SEGMENT_HEADER_LEN,
				   .len = SEGMENT_HEADER_LEN };

	if (len < 2)
		return 0;
	memory.step = (size_t)data[0] * 64;
	memory.len = lay_out(data + 2, len - 2);
	/* zeros behind, within the file or beyond its end */
	segment.capacity = memory.len + data[1];
	if (segment.capacity > CAPACITY)
		segment.capacity = CAPACITY;
	read_all(&memory, &segment, false);
	read_all(&memory, &segment, true);
	read_tail(&memory, &segment, false);
	read_tail(&memory, &segment, true);
	memset(bytes, 0, memory.len);
	return 0;
}
