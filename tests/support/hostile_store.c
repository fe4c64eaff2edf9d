#include "tests/support/hostile_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum {
	CUT_LEN = 6000 + 24, /* of the first segment: within an entry */
};

struct plain {
	const char *text; /* NULL: a long one */
	size_t value_len;
	unsigned int segment;
	struct maker_entry entry;
	uint32_t len8; /* 0: its own */
	enum hostile_outcome outcome;
};

static const struct plain plain_keys[HOSTILE_FIRST_OF_CROWD] = {
	{ .text = "plain", .value_len = 7, .segment = 1 },
	{ .text = "empty", .segment = 1 },
	{ .text = NULL, .value_len = 20, .segment = 1 },
	/* It begins as another one. */
	{ .text = "plain large", .value_len = HOSTILE_LARGE, .segment = 1 },
	{ .text = "expired",
	  .value_len = 9,
	  .segment = 2,
	  .entry = { .expires_at_ms = HOSTILE_NOW_MS },
	  .outcome = HOSTILE_NOT_FOUND },
	{ .text = "expires",
	  .value_len = 9,
	  .segment = 2,
	  .entry = { .expires_at_ms = HOSTILE_NOW_MS + 1 } },
	{ .text = "alone",
	  .value_len = 700,
	  .segment = 4,
	  .len8 = INDEX_LEN8_UNKNOWN },
	{ .text = "dead",
	  .segment = 2,
	  .entry = { .kind = ENTRY_TOMBSTONE },
	  .outcome = HOSTILE_DAMAGED },
	{ .text = "absent", .outcome = HOSTILE_NOT_FOUND },
};

static void name(struct hostile_key *key, const char *text)
{
	if (text)
		snprintf(key->text, sizeof(key->text), "%s", text);
	else
		memset(key->text, 'k', HOSTILE_LONG_KEY);
	key->len = strlen(key->text);
	key->digest = shared_digest(key->text, key->len);
}

static void add(struct hostile_store *store, size_t i, const struct plain *from)
{
	struct hostile_key *key = &store->keys[i];
	struct maker_entry entry = from->entry;
	size_t j;

	key->value_len = from->value_len;
	key->outcome = from->outcome;
	key->segment = from->segment;
	for (j = 0; j < key->value_len; j++)
		key->value[j] = (uint8_t)(i * 7 + j * 13 + j / 256);
	if (key->segment == 0)
		return;
	entry.key = key->text;
	entry.value = key->value;
	entry.value_len = key->value_len;
	/* Else it would be taken for a text. */
	if (entry.value_len == 0)
		entry.value = NULL;
	entry.sequence = i + 1;
	key->place = shared_store_put(&store->shared, key->segment, &entry,
				      from->len8);
}

static uint64_t bucket_of(const struct hostile_key *key)
{
	return index_bucket_of(key->digest.lo, INDEX_BUCKETS_MIN);
}

static void add_crowd(struct hostile_store *store)
{
	struct hostile_key *first = &store->keys[HOSTILE_FIRST_OF_CROWD];
	struct plain crowd = { .segment = 3 };
	unsigned int number = 0;
	size_t i = HOSTILE_FIRST_OF_CROWD;
	char text[32];

	while (i < HOSTILE_KEYS) {
		snprintf(text, sizeof(text), "crowd %u", number++);
		name(&store->keys[i], text);
		if (bucket_of(&store->keys[i]) != bucket_of(first))
			continue;
		crowd.value_len = i;
		add(store, i, &crowd);
		i++;
	}
}

/* A segment that ends early, what is too short, an index that has ended. */
static void make_odd(struct hostile_store *store)
{
	const struct shared_block *blocks = store->shared.blocks;
	struct shared_block *odd = store->odd;
	struct index_header *header;

	shared_block_init(&odd[0], CUT_LEN, 0);
	memcpy(odd[0].memory, blocks[SHARED_SEGMENT].memory, CUT_LEN);
	shared_block_init(&odd[1], SHARED_FIRST_ENTRY - 1, F_SEAL_SHRINK);
	shared_block_init(&odd[2], INDEX_HEADER_LEN, F_SEAL_SHRINK);
	memcpy(odd[2].memory, blocks[SHARED_HEADER].memory, INDEX_HEADER_LEN);
	header = (void *)odd[2].memory;
	header->closed = 1;
	/* It can shrink, and is all zeros. */
	shared_block_init(&odd[3], SHARED_SEGMENT_LEN, 0);
}

void hostile_store_init(struct hostile_store *store)
{
	struct hostile_key *key = store->keys;
	size_t i;

	memset(store, 0, sizeof(*store));
	shared_store_init(&store->shared);
	for (i = 0; i < HOSTILE_FIRST_OF_CROWD; i++) {
		name(&store->keys[i], plain_keys[i].text);
		add(store, i, &plain_keys[i]);
	}
	add_crowd(store);
	shared_store_publish(&store->shared);
	for (; key < store->keys + HOSTILE_KEYS; key++)
		if (key->segment != 0)
			key->slot = shared_slot(&store->shared, &key->digest);
	make_odd(store);
}

const struct shared_block *hostile_block(const struct hostile_store *store,
					 unsigned int number)
{
	if (number < SHARED_BLOCKS)
		return &store->shared.blocks[number];
	return &store->odd[number - SHARED_BLOCKS];
}
