/*
 * limit: what no store can go beyond on this machine.
 *
 *	limit [-s SECONDS] ping		one byte to and fro over a Unix
 *					socket between two processes
 *	limit [-s SECONDS] sync FILE	append 128 bytes, then fdatasync
 *
 * Prints the line of stopwatch.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/stopwatch.h"

enum { APPEND_LEN = 128 };

__attribute__((noreturn)) static void echo(int fd)
{
	char byte;

	while (read(fd, &byte, 1) == 1)
		if (write(fd, &byte, 1) != 1)
			break;
	_exit(0);
}

static void ping(double seconds)
{
	struct stopwatch watch;
	uint64_t n = 0;
	int fds[2];
	char byte = 0;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		die("socketpair");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		close(fds[0]);
		echo(fds[1]);
	}
	close(fds[1]);
	stopwatch_start(&watch, pid);
	for (; now_s() < watch.begin + seconds; n++)
		if (write(fds[0], &byte, 1) != 1 || read(fds[0], &byte, 1) != 1)
			die("ping");
	stopwatch_print(&watch, n);
	close(fds[0]);
	waitpid(pid, NULL, 0);
}

static void append(double seconds, const char *path)
{
	static const char bytes[APPEND_LEN];
	struct stopwatch watch;
	uint64_t n = 0;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		die(path);
	stopwatch_start(&watch, 0);
	for (; now_s() < watch.begin + seconds; n++)
		if (write(fd, bytes, sizeof(bytes)) != sizeof(bytes) ||
		    fdatasync(fd) < 0)
			die(path);
	stopwatch_print(&watch, n);
	close(fd);
	unlink(path);
}

int main(int argc, char **argv)
{
	double seconds = 1;
	int at = 1;

	if (argc > 2 && strcmp(argv[1], "-s") == 0) {
		seconds = strtod(argv[2], NULL);
		at = 3;
	}
	if (argc == at + 1 && strcmp(argv[at], "ping") == 0) {
		ping(seconds);
	} else if (argc == at + 2 && strcmp(argv[at], "sync") == 0) {
		append(seconds, argv[at + 1]);
	} else {
		fprintf(stderr, "usage: limit [-s SECONDS] ping|sync FILE\n");
		return 2;
	}
	return 0;
}
