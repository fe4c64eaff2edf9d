#include "daemon/options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/units.h"

enum kind {
	KIND_TEXT,	 /* char *, not empty */
	KIND_SIZE,	 /* uint64_t, bytes */
	KIND_TIME,	 /* uint64_t, ms */
	KIND_COUNT,	 /* uint64_t */
	KIND_MODE,	 /* unsigned int, octal */
	KIND_DURABILITY, /* enum engine_durability */
	KIND_LEVEL,	 /* enum logging_level */
	KIND_HOURS,	 /* struct engine_hours */
	KIND_SWITCH,	 /* bool */
};

struct option_row {
	const char *name;
	const char *arg;
	enum kind kind;
	size_t off; /* of the member of struct options */
	uint64_t min;
	uint64_t max;
	const char *help; /* NULL: only in getmed(8) */
};

#define MEMBER(member) offsetof(struct options, member)

static const uint64_t day_ms = 86400000;

/* clang-format off */
static const struct option_row rows[] = {
	{ "store", "DIR", KIND_TEXT, MEMBER(store), 0, 0,
	  "the store's folder, made when missing" },
	{ "socket", "PATH", KIND_TEXT, MEMBER(socket), 0, 0,
	  "where to listen; not needed under systemd" },
	{ "socket-mode", "OCTAL", KIND_MODE, MEMBER(socket_mode), 0, 0777,
	  "the socket's permissions (0660)" },
	{ "config", "FILE", KIND_TEXT, MEMBER(config), 0, 0,
	  "a file of lines like: durability = none" },
	{ "durability", "LEVEL", KIND_DURABILITY, MEMBER(durability), 0, 0,
	  "always, interval or none (always)" },
	{ "sync-interval", "TIME", KIND_TIME, MEMBER(sync_interval_ms),
	  1, day_ms, "the interval of --durability=interval (1s)" },
	{ "segment-size", "SIZE", KIND_SIZE, MEMBER(segment_size),
	  LIMITS_SEGMENT_MIN, LIMITS_SEGMENT_MAX,
	  "64K to 128M (grows with the store)" },
	{ "max-value", "SIZE", KIND_SIZE, MEMBER(max_value),
	  1, LIMITS_VALUE_MAX_MAX, "the largest value (64M), up to 1G" },
	{ "max-connections", "N", KIND_COUNT, MEMBER(limits.max_connections),
	  1, 1000000, "of all users (4096)" },
	{ "max-connections-per-uid", "N", KIND_COUNT,
	  MEMBER(limits.max_connections_per_uid), 1, 1000000,
	  "of one user (3072)" },
	{ "max-pipeline", "N", KIND_COUNT, MEMBER(limits.max_pipeline),
	  1, 65536, NULL },
	{ "max-input", "SIZE", KIND_SIZE, MEMBER(limits.max_input),
	  4096, LIMITS_VALUE_MAX_MAX, NULL },
	{ "max-output", "SIZE", KIND_SIZE, MEMBER(limits.max_output),
	  4096, LIMITS_VALUE_MAX_MAX, NULL },
	{ "compact-dead-share", "PERCENT", KIND_COUNT,
	  MEMBER(compaction.dead_percent), 1, 100,
	  "of dead bytes that starts compaction (16)" },
	{ "compact-hours", "H-H", KIND_HOURS, MEMBER(compaction.hours), 0, 0,
	  "of the day when it may start, as 22-6 (any)" },
	{ "compact-rate", "SIZE", KIND_SIZE, MEMBER(compaction.bytes_a_second),
	  64 << 10, UINT64_MAX, "bytes a second it reads and writes (any)" },
	{ "compact-dead-bytes", "SIZE", KIND_SIZE,
	  MEMBER(compaction.dead_bytes), 1, UINT64_MAX, NULL },
	{ "compact-small", "N", KIND_COUNT,
	  MEMBER(compaction.small_segments), 2, 1000000, NULL },
	{ "compact-disk", "SIZE", KIND_SIZE, MEMBER(compaction.disk_bytes),
	  1, UINT64_MAX, NULL },
	{ "direct-reads", "yes|no", KIND_SWITCH, MEMBER(limits.direct_reads),
	  0, 0, NULL },
	{ "threads", "N", KIND_COUNT, MEMBER(limits.threads),
	  1, LIMITS_THREADS_MAX, NULL },
	{ "drain-timeout", "TIME", KIND_TIME, MEMBER(limits.drain_timeout_ms),
	  1, day_ms, "wait for peers when stopping (5s)" },
	{ "log-level", "LEVEL", KIND_LEVEL, MEMBER(log_level), 0, 0,
	  "error, warning, notice, info or debug (info)" },
};
/* clang-format on */

enum {
	N_ROWS = sizeof(rows) / sizeof(rows[0]),
	HELP_COLUMNS = 79,
};

void options_init(struct options *options)
{
	memset(options, 0, sizeof(*options));
	options->socket_mode = LIMITS_SOCKET_MODE;
	options->durability = ENGINE_ALWAYS;
	options->sync_interval_ms = LIMITS_SYNC_INTERVAL_MS;
	options->max_value = LIMITS_VALUE_MAX;
	options->log_level = LOGGING_INFO;
	limits_default(&options->limits);
}

void options_deinit(struct options *options)
{
	free(options->store);
	free(options->socket);
	free(options->config);
	options_init(options);
}

static int parse_mode(const char *text, unsigned int *mode)
{
	unsigned int value = 0;

	if (*text == '\0' || strlen(text) > 4)
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '7')
			return -EINVAL;
		value = value * 8 + (unsigned int)(*text - '0');
	}
	*mode = value;
	return value <= 0777 ? 0 : -EINVAL;
}

static int parse_switch(const char *text, bool *on)
{
	if (strcmp(text, "yes") == 0)
		*on = true;
	else if (strcmp(text, "no") == 0)
		*on = false;
	else
		return -EINVAL;
	return 0;
}

static int parse_durability(const char *text,
			    enum engine_durability *durability)
{
	if (strcmp(text, "always") == 0)
		*durability = ENGINE_ALWAYS;
	else if (strcmp(text, "interval") == 0)
		*durability = ENGINE_INTERVAL;
	else if (strcmp(text, "none") == 0)
		*durability = ENGINE_NONE;
	else
		return -EINVAL;
	return 0;
}

/* One or two digits, up to 24, and where they end; -1: there are none. */
static int parse_hour(const char **text)
{
	int hour = 0;
	int n = 0;

	for (; **text >= '0' && **text <= '9' && n < 2; (*text)++, n++)
		hour = hour * 10 + (**text - '0');
	return n > 0 && hour <= 24 ? hour : -1;
}

/* "22-6": from 22 to 6 o'clock; 24 is the end of a day. */
static int parse_hours(const char *text, struct engine_hours *hours)
{
	int from = parse_hour(&text);
	int to;

	if (from < 0 || *text++ != '-')
		return -EINVAL;
	to = parse_hour(&text);
	if (to < 0 || *text != '\0')
		return -EINVAL;
	hours->from = (uint64_t)(from % 24);
	hours->to = (uint64_t)(to == 24 && from > 0 ? 24 : to % 24);
	return 0;
}

/* A count is a size without a suffix. */
static int parse_number(enum kind kind, const char *text, uint64_t *number)
{
	if (kind == KIND_TIME)
		return units_parse_time(text, number);
	if (kind == KIND_COUNT && text[strspn(text, "0123456789")] != '\0')
		return -EINVAL;
	return units_parse_size(text, number);
}

static int refuse(struct failure *failure, const struct option_row *row,
		  const char *value, const char *expected)
{
	return failure_set(failure, -EINVAL, "%s: '%s' is not %s", row->name,
			   value, expected);
}

static int set_number(uint64_t *member, const struct option_row *row,
		      const char *value, struct failure *failure)
{
	uint64_t number;
	char low[16];
	char high[16];

	if (parse_number(row->kind, value, &number) < 0) {
		switch (row->kind) {
		case KIND_SIZE:
			return refuse(failure, row, value,
				      "a size: a number, and K, M or G");
		case KIND_TIME:
			return refuse(failure, row, value,
				      "a time: a number, and ms, s, m, h or d");
		default:
			return refuse(failure, row, value, "a number");
		}
	}
	if (number >= row->min && number <= row->max) {
		*member = number;
		return 0;
	}
	if (row->kind != KIND_SIZE)
		return failure_set(failure, -EINVAL,
				   "%s: '%s' is not in the range of %" PRIu64
				   " to %" PRIu64 "%s",
				   row->name, value, row->min, row->max,
				   row->kind == KIND_TIME ? " ms" : "");
	units_format_size(row->min, low, sizeof(low));
	units_format_size(row->max, high, sizeof(high));
	return failure_set(failure, -EINVAL,
			   "%s: '%s' is not in the range of %s to %s",
			   row->name, value, low, high);
}

static int set_text(char **member, const struct option_row *row,
		    const char *value, struct failure *failure)
{
	char *copy;

	if (*value == '\0')
		return failure_set(failure, -EINVAL, "%s: is empty", row->name);
	copy = strdup(value);
	if (!copy)
		return failure_set(failure, -ENOMEM, "no memory");
	free(*member);
	*member = copy;
	return 0;
}

static int set_row(struct options *options, const struct option_row *row,
		   const char *value, struct failure *failure)
{
	void *member = (char *)options + row->off;

	switch (row->kind) {
	case KIND_TEXT:
		return set_text(member, row, value, failure);
	case KIND_SIZE:
	case KIND_TIME:
	case KIND_COUNT:
		return set_number(member, row, value, failure);
	case KIND_MODE:
		if (parse_mode(value, member) < 0)
			return refuse(failure, row, value,
				      "an octal mode of at most 0777");
		return 0;
	case KIND_DURABILITY:
		if (parse_durability(value, member) < 0)
			return refuse(failure, row, value,
				      "always, interval or none");
		return 0;
	case KIND_LEVEL:
		if (logging_parse_level(value, member) < 0)
			return refuse(failure, row, value,
				      logging_level_names());
		return 0;
	case KIND_HOURS:
		if (parse_hours(value, member) < 0)
			return refuse(failure, row, value,
				      "two hours, as 22-6: from 0 to 24");
		return 0;
	case KIND_SWITCH:
		if (parse_switch(value, member) < 0)
			return refuse(failure, row, value, "yes or no");
		return 0;
	}
	return -EINVAL;
}

/* Checks the value of one that is kept, too: a config file is right or not. */
static int check_row(const struct option_row *row, const char *value,
		     struct failure *failure)
{
	struct options scratch;
	int result;

	options_init(&scratch);
	result = set_row(&scratch, row, value, failure);
	options_deinit(&scratch);
	return result;
}

static int find_row(const char *name)
{
	for (int i = 0; i < N_ROWS; i++)
		if (strcmp(rows[i].name, name) == 0)
			return i;
	return -1;
}

int options_set(struct options *options, enum options_source source,
		const char *name, const char *value, struct failure *failure)
{
	int i = find_row(name);

	if (i < 0 ||
	    (source == OPTIONS_FROM_CONFIG && rows[i].off == MEMBER(config)))
		return failure_set(failure, -EINVAL, "%s: unknown name", name);
	if (source == OPTIONS_FROM_COMMAND_LINE)
		options->given |= 1u << i;
	else if (options->given & 1u << i)
		return check_row(&rows[i], value, failure);
	return set_row(options, &rows[i], value, failure);
}

enum {
	OPTION_HELP = 'h',
	OPTION_VERSION = 'V',
	OPTION_ROW = 256, /* and above: rows[] */
};

static void make_long_options(struct option *out)
{
	memset(out, 0, sizeof(*out) * (N_ROWS + 3));
	for (int i = 0; i < N_ROWS; i++) {
		out[i].name = rows[i].name;
		out[i].has_arg = required_argument;
		out[i].val = OPTION_ROW + i;
	}
	out[N_ROWS] = (struct option){ "help", no_argument, NULL, OPTION_HELP };
	out[N_ROWS + 1] =
		(struct option){ "version", no_argument, NULL, OPTION_VERSION };
}

int options_parse(struct options *options, int argc, char **argv,
		  enum options_action *action, struct failure *failure)
{
	struct option long_options[N_ROWS + 3];
	int result = 0;
	int c;

	make_long_options(long_options);
	*action = OPTIONS_RUN;
	opterr = 0;
	optind = 0; /* glibc: start anew */
	while ((c = getopt_long(argc, argv, ":hV", long_options, NULL)) >= 0) {
		if (c == OPTION_HELP)
			*action = OPTIONS_HELP;
		else if (c == OPTION_VERSION)
			*action = OPTIONS_VERSION;
		else if (c == ':')
			return failure_set(failure, -EINVAL,
					   "%s: an argument is missing",
					   argv[optind - 1]);
		else if (c < OPTION_ROW)
			return failure_set(failure, -EINVAL,
					   "%s: unknown option",
					   argv[optind - 1]);
		else
			result = options_set(options, OPTIONS_FROM_COMMAND_LINE,
					     rows[c - OPTION_ROW].name, optarg,
					     failure);
		if (result < 0)
			return result;
	}
	if (optind < argc)
		return failure_set(failure, -EINVAL,
				   "%s: operands are not taken", argv[optind]);
	return 0;
}

/* The names of what few need, in lines. */
static size_t help_others(char *out, size_t out_len)
{
	size_t len = (size_t)snprintf(out, out_len, "Also:");
	size_t column = len;

	for (int i = 0; i < N_ROWS && len < out_len; i++) {
		size_t word = strlen(rows[i].name) + 3;

		if (rows[i].help)
			continue;
		if (column + word > HELP_COLUMNS) {
			len += (size_t)snprintf(out + len, out_len - len,
						"\n     ");
			column = 5;
		}
		if (len >= out_len)
			break;
		len += (size_t)snprintf(out + len, out_len - len, " --%s",
					rows[i].name);
		column += word;
	}
	return len;
}

void options_help(char *out, size_t out_len)
{
	size_t len = 0;

	len += (size_t)snprintf(out, out_len,
				"Usage: getmed [OPTION]...\n"
				"Owns a getMe store, serves it on a Unix "
				"domain socket.  More: man getmed\n");
	for (int i = 0; i < N_ROWS && len < out_len; i++) {
		char left[40];

		if (!rows[i].help)
			continue;
		snprintf(left, sizeof(left), "--%s %s", rows[i].name,
			 rows[i].arg);
		len += (size_t)snprintf(out + len, out_len - len, "  %-29s%s\n",
					left, rows[i].help);
	}
	if (len < out_len)
		len += (size_t)snprintf(out + len, out_len - len, "  %-29s%s\n",
					"--help, --version", "print and exit");
	if (len < out_len)
		len += help_others(out + len, out_len - len);
	if (len < out_len)
		snprintf(out + len, out_len - len,
			 "\nSizes take K, M, G (powers of 1024); times ms, s, "
			 "m, h, d.\n"
			 "A config file has the same names; the command line "
			 "wins.\n");
}
