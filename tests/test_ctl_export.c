#include "client/ctl_export.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/io.h"
#include "tests/support/client_fixture.h"
#include "tests/support/ctl_run.h"
#include "tests/support/segment_maker.h"
#include "tests/support/tempdir.h"

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, ctl_run_setup, ctl_run_teardown)

static const struct ctl_command export = { .name = "export",
					   .run = ctl_export };

static void put(struct ctl_run *run, const char *key, const char *value)
{
	struct getme *handle =
		client_fixture_open(run->server, FIXTURE_LONG_MS);

	assert_int_equal(fixture_put(handle, key, value), 0);
	getme_close(handle);
}

static void test_each_record_is_a_line(void **state)
{
	struct ctl_run *run = *state;

	put(run, "a", "1");
	put(run, "b", "2\n");
	put(run, "c", "\xff");
	assert_int_equal(ctl_run(run, &export, NULL), CTL_DONE);
	assert_non_null(strstr(run->out, "{\"key\":\"a\",\"value\":\"1\"}\n"));
	assert_non_null(
		strstr(run->out, "{\"key\":\"b\",\"value\":\"2\\n\"}\n"));
	assert_non_null(
		strstr(run->out, "{\"key\":\"c\",\"value_b64\":\"/w==\"}\n"));
	assert_int_equal(strlen(run->out), 24 + 26 + 31);
	/* stderr is no terminal here */
	assert_string_equal(run->err, "");
}

static void test_a_damaged_entry_is_named_and_the_rest_written(void **state)
{
	struct ctl_run *run = *state;

	put(run, "a", "1");
	put(run, "bad", "2");
	fake_server_damage(run->server, "bad");
	assert_int_equal(ctl_run(run, &export, NULL), CTL_ERROR);
	assert_string_equal(run->out, "{\"key\":\"a\",\"value\":\"1\"}\n");
	assert_non_null(strstr(run->err, "left out \"key\":\"bad\""));
	assert_non_null(strstr(run->err, "1 records were left out"));
}

static void test_a_failed_scan_is_told(void **state)
{
	const struct fake_rule rule = { .method = METHOD_SCAN,
					.act = FAKE_ERROR,
					.code = MESSAGE_ERROR_NOT_ALLOWED,
					.text = "not for you" };
	struct ctl_run *run = *state;

	fake_server_rule(run->server, rule);
	assert_int_equal(ctl_run(run, &export, NULL), CTL_NOT_ALLOWED);
	assert_non_null(strstr(run->err, "export: "));
	assert_non_null(strstr(run->err, "not for you"));
}

/* An older export stays as it is where there is no daemon. */
static void test_a_file_is_replaced_only_with_a_daemon(void **state)
{
	struct ctl_run *run = *state;
	char *dir = tempdir_new();
	char path[256];
	uint8_t *bytes;
	size_t len;

	snprintf(path, sizeof(path), "%s/export", dir);
	put(run, "a", "1");
	maker_write_file(io_system(), path, "older", 5);
	fake_server_down(run->server);
	assert_int_equal(ctl_run(run, &export, path), CTL_NO_DAEMON);
	bytes = maker_read_file(io_system(), path, &len);
	assert_int_equal(len, 5);
	free(bytes);
	fake_server_up(run->server);
	assert_int_equal(ctl_run(run, &export, path), CTL_DONE);
	assert_string_equal(run->out, "");
	bytes = maker_read_file(io_system(), path, &len);
	assert_int_equal(len, 24);
	assert_memory_equal(bytes, "{\"key\":\"a\",\"value\":\"1\"}\n", len);
	free(bytes);
	tempdir_free(dir);
}

static void test_an_output_that_fails_is_told(void **state)
{
	char missing[] = "/nowhere/export";
	char full[] = "/dev/full";
	struct ctl_run *run = *state;

	put(run, "a", "1");
	assert_int_equal(ctl_run(run, &export, missing), CTL_ERROR);
	assert_non_null(strstr(run->err, "cannot open /nowhere/export"));
	assert_int_equal(ctl_run(run, &export, full), CTL_ERROR);
	assert_non_null(strstr(run->err, "cannot write /dev/full"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_record_is_a_line),
		TEST(test_a_damaged_entry_is_named_and_the_rest_written),
		TEST(test_a_failed_scan_is_told),
		TEST(test_a_file_is_replaced_only_with_a_daemon),
		TEST(test_an_output_that_fails_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
