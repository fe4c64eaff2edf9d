/*
 * Direct reads while the shared memory is anybody's: the client's own code
 * over a small store that the real writer made, and that the input changes,
 * before a read or in the middle of it.
 *
 * This program stands in for client/direct_attach.c: it lends the memory.  It
 * sees each word that a lookup loads and each copy out of a segment, and
 * judges what was given out by what was copied.
 *
 * Input: a byte, whose bit 0 says that segments are read by pread; then steps,
 * as tests/support/hostile_steps.h has them.
 */
#include <errno.h>
#include <sanitizer/asan_interface.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/direct_internal.h"
#include "tests/support/entry_witness.h"
#include "tests/support/hostile_steps.h"

static void on_load(const void *at, size_t len);

/* The lookup's own code, with a call before each of its loads. */
#define __atomic_load_n(at, order)                                             \
	(on_load((at), sizeof(*(at))), __atomic_load_n((at), (order)))
#include "common/lookup.c" /* NOLINT(bugprone-suspicious-include) */
#undef __atomic_load_n

enum {
	MANY_MAX = 64,
	/* Beyond those of the store, each is as one of them but for its id. */
	NUMBER_MAX = 127,
	STEP_MIN = 4, /* bytes of the input */
	/* Of one call: far more than the worst that is meant to be. */
	LOADS_MAX = 1 << 26,
	READS_MAX = 1 << 18,
};

static struct hostile_store store;
static struct getme *handle;
static int (*real_read)(void *ctx, uint32_t segment, uint64_t off, void *data,
			size_t len, uint32_t *segment_id, uint64_t *rest);

/* Of one input. */
static struct hostile_steps steps;
static bool is_lied_to; /* something came that was not what it should be */
static bool attaching;	/* the index' header */
static struct {
	const struct shared_block *block;
	uint32_t id;
} lent[NUMBER_MAX + 1]; /* segments, by their numbers */

/* Of one call. */
static bool is_of_many;
static struct entry_witness witness;
static size_t n_loads;
static size_t n_reads;
static uint64_t earliest_ms;
/* The last copy, if it was one of the only key that is read. */
static struct {
	bool is_known;
	uint32_t segment;
	uint64_t off;
	uint64_t rest;
	size_t n_done;
} last;

static void check(bool holds)
{
	if (!holds)
		abort();
}

/* ---- in the place of client/direct_attach.c ---- */

/* The block to lend, or NULL and an error; a lie is told once. */
static const struct shared_block *choose(unsigned int wanted, uint32_t *id,
					 int *error)
{
	struct hostile_act lie;

	hostile_steps_event(&steps);
	lie = steps.lie;
	steps.lie.what = 0;
	if (lie.what == 0)
		return hostile_block(&store, wanted);
	is_lied_to = true;
	switch (lie.where % 4) {
	case 0:
		*error = -ENODATA;
		return NULL;
	case 1:
		*error = -EIO;
		return NULL;
	case 2:
		*id += lie.how * (INDEX_SEGMENT_MASK + 1U);
		return hostile_block(&store, wanted);
	default:
		return hostile_block(&store, lie.which % HOSTILE_BLOCKS);
	}
}

/* An index, of the layout that is known, unless it became one meanwhile. */
static void judge_header(const struct shared_block *block)
{
	struct index_header header;

	check(block->len >= INDEX_HEADER_LEN);
	memcpy(&header, block->memory, sizeof(header));
	check(header.magic == INDEX_MAGIC && header.layout == INDEX_LAYOUT);
}

int direct_attach_index(struct direct *direct)
{
	const struct shared_block *block;
	uint32_t id = 0;
	int result = 0;
	size_t n_done;

	block = choose(SHARED_HEADER, &id, &result);
	if (!block)
		return result;
	n_done = steps.n_done;
	attaching = true;
	result = direct_map_add_header(&direct->map, dup(block->fd));
	attaching = false;
	if (result == 0 && steps.n_done == n_done)
		judge_header(block);
	return result;
}

int direct_attach_chunk(struct direct *direct, enum index_family family,
			unsigned int number)
{
	const unsigned int first =
		family == INDEX_PRIMARY ? SHARED_PRIMARY : SHARED_OVERFLOW;
	const struct shared_block *block;
	uint32_t id = 0;
	int result = 0;

	if (direct->n_asks++ >= DIRECT_ASKS_MAX)
		return -ENOTCONN;
	if (number >= SHARED_CHUNKS)
		return -ENODATA;
	block = choose(first + number, &id, &result);
	if (!block)
		return result;
	result = direct_map_add_chunk(&direct->map, family, number,
				      dup(block->fd));
	check(result != 0 || block->len >= index_chunk_len(number));
	return result;
}

int direct_attach_segment(struct direct *direct, uint32_t low)
{
	const struct shared_block *block;
	uint32_t id = SHARED_ID_BASE + low;
	int result = 0;

	if (direct->n_asks++ >= DIRECT_ASKS_MAX)
		return -ENOTCONN;
	if (low < 1 || low > NUMBER_MAX)
		return -ENODATA;
	block = choose(SHARED_SEGMENT + (low - 1) % SHARED_SEGMENTS, &id,
		       &result);
	if (!block)
		return result;
	result = direct_map_add_segment(&direct->map, id, dup(block->fd));
	lent[low].block = result == 0 ? block : NULL;
	lent[low].id = id;
	return result;
}

/* ---- what is seen of a read ---- */

static bool is_within(const void *at, size_t len, const void *base, size_t all)
{
	uintptr_t off = (uintptr_t)at - (uintptr_t)base;

	return base && off < all && len <= all - off;
}

/* In what is mapped of the index, or in the table of that. */
static bool may_be_loaded(const void *at, size_t len)
{
	const struct lookup_map *map = handle->direct->map.index;
	unsigned int i;

	if (attaching || is_within(at, len, map, sizeof(*map)) ||
	    is_within(at, len, map->header, INDEX_HEADER_LEN))
		return true;
	for (i = 0; i < SHARED_CHUNKS; i++)
		if (is_within(at, len, map->chunks[INDEX_PRIMARY][i],
			      index_chunk_len(i)) ||
		    is_within(at, len, map->chunks[INDEX_OVERFLOW][i],
			      index_chunk_len(i)))
			return true;
	return false;
}

static void on_load(const void *at, size_t len)
{
	/* The writer's, while the store is made. */
	if (!handle)
		return;
	check(++n_loads < LOADS_MAX);
	check(may_be_loaded(at, len));
	hostile_steps_event(&steps);
}

/* Nothing is made room for that an entry cannot have: its segment ends. */
static void judge_length(uint32_t segment, uint64_t off, size_t len)
{
	if (last.is_known && last.segment == segment && last.off == off &&
	    last.n_done == steps.n_done)
		check(len <= last.rest);
}

/* Of the buffer only LEN bytes may be looked at, all before another copy. */
static void lay_open(size_t len)
{
	const struct view_buffer *buffer = &handle->direct->buffer;

	ASAN_UNPOISON_MEMORY_REGION(buffer->data, buffer->cap);
	ASAN_POISON_MEMORY_REGION(buffer->data + len, buffer->cap - len);
}

/* What it brings are the bytes that are there, of the block that was lent. */
static int watched_read(void *ctx, uint32_t segment, uint64_t off, void *data,
			size_t len, uint32_t *segment_id, uint64_t *rest)
{
	const struct shared_block *block;
	int result;

	hostile_steps_event(&steps);
	check(++n_reads < READS_MAX);
	judge_length(segment, off, len);
	lay_open(len);
	result = real_read(ctx, segment, off, data, len, segment_id, rest);
	if (result == 0) {
		check(segment >= 1 && segment <= NUMBER_MAX);
		block = lent[segment].block;
		check(block && off < block->len && len <= block->len - off);
		check(*segment_id == lent[segment].id);
		check(*rest == block->len - off);
		check(memcmp(data, block->memory + off, len) == 0);
		entry_witness_note(&witness, data, len, *rest, *segment_id,
				   off);
		last.segment = segment;
		last.off = off;
		last.rest = *rest;
		last.n_done = steps.n_done;
	}
	last.is_known = result == 0 && !is_of_many;
	hostile_steps_event(&steps);
	return result;
}

static uint64_t watched_clock(void *ctx)
{
	(void)ctx;
	hostile_steps_event(&steps);
	if (steps.now_ms < earliest_ms)
		earliest_ms = steps.now_ms;
	return steps.now_ms;
}

static void begin_call(bool of_many)
{
	is_of_many = of_many;
	last.is_known = false;
	witness.n = 0;
	n_loads = 0;
	n_reads = 0;
	earliest_ms = UINT64_MAX;
}

/* ---- what is said of an answer ---- */

/* It was copied in whole, its checksums held, and its time is not over. */
static void judge_value(const struct hostile_key *key,
			const struct getme_value *value, bool whole)
{
	const void *data = value->len > 0 ? value->data : "";

	check((value->data != NULL) == (whole && value->len > 0));
	check(entry_witness_saw(&witness, key->text, key->len,
				whole ? data : NULL, value->len, value->version,
				value->expires_at_ms));
	/* The last time that can be told may stand for a later one. */
	check(value->expires_at_ms == -1 || value->expires_at_ms == INT64_MAX ||
	      (uint64_t)value->expires_at_ms > earliest_ms);
}

/* Of a store that is as it was put, unless it is not known here. */
static void judge_clean(const struct hostile_key *key, int result,
			const struct getme_value *value, bool whole)
{
	static const int results[] = {
		[HOSTILE_FOUND] = 0,
		[HOSTILE_NOT_FOUND] = GETME_NOT_FOUND,
		[HOSTILE_DAMAGED] = DIRECT_ELSEWHERE,
	};
	/* Whom nothing has happened to has no reason to ask elsewhere. */
	const bool must_know = steps.n_done == 0;

	check(result == results[key->outcome] ||
	      (result == DIRECT_ELSEWHERE && !must_know));
	if (result != 0)
		return;
	check(value->len == key->value_len);
	if (whole && value->len > 0)
		check(memcmp(value->data, key->value, value->len) == 0);
}

static void judge(const struct hostile_key *key, int result,
		  const struct getme_value *value, bool whole, bool clean)
{
	check(result == 0 || result == GETME_NOT_FOUND ||
	      result == DIRECT_ELSEWHERE);
	if (result == 0)
		judge_value(key, value, whole);
	if (clean)
		judge_clean(key, result, value, whole);
}

/* ---- steps ---- */

static bool is_clean(void)
{
	return hostile_steps_are_none(&steps) && !is_lied_to;
}

static void read_one(const struct hostile_key *key, enum method_id method)
{
	const bool clean = is_clean();
	const size_t n_done = steps.n_done;
	struct getme_value value;
	int result;

	begin_call(false);
	result = direct_get(handle, method, key->text, key->len, &value);
	judge(key, result, &value, method == METHOD_GET,
	      clean && steps.n_done == n_done);
}

static void read_many(size_t first, size_t n)
{
	const bool clean = is_clean();
	const size_t n_done = steps.n_done;
	struct getme_bytes names[MANY_MAX];
	struct getme_item items[MANY_MAX];
	const struct hostile_key *key;
	bool damaged = false;
	int result;
	size_t i;

	for (i = 0; i < n; i++) {
		key = &store.keys[(first + i) % HOSTILE_KEYS];
		names[i] = (struct getme_bytes){ key->text, key->len };
		damaged |= key->outcome == HOSTILE_DAMAGED;
	}
	begin_call(true);
	result = direct_get_many(handle, names, n, items);
	check(result == 0 || result == DIRECT_ELSEWHERE);
	check(result == 0 || damaged || steps.n_done > 0);
	for (i = 0; i < n && result == 0; i++) {
		key = &store.keys[(first + i) % HOSTILE_KEYS];
		check(items[i].key.data == names[i].data);
		judge(key, items[i].result, &items[i].value, true,
		      clean && steps.n_done == n_done);
	}
}

static void take(const struct hostile_act *act)
{
	const struct hostile_key *key = &store.keys[act->which % HOSTILE_KEYS];

	switch (act->what & 15) {
	case HOSTILE_GET:
		read_one(key, METHOD_GET);
		return;
	case HOSTILE_STAT:
		read_one(key, METHOD_STAT);
		return;
	case HOSTILE_GET_MANY:
		read_many(act->which, act->where % MANY_MAX + 1U);
		return;
	case HOSTILE_DETACH:
		direct_detach(handle->direct);
		is_lied_to = false;
		return;
	default:
		hostile_steps_take(&steps, act);
	}
}

/* ---- one input ---- */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct socket_path path = { .text = "" };
	int pair[2];

	(void)argc;
	(void)argv;
	hostile_store_init(&store);
	handle = handle_new(&path, -1);
	check(handle && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	transport_adopt(&handle->transport, pair[0]);
	handle->n_connections = 1;
	handle->may_attach = true;
	return 0;
}

static void begin(bool preads)
{
	handle->direct =
		direct_new(preads ? GETME_DIRECT_PREAD : GETME_DIRECT_AUTO);
	check(handle->direct != NULL);
	real_read = handle->direct->view.source.read;
	handle->direct->view.source.read = watched_read;
	handle->direct->view.source.clock_ms = watched_clock;
	/* Memory for what is beyond any end would take most of the time. */
	handle->direct->view.source.read_max = 2 * SHARED_SEGMENT_LEN;
	hostile_steps_begin(&steps, &store);
	memset(lent, 0, sizeof(lent));
	is_lied_to = false;
}

/* What was changed back is read as it was. */
static void end(void)
{
	hostile_steps_undo(&steps);
	read_one(&store.keys[0], METHOD_GET);
	read_many(HOSTILE_FIRST_OF_CROWD, HOSTILE_CROWD);
	direct_free(handle->direct);
	handle->direct = NULL;
}

static int lowest_free_fd(void)
{
	int fd = dup(handle->transport.fd);

	check(fd >= 0);
	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const int fd = lowest_free_fd();
	struct hostile_act act;
	size_t n;

	if (len < 1)
		return 0;
	begin(data[0] & 1);
	for (data++, len--; len >= STEP_MIN; data += n, len -= n) {
		n = hostile_steps_parse(data, len, &act);
		take(&act);
	}
	end();
	check(lowest_free_fd() == fd);
	return 0;
}
