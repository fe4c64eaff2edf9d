#include "common/record.h"

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/entry.h"

enum {
	/* values up to this are copied behind their key: one run of bytes */
	INLINE_MAX = 4096,
};

static const uint64_t record_len_max = UINT64_C(2) << 30;

static bool is_inline(const struct record_op *op)
{
	return op->value_len <= INLINE_MAX;
}

static size_t head_bytes(const struct record_op *op)
{
	uint64_t len =
		entry_len(op->key_len, op->value_len, op->expires_at_ms != 0);

	if (is_inline(op))
		return (size_t)len;
	return bytes_align8(entry_head_len(op->expires_at_ms != 0) +
			    op->key_len);
}

static uint8_t *encode_op(const struct record_op *op, bool in_batch,
			  uint64_t now_ms, uint8_t *at, struct log_item *item)
{
	struct entry entry = {
		.kind = op->is_delete ? ENTRY_TOMBSTONE : ENTRY_PUT,
		.flags = in_batch ? ENTRY_IN_BATCH : 0,
		.key_len = op->key_len,
		.value_len = op->value_len,
		.timestamp_ms = now_ms,
		.expires_at_ms = op->expires_at_ms,
		.key = op->key,
	};
	size_t len = head_bytes(op);

	if (op->expires_at_ms != 0)
		entry.flags |= ENTRY_HAS_EXPIRY;
	item->head = at;
	item->head_len = (uint32_t)entry_value_off(&entry);
	item->value_len = op->value_len;
	item->len = entry_total_len(&entry);
	entry_encode(&entry, at);
	memset(at + item->head_len, 0, len - item->head_len);
	if (!is_inline(op))
		item->value = op->value;
	else if (op->value_len > 0)
		memcpy(at + item->head_len, op->value, op->value_len);
	return at + len;
}

static uint8_t *encode_batch_head(uint32_t n, uint64_t run_len, uint64_t now_ms,
				  uint8_t *at, struct log_item *item)
{
	struct entry entry = {
		.kind = ENTRY_BATCH,
		.value_len = ENTRY_BATCH_VALUE_LEN,
		.timestamp_ms = now_ms,
	};

	item->head = at;
	item->head_len = ENTRY_HEAD_LEN;
	item->value_len = ENTRY_BATCH_VALUE_LEN;
	item->len = entry_total_len(&entry);
	entry_encode(&entry, at);
	entry_batch_put(at + ENTRY_HEAD_LEN, n, run_len);
	return at + item->len;
}

/* Bytes for what encode_op and encode_batch_head will write. */
static uint64_t bytes_needed(const struct record_op *ops, size_t n,
			     uint64_t *run_len)
{
	uint64_t len = ENTRY_HEAD_LEN + ENTRY_BATCH_VALUE_LEN;
	size_t i;

	*run_len = 0;
	for (i = 0; i < n; i++) {
		len += head_bytes(&ops[i]);
		*run_len += entry_len(ops[i].key_len, ops[i].value_len,
				      ops[i].expires_at_ms != 0);
	}
	return len;
}

static uint8_t *take_block(struct spares *spares, size_t len, size_t *cap)
{
	if (spares)
		return spares_take(spares, len, cap);
	*cap = len;
	return malloc(len);
}

/* The record with its arrays behind it; BYTES is where entries go. */
static struct record *allocate(struct spares *spares, size_t n,
			       uint64_t entry_bytes, uint8_t **bytes)
{
	size_t n_items = n + (n > 1);
	size_t items_off = bytes_align8(sizeof(struct record));
	size_t digests_off = items_off + n_items * sizeof(struct log_item);
	size_t expires_off = digests_off + n * sizeof(struct digest);
	size_t bytes_off = expires_off + n * sizeof(uint64_t);
	size_t deletes_off = bytes_off + (size_t)entry_bytes;
	size_t cap;
	uint8_t *block = take_block(spares, deletes_off + n, &cap);
	struct record *record;

	if (!block)
		return NULL;
	/* Entries are written whole by their encoders. */
	memset(block, 0, bytes_off);
	record = (struct record *)(void *)block;
	record->spares = spares;
	record->cap = cap;
	record->n_ops = (uint32_t)n;
	record->log.n_items = (uint32_t)n_items;
	record->log.items = (struct log_item *)(void *)(block + items_off);
	record->digests = (struct digest *)(void *)(block + digests_off);
	record->expires_at_ms = (uint64_t *)(void *)(block + expires_off);
	record->deletes = (bool *)(block + deletes_off);
	*bytes = block + bytes_off;
	return record;
}

struct record *record_new_in(struct spares *spares, const struct record_op *ops,
			     size_t n, const uint8_t *secret, uint64_t now_ms)
{
	struct log_item *item;
	struct record *record;
	uint64_t run_len;
	uint64_t needed = bytes_needed(ops, n, &run_len);
	uint8_t *at;
	size_t i;

	if (run_len > record_len_max)
		return NULL;
	record = allocate(spares, n, needed, &at);
	if (!record)
		return NULL;
	record->log.kind = LOG_WRITE;
	record->log.removes = true;
	item = record->log.items;
	if (n > 1)
		at = encode_batch_head((uint32_t)n, run_len, now_ms, at,
				       item++);
	for (i = 0; i < n; i++) {
		at = encode_op(&ops[i], n > 1, now_ms, at, item++);
		record->digests[i] =
			digest_of(secret, ops[i].key, ops[i].key_len);
		record->expires_at_ms[i] = ops[i].expires_at_ms;
		record->deletes[i] = ops[i].is_delete;
		if (!ops[i].is_delete)
			record->log.removes = false;
	}
	for (i = 0; i < record->log.n_items; i++)
		record->log.len += record->log.items[i].len;
	return record;
}

struct record *record_new(const struct record_op *ops, size_t n,
			  const uint8_t *secret, uint64_t now_ms)
{
	return record_new_in(NULL, ops, n, secret, now_ms);
}

struct record *record_new_special_in(struct spares *spares,
				     enum log_record_kind kind)
{
	uint8_t *bytes;
	struct record *record = allocate(spares, 0, 0, &bytes);

	if (record)
		record->log.kind = kind;
	return record;
}

struct record *record_new_special(enum log_record_kind kind)
{
	return record_new_special_in(NULL, kind);
}

void record_free(struct record *record)
{
	if (record)
		spares_give(record->spares, record, record->cap);
}
