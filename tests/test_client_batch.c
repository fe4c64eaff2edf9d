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
	OPS_MAX = 16384,
	BYTES_MAX = 64 << 20,
};

static struct getme_batch *new_batch(void)
{
	struct getme_batch *batch = NULL;

	assert_int_equal(getme_batch_new(&batch), 0);
	assert_non_null(batch);
	return batch;
}

static int put(struct getme_batch *batch, const char *key, const char *value)
{
	return getme_batch_put(batch, key, strlen(key), value, strlen(value),
			       NULL);
}

static void test_apply_does_everything(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	struct getme_batch *batch = new_batch();
	struct getme_write_options options = GETME_WRITE_OPTIONS_INIT;
	struct getme_written written;
	char key[] = "b";

	assert_int_equal(fixture_put(handle, "gone", "x"), 0);
	assert_int_equal(put(batch, "a", "1"), 0);
	assert_int_equal(put(batch, key, ""), 0);
	assert_int_equal(getme_batch_delete(batch, "gone", 4, NULL), 0);
	key[0] = 'x'; /* the bytes were copied */
	assert_int_equal(getme_batch_count(batch), 3);
	options.durability = GETME_INTERVAL;
	assert_int_equal(getme_batch_apply(handle, batch, &options, &written),
			 0);
	assert_int_equal(written.durability, GETME_INTERVAL);
	assert_true(fixture_has(handle, "a", "1"));
	assert_true(fixture_has(handle, "b", ""));
	assert_true(fixture_has(handle, "gone", NULL));
	assert_int_equal(fixture_put(handle, "a", "2"), 0);
	assert_int_equal(getme_batch_apply(handle, batch, NULL, NULL), 0);
	assert_true(fixture_has(handle, "a", "1"));
	getme_batch_free(batch);
}

static void test_failed_condition_applies_nothing(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	struct getme_batch *batch = new_batch();
	struct getme_write_options options = GETME_WRITE_OPTIONS_INIT;
	struct getme_written written;

	assert_int_equal(fixture_put(handle, "b", "old"), 0);
	assert_int_equal(put(batch, "a", "1"), 0);
	options.if_absent = 1;
	assert_int_equal(getme_batch_put(batch, "b", 1, "2", 1, &options), 0);
	assert_int_equal(getme_batch_apply(handle, batch, NULL, &written),
			 GETME_CONDITION);
	assert_int_equal(written.failed_index, 1);
	assert_int_equal(getme_batch_apply(handle, batch, NULL, NULL),
			 GETME_CONDITION);
	assert_true(fixture_has(handle, "a", NULL));
	assert_true(fixture_has(handle, "b", "old"));
	getme_batch_reset(batch);
	assert_int_equal(getme_batch_count(batch), 0);
	options.if_absent = 0;
	options.if_version = 999;
	assert_int_equal(getme_batch_delete(batch, "b", 1, &options), 0);
	assert_int_equal(getme_batch_apply(handle, batch, NULL, &written),
			 GETME_CONDITION);
	assert_int_equal(written.failed_index, 0);
	getme_batch_free(batch);
}

static void test_number_of_operations_is_limited(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme_batch *batch = new_batch();
	size_t i;

	for (i = 0; i < OPS_MAX; i++)
		assert_int_equal(put(batch, "k", "v"), 0);
	assert_int_equal(put(batch, "k", "v"), GETME_E_TOO_LARGE);
	assert_int_equal(getme_batch_delete(batch, "k", 1, NULL),
			 GETME_E_TOO_LARGE);
	assert_int_equal(getme_batch_count(batch), OPS_MAX);
	assert_int_equal(getme_batch_apply(fixture->handle, batch, NULL, NULL),
			 0);
	getme_batch_free(batch);
}

static void test_bytes_are_limited(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme_batch *batch = new_batch();
	char *value = calloc(1, BYTES_MAX);

	assert_non_null(value);
	assert_int_equal(getme_batch_put(batch, "k", 1, value, BYTES_MAX, NULL),
			 GETME_E_TOO_LARGE);
	assert_int_equal(getme_batch_count(batch), 0);
	assert_int_equal(
		getme_batch_put(batch, "k", 1, value, BYTES_MAX - 1, NULL), 0);
	assert_int_equal(getme_batch_delete(batch, "k", 1, NULL),
			 GETME_E_TOO_LARGE);
	assert_int_equal(getme_batch_apply(fixture->handle, batch, NULL, NULL),
			 0);
	getme_batch_reset(batch);
	assert_int_equal(put(batch, "k", "v"), 0);
	assert_int_equal(getme_batch_apply(fixture->handle, batch, NULL, NULL),
			 0);
	assert_true(fixture_has(fixture->handle, "k", "v"));
	getme_batch_free(batch);
	free(value);
}

static void test_bad_arguments(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	struct getme_batch *batch = new_batch();
	struct getme_write_options options = GETME_WRITE_OPTIONS_INIT;
	char key[65536] = "k";

	assert_int_equal(getme_batch_new(NULL), -EINVAL);
	assert_int_equal(put(NULL, "k", "v"), -EINVAL);
	assert_int_equal(getme_batch_put(batch, NULL, 1, "v", 1, NULL),
			 -EINVAL);
	assert_int_equal(getme_batch_put(batch, "k", 0, "v", 1, NULL), -EINVAL);
	assert_int_equal(getme_batch_put(batch, "k", 1, NULL, 1, NULL),
			 -EINVAL);
	assert_int_equal(getme_batch_put(batch, key, 65536, "v", 1, NULL),
			 GETME_E_TOO_LARGE);
	assert_int_equal(getme_batch_delete(NULL, "k", 1, NULL), -EINVAL);
	assert_int_equal(getme_batch_delete(batch, NULL, 1, NULL), -EINVAL);
	options.durability = GETME_ALWAYS;
	assert_int_equal(getme_batch_put(batch, "k", 1, "v", 1, &options),
			 -EINVAL);
	options.durability = GETME_DEFAULT;
	options.if_absent = 1;
	assert_int_equal(getme_batch_delete(batch, "k", 1, &options), -EINVAL);
	assert_int_equal(getme_batch_apply(handle, batch, NULL, NULL), -EINVAL);
	assert_int_equal(put(batch, "k", "v"), 0);
	assert_int_equal(getme_batch_apply(NULL, batch, NULL, NULL), -EINVAL);
	assert_int_equal(getme_batch_apply(handle, NULL, NULL, NULL), -EINVAL);
	assert_int_equal(getme_batch_apply(handle, batch, &options, NULL),
			 -EINVAL);
	assert_int_equal(getme_batch_count(NULL), 0);
	getme_batch_reset(NULL);
	getme_batch_free(NULL);
	getme_batch_free(batch);
}

/* A wild index must not reach an application's array. */
static void test_failed_index_is_within_the_batch(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme_batch *batch = new_batch();
	struct getme_written written = { .failed_index = 42 };
	struct fake_rule rule = { .method = METHOD_BATCH,
				  .act = FAKE_REPLY,
				  .times = 1 };

	assert_int_equal(put(batch, "k", "v"), 0);
	rule.reply.condition_failed = true;
	rule.reply.failed_index = 1;
	fake_server_rule(fixture->server, rule);
	assert_int_equal(
		getme_batch_apply(fixture->handle, batch, NULL, &written),
		GETME_E_UNKNOWN_OUTCOME);
	assert_int_equal(written.failed_index, 42);
	getme_batch_free(batch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_apply_does_everything),
		TEST(test_failed_condition_applies_nothing),
		TEST(test_number_of_operations_is_limited),
		TEST(test_bytes_are_limited),
		TEST(test_bad_arguments),
		TEST(test_failed_index_is_within_the_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
