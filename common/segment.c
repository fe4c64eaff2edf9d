#include "common/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/checksum.h"
#include "common/path.h"

static const char magic[8] = { 'g', 'e', 't', 'M', 'e', 'S', 'E', 'G' };

enum {
	AT_CRC = 8,
	AT_VERSION = 12,
	AT_STORE_ID = 16,
	AT_SEGMENT_ID = 32,
	AT_HEADER_LEN = 36,
	AT_CREATED = 40,
	AT_N_REPLACES = 48,
	HEADER_MAX = SEGMENT_HEADER_LEN + 4 * SEGMENT_REPLACES_MAX,
	/* a reader's window: more than a header and the longest key */
	WINDOW_LEN = 256 << 10,
	WINDOW_MIN = 4096,
};

void segment_name(uint32_t id, char name[SEGMENT_NAME_MAX])
{
	snprintf(name, SEGMENT_NAME_MAX, "%010u.seg", id);
}

void segment_hint_name(uint32_t id, char name[SEGMENT_NAME_MAX])
{
	snprintf(name, SEGMENT_NAME_MAX, "%010u.hint", id);
}

bool segment_parse_name(const char *name, uint32_t *id, bool *is_hint)
{
	char again[SEGMENT_NAME_MAX];
	uint64_t number = 0;
	size_t i;

	for (i = 0; i < 10; i++) {
		if (name[i] < '0' || name[i] > '9')
			return false;
		number = number * 10 + (uint64_t)(name[i] - '0');
	}
	if (number == 0 || number > UINT32_MAX)
		return false;
	*id = (uint32_t)number;
	segment_name(*id, again);
	*is_hint = strcmp(name + 10, ".hint") == 0;
	return *is_hint || strcmp(name, again) == 0;
}

uint32_t segment_header_len(size_t n_replaces)
{
	return (uint32_t)bytes_align8(SEGMENT_HEADER_LEN + 4 * n_replaces);
}

/* LEN is segment_header_len(n). */
static void encode_header(uint8_t *out, size_t len, const uint8_t *store_id,
			  uint32_t id, struct segment *const *replaces,
			  size_t n, uint64_t now_ms)
{
	size_t i;

	memset(out, 0, len);
	memcpy(out, magic, sizeof(magic));
	bytes_put32(out + AT_VERSION, SEGMENT_FORMAT);
	memcpy(out + AT_STORE_ID, store_id, SEGMENT_STORE_ID_LEN);
	bytes_put32(out + AT_SEGMENT_ID, id);
	bytes_put32(out + AT_HEADER_LEN, (uint32_t)len);
	bytes_put64(out + AT_CREATED, now_ms);
	bytes_put32(out + AT_N_REPLACES, (uint32_t)n);
	for (i = 0; i < n; i++)
		bytes_put32(out + SEGMENT_HEADER_LEN + 4 * i, replaces[i]->id);
	bytes_put32(out + AT_CRC, crc32c(0, out, len));
}

static int write_header(struct io *io, int fd, const uint8_t *store_id,
			uint32_t id, struct segment *const *replaces, size_t n)
{
	size_t len = segment_header_len(n);
	uint8_t *header = malloc(len);
	int result;

	if (!header)
		return -ENOMEM;
	encode_header(header, len, store_id, id, replaces, n, io->clock_ms(io));
	result = io_pwrite_full(io, fd, header, len, 0);
	free(header);
	return result < 0 ? result : io->sync(io, fd);
}

static int allocate(struct io *io, int fd, uint64_t capacity)
{
	int result = io->allocate(io, fd, 0, capacity);

	return result == -EOPNOTSUPP ? 0 : result;
}

static struct segment *segment_new(uint32_t id, int fd)
{
	struct segment *segment = calloc(1, sizeof(*segment));

	if (!segment)
		return NULL;
	segment->id = id;
	segment->fd = fd;
	segment->header_len = SEGMENT_HEADER_LEN;
	segment->len = SEGMENT_HEADER_LEN;
	segment->synced_len = SEGMENT_HEADER_LEN;
	return segment;
}

int segment_create(struct io *io, const char *dir,
		   const uint8_t store_id[SEGMENT_STORE_ID_LEN], uint32_t id,
		   uint64_t capacity, struct segment **segment)
{
	char name[SEGMENT_NAME_MAX];
	char path[PATH_LEN_MAX];
	struct segment *made = NULL;
	int result;
	int fd;

	segment_name(id, name);
	result = path_join(path, dir, name);
	if (result < 0)
		return result;
	fd = io->open(io, path, O_RDWR | O_CREAT | O_EXCL);
	if (fd < 0)
		return fd;
	result = allocate(io, fd, capacity);
	if (result == 0)
		result = write_header(io, fd, store_id, id, NULL, 0);
	if (result < 0)
		goto fail;
	result = io->sync_dir(io, dir);
	if (result < 0)
		goto fail;
	made = segment_new(id, fd);
	if (!made) {
		result = -ENOMEM;
		goto fail;
	}
	made->capacity = capacity;
	*segment = made;
	return 0;
fail:
	io->close(io, fd);
	io->unlink(io, path);
	return result;
}

/* ---- outputs of compactions ---- */

static int output_path(const char *dir, uint32_t id, char path[PATH_LEN_MAX])
{
	char name[SEGMENT_NAME_MAX];
	char tmp[SEGMENT_NAME_MAX + 4];

	segment_name(id, name);
	snprintf(tmp, sizeof(tmp), "%s.tmp", name);
	return path_join(path, dir, tmp);
}

int segment_create_output(struct io *io, const char *dir, uint32_t id,
			  uint64_t capacity, struct segment **segment)
{
	char path[PATH_LEN_MAX];
	struct segment *made = NULL;
	int result = output_path(dir, id, path);
	int fd;

	if (result < 0)
		return result;
	fd = io->open(io, path, O_RDWR | O_CREAT | O_EXCL);
	if (fd < 0)
		return fd;
	result = allocate(io, fd, capacity);
	if (result == 0) {
		made = segment_new(id, fd);
		result = made ? 0 : -ENOMEM;
	}
	if (result < 0) {
		io->close(io, fd);
		io->unlink(io, path);
		return result;
	}
	made->capacity = capacity;
	*segment = made;
	return 0;
}

int segment_finish_output(struct io *io, const char *dir,
			  const uint8_t store_id[SEGMENT_STORE_ID_LEN],
			  struct segment *output,
			  struct segment *const *replaces, size_t n_replaces)
{
	char name[SEGMENT_NAME_MAX];
	char from[PATH_LEN_MAX];
	char to[PATH_LEN_MAX];
	int result = output_path(dir, output->id, from);

	segment_name(output->id, name);
	if (result == 0)
		result = path_join(to, dir, name);
	if (result == 0)
		result = write_header(io, output->fd, store_id, output->id,
				      replaces, n_replaces);
	if (result == 0)
		result = io->rename(io, from, to);
	if (result == 0)
		output->synced_len = output->len;
	return result;
}

void segment_drop_output(struct io *io, const char *dir, struct segment *output)
{
	char name[SEGMENT_NAME_MAX];
	char path[PATH_LEN_MAX];

	if (!output)
		return;
	if (output_path(dir, output->id, path) == 0)
		io->unlink(io, path);
	segment_hint_name(output->id, name);
	if (path_join(path, dir, name) == 0)
		io->unlink(io, path);
	segment_name(output->id, name);
	if (path_join(path, dir, name) == 0)
		io->unlink(io, path);
	segment_free(io, output);
}

/* ---- opening ---- */

/* 0, or what is wrong with the header of LEN bytes. */
static int check_header(uint8_t *header, size_t len, const uint8_t *store_id,
			uint32_t id)
{
	uint32_t crc = bytes_get32(header + AT_CRC);

	bytes_put32(header + AT_CRC, 0);
	if (crc32c(0, header, len) != crc)
		return SEGMENT_BAD;
	if (bytes_get32(header + AT_VERSION) > SEGMENT_FORMAT)
		return SEGMENT_NEWER;
	if (memcmp(header + AT_STORE_ID, store_id, SEGMENT_STORE_ID_LEN) != 0 ||
	    bytes_get32(header + AT_SEGMENT_ID) != id)
		return SEGMENT_FOREIGN;
	return 0;
}

/* The whole header in HEADER, malloc'ed, on success. */
static int read_header(struct io *io, int fd, const uint8_t *store_id,
		       uint32_t id, uint8_t **header, uint32_t *header_len)
{
	uint8_t fixed[SEGMENT_HEADER_LEN];
	uint32_t len;
	uint8_t *all;
	int result;

	result = io_pread_full(io, fd, fixed, sizeof(fixed), 0);
	if (result < 0)
		return result == -ENODATA ? SEGMENT_BAD : result;
	len = bytes_get32(fixed + AT_HEADER_LEN);
	if (memcmp(fixed, magic, sizeof(magic)) != 0 ||
	    len < SEGMENT_HEADER_LEN || len > HEADER_MAX || len % 8 != 0)
		return SEGMENT_BAD;
	all = malloc(len);
	if (!all)
		return -ENOMEM;
	result = io_pread_full(io, fd, all, len, 0);
	if (result == -ENODATA)
		result = SEGMENT_BAD;
	if (result == 0)
		result = check_header(all, len, store_id, id);
	if (result != 0) {
		free(all);
		return result;
	}
	*header = all;
	*header_len = len;
	return 0;
}

int segment_read_store_id(struct io *io, const char *dir, uint32_t id,
			  uint8_t store_id[SEGMENT_STORE_ID_LEN])
{
	uint8_t fixed[SEGMENT_HEADER_LEN];
	char name[SEGMENT_NAME_MAX];
	char path[PATH_LEN_MAX];
	int result;
	int fd;

	segment_name(id, name);
	result = path_join(path, dir, name);
	if (result < 0)
		return result;
	fd = io->open(io, path, O_RDONLY);
	if (fd < 0)
		return fd;
	result = io_pread_full(io, fd, fixed, sizeof(fixed), 0);
	io->close(io, fd);
	if (result < 0)
		return result == -ENODATA ? SEGMENT_BAD : result;
	if (memcmp(fixed, magic, sizeof(magic)) != 0)
		return SEGMENT_BAD;
	memcpy(store_id, fixed + AT_STORE_ID, SEGMENT_STORE_ID_LEN);
	return 0;
}

int segment_read_replaces(struct io *io, const char *dir,
			  const uint8_t store_id[SEGMENT_STORE_ID_LEN],
			  uint32_t id, uint32_t **ids, size_t *n)
{
	char name[SEGMENT_NAME_MAX];
	char path[PATH_LEN_MAX];
	uint8_t *header = NULL;
	uint32_t len;
	size_t count;
	size_t i;
	int result;
	int fd;

	segment_name(id, name);
	result = path_join(path, dir, name);
	if (result < 0)
		return result;
	fd = io->open(io, path, O_RDONLY);
	if (fd < 0)
		return fd;
	result = read_header(io, fd, store_id, id, &header, &len);
	io->close(io, fd);
	if (result != 0)
		return result;
	count = bytes_get32(header + AT_N_REPLACES);
	if (len != segment_header_len(count)) {
		free(header);
		return SEGMENT_BAD;
	}
	*ids = malloc((count + 1) * sizeof(**ids));
	for (i = 0; *ids && i < count; i++)
		(*ids)[i] = bytes_get32(header + SEGMENT_HEADER_LEN + 4 * i);
	free(header);
	*n = count;
	return *ids ? 0 : -ENOMEM;
}

int segment_open(struct io *io, const char *dir,
		 const uint8_t store_id[SEGMENT_STORE_ID_LEN], uint32_t id,
		 struct segment **segment)
{
	char name[SEGMENT_NAME_MAX];
	char path[PATH_LEN_MAX];
	struct segment *opened;
	uint8_t *header = NULL;
	struct io_stat st;
	int result;
	int fd;

	segment_name(id, name);
	result = path_join(path, dir, name);
	if (result < 0)
		return result;
	fd = io->open(io, path, O_RDWR);
	if (fd < 0)
		return fd;
	opened = segment_new(id, fd);
	if (!opened) {
		io->close(io, fd);
		return -ENOMEM;
	}
	result = io->stat(io, fd, &st);
	if (result == 0)
		result = read_header(io, fd, store_id, id, &header,
				     &opened->header_len);
	free(header);
	if (result != 0 && result != SEGMENT_BAD) {
		segment_free(io, opened);
		return result;
	}
	opened->capacity = st.size;
	opened->len = opened->header_len;
	opened->synced_len = opened->header_len;
	*segment = opened;
	return result;
}

void segment_free(struct io *io, struct segment *segment)
{
	if (!segment)
		return;
	io->close(io, segment->fd);
	free(segment);
}

void segment_trim(struct io *io, const struct segment *segment)
{
	/* Whole pages only: the one that holds the last entry stays. */
	uint64_t from = (segment->len + 4095) & ~UINT64_C(4095);

	if (from < segment->capacity)
		io->punch(io, segment->fd, from, segment->capacity - from);
}

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
