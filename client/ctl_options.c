#include "client/ctl_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/units.h"

struct row {
	enum ctl_option option;
	char letter;	      /* 0: none */
	const char *name;     /* NULL: only the letter */
	const char *argument; /* NULL: takes none */
	const char *description;
};

static const struct row table[] = {
	{ CTL_OPT_SOCKET, 's', "socket", "PATH", "the daemon's socket" },
	{ CTL_OPT_USER, 0, "user", NULL, "the user's own daemon" },
	{ CTL_OPT_SYSTEM, 0, "system", NULL, "the system's daemon" },
	{ CTL_OPT_TIMEOUT, 0, "timeout", "T",
	  "give up after T (default 5s; compact, backup: never)" },
	{ CTL_OPT_JSON, 0, "json", NULL, "print JSON" },
	{ CTL_OPT_TTL, 0, "ttl", "T", "expire after T (ms, s, m, h, d)" },
	{ CTL_OPT_IF_ABSENT, 0, "if-absent", NULL,
	  "only if the key is not there" },
	{ CTL_OPT_IF_VERSION, 0, "if-version", "N",
	  "only if the key has version N" },
	{ CTL_OPT_DURABILITY, 0, "durability", "L",
	  "always, interval or none (default: the store's)" },
	{ CTL_OPT_BY, 0, "by", "N", "add N (default 1)" },
	{ CTL_OPT_LIMIT, 0, "limit", "N", "stop after N keys" },
	{ CTL_OPT_NUL, '0', NULL, NULL, "end keys with NUL, not newline" },
	{ CTL_OPT_YES, 0, "yes", NULL, "really do it" },
	{ CTL_OPT_OPENMETRICS, 0, "openmetrics", NULL,
	  "print the OpenMetrics text format" },
	{ CTL_OPT_HELP, 'h', "help", NULL, "this text" },
	{ CTL_OPT_VERSION, 0, "version", NULL, "print getmectl's version" },
};

static const char *const durability_names[] = {
	[GETME_DEFAULT] = "default",
	[GETME_NONE] = "none",
	[GETME_INTERVAL] = "interval",
	[GETME_ALWAYS] = "always",
};

enum {
	N_ROWS = sizeof(table) / sizeof(table[0]),
};

void ctl_options_init(struct ctl_options *options)
{
	memset(options, 0, sizeof(*options));
	options->by = 1;
}

const char *ctl_options_durability_name(enum getme_durability durability)
{
	if (durability < GETME_NONE || durability > GETME_ALWAYS)
		durability = GETME_DEFAULT;
	return durability_names[durability];
}

static int parse_durability(const char *text, enum getme_durability *level)
{
	for (int i = GETME_NONE; i <= GETME_ALWAYS; i++) {
		if (strcmp(text, durability_names[i]) == 0) {
			*level = (enum getme_durability)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* A whole number from 1 up. */
static int parse_positive(const char *text, uint64_t *number)
{
	unsigned long long n;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno || *end || n == 0)
		return -EINVAL;
	*number = n;
	return 0;
}

static int parse_signed(const char *text, int64_t *number)
{
	const char *digits = *text == '-' || *text == '+' ? text + 1 : text;
	long long n;
	char *end;

	if (*digits < '0' || *digits > '9')
		return -EINVAL;
	errno = 0;
	n = strtoll(text, &end, 10);
	if (errno || *end)
		return -EINVAL;
	*number = n;
	return 0;
}

int ctl_options_parse_ttl(const char *text, int64_t *ttl_ms, char *error,
			  size_t error_len)
{
	uint64_t ms;
	int r = units_parse_time(text, &ms);

	if (r == -EINVAL) {
		snprintf(error, error_len, "'%s' is not a time such as 10s",
			 text);
		return -EINVAL;
	}
	if (r == -ERANGE || ms > CTL_TTL_MAX_MS) {
		snprintf(error, error_len, "'%s' is too long a time", text);
		return -EINVAL;
	}
	if (ms == 0) {
		snprintf(error, error_len, "a time to live is at least 1 ms");
		return -EINVAL;
	}
	*ttl_ms = (int64_t)ms;
	return 0;
}

static int parse_timeout(const char *text, int64_t *timeout_ms)
{
	uint64_t ms;

	if (units_parse_time(text, &ms) < 0 || ms == 0 || ms > INT64_MAX)
		return -EINVAL;
	*timeout_ms = (int64_t)ms;
	return 0;
}

static int set_where(struct ctl_options *options, enum getme_where where)
{
	if (options->where != GETME_WHERE_AUTO && options->where != where)
		return -EINVAL;
	options->where = where;
	return 0;
}

/* Takes one option; a wrong argument is -EINVAL, ERROR may say why. */
static int apply(struct ctl_options *options, enum ctl_option option,
		 const char *argument, char *error, size_t error_len)
{
	switch (option) {
	case CTL_OPT_SOCKET:
		options->socket = argument;
		return *argument ? 0 : -EINVAL;
	case CTL_OPT_USER:
		return set_where(options, GETME_WHERE_USER);
	case CTL_OPT_SYSTEM:
		return set_where(options, GETME_WHERE_SYSTEM);
	case CTL_OPT_TIMEOUT:
		return parse_timeout(argument, &options->timeout_ms);
	case CTL_OPT_JSON:
		options->json = true;
		return 0;
	case CTL_OPT_HELP:
		options->help = true;
		return 0;
	case CTL_OPT_VERSION:
		options->version = true;
		return 0;
	case CTL_OPT_TTL:
		return ctl_options_parse_ttl(argument, &options->ttl_ms, error,
					     error_len);
	case CTL_OPT_IF_ABSENT:
		options->if_absent = true;
		return 0;
	case CTL_OPT_IF_VERSION:
		return parse_positive(argument, &options->if_version);
	case CTL_OPT_DURABILITY:
		return parse_durability(argument, &options->durability);
	case CTL_OPT_BY:
		return parse_signed(argument, &options->by);
	case CTL_OPT_LIMIT:
		return parse_positive(argument, &options->limit);
	case CTL_OPT_NUL:
		options->nul = true;
		return 0;
	case CTL_OPT_YES:
		options->yes = true;
		return 0;
	case CTL_OPT_OPENMETRICS:
		options->openmetrics = true;
		return 0;
	case CTL_OPT_GLOBAL:
		break;
	}
	return -EINVAL;
}

/* The option that ARG ("--name", "--name=x", "-l", "-lx") names, or NULL. */
static const struct row *find_row(const char *arg, unsigned int allowed)
{
	bool is_long = arg[1] == '-';
	size_t len = is_long ? strcspn(arg + 2, "=") : 0;

	for (const struct row *row = table; row < table + N_ROWS; row++) {
		if (!(allowed & row->option))
			continue;
		if (!is_long && row->letter && row->letter == arg[1])
			return row;
		if (is_long && row->name && strlen(row->name) == len &&
		    strncmp(row->name, arg + 2, len) == 0)
			return row;
	}
	return NULL;
}

/* What is attached to ARG, or NULL. */
static const char *attached(const char *arg)
{
	const char *equals;

	if (arg[1] != '-')
		return arg[2] ? arg + 2 : NULL;
	equals = strchr(arg, '=');
	return equals ? equals + 1 : NULL;
}

static int parse_one(struct ctl_options *options, unsigned int allowed,
		     int argc, char *const *argv, int *next, char *error,
		     size_t error_len)
{
	const char *arg = argv[*next];
	const struct row *row = find_row(arg, allowed);
	const char *argument;

	if (!row) {
		snprintf(error, error_len, "unknown option '%s'", arg);
		return -EINVAL;
	}
	argument = attached(arg);
	if (!row->argument && argument) {
		snprintf(error, error_len, "'%s': the option takes no argument",
			 arg);
		return -EINVAL;
	}
	if (row->argument && !argument) {
		if (*next + 1 >= argc) {
			snprintf(error, error_len, "'%s' needs its %s", arg,
				 row->argument);
			return -EINVAL;
		}
		argument = argv[++*next];
	}
	++*next;
	snprintf(error, error_len, "'%s' is not right for %s%s",
		 argument ? argument : arg, row->name ? "--" : "-",
		 row->name ? row->name : arg + 1);
	return apply(options, row->option, argument ? argument : "", error,
		     error_len);
}

int ctl_options_parse(struct ctl_options *options, unsigned int allowed,
		      int argc, char *const *argv, int *next, char *error,
		      size_t error_len)
{
	while (*next < argc) {
		const char *arg = argv[*next];
		int r;

		if (arg[0] != '-' || arg[1] == '\0')
			break;
		if (strcmp(arg, "--") == 0) {
			++*next;
			break;
		}
		r = parse_one(options, allowed, argc, argv, next, error,
			      error_len);
		if (r < 0)
			return r;
	}
	if (options->if_absent && options->if_version) {
		snprintf(error, error_len,
			 "--if-absent and --if-version exclude each other");
		return -EINVAL;
	}
	return 0;
}

void ctl_options_print(FILE *out, unsigned int set)
{
	for (const struct row *row = table; row < table + N_ROWS; row++) {
		char left[40];
		char letter[5] = "";

		if (!(set & row->option))
			continue;
		if (row->letter)
			snprintf(letter, sizeof(letter), "-%c%s", row->letter,
				 row->name ? ", " : "");
		snprintf(left, sizeof(left), "%s%s%s%s%s", letter,
			 row->name ? "--" : "", row->name ? row->name : "",
			 row->argument ? " " : "",
			 row->argument ? row->argument : "");
		fprintf(out, "  %-18s %s\n", left, row->description);
	}
}
