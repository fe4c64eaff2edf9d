/*
 * first_reply: how long a server takes from its start to its first answer.
 *
 *	first_reply [-9] [-k KEYS] WIRE SOCKET COMMAND [ARGUMENT...]
 *
 * Starts COMMAND, asks for a key in the middle of KEYS until the right value
 * comes, and prints seconds and, as stopwatch.h has it, the processor time
 * that the server used for it, in microseconds.  Then ends the server, with
 * SIGTERM or, with -9, SIGKILL, which makes the next start one after a crash.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/keys.h"
#include "tests/bench/stopwatch.h"
#include "tests/bench/wire.h"

enum {
	IN_LEN = 64 << 10,
	GIVE_UP_S = 600,
	PAUSE_NS = 200000, /* between two tries */
};

static pid_t start(char **command)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid > 0)
		return pid;
	if (freopen("/dev/null", "w", stdout) == NULL ||
	    freopen("/dev/null", "w", stderr) == NULL)
		_exit(127);
	execvp(command[0], command);
	_exit(127);
}

static int try_connect(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) ==
	    0)
		return fd;
	close(fd);
	return -1;
}

/* True: the right value came. */
static bool ask(const struct wire *wire, int fd, uint64_t key)
{
	static uint8_t in[IN_LEN];
	uint8_t out[1024];
	struct wire_reply reply = { .len = 0 };
	size_t len = 0;

	wire_put(&wire->get, out, key, 0);
	if (send(fd, out, wire->get.len, MSG_NOSIGNAL) !=
	    (ssize_t)wire->get.len)
		return false;
	while (len < sizeof(in)) {
		ssize_t n = recv(fd, in + len, sizeof(in) - len, 0);

		if (n <= 0)
			return false;
		len += (size_t)n;
		if (wire->parse(in, len, true, &reply))
			return reply.ok && value_is(reply.value, key);
	}
	return false;
}

static void wait_for_answer(const struct wire *wire, const char *path,
			    uint64_t key, pid_t pid)
{
	const struct timespec pause = { 0, PAUSE_NS };
	const double give_up = now_s() + GIVE_UP_S;
	bool answered = false;

	while (!answered) {
		int fd = try_connect(path);

		if (fd >= 0) {
			answered = ask(wire, fd, key);
			close(fd);
		}
		errno = 0;
		if (waitpid(pid, NULL, WNOHANG) == pid)
			die("first_reply: the server has ended");
		if (now_s() > give_up) {
			kill(pid, SIGKILL);
			die("first_reply: no answer");
		}
		if (!answered)
			nanosleep(&pause, NULL);
	}
}

int main(int argc, char **argv)
{
	int end_with = SIGTERM;
	uint64_t n_keys = 1000000;
	struct wire wire;
	double begin;
	pid_t pid;
	int option;

	while ((option = getopt(argc, argv, "+9k:")) != -1) {
		if (option == '9')
			end_with = SIGKILL;
		else if (option == 'k')
			n_keys = number_of(optarg);
		else
			return 2;
	}
	if (argc < optind + 3) {
		fprintf(stderr, "usage: first_reply [-9] [-k KEYS] WIRE SOCKET "
				"COMMAND [ARGUMENT...]\n");
		return 2;
	}
	wire_init(&wire, argv[optind], KEY_STAMP_LEN,
		  MESSAGE_DURABILITY_DEFAULT);
	unlink(argv[optind + 1]);
	begin = now_s();
	pid = start(argv + optind + 2);
	wait_for_answer(&wire, argv[optind + 1], n_keys / 2, pid);
	printf("%.4f %.0f -\n", now_s() - begin, cpu_s(pid) * 1e6);
	kill(pid, end_with);
	waitpid(pid, NULL, 0);
	wire_deinit(&wire);
	return 0;
}
