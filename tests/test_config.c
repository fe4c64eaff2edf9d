#include "daemon/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the four above */
#include <cmocka.h>

static struct options options;
static struct failure failure;
static char path[256];

static int begin(void **state)
{
	const char *dir = getenv("TMPDIR");
	int fd;

	(void)state;
	options_init(&options);
	memset(&failure, 0, sizeof(failure));
	snprintf(path, sizeof(path), "%s/test_config.XXXXXX",
		 dir ? dir : "/tmp");
	fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int end(void **state)
{
	(void)state;
	options_deinit(&options);
	return unlink(path);
}

static int load(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	return config_load(path, &options, &failure);
}

static void check_fault(const char *text, int line, const char *what)
{
	char expected[512];

	assert_int_equal(load(text), -EINVAL);
	snprintf(expected, sizeof(expected), "%s:%d: %s", path, line, what);
	assert_string_equal(failure.text, expected);
}

static void test_names_are_those_of_the_options(void **state)
{
	(void)state;
	assert_int_equal(load("# a comment\n"
			      "; another\n"
			      "\n"
			      "durability = interval\n"
			      "sync-interval=250ms\n"
			      "store = /var/my store ; where it is\n"
			      "max-pipeline = 7"),
			 0);
	assert_int_equal(options.durability, ENGINE_INTERVAL);
	assert_int_equal(options.sync_interval_ms, 250);
	assert_string_equal(options.store, "/var/my store");
	assert_int_equal(options.limits.max_pipeline, 7);
}

static void test_an_empty_file_sets_nothing(void **state)
{
	(void)state;
	assert_int_equal(load(""), 0);
	assert_int_equal(options.durability, ENGINE_ALWAYS);
}

static void test_an_indented_line_is_a_line(void **state)
{
	(void)state;
	assert_int_equal(load("store = /a\n  socket = /b\n"), 0);
	assert_string_equal(options.store, "/a");
	assert_string_equal(options.socket, "/b");
}

static void test_faults_name_file_line_and_name(void **state)
{
	(void)state;
	check_fault("store = /a\n\ncolour = red\n", 3, "colour: unknown name");
	check_fault("# x\nmax-value = 0\n", 2,
		    "max-value: '0' is not in the range of 1 to 1.0G");
	check_fault("durability =\n", 1,
		    "durability: '' is not always, interval or none");
	check_fault("config = /etc/x\n", 1, "config: unknown name");
	check_fault("store = /a\nhello\nstore = /b\n", 2,
		    "not a line of 'name = value'");
	check_fault("[section]\nstore = /a\n", 2, "sections are not used here");
}

static void test_the_first_of_two_faults_is_told(void **state)
{
	(void)state;
	check_fault("max-value = x\nmax-output = y\n", 1,
		    "max-value: 'x' is not a size: a number, and K, M or G");
}

static void test_a_line_too_long_is_a_fault(void **state)
{
	char text[1024];

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "store = /", 9);
	text[sizeof(text) - 2] = '\n';
	text[sizeof(text) - 1] = '\0';
	check_fault(text, 1, "the line is too long");
}

static void test_a_missing_file_is_told(void **state)
{
	(void)state;
	assert_int_equal(
		config_load("/nowhere/getmed.conf", &options, &failure),
		-ENOENT);
	assert_string_equal(failure.text,
			    "cannot read the config file /nowhere/getmed.conf: "
			    "No such file or directory");
}

static void test_a_folder_is_no_config_file(void **state)
{
	(void)state;
	assert_true(config_load("/", &options, &failure) < 0);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_names_are_those_of_the_options),
		EACH(test_an_empty_file_sets_nothing),
		EACH(test_an_indented_line_is_a_line),
		EACH(test_faults_name_file_line_and_name),
		EACH(test_the_first_of_two_faults_is_told),
		EACH(test_a_line_too_long_is_a_fault),
		EACH(test_a_missing_file_is_told),
		EACH(test_a_folder_is_no_config_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
