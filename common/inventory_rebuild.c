#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/hint.h"
#include "common/inventory_internal.h"
#include "common/segment_header.h"
#include "common/segment_reader.h"

/* A file named like a segment. */
struct candidate {
	uint32_t id;
	int header; /* 0 or SEGMENT_BAD */
	uint8_t store_id[SEGMENT_STORE_ID_LEN];
	uint32_t *replaces; /* owned */
	size_t n_replaces;
};

struct rebuild {
	struct inventory *inventory;
	struct store_error *error;
	struct candidate *candidates;
	size_t n;
};

/* ---- which store, which segments ---- */

static int look_at(struct rebuild *rebuild, struct candidate *candidate)
{
	struct inventory *inventory = rebuild->inventory;
	int result;

	result = segment_header_store_id(inventory->io, inventory->dir,
					 candidate->id, candidate->store_id);
	if (result == 0)
		result = segment_header_replaces(
			inventory->io, inventory->dir, candidate->store_id,
			candidate->id, &candidate->replaces,
			&candidate->n_replaces);
	/* Its own id is asked for, so another id's file is one out of place. */
	if (result == SEGMENT_FOREIGN)
		result = SEGMENT_BAD;
	if (result != 0 && result != SEGMENT_BAD)
		return inventory_fail_segment(inventory, rebuild->error, result,
					      candidate->id);
	candidate->header = result;
	return 0;
}

static int find_candidates(struct rebuild *rebuild)
{
	const struct inventory *inventory = rebuild->inventory;
	size_t i;
	int result = 0;

	rebuild->candidates =
		calloc(inventory->n_files + 1, sizeof(*rebuild->candidates));
	if (!rebuild->candidates)
		return inventory_fail(rebuild->error, -ENOMEM, "out of memory");
	for (i = 0; result == 0 && i < inventory->n_files; i++) {
		struct candidate *candidate = &rebuild->candidates[rebuild->n];

		if (inventory->files[i].is_hint)
			continue;
		candidate->id = inventory->files[i].id;
		rebuild->n++;
		result = look_at(rebuild, candidate);
	}
	return result;
}

static bool same_store(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, SEGMENT_STORE_ID_LEN) == 0;
}

static size_t count_of(const struct rebuild *rebuild, const uint8_t *store_id)
{
	size_t n = 0;
	size_t i;

	for (i = 0; i < rebuild->n; i++) {
		const struct candidate *candidate = &rebuild->candidates[i];

		n += candidate->header == 0 &&
		     same_store(candidate->store_id, store_id);
	}
	return n;
}

/* The store that most segments name. */
static void choose_store(struct rebuild *rebuild)
{
	uint8_t *store_id = rebuild->inventory->manifest.store_id;
	size_t best = 0;
	size_t i;

	for (i = 0; i < rebuild->n; i++) {
		const struct candidate *candidate = &rebuild->candidates[i];
		size_t n;

		if (candidate->header != 0 ||
		    (best > 0 && same_store(candidate->store_id, store_id)))
			continue;
		n = count_of(rebuild, candidate->store_id);
		if (n > best) {
			best = n;
			memcpy(store_id, candidate->store_id,
			       SEGMENT_STORE_ID_LEN);
		}
	}
}

static bool belongs(const struct rebuild *rebuild,
		    const struct candidate *candidate)
{
	return candidate->header == SEGMENT_BAD ||
	       same_store(candidate->store_id,
			  rebuild->inventory->manifest.store_id);
}

static bool lists(const struct candidate *candidate, uint32_t id)
{
	size_t i;

	for (i = 0; i < candidate->n_replaces; i++) {
		if (candidate->replaces[i] == id)
			return true;
	}
	return false;
}

/* An output has its name only when it is whole and synced. */
static bool is_replaced(const struct rebuild *rebuild, uint32_t id)
{
	size_t i;

	for (i = 0; i < rebuild->n; i++) {
		const struct candidate *candidate = &rebuild->candidates[i];

		if (candidate->header == 0 && candidate->id != id &&
		    belongs(rebuild, candidate) && lists(candidate, id))
			return true;
	}
	return false;
}

/* ---- where they end ---- */

/* 0: ROW is sealed where its hint says; HINT_BAD: there is no good one. */
static int seal_by_hint(struct inventory *inventory,
			struct manifest_segment *row)
{
	struct hint hint;
	uint64_t len;
	int result;

	result = hint_covers(inventory->io, inventory->dir, row->id, &len);
	if (result == 0)
		result = hint_load(&hint, inventory->io, inventory->dir,
				   inventory->manifest.store_id, row->id, len);
	if (result == -ENOENT)
		return HINT_BAD;
	if (result != 0)
		return result;
	row->state = MANIFEST_SEALED;
	row->len = len;
	row->last_sequence = hint.last_sequence;
	hint_deinit(&hint);
	return 0;
}

/*
 * Where the entries of an output end: behind its last byte that is not zero,
 * or behind the entry there, which may end in zeros.
 */
static int find_end(struct segment_reader *reader, uint64_t begin,
		    uint64_t *end)
{
	struct segment_entry found;
	uint64_t data_end;
	int result = segment_reader_data_end(reader, begin, &data_end);

	while (result == 0 && reader->off < data_end) {
		result = segment_reader_next(reader, false, &found);
		if (result == SEGMENT_BAD)
			result = segment_reader_resync(reader);
	}
	if (result < 0)
		return result;
	*end = reader->off > data_end && result == 0 ? reader->off : data_end;
	return 0;
}

/* An output was whole when it got its name. */
static int seal_output(struct inventory *inventory,
		       struct manifest_segment *row)
{
	struct segment_reader reader;
	struct segment *segment;
	int result;

	result = segment_open(inventory->io, inventory->dir,
			      inventory->manifest.store_id, row->id, &segment);
	if (result != 0)
		return result < 0 ? result : -EIO;
	result = segment_reader_init(&reader, inventory->io, segment,
				     segment->header_len, segment->capacity);
	if (result == 0) {
		result = find_end(&reader, segment->header_len, &row->len);
		segment_reader_deinit(&reader);
	}
	segment_free(inventory->io, segment);
	row->state = MANIFEST_SEALED;
	return result;
}

static int add_row(struct rebuild *rebuild, const struct candidate *candidate)
{
	struct inventory *inventory = rebuild->inventory;
	struct manifest *manifest = &inventory->manifest;
	bool replaced = is_replaced(rebuild, candidate->id);
	struct manifest_segment *row;
	int result;

	result = manifest_add(manifest, candidate->id,
			      replaced ? MANIFEST_REPLACED : MANIFEST_OPEN);
	if (result < 0)
		return inventory_fail(rebuild->error, result, "out of memory");
	manifest->next_segment = candidate->id + 1;
	if (replaced)
		return 0;
	row = manifest_find(manifest, candidate->id);
	result = seal_by_hint(inventory, row);
	if (result == HINT_BAD)
		result = candidate->n_replaces > 0 ? seal_output(inventory, row)
						   : 0;
	return result == 0 ? 0
			   : inventory_fail_segment(inventory, rebuild->error,
						    result, candidate->id);
}

static int add_rows(struct rebuild *rebuild)
{
	struct inventory *inventory = rebuild->inventory;
	size_t i;
	int result = 0;

	for (i = 0; result == 0 && i < rebuild->n; i++) {
		const struct candidate *candidate = &rebuild->candidates[i];

		if (belongs(rebuild, candidate)) {
			result = add_row(rebuild, candidate);
			continue;
		}
		findings_add(inventory->findings,
			     (struct finding){ .kind = FINDING_SEGMENT,
					       .is_damage = true,
					       .segment_id = candidate->id },
			     "the segment is of another store than most are, "
			     "and left out");
	}
	return result;
}

int inventory_rebuild(struct inventory *inventory, struct store_error *error)
{
	struct rebuild rebuild = { .inventory = inventory, .error = error };
	struct manifest *manifest = &inventory->manifest;
	size_t i;
	int result;

	memset(manifest, 0, sizeof(*manifest));
	manifest->floor = 1;
	manifest->next_sequence = 1;
	result = find_candidates(&rebuild);
	if (result == 0) {
		choose_store(&rebuild);
		result = add_rows(&rebuild);
	}
	for (i = 0; i < rebuild.n; i++)
		free(rebuild.candidates[i].replaces);
	free(rebuild.candidates);
	return result;
}
