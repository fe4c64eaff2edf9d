#include "client/ctl_batch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/ctl_files.h"
#include "client/ctl_lines.h"
#include "client/ctl_record.h"

enum {
	OPS_MAX = 16384, /* of a batch; getme.h's limit */
	ERROR_TEXT_BYTES = 512,
};

/* A batch as it is read, and which line each operation was on. */
struct reading {
	struct ctl_lines lines;
	struct getme_batch *batch;
	uint64_t line_of[OPS_MAX];
	size_t largest_len; /* of a value */
	uint64_t largest_line;
};

static enum ctl_status refuse(uint64_t line, const char *why)
{
	ctl_complain("batch: line %" PRIu64 ": %s; nothing was applied", line,
		     why);
	return CTL_USAGE;
}

static int add(struct getme_batch *batch, const struct ctl_record *record)
{
	if (record->is_delete)
		return getme_batch_delete(batch, record->key.data,
					  record->key.len, &record->options);
	return getme_batch_put(batch, record->key.data, record->key.len,
			       record->value.data, record->value.len,
			       &record->options);
}

static enum ctl_status take_record(const struct ctl *ctl,
				   struct reading *reading,
				   const struct ctl_record *record)
{
	size_t n = getme_batch_count(reading->batch);
	uint64_t line = reading->lines.number;
	int r = n < OPS_MAX ? add(reading->batch, record) : GETME_E_TOO_LARGE;

	if (r == GETME_E_TOO_LARGE)
		return refuse(line, "a batch has at most 16,384 operations "
				    "and 64 MiB of keys and values");
	if (r < 0)
		return ctl_fail(ctl, r);
	reading->line_of[n] = line;
	if (record->value.len > reading->largest_len) {
		reading->largest_len = record->value.len;
		reading->largest_line = line;
	}
	return CTL_DONE;
}

static enum ctl_status take_line(const struct ctl *ctl, struct reading *reading,
				 const char *line, size_t len)
{
	struct ctl_record record;
	char why[ERROR_TEXT_BYTES];
	enum ctl_status status;
	int r;

	if (ctl_record_is_blank(line, len))
		return CTL_DONE;
	r = ctl_record_parse(&record, CTL_RECORD_BATCH, line, len, why,
			     sizeof(why));
	if (r == -EINVAL)
		return refuse(reading->lines.number, why);
	if (r < 0)
		return ctl_fail(ctl, r);
	status = take_record(ctl, reading, &record);
	ctl_record_deinit(&record);
	return status;
}

static enum ctl_status read_lines(const struct ctl *ctl,
				  struct reading *reading)
{
	enum ctl_status status = CTL_DONE;
	const char *line;
	size_t len;
	int r = 0;

	while (status == CTL_DONE) {
		r = ctl_lines_next(&reading->lines, &line, &len);
		if (r != 0)
			break;
		status = take_line(ctl, reading, line, len);
	}
	if (r == -EFBIG)
		return refuse(reading->lines.number, "the line is too long");
	if (r == -ENOMEM)
		return ctl_fail(ctl, r);
	if (r < 0) {
		ctl_complain("batch: cannot read the input: %s; nothing was "
			     "applied",
			     strerror(-r));
		return CTL_USAGE;
	}
	return status;
}

static enum ctl_status apply(struct ctl *ctl, const struct reading *reading)
{
	struct getme_write_options options = ctl_write_options(ctl);
	size_t n = getme_batch_count(reading->batch);
	struct getme_written written = { .durability = options.durability };
	enum ctl_status status = ctl_connect(ctl);
	int r = 0;

	if (status != CTL_DONE)
		return status;
	if (n > 0)
		r = getme_batch_apply(ctl->handle, reading->batch, &options,
				      &written);
	if (r == GETME_CONDITION && written.failed_index < n) {
		ctl_complain("batch: line %" PRIu64 ": the condition is not "
			     "met; nothing was applied",
			     reading->line_of[written.failed_index]);
		return CTL_NO;
	}
	/* Its sum was checked: one value is over this daemon's own limit. */
	if (r == GETME_E_TOO_LARGE)
		return refuse(reading->largest_line,
			      getme_last_error(ctl->handle));
	if (r != 0)
		return ctl_fail(ctl, r);
	if (ctl->options.json)
		printf("{\"applied\":%zu,\"durability\":\"%s\"}\n", n,
		       ctl_options_durability_name(written.durability));
	return CTL_DONE;
}

enum ctl_status ctl_batch(struct ctl *ctl)
{
	const char *path = ctl->n_operands > 0 ? ctl->operands[0] : NULL;
	struct reading reading = { .batch = NULL };
	enum ctl_status status;
	int fd, r;

	r = ctl_files_open_input(path, &fd);
	if (r < 0) {
		ctl_complain("batch: cannot open %s: %s", path, strerror(-r));
		return CTL_USAGE;
	}
	ctl_lines_init(&reading.lines, fd, CTL_RECORD_LINE_MAX);
	r = getme_batch_new(&reading.batch);
	status = r == 0 ? read_lines(ctl, &reading) : ctl_fail(ctl, r);
	if (status == CTL_DONE)
		status = apply(ctl, &reading);
	getme_batch_free(reading.batch);
	ctl_lines_deinit(&reading.lines);
	ctl_files_close_input(fd);
	return status;
}
