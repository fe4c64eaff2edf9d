#include "common/compaction_output.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/segment_header.h"

enum {
	/* gathered before it is written; several of the largest pieces */
	BUFFER_LEN = 1 << 20,
	/* dirty bytes are pushed out in such steps */
	WRITEBACK_STEP = 1 << 20,
};

void compaction_output_init(struct compaction_output *out,
			    struct compaction *run)
{
	memset(out, 0, sizeof(*out));
	out->run = run;
	hint_builder_init(&out->hint);
}

void compaction_output_deinit(struct compaction_output *out)
{
	segment_drop_output(out->run->io, out->run->dir, out->segment);
	hint_builder_deinit(&out->hint);
	free(out->buffer);
}

static int take(struct compaction_output *out)
{
	const struct compaction *run = out->run;
	int result;

	if (out->segment)
		return 0;
	/* It is there when the room was not. */
	if (!out->buffer)
		out->buffer = malloc(BUFFER_LEN);
	if (!out->buffer)
		return -ENOMEM;
	result =
		upkeep_take_output(run->upkeep, run->output_len, &out->segment);
	if (result < 0)
		return result;
	out->segment->header_len = segment_header_len(run->n_inputs);
	out->segment->len = out->segment->header_len;
	out->written_back = out->segment->len;
	return 0;
}

static int flush(struct compaction_output *out)
{
	const struct compaction *run = out->run;
	struct segment *segment = out->segment;
	int result;

	result = io_pwrite_full(run->io, segment->fd, out->buffer,
				out->buffered, segment->len);
	if (result < 0)
		return result;
	segment->len += out->buffered;
	if (run->pace)
		run->pace(run->pace_ctx, out->buffered);
	out->buffered = 0;
	if (segment->len - out->written_back >= WRITEBACK_STEP) {
		run->io->writeback(run->io, segment->fd, out->written_back,
				   segment->len - out->written_back);
		out->written_back = segment->len;
	}
	return 0;
}

int compaction_output_append(struct compaction_output *out, const uint8_t *data,
			     size_t len)
{
	assert(len <= COMPACTION_PIECE_MAX);
	if (out->buffered + len > BUFFER_LEN) {
		int result = flush(out);

		if (result < 0)
			return result;
	}
	memcpy(out->buffer + out->buffered, data, len);
	out->buffered += len;
	return 0;
}

static void note_sequence(struct segment *segment, uint64_t sequence)
{
	if (segment->first_sequence == 0 || sequence < segment->first_sequence)
		segment->first_sequence = sequence;
	if (sequence > segment->last_sequence)
		segment->last_sequence = sequence;
}

int compaction_output_begin(struct compaction_output *out,
			    const struct entry *entry, uint32_t *off8)
{
	struct segment_entry line = { .entry = *entry };
	int result = take(out);

	if (result < 0)
		return result;
	line.entry.flags &= (uint8_t)~ENTRY_IN_BATCH;
	line.off = out->segment->len + out->buffered;
	line.len = entry_total_len(entry);
	/* No place behind it could be told by the index. */
	if (line.off + line.len > SEGMENT_SHARED_MAX)
		return -EFBIG;
	result = hint_builder_add(&out->hint, &line);
	if (result < 0)
		return result;
	note_sequence(out->segment, entry->sequence);
	segment_note_expiry(out->segment, entry->expires_at_ms);
	*off8 = (uint32_t)(line.off / 8);
	return 0;
}

int compaction_output_entry(struct compaction_output *out, const uint8_t *head,
			    size_t len)
{
	uint64_t off = out->segment->len + out->buffered;
	int result = compaction_output_append(out, head, len);

	if (result == 0)
		entry_move(out->buffer + out->buffered - len, 0,
			   out->segment->id, off);
	return result;
}

int compaction_output_finish(struct compaction_output *out)
{
	struct compaction *run = out->run;
	struct segment *segment = out->segment;
	int result;

	if (!segment)
		return 0;
	result = flush(out);
	if (result < 0)
		return result;
	/* No reader looks beyond it. */
	if (segment->capacity < segment->len)
		segment->capacity = segment->len;
	/* Room for hint and manifest, where there is no other. */
	segment_trim(run->io, segment);
	result = segment_finish_output(run->io, run->dir, run->store_id,
				       segment, run->inputs, run->n_inputs);
	if (result < 0)
		return result;
	run->hint_written =
		hint_builder_write(&out->hint, run->io, run->dir, run->store_id,
				   segment->id, segment->len) == 0;
	result = run->io->sync_dir(run->io, run->dir);
	if (result < 0)
		return result;
	segment->sealed = true;
	run->output = segment;
	out->segment = NULL;
	return 0;
}
