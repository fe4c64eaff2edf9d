/*
 * digest: the keyed 96-bit name under which the index knows a key.
 *
 * SipHash-2-4-128 of the key's bytes under a 16-byte secret, cut to 96 bits.
 * Nobody who does not know the secret can make keys that collide or that
 * crowd one bucket; by chance any two of 100 million keys share a digest
 * with probability 6e-14.  A match is a hint, never proof: the entry's key
 * is compared on every read.
 *
 * No initialisation is needed; all functions are safe in every thread.
 */
#ifndef GETME_COMMON_DIGEST_H
#define GETME_COMMON_DIGEST_H

#include <stddef.h>
#include <stdint.h>

enum {
	DIGEST_SECRET_LEN = 16, /* bytes */
};

/* Equal when both members are. */
struct digest {
	uint64_t lo; /* its low bits choose the bucket */
	uint32_t hi;
};

/*
 * Fills SECRET with random bytes of the kernel.  0, or a negative errno (then
 * SECRET is untouched).
 */
int digest_new_secret(uint8_t secret[DIGEST_SECRET_LEN]);

/* The digest of the LEN bytes at KEY; KEY may be NULL when LEN is 0. */
struct digest digest_of(const uint8_t secret[DIGEST_SECRET_LEN],
			const void *key, size_t len);

/*
 * SipHash-2-4 under a key that is a constant of the file format: for the
 * filters of hint files, which outlive every secret.  Not a defence against
 * chosen keys.
 */
uint64_t digest_fixed64(const void *key, size_t len);

#endif
