#include "client/ask.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/client_fixture.h"

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, client_fixture_setup,            \
					client_fixture_teardown)

static void test_keys_have_1_to_65535_bytes(void **state)
{
	static const char key[ASK_KEY_MAX + 1];

	(void)state;
	assert_int_equal(ask_check_key(NULL, 1), -EINVAL);
	assert_int_equal(ask_check_key(key, 0), -EINVAL);
	assert_int_equal(ask_check_key(key, 1), 0);
	assert_int_equal(ask_check_key(key, ASK_KEY_MAX), 0);
	assert_int_equal(ask_check_key(key, sizeof(key)), GETME_E_TOO_LARGE);
}

static void test_a_value_is_there_or_empty(void **state)
{
	(void)state;
	assert_int_equal(ask_check_value("v", 1), 0);
	assert_int_equal(ask_check_value("", 0), 0);
	assert_int_equal(ask_check_value(NULL, 0), 0);
	assert_int_equal(ask_check_value(NULL, 1), -EINVAL);
}

static void test_a_bad_key_is_told(void **state)
{
	struct client_fixture *fixture = *state;
	struct message_request request;

	ask_init(&request, METHOD_GET);
	assert_int_equal(request.method, METHOD_GET);
	assert_int_equal(ask_key(fixture->handle, &request, "", 0), -EINVAL);
	assert_non_null(
		strstr(getme_last_error(fixture->handle), "1 to 65535 bytes"));
	assert_int_equal(ask_key(fixture->handle, &request, "key", 3), 0);
	assert_int_equal(request.key.len, 3);
	assert_memory_equal(request.key.data, "key", 3);
}

static void test_a_put_carries_key_value_and_options(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme_write_options options = GETME_WRITE_OPTIONS_INIT;
	struct message_request request;

	options.ttl_ms = 5;
	options.if_absent = 1;
	assert_int_equal(ask_put(fixture->handle, &request, "key", 3, "value",
				 5, &options),
			 0);
	assert_int_equal(request.method, METHOD_PUT);
	assert_memory_equal(request.key.data, "key", 3);
	assert_int_equal(request.value.len, 5);
	assert_memory_equal(request.value.data, "value", 5);
	assert_int_equal(request.options.present, OPT_TTL | OPT_IF_ABSENT);
	assert_int_equal(request.options.ttl_ms, 5);
	assert_int_equal(
		ask_put(fixture->handle, &request, "key", 3, NULL, 5, NULL),
		-EINVAL);
	assert_non_null(strstr(getme_last_error(fixture->handle), "no value"));
}

static void test_an_option_of_another_method_is_told(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme_write_options options = GETME_WRITE_OPTIONS_INIT;
	struct message_request request;
	struct message_bytes one;

	options.ttl_ms = 5;
	assert_int_equal(
		ask_delete(fixture->handle, &request, &one, "key", 3, &options),
		-EINVAL);
	assert_non_null(strstr(getme_last_error(fixture->handle), "delete"));
}

static void test_a_delete_is_a_list_of_one_key(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme_write_options options = GETME_WRITE_OPTIONS_INIT;
	struct message_request request;
	struct message_bytes one;

	options.if_version = 9;
	assert_int_equal(
		ask_delete(fixture->handle, &request, &one, "key", 3, &options),
		0);
	assert_int_equal(request.n_keys, 1);
	assert_ptr_equal(request.keys, &one);
	assert_int_equal(one.len, 3);
	assert_memory_equal(one.data, "key", 3);
	assert_int_equal(request.options.if_version, 9);
}

static void test_a_plain_call_reaches_the_daemon(void **state)
{
	struct client_fixture *fixture = *state;

	assert_int_equal(ask_plain(NULL, METHOD_PING), -EINVAL);
	assert_int_equal(ask_plain(fixture->handle, METHOD_PING), 0);
	assert_int_equal(fake_server_seen(fixture->server, METHOD_PING), 1);
}

static void test_a_write_tells_what_it_came_to(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme_write_options options = GETME_WRITE_OPTIONS_INIT;
	struct getme *handle = fixture->handle;
	struct message_request request;
	struct getme_written written;

	assert_int_equal(ask_put(handle, &request, "key", 3, "v", 1, NULL), 0);
	assert_int_equal(ask_write(handle, &request, 1, &written), 0);
	assert_true(written.version > 0);
	options.if_absent = 1;
	assert_int_equal(ask_put(handle, &request, "key", 3, "v", 1, &options),
			 0);
	assert_int_equal(ask_write(handle, &request, 1, NULL), GETME_CONDITION);
	assert_string_equal(getme_last_error(handle), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_have_1_to_65535_bytes),
		cmocka_unit_test(test_a_value_is_there_or_empty),
		TEST(test_a_bad_key_is_told),
		TEST(test_a_put_carries_key_value_and_options),
		TEST(test_an_option_of_another_method_is_told),
		TEST(test_a_delete_is_a_list_of_one_key),
		TEST(test_a_plain_call_reaches_the_daemon),
		TEST(test_a_write_tells_what_it_came_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
