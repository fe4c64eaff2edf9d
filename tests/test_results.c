#include "daemon/results.h"

#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "common/engine.h"
#include "proto/message.h"

/* SAYS is what a reader acts upon. */
static const struct {
	int result;
	unsigned int code;
	const char *says;
} expected[] = {
	{ ENGINE_NOT_FOUND, MESSAGE_ERROR_INTERNAL, "not there" },
	{ ENGINE_CONDITION, MESSAGE_ERROR_INTERNAL, "nobody asked for" },
	{ ENGINE_CORRUPT, MESSAGE_ERROR_CORRUPT, "restore a backup" },
	{ ENGINE_CORRUPT, MESSAGE_ERROR_CORRUPT, "getmectl check" },
	{ ENGINE_NOT_INTEGER, MESSAGE_ERROR_NOT_INTEGER, "integer of 64 bits" },
	{ ENGINE_OVERFLOW, MESSAGE_ERROR_OVERFLOW, "does not fit 64 bits" },
	{ ENGINE_UNKNOWN, MESSAGE_ERROR_UNKNOWN_OUTCOME, "read the key" },
	{ ENGINE_READ_ONLY, MESSAGE_ERROR_READ_ONLY, "check the disk" },
	{ ENGINE_READ_ONLY, MESSAGE_ERROR_READ_ONLY, "restart getmed" },
	{ ENGINE_DEADLINE, MESSAGE_ERROR_DEADLINE, "not begun" },
	{ ENGINE_UNSUPPORTED, MESSAGE_ERROR_UNSUPPORTED, "cannot do that" },
	{ ENGINE_TOO_LARGE, MESSAGE_ERROR_TOO_LARGE, "hello tells" },
	{ ENGINE_BAD_CURSOR, MESSAGE_ERROR_BAD_CURSOR, "not a cursor" },
	{ ENGINE_CLOSED, MESSAGE_ERROR_CLOSING, "stopping" },
	{ ENGINE_REFUSED, MESSAGE_ERROR_BAD_PARAMS, "choose a new" },
	{ ENGINE_BUSY, MESSAGE_ERROR_BUSY, "try again when" },
	{ -ENOSPC, MESSAGE_ERROR_FULL, "free some room" },
	{ -ENOMEM, MESSAGE_ERROR_NO_MEMORY, "try again later" },
	{ -EMFILE, MESSAGE_ERROR_BUSY, "try again later" },
	{ -EIO, MESSAGE_ERROR_IO, "daemon's log" },
	{ -EINVAL, MESSAGE_ERROR_INTERNAL, "report this" },
};

enum {
	N_EXPECTED = sizeof(expected) / sizeof(expected[0]),
	ENGINE_LAST = ENGINE_BUSY, /* the highest result of an engine */
};

static bool is_expected(int result)
{
	for (size_t i = 0; i < N_EXPECTED; i++)
		if (expected[i].result == result)
			return true;
	return false;
}

static void test_every_result_has_its_code(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_EXPECTED; i++)
		assert_int_equal(results_code(expected[i].result),
				 expected[i].code);
	for (int result = 1; result <= ENGINE_LAST; result++)
		assert_true(is_expected(result));
}

static void test_every_text_says_what_to_do(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_EXPECTED; i++)
		assert_non_null(strstr(results_text(expected[i].result),
				       expected[i].says));
}

static void test_another_errno_is_a_failure_of_the_store(void **state)
{
	(void)state;
	for (int result = -200; result < 0; result++) {
		if (is_expected(result))
			continue;
		assert_int_equal(results_code(result), MESSAGE_ERROR_IO);
		assert_string_equal(results_text(result),
				    "the store failed: see the daemon's log");
	}
}

static void test_an_unknown_result_is_an_internal_error(void **state)
{
	(void)state;
	for (int result = ENGINE_LAST + 1; result < 100; result++) {
		assert_int_equal(results_code(result), MESSAGE_ERROR_INTERNAL);
		assert_non_null(strstr(results_text(result), "not known"));
	}
}

static void test_a_text_is_one_line_that_fits_an_error(void **state)
{
	(void)state;
	for (int result = -200; result < 100; result++) {
		const char *text = results_text(result);

		assert_in_range(strlen(text), 1, MESSAGE_ERROR_TEXT_MAX - 1);
		for (const char *at = text; *at; at++)
			assert_true(isprint((unsigned char)*at));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_result_has_its_code),
		cmocka_unit_test(test_every_text_says_what_to_do),
		cmocka_unit_test(test_another_errno_is_a_failure_of_the_store),
		cmocka_unit_test(test_an_unknown_result_is_an_internal_error),
		cmocka_unit_test(test_a_text_is_one_line_that_fits_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
