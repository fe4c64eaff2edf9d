/*
 * segment_header: the bytes at the begin of a segment; common/segment.h has
 * the table.
 *
 * A header is written once, and synced, before the file has an entry (a
 * segment of the log) or a name (a compaction's output).  What is read is
 * checked: magic, length and CRC, then version, store and id.
 */
#ifndef GETME_COMMON_SEGMENT_HEADER_H
#define GETME_COMMON_SEGMENT_HEADER_H

#include <stddef.h>
#include <stdint.h>

#include "common/io.h"
#include "common/segment.h"

/* The length in bytes of a header that names N replaced segments. */
uint32_t segment_header_len(size_t n_replaces);

/*
 * Writes the header of segment ID to FD and syncs the file.  REPLACES: the
 * segments that it takes the place of.  0, -ENOMEM, -errno; after a failure,
 * or a crash, the header may be there in part.
 */
int segment_header_write(struct io *io, int fd, const uint8_t *store_id,
			 uint32_t id, struct segment *const *replaces,
			 size_t n_replaces);

/*
 * Reads and checks the header of segment ID from FD.  HEADER is malloc'ed,
 * the caller frees it; HEADER_LEN in bytes.  0; SEGMENT_BAD, SEGMENT_FOREIGN,
 * SEGMENT_NEWER; -ENOMEM, -errno.
 */
int segment_header_read(struct io *io, int fd, const uint8_t *store_id,
			uint32_t id, uint8_t **header, uint32_t *header_len);

/*
 * Which store DIR/ID.seg says it belongs to, its header not checked.  0,
 * SEGMENT_BAD: no header at all; -ENOENT, -errno.
 */
int segment_header_store_id(struct io *io, const char *dir, uint32_t id,
			    uint8_t store_id[SEGMENT_STORE_ID_LEN]);

/*
 * Which segments DIR/ID.seg replaces.  IDS is malloc'ed, the caller frees it
 * (N may be 0).  Errors as segment_header_read's, and -ENOENT.
 */
int segment_header_replaces(struct io *io, const char *dir,
			    const uint8_t store_id[SEGMENT_STORE_ID_LEN],
			    uint32_t id, uint32_t **ids, size_t *n);

#endif
