#include "proto/message_check.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "tests/support/msgpack_text.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Checks LEN bytes in a block of exactly that size. */
static int check(const void *bytes, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	r = message_check(copy, len);
	free(copy);
	return r;
}

static int check_text(const char *text)
{
	struct buffer buffer = { 0 };
	int r;

	msgpack_text_pack(&buffer, text);
	r = check(buffer.data, buffer.len);
	buffer_deinit(&buffer);
	return r;
}

static void test_every_type_passes_in_every_width(void **state)
{
	static const char *const cases[] = {
		"nil",
		"true",
		"false",
		"0",
		"127",
		"-1",
		"-32",
		"2.5",
		"''",
		"``",
		"[]",
		"{}",
		"[[], {}, []]",
		"{1: {}, 2: []}",
		"#ca00000000",
		"#cb0000000000000000",
		"#ccff",
		"#cdffff",
		"#ceffffffff",
		"#cfffffffffffffffff",
		"#d0ff",
		"#d1ffff",
		"#d2ffffffff",
		"#d3ffffffffffffffff",
		"#d900",
		"#da0000",
		"#db00000000",
		"#c400",
		"#c50000",
		"#c600000000",
		"#dc0000",
		"#dd00000000",
		"#de0000",
		"#df00000000",
		"#dd00000001c0",
		"#df000000010102",
		"#db0000000161",
		"#c60000000161",
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(check_text(cases[i]), 0);
}

static void test_every_truncation_is_found(void **state)
{
	static const char text[] =
		"[0, 4000000000, 'put', [`key`, `value`, {'ttl': 70000, "
		"'x': -5, 'y': 2.5, 'z': [[], {}, [nil]]}], "
		"#c6000000036b6579, #dd0000000101, #df000000010102]";
	struct buffer buffer = { 0 };
	size_t len;

	(void)state;
	msgpack_text_pack(&buffer, text);
	assert_int_equal(check(buffer.data, buffer.len), 0);
	for (len = 0; len < buffer.len; len++) {
		int r = check(buffer.data, len);

		assert_true(r == MESSAGE_CHECK_TRUNCATED ||
			    r == MESSAGE_CHECK_CLAIM);
	}
	buffer_deinit(&buffer);
}

static void test_eight_levels_and_no_more(void **state)
{
	(void)state;
	assert_int_equal(check_text("[[[[[[[[]]]]]]]]"), 0);
	assert_int_equal(check_text("[[[[[[[[1]]]]]]]]"), 0);
	assert_int_equal(check_text("[1 [1 [1 [1 [1 [1 [1 [1] 1] 1]]]]]]"), 0);
	assert_int_equal(check_text("{1:{1:{1:{1:{1:{1:{1:{1:1}}}}}}}}"), 0);
	assert_int_equal(check_text("[[[[[[[[[]]]]]]]]]"), MESSAGE_CHECK_DEEP);
	assert_int_equal(check_text("[[[[[[[[{}]]]]]]]]"), MESSAGE_CHECK_DEEP);
	assert_int_equal(check_text("{1:{1:{1:{1:{1:{1:{1:{1:[]}}}}}}}}"),
			 MESSAGE_CHECK_DEEP);
}

static void test_hundred_thousand_levels(void **state)
{
	static const uint8_t heads[] = { 0x91, 0x81, 0xdc, 0xdd };
	uint8_t *body = malloc(100000);
	size_t i;

	(void)state;
	assert_non_null(body);
	for (i = 0; i < COUNT_OF(heads); i++) {
		memset(body, heads[i], 100000);
		assert_int_not_equal(message_check(body, 100000), 0);
	}
	memset(body, 0x91, 100000);
	assert_int_equal(message_check(body, 100000), MESSAGE_CHECK_DEEP);
	free(body);
}

static void test_claims_beyond_the_body(void **state)
{
	static const struct {
		const char *text;
		int result;
	} cases[] = {
		{ "#ddffffffff", MESSAGE_CHECK_CLAIM },
		{ "#dfffffffff", MESSAGE_CHECK_CLAIM },
		{ "#df80000000", MESSAGE_CHECK_CLAIM },
		{ "#dcffff01", MESSAGE_CHECK_CLAIM },
		{ "#82010203", MESSAGE_CHECK_CLAIM },
		{ "#9f0101010101010101", MESSAGE_CHECK_CLAIM },
		{ "#c6ffffffff00", MESSAGE_CHECK_TRUNCATED },
		{ "#dbffffffff00", MESSAGE_CHECK_TRUNCATED },
		{ "#bf00", MESSAGE_CHECK_TRUNCATED },
		/* each level alone could be, all together not */
		{ "#9393930101", MESSAGE_CHECK_CLAIM },
		{ "#93929201010101", MESSAGE_CHECK_TRUNCATED },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(check_text(cases[i].text), cases[i].result);
}

static void test_extensions_and_no_msgpack(void **state)
{
	static const char *const cases[] = {
		"#c1",	     "#d40100",
		"#d5010000", "#d60100000000",
		"#c7000100", "#c8000001",
		"#c9000000", "#d8",
		"[1, #c1]",  "{1: #d6ff00000000}",
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(check_text(cases[i]), MESSAGE_CHECK_TYPE);
}

static void test_bytes_behind_the_value(void **state)
{
	(void)state;
	assert_int_equal(check("\x01\x01", 2), MESSAGE_CHECK_TRAILING);
	assert_int_equal(check("\x90\xc0", 2), MESSAGE_CHECK_TRAILING);
	assert_int_equal(check("\x91\x90\xc1", 3), MESSAGE_CHECK_TRAILING);
	assert_int_equal(check("\xc0\0\0\0", 4), MESSAGE_CHECK_TRAILING);
}

/* An array32 of N nils. */
static int check_many(uint32_t n)
{
	uint8_t *body = malloc(5 + (size_t)n);
	int r;

	assert_non_null(body);
	memset(body, 0xc0, 5 + (size_t)n);
	body[0] = 0xdd;
	body[1] = (uint8_t)(n >> 24);
	body[2] = (uint8_t)(n >> 16);
	body[3] = (uint8_t)(n >> 8);
	body[4] = (uint8_t)n;
	r = message_check(body, 5 + (size_t)n);
	free(body);
	return r;
}

static void test_number_of_values_is_limited(void **state)
{
	(void)state;
	assert_int_equal(check_many(MESSAGE_CHECK_VALUES_MAX - 1), 0);
	assert_int_equal(check_many(MESSAGE_CHECK_VALUES_MAX),
			 MESSAGE_CHECK_MANY);
	assert_int_equal(check_many(16 << 20), MESSAGE_CHECK_MANY);
}

static void test_peek_finds_type_and_id(void **state)
{
	static const struct {
		const char *text;
		int result;
		uint32_t id;
		uint64_t type;
	} cases[] = {
		{ "[0, 7, 'get', []]", 0, 7, 0 },
		{ "[1, 4294967295, nil, nil]", 0, UINT32_MAX, 1 },
		{ "#dd00000004cf0000000000000001ce00000007", 0, 7, 1 },
		{ "#dc0004d100010a", 0, 10, 1 },
		{ "#9401d37fffffffffffffff", -EPROTO, 0, 0 },
		{ "[1, 4294967296, nil, nil]", -EPROTO, 0, 0 },
		{ "[1, -1, nil, nil]", -EPROTO, 0, 0 },
		{ "#9401d1ffff", -EPROTO, 0, 0 },
		{ "[1, 1.0, nil, nil]", -EPROTO, 0, 0 },
		{ "[1, nil, nil, nil]", -EPROTO, 0, 0 },
		{ "[2, 'method', []]", -EPROTO, 0, 0 },
		{ "[1, 2, nil]", -EPROTO, 0, 0 },
		{ "{1: 2, 3: 4}", -EPROTO, 0, 0 },
		{ "[]", -EPROTO, 0, 0 },
		{ "7", -EPROTO, 0, 0 },
		{ "#94", -EPROTO, 0, 0 },
		{ "#9401", -EPROTO, 0, 0 },
		{ "#9401ce000000", -EPROTO, 0, 0 },
		{ "#9401c1", -EPROTO, 0, 0 },
	};
	struct buffer buffer = { 0 };
	uint64_t type;
	uint32_t id;
	size_t i;

	(void)state;
	assert_int_equal(message_check_peek("", 0, &type, &id), -EPROTO);
	for (i = 0; i < COUNT_OF(cases); i++) {
		buffer.len = 0;
		type = 0;
		id = 0;
		msgpack_text_pack(&buffer, cases[i].text);
		assert_int_equal(
			message_check_peek(buffer.data, buffer.len, &type, &id),
			cases[i].result);
		assert_int_equal(type, cases[i].type);
		assert_int_equal(id, cases[i].id);
	}
	buffer_deinit(&buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_type_passes_in_every_width),
		cmocka_unit_test(test_every_truncation_is_found),
		cmocka_unit_test(test_eight_levels_and_no_more),
		cmocka_unit_test(test_hundred_thousand_levels),
		cmocka_unit_test(test_claims_beyond_the_body),
		cmocka_unit_test(test_extensions_and_no_msgpack),
		cmocka_unit_test(test_bytes_behind_the_value),
		cmocka_unit_test(test_number_of_values_is_limited),
		cmocka_unit_test(test_peek_finds_type_and_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
