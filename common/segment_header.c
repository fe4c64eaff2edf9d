#include "common/segment_header.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/checksum.h"

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
};

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

int segment_header_write(struct io *io, int fd, const uint8_t *store_id,
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

/* ---- reading ---- */

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

int segment_header_read(struct io *io, int fd, const uint8_t *store_id,
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

static int open_to_read(struct io *io, const char *dir, uint32_t id)
{
	char path[PATH_LEN_MAX];
	int result = segment_path(path, dir, id);

	return result < 0 ? result : io->open(io, path, O_RDONLY);
}

int segment_header_store_id(struct io *io, const char *dir, uint32_t id,
			    uint8_t store_id[SEGMENT_STORE_ID_LEN])
{
	uint8_t fixed[SEGMENT_HEADER_LEN];
	int result;
	int fd;

	fd = open_to_read(io, dir, id);
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

int segment_header_replaces(struct io *io, const char *dir,
			    const uint8_t store_id[SEGMENT_STORE_ID_LEN],
			    uint32_t id, uint32_t **ids, size_t *n)
{
	uint8_t *header = NULL;
	uint32_t len;
	size_t count;
	size_t i;
	int result;
	int fd;

	fd = open_to_read(io, dir, id);
	if (fd < 0)
		return fd;
	result = segment_header_read(io, fd, store_id, id, &header, &len);
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
