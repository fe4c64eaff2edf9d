#include "client/ctl_import.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/ctl_files.h"
#include "client/ctl_lines.h"
#include "client/ctl_progress.h"
#include "client/ctl_record.h"

enum {
	GROUP_RECORDS = 256,   /* of a batch: more gains nothing */
	GROUP_BYTES = 1 << 20, /* of a batch, its last record apart */
	UNDER_WAY_MAX = 8,     /* requests not answered yet */
	ERROR_TEXT_BYTES = 512,
};

/* The records of one request. */
struct group {
	uint64_t first_line;
	uint64_t last_line;
	uint64_t n_records;
	size_t n_bytes;
};

/*
 * Invariants
 *  1. under_way holds the groups that were submitted and not collected, in
 *     order, n_under_way of them from first_under_way on (a ring).
 *  2. open describes what is in batch, which was not submitted.
 *  3. No value longer than proven_len is under way together with anything
 *     else.  A daemon may have a low limit for values: a value that it
 *     refuses must not meet later ones that are already stored.
 *  4. Once failure is set, nothing more is submitted.
 */
struct import {
	struct ctl *ctl;
	struct ctl_lines lines;
	struct getme_batch *batch;
	struct group open;
	struct group under_way[UNDER_WAY_MAX];
	size_t first_under_way;
	size_t n_under_way;
	size_t proven_len; /* the longest value stored so far */
	uint64_t n_stored; /* records before the failure */
	uint64_t n_stored_behind;
	int failure; /* the first negative result; 0: none */
	struct group failed;
	char failure_text[ERROR_TEXT_BYTES];
	struct ctl_progress progress;
};

/* ---- requests and answers ---- */

static void set_failure(struct import *import, int result,
			const struct group *group)
{
	const char *text = getme_last_error(import->ctl->handle);

	if (import->failure)
		return;
	import->failure = result;
	import->failed = *group;
	snprintf(import->failure_text, sizeof(import->failure_text), "%s",
		 *text ? text : getme_strerror(result));
}

/* Takes the next answer.  0, GETME_END, -EAGAIN, or no answer in time. */
static int take_answer(struct import *import, int wait)
{
	const struct group *group = &import->under_way[import->first_under_way];
	struct getme_answer answer;
	int r;

	if (import->n_under_way == 0)
		return GETME_END;
	r = getme_collect(import->ctl->handle, wait, &answer);
	if (r == -EAGAIN)
		return r;
	if (r != 0) {
		/* These are writes: nobody knows what becomes of them. */
		set_failure(import, GETME_E_UNKNOWN_OUTCOME, group);
		import->n_under_way = 0;
		return GETME_END;
	}
	if (answer.result != 0)
		set_failure(import, answer.result, group);
	else if (import->failure)
		import->n_stored_behind += group->n_records;
	else
		import->n_stored += group->n_records;
	import->first_under_way = (import->first_under_way + 1) % UNDER_WAY_MAX;
	import->n_under_way--;
	ctl_progress_update(&import->progress, import->n_stored);
	return 0;
}

/* Takes what has arrived, and waits until N or fewer are under way. */
static void collect(struct import *import, size_t n)
{
	while (import->n_under_way > n)
		take_answer(import, 1);
	while (take_answer(import, 0) == 0)
		;
}

/* Submits one put, or with RECORD NULL the batch, as GROUP. */
static void submit(struct import *import, const struct ctl_record *record,
		   const struct group *group)
{
	struct getme_write_options options = ctl_write_options(import->ctl);
	struct getme *handle = import->ctl->handle;
	int r;

	collect(import, UNDER_WAY_MAX - 1);
	if (import->failure)
		return;
	if (record) {
		options.expires_at_ms = record->options.expires_at_ms;
		r = getme_submit_put(handle, record->key.data, record->key.len,
				     record->value.data, record->value.len,
				     &options, NULL);
	} else {
		r = getme_submit_batch(handle, import->batch, &options, NULL);
	}
	if (r != 0) {
		collect(import, 0); /* an earlier one may have failed, too */
		set_failure(import, r, group);
		return;
	}
	import->under_way[(import->first_under_way + import->n_under_way) %
			  UNDER_WAY_MAX] = *group;
	import->n_under_way++;
}

static void submit_open(struct import *import)
{
	if (import->open.n_records == 0)
		return;
	submit(import, NULL, &import->open);
	getme_batch_reset(import->batch);
	memset(&import->open, 0, sizeof(import->open));
}

/* Submits what is left and waits for every answer. */
static void drain(struct import *import)
{
	submit_open(import);
	collect(import, 0);
}

/* ---- records ---- */

static void put_alone(struct import *import, const struct ctl_record *record)
{
	struct group group = { import->lines.number, import->lines.number, 1,
			       record->value.len };

	drain(import);
	submit(import, record, &group);
	collect(import, 0);
	if (!import->failure && import->proven_len < record->value.len)
		import->proven_len = record->value.len;
}

static void put_grouped(struct import *import, const struct ctl_record *record)
{
	struct group *open = &import->open;
	int r = getme_batch_put(import->batch, record->key.data,
				record->key.len, record->value.data,
				record->value.len, &record->options);

	if (open->n_records == 0)
		open->first_line = import->lines.number;
	open->last_line = import->lines.number;
	if (r != 0) {
		struct group group = { open->last_line, open->last_line, 1, 0 };

		drain(import);
		set_failure(import, r, &group);
		return;
	}
	open->n_records++;
	open->n_bytes += record->key.len + record->value.len;
	if (open->n_records == GROUP_RECORDS || open->n_bytes >= GROUP_BYTES)
		submit_open(import);
}

static void put(struct import *import, const struct ctl_record *record)
{
	if (record->value.len > import->proven_len ||
	    record->value.len > GROUP_BYTES)
		put_alone(import, record);
	else
		put_grouped(import, record);
}

/* ---- lines ---- */

/* The input is at fault: what came before it gets stored first. */
__attribute__((format(printf, 2, 3))) static enum ctl_status
refuse(struct import *import, const char *format, ...)
{
	char why[ERROR_TEXT_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	drain(import);
	if (import->failure)
		return CTL_USAGE; /* the failure is reported instead */
	ctl_progress_clear(&import->progress);
	ctl_complain("import: %s; %" PRIu64 " records before it are stored",
		     why, import->n_stored);
	return CTL_USAGE;
}

static enum ctl_status take_line(struct import *import, const char *line,
				 size_t len)
{
	struct ctl_record record;
	char why[ERROR_TEXT_BYTES / 2];
	int r;

	if (ctl_record_is_blank(line, len))
		return CTL_DONE;
	r = ctl_record_parse(&record, CTL_RECORD_IMPORT, line, len, why,
			     sizeof(why));
	if (r == -EINVAL)
		return refuse(import, "line %" PRIu64 ": %s",
			      import->lines.number, why);
	if (r < 0) {
		refuse(import, "line %" PRIu64 ": %s", import->lines.number,
		       strerror(-r));
		return CTL_ERROR;
	}
	put(import, &record);
	ctl_record_deinit(&record);
	return CTL_DONE;
}

/* Until the end, the first bad line or the first failure. */
static enum ctl_status take_lines(struct import *import)
{
	enum ctl_status status = CTL_DONE;
	const char *line;
	size_t len;
	int r = 0;

	while (status == CTL_DONE) {
		/* A slow producer's records are not kept waiting. */
		if (ctl_lines_would_wait(&import->lines))
			drain(import);
		if (import->failure)
			break;
		r = ctl_lines_next(&import->lines, &line, &len);
		if (r != 0)
			break;
		status = take_line(import, line, len);
	}
	if (r == -EFBIG)
		return refuse(import, "line %" PRIu64 ": it is too long",
			      import->lines.number);
	if (r < 0)
		return refuse(import,
			      "cannot read on behind line %" PRIu64 ": %s",
			      import->lines.number, strerror(-r));
	drain(import);
	return status;
}

/* The daemon, or the way to it, is at fault. */
static enum ctl_status report_failure(struct import *import)
{
	const struct group *failed = &import->failed;
	char where[64];
	char behind[64] = "";

	if (failed->first_line == failed->last_line)
		snprintf(where, sizeof(where), "line %" PRIu64,
			 failed->first_line);
	else
		snprintf(where, sizeof(where), "lines %" PRIu64 " to %" PRIu64,
			 failed->first_line, failed->last_line);
	if (import->n_stored_behind > 0)
		snprintf(behind, sizeof(behind), ", and %" PRIu64 " after that",
			 import->n_stored_behind);
	ctl_progress_clear(&import->progress);
	ctl_complain("import: %s: %s; %" PRIu64 " records before it are "
		     "stored%s",
		     where, import->failure_text, import->n_stored, behind);
	switch (import->failure) {
	case GETME_E_TOO_LARGE:
		return CTL_USAGE;
	case GETME_E_TIMEOUT:
		return CTL_UNKNOWN;
	default:
		return ctl_exit_status(import->failure);
	}
}

static enum ctl_status run(struct import *import)
{
	enum ctl_status status = ctl_connect(import->ctl);
	int r;

	if (status != CTL_DONE)
		return status;
	r = getme_batch_new(&import->batch);
	if (r != 0)
		return ctl_fail(import->ctl, r);
	ctl_progress_init(&import->progress, "imported");
	status = take_lines(import);
	if (import->failure)
		return report_failure(import);
	if (status == CTL_DONE)
		ctl_progress_finish(&import->progress, import->n_stored);
	return status;
}

enum ctl_status ctl_import(struct ctl *ctl)
{
	const char *path = ctl->n_operands > 0 ? ctl->operands[0] : NULL;
	struct import import = { .ctl = ctl };
	enum ctl_status status;
	int fd;
	int r = ctl_files_open_input(path, &fd);

	if (r < 0) {
		ctl_complain("import: cannot open %s: %s", path, strerror(-r));
		return CTL_USAGE;
	}
	ctl_lines_init(&import.lines, fd, CTL_RECORD_LINE_MAX);
	status = run(&import);
	getme_batch_free(import.batch);
	ctl_lines_deinit(&import.lines);
	ctl_files_close_input(fd);
	return status;
}
