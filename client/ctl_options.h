/*
 * ctl_options: getmectl's options, one table for all commands.
 *
 * Options come before operands.  The first argument that is not an option
 * ends them, and so does "--", which is itself no operand; "-" alone is an
 * operand.  An option's argument follows it ("--by -3", "-s PATH") or is
 * attached ("--by=-3", "-sPATH").  Names are written out in full.  Given
 * twice, the last one counts.
 */
#ifndef GETME_CLIENT_CTL_OPTIONS_H
#define GETME_CLIENT_CTL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "client/getme.h"

enum ctl_option {
	CTL_OPT_SOCKET = 1 << 0,
	CTL_OPT_USER = 1 << 1,
	CTL_OPT_SYSTEM = 1 << 2,
	CTL_OPT_TIMEOUT = 1 << 3,
	CTL_OPT_JSON = 1 << 4,
	CTL_OPT_HELP = 1 << 5,
	CTL_OPT_VERSION = 1 << 6,
	CTL_OPT_TTL = 1 << 7,
	CTL_OPT_IF_ABSENT = 1 << 8,
	CTL_OPT_IF_VERSION = 1 << 9,
	CTL_OPT_DURABILITY = 1 << 10,
	CTL_OPT_BY = 1 << 11,
	CTL_OPT_LIMIT = 1 << 12,
	CTL_OPT_NUL = 1 << 13,
	CTL_OPT_YES = 1 << 14,
	CTL_OPT_OPENMETRICS = 1 << 15,

	/* These may stand behind the command's name, too. */
	CTL_OPT_GLOBAL = CTL_OPT_SOCKET | CTL_OPT_USER | CTL_OPT_SYSTEM |
			 CTL_OPT_TIMEOUT | CTL_OPT_JSON | CTL_OPT_HELP,
};

struct ctl_options {
	const char *socket; /* borrowed from argv; NULL: not given */
	enum getme_where where;
	int64_t timeout_ms; /* 0: the library's default */
	bool json;
	bool help;
	bool version;
	int64_t ttl_ms; /* 0: not given */
	bool if_absent;
	uint64_t if_version; /* 0: not given, since 0 is never one */
	enum getme_durability durability;
	int64_t by;
	uint64_t limit; /* 0: not given */
	bool nul;
	bool yes;
	bool openmetrics;
};

/* What holds when no option is given. */
void ctl_options_init(struct ctl_options *options);

/*
 * Reads options of the set ALLOWED from argv[*next] on, and leaves *next at
 * the first operand (or at argc).  May be called again for what follows.
 * 0, or -EINVAL and a line in ERROR.
 */
int ctl_options_parse(struct ctl_options *options, unsigned int allowed,
		      int argc, char *const *argv, int *next, char *error,
		      size_t error_len);

/* Describes the options of the set, one a line. */
void ctl_options_print(FILE *out, unsigned int set);

/* "always", "interval", "none"; "default" for anything else. */
const char *ctl_options_durability_name(enum getme_durability durability);

/*
 * A time to live, as in units.h, from 1 ms up to a span that an expiry can
 * hold.  0, or -EINVAL and a line in ERROR.
 */
int ctl_options_parse_ttl(const char *text, int64_t *ttl_ms, char *error,
			  size_t error_len);

/* The longest time to live: with today's date still a 64-bit time. */
#define CTL_TTL_MAX_MS (INT64_MAX / 2)

#endif
