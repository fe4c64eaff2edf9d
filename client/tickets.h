/*
 * tickets: the requests of a handle, oldest first: those that have their
 * answer and were not collected, then those under way.
 *
 * Invariants
 *  1. The first n_done tickets are done, the others are under way.
 *  2. Replies come in the order of requests, so only the first ticket under
 *     way can be answered next.
 */
#ifndef GETME_CLIENT_TICKETS_H
#define GETME_CLIENT_TICKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/method.h"

enum ticket_state {
	TICKET_UNDER_WAY,
	TICKET_ANSWERED, /* its reply lies in the input */
	TICKET_FAILED,	 /* there will be no reply: see result */
};

struct ticket {
	enum ticket_state state;
	enum method_id method;
	uint32_t id;
	int result;
	size_t n; /* keys or operations that it names */
	void *tag;
	uint64_t out_pos; /* where it begins in the output */
	/*
	 * Where its reply's body lies in the input; of a failed ticket: how
	 * far the input was understood.
	 */
	uint64_t body_pos;
	size_t body_len;
};

struct tickets {
	struct ticket *ring;
	size_t cap; /* 0 or a power of two */
	size_t first;
	size_t n;
	size_t n_done;
};

void tickets_deinit(struct tickets *tickets);

/* A new ticket behind all others, zeroed, under way.  NULL: no memory. */
struct ticket *tickets_push(struct tickets *tickets);

/* Borrowed until the next push; index 0 is the oldest. */
struct ticket *tickets_at(const struct tickets *tickets, size_t index);

/* The one that a reply must answer; NULL: none is under way. */
struct ticket *tickets_next(const struct tickets *tickets);

/* Says that the ticket of tickets_next is done. */
void tickets_settle(struct tickets *tickets);

/* Removes the oldest or the newest; there is one.  OUT may be NULL. */
void tickets_pop_oldest(struct tickets *tickets, struct ticket *out);
void tickets_pop_newest(struct tickets *tickets, struct ticket *out);

#endif
