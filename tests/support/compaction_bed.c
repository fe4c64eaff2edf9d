#include "tests/support/compaction_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/manifest.h"

struct compaction_bed bed;

/* ---- set up ---- */

static void begin(bool hold_reserve)
{
	struct manifest manifest = { .next_segment = 1, .next_sequence = 1 };
	struct index_options index = { .is_private = true };
	struct upkeep_options options = {
		.dir = "/",
		.segment_size = BED_SEGMENT_SIZE,
		.hold_reserve = hold_reserve,
	};

	memset(&bed, 0, sizeof(bed));
	memcpy(manifest.store_id, maker_store_id, SEGMENT_STORE_ID_LEN);
	memset(bed.secret, 7, sizeof(bed.secret));
	memcpy(index.secret, bed.secret, sizeof(index.secret));
	bed.fs = simfs_new();
	bed.io = simfs_io(bed.fs);
	bed.table = segments_new();
	options.io = bed.io;
	options.segments = bed.table;
	assert_int_equal(manifest_store(bed.io, "/", &manifest), 0);
	assert_int_equal(upkeep_new(&options, &manifest, &bed.upkeep), 0);
	assert_int_equal(index_new(&index, &bed.index), 0);
}

int bed_set_up(void **state)
{
	(void)state;
	begin(false);
	return 0;
}

int bed_set_up_reserve(void **state)
{
	(void)state;
	begin(true);
	return 0;
}

static void free_segment(void *ctx, struct segment *segment)
{
	(void)ctx;
	segment_free(bed.io, segment);
}

int bed_tear_down(void **state)
{
	(void)state;
	compaction_deinit(&bed.run);
	upkeep_free(bed.upkeep, UPKEEP_ABANDON);
	segments_each(bed.table, free_segment, NULL);
	segments_free(bed.table);
	index_free(bed.index);
	assert_int_equal(simfs_n_open(bed.fs), 0);
	assert_int_equal(simfs_n_misused(bed.fs), 0);
	simfs_free(bed.fs);
	return 0;
}

void bed_set_fault(uint32_t calls, uint64_t nth, int error)
{
	const struct simfs_fault fault = {
		.calls = calls, .nth = nth, .from_then = true, .error = error
	};

	simfs_set_fault(bed.fs, error ? &fault : NULL);
}

/* ---- segments ---- */

struct segment *bed_segment(uint64_t len)
{
	struct segment *segment = NULL;

	assert_int_equal(upkeep_take(bed.upkeep, len, &segment), 0);
	return segment;
}

static struct digest digest_of_entry(const struct maker_entry *entry)
{
	size_t len = entry->key_len ? entry->key_len : strlen(entry->key);

	return digest_of(bed.secret, entry->key, len);
}

static void note_dead(const struct index_place *old)
{
	struct segment *segment = segments_get(bed.table, old->segment);

	segment->live_bytes -= (uint64_t)old->len8 * 8;
	segment->dead_bytes += (uint64_t)old->len8 * 8;
}

static void index_entry(struct segment *segment,
			const struct maker_entry *entry, uint64_t off)
{
	struct digest digest = digest_of_entry(entry);
	uint64_t len = segment->len - off;
	struct index_place old;
	struct index_place place = {
		.segment = segment->id & INDEX_SEGMENT_MASK,
		.off8 = (uint32_t)(off / 8),
		.len8 = (uint32_t)(len / 8),
		.flags = entry->expires_at_ms ? INDEX_HAS_EXPIRY : 0,
	};

	if (entry->kind == ENTRY_TOMBSTONE) {
		segment->tombstone_bytes += len;
		segment->dead_bytes += len;
		if (index_remove(bed.index, &digest, &old) == 0)
			note_dead(&old);
		return;
	}
	segment->live_bytes += len;
	if (index_put(bed.index, &digest, &place, &old) == INDEX_REPLACED)
		note_dead(&old);
}

uint64_t bed_add(struct segment *segment, const struct maker_entry *entry)
{
	uint64_t off = maker_append(bed.io, segment, entry);

	if (entry->kind != ENTRY_BATCH)
		index_entry(segment, entry, off);
	return off;
}

uint64_t bed_put(struct segment *segment, const char *key, const char *value,
		 uint64_t sequence)
{
	const struct maker_entry entry = { .key = key,
					   .value = value,
					   .sequence = sequence };

	return bed_add(segment, &entry);
}

uint64_t bed_delete(struct segment *segment, const char *key, uint64_t sequence)
{
	const struct maker_entry entry = { .kind = ENTRY_TOMBSTONE,
					   .key = key,
					   .sequence = sequence };

	return bed_add(segment, &entry);
}

void bed_seal(struct segment *segment)
{
	assert_int_equal(bed.io->sync(bed.io, segment->fd), 0);
	segment->synced_len = segment->len;
	assert_int_equal(upkeep_fill(bed.upkeep, segment), 0);
	assert_int_equal(upkeep_flush(bed.upkeep), 0);
	upkeep_settle(bed.upkeep);
	assert_true(segment->sealed);
}

/* ---- runs ---- */

static bool is_input(const struct segment *segment)
{
	for (size_t i = 0; i < bed.run.n_inputs; i++) {
		if (bed.run.inputs[i] == segment)
			return true;
	}
	return false;
}

static void add_outside(void *ctx, struct segment *segment)
{
	(void)ctx;
	if (segment->sealed && !segment->replaced && !is_input(segment))
		bed.run.outside[bed.run.n_outside++] = segment;
}

void bed_begin(struct segment *const *inputs, size_t n)
{
	struct compaction *run = &bed.run;
	size_t i;

	compaction_deinit(run);
	memset(run, 0, sizeof(*run));
	run->io = bed.io;
	run->dir = "/";
	run->store_id = maker_store_id;
	run->secret = bed.secret;
	run->upkeep = bed.upkeep;
	run->map = index_map(bed.index);
	run->now_ms = bed.io->clock_ms(bed.io);
	run->inputs = calloc(n, sizeof(struct segment *));
	run->outside = calloc(bed.table->count + 1, sizeof(struct segment *));
	run->output_len = segment_header_len(n);
	for (i = 0; i < n; i++) {
		run->inputs[run->n_inputs++] = inputs[i];
		run->output_len +=
			inputs[i]->live_bytes + inputs[i]->tombstone_bytes;
	}
	segments_each(bed.table, add_outside, NULL);
}

struct segment *bed_copy(void)
{
	struct segment *output;

	assert_int_equal(compaction_copy(&bed.run), 0);
	output = bed.run.output;
	if (!output)
		return NULL;
	output->dead_bytes = bed.run.kept_tombstone_bytes;
	output->tombstone_bytes = bed.run.kept_tombstone_bytes;
	assert_int_equal(segments_add(bed.table, output), 0);
	return output;
}

static void move(const struct compaction_move *move)
{
	struct digest digest = { .lo = move->digest_lo, .hi = move->digest_hi };
	struct index_place from = {
		.segment = move->from_segment,
		.off8 = move->from_off8,
		.len8 = move->len8,
		.flags = move->flags,
	};
	struct index_place to = from;

	if (move->to_off8 == 0) {
		index_remove_if(bed.index, &digest, &from);
		return;
	}
	to.segment = bed.run.output->id & INDEX_SEGMENT_MASK;
	to.off8 = move->to_off8;
	index_move(bed.index, &digest, &from, &to);
}

int bed_install(void)
{
	while (bed.run.n_moved < bed.run.n_moves)
		move(&bed.run.moves[bed.run.n_moved++]);
	return compaction_install(&bed.run);
}

void bed_end(void)
{
	size_t i;

	for (i = 0; i < bed.run.n_inputs; i++) {
		assert_true(bed.run.inputs[i]->replaced);
		segments_remove(bed.table, bed.run.inputs[i]);
		upkeep_discard(bed.upkeep, bed.run.inputs[i]);
	}
	upkeep_end_output(bed.upkeep);
	upkeep_settle(bed.upkeep);
	compaction_deinit(&bed.run);
}

/* ---- looking ---- */

static void reader_at(struct segment_reader *reader, struct segment *segment,
		      uint64_t off)
{
	assert_int_equal(
		segment_reader_init(reader, bed.io, segment, off, segment->len),
		0);
}

struct bed_found bed_find(struct segment *segment, enum entry_kind kind,
			  const void *key, size_t key_len)
{
	struct bed_found last = { 0 };
	struct segment_reader reader;
	struct segment_entry found;

	reader_at(&reader, segment, segment->header_len);
	while (segment_reader_next(&reader, true, &found) == 0) {
		if (found.entry.kind != kind ||
		    found.entry.key_len != key_len ||
		    memcmp(found.entry.key, key, key_len) != 0)
			continue;
		last.n++;
		last.entry = found.entry;
		last.entry.key = NULL;
		last.off = found.off;
		last.value_ok = found.value_ok;
	}
	assert_true(reader.off == segment->len);
	segment_reader_deinit(&reader);
	return last;
}

unsigned bed_n_entries(struct segment *segment)
{
	struct segment_reader reader;
	struct segment_entry found;
	unsigned n = 0;

	reader_at(&reader, segment, segment->header_len);
	while (segment_reader_next(&reader, true, &found) == 0)
		n++;
	assert_true(reader.off == segment->len);
	segment_reader_deinit(&reader);
	return n;
}

void bed_expect(const char *key, const void *value, size_t value_len)
{
	struct digest digest = digest_of(bed.secret, key, strlen(key));
	struct segment_reader reader;
	struct segment_entry found;
	struct segment *segment;
	struct index_place place;
	uint8_t *bytes;

	if (!value) {
		assert_int_equal(index_get(bed.index, &digest, &place),
				 INDEX_NOT_FOUND);
		return;
	}
	assert_int_equal(index_get(bed.index, &digest, &place), 0);
	segment = segments_get(bed.table, place.segment);
	assert_non_null(segment);
	reader_at(&reader, segment, (uint64_t)place.off8 * 8);
	assert_int_equal(segment_reader_next(&reader, true, &found), 0);
	assert_true(found.value_ok);
	assert_int_equal(found.entry.value_len, value_len);
	assert_int_equal(found.len, (uint64_t)place.len8 * 8);
	bytes = malloc(value_len + 1);
	assert_int_equal(
		io_pread_full(bed.io, segment->fd, bytes, value_len,
			      found.off + entry_value_off(&found.entry)),
		0);
	assert_memory_equal(bytes, value, value_len);
	free(bytes);
	segment_reader_deinit(&reader);
}

struct counting {
	const char *part;
	unsigned n;
};

static int count_name(void *ctx, const char *name)
{
	struct counting *counting = ctx;

	if (strstr(name, counting->part))
		counting->n++;
	return 0;
}

unsigned bed_n_files(const char *part)
{
	struct counting counting = { part, 0 };

	assert_int_equal(bed.io->list(bed.io, "/", count_name, &counting), 0);
	return counting.n;
}
