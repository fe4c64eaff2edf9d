#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "common/hint_builder.h"
#include "common/scrub.h"
#include "common/segment_reader.h"
#include "tests/crash/simfs.h"
#include "tests/support/segment_maker.h"

enum {
	CAPACITY = 8192,
	ID = 3,
	N_PUTS = 4,
	STOP = -ECANCELED,
};

static struct simfs *fs;
static struct io *io;
static struct segment *segment;
static struct hint hint;
static uint64_t offs[N_PUTS];
static uint64_t end;

/* What the last run met. */
static struct {
	char keys[64]; /* of good entries; '!' where the value was not */
	char lost[64]; /* of lines, '?' where there was none */
	uint64_t lost_len;
	bool stop;
} met;

static void append(char *text, char letter)
{
	size_t len = strlen(text);

	text[len] = letter;
	text[len + 1] = 0;
}

static int meet_entry(void *ctx, const struct segment_entry *found)
{
	(void)ctx;
	append(met.keys, (char)*found->entry.key);
	if (!found->value_ok)
		append(met.keys, '!');
	return met.stop ? STOP : 0;
}

static int meet_lost(void *ctx, uint64_t off, uint64_t len,
		     const struct hint_entry *line)
{
	(void)ctx, (void)off;
	append(met.lost, line ? (char)*line->key : '?');
	met.lost_len += len;
	return 0;
}

static void make_hint(void)
{
	struct hint_builder builder;
	struct segment_reader reader;
	struct segment_entry entry;

	hint_builder_init(&builder);
	assert_int_equal(segment_reader_init(&reader, io, segment,
					     segment->header_len, end),
			 0);
	while (segment_reader_next(&reader, false, &entry) == 0)
		assert_int_equal(hint_builder_add(&builder, &entry), 0);
	segment_reader_deinit(&reader);
	assert_int_equal(
		hint_builder_write(&builder, io, "/", maker_store_id, ID, end),
		0);
	hint_builder_deinit(&builder);
	assert_int_equal(hint_load(&hint, io, "/", maker_store_id, ID, end), 0);
}

static int set_up(void **state)
{
	static const char *const keys[N_PUTS] = { "a", "b", "c", "d" };
	size_t i;

	(void)state;
	fs = simfs_new();
	io = simfs_io(fs);
	segment = maker_segment(io, "/", ID, CAPACITY);
	for (i = 0; i < N_PUTS; i++)
		offs[i] = maker_put(io, segment, keys[i], "the value", i + 1);
	end = segment->len;
	make_hint();
	memset(&met, 0, sizeof(met));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	hint_deinit(&hint);
	segment_free(io, segment);
	assert_int_equal(simfs_n_open(fs), 0);
	simfs_free(fs);
	return 0;
}

static struct scrub run(struct hint *with, int result)
{
	struct scrub scrub = {
		.io = io,
		.segment = segment,
		.hint = with,
		.end = end,
		.check_values = true,
		.entry = meet_entry,
		.lost = meet_lost,
	};

	assert_int_equal(scrub_run(&scrub), result);
	return scrub;
}

static void test_all_entries_of_a_whole_segment(void **state)
{
	struct scrub scrub = run(&hint, 0);

	(void)state;
	assert_string_equal(met.keys, "abcd");
	assert_string_equal(met.lost, "");
	assert_int_equal(scrub.n_entries, N_PUTS);
	assert_int_equal(scrub.n_hint_faults, 0);
}

static void test_a_damaged_value(void **state)
{
	(void)state;
	maker_flip(io, segment->fd, offs[1] + ENTRY_HEAD_LEN + 1, 1);
	run(&hint, 0);
	assert_string_equal(met.keys, "ab!cd");
	assert_string_equal(met.lost, "");
}

static void test_damaged_headers_are_named_by_the_hint(void **state)
{
	struct scrub scrub;

	(void)state;
	maker_flip(io, segment->fd, offs[1], 1);
	maker_flip(io, segment->fd, offs[2], 1);
	scrub = run(&hint, 0);
	assert_string_equal(met.keys, "ad");
	assert_string_equal(met.lost, "bc");
	assert_int_equal(met.lost_len, offs[3] - offs[1]);
	assert_int_equal(scrub.n_hint_faults, 0);
	assert_int_equal(scrub.n_lost, 2);
}

static void test_without_a_hint_they_are_one_range(void **state)
{
	(void)state;
	maker_flip(io, segment->fd, offs[1], 1);
	maker_flip(io, segment->fd, offs[2], 1);
	run(NULL, 0);
	assert_string_equal(met.keys, "ad");
	assert_string_equal(met.lost, "?");
	assert_int_equal(met.lost_len, offs[3] - offs[1]);
}

static void test_damage_at_the_end_reaches_to_the_end(void **state)
{
	(void)state;
	maker_zero(io, segment->fd, offs[3], end);
	run(NULL, 0);
	assert_string_equal(met.keys, "abc");
	assert_int_equal(met.lost_len, end - offs[3]);
}

static void test_lines_of_another_segment_are_faults(void **state)
{
	struct segment *other = maker_segment(io, "/", ID + 1, CAPACITY);
	struct segment *whole = segment;
	struct scrub scrub;

	(void)state;
	maker_put(io, other, "a", "another value, which is longer", 1);
	end = other->len;
	segment = other;
	scrub = run(&hint, 0);
	segment = whole;
	assert_string_equal(met.keys, "a");
	/* the line of "a" differs, the others are too many */
	assert_int_equal(scrub.n_hint_faults, N_PUTS);
	segment_free(io, other);
}

static void test_a_segment_that_is_gone_is_its_hint(void **state)
{
	struct segment *whole = segment;

	(void)state;
	segment = NULL;
	run(&hint, 0);
	segment = whole;
	assert_string_equal(met.keys, "");
	assert_string_equal(met.lost, "abcd");
	assert_int_equal(met.lost_len, end - offs[0]);
}

static void test_a_callback_ends_it(void **state)
{
	(void)state;
	met.stop = true;
	run(&hint, STOP);
	assert_string_equal(met.keys, "a");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_entries_of_a_whole_segment),
		TEST(test_a_damaged_value),
		TEST(test_damaged_headers_are_named_by_the_hint),
		TEST(test_without_a_hint_they_are_one_range),
		TEST(test_damage_at_the_end_reaches_to_the_end),
		TEST(test_lines_of_another_segment_are_faults),
		TEST(test_a_segment_that_is_gone_is_its_hint),
		TEST(test_a_callback_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
