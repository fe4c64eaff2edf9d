#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/buffer.h"

static void test_zeroed_buffer_is_empty_and_valid(void **state)
{
	struct buffer buffer = { 0 };

	(void)state;
	buffer_consume(&buffer, 0);
	buffer_trim(&buffer, 0);
	assert_int_equal(buffer_append(&buffer, NULL, 0), 0);
	assert_null(buffer.data);
	buffer_deinit(&buffer);
}

static void test_append_keeps_the_bytes_in_order(void **state)
{
	struct buffer buffer;
	size_t i;

	(void)state;
	buffer_init(&buffer);
	for (i = 0; i < 5000; i++) {
		uint8_t byte = (uint8_t)(i * 7);

		assert_int_equal(buffer_append(&buffer, &byte, 1), 0);
		assert_true(buffer.len <= buffer.cap);
	}
	assert_int_equal(buffer.len, 5000);
	for (i = 0; i < 5000; i++)
		assert_int_equal(buffer.data[i], (uint8_t)(i * 7));
	buffer_deinit(&buffer);
}

static void test_reserve_makes_room_without_adding(void **state)
{
	struct buffer buffer = { 0 };

	(void)state;
	assert_int_equal(buffer_reserve(&buffer, 100000), 0);
	assert_int_equal(buffer.len, 0);
	assert_true(buffer.cap >= 100000);
	memset(buffer.data, 1, buffer.cap);
	buffer_deinit(&buffer);
}

static void test_impossible_reserve_changes_nothing(void **state)
{
	struct buffer buffer = { 0 };

	(void)state;
	assert_int_equal(buffer_append(&buffer, "abcdef", 6), 0);
	buffer_consume(&buffer, 2);
	assert_int_equal(buffer_reserve(&buffer, SIZE_MAX), -ENOMEM);
	assert_int_equal(buffer_reserve(&buffer, SIZE_MAX / 2), -ENOMEM);
	assert_int_equal(buffer_reserve(&buffer, SIZE_MAX / 4), -ENOMEM);
	assert_int_equal(buffer.len, 4);
	assert_memory_equal(buffer.data, "cdef", 4);
	buffer_deinit(&buffer);
}

static void test_consume_drops_the_first_bytes(void **state)
{
	struct buffer buffer = { 0 };

	(void)state;
	assert_int_equal(buffer_append(&buffer, "hello world", 11), 0);
	buffer_consume(&buffer, 6);
	assert_int_equal(buffer.len, 5);
	assert_memory_equal(buffer.data, "world", 5);
	buffer_consume(&buffer, 5);
	assert_int_equal(buffer.len, 0);
	assert_int_equal(buffer.skip, 0);
	buffer_deinit(&buffer);
}

/* A queue that is never empty, in odd steps, against a model. */
static void test_queue_keeps_order_and_stays_small(void **state)
{
	struct buffer buffer = { 0 };
	uint8_t in = 0;
	uint8_t out = 0;
	uint8_t piece[97];
	size_t step;
	size_t i;

	(void)state;
	for (step = 0; step < 20000; step++) {
		size_t n = 1 + step * 31 % sizeof(piece);

		for (i = 0; i < n; i++)
			piece[i] = in++;
		assert_int_equal(buffer_append(&buffer, piece, n), 0);
		n = buffer.len > 1000 ? buffer.len - 1000 : 0;
		for (i = 0; i < n; i++)
			assert_int_equal(buffer.data[i], out++);
		buffer_consume(&buffer, n);
	}
	assert_true(buffer.cap + buffer.skip <= 8192);
	buffer_deinit(&buffer);
}

/* 64 MiB in pieces of 4 KiB: moving the rest each time would take minutes. */
static void test_large_run_leaves_in_small_pieces(void **state)
{
	const size_t len = (size_t)64 << 20;
	struct buffer buffer = { 0 };
	const uint8_t *start;
	size_t done;

	(void)state;
	assert_int_equal(buffer_reserve(&buffer, len), 0);
	buffer.len = len;
	start = buffer.data;
	for (done = 0; done + 4096 < len; done += 4096) {
		assert_ptr_equal(buffer.data, start + done);
		buffer_consume(&buffer, 4096);
	}
	buffer_deinit(&buffer);
}

static void test_trim_frees_only_an_empty_large_buffer(void **state)
{
	struct buffer buffer = { 0 };

	(void)state;
	assert_int_equal(buffer_reserve(&buffer, 10000), 0);
	assert_int_equal(buffer_append(&buffer, "x", 1), 0);
	buffer_trim(&buffer, 100);
	assert_true(buffer.cap >= 10000);
	buffer_consume(&buffer, 1);
	buffer_trim(&buffer, 100000);
	assert_true(buffer.cap >= 10000);
	buffer_trim(&buffer, 100);
	assert_int_equal(buffer.cap, 0);
	assert_null(buffer.data);
}

static void test_memory_of_others_is_taken_over(void **state)
{
	struct buffer buffer = { 0 };
	char *memory = calloc(1, 100);

	(void)state;
	memcpy(memory + 10, "value", sizeof("value"));
	buffer_adopt(&buffer, memory, memory + 10, 5);
	assert_int_equal(buffer.len, 5);
	buffer_consume(&buffer, 2);
	assert_memory_equal(buffer.data, "lue", 3);
	assert_int_equal(buffer_append(&buffer, " and more", 9), 0);
	assert_memory_equal(buffer.data, "lue and more", 12);
	buffer_deinit(&buffer);
	assert_null(buffer.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zeroed_buffer_is_empty_and_valid),
		cmocka_unit_test(test_append_keeps_the_bytes_in_order),
		cmocka_unit_test(test_reserve_makes_room_without_adding),
		cmocka_unit_test(test_impossible_reserve_changes_nothing),
		cmocka_unit_test(test_consume_drops_the_first_bytes),
		cmocka_unit_test(test_queue_keeps_order_and_stays_small),
		cmocka_unit_test(test_large_run_leaves_in_small_pieces),
		cmocka_unit_test(test_trim_frees_only_an_empty_large_buffer),
		cmocka_unit_test(test_memory_of_others_is_taken_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
