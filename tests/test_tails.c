#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "common/tails.h"
#include "tests/crash/simfs.h"
#include "tests/support/segment_maker.h"

enum {
	N = 3,
	CAPACITY = 4096,
};

static struct simfs *fs;
static struct io *io;
static struct segment *segments[N];
static struct tail tails[N];

static int set_up(void **state)
{
	size_t i;

	(void)state;
	fs = simfs_new();
	io = simfs_io(fs);
	memset(tails, 0, sizeof(tails));
	for (i = 0; i < N; i++) {
		segments[i] = maker_segment(io, "/", (uint32_t)i + 1, CAPACITY);
		tails[i].segment = segments[i];
	}
	return 0;
}

static int tear_down(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < N; i++) {
		tail_deinit(&tails[i]);
		segment_free(io, segments[i]);
	}
	assert_int_equal(simfs_n_open(fs), 0);
	simfs_free(fs);
	return 0;
}

static void read_all(uint64_t synced_below)
{
	uint32_t bad_id = 0;

	assert_int_equal(tails_read(tails, N, io, synced_below, &bad_id), 0);
}

static void test_they_are_in_the_order_of_their_sequences(void **state)
{
	(void)state;
	maker_put(io, segments[0], "a", "1", 20);
	maker_put(io, segments[2], "a", "1", 10);
	read_all(0);
	assert_int_equal(tails[0].segment->id, 3);
	assert_int_equal(tails[1].segment->id, 1);
	assert_int_equal(tails[2].segment->id, 2);
	assert_true(tails[0].followed);
	assert_false(tails[1].followed);
	assert_false(tails[2].followed);
}

/* The middle one of three entries of the first segment is damaged. */
static void damage_first(void)
{
	uint64_t off;

	maker_put(io, segments[0], "a", "1", 1);
	off = maker_put(io, segments[0], "b", "1", 2);
	maker_put(io, segments[0], "c", "1", 3);
	maker_flip(io, segments[0]->fd, off, 1);
}

static void test_damage_in_the_last_one_ends_it(void **state)
{
	(void)state;
	damage_first();
	read_all(0);
	assert_int_equal(tails[0].last_sequence, 1);
	assert_true(tails[0].stopped);
	assert_int_equal(tails[0].n_damaged, 0);
}

static void test_damage_in_one_that_is_followed_ends_nothing(void **state)
{
	(void)state;
	damage_first();
	maker_put(io, segments[1], "d", "1", 4);
	read_all(0);
	assert_int_equal(tails[0].last_sequence, 3);
	assert_false(tails[0].stopped);
	assert_int_equal(tails[0].n_damaged, 1);
}

static void test_one_that_is_known_to_be_followed(void **state)
{
	(void)state;
	damage_first();
	read_all(4);
	assert_int_equal(tails[0].last_sequence, 3);
	assert_true(tails[0].followed);
	assert_int_equal(tails[0].n_damaged, 1);
}

static void test_a_failed_read_names_the_segment(void **state)
{
	const struct simfs_fault fault = { .calls = 1u << SIMFS_PREAD,
					   .nth = 2,
					   .error = EIO };
	uint32_t bad_id = 0;

	(void)state;
	simfs_set_fault(fs, &fault);
	assert_int_equal(tails_read(tails, N, io, 0, &bad_id), -EIO);
	assert_int_equal(bad_id, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_they_are_in_the_order_of_their_sequences),
		TEST(test_damage_in_the_last_one_ends_it),
		TEST(test_damage_in_one_that_is_followed_ends_nothing),
		TEST(test_one_that_is_known_to_be_followed),
		TEST(test_a_failed_read_names_the_segment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
