/*
 * mailbox: things handed to one thread by any number of others, without a
 * lock.
 *
 * Who puts links the new thing before the newest one by a compare and swap;
 * who takes exchanges the whole list for an empty one and turns it round.
 * Nothing is ever taken out of the middle, so a thing that comes back under
 * the same address does no harm.
 *
 * Invariants
 *  1. Things that one thread has put are taken in their order.
 *  2. What was written before a put is seen after the take.
 */
#ifndef GETME_COMMON_MAILBOX_H
#define GETME_COMMON_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>

/* Embedded in what is handed over, as its first member. */
struct mail {
	struct mail *next;
};

/* All zero is empty. */
struct mailbox {
	_Atomic(struct mail *) newest;
};

/* Any thread.  True: it was empty, so its owner is to be woken. */
bool mailbox_put(struct mailbox *mailbox, struct mail *mail);

/* The owner.  All that is there, the oldest first; NULL: nothing. */
struct mail *mailbox_take(struct mailbox *mailbox);

#endif
