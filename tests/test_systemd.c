#include "daemon/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "tests/support/tempdir.h"

enum {
	FIRST_FD = 3,	/* SD_LISTEN_FDS_START */
	NAME_LEN = 100, /* bytes: a socket's path has at most 107 */
};

static char *dir;
static struct failure failure;

/* OUT = the test's folder, a slash, NAME. */
static void join(char out[NAME_LEN], const char *name)
{
	snprintf(out, NAME_LEN, "%s/%s", dir, name);
}

static int begin(void **state)
{
	(void)state;
	dir = tempdir_new();
	memset(&failure, 0, sizeof(failure));
	return 0;
}

static int end(void **state)
{
	(void)state;
	tempdir_free(dir);
	return 0;
}

static struct sockaddr_un address_of(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char path[NAME_LEN];

	join(path, name);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return address;
}

static int bound_socket(const char *name, int type)
{
	struct sockaddr_un address = address_of(name);
	int fd = socket(AF_UNIX, type, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)),
			 0);
	return fd;
}

static void set_number(const char *name, long number)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", number);
	setenv(name, text, 1);
}

/*
 * In a child, since descriptor 3 may be anybody's here: takes the listener
 * when N are said to be passed and PASSED is the first.  The exit status
 * tells what came: 0 the listener, 1 none, 2 an error with a text.
 */
static int take(int n, int passed)
{
	int status = 0;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		struct failure why = { .text = "" };
		int fd = -2;
		int result;

		if (passed >= 0)
			dup2(passed, FIRST_FD);
		for (int i = 1; i < n; i++)
			dup2(FIRST_FD, FIRST_FD + i);
		set_number("LISTEN_PID", (long)getpid());
		set_number("LISTEN_FDS", n);
		result = systemd_take_listener(&fd, &why);
		if (result == 0)
			_exit(fd == FIRST_FD ? 0 : fd == -1 ? 1 : 3);
		_exit(result == -EINVAL && why.text[0] ? 2 : 3);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_without_systemd_there_is_no_listener(void **state)
{
	int fd = 7;

	(void)state;
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	assert_int_equal(systemd_take_listener(&fd, &failure), 0);
	assert_int_equal(fd, -1);
}

static void test_one_listening_stream_socket_is_taken(void **state)
{
	int fd = bound_socket("s", SOCK_STREAM);

	(void)state;
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(take(1, fd), 0);
	assert_int_equal(take(2, fd), 2);
	close(fd);
}

static void test_anything_else_is_refused(void **state)
{
	int silent = bound_socket("silent", SOCK_STREAM);
	int datagram = bound_socket("datagram", SOCK_DGRAM);
	int inet = socket(AF_INET, SOCK_STREAM, 0);
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(take(1, silent), 2);
	assert_int_equal(take(1, datagram), 2);
	if (inet >= 0)
		assert_int_equal(take(1, inet), 2);
	assert_int_equal(take(1, file), 2);
	close(silent);
	close(datagram);
	close(inet);
	close(file);
}

static void check_told(int fd, const char *expected)
{
	char text[256];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	assert_true(n > 0);
	text[n] = '\0';
	assert_string_equal(text, expected);
}

static void test_systemd_is_told(void **state)
{
	struct sockaddr_un address = address_of("notify");
	int fd = bound_socket("notify", SOCK_DGRAM);

	(void)state;
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	systemd_ready();
	check_told(fd, "READY=1");
	systemd_stopping();
	check_told(fd, "STOPPING=1");
	systemd_status("how it is");
	check_told(fd, "STATUS=how it is");
	systemd_watchdog();
	check_told(fd, "WATCHDOG=1");
	systemd_extend_timeout(30000000);
	check_told(fd, "EXTEND_TIMEOUT_USEC=30000000");
	unsetenv("NOTIFY_SOCKET");
	systemd_ready();
	assert_true(recv(fd, &address, 1, MSG_DONTWAIT) < 0);
	close(fd);
}

static void test_the_watchdog_is_fed_at_half_its_time(void **state)
{
	(void)state;
	unsetenv("WATCHDOG_PID");
	unsetenv("WATCHDOG_USEC");
	assert_int_equal(systemd_watchdog_interval_ms(), 0);
	setenv("WATCHDOG_USEC", "30000000", 1);
	assert_int_equal(systemd_watchdog_interval_ms(), 15000);
	setenv("WATCHDOG_USEC", "1", 1);
	assert_int_equal(systemd_watchdog_interval_ms(), 1);
	/* Another process's. */
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(systemd_watchdog_interval_ms(), 0);
	unsetenv("WATCHDOG_PID");
	unsetenv("WATCHDOG_USEC");
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_without_systemd_there_is_no_listener),
		EACH(test_one_listening_stream_socket_is_taken),
		EACH(test_anything_else_is_refused),
		EACH(test_systemd_is_told),
		EACH(test_the_watchdog_is_fed_at_half_its_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
