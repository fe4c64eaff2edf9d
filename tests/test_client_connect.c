#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/getme.h"
#include "tests/support/client_fixture.h"

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, client_fixture_setup,            \
					client_fixture_teardown)

enum {
	NOBODY = 65534,
};

/* Opens PATH, expects RESULT and that the text has PART in it. */
static void expect_open(const char *path, int64_t timeout_ms, int result,
			const char *part)
{
	struct getme_options options = GETME_OPTIONS_INIT;
	struct getme *handle = NULL;
	char text[256] = "";

	options.socket = path;
	options.timeout_ms = timeout_ms;
	assert_int_equal(getme_open(&options, &handle, text, sizeof(text)),
			 result);
	if (!strstr(text, part))
		fail_msg("\"%s\" is not in \"%s\"", part, text);
	assert_null(strchr(text, '\n'));
	if (result != 0)
		assert_null(handle);
	getme_close(handle);
}

static void test_open_tells_its_path(void **state)
{
	struct client_fixture *fixture = *state;

	assert_string_equal(getme_socket_path(fixture->handle),
			    fake_server_path(fixture->server));
	assert_true(getme_fd(fixture->handle) >= 0);
	assert_int_equal(fcntl(getme_fd(fixture->handle), F_GETFD), FD_CLOEXEC);
	assert_int_equal(fake_server_seen(fixture->server, METHOD_HELLO), 1);
}

static void test_nobody_there(void **state)
{
	struct client_fixture *fixture = *state;
	char path[108];

	snprintf(path, sizeof(path), "%s", fake_server_path(fixture->server));
	fake_server_down(fixture->server);
	expect_open(path, 0, GETME_E_NO_DAEMON, "is getmed running?");
	expect_open(path, 0, GETME_E_NO_DAEMON, path);
	expect_open("/nonexistent/folder/s", 0, GETME_E_NO_DAEMON,
		    "No such file");
	expect_open("/etc/passwd/s", 0, GETME_E_NO_DAEMON, "Not a directory");
	expect_open("/etc/passwd", 0, GETME_E_NO_DAEMON, "refused");
	fake_server_up(fixture->server);
	expect_open(path, 0, 0, "");
}

static void test_arguments_of_open(void **state)
{
	struct getme_options options = GETME_OPTIONS_INIT;
	struct getme *handle = NULL;
	char path[109];
	char text[8] = "";

	(void)state;
	memset(path, 'p', sizeof(path));
	path[108] = '\0';
	expect_open(path, 0, -ENAMETOOLONG, "too long");
	expect_open("", 0, -EINVAL, "option");
	expect_open("/x", -2, -EINVAL, "option");
	assert_int_equal(getme_open(NULL, NULL, text, sizeof(text)), -EINVAL);
	assert_string_equal(text, "no plac");
	assert_int_equal(getme_open(NULL, NULL, NULL, 0), -EINVAL);
	options.socket = "/nonexistent/s";
	assert_int_equal(getme_open(&options, &handle, NULL, 99),
			 GETME_E_NO_DAEMON);
	assert_int_equal(getme_open(&options, &handle, text, 0),
			 GETME_E_NO_DAEMON);
	options.socket = NULL;
	options.where = (enum getme_where)99;
	assert_int_equal(getme_open(&options, &handle, NULL, 0), -EINVAL);
	options.size = 1;
	assert_int_equal(getme_open(&options, &handle, NULL, 0), -EINVAL);
}

/* A program that was built against an older, or a newer, library. */
static void test_options_of_other_ages(void **state)
{
	struct client_fixture *fixture = *state;
	struct {
		struct getme_options options;
		char more[16];
	} newer = { GETME_OPTIONS_INIT, { 0 } };
	struct getme_options older = GETME_OPTIONS_INIT;
	struct getme *handle = NULL;

	older.size = offsetof(struct getme_options, where);
	older.socket = fake_server_path(fixture->server);
	older.where = (enum getme_where)99;
	older.timeout_ms = -99;
	assert_int_equal(getme_open(&older, &handle, NULL, 0), 0);
	getme_close(handle);
	newer.options.size = sizeof(newer);
	newer.options.socket = fake_server_path(fixture->server);
	assert_int_equal(getme_open(&newer.options, &handle, NULL, 0), 0);
	getme_close(handle);
	handle = NULL;
	newer.more[15] = 1;
	assert_int_equal(getme_open(&newer.options, &handle, NULL, 0), -EINVAL);
	assert_null(handle);
}

static void test_socket_that_is_not_for_us(void **state)
{
	struct client_fixture *fixture = *state;
	const char *path = fake_server_path(fixture->server);
	int status;
	pid_t pid;

	if (geteuid() != 0) {
		print_message("skipped: only root may become another user\n");
		skip();
	}
	assert_int_equal(chmod(path, 0600), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char text[256] = "";
		struct getme_options options = GETME_OPTIONS_INIT;
		struct getme *handle;
		int r;

		options.socket = path;
		if (setuid(NOBODY) != 0)
			_exit(2);
		r = getme_open(&options, &handle, text, sizeof(text));
		_exit(r == GETME_E_NOT_ALLOWED && strstr(text, path) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_other_protocol_versions(void **state)
{
	struct client_fixture *fixture = *state;
	const char *path = fake_server_path(fixture->server);
	struct fake_hello hello = { .protocol = 2 };
	struct fake_rule rule = { .method = METHOD_HELLO,
				  .act = FAKE_ERROR,
				  .code = MESSAGE_ERROR_VERSION,
				  .text = "protocol 1 is too old" };

	fake_server_set_hello(fixture->server, hello);
	expect_open(path, 0, GETME_E_VERSION, "protocol 2");
	fake_server_rule(fixture->server, rule);
	expect_open(path, 0, GETME_E_VERSION, "protocol 1 is too old");
}

/* Each way in which hello may go wrong, and what getme_open makes of it. */
static void test_hello_that_fails(void **state)
{
	static const struct {
		enum fake_act act;
		size_t at;
		unsigned int code;
		int result;
		const char *part;
	} rows[] = {
		{ FAKE_LOSE, 0, 0, GETME_E_NO_DAEMON, "at once" },
		{ FAKE_CUT, 1, 0, GETME_E_NO_DAEMON, "at once" },
		{ FAKE_CUT, 20, 0, GETME_E_NO_DAEMON, "at once" },
		{ FAKE_WRONG_ID, 0, 0, GETME_E_PROTOCOL, "out of turn" },
		{ FAKE_WRONG_SHAPE, 0, 0, GETME_E_PROTOCOL, "hello" },
		{ FAKE_NO_RPC, 0, 0, GETME_E_PROTOCOL, "no getMe daemon" },
		{ FAKE_NOTIFY, 0, 0, GETME_E_PROTOCOL, "no getMe daemon" },
		{ FAKE_HUGE, 0, 0, GETME_E_PROTOCOL, "no getMe daemon" },
		{ FAKE_EMPTY, 0, 0, GETME_E_PROTOCOL, "no getMe daemon" },
		{ FAKE_REFUSE, 0, MESSAGE_ERROR_BUSY, GETME_E_BUSY, "rest" },
		{ FAKE_REFUSE, 0, MESSAGE_ERROR_NOT_ALLOWED,
		  GETME_E_NOT_ALLOWED, "rest" },
		{ FAKE_ERROR, 0, MESSAGE_ERROR_CLOSING, GETME_E_CLOSING,
		  "rest" },
	};
	struct client_fixture *fixture = *state;
	struct fake_rule rule = { .method = METHOD_HELLO,
				  .text = "give it a rest" };
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		rule.act = rows[i].act;
		rule.at = rows[i].at;
		rule.code = rows[i].code;
		fake_server_forget_rules(fixture->server);
		fake_server_rule(fixture->server, rule);
		expect_open(fake_server_path(fixture->server), FIXTURE_LONG_MS,
			    rows[i].result, rows[i].part);
	}
}

static void test_hello_without_an_answer_times_out(void **state)
{
	struct client_fixture *fixture = *state;
	struct fake_rule rule = { .method = METHOD_HELLO, .act = FAKE_SILENT };

	fake_server_rule(fixture->server, rule);
	expect_open(fake_server_path(fixture->server), FIXTURE_SHORT_MS,
		    GETME_E_TIMEOUT, "in time");
}

/* Nobody accepts, and the kernel's queue of connections is full. */
static void test_full_queue_times_out(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char folder[] = "/tmp/getme-test-XXXXXX";
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	int filler = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	assert_true(listener >= 0 && filler >= 0);
	assert_non_null(mkdtemp(folder));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", folder);
	assert_int_equal(
		bind(listener, (struct sockaddr *)&address, sizeof(address)),
		0);
	assert_int_equal(listen(listener, 0), 0);
	assert_int_equal(
		connect(filler, (struct sockaddr *)&address, sizeof(address)),
		0);
	expect_open(address.sun_path, FIXTURE_SHORT_MS, GETME_E_TIMEOUT,
		    "accept");
	close(filler);
	close(listener);
	unlink(address.sun_path);
	rmdir(folder);
}

static void test_no_descriptors_left(void **state)
{
	struct client_fixture *fixture = *state;
	struct rlimit limit;
	struct rlimit none;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	expect_open(fake_server_path(fixture->server), 0, -EMFILE,
		    "Too many open files");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void test_value_limit_is_the_daemons(void **state)
{
	struct client_fixture *fixture = *state;
	struct fake_hello hello = { .protocol = 1, .value_max = 10 };
	struct getme *handle;

	fake_server_set_hello(fixture->server, hello);
	handle = client_fixture_open(fixture->server, FIXTURE_LONG_MS);
	assert_int_equal(fixture_put(handle, "k", "0123456789"), 0);
	assert_int_equal(fixture_put(handle, "k", "0123456789x"),
			 GETME_E_TOO_LARGE);
	assert_non_null(strstr(getme_last_error(handle), "10 bytes"));
	assert_int_equal(
		getme_submit_put(handle, "k", 1, "0123456789x", 11, NULL, NULL),
		GETME_E_TOO_LARGE);
	assert_int_equal(getme_pending(handle), 0);
	assert_int_equal(fake_server_seen(fixture->server, METHOD_PUT), 1);
	/* A daemon that was restarted with a higher limit is believed. */
	hello.value_max = 11;
	fake_server_set_hello(fixture->server, hello);
	fake_server_drop(fixture->server);
	assert_int_equal(fixture_put(handle, "k", "0123456789x"), 0);
	getme_close(handle);
}

static void test_request_limit_is_the_daemons(void **state)
{
	struct client_fixture *fixture = *state;
	struct fake_hello hello = { .protocol = 1, .frame_max = 100 };
	struct getme *handle;
	char bytes[100] = { 0 };

	fake_server_set_hello(fixture->server, hello);
	handle = client_fixture_open(fixture->server, FIXTURE_LONG_MS);
	assert_int_equal(getme_put(handle, "k", 1, bytes, 50, NULL, NULL), 0);
	assert_int_equal(getme_put(handle, "k", 1, bytes, 100, NULL, NULL),
			 GETME_E_TOO_LARGE);
	assert_int_equal(
		getme_get(handle, bytes, 100, &(struct getme_value){ 0 }),
		GETME_E_TOO_LARGE);
	assert_int_equal(fixture_put(handle, "k", "v"), 0);
	getme_close(handle);
}

static void test_two_handles_are_independent(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *other =
		client_fixture_open(fixture->server, FIXTURE_LONG_MS);
	struct getme_value first;
	struct getme_value second;

	assert_int_equal(fixture_put(fixture->handle, "a", "1"), 0);
	assert_int_equal(fixture_put(other, "b", "2"), 0);
	assert_int_equal(fixture_get(fixture->handle, "b", &first), 0);
	assert_int_equal(fixture_get(other, "a", &second), 0);
	assert_true(fixture_is(&first, "2"));
	assert_true(fixture_is(&second, "1"));
	getme_close(other);
	assert_int_equal(getme_ping(fixture->handle), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_open_tells_its_path),
		TEST(test_nobody_there),
		TEST(test_arguments_of_open),
		TEST(test_options_of_other_ages),
		TEST(test_socket_that_is_not_for_us),
		TEST(test_other_protocol_versions),
		TEST(test_hello_that_fails),
		TEST(test_hello_without_an_answer_times_out),
		TEST(test_full_queue_times_out),
		TEST(test_no_descriptors_left),
		TEST(test_value_limit_is_the_daemons),
		TEST(test_request_limit_is_the_daemons),
		TEST(test_two_handles_are_independent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
