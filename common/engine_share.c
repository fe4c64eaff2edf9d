#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/engine_internal.h"

/*
 * A description of its own for each reader: one that is passed on shares its
 * flags and its offset with whoever passed it.
 */
static int open_again(int fd, int *out)
{
	char path[64];
	int copy;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	do {
		copy = open(path, O_RDONLY | O_CLOEXEC);
	} while (copy < 0 && errno == EINTR);
	if (copy < 0)
		return errno == ENOENT ? ENGINE_UNSUPPORTED : -errno;
	*out = copy;
	return 0;
}

static int share_index(struct local *local, struct engine_request *request)
{
	struct index *index = local->store->index;
	int result = index_own(index);

	if (result == -ENOTSUP)
		return ENGINE_UNSUPPORTED;
	if (result == 0)
		result = open_again(index_header_fd(index), &request->share.fd);
	if (result == 0)
		request->share.len = INDEX_HEADER_LEN;
	return result;
}

static int share_chunk(struct local *local, struct engine_request *request,
		       enum index_family family)
{
	uint64_t number = request->share.number;
	int fd = -ENOENT;
	int result;

	if (number < INDEX_CHUNKS_MAX)
		fd = index_chunk_fd(local->store->index, family,
				    (unsigned int)number);
	if (fd < 0)
		return fd == -ENOENT ? ENGINE_NOT_FOUND : ENGINE_UNSUPPORTED;
	result = open_again(fd, &request->share.fd);
	if (result == 0)
		request->share.len = index_chunk_len((unsigned int)number);
	return result;
}

/* By its name: it has one as long as it is in the table. */
static int share_segment(struct local *local, struct engine_request *request)
{
	struct store *store = local->store;
	struct segment *segment = NULL;
	char path[PATH_LEN_MAX];
	struct io_stat stat;
	int result;
	int fd;

	if (request->share.number <= INDEX_SEGMENT_MASK)
		segment = segments_get(store->segments,
				       (uint32_t)request->share.number);
	if (!segment)
		return ENGINE_NOT_FOUND;
	result = segment_path(path, store->dir, segment->id);
	if (result < 0)
		return result;
	fd = store->io->open(store->io, path, O_RDONLY);
	if (fd < 0)
		return fd;
	result = store->io->stat(store->io, fd, &stat);
	if (result < 0) {
		store->io->close(store->io, fd);
		return result;
	}
	segment->shared = true;
	request->share.fd = fd;
	request->share.len = stat.size;
	request->share.segment = segment->id;
	return 0;
}

static int share(struct local *local, struct engine_request *request)
{
	struct engine_share *wanted = &request->share;

	if (wanted->what == ENGINE_SHARE_INDEX)
		return share_index(local, request);
	if (wanted->index != local->store->index_number)
		return ENGINE_NOT_FOUND;
	switch (wanted->what) {
	case ENGINE_SHARE_PRIMARY:
		return share_chunk(local, request, INDEX_PRIMARY);
	case ENGINE_SHARE_OVERFLOW:
		return share_chunk(local, request, INDEX_OVERFLOW);
	case ENGINE_SHARE_SEGMENT:
		return share_segment(local, request);
	default:
		return -EINVAL;
	}
}

void local_share(struct local *local, struct engine_request *request)
{
	int result = share(local, request);

	request->share.index = local->store->index_number;
	local->n_shared += result == 0;
	local_finish(request, result);
}
