#include "client/direct.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/connect.h"
#include "client/direct_internal.h"

enum {
	/* Chunks that one lookup may lack: its bucket's, then its chain's. */
	CHUNKS_A_KEY = 64,
	CACHE_LINE = 64,
	PREFETCH_MAX = 512, /* bytes: the processor goes on by itself */
};

/* ---- the source of the view ---- */

static int read_segment(void *ctx, uint32_t segment, uint64_t off, void *data,
			size_t len, uint32_t *segment_id, uint64_t *rest)
{
	struct direct *direct = ctx;
	int result = direct_map_read(&direct->map, segment, off, data, len,
				     segment_id, rest);

	if (result != -EAGAIN)
		return result;
	result = direct_attach_segment(direct, segment);
	if (result == 0)
		result = direct_map_read(&direct->map, segment, off, data, len,
					 segment_id, rest);
	/* Gone, or the place is nonsense: looked up again, it may be right. */
	return result == -EAGAIN ? -ENODATA : result;
}

static void prefetch_segment(void *ctx, uint32_t segment, uint64_t off,
			     size_t len)
{
	const struct direct *direct = ctx;
	const struct direct_segment *found =
		direct_map_find(&direct->map, segment);
	const uint8_t *at;
	const uint8_t *end;

	if (!found || !found->base || off >= found->len)
		return;
	if (len > found->len - off)
		len = (size_t)(found->len - off);
	if (len > PREFETCH_MAX)
		len = PREFETCH_MAX;
	at = found->base + off / CACHE_LINE * CACHE_LINE;
	end = found->base + off + len;
	for (; at < end; at += CACHE_LINE)
		__builtin_prefetch(at);
}

/* Never a cached time: what has expired is gone. */
static uint64_t clock_ms(void *ctx)
{
	struct timespec now;

	(void)ctx;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- states ---- */

struct direct *direct_new(enum getme_direct mode)
{
	struct direct *direct = calloc(1, sizeof(*direct));

	if (!direct)
		return NULL;
	direct->map.preads = mode == GETME_DIRECT_PREAD;
	direct->view.source.read = read_segment;
	direct->view.source.prefetch = prefetch_segment;
	direct->view.source.clock_ms = clock_ms;
	direct->view.source.ctx = direct;
	buffer_init(&direct->values);
	return direct;
}

void direct_free(struct direct *direct)
{
	if (!direct)
		return;
	direct_detach(direct);
	view_buffer_deinit(&direct->buffer);
	buffer_deinit(&direct->values);
	free(direct->keys);
	free(direct->found);
	free(direct);
}

void direct_detach(struct direct *direct)
{
	if (!direct)
		return;
	direct_map_clear(&direct->map);
	direct->view.map = NULL;
	direct->state = DIRECT_DETACHED;
}

static void refuse(struct direct *direct, uint64_t pass_max)
{
	direct_detach(direct);
	direct->state = DIRECT_REFUSED;
	direct->n_passed = 0;
	direct->pass_max = pass_max;
}

/* Of what could not be had: whether that may have changed. */
static bool may_try_again(struct direct *direct, const struct getme *handle)
{
	return handle->transport.fd < 0 ||
	       handle->n_connections != direct->connection ||
	       direct->n_passed++ >= direct->pass_max;
}

static bool attach(struct direct *direct, struct getme *handle)
{
	int result;

	/* Why not is told by the read over the socket. */
	if (connect_ready(handle, handle_deadline(handle)) != 0)
		return false;
	direct->connection = handle->n_connections;
	direct->asks_held = 0;
	if (!handle->may_attach) {
		refuse(direct, UINT64_MAX);
		return false;
	}
	result = direct_attach_index(direct);
	if (result < 0) {
		refuse(direct, result == -ENOTSUP ? UINT64_MAX : DIRECT_PASSES);
		return false;
	}
	direct->state = DIRECT_ATTACHED;
	direct->view.map = direct->map.index;
	return lookup_is_current(direct->map.index);
}

/* Whether what is attached may be believed from this instant on. */
static bool is_current(const struct direct *direct, const struct getme *handle)
{
	return handle->transport.fd >= 0 &&
	       handle->n_connections == direct->connection &&
	       lookup_is_current(direct->map.index);
}

bool direct_begin(struct getme *handle)
{
	struct direct *direct = handle->direct;

	if (!direct || handle->tickets.n > 0)
		return false;
	direct->handle = handle;
	direct->n_asks = 0;
	direct->timed_out = false;
	if (direct->state == DIRECT_ATTACHED && is_current(direct, handle))
		return true;
	if (direct->state == DIRECT_REFUSED && !may_try_again(direct, handle))
		return false;
	direct_detach(direct);
	return attach(direct, handle);
}

int direct_elsewhere(const struct direct *direct)
{
	return direct && direct->timed_out ? GETME_E_TIMEOUT : DIRECT_ELSEWHERE;
}

int direct_add_chunk_for(struct direct *direct, const struct digest *digest)
{
	struct lookup_stamp stamp = { .version_at = NULL };
	struct index_place place;

	switch (lookup_find(direct->map.index, digest, &place, &stamp)) {
	case LOOKUP_NEED_CHUNK:
		return direct_attach_chunk(direct, stamp.family, stamp.chunk) ==
				       0
			       ? 0
			       : -EAGAIN;
	case LOOKUP_BUSY:
		return -EAGAIN;
	default:
		return -EALREADY;
	}
}

/* ---- one key ---- */

static int look(struct direct *direct, const struct digest *digest,
		const void *key, size_t key_len, enum view_want want,
		struct view_entry *entry)
{
	int result;
	int i;

	for (i = 0; i < CHUNKS_A_KEY; i++) {
		result = view_get(&direct->view, digest, key, key_len, want,
				  &direct->buffer, entry);
		if (result != VIEW_BUSY ||
		    direct_add_chunk_for(direct, digest) != 0)
			return result;
	}
	return VIEW_BUSY;
}

int direct_get(struct getme *handle, enum method_id method, const void *key,
	       size_t key_len, struct getme_value *value)
{
	enum view_want want = method == METHOD_GET ? VIEW_VALUE : VIEW_HEAD;
	struct direct *direct = handle->direct;
	struct view_entry entry;
	struct digest digest;

	if (!direct_begin(handle))
		return direct_elsewhere(direct);
	view_buffer_trim(&direct->buffer, DIRECT_KEEP);
	if (direct->values.cap > DIRECT_KEEP)
		buffer_deinit(&direct->values);
	digest = digest_of(direct->map.index->header->secret, key, key_len);
	switch (look(direct, &digest, key, key_len, want, &entry)) {
	case 0:
		direct_describe(&entry, value);
		if (entry.value_len > 0)
			value->data = entry.value;
		return 0;
	case VIEW_NOT_FOUND:
	case VIEW_EXPIRED:
		return GETME_NOT_FOUND;
	default:
		return direct_elsewhere(direct);
	}
}
