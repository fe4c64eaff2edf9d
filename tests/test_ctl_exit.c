#include "client/ctl_exit.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
/* cmocka wants the first four above */
#include <cmocka.h>

#include "client/getme.h"

static void test_every_result_has_its_status(void **state)
{
	static const struct {
		int result;
		enum ctl_status status;
	} rows[] = {
		{ GETME_OK, CTL_DONE },
		{ GETME_END, CTL_DONE },
		{ GETME_NOT_FOUND, CTL_NO },
		{ GETME_CONDITION, CTL_NO },
		{ GETME_E_NO_DAEMON, CTL_NO_DAEMON },
		{ GETME_E_NOT_ALLOWED, CTL_NOT_ALLOWED },
		{ GETME_E_UNKNOWN_OUTCOME, CTL_UNKNOWN },
		{ GETME_E_TIMEOUT, CTL_TIMEOUT },
		{ GETME_E_PROTOCOL, CTL_ERROR },
		{ GETME_E_VERSION, CTL_ERROR },
		{ GETME_E_DISCONNECTED, CTL_ERROR },
		{ GETME_E_FULL, CTL_ERROR },
		{ GETME_E_READ_ONLY, CTL_ERROR },
		{ GETME_E_CORRUPT, CTL_ERROR },
		{ GETME_E_IO, CTL_ERROR },
		{ GETME_E_NO_MEMORY, CTL_ERROR },
		{ GETME_E_NOT_INTEGER, CTL_ERROR },
		{ GETME_E_OVERFLOW, CTL_ERROR },
		{ GETME_E_TOO_LARGE, CTL_ERROR },
		{ GETME_E_BUSY, CTL_ERROR },
		{ GETME_E_UNSUPPORTED, CTL_ERROR },
		{ GETME_E_CLOSING, CTL_ERROR },
		{ GETME_E_BAD_REQUEST, CTL_ERROR },
		{ GETME_E_BAD_CURSOR, CTL_ERROR },
		{ GETME_E_INTERNAL, CTL_ERROR },
		{ -ENAMETOOLONG, CTL_USAGE },
		{ -ENOMEM, CTL_ERROR },
		{ -EINVAL, CTL_ERROR },
		{ 99, CTL_ERROR },
		{ -9999, CTL_ERROR },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(ctl_exit_status(rows[i].result),
				 rows[i].status);
}

static void test_statuses_are_what_scripts_rely_on(void **state)
{
	(void)state;
	assert_int_equal(CTL_DONE, 0);
	assert_int_equal(CTL_NO, 1);
	assert_int_equal(CTL_USAGE, 2);
	assert_int_equal(CTL_NO_DAEMON, 3);
	assert_int_equal(CTL_NOT_ALLOWED, 4);
	assert_int_equal(CTL_ERROR, 5);
	assert_int_equal(CTL_UNKNOWN, 6);
	assert_int_equal(CTL_TIMEOUT, 7);
}

/* What ctl_complain("%s", TEXT) writes to stderr. */
static void complaint(const char *text, char *out, size_t out_len)
{
	int saved = dup(STDERR_FILENO);
	int fd = memfd_create("stderr", MFD_CLOEXEC);
	ssize_t n;

	assert_true(saved >= 0 && fd >= 0);
	fflush(stderr);
	assert_true(dup2(fd, STDERR_FILENO) >= 0);
	ctl_complain("%s", text);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	n = pread(fd, out, out_len - 1, 0);
	assert_true(n >= 0);
	out[n] = '\0';
	close(fd);
	close(saved);
}

static void test_a_complaint_is_one_line(void **state)
{
	char out[4096];

	(void)state;
	complaint("get: no such key", out, sizeof(out));
	assert_string_equal(out, "getmectl: get: no such key\n");
	complaint("a\nb\033[31m\r\x7fz", out, sizeof(out));
	assert_string_equal(out, "getmectl: a?b?[31m??z\n");
}

static void test_a_long_complaint_is_cut(void **state)
{
	static char text[9000];
	char out[9000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	complaint(text, out, sizeof(out));
	assert_true(strlen(out) > 1000 && strlen(out) < 3000);
	assert_int_equal(out[strlen(out) - 1], '\n');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_result_has_its_status),
		cmocka_unit_test(test_statuses_are_what_scripts_rely_on),
		cmocka_unit_test(test_a_complaint_is_one_line),
		cmocka_unit_test(test_a_long_complaint_is_cut),
	};

	return cmocka_run_group_tests_name("ctl_exit", tests, NULL, NULL);
}
