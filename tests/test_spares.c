#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/pool.h"
#include "common/spares.h"

static struct spares spares;

static int end(void **state)
{
	(void)state;
	spares_deinit(&spares);
	assert_int_equal(spares.len, 0);
	return 0;
}

/* All of it is written to. */
static void *take(size_t len, size_t *cap)
{
	void *memory = spares_take(&spares, len, cap);

	assert_non_null(memory);
	assert_true(*cap >= len);
	memset(memory, 0xee, *cap);
	return memory;
}

static void must_keep(void)
{
	if (POOL_KEEPS)
		return;
	print_message("skipped: nothing is kept under AddressSanitizer\n");
	skip();
}

static void test_a_block_has_the_bytes_that_were_asked_for(void **state)
{
	static const size_t lens[] = { 1,    511,   512,   513,
				       1024, 65535, 65536, 65537 };
	size_t cap;

	(void)state;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		spares_give(&spares, take(lens[i], &cap), cap);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		spares_give(&spares, take(lens[i], &cap), cap);
}

static void test_what_came_back_is_taken_again(void **state)
{
	size_t cap;
	void *memory;

	(void)state;
	must_keep();
	memory = take(3000, &cap);
	assert_int_equal(cap, 4096);
	spares_give(&spares, memory, cap);
	assert_int_equal(spares.len, 4096);
	assert_ptr_equal(take(4096, &cap), memory);
	assert_int_equal(spares.len, 0);
	spares_give(&spares, memory, cap);
}

static void test_a_larger_block_does_when_there_is_no_other(void **state)
{
	size_t cap;
	void *memory;

	(void)state;
	must_keep();
	memory = take(SPARES_BLOCK_MAX, &cap);
	spares_give(&spares, memory, cap);
	assert_ptr_equal(take(1, &cap), memory);
	assert_int_equal(cap, SPARES_BLOCK_MAX);
	spares_give(&spares, memory, cap);
}

/* A block of an odd size is none for who needs the next power of two. */
static void test_a_smaller_block_does_not(void **state)
{
	void *memory = malloc(1000);
	size_t cap;
	void *other;

	(void)state;
	assert_non_null(memory);
	spares_give(&spares, memory, 1000);
	other = take(1000, &cap);
	assert_int_equal(cap, 1024);
	spares_give(&spares, other, cap);
}

static void test_a_block_that_grew_counts_as_what_it_is(void **state)
{
	size_t cap;
	void *grown;

	(void)state;
	must_keep();
	grown = realloc(take(600, &cap), 9000);
	assert_non_null(grown);
	spares_give(&spares, grown, 9000);
	assert_ptr_equal(take(8192, &cap), grown);
	assert_int_equal(cap, 9000);
	spares_give(&spares, grown, cap);
}

static void test_no_large_block_is_kept(void **state)
{
	size_t cap;
	void *memory = take(SPARES_BLOCK_MAX + 1, &cap);

	(void)state;
	spares_give(&spares, memory, cap);
	assert_int_equal(spares.len, 0);
	spares_give(&spares, NULL, 0);
	spares_give(NULL, malloc(600), 600);
	assert_int_equal(spares.len, 0);
}

static void test_no_more_is_kept_than_the_bound(void **state)
{
	enum { N = SPARES_LEN_MAX / SPARES_BLOCK_MAX };
	void *blocks[N + 2];
	size_t cap;

	(void)state;
	must_keep();
	for (int i = 0; i < N + 2; i++)
		blocks[i] = take(SPARES_BLOCK_MAX, &cap);
	for (int i = 0; i < N + 2; i++)
		spares_give(&spares, blocks[i], SPARES_BLOCK_MAX);
	assert_int_equal(spares.len, SPARES_LEN_MAX);
}

#define EACH(test) cmocka_unit_test_teardown(test, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_a_block_has_the_bytes_that_were_asked_for),
		EACH(test_what_came_back_is_taken_again),
		EACH(test_a_larger_block_does_when_there_is_no_other),
		EACH(test_a_smaller_block_does_not),
		EACH(test_a_block_that_grew_counts_as_what_it_is),
		EACH(test_no_large_block_is_kept),
		EACH(test_no_more_is_kept_than_the_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
