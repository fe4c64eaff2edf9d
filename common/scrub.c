#include "common/scrub.h"

#include <string.h>

struct walk {
	struct scrub *scrub;
	struct segment_reader reader;
	struct hint_entry line; /* the next of the hint */
	bool has_line;
};

static void next_line(struct walk *walk)
{
	struct hint *hint = walk->scrub->hint;

	walk->has_line = hint && hint_next(hint, &walk->line);
}

static uint64_t line_off(const struct walk *walk)
{
	return (uint64_t)walk->line.off8 * 8;
}

/* Lines for places that were passed: no entry began there. */
static void drop_lines(struct walk *walk, uint64_t below)
{
	while (walk->has_line && line_off(walk) < below) {
		walk->scrub->n_hint_faults++;
		next_line(walk);
	}
}

static bool line_agrees(const struct hint_entry *line,
			const struct segment_entry *found)
{
	const struct entry *entry = &found->entry;

	return line->sequence == entry->sequence &&
	       (uint64_t)line->len8 * 8 == found->len &&
	       line->kind == entry->kind && line->flags == entry->flags &&
	       line->expires_at_ms == entry->expires_at_ms &&
	       line->key_len == entry->key_len &&
	       memcmp(line->key, entry->key, entry->key_len) == 0;
}

static int meet_entry(struct walk *walk, const struct segment_entry *found)
{
	struct scrub *scrub = walk->scrub;

	scrub->n_entries++;
	drop_lines(walk, found->off);
	if (scrub->hint && found->entry.kind != ENTRY_BATCH) {
		bool is_there = walk->has_line && line_off(walk) == found->off;

		if (!is_there || !line_agrees(&walk->line, found))
			scrub->n_hint_faults++;
		if (is_there)
			next_line(walk);
	}
	return scrub->entry(scrub->ctx, found);
}

/* The entry that the hint has at this place. */
static int meet_lost_line(struct walk *walk)
{
	struct scrub *scrub = walk->scrub;
	struct hint_entry line = walk->line;
	uint64_t len = (uint64_t)line.len8 * 8;

	walk->reader.off = line_off(walk) + len;
	scrub->n_lost++;
	next_line(walk);
	return scrub->lost(scrub->ctx, (uint64_t)line.off8 * 8, len, &line);
}

static int meet_lost(struct walk *walk)
{
	struct scrub *scrub = walk->scrub;
	uint64_t off = walk->reader.off;
	int result;

	drop_lines(walk, off);
	if (walk->has_line && line_off(walk) == off)
		return meet_lost_line(walk);
	result = segment_reader_resync(&walk->reader);
	if (result < 0)
		return result;
	/* The hint knows of an entry before the next one that is good. */
	if (walk->has_line && line_off(walk) < walk->reader.off)
		walk->reader.off = line_off(walk);
	scrub->n_lost++;
	return scrub->lost(scrub->ctx, off, walk->reader.off - off, NULL);
}

static int step(struct walk *walk)
{
	struct segment_entry found;
	int result = segment_reader_next(&walk->reader,
					 walk->scrub->check_values, &found);

	if (result == 0)
		return meet_entry(walk, &found);
	return result == SEGMENT_BAD ? meet_lost(walk) : result;
}

/* Without the file all that is known is its hint. */
static int run_hint_alone(struct walk *walk)
{
	int result = 0;

	while (result == 0 && walk->has_line)
		result = meet_lost_line(walk);
	return result;
}

int scrub_run(struct scrub *scrub)
{
	struct walk walk = { .scrub = scrub };
	int result;

	scrub->n_entries = 0;
	scrub->n_lost = 0;
	scrub->n_hint_faults = 0;
	next_line(&walk);
	if (!scrub->segment)
		return run_hint_alone(&walk);
	result = segment_reader_init(&walk.reader, scrub->io, scrub->segment,
				     scrub->segment->header_len, scrub->end);
	if (result < 0)
		return result;
	do {
		result = step(&walk);
	} while (result == 0);
	segment_reader_deinit(&walk.reader);
	drop_lines(&walk, UINT64_MAX);
	return result == SEGMENT_END ? 0 : result;
}
