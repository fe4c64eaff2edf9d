#include "common/tail.h"

#include <string.h>

#include "common/bytes.h"
#include "common/segment_reader.h"

/*
 * One pass.  With MARK 0 it stops at the first thing that is not good; with
 * a mark it goes over damage below it.
 */
struct pass {
	struct tail *tail;
	struct segment_reader reader;
	uint64_t mark;
	uint64_t expected; /* 0: any */
	bool in_damage;	   /* the last place was bad: count a run once */
};

static void note_damage(struct pass *pass)
{
	if (!pass->in_damage)
		pass->tail->n_damaged++;
	pass->in_damage = true;
}

static int take(struct pass *pass, const struct segment_entry *entry)
{
	struct tail *tail = pass->tail;

	if (tail->first_sequence == 0)
		tail->first_sequence = entry->entry.sequence;
	tail->last_sequence = entry->entry.sequence;
	tail->end = entry->off + entry->len;
	if (entry->entry.synced_off > tail->mark)
		tail->mark = entry->entry.synced_off;
	pass->expected = entry->entry.sequence + 1;
	pass->in_damage = false;
	return hint_builder_add(&tail->entries, entry);
}

/*
 * Whether the members of a batch follow, whole.  The reader is put back to
 * where it was.  0, SEGMENT_BAD, -errno.
 */
static int check_batch(struct pass *pass, const struct segment_entry *head)
{
	struct segment_reader *reader = &pass->reader;
	uint64_t begin = reader->off;
	uint64_t end = begin + head->batch_run_len;
	uint64_t sequence = head->entry.sequence;
	uint32_t left = head->batch_count;
	struct segment_entry member;
	int result = 0;

	if (!head->value_ok || end > reader->limit || end < begin)
		return SEGMENT_BAD;
	while (result == 0 && left > 0) {
		result = segment_reader_next(reader, true, &member);
		if (result == 0 &&
		    (!member.value_ok || member.entry.sequence != ++sequence ||
		     !(member.entry.flags & ENTRY_IN_BATCH)))
			result = SEGMENT_BAD;
		left--;
	}
	if (result == 0 && reader->off != end)
		result = SEGMENT_BAD;
	reader->off = begin;
	return result == SEGMENT_END ? SEGMENT_BAD : result;
}

/* 0: ENTRY belongs to the log.  SEGMENT_BAD: the log ends before it. */
static int judge(struct pass *pass, const struct segment_entry *entry)
{
	bool synced = entry->off + entry->len <= pass->mark;
	uint64_t sequence = entry->entry.sequence;

	/* Damage that ends at the mark, or before it, ends nothing. */
	if (pass->in_damage && entry->off > pass->mark)
		return SEGMENT_BAD;
	if (pass->expected != 0 && sequence != pass->expected) {
		if (sequence < pass->expected || (!synced && !pass->in_damage))
			return SEGMENT_BAD;
		note_damage(pass);
	}
	if (!entry->value_ok) {
		if (!synced)
			return SEGMENT_BAD;
		pass->tail->n_damaged++;
	}
	if (entry->entry.kind == ENTRY_BATCH &&
	    (!synced || pass->reader.off + entry->batch_run_len > pass->mark))
		return check_batch(pass, entry);
	return 0;
}

/* One step.  0: go on; SEGMENT_END, SEGMENT_BAD: over; -errno. */
static int step(struct pass *pass)
{
	struct segment_entry entry;
	uint64_t off = pass->reader.off;
	int result;

	result = segment_reader_next(&pass->reader, true, &entry);
	if (result == 0) {
		/* A batch is looked through, but its head has no key to lose. */
		result = judge(pass, &entry);
		if (result == 0)
			return take(pass, &entry);
	}
	if (result != SEGMENT_BAD || off >= pass->mark ||
	    off >= pass->tail->data_end)
		return result;
	note_damage(pass);
	pass->reader.off = off;
	return segment_reader_resync(&pass->reader);
}

static int run_pass(struct tail *tail, struct io *io, uint64_t mark)
{
	struct segment *segment = tail->segment;
	struct pass pass = { .tail = tail, .mark = mark };
	int result;

	hint_builder_deinit(&tail->entries);
	tail->end = segment->header_len;
	tail->first_sequence = 0;
	tail->last_sequence = 0;
	tail->n_damaged = 0;
	result = segment_reader_init(&pass.reader, io, segment,
				     segment->header_len, tail->limit);
	if (result < 0)
		return result;
	do {
		result = step(&pass);
	} while (result == 0);
	if (result > 0)
		result = segment_reader_data_end(&pass.reader, tail->end,
						 &tail->data_end);
	/* Rounded up, it may lie behind the end of a file that was cut. */
	if (tail->data_end > tail->limit)
		tail->data_end = tail->limit;
	tail->stopped = tail->data_end > tail->end;
	tail->bytes_read += pass.reader.bytes_read;
	segment_reader_deinit(&pass.reader);
	return result;
}

/* The highest synced mark of any entry behind where the first pass ended. */
static int find_mark(struct tail *tail, struct io *io)
{
	struct segment *segment = tail->segment;
	struct segment_reader reader;
	struct segment_entry entry;
	int result;

	/* An entry may end in zeros, behind data_end. */
	result = segment_reader_init(&reader, io, segment, tail->end,
				     tail->limit);
	if (result < 0)
		return result;
	do {
		result = segment_reader_next(&reader, false, &entry);
		if (result == 0 && entry.entry.synced_off > tail->mark)
			tail->mark = entry.entry.synced_off;
		if (result == SEGMENT_BAD)
			result = segment_reader_resync(&reader);
	} while (result == 0);
	tail->bytes_read += reader.bytes_read;
	segment_reader_deinit(&reader);
	return result < 0 ? result : 0;
}

/* The room that was made ahead and never used need not be read. */
static uint64_t limit_of(struct io *io, const struct segment *segment)
{
	uint64_t end = segment->capacity;

	if (!io->data_end || io->data_end(io, segment->fd, &end) < 0)
		return segment->capacity;
	end = bytes_align8(end);
	if (end < segment->header_len)
		end = segment->header_len;
	return end < segment->capacity ? end : segment->capacity;
}

int tail_read(struct tail *tail, struct io *io, struct segment *segment,
	      bool all_synced)
{
	int result;

	memset(tail, 0, sizeof(*tail));
	hint_builder_init(&tail->entries);
	tail->segment = segment;
	tail->limit = limit_of(io, segment);
	result = run_pass(tail, io, 0);
	if (result < 0 || !tail->stopped)
		return result;
	if (all_synced)
		tail->mark = tail->limit;
	else
		result = find_mark(tail, io);
	if (result == 0 && tail->mark > tail->end)
		result = run_pass(tail, io, tail->mark);
	return result;
}

void tail_deinit(struct tail *tail)
{
	hint_builder_deinit(&tail->entries);
}
