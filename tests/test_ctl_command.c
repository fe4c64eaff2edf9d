#include "client/ctl_command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/ctl_record.h"
#include "tests/support/ctl_run.h"

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, ctl_run_setup, ctl_run_teardown)

static const struct ctl_command connecting = { .name = "connecting",
					       .run = ctl_connect };

static void test_connecting_gives_a_handle(void **state)
{
	struct ctl_run *run = *state;

	run->ctl.options.timeout_ms = 12345;
	assert_int_equal(ctl_run(run, &connecting, NULL), CTL_DONE);
	assert_string_equal(run->err, "");
	assert_non_null(run->ctl.handle);
	assert_string_equal(getme_socket_path(run->ctl.handle),
			    fake_server_path(run->server));
	assert_int_equal(getme_ping(run->ctl.handle), 0);
}

static void test_no_daemon_is_told(void **state)
{
	struct ctl_run *run = *state;

	run->ctl.options.socket = "/nowhere/getme.sock";
	assert_int_equal(ctl_run(run, &connecting, NULL), CTL_NO_DAEMON);
	assert_null(run->ctl.handle);
	assert_non_null(strstr(run->err, "/nowhere/getme.sock"));
}

/* ---- complaints ---- */

static int failure;

static enum ctl_status fail_without_handle(struct ctl *ctl)
{
	return ctl_fail(ctl, failure);
}

static enum ctl_status fail_behind_a_call(struct ctl *ctl)
{
	assert_int_equal(ctl_connect(ctl), CTL_DONE);
	return ctl_fail(ctl, getme_ping(ctl->handle));
}

static void test_a_complaint_names_the_command(void **state)
{
	static const struct ctl_command failing = {
		.name = "failing", .run = fail_without_handle
	};
	struct ctl_run *run = *state;

	failure = GETME_NOT_FOUND;
	assert_int_equal(ctl_run(run, &failing, NULL), CTL_NO);
	assert_string_equal(run->err, "getmectl: failing: no such key\n");
	failure = GETME_CONDITION;
	assert_int_equal(ctl_run(run, &failing, NULL), CTL_NO);
	assert_string_equal(run->err,
			    "getmectl: failing: the condition is not met; "
			    "nothing was changed\n");
	failure = GETME_E_IO;
	assert_int_equal(ctl_run(run, &failing, NULL), CTL_ERROR);
	assert_non_null(strstr(run->err, getme_strerror(GETME_E_IO)));
}

static void test_a_complaint_has_the_daemons_text(void **state)
{
	static const struct ctl_command failing = { .name = "failing",
						    .run = fail_behind_a_call };
	const struct fake_rule rule = { .method = METHOD_PING,
					.act = FAKE_ERROR,
					.code = MESSAGE_ERROR_NOT_ALLOWED,
					.text = "only root may" };
	struct ctl_run *run = *state;

	fake_server_rule(run->server, rule);
	assert_int_equal(ctl_run(run, &failing, NULL), CTL_NOT_ALLOWED);
	assert_non_null(strstr(run->err, "only root may"));
}

/* ---- keys ---- */

static enum ctl_status take_key(struct ctl *ctl)
{
	struct getme_bytes key;
	enum ctl_status status = ctl_key(ctl, 0, &key);

	if (status == CTL_DONE)
		assert_ptr_equal(key.data, ctl->operands[0]);
	if (status == CTL_DONE)
		printf("%zu", key.len);
	return status;
}

static void test_keys_have_1_to_65535_bytes(void **state)
{
	static const struct ctl_command keyed = { .name = "keyed",
						  .run = take_key };
	struct ctl_run *run = *state;
	char *key = malloc(CTL_KEY_MAX + 2);
	char empty[] = "";

	assert_non_null(key);
	memset(key, 'k', CTL_KEY_MAX + 1);
	key[CTL_KEY_MAX + 1] = '\0';
	assert_int_equal(ctl_run(run, &keyed, empty), CTL_ERROR);
	assert_non_null(strstr(run->err, "keyed: a key has 1 to 65,535"));
	assert_int_equal(ctl_run(run, &keyed, key), CTL_ERROR);
	assert_non_null(strstr(run->err, "this one 65536"));
	key[CTL_KEY_MAX] = '\0';
	assert_int_equal(ctl_run(run, &keyed, key), CTL_DONE);
	assert_string_equal(run->out, "65535");
	free(key);
}

static void test_a_writes_options_are_the_commands(void **state)
{
	struct ctl ctl = { .command = NULL };
	struct getme_write_options options;

	(void)state;
	ctl_options_init(&ctl.options);
	ctl.options.durability = GETME_INTERVAL;
	ctl.options.ttl_ms = 11;
	ctl.options.if_absent = true;
	ctl.options.if_version = 22;
	options = ctl_write_options(&ctl);
	assert_int_equal(options.size, sizeof(options));
	assert_int_equal(options.durability, GETME_INTERVAL);
	assert_int_equal(options.ttl_ms, 11);
	assert_int_equal(options.expires_at_ms, 0);
	assert_int_equal(options.if_absent, 1);
	assert_int_equal(options.if_version, 22);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_connecting_gives_a_handle),
		TEST(test_no_daemon_is_told),
		TEST(test_a_complaint_names_the_command),
		TEST(test_a_complaint_has_the_daemons_text),
		TEST(test_keys_have_1_to_65535_bytes),
		cmocka_unit_test(test_a_writes_options_are_the_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
