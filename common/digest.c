#include "common/digest.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/random.h>

#include "common/bytes.h"

_Static_assert(DIGEST_SECRET_LEN == crypto_shorthash_siphashx24_KEYBYTES,
	       "the secret is SipHash's key");

/* Part of the format of hint files: never changes. */
static const uint8_t fixed_key[crypto_shorthash_siphash24_KEYBYTES] = {
	0x67, 0x65, 0x74, 0x4d, 0x65, 0x2d, 0x68, 0x69,
	0x6e, 0x74, 0x2d, 0x6b, 0x65, 0x79, 0x2d, 0x31,
};

/* libsodium reads the key's first byte's address even when there is none. */
static const void *some_address(const void *key)
{
	return key ? key : fixed_key;
}

int digest_new_secret(uint8_t secret[DIGEST_SECRET_LEN])
{
	uint8_t random[DIGEST_SECRET_LEN];
	ssize_t got;

	do {
		got = getrandom(random, sizeof(random), 0);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	if (got != sizeof(random))
		return -EIO;
	memcpy(secret, random, sizeof(random));
	return 0;
}

struct digest digest_of(const uint8_t secret[DIGEST_SECRET_LEN],
			const void *key, size_t len)
{
	uint8_t hash[crypto_shorthash_siphashx24_BYTES];
	struct digest digest;

	crypto_shorthash_siphashx24(hash, some_address(key), len, secret);
	digest.lo = bytes_get64(hash);
	digest.hi = (uint32_t)bytes_get64(hash + 8);
	return digest;
}

uint64_t digest_fixed64(const void *key, size_t len)
{
	uint8_t hash[crypto_shorthash_siphash24_BYTES];

	crypto_shorthash_siphash24(hash, some_address(key), len, fixed_key);
	return bytes_get64(hash);
}
