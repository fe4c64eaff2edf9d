#include "client/ctl_check.h"

#include <inttypes.h>
#include <stdio.h>

#include "client/ctl_files.h"
#include "client/ctl_finding.h"
#include "common/check.h"
#include "common/store.h"

static void print_json(const struct check_report *report)
{
	printf("{\"summary\":\"check\",\"segments\":%" PRIu64
	       ",\"entries\":%" PRIu64 ",\"bytes\":%" PRIu64
	       ",\"damaged\":%" PRIu64 ",\"damaged_bytes\":%" PRIu64
	       ",\"notes\":%" PRIu64 ",\"stopped_cleanly\":%s}\n",
	       report->n_segments, report->n_entries, report->n_bytes,
	       report->n_damaged, report->damaged_bytes, report->n_notes,
	       report->unclean ? "false" : "true");
}

static void print_text(const struct check_report *report)
{
	printf("%" PRIu64 " segments, %" PRIu64 " entries, %" PRIu64
	       " bytes%s: ",
	       report->n_segments, report->n_entries, report->n_bytes,
	       report->unclean ? ", not stopped cleanly" : "");
	if (report->n_damaged > 0)
		printf("%" PRIu64 " damaged (%" PRIu64 " bytes)",
		       report->n_damaged, report->damaged_bytes);
	else
		fputs("whole", stdout);
	if (report->n_notes > 0)
		printf(", %" PRIu64 " notes", report->n_notes);
	putchar('\n');
}

enum ctl_status ctl_check(struct ctl *ctl)
{
	struct ctl_finding shown;
	struct check_options options = {
		.dir = ctl->operands[0],
		.finding = ctl_finding_print,
		.progress = ctl_finding_progress,
		.ctx = &shown,
	};
	struct check_report report;
	struct store_error error;
	int result;

	ctl_files_raise_limit();
	ctl_finding_init(&shown, ctl, "checked");
	result = check_run(&options, &report, &error);
	if (result != 0)
		return ctl_finding_fail(&shown, ctl, result, error.text);
	ctl_progress_clear(&shown.progress);
	if (shown.json)
		print_json(&report);
	else
		print_text(&report);
	if (report.n_damaged == 0)
		return CTL_DONE;
	ctl_complain("check: %s is damaged: 'getmectl repair %s NEWDIR' makes "
		     "a store of all that is not",
		     options.dir, options.dir);
	return CTL_ERROR;
}
