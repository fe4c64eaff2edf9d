/*
 * direct: reads that this process does itself, from shared memory.
 *
 *   DETACHED   the next read attaches, if the daemon lets it
 *   ATTACHED   reads are direct, while the index says that it is current
 *   REFUSED    it does not, or could not: the socket, for a while or for good
 *
 * Attaching asks the daemon for descriptors, over the handle's connection:
 * first for the index' header, then, as lookups want them, for its chunks and
 * for segments.  A clear, a stop and the daemon's death end the index; a lost
 * connection ends what it gave.  Then everything is let go of, and the next
 * read attaches again.
 *
 * Invariants
 *  1. A direct answer was true at an instant during the call: the index was
 *     current after the call had begun, and only then it was looked at.
 *  2. A read is direct only while no request of the handle is under way or
 *     uncollected, so it sees what the handle's writes did.
 *  3. What is not found to be so (no answer, damage, an error) is asked over
 *     the socket: the caller gets what the daemon says.
 *  4. A direct read makes no system call but pread where segments are not
 *     mapped, and what attaching takes.
 */
#ifndef GETME_CLIENT_DIRECT_H
#define GETME_CLIENT_DIRECT_H

#include "client/handle.h"

enum {
	DIRECT_ELSEWHERE = 100, /* ask the daemon */
};

/* NULL: no memory, and reads go over the socket. */
struct direct *direct_new(enum getme_direct mode);

/* NULL is fine. */
void direct_free(struct direct *direct);

/* Lets go of everything: the next read attaches again. */
void direct_detach(struct direct *direct);

/*
 * get or stat, METHOD, of a handle whose call has begun.  0 and VALUE,
 * GETME_NOT_FOUND, DIRECT_ELSEWHERE; GETME_E_TIMEOUT, with its text: the call's
 * time went by while something was asked for.
 */
int direct_get(struct getme *handle, enum method_id method, const void *key,
	       size_t key_len, struct getme_value *value);

/* get_many of 1 to MESSAGE_KEYS_MAX good keys; 0 or as above. */
int direct_get_many(struct getme *handle, const struct getme_bytes *keys,
		    size_t n, struct getme_item *items);

#endif
