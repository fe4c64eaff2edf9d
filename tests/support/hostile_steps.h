/*
 * hostile_steps: an input of bytes as changes to a hostile store, that come at
 * once or in the middle of a read, and can be taken back.
 *
 * A step is 4 bytes:
 *	what   bits 0..3  enum hostile_step
 *	       bits 4..6  how many events it waits for, if it does (see waits)
 *	       bit  7     it waits
 *	which  a key, an overflow bucket, a block
 *	where  in it
 *	how    the number that is put there (see number_of); 255: the 8 bytes
 *	       that follow
 */
#ifndef GETME_TESTS_SUPPORT_HOSTILE_STEPS_H
#define GETME_TESTS_SUPPORT_HOSTILE_STEPS_H

#include <stdbool.h>

#include "tests/support/hostile_store.h"

enum hostile_step {
	/* No changes: the caller's to take. */
	HOSTILE_GET,
	HOSTILE_STAT,
	HOSTILE_GET_MANY, /* WHERE keys from WHICH on */
	HOSTILE_DETACH,
	/* These may wait. */
	HOSTILE_UNDO,	  /* all is as it was */
	HOSTILE_CLOCK,	  /* shows another time */
	HOSTILE_LIE,	  /* the next block to be lent is another, or none */
	HOSTILE_HEADER,	  /* a word of it */
	HOSTILE_BUCKET,	  /* a word of a key's */
	HOSTILE_OVERFLOW, /* a word of an overflow bucket */
	HOSTILE_TURN,	  /* the version of a key's bucket goes on */
	HOSTILE_PLACE,	  /* a part of a key's */
	HOSTILE_POINT,	  /* a key leads to where another one is */
	HOSTILE_ENTRY,	  /* a word of a key's entry's head, or a byte of it */
	HOSTILE_SEAL,	  /* its checksums become right */
};

enum {
	HOSTILE_CHANGES_MAX = 8192, /* those behind are not made */
	HOSTILE_WAITING_MAX = 16,
};

struct hostile_change {
	uint8_t *at;
	uint8_t old[8];
	size_t len;
};

struct hostile_act {
	uint8_t what, which, where, how;
	uint64_t number; /* that followed */
	unsigned int wait;
};

struct hostile_steps {
	struct hostile_store *store;
	struct hostile_change changes[HOSTILE_CHANGES_MAX];
	size_t n_changes;
	struct hostile_act waiting[HOSTILE_WAITING_MAX];
	size_t n_waiting;
	struct hostile_act lie; /* its WHAT is 0: none */
	uint64_t now_ms;
	size_t n_done; /* of those that are not the caller's */
};

/* Begins anew, with STORE as it is. */
void hostile_steps_begin(struct hostile_steps *steps,
			 struct hostile_store *store);

/* Takes the next step from LEN bytes, 4 or more; how many it had. */
size_t hostile_steps_parse(const uint8_t *data, size_t len,
			   struct hostile_act *act);

/* Does it, or lets it wait; nothing for those that are the caller's. */
void hostile_steps_take(struct hostile_steps *steps,
			const struct hostile_act *act);

/* Something happens: steps that have waited for it are done. */
void hostile_steps_event(struct hostile_steps *steps);

/* Takes all back; what waits is forgotten. */
void hostile_steps_undo(struct hostile_steps *steps);

/* Whether the store is as it was, and nobody is going to be lied to. */
bool hostile_steps_are_none(const struct hostile_steps *steps);

#endif
