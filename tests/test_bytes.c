#include "common/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum {
	AROUND = 0xee, /* what lies before and behind a field */
};

/* At an odd place, with a byte on either side that is to stay. */
static void test_16_bits_are_little_endian_at_any_alignment(void **state)
{
	const uint8_t expected[] = { AROUND, 0x02, 0x01, AROUND };
	uint8_t bytes[] = { AROUND, 0, 0, AROUND };

	(void)state;
	bytes_put16(bytes + 1, 0x0102);
	assert_memory_equal(bytes, expected, sizeof(expected));
	assert_int_equal(bytes_get16(bytes + 1), 0x0102);
}

static void test_32_bits_are_little_endian_at_any_alignment(void **state)
{
	const uint8_t expected[] = { AROUND, 0x04, 0x03, 0x02, 0x81, AROUND };
	uint8_t bytes[] = { AROUND, 0, 0, 0, 0, AROUND };

	(void)state;
	bytes_put32(bytes + 1, 0x81020304);
	assert_memory_equal(bytes, expected, sizeof(expected));
	assert_true(bytes_get32(bytes + 1) == 0x81020304);
}

static void test_64_bits_are_little_endian_at_any_alignment(void **state)
{
	const uint64_t value = UINT64_C(0x8102030405060708);
	const uint8_t expected[] = {
		AROUND, 8, 7, 6, 5, 4, 3, 2, 0x81, AROUND
	};
	uint8_t bytes[] = { AROUND, 0, 0, 0, 0, 0, 0, 0, 0, AROUND };

	(void)state;
	bytes_put64(bytes + 1, value);
	assert_memory_equal(bytes, expected, sizeof(expected));
	assert_true(bytes_get64(bytes + 1) == value);
}

static void test_lengths_are_rounded_up_to_8(void **state)
{
	(void)state;
	for (uint64_t len = 0; len < 100; len++) {
		uint64_t aligned = bytes_align8(len);

		assert_true(aligned % 8 == 0);
		assert_true(aligned >= len && aligned < len + 8);
	}
	assert_true(bytes_align8((UINT64_C(1) << 40) + 1) ==
		    (UINT64_C(1) << 40) + 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_16_bits_are_little_endian_at_any_alignment),
		cmocka_unit_test(
			test_32_bits_are_little_endian_at_any_alignment),
		cmocka_unit_test(
			test_64_bits_are_little_endian_at_any_alignment),
		cmocka_unit_test(test_lengths_are_rounded_up_to_8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
