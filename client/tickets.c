#include "client/tickets.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
	CAP_MIN = 16,
	CAP_KEEP = 1024, /* tickets that an idle handle keeps room for */
};

void tickets_deinit(struct tickets *tickets)
{
	free(tickets->ring);
	memset(tickets, 0, sizeof(*tickets));
}

static int grow(struct tickets *tickets)
{
	size_t cap = tickets->cap ? tickets->cap * 2 : CAP_MIN;
	struct ticket *ring;
	size_t i;

	ring = calloc(cap, sizeof(*ring));
	if (!ring)
		return -1;
	for (i = 0; i < tickets->n; i++)
		ring[i] = *tickets_at(tickets, i);
	free(tickets->ring);
	tickets->ring = ring;
	tickets->cap = cap;
	tickets->first = 0;
	return 0;
}

struct ticket *tickets_push(struct tickets *tickets)
{
	struct ticket *ticket;

	if (tickets->n == tickets->cap && grow(tickets) < 0)
		return NULL;
	ticket = tickets_at(tickets, tickets->n++);
	memset(ticket, 0, sizeof(*ticket));
	return ticket;
}

struct ticket *tickets_at(const struct tickets *tickets, size_t index)
{
	return &tickets->ring[(tickets->first + index) & (tickets->cap - 1)];
}

struct ticket *tickets_next(const struct tickets *tickets)
{
	if (tickets->n_done == tickets->n)
		return NULL;
	return tickets_at(tickets, tickets->n_done);
}

void tickets_settle(struct tickets *tickets)
{
	assert(tickets->n_done < tickets->n);
	tickets->n_done++;
}

static void shrink(struct tickets *tickets)
{
	if (tickets->n == 0 && tickets->cap > CAP_KEEP)
		tickets_deinit(tickets);
}

void tickets_pop_oldest(struct tickets *tickets, struct ticket *out)
{
	assert(tickets->n > 0);
	if (out)
		*out = *tickets_at(tickets, 0);
	tickets->first = (tickets->first + 1) & (tickets->cap - 1);
	tickets->n--;
	if (tickets->n_done > 0)
		tickets->n_done--;
	shrink(tickets);
}

void tickets_pop_newest(struct tickets *tickets, struct ticket *out)
{
	assert(tickets->n > 0);
	if (out)
		*out = *tickets_at(tickets, tickets->n - 1);
	tickets->n--;
	if (tickets->n_done > tickets->n)
		tickets->n_done = tickets->n;
	shrink(tickets);
}
