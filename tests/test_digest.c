#include "common/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* From an implementation of SipHash that shares nothing with ours. */
struct vector {
	size_t len;
	uint64_t lo;
	uint64_t hi; /* 64 bits, of which a digest keeps the low half */
	uint64_t fixed;
};

static const struct vector vectors[] = {
	{ 0, 0xe6a825ba047f81a3, 0x930255c71472f66d, 0x81ff5f23bb68423b },
	{ 1, 0x44af996bd8c187da, 0x45fc229b11597634, 0x53ed74fb9a432f9b },
	{ 7, 0x53c1dbd8beebf1a1, 0x3982f01fa64ab8c0, 0x2810d68baffbced7 },
	{ 8, 0x61f55862baa9623b, 0xb49714f364e2830f, 0xa8a7df57151d4204 },
	{ 15, 0x11a8b03399e99354, 0xd9c3cf970fec087e, 0xe14eb99d53b117fe },
	{ 63, 0x4a83502f77d15051, 0x7cbd3f979a063e50, 0x5569625f40c2fa4e },
};

static void counting_bytes(uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)i;
}

static void test_digest_is_siphash_128_cut_to_96(void **state)
{
	uint8_t secret[DIGEST_SECRET_LEN];
	uint8_t key[64];

	(void)state;
	counting_bytes(secret, sizeof(secret));
	counting_bytes(key, sizeof(key));
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct digest digest = digest_of(secret, key, vectors[i].len);

		assert_true(digest.lo == vectors[i].lo);
		assert_int_equal(digest.hi, (uint32_t)vectors[i].hi);
	}
}

/* Hint files that exist hold these. */
static void test_fixed_hash_never_changes(void **state)
{
	uint8_t key[64];

	(void)state;
	counting_bytes(key, sizeof(key));
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		assert_true(digest_fixed64(key, vectors[i].len) ==
			    vectors[i].fixed);
}

static void test_no_bytes_need_no_address(void **state)
{
	uint8_t secret[DIGEST_SECRET_LEN];
	struct digest digest;

	(void)state;
	counting_bytes(secret, sizeof(secret));
	digest = digest_of(secret, NULL, 0);
	assert_true(digest.lo == vectors[0].lo);
	assert_true(digest_fixed64(NULL, 0) == vectors[0].fixed);
}

static void test_each_secret_gives_other_digests(void **state)
{
	uint8_t secrets[2][DIGEST_SECRET_LEN] = { { 0 }, { 0 } };
	struct digest a;
	struct digest b;

	(void)state;
	assert_int_equal(digest_new_secret(secrets[0]), 0);
	assert_int_equal(digest_new_secret(secrets[1]), 0);
	assert_memory_not_equal(secrets[0], secrets[1], DIGEST_SECRET_LEN);
	a = digest_of(secrets[0], "key", 3);
	b = digest_of(secrets[1], "key", 3);
	assert_true(a.lo != b.lo);
	assert_true(a.hi != b.hi);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digest_is_siphash_128_cut_to_96),
		cmocka_unit_test(test_fixed_hash_never_changes),
		cmocka_unit_test(test_no_bytes_need_no_address),
		cmocka_unit_test(test_each_secret_gives_other_digests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
