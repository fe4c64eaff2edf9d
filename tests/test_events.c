#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "common/events.h"

static struct events events;

static int set_up(void **state)
{
	(void)state;
	events_init(&events);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	events_deinit(&events);
	return 0;
}

static void expect(int priority, const char *text)
{
	struct event event;

	assert_true(events_take(&events, &event));
	assert_int_equal(event.priority, priority);
	assert_string_equal(event.text, text);
}

static void expect_none(void)
{
	struct event event;

	assert_false(events_take(&events, &event));
}

static void test_taken_in_order_and_once(void **state)
{
	(void)state;
	expect_none();
	events_add(&events, EVENT_NOTICE, "segment %u", 7u);
	events_add(&events, EVENT_ERROR, "second");
	expect(EVENT_NOTICE, "segment 7");
	expect(EVENT_ERROR, "second");
	expect_none();
}

static void test_a_long_line_is_cut(void **state)
{
	char text[EVENTS_TEXT_MAX * 2];
	struct event event;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	events_add(&events, EVENT_INFO, "%s", text);
	assert_true(events_take(&events, &event));
	assert_int_equal(strlen(event.text), EVENTS_TEXT_MAX - 1);
}

static void test_the_oldest_are_lost_and_that_is_told(void **state)
{
	char text[16];

	(void)state;
	for (int i = 0; i < EVENTS_KEPT + 3; i++)
		events_add(&events, EVENT_INFO, "line %d", i);
	expect(EVENT_WARNING, "3 earlier messages were lost");
	for (int i = 3; i < EVENTS_KEPT + 3; i++) {
		snprintf(text, sizeof(text), "line %d", i);
		expect(EVENT_INFO, text);
	}
	expect_none();
}

static void test_exactly_full_loses_nothing(void **state)
{
	(void)state;
	for (int i = 0; i < EVENTS_KEPT; i++)
		events_add(&events, EVENT_INFO, "line");
	for (int i = 0; i < EVENTS_KEPT; i++)
		expect(EVENT_INFO, "line");
	expect_none();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_taken_in_order_and_once,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_long_line_is_cut, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			test_the_oldest_are_lost_and_that_is_told, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(test_exactly_full_loses_nothing,
						set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
