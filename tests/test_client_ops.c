#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "client/getme.h"
#include "tests/support/client_fixture.h"

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, client_fixture_setup,            \
					client_fixture_teardown)

static struct getme *handle_of(void **state)
{
	struct client_fixture *fixture = *state;

	return fixture->handle;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void test_ping_sync_count_and_clear(void **state)
{
	struct getme *handle = handle_of(state);
	uint64_t count = 77;

	assert_int_equal(getme_ping(handle), 0);
	assert_int_equal(getme_sync(handle), 0);
	assert_int_equal(fixture_put(handle, "a", "1"), 0);
	assert_int_equal(fixture_put(handle, "b", "2"), 0);
	assert_int_equal(getme_count(handle, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(getme_clear(handle), 0);
	assert_int_equal(getme_count(handle, &count), 0);
	assert_int_equal(count, 0);
	assert_string_equal(getme_last_error(handle), "");
}

static void test_put_then_get_gives_value_and_version(void **state)
{
	struct getme *handle = handle_of(state);
	struct getme_written written;
	struct getme_value value;

	assert_int_equal(getme_put(handle, "k", 1, "one", 3, NULL, &written),
			 0);
	assert_int_not_equal(written.version, 0);
	assert_int_equal(written.durability, GETME_ALWAYS);
	assert_int_equal(fixture_get(handle, "k", &value), 0);
	assert_true(fixture_is(&value, "one"));
	assert_int_equal(value.version, written.version);
	assert_int_equal(value.expires_at_ms, -1);
}

static void test_empty_value_is_a_value(void **state)
{
	struct getme *handle = handle_of(state);
	struct getme_value value;

	assert_int_equal(getme_put(handle, "k", 1, NULL, 0, NULL, NULL), 0);
	memset(&value, 0xff, sizeof(value));
	assert_int_equal(fixture_get(handle, "k", &value), 0);
	assert_int_equal(value.len, 0);
	assert_null(value.data);
}

static void test_missing_key_leaves_the_output_alone(void **state)
{
	struct getme *handle = handle_of(state);
	struct getme_value before;
	struct getme_value value;

	memset(&before, 0x5a, sizeof(before));
	value = before;
	assert_int_equal(fixture_get(handle, "k", &value), GETME_NOT_FOUND);
	assert_int_equal(getme_stat(handle, "k", 1, &value), GETME_NOT_FOUND);
	assert_memory_equal(&value, &before, sizeof(value));
	assert_int_equal(getme_exists(handle, "k", 1), GETME_NOT_FOUND);
	assert_string_equal(getme_last_error(handle), "");
}

static void test_stat_tells_size_without_value(void **state)
{
	struct getme *handle = handle_of(state);
	struct getme_value value;

	assert_int_equal(fixture_put(handle, "k", "12345"), 0);
	assert_int_equal(getme_stat(handle, "k", 1, &value), 0);
	assert_int_equal(value.len, 5);
	assert_null(value.data);
	assert_int_not_equal(value.version, 0);
	assert_int_equal(getme_exists(handle, "k", 1), 0);
}

static void test_keys_and_values_are_bytes(void **state)
{
	struct getme *handle = handle_of(state);
	static const char key[] = "\0\xff\n\0";
	static const char bytes[] = "\x80\0\0\xc1";
	struct getme_value value;

	assert_int_equal(getme_put(handle, key, 4, bytes, 4, NULL, NULL), 0);
	assert_int_equal(getme_get(handle, key, 4, &value), 0);
	assert_int_equal(value.len, 4);
	assert_memory_equal(value.data, bytes, 4);
	assert_int_equal(getme_get(handle, key, 3, &value), GETME_NOT_FOUND);
}

static void test_sizes_around_the_buffers(void **state)
{
	static const size_t sizes[] = {
		1,
		511,
		512,
		4095,
		(16 << 10) - 1,
		16 << 10,
		(32 << 10) - 1,
		32 << 10,
		(32 << 10) + 1,
		65535,
		65536,
		(256 << 10) + 1,
		5 << 20,
		(16 << 20) + 1,
		40 << 20,
	};
	struct getme *handle = handle_of(state);
	struct getme_value value;
	char *bytes = malloc(40 << 20);
	size_t i;

	assert_non_null(bytes);
	for (i = 0; i < 40 << 20; i++)
		bytes[i] = (char)(i * 31 + i / 257);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_int_equal(
			getme_put(handle, "k", 1, bytes, sizes[i], NULL, NULL),
			0);
		assert_int_equal(fixture_get(handle, "k", &value), 0);
		assert_int_equal(value.len, sizes[i]);
		assert_memory_equal(value.data, bytes, sizes[i]);
	}
	free(bytes);
}

static void test_longest_key(void **state)
{
	struct getme *handle = handle_of(state);
	char key[65536];

	memset(key, 'k', sizeof(key));
	assert_int_equal(getme_put(handle, key, 65535, "v", 1, NULL, NULL), 0);
	assert_int_equal(getme_exists(handle, key, 65535), 0);
	assert_int_equal(getme_put(handle, key, 65536, "v", 1, NULL, NULL),
			 GETME_E_TOO_LARGE);
	assert_int_equal(getme_exists(handle, key, 65536), GETME_E_TOO_LARGE);
	assert_non_null(strstr(getme_last_error(handle), "65535"));
}

static void test_conditions(void **state)
{
	struct getme *handle = handle_of(state);
	struct getme_write_options options = GETME_WRITE_OPTIONS_INIT;
	struct getme_written first;
	struct getme_written second;

	options.if_absent = 1;
	assert_int_equal(getme_put(handle, "k", 1, "1", 1, &options, &first),
			 0);
	second = first;
	assert_int_equal(getme_put(handle, "k", 1, "2", 1, &options, &second),
			 GETME_CONDITION);
	assert_memory_equal(&first, &second, sizeof(first));
	options.if_absent = 0;
	options.if_version = first.version;
	assert_int_equal(getme_put(handle, "k", 1, "3", 1, &options, &second),
			 0);
	assert_int_equal(getme_put(handle, "k", 1, "4", 1, &options, NULL),
			 GETME_CONDITION);
	assert_int_equal(getme_delete(handle, "k", 1, &options, NULL),
			 GETME_CONDITION);
	options.if_version = second.version;
	assert_int_equal(getme_delete(handle, "k", 1, &options, &second), 0);
	assert_int_equal(second.deleted, 1);
	assert_int_equal(second.version, 0);
}

static void test_delete_tells_how_many_were_there(void **state)
{
	struct getme *handle = handle_of(state);
	struct getme_written written;

	assert_int_equal(fixture_put(handle, "k", "v"), 0);
	assert_int_equal(getme_delete(handle, "k", 1, NULL, &written), 0);
	assert_int_equal(written.deleted, 1);
	assert_int_equal(getme_delete(handle, "k", 1, NULL, &written), 0);
	assert_int_equal(written.deleted, 0);
	assert_int_equal(getme_delete(handle, "k", 1, NULL, NULL), 0);
}

static void test_expiry(void **state)
{
	struct getme *handle = handle_of(state);
	struct getme_write_options options = GETME_WRITE_OPTIONS_INIT;
	struct getme_value value;

	options.ttl_ms = 100000;
	assert_int_equal(getme_put(handle, "k", 1, "v", 1, &options, NULL), 0);
	assert_int_equal(getme_stat(handle, "k", 1, &value), 0);
	assert_in_range(value.expires_at_ms, now_ms() + 50000,
			now_ms() + 100000);
	assert_int_equal(getme_touch(handle, "k", 1, NULL, NULL), 0);
	assert_int_equal(getme_stat(handle, "k", 1, &value), 0);
	assert_int_equal(value.expires_at_ms, -1);
	options.ttl_ms = 0;
	options.expires_at_ms = now_ms() + 70000;
	assert_int_equal(getme_touch(handle, "k", 1, &options, NULL), 0);
	assert_int_equal(fixture_get(handle, "k", &value), 0);
	assert_int_equal(value.expires_at_ms, options.expires_at_ms);
	assert_int_equal(fixture_put(handle, "k", "v"), 0);
	assert_int_equal(fixture_get(handle, "k", &value), 0);
	assert_int_equal(value.expires_at_ms, -1);
	options.expires_at_ms = 1;
	assert_int_equal(getme_touch(handle, "k", 1, &options, NULL), 0);
	assert_int_equal(fixture_get(handle, "k", &value), GETME_NOT_FOUND);
	assert_int_equal(getme_touch(handle, "k", 1, &options, NULL),
			 GETME_NOT_FOUND);
}

static void test_incr(void **state)
{
	struct getme *handle = handle_of(state);
	struct getme_written written;

	assert_int_equal(getme_incr(handle, "n", 1, 5, NULL, &written), 0);
	assert_int_equal(written.number, 5);
	assert_int_equal(getme_incr(handle, "n", 1, -7, NULL, &written), 0);
	assert_int_equal(written.number, -2);
	assert_int_not_equal(written.version, 0);
	assert_true(fixture_has(handle, "n", "-2"));
	assert_int_equal(getme_incr(handle, "n", 1, INT64_MIN, NULL, NULL),
			 GETME_E_OVERFLOW);
	assert_int_equal(fixture_put(handle, "n", "many"), 0);
	assert_int_equal(getme_incr(handle, "n", 1, 1, NULL, NULL),
			 GETME_E_NOT_INTEGER);
	assert_non_null(
		strstr(getme_last_error(handle), "it holds another text"));
}

static void test_durability_is_asked_for_and_told(void **state)
{
	struct getme *handle = handle_of(state);
	struct getme_write_options options = GETME_WRITE_OPTIONS_INIT;
	struct getme_written written;
	int level;

	for (level = GETME_NONE; level <= GETME_ALWAYS; level++) {
		options.durability = (enum getme_durability)level;
		assert_int_equal(
			getme_put(handle, "k", 1, "1", 1, &options, &written),
			0);
		assert_int_equal(written.durability, level);
		assert_int_equal(
			getme_incr(handle, "k", 1, 1, &options, &written), 0);
		assert_int_equal(written.durability, level);
		assert_int_equal(
			getme_touch(handle, "k", 1, &options, &written), 0);
		assert_int_equal(written.durability, level);
		assert_int_equal(
			getme_delete(handle, "k", 1, &options, &written), 0);
		assert_int_equal(written.durability, level);
	}
}

static void test_null_arguments_are_invalid(void **state)
{
	struct getme *handle = handle_of(state);
	struct getme_value value;
	uint64_t count;

	assert_int_equal(getme_ping(NULL), -EINVAL);
	assert_int_equal(getme_clear(NULL), -EINVAL);
	assert_int_equal(getme_sync(NULL), -EINVAL);
	assert_int_equal(getme_count(NULL, &count), -EINVAL);
	assert_int_equal(getme_count(handle, NULL), -EINVAL);
	assert_int_equal(getme_get(NULL, "k", 1, &value), -EINVAL);
	assert_int_equal(getme_get(handle, NULL, 1, &value), -EINVAL);
	assert_int_equal(getme_get(handle, "k", 0, &value), -EINVAL);
	assert_int_equal(getme_get(handle, "k", 1, NULL), -EINVAL);
	assert_int_equal(getme_stat(NULL, "k", 1, &value), -EINVAL);
	assert_int_equal(getme_stat(handle, NULL, 1, &value), -EINVAL);
	assert_int_equal(getme_stat(handle, "k", 1, NULL), -EINVAL);
	assert_int_equal(getme_exists(NULL, "k", 1), -EINVAL);
	assert_int_equal(getme_exists(handle, NULL, 1), -EINVAL);
	assert_int_equal(getme_put(NULL, "k", 1, "v", 1, NULL, NULL), -EINVAL);
	assert_int_equal(getme_put(handle, NULL, 1, "v", 1, NULL, NULL),
			 -EINVAL);
	assert_int_equal(getme_put(handle, "k", 0, "v", 1, NULL, NULL),
			 -EINVAL);
	assert_int_equal(getme_put(handle, "k", 1, NULL, 1, NULL, NULL),
			 -EINVAL);
	assert_int_equal(getme_delete(NULL, "k", 1, NULL, NULL), -EINVAL);
	assert_int_equal(getme_delete(handle, NULL, 1, NULL, NULL), -EINVAL);
	assert_int_equal(getme_incr(NULL, "k", 1, 1, NULL, NULL), -EINVAL);
	assert_int_equal(getme_incr(handle, NULL, 1, 1, NULL, NULL), -EINVAL);
	assert_int_equal(getme_touch(NULL, "k", 1, NULL, NULL), -EINVAL);
	assert_int_equal(getme_touch(handle, NULL, 1, NULL, NULL), -EINVAL);
	assert_string_not_equal(getme_last_error(handle), "");
	assert_string_equal(getme_last_error(NULL), "");
	assert_string_equal(getme_socket_path(NULL), "");
	assert_int_equal(getme_set_timeout(NULL, 1), -EINVAL);
	assert_int_equal(getme_set_timeout(handle, -2), -EINVAL);
	getme_close(NULL);
}

static void test_options_that_do_not_fit_are_invalid(void **state)
{
	struct getme *handle = handle_of(state);
	struct getme_write_options options = GETME_WRITE_OPTIONS_INIT;

	options.if_absent = 1;
	assert_int_equal(getme_delete(handle, "k", 1, &options, NULL), -EINVAL);
	assert_int_equal(getme_incr(handle, "k", 1, 1, &options, NULL),
			 -EINVAL);
	assert_int_equal(getme_touch(handle, "k", 1, &options, NULL), -EINVAL);
	options.if_absent = 0;
	options.ttl_ms = 1;
	assert_int_equal(getme_delete(handle, "k", 1, &options, NULL), -EINVAL);
	assert_int_equal(getme_incr(handle, "k", 1, 1, &options, NULL),
			 -EINVAL);
	options.expires_at_ms = 1;
	assert_int_equal(getme_put(handle, "k", 1, "v", 1, &options, NULL),
			 -EINVAL);
	assert_string_not_equal(getme_last_error(handle), "");
}

/* Every code has its own result, and the daemon's text reaches the caller. */
static void test_each_error_code_becomes_its_result(void **state)
{
	static const struct {
		unsigned int code;
		int read;
		int write;
	} rows[] = {
		{ MESSAGE_ERROR_BAD_MESSAGE, GETME_E_BAD_REQUEST,
		  GETME_E_BAD_REQUEST },
		{ MESSAGE_ERROR_UNKNOWN_METHOD, GETME_E_UNSUPPORTED,
		  GETME_E_UNSUPPORTED },
		{ MESSAGE_ERROR_BAD_PARAMS, GETME_E_BAD_REQUEST,
		  GETME_E_BAD_REQUEST },
		{ MESSAGE_ERROR_TOO_LARGE, GETME_E_TOO_LARGE,
		  GETME_E_TOO_LARGE },
		{ MESSAGE_ERROR_VERSION, GETME_E_VERSION, GETME_E_VERSION },
		{ MESSAGE_ERROR_NOT_ALLOWED, GETME_E_NOT_ALLOWED,
		  GETME_E_NOT_ALLOWED },
		{ MESSAGE_ERROR_BUSY, GETME_E_BUSY, GETME_E_BUSY },
		{ MESSAGE_ERROR_DEADLINE, GETME_E_TIMEOUT, GETME_E_BUSY },
		{ MESSAGE_ERROR_FULL, GETME_E_FULL, GETME_E_FULL },
		{ MESSAGE_ERROR_READ_ONLY, GETME_E_READ_ONLY,
		  GETME_E_READ_ONLY },
		{ MESSAGE_ERROR_CORRUPT, GETME_E_CORRUPT, GETME_E_CORRUPT },
		{ MESSAGE_ERROR_IO, GETME_E_IO, GETME_E_IO },
		{ MESSAGE_ERROR_NO_MEMORY, GETME_E_NO_MEMORY,
		  GETME_E_NO_MEMORY },
		{ MESSAGE_ERROR_UNKNOWN_OUTCOME, GETME_E_UNKNOWN_OUTCOME,
		  GETME_E_UNKNOWN_OUTCOME },
		{ MESSAGE_ERROR_NOT_INTEGER, GETME_E_NOT_INTEGER,
		  GETME_E_NOT_INTEGER },
		{ MESSAGE_ERROR_OVERFLOW, GETME_E_OVERFLOW, GETME_E_OVERFLOW },
		{ MESSAGE_ERROR_BAD_CURSOR, GETME_E_BAD_CURSOR,
		  GETME_E_BAD_CURSOR },
		{ MESSAGE_ERROR_CLOSING, GETME_E_CLOSING, GETME_E_CLOSING },
		{ MESSAGE_ERROR_UNSUPPORTED, GETME_E_UNSUPPORTED,
		  GETME_E_UNSUPPORTED },
		{ MESSAGE_ERROR_INTERNAL, GETME_E_INTERNAL, GETME_E_INTERNAL },
		{ 4711, GETME_E_INTERNAL, GETME_E_INTERNAL },
	};
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	struct getme_value value;
	struct fake_rule rule = { .method = FAKE_ANY,
				  .act = FAKE_ERROR,
				  .text = "what the daemon says" };
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		rule.code = rows[i].code;
		fake_server_forget_rules(fixture->server);
		fake_server_rule(fixture->server, rule);
		assert_int_equal(fixture_get(handle, "k", &value),
				 rows[i].read);
		assert_non_null(strstr(getme_last_error(handle),
				       "what the daemon says"));
		assert_int_equal(fixture_put(handle, "k", "v"), rows[i].write);
	}
	assert_int_equal(fake_server_connections(fixture->server), 1);
}

static void test_damaged_entry_is_an_error_of_its_own(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme_value value;

	assert_int_equal(fixture_put(fixture->handle, "k", "v"), 0);
	fake_server_damage(fixture->server, "k");
	assert_int_equal(fixture_get(fixture->handle, "k", &value),
			 GETME_E_CORRUPT);
	assert_int_equal(getme_exists(fixture->handle, "k", 1), 0);
}

/* The value of one call is not disturbed by what is no call. */
static void test_value_is_borrowed_until_the_next_call(void **state)
{
	struct getme *handle = handle_of(state);
	struct getme_value value;

	assert_int_equal(fixture_put(handle, "k", "value"), 0);
	assert_int_equal(fixture_get(handle, "k", &value), 0);
	assert_int_equal(getme_pending(handle), 0);
	assert_true(getme_fd(handle) >= 0);
	assert_int_not_equal(getme_events(handle), 0);
	assert_true(fixture_is(&value, "value"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ping_sync_count_and_clear),
		TEST(test_put_then_get_gives_value_and_version),
		TEST(test_empty_value_is_a_value),
		TEST(test_missing_key_leaves_the_output_alone),
		TEST(test_stat_tells_size_without_value),
		TEST(test_keys_and_values_are_bytes),
		TEST(test_sizes_around_the_buffers),
		TEST(test_longest_key),
		TEST(test_conditions),
		TEST(test_delete_tells_how_many_were_there),
		TEST(test_expiry),
		TEST(test_incr),
		TEST(test_durability_is_asked_for_and_told),
		TEST(test_null_arguments_are_invalid),
		TEST(test_options_that_do_not_fit_are_invalid),
		TEST(test_each_error_code_becomes_its_result),
		TEST(test_damaged_entry_is_an_error_of_its_own),
		TEST(test_value_is_borrowed_until_the_next_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
