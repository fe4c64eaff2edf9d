/*
 * golden: what a golden store (tests/golden/) is expected to hold.
 *
 * A text file beside the store, one line a key, words with one space between:
 *
 *	put KEY VALUE VERSION EXPIRES_AT
 *	gone KEY
 *	expired KEY	as gone, but the store may count it still
 *
 * EXPIRES_AT is in ms since 1970, 0 for none.  KEY and VALUE are
 *
 *	t:TEXT		these letters (none: empty)
 *	x:HEX		these bytes
 *	f:LEN:SEED	LEN bytes that golden_fill makes from SEED
 */
#ifndef GETME_TESTS_SUPPORT_GOLDEN_H
#define GETME_TESTS_SUPPORT_GOLDEN_H

#include <stddef.h>
#include <stdint.h>

struct golden_bytes {
	uint8_t *data; /* malloc */
	size_t len;
};

/* The bytes that SPEC stands for; a bad one ends the program. */
struct golden_bytes golden_bytes(const char *spec);

/*
 * Opens the store in DIR and compares it with the file EXPECTED, versions and
 * the number of keys included; closes it.  Fails the test.
 */
void golden_expect(const char *dir, const char *expected);

#endif
