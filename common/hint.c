#include "common/hint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/checksum.h"
#include "common/digest.h"
#include "common/path.h"
#include "common/segment_reader.h"
#include "common/whole_file.h"

static const char magic[8] = { 'g', 'e', 't', 'M', 'e', 'H', 'N', 'T' };

enum {
	AT_VERSION = 8,
	AT_SEGMENT_ID = 12,
	AT_STORE_ID = 16,
	AT_SEGMENT_LEN = 32,
	AT_LAST_SEQUENCE = 40,
	AT_N_ENTRIES = 48,
	AT_FILTER_BITS = 52,
	AT_ENTRIES_LEN = 56,
	HEADER_LEN = HINT_HEADER_LEN,
	CRC_LEN = 4,
	FILTER_CRC_LEN = 4,
	/* of a line without its key */
	LINE_MAX = 1 + 4 * BYTES_VARINT_MAX + 8,
	FLAGS_SHIFT = 4,
	KIND_MASK = 0xf,
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
		memset(grown, 0, HEADER_LEN);
		builder->len = HEADER_LEN;
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

	line[0] = (uint8_t)((unsigned)entry->kind | (unsigned)entry->flags
							    << FLAGS_SHIFT);
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
	if (builder_reserve(builder, HEADER_LEN + LINE_MAX + entry->key_len) <
	    0)
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

void hint_builder_take(struct hint_builder *builder, struct hint *hint)
{
	*hint = (struct hint){
		.data = builder->data,
		.len = builder->len,
		.at = HINT_HEADER_LEN,
		.n_entries = builder->n_entries,
		.last_sequence = builder->last_sequence,
	};
	builder->data = NULL;
	hint_builder_deinit(builder);
}

/* The bit of one probe. */
static uint32_t probe(uint64_t hash, unsigned int i, uint32_t bits)
{
	uint32_t first = (uint32_t)hash;
	uint32_t step = (uint32_t)(hash >> 32) | 1;

	return (first + i * step) % bits;
}

static int append_filter(struct hint_builder *builder, uint32_t *bits)
{
	size_t len = (builder->n_puts * HINT_FILTER_BITS_A_KEY + 63) / 64 * 8;
	uint8_t *filter;
	size_t i;

	if (builder_reserve(builder,
			    HEADER_LEN + len + FILTER_CRC_LEN + CRC_LEN) < 0)
		return -ENOMEM;
	filter = builder->data + builder->len;
	memset(filter, 0, len);
	*bits = (uint32_t)(len * 8);
	for (i = 0; i < builder->n_puts; i++) {
		unsigned int k;

		for (k = 0; k < HINT_FILTER_PROBES; k++) {
			uint32_t bit = probe(builder->put_hashes[i], k, *bits);

			filter[bit / 8] |= (uint8_t)(1U << bit % 8);
		}
	}
	builder->len += len;
	return 0;
}

static uint32_t filter_crc(const uint8_t *head, const uint8_t *filter,
			   uint32_t bits)
{
	return crc32c(crc32c(0, head, HEADER_LEN), filter, bits / 8);
}

static int finish(struct hint_builder *builder, const uint8_t *store_id,
		  uint32_t segment_id, uint64_t segment_len)
{
	uint64_t entries_len;
	uint32_t bits = 0;
	uint8_t *head;

	if (builder_reserve(builder, HEADER_LEN) < 0)
		return -ENOMEM;
	entries_len = builder->len - HEADER_LEN;
	if (append_filter(builder, &bits) < 0)
		return -ENOMEM;
	head = builder->data;
	memcpy(head, magic, sizeof(magic));
	bytes_put32(head + AT_VERSION, HINT_FORMAT);
	bytes_put32(head + AT_SEGMENT_ID, segment_id);
	memcpy(head + AT_STORE_ID, store_id, SEGMENT_STORE_ID_LEN);
	bytes_put64(head + AT_SEGMENT_LEN, segment_len);
	bytes_put64(head + AT_LAST_SEQUENCE, builder->last_sequence);
	bytes_put32(head + AT_N_ENTRIES, builder->n_entries);
	bytes_put32(head + AT_FILTER_BITS, bits);
	bytes_put64(head + AT_ENTRIES_LEN, entries_len);
	bytes_put32(head + builder->len,
		    filter_crc(head, head + HEADER_LEN + entries_len, bits));
	builder->len += FILTER_CRC_LEN;
	bytes_put32(head + builder->len, crc32c(0, head, builder->len));
	builder->len += CRC_LEN;
	return 0;
}

int hint_builder_write(struct hint_builder *builder, struct io *io,
		       const char *dir,
		       const uint8_t store_id[SEGMENT_STORE_ID_LEN],
		       uint32_t segment_id, uint64_t segment_len)
{
	char name[SEGMENT_NAME_MAX];
	char path[PATH_LEN_MAX];
	int result;

	segment_hint_name(segment_id, name);
	result = path_join(path, dir, name);
	if (result == 0)
		result = finish(builder, store_id, segment_id, segment_len);
	if (result == 0)
		result = whole_file_replace(io, path, builder->data,
					    builder->len);
	return result;
}

/* Where a line is read, and what the one before it said. */
struct cursor {
	const uint8_t *at;
	size_t rest;
	uint64_t sequence;
	uint64_t end8;
};

/* false: it does not fit, or is too large for its place. */
static bool read_number(struct cursor *cursor, uint64_t max, uint64_t *number)
{
	size_t n = bytes_get_varint(cursor->at, cursor->rest, number);

	cursor->at += n;
	cursor->rest -= n;
	return n > 0 && *number <= max;
}

static bool read_expiry(struct cursor *cursor, struct hint_entry *entry)
{
	entry->expires_at_ms = 0;
	if (!(entry->flags & ENTRY_HAS_EXPIRY))
		return true;
	if (cursor->rest < 8)
		return false;
	entry->expires_at_ms = bytes_get64(cursor->at);
	cursor->at += 8;
	cursor->rest -= 8;
	return true;
}

/* The next line; false: there is none that holds to the rules. */
static bool read_line(struct cursor *cursor, struct hint_entry *entry)
{
	uint64_t sequence;
	uint64_t gap;
	uint64_t len8;
	uint64_t key_len;

	if (cursor->rest == 0)
		return false;
	entry->kind = (enum entry_kind)(*cursor->at & KIND_MASK);
	entry->flags = *cursor->at >> FLAGS_SHIFT;
	cursor->at++;
	cursor->rest--;
	if ((entry->kind != ENTRY_PUT && entry->kind != ENTRY_TOMBSTONE) ||
	    !read_number(cursor, UINT64_MAX, &sequence) ||
	    !read_number(cursor, UINT32_MAX, &gap) ||
	    !read_number(cursor, UINT32_MAX, &len8) ||
	    !read_number(cursor, ENTRY_KEY_MAX, &key_len) ||
	    !read_expiry(cursor, entry) || key_len == 0 || len8 == 0 ||
	    key_len > cursor->rest || cursor->end8 + gap > UINT32_MAX)
		return false;
	entry->sequence = cursor->sequence + bytes_unzigzag(sequence);
	entry->off8 = (uint32_t)(cursor->end8 + gap);
	entry->len8 = (uint32_t)len8;
	entry->key_len = (uint16_t)key_len;
	entry->key = cursor->at;
	cursor->at += key_len;
	cursor->rest -= (size_t)key_len;
	cursor->sequence = entry->sequence;
	cursor->end8 += gap + len8;
	return true;
}

static int check_lines(const uint8_t *data, uint64_t entries_len,
		       uint32_t n_entries, uint64_t segment_len)
{
	struct cursor cursor = { .at = data + HEADER_LEN,
				 .rest = (size_t)entries_len };
	struct hint_entry entry;

	while (n_entries > 0) {
		if (!read_line(&cursor, &entry) ||
		    cursor.end8 > segment_len / 8)
			return HINT_BAD;
		n_entries--;
	}
	return cursor.rest == 0 ? 0 : HINT_BAD;
}

/* Whether a header is that of the segment at this length. */
static bool header_ok(const uint8_t *data, const uint8_t *store_id,
		      uint32_t segment_id, uint64_t segment_len)
{
	return memcmp(data, magic, sizeof(magic)) == 0 &&
	       bytes_get32(data + AT_VERSION) == HINT_FORMAT &&
	       bytes_get32(data + AT_SEGMENT_ID) == segment_id &&
	       memcmp(data + AT_STORE_ID, store_id, SEGMENT_STORE_ID_LEN) ==
		       0 &&
	       bytes_get64(data + AT_SEGMENT_LEN) == segment_len &&
	       bytes_get32(data + AT_FILTER_BITS) % 8 == 0;
}

/* Entries and filter fill what lies between the header and the CRCs. */
static bool lens_ok(const uint8_t *data, size_t body)
{
	uint64_t entries_len = bytes_get64(data + AT_ENTRIES_LEN);
	uint64_t filter_len = bytes_get32(data + AT_FILTER_BITS) / 8;
	size_t rest = body - HEADER_LEN - FILTER_CRC_LEN;

	return entries_len <= rest && filter_len == rest - entries_len;
}

int hint_parse(struct hint *hint, uint8_t *data, size_t len,
	       const uint8_t store_id[SEGMENT_STORE_ID_LEN],
	       uint32_t segment_id, uint64_t segment_len)
{
	uint64_t entries_len;
	size_t body;

	if (len < HEADER_LEN + FILTER_CRC_LEN + CRC_LEN ||
	    !header_ok(data, store_id, segment_id, segment_len))
		return HINT_BAD;
	body = len - CRC_LEN;
	if (crc32c(0, data, body) != bytes_get32(data + body) ||
	    !lens_ok(data, body))
		return HINT_BAD;
	entries_len = bytes_get64(data + AT_ENTRIES_LEN);
	if (check_lines(data, entries_len, bytes_get32(data + AT_N_ENTRIES),
			segment_len) != 0)
		return HINT_BAD;
	memset(hint, 0, sizeof(*hint));
	hint->data = data;
	hint->len = len;
	hint->at = HEADER_LEN;
	hint->n_entries = bytes_get32(data + AT_N_ENTRIES);
	hint->entries_len = entries_len;
	hint->last_sequence = bytes_get64(data + AT_LAST_SEQUENCE);
	hint->filter = data + HEADER_LEN + entries_len;
	hint->filter_bits = bytes_get32(data + AT_FILTER_BITS);
	return 0;
}

/* No hint is much longer than its segment. */
static uint64_t longest(uint64_t segment_len)
{
	return HEADER_LEN + CRC_LEN + 2 * segment_len;
}

int hint_load(struct hint *hint, struct io *io, const char *dir,
	      const uint8_t store_id[SEGMENT_STORE_ID_LEN], uint32_t segment_id,
	      uint64_t segment_len)
{
	char name[SEGMENT_NAME_MAX];
	char path[PATH_LEN_MAX];
	uint8_t *data;
	size_t len;
	int result;

	segment_hint_name(segment_id, name);
	result = path_join(path, dir, name);
	if (result == 0)
		result = whole_file_read(io, path, HEADER_LEN,
					 longest(segment_len), &data, &len);
	if (result != 0)
		return result == -EMSGSIZE ? HINT_BAD : result;
	result = hint_parse(hint, data, len, store_id, segment_id, segment_len);
	if (result != 0)
		free(data);
	return result;
}

int hint_covers(struct io *io, const char *dir, uint32_t segment_id,
		uint64_t *segment_len)
{
	uint8_t header[HEADER_LEN];
	char name[SEGMENT_NAME_MAX];
	char path[PATH_LEN_MAX];
	int result;
	int fd;

	segment_hint_name(segment_id, name);
	result = path_join(path, dir, name);
	if (result < 0)
		return result;
	fd = io->open(io, path, O_RDONLY);
	if (fd < 0)
		return fd;
	result = io_pread_full(io, fd, header, sizeof(header), 0);
	io->close(io, fd);
	if (result < 0)
		return result == -ENODATA ? HINT_BAD : result;
	if (memcmp(header, magic, sizeof(magic)) != 0)
		return HINT_BAD;
	*segment_len = bytes_get64(header + AT_SEGMENT_LEN);
	return 0;
}

void hint_deinit(struct hint *hint)
{
	free(hint->data);
	hint->data = NULL;
}

bool hint_next(struct hint *hint, struct hint_entry *entry)
{
	struct cursor cursor = { .at = hint->data + hint->at,
				 .rest = SIZE_MAX,
				 .sequence = hint->sequence,
				 .end8 = hint->end8 };

	/* All of them were checked, or come from a builder. */
	if (hint->n_read == hint->n_entries || !read_line(&cursor, entry))
		return false;
	hint->at = (size_t)(cursor.at - hint->data);
	hint->sequence = cursor.sequence;
	hint->end8 = cursor.end8;
	hint->n_read++;
	return true;
}

static bool may_hold(const uint8_t *filter, uint32_t bits, uint64_t hash)
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

bool hint_may_hold(const struct hint *hint, const void *key, size_t key_len)
{
	return may_hold(hint->filter, hint->filter_bits,
			digest_fixed64(key, key_len));
}

/* ---- the filter alone ---- */

static int read_filter(struct hint_filter *filter, struct io *io, int fd,
		       const uint8_t *head, uint64_t segment_len)
{
	uint64_t entries_len = bytes_get64(head + AT_ENTRIES_LEN);
	uint32_t bits = bytes_get32(head + AT_FILTER_BITS);
	size_t len = bits / 8;
	uint8_t *data;
	int result;

	if (entries_len > longest(segment_len) || len > longest(segment_len))
		return HINT_BAD;
	data = malloc(len + FILTER_CRC_LEN);
	if (!data)
		return -ENOMEM;
	result = io_pread_full(io, fd, data, len + FILTER_CRC_LEN,
			       HEADER_LEN + entries_len);
	if (result == -ENODATA)
		result = HINT_BAD;
	if (result == 0 &&
	    filter_crc(head, data, bits) != bytes_get32(data + len))
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
	uint8_t head[HEADER_LEN];
	char name[SEGMENT_NAME_MAX];
	char path[PATH_LEN_MAX];
	int result;
	int fd;

	segment_hint_name(segment_id, name);
	result = path_join(path, dir, name);
	if (result < 0)
		return result;
	fd = io->open(io, path, O_RDONLY);
	if (fd < 0)
		return fd;
	result = io_pread_full(io, fd, head, sizeof(head), 0);
	if (result == -ENODATA ||
	    (result == 0 &&
	     !header_ok(head, store_id, segment_id, segment_len)))
		result = HINT_BAD;
	if (result == 0)
		result = read_filter(filter, io, fd, head, segment_len);
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
	return may_hold(filter->data, filter->bits, hash);
}
