/*
 * workload: a few operations on a store, as a text.
 *
 * A step is a letter, for a write followed by the digit of its durability
 * (enum store_durability: 1 none, 2 interval, 3 always):
 *
 *	a  put a		m  batch: put a, delete b, put c
 *	b  put b, larger	R  roll
 *	e  put b, expires	C  clear
 *	d  delete a		O  close and open
 *	f  put c, half a segment
 *	g  put b, more than one	S  sync
 *				K  compact all
 *				X  kill and open
 *				B  backup into a fresh folder;
 *				   every second step copies
 *
 * "a3d1R" puts a, deletes it without waiting for the disk, and rolls.
 */
#ifndef GETME_TESTS_CRASH_WORKLOAD_H
#define GETME_TESTS_CRASH_WORKLOAD_H

#include <stdbool.h>

#include "tests/crash/oracle.h"
#include "tests/crash/simfs.h"

enum {
	WORKLOAD_LEN_MAX = 31,
};

/* Whether the letter is a write and has a durability. */
bool workload_is_write(char letter);

/* The length of the step at the beginning of TEXT. */
size_t workload_step_len(const char *text);

/*
 * Does the step at the beginning of TEXT; its values are made from NUMBER.
 * Returns what the store returned.  *STORE is NULL afterwards when it could
 * not be opened again; then the result is the open's.
 */
int workload_step(const char *text, unsigned number, struct simfs *fs,
		  struct store **store, struct oracle *oracle);

#endif
