#include "common/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
	const char *suffix;
	uint64_t factor;
};

/* The bare number comes first in each table. */
static const struct unit size_units[] = {
	{ "", 1 },
	{ "K", UINT64_C(1) << 10 },
	{ "k", UINT64_C(1) << 10 },
	{ "M", UINT64_C(1) << 20 },
	{ "m", UINT64_C(1) << 20 },
	{ "G", UINT64_C(1) << 30 },
	{ "g", UINT64_C(1) << 30 },
	{ NULL, 0 },
};

static const struct unit time_units[] = {
	{ "", 1 },
	{ "ms", 1 },
	{ "s", 1000 },
	{ "m", UINT64_C(60) * 1000 },
	{ "h", UINT64_C(3600) * 1000 },
	{ "d", UINT64_C(86400) * 1000 },
	{ NULL, 0 },
};

static const struct unit *find_unit(const struct unit *table,
				    const char *suffix)
{
	for (; table->suffix; table++)
		if (strcmp(table->suffix, suffix) == 0)
			return table;
	return NULL;
}

/*
 * By hand, because strtoull takes blanks and signs.  A wrong suffix is
 * -EINVAL even behind a number that is too large.
 */
static int parse(const char *text, const struct unit *table, uint64_t *out)
{
	const struct unit *unit;
	const char *p = text;
	uint64_t number = 0;
	int too_large = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (number > (UINT64_MAX - digit) / 10)
			too_large = 1;
		else
			number = number * 10 + digit;
	}
	if (p == text)
		return -EINVAL;
	unit = find_unit(table, p);
	if (!unit)
		return -EINVAL;
	if (too_large || number > UINT64_MAX / unit->factor)
		return -ERANGE;
	*out = number * unit->factor;
	return 0;
}

int units_parse_size(const char *text, uint64_t *bytes)
{
	return parse(text, size_units, bytes);
}

int units_parse_time(const char *text, uint64_t *ms)
{
	return parse(text, time_units, ms);
}

void units_format_size(uint64_t bytes, char *out, size_t out_len)
{
	static const char suffixes[] = "KMG";
	uint64_t unit = UINT64_C(1) << 10;
	size_t i = 0;
	uint64_t tenths;

	if (bytes < unit) {
		snprintf(out, out_len, "%" PRIu64, bytes);
		return;
	}
	while (i < sizeof(suffixes) - 2 && bytes >= unit << 10) {
		unit <<= 10;
		i++;
	}
	/* Rounded down, so that "1.0M" is never less than one M. */
	tenths = bytes % unit * 10 / unit;
	snprintf(out, out_len, "%" PRIu64 ".%" PRIu64 "%c", bytes / unit,
		 tenths, suffixes[i]);
}
