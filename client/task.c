/*
 * task: compact and backup, which may take hours, and how far they are.
 *
 * Replies of one connection come in order, so what would be asked there
 * waits for the task: its progress is asked for on a connection of its own,
 * opened when the first answer is due.  Where that fails there is no
 * progress to tell, and the task goes on.
 */
#include <errno.h>
#include <string.h>

#include "client/answer.h"
#include "client/ask.h"
#include "client/call.h"
#include "client/deadline.h"
#include "client/option_struct.h"
#include "client/session.h"

enum {
	PATH_BYTES_MAX = 4095,
	PROGRESS_MS = 200,
	WATCH_TIMEOUT_MS = 1000,
};

/* One call; the rows of stats tell how far it is. */
struct task {
	int64_t timeout_ms;
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
	const char *done_row;
	const char *total_row;
	const char *socket;
	struct getme *watcher; /* owned; NULL: not connected */
};

static uint64_t value_of(const struct getme_stats_row *rows, size_t n,
			 const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(rows[i].name, name) == 0)
			return rows[i].value;
	return 0;
}

static void watch(void *ctx)
{
	struct task *task = ctx;
	struct getme_options options = GETME_OPTIONS_INIT;
	const struct getme_stats_row *rows;
	uint64_t total;
	size_t n;

	options.socket = task->socket;
	options.timeout_ms = WATCH_TIMEOUT_MS;
	options.direct = GETME_DIRECT_OFF;
	if (!task->watcher &&
	    getme_open(&options, &task->watcher, NULL, 0) != 0)
		return;
	if (getme_stats(task->watcher, &rows, &n) != 0)
		return;
	total = value_of(rows, n, task->total_row);
	if (total > 0)
		task->progress(task->ctx, value_of(rows, n, task->done_row),
			       total);
}

static int run(struct getme *handle, struct message_request *request,
	       struct task *task)
{
	const struct session_idle idle = {
		.every_ms = PROGRESS_MS,
		.call = watch,
		.ctx = task,
	};
	struct message_reply reply;
	struct ticket ticket;
	int r;

	if (task->timeout_ms < -1)
		return handle_fail(handle, -EINVAL,
				   "an option of %s is out of range",
				   method_get(request->method)->name);
	/* A daemon that does not even say hello is not waited for so long. */
	r = call_prepare(handle, request->method, handle_deadline(handle));
	if (r != 0)
		return r;
	task->socket = handle->path.text;
	if (task->progress)
		handle->idle = &idle;
	r = call_ticket(
		handle, request, 0,
		deadline_after(task->timeout_ms > 0 ? task->timeout_ms : -1),
		&ticket);
	handle->idle = NULL;
	getme_close(task->watcher);
	if (r == 0)
		r = answer_decode(handle, &ticket, &reply);
	if (r == 0)
		message_reply_deinit(&reply);
	return r;
}

static int bad_struct(struct getme *handle)
{
	return handle_fail(handle, -EINVAL,
			   "the options are not of a known size");
}

int getme_compact(struct getme *handle,
		  const struct getme_compact_options *options)
{
	struct getme_compact_options read = GETME_COMPACT_OPTIONS_INIT;
	struct message_request request;
	struct task task = {
		.done_row = "compact_done_bytes",
		.total_row = "compact_total_bytes",
	};
	int r = handle_begin(handle);

	if (r < 0)
		return r;
	if (option_struct_read(options, &read, sizeof(read)) < 0)
		return bad_struct(handle);
	task.timeout_ms = read.timeout_ms;
	task.progress = read.progress;
	task.ctx = read.progress_ctx;
	ask_init(&request, METHOD_COMPACT);
	return run(handle, &request, &task);
}

/* Where the daemon's own folder is does not matter to a caller. */
static int ask_path(struct getme *handle, struct message_request *request,
		    const char *path)
{
	if (!path || *path != '/')
		return handle_fail(handle, -EINVAL,
				   "a backup's folder is an absolute path");
	request->path.data = path;
	request->path.len = strlen(path);
	if (request->path.len > PATH_BYTES_MAX)
		return handle_fail(handle, -EINVAL,
				   "the path of a backup's folder has up to "
				   "%d bytes",
				   PATH_BYTES_MAX);
	return 0;
}

int getme_backup(struct getme *handle, const char *path,
		 const struct getme_backup_options *options)
{
	struct getme_backup_options read = GETME_BACKUP_OPTIONS_INIT;
	struct message_request request;
	struct task task = {
		.done_row = "backup_done_bytes",
		.total_row = "backup_total_bytes",
	};
	int r = handle_begin(handle);

	if (r < 0)
		return r;
	if (option_struct_read(options, &read, sizeof(read)) < 0)
		return bad_struct(handle);
	task.timeout_ms = read.timeout_ms;
	task.progress = read.progress;
	task.ctx = read.progress_ctx;
	ask_init(&request, METHOD_BACKUP);
	r = ask_path(handle, &request, path);
	return r == 0 ? run(handle, &request, &task) : r;
}
