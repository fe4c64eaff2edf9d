#include "client/ctl_batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/client_fixture.h"
#include "tests/support/ctl_run.h"

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, ctl_run_setup, ctl_run_teardown)

#define PUT_A	 "{\"op\":\"put\",\"key\":\"a\",\"value\":\"1\"}\n"
#define PUT_B	 "{\"op\":\"put\",\"key\":\"b\",\"value\":\"22\"}\n"
#define DELETE_A "{\"op\":\"delete\",\"key\":\"a\"}\n"

static const struct ctl_command batch = { .name = "batch", .run = ctl_batch };

static void check(struct ctl_run *run, const char *input,
		  enum ctl_status status, const char *says)
{
	assert_int_equal(ctl_run(run, &batch, ctl_run_file(input)), status);
	if (!strstr(run->err, says))
		fail_msg("'%s' does not say '%s'", run->err, says);
}

static void expect_nothing_applied(struct ctl_run *run)
{
	assert_int_equal(fake_server_seen(run->server, METHOD_BATCH), 0);
}

static void test_operations_are_applied_in_order(void **state)
{
	struct ctl_run *run = *state;

	check(run, PUT_A PUT_B DELETE_A, CTL_DONE, "");
	assert_string_equal(run->err, "");
	assert_string_equal(run->out, "");
	assert_int_equal(fake_server_seen(run->server, METHOD_BATCH), 1);
	assert_true(fixture_has(run->ctl.handle, "a", NULL));
	assert_true(fixture_has(run->ctl.handle, "b", "22"));
}

static void test_json_tells_how_many_and_how_durable(void **state)
{
	struct ctl_run *run = *state;

	run->ctl.options.json = true;
	run->ctl.options.durability = GETME_NONE;
	check(run, PUT_A "\n \n" PUT_B, CTL_DONE, "");
	assert_string_equal(run->out,
			    "{\"applied\":2,\"durability\":\"none\"}\n");
}

static void test_nothing_to_do_is_fine(void **state)
{
	struct ctl_run *run = *state;

	check(run, "", CTL_DONE, "");
	expect_nothing_applied(run);
}

/* The line is named, blank ones counted, and no connection was made. */
static void test_a_bad_line_applies_nothing(void **state)
{
	struct ctl_run *run = *state;

	check(run, PUT_A "\n{\"op\":\"put\"}\n", CTL_USAGE, "batch: line 3: ");
	assert_non_null(strstr(run->err, "nothing was applied"));
	assert_int_equal(fake_server_connections(run->server), 0);
}

static void test_a_condition_that_is_not_met_names_its_line(void **state)
{
	struct ctl_run *run = *state;

	check(run, PUT_A, CTL_DONE, "");
	check(run,
	      PUT_B "\n{\"op\":\"put\",\"key\":\"a\",\"value\":\"2\","
		    "\"if_absent\":true}\n",
	      CTL_NO, "line 3: the condition is not met; nothing was applied");
	assert_true(fixture_has(run->ctl.handle, "a", "1"));
	assert_true(fixture_has(run->ctl.handle, "b", NULL));
}

static void test_a_value_over_the_daemons_limit_names_its_line(void **state)
{
	const struct fake_rule rule = { .method = METHOD_BATCH,
					.act = FAKE_ERROR,
					.code = MESSAGE_ERROR_TOO_LARGE,
					.text = "a value is too large" };
	struct ctl_run *run = *state;

	fake_server_rule(run->server, rule);
	check(run, PUT_A PUT_B PUT_A, CTL_USAGE, "line 2: ");
	assert_non_null(strstr(run->err, "a value is too large"));
}

static void test_a_failure_is_told(void **state)
{
	const struct fake_rule rule = { .method = METHOD_BATCH,
					.act = FAKE_ERROR,
					.code = MESSAGE_ERROR_FULL,
					.text = "full up" };
	struct ctl_run *run = *state;

	fake_server_rule(run->server, rule);
	check(run, PUT_A, CTL_ERROR, "full up");
}

static void test_an_input_that_cannot_be_read_is_told(void **state)
{
	char missing[] = "/nowhere/batch";
	char folder[] = "/";
	struct ctl_run *run = *state;

	assert_int_equal(ctl_run(run, &batch, missing), CTL_USAGE);
	assert_non_null(strstr(run->err, "cannot open /nowhere/batch"));
	assert_int_equal(ctl_run(run, &batch, folder), CTL_USAGE);
	assert_non_null(strstr(run->err, "cannot read the input"));
	expect_nothing_applied(run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_operations_are_applied_in_order),
		TEST(test_json_tells_how_many_and_how_durable),
		TEST(test_nothing_to_do_is_fine),
		TEST(test_a_bad_line_applies_nothing),
		TEST(test_a_condition_that_is_not_met_names_its_line),
		TEST(test_a_value_over_the_daemons_limit_names_its_line),
		TEST(test_a_failure_is_told),
		TEST(test_an_input_that_cannot_be_read_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
