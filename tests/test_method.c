#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/method.h"

static void test_every_method_is_found_by_its_name(void **state)
{
	int id;

	(void)state;
	for (id = 0; id < METHOD_COUNT_OF; id++) {
		const char *name = method_get((enum method_id)id)->name;

		assert_int_equal(method_find(name, strlen(name)), id);
	}
}

static void test_near_names_are_not_found(void **state)
{
	static const struct {
		const char *name;
		size_t len;
	} cases[] = {
		{ "", 0 },	    { "ge", 2 },      { "get ", 4 },
		{ "get\0", 4 },	    { "GET", 3 },     { "get_man", 7 },
		{ "get_many_", 9 }, { "xget", 4 },    { "method", 6 },
		{ "\0", 1 },	    { "countof", 7 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(method_find(cases[i].name, cases[i].len), -1);
}

static void test_rows_use_known_parameter_letters(void **state)
{
	int id;

	(void)state;
	for (id = 0; id < METHOD_COUNT_OF; id++) {
		const char *params = method_get((enum method_id)id)->params;

		assert_int_equal(strspn(params, "kvKOicp"), strlen(params));
	}
}

static void test_rows_say_what_is_promised(void **state)
{
	const struct method *put = method_get(METHOD_PUT);

	(void)state;
	assert_string_equal(put->params, "kv");
	assert_true(put->options & OPT_TTL);
	assert_false(put->options & OPT_PERSIST);
	assert_int_equal(method_get(METHOD_PING)->options, 0);
	assert_string_equal(method_get(METHOD_BATCH)->params, "O");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_method_is_found_by_its_name),
		cmocka_unit_test(test_near_names_are_not_found),
		cmocka_unit_test(test_rows_use_known_parameter_letters),
		cmocka_unit_test(test_rows_say_what_is_promised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
