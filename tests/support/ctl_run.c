#include "tests/support/ctl_run.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* A standard stream that goes to memory for a while. */
struct diverted {
	FILE *stream;
	int saved;
	int memory;
};

static struct diverted divert(FILE *stream)
{
	struct diverted diverted = { .stream = stream };

	fflush(stream);
	diverted.saved = dup(fileno(stream));
	diverted.memory = memfd_create("diverted", MFD_CLOEXEC);
	assert_true(diverted.saved >= 0 && diverted.memory >= 0);
	assert_true(dup2(diverted.memory, fileno(stream)) >= 0);
	return diverted;
}

static void restore(const struct diverted *diverted, char *text, size_t max)
{
	ssize_t n;

	fflush(diverted->stream);
	assert_true(dup2(diverted->saved, fileno(diverted->stream)) >= 0);
	n = pread(diverted->memory, text, max - 1, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	close(diverted->saved);
	close(diverted->memory);
}

int ctl_run_setup(void **state)
{
	struct ctl_run *run = calloc(1, sizeof(*run));

	if (!run)
		return -1;
	run->server = fake_server_start();
	ctl_options_init(&run->ctl.options);
	run->ctl.options.socket = fake_server_path(run->server);
	*state = run;
	return 0;
}

int ctl_run_teardown(void **state)
{
	struct ctl_run *run = *state;

	getme_close(run->ctl.handle);
	fake_server_stop(run->server);
	free(run);
	return 0;
}

static enum ctl_status run_with(struct ctl_run *run,
				const struct ctl_command *command,
				char *const *operands, size_t n_operands)
{
	struct diverted out;
	struct diverted err;
	enum ctl_status status;

	getme_close(run->ctl.handle);
	run->ctl.handle = NULL;
	run->ctl.command = command;
	run->ctl.operands = operands;
	run->ctl.n_operands = n_operands;
	out = divert(stdout);
	err = divert(stderr);
	status = command->run(&run->ctl);
	restore(&err, run->err, sizeof(run->err));
	restore(&out, run->out, sizeof(run->out));
	run->ctl.operands = NULL;
	run->ctl.n_operands = 0;
	return status;
}

enum ctl_status ctl_run(struct ctl_run *run, const struct ctl_command *command,
			char *operand)
{
	char *operands[] = { operand, NULL };

	return run_with(run, command, operands, operand ? 1 : 0);
}

enum ctl_status ctl_run_two(struct ctl_run *run,
			    const struct ctl_command *command, char *first,
			    char *second)
{
	char *operands[] = { first, second, NULL };

	return run_with(run, command, operands, 2);
}

char *ctl_run_file(const char *text)
{
	static int fd = -1;
	static char path[64];
	size_t len = strlen(text);

	if (fd >= 0)
		close(fd);
	fd = memfd_create("file", MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(write(fd, text, len) == (ssize_t)len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}
