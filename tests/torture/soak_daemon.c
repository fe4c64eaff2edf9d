#include "tests/torture/soak_daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/torture/soak.h"

enum {
	START_TRIES = 12000,
	START_TRY_MS = 5,
};

void soak_daemon_init(struct soak_daemon *daemon, const char *program,
		      const char *dir, const char *name)
{
	daemon->program = program;
	snprintf(daemon->store, SOAK_PATH_LEN, "%s/%s", dir, name);
	snprintf(daemon->socket, SOAK_PATH_LEN, "%s/%s.sock", dir, name);
	snprintf(daemon->log, SOAK_PATH_LEN, "%s/log", dir);
	daemon->pid = 0;
}

/*
 * Segments of several sizes, so that rolls are under way at some kills; a
 * rate, so that compactions are.
 */
__attribute__((noreturn)) static void
exec_daemon(const struct soak_daemon *daemon, uint64_t chance)
{
	static const char *const sizes[] = { "64K", "256K", "1M" };
	static const char *const shares[] = { "3", "10", "20", "50" };
	static const char *const smalls[] = { "2", "8" };
	static const char *const rates[] = { "1M", "8M", "1G" };
	static const char *const threads[] = { "1", "2", "4" };
	int fd = open(daemon->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
		      0600);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(fd, STDERR_FILENO);
	execl(daemon->program, "getmed", "--store", daemon->store, "--socket",
	      daemon->socket, "--sync-interval", "50ms", "--segment-size",
	      sizes[chance % 3], "--compact-dead-share", shares[chance / 3 % 4],
	      "--compact-small", smalls[chance / 12 % 2], "--compact-rate",
	      rates[chance / 24 % 3], "--threads", threads[chance / 72 % 3],
	      (char *)NULL);
	_exit(127);
}

void soak_daemon_start(struct soak_daemon *daemon, uint64_t chance)
{
	daemon->pid = fork();
	if (daemon->pid < 0)
		soak_die("fork");
	if (daemon->pid == 0)
		exec_daemon(daemon, chance);
}

int soak_daemon_end(struct soak_daemon *daemon, int signal)
{
	int status = 0;

	kill(daemon->pid, signal);
	if (waitpid(daemon->pid, &status, 0) != daemon->pid)
		soak_die("waitpid");
	daemon->pid = 0;
	return status;
}

__attribute__((noreturn)) static void
exec_check(const struct soak_daemon *daemon)
{
	int fd = open(daemon->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
		      0600);
	const char *name = strrchr(daemon->program, '/');
	char program[SOAK_PATH_LEN];

	snprintf(program, sizeof(program), "%.*s/getmectl",
		 (int)(name ? name - daemon->program : 0), daemon->program);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	execl(program, "getmectl", "check", daemon->store, (char *)NULL);
	_exit(127);
}

int soak_daemon_check(const struct soak_daemon *daemon)
{
	int status = 0;
	pid_t pid = fork();

	if (pid < 0)
		soak_die("fork");
	if (pid == 0)
		exec_check(daemon);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		soak_die("getmectl check");
	return WEXITSTATUS(status);
}

/* Leaves it to be waited for. */
static bool has_ended(const struct soak_daemon *daemon)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)daemon->pid, &info,
		      WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid != 0;
}

struct getme *soak_daemon_connect(const struct soak_daemon *daemon)
{
	struct getme_options options = GETME_OPTIONS_INIT;
	struct getme *handle = NULL;
	char text[256] = "";

	options.socket = daemon->socket;
	options.timeout_ms = SOAK_TIMEOUT_MS;
	for (int i = 0; i < START_TRIES; i++) {
		if (getme_open(&options, &handle, text, sizeof(text)) == 0)
			return handle;
		if (soak_ending || has_ended(daemon))
			return NULL;
		soak_pause_ms(START_TRY_MS);
	}
	printf("#   %s\n", text);
	soak_die("getmed does not answer");
}

struct getme *soak_daemon_need(const struct soak_daemon *daemon)
{
	struct getme *handle = soak_daemon_connect(daemon);

	if (!handle && !soak_ending)
		soak_die("getmed has ended by itself; see its log");
	return handle;
}
