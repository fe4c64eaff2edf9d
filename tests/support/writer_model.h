/*
 * writer_model: what the keys of one writer may hold after its daemon was
 * killed.
 *
 * A writer has keys of its own and numbers its operations.  One connection's
 * requests take effect in the order sent, so a killed daemon leaves the keys
 * as they were after some prefix of the operations: one that holds all that
 * were acknowledged and all whose effect a reader saw.  A backup holds such a
 * prefix, too.  Keys of four kinds: plain ones; a group, which only batches
 * touch and always as a whole; some that expire; and counters.
 *
 * Every value tells its writer, its key and its operation, and all of its
 * bytes follow from these.
 */
#ifndef GETME_TESTS_SUPPORT_WRITER_MODEL_H
#define GETME_TESTS_SUPPORT_WRITER_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	MODEL_PLAIN = 64,
	MODEL_GROUP = 8,
	MODEL_EXPIRING = 8,
	MODEL_COUNTERS = 8,
	MODEL_FIRST_GROUP = MODEL_PLAIN,
	MODEL_FIRST_EXPIRING = MODEL_FIRST_GROUP + MODEL_GROUP,
	MODEL_FIRST_COUNTER = MODEL_FIRST_EXPIRING + MODEL_EXPIRING,
	MODEL_KEYS = MODEL_FIRST_COUNTER + MODEL_COUNTERS,

	MODEL_CHANGES_MAX = MODEL_GROUP, /* of one operation */
	MODEL_KEY_MAX = 32,		 /* bytes, with the 0 behind it */
	MODEL_VALUE_MAX = 256 << 10,	 /* bytes */
};

struct model_state {
	bool present;
	int64_t number; /* the operation that wrote it; a counter's value */
	int64_t expires_at_ms; /* since 1970; 0: never, or not known */
};

struct model_change {
	unsigned int key;
	struct model_state state;
};

struct model_op {
	size_t n;
	struct model_change changes[MODEL_CHANGES_MAX];
	bool clears; /* all keys; n is 0 */
	/* CLOCK_MONOTONIC: before it was sent; after its answer, 0: none */
	uint64_t sent_ns;
	uint64_t answered_ns;
};

/* What all keys held at some time of the span; CLOCK_REALTIME. */
struct model_view {
	struct model_state found[MODEL_KEYS];
	int64_t from_ms;
	int64_t to_ms;
};

/* The fewest and the most operations after which a view is what is there. */
struct model_cut {
	size_t fewest;
	size_t most;
};

struct writer_model {
	unsigned int writer;
	struct model_state settled[MODEL_KEYS]; /* before ops */
	struct model_state last[MODEL_KEYS];	/* after ops */
	struct model_op *ops; /* owned; since the daemon was started */
	size_t n_ops;
	size_t cap;
	size_t n_acked; /* the first of ops */
	size_t n_limit; /* ops from here on were surely not applied */
	int64_t first;	/* the number of ops[0]; numbers begin at 1 */
};

void model_init(struct writer_model *model, unsigned int writer);
void model_deinit(struct writer_model *model);

/* The number that the next operation will have. */
int64_t model_next(const struct writer_model *model);

/* OP was sent, or is about to be.  Aborts without memory. */
void model_add(struct writer_model *model, const struct model_op *op);

/* OUT = the key's bytes; returns their length. */
size_t model_key(unsigned int writer, unsigned int key,
		 char out[MODEL_KEY_MAX]);

/* OUT (MODEL_VALUE_MAX bytes) = the value; returns its length. */
size_t model_value(unsigned int writer, unsigned int key, int64_t number,
		   char *out);

/* Whether DATA is a whole value of the key; STATE says which. */
bool model_read(unsigned int writer, unsigned int key, const void *data,
		size_t len, struct model_state *state);

/*
 * Whether VIEW fits after some number of ops from LEAST to MOST, which CUT
 * tells.  Else WHY says what does not fit.
 */
bool model_find(const struct writer_model *model, const struct model_view *view,
		size_t least, size_t most, struct model_cut *cut, char *why,
		size_t why_len);

/*
 * VIEW is what there is after the daemon was started again.  True when that
 * is the state after a prefix of ops that is long enough; SEEN is the highest
 * number that a reader saw.
 */
bool model_fits(const struct writer_model *model, const struct model_view *view,
		int64_t seen, struct model_cut *cut, char *why, size_t why_len);

/* Goes on from where CUT is; ops is empty. */
void model_settle(struct writer_model *model, const struct model_cut *cut);

/*
 * Cuts of one instant, one for each of N models.  False when an operation is
 * missing in one of them that was answered before another that is there was
 * sent: N_SENT and N_MISSING are the writers'.
 */
bool model_cuts_agree(const struct writer_model *const *models,
		      const struct model_cut *cuts, unsigned int n,
		      unsigned int *n_sent, unsigned int *n_missing);

#endif
