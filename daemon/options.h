/*
 * options: what getmed is told on its command line and in its config file.
 *
 * One table gives names, kinds, ranges and help, so that the command line,
 * the config file and --help cannot differ.  The command line wins.
 */
#ifndef GETME_DAEMON_OPTIONS_H
#define GETME_DAEMON_OPTIONS_H

#include <stdint.h>

#include "common/engine.h"
#include "daemon/failure.h"
#include "daemon/limits.h"
#include "daemon/logging.h"

enum options_action {
	OPTIONS_RUN,
	OPTIONS_HELP,
	OPTIONS_VERSION,
};

enum options_source {
	OPTIONS_FROM_CONFIG,
	OPTIONS_FROM_COMMAND_LINE,
};

struct options {
	char *store;  /* owned; NULL: the default (daemon/paths.h) */
	char *socket; /* owned; NULL: the default */
	char *config; /* owned; NULL: none is read */
	unsigned int socket_mode;
	enum engine_durability durability;
	uint64_t sync_interval_ms;
	uint64_t segment_size; /* bytes; 0: automatic */
	uint64_t max_value;    /* bytes */
	enum logging_level log_level;
	struct limits limits;
	struct engine_compaction compaction;
	unsigned int given; /* a bit for each option of the command line */
};

void options_init(struct options *options);
void options_deinit(struct options *options);

/*
 * Reads the command line into OPTIONS, which were initialized.  0; or
 * -EINVAL with FAILURE: an option that is unknown or malformed, an operand;
 * or -ENOMEM.
 */
int options_parse(struct options *options, int argc, char **argv,
		  enum options_action *action, struct failure *failure);

/*
 * Sets the option called NAME.  From the config file, one that the command
 * line gave is checked and left as it is.  Errors as above.
 */
int options_set(struct options *options, enum options_source source,
		const char *name, const char *value, struct failure *failure);

/*
 * What --help prints: at most 24 lines of 79 columns; of options that few
 * need only the names.
 */
void options_help(char *out, size_t out_len);

#endif
