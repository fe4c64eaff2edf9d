/*
 * Every allocation of the client fails in turn, linked with --wrap: each
 * call returns an error that tells the truth, and the handle goes on.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/getme.h"
#include "tests/support/client_fixture.h"

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, client_fixture_setup,            \
					client_fixture_teardown)

enum {
	LARGE = 1 << 20,
};

/* Of this thread, so that the server is spared.  Below 0: none fails. */
static __thread int passes = -1;
static __thread bool has_failed;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *memory, size_t size);

static bool fails(void)
{
	if (passes < 0 || passes-- > 0)
		return false;
	has_failed = true;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
	return fails() ? NULL : __real_realloc(memory, size);
}

/* A handle that holds no memory from calls before. */
static int call_on_new_handle(struct client_fixture *fixture,
			      int (*call)(struct getme *handle))
{
	struct getme_options options = GETME_OPTIONS_INIT;
	struct getme *handle;
	int r;

	options.socket = fake_server_path(fixture->server);
	options.timeout_ms = FIXTURE_LONG_MS;
	r = getme_open(&options, &handle, NULL, 0);
	if (r != 0)
		return r;
	r = call(handle);
	if (r != 0)
		assert_string_not_equal(getme_last_error(handle), "");
	/* Whatever happened, the next call is all right. */
	passes = -1;
	assert_int_equal(getme_ping(handle), 0);
	getme_close(handle);
	return r;
}

/* Fails the first allocation, then the second, until none is left. */
static void sweep(struct client_fixture *fixture,
		  int (*call)(struct getme *handle), int is_write)
{
	int n;
	int r;

	for (n = 0;; n++) {
		passes = n;
		has_failed = false;
		r = call_on_new_handle(fixture, call);
		passes = -1;
		if (!has_failed)
			break;
		if (r != 0 && r != -ENOMEM &&
		    !(is_write && r == GETME_E_UNKNOWN_OUTCOME))
			fail_msg("allocation %d: result %d", n, r);
	}
	assert_int_equal(r, 0);
	assert_in_range(n, 4, 100);
}

static int put_large(struct getme *handle)
{
	static char value[LARGE];

	return getme_put(handle, "large", 5, value, LARGE, NULL, NULL);
}

static int get_large(struct getme *handle)
{
	struct getme_value value;

	return getme_get(handle, "large", 5, &value);
}

static int get_many(struct getme *handle)
{
	const struct getme_bytes keys[] = { { "large", 5 }, { "j", 1 } };
	struct getme_item items[2];

	return getme_get_many(handle, keys, 2, items);
}

static int delete_many(struct getme *handle)
{
	const struct getme_bytes keys[] = { { "k", 1 }, { "j", 1 } };

	return getme_delete_many(handle, keys, 2, NULL, NULL);
}

static int stats(struct getme *handle)
{
	const struct getme_stats_row *rows;
	size_t n;

	return getme_stats(handle, &rows, &n);
}

/* The batch has no handle whose text would tell of its failures. */
static int batch(struct getme *handle)
{
	struct getme_batch *made;
	int r;

	r = getme_batch_new(&made);
	if (r == 0) {
		r = getme_batch_put(made, "k", 1, "v", 1, NULL);
		if (r == 0)
			r = getme_batch_apply(handle, made, NULL, NULL);
		getme_batch_free(made);
	}
	if (r == -ENOMEM)
		assert_int_equal(getme_set_timeout(handle, -2), -EINVAL);
	return r;
}

static int scan(struct getme *handle)
{
	struct getme_scan_options options = GETME_SCAN_OPTIONS_INIT;
	struct getme_scan *made;
	struct getme_item item;
	int r;

	options.with_values = 1;
	r = getme_scan_open(handle, &options, &made);
	if (r != 0)
		return r;
	while ((r = getme_scan_next(made, &item)) == 0)
		;
	getme_scan_close(made);
	return r == GETME_END ? 0 : r;
}

static int pipeline(struct getme *handle)
{
	struct getme_answer answer;
	int r = 0;
	int i;

	for (i = 0; i < 40 && r == 0; i++)
		r = getme_submit_put(handle, "k", 1, "v", 1, NULL, NULL);
	while (getme_collect(handle, 1, &answer) == 0)
		if (r == 0)
			r = answer.result;
	return r;
}

static void test_reads(void **state)
{
	struct client_fixture *fixture = *state;

	assert_int_equal(put_large(fixture->handle), 0);
	sweep(fixture, getme_ping, 0);
	sweep(fixture, get_large, 0);
	sweep(fixture, get_many, 0);
	sweep(fixture, stats, 0);
	sweep(fixture, scan, 0);
}

static void test_writes(void **state)
{
	struct client_fixture *fixture = *state;

	sweep(fixture, put_large, 1);
	sweep(fixture, delete_many, 1);
	sweep(fixture, batch, 1);
	sweep(fixture, pipeline, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reads),
		TEST(test_writes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
