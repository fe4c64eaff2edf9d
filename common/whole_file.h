/*
 * whole_file: small files that are read at once and replaced at once.
 */
#ifndef GETME_COMMON_WHOLE_FILE_H
#define GETME_COMMON_WHOLE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "common/io.h"

/*
 * Reads PATH if it has LEN_MIN to LEN_MAX bytes.  DATA is malloc'ed, the
 * caller frees it.  0; -EMSGSIZE: another size, or shorter than it said;
 * -ENOMEM; -errno.
 */
int whole_file_read(struct io *io, const char *path, uint64_t len_min,
		    uint64_t len_max, uint8_t **data, size_t *len);

/*
 * Replaces PATH, or makes it, by way of PATH.tmp, which is synced before it
 * is renamed; the folder is not synced.  0: the name means the new bytes.
 * -errno: it means what it meant.
 */
int whole_file_replace(struct io *io, const char *path, const void *data,
		       size_t len);

#endif
