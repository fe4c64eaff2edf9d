/*
 * getmed: the daemon that owns a getMe store.
 *
 * Exit status: 0 stopped in order (or --help, --version), 1 could not start,
 * 2 an option, or a line of the config file, is unknown or malformed.
 */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/engine.h"
#include "daemon/clock.h"
#include "daemon/config.h"
#include "daemon/daemon.h"
#include "daemon/logging.h"
#include "daemon/options.h"
#include "daemon/systemd.h"
#include "daemon/version.h"

enum {
	EXIT_START = 1,
	EXIT_OPTIONS = 2,
	HELP_MAX = 4096,
	/* How often the progress of loading is told, and for how long. */
	PROGRESS_EVERY_MS = 1000,
	PROGRESS_EXTEND_US = 30 * 1000 * 1000,
	/*
	 * A compaction needs some MiB again and again.  Given back each time
	 * they cost a page fault for every 4 KiB, and every thread a flush of
	 * its address translations: half of what a busy daemon did.
	 */
	KEPT_A_THREAD = 16 << 20, /* bytes that were freed, at most */
	/* What is larger goes back at once. */
	MAPPED_ALONE = 4 << 20, /* bytes */
};

/* How much of what was freed malloc keeps. */
static void keep_memory(void)
{
#ifdef __GLIBC__
	mallopt(M_TRIM_THRESHOLD, KEPT_A_THREAD);
	mallopt(M_MMAP_THRESHOLD, MAPPED_ALONE);
#endif
}

/* A big store takes its time to load; systemd is told that it goes on. */
static void tell_progress(void *ctx, uint64_t done, uint64_t total)
{
	uint64_t *told_ms = ctx;
	uint64_t now_ms = clock_monotonic_ms();
	char text[96];

	if (now_ms - *told_ms < PROGRESS_EVERY_MS)
		return;
	*told_ms = now_ms;
	snprintf(text, sizeof(text), "loading the store: %" PRIu64 " %%",
		 total > 0 ? done * 100 / total : 0);
	systemd_extend_timeout(PROGRESS_EXTEND_US);
	systemd_status(text);
}

static int open_local(const struct options *options, const char *store,
		      const struct engine_host *host, struct engine **engine,
		      struct failure *failure)
{
	struct engine_local_error error = { .text = "" };
	uint64_t told_ms = clock_monotonic_ms();
	const struct engine_local_options local = {
		.dir = store,
		.durability = options->durability,
		.sync_interval_ms = options->sync_interval_ms,
		.segment_size = options->segment_size,
		.value_max = options->max_value,
		.compaction = options->compaction,
		.progress = tell_progress,
		.progress_ctx = &told_ms,
	};
	int result = engine_local_open(&local, host, engine, &error);

	if (result < 0)
		failure_set(failure, result, "%s", error.text);
	return result;
}

static int fail(int status, const struct failure *failure)
{
	logging_text(LOGGING_ERROR, failure->text);
	return status;
}

static int print(enum options_action action)
{
	char help[HELP_MAX];

	if (action == OPTIONS_VERSION) {
		puts("getmed " GETME_VERSION);
	} else {
		options_help(help, sizeof(help));
		fputs(help, stdout);
	}
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_START;
}

static int run(struct options *options, int argc, char **argv)
{
	struct failure failure = { .text = "" };
	enum options_action action;
	int result = options_parse(options, argc, argv, &action, &failure);

	if (result == 0 && action != OPTIONS_RUN)
		return print(action);
	if (result == 0 && options->config)
		result = config_load(options->config, options, &failure);
	if (result < 0)
		return fail(result == -EINVAL ? EXIT_OPTIONS : EXIT_START,
			    &failure);
	logging_init(STDERR_FILENO, options->log_level,
		     logging_is_journal(STDERR_FILENO));
	result = daemon_run(options, open_local, &failure);
	return result < 0 ? fail(EXIT_START, &failure) : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct options options;
	int status;

	umask(022);
	keep_memory();
	logging_init(STDERR_FILENO, LOGGING_INFO,
		     logging_is_journal(STDERR_FILENO));
	options_init(&options);
	status = run(&options, argc, argv);
	options_deinit(&options);
	return status;
}
