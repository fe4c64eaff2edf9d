#include "common/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/path.h"
#include "common/segment_header.h"
#include "common/segment_reader.h"

static const char quarantine_name[] = "quarantine";

enum {
	COPY_LEN = 256 << 10,
	NAMES_STEP = 64,
};

static bool ends_with(const char *name, const char *end)
{
	size_t len = strlen(name);
	size_t end_len = strlen(end);

	return len > end_len && strcmp(name + len - end_len, end) == 0;
}

/* Whether NAME is an unfinished file of ours. */
static bool is_tmp(const char *name)
{
	char base[SEGMENT_NAME_MAX];
	uint32_t id;
	bool is_hint;
	size_t len = strlen(name);

	if (!ends_with(name, ".tmp") || len - 4 >= sizeof(base))
		return false;
	memcpy(base, name, len - 4);
	base[len - 4] = 0;
	return manifest_is_name(base) ||
	       segment_parse_name(base, &id, &is_hint);
}

static int look_at(void *ctx, const char *name)
{
	struct folder_view *view = ctx;
	uint32_t id;
	bool is_hint;

	if (manifest_is_name(name)) {
		view->manifest = true;
	} else if (segment_parse_name(name, &id, &is_hint)) {
		view->segments = true;
	} else if (strcmp(name, "LOCK") != 0 && !is_tmp(name) &&
		   strcmp(name, "lost+found") != 0) {
		view->foreign = true;
		snprintf(view->foreign_name, sizeof(view->foreign_name), "%s",
			 name);
	}
	return 0;
}

int folder_look(struct io *io, const char *dir, struct folder_view *view)
{
	memset(view, 0, sizeof(*view));
	return io->list(io, dir, look_at, view);
}

/* PATH without its last part; false: there is none above. */
static bool parent_of(const char *path, char parent[PATH_LEN_MAX])
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	while (len > 0 && path[len - 1] != '/')
		len--;
	while (len > 1 && path[len - 1] == '/')
		len--;
	if (len == 0) {
		return path_copy(parent, ".") == 0 && strcmp(path, ".") != 0;
	}
	if (len >= PATH_LEN_MAX)
		return false;
	memcpy(parent, path, len);
	parent[len] = 0;
	return strcmp(parent, path) != 0;
}

/*
 * A folder that is there may have been made by a process that was killed
 * before it synced the name.  Whose parent we may not read we did not make.
 */
static int sync_name(struct io *io, const char *parent)
{
	int result = io->sync_dir(io, parent);

	return result == -EACCES || result == -EPERM ? 0 : result;
}

int folder_make_last(struct io *io, const char *dir, bool *made)
{
	char parent[PATH_LEN_MAX];
	bool has_parent = parent_of(dir, parent);
	int result = io->mkdir(io, dir);

	*made = result == 0;
	if (result < 0 && result != -EEXIST)
		return result;
	if (!has_parent)
		return 0;
	return *made ? io->sync_dir(io, parent) : sync_name(io, parent);
}

int folder_make(struct io *io, const char *dir, unsigned int *made)
{
	char parent[PATH_LEN_MAX];
	bool is_new;
	int result = folder_make_last(io, dir, &is_new);

	*made = is_new;
	if (result != -ENOENT || is_new || !parent_of(dir, parent))
		return result;
	result = folder_make(io, parent, made);
	if (result < 0)
		return result;
	result = folder_make_last(io, dir, &is_new);
	*made += is_new;
	return result;
}

void folder_unmake(struct io *io, const char *dir, unsigned int made)
{
	char path[PATH_LEN_MAX];
	char parent[PATH_LEN_MAX];

	if (path_copy(path, dir) < 0)
		return;
	while (made > 0) {
		int result = io->rmdir(io, path);

		/* A folder_make that failed did not come down to DIR. */
		if (result == 0)
			made--;
		else if (result != -ENOENT)
			break;
		if (!parent_of(path, parent) || path_copy(path, parent) < 0)
			break;
	}
}

struct sweep {
	const struct manifest *manifest;
	char (*names)[SEGMENT_NAME_MAX + 4];
	size_t n;
	size_t cap;
};

static int sweep_each(void *ctx, const char *name)
{
	struct sweep *sweep = ctx;
	uint32_t id;
	bool is_hint;

	if (!is_tmp(name) && (!segment_parse_name(name, &id, &is_hint) ||
			      manifest_find(sweep->manifest, id)))
		return 0;
	if (sweep->n == sweep->cap) {
		size_t cap = sweep->cap + NAMES_STEP;
		void *grown =
			realloc(sweep->names, cap * sizeof(*sweep->names));

		if (!grown)
			return -ENOMEM;
		sweep->names = grown;
		sweep->cap = cap;
	}
	snprintf(sweep->names[sweep->n++], sizeof(*sweep->names), "%s", name);
	return 0;
}

static int make_quarantine(struct io *io, const char *dir,
			   char path[PATH_LEN_MAX])
{
	int result = path_join(path, dir, quarantine_name);

	if (result < 0)
		return result;
	result = io->mkdir(io, path);
	if (result == -EEXIST)
		return 0;
	return result < 0 ? result : io->sync_dir(io, dir);
}

/* A name in the quarantine that tells what it was, and is new. */
static int quarantine_path(struct io *io, const char *quarantine,
			   const char *name, const char *suffix,
			   char out[PATH_LEN_MAX])
{
	char full[SEGMENT_NAME_MAX + 64];
	uint64_t now = io->clock_ms(io);

	for (;;) {
		int result;

		snprintf(full, sizeof(full), "%s%s.%llu", name, suffix,
			 (unsigned long long)now++);
		result = path_join(out, quarantine, full);
		if (result < 0)
			return result;
		result = io->open(io, out, O_RDONLY);
		if (result < 0)
			return result == -ENOENT ? 0 : result;
		io->close(io, result);
	}
}

static int move_away(struct io *io, const char *dir, const char *name)
{
	char quarantine[PATH_LEN_MAX];
	char from[PATH_LEN_MAX];
	char to[PATH_LEN_MAX];
	int result;

	result = make_quarantine(io, dir, quarantine);
	if (result == 0)
		result = path_join(from, dir, name);
	if (result == 0)
		result = quarantine_path(io, quarantine, name, "", to);
	if (result == 0)
		result = io->rename(io, from, to);
	if (result == 0)
		result = io->sync_dir(io, quarantine);
	return result;
}

/* 0: there is a file of that name; -ENOENT, or why nobody can tell. */
static int look_for(struct io *io, const char *dir, const char *name)
{
	char path[PATH_LEN_MAX];
	int fd = path_join(path, dir, name);

	if (fd == 0)
		fd = io->open(io, path, O_RDONLY);
	if (fd < 0)
		return fd;
	io->close(io, fd);
	return 0;
}

/*
 * Whether an unlisted segment holds only copies: all that it is made of is
 * listed, and there, or was replaced by something else: a clear.
 */
static int is_copy(struct io *io, const char *dir,
		   const struct manifest *manifest, uint32_t id, bool *copy)
{
	uint32_t *ids = NULL;
	size_t n = 0;
	size_t i;
	int result = segment_header_replaces(io, dir, manifest->store_id, id,
					     &ids, &n);

	*copy = false;
	if (result != 0)
		return result > 0 || result == -ENOENT ? 0 : result;
	*copy = n > 0;
	for (i = 0; i < n; i++) {
		const struct manifest_segment *row =
			manifest_find(manifest, ids[i]);
		char name[SEGMENT_NAME_MAX];

		segment_name(ids[i], name);
		if (!row || (row->state != MANIFEST_REPLACED &&
			     look_for(io, dir, name) != 0))
			*copy = false;
	}
	free(ids);
	return 0;
}

static int remove_name(struct io *io, const char *dir, const char *name)
{
	char path[PATH_LEN_MAX];
	int result = path_join(path, dir, name);

	if (result == 0)
		result = io->unlink(io, path);
	return result == -ENOENT ? 0 : result;
}

/* The hint first: by itself nobody could tell what it belonged to. */
static int remove_copy(struct io *io, const char *dir, uint32_t id)
{
	char name[SEGMENT_NAME_MAX];
	int result;

	segment_hint_name(id, name);
	result = remove_name(io, dir, name);
	if (result < 0)
		return result;
	segment_name(id, name);
	return remove_name(io, dir, name);
}

/*
 * Whether an unlisted segment was to be a spare, and nothing was ever written
 * behind its header, or not even that.  Who cannot tell says no.
 */
static bool is_unused(struct io *io, const char *dir,
		      const struct manifest *manifest, uint32_t id)
{
	struct segment_reader reader;
	struct segment *segment = NULL;
	uint64_t begin = 0;
	uint64_t end = UINT64_MAX;
	int result = segment_open(io, dir, manifest->store_id, id, &segment);

	if (!segment)
		return false;
	if (result == 0)
		begin = SEGMENT_HEADER_LEN;
	result = segment_reader_init(&reader, io, segment, begin,
				     segment->capacity);
	if (result == 0) {
		result = segment_reader_data_end(&reader, begin, &end);
		segment_reader_deinit(&reader);
	}
	segment_free(io, segment);
	return result == 0 && end == begin;
}

static int sweep_one(struct io *io, const char *dir,
		     const struct manifest *manifest, const char *name,
		     struct folder_swept *swept)
{
	bool is_hint;
	bool copy;
	uint32_t id;
	int result;

	if (is_tmp(name) || !segment_parse_name(name, &id, &is_hint)) {
		swept->n_tmp++;
		return remove_name(io, dir, name);
	}
	result = is_copy(io, dir, manifest, id, &copy);
	if (result < 0)
		return result;
	if (copy) {
		swept->n_tmp++;
		return remove_copy(io, dir, id);
	}
	if (!is_hint && is_unused(io, dir, manifest, id)) {
		swept->n_tmp++;
		return remove_name(io, dir, name);
	}
	/* It may have gone with its segment. */
	if (look_for(io, dir, name) == -ENOENT)
		return 0;
	swept->n_quarantined++;
	return move_away(io, dir, name);
}

int folder_sweep(struct io *io, const char *dir,
		 const struct manifest *manifest, struct folder_swept *swept)
{
	struct sweep sweep = { .manifest = manifest };
	int result;
	size_t i;

	memset(swept, 0, sizeof(*swept));
	result = io->list(io, dir, sweep_each, &sweep);
	for (i = 0; result == 0 && i < sweep.n; i++)
		result = sweep_one(io, dir, manifest, sweep.names[i], swept);
	free(sweep.names);
	return result;
}

static int copy_bytes(struct io *io, int from, int to, uint64_t off,
		      uint64_t len)
{
	uint8_t *buffer = malloc(COPY_LEN);
	uint64_t done = 0;
	int result = buffer ? 0 : -ENOMEM;

	while (result == 0 && done < len) {
		size_t n = COPY_LEN;

		if (n > len - done)
			n = (size_t)(len - done);
		result = io_pread_full(io, from, buffer, n, off + done);
		if (result == 0)
			result = io_pwrite_full(io, to, buffer, n, done);
		done += n;
	}
	free(buffer);
	return result;
}

int folder_quarantine(struct io *io, const char *dir,
		      const struct segment *segment, uint64_t off, uint64_t len)
{
	char quarantine[PATH_LEN_MAX];
	char name[SEGMENT_NAME_MAX];
	char suffix[32];
	char to[PATH_LEN_MAX];
	int result;
	int fd;

	result = make_quarantine(io, dir, quarantine);
	if (result < 0)
		return result;
	segment_name(segment->id, name);
	snprintf(suffix, sizeof(suffix), ".from-%llu", (unsigned long long)off);
	result = quarantine_path(io, quarantine, name, suffix, to);
	if (result < 0)
		return result;
	fd = io->open(io, to, O_RDWR | O_CREAT | O_EXCL);
	if (fd < 0)
		return fd;
	result = copy_bytes(io, segment->fd, fd, off, len);
	if (result == 0)
		result = io->sync(io, fd);
	io->close(io, fd);
	if (result == 0)
		result = io->sync_dir(io, quarantine);
	else
		io->unlink(io, to);
	return result;
}
