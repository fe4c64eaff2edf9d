#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/getme.h"
#include "tests/support/client_fixture.h"

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, client_fixture_setup,            \
					client_fixture_teardown)

/* Runs CHILD in a child, where it returns 0, or the line that failed. */
static void in_child(struct client_fixture *fixture,
		     int (*child)(struct client_fixture *fixture))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(child(fixture));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		print_error("the child failed at line %d\n",
			    WEXITSTATUS(status) + 256);
	assert_int_equal(status, 0);
}

#define WANT(condition)                                                        \
	do {                                                                   \
		if (!(condition))                                              \
			return __LINE__ % 256;                                 \
	} while (0)

static int use(struct client_fixture *fixture)
{
	struct getme *handle = fixture->handle;
	struct getme_answer answer;

	WANT(getme_pending(handle) == 0);
	WANT(getme_fd(handle) == -1);
	WANT(getme_events(handle) == 0);
	WANT(getme_collect(handle, 1, &answer) == GETME_END);
	WANT(fixture_put(handle, "child", "was here") == 0);
	WANT(fixture_has(handle, "parent", "first"));
	WANT(getme_fd(handle) >= 0);
	getme_close(handle);
	return 0;
}

/* Parent and child use one handle each as if the other were not there. */
static void test_child_gets_a_connection_of_its_own(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	struct getme_answer answer;
	int fd = getme_fd(handle);

	assert_int_equal(fixture_put(handle, "parent", "first"), 0);
	assert_int_equal(
		getme_submit_put(handle, "parent", 6, "second", 6, NULL, NULL),
		0);
	assert_int_equal(getme_submit_get(handle, "child", 5, NULL), 0);
	in_child(fixture, use);
	assert_int_equal(getme_fd(handle), fd);
	assert_int_equal(getme_pending(handle), 2);
	assert_int_equal(getme_collect(handle, 1, &answer), 0);
	assert_int_equal(answer.result, 0);
	assert_int_equal(getme_collect(handle, 1, &answer), 0);
	assert_int_equal(answer.result, 0);
	assert_true(fixture_is(&answer.value, "was here"));
	assert_int_equal(fake_server_connections(fixture->server), 2);
	/* What the parent had gathered went out once. */
	assert_int_equal(fake_server_seen(fixture->server, METHOD_PUT), 3);
}

static int close_at_once(struct client_fixture *fixture)
{
	getme_close(fixture->handle);
	return 0;
}

static void test_child_may_close_the_handle(void **state)
{
	struct client_fixture *fixture = *state;

	in_child(fixture, close_at_once);
	assert_int_equal(getme_ping(fixture->handle), 0);
	assert_int_equal(fake_server_connections(fixture->server), 1);
}

static struct getme_scan *scan;

static int scan_on(struct client_fixture *fixture)
{
	struct getme_item item;

	(void)fixture;
	WANT(getme_scan_next(scan, &item) == 0);
	WANT(item.key.len == 1 && memcmp(item.key.data, "b", 1) == 0);
	WANT(getme_scan_next(scan, &item) == GETME_END);
	return 0;
}

static void test_child_goes_on_with_a_scan(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme_scan_options options = GETME_SCAN_OPTIONS_INIT;
	struct getme_item item;

	assert_int_equal(fixture_put(fixture->handle, "a", "1"), 0);
	assert_int_equal(fixture_put(fixture->handle, "b", "1"), 0);
	options.step = 1;
	assert_int_equal(getme_scan_open(fixture->handle, &options, &scan), 0);
	assert_int_equal(getme_scan_next(scan, &item), 0);
	in_child(fixture, scan_on);
	assert_int_equal(getme_scan_next(scan, &item), 0);
	assert_int_equal(getme_scan_next(scan, &item), GETME_END);
	getme_scan_close(scan);
}

static int without_daemon(struct client_fixture *fixture)
{
	WANT(fixture_put(fixture->handle, "k", "v") == GETME_E_NO_DAEMON);
	return 0;
}

static void test_child_without_a_daemon(void **state)
{
	struct client_fixture *fixture = *state;

	fake_server_down(fixture->server);
	in_child(fixture, without_daemon);
	fake_server_up(fixture->server);
	assert_int_equal(getme_ping(fixture->handle), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_child_gets_a_connection_of_its_own),
		TEST(test_child_may_close_the_handle),
		TEST(test_child_goes_on_with_a_scan),
		TEST(test_child_without_a_daemon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
