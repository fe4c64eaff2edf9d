#include "tests/support/fake_engine.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <time.h>

enum {
	N_BUCKETS = 4096,
	CURSOR_LEN = 8,
	SCAN_DEFAULT = 256,
	OWNED_MIN = 16 << 10, /* bytes; such values are given away, most */
};

struct entry {
	struct entry *next_in_bucket;
	struct entry *next; /* in the order of serial */
	uint64_t serial;
	uint64_t version;
	uint64_t expires_at_ms;
	uint8_t *key;
	size_t key_len;
	uint8_t *value;
	size_t value_len;
	bool there; /* deleted keys leave their entry */
};

struct fake_engine {
	struct engine engine;
	struct engine_host host;
	struct fake_behaviour behaviour;
	struct engine_request *first; /* in the order of submission */
	struct engine_request *last;
	size_t n_in_flight;
	size_t n_answered;
	uint64_t turn;
	uint64_t random;
	uint64_t sequence;
	uint64_t serial;
	struct entry *buckets[N_BUCKETS];
	struct entry *entries;
	struct entry *last_entry;
	struct engine_event event;
	bool has_event;
};

static struct fake_engine *self_of(struct engine *engine)
{
	return (struct fake_engine *)engine;
}

static uint64_t draw(struct fake_engine *self, uint64_t below)
{
	self->random = self->random * UINT64_C(6364136223846793005) + 1;
	return (self->random >> 33) % below;
}

static void *must(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static struct entry **bucket_of(struct fake_engine *self,
				struct engine_bytes key)
{
	const uint8_t *data = key.data;
	uint32_t hash = 2166136261;

	for (size_t i = 0; i < key.len; i++)
		hash = (hash ^ data[i]) * 16777619;
	return &self->buckets[hash % N_BUCKETS];
}

static struct entry *find_slot(struct fake_engine *self,
			       struct engine_bytes key)
{
	struct entry *entry = *bucket_of(self, key);

	while (entry && (entry->key_len != key.len ||
			 memcmp(entry->key, key.data, key.len) != 0))
		entry = entry->next_in_bucket;
	return entry;
}

static bool is_there(const struct entry *entry)
{
	return entry && entry->there &&
	       (entry->expires_at_ms == 0 || entry->expires_at_ms > now_ms());
}

static struct entry *find(struct fake_engine *self, struct engine_bytes key)
{
	struct entry *entry = find_slot(self, key);

	return is_there(entry) ? entry : NULL;
}

static struct entry *make_slot(struct fake_engine *self,
			       struct engine_bytes key)
{
	struct entry **bucket = bucket_of(self, key);
	struct entry *entry = must(calloc(1, sizeof(*entry)));

	entry->key = must(malloc(key.len + 1));
	memcpy(entry->key, key.data, key.len);
	entry->key_len = key.len;
	entry->serial = ++self->serial;
	entry->next_in_bucket = *bucket;
	*bucket = entry;
	if (self->last_entry)
		self->last_entry->next = entry;
	else
		self->entries = entry;
	self->last_entry = entry;
	return entry;
}

static void set_value(struct entry *entry, const void *data, size_t len)
{
	uint8_t *copy = must(malloc(len + 1));

	if (len > 0)
		memcpy(copy, data, len);
	free(entry->value);
	entry->value = copy;
	entry->value_len = len;
}

static bool condition_met(struct fake_engine *self,
			  const struct engine_mutation *mutation)
{
	const struct entry *entry = find(self, mutation->key);

	switch (mutation->condition) {
	case ENGINE_IF_ABSENT:
		return !entry;
	case ENGINE_IF_VERSION:
		return entry && entry->version == mutation->if_version;
	case ENGINE_ALWAYS_DO:
		break;
	}
	return true;
}

/* Says through RESULT what stands in the way of incr. */
static int add_up(const struct entry *entry, int64_t by, int64_t *sum)
{
	char text[32];
	char *end;
	long long old = 0;

	if (entry) {
		if (entry->value_len == 0 || entry->value_len >= sizeof(text))
			return ENGINE_NOT_INTEGER;
		memcpy(text, entry->value, entry->value_len);
		text[entry->value_len] = '\0';
		errno = 0;
		old = strtoll(text, &end, 10);
		if (*end || errno)
			return ENGINE_NOT_INTEGER;
	}
	return __builtin_add_overflow(old, by, sum) ? ENGINE_OVERFLOW : 0;
}

/* incr and touch are alone in a write: what can fail, does so before. */
static int check(struct fake_engine *self, struct engine_mutation *mutation)
{
	const struct entry *entry = find(self, mutation->key);

	if (mutation->kind == ENGINE_TOUCH && !entry)
		return ENGINE_NOT_FOUND;
	if (mutation->kind == ENGINE_INCR)
		return add_up(entry, mutation->by, &mutation->number);
	return 0;
}

static void apply(struct fake_engine *self, struct engine_mutation *mutation)
{
	struct entry *entry = find_slot(self, mutation->key);
	uint64_t expires_at_ms = mutation->expires_at_ms;
	char text[32];

	mutation->existed = is_there(entry);
	mutation->version = 0;
	self->sequence++;
	if (mutation->kind == ENGINE_DELETE) {
		if (entry)
			entry->there = false;
		return;
	}
	if (!entry)
		entry = make_slot(self, mutation->key);
	if (mutation->kind == ENGINE_PUT)
		set_value(entry, mutation->value.data, mutation->value.len);
	if (mutation->kind == ENGINE_INCR) {
		snprintf(text, sizeof(text), "%" PRId64, mutation->number);
		set_value(entry, text, strlen(text));
		expires_at_ms = mutation->existed ? entry->expires_at_ms : 0;
	}
	entry->expires_at_ms = expires_at_ms;
	entry->there = true;
	entry->version = self->sequence;
	mutation->version = self->sequence;
}

static int do_write(struct fake_engine *self, struct engine_request *request)
{
	int result = self->behaviour.write_result;

	if (result != 0 && (result != ENGINE_UNKNOWN || draw(self, 2)))
		return result;
	for (size_t i = 0; i < request->n_mutations; i++) {
		if (!condition_met(self, &request->mutations[i])) {
			request->failed_index = i;
			return ENGINE_CONDITION;
		}
	}
	for (size_t i = 0; i < request->n_mutations; i++) {
		int fault = check(self, &request->mutations[i]);

		if (fault != 0)
			return fault;
	}
	for (size_t i = 0; i < request->n_mutations; i++)
		apply(self, &request->mutations[i]);
	request->reached =
		request->durability != ENGINE_DEFAULT
			? request->durability
			: self->behaviour.capabilities.default_durability;
	return result;
}

/* A value to be taken over, which need not begin where its memory does. */
static void own_value(struct engine_item *item, size_t skip)
{
	uint8_t *copy = must(malloc(skip + item->value.len));

	memcpy(copy + skip, item->value.data, item->value.len);
	item->value_owner = copy;
	item->value.data = copy + skip;
}

static void fill(struct engine_item *item, const struct entry *entry,
		 bool with_value)
{
	item->key.data = entry->key;
	item->key.len = entry->key_len;
	item->value_len = entry->value_len;
	item->version = entry->version;
	item->expires_at_ms = entry->expires_at_ms;
	if (!with_value)
		return;
	item->value.data = entry->value;
	item->value.len = entry->value_len;
	if (entry->value_len >= OWNED_MIN && entry->version % 4 != 0)
		own_value(item, entry->version % 16);
}

static int do_get(struct fake_engine *self, struct engine_request *request)
{
	const struct entry *entry = find(self, request->keys[0]);

	if (!entry)
		return ENGINE_NOT_FOUND;
	request->items = must(calloc(1, sizeof(*request->items)));
	request->n_items = 1;
	fill(request->items, entry, request->op == ENGINE_GET);
	return 0;
}

static int do_get_many(struct fake_engine *self, struct engine_request *request)
{
	request->items = must(calloc(request->n_keys, sizeof(*request->items)));
	request->n_items = request->n_keys;
	for (size_t i = 0; i < request->n_keys; i++) {
		const struct entry *entry = find(self, request->keys[i]);

		if (self->behaviour.item_result != 0)
			request->items[i].result = self->behaviour.item_result;
		else if (entry)
			fill(&request->items[i], entry, true);
		else
			request->items[i].result = ENGINE_NOT_FOUND;
		request->items[i].key = request->keys[i];
	}
	return 0;
}

static bool has_prefix(const struct entry *entry, struct engine_bytes prefix)
{
	return entry->key_len >= prefix.len &&
	       (prefix.len == 0 ||
		memcmp(entry->key, prefix.data, prefix.len) == 0);
}

static int do_scan(struct fake_engine *self, struct engine_request *request)
{
	size_t limit = request->limit ? request->limit : SCAN_DEFAULT;
	const struct entry *entry = self->entries;
	uint64_t after = 0;

	if (request->cursor_len != 0 && request->cursor_len != CURSOR_LEN)
		return ENGINE_BAD_CURSOR;
	memcpy(&after, request->cursor, request->cursor_len);
	request->items = must(calloc(limit, sizeof(*request->items)));
	for (; entry && request->n_items < limit; entry = entry->next) {
		if (entry->serial <= after || !is_there(entry) ||
		    !has_prefix(entry, request->prefix))
			continue;
		fill(&request->items[request->n_items], entry,
		     request->with_values);
		request->items[request->n_items++].result =
			self->behaviour.item_result;
		memcpy(request->cursor, &entry->serial, CURSOR_LEN);
	}
	request->cursor_len = entry ? CURSOR_LEN : 0;
	return 0;
}

static int do_count(struct fake_engine *self, struct engine_request *request)
{
	request->count = 0;
	for (const struct entry *at = self->entries; at; at = at->next)
		request->count += is_there(at);
	return 0;
}

static int do_clear(struct fake_engine *self)
{
	if (self->behaviour.write_result != 0)
		return self->behaviour.write_result;
	for (struct entry *at = self->entries; at; at = at->next)
		at->there = false;
	return 0;
}

static int do_stats(struct engine_request *request)
{
	static const struct engine_stat rows[] = {
		{ "keys", "keys in the store", ENGINE_STAT_GAUGE, 7, NULL },
		{ "puts_total", "puts", ENGINE_STAT_COUNTER, 8, NULL },
		{ "engine", "which one", ENGINE_STAT_TEXT, 0, "fake" },
	};

	request->stats = rows;
	request->n_stats = sizeof(rows) / sizeof(rows[0]);
	return 0;
}

static int do_task(struct fake_engine *self, struct engine_request *request)
{
	struct fake_behaviour *behaviour = &self->behaviour;

	if (request->op == ENGINE_BACKUP)
		snprintf(behaviour->path, sizeof(behaviour->path), "%s",
			 request->path);
	behaviour->n_tasks++;
	request->text = behaviour->task_text;
	return behaviour->task_result;
}

static int do_share(const struct fake_engine *self,
		    struct engine_request *request)
{
	if (self->behaviour.share_result != 0)
		return self->behaviour.share_result;
	request->share.index = 7;
	request->share.len = 4096 + request->share.number;
	request->share.fd = dup(self->behaviour.share_fd);
	return request->share.fd < 0 ? -EMFILE : 0;
}

static int perform(struct fake_engine *self, struct engine_request *request)
{
	const struct fake_behaviour *behaviour = &self->behaviour;

	if (behaviour->every_result != 0)
		return behaviour->every_result;
	switch (request->op) {
	case ENGINE_WRITE:
		return do_write(self, request);
	case ENGINE_CLEAR:
		return do_clear(self);
	case ENGINE_SYNC:
		return 0;
	case ENGINE_STATS:
		return do_stats(request);
	case ENGINE_COMPACT:
	case ENGINE_BACKUP:
		return do_task(self, request);
	default:
		break;
	}
	if (behaviour->read_result != 0)
		return behaviour->read_result;
	switch (request->op) {
	case ENGINE_GET:
	case ENGINE_STAT:
		return do_get(self, request);
	case ENGINE_GET_MANY:
		return do_get_many(self, request);
	case ENGINE_SCAN:
		return do_scan(self, request);
	case ENGINE_COUNT:
		return do_count(self, request);
	case ENGINE_SHARE:
		return do_share(self, request);
	default:
		return -EINVAL;
	}
}

/* What the result points to ends with done: freed, so that ASan notices. */
static void answer(struct fake_engine *self, struct engine_request *request,
		   int result)
{
	struct engine_item *items;
	size_t n_items;

	self->n_in_flight--;
	self->n_answered++;
	request->result = result;
	items = request->items;
	n_items = request->n_items;
	request->done(request);
	for (size_t i = 0; i < n_items; i++)
		free(items[i].value_owner);
	free(items);
}

static bool is_write(const struct engine_request *request)
{
	return request->op == ENGINE_WRITE || request->op == ENGINE_CLEAR;
}

static bool is_dependent(const struct engine_request *request)
{
	if (request->op == ENGINE_CLEAR)
		return true;
	for (size_t i = 0; i < request->n_mutations; i++)
		if (request->mutations[i].condition != ENGINE_ALWAYS_DO ||
		    request->mutations[i].kind >= ENGINE_INCR)
			return true;
	return false;
}

static bool is_task(const struct engine_request *request)
{
	return request->op == ENGINE_COMPACT || request->op == ENGINE_BACKUP;
}

static void fake_submit(struct engine *engine, struct engine_request *request)
{
	struct fake_engine *self = self_of(engine);
	unsigned int delay = self->behaviour.delay_turns;

	request->items = NULL;
	request->n_items = 0;
	request->text = NULL;
	request->next = NULL;
	request->internal =
		(void *)(uintptr_t)(self->turn + 1 + draw(self, delay + 1));
	if (self->last)
		self->last->next = request;
	else
		self->first = request;
	self->last = request;
	self->n_in_flight++;
}

/* Takes out what is due: writes in order, but for the late dependent ones. */
static struct engine_request *take_due(struct fake_engine *self)
{
	struct engine_request *late = NULL;
	struct engine_request **late_end = &late;
	struct engine_request *due = NULL;
	struct engine_request **end = &due;
	bool blocked = false;

	self->last = NULL;
	while (self->first) {
		struct engine_request *at = self->first;
		bool is_due = (uintptr_t)at->internal <= self->turn;

		self->first = at->next;
		at->next = NULL;
		if (is_task(at) && self->behaviour.hold_tasks)
			is_due = false;
		if (is_write(at)) {
			is_due = is_due && !blocked;
			if (!is_due &&
			    !(self->behaviour.reorder && is_dependent(at)))
				blocked = true;
		}
		if (is_due) {
			*end = at;
			end = &at->next;
		} else {
			*late_end = at;
			late_end = &at->next;
			self->last = at;
		}
	}
	self->first = late;
	return due;
}

/* Reads may be answered in any order: every second one waits for the end. */
static void answer_all(struct fake_engine *self, struct engine_request *due)
{
	struct engine_request *put_off = NULL;

	while (due) {
		struct engine_request *next = due->next;

		if (self->behaviour.reorder && !is_write(due) &&
		    draw(self, 2)) {
			due->next = put_off;
			put_off = due;
		} else {
			answer(self, due, perform(self, due));
		}
		due = next;
	}
	while (put_off) {
		struct engine_request *next = put_off->next;

		answer(self, put_off, perform(self, put_off));
		put_off = next;
	}
}

static void fake_turn(struct engine *engine)
{
	struct fake_engine *self = self_of(engine);

	if (self->behaviour.hold)
		return;
	self->turn++;
	answer_all(self, take_due(self));
}

bool fake_engine_may_move(const struct engine *engine)
{
	const struct fake_engine *self = (const struct fake_engine *)engine;
	const struct engine_request *at = self->first;

	if (self->behaviour.hold)
		return false;
	while (at && self->behaviour.hold_tasks && is_task(at))
		at = at->next;
	return at;
}

static int fake_next_timeout_ms(struct engine *engine)
{
	return fake_engine_may_move(engine) ? 0 : -1;
}

static bool fake_take_event(struct engine *engine, struct engine_event *event)
{
	struct fake_engine *self = self_of(engine);

	if (!self->has_event)
		return false;
	*event = self->event;
	self->has_event = false;
	return true;
}

static enum engine_state fake_state(struct engine *engine, const char **text)
{
	const struct fake_engine *self = self_of(engine);

	*text = self->behaviour.state_text;
	return self->behaviour.state;
}

static void fake_capabilities(struct engine *engine,
			      struct engine_capabilities *capabilities)
{
	*capabilities = self_of(engine)->behaviour.capabilities;
}

static int fake_close(struct engine *engine)
{
	struct fake_engine *self = self_of(engine);

	while (self->first) {
		struct engine_request *at = self->first;

		self->first = at->next;
		answer(self, at, ENGINE_CLOSED);
	}
	while (self->entries) {
		struct entry *at = self->entries;

		self->entries = at->next;
		free(at->key);
		free(at->value);
		free(at);
	}
	free(self);
	return 0;
}

static const struct engine_ops fake_ops = {
	.submit = fake_submit,
	.turn = fake_turn,
	.next_timeout_ms = fake_next_timeout_ms,
	.take_event = fake_take_event,
	.state = fake_state,
	.capabilities = fake_capabilities,
	.close = fake_close,
};

void fake_behaviour_init(struct fake_behaviour *behaviour)
{
	memset(behaviour, 0, sizeof(*behaviour));
	behaviour->seed = 1;
	behaviour->state_text = "";
	behaviour->capabilities.value_max = 64 << 20;
	behaviour->capabilities.batches = true;
	behaviour->capabilities.conditions = true;
	behaviour->capabilities.default_durability = ENGINE_ALWAYS;
}

struct engine *fake_engine_new(const struct fake_behaviour *behaviour,
			       const struct engine_host *host)
{
	struct fake_engine *self = must(calloc(1, sizeof(*self)));

	self->engine.ops = &fake_ops;
	self->behaviour = *behaviour;
	self->random = behaviour->seed;
	if (host)
		self->host = *host;
	return &self->engine;
}

struct fake_behaviour *fake_engine_behaviour(struct engine *engine)
{
	return &self_of(engine)->behaviour;
}

void fake_engine_say(struct engine *engine, int priority, const char *text)
{
	struct fake_engine *self = self_of(engine);

	self->event.priority = priority;
	snprintf(self->event.text, sizeof(self->event.text), "%s", text);
	self->has_event = true;
}

size_t fake_engine_n_in_flight(const struct engine *engine)
{
	return ((const struct fake_engine *)engine)->n_in_flight;
}

size_t fake_engine_n_answered(const struct engine *engine)
{
	return ((const struct fake_engine *)engine)->n_answered;
}
