/*
 * Large blocks lose their pages piece by piece, and all of them in the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/pool.h"
#include "daemon/discard.h"
#include "daemon/limits.h"

static struct discard discard;

/* Pages of this process that are in memory. */
static size_t resident(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	char text[128] = "";
	char *second;

	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	fclose(file);
	second = strchr(text, ' ');
	assert_non_null(second);
	return strtoul(second, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

static struct buffer filled(size_t len)
{
	struct buffer buffer = { 0 };

	assert_int_equal(buffer_reserve(&buffer, len), 0);
	memset(buffer.data, 'x', len);
	buffer.len = len;
	return buffer;
}

static void test_a_small_buffer_goes_at_once(void **state)
{
	struct buffer buffer = filled(LIMITS_DISCARD_ROUND);

	(void)state;
	discard_buffer(&discard, &buffer);
	assert_null(buffer.data);
	assert_null(discard.first);
	assert_false(discard_step(&discard));
	discard_buffer(&discard, &buffer);
	assert_null(discard.first);
}

static void test_a_small_one_is_there_for_the_next(void **state)
{
	struct buffer buffer = filled(8000);
	const uint8_t *data = buffer.data;
	struct buffer next = filled(10);

	(void)state;
	discard_buffer(&discard, &buffer);
	next.len = 0;
	assert_int_equal(discard_reserve(&discard, &next, 4096), 0);
	assert_true(next.cap >= 4096);
	memset(next.data, 'y', next.cap);
	if (POOL_KEEPS)
		assert_ptr_equal(next.data, data);
	discard_deinit(&discard);
	discard_buffer(&discard, &next);
	discard_deinit(&discard);
}

static void test_a_buffer_with_room_stays_as_it_is(void **state)
{
	struct buffer buffer = filled(600);
	const uint8_t *data = buffer.data;

	(void)state;
	buffer_consume(&buffer, 600);
	assert_int_equal(discard_reserve(&discard, &buffer, 600), 0);
	assert_ptr_equal(buffer.data, data);
	discard_buffer(&discard, &buffer);
	discard_deinit(&discard);
}

/* It has bytes that were consumed before what is left. */
static void test_one_that_was_read_in_part_is_kept_whole(void **state)
{
	struct buffer buffer = filled(600);
	struct buffer next = { 0 };

	(void)state;
	buffer_consume(&buffer, 100);
	discard_buffer(&discard, &buffer);
	assert_null(buffer.data);
	assert_int_equal(discard_reserve(&discard, &next, 512), 0);
	memset(next.data, 'z', next.cap);
	discard_buffer(&discard, &next);
	discard_deinit(&discard);
}

static void test_a_large_one_goes_in_as_many_pieces_as_it_has(void **state)
{
	struct buffer buffer = filled(10 * LIMITS_DISCARD_ROUND + 1);
	int n = 1;

	(void)state;
	/* Consumed in part: the memory begins before its bytes. */
	buffer_consume(&buffer, 1000);
	discard_buffer(&discard, &buffer);
	assert_null(buffer.data);
	assert_int_equal(discard.len, 10 * LIMITS_DISCARD_ROUND + 1);
	while (discard_step(&discard))
		n++;
	assert_int_equal(n, 11);
	assert_int_equal(discard.len, 0);
}

static void test_each_piece_gives_memory_back(void **state)
{
	enum { N = 64 };
	struct buffer buffer = filled(N * LIMITS_DISCARD_ROUND);
	size_t before = resident();
	size_t half;

	(void)state;
	discard_buffer(&discard, &buffer);
	for (int i = 0; i < N / 2; i++)
		assert_true(discard_step(&discard));
	half = resident();
	/* Sanitizers keep what was freed, but not what has no pages. */
	assert_true(half + (size_t)(N / 4) * LIMITS_DISCARD_ROUND < before);
	while (discard_step(&discard))
		;
}

static void test_blocks_that_wait_can_be_freed_at_once(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct buffer buffer = filled(3 * LIMITS_DISCARD_ROUND);

		discard_buffer(&discard, &buffer);
	}
	assert_true(discard_step(&discard));
	discard_deinit(&discard);
	assert_null(discard.first);
	assert_int_equal(discard.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_small_buffer_goes_at_once),
		cmocka_unit_test(test_a_small_one_is_there_for_the_next),
		cmocka_unit_test(test_a_buffer_with_room_stays_as_it_is),
		cmocka_unit_test(test_one_that_was_read_in_part_is_kept_whole),
		cmocka_unit_test(
			test_a_large_one_goes_in_as_many_pieces_as_it_has),
		cmocka_unit_test(test_each_piece_gives_memory_back),
		cmocka_unit_test(test_blocks_that_wait_can_be_freed_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
