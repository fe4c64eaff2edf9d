#include "common/units.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

static const uint64_t untouched = 77;

static void check_size(const char *text, int result, uint64_t expected)
{
	uint64_t bytes = untouched;

	assert_int_equal(units_parse_size(text, &bytes), result);
	assert_true(bytes == (result == 0 ? expected : untouched));
}

static void check_time(const char *text, int result, uint64_t expected)
{
	uint64_t ms = untouched;

	assert_int_equal(units_parse_time(text, &ms), result);
	assert_true(ms == (result == 0 ? expected : untouched));
}

static void test_sizes_with_and_without_suffix(void **state)
{
	(void)state;
	check_size("0", 0, 0);
	check_size("1", 0, 1);
	check_size("007", 0, 7);
	check_size("64K", 0, 65536);
	check_size("64k", 0, 65536);
	check_size("1M", 0, 1048576);
	check_size("1m", 0, 1048576);
	check_size("2G", 0, UINT64_C(2) << 30);
	check_size("2g", 0, UINT64_C(2) << 30);
}

static void test_times_with_and_without_suffix(void **state)
{
	(void)state;
	check_time("0", 0, 0);
	check_time("250", 0, 250);
	check_time("250ms", 0, 250);
	check_time("10s", 0, 10000);
	check_time("5m", 0, 300000);
	check_time("2h", 0, 7200000);
	check_time("1d", 0, 86400000);
}

static void test_other_text_is_invalid(void **state)
{
	static const char *const bad[] = {
		"",    " ",   " 1",   "1 ",  "-1",  "+1",   "1.5", "0x1", "K",
		"ms",  "1KB", "1KK",  "1 K", "1e3", "1,0",  "one", "1s1", "1T",
		"1\n", "--1", "1Kib", "m",   "1-",  "\t1m", "1 ms"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		check_size(bad[i], -EINVAL, 0);
		check_time(bad[i], -EINVAL, 0);
	}
}

static void test_suffixes_of_the_other_kind_are_invalid(void **state)
{
	(void)state;
	check_size("1s", -EINVAL, 0);
	check_size("1ms", -EINVAL, 0);
	check_size("1h", -EINVAL, 0);
	check_size("1d", -EINVAL, 0);
	check_time("1K", -EINVAL, 0);
	check_time("1M", -EINVAL, 0);
	check_time("1G", -EINVAL, 0);
	check_time("1MS", -EINVAL, 0);
	check_time("1S", -EINVAL, 0);
}

static void test_largest_numbers_fit_and_the_next_do_not(void **state)
{
	(void)state;
	check_size("18446744073709551615", 0, UINT64_MAX);
	check_size("18446744073709551616", -ERANGE, 0);
	check_size("99999999999999999999999", -ERANGE, 0);
	check_size("17179869183G", 0, UINT64_MAX - ((UINT64_C(1) << 30) - 1));
	check_size("17179869184G", -ERANGE, 0);
	check_size("18014398509481983K", 0, UINT64_MAX - 1023);
	check_size("18014398509481984K", -ERANGE, 0);
	check_time("18446744073709551615ms", 0, UINT64_MAX);
	check_time("18446744073709552s", -ERANGE, 0);
	check_time("213503982334d", 0, UINT64_C(213503982334) * 86400000);
	check_time("213503982335d", -ERANGE, 0);
}

static void test_bad_suffix_behind_a_huge_number_is_invalid(void **state)
{
	(void)state;
	check_size("99999999999999999999999x", -EINVAL, 0);
	check_time("99999999999999999999999x", -EINVAL, 0);
}

static void check_format(uint64_t bytes, const char *expected)
{
	char out[16];

	units_format_size(bytes, out, sizeof(out));
	assert_string_equal(out, expected);
}

static void test_format_takes_the_largest_whole_unit(void **state)
{
	(void)state;
	check_format(0, "0");
	check_format(1, "1");
	check_format(1023, "1023");
	check_format(1024, "1.0K");
	check_format(1536, "1.5K");
	check_format(1048575, "1023.9K");
	check_format(1048576, "1.0M");
	check_format(1572864, "1.5M");
	check_format((UINT64_C(1) << 30) - 1, "1023.9M");
	check_format(UINT64_C(1) << 30, "1.0G");
	check_format(UINT64_C(1) << 40, "1024.0G");
	check_format(UINT64_MAX, "17179869183.9G");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes_with_and_without_suffix),
		cmocka_unit_test(test_times_with_and_without_suffix),
		cmocka_unit_test(test_other_text_is_invalid),
		cmocka_unit_test(test_suffixes_of_the_other_kind_are_invalid),
		cmocka_unit_test(test_largest_numbers_fit_and_the_next_do_not),
		cmocka_unit_test(
			test_bad_suffix_behind_a_huge_number_is_invalid),
		cmocka_unit_test(test_format_takes_the_largest_whole_unit),
	};

	return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
