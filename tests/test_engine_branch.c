/*
 * Branches of the local engine: first on one thread, where each step is the
 * test's, then on threads of their own, beside writes, clears and
 * compactions.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/engine_internal.h"
#include "tests/support/engine_rig.h"

struct fixture {
	struct engine_rig main;
	struct engine_rig branch; /* only the engine and the wakes are used */
};

static void wake(void *ctx)
{
	const struct engine_rig *rig = ctx;

	if (eventfd_write(rig->wake_fd, 1) < 0)
		abort();
}

static void open_branch(struct engine_rig *main, struct engine_rig *branch)
{
	struct engine_host host = { .wake = wake, .ctx = branch };

	branch->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(branch->wake_fd >= 0);
	assert_int_equal(engine_branch(main->engine, &host, &branch->engine),
			 0);
}

static void close_branch(struct engine_rig *branch)
{
	engine_close(branch->engine);
	close(branch->wake_fd);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	rig_open(&f->main);
	open_branch(&f->main, &f->branch);
	*state = f;
	return 0;
}

/* Waits for a wake of either, or for the time that the engine names. */
static void await_wake(const struct fixture *f)
{
	struct pollfd fds[2] = {
		{ .fd = f->main.wake_fd, .events = POLLIN },
		{ .fd = f->branch.wake_fd, .events = POLLIN },
	};
	int ms = engine_next_timeout_ms(f->main.engine);

	assert_true(poll(fds, 2, ms < 0 ? 20000 : ms) > 0 || ms >= 0);
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	rig_close(&f->main);
	close_branch(&f->branch);
	free(f);
	return 0;
}

/* By the branch, with the engine's thread at hand. */
static int ask(struct fixture *f, struct rig_request *request)
{
	time_t end = time(NULL) + 60;

	rig_begin(&f->branch, request);
	rig_turn(&f->branch);
	while (!request->done) {
		rig_turn(&f->main);
		rig_turn(&f->branch);
		if (!request->done)
			await_wake(f);
		assert_true(time(NULL) < end);
	}
	return request->request.result;
}

/* By the branch alone: it has to be able to. */
static int ask_alone(struct fixture *f, struct rig_request *request)
{
	rig_begin(&f->branch, request);
	rig_turn(&f->branch);
	assert_true(request->done);
	return request->request.result;
}

static void test_a_get_needs_nobody_else(void **state)
{
	struct fixture *f = *state;
	struct rig_request request;

	assert_int_equal(rig_put(&f->main, "key", "value"), 0);
	rig_fill_get(&request, "key");
	assert_int_equal(ask_alone(f, &request), 0);
	assert_string_equal(request.value, "value");
	assert_true(request.version > 0);
	rig_fill_get(&request, "none");
	assert_int_equal(ask_alone(f, &request), ENGINE_NOT_FOUND);
	assert_int_equal(rig_stat(&f->main, "errands"), 0);
}

static void test_stat_needs_nobody_else(void **state)
{
	struct fixture *f = *state;
	struct rig_request request;

	assert_int_equal(rig_put(&f->main, "key", "value"), 0);
	rig_fill_get(&request, "key");
	request.request.op = ENGINE_STAT;
	assert_int_equal(ask_alone(f, &request), 0);
	assert_int_equal(request.value_len, 5);
	assert_string_equal(request.value, "");
}

static void test_many_gets_of_one_turn_are_all_answered(void **state)
{
	enum { N = 100 };
	struct fixture *f = *state;
	struct rig_request *requests = calloc(N, sizeof(*requests));
	char keys[N][16];
	unsigned i;

	assert_non_null(requests);
	for (i = 0; i < N; i++) {
		snprintf(keys[i], sizeof(keys[i]), "key %u", i);
		assert_int_equal(rig_put(&f->main, keys[i], keys[i]), 0);
	}
	for (i = 0; i < N; i++) {
		rig_fill_get(&requests[i], keys[i]);
		if (i % 3 == 0)
			requests[i].request.op = ENGINE_STAT;
		rig_begin(&f->branch, &requests[i]);
	}
	rig_turn(&f->branch);
	for (i = 0; i < N; i++) {
		assert_true(requests[i].done);
		assert_int_equal(requests[i].request.result, 0);
		assert_string_equal(requests[i].value, i % 3 ? keys[i] : "");
	}
	free(requests);
}

static void test_a_write_is_seen_through_all(void **state)
{
	struct fixture *f = *state;
	struct rig_request request;
	const char *value;

	rig_fill_put(&request, "key", "one", ENGINE_ALWAYS);
	assert_int_equal(ask(f, &request), 0);
	assert_int_equal(request.request.reached, ENGINE_ALWAYS);
	assert_true(request.mutations[0].version > 0);
	assert_int_equal(rig_get(&f->main, "key", &value), 0);
	assert_string_equal(value, "one");
	rig_fill_get(&request, "key");
	assert_int_equal(ask_alone(f, &request), 0);
	assert_string_equal(request.value, "one");

	rig_fill_delete(&request, "key");
	assert_int_equal(ask(f, &request), 0);
	assert_true(request.mutations[0].existed);
	rig_fill_get(&request, "key");
	assert_int_equal(ask_alone(f, &request), ENGINE_NOT_FOUND);
	assert_int_equal(rig_stat(&f->main, "errands"), 2);
}

static void test_writes_keep_their_order(void **state)
{
	enum { N = 200 };
	struct fixture *f = *state;
	struct rig_request *requests = calloc(N, sizeof(*requests));
	char values[N][16];
	const char *value;
	unsigned i;

	assert_non_null(requests);
	for (i = 0; i < N; i++) {
		snprintf(values[i], sizeof(values[i]), "%u", i);
		rig_fill_put(&requests[i], "key", values[i], ENGINE_NONE);
		rig_begin(&f->branch, &requests[i]);
	}
	rig_turn(&f->branch);
	while (!requests[N - 1].done) {
		rig_turn(&f->main);
		rig_turn(&f->branch);
		if (!requests[N - 1].done)
			await_wake(f);
	}
	for (i = 1; i < N; i++)
		assert_true(requests[i].mutations[0].version >
			    requests[i - 1].mutations[0].version);
	assert_int_equal(rig_get(&f->main, "key", &value), 0);
	assert_string_equal(value, values[N - 1]);
	free(requests);
}

static void test_a_clear_is_seen_at_once(void **state)
{
	struct fixture *f = *state;
	struct rig_request request;

	assert_int_equal(rig_put(&f->main, "key", "value"), 0);
	assert_int_equal(rig_simple(&f->main, ENGINE_CLEAR), 0);
	rig_fill_get(&request, "key");
	assert_int_equal(ask_alone(f, &request), ENGINE_NOT_FOUND);
}

/* What nobody can be blamed for is an errand, and removed by who may. */
static void test_an_expired_key_is_removed(void **state)
{
	struct fixture *f = *state;
	struct rig_request request;

	rig_fill_put(&request, "key", "value", ENGINE_DEFAULT);
	request.mutations[0].expires_at_ms = 1;
	assert_int_equal(ask(f, &request), 0);
	assert_int_equal(rig_count(&f->main), 1);
	rig_fill_get(&request, "key");
	assert_int_equal(ask(f, &request), ENGINE_NOT_FOUND);
	while (rig_count(&f->main) > 0)
		rig_step(&f->main);
	assert_int_equal(rig_stat(&f->main, "expired_keys"), 1);
}

static void test_what_is_not_in_memory_is_read_by_the_pool(void **state)
{
	struct fixture *f = *state;
	struct rig_request request;

	/* Neither a mapping nor a read that does not wait. */
	f->main.hook.io.map = NULL;
	f->main.hook.nowait_error = -EAGAIN;
	assert_int_equal(rig_put(&f->main, "key", "value"), 0);
	rig_fill_get(&request, "key");
	assert_int_equal(ask(f, &request), 0);
	assert_string_equal(request.value, "value");
	assert_int_equal(rig_stat(&f->main, "cold_reads"), 1);
	assert_int_equal(rig_stat(&f->main, "errands"), 1);
}

static void test_a_failed_read_is_told(void **state)
{
	struct fixture *f = *state;
	struct rig_request request;

	f->main.hook.io.map = NULL;
	f->main.hook.nowait_error = -EAGAIN;
	assert_int_equal(rig_put(&f->main, "key", "value"), 0);
	f->main.hook.read_error = -EIO;
	rig_fill_get(&request, "key");
	assert_int_equal(ask(f, &request), -EIO);
	f->main.hook.read_error = 0;
	rig_fill_get(&request, "key");
	assert_int_equal(ask(f, &request), 0);
}

static void test_a_file_system_that_cannot_tell_is_asked_once(void **state)
{
	struct fixture *f = *state;
	struct rig_request request;
	unsigned i;

	f->main.hook.io.map = NULL;
	f->main.hook.nowait_error = -EOPNOTSUPP;
	assert_int_equal(rig_put(&f->main, "key", "value"), 0);
	for (i = 0; i < 3; i++) {
		rig_fill_get(&request, "key");
		assert_int_equal(ask(f, &request), 0);
	}
	assert_int_equal(f->main.hook.n_nowaits, 1);
}

static void test_bad_requests_are_refused(void **state)
{
	struct fixture *f = *state;
	struct rig_request request;

	rig_fill_get(&request, "");
	assert_int_equal(ask(f, &request), -EINVAL);
	rig_fill_get(&request, "key");
	request.request.deadline_ms = 1;
	assert_int_equal(ask(f, &request), ENGINE_DEADLINE);
	rig_fill_get(&request, "key");
	request.request.n_keys = 0;
	assert_int_equal(ask(f, &request), -EINVAL);
}

static void check_many(const struct rig_request *request)
{
	assert_string_equal(request->items[0].value, "first");
	assert_int_equal(request->items[1].result, ENGINE_NOT_FOUND);
	assert_string_equal(request->items[2].key, "two");
	assert_string_equal(request->items[2].value, "second");
}

static void test_many_keys_come_back_with_their_values(void **state)
{
	struct fixture *f = *state;
	struct rig_request request;

	assert_int_equal(rig_put(&f->main, "one", "first"), 0);
	assert_int_equal(rig_put(&f->main, "two", "second"), 0);
	rig_fill_get(&request, "one");
	request.request.op = ENGINE_GET_MANY;
	request.keys[1] = (struct engine_bytes){ "none", 4 };
	request.keys[2] = (struct engine_bytes){ "two", 3 };
	request.request.n_keys = 3;
	/* By itself, and then by the pool, as nothing is in memory. */
	assert_int_equal(ask_alone(f, &request), 0);
	check_many(&request);
	f->main.hook.io.map = NULL;
	f->main.hook.nowait_error = -EAGAIN;
	assert_int_equal(rig_simple(&f->main, ENGINE_CLEAR), 0);
	assert_int_equal(rig_put(&f->main, "one", "first"), 0);
	assert_int_equal(rig_put(&f->main, "two", "second"), 0);
	assert_int_equal(ask(f, &request), 0);
	check_many(&request);
	assert_int_equal(rig_stat(&f->main, "errands"), 1);
}

/* More than a branch takes, too long for one, and one that has expired. */
static void test_many_keys_that_are_not_plain_are_an_errand(void **state)
{
	enum { N = 65, LEN = 100000 };
	struct fixture *f = *state;
	struct engine_bytes keys[N];
	char *value = malloc(LEN + 1);
	struct rig_request request;
	unsigned i;

	assert_non_null(value);
	memset(value, 'v', LEN);
	value[LEN] = '\0';
	assert_int_equal(rig_put(&f->main, "key", "value"), 0);
	assert_int_equal(rig_put(&f->main, "long", value), 0);
	rig_fill_put(&request, "late", "value", ENGINE_DEFAULT);
	request.mutations[0].expires_at_ms = 1;
	assert_int_equal(ask(f, &request), 0);
	for (i = 0; i < N; i++)
		keys[i] = (struct engine_bytes){ "key", 3 };
	rig_fill_get(&request, "key");
	request.request.op = ENGINE_GET_MANY;
	request.request.keys = keys;
	request.request.n_keys = N;
	assert_int_equal(ask(f, &request), 0);
	assert_string_equal(request.items[7].value, "value");
	request.request.n_keys = N - 1;
	assert_int_equal(ask_alone(f, &request), 0);
	keys[1] = (struct engine_bytes){ "late", 4 };
	request.request.n_keys = 2;
	assert_int_equal(ask(f, &request), 0);
	assert_int_equal(request.items[1].result, ENGINE_NOT_FOUND);
	keys[1] = (struct engine_bytes){ "long", 4 };
	assert_int_equal(ask(f, &request), 0);
	assert_int_equal(request.items[1].value[0], 'v');
	assert_int_equal(rig_stat(&f->main, "errands"), 4);
	free(value);
}
static void test_a_scan_comes_back_with_keys_and_values(void **state)
{
	struct fixture *f = *state;
	struct rig_request request = {
		.request = { .op = ENGINE_SCAN, .with_values = true },
	};

	assert_int_equal(rig_put(&f->main, "key", "value"), 0);
	assert_int_equal(ask(f, &request), 0);
	assert_int_equal(request.request.n_items, 1);
	assert_string_equal(request.items[0].key, "key");
	assert_string_equal(request.items[0].value, "value");
}

/* Rows are only good until done returns: they are looked at in there. */
struct stats_check {
	bool done;
	bool found;
};

static void look_at_stats(struct engine_request *request)
{
	struct stats_check *check = request->user;
	size_t i;

	check->done = true;
	for (i = 0; i < request->n_stats; i++) {
		if (strcmp(request->stats[i].name, "state") == 0)
			check->found =
				strcmp(request->stats[i].text, "ok") == 0;
	}
}

static void test_stats_and_state(void **state)
{
	struct fixture *f = *state;
	struct stats_check check = { false };
	struct engine_request request = {
		.op = ENGINE_STATS,
		.done = look_at_stats,
		.user = &check,
	};
	struct engine_capabilities of_main;
	struct engine_capabilities of_branch;
	struct engine_event event;
	const char *text = NULL;

	engine_submit(f->branch.engine, &request);
	rig_turn(&f->branch);
	while (!check.done) {
		rig_turn(&f->main);
		rig_turn(&f->branch);
	}
	assert_true(check.found);
	assert_int_equal(engine_state(f->branch.engine, &text),
			 ENGINE_STATE_OK);
	assert_string_equal(text, "serving");
	assert_false(engine_take_event(f->branch.engine, &event));
	assert_int_equal(engine_next_timeout_ms(f->branch.engine), -1);
	engine_capabilities(f->main.engine, &of_main);
	engine_capabilities(f->branch.engine, &of_branch);
	assert_int_equal(of_main.value_max, of_branch.value_max);
	assert_true(of_branch.batches && of_branch.conditions);
}

static void test_the_text_of_a_failure_comes_back(void **state)
{
	struct fixture *f = *state;
	struct rig_request request = {
		.request = { .op = ENGINE_BACKUP, .path = "not/absolute" },
	};

	assert_int_equal(ask(f, &request), ENGINE_REFUSED);
	assert_true(strlen(request.text) > 0);
}

/* A value with memory of its own: taken by the first, left by the second. */
struct large_check {
	bool done;
	bool take;
	void *owner;
	size_t len;
	uint8_t first;
};

static void look_at_value(struct engine_request *request)
{
	struct large_check *check = request->user;

	check->done = true;
	if (request->result != 0)
		return;
	check->len = request->items[0].value.len;
	check->first = *(const uint8_t *)request->items[0].value.data;
	check->owner = request->items[0].value_owner;
	if (check->take)
		request->items[0].value_owner = NULL;
}

static void test_a_large_value_may_be_taken(void **state)
{
	enum { LEN = 200000 };
	struct fixture *f = *state;
	struct rig_request put;
	char *value = malloc(LEN + 1);
	unsigned i;

	assert_non_null(value);
	memset(value, 'v', LEN);
	value[LEN] = '\0';
	rig_fill_put(&put, "key", value, ENGINE_NONE);
	assert_int_equal(ask(f, &put), 0);
	for (i = 0; i < 2; i++) {
		struct large_check check = { .take = i == 0 };
		struct engine_bytes key = { "key", 3 };
		struct engine_request request = {
			.op = ENGINE_GET,
			.keys = &key,
			.n_keys = 1,
			.done = look_at_value,
			.user = &check,
		};

		engine_submit(f->branch.engine, &request);
		rig_turn(&f->branch);
		while (!check.done) {
			rig_turn(&f->main);
			rig_turn(&f->branch);
			if (!check.done)
				await_wake(f);
		}
		assert_int_equal(check.len, LEN);
		assert_int_equal(check.first, 'v');
		assert_non_null(check.owner);
		if (check.take)
			free(check.owner);
	}
	free(value);
}

/* ---- the end ---- */

struct ending {
	unsigned n_done;
	struct engine_request *again; /* submitted once more when it ends */
	struct engine *engine;
	int result;
};

static void count_end(struct engine_request *request)
{
	struct ending *ending = request->user;

	ending->n_done++;
	ending->result = request->result;
	if (!ending->again)
		return;
	ending->again = NULL;
	engine_submit(ending->engine, request);
}

static void test_the_end_answers_all_once(void **state)
{
	struct fixture f;
	struct ending sent = { 0 };
	struct ending unsent = { 0 };
	struct engine_request in_mailbox = { .op = ENGINE_COUNT,
					     .done = count_end,
					     .user = &sent };
	struct engine_request submitted = { .op = ENGINE_COUNT,
					    .done = count_end,
					    .user = &unsent };

	(void)state;
	memset(&f, 0, sizeof(f));
	rig_open(&f.main);
	open_branch(&f.main, &f.branch);
	engine_submit(f.branch.engine, &in_mailbox);
	rig_turn(&f.branch);
	engine_submit(f.branch.engine, &submitted);
	unsent.again = &submitted;
	unsent.engine = f.branch.engine;
	rig_close(&f.main);
	assert_int_equal(sent.n_done, 0);
	close_branch(&f.branch);
	assert_int_equal(sent.n_done, 1);
	assert_int_equal(sent.result, ENGINE_CLOSED);
	assert_int_equal(unsent.n_done, 2);
	assert_int_equal(unsent.result, ENGINE_CLOSED);
}

static void test_what_was_begun_ends_before_the_close(void **state)
{
	struct fixture f;
	struct ending ending = { 0 };
	struct engine_mutation put = {
		.kind = ENGINE_PUT,
		.key = { "key", 3 },
		.value = { "value", 5 },
	};
	struct engine_request request = {
		.op = ENGINE_WRITE,
		.mutations = &put,
		.n_mutations = 1,
		.done = count_end,
		.user = &ending,
	};

	(void)state;
	memset(&f, 0, sizeof(f));
	rig_open(&f.main);
	open_branch(&f.main, &f.branch);
	f.main.hook.hold_syncs = 1;
	engine_submit(f.branch.engine, &request);
	rig_turn(&f.branch);
	rig_turn(&f.main);
	f.main.hook.hold_syncs = 0;
	rig_close(&f.main);
	close_branch(&f.branch);
	assert_int_equal(ending.n_done, 1);
	assert_int_equal(ending.result, 0);
}

/* ---- on threads of their own ---- */

enum {
	N_BRANCHES = 2,
	N_KEYS = 64,
	N_WRITES = 6000,
};

/* What every reader of a key may rely on. */
struct race {
	struct engine_rig main;
	_Atomic unsigned acknowledged[N_KEYS]; /* the newest number, or 0 */
	_Atomic unsigned begun_clears;
	atomic_bool over;
};

struct reader {
	struct race *race;
	struct engine_rig rig;
	pthread_t thread;
	unsigned seen[N_KEYS];
	unsigned n_reads;
	unsigned n_found;
	const char *fault;
};

static void key_of(unsigned i, char *key)
{
	snprintf(key, 16, "key %u", i);
}

/* Each value is its key's name and a number that only rises. */
static void read_one(struct reader *reader, unsigned i)
{
	struct race *race = reader->race;
	unsigned clears = atomic_load(&race->begun_clears);
	unsigned at_least = atomic_load(&race->acknowledged[i]);
	struct rig_request request;
	unsigned number;
	char name[16];
	char *end;

	key_of(i, name);
	rig_fill_get(&request, name);
	rig_begin(&reader->rig, &request);
	rig_await(&reader->rig, &request.done);
	reader->n_reads++;
	if (request.request.result == ENGINE_NOT_FOUND) {
		if (at_least > 0 && clears == atomic_load(&race->begun_clears))
			reader->fault = "an acknowledged put is not there";
		return;
	}
	if (request.request.result != 0 ||
	    strtoul(request.value, &end, 10) != i) {
		reader->fault = "another key's value, or an error";
		return;
	}
	number = (unsigned)strtoul(end, NULL, 10);
	reader->n_found++;
	if (number < at_least && clears == atomic_load(&race->begun_clears))
		reader->fault = "older than what was acknowledged";
	if (number < reader->seen[i])
		reader->fault = "older than what was read before";
	reader->seen[i] = number;
}

static void *read_on(void *ctx)
{
	struct reader *reader = ctx;
	unsigned i = 0;

	while (!atomic_load(&reader->race->over) && !reader->fault)
		read_one(reader, i++ % N_KEYS);
	return NULL;
}

static void clear_all(struct race *race)
{
	unsigned i;

	atomic_fetch_add(&race->begun_clears, 1);
	for (i = 0; i < N_KEYS; i++)
		atomic_store(&race->acknowledged[i], 0);
	assert_int_equal(rig_simple(&race->main, ENGINE_CLEAR), 0);
}

static void write_one(struct race *race, unsigned number)
{
	struct rig_request request;
	unsigned i = number % N_KEYS;
	char key[16];
	char value[200];
	int n;

	key_of(i, key);
	n = snprintf(value, sizeof(value), "%u %u ", i, number);
	memset(value + n, '.', sizeof(value) - 1 - (size_t)n);
	value[sizeof(value) - 1] = '\0';
	rig_fill_put(&request, key, value, ENGINE_NONE);
	rig_begin(&race->main, &request);
	assert_int_equal(rig_wait(&race->main, &request), 0);
	atomic_store(&race->acknowledged[i], number);
}

static void test_readers_beside_everything(void **state)
{
	struct race *race = calloc(1, sizeof(*race));
	struct reader *readers = calloc(N_BRANCHES, sizeof(*readers));
	unsigned i;

	(void)state;
	assert_true(race && readers);
	/* Small segments: many of them come and go. */
	race->main.options.segment_size = 64 << 10;
	race->main.options.compaction.dead_percent = 10;
	rig_open(&race->main);
	for (i = 0; i < N_BRANCHES; i++) {
		readers[i].race = race;
		open_branch(&race->main, &readers[i].rig);
		assert_int_equal(pthread_create(&readers[i].thread, NULL,
						read_on, &readers[i]),
				 0);
	}
	for (i = 1; i <= N_WRITES; i++) {
		write_one(race, i);
		if (i % 1500 == 0)
			clear_all(race);
		else if (i % 500 == 0)
			rig_simple(&race->main, ENGINE_COMPACT);
	}
	atomic_store(&race->over, true);
	/* Those that wait for an errand get it. */
	for (i = 0; i < N_BRANCHES; i++) {
		while (pthread_tryjoin_np(readers[i].thread, NULL) == EBUSY)
			rig_turn(&race->main);
		if (readers[i].fault)
			fail_msg("%s", readers[i].fault);
		assert_true(readers[i].n_found > 0);
	}
	/* Nothing is kept when nobody reads. */
	rig_turn(&race->main);
	assert_int_equal(rig_stat(&race->main, "retired_bytes"), 0);
	assert_true(rig_stat(&race->main, "compactions") > 0);
	rig_close(&race->main);
	for (i = 0; i < N_BRANCHES; i++)
		close_branch(&readers[i].rig);
	free(readers);
	free(race);
}

/* A read that does not wait, and is stopped half-way. */
static sem_t read_begun;
static sem_t read_may_end;

static ssize_t stopped_pread(struct io *io, int fd, void *data, size_t len,
			     uint64_t off)
{
	sem_post(&read_begun);
	while (sem_wait(&read_may_end) < 0 && errno == EINTR)
		;
	return io->pread(io, fd, data, len, off);
}

static _Atomic unsigned n_wakes; /* of the engine, by get_one's thread */
static _Thread_local bool is_get_one;

static void count_wake(void *ctx)
{
	n_wakes += is_get_one;
	wake(ctx);
}

static void *get_one(void *ctx)
{
	struct engine_rig *rig = ctx;
	struct rig_request request;

	is_get_one = true;
	rig_fill_get(&request, "key");
	rig_begin(rig, &request);
	rig_turn(rig);
	return request.done && request.request.result == 0 ? NULL : rig;
}

static void test_what_a_branch_reads_stays_until_it_has(void **state)
{
	struct fixture *f = *state;
	pthread_t thread;
	void *fault;

	n_wakes = 0;
	((struct local *)(void *)f->main.engine)->host.wake = count_wake;
	f->main.hook.io.map = NULL;
	f->main.hook.io.pread_nowait = stopped_pread;
	assert_int_equal(rig_put(&f->main, "key", "value"), 0);
	sem_init(&read_begun, 0, 0);
	sem_init(&read_may_end, 0, 0);
	assert_int_equal(pthread_create(&thread, NULL, get_one, &f->branch), 0);
	while (sem_wait(&read_begun) < 0 && errno == EINTR)
		;
	assert_int_equal(rig_simple(&f->main, ENGINE_CLEAR), 0);
	rig_settle(&f->main);
	rig_turn(&f->main);
	assert_true(rig_stat(&f->main, "retired_bytes") > 0);
	sem_post(&read_may_end);
	pthread_join(thread, &fault);
	assert_null(fault);
	/* Who has read says so: the engine is woken, and looks. */
	assert_int_equal(n_wakes, 1);
	engine_turn(f->main.engine);
	assert_int_equal(rig_stat(&f->main, "retired_bytes"), 0);
}

struct writer {
	struct engine_rig rig;
	pthread_t thread;
	unsigned number;
	_Atomic bool over;
	int result;
};

enum { N_INCR = 500 };

static void *write_on(void *ctx)
{
	struct writer *writer = ctx;
	unsigned i;

	for (i = 0; i < N_INCR && writer->result == 0; i++) {
		struct rig_request request;

		rig_fill_put(&request, "counter", "", ENGINE_NONE);
		request.mutations[0].kind = ENGINE_INCR;
		request.mutations[0].by = 1;
		rig_begin(&writer->rig, &request);
		rig_await(&writer->rig, &request.done);
		writer->result = request.request.result;
		/* Its own write is seen by its own read. */
		rig_fill_get(&request, "counter");
		rig_begin(&writer->rig, &request);
		rig_await(&writer->rig, &request.done);
		if (request.request.result != 0 ||
		    strtoul(request.value, NULL, 10) <= i)
			writer->result = -EPROTO;
	}
	atomic_store(&writer->over, true);
	return NULL;
}

static void test_writers_on_all_threads(void **state)
{
	struct engine_rig main;
	struct writer *writers = calloc(N_BRANCHES, sizeof(*writers));
	const char *value;
	unsigned i;

	(void)state;
	assert_non_null(writers);
	memset(&main, 0, sizeof(main));
	rig_open(&main);
	for (i = 0; i < N_BRANCHES; i++) {
		open_branch(&main, &writers[i].rig);
		assert_int_equal(pthread_create(&writers[i].thread, NULL,
						write_on, &writers[i]),
				 0);
	}
	for (i = 0; i < N_BRANCHES; i++) {
		while (!atomic_load(&writers[i].over))
			rig_turn(&main);
		pthread_join(writers[i].thread, NULL);
		assert_int_equal(writers[i].result, 0);
	}
	assert_int_equal(rig_get(&main, "counter", &value), 0);
	assert_int_equal(strtoul(value, NULL, 10), N_BRANCHES * N_INCR);
	rig_close(&main);
	for (i = 0; i < N_BRANCHES; i++)
		close_branch(&writers[i].rig);
	free(writers);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_a_get_needs_nobody_else),
		T(test_stat_needs_nobody_else),
		T(test_many_gets_of_one_turn_are_all_answered),
		T(test_a_write_is_seen_through_all),
		T(test_writes_keep_their_order),
		T(test_a_clear_is_seen_at_once),
		T(test_an_expired_key_is_removed),
		T(test_what_is_not_in_memory_is_read_by_the_pool),
		T(test_a_failed_read_is_told),
		T(test_a_file_system_that_cannot_tell_is_asked_once),
		T(test_bad_requests_are_refused),
		T(test_many_keys_come_back_with_their_values),
		T(test_many_keys_that_are_not_plain_are_an_errand),
		T(test_a_scan_comes_back_with_keys_and_values),
		T(test_stats_and_state),
		T(test_the_text_of_a_failure_comes_back),
		T(test_a_large_value_may_be_taken),
		T(test_what_a_branch_reads_stays_until_it_has),
		cmocka_unit_test(test_the_end_answers_all_once),
		cmocka_unit_test(test_what_was_begun_ends_before_the_close),
		cmocka_unit_test(test_readers_beside_everything),
		cmocka_unit_test(test_writers_on_all_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
