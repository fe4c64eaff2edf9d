#include "common/hint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/checksum.h"
#include "common/digest.h"
#include "common/hint_filter.h"
#include "common/hint_layout.h"
#include "common/path.h"
#include "common/whole_file.h"

/* Where a line is read, and what the one before it said. */
struct cursor {
	const uint8_t *at;
	size_t rest;
	uint64_t sequence;
	uint64_t end8;
};

/* false: it does not fit, or is too large for its place. */
static inline bool read_number(struct cursor *cursor, uint64_t max,
			       uint64_t *number)
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
	entry->kind = (enum entry_kind)(*cursor->at & HINT_KIND_MASK);
	entry->flags = *cursor->at >> HINT_FLAGS_SHIFT;
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
	struct cursor cursor = { .at = data + HINT_HEADER_LEN,
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

/* Entries and filter fill what lies between the header and the CRCs. */
static bool lens_ok(const uint8_t *data, size_t body)
{
	uint64_t entries_len = bytes_get64(data + HINT_AT_ENTRIES_LEN);
	uint64_t filter_len = bytes_get32(data + HINT_AT_FILTER_BITS) / 8;
	size_t rest = body - HINT_HEADER_LEN - HINT_FILTER_CRC_LEN;

	return entries_len <= rest && filter_len == rest - entries_len;
}

int hint_parse(struct hint *hint, uint8_t *data, size_t len,
	       const uint8_t store_id[SEGMENT_STORE_ID_LEN],
	       uint32_t segment_id, uint64_t segment_len)
{
	uint64_t entries_len;
	size_t body;

	if (len < HINT_HEADER_LEN + HINT_FILTER_CRC_LEN + HINT_CRC_LEN ||
	    !hint_is_of(data, store_id, segment_id, segment_len))
		return HINT_BAD;
	body = len - HINT_CRC_LEN;
	if (crc32c(0, data, body) != bytes_get32(data + body) ||
	    !lens_ok(data, body))
		return HINT_BAD;
	entries_len = bytes_get64(data + HINT_AT_ENTRIES_LEN);
	if (check_lines(data, entries_len,
			bytes_get32(data + HINT_AT_N_ENTRIES),
			segment_len) != 0)
		return HINT_BAD;
	memset(hint, 0, sizeof(*hint));
	hint->data = data;
	hint->len = len;
	hint->at = HINT_HEADER_LEN;
	hint->n_entries = bytes_get32(data + HINT_AT_N_ENTRIES);
	hint->entries_len = entries_len;
	hint->last_sequence = bytes_get64(data + HINT_AT_LAST_SEQUENCE);
	hint->filter = data + HINT_HEADER_LEN + entries_len;
	hint->filter_bits = bytes_get32(data + HINT_AT_FILTER_BITS);
	return 0;
}

int hint_load(struct hint *hint, struct io *io, const char *dir,
	      const uint8_t store_id[SEGMENT_STORE_ID_LEN], uint32_t segment_id,
	      uint64_t segment_len)
{
	char path[PATH_LEN_MAX];
	uint8_t *data;
	size_t len;
	int result;

	result = segment_hint_path(path, dir, segment_id);
	if (result == 0)
		result =
			whole_file_read(io, path, HINT_HEADER_LEN,
					hint_longest(segment_len), &data, &len);
	if (result != 0)
		return result == -EMSGSIZE ? HINT_BAD : result;
	result = hint_parse(hint, data, len, store_id, segment_id, segment_len);
	if (result != 0)
		free(data);
	return result;
}

int hint_open(struct io *io, const char *dir, uint32_t segment_id,
	      uint8_t head[HINT_HEADER_LEN], int *fd)
{
	char path[PATH_LEN_MAX];
	int result;
	int opened;

	result = segment_hint_path(path, dir, segment_id);
	if (result < 0)
		return result;
	opened = io->open(io, path, O_RDONLY);
	if (opened < 0)
		return opened;
	result = io_pread_full(io, opened, head, HINT_HEADER_LEN, 0);
	if (result < 0) {
		io->close(io, opened);
		return result == -ENODATA ? HINT_BAD : result;
	}
	*fd = opened;
	return 0;
}

int hint_covers(struct io *io, const char *dir, uint32_t segment_id,
		uint64_t *segment_len)
{
	uint8_t head[HINT_HEADER_LEN];
	int result;
	int fd;

	result = hint_open(io, dir, segment_id, head, &fd);
	if (result != 0)
		return result;
	io->close(io, fd);
	if (memcmp(head, HINT_MAGIC, HINT_MAGIC_LEN) != 0)
		return HINT_BAD;
	*segment_len = bytes_get64(head + HINT_AT_SEGMENT_LEN);
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

void hint_rewind(struct hint *hint)
{
	hint->at = HINT_HEADER_LEN;
	hint->n_read = 0;
	hint->sequence = 0;
	hint->end8 = 0;
}

bool hint_may_hold(const struct hint *hint, const void *key, size_t key_len)
{
	return hint_filter_holds(hint->filter, hint->filter_bits,
				 digest_fixed64(key, key_len));
}
