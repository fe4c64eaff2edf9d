#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "common/checksum.h"

static void test_known_vectors(void **state)
{
	uint8_t bytes[32];

	(void)state;
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(0, "a", 1), 0xc1d04330);
	/* RFC 3720, appendix B.4 */
	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x8a9136aa);
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x62a8ab43);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x46dd794e);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(31 - i);
	assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x113fdb5c);
}

static void test_nothing_changes_nothing(void **state)
{
	(void)state;
	assert_int_equal(crc32c(0, NULL, 0), 0);
	assert_int_equal(crc32c(0xe3069283, "", 0), 0xe3069283);
}

/* One bit at a time, which shares nothing with the library. */
static uint32_t slow_crc32c(const uint8_t *data, size_t len)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static void test_every_length_and_alignment_agrees_with_a_slow_one(void **state)
{
	enum { LEN_MAX = 300 };

	(void)state;
	for (size_t len = 0; len <= LEN_MAX; len++) {
		/* of exactly that size, so that ASan sees its end */
		uint8_t *block = calloc(1, len + 1);

		for (size_t i = 0; i < len; i++)
			block[i + 1] = (uint8_t)(i * 167 + len);
		assert_int_equal(crc32c(0, block + 1, len),
				 slow_crc32c(block + 1, len));
		free(block);
	}
}

static void test_pieces_give_the_crc_of_the_whole(void **state)
{
	static const char text[] =
		"the quick brown fox jumps over the lazy dog";
	size_t len = strlen(text);

	(void)state;
	for (size_t i = 0; i <= len; i++)
		assert_int_equal(crc32c(crc32c(0, text, i), text + i, len - i),
				 crc32c(0, text, len));
}

static void test_numbers_are_little_endian_at_any_alignment(void **state)
{
	uint8_t bytes[16] = { 0 };

	(void)state;
	bytes_put16(bytes + 1, 0x0102);
	bytes_put32(bytes + 3, 0x03040506);
	bytes_put64(bytes + 7, UINT64_C(0x0708090a0b0c0d0e));
	assert_memory_equal(bytes, "\0\2\1\6\5\4\3\16\15\14\13\12\11\10\7\0",
			    16);
	assert_int_equal(bytes_get16(bytes + 1), 0x0102);
	assert_int_equal(bytes_get32(bytes + 3), 0x03040506);
	assert_true(bytes_get64(bytes + 7) == UINT64_C(0x0708090a0b0c0d0e));
}

static void test_alignment_goes_up_to_the_next_eight(void **state)
{
	(void)state;
	assert_int_equal(bytes_align8(0), 0);
	assert_int_equal(bytes_align8(1), 8);
	assert_int_equal(bytes_align8(8), 8);
	assert_int_equal(bytes_align8(9), 16);
	assert_true(bytes_align8(UINT64_C(0x100000001)) ==
		    UINT64_C(0x100000008));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_vectors),
		cmocka_unit_test(test_nothing_changes_nothing),
		cmocka_unit_test(
			test_every_length_and_alignment_agrees_with_a_slow_one),
		cmocka_unit_test(test_pieces_give_the_crc_of_the_whole),
		cmocka_unit_test(
			test_numbers_are_little_endian_at_any_alignment),
		cmocka_unit_test(test_alignment_goes_up_to_the_next_eight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
