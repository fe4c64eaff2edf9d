/*
 * guarded: copying out of a mapped file, whose memory may fail.
 *
 * Where a page of a mapping cannot be had, since the disk fails or somebody
 * has cut the file off, touching it raises SIGBUS.  While a guarded copy runs
 * the handler puts a page of zeros in the place of one of its own that does,
 * and the copy goes on and fails; whatever else raises SIGBUS gets what it
 * would have got without the handler.
 *
 * Any thread may copy.  The handler needs no alternative stack, and nothing
 * of it is locked.
 */
#ifndef GETME_COMMON_GUARDED_H
#define GETME_COMMON_GUARDED_H

#include <stddef.h>

/*
 * Installs the handler, unless it is there; to be called before a mapping is
 * copied from.  It stays.  0 or a negative errno.
 */
int guarded_install(void);

/*
 * Copies LEN bytes from FROM, in a mapping that is nobody's to write.  0;
 * -EIO: some of it could not be had, TO holds anything, and the mapping has
 * pages now that are not the file's: it is to be unmapped, or not to be used.
 */
int guarded_copy(void *to, const void *from, size_t len);

#endif
