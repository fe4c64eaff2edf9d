#include "daemon/logging.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "daemon/limits.h"
#include "daemon/monitor.h"
#include "tests/support/fake_engine.h"

static FILE *file;
static char text[65536];

static int open_file(void **state)
{
	(void)state;
	file = tmpfile();
	return file ? 0 : -1;
}

static int close_file(void **state)
{
	(void)state;
	logging_init(STDERR_FILENO, LOGGING_INFO, false);
	return fclose(file);
}

/* What was logged until now. */
static const char *logged(void)
{
	ssize_t n = pread(fileno(file), text, sizeof(text) - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

static size_t count_lines(void)
{
	size_t n = 0;

	for (const char *at = logged(); *at; at++)
		n += *at == '\n';
	return n;
}

static void test_a_line_is_plain_outside_the_journal(void **state)
{
	(void)state;
	logging_init(fileno(file), LOGGING_INFO, false);
	logging_write(LOGGING_WARNING, "number %d", 7);
	logging_text(LOGGING_INFO, "as it %s");
	assert_string_equal(logged(), "getmed: number 7\ngetmed: as it %s\n");
}

static void test_a_line_for_the_journal_has_its_priority(void **state)
{
	(void)state;
	logging_init(fileno(file), LOGGING_INFO, true);
	logging_write(LOGGING_WARNING, "number %d", 7);
	assert_string_equal(logged(), "<4>number 7\n");
}

static void test_lines_above_the_level_are_left_out(void **state)
{
	(void)state;
	logging_init(fileno(file), LOGGING_WARNING, false);
	logging_write(LOGGING_INFO, "info");
	logging_text(LOGGING_DEBUG, "debug");
	logging_write(LOGGING_ERROR, "error");
	assert_string_equal(logged(), "getmed: error\n");
}

static void test_an_event_is_one_line_whatever_it_says(void **state)
{
	(void)state;
	logging_init(fileno(file), LOGGING_INFO, false);
	logging_text(LOGGING_INFO, "one\ntwo\r\x1b[31mred");
	assert_string_equal(logged(), "getmed: one two  [31mred\n");
}

static void test_a_long_line_is_cut(void **state)
{
	char line[3 * LOGGING_LINE_MAX];

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	logging_init(fileno(file), LOGGING_INFO, false);
	logging_text(LOGGING_INFO, line);
	assert_int_equal(strlen(logged()), LOGGING_LINE_MAX);
	assert_int_equal(text[LOGGING_LINE_MAX - 1], '\n');
}

static void test_repeated_lines_are_held_back(void **state)
{
	(void)state;
	logging_init(fileno(file), LOGGING_INFO, false);
	for (int i = 0; i < 1000; i++)
		logging_write(LOGGING_INFO, "client %d", i);
	assert_int_equal(count_lines(), LIMITS_LOG_BURST);
	for (int i = 0; i < 1000; i++)
		logging_text(LOGGING_INFO, "the same");
	assert_int_equal(count_lines(), 2 * LIMITS_LOG_BURST);
	logging_text(LOGGING_INFO, "another");
	assert_int_equal(count_lines(), 2 * LIMITS_LOG_BURST + 1);
}

static void test_a_closed_stream_is_no_obstacle(void **state)
{
	(void)state;
	logging_init(-1, LOGGING_INFO, false);
	logging_write(LOGGING_ERROR, "nobody hears it");
}

static void test_the_journal_is_known_by_its_inode(void **state)
{
	char stream[64];
	struct stat st;

	(void)state;
	assert_int_equal(fstat(fileno(file), &st), 0);
	unsetenv("JOURNAL_STREAM");
	assert_false(logging_is_journal(fileno(file)));
	snprintf(stream, sizeof(stream), "%" PRIuMAX ":%" PRIuMAX,
		 (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	assert_true(logging_is_journal(fileno(file)));
	assert_false(logging_is_journal(-1));
	setenv("JOURNAL_STREAM", "1:2", 1);
	assert_false(logging_is_journal(fileno(file)));
	unsetenv("JOURNAL_STREAM");
}

static void test_levels_have_names(void **state)
{
	enum logging_level level = LOGGING_INFO;

	(void)state;
	assert_int_equal(logging_parse_level("debug", &level), 0);
	assert_int_equal(level, LOGGING_DEBUG);
	assert_int_equal(logging_parse_level("error", &level), 0);
	assert_int_equal(level, LOGGING_ERROR);
	assert_int_equal(logging_parse_level("loud", &level), -EINVAL);
	assert_int_equal(logging_parse_level("", &level), -EINVAL);
	assert_int_equal(level, LOGGING_ERROR);
}

static void test_events_of_the_engine_are_logged_once(void **state)
{
	struct monitor monitor = { .told = false };
	struct fake_behaviour behaviour;
	struct engine *engine;

	(void)state;
	logging_init(fileno(file), LOGGING_INFO, false);
	fake_behaviour_init(&behaviour);
	engine = fake_engine_new(&behaviour, NULL);
	monitor_look(&monitor, engine);
	assert_string_equal(logged(), "");
	fake_engine_say(engine, LOGGING_WARNING, "segment 7 is damaged");
	monitor_look(&monitor, engine);
	monitor_look(&monitor, engine);
	/* Changes of state are events of the engine's own. */
	fake_engine_behaviour(engine)->state = ENGINE_STATE_FULL;
	fake_engine_behaviour(engine)->state_text = "the disk is full";
	monitor_look(&monitor, engine);
	assert_string_equal(logged(), "getmed: segment 7 is damaged\n");
	engine_close(engine);
}

#define WITH_FILE(test)                                                        \
	cmocka_unit_test_setup_teardown(test, open_file, close_file)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FILE(test_a_line_is_plain_outside_the_journal),
		WITH_FILE(test_a_line_for_the_journal_has_its_priority),
		WITH_FILE(test_lines_above_the_level_are_left_out),
		WITH_FILE(test_an_event_is_one_line_whatever_it_says),
		WITH_FILE(test_a_long_line_is_cut),
		WITH_FILE(test_repeated_lines_are_held_back),
		WITH_FILE(test_a_closed_stream_is_no_obstacle),
		WITH_FILE(test_the_journal_is_known_by_its_inode),
		WITH_FILE(test_levels_have_names),
		WITH_FILE(test_events_of_the_engine_are_logged_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
