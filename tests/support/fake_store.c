#include "tests/support/fake_store.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	BUCKETS = 4096,
	BODY_MAX = (1 << 30) + (1 << 20),
};

/* An entry stays where it is, so that its number is a scan's cursor. */
struct entry {
	struct entry *next; /* in its bucket */
	uint8_t *key;
	size_t key_len;
	uint8_t *value;
	size_t value_len;
	uint64_t version; /* 0: deleted */
	uint64_t expires_at_ms;
	bool damaged;
};

struct fake_store {
	struct entry *buckets[BUCKETS];
	struct entry **entries;
	size_t n;
	uint64_t last_version;
};

static void *must(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

static void *copy(const void *data, size_t len)
{
	void *made = must(malloc(len + 1));

	if (len > 0)
		memcpy(made, data, len);
	return made;
}

struct fake_store *fake_store_new(void)
{
	return must(calloc(1, sizeof(struct fake_store)));
}

void fake_store_free(struct fake_store *store)
{
	size_t i;

	for (i = 0; i < store->n; i++) {
		free(store->entries[i]->key);
		free(store->entries[i]->value);
		free(store->entries[i]);
	}
	free(store->entries);
	free(store);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool is_there(const struct entry *entry)
{
	return entry && entry->version != 0 &&
	       (entry->expires_at_ms == 0 || entry->expires_at_ms > now_ms());
}

static struct entry **bucket_of(struct fake_store *store,
				const struct message_bytes *key)
{
	const uint8_t *bytes = key->data;
	uint32_t hash = 2166136261U;
	size_t i;

	for (i = 0; i < key->len; i++)
		hash = (hash ^ bytes[i]) * 16777619U;
	return &store->buckets[hash % BUCKETS];
}

static struct entry *find(struct fake_store *store,
			  const struct message_bytes *key)
{
	struct entry *entry;

	for (entry = *bucket_of(store, key); entry; entry = entry->next)
		if (entry->key_len == key->len &&
		    memcmp(entry->key, key->data, key->len) == 0)
			return entry;
	return NULL;
}

static struct entry *find_or_add(struct fake_store *store,
				 const struct message_bytes *key)
{
	struct entry *entry = find(store, key);
	struct entry **bucket = bucket_of(store, key);

	if (entry)
		return entry;
	entry = must(calloc(1, sizeof(*entry)));
	entry->key = copy(key->data, key->len);
	entry->key_len = key->len;
	entry->next = *bucket;
	*bucket = entry;
	store->entries = must(realloc(
		store->entries, (store->n + 1) * sizeof(*store->entries)));
	store->entries[store->n++] = entry;
	return entry;
}

void fake_store_damage(struct fake_store *store, const void *key, size_t len)
{
	struct message_bytes bytes = { key, len };

	find_or_add(store, &bytes)->damaged = true;
}

static uint64_t expiry(const struct message_options *options)
{
	if (options->present & OPT_TTL)
		return now_ms() + options->ttl_ms;
	return options->present & OPT_EXPIRES_AT ? options->expires_at_ms : 0;
}

static bool is_met(struct fake_store *store, const struct message_bytes *key,
		   const struct message_options *options)
{
	struct entry *entry = find(store, key);

	if (options->present & OPT_IF_ABSENT)
		return !is_there(entry);
	if (options->present & OPT_IF_VERSION)
		return is_there(entry) && entry->version == options->if_version;
	return true;
}

static uint64_t put(struct fake_store *store, const struct message_bytes *key,
		    const void *value, size_t value_len, uint64_t expires_at_ms)
{
	struct entry *entry = find_or_add(store, key);

	free(entry->value);
	entry->value = copy(value, value_len);
	entry->value_len = value_len;
	entry->expires_at_ms = expires_at_ms;
	entry->version = ++store->last_version;
	return entry->version;
}

static bool drop(struct fake_store *store, const struct message_bytes *key)
{
	struct entry *entry = find(store, key);
	bool there = is_there(entry);

	if (entry)
		entry->version = 0;
	return there;
}

static void set_item(const struct entry *entry, bool with_value,
		     struct message_item *item)
{
	static const char text[] = "its checksum is wrong";

	item->kind = MESSAGE_ITEM_FOUND;
	if (entry->damaged && with_value) {
		item->kind = MESSAGE_ITEM_ERROR;
		item->error_code = MESSAGE_ERROR_CORRUPT;
		item->error_text.data = text;
		item->error_text.len = strlen(text);
	}
	item->key.data = entry->key;
	item->key.len = entry->key_len;
	item->value.data = entry->value;
	item->value.len = with_value ? entry->value_len : 0;
	item->size = entry->value_len;
	item->version = entry->version;
	item->expires_at_ms = entry->expires_at_ms;
}

static struct message_item *new_items(struct message_reply *reply, size_t n)
{
	reply->items = must(calloc(n + 1, sizeof(*reply->items)));
	reply->n_items = n;
	return reply->items;
}

static void fail(struct message_reply *reply, unsigned int code,
		 const char *text)
{
	reply->error.code = code;
	snprintf(reply->error.text, sizeof(reply->error.text), "%s", text);
}

static void answer_get(struct fake_store *store,
		       const struct message_request *request,
		       struct message_reply *reply)
{
	struct entry *entry = find(store, &request->key);
	struct message_item *item = new_items(reply, 1);

	reply->missing = !is_there(entry);
	item->kind = MESSAGE_ITEM_MISSING;
	if (reply->missing)
		return;
	set_item(entry, request->method == METHOD_GET, item);
	if (item->kind == MESSAGE_ITEM_ERROR)
		fail(reply, MESSAGE_ERROR_CORRUPT, "its checksum is wrong");
}

static void answer_get_many(struct fake_store *store,
			    const struct message_request *request,
			    struct message_reply *reply)
{
	struct message_item *items = new_items(reply, request->n_keys);
	struct entry *entry;
	size_t i;

	for (i = 0; i < request->n_keys; i++) {
		entry = find(store, &request->keys[i]);
		items[i].kind = MESSAGE_ITEM_MISSING;
		if (is_there(entry))
			set_item(entry, true, &items[i]);
	}
}

static void answer_delete(struct fake_store *store,
			  const struct message_request *request,
			  struct message_reply *reply)
{
	size_t i;

	for (i = 0; i < request->n_keys; i++)
		if (!is_met(store, &request->keys[i], &request->options))
			reply->missing = true;
	for (i = 0; i < request->n_keys && !reply->missing; i++)
		reply->count += drop(store, &request->keys[i]);
}

static void answer_batch(struct fake_store *store,
			 const struct message_request *request,
			 struct message_reply *reply)
{
	const struct message_op *op;
	size_t i;

	for (i = 0; i < request->n_ops; i++) {
		op = &request->ops[i];
		if (!is_met(store, &op->key, &op->options)) {
			reply->condition_failed = true;
			reply->failed_index = i;
			return;
		}
	}
	reply->versions = must(calloc(request->n_ops + 1, sizeof(uint64_t)));
	reply->n_versions = request->n_ops;
	for (i = 0; i < request->n_ops; i++) {
		op = &request->ops[i];
		if (op->is_delete)
			drop(store, &op->key);
		else
			reply->versions[i] =
				put(store, &op->key, op->value.data,
				    op->value.len, expiry(&op->options));
	}
}

static void answer_incr(struct fake_store *store,
			const struct message_request *request,
			struct message_reply *reply)
{
	struct entry *entry = find(store, &request->key);
	uint64_t expires_at_ms = 0;
	char text[32] = "0";
	char *end = text;

	if (is_there(entry)) {
		snprintf(text, sizeof(text), "%.*s", (int)entry->value_len,
			 (const char *)entry->value);
		expires_at_ms = entry->expires_at_ms;
	}
	reply->number = strtoll(text, &end, 10);
	if (*end != '\0' || end == text) {
		fail(reply, MESSAGE_ERROR_NOT_INTEGER, "it holds another text");
		return;
	}
	if (__builtin_add_overflow(reply->number, request->by,
				   &reply->number)) {
		fail(reply, MESSAGE_ERROR_OVERFLOW, "the sum is too large");
		return;
	}
	snprintf(text, sizeof(text), "%" PRId64, reply->number);
	reply->version =
		put(store, &request->key, text, strlen(text), expires_at_ms);
}

static void answer_touch(struct fake_store *store,
			 const struct message_request *request,
			 struct message_reply *reply)
{
	struct entry *entry = find(store, &request->key);

	reply->missing = !is_there(entry);
	if (reply->missing)
		return;
	entry->expires_at_ms = expiry(&request->options);
	entry->version = ++store->last_version;
	reply->version = entry->version;
}

static bool is_wanted(const struct entry *entry,
		      const struct message_options *options)
{
	const struct message_bytes *prefix = &options->prefix;

	if (!is_there(entry))
		return false;
	return !(options->present & OPT_PREFIX) ||
	       (entry->key_len >= prefix->len &&
		memcmp(entry->key, prefix->data, prefix->len) == 0);
}

/* The cursor is how many entries were looked at. */
static void answer_scan(struct fake_store *store, size_t *cursor,
			const struct message_request *request,
			struct message_reply *reply)
{
	size_t limit = request->options.present & OPT_LIMIT
			       ? (size_t)request->options.limit
			       : 256;
	struct message_item *items = new_items(reply, limit);
	size_t seen;

	*cursor = 0;
	if (request->cursor.len == sizeof(*cursor))
		memcpy(cursor, request->cursor.data, sizeof(*cursor));
	reply->with_values = request->options.values;
	reply->n_items = 0;
	/* A step looks at LIMIT entries, so some bring nothing. */
	for (seen = 0; *cursor < store->n && seen < limit; seen++, ++*cursor)
		if (is_wanted(store->entries[*cursor], &request->options))
			set_item(store->entries[*cursor], reply->with_values,
				 &items[reply->n_items++]);
	if (*cursor < store->n) {
		reply->cursor.data = cursor;
		reply->cursor.len = sizeof(*cursor);
	}
}

static void set_bytes(struct message_bytes *bytes, const char *text)
{
	bytes->data = text;
	bytes->len = strlen(text);
}

static void answer_stats(struct fake_store *store, struct message_reply *reply)
{
	struct message_stat *stats = must(calloc(3, sizeof(*stats)));

	set_bytes(&stats[0].name, "puts_total");
	set_bytes(&stats[0].help, "versions given so far");
	stats[0].kind = MESSAGE_STAT_COUNTER;
	stats[0].value = store->last_version;
	set_bytes(&stats[1].name, "entries");
	set_bytes(&stats[1].help, "entries ever made");
	stats[1].kind = MESSAGE_STAT_GAUGE;
	stats[1].value = store->n;
	set_bytes(&stats[2].name, "state");
	set_bytes(&stats[2].help, "how it is");
	stats[2].kind = MESSAGE_STAT_TEXT;
	set_bytes(&stats[2].text, "fine");
	reply->stats = stats;
	reply->n_stats = 3;
}

static void add_limit(struct message_reply *reply, const char *name,
		      uint64_t value)
{
	struct message_limit *limit;

	if (value == 0)
		return;
	limit = &reply->limits[reply->n_limits++];
	set_bytes(&limit->name, name);
	limit->value = value;
}

static void answer_hello(const struct fake_hello *hello,
			 struct message_reply *reply)
{
	reply->protocol = hello->protocol;
	set_bytes(&reply->server, "fake/1");
	reply->limits = must(calloc(4, sizeof(*reply->limits)));
	add_limit(reply, "something_max", 7);
	add_limit(reply, "value_max", hello->value_max);
	add_limit(reply, "frame_max", hello->frame_max);
	add_limit(reply, "pipeline", hello->pipeline);
	reply->capabilities = must(calloc(1, sizeof(*reply->capabilities)));
	set_bytes(&reply->capabilities[0], "attach");
	reply->n_capabilities = hello->attach ? 1 : 0;
}

static void answer_put(struct fake_store *store,
		       const struct message_request *request,
		       struct message_reply *reply)
{
	reply->missing = !is_met(store, &request->key, &request->options);
	if (!reply->missing)
		reply->version =
			put(store, &request->key, request->value.data,
			    request->value.len, expiry(&request->options));
}

static void clear(struct fake_store *store)
{
	size_t i;

	for (i = 0; i < store->n; i++)
		store->entries[i]->version = 0;
}

static uint64_t count(const struct fake_store *store)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < store->n; i++)
		n += is_there(store->entries[i]);
	return n;
}

static void answer(struct fake_store *store, const struct fake_hello *hello,
		   const struct message_request *request, size_t *cursor,
		   struct message_reply *reply)
{
	switch (request->method) {
	case METHOD_HELLO:
		answer_hello(hello, reply);
		return;
	case METHOD_GET:
	case METHOD_STAT:
		answer_get(store, request, reply);
		return;
	case METHOD_GET_MANY:
		answer_get_many(store, request, reply);
		return;
	case METHOD_PUT:
		answer_put(store, request, reply);
		return;
	case METHOD_DELETE:
		answer_delete(store, request, reply);
		return;
	case METHOD_BATCH:
		answer_batch(store, request, reply);
		return;
	case METHOD_INCR:
		answer_incr(store, request, reply);
		return;
	case METHOD_TOUCH:
		answer_touch(store, request, reply);
		return;
	case METHOD_CLEAR:
		clear(store);
		return;
	case METHOD_COUNT:
		reply->count = count(store);
		return;
	case METHOD_SCAN:
		answer_scan(store, cursor, request, reply);
		return;
	case METHOD_STATS:
		answer_stats(store, reply);
		return;
	case METHOD_ATTACH:
		reply->error.code = MESSAGE_ERROR_UNSUPPORTED;
		return;
	case METHOD_PING:
	case METHOD_SYNC:
	case METHOD_COMPACT:
	case METHOD_BACKUP:
	case METHOD_COUNT_OF:
		return;
	}
}

void fake_store_answer(struct fake_store *store, const struct fake_hello *hello,
		       const struct message_request *request,
		       struct buffer *out)
{
	struct message_reply reply;
	size_t cursor;
	int r;

	memset(&reply, 0, sizeof(reply));
	reply.id = request->id;
	reply.durability = MESSAGE_DURABILITY_ALWAYS;
	if (request->options.present & OPT_DURABILITY)
		reply.durability = request->options.durability;
	answer(store, hello, request, &cursor, &reply);
	if (reply.error.code != MESSAGE_ERROR_NONE)
		r = message_encode_error(out, reply.id, &reply.error);
	else
		r = message_encode_reply(out, BODY_MAX, request->method,
					 &reply);
	if (r < 0)
		abort();
	message_reply_deinit(&reply);
}
