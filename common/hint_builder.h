/*
 * hint_builder: makes a hint, entry by entry.
 *
 * The filter is made from all puts at the end, when their number is known, so
 * 8 bytes a put are held until then.
 */
#ifndef GETME_COMMON_HINT_BUILDER_H
#define GETME_COMMON_HINT_BUILDER_H

#include <stddef.h>
#include <stdint.h>

#include "common/hint.h"
#include "common/io.h"
#include "common/segment.h"
#include "common/segment_reader.h"

/* A hint that is being made. */
struct hint_builder {
	uint8_t *data; /* owned */
	size_t len;
	size_t cap;
	uint64_t *put_hashes; /* owned; digest_fixed64 of the keys */
	size_t n_puts;
	size_t puts_cap;
	uint32_t n_entries;
	uint64_t last_sequence;
	uint64_t sequence; /* of the entry that was added last */
	uint64_t end8;	   /* of that one */
};

void hint_builder_init(struct hint_builder *builder);
void hint_builder_deinit(struct hint_builder *builder);

/* Adds one entry of the segment.  0 or -ENOMEM. */
int hint_builder_add(struct hint_builder *builder,
		     const struct segment_entry *entry);

/*
 * Adds all entries of a sealed segment, read front to back.  0; SEGMENT_BAD:
 * not all of it can be told; -ENOMEM, -errno.
 */
int hint_builder_read(struct hint_builder *builder, struct io *io,
		      const struct segment *segment);

/*
 * What was added, as a hint without a filter that hint_next walks through.  It
 * borrows the builder's data: not to be deinited, and good until the next call.
 */
struct hint hint_builder_peek(const struct hint_builder *builder);

/* The same, owned: takes the builder's data. */
void hint_builder_take(struct hint_builder *builder, struct hint *hint);

/*
 * Writes DIR/ID.hint by way of ID.hint.tmp: synced before it is renamed,
 * the folder is not (a lost hint is made again).  0, -ENOMEM, -errno; after a
 * failure an older hint of that name is as it was.
 */
int hint_builder_write(struct hint_builder *builder, struct io *io,
		       const char *dir,
		       const uint8_t store_id[SEGMENT_STORE_ID_LEN],
		       uint32_t segment_id, uint64_t segment_len);

#endif
