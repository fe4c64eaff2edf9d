#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "common/engine_internal.h"

static int result_of(int result)
{
	switch (result) {
	case BACKUP_REFUSED:
		return ENGINE_REFUSED;
	case BACKUP_CANCELLED:
		return ENGINE_CLOSED;
	default:
		return result;
	}
}

static void *thread_main(void *arg)
{
	struct backup_task *task = arg;
	const struct engine_host *host = &task->local->host;

	pthread_setname_np(pthread_self(), "getme-backup");
	task->result = store_run_backup(task->local->store, &task->backup);
	task->finished = true;
	host->wake(host->ctx);
	return NULL;
}

/* Signals are the loop's. */
static int start_thread(struct backup_task *task)
{
	sigset_t all;
	sigset_t before;
	int result;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	result = pthread_create(&task->thread, NULL, thread_main, task);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	task->copying = result == 0;
	return -result;
}

static void end(struct local *local, int result)
{
	struct backup_task *task = local->backup;
	struct engine_request *request = task->request;

	retire_end(&local->store->retire, &task->hold);
	local->backup = NULL;
	if (result == 0) {
		local->n_backups++;
		events_add(&local->store->events, EVENT_NOTICE,
			   "a backup was made in %s", task->backup.dir);
	}
	if (*task->backup.text)
		request->text = task->backup.text;
	local_finish(request, result);
	free(task);
}

void local_backup(struct local *local, struct engine_request *request)
{
	struct backup_task *task;
	int result;

	if (local->backup) {
		request->text = "a backup is under way already: try again "
				"when it has ended";
		local_finish(request, ENGINE_BUSY);
		return;
	}
	task = calloc(1, sizeof(*task));
	if (!task) {
		local_finish(request, -ENOMEM);
		return;
	}
	task->local = local;
	task->request = request;
	task->backup.io = local->store->io;
	task->backup.from = local->store->dir;
	task->backup.dir = request->path;
	local->backup = task;
	/* Before the cut: what it names stays until it is copied. */
	retire_hold(&local->store->retire, &task->hold);
	result = local_submit_special(local, request, LOG_CUT, NULL);
	if (result < 0)
		end(local, result);
}

void local_backup_cut(struct local *local, int result)
{
	if (result == ENGINE_UNKNOWN)
		result = ENGINE_READ_ONLY;
	if (result == 0)
		result = local->closing ? ENGINE_CLOSED
					: start_thread(local->backup);
	if (result != 0)
		end(local, result);
}

void local_end_backup(struct local *local, bool cancel)
{
	struct backup_task *task = local->backup;

	if (!task || !task->copying || (!cancel && !task->finished))
		return;
	task->backup.cancelled = cancel;
	pthread_join(task->thread, NULL);
	end(local, result_of(task->result));
}
