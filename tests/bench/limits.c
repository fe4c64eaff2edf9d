/*
 * limits: what this machine can do at best, whoever asks.
 *
 *	limits pingpong SECONDS        a byte to another process and back, over
 *	                               a Unix socket
 *	limits memory SECONDS BYTES    one word at a random place of so much
 *	                               shared memory, the next where it says
 *	limits sync SECONDS FILE       append 128 bytes, fdatasync
 *
 * Each prints operations a second, and CPU us an operation.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/bench_kit.h"

static uint64_t n_done;

static void ping(double seconds)
{
	double begin = kit_now_s();
	int pair[2];
	char byte = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		kit_die("socketpair");
	if (fork() == 0) {
		close(pair[0]);
		while (read(pair[1], &byte, 1) == 1)
			if (write(pair[1], &byte, 1) != 1)
				break;
		_exit(0);
	}
	close(pair[1]);
	for (; kit_now_s() - begin < seconds; n_done++)
		if (write(pair[0], &byte, 1) != 1 ||
		    read(pair[0], &byte, 1) != 1)
			kit_die("ping-pong");
	close(pair[0]);
}

static void look(double seconds, size_t len)
{
	enum { OFTEN = 4096 };
	size_t n = len / sizeof(uint64_t);
	struct kit_random random = { 88172645463325252 };
	uint64_t *words = mmap(NULL, len, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double begin;
	uint64_t at = 0;

	if (words == MAP_FAILED || n == 0)
		kit_die("no memory");
	for (size_t i = 0; i < n; i++)
		words[i] = kit_next(&random) % n;
	begin = kit_now_s();
	while (kit_now_s() - begin < seconds) {
		/* A little is added, or it ends in a circle. */
		for (int i = 0; i < OFTEN; i++)
			at = (words[at] + n_done + (uint64_t)i * 64) % n;
		n_done += OFTEN;
	}
	if (at > n)
		puts("");
}

static void append(double seconds, const char *path)
{
	double begin = kit_now_s();
	char bytes[128] = { 0 };
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || posix_fallocate(fd, 0, 64 << 20) != 0)
		kit_die("%s", path);
	for (; kit_now_s() - begin < seconds; n_done++)
		if (write(fd, bytes, sizeof(bytes)) != sizeof(bytes) ||
		    fdatasync(fd) < 0)
			kit_die("%s: write", path);
	close(fd);
	unlink(path);
}

int main(int argc, char **argv)
{
	double seconds = argc > 2 ? strtod(argv[2], NULL) : 0;
	double begin = kit_now_s();

	if (argc == 3 && strcmp(argv[1], "pingpong") == 0)
		ping(seconds);
	else if (argc == 4 && strcmp(argv[1], "memory") == 0)
		look(seconds, strtoul(argv[3], NULL, 10));
	else if (argc == 4 && strcmp(argv[1], "sync") == 0)
		append(seconds, argv[3]);
	else
		return 2;
	(void)begin;
	printf("%.0f %.3f 0\n", (double)n_done / seconds,
	       kit_cpu_s() / (double)n_done * 1e6);
	return 0;
}
