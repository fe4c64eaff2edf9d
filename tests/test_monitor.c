/*
 * What monitor tells, read from the file that is the log and the socket that
 * is systemd's.
 */
#include "daemon/monitor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "daemon/logging.h"
#include "tests/support/fake_engine.h"
#include "tests/support/tempdir.h"

static char *dir;
static int notify_fd;
static FILE *file;
static char text[4096];
static struct engine *engine;
static struct monitor monitor;

static int begin(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct fake_behaviour behaviour;

	(void)state;
	dir = tempdir_new();
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", dir);
	notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	file = tmpfile();
	if (!file)
		return -1;
	logging_init(fileno(file), LOGGING_DEBUG, true);
	fake_behaviour_init(&behaviour);
	engine = fake_engine_new(&behaviour, NULL);
	memset(&monitor, 0, sizeof(monitor));
	return bind(notify_fd, (struct sockaddr *)&address, sizeof(address));
}

static int end(void **state)
{
	(void)state;
	engine_close(engine);
	logging_init(STDERR_FILENO, LOGGING_INFO, false);
	fclose(file);
	unsetenv("NOTIFY_SOCKET");
	close(notify_fd);
	tempdir_free(dir);
	return 0;
}

/* The oldest message to systemd; "": there is none. */
static const char *told(void)
{
	ssize_t n = recv(notify_fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static const char *logged(void)
{
	ssize_t n = pread(fileno(file), text, sizeof(text) - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

static void look_at(enum engine_state state, const char *state_text)
{
	fake_engine_behaviour(engine)->state = state;
	fake_engine_behaviour(engine)->state_text = state_text;
	monitor_look(&monitor, engine);
}

static void test_the_first_look_tells_that_it_serves(void **state)
{
	(void)state;
	look_at(ENGINE_STATE_OK, "not for an engine that is well");
	assert_string_equal(told(), "STATUS=serving");
}

static void test_a_state_is_told_once(void **state)
{
	(void)state;
	look_at(ENGINE_STATE_OK, "");
	told();
	look_at(ENGINE_STATE_OK, "");
	assert_string_equal(told(), "");
	look_at(ENGINE_STATE_FULL, "the disk is full");
	assert_string_equal(told(), "STATUS=the disk is full");
	look_at(ENGINE_STATE_FULL, "the disk is full");
	assert_string_equal(told(), "");
}

static void test_every_change_of_state_is_told(void **state)
{
	(void)state;
	look_at(ENGINE_STATE_DAMAGED, "some entries are lost");
	assert_string_equal(told(), "STATUS=some entries are lost");
	look_at(ENGINE_STATE_READ_ONLY, "a sync failed");
	assert_string_equal(told(), "STATUS=a sync failed");
	look_at(ENGINE_STATE_OK, "");
	assert_string_equal(told(), "STATUS=serving");
}

static void test_a_state_without_a_text_is_none_to_fall_over(void **state)
{
	(void)state;
	look_at(ENGINE_STATE_FULL, NULL);
	assert_string_equal(told(), "STATUS=");
}

/* The engine leaves an event of it, which the log gets. */
static void test_a_change_of_state_is_not_logged_twice(void **state)
{
	(void)state;
	look_at(ENGINE_STATE_FULL, "the disk is full");
	assert_string_equal(logged(), "");
}

static void test_an_event_is_logged_with_its_priority_once(void **state)
{
	(void)state;
	fake_engine_say(engine, LOGGING_WARNING, "segment 7 is damaged");
	monitor_look(&monitor, engine);
	monitor_look(&monitor, engine);
	assert_string_equal(logged(), "<4>segment 7 is damaged\n");
}

/* An engine that has only this to say. */
static const char *const *left;

static bool take_next(struct engine *self, struct engine_event *event)
{
	(void)self;
	if (!*left)
		return false;
	event->priority = LOGGING_NOTICE;
	snprintf(event->text, sizeof(event->text), "%s", *left++);
	return true;
}

static enum engine_state always_ok(struct engine *self, const char **out)
{
	(void)self;
	*out = "";
	return ENGINE_STATE_OK;
}

static void test_all_events_are_taken_in_one_look(void **state)
{
	static const char *const events[] = { "one", "two", "three", NULL };
	static const struct engine_ops ops = {
		.take_event = take_next,
		.state = always_ok,
	};
	struct engine talker = { .ops = &ops };

	(void)state;
	left = events;
	monitor_look(&monitor, &talker);
	assert_string_equal(logged(), "<5>one\n<5>two\n<5>three\n");
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_the_first_look_tells_that_it_serves),
		EACH(test_a_state_is_told_once),
		EACH(test_every_change_of_state_is_told),
		EACH(test_a_state_without_a_text_is_none_to_fall_over),
		EACH(test_a_change_of_state_is_not_logged_twice),
		EACH(test_an_event_is_logged_with_its_priority_once),
		EACH(test_all_events_are_taken_in_one_look),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
