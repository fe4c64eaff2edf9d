#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/getme.h"
#include "client/result.h"
#include "proto/message.h"

static const int all_results[] = {
	GETME_OK,
	GETME_NOT_FOUND,
	GETME_CONDITION,
	GETME_END,
	GETME_E_NO_DAEMON,
	GETME_E_NOT_ALLOWED,
	GETME_E_UNKNOWN_OUTCOME,
	GETME_E_TIMEOUT,
	GETME_E_PROTOCOL,
	GETME_E_VERSION,
	GETME_E_DISCONNECTED,
	GETME_E_FULL,
	GETME_E_READ_ONLY,
	GETME_E_CORRUPT,
	GETME_E_IO,
	GETME_E_NO_MEMORY,
	GETME_E_NOT_INTEGER,
	GETME_E_OVERFLOW,
	GETME_E_TOO_LARGE,
	GETME_E_BUSY,
	GETME_E_UNSUPPORTED,
	GETME_E_CLOSING,
	GETME_E_BAD_REQUEST,
	GETME_E_BAD_CURSOR,
	GETME_E_INTERNAL,
	-EINVAL,
	-ENOMEM,
};

static void test_each_result_has_a_text_of_its_own(void **state)
{
	size_t n = sizeof(all_results) / sizeof(all_results[0]);
	size_t i;
	size_t j;

	(void)state;
	for (i = 0; i < n; i++) {
		assert_string_not_equal(getme_strerror(all_results[i]), "");
		assert_string_not_equal(getme_strerror(all_results[i]),
					"unknown result");
		for (j = 0; j < i; j++)
			assert_string_not_equal(getme_strerror(all_results[i]),
						getme_strerror(all_results[j]));
	}
}

static void test_other_numbers_have_a_text_too(void **state)
{
	(void)state;
	assert_string_equal(getme_strerror(-EPIPE), "Broken pipe");
	assert_string_equal(getme_strerror(4), "unknown result");
	assert_string_equal(getme_strerror(-999), "unknown result");
	assert_string_equal(getme_strerror(-1000), "unknown result");
	assert_string_equal(getme_strerror(INT32_MIN), "unknown result");
	assert_string_equal(getme_strerror(INT32_MAX), "unknown result");
}

static void test_version(void **state)
{
	(void)state;
	assert_int_equal(strspn(getme_version(), "0123456789."),
			 strlen(getme_version()));
	assert_int_not_equal(strlen(getme_version()), 0);
}

static void test_every_code_becomes_an_error(void **state)
{
	unsigned int code;

	(void)state;
	for (code = 0; code < 100; code++) {
		assert_true(result_from_code(METHOD_GET, code) <= -1001);
		assert_true(result_from_code(METHOD_PUT, code) <= -1001);
		/* A refused write must not look like a read's timeout. */
		assert_int_not_equal(result_from_code(METHOD_PUT, code),
				     GETME_E_TIMEOUT);
	}
}

static void test_writes_are_told_from_reads(void **state)
{
	static const enum method_id writes[] = {
		METHOD_PUT,   METHOD_DELETE, METHOD_BATCH,   METHOD_INCR,
		METHOD_TOUCH, METHOD_CLEAR,  METHOD_COMPACT, METHOD_BACKUP,
	};
	int n = 0;
	size_t i;
	int m;

	(void)state;
	for (m = 0; m < METHOD_COUNT_OF; m++)
		n += result_is_write((enum method_id)m);
	assert_int_equal(n, sizeof(writes) / sizeof(writes[0]));
	for (i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		assert_true(result_is_write(writes[i]));
		assert_int_equal(
			result_without_reply(writes[i], true, GETME_E_TIMEOUT),
			GETME_E_UNKNOWN_OUTCOME);
		assert_int_equal(
			result_without_reply(writes[i], false, GETME_E_TIMEOUT),
			GETME_E_NO_DAEMON);
	}
	assert_int_equal(
		result_without_reply(METHOD_GET, true, GETME_E_TIMEOUT),
		GETME_E_TIMEOUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_result_has_a_text_of_its_own),
		cmocka_unit_test(test_other_numbers_have_a_text_too),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_every_code_becomes_an_error),
		cmocka_unit_test(test_writes_are_told_from_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
