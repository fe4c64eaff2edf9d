#include "client/ctl_progress.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	LONG_AGO_MS = 2000,
};

static int saved = -1;

static void divert(int fd)
{
	saved = dup(STDERR_FILENO);
	assert_true(saved >= 0);
	assert_true(dup2(fd, STDERR_FILENO) >= 0);
}

static void restore(void)
{
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	close(saved);
}

/* What 5 and then 7 records, and the end, write to FD. */
static void show(int fd)
{
	struct ctl_progress progress;

	divert(fd);
	ctl_progress_init(&progress, "imported");
	ctl_progress_update(&progress, 4); /* too early */
	progress.drawn_ms -= LONG_AGO_MS;
	ctl_progress_update(&progress, 5);
	ctl_progress_update(&progress, 6); /* too early again */
	progress.drawn_ms -= LONG_AGO_MS;
	ctl_progress_update(&progress, 7);
	ctl_progress_clear(&progress);
	progress.began_ms -= LONG_AGO_MS;
	ctl_progress_finish(&progress, 8);
	restore();
}

static void test_without_a_terminal_only_the_end_is_told(void **state)
{
	int fd = memfd_create("stderr", MFD_CLOEXEC);
	char text[256];
	ssize_t n;

	(void)state;
	assert_true(fd >= 0);
	show(fd);
	n = pread(fd, text, sizeof(text) - 1, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	assert_string_equal(text, "8 records imported\n");
	close(fd);
}

static void show_share(int fd)
{
	struct ctl_progress progress;

	divert(fd);
	ctl_progress_init(&progress, "backed up");
	ctl_progress_share(&progress, 1, 2); /* too early */
	progress.drawn_ms -= LONG_AGO_MS;
	ctl_progress_share(&progress, 1 << 20, 3 << 20);
	progress.drawn_ms -= LONG_AGO_MS;
	ctl_progress_share(&progress, 0, 0);
	ctl_progress_clear(&progress);
	restore();
}

static void test_without_a_terminal_no_share_is_told(void **state)
{
	int fd = memfd_create("stderr", MFD_CLOEXEC);
	char text[16];

	(void)state;
	assert_true(fd >= 0);
	show_share(fd);
	assert_int_equal(pread(fd, text, sizeof(text), 0), 0);
	close(fd);
}

/* The two ends of a terminal that changes nothing on the way. */
static void open_terminal(int *master, int *slave)
{
	struct termios raw;

	*master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(*master >= 0);
	assert_int_equal(grantpt(*master), 0);
	assert_int_equal(unlockpt(*master), 0);
	*slave = open(ptsname(*master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(*slave >= 0);
	assert_int_equal(tcgetattr(*slave, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(*slave, TCSANOW, &raw), 0);
}

static void test_a_terminal_shows_a_line_now_and_then(void **state)
{
	static const char expected[] = "\r5 records imported"
				       "\r7 records imported"
				       "\r\033[K\r\033[K"
				       "8 records imported in ";
	char text[256] = "";
	size_t len = 0;
	double seconds;
	double rate;
	char *at;
	int master;
	int slave;

	(void)state;
	open_terminal(&master, &slave);
	show(slave);
	while (!strchr(text, '\n')) {
		ssize_t n = read(master, text + len, sizeof(text) - 1 - len);

		assert_true(n > 0);
		len += (size_t)n;
	}
	assert_memory_equal(text, expected, strlen(expected));
	seconds = strtod(text + strlen(expected), &at);
	assert_memory_equal(at, " s (", 4);
	rate = strtod(at + 4, &at);
	assert_string_equal(at, "/s)\n");
	assert_true(seconds >= (double)LONG_AGO_MS / 1000);
	assert_true(rate <= 4);
	close(slave);
	close(master);
}

static void test_a_terminal_shows_the_share_of_all_bytes(void **state)
{
	static const char expected[] = "\r33% of 3.0 MiB backed up\033[K"
				       "\r0% of 0.0 MiB backed up\033[K"
				       "\r\033[K";
	char text[256] = "";
	size_t len = 0;
	int master;
	int slave;

	(void)state;
	open_terminal(&master, &slave);
	show_share(slave);
	while (len < strlen(expected)) {
		ssize_t n = read(master, text + len, sizeof(text) - 1 - len);

		assert_true(n > 0);
		len += (size_t)n;
	}
	assert_string_equal(text, expected);
	close(slave);
	close(master);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_terminal_no_share_is_told),
		cmocka_unit_test(test_a_terminal_shows_the_share_of_all_bytes),
		cmocka_unit_test(test_without_a_terminal_only_the_end_is_told),
		cmocka_unit_test(test_a_terminal_shows_a_line_now_and_then),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
