#include "tests/support/segment_maker.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const uint8_t maker_store_id[SEGMENT_STORE_ID_LEN] = "the test's own.";

#define must(holds) must_hold(holds, #holds, __LINE__)

static void must_hold(int holds, const char *what, int line)
{
	if (holds)
		return;
	fprintf(stderr, "segment_maker.c:%d: %s does not hold\n", line, what);
	abort();
}

static void *bytes_new(size_t len)
{
	void *bytes = malloc(len ? len : 1);

	must(bytes != NULL);
	return bytes;
}

uint8_t *maker_image(const struct maker_entry *from, uint32_t segment_id,
		     uint64_t off, size_t *len)
{
	struct entry entry = {
		.kind = from->kind ? from->kind : ENTRY_PUT,
		.flags = from->flags,
		.key = from->key,
		.timestamp_ms = 1700000000000,
		.expires_at_ms = from->expires_at_ms,
	};
	size_t value_len = from->value_len;
	uint8_t *image;
	uint8_t *value;

	if (from->expires_at_ms)
		entry.flags |= ENTRY_HAS_EXPIRY;
	entry.key_len = (uint16_t)from->key_len;
	if (from->key && !from->key_len)
		entry.key_len = (uint16_t)strlen(from->key);
	if (from->value && !from->value_len)
		value_len = strlen(from->value);
	entry.value_len = (uint32_t)value_len;
	*len = (size_t)entry_total_len(&entry);
	image = bytes_new(*len);
	memset(image, 0, *len);
	entry_encode(&entry, image);
	value = image + entry_value_off(&entry);
	if (from->value && value_len > 0)
		memcpy(value, from->value, value_len);
	entry_seal(image, value, from->sequence, from->synced_off, segment_id,
		   off);
	return image;
}

struct segment *maker_segment(struct io *io, const char *dir, uint32_t id,
			      uint64_t capacity)
{
	struct segment *segment;

	must(segment_create(io, dir, maker_store_id, id, capacity, &segment) ==
	     0);
	return segment;
}

uint64_t maker_append(struct io *io, struct segment *segment,
		      const struct maker_entry *entry)
{
	uint64_t off = segment->len;
	size_t len;
	uint8_t *image = maker_image(entry, segment->id, off, &len);

	must(off + len <= segment->capacity);
	must(io_pwrite_full(io, segment->fd, image, len, off) == 0);
	free(image);
	segment->len += len;
	segment->last_sequence = entry->sequence;
	if (segment->first_sequence == 0)
		segment->first_sequence = entry->sequence;
	return off;
}

uint64_t maker_put(struct io *io, struct segment *segment, const char *key,
		   const char *value, uint64_t sequence)
{
	const struct maker_entry entry = { .key = key,
					   .value = value,
					   .sequence = sequence };

	return maker_append(io, segment, &entry);
}

uint64_t maker_batch(struct io *io, struct segment *segment, uint32_t n,
		     uint64_t sequence, uint64_t synced_off)
{
	uint8_t count[ENTRY_BATCH_VALUE_LEN];
	const struct maker_entry head = {
		.kind = ENTRY_BATCH,
		.value = count,
		.value_len = sizeof(count),
		.sequence = sequence,
		.synced_off = synced_off,
	};
	uint64_t begin;
	uint32_t i;

	entry_batch_put(count, n, n * entry_len(2, 5, false));
	begin = maker_append(io, segment, &head);
	for (i = 0; i < n; i++) {
		char key[8];
		const struct maker_entry member = {
			.flags = ENTRY_IN_BATCH,
			.key = key,
			.value = "value",
			.sequence = sequence + 1 + i,
			.synced_off = synced_off,
		};

		snprintf(key, sizeof(key), "b%u", i % 10);
		maker_append(io, segment, &member);
	}
	return begin;
}

void maker_flip(struct io *io, int fd, uint64_t off, uint8_t mask)
{
	uint8_t byte;

	must(io_pread_full(io, fd, &byte, 1, off) == 0);
	byte ^= mask;
	must(io_pwrite_full(io, fd, &byte, 1, off) == 0);
}

void maker_zero(struct io *io, int fd, uint64_t off, uint64_t end)
{
	size_t len = (size_t)(end - off);
	uint8_t *zeros = bytes_new(len);

	memset(zeros, 0, len);
	must(io_pwrite_full(io, fd, zeros, len, off) == 0);
	free(zeros);
}

uint8_t *maker_read_file(struct io *io, const char *path, size_t *len)
{
	struct io_stat st;
	uint8_t *data;
	int fd = io->open(io, path, O_RDONLY);

	must(fd >= 0);
	must(io->stat(io, fd, &st) == 0);
	*len = (size_t)st.size;
	data = bytes_new(*len);
	must(io_pread_full(io, fd, data, *len, 0) == 0);
	io->close(io, fd);
	return data;
}

void maker_write_file(struct io *io, const char *path, const void *data,
		      size_t len)
{
	int fd;

	io->unlink(io, path);
	fd = io->open(io, path, O_RDWR | O_CREAT | O_EXCL);
	must(fd >= 0);
	must(io_pwrite_full(io, fd, data, len, 0) == 0);
	io->close(io, fd);
}
