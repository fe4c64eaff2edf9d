#include "common/compaction.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "common/compaction_graves.h"
#include "common/compaction_lines.h"
#include "common/compaction_output.h"
#include "common/entry.h"
#include "common/hint.h"

enum {
	/* so much of an input is read at once; more than header and key */
	WINDOW_LEN = 256 << 10,
	MOVES_FIRST = 4096,
};

/* What the copying works on. */
struct copy {
	struct compaction *run;
	struct graves graves;
	size_t n_graves_seen;
	size_t moves_cap;
	struct compaction_output out;
	struct lines lines;
	struct lines_batch batch;
	/* of the input that is read */
	const struct segment *input;
	uint8_t *window;
	uint64_t window_off;
	size_t window_len;
};

/* ---- what the inputs hold ---- */

static bool has_expired(const struct compaction *run,
			const struct hint_entry *line)
{
	return line->kind == ENTRY_PUT && line->flags & ENTRY_HAS_EXPIRY &&
	       line->expires_at_ms <= run->now_ms;
}

/* Whether a grave is made for it: the same in both passes. */
static bool is_grave(const struct compaction *run,
		     const struct hint_entry *line)
{
	return line->kind == ENTRY_TOMBSTONE || has_expired(run, line);
}

static int collect_lines(void *ctx, const struct segment *input,
			 struct hint *hint)
{
	struct copy *copy = ctx;
	const struct compaction *run = copy->run;
	struct hint_entry line;
	int result = 0;

	(void)input;
	while (result == 0 && hint_next(hint, &line)) {
		if (is_grave(run, &line))
			result =
				graves_add(&copy->graves, run->secret, line.key,
					   line.key_len, line.sequence);
	}
	return result;
}

/* ---- is it of use? ---- */

/* 0: PLACE is where the index has the key; LOOKUP_NOT_FOUND; cancelled. */
static int look_up(const struct compaction *run, const struct digest *digest,
		   struct index_place *place)
{
	struct lookup_stamp stamp;
	int result;

	do {
		result = lookup_find(run->map, digest, place, &stamp);
		if (result == 0 || result == LOOKUP_NOT_FOUND)
			return result;
		sched_yield(); /* the writer is at this bucket */
	} while (!run->cancelled);
	return -ECANCELED;
}

static bool is_here(const struct segment *input, const struct hint_entry *line,
		    const struct index_place *place)
{
	return place->segment == (input->id & INDEX_SEGMENT_MASK) &&
	       place->off8 == line->off8;
}

/* ---- reading ---- */

/* LEN bytes at OFF of the input, at most WINDOW_LEN. */
static int read_at(struct copy *copy, uint64_t off, size_t len,
		   const uint8_t **data)
{
	struct compaction *run = copy->run;
	uint64_t want = copy->input->len - off;
	int result;

	if (off < copy->window_off ||
	    off + len > copy->window_off + copy->window_len) {
		if (want > WINDOW_LEN)
			want = WINDOW_LEN;
		copy->window_len = 0;
		result = io_pread_full(run->io, copy->input->fd, copy->window,
				       (size_t)want, off);
		if (result < 0)
			return lines_read_result(result);
		copy->window_off = off;
		copy->window_len = (size_t)want;
		if (run->pace)
			run->pace(run->pace_ctx, want);
	}
	*data = copy->window + (off - copy->window_off);
	return 0;
}

/* Header and key of a line's entry, which has to be what the line says. */
static int read_head(struct copy *copy, const struct hint_entry *line,
		     const uint8_t **head, struct entry *entry)
{
	uint64_t off = (uint64_t)line->off8 * 8;
	uint64_t len = (uint64_t)line->len8 * 8;
	size_t at_once = len < WINDOW_LEN ? (size_t)len : WINDOW_LEN;
	size_t need;
	int result = read_at(copy, off, at_once, head);

	if (result != 0)
		return result;
	if (entry_decode(*head, at_once, copy->input->len - off,
			 copy->input->id, off, entry, &need) != 0 ||
	    entry->kind != line->kind || entry->sequence != line->sequence ||
	    entry_total_len(entry) != len)
		return COMPACTION_DAMAGED;
	return 0;
}

/* ---- writing ---- */

/* The value of an entry that is larger than the window, piece by piece. */
static int copy_rest(struct copy *copy, uint64_t off, uint64_t end)
{
	while (off < end) {
		uint64_t len = end - off;
		const uint8_t *data = NULL;
		int result;

		if (copy->run->cancelled)
			return COMPACTION_CANCELLED;
		if (len > WINDOW_LEN)
			len = WINDOW_LEN;
		result = read_at(copy, off, (size_t)len, &data);
		if (result == 0)
			result = compaction_output_append(&copy->out, data,
							  (size_t)len);
		if (result != 0)
			return result;
		off += len;
	}
	return 0;
}

/* Copies a line's entry; TO_OFF8 is where it is now. */
static int copy_entry(struct copy *copy, const struct hint_entry *line,
		      uint32_t *to_off8)
{
	uint64_t off = (uint64_t)line->off8 * 8;
	uint64_t len = (uint64_t)line->len8 * 8;
	const uint8_t *head;
	struct entry entry;
	size_t at_once;
	int result = read_head(copy, line, &head, &entry);

	if (result != 0)
		return result;
	at_once = len <= WINDOW_LEN ? (size_t)len : entry_value_off(&entry);
	result = compaction_output_begin(&copy->out, &entry, to_off8);
	if (result == 0)
		result = compaction_output_entry(&copy->out, head, at_once);
	return result == 0 ? copy_rest(copy, off + at_once, off + len) : result;
}

/* A tombstone in place of an entry whose time is over. */
static int bury(struct copy *copy, const struct hint_entry *line)
{
	struct entry entry = {
		.kind = ENTRY_TOMBSTONE,
		.key_len = line->key_len,
		.key = line->key,
		.sequence = line->sequence,
		.timestamp_ms = copy->run->now_ms,
	};
	uint64_t len = entry_total_len(&entry);
	uint8_t *bytes = calloc(1, (size_t)len);
	uint32_t to_off8;
	int result;

	if (!bytes)
		return -ENOMEM;
	entry_encode(&entry, bytes);
	entry_seal(bytes, bytes + entry_value_off(&entry), line->sequence, 0, 0,
		   0);
	result = compaction_output_begin(&copy->out, &entry, &to_off8);
	if (result == 0)
		result =
			compaction_output_entry(&copy->out, bytes, (size_t)len);
	free(bytes);
	if (result == 0)
		copy->run->kept_tombstone_bytes += len;
	return result;
}

static int add_move(struct copy *copy, const struct digest *digest,
		    const struct index_place *from, uint32_t to_off8)
{
	struct compaction *run = copy->run;

	if (run->n_moves == copy->moves_cap) {
		size_t cap =
			copy->moves_cap ? copy->moves_cap * 2 : MOVES_FIRST;
		struct compaction_move *grown;

		grown = realloc(run->moves, cap * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		run->moves = grown;
		copy->moves_cap = cap;
	}
	run->moves[run->n_moves++] = (struct compaction_move){
		.digest_lo = digest->lo,
		.digest_hi = digest->hi,
		.from_segment = from->segment,
		.from_off8 = from->off8,
		.to_off8 = to_off8,
		.len8 = from->len8,
		.flags = from->flags,
	};
	return 0;
}

/* ---- one line after the other ---- */

static int copy_put(struct copy *copy, const struct hint_entry *line,
		    const struct digest *digest, bool keep_dead)
{
	struct compaction *run = copy->run;
	struct index_place place;
	uint32_t to_off8 = 0;
	int result = look_up(run, digest, &place);

	if (result < 0)
		return COMPACTION_CANCELLED;
	if (result != 0 || !is_here(copy->input, line, &place))
		return 0;
	if (!has_expired(run, line))
		result = copy_entry(copy, line, &to_off8);
	else if (keep_dead)
		result = bury(copy, line);
	return result == 0 ? add_move(copy, digest, &place, to_off8) : result;
}

static int copy_tombstone(struct copy *copy, const struct hint_entry *line,
			  const struct digest *digest)
{
	struct compaction *run = copy->run;
	struct index_place place;
	uint32_t to_off8;
	int result = look_up(run, digest, &place);

	if (result < 0)
		return COMPACTION_CANCELLED;
	if (result == 0)
		return 0; /* something newer is there */
	result = copy_entry(copy, line, &to_off8);
	if (result == 0)
		run->kept_tombstone_bytes += (uint64_t)line->len8 * 8;
	return result;
}

static int copy_line(struct copy *copy, const struct hint_entry *line,
		     const struct digest *digest)
{
	bool keep = false;

	if (is_grave(copy->run, line))
		keep = graves_keeps(&copy->graves, copy->n_graves_seen++);
	if (line->kind == ENTRY_PUT)
		return copy_put(copy, line, digest, keep);
	return keep ? copy_tombstone(copy, line, digest) : 0;
}

static int copy_batch(struct copy *copy)
{
	const struct lines_batch *batch = &copy->batch;
	int result = 0;
	size_t i;

	for (i = 0; result == 0 && i < batch->n; i++)
		result = copy_line(copy, &batch->lines[i], &batch->digests[i]);
	return result;
}

static int copy_lines(void *ctx, const struct segment *input, struct hint *hint)
{
	struct copy *copy = ctx;
	struct compaction *run = copy->run;
	struct lines_batch *batch = &copy->batch;
	uint64_t done = run->bytes_done;
	int result = 0;

	copy->input = input;
	copy->window_len = 0;
	for (lines_take(batch, run, hint); result == 0 && batch->n > 0;
	     lines_take(batch, run, hint)) {
		if (run->cancelled)
			return COMPACTION_CANCELLED;
		result = copy_batch(copy);
		run->bytes_done =
			done + (uint64_t)batch->lines[batch->n - 1].off8 * 8;
	}
	run->bytes_done = done + input->len;
	return result;
}

static int copy_all(struct copy *copy)
{
	const struct compaction *run = copy->run;
	int result = lines_init(&copy->lines, copy->run);

	if (result == 0)
		result = lines_each_input(&copy->lines, collect_lines, copy);
	if (result == 0)
		result = graves_decide(&copy->graves, run->io, run->dir,
				       run->store_id, run->outside,
				       run->n_outside);
	if (result == 0)
		result = lines_each_input(&copy->lines, copy_lines, copy);
	lines_deinit(&copy->lines);
	return result;
}

int compaction_copy(struct compaction *run)
{
	struct copy copy = { .run = run };
	int result;

	copy.window = malloc(WINDOW_LEN);
	compaction_output_init(&copy.out, run);
	result = copy.window ? copy_all(&copy) : -ENOMEM;
	run->blocker_id = copy.graves.blocker_id;
	if (result == 0)
		result = compaction_output_finish(&copy.out);
	compaction_output_deinit(&copy.out);
	graves_deinit(&copy.graves);
	free(copy.window);
	return result;
}

int compaction_install(struct compaction *run)
{
	int result;

	if (run->is_in_limbo)
		result = upkeep_settle_install(run->upkeep, run->inputs,
					       run->n_inputs);
	else
		result = upkeep_install(run->upkeep, run->output, run->inputs,
					run->n_inputs);
	if (result == UPKEEP_STALE)
		return COMPACTION_CANCELLED;
	if (result > 0) {
		run->is_in_limbo = true;
		return COMPACTION_UNKNOWN;
	}
	return result;
}

void compaction_deinit(struct compaction *run)
{
	free(run->inputs);
	free(run->outside);
	free(run->moves);
	run->inputs = NULL;
	run->outside = NULL;
	run->moves = NULL;
	run->output = NULL;
}
