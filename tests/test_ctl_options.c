#include "client/ctl_options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the first four above */
#include <cmocka.h>

enum {
	ALL = 0xffff,
	ARGS_MAX = 12,
};

/* Splits TEXT at blanks; a word of one '' is empty. */
struct words {
	char text[256];
	char *argv[ARGS_MAX + 1];
	int argc;
};

static void split(struct words *words, const char *text)
{
	char *rest = words->text;
	char *word;

	memset(words, 0, sizeof(*words));
	snprintf(words->text, sizeof(words->text), "%s", text);
	while ((word = strsep(&rest, " ")) && words->argc < ARGS_MAX) {
		if (strcmp(word, "''") == 0)
			*word = '\0';
		words->argv[words->argc++] = word;
	}
}

/* Parses TEXT and checks how many words are operands. */
static struct ctl_options taken(unsigned int allowed, const char *text,
				int n_operands)
{
	static struct words words;
	struct ctl_options options;
	char error[256] = "";
	int next = 0;

	split(&words, text);
	ctl_options_init(&options);
	if (ctl_options_parse(&options, allowed, words.argc, words.argv, &next,
			      error, sizeof(error)) != 0)
		fail_msg("'%s' is refused: %s", text, error);
	assert_int_equal(words.argc - next, n_operands);
	return options;
}

static void check_refused(unsigned int allowed, const char *text,
			  const char *why)
{
	struct words words;
	struct ctl_options options;
	char error[256] = "";
	int next = 0;

	split(&words, text);
	ctl_options_init(&options);
	if (ctl_options_parse(&options, allowed, words.argc, words.argv, &next,
			      error, sizeof(error)) != -EINVAL)
		fail_msg("'%s' is taken", text);
	if (!strstr(error, why))
		fail_msg("'%s': '%s' has no '%s'", text, error, why);
}

static void test_defaults(void **state)
{
	struct ctl_options options;

	(void)state;
	ctl_options_init(&options);
	assert_null(options.socket);
	assert_int_equal(options.where, GETME_WHERE_AUTO);
	assert_true(options.timeout_ms == 0);
	assert_true(options.ttl_ms == 0);
	assert_true(options.if_version == 0);
	assert_int_equal(options.durability, GETME_DEFAULT);
	assert_true(options.by == 1);
	assert_true(options.limit == 0);
}

static void test_global_options(void **state)
{
	struct ctl_options options;

	(void)state;
	options = taken(ALL, "-s /a --timeout 250 --json get k", 2);
	assert_string_equal(options.socket, "/a");
	assert_true(options.timeout_ms == 250);
	assert_true(options.json);
	options = taken(ALL, "--socket=/b --timeout=2s --user", 0);
	assert_string_equal(options.socket, "/b");
	assert_true(options.timeout_ms == 2000);
	assert_int_equal(options.where, GETME_WHERE_USER);
	options = taken(ALL, "-s/c --system --system", 0);
	assert_string_equal(options.socket, "/c");
	assert_int_equal(options.where, GETME_WHERE_SYSTEM);
	assert_true(taken(ALL, "-h", 0).help);
	assert_true(taken(ALL, "--help", 0).help);
	assert_true(taken(ALL, "--version", 0).version);
}

static void test_command_options(void **state)
{
	struct ctl_options options;

	(void)state;
	options = taken(ALL, "--ttl 10s --if-absent --durability none k v", 2);
	assert_true(options.ttl_ms == 10000);
	assert_true(options.if_absent);
	assert_int_equal(options.durability, GETME_NONE);
	options = taken(ALL, "--if-version 18446744073709551615 k", 1);
	assert_true(options.if_version == UINT64_MAX);
	assert_int_equal(taken(ALL, "--durability=interval", 0).durability,
			 GETME_INTERVAL);
	assert_int_equal(taken(ALL, "--durability=always", 0).durability,
			 GETME_ALWAYS);
	options = taken(ALL, "--limit 5 -0 --yes --openmetrics", 0);
	assert_true(options.limit == 5);
	assert_true(options.nul);
	assert_true(options.yes);
	assert_true(options.openmetrics);
}

static void test_signed_numbers_are_option_arguments(void **state)
{
	(void)state;
	assert_true(taken(ALL, "--by -3 k", 1).by == -3);
	assert_true(taken(ALL, "--by=-3 k", 1).by == -3);
	assert_true(taken(ALL, "--by +3 k", 1).by == 3);
	assert_true(taken(ALL, "--by 0 k", 1).by == 0);
	assert_true(taken(ALL, "--by -9223372036854775808", 0).by == INT64_MIN);
	assert_true(taken(ALL, "--by 9223372036854775807", 0).by == INT64_MAX);
}

static void test_the_first_operand_ends_the_options(void **state)
{
	(void)state;
	taken(ALL, "temp -5", 2);
	assert_false(taken(ALL, "temp --json", 2).json);
	taken(ALL, "a -- b", 3);
	taken(ALL, "-", 1);
	taken(ALL, "- --json", 2);
	taken(ALL, "'' --json", 2);
}

static void test_two_dashes_end_the_options(void **state)
{
	struct ctl_options options = taken(ALL, "--json -- --json", 1);

	(void)state;
	assert_true(options.json);
	taken(ALL, "--", 0);
	taken(ALL, "-- -- -5", 2);
	taken(ALL, "-- -", 1);
}

static void test_the_last_one_counts(void **state)
{
	(void)state;
	assert_true(taken(ALL, "--by 1 --by 2", 0).by == 2);
	assert_string_equal(taken(ALL, "-s /a --socket /b", 0).socket, "/b");
}

static void test_what_is_no_option_is_refused(void **state)
{
	(void)state;
	check_refused(ALL, "--nonsense", "unknown option '--nonsense'");
	check_refused(ALL, "--nonsense=1", "unknown option");
	check_refused(ALL, "-x", "unknown option '-x'");
	check_refused(ALL, "-5", "unknown option '-5'");
	check_refused(ALL, "--jso", "unknown option");
	check_refused(ALL, "--jsonx", "unknown option");
	check_refused(ALL, "--JSON", "unknown option");
	check_refused(ALL, "--=", "unknown option");
	check_refused(ALL, "---", "unknown option");
	check_refused(CTL_OPT_GLOBAL, "--ttl 1", "unknown option '--ttl'");
	check_refused(CTL_OPT_GLOBAL, "-0", "unknown option '-0'");
	check_refused(CTL_OPT_GLOBAL, "--version", "unknown option");
}

static void test_arguments_have_to_be_there_or_not(void **state)
{
	(void)state;
	check_refused(ALL, "--socket", "'--socket' needs its PATH");
	check_refused(ALL, "-s", "'-s' needs its PATH");
	check_refused(ALL, "--by", "needs its N");
	check_refused(ALL, "--json=yes", "takes no argument");
	check_refused(ALL, "--json=", "takes no argument");
	check_refused(ALL, "-0x", "takes no argument");
}

static void test_wrong_arguments_are_refused(void **state)
{
	static const char *const bad[] = {
		"--socket=",
		"--socket ''",
		"--timeout 0",
		"--timeout -1",
		"--timeout x",
		"--timeout 1K",
		"--timeout 18446744073709551615",
		"--ttl 0",
		"--ttl 0s",
		"--ttl -1",
		"--ttl 1.5s",
		"--ttl ''",
		"--ttl 18446744073709551615",
		"--ttl 9223372036854775807",
		"--if-version 0",
		"--if-version -1",
		"--if-version x",
		"--if-version 18446744073709551616",
		"--if-version 1x",
		"--if-version ''",
		"--if-version=+1",
		"--durability sometimes",
		"--durability ''",
		"--durability default",
		"--by x",
		"--by ''",
		"--by 1.5",
		"--by 9223372036854775808",
		"--by --",
		"--by -",
		"--limit 0",
		"--limit -1",
		"--limit 1K",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_refused(ALL, bad[i], "");
	check_refused(ALL, "--by x", "'x' is not right for --by");
	check_refused(ALL, "--ttl 0", "at least 1 ms");
}

static void test_what_excludes_each_other(void **state)
{
	(void)state;
	check_refused(ALL, "--if-absent --if-version 1", "exclude each other");
	check_refused(ALL, "--user --system", "--system");
}

static void test_durability_names(void **state)
{
	(void)state;
	assert_string_equal(ctl_options_durability_name(GETME_ALWAYS),
			    "always");
	assert_string_equal(ctl_options_durability_name(GETME_INTERVAL),
			    "interval");
	assert_string_equal(ctl_options_durability_name(GETME_NONE), "none");
	assert_string_equal(ctl_options_durability_name(GETME_DEFAULT),
			    "default");
	assert_string_equal(
		ctl_options_durability_name((enum getme_durability)99),
		"default");
}

static void test_help_lists_the_set(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_non_null(out);
	ctl_options_print(out, CTL_OPT_SOCKET | CTL_OPT_NUL | CTL_OPT_BY);
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(text, "  -s, --socket PATH "));
	assert_non_null(strstr(text, "  -0 "));
	assert_non_null(strstr(text, "  --by N "));
	assert_null(strstr(text, "--json"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_global_options),
		cmocka_unit_test(test_command_options),
		cmocka_unit_test(test_signed_numbers_are_option_arguments),
		cmocka_unit_test(test_the_first_operand_ends_the_options),
		cmocka_unit_test(test_two_dashes_end_the_options),
		cmocka_unit_test(test_the_last_one_counts),
		cmocka_unit_test(test_what_is_no_option_is_refused),
		cmocka_unit_test(test_arguments_have_to_be_there_or_not),
		cmocka_unit_test(test_wrong_arguments_are_refused),
		cmocka_unit_test(test_what_excludes_each_other),
		cmocka_unit_test(test_durability_names),
		cmocka_unit_test(test_help_lists_the_set),
	};

	return cmocka_run_group_tests_name("ctl_options", tests, NULL, NULL);
}
