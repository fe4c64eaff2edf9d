#include "common/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/segment_header.h"

void segment_name(uint32_t id, char name[SEGMENT_NAME_MAX])
{
	snprintf(name, SEGMENT_NAME_MAX, "%010u.seg", id);
}

void segment_hint_name(uint32_t id, char name[SEGMENT_NAME_MAX])
{
	snprintf(name, SEGMENT_NAME_MAX, "%010u.hint", id);
}

int segment_path(char path[PATH_LEN_MAX], const char *dir, uint32_t id)
{
	char name[SEGMENT_NAME_MAX];

	segment_name(id, name);
	return path_join(path, dir, name);
}

int segment_hint_path(char path[PATH_LEN_MAX], const char *dir, uint32_t id)
{
	char name[SEGMENT_NAME_MAX];

	segment_hint_name(id, name);
	return path_join(path, dir, name);
}

void segment_unlink(struct io *io, const char *dir, uint32_t id)
{
	char path[PATH_LEN_MAX];

	if (segment_hint_path(path, dir, id) == 0)
		io->unlink(io, path);
	if (segment_path(path, dir, id) == 0)
		io->unlink(io, path);
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

/* A new file with room for CAPACITY bytes; on failure it is gone again. */
static int make_file(struct io *io, const char *path, uint32_t id,
		     uint64_t capacity, struct segment **segment)
{
	struct segment *made;
	int result;
	int fd;

	fd = io->open(io, path, O_RDWR | O_CREAT | O_EXCL);
	if (fd < 0)
		return fd;
	made = segment_new(id, fd);
	result = made ? allocate(io, fd, capacity) : -ENOMEM;
	if (result != 0) {
		io->close(io, fd);
		io->unlink(io, path);
		free(made);
		return result;
	}
	made->capacity = capacity;
	*segment = made;
	return 0;
}

int segment_create(struct io *io, const char *dir,
		   const uint8_t store_id[SEGMENT_STORE_ID_LEN], uint32_t id,
		   uint64_t capacity, struct segment **segment)
{
	char path[PATH_LEN_MAX];
	struct segment *made;
	int result;

	result = segment_path(path, dir, id);
	if (result == 0)
		result = make_file(io, path, id, capacity, &made);
	if (result != 0)
		return result;
	result = segment_header_write(io, made->fd, store_id, id, NULL, 0);
	if (result == 0)
		result = io->sync_dir(io, dir);
	if (result != 0) {
		segment_free(io, made);
		io->unlink(io, path);
		return result;
	}
	*segment = made;
	return 0;
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
	int result = output_path(dir, id, path);

	return result < 0 ? result : make_file(io, path, id, capacity, segment);
}

int segment_finish_output(struct io *io, const char *dir,
			  const uint8_t store_id[SEGMENT_STORE_ID_LEN],
			  struct segment *output,
			  struct segment *const *replaces, size_t n_replaces)
{
	char from[PATH_LEN_MAX];
	char to[PATH_LEN_MAX];
	int result = output_path(dir, output->id, from);

	if (result == 0)
		result = segment_path(to, dir, output->id);
	if (result == 0)
		result = segment_header_write(io, output->fd, store_id,
					      output->id, replaces, n_replaces);
	if (result == 0)
		result = io->rename(io, from, to);
	if (result == 0)
		output->synced_len = output->len;
	return result;
}

void segment_drop_output(struct io *io, const char *dir, struct segment *output)
{
	char path[PATH_LEN_MAX];

	if (!output)
		return;
	if (output_path(dir, output->id, path) == 0)
		io->unlink(io, path);
	segment_unlink(io, dir, output->id);
	segment_free(io, output);
}

/* ---- opening ---- */

int segment_open(struct io *io, const char *dir,
		 const uint8_t store_id[SEGMENT_STORE_ID_LEN], uint32_t id,
		 struct segment **segment)
{
	char path[PATH_LEN_MAX];
	struct segment *opened;
	uint8_t *header = NULL;
	struct io_stat st;
	int result;
	int fd;

	result = segment_path(path, dir, id);
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
		result = segment_header_read(io, fd, store_id, id, &header,
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
	mapping_free(io, segment->mapping);
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
