#include "tests/support/compaction_lab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/manifest.h"
#include "common/segment_header.h"
#include "common/segment_reader.h"
#include "tests/support/store_kit.h"

struct compaction_lab lab;

/* ---- set up ---- */

static void begin(bool hold_reserve)
{
	struct manifest manifest = { .next_segment = 1, .next_sequence = 1 };
	struct index_options index = { .is_private = true };
	struct upkeep_options options = {
		.dir = "/",
		.segment_size = LAB_SEGMENT_SIZE,
		.hold_reserve = hold_reserve,
	};

	memset(&lab, 0, sizeof(lab));
	memcpy(manifest.store_id, maker_store_id, SEGMENT_STORE_ID_LEN);
	memset(lab.secret, 7, sizeof(lab.secret));
	memcpy(index.secret, lab.secret, sizeof(index.secret));
	lab.fs = simfs_new();
	lab.io = simfs_io(lab.fs);
	lab.table = segments_new();
	options.io = lab.io;
	options.segments = lab.table;
	assert_int_equal(manifest_store(lab.io, "/", &manifest), 0);
	assert_int_equal(upkeep_new(&options, &manifest, &lab.upkeep), 0);
	assert_int_equal(index_new(&index, &lab.index), 0);
}

int lab_set_up(void **state)
{
	(void)state;
	begin(false);
	return 0;
}

int lab_set_up_reserve(void **state)
{
	(void)state;
	begin(true);
	return 0;
}

static void free_segment(void *ctx, struct segment *segment)
{
	(void)ctx;
	segment_free(lab.io, segment);
}

int lab_tear_down(void **state)
{
	(void)state;
	compaction_deinit(&lab.run);
	upkeep_free(lab.upkeep, UPKEEP_ABANDON);
	segments_each(lab.table, free_segment, NULL);
	segments_free(lab.table);
	index_free(lab.index);
	assert_int_equal(simfs_n_open(lab.fs), 0);
	assert_int_equal(simfs_n_misused(lab.fs), 0);
	simfs_free(lab.fs);
	return 0;
}

void lab_set_fault(uint32_t calls, uint64_t nth, int error)
{
	const struct simfs_fault fault = {
		.calls = calls, .nth = nth, .from_then = true, .error = error
	};

	simfs_set_fault(lab.fs, error ? &fault : NULL);
}

/* ---- segments ---- */

struct segment *lab_segment(uint64_t len)
{
	struct segment *segment = NULL;

	assert_int_equal(upkeep_take(lab.upkeep, len, &segment), 0);
	return segment;
}

static struct digest digest_of_entry(const struct maker_entry *entry)
{
	size_t len = entry->key_len ? entry->key_len : strlen(entry->key);

	return digest_of(lab.secret, entry->key, len);
}

static void note_dead(const struct index_place *old)
{
	struct segment *segment = segments_get(lab.table, old->segment);

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
		if (index_remove(lab.index, &digest, &old) == 0)
			note_dead(&old);
		return;
	}
	segment->live_bytes += len;
	if (index_put(lab.index, &digest, &place, &old) == INDEX_REPLACED)
		note_dead(&old);
}

uint64_t lab_add(struct segment *segment, const struct maker_entry *entry)
{
	uint64_t off = maker_append(lab.io, segment, entry);

	if (entry->kind != ENTRY_BATCH)
		index_entry(segment, entry, off);
	return off;
}

uint64_t lab_put(struct segment *segment, const char *key, const char *value,
		 uint64_t sequence)
{
	const struct maker_entry entry = { .key = key,
					   .value = value,
					   .sequence = sequence };

	return lab_add(segment, &entry);
}

uint64_t lab_delete(struct segment *segment, const char *key, uint64_t sequence)
{
	const struct maker_entry entry = { .kind = ENTRY_TOMBSTONE,
					   .key = key,
					   .sequence = sequence };

	return lab_add(segment, &entry);
}

void lab_seal(struct segment *segment)
{
	assert_int_equal(lab.io->sync(lab.io, segment->fd), 0);
	segment->synced_len = segment->len;
	assert_int_equal(upkeep_fill(lab.upkeep, segment), 0);
	assert_int_equal(upkeep_flush(lab.upkeep), 0);
	upkeep_settle(lab.upkeep);
	assert_true(segment->sealed);
}

/* ---- runs ---- */

static bool is_input(const struct segment *segment)
{
	for (size_t i = 0; i < lab.run.n_inputs; i++) {
		if (lab.run.inputs[i] == segment)
			return true;
	}
	return false;
}

static void add_outside(void *ctx, struct segment *segment)
{
	(void)ctx;
	if (segment->sealed && !segment->replaced && !is_input(segment))
		lab.run.outside[lab.run.n_outside++] = segment;
}

void lab_begin(struct segment *const *inputs, size_t n)
{
	struct compaction *run = &lab.run;
	size_t i;

	compaction_deinit(run);
	memset(run, 0, sizeof(*run));
	run->io = lab.io;
	run->dir = "/";
	run->store_id = maker_store_id;
	run->secret = lab.secret;
	run->upkeep = lab.upkeep;
	run->map = index_map(lab.index);
	run->now_ms = lab.io->clock_ms(lab.io);
	run->inputs = calloc(n, sizeof(struct segment *));
	run->outside = calloc(lab.table->count + 1, sizeof(struct segment *));
	run->output_len = segment_header_len(n);
	for (i = 0; i < n; i++) {
		run->inputs[run->n_inputs++] = inputs[i];
		run->output_len +=
			inputs[i]->live_bytes + inputs[i]->tombstone_bytes;
	}
	segments_each(lab.table, add_outside, NULL);
}

struct segment *lab_copy(void)
{
	struct segment *output;

	assert_int_equal(compaction_copy(&lab.run), 0);
	output = lab.run.output;
	if (!output)
		return NULL;
	output->dead_bytes = lab.run.kept_tombstone_bytes;
	output->tombstone_bytes = lab.run.kept_tombstone_bytes;
	assert_int_equal(segments_add(lab.table, output), 0);
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
		index_remove_if(lab.index, &digest, &from);
		return;
	}
	to.segment = lab.run.output->id & INDEX_SEGMENT_MASK;
	to.off8 = move->to_off8;
	index_move(lab.index, &digest, &from, &to);
}

int lab_install(void)
{
	while (lab.run.n_moved < lab.run.n_moves)
		move(&lab.run.moves[lab.run.n_moved++]);
	return compaction_install(&lab.run);
}

void lab_end(void)
{
	size_t i;

	for (i = 0; i < lab.run.n_inputs; i++) {
		assert_true(lab.run.inputs[i]->replaced);
		segments_remove(lab.table, lab.run.inputs[i]);
		upkeep_discard(lab.upkeep, lab.run.inputs[i]);
	}
	upkeep_end_output(lab.upkeep);
	upkeep_settle(lab.upkeep);
	compaction_deinit(&lab.run);
}

/* ---- looking ---- */

static void reader_at(struct segment_reader *reader, struct segment *segment,
		      uint64_t off)
{
	assert_int_equal(
		segment_reader_init(reader, lab.io, segment, off, segment->len),
		0);
}

struct lab_found lab_find(struct segment *segment, enum entry_kind kind,
			  const void *key, size_t key_len)
{
	struct lab_found last = { 0 };
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

unsigned lab_n_entries(struct segment *segment)
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

void lab_expect(const char *key, const void *value, size_t value_len)
{
	struct digest digest = digest_of(lab.secret, key, strlen(key));
	struct segment_reader reader;
	struct segment_entry found;
	struct segment *segment;
	struct index_place place;
	uint8_t *bytes;

	if (!value) {
		assert_int_equal(index_get(lab.index, &digest, &place),
				 INDEX_NOT_FOUND);
		return;
	}
	assert_int_equal(index_get(lab.index, &digest, &place), 0);
	segment = segments_get(lab.table, place.segment);
	assert_non_null(segment);
	reader_at(&reader, segment, (uint64_t)place.off8 * 8);
	assert_int_equal(segment_reader_next(&reader, true, &found), 0);
	assert_true(found.value_ok);
	assert_int_equal(found.entry.value_len, value_len);
	assert_int_equal(found.len, (uint64_t)place.len8 * 8);
	bytes = malloc(value_len + 1);
	assert_int_equal(
		io_pread_full(lab.io, segment->fd, bytes, value_len,
			      found.off + entry_value_off(&found.entry)),
		0);
	assert_memory_equal(bytes, value, value_len);
	free(bytes);
	segment_reader_deinit(&reader);
}

unsigned lab_n_files(const char *part)
{
	return kit_count(lab.io, "/", "", part);
}
