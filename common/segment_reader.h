/*
 * segment_reader: the entries of a segment, front to back.
 *
 * A window of the file moves over it, so memory is bounded whatever the
 * entries' lengths.  What is read is taken for untrusted: an entry that is
 * given back is within the limits and its header and key pass their CRC.
 * Nothing is written.
 */
#ifndef GETME_COMMON_SEGMENT_READER_H
#define GETME_COMMON_SEGMENT_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/entry.h"
#include "common/io.h"
#include "common/segment.h"

struct segment_reader {
	struct io *io;
	int fd;
	uint32_t id;
	uint64_t off;	/* of the next entry */
	uint64_t limit; /* no entry reaches beyond */
	uint64_t bytes_read;
	uint8_t *window;
	size_t window_cap;
	uint64_t window_off;
	size_t window_len;
};

/* 0 or -ENOMEM. */
int segment_reader_init(struct segment_reader *reader, struct io *io,
			const struct segment *segment, uint64_t off,
			uint64_t limit);
void segment_reader_deinit(struct segment_reader *reader);

/* An entry as a reader meets it. */
struct segment_entry {
	struct entry entry; /* the key is borrowed until the next call */
	uint64_t off;
	uint64_t len;
	bool value_ok;	      /* true where it was not checked */
	uint32_t batch_count; /* of a batch head whose value is ok */
	uint64_t batch_run_len;
};

/*
 * The entry at reader->off, which moves behind it.  0, SEGMENT_END,
 * SEGMENT_BAD (off stays), -EIO and the like.  With CHECK_VALUE the value is
 * read and its CRC checked.
 */
int segment_reader_next(struct segment_reader *reader, bool check_value,
			struct segment_entry *out);

/*
 * After SEGMENT_BAD: moves to the next place where an entry begins.  0 or
 * SEGMENT_END (off is the limit), -errno.
 */
int segment_reader_resync(struct segment_reader *reader);

/*
 * The end of the last byte in [off, limit) that is not zero, rounded up to
 * 8; OFF when all are zero.
 */
int segment_reader_data_end(struct segment_reader *reader, uint64_t off,
			    uint64_t *end);

#endif
