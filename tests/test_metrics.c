#include "daemon/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

static struct message_stat rows[METRICS_ROWS + 1];
static size_t n_rows;

static bool is(struct message_bytes bytes, const char *text)
{
	return bytes.len == strlen(text) &&
	       memcmp(bytes.data, text, bytes.len) == 0;
}

static const struct message_stat *row(const char *name)
{
	for (size_t i = 0; i < n_rows; i++)
		if (is(rows[i].name, name))
			return &rows[i];
	fail_msg("there is no row %s", name);
	return NULL;
}

static void check(const char *name, enum message_stat_kind kind, uint64_t value)
{
	assert_int_equal(row(name)->kind, kind);
	assert_int_equal(row(name)->value, value);
}

static void test_every_count_has_its_row(void **state)
{
	struct metrics metrics = {
		.started_ms = 1000,
		.connections = 2,
		.connections_total = 3,
		.refused_total = 4,
		.errors_total = 5,
		.bytes_in_total = 6,
		.bytes_out_total = 7,
	};

	(void)state;
	n_rows = metrics_rows(&metrics, 1250, rows);
	check("uptime_ms", MESSAGE_STAT_GAUGE, 250);
	check("connections", MESSAGE_STAT_GAUGE, 2);
	check("connections_total", MESSAGE_STAT_COUNTER, 3);
	check("connections_refused_total", MESSAGE_STAT_COUNTER, 4);
	check("errors_total", MESSAGE_STAT_COUNTER, 5);
	check("bytes_in_total", MESSAGE_STAT_COUNTER, 6);
	check("bytes_out_total", MESSAGE_STAT_COUNTER, 7);
}

static void test_every_method_has_its_row(void **state)
{
	struct metrics metrics = { .started_ms = 0 };
	char text[64];

	(void)state;
	for (int i = 0; i < METHOD_COUNT_OF; i++)
		metrics.requests_total[i] = 100 + (unsigned int)i;
	n_rows = metrics_rows(&metrics, 0, rows);
	for (int i = 0; i < METHOD_COUNT_OF; i++) {
		const char *name = method_get((enum method_id)i)->name;

		snprintf(text, sizeof(text), "requests_%s_total", name);
		check(text, MESSAGE_STAT_COUNTER, 100 + (unsigned int)i);
		snprintf(text, sizeof(text), "%s requests received", name);
		assert_true(
			is(rows[row("requests_hello_total") - rows + i].help,
			   text));
	}
}

static void test_latencies_of_gets_and_puts_are_apart(void **state)
{
	struct metrics metrics = { .started_ms = 0 };

	(void)state;
	/* Below LATENCY_STEPS numbers are exact. */
	for (int i = 0; i < 98; i++) {
		latency_add(&metrics.get, 1);
		latency_add(&metrics.put, 4);
	}
	for (int i = 0; i < 2; i++) {
		latency_add(&metrics.get, 2 + (unsigned int)i);
		latency_add(&metrics.put, 5 + (unsigned int)i);
	}
	n_rows = metrics_rows(&metrics, 0, rows);
	check("get_latency_p50_us", MESSAGE_STAT_GAUGE, 1);
	check("get_latency_p99_us", MESSAGE_STAT_GAUGE, 2);
	check("get_latency_max_us", MESSAGE_STAT_GAUGE, 3);
	check("put_latency_p50_us", MESSAGE_STAT_GAUGE, 4);
	check("put_latency_p99_us", MESSAGE_STAT_GAUGE, 5);
	check("put_latency_max_us", MESSAGE_STAT_GAUGE, 6);
}

static void test_loops_are_added_up(void **state)
{
	struct metrics second = {
		.connections = 1,
		.connections_total = 2,
		.refused_total = 3,
		.direct_readers = 4,
		.errors_total = 5,
		.bytes_in_total = 6,
		.bytes_out_total = 7,
		.requests_total = { [METHOD_GET] = 8 },
	};
	struct metrics first = second;

	(void)state;
	first.next = &second;
	first.started_ms = 100;
	latency_add(&first.get, 1);
	latency_add(&second.get, 9);
	latency_add(&second.put, 5);
	n_rows = metrics_rows(&first, 250, rows);
	check("threads", MESSAGE_STAT_GAUGE, 2);
	check("uptime_ms", MESSAGE_STAT_GAUGE, 150);
	check("connections", MESSAGE_STAT_GAUGE, 2);
	check("connections_total", MESSAGE_STAT_COUNTER, 4);
	check("connections_refused_total", MESSAGE_STAT_COUNTER, 6);
	check("direct_readers", MESSAGE_STAT_GAUGE, 8);
	check("errors_total", MESSAGE_STAT_COUNTER, 10);
	check("bytes_in_total", MESSAGE_STAT_COUNTER, 12);
	check("bytes_out_total", MESSAGE_STAT_COUNTER, 14);
	check("requests_get_total", MESSAGE_STAT_COUNTER, 16);
	check("get_latency_p50_us", MESSAGE_STAT_GAUGE, 1);
	check("get_latency_max_us", MESSAGE_STAT_GAUGE, 9);
	check("put_latency_max_us", MESSAGE_STAT_GAUGE, 5);
	n_rows = metrics_rows(&second, 250, rows);
	check("threads", MESSAGE_STAT_GAUGE, 1);
	check("connections", MESSAGE_STAT_GAUGE, 1);
}

static void test_names_are_unique_and_explained(void **state)
{
	struct metrics metrics = { .started_ms = 0 };

	(void)state;
	memset(rows, 0, sizeof(rows));
	n_rows = metrics_rows(&metrics, 0, rows);
	assert_in_range(n_rows, 1, METRICS_ROWS);
	for (size_t i = 0; i < n_rows; i++) {
		assert_true(rows[i].name.len > 0 && rows[i].help.len > 0);
		assert_ptr_equal(row(rows[i].name.data), &rows[i]);
	}
	assert_null(rows[n_rows].name.data);
}

static void test_rows_of_others_are_made_from_strings(void **state)
{
	struct message_stat number =
		metrics_row("n", MESSAGE_STAT_GAUGE, UINT64_MAX, "a number");
	struct message_stat text = metrics_text("t", "some text", "a text");

	(void)state;
	assert_true(is(number.name, "n") && is(number.help, "a number"));
	assert_int_equal(number.kind, MESSAGE_STAT_GAUGE);
	assert_true(number.value == UINT64_MAX);
	assert_true(is(text.name, "t") && is(text.help, "a text"));
	assert_int_equal(text.kind, MESSAGE_STAT_TEXT);
	assert_true(is(text.text, "some text"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_count_has_its_row),
		cmocka_unit_test(test_every_method_has_its_row),
		cmocka_unit_test(test_latencies_of_gets_and_puts_are_apart),
		cmocka_unit_test(test_loops_are_added_up),
		cmocka_unit_test(test_names_are_unique_and_explained),
		cmocka_unit_test(test_rows_of_others_are_made_from_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
