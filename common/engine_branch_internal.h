/*
 * engine_branch_internal: the parts of a branch, for engine_branch*.c only.
 *
 *	engine_branch.c		errands, turns, the end
 *	engine_branch_read.c	what is read on the branch's own thread
 */
#ifndef GETME_COMMON_ENGINE_BRANCH_INTERNAL_H
#define GETME_COMMON_ENGINE_BRANCH_INTERNAL_H

#include "common/engine_branch.h"
#include "common/engine_cold.h"

enum {
	/* A branch reads so many keys at once, and so many bytes of values. */
	BRANCH_KEYS_MAX = 64,
	BRANCH_BYTES_MAX = 64 << 10,
};

/* A get_many while it is read. */
struct branch_many {
	struct view_key keys[BRANCH_KEYS_MAX];
	struct view_found found[BRANCH_KEYS_MAX];
	struct engine_item items[BRANCH_KEYS_MAX];
	struct arena arena; /* owned: their values */
};

struct branch {
	struct engine engine; /* first */
	struct engine_host host;
	struct local *local;
	struct retire_reader reader;
	struct request_list submitted;
	struct mailbox back;
	struct errand *free_errands;
	size_t n_free_errands;
	struct view_buffer buffer;
	struct engine_item item; /* of get and stat */
	struct branch_many many;
	bool in_turn;
};

/*
 * A request that the engine has, and what its answer is made of.  It is the
 * branch's, then the engine's thread's from the one mailbox to the other.
 */
struct errand {
	struct mail mail; /* first */
	struct errand *next_free;
	struct branch *branch;
	struct engine_request *request;
	/* the request's own, while these are the errand's */
	void (*done)(struct engine_request *request);
	void *user;
	/* copies: items with their small bytes, or stats; owned, used again */
	void *block;
	size_t cap;
	struct engine_item *items; /* in the block, or NULL */
	struct engine_stat *stats; /* likewise */
	char *text;		   /* owned */
};

/* ---- engine_branch.c ---- */

/* The request becomes an errand, or ends for want of memory. */
void branch_send(struct branch *branch, struct engine_request *request);

/* ---- engine_branch_read.c ---- */

/*
 * Takes as many requests off the head of LIST, which is not empty, as can be
 * read together, and answers them or sends them.  Whether there were any.
 */
bool branch_read_some(struct branch *branch, struct request_list *list);

#endif
