#include "client/ctl_stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the first four above */
#include <cmocka.h>

static const struct getme_stats_row rows[] = {
	{ "gets", "Gets answered.", GETME_STAT_COUNTER, 12, NULL },
	{ "puts_total", "Puts \"applied\"\\\nso far.", GETME_STAT_COUNTER,
	  UINT64_MAX, NULL },
	{ "live_bytes", "Bytes in use.", GETME_STAT_GAUGE, 0, NULL },
	{ "state", "How the store is.", GETME_STAT_TEXT, 0, "read \"only\"\n" },
	{ "build_info", "", GETME_STAT_TEXT, 0, NULL },
	{ "odd", NULL, GETME_STAT_TEXT, 0, "\xff" },
};

enum {
	N_ROWS = sizeof(rows) / sizeof(rows[0]),
};

static void check(void (*write)(FILE *, const struct getme_stats_row *, size_t),
		  size_t n, const char *expected)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	write(out, rows, n);
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text, expected);
	free(text);
}

static void test_plain_is_aligned(void **state)
{
	(void)state;
	check(ctl_stats_write_plain, 3,
	      "gets       12\n"
	      "puts_total 18446744073709551615\n"
	      "live_bytes 0\n");
	check(ctl_stats_write_plain, 0, "");
}

static void test_json_is_one_object(void **state)
{
	(void)state;
	check(ctl_stats_write_json, N_ROWS,
	      "{\"gets\":12,\"puts_total\":18446744073709551615,"
	      "\"live_bytes\":0,\"state\":\"read \\\"only\\\"\\n\","
	      "\"build_info\":\"\",\"odd\":\"?\"}\n");
	check(ctl_stats_write_json, 0, "{}\n");
}

static void test_openmetrics_exposition(void **state)
{
	(void)state;
	check(ctl_stats_write_openmetrics, N_ROWS,
	      "# TYPE getme_gets counter\n"
	      "# HELP getme_gets Gets answered.\n"
	      "getme_gets_total 12\n"
	      "# TYPE getme_puts counter\n"
	      "# HELP getme_puts Puts \\\"applied\\\"\\\\\\nso far.\n"
	      "getme_puts_total 18446744073709551615\n"
	      "# TYPE getme_live_bytes gauge\n"
	      "# HELP getme_live_bytes Bytes in use.\n"
	      "getme_live_bytes 0\n"
	      "# TYPE getme_state info\n"
	      "# HELP getme_state How the store is.\n"
	      "getme_state_info{state=\"read \\\"only\\\"\\n\"} 1\n"
	      "# TYPE getme_build info\n"
	      "getme_build_info{build=\"\"} 1\n"
	      "# TYPE getme_odd info\n"
	      "getme_odd_info{odd=\"?\"} 1\n"
	      "# EOF\n");
	check(ctl_stats_write_openmetrics, 0, "# EOF\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_is_aligned),
		cmocka_unit_test(test_json_is_one_object),
		cmocka_unit_test(test_openmetrics_exposition),
	};

	return cmocka_run_group_tests_name("ctl_stats", tests, NULL, NULL);
}
