#include "daemon/options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

enum {
	ARGS_MAX = 16,
};

static struct options options;
static struct failure failure;
static enum options_action action;

static int begin(void **state)
{
	(void)state;
	options_init(&options);
	memset(&failure, 0, sizeof(failure));
	return 0;
}

static int end(void **state)
{
	(void)state;
	options_deinit(&options);
	return 0;
}

/* LINE is split at blanks; "getmed" comes before it. */
static int parse(const char *line)
{
	static char copy[512];
	char name[] = "getmed";
	char *argv[ARGS_MAX] = { name };
	int argc = 1;

	strncpy(copy, line, sizeof(copy) - 1);
	for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	return options_parse(&options, argc, argv, &action, &failure);
}

static void test_defaults_are_the_contracts(void **state)
{
	(void)state;
	assert_int_equal(parse(""), 0);
	assert_int_equal(action, OPTIONS_RUN);
	assert_null(options.store);
	assert_null(options.socket);
	assert_null(options.config);
	assert_int_equal(options.socket_mode, 0660);
	assert_int_equal(options.durability, ENGINE_ALWAYS);
	assert_int_equal(options.sync_interval_ms, 1000);
	assert_int_equal(options.segment_size, 0);
	assert_int_equal(options.max_value, 64 << 20);
	assert_int_equal(options.log_level, LOGGING_INFO);
	assert_int_equal(options.limits.drain_timeout_ms, 5000);
	assert_int_equal(options.limits.threads, 1);
}

static void test_every_option_is_taken(void **state)
{
	(void)state;
	assert_int_equal(parse("--store /s --socket=/x.sock --socket-mode 600 "
			       "--durability interval --sync-interval 2s "
			       "--segment-size 64k"),
			 0);
	assert_int_equal(parse("--max-value 1G --log-level debug "
			       "--config /c --drain-timeout 100"),
			 0);
	assert_int_equal(parse("--max-connections 10 --max-pipeline 7 "
			       "--max-connections-per-uid 5 --max-input 1M "
			       "--max-output 2M --direct-reads no --threads 8"),
			 0);
	assert_int_equal(options.limits.threads, 8);
	assert_false(options.limits.direct_reads);
	assert_string_equal(options.store, "/s");
	assert_string_equal(options.socket, "/x.sock");
	assert_string_equal(options.config, "/c");
	assert_int_equal(options.socket_mode, 0600);
	assert_int_equal(options.durability, ENGINE_INTERVAL);
	assert_int_equal(options.sync_interval_ms, 2000);
	assert_int_equal(options.segment_size, 65536);
	assert_int_equal(options.max_value, 1 << 30);
	assert_int_equal(options.log_level, LOGGING_DEBUG);
	assert_int_equal(options.limits.drain_timeout_ms, 100);
	assert_int_equal(options.limits.max_connections, 10);
	assert_int_equal(options.limits.max_connections_per_uid, 5);
	assert_int_equal(options.limits.max_pipeline, 7);
	assert_int_equal(options.limits.max_input, 1 << 20);
	assert_int_equal(options.limits.max_output, 2 << 20);
}

static void test_the_last_of_two_counts(void **state)
{
	(void)state;
	assert_int_equal(parse("--store /a --store /b --max-value 1 "
			       "--max-value 2"),
			 0);
	assert_string_equal(options.store, "/b");
	assert_int_equal(options.max_value, 2);
}

static void test_help_and_version(void **state)
{
	(void)state;
	assert_int_equal(parse("--help"), 0);
	assert_int_equal(action, OPTIONS_HELP);
	assert_int_equal(parse("--version"), 0);
	assert_int_equal(action, OPTIONS_VERSION);
}

static void test_malformed_options_are_refused(void **state)
{
	static const char *const lines[] = {
		"--unknown",
		"--unknown=1",
		"-x",
		"operand",
		"--store",
		"--store=",
		"--socket-mode 8",
		"--socket-mode 1777",
		"--socket-mode 00660",
		"--socket-mode 0x1",
		"--socket-mode=",
		"--socket-mode -1",
		"--durability sometimes",
		"--durability Always",
		"--sync-interval 0",
		"--sync-interval -1",
		"--sync-interval 1x",
		"--sync-interval 2d",
		"--segment-size 65535",
		"--segment-size 129M",
		"--segment-size 1.5M",
		"--max-value 0",
		"--max-value 1073741825",
		"--max-value 99999999999999999999",
		"--max-value=",
		"--log-level loud",
		"--max-connections 0",
		"--direct-reads maybe",
		"--max-connections 1K",
		"--max-pipeline 0",
		"--max-pipeline 65537",
		"--max-input 1",
		"--max-output 1",
		"--drain-timeout 0",
		"--threads 0",
		"--threads 65",
		"--threads many",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		begin(state);
		assert_int_equal(parse(lines[i]), -EINVAL);
		assert_true(strlen(failure.text) > 5);
		assert_null(strchr(failure.text, '\n'));
		end(state);
	}
}

static void test_a_refusal_names_the_option_and_what_is_expected(void **state)
{
	(void)state;
	assert_int_equal(parse("--max-value 2G"), -EINVAL);
	assert_string_equal(failure.text,
			    "max-value: '2G' is not in the range of 1 to 1.0G");
	assert_int_equal(parse("--durability x"), -EINVAL);
	assert_string_equal(failure.text,
			    "durability: 'x' is not always, interval or none");
}

static void test_the_command_line_wins_over_the_config_file(void **state)
{
	(void)state;
	assert_int_equal(parse("--max-value 5"), 0);
	assert_int_equal(options_set(&options, OPTIONS_FROM_CONFIG, "max-value",
				     "6", &failure),
			 0);
	assert_int_equal(options_set(&options, OPTIONS_FROM_CONFIG, "store",
				     "/c", &failure),
			 0);
	assert_int_equal(options.max_value, 5);
	assert_string_equal(options.store, "/c");
	/* A wrong value is wrong even where it does not count. */
	assert_int_equal(options_set(&options, OPTIONS_FROM_CONFIG, "max-value",
				     "x", &failure),
			 -EINVAL);
	assert_int_equal(options.max_value, 5);
}

static void test_a_config_file_names_no_other(void **state)
{
	(void)state;
	assert_int_equal(options_set(&options, OPTIONS_FROM_CONFIG, "config",
				     "/c", &failure),
			 -EINVAL);
	assert_int_equal(options_set(&options, OPTIONS_FROM_CONFIG, "help", "",
				     &failure),
			 -EINVAL);
}

static void test_compaction_is_told_by_options(void **state)
{
	(void)state;
	assert_int_equal(parse("--compact-dead-share 30 --compact-rate 10M "
			       "--compact-small 4 --compact-disk 2G "
			       "--compact-dead-bytes 64M "
			       "--compact-hours 22-6"),
			 0);
	assert_int_equal(options.compaction.dead_percent, 30);
	assert_int_equal(options.compaction.bytes_a_second, 10 << 20);
	assert_int_equal(options.compaction.small_segments, 4);
	assert_true(options.compaction.disk_bytes == UINT64_C(2) << 30);
	assert_int_equal(options.compaction.dead_bytes, 64 << 20);
	assert_int_equal(options.compaction.hours.from, 22);
	assert_int_equal(options.compaction.hours.to, 6);
}

static void test_hours_are_two_from_0_to_24(void **state)
{
	static const char *const bad[] = { "22",   "22-", "-6",	  "25-1",
					   "1-25", "a-b", "1-2x", "1--2",
					   "+1-2", "",	  "1-2-3" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(options_set(&options,
					     OPTIONS_FROM_COMMAND_LINE,
					     "compact-hours", bad[i], &failure),
				 -EINVAL);
	assert_int_equal(options_set(&options, OPTIONS_FROM_COMMAND_LINE,
				     "compact-hours", "8-24", &failure),
			 0);
	assert_int_equal(options.compaction.hours.to, 24);
	assert_int_equal(options_set(&options, OPTIONS_FROM_COMMAND_LINE,
				     "compact-hours", "0-24", &failure),
			 0);
	assert_int_equal(options.compaction.hours.from,
			 options.compaction.hours.to);
}

static void test_help_fits_a_screen_and_names_every_option(void **state)
{
	static const char *const names[] = {
		"--store DIR",	       "--socket PATH",
		"--socket-mode OCTAL", "--config FILE",
		"--durability LEVEL",  "--sync-interval TIME",
		"--segment-size SIZE", "--max-value SIZE",
		"--log-level LEVEL",   "--help",
		"--version",	       "--max-connections-per-uid N",
		"--max-output",	       "--compact-dead-share PERCENT",
		"--compact-hours H-H", "--compact-disk",
	};
	char help[4096];
	size_t lines = 0, column = 0;

	(void)state;
	options_help(help, sizeof(help));
	for (const char *at = help; *at; at++) {
		column = *at == '\n' ? 0 : column + 1;
		lines += *at == '\n';
		assert_true(column < 80);
	}
	assert_int_equal(column, 0);
	assert_true(lines <= 24);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_non_null(strstr(help, names[i]));
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_defaults_are_the_contracts),
		EACH(test_every_option_is_taken),
		EACH(test_the_last_of_two_counts),
		EACH(test_help_and_version),
		EACH(test_malformed_options_are_refused),
		EACH(test_a_refusal_names_the_option_and_what_is_expected),
		EACH(test_the_command_line_wins_over_the_config_file),
		EACH(test_a_config_file_names_no_other),
		EACH(test_compaction_is_told_by_options),
		EACH(test_hours_are_two_from_0_to_24),
		EACH(test_help_fits_a_screen_and_names_every_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
