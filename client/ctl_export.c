#include "client/ctl_export.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/ctl_files.h"
#include "client/ctl_json.h"
#include "client/ctl_progress.h"

struct exporting {
	FILE *out;
	uint64_t n_records;
	uint64_t n_left_out;
	struct ctl_progress progress;
};

static void leave_out(struct exporting *exporting,
		      const struct getme_item *item)
{
	char *key = ctl_json_key_text(&item->key);

	exporting->n_left_out++;
	ctl_progress_clear(&exporting->progress);
	ctl_complain("export: left out %s: %s", key ? key : "a key",
		     getme_strerror(item->result));
	free(key);
}

/* To the end of the scan, or until the output fails. */
static int write_records(struct exporting *exporting, struct getme_scan *scan)
{
	struct getme_item item;
	int r = 0;

	while (!ferror(exporting->out)) {
		r = getme_scan_next(scan, &item);
		if (r != 0)
			break;
		if (item.result == GETME_NOT_FOUND)
			continue;
		if (item.result != 0) {
			leave_out(exporting, &item);
			continue;
		}
		ctl_json_write_record(exporting->out, &item.key, &item.value);
		ctl_progress_update(&exporting->progress,
				    ++exporting->n_records);
	}
	return r == GETME_END ? 0 : r;
}

static enum ctl_status scan_all(struct ctl *ctl, struct exporting *exporting)
{
	struct getme_scan_options options = GETME_SCAN_OPTIONS_INIT;
	struct getme_scan *scan = NULL;
	int r;

	options.with_values = 1;
	ctl_progress_init(&exporting->progress, "exported");
	r = getme_scan_open(ctl->handle, &options, &scan);
	if (r == 0)
		r = write_records(exporting, scan);
	if (r != 0) {
		ctl_progress_clear(&exporting->progress);
		ctl_fail(ctl, r);
	} else if (exporting->progress.is_shown) {
		ctl_progress_finish(&exporting->progress, exporting->n_records);
	}
	getme_scan_close(scan);
	return ctl_exit_status(r);
}

/* Connects first: without a daemon an older export stays as it is. */
enum ctl_status ctl_export(struct ctl *ctl)
{
	const char *path = ctl->n_operands > 0 ? ctl->operands[0] : NULL;
	struct exporting exporting = { .out = NULL };
	enum ctl_status status = ctl_connect(ctl);
	int r;

	if (status != CTL_DONE)
		return status;
	r = ctl_files_open_output(path, &exporting.out);
	if (r < 0) {
		ctl_complain("export: cannot open %s: %s", path, strerror(-r));
		return CTL_ERROR;
	}
	status = scan_all(ctl, &exporting);
	r = exporting.out == stdout ? 0 : ctl_files_close_output(exporting.out);
	if (r < 0) {
		ctl_complain("export: cannot write %s: %s", path, strerror(-r));
		return CTL_ERROR;
	}
	if (status == CTL_DONE && exporting.n_left_out > 0) {
		ctl_complain("export: %" PRIu64 " records were left out",
			     exporting.n_left_out);
		return CTL_ERROR;
	}
	return status;
}
