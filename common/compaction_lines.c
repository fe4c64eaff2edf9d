#include "common/compaction_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/hint_builder.h"

int lines_init(struct lines *lines, struct compaction *run)
{
	lines->run = run;
	lines->kept_len = 0;
	lines->hints = calloc(run->n_inputs, sizeof(*lines->hints));
	return lines->hints ? 0 : -ENOMEM;
}

void lines_deinit(struct lines *lines)
{
	size_t i;

	for (i = 0; lines->hints && i < lines->run->n_inputs; i++)
		hint_deinit(&lines->hints[i]);
	free(lines->hints);
	lines->hints = NULL;
}

int lines_read_result(int result)
{
	return result == -ENODATA || result == -EIO ? COMPACTION_DAMAGED
						    : result;
}

/* The lines of a segment's hint; read from the segment where it has none. */
static int load(const struct compaction *run, const struct segment *input,
		struct hint *hint)
{
	struct hint_builder builder;
	int result = hint_load(hint, run->io, run->dir, run->store_id,
			       input->id, input->len);

	/* Whatever is wrong with it, the segment has all that it tells. */
	if (result == 0 || result == -ENOMEM)
		return result;
	hint_builder_init(&builder);
	result = hint_builder_read(&builder, run->io, input);
	if (result == 0)
		hint_builder_take(&builder, hint);
	hint_builder_deinit(&builder);
	return result == SEGMENT_BAD ? COMPACTION_DAMAGED
				     : lines_read_result(result);
}

static int begin(struct lines *lines, size_t i)
{
	struct hint *hint = &lines->hints[i];

	if (!hint->data)
		return load(lines->run, lines->run->inputs[i], hint);
	lines->kept_len -= hint->len;
	hint_rewind(hint);
	return 0;
}

static void end(struct lines *lines, size_t i)
{
	struct hint *hint = &lines->hints[i];

	if (lines->kept_len + hint->len > LINES_KEPT_MAX)
		hint_deinit(hint);
	else
		lines->kept_len += hint->len;
}

int lines_each_input(struct lines *lines,
		     int (*each)(void *ctx, const struct segment *input,
				 struct hint *hint),
		     void *ctx)
{
	struct compaction *run = lines->run;
	int result = 0;
	size_t i;

	for (i = 0; result == 0 && i < run->n_inputs; i++) {
		if (run->cancelled)
			return COMPACTION_CANCELLED;
		result = begin(lines, i);
		if (result == 0) {
			result = each(ctx, run->inputs[i], &lines->hints[i]);
			end(lines, i);
		}
		if (result == COMPACTION_DAMAGED)
			run->damaged_input = i;
	}
	return result;
}

void lines_take(struct lines_batch *batch, const struct compaction *run,
		struct hint *hint)
{
	size_t n = 0;

	while (n < LINES_BATCH && hint_next(hint, &batch->lines[n])) {
		const struct hint_entry *line = &batch->lines[n];

		batch->digests[n] =
			digest_of(run->secret, line->key, line->key_len);
		lookup_prefetch(run->map, &batch->digests[n]);
		n++;
	}
	batch->n = n;
}
