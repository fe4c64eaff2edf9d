#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/checksum.h"
#include "common/repair_internal.h"
#include "common/scrub.h"
#include "common/segment_header.h"
#include "common/segment_reader.h"

enum {
	SEGMENT_TARGET = 64
			 << 20, /* bytes; a larger entry has one of its own */
	COPY_LEN = 256 << 10,	/* more than a header and the longest key */
};

/* One segment of the old store that is being copied. */
struct copying {
	struct repair *repair;
	const struct inventory_row *row;
	const struct segment *segment;
	uint64_t done;	/* bytes of the segments before */
	uint64_t total; /* of all */
};

/* ---- new segments ---- */

/*
 * Sealed as a compaction's output is: it replaces a segment of the old store.
 * So a recovery, or the next repair, knows that it is whole, and that its
 * sequences are in no order.
 */
static int seal(struct repair *repair)
{
	const char *dir = repair->options->new_dir;
	struct segment origin = { .id = repair->out_origin };
	struct segment *const replaces[] = { &origin };
	struct segment *out = repair->out;
	struct manifest_segment *row;
	int result;

	if (!out)
		return 0;
	result = segment_finish_output(
		repair->io, dir, repair->manifest.store_id, out, replaces, 1);
	if (result == 0) {
		segment_trim(repair->io, out);
		result = hint_builder_write(&repair->hint, repair->io, dir,
					    repair->manifest.store_id, out->id,
					    out->len);
	}
	if (result == 0)
		result = manifest_add(&repair->manifest, out->id,
				      MANIFEST_SEALED);
	if (result < 0)
		return repair_fail_write(repair, result, "a segment");
	row = manifest_find(&repair->manifest, out->id);
	row->len = out->len;
	row->last_sequence = repair->hint.last_sequence;
	hint_builder_deinit(&repair->hint);
	segment_free(repair->io, out);
	repair->out = NULL;
	return 0;
}

static int make_segment(const struct copying *copying,
			const struct segment_entry *found)
{
	struct repair *repair = copying->repair;
	uint32_t header_len = segment_header_len(1);
	uint32_t id = repair->manifest.next_segment;
	uint64_t left = copying->total - copying->done - found->off;
	int result;

	if (left > SEGMENT_TARGET)
		left = SEGMENT_TARGET;
	if (left < found->len)
		left = found->len;
	if (id == UINT32_MAX)
		return repair_fail(repair, -EOVERFLOW,
				   "the numbers of segments are used up");
	result = segment_create_output(repair->io, repair->options->new_dir, id,
				       header_len + left, &repair->out);
	if (result < 0)
		return repair_fail_write(repair, result, "a segment");
	repair->out->header_len = header_len;
	repair->out->len = header_len;
	repair->out_origin = copying->row->id;
	repair->manifest.next_segment = id + 1;
	return 0;
}

/* A segment with room for the entry. */
static int make_room(const struct copying *copying,
		     const struct segment_entry *found)
{
	struct repair *repair = copying->repair;
	int result = 0;

	if (repair->out &&
	    repair->out->capacity - repair->out->len < found->len)
		result = seal(repair);
	if (result == 0 && !repair->out)
		result = make_segment(copying, found);
	return result;
}

/* ---- entries ---- */

/* Whether the N bytes at the buffer still begin with that entry's header. */
static bool is_still(const struct copying *copying,
		     const struct segment_entry *found, size_t n)
{
	struct entry again;
	size_t need;

	return entry_decode(copying->repair->buffer, n, found->len,
			    copying->row->id, found->off, &again, &need) == 0 &&
	       again.value_crc == found->entry.value_crc &&
	       entry_total_len(&again) == found->len;
}

/*
 * Copies the bytes to the end of the new segment, which does not grow yet.
 * IS_GOOD tells whether they were what they had been when they were checked.
 */
static int copy_bytes(const struct copying *copying,
		      const struct segment_entry *found, bool *is_good)
{
	struct repair *repair = copying->repair;
	struct segment *out = repair->out;
	size_t head = entry_value_off(&found->entry);
	uint64_t done = 0;
	uint32_t crc = 0;

	*is_good = false;
	while (done < found->len) {
		uint64_t rest = found->len - done;
		size_t n = rest < COPY_LEN ? (size_t)rest : COPY_LEN;
		size_t skip = done == 0 ? head : 0;
		int result = io_pread_full(repair->inventory.io,
					   copying->segment->fd, repair->buffer,
					   n, found->off + done);

		if (result == -ENODATA)
			return 0;
		if (result < 0)
			return repair_fail(repair, result, "%s: %s",
					   repair->options->dir,
					   strerror(-result));
		if (done == 0) {
			if (!is_still(copying, found, n))
				return 0;
			entry_move(repair->buffer, out->header_len, out->id,
				   out->len);
		}
		crc = crc32c(crc, repair->buffer + skip, n - skip);
		result = io_pwrite_full(repair->io, out->fd, repair->buffer, n,
					out->len + done);
		if (result < 0)
			return repair_fail_write(repair, result, "a segment");
		done += n;
	}
	*is_good = crc == found->entry.value_crc;
	return 0;
}

/* It was good when it was checked; now it is not. */
static void report_changed(const struct copying *copying,
			   const struct segment_entry *found)
{
	struct repair *repair = copying->repair;

	repair->report->n_lost++;
	repair->report->n_damaged++;
	repair->report->damaged_bytes += found->len;
	findings_add(&repair->findings,
		     (struct finding){ .kind = FINDING_LOST,
				       .is_damage = true,
				       .segment_id = copying->row->id,
				       .off = found->off,
				       .len = found->len,
				       .key = found->entry.key,
				       .key_len = found->entry.key_len },
		     "the disk read it once, and then not again");
}

static int copy_entry(const struct copying *copying,
		      const struct segment_entry *found)
{
	struct repair *repair = copying->repair;
	struct segment_entry moved = *found;
	bool is_good;
	int result = make_room(copying, found);

	if (result == 0)
		result = copy_bytes(copying, found, &is_good);
	if (result != 0)
		return result;
	if (!is_good) {
		report_changed(copying, found);
		return 0;
	}
	moved.off = repair->out->len;
	moved.entry.flags &= (uint8_t)~ENTRY_IN_BATCH;
	if (hint_builder_add(&repair->hint, &moved) < 0)
		return repair_fail(repair, -ENOMEM, "out of memory");
	repair->out->len += found->len;
	repair->report->n_copied++;
	repair->report->copied_bytes += found->len;
	return 0;
}

static int meet_entry(void *ctx, const struct segment_entry *found)
{
	struct copying *copying = ctx;
	const struct repair *repair = copying->repair;
	const struct entry *entry = &found->entry;
	struct index_place place;
	struct digest digest;

	if (repair->options->progress)
		repair->options->progress(repair->options->ctx,
					  copying->total + copying->done +
						  found->off,
					  2 * copying->total);
	if (entry->kind != ENTRY_PUT ||
	    entry->sequence < repair->inventory.manifest.floor)
		return 0;
	digest = digest_of(repair->secret, entry->key, entry->key_len);
	if (index_get(repair->index, &digest, &place) != 0 ||
	    place.flags & (INDEX_TOMBSTONE | REPAIR_DAMAGED) ||
	    !repair_is_at(&place, copying->row->id, found->off))
		return 0;
	return copy_entry(copying, found);
}

/* It was told when it was checked. */
static int pass_lost(void *ctx, uint64_t off, uint64_t len,
		     const struct hint_entry *line)
{
	(void)ctx, (void)off, (void)len, (void)line;
	return 0;
}

static int copy_segment(struct copying *copying)
{
	struct inventory *inventory = &copying->repair->inventory;
	const struct inventory_row *row = copying->row;
	struct scrub scrub = {
		.io = inventory->io,
		.segment = copying->segment,
		.end = row->end,
		.entry = meet_entry,
		.lost = pass_lost,
		.ctx = copying,
	};
	struct hint hint = { .data = NULL };
	int result;

	/* With it damage is passed in the same way as when it was checked. */
	if (row->state == INVENTORY_SEALED &&
	    hint_load(&hint, inventory->io, inventory->dir,
		      inventory->manifest.store_id, row->id, row->end) == 0)
		scrub.hint = &hint;
	copying->repair->error->text[0] = 0;
	result = scrub_run(&scrub);
	hint_deinit(&hint);
	if (result < 0 && !*copying->repair->error->text)
		repair_fail(copying->repair, result,
			    "%s: cannot read segment %u: %s", inventory->dir,
			    row->id, strerror(-result));
	return result;
}

static int copy_row(struct copying *copying)
{
	struct repair *repair = copying->repair;
	struct segment *segment;
	int result;

	if (copying->row->state == INVENTORY_GONE)
		return 0;
	result = inventory_open(&repair->inventory, copying->row, &segment);
	if (result < 0)
		return repair_fail(repair, result,
				   "%s: cannot open segment %u: %s",
				   repair->options->dir, copying->row->id,
				   strerror(-result));
	copying->segment = segment;
	result = copy_segment(copying);
	segment_free(repair->inventory.io, segment);
	return result;
}

int repair_copy(struct repair *repair)
{
	const struct inventory *inventory = &repair->inventory;
	struct copying copying = { .repair = repair };
	size_t i;
	int result = 0;

	repair->buffer = malloc(COPY_LEN);
	if (!repair->buffer)
		return repair_fail(repair, -ENOMEM, "out of memory");
	for (i = 0; i < inventory->n_rows; i++)
		copying.total += inventory->rows[i].end;
	for (i = 0; result == 0 && i < inventory->n_rows; i++) {
		copying.row = &inventory->rows[i];
		result = copy_row(&copying);
		copying.done += copying.row->end;
	}
	return result == 0 ? seal(repair) : result;
}
