#include "daemon/logging.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "daemon/rate.h"

static struct {
	int fd;
	enum logging_level level;
	bool journal;
	struct rate rate;
} logging = { .fd = STDERR_FILENO, .level = LOGGING_INFO };

static const struct {
	const char *name;
	enum logging_level level;
} levels[] = {
	{ "error", LOGGING_ERROR },   { "warning", LOGGING_WARNING },
	{ "notice", LOGGING_NOTICE }, { "info", LOGGING_INFO },
	{ "debug", LOGGING_DEBUG },
};

void logging_init(int fd, enum logging_level level, bool journal)
{
	logging.fd = fd;
	logging.level = level;
	logging.journal = journal;
	memset(&logging.rate, 0, sizeof(logging.rate));
}

bool logging_is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char own[64];
	struct stat st;

	if (!stream || fstat(fd, &st) < 0)
		return false;
	snprintf(own, sizeof(own), "%" PRIuMAX ":%" PRIuMAX,
		 (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(own, stream) == 0;
}

/* One write a line, so that lines of two processes do not mix. */
static void put_line(int priority, const char *text, uint32_t held_back)
{
	char line[LOGGING_LINE_MAX];
	char more[64] = "";
	size_t len;
	int n;

	if (held_back > 0)
		snprintf(more, sizeof(more),
			 " (%" PRIu32 " lines like this were left out)",
			 held_back);
	if (logging.journal)
		n = snprintf(line, sizeof(line), "<%d>%s%s", priority, text,
			     more);
	else
		n = snprintf(line, sizeof(line), "getmed: %s%s", text, more);
	if (n < 0)
		return;
	len = (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = ' ';
	line[len++] = '\n';
	/* A log that cannot be written is no reason to stop serving. */
	while (write(logging.fd, line, len) < 0 && errno == EINTR)
		;
}

static void put_if_allowed(int priority, uint64_t kind, const char *text)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	uint32_t held_back = 0;

	pthread_mutex_lock(&lock);
	if (rate_allow(&logging.rate, kind, clock_monotonic_ms(), &held_back))
		put_line(priority, text, held_back);
	pthread_mutex_unlock(&lock);
}

void logging_write(int priority, const char *format, ...)
{
	char text[LOGGING_LINE_MAX];
	va_list args;

	if (priority > (int)logging.level)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	put_if_allowed(priority, (uint64_t)(uintptr_t)format, text);
}

void logging_text(int priority, const char *text)
{
	uint64_t kind = UINT64_C(14695981039346656037); /* FNV-1a */

	if (priority > (int)logging.level)
		return;
	for (const char *at = text; *at; at++)
		kind = (kind ^ (unsigned char)*at) * UINT64_C(1099511628211);
	put_if_allowed(priority, kind, text);
}

int logging_parse_level(const char *name, enum logging_level *level)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (strcmp(name, levels[i].name) == 0) {
			*level = levels[i].level;
			return 0;
		}
	}
	return -EINVAL;
}

const char *logging_level_names(void)
{
	return "error, warning, notice, info or debug";
}
