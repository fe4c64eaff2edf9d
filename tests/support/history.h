/*
 * history: what was done with one key, when, by anybody; and whether there is
 * an order of it in which each operation took effect at one instant between
 * its begin and its end (linearizability).
 *
 * Every value is written once.  Then the operations on each value, its write
 * and its reads, make a cluster, whose zone lies between the earliest end and
 * the latest begin in it: forward when the end comes first, else backward.
 * There is an order exactly if no read of a value ends before its write
 * begins, no two forward zones overlap, and no backward zone lies within a
 * forward one (Gibbons and Korach, "Testing shared memories", 1997).
 *
 * A miss does not tell which delete it saw: of misses, and of deletes among
 * values, it is checked that each read can be explained by a write before
 * which, and behind which, no other lies wholly.
 */
#ifndef GETME_TESTS_SUPPORT_HISTORY_H
#define GETME_TESTS_SUPPORT_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HISTORY_ABSENT = 0 }; /* the value of a missing key */

#define HISTORY_NEVER UINT64_MAX /* the end of what may never have happened */

struct history_op {
	uint64_t value; /* written or read */
	uint64_t begin; /* ns; not 0 */
	uint64_t end;	/* HISTORY_NEVER: a write whose outcome is unknown */
	unsigned int who;
	bool is_write; /* a put; of HISTORY_ABSENT a delete or a clear */
};

/*
 * Whether the N operations, which are put into another order, can be explained;
 * the key was absent before all of them.  If not, WHY (LEN bytes) tells which
 * operations contradict each other.
 */
bool history_is_linear(struct history_op *ops, size_t n, char *why, size_t len);

#endif
