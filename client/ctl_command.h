/*
 * ctl_command: what a command is, and what each is given.
 *
 * A command's function prints its answer to stdout and complains to stderr;
 * main looks after stdout's errors, the connection's end and the exit.
 */
#ifndef GETME_CLIENT_CTL_COMMAND_H
#define GETME_CLIENT_CTL_COMMAND_H

#include <stddef.h>

#include "client/ctl_exit.h"
#include "client/ctl_options.h"
#include "client/getme.h"

struct ctl;

struct ctl_command {
	const char *name;
	const char *synopsis; /* options and operands */
	const char *summary;  /* one line for the list of commands */
	unsigned int options; /* enum ctl_option, ored; the global ones apart */
	size_t min_operands;
	size_t max_operands; /* SIZE_MAX: any number */
	enum ctl_status (*run)(struct ctl *ctl);
};

struct ctl {
	const struct ctl_command *command;
	struct ctl_options options;
	char *const *operands; /* borrowed from argv */
	size_t n_operands;
	struct getme *handle; /* owned; NULL until ctl_connect */
};

/* Sets ctl->handle, or complains.  Call it once the input is known good. */
enum ctl_status ctl_connect(struct ctl *ctl);

/* Complains, naming the command, about RESULT of a call on ctl->handle. */
enum ctl_status ctl_fail(const struct ctl *ctl, int result);

/* Operand I as a key, or a complaint about its length. */
enum ctl_status ctl_key(const struct ctl *ctl, size_t i,
			struct getme_bytes *key);

/* What the command's options ask of a write. */
struct getme_write_options ctl_write_options(const struct ctl *ctl);

#endif
