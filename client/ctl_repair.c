#include "client/ctl_repair.h"

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl_files.h"
#include "client/ctl_finding.h"
#include "common/repair.h"
#include "common/store.h"

static void print_json(const struct repair_report *report)
{
	printf("{\"summary\":\"repair\",\"entries\":%" PRIu64
	       ",\"bytes\":%" PRIu64 ",\"damaged\":%" PRIu64
	       ",\"damaged_bytes\":%" PRIu64 ",\"notes\":%" PRIu64
	       ",\"left_out\":%" PRIu64 ",\"unknown\":%" PRIu64
	       ",\"quarantined\":%" PRIu64 ",\"quarantined_bytes\":%" PRIu64
	       "}\n",
	       report->n_copied, report->copied_bytes, report->n_damaged,
	       report->damaged_bytes, report->n_notes, report->n_lost,
	       report->n_unknown, report->n_quarantined,
	       report->quarantined_bytes);
}

static void print_text(const char *new_dir, const struct repair_report *report)
{
	printf("%s is a whole store now: %" PRIu64 " keys, %" PRIu64
	       " bytes; %" PRIu64 " damaged, %" PRIu64
	       " keys left out, %" PRIu64 " files in quarantine\n",
	       new_dir, report->n_copied, report->copied_bytes,
	       report->n_damaged, report->n_lost, report->n_quarantined);
	if (report->n_unknown > 0)
		printf("%" PRIu64 " damaged places do not tell which keys were "
		       "there: older values of these may be back\n",
		       report->n_unknown);
}

/* PATH as it will be, its last part not being there yet. */
static bool resolve_new(const char *path, char *out)
{
	char copy[PATH_MAX];
	char *slash;
	size_t len = strlen(path);

	if (len >= sizeof(copy))
		return false;
	memcpy(copy, path, len + 1);
	while (!realpath(copy, out)) {
		slash = strrchr(copy, '/');
		if (!slash)
			return realpath(".", out) != NULL;
		if (slash == copy)
			return realpath("/", out) != NULL;
		*slash = 0;
	}
	return true;
}

/* The old store is not to be changed, so nothing is made in its folder. */
static bool is_inside(const char *new_dir, const char *dir)
{
	char inner[PATH_MAX];
	char outer[PATH_MAX];
	size_t len;

	if (!realpath(dir, outer) || !resolve_new(new_dir, inner))
		return false;
	len = strlen(outer);
	return strncmp(inner, outer, len) == 0 &&
	       (inner[len] == 0 || inner[len] == '/');
}

enum ctl_status ctl_repair(struct ctl *ctl)
{
	struct ctl_finding shown;
	struct repair_options options = {
		.dir = ctl->operands[0],
		.new_dir = ctl->operands[1],
		.finding = ctl_finding_print,
		.progress = ctl_finding_progress,
		.ctx = &shown,
	};
	struct repair_report report;
	struct store_error error;
	int result;

	if (is_inside(options.new_dir, options.dir)) {
		ctl_complain("repair: %s is in %s, which is not to be changed: "
			     "choose another folder",
			     options.new_dir, options.dir);
		return CTL_ERROR;
	}
	ctl_files_raise_limit();
	ctl_finding_init(&shown, ctl, "repaired");
	result = repair_run(&options, &report, &error);
	if (result != 0)
		return ctl_finding_fail(&shown, ctl, result, error.text);
	ctl_progress_clear(&shown.progress);
	if (shown.json)
		print_json(&report);
	else
		print_text(options.new_dir, &report);
	return CTL_DONE;
}
