#include "common/hint_builder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/checksum.h"
#include "common/digest.h"
#include "common/hint_filter.h"
#include "common/hint_layout.h"
#include "common/path.h"
#include "common/whole_file.h"

enum {
	/* of a line without its key */
	LINE_MAX = 1 + 4 * BYTES_VARINT_MAX + 8,
	FIRST_CAP = 64 << 10,
};

void hint_builder_init(struct hint_builder *builder)
{
	memset(builder, 0, sizeof(*builder));
}

void hint_builder_deinit(struct hint_builder *builder)
{
	free(builder->data);
	free(builder->put_hashes);
	hint_builder_init(builder);
}

static int builder_reserve(struct hint_builder *builder, size_t len)
{
	size_t cap = builder->cap ? builder->cap : FIRST_CAP;
	uint8_t *grown;

	if (builder->cap - builder->len >= len)
		return 0;
	while (cap - builder->len < len)
		cap *= 2;
	grown = realloc(builder->data, cap);
	if (!grown)
		return -ENOMEM;
	builder->data = grown;
	builder->cap = cap;
	if (builder->len == 0) {
		memset(grown, 0, HINT_HEADER_LEN);
		builder->len = HINT_HEADER_LEN;
	}
	return 0;
}

static int add_put_hash(struct hint_builder *builder, const struct entry *entry)
{
	if (builder->n_puts == builder->puts_cap) {
		size_t cap = builder->puts_cap ? builder->puts_cap * 2 : 1024;
		uint64_t *grown;

		grown = realloc(builder->put_hashes, cap * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		builder->put_hashes = grown;
		builder->puts_cap = cap;
	}
	builder->put_hashes[builder->n_puts++] =
		digest_fixed64(entry->key, entry->key_len);
	return 0;
}

static size_t encode_line(uint8_t *line, const struct hint_builder *builder,
			  const struct segment_entry *found)
{
	const struct entry *entry = &found->entry;
	size_t n = 1;

	line[0] = (uint8_t)((unsigned)entry->kind |
			    (unsigned)entry->flags << HINT_FLAGS_SHIFT);
	n += bytes_put_varint(
		line + n, bytes_zigzag(entry->sequence - builder->sequence));
	n += bytes_put_varint(line + n, found->off / 8 - builder->end8);
	n += bytes_put_varint(line + n, found->len / 8);
	n += bytes_put_varint(line + n, entry->key_len);
	if (entry->flags & ENTRY_HAS_EXPIRY) {
		bytes_put64(line + n, entry->expires_at_ms);
		n += 8;
	}
	memcpy(line + n, entry->key, entry->key_len);
	return n + entry->key_len;
}

int hint_builder_add(struct hint_builder *builder,
		     const struct segment_entry *found)
{
	const struct entry *entry = &found->entry;

	if (entry->sequence > builder->last_sequence)
		builder->last_sequence = entry->sequence;
	if (entry->kind == ENTRY_BATCH)
		return 0;
	if (builder_reserve(builder,
			    HINT_HEADER_LEN + LINE_MAX + entry->key_len) < 0)
		return -ENOMEM;
	if (entry->kind == ENTRY_PUT && add_put_hash(builder, entry) < 0)
		return -ENOMEM;
	builder->len +=
		encode_line(builder->data + builder->len, builder, found);
	builder->sequence = entry->sequence;
	builder->end8 = (found->off + found->len) / 8;
	builder->n_entries++;
	return 0;
}

int hint_builder_read(struct hint_builder *builder, struct io *io,
		      const struct segment *segment)
{
	struct segment_reader reader;
	struct segment_entry entry;
	int result;

	result = segment_reader_init(&reader, io, segment, segment->header_len,
				     segment->len);
	if (result < 0)
		return result;
	while ((result = segment_reader_next(&reader, false, &entry)) == 0) {
		result = hint_builder_add(builder, &entry);
		if (result < 0)
			break;
	}
	segment_reader_deinit(&reader);
	return result == SEGMENT_END ? 0 : result;
}

struct hint hint_builder_peek(const struct hint_builder *builder)
{
	return (struct hint){
		.data = builder->data,
		.len = builder->len,
		.at = HINT_HEADER_LEN,
		.n_entries = builder->n_entries,
		.last_sequence = builder->last_sequence,
	};
}

void hint_builder_take(struct hint_builder *builder, struct hint *hint)
{
	*hint = hint_builder_peek(builder);
	builder->data = NULL;
	hint_builder_deinit(builder);
}

static int append_filter(struct hint_builder *builder, uint32_t *bits)
{
	size_t len = (builder->n_puts * HINT_FILTER_BITS_A_KEY + 63) / 64 * 8;
	uint8_t *filter;
	size_t i;

	if (builder_reserve(builder, HINT_HEADER_LEN + len +
					     HINT_FILTER_CRC_LEN +
					     HINT_CRC_LEN) < 0)
		return -ENOMEM;
	filter = builder->data + builder->len;
	memset(filter, 0, len);
	*bits = (uint32_t)(len * 8);
	for (i = 0; i < builder->n_puts; i++)
		hint_filter_add(filter, *bits, builder->put_hashes[i]);
	builder->len += len;
	return 0;
}

static int finish(struct hint_builder *builder, const uint8_t *store_id,
		  uint32_t segment_id, uint64_t segment_len)
{
	uint64_t entries_len;
	uint32_t bits = 0;
	uint8_t *head;

	if (builder_reserve(builder, HINT_HEADER_LEN) < 0)
		return -ENOMEM;
	entries_len = builder->len - HINT_HEADER_LEN;
	if (append_filter(builder, &bits) < 0)
		return -ENOMEM;
	head = builder->data;
	memcpy(head, HINT_MAGIC, HINT_MAGIC_LEN);
	bytes_put32(head + HINT_AT_VERSION, HINT_FORMAT);
	bytes_put32(head + HINT_AT_SEGMENT_ID, segment_id);
	memcpy(head + HINT_AT_STORE_ID, store_id, SEGMENT_STORE_ID_LEN);
	bytes_put64(head + HINT_AT_SEGMENT_LEN, segment_len);
	bytes_put64(head + HINT_AT_LAST_SEQUENCE, builder->last_sequence);
	bytes_put32(head + HINT_AT_N_ENTRIES, builder->n_entries);
	bytes_put32(head + HINT_AT_FILTER_BITS, bits);
	bytes_put64(head + HINT_AT_ENTRIES_LEN, entries_len);
	bytes_put32(head + builder->len,
		    hint_filter_crc(head, head + HINT_HEADER_LEN + entries_len,
				    bits));
	builder->len += HINT_FILTER_CRC_LEN;
	bytes_put32(head + builder->len, crc32c(0, head, builder->len));
	builder->len += HINT_CRC_LEN;
	return 0;
}

int hint_builder_write(struct hint_builder *builder, struct io *io,
		       const char *dir,
		       const uint8_t store_id[SEGMENT_STORE_ID_LEN],
		       uint32_t segment_id, uint64_t segment_len)
{
	char path[PATH_LEN_MAX];
	int result;

	result = segment_hint_path(path, dir, segment_id);
	if (result == 0)
		result = finish(builder, store_id, segment_id, segment_len);
	if (result == 0)
		result = whole_file_replace(io, path, builder->data,
					    builder->len);
	return result;
}
