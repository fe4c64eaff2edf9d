#include "daemon/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "tests/support/tempdir.h"

enum {
	NAME_LEN = 100, /* bytes: a socket's path has at most 107 */
};

static char *dir;
static char path[NAME_LEN];
static struct listener listener;
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
	join(path, "s");
	listener_init(&listener);
	memset(&failure, 0, sizeof(failure));
	return 0;
}

static int end(void **state)
{
	(void)state;
	listener_close(&listener);
	tempdir_free(dir);
	return 0;
}

static bool exists(void)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static int connect_to(const char *to)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	int result = 0;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", to);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		result = -errno;
	close(fd);
	return result;
}

/* What a daemon that was killed leaves. */
static void leave_stale(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)),
			 0);
	close(fd);
}

static void test_it_listens_with_its_mode_and_removes_its_file(void **state)
{
	const mode_t modes[] = { 0660, 0600, 0666 };
	mode_t mask = umask(077);
	struct stat st;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(listener_check(path, &failure), 0);
		assert_false(exists());
		assert_int_equal(
			listener_open(&listener, path, modes[i], &failure), 0);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, modes[i]);
		assert_int_equal(connect_to(path), 0);
		listener_close(&listener);
		assert_false(exists());
	}
	assert_int_equal(umask(mask), 077);
}

static void test_a_live_socket_is_refused_and_left_alone(void **state)
{
	struct listener second;

	(void)state;
	listener_init(&second);
	assert_int_equal(listener_open(&listener, path, 0600, &failure), 0);
	assert_int_equal(listener_check(path, &failure), -EADDRINUSE);
	assert_non_null(strstr(failure.text, "in use"));
	assert_int_equal(listener_open(&second, path, 0600, &failure),
			 -EADDRINUSE);
	listener_close(&second);
	assert_int_equal(connect_to(path), 0);
}

static void test_a_live_socket_with_a_full_backlog_is_refused(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	int first = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)),
			 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(
		connect(first, (struct sockaddr *)&address, sizeof(address)),
		0);
	assert_int_equal(listener_check(path, &failure), -EADDRINUSE);
	close(first);
	close(fd);
}

static void test_a_stale_socket_is_replaced_only_by_open(void **state)
{
	(void)state;
	leave_stale();
	assert_int_equal(listener_check(path, &failure), 0);
	assert_true(exists());
	assert_int_equal(listener_open(&listener, path, 0600, &failure), 0);
	assert_int_equal(connect_to(path), 0);
}

static void test_what_is_no_socket_is_refused(void **state)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	(void)state;
	close(fd);
	assert_int_equal(listener_check(path, &failure), -EEXIST);
	assert_int_equal(listener_open(&listener, path, 0600, &failure),
			 -EEXIST);
	assert_true(exists());
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/nowhere", path), 0);
	assert_int_equal(listener_check(path, &failure), -EEXIST);
}

static void test_a_path_that_is_too_long_is_told(void **state)
{
	char limit[108], over[109];

	(void)state;
	memset(limit, 'x', sizeof(limit));
	memset(over, 'x', sizeof(over));
	limit[107] = '\0';
	over[108] = '\0';
	assert_int_equal(listener_check(limit, &failure), 0);
	assert_int_equal(listener_check(over, &failure), -ENAMETOOLONG);
	assert_non_null(strstr(failure.text, "107"));
	assert_non_null(strstr(failure.text, "--socket"));
}

static void test_a_socket_file_that_is_not_ours_stays(void **state)
{
	(void)state;
	assert_int_equal(listener_open(&listener, path, 0600, &failure), 0);
	assert_int_equal(unlink(path), 0);
	leave_stale();
	listener_close(&listener);
	assert_true(exists());
}

static void test_a_passed_socket_stays(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)),
			 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(listener_adopt(&listener, fd), 0);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	listener_close(&listener);
	assert_true(exists());
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_it_listens_with_its_mode_and_removes_its_file),
		EACH(test_a_live_socket_is_refused_and_left_alone),
		EACH(test_a_live_socket_with_a_full_backlog_is_refused),
		EACH(test_a_stale_socket_is_replaced_only_by_open),
		EACH(test_what_is_no_socket_is_refused),
		EACH(test_a_path_that_is_too_long_is_told),
		EACH(test_a_socket_file_that_is_not_ours_stays),
		EACH(test_a_passed_socket_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
