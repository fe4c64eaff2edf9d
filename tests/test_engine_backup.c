/*
 * Backups while the engine serves: other writes, a clear, its end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants four of the above */
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#include "tests/support/engine_rig.h"
#include "tests/support/store_kit.h"
#include "tests/support/tempdir.h"

enum {
	N_BATCH_KEYS = 4,
	N_BEFORE = 300, /* batches; several segments */
	N_ROUNDS = 6,
	RUN_TURNS = 200,
	VALUE_LEN = 200,
};

struct fixture {
	struct engine_rig rig;
	char *dir; /* where the backup goes */
	char path[KIT_PATH_MAX];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->rig.options.segment_size = 64 << 10;
	/* Runs begin when a test asks for one. */
	f->rig.options.compaction.dead_percent = 100;
	f->rig.options.compaction.small_segments = UINT32_MAX;
	rig_open(&f->rig);
	f->dir = tempdir_new();
	kit_path(f->dir, "backup", f->path);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	/* Where a test failed half-way. */
	f->rig.hook.hold_links = 0;
	f->rig.hook.hold_syncs = 0;
	f->rig.hook.hold_manifests = 0;
	rig_close(&f->rig);
	tempdir_free(f->dir);
	free(f);
	return 0;
}

static void begin_backup(struct fixture *f, struct rig_request *request)
{
	memset(request, 0, sizeof(*request));
	request->request.op = ENGINE_BACKUP;
	request->request.path = f->path;
	rig_begin(&f->rig, request);
}

/* All keys of a batch have the value of the one number. */
static void fill_batch(struct rig_request *request, unsigned int number,
		       char value[VALUE_LEN + 1])
{
	static const char *const keys[N_BATCH_KEYS] = { "a", "b", "c", "d" };

	int n = snprintf(value, VALUE_LEN + 1, "%010u", number);

	memset(value + n, '.', VALUE_LEN - (size_t)n);
	value[VALUE_LEN] = '\0';
	rig_fill_put(request, keys[0], value, ENGINE_NONE);
	for (int i = 0; i < N_BATCH_KEYS; i++) {
		request->mutations[i] = request->mutations[0];
		request->mutations[i].key.data = keys[i];
	}
	request->request.n_mutations = N_BATCH_KEYS;
}

static void put_batch(struct fixture *f, unsigned int number)
{
	struct rig_request request;
	char value[VALUE_LEN + 1];

	fill_batch(&request, number, value);
	rig_begin(&f->rig, &request);
	assert_int_equal(rig_wait(&f->rig, &request), 0);
}

/* Until the backup's thread stands before a link that is held. */
static void wait_for_link(struct fixture *f)
{
	struct pollfd wake = { .fd = f->rig.wake_fd, .events = POLLIN };

	while (f->rig.hook.n_links == 0) {
		rig_turn(&f->rig);
		poll(&wake, 1, 1);
	}
}

/* The number that all keys of the batch have; the test fails if not all. */
static unsigned int batch_in(struct store *store)
{
	static const char *const keys[N_BATCH_KEYS] = { "a", "b", "c", "d" };
	char first[16];
	char other[16];

	assert_int_equal(kit_get(store, keys[0], first, 11), 0);
	for (int i = 1; i < N_BATCH_KEYS; i++) {
		assert_int_equal(kit_get(store, keys[i], other, 11), 0);
		assert_string_equal(other, first);
	}
	return (unsigned int)strtoul(first, NULL, 10);
}

static void test_it_holds_the_instant_of_the_cut(void **state)
{
	struct fixture *f = *state;
	struct rig_request request;
	struct engine_event event;
	struct store *copy;
	unsigned int i;

	for (i = 1; i <= N_BEFORE; i++)
		put_batch(f, i);
	f->rig.hook.hold_links = 1;
	begin_backup(f, &request);
	wait_for_link(f);
	/* Everybody else goes on. */
	for (i = 1; i <= N_BEFORE; i++)
		put_batch(f, N_BEFORE + i);
	assert_int_equal(rig_simple(&f->rig, ENGINE_CLEAR), 0);
	assert_int_equal(rig_put(&f->rig, "new", "value"), 0);
	assert_false(request.done);
	assert_int_equal(rig_count(&f->rig), 1);
	assert_true(rig_stat(&f->rig, "backup_total_bytes") >
		    N_BEFORE * N_BATCH_KEYS * VALUE_LEN);
	f->rig.hook.hold_links = 0;
	assert_int_equal(rig_wait(&f->rig, &request), 0);
	assert_string_equal(request.text, "");
	assert_int_equal(rig_stat(&f->rig, "backups"), 1);
	assert_int_equal(rig_stat(&f->rig, "backup_total_bytes"), 0);
	assert_true(engine_take_event(f->rig.engine, &event));
	assert_non_null(strstr(event.text, f->path));
	copy = kit_open(io_system(), f->path);
	assert_int_equal(batch_in(copy), N_BEFORE);
	assert_int_equal(store_count(copy), N_BATCH_KEYS);
	kit_close(copy);
}

/* What the backup held is let go of afterwards. */
static void test_replaced_segments_go_when_it_ends(void **state)
{
	struct fixture *f = *state;
	struct rig_request request;
	unsigned int copied;
	unsigned int i;
	unsigned int n;

	for (i = 1; i <= N_BEFORE; i++)
		put_batch(f, i);
	f->rig.hook.hold_links = 1;
	begin_backup(f, &request);
	wait_for_link(f);
	assert_int_equal(rig_simple(&f->rig, ENGINE_CLEAR), 0);
	n = kit_count(io_system(), f->rig.dir, "", ".seg");
	f->rig.hook.hold_links = 0;
	assert_int_equal(rig_wait(&f->rig, &request), 0);
	assert_int_equal(engine_close(f->rig.engine), 0);
	copied = kit_count(io_system(), f->path, "", ".seg");
	assert_true(copied > 0 && n >= copied);
	assert_int_equal(kit_count(io_system(), f->rig.dir, "", ".seg"), 0);
	rig_start(&f->rig);
}

static void test_batches_are_whole_while_writes_race_it(void **state)
{
	struct fixture *f = *state;
	struct rig_request backup;
	struct store *copy;
	unsigned int n = 0;
	unsigned int submitted;

	while (n < N_BEFORE)
		put_batch(f, ++n);
	begin_backup(f, &backup);
	submitted = n;
	/* None waits for the backup, nor it for them. */
	while (!backup.done)
		put_batch(f, ++n);
	assert_int_equal(backup.request.result, 0);
	copy = kit_open(io_system(), f->path);
	assert_in_range(batch_in(copy), submitted, n);
	assert_int_equal(store_count(copy), N_BATCH_KEYS);
	kit_close(copy);
}

/*
 * A run leaves behind what newer entries have replaced: those must be in the
 * backup, if the run is.  No key is ever deleted here.
 */
static void test_compactions_that_race_it_take_nothing_from_it(void **state)
{
	struct fixture *f = *state;
	struct rig_request backup, compact;
	struct store *copy;
	unsigned int n = 0;

	for (int round = 0; round < N_ROUNDS; round++) {
		snprintf(f->path, sizeof(f->path), "%s/backup%d", f->dir,
			 round);
		while (n % N_BEFORE != N_BEFORE - 1)
			put_batch(f, ++n);
		compact = (struct rig_request){ .request.op = ENGINE_COMPACT };
		rig_begin(&f->rig, &compact);
		/* At another step of the run each time. */
		for (int i = 0; i < round; i++)
			put_batch(f, ++n);
		begin_backup(f, &backup);
		while (!backup.done || !compact.done)
			put_batch(f, ++n);
		assert_int_equal(backup.request.result, 0);
		assert_int_equal(compact.request.result, 0);
		copy = kit_open(io_system(), f->path);
		assert_in_range(batch_in(copy), N_BEFORE - 1, n);
		assert_int_equal(store_count(copy), N_BATCH_KEYS);
		kit_close(copy);
	}
}

/* Turns, for as long as a run of compaction takes by far. */
static void let_a_run_go_by(struct fixture *f)
{
	struct pollfd wake = { .fd = f->rig.wake_fd, .events = POLLIN };

	for (int i = 0; i < RUN_TURNS; i++) {
		rig_turn(&f->rig);
		poll(&wake, 1, 1);
	}
}

/*
 * Upkeep is busy when the cut is asked for; meanwhile a write behind the cut
 * makes the first segment all dead, and a run wants it replaced.  What was
 * written behind the cut is in no segment of the backup.
 */
static void test_no_run_is_installed_between_cut_and_snapshot(void **state)
{
	struct fixture *f = *state;
	struct rig_request request;
	struct store *copy;
	uint64_t n;

	f->rig.options.compaction.dead_percent = 99;
	rig_reopen(&f->rig);
	assert_int_equal(rig_put(&f->rig, "key", "before"), 0);
	for (unsigned int i = 1; i <= N_BEFORE; i++)
		put_batch(f, i);
	do {
		let_a_run_go_by(f);
	} while (rig_stat(&f->rig, "spare_segments") == 0);
	n = f->rig.hook.n_manifests;
	f->rig.hook.hold_manifests = 1;
	begin_backup(f, &request);
	rig_turn(&f->rig);
	assert_int_equal(rig_put(&f->rig, "key", "after"), 0);
	while (f->rig.hook.n_manifests == n)
		let_a_run_go_by(f);
	let_a_run_go_by(f);
	f->rig.hook.hold_manifests = 0;
	assert_int_equal(rig_wait(&f->rig, &request), 0);
	copy = kit_open(io_system(), f->path);
	kit_expect(copy, "key", "before");
	kit_close(copy);
}

static void test_a_write_under_way_comes_before_it(void **state)
{
	struct fixture *f = *state;
	struct rig_request put, backup;
	struct store *copy;

	rig_fill_put(&put, "pending", "value", ENGINE_ALWAYS);
	f->rig.hook.hold_syncs = 1;
	rig_begin(&f->rig, &put);
	rig_turn(&f->rig);
	begin_backup(f, &backup);
	rig_turn(&f->rig);
	assert_false(put.done);
	f->rig.hook.hold_syncs = 0;
	assert_int_equal(rig_wait(&f->rig, &backup), 0);
	assert_true(put.done);
	copy = kit_open(io_system(), f->path);
	kit_expect(copy, "pending", "value");
	kit_close(copy);
}

static void test_one_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct rig_request first, second;

	put_batch(f, 1);
	f->rig.hook.hold_links = 1;
	begin_backup(f, &first);
	wait_for_link(f);
	begin_backup(f, &second);
	assert_int_equal(rig_wait(&f->rig, &second), ENGINE_BUSY);
	assert_non_null(strstr(second.text, "under way"));
	f->rig.hook.hold_links = 0;
	assert_int_equal(rig_wait(&f->rig, &first), 0);
	/* The folder is taken now. */
	begin_backup(f, &second);
	assert_int_equal(rig_wait(&f->rig, &second), ENGINE_REFUSED);
	assert_non_null(strstr(second.text, "not empty"));
	assert_int_equal(rig_stat(&f->rig, "backups"), 1);
}

static void test_a_failed_one_leaves_the_engine_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct rig_request request;

	put_batch(f, 1);
	f->rig.hook.link_error = -EIO;
	begin_backup(f, &request);
	assert_int_equal(rig_wait(&f->rig, &request), -EIO);
	assert_false(kit_exists(io_system(), f->dir, "backup"));
	f->rig.hook.link_error = 0;
	put_batch(f, 2);
	begin_backup(f, &request);
	assert_int_equal(rig_wait(&f->rig, &request), 0);
}

static void test_a_read_only_store_has_none(void **state)
{
	struct fixture *f = *state;
	struct rig_request put, backup;

	put_batch(f, 1);
	rig_fill_put(&put, "a", "b", ENGINE_ALWAYS);
	f->rig.hook.sync_error = -EIO;
	rig_begin(&f->rig, &put);
	assert_int_equal(rig_wait(&f->rig, &put), ENGINE_UNKNOWN);
	f->rig.hook.sync_error = 0;
	begin_backup(f, &backup);
	assert_int_equal(rig_wait(&f->rig, &backup), ENGINE_READ_ONLY);
}

/* The cut is in the log, and nobody has taken it in yet. */
static void test_closing_before_it_copies_ends_it(void **state)
{
	struct fixture *f = *state;
	struct rig_request request;

	put_batch(f, 1);
	begin_backup(f, &request);
	rig_turn(&f->rig);
	assert_int_equal(engine_close(f->rig.engine), 0);
	assert_true(request.done);
	assert_int_equal(request.request.result, ENGINE_CLOSED);
	assert_false(kit_exists(io_system(), f->dir, "backup"));
	rig_start(&f->rig);
}

static void *let_links_go(void *arg)
{
	struct hook_io *hook = arg;

	hook->hold_links = 0;
	return NULL;
}

/* It ends in one way or the other, and nothing is left of a half. */
static void test_closing_while_it_copies_ends_it(void **state)
{
	struct fixture *f = *state;
	struct rig_request request;
	pthread_t thread;

	for (unsigned int i = 1; i <= N_BEFORE; i++)
		put_batch(f, i);
	f->rig.hook.hold_links = 1;
	begin_backup(f, &request);
	wait_for_link(f);
	assert_int_equal(
		pthread_create(&thread, NULL, let_links_go, &f->rig.hook), 0);
	assert_int_equal(engine_close(f->rig.engine), 0);
	pthread_join(thread, NULL);
	assert_true(request.done);
	if (request.request.result != 0) {
		assert_int_equal(request.request.result, ENGINE_CLOSED);
		assert_false(kit_exists(io_system(), f->dir, "backup"));
	} else {
		struct store *copy = kit_open(io_system(), f->path);

		assert_int_equal(batch_in(copy), N_BEFORE);
		kit_close(copy);
	}
	rig_start(&f->rig);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_it_holds_the_instant_of_the_cut),
		TEST(test_replaced_segments_go_when_it_ends),
		TEST(test_batches_are_whole_while_writes_race_it),
		TEST(test_compactions_that_race_it_take_nothing_from_it),
		TEST(test_no_run_is_installed_between_cut_and_snapshot),
		TEST(test_a_write_under_way_comes_before_it),
		TEST(test_one_at_a_time),
		TEST(test_a_failed_one_leaves_the_engine_as_it_was),
		TEST(test_a_read_only_store_has_none),
		TEST(test_closing_before_it_copies_ends_it),
		TEST(test_closing_while_it_copies_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
