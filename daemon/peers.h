/*
 * peers: how many connections each user has.
 *
 * A machine has few users that are connected at one time: an array.
 */
#ifndef GETME_DAEMON_PEERS_H
#define GETME_DAEMON_PEERS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct peer {
	uid_t uid;
	uint64_t n_connections; /* at least 1 */
};

/* All zero is none. */
struct peers {
	struct peer *list; /* owned */
	size_t n;
	size_t cap;
};

void peers_deinit(struct peers *peers);

/* Adds one to UID.  0; -EDQUOT: it has MAX of them; -ENOMEM. */
int peers_add(struct peers *peers, uid_t uid, uint64_t max);

/* Takes one from UID, which has at least one. */
void peers_remove(struct peers *peers, uid_t uid);

#endif
