/*
 * writer_model: what the keys of one writer may hold after its daemon was
 * killed.
 *
 * A writer has keys of its own and numbers its operations.  One connection's
 * requests take effect in the order sent, so a killed daemon leaves the keys
 * as they were after some prefix of the operations: one that holds all that
 * were acknowledged and all whose effect a reader saw.  Keys of three kinds:
 * plain ones; a group, which only batches touch and always as a whole; and
 * counters.
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
	MODEL_COUNTERS = 8,
	MODEL_FIRST_GROUP = MODEL_PLAIN,
	MODEL_FIRST_COUNTER = MODEL_PLAIN + MODEL_GROUP,
	MODEL_KEYS = MODEL_PLAIN + MODEL_GROUP + MODEL_COUNTERS,

	MODEL_CHANGES_MAX = MODEL_GROUP, /* of one operation */
	MODEL_KEY_MAX = 32,		 /* bytes, with the 0 behind it */
	MODEL_VALUE_MAX = 256 << 10,	 /* bytes */
};

struct model_state {
	bool present;
	int64_t number; /* the operation that wrote it; a counter's value */
};

struct model_change {
	unsigned int key;
	struct model_state state;
};

struct model_op {
	size_t n;
	struct model_change changes[MODEL_CHANGES_MAX];
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
 * FOUND is what all keys hold.  True, and ops is empty, when that is the
 * state after a prefix of ops that is long enough; SEEN is the highest number
 * that a reader saw.  Else WHY says what does not fit.
 */
bool model_settle(struct writer_model *model,
		  const struct model_state found[MODEL_KEYS], int64_t seen,
		  char *why, size_t why_len);

#endif
