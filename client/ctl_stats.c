#include "client/ctl_stats.h"

#include <inttypes.h>
#include <string.h>

#include "client/ctl_json.h"

static const char *text_of(const struct getme_stats_row *row)
{
	return row->text ? row->text : "";
}

void ctl_stats_write_plain(FILE *out, const struct getme_stats_row *rows,
			   size_t n_rows)
{
	int width = 0;

	for (size_t i = 0; i < n_rows; i++)
		if ((int)strlen(rows[i].name) > width)
			width = (int)strlen(rows[i].name);
	for (size_t i = 0; i < n_rows; i++) {
		fprintf(out, "%-*s ", width, rows[i].name);
		if (rows[i].kind == GETME_STAT_TEXT)
			fprintf(out, "%s\n", text_of(&rows[i]));
		else
			fprintf(out, "%" PRIu64 "\n", rows[i].value);
	}
}

/* Text that is not UTF-8 becomes "?", so that the output stays valid. */
static void write_json_text(FILE *out, const char *text)
{
	if (ctl_json_is_utf8(text, strlen(text)))
		ctl_json_write_string(out, text, strlen(text));
	else
		fputs("\"?\"", out);
}

void ctl_stats_write_json(FILE *out, const struct getme_stats_row *rows,
			  size_t n_rows)
{
	putc('{', out);
	for (size_t i = 0; i < n_rows; i++) {
		if (i > 0)
			putc(',', out);
		write_json_text(out, rows[i].name);
		putc(':', out);
		if (rows[i].kind == GETME_STAT_TEXT)
			write_json_text(out, text_of(&rows[i]));
		else
			fprintf(out, "%" PRIu64, rows[i].value);
	}
	fputs("}\n", out);
}

/* As OpenMetrics has it: backslash, quote and newline, in UTF-8. */
static void write_escaped(FILE *out, const char *text)
{
	if (!ctl_json_is_utf8(text, strlen(text)))
		text = "?";
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\\n", out);
		else if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else
			putc(*text, out);
	}
}

/* How much of a name is the family's: without the suffix of its samples. */
static int family_len(const struct getme_stats_row *row)
{
	const char *suffix = "";
	size_t len = strlen(row->name);

	if (row->kind == GETME_STAT_COUNTER)
		suffix = "_total";
	else if (row->kind == GETME_STAT_TEXT)
		suffix = "_info";
	if (len > strlen(suffix) &&
	    strcmp(row->name + len - strlen(suffix), suffix) == 0)
		len -= strlen(suffix);
	return (int)len;
}

static void write_family(FILE *out, const struct getme_stats_row *row)
{
	static const char *const types[] = {
		[GETME_STAT_COUNTER] = "counter",
		[GETME_STAT_GAUGE] = "gauge",
		[GETME_STAT_TEXT] = "info",
	};
	int len = family_len(row);

	fprintf(out, "# TYPE getme_%.*s %s\n", len, row->name,
		types[row->kind]);
	if (row->help && *row->help) {
		fprintf(out, "# HELP getme_%.*s ", len, row->name);
		write_escaped(out, row->help);
		putc('\n', out);
	}
	fprintf(out, "getme_%.*s", len, row->name);
	switch (row->kind) {
	case GETME_STAT_COUNTER:
		fprintf(out, "_total %" PRIu64 "\n", row->value);
		break;
	case GETME_STAT_GAUGE:
		fprintf(out, " %" PRIu64 "\n", row->value);
		break;
	case GETME_STAT_TEXT:
		fprintf(out, "_info{%.*s=\"", len, row->name);
		write_escaped(out, text_of(row));
		fputs("\"} 1\n", out);
		break;
	}
}

void ctl_stats_write_openmetrics(FILE *out, const struct getme_stats_row *rows,
				 size_t n_rows)
{
	for (size_t i = 0; i < n_rows; i++)
		write_family(out, &rows[i]);
	fputs("# EOF\n", out);
}

enum ctl_status ctl_stats(struct ctl *ctl)
{
	const struct getme_stats_row *rows;
	enum ctl_status status;
	size_t n_rows;
	int r;

	if (ctl->options.json && ctl->options.openmetrics) {
		ctl_complain("stats: --json and --openmetrics exclude each "
			     "other");
		return CTL_USAGE;
	}
	status = ctl_connect(ctl);
	if (status != CTL_DONE)
		return status;
	r = getme_stats(ctl->handle, &rows, &n_rows);
	if (r != 0)
		return ctl_fail(ctl, r);
	if (ctl->options.json)
		ctl_stats_write_json(stdout, rows, n_rows);
	else if (ctl->options.openmetrics)
		ctl_stats_write_openmetrics(stdout, rows, n_rows);
	else
		ctl_stats_write_plain(stdout, rows, n_rows);
	return CTL_DONE;
}
