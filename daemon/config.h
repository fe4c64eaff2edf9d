/*
 * config: the config file, lines of "name = value".
 *
 * Names are those of the long options.  Comments begin with # or ; (behind a
 * value: a blank and ;).  There are no sections.
 */
#ifndef GETME_DAEMON_CONFIG_H
#define GETME_DAEMON_CONFIG_H

#include "daemon/failure.h"
#include "daemon/options.h"

/*
 * Reads the file at PATH into OPTIONS.  0; -EINVAL: a line is wrong, FAILURE
 * names file, line and name; another negative errno: it cannot be read.
 */
int config_load(const char *path, struct options *options,
		struct failure *failure);

#endif
