#include "common/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/entry.h"

enum {
	/* so much is read at once where the size is not told */
	HEAD_GUESS = 512,
	BUFFER_FIRST = 4096,
	/* bytes; a larger buffer is no larger than what it is for */
	BUFFER_DOUBLES = 1 << 20,
	ATTEMPTS = 16, /* lookups that met a moved entry, before BUSY */
	/* checks of many stamps, before BUSY; each but the first few takes
	 * only as long as the stamps, since an answer that stands is kept */
	ROUNDS = 1024,
};

void view_buffer_deinit(struct view_buffer *buffer)
{
	free(buffer->data);
	buffer->data = NULL;
	buffer->cap = 0;
}

void view_buffer_trim(struct view_buffer *buffer, size_t keep)
{
	if (buffer->cap > keep)
		view_buffer_deinit(buffer);
}

static int make_room(struct view_buffer *buffer, size_t len)
{
	size_t cap = buffer->cap ? buffer->cap : BUFFER_FIRST;

	if (buffer->cap >= len)
		return 0;
	while (cap < len && cap < BUFFER_DOUBLES)
		cap *= 2;
	if (cap < len)
		cap = len;
	/* The old bytes are of no use: no realloc, which would copy them. */
	free(buffer->data);
	buffer->data = malloc(cap);
	buffer->cap = buffer->data ? cap : 0;
	return buffer->data ? 0 : -ENOMEM;
}

/* One entry's bytes in the buffer. */
struct read {
	struct entry entry;
	uint32_t segment_id;
	uint64_t off;
	uint64_t rest; /* of the segment, from off on */
	size_t len;    /* bytes in the buffer */
};

static int fetch(const struct view *view, const struct index_place *place,
		 size_t len, struct view_buffer *buffer, struct read *read)
{
	size_t max = view->source.read_max;
	int result;

	if (max != 0 && len > max)
		return -EAGAIN;
	result = make_room(buffer, len);
	if (result < 0)
		return result;
	read->off = (uint64_t)place->off8 * 8;
	read->len = len;
	return view->source.read(view->source.ctx, place->segment, read->off,
				 buffer->data, len, &read->segment_id,
				 &read->rest);
}

/* Bytes to read first: all, or enough to see header and key. */
static size_t first_len(const struct index_place *place, enum view_want want,
			size_t key_len)
{
	size_t len = (size_t)place->len8 * 8;
	size_t head = ENTRY_HEAD_MAX + (key_len ? key_len : HEAD_GUESS);

	if (place->len8 == INDEX_LEN8_UNKNOWN)
		return head;
	/* Nonsense: no entry is so short. */
	if (len < ENTRY_HEAD_LEN)
		return ENTRY_HEAD_LEN;
	if (want == VIEW_VALUE || len < head)
		return len;
	return head;
}

/* The results of these two: 0, VIEW_CORRUPT (or it is gone), -errno. */

/* All of an entry whose head was read. */
static int read_whole(const struct view *view, const struct index_place *place,
		      struct view_buffer *buffer, struct read *read)
{
	const uint64_t total = entry_total_len(&read->entry);
	size_t need;
	int result = fetch(view, place, (size_t)total, buffer, read);

	if (result < 0)
		return result == -ENODATA ? VIEW_CORRUPT : result;
	result = entry_decode(buffer->data, read->len, read->rest,
			      read->segment_id, read->off, &read->entry, &need);
	/* In a stranger's memory it may be another one by now. */
	if (result != 0 || read->entry.kind != ENTRY_PUT ||
	    entry_total_len(&read->entry) != total)
		return VIEW_CORRUPT;
	return 0;
}

static int read_entry(const struct view *view, const struct index_place *place,
		      enum view_want want, size_t key_len,
		      struct view_buffer *buffer, struct read *read)
{
	size_t need = first_len(place, want, key_len);
	uint64_t total;
	int result;

	do {
		result = fetch(view, place, need, buffer, read);
		if (result == 0)
			result = entry_decode(buffer->data, read->len,
					      read->rest, read->segment_id,
					      read->off, &read->entry, &need);
	} while (result == ENTRY_PARTIAL && need > read->len);
	if (result < 0)
		return result == -ENODATA ? VIEW_CORRUPT : result;
	if (result != 0 || read->entry.kind != ENTRY_PUT)
		return VIEW_CORRUPT;
	total = entry_total_len(&read->entry);
	if (place->len8 != INDEX_LEN8_UNKNOWN &&
	    total != (uint64_t)place->len8 * 8)
		return VIEW_CORRUPT;
	if (want == VIEW_HEAD)
		return 0;
	if (read->len < total) {
		result = read_whole(view, place, buffer, read);
		if (result != 0)
			return result;
	}
	if (!entry_value_ok(&read->entry,
			    buffer->data + entry_value_off(&read->entry)))
		return VIEW_CORRUPT;
	return 0;
}

static int finish(const struct view *view, enum view_want want,
		  const struct read *read, struct view_entry *out)
{
	const struct entry *entry = &read->entry;

	out->key = entry->key;
	out->key_len = entry->key_len;
	out->value = want == VIEW_VALUE ? entry->key + entry->key_len : NULL;
	out->value_len = entry->value_len;
	out->version = entry->sequence;
	out->expires_at_ms = entry->expires_at_ms;
	if (entry->expires_at_ms != 0 &&
	    view->source.clock_ms(view->source.ctx) >= entry->expires_at_ms)
		return VIEW_EXPIRED;
	return 0;
}

static bool same_place(const struct index_place *a, const struct index_place *b)
{
	return a->segment == b->segment && a->off8 == b->off8;
}

/* What a lookup said. */
struct look {
	int result;
	struct index_place place;
	struct lookup_stamp stamp;
};

static void look_up(const struct view *view, const struct digest *digest,
		    struct look *look)
{
	look->result =
		lookup_find(view->map, digest, &look->place, &look->stamp);
}

/* view_get; LOOK is the first lookup, and becomes the last one. */
static int get(const struct view *view, const struct digest *digest,
	       const void *key, size_t key_len, enum view_want want,
	       struct view_buffer *buffer, struct view_entry *entry,
	       struct look *look)
{
	struct index_place failed = { 0 };
	bool have_failed = false;
	int i;

	for (i = 0; i < ATTEMPTS; i++) {
		struct read read;
		int result;

		if (i > 0)
			look_up(view, digest, look);
		if (look->result == LOOKUP_NOT_FOUND)
			return VIEW_NOT_FOUND;
		if (look->result != 0)
			return VIEW_BUSY;
		entry->place = look->place;
		result = read_entry(view, &look->place, want, key_len, buffer,
				    &read);
		if (result < 0)
			return result;
		if (result == 0 && (read.entry.key_len != key_len ||
				    memcmp(read.entry.key, key, key_len) != 0))
			result = VIEW_NOT_FOUND;
		if (result == 0)
			return finish(view, want, &read, entry);
		/* Twice at one place: so it is. */
		if (have_failed && same_place(&failed, &look->place))
			return result;
		failed = look->place;
		have_failed = true;
	}
	return VIEW_BUSY;
}

int view_get(const struct view *view, const struct digest *digest,
	     const void *key, size_t key_len, enum view_want want,
	     struct view_buffer *buffer, struct view_entry *entry)
{
	struct look look;

	lookup_prefetch_all(view->map, digest);
	look_up(view, digest, &look);
	return get(view, digest, key, key_len, want, buffer, entry, &look);
}

static void prefetch(const struct view *view, const struct index_place *place,
		     enum view_want want, size_t key_len)
{
	const struct view_source *source = &view->source;

	if (source->prefetch)
		source->prefetch(source->ctx, place->segment,
				 (uint64_t)place->off8 * 8,
				 first_len(place, want, key_len));
}

void view_get_each(const struct view *view, const struct view_key *keys,
		   size_t n, enum view_want want, struct view_buffer *buffer,
		   view_tell *tell, void *ctx)
{
	struct look looks[VIEW_STAGED];
	size_t i;

	for (i = 0; i < n; i++)
		lookup_prefetch(view->map, &keys[i].digest);
	for (i = 0; i < n; i++)
		lookup_prefetch_slot(view->map, &keys[i].digest);
	for (i = 0; i < n; i++) {
		look_up(view, &keys[i].digest, &looks[i]);
		if (looks[i].result == 0)
			prefetch(view, &looks[i].place, want, keys[i].len);
	}
	for (i = 0; i < n; i++) {
		struct view_entry entry;
		int result = get(view, &keys[i].digest, keys[i].data,
				 keys[i].len, want, buffer, &entry, &looks[i]);

		tell(ctx, i, result, &entry);
	}
}

int view_read(const struct view *view, const uint8_t *secret,
	      const struct digest *digest, const struct index_place *place,
	      enum view_want want, struct view_buffer *buffer,
	      struct view_entry *entry)
{
	struct digest found;
	struct read read;
	int result = read_entry(view, place, want, 0, buffer, &read);

	entry->place = *place;
	if (result != 0)
		return result;
	found = digest_of(secret, read.entry.key, read.entry.key_len);
	if (found.lo != digest->lo || found.hi != digest->hi)
		return VIEW_NOT_FOUND;
	return finish(view, want, &read, entry);
}

int view_follow(const struct view *view, const uint8_t *secret,
		const struct digest *digest, const struct index_place *place,
		enum view_want want, struct view_buffer *buffer,
		struct view_entry *entry)
{
	struct index_place at = *place;
	int i;

	for (i = 0; i < ATTEMPTS; i++) {
		struct index_place now;
		struct lookup_stamp stamp;
		int result = view_read(view, secret, digest, &at, want, buffer,
				       entry);

		if (result != VIEW_NOT_FOUND && result != VIEW_CORRUPT)
			return result;
		switch (lookup_find(view->map, digest, &now, &stamp)) {
		case 0:
			break;
		case LOOKUP_NOT_FOUND:
			return VIEW_NOT_FOUND;
		default:
			return VIEW_BUSY;
		}
		/* It lies where it should, and is not what it should be. */
		if (same_place(&now, &at))
			return result;
		at = now;
	}
	return VIEW_BUSY;
}

/* ---- many ---- */

/* What view_get_many was given. */
struct many {
	const struct view *view;
	const struct view_key *keys;
	enum view_want want;
	struct view_buffer *buffer;
	struct view_found *found;
	view_each *each;
	void *ctx;
};

static bool still(const struct view_found *found)
{
	return found->stamp.version_at && lookup_still(&found->stamp);
}

/*
 * Whether what was told of a key stands although its bucket has changed:
 * another key of the bucket did.
 */
static bool stands(const struct view_found *found, const struct look *look)
{
	if (!found->stamp.version_at)
		return false;
	if (look->result == 0)
		return found->result != VIEW_NOT_FOUND &&
		       same_place(&look->place, &found->place);
	return look->result == LOOKUP_NOT_FOUND &&
	       found->result == VIEW_NOT_FOUND;
}

/* Reads a key that was looked up, and tells. */
static int renew(const struct many *many, size_t i, struct look *look)
{
	const struct view_key *key = &many->keys[i];
	struct view_found *found = &many->found[i];
	struct view_entry entry;

	found->result = get(many->view, &key->digest, key->data, key->len,
			    many->want, many->buffer, &entry, look);
	if (found->result == VIEW_BUSY) {
		found->stamp.version_at = NULL;
		return VIEW_BUSY;
	}
	found->stamp = look->stamp;
	if (found->result != VIEW_NOT_FOUND)
		found->place = entry.place;
	return many->each(many->ctx, i, found->result, &entry, many->buffer);
}

/*
 * Asks for N keys from FIRST on again, unless what was told of them is still
 * true: first all buckets are fetched, then all entries, so that one waits
 * for the memory while the others do.
 */
static int renew_some(const struct many *many, size_t first, size_t n,
		      bool *changed)
{
	struct look looks[VIEW_STAGED];
	uint8_t due[VIEW_STAGED];
	size_t n_due = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (still(&many->found[first + i]))
			continue;
		due[n_due++] = (uint8_t)i;
		lookup_prefetch(many->view->map, &many->keys[first + i].digest);
	}
	*changed |= n_due > 0;
	for (i = 0; i < n_due; i++)
		lookup_prefetch_slot(many->view->map,
				     &many->keys[first + due[i]].digest);
	for (i = 0; i < n_due; i++) {
		const struct view_key *key = &many->keys[first + due[i]];

		look_up(many->view, &key->digest, &looks[i]);
		if (looks[i].result == 0)
			prefetch(many->view, &looks[i].place, many->want,
				 key->len);
	}
	for (i = 0; i < n_due; i++) {
		struct view_found *found = &many->found[first + due[i]];
		int result = 0;

		if (stands(found, &looks[i]))
			found->stamp = looks[i].stamp;
		else
			result = renew(many, first + due[i], &looks[i]);
		if (result != 0)
			return result;
	}
	return 0;
}

int view_get_many(const struct view *view, const struct view_key *keys,
		  size_t n, enum view_want want, struct view_buffer *buffer,
		  struct view_found *found, view_each *each, void *ctx)
{
	const struct many many = {
		.view = view,
		.keys = keys,
		.want = want,
		.buffer = buffer,
		.found = found,
		.each = each,
		.ctx = ctx,
	};
	bool changed = true;
	int rounds;

	for (rounds = 0; changed && rounds < ROUNDS; rounds++) {
		size_t i;

		changed = false;
		for (i = 0; i < n; i += VIEW_STAGED) {
			size_t some = n - i < VIEW_STAGED ? n - i : VIEW_STAGED;
			int result = renew_some(&many, i, some, &changed);

			if (result != 0)
				return result;
		}
	}
	return changed ? VIEW_BUSY : 0;
}
