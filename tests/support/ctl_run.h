/*
 * ctl_run: a command of getmectl against a fake server, in this process: what
 * it reads, and what it writes to stdout and stderr.
 */
#ifndef GETME_TESTS_SUPPORT_CTL_RUN_H
#define GETME_TESTS_SUPPORT_CTL_RUN_H

#include "client/ctl_command.h"
#include "tests/support/fake_server.h"

struct ctl_run {
	struct fake_server *server;
	struct ctl ctl; /* its socket is the server's */
	char out[8192]; /* what the last run wrote, a string */
	char err[4096];
};

/* cmocka's setup and teardown; STATE becomes the run. */
int ctl_run_setup(void **state);
int ctl_run_teardown(void **state);

/*
 * Runs COMMAND with the operand (NULL: none); its status, and what it wrote.
 * The connection of the run before is closed.
 */
enum ctl_status ctl_run(struct ctl_run *run, const struct ctl_command *command,
			char *operand);

/* The same with two operands. */
enum ctl_status ctl_run_two(struct ctl_run *run,
			    const struct ctl_command *command, char *first,
			    char *second);

/* A file with TEXT in it, by a path that is good until the next call. */
char *ctl_run_file(const char *text);

#endif
