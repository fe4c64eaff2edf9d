#include "common/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/store_internal.h"

enum {
	SCAN_STEP = 256,
	BUFFER_KEEP = 1 << 20,
};

/* ---- reading ---- */

static int read_result(struct store *store, int result,
		       const struct view_entry *entry)
{
	switch (result) {
	case VIEW_NOT_FOUND:
	case VIEW_EXPIRED:
		return STORE_NOT_FOUND;
	case VIEW_CORRUPT:
		store_note_corrupt(store, &entry->place);
		return STORE_CORRUPT;
	case VIEW_BUSY:
		return -EIO;
	default:
		return result;
	}
}

int store_get(struct store *store, const void *key, size_t key_len,
	      struct store_value *value)
{
	struct view view = store_view(store);
	struct view_entry entry;
	struct digest digest = digest_of(store->secret, key, key_len);
	uint8_t *copy;
	int result;

	result = view_get(&view, &digest, key, key_len, VIEW_VALUE,
			  &store->buffer, &entry);
	if (result != 0)
		return read_result(store, result, &entry);
	copy = malloc(entry.value_len ? (size_t)entry.value_len : 1);
	if (!copy)
		return -ENOMEM;
	if (entry.value_len > 0)
		memcpy(copy, entry.value, (size_t)entry.value_len);
	value->data = copy;
	value->len = (size_t)entry.value_len;
	value->version = entry.version;
	value->expires_at_ms = entry.expires_at_ms;
	view_buffer_trim(&store->buffer, BUFFER_KEEP);
	return 0;
}

uint64_t store_count(const struct store *store)
{
	return index_count(store->index);
}

int store_scan(struct store *store, uint64_t *cursor,
	       void (*each)(void *ctx, int result, const void *key,
			    size_t key_len, const struct store_value *value),
	       void *ctx)
{
	struct index_scan_item items[SCAN_STEP];
	struct view view = store_view(store);
	size_t n;
	size_t i;
	int result;

	if (*cursor == INDEX_SCAN_END)
		return STORE_END;
	result = index_scan(store->index, cursor, items, SCAN_STEP, &n);
	if (result < 0)
		return result;
	for (i = 0; i < n; i++) {
		struct view_entry entry;
		struct store_value value;

		result = view_read(&view, store->secret, &items[i].digest,
				   &items[i].place, VIEW_VALUE, &store->buffer,
				   &entry);
		result = read_result(store, result, &entry);
		if (result == STORE_NOT_FOUND)
			continue;
		if (result != 0) {
			each(ctx, result, NULL, 0, NULL);
			continue;
		}
		/* Borrowed by EACH, for as long as it runs. */
		value.data =
			store->buffer.data + (entry.value - store->buffer.data);
		value.len = (size_t)entry.value_len;
		value.version = entry.version;
		value.expires_at_ms = entry.expires_at_ms;
		each(ctx, 0, entry.key, entry.key_len, &value);
	}
	view_buffer_trim(&store->buffer, BUFFER_KEEP);
	return *cursor == INDEX_SCAN_END ? STORE_END : 0;
}

/* ---- becoming visible ---- */

int store_reserve(struct store *store, const struct record *record,
		  size_t n_pending)
{
	return index_reserve(store->index, record->digests, record->n_ops,
			     n_pending);
}

void store_note_dead(struct store *store, const struct index_place *place)
{
	struct segment *segment = segments_get(store->segments, place->segment);
	uint64_t len = (uint64_t)place->len8 * 8;

	if (!segment)
		return;
	if (place->len8 == INDEX_LEN8_UNKNOWN)
		len = segment->live_bytes;
	if (place->flags & INDEX_HAS_EXPIRY)
		segment->expiring_bytes -= len;
	segment->live_bytes -= len;
	segment->dead_bytes += len;
	store->live_bytes -= len;
	store->dead_bytes += len;
}

static void apply_item(struct store *store, const struct record *record,
		       uint32_t i)
{
	const struct log_item *item = record_item(record, i);
	struct segment *segment = record->log.segment;
	const struct digest *digest = &record->digests[i];
	struct index_place old;
	struct index_place place = {
		.segment = segment->id & INDEX_SEGMENT_MASK,
		.off8 = (uint32_t)(item->off / 8),
		.len8 = item->len / 8 < INDEX_LEN8_UNKNOWN
				? (uint32_t)(item->len / 8)
				: INDEX_LEN8_UNKNOWN,
		.flags = record->expires_at_ms[i] ? INDEX_HAS_EXPIRY : 0,
	};

	if (record->deletes[i]) {
		segment->dead_bytes += item->len;
		segment->tombstone_bytes += item->len;
		store->dead_bytes += item->len;
		if (index_remove(store->index, digest, &old) == 0)
			store_note_dead(store, &old);
		return;
	}
	segment->live_bytes += item->len;
	if (place.flags & INDEX_HAS_EXPIRY)
		segment->expiring_bytes += item->len;
	segment_note_expiry(segment, record->expires_at_ms[i]);
	store->live_bytes += item->len;
	if (index_put(store->index, digest, &place, &old) == INDEX_REPLACED)
		store_note_dead(store, &old);
}

void store_make_visible(struct store *store, const struct record *record)
{
	uint32_t i;

	if (record->n_ops > 1)
		index_begin(store->index, record->digests, record->n_ops);
	for (i = 0; i < record->n_ops; i++)
		apply_item(store, record, i);
	if (record->n_ops > 1)
		index_end(store->index);
	if (record->n_ops > 0)
		store->visible_sequence =
			record_item(record, record->n_ops - 1)->sequence;
}

int store_new_index(struct store *store, struct index **index)
{
	struct index_options options = { .is_private = store->private_index };

	if (retire_reserve_index(&store->retire) < 0)
		return -ENOMEM;
	memcpy(options.secret, store->secret, sizeof(options.secret));
	return index_new(&options, index);
}

/* Taken out of the table while that is walked, which it allows. */
static void discard(struct store *store, struct segment *segment)
{
	segments_remove(store->segments, segment);
	store->live_bytes -= segment->live_bytes;
	store->dead_bytes -= segment->dead_bytes;
	retire_segment(&store->retire, segment);
}

/* What a clear took goes when the index is another one: see below. */
static void discard_replaced(void *ctx, struct segment *segment)
{
	if (segment->replaced && !segment->cleared)
		discard(ctx, segment);
}

static void discard_all_replaced(void *ctx, struct segment *segment)
{
	if (segment->replaced)
		discard(ctx, segment);
}

void store_discard_replaced(struct store *store)
{
	segments_each(store->segments, discard_replaced, store);
}

/*
 * A clear under way has marked all others, too, and the index points to them
 * until it has ended.
 */
static void discard_unused(void *ctx, struct segment *segment)
{
	if (segment->replaced && segment->last_sequence == 0)
		discard_replaced(ctx, segment);
}

void store_sweep(struct store *store)
{
	if (upkeep_found_replaced(store->upkeep))
		segments_each(store->segments, discard_unused, store);
}

void store_make_cleared(struct store *store, struct index *index)
{
	index_close(store->index);
	/* Nobody finds the old one any more when it is retired. */
	atomic_store(&store->map, index_map(index));
	retire_index(&store->retire, store->index);
	store->index = index;
	store->index_number++;
	segments_each(store->segments, discard_all_replaced, store);
	store_compact_cancel(store);
	store->live_bytes = 0;
	store->dead_bytes = 0;
}

/* ---- writing ---- */

int store_log_result(int result)
{
	switch (result) {
	case LOG_UNKNOWN:
		return STORE_UNKNOWN;
	case LOG_READ_ONLY:
		return STORE_READ_ONLY;
	default:
		return result;
	}
}

static int check_writes(const struct store_write *writes, size_t n)
{
	uint64_t bytes = 0;
	size_t i;

	if (n == 0 || n > STORE_BATCH_MAX)
		return -EINVAL;
	for (i = 0; i < n; i++) {
		if (writes[i].key_len == 0 ||
		    writes[i].key_len > STORE_KEY_MAX ||
		    writes[i].value_len > STORE_VALUE_MAX)
			return -EINVAL;
		bytes += writes[i].key_len + writes[i].value_len;
	}
	/* More would lie where the index cannot point. */
	return n > 1 && bytes > STORE_BATCH_BYTES ? -EINVAL : 0;
}

static struct record *make_record(struct store *store,
				  const struct store_write *writes, size_t n)
{
	struct record_op *ops = calloc(n, sizeof(*ops));
	struct record *record;
	size_t i;

	if (!ops)
		return NULL;
	for (i = 0; i < n; i++) {
		ops[i].is_delete = writes[i].is_delete;
		ops[i].key = writes[i].key;
		ops[i].key_len = (uint16_t)writes[i].key_len;
		if (writes[i].is_delete)
			continue;
		ops[i].value = writes[i].value;
		ops[i].value_len = (uint32_t)writes[i].value_len;
		ops[i].expires_at_ms = writes[i].expires_at_ms;
	}
	record = record_new(ops, n, store->secret,
			    store->io->clock_ms(store->io));
	free(ops);
	return record;
}

int store_apply(struct store *store, struct store_write *writes, size_t n,
		enum store_durability durability)
{
	struct record *record;
	size_t i;
	int result = check_writes(writes, n);

	if (result < 0)
		return result;
	record = make_record(store, writes, n);
	if (!record)
		return -ENOMEM;
	/* No thread looks whether there is room again. */
	if (store_is_full(store))
		upkeep_want_spare(store->upkeep);
	result = store_reserve(store, record, 0);
	if (result == 0) {
		log_commit(&store->log, &record->log,
			   durability == STORE_ALWAYS);
		result = store_log_result(record->log.result);
	}
	if (result == 0) {
		store_make_visible(store, record);
		for (i = 0; i < n; i++)
			writes[i].version =
				record_item(record, (uint32_t)i)->sequence;
	}
	record_free(record);
	store_sweep(store);
	upkeep_settle(store->upkeep);
	return result;
}

int store_put(struct store *store, const void *key, size_t key_len,
	      const void *value, size_t value_len,
	      enum store_durability durability)
{
	struct store_write write = {
		.key = key,
		.key_len = key_len,
		.value = value,
		.value_len = value_len,
	};

	return store_apply(store, &write, 1, durability);
}

int store_delete(struct store *store, const void *key, size_t key_len,
		 enum store_durability durability)
{
	struct store_write write = {
		.is_delete = true,
		.key = key,
		.key_len = key_len,
	};
	struct digest digest = digest_of(store->secret, key, key_len);
	struct index_place place;

	if (index_get(store->index, &digest, &place) == 0)
		return store_apply(store, &write, 1, durability);
	if (store->log.read_only)
		return STORE_READ_ONLY;
	/* What took the key away may not be durable yet. */
	return durability == STORE_ALWAYS ? store_sync(store) : 0;
}

static int special(struct store *store, enum log_record_kind kind)
{
	struct record *record = record_new_special(kind);
	int result;

	if (!record)
		return -ENOMEM;
	log_commit(&store->log, &record->log, false);
	result = store_log_result(record->log.result);
	record_free(record);
	return result;
}

int store_clear(struct store *store)
{
	struct index *empty;
	int result = store_new_index(store, &empty);

	if (result < 0)
		return result;
	result = special(store, LOG_CLEAR);
	if (result == 0)
		store_make_cleared(store, empty);
	else
		index_free(empty);
	upkeep_settle(store->upkeep);
	return result;
}

int store_sync(struct store *store)
{
	return store_log_result(log_sync(&store->log));
}

int store_roll(struct store *store)
{
	int result = special(store, LOG_ROLL);

	upkeep_settle(store->upkeep);
	return result;
}

/* ---- looking at it ---- */

bool store_is_full(const struct store *store)
{
	return io_is_full(upkeep_spare_error(store->upkeep));
}

static void sum_disk(void *ctx, struct segment *segment)
{
	uint64_t *disk = ctx;

	/* The active one's length is the log thread's: live and dead will do */
	*disk +=
		segment->header_len + segment->live_bytes + segment->dead_bytes;
}

void store_get_stats(struct store *store, struct store_stats *stats)
{
	struct index_stats index;
	struct upkeep_stats upkeep;

	index_stats(store->index, &index);
	upkeep_get_stats(store->upkeep, &upkeep);
	*stats = store->opened;
	stats->keys = index.n_keys;
	stats->segments = store->segments->count;
	stats->live_bytes = store->live_bytes;
	stats->dead_bytes = store->dead_bytes;
	segments_each(store->segments, sum_disk, &stats->disk_bytes);
	stats->index_bytes = index.memory_len;
	stats->last_sequence = store->log.last_sequence;
	stats->syncs = store->log.n_syncs;
	stats->bytes_written = store->log.n_bytes;
	stats->corrupt_reads = store->corrupt_reads;
	stats->write_errors = store->log.n_write_errors;
	stats->rolls = store->log.n_rolls;
	stats->compactions = store->run.n_runs;
	stats->compactions_failed = store->run.n_failed;
	stats->compaction_bytes_written = store->run.bytes_written;
	stats->compaction_bytes_freed = store->run.bytes_freed;
	stats->compact_total_bytes = store->run.bytes_wanted;
	stats->compact_done_bytes = store_compact_done(store);
	stats->retired_bytes = store->retire.held_bytes;
	stats->pinned_bytes = upkeep.pinned_bytes;
	stats->full = store_is_full(store);
	stats->read_only = store->log.read_only;
	stats->damaged = stats->damaged_entries > 0;
	stats->syncs += upkeep.syncs;
}
