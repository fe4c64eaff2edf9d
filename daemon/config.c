#include "daemon/config.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct reader {
	FILE *file;
	const char *path;
	struct options *options;
	struct failure *failure;
	int line;
	int result; /* of the first fault */
};

static void fail(struct reader *reader, int result, const char *text)
{
	if (reader->result == 0)
		reader->result =
			failure_set(reader->failure, result, "%s:%d: %s",
				    reader->path, reader->line, text);
}

/*
 * inih's own reader would take the rest of a long line for a line of its
 * own, and an indented line for the value above it going on.
 */
static char *read_line(char *line, int size, void *user)
{
	struct reader *reader = user;
	size_t blanks = 0;
	size_t len;

	if (reader->result != 0 || !fgets(line, size, reader->file))
		return NULL;
	reader->line++;
	len = strlen(line);
	if (len + 1 == (size_t)size && line[len - 1] != '\n') {
		fail(reader, -EINVAL, "the line is too long");
		return NULL;
	}
	while (isspace((unsigned char)line[blanks]))
		blanks++;
	memmove(line, line + blanks, len - blanks + 1);
	return line;
}

static int take_pair(void *user, const char *section, const char *name,
		     const char *value)
{
	struct reader *reader = user;
	struct failure why = { .text = "" };
	int result;

	if (*section) {
		fail(reader, -EINVAL, "sections are not used here");
		return 0;
	}
	result = options_set(reader->options, OPTIONS_FROM_CONFIG, name,
			     value ? value : "", &why);
	if (result < 0)
		fail(reader, result, why.text);
	return result == 0;
}

int config_load(const char *path, struct options *options,
		struct failure *failure)
{
	struct reader reader = {
		.path = path,
		.options = options,
		.failure = failure,
	};
	int line;

	reader.file = fopen(path, "re");
	if (!reader.file)
		return failure_set(failure, -errno,
				   "cannot read the config file %s: %s", path,
				   strerror(errno));
	line = ini_parse_stream(read_line, &reader, take_pair, &reader);
	if (reader.result == 0 && ferror(reader.file))
		reader.result = failure_set(
			failure, -EIO, "cannot read the config file %s", path);
	fclose(reader.file);
	if (reader.result == 0 && line != 0)
		reader.result = failure_set(failure, -EINVAL,
					    "%s:%d: not a line of "
					    "'name = value'",
					    path, line);
	return reader.result;
}
