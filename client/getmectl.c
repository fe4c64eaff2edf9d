/*
 * getmectl: getMe from the shell.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl_batch.h"
#include "client/ctl_check.h"
#include "client/ctl_command.h"
#include "client/ctl_exit.h"
#include "client/ctl_export.h"
#include "client/ctl_files.h"
#include "client/ctl_import.h"
#include "client/ctl_keys.h"
#include "client/ctl_options.h"
#include "client/ctl_repair.h"
#include "client/ctl_stats.h"
#include "client/ctl_store.h"
#include "client/ctl_write.h"

#ifndef GETME_VERSION
#define GETME_VERSION "0.1.0"
#endif

enum {
	ERROR_TEXT_BYTES = 512,
	/* columns behind the longest name, of 80 */
	SYNOPSIS_FITS = 45,
};

static const struct ctl_command commands[] = {
	{ "ping", "", "measure a round trip", 0, 0, 0, ctl_keys_ping },
	{ "put",
	  "[--ttl T] [--if-absent | --if-version N] [--durability L] "
	  "KEY [VALUE]",
	  "store a value, given or (-, none) from standard input",
	  CTL_OPT_TTL | CTL_OPT_IF_ABSENT | CTL_OPT_IF_VERSION |
		  CTL_OPT_DURABILITY,
	  1, 2, ctl_write_put },
	{ "get", "KEY", "print a value", 0, 1, 1, ctl_keys_get },
	{ "exists", "KEY", "tell by the exit status whether a key is there", 0,
	  1, 1, ctl_keys_exists },
	{ "stat", "KEY", "print version, size and expiry", 0, 1, 1,
	  ctl_keys_stat },
	{ "del", "[--if-version N] [--durability L] KEY...",
	  "delete keys, print how many were there",
	  CTL_OPT_IF_VERSION | CTL_OPT_DURABILITY, 1, SIZE_MAX, ctl_write_del },
	{ "mget", "KEY...", "print the values of one instant as JSON Lines", 0,
	  1, SIZE_MAX, ctl_keys_mget },
	{ "batch", "[--durability L] [FILE]",
	  "apply JSON Lines of puts and deletes, all or nothing",
	  CTL_OPT_DURABILITY, 0, 1, ctl_batch },
	{ "incr", "[--by N] [--durability L] KEY",
	  "add to a number, print the sum", CTL_OPT_BY | CTL_OPT_DURABILITY, 1,
	  1, ctl_write_incr },
	{ "touch", "--ttl T [--durability L] KEY", "set a key's expiry",
	  CTL_OPT_TTL | CTL_OPT_DURABILITY, 1, 1, ctl_write_touch },
	{ "persist", "[--durability L] KEY", "remove a key's expiry",
	  CTL_OPT_DURABILITY, 1, 1, ctl_write_persist },
	{ "keys", "[--limit N] [-0] [PREFIX]", "list the keys",
	  CTL_OPT_LIMIT | CTL_OPT_NUL, 0, 1, ctl_keys_keys },
	{ "count", "", "print the number of keys", 0, 0, 0, ctl_keys_count },
	{ "clear", "--yes", "remove every key", CTL_OPT_YES, 0, 0,
	  ctl_write_clear },
	{ "import", "[--durability L] [FILE]", "store records of JSON Lines",
	  CTL_OPT_DURABILITY, 0, 1, ctl_import },
	{ "export", "[FILE]", "write every record as JSON Lines", 0, 0, 1,
	  ctl_export },
	{ "stats", "[--openmetrics]", "print the daemon's numbers",
	  CTL_OPT_OPENMETRICS, 0, 0, ctl_stats },
	{ "sync", "", "make everything durable", 0, 0, 0, ctl_write_sync },
	{ "compact", "", "give the room of dead entries back", 0, 0, 0,
	  ctl_store_compact },
	{ "backup", "DIR", "copy one instant of the store into a new folder", 0,
	  1, 1, ctl_store_backup },
	{ "check", "DIR", "verify every byte of a store at rest", 0, 1, 1,
	  ctl_check },
	{ "repair", "DIR NEWDIR",
	  "make a clean store out of a damaged one at rest", 0, 2, 2,
	  ctl_repair },
};

/* What is more to be told of some commands than fits into a line. */
struct details {
	const char *name;
	const char *text;
	unsigned int global; /* the global options that are of use to it */
};

static const struct details details[] = {
	{ "compact",
	  "What was deleted, replaced or has expired is gone from the disk when "
	  "this\nreturns.  The daemon does the same by itself, little by little.",
	  CTL_OPT_GLOBAL },
	{ "backup",
	  "The daemon writes DIR, which must be missing or empty, while others "
	  "are served.\nIt is a store, as of one instant, and durable when this "
	  "returns; 'getmed --store\nDIR' serves it.",
	  CTL_OPT_GLOBAL },
	{ "check",
	  "No daemon may run on DIR, and nothing in it is changed.  Each thing "
	  "found is a\nline: 'damaged', or 'note' where nothing is lost.  Exit "
	  "status 0 when the store\nis whole, 5 when anything is damaged.",
	  CTL_OPT_JSON | CTL_OPT_HELP },
	{ "repair",
	  "No daemon may run on DIR, and nothing in it is changed.  NEWDIR must "
	  "be missing\nor empty; it gets all that can be read.  A key whose "
	  "newest value is damaged is\nleft out and named; what could not be "
	  "read is in NEWDIR/quarantine.",
	  CTL_OPT_JSON | CTL_OPT_HELP },
};

/* Their names are taken; a later version may have them. */
static const char *const reserved[] = { "watch", "shell", "top", "completion" };

enum {
	N_COMMANDS = sizeof(commands) / sizeof(commands[0]),
	N_RESERVED = sizeof(reserved) / sizeof(reserved[0]),
	N_DETAILS = sizeof(details) / sizeof(details[0]),
};

static void print_help(void)
{
	puts("usage: getmectl [OPTIONS] COMMAND [OPTIONS] [OPERANDS]\n"
	     "\n"
	     "Talks to getmed, the daemon of the getMe key-value store.\n"
	     "\n"
	     "Commands:");
	for (size_t i = 0; i < N_COMMANDS; i++)
		printf("  %-18s %s\n", commands[i].name, commands[i].summary);
	puts("\nOptions:");
	ctl_options_print(stdout, CTL_OPT_GLOBAL | CTL_OPT_VERSION);
	puts("\n"
	     "Options come before operands, -- ends them.  More: 'getmectl "
	     "COMMAND --help'.\n"
	     "\n"
	     "Exit status: 0 done; 1 key not there, or condition not met; "
	     "2 usage or\n"
	     "input that cannot be parsed; 3 no daemon, nothing was sent; "
	     "4 not allowed;\n"
	     "5 error; 6 a write's outcome is unknown; 7 a read timed out.");
}

static void print_command_help(const struct ctl_command *command)
{
	unsigned int global = CTL_OPT_GLOBAL;
	const char *gap = *command->synopsis ? " " : "";

	if (strlen(command->synopsis) > SYNOPSIS_FITS)
		gap = "\n       ";
	printf("usage: getmectl [OPTIONS] %s%s%s\n\n%s\n", command->name, gap,
	       command->synopsis, command->summary);
	for (size_t i = 0; i < N_DETAILS; i++) {
		if (strcmp(details[i].name, command->name) == 0) {
			printf("\n%s\n", details[i].text);
			global = details[i].global;
		}
	}
	puts("\nOptions:");
	ctl_options_print(stdout, command->options | global);
}

static const struct ctl_command *find_command(const char *name)
{
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	for (size_t i = 0; i < N_RESERVED; i++) {
		if (strcmp(reserved[i], name) == 0) {
			ctl_complain("%s: not in this version", name);
			return NULL;
		}
	}
	ctl_complain("unknown command '%s'; see 'getmectl --help'", name);
	return NULL;
}

static enum ctl_status check_operands(const struct ctl *ctl)
{
	const struct ctl_command *command = ctl->command;

	if (ctl->n_operands < command->min_operands) {
		ctl_complain("%s: an operand is missing; usage: getmectl %s %s",
			     command->name, command->name, command->synopsis);
		return CTL_USAGE;
	}
	if (ctl->n_operands > command->max_operands) {
		ctl_complain("%s: too many operands (options come before "
			     "them); usage: getmectl %s%s%s",
			     command->name, command->name,
			     *command->synopsis ? " " : "", command->synopsis);
		return CTL_USAGE;
	}
	return CTL_DONE;
}

/* argv[next] is the command's name. */
static enum ctl_status run_command(struct ctl *ctl, int argc, char **argv,
				   int next)
{
	char error[ERROR_TEXT_BYTES];
	enum ctl_status status;

	ctl->command = find_command(argv[next++]);
	if (!ctl->command)
		return CTL_USAGE;
	if (ctl_options_parse(&ctl->options,
			      ctl->command->options | CTL_OPT_GLOBAL, argc,
			      argv, &next, error, sizeof(error)) < 0) {
		ctl_complain("%s: %s; see 'getmectl %s --help'",
			     ctl->command->name, error, ctl->command->name);
		return CTL_USAGE;
	}
	if (ctl->options.help) {
		print_command_help(ctl->command);
		return CTL_DONE;
	}
	ctl->operands = argv + next;
	ctl->n_operands = (size_t)(argc - next);
	status = check_operands(ctl);
	return status == CTL_DONE ? ctl->command->run(ctl) : status;
}

static enum ctl_status run(struct ctl *ctl, int argc, char **argv)
{
	char error[ERROR_TEXT_BYTES];
	int next = 1;

	if (ctl_options_parse(&ctl->options, CTL_OPT_GLOBAL | CTL_OPT_VERSION,
			      argc, argv, &next, error, sizeof(error)) < 0) {
		ctl_complain("%s; see 'getmectl --help'", error);
		return CTL_USAGE;
	}
	if (ctl->options.version) {
		puts("getmectl " GETME_VERSION);
		return CTL_DONE;
	}
	if (ctl->options.help && next == argc) {
		print_help();
		return CTL_DONE;
	}
	if (next == argc) {
		ctl_complain("a command is missing; see 'getmectl --help'");
		return CTL_USAGE;
	}
	return run_command(ctl, argc, argv, next);
}

/* What was printed has to have arrived before 0 may be claimed. */
static enum ctl_status finish_stdout(enum ctl_status status)
{
	int r = ctl_files_close_output(stdout);

	if (r == 0)
		return status;
	ctl_complain("cannot write to standard output: %s", strerror(-r));
	return status == CTL_DONE || status == CTL_NO ? CTL_ERROR : status;
}

int main(int argc, char **argv)
{
	struct ctl ctl = { .command = NULL };
	enum ctl_status status;

	ctl_files_guard_standard();
	ctl_options_init(&ctl.options);
	status = run(&ctl, argc, argv);
	status = finish_stdout(status);
	getme_close(ctl.handle);
	return status;
}
