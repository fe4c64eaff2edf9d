#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/manifest.h"
#include "common/upkeep_internal.h"
#include "tests/support/compaction_lab.h"
#include "tests/support/tempdir.h"

/* What a compaction asks of upkeep: room, and a manifest. */

/* The row of ID in the manifest that a power cut now would leave. */
static struct manifest_segment durable_row(uint32_t id)
{
	struct manifest_segment row = { 0 };
	struct simfs *after = simfs_crash_durable(lab.fs);
	struct manifest_report report;
	struct manifest manifest;

	assert_int_equal(
		manifest_load(simfs_io(after), "/", &manifest, &report), 0);
	if (manifest_find(&manifest, id))
		row = *manifest_find(&manifest, id);
	assert_true(row.id < manifest.next_segment);
	manifest_deinit(&manifest);
	simfs_free(after);
	return row;
}

/* ---- the room that is held back ---- */

static void make_spare(void)
{
	upkeep_want_spare(lab.upkeep);
	upkeep_settle(lab.upkeep);
}

static struct segment *take_output(uint64_t len)
{
	struct segment *output = NULL;

	assert_int_equal(upkeep_take_output(lab.upkeep, len, &output), 0);
	assert_true(output->capacity >= len);
	assert_ptr_not_equal(segments_get(lab.table, output->id), output);
	return output;
}

static void drop(struct segment *output)
{
	segment_drop_output(lab.io, "/", output);
}

static void test_room_is_held_back_before_a_spare_is_made(void **state)
{
	(void)state;
	make_spare();
	assert_int_equal(lab_n_files(".seg.tmp"), 1);
	assert_true(upkeep_has_spare(lab.upkeep));
	/* and not twice */
	lab_segment(10);
	make_spare();
	assert_int_equal(lab_n_files(".seg.tmp"), 1);
}

static void test_20_without_room_to_hold_back_there_is_no_spare(void **state)
{
	(void)state;
	lab_set_fault(1u << SIMFS_ALLOCATE, 1, ENOSPC);
	make_spare();
	assert_false(upkeep_has_spare(lab.upkeep));
	assert_int_equal(upkeep_spare_error(lab.upkeep), -ENOSPC);
	assert_int_equal(lab_n_files(".tmp"), 0);
	lab_set_fault(0, 0, 0);
	make_spare();
	assert_true(upkeep_has_spare(lab.upkeep));
	assert_int_equal(lab_n_files(".seg.tmp"), 1);
}

static void test_20_an_output_takes_what_was_held_back(void **state)
{
	struct segment *output;

	(void)state;
	make_spare();
	lab_set_fault(1u << SIMFS_ALLOCATE, 1, ENOSPC);
	output = take_output(LAB_SEGMENT_SIZE);
	assert_int_equal(upkeep_take_output(lab.upkeep, 1, &output), -ENOSPC);
	lab_set_fault(0, 0, 0);
	drop(output);
}

static void test_a_larger_output_leaves_what_is_held_back(void **state)
{
	struct segment *output;

	(void)state;
	make_spare();
	output = take_output(LAB_SEGMENT_SIZE + 1);
	assert_int_equal(lab_n_files(".seg.tmp"), 2);
	drop(output);
	assert_int_equal(lab_n_files(".seg.tmp"), 1);
}

static void test_room_is_held_back_again_when_the_run_is_over(void **state)
{
	struct segment *output;

	(void)state;
	make_spare();
	output = take_output(100);
	lab_segment(10);
	make_spare();
	assert_int_equal(lab_n_files(".seg.tmp"), 1);
	drop(output);
	upkeep_end_output(lab.upkeep);
	lab_segment(10);
	make_spare();
	assert_int_equal(lab_n_files(".seg.tmp"), 1);
}

/* Or a spare would take what the run is about to give back. */
static void test_20_while_a_run_works_a_full_disk_gets_no_spare(void **state)
{
	struct segment *output;

	(void)state;
	make_spare();
	output = take_output(100);
	lab_set_fault(1u << SIMFS_ALLOCATE, 1, ENOSPC);
	lab_segment(10);
	make_spare();
	assert_false(upkeep_has_spare(lab.upkeep));
	lab_set_fault(0, 0, 0);
	make_spare();
	assert_false(upkeep_has_spare(lab.upkeep));
	upkeep_end_output(lab.upkeep);
	make_spare();
	assert_true(upkeep_has_spare(lab.upkeep));
	drop(output);
}

/* Either of its copies may be what finds no room. */
static void test_20_a_manifest_may_take_what_is_held_back(void **state)
{
	(void)state;
	for (uint64_t nth = 1; nth <= 2; nth++) {
		const struct simfs_fault fault = { .calls = 1u << SIMFS_PWRITEV,
						   .nth = nth,
						   .error = ENOSPC };

		make_spare();
		assert_int_equal(lab_n_files(".seg.tmp"), 1);
		simfs_set_fault(lab.fs, &fault);
		assert_int_equal(upkeep_clear(lab.upkeep, 10 + nth), 0);
		assert_int_equal(simfs_n_faults(lab.fs), 1);
		simfs_set_fault(lab.fs, NULL);
		assert_int_equal(lab_n_files(".seg.tmp"), 0);
		lab_segment(100);
	}
}

static void test_a_clean_end_leaves_no_room_held_back(void **state)
{
	(void)state;
	make_spare();
	assert_int_equal(upkeep_free(lab.upkeep, UPKEEP_FINISH), 0);
	lab.upkeep = NULL;
	assert_int_equal(lab_n_files(".tmp"), 0);
}

/* ---- the manifest of a run ---- */

static struct segment *inputs[2];
static struct segment *output;

/* Two sealed inputs, and an output over them that is whole. */
static int set_up_run(void **state)
{
	lab_set_up(state);
	for (unsigned i = 0; i < 2; i++) {
		inputs[i] = lab_segment(1000);
		lab_put(inputs[i], i ? "b" : "a", "value", i + 1);
		lab_seal(inputs[i]);
	}
	lab_begin(inputs, 2);
	output = lab_copy();
	return 0;
}

static void expect_installed(void)
{
	assert_int_equal(durable_row(output->id).state, MANIFEST_SEALED);
	assert_true(durable_row(output->id).len == output->len);
	assert_true(durable_row(output->id).last_sequence == 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(durable_row(inputs[i]->id).state,
				 MANIFEST_REPLACED);
		assert_true(inputs[i]->replaced);
	}
}

static void expect_not_installed(void)
{
	assert_int_equal(durable_row(output->id).id, 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(durable_row(inputs[i]->id).state,
				 MANIFEST_SEALED);
		assert_false(inputs[i]->replaced);
	}
}

static void test_an_install_replaces_the_inputs_by_the_output(void **state)
{
	(void)state;
	expect_not_installed();
	assert_int_equal(upkeep_install(lab.upkeep, output, inputs, 2), 0);
	expect_installed();
	/* the files are somebody's who may be reading */
	assert_int_equal(lab_n_files(".seg"), 3);
	/* a later segment has a later id */
	assert_true(lab_segment(10)->id > output->id);
}

static void test_an_install_without_an_output(void **state)
{
	(void)state;
	assert_int_equal(upkeep_install(lab.upkeep, NULL, inputs, 2), 0);
	assert_int_equal(durable_row(inputs[0]->id).state, MANIFEST_REPLACED);
	assert_int_equal(durable_row(output->id).id, 0);
	assert_true(inputs[1]->replaced);
}

static void test_a_clear_that_came_first_makes_it_stale(void **state)
{
	(void)state;
	assert_int_equal(upkeep_clear(lab.upkeep, 20), 0);
	assert_int_equal(upkeep_install(lab.upkeep, output, inputs, 2),
			 UPKEEP_STALE);
	assert_int_equal(durable_row(output->id).id, 0);
	assert_int_equal(durable_row(inputs[0]->id).state, MANIFEST_REPLACED);
}

/*
 * A snapshot that was asked for while a round was busy: what the run left out
 * may have been superseded by what the snapshot does not have.
 */
static void test_an_install_waits_for_a_snapshot(void **state)
{
	(void)state;
	lab.upkeep->snapshot.state = REQUEST_PENDING;
	lab.upkeep->install =
		(struct install_request){ .state = REQUEST_PENDING,
					  .output = output,
					  .inputs = inputs,
					  .n_inputs = 2 };
	upkeep_run_install(lab.upkeep);
	assert_int_equal(lab.upkeep->install.state, REQUEST_PENDING);
	expect_not_installed();
	lab.upkeep->snapshot.state = REQUEST_NONE;
	upkeep_run_install(lab.upkeep);
	assert_int_equal(lab.upkeep->install.state, REQUEST_DONE);
	assert_int_equal(lab.upkeep->install.result, 0);
	lab.upkeep->install.state = REQUEST_NONE;
	expect_installed();
}

static void test_an_input_that_is_not_sealed_makes_it_stale(void **state)
{
	struct segment *mixed[2] = { inputs[0], lab_segment(100) };

	(void)state;
	assert_int_equal(upkeep_install(lab.upkeep, output, mixed, 2),
			 UPKEEP_STALE);
	expect_not_installed();
	/* nothing of it is in the next manifest either */
	lab_segment(10);
	expect_not_installed();
}

static void test_an_install_that_failed_surely_can_be_done_again(void **state)
{
	(void)state;
	lab_set_fault(1u << SIMFS_RENAME, 1, EIO);
	assert_int_equal(upkeep_install(lab.upkeep, output, inputs, 2), -EIO);
	lab_set_fault(0, 0, 0);
	expect_not_installed();
	lab_segment(LAB_SEGMENT_SIZE);
	expect_not_installed();
	assert_int_equal(upkeep_install(lab.upkeep, output, inputs, 2), 0);
	expect_installed();
}

static void test_an_install_of_which_nobody_knows_is_settled(void **state)
{
	(void)state;
	lab_set_fault(1u << SIMFS_SYNC_DIR, 1, EIO);
	assert_int_equal(upkeep_install(lab.upkeep, output, inputs, 2),
			 UPKEEP_UNKNOWN);
	assert_false(inputs[0]->replaced);
	assert_int_not_equal(upkeep_settle_install(lab.upkeep, inputs, 2), 0);
	assert_false(inputs[0]->replaced);
	lab_set_fault(1u << SIMFS_RENAME, 1, EIO);
	assert_int_equal(upkeep_settle_install(lab.upkeep, inputs, 2), -EIO);
	assert_false(inputs[0]->replaced);
	lab_set_fault(0, 0, 0);
	assert_int_equal(upkeep_settle_install(lab.upkeep, inputs, 2), 0);
	expect_installed();
}

static void test_a_clear_settles_it_too(void **state)
{
	(void)state;
	lab_set_fault(1u << SIMFS_SYNC_DIR, 1, EIO);
	assert_int_equal(upkeep_install(lab.upkeep, output, inputs, 2),
			 UPKEEP_UNKNOWN);
	lab_set_fault(0, 0, 0);
	assert_int_equal(upkeep_clear(lab.upkeep, 20), 0);
	assert_int_equal(durable_row(output->id).state, MANIFEST_REPLACED);
	assert_true(output->replaced && inputs[0]->replaced);
	assert_int_equal(upkeep_settle_install(lab.upkeep, inputs, 2), 0);
	assert_int_equal(durable_row(output->id).state, MANIFEST_REPLACED);
}

static void test_after_an_unknown_clear_nothing_is_installed(void **state)
{
	(void)state;
	lab_set_fault(1u << SIMFS_RENAME, 2, EIO);
	assert_int_equal(upkeep_clear(lab.upkeep, 20), UPKEEP_UNKNOWN);
	lab_set_fault(0, 0, 0);
	assert_int_equal(upkeep_install(lab.upkeep, output, inputs, 2), -EROFS);
	assert_false(inputs[0]->replaced);
}

/* ---- two that wait for a manifest ---- */

/*
 * A gate in the way of syncs, over a real folder: the first one after it was
 * shut stops there.  It shuts again at the end of every round.
 */
static struct io gate_io;
static _Atomic bool gate_shut;
static _Atomic bool gate_removed;
static sem_t gate_reached;
static sem_t gate_go;
static char *dir;

static int gate_sync(struct io *io, int fd)
{
	(void)io;
	if (atomic_exchange(&gate_shut, false) && !gate_removed) {
		sem_post(&gate_reached);
		sem_wait(&gate_go);
	}
	return io_system()->sync(io_system(), fd);
}

static void shut_gate(void *ctx)
{
	(void)ctx;
	gate_shut = true;
}

struct flusher {
	pthread_t thread;
	uint32_t id;
	int result;
	enum manifest_state state; /* of ID, when its flush had returned */
};

static void *flush(void *arg)
{
	struct flusher *flusher = arg;
	struct manifest_report report;
	struct manifest manifest;

	flusher->result = upkeep_flush(lab.upkeep);
	if (manifest_load(&gate_io, dir, &manifest, &report) == 0) {
		flusher->state = manifest_find(&manifest, flusher->id)->state;
		manifest_deinit(&manifest);
	}
	return NULL;
}

/* Reports SEGMENT, then asks for a flush, which is the Nth. */
static void begin_flush(struct flusher *flusher, struct segment *segment,
			uint64_t nth)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	uint64_t n_asked;

	flusher->id = segment->id;
	upkeep_fill(lab.upkeep, segment);
	assert_int_equal(pthread_create(&flusher->thread, NULL, flush, flusher),
			 0);
	do {
		nanosleep(&pause, NULL);
		pthread_mutex_lock(&lab.upkeep->lock);
		n_asked = lab.upkeep->flush.n_asked;
		pthread_mutex_unlock(&lab.upkeep->lock);
	} while (n_asked < nth);
}

static void begin_gate(struct segment *segments[3])
{
	struct manifest manifest = { .next_segment = 1, .next_sequence = 1 };
	struct upkeep_options options = { .segment_size = LAB_SEGMENT_SIZE,
					  .io = &gate_io,
					  .changed = shut_gate };

	gate_io = *io_system();
	gate_io.sync = gate_sync;
	sem_init(&gate_reached, 0, 0);
	sem_init(&gate_go, 0, 0);
	dir = tempdir_new();
	options.dir = dir;
	options.segments = segments_new();
	assert_int_equal(manifest_store(&gate_io, dir, &manifest), 0);
	assert_int_equal(upkeep_new(&options, &manifest, &lab.upkeep), 0);
	lab.table = options.segments;
	for (unsigned i = 0; i < 3; i++) {
		gate_shut = false;
		assert_int_equal(upkeep_take(lab.upkeep, 100, &segments[i]), 0);
		maker_put(&gate_io, segments[i], "k", "v", i + 1);
	}
	gate_shut = true;
	assert_int_equal(upkeep_start(lab.upkeep), 0);
}

static void end_gate(struct segment *segments[3])
{
	/* what it still has to do is not held up */
	gate_removed = true;
	sem_post(&gate_go);
	assert_int_equal(upkeep_free(lab.upkeep, UPKEEP_FINISH), 0);
	for (unsigned i = 0; i < 3; i++)
		segment_free(&gate_io, segments[i]);
	segments_free(lab.table);
	tempdir_free(dir);
	sem_destroy(&gate_reached);
	sem_destroy(&gate_go);
}

/*
 * Who asked while a manifest was being written for another has reported
 * something that is not in it: the end of a failed write, say.
 */
static void test_a_flush_waits_for_what_was_reported_before_it(void **state)
{
	struct segment *segments[3];
	struct flusher first = { .result = -1 };
	struct flusher second = { .result = -1 };

	(void)state;
	begin_gate(segments);
	upkeep_fill(lab.upkeep, segments[0]);
	sem_wait(&gate_reached);
	/* for the next round; and this one after it has begun */
	begin_flush(&first, segments[1], 1);
	sem_post(&gate_go);
	sem_wait(&gate_reached);
	begin_flush(&second, segments[2], 2);
	sem_post(&gate_go);
	pthread_join(first.thread, NULL);
	assert_int_equal(first.result, 0);
	assert_int_equal(first.state, MANIFEST_SEALED);
	sem_wait(&gate_reached);
	sem_post(&gate_go);
	pthread_join(second.thread, NULL);
	assert_int_equal(second.result, 0);
	assert_int_equal(second.state, MANIFEST_SEALED);
	end_gate(segments);
}

int main(void)
{
#define reserve(name)                                                          \
	cmocka_unit_test_setup_teardown(name, lab_set_up_reserve, lab_tear_down)
#define run(name)                                                              \
	cmocka_unit_test_setup_teardown(name, set_up_run, lab_tear_down)
	const struct CMUnitTest tests[] = {
		reserve(test_room_is_held_back_before_a_spare_is_made),
		reserve(test_20_without_room_to_hold_back_there_is_no_spare),
		reserve(test_20_an_output_takes_what_was_held_back),
		reserve(test_a_larger_output_leaves_what_is_held_back),
		reserve(test_room_is_held_back_again_when_the_run_is_over),
		reserve(test_20_while_a_run_works_a_full_disk_gets_no_spare),
		reserve(test_20_a_manifest_may_take_what_is_held_back),
		reserve(test_a_clean_end_leaves_no_room_held_back),
		run(test_an_install_replaces_the_inputs_by_the_output),
		run(test_an_install_without_an_output),
		run(test_a_clear_that_came_first_makes_it_stale),
		run(test_an_input_that_is_not_sealed_makes_it_stale),
		run(test_an_install_waits_for_a_snapshot),
		run(test_an_install_that_failed_surely_can_be_done_again),
		run(test_an_install_of_which_nobody_knows_is_settled),
		run(test_a_clear_settles_it_too),
		run(test_after_an_unknown_clear_nothing_is_installed),
		cmocka_unit_test(
			test_a_flush_waits_for_what_was_reported_before_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
