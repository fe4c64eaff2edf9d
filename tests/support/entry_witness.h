/*
 * entry_witness: which entries were in the bytes that a reader copied, judged
 * by common/entry.h's table alone and by none of its code.
 *
 * A reader whose answers were witnessed has checked what it gave out.
 */
#ifndef GETME_TESTS_SUPPORT_ENTRY_WITNESS_H
#define GETME_TESTS_SUPPORT_ENTRY_WITNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* Different ones that one call may meet; more is the test's fault. */
	ENTRY_WITNESS_MAX = 1024,
};

struct witnessed {
	uint64_t key_sum;
	bool whole; /* the value too, else value_sum is of no use */
	uint64_t value_sum;
	uint64_t value_len;
	uint64_t version;
	int64_t expires_at_ms; /* as in getme.h: -1: none */
};

/* All zero is empty and valid. */
struct entry_witness {
	struct witnessed seen[ENTRY_WITNESS_MAX];
	size_t n;
};

/*
 * LEN bytes from OFF of segment ID were copied, which has REST bytes from
 * there on: if a put begins with them it was seen.
 */
void entry_witness_note(struct entry_witness *witness, const uint8_t *data,
			size_t len, uint64_t rest, uint32_t id, uint64_t off);

/* Whether such a put was seen; without VALUE all but that is compared. */
bool entry_witness_saw(const struct entry_witness *witness, const void *key,
		       size_t key_len, const void *value, uint64_t value_len,
		       uint64_t version, int64_t expires_at_ms);

#endif
