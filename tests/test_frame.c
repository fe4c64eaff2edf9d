#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/frame.h"

static void test_head_is_big_endian(void **state)
{
	uint8_t head[FRAME_HEAD_LEN];

	(void)state;
	frame_put_head(head, 0x01020304);
	assert_memory_equal(head, "\x01\x02\x03\x04", 4);
	frame_put_head(head, UINT32_MAX);
	assert_memory_equal(head, "\xff\xff\xff\xff", 4);
}

static void test_whole_frame_tells_its_body(void **state)
{
	static const uint8_t data[] = "\0\0\0\3abc\0\0";
	const uint8_t *body;
	size_t body_len;
	size_t need;

	(void)state;
	assert_int_equal(frame_parse(data, 9, 3, &body, &body_len, &need), 0);
	assert_ptr_equal(body, data + 4);
	assert_int_equal(body_len, 3);
	assert_int_equal(frame_parse(data, 7, 3, &body, &body_len, &need), 0);
	assert_int_equal(body_len, 3);
}

static void test_every_truncation_is_partial(void **state)
{
	static const char frame[] = "\0\0\0\3abc";
	const uint8_t *body;
	size_t body_len;
	size_t len;

	(void)state;
	for (len = 0; len < 7; len++) {
		uint8_t *copy = malloc(len > 0 ? len : 1);
		size_t need = 0;

		assert_non_null(copy);
		memcpy(copy, frame, len);
		assert_int_equal(
			frame_parse(copy, len, 100, &body, &body_len, &need),
			FRAME_PARTIAL);
		assert_int_equal(need, len < 4 ? 4 : 7);
		free(copy);
	}
}

static void test_lengths_at_the_limit(void **state)
{
	static const struct {
		const char *head;
		size_t body_max;
		int result;
		size_t need;
	} cases[] = {
		{ "\0\0\0\0", 100, FRAME_EMPTY, 0 },
		{ "\0\0\0\0", 0, FRAME_EMPTY, 0 },
		{ "\0\0\0\1", 0, FRAME_TOO_LARGE, 0 },
		{ "\0\0\0\144", 100, FRAME_PARTIAL, 104 },
		{ "\0\0\0\145", 100, FRAME_TOO_LARGE, 0 },
		{ "\377\377\377\377", 0xfffffffe, FRAME_TOO_LARGE, 0 },
		{ "\377\377\377\377", 0xffffffff, FRAME_PARTIAL, 0x100000003 },
		{ "\377\377\377\377", SIZE_MAX, FRAME_PARTIAL, 0x100000003 },
	};
	const uint8_t *body;
	size_t body_len;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t need = 0;

		assert_int_equal(frame_parse(cases[i].head, 4,
					     cases[i].body_max, &body,
					     &body_len, &need),
				 cases[i].result);
		assert_int_equal(need, cases[i].need);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head_is_big_endian),
		cmocka_unit_test(test_whole_frame_tells_its_body),
		cmocka_unit_test(test_every_truncation_is_partial),
		cmocka_unit_test(test_lengths_at_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
