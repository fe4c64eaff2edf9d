#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/compaction_lines.h"
#include "tests/support/compaction_lab.h"

enum {
	N_INPUTS = 2,
	N_KEYS = LINES_BATCH * 2 + 5, /* of each input; no whole batches */
};

static struct segment *inputs[N_INPUTS];
static struct lines lines;

static void key_of(char key[16], unsigned input, unsigned i)
{
	snprintf(key, 16, "key-%u-%03u", input, i);
}

static int set_up(void **state)
{
	unsigned input;
	unsigned i;

	lab_set_up(state);
	for (input = 0; input < N_INPUTS; input++) {
		inputs[input] = lab_segment(100);
		for (i = 0; i < N_KEYS; i++) {
			char key[16];

			key_of(key, input, i);
			lab_put(inputs[input], key, "value",
				1 + input * N_KEYS + i);
		}
		lab_seal(inputs[input]);
	}
	lab_begin(inputs, N_INPUTS);
	assert_int_equal(lines_init(&lines, &lab.run), 0);
	return 0;
}

static int tear_down(void **state)
{
	lines_deinit(&lines);
	return lab_tear_down(state);
}

/* ---- what is called with an input's lines ---- */

struct walk {
	unsigned n_inputs;
	unsigned stop_at; /* 0: nowhere */
	int stop_with;
};

static int walk_batches(void *ctx, const struct segment *input,
			struct hint *hint)
{
	struct walk *walk = ctx;
	struct lines_batch batch;
	unsigned n = 0;

	assert_ptr_equal(input, inputs[walk->n_inputs]);
	for (lines_take(&batch, &lab.run, hint); batch.n > 0;
	     lines_take(&batch, &lab.run, hint)) {
		size_t i;

		assert_true(batch.n <= LINES_BATCH);
		for (i = 0; i < batch.n; i++, n++) {
			const struct hint_entry *line = &batch.lines[i];
			struct digest digest;
			char key[16];

			key_of(key, walk->n_inputs, n);
			assert_int_equal(line->key_len, strlen(key));
			assert_memory_equal(line->key, key, line->key_len);
			assert_int_equal(line->sequence,
					 1 + walk->n_inputs * N_KEYS + n);
			digest = digest_of(lab.secret, key, strlen(key));
			assert_true(batch.digests[i].lo == digest.lo);
			assert_true(batch.digests[i].hi == digest.hi);
		}
	}
	assert_int_equal(n, N_KEYS);
	walk->n_inputs++;
	return walk->n_inputs == walk->stop_at ? walk->stop_with : 0;
}

static void walk_all(void)
{
	struct walk walk = { 0 };

	assert_int_equal(lines_each_input(&lines, walk_batches, &walk), 0);
	assert_int_equal(walk.n_inputs, N_INPUTS);
}

/* ---- tests ---- */

static void test_every_line_comes_each_time(void **state)
{
	(void)state;
	walk_all();
	walk_all();
	walk_all();
}

static void test_what_was_loaded_is_not_read_again(void **state)
{
	(void)state;
	walk_all();
	lab_set_fault(1u << SIMFS_OPEN | 1u << SIMFS_PREAD, 1, EIO);
	walk_all();
	lab_set_fault(0, 0, 0);
}

static void test_what_is_too_much_to_be_kept_is_read_again(void **state)
{
	(void)state;
	lines.kept_len = LINES_KEPT_MAX;
	walk_all();
	assert_null(lines.hints[0].data);
	assert_null(lines.hints[1].data);
	walk_all();
	assert_int_equal(lines.kept_len, LINES_KEPT_MAX);
}

static void test_without_hints_segments_are_read(void **state)
{
	(void)state;
	assert_int_equal(lab.io->unlink(lab.io, "/0000000001.hint"), 0);
	walk_all();
	walk_all();
}

static void test_the_first_failure_is_the_last_call(void **state)
{
	struct walk walk = { .stop_at = 1, .stop_with = -ENOMEM };

	(void)state;
	assert_int_equal(lines_each_input(&lines, walk_batches, &walk),
			 -ENOMEM);
	assert_int_equal(walk.n_inputs, 1);
}

static void test_a_damaged_input_is_named(void **state)
{
	struct walk walk = { .stop_at = 2, .stop_with = COMPACTION_DAMAGED };

	(void)state;
	assert_int_equal(lines_each_input(&lines, walk_batches, &walk),
			 COMPACTION_DAMAGED);
	assert_int_equal(lab.run.damaged_input, 1);
}

static void test_a_cancelled_run_reads_nothing(void **state)
{
	struct walk walk = { 0 };

	(void)state;
	lab.run.cancelled = true;
	assert_int_equal(lines_each_input(&lines, walk_batches, &walk),
			 COMPACTION_CANCELLED);
	assert_int_equal(walk.n_inputs, 0);
}

static void test_what_the_disk_cannot_read_is_damage(void **state)
{
	(void)state;
	assert_int_equal(lines_read_result(-EIO), COMPACTION_DAMAGED);
	assert_int_equal(lines_read_result(-ENODATA), COMPACTION_DAMAGED);
	assert_int_equal(lines_read_result(-ENOMEM), -ENOMEM);
	assert_int_equal(lines_read_result(0), 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_every_line_comes_each_time),
		T(test_what_was_loaded_is_not_read_again),
		T(test_what_is_too_much_to_be_kept_is_read_again),
		T(test_without_hints_segments_are_read),
		T(test_the_first_failure_is_the_last_call),
		T(test_a_damaged_input_is_named),
		T(test_a_cancelled_run_reads_nothing),
		T(test_what_the_disk_cannot_read_is_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
