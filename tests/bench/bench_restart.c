/*
 * bench_restart: what opening a store of many keys takes, after a clean stop
 * and after kill -9: time, memory, and the bytes that are read.
 *
 * Usage: bench_restart [KEYS [DIR]]; without operands 1 million, below
 * $TMPDIR.  The store's files are dropped from the page cache before each
 * start.  Prints lines that begin with "# ".
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/store.h"
#include "tests/support/tempdir.h"

enum {
	KEYS = 1000000,
	KEY_LEN = 16,
	VALUE_LEN = 100,
	BATCH = 1000,
	TAIL = 20000, /* keys written again before the kill */
};

static uint64_t n_keys = KEYS;
static char *dir;

static void expect(int result, const char *what)
{
	if (result == 0)
		return;
	fprintf(stderr, "bench_restart: %s: result %d\n", what, result);
	exit(1);
}

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static struct store *open_store(void)
{
	const struct store_options options = { .dir = dir };
	struct store_error error = { "" };
	struct store *store;
	int result = store_open(&options, &store, &error);

	if (result != 0)
		fprintf(stderr, "bench_restart: %s\n", error.text);
	expect(result, "open");
	return store;
}

static void put_keys(struct store *store, uint64_t from, uint64_t n)
{
	static char keys[BATCH][KEY_LEN + 1];
	static char value[VALUE_LEN];
	static struct store_write writes[BATCH];

	for (uint64_t i = 0; i < n; i += BATCH) {
		size_t now = n - i < BATCH ? (size_t)(n - i) : BATCH;

		for (size_t j = 0; j < now; j++) {
			snprintf(keys[j], sizeof(keys[j]), "key-%012" PRIu64,
				 from + i + j);
			writes[j] = (struct store_write){
				.key = keys[j],
				.key_len = KEY_LEN,
				.value = value,
				.value_len = VALUE_LEN,
			};
		}
		expect(store_apply(store, writes, now, STORE_NONE), "apply");
	}
}

/* Resident memory in MiB, that of the index' memfds included. */
static double resident_mib(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	char line[128] = "";
	char *resident;
	unsigned long pages;

	if (!file || !fgets(line, sizeof(line), file))
		expect(1, "statm");
	fclose(file);
	strtoul(line, &resident, 10);
	pages = strtoul(resident, NULL, 10);
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

static void drop_caches(void)
{
	DIR *folder = opendir(dir);
	struct dirent *entry;

	while (folder && (entry = readdir(folder))) {
		int fd = openat(dirfd(folder), entry->d_name,
				O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			continue;
		fdatasync(fd);
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		close(fd);
	}
	if (folder)
		closedir(folder);
}

static struct store *start(const char *after)
{
	double before_mib = resident_mib();
	double began = now_ms();
	struct store *store = open_store();
	double took = now_ms() - began;
	struct store_stats stats;

	store_get_stats(store, &stats);
	printf("# restart after %s: %" PRIu64 " keys in %.0f ms, %.1f MiB of "
	       "memory (index %.1f), read %.1f MiB of hints and %.2f MiB of "
	       "%.0f MiB of segments\n",
	       after, stats.keys, took, resident_mib() - before_mib,
	       (double)stats.index_bytes / (1 << 20),
	       (double)stats.hint_bytes_read / (1 << 20),
	       (double)stats.segment_bytes_read / (1 << 20),
	       (double)stats.disk_bytes / (1 << 20));
	fflush(stdout);
	if (stats.keys != n_keys)
		expect(1, "keys");
	return store;
}

/* ---- each in a process of its own ---- */

static void load(void)
{
	struct store *store = open_store();

	put_keys(store, 0, n_keys);
	expect(store_close(store), "close");
}

static void after_stop(void)
{
	struct store *store = start("a clean stop");

	put_keys(store, 0, n_keys < TAIL ? n_keys : TAIL);
	kill(getpid(), SIGKILL);
}

static void after_kill(void)
{
	expect(store_close(start("kill -9")), "close");
}

static bool run(void (*step)(void), int expected_signal)
{
	int status = 0;
	pid_t pid;

	drop_caches();
	pid = fork();
	if (pid == 0) {
		step();
		exit(0);
	}
	waitpid(pid, &status, 0);
	if (expected_signal > 0)
		return WIFSIGNALED(status) &&
		       WTERMSIG(status) == expected_signal;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(int argc, char **argv)
{
	char *parent;
	bool good;

	if (argc > 1)
		n_keys = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		setenv("TMPDIR", argv[2], 1);
	parent = tempdir_new();
	if (asprintf(&dir, "%s/store", parent) < 0)
		return 1;
	good = run(load, 0) && run(after_stop, SIGKILL) && run(after_kill, 0);
	tempdir_free(parent);
	free(dir);
	return good ? 0 : 1;
}
