/*
 * record: one write on its way to the log.
 *
 * Built from the operations of a put, a delete or a batch: their entries
 * encoded (small values copied behind the key, larger ones borrowed until the
 * record is freed), their digests made, one block for it all.
 */
#ifndef GETME_COMMON_RECORD_H
#define GETME_COMMON_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/digest.h"
#include "common/log.h"
#include "common/spares.h"

/* One put or delete. */
struct record_op {
	bool is_delete;
	uint16_t key_len;
	uint32_t value_len;
	const void *key;
	const void *value;	/* stays until the record is freed */
	uint64_t expires_at_ms; /* 0: none */
};

struct record {
	struct log_record log; /* the first member */
	uint32_t n_ops;
	struct digest *digests;	 /* n_ops, as the operations */
	uint64_t *expires_at_ms; /* n_ops; 0: none */
	bool *deletes;		 /* n_ops */
	void *user;		 /* the caller's */
	struct spares *spares;	 /* where its block goes; NULL: it is freed */
	size_t cap;		 /* bytes of the block */
};

/*
 * N from 1 to ENTRY_BATCH_MAX; more than one makes a batch.  NULL: no
 * memory, or the record would be longer than 2 GiB.
 */
struct record *record_new(const struct record_op *ops, size_t n,
			  const uint8_t *secret, uint64_t now_ms);

/* The same, its block one of SPARES, which outlives it. */
struct record *record_new_in(struct spares *spares, const struct record_op *ops,
			     size_t n, const uint8_t *secret, uint64_t now_ms);

/* One without entries: a clear, a sync.  NULL: no memory. */
struct record *record_new_special(enum log_record_kind kind);
struct record *record_new_special_in(struct spares *spares,
				     enum log_record_kind kind);

void record_free(struct record *record);

/* The log item of operation I (behind the batch's head). */
static inline const struct log_item *record_item(const struct record *record,
						 uint32_t i)
{
	return &record->log.items[i + (record->n_ops > 1)];
}

#endif
