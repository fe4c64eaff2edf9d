/*
 * soak: everything at once, for as long as one likes: overwrites, deletes,
 * batches, expiries, additions, reads, scans, compactions by themselves and
 * asked for, backups, clears; processes that are killed, and a getmed that
 * is, again and again, also while it starts.  After each restart every key is
 * looked at (tests/support/writer_model.h).
 *
 *	soak GETMED DIR SECONDS [SEED]
 *
 * Prints the seed; the same one makes the same choices, not the same times.
 */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/torture/soak.h"
#include "tests/torture/soak_backup.h"
#include "tests/torture/soak_crowd.h"
#include "tests/torture/soak_daemon.h"
#include "tests/torture/soak_gate.h"
#include "tests/torture/soak_keys.h"
#include "tests/torture/soak_reader.h"
#include "tests/torture/soak_scan.h"
#include "tests/torture/soak_upkeep.h"
#include "tests/torture/soak_writer.h"

enum {
	LOAD_MIN_MS = 60, /* of a round */
	LOAD_SPAN_MS = 500,
	LONG_EVERY = 6, /* rounds, on average; */
	LONG_SPAN_MS = 4000,
	RECOVERY_KILL_EVERY = 4, /* rounds */
	RECOVERY_KILL_MS = 40,	 /* at most, after the start */
	COMPACT_EVERY = 3,	 /* restarts, on average, before more load */
	STOP_EVERY = 7,		 /* rounds that end with SIGTERM */
	WHY_LEN = 512,
	THREADS = SOAK_WRITERS + SOAK_READERS + 4,
};

static struct soak {
	struct soak_daemon daemon;
	struct soak_gate gate;
	_Atomic unsigned int epoch;
	struct soak_writer writers[SOAK_WRITERS];
	struct soak_reader readers[SOAK_READERS];
	struct soak_crowd crowd;
	struct soak_scanner scanner;
	struct soak_compactor compactor;
	struct soak_backups backups;
	struct soak_clearer clearer;
	uint64_t random;
	uint64_t n_rounds;
	uint64_t n_acked;
	uint64_t n_pending;
	uint64_t n_recovery_kills;
	uint64_t n_stops;
} soak;

/* ---- after a restart ---- */

/* The highest number that a reader saw. */
static int64_t highest_seen(unsigned int writer)
{
	int64_t seen = 0;

	for (int i = 0; i < SOAK_READERS; i++)
		if (seen < soak.readers[i].seen[writer])
			seen = soak.readers[i].seen[writer];
	return seen;
}

/* It cannot go on with a store that is not as it should be. */
static void find_cut(struct getme *handle, const struct soak_writer *writer,
		     struct model_view *view, struct model_cut *cut)
{
	unsigned int nr = writer->model.writer;
	char why[WHY_LEN];

	if (!soak_keys_view(handle, SOAK_STATE, nr, view))
		soak_die("the keys cannot be read after a restart");
	if (!model_fits(&writer->model, view, highest_seen(nr), cut, why,
			sizeof(why))) {
		soak_fault(SOAK_STATE, "%s", why);
		soak_report_faults();
		soak_die("the store is not what it may be");
	}
	soak_keys_check_group(nr, view->found + MODEL_FIRST_GROUP);
}

static void check_order(const struct model_cut *cuts)
{
	const struct writer_model *models[SOAK_WRITERS];
	unsigned int n_sent = 0;
	unsigned int n_missing = 0;

	for (int i = 0; i < SOAK_WRITERS; i++)
		models[i] = &soak.writers[i].model;
	if (!model_cuts_agree(models, cuts, SOAK_WRITERS, &n_sent, &n_missing))
		soak_fault(SOAK_ORDER, "w%u has what w%u misses the cause of",
			   n_sent, n_missing);
}

/* Nobody writes: it gives what was found, but for what expires. */
static void check_scan(struct getme *handle, const struct model_view *views)
{
	struct soak_census census;
	uint64_t count = 0;

	if (soak_scan(handle, &soak.random, &census) != 0)
		soak_die("a scan fails after a restart");
	for (int i = 0; i < SOAK_WRITERS; i++)
		for (unsigned int key = 0; key < MODEL_KEYS; key++)
			if ((key < MODEL_FIRST_EXPIRING ||
			     key >= MODEL_FIRST_COUNTER) &&
			    census.writers[i][key] !=
				    views[i].found[key].present)
				soak_fault(SOAK_SCAN,
					   "w%d/%u comes %u times by scan, "
					   "%d by get",
					   i, key, census.writers[i][key],
					   views[i].found[key].present);
	if (soak.epoch % 2 == 0)
		soak_scan_check_staying(&census);
	if (getme_count(handle, &count) != 0 ||
	    count > SOAK_STAYING + SOAK_COMING + SOAK_WRITERS * MODEL_KEYS)
		soak_fault(SOAK_SCAN, "the count is %" PRIu64, count);
}

static void check_all(struct getme *handle)
{
	struct model_view views[SOAK_WRITERS];
	struct model_cut cuts[SOAK_WRITERS];

	for (int i = 0; i < SOAK_WRITERS; i++)
		find_cut(handle, &soak.writers[i], &views[i], &cuts[i]);
	check_order(cuts);
	check_scan(handle, views);
	for (int i = 0; i < SOAK_WRITERS; i++) {
		struct writer_model *model = &soak.writers[i].model;

		soak.n_acked += model->n_acked;
		soak.n_pending += model->n_ops - model->n_acked;
		model_settle(model, &cuts[i]);
	}
}

/* The keys that stay were never written, or lost in a clear. */
static void fill(struct getme *handle)
{
	if (soak_crowd_fill(handle, &soak.random) != 0)
		soak_die("the store takes no writes");
	++soak.epoch;
}

static void restart(void)
{
	struct getme *handle;

	if (soak.n_rounds % RECOVERY_KILL_EVERY == 0) {
		soak_daemon_start(&soak.daemon,
				  soak_random(&soak.random, 1024));
		soak_pause_ms(soak_random(&soak.random, RECOVERY_KILL_MS));
		soak_daemon_end(&soak.daemon, SIGKILL);
		soak.n_recovery_kills++;
	}
	soak_daemon_start(&soak.daemon, soak_random(&soak.random, 1024));
	handle = soak_daemon_need(&soak.daemon);
	check_all(handle);
	if (soak_random(&soak.random, COMPACT_EVERY) == 0) {
		if (getme_compact(handle, NULL) != 0)
			soak_fault(SOAK_REPLY, "compact: %s",
				   getme_last_error(handle));
		check_all(handle);
	}
	if (soak.epoch % 2 == 1)
		fill(handle);
	getme_close(handle);
}

/* ---- rounds ---- */

static void start_thread(pthread_t *thread, void *(*run)(void *), void *arg)
{
	if (pthread_create(thread, NULL, run, arg) != 0)
		soak_die("a thread");
}

static unsigned int start_all(pthread_t threads[THREADS])
{
	unsigned int n = 0;

	soak_gate_reset(&soak.gate, SOAK_WRITERS);
	for (int i = 0; i < SOAK_WRITERS; i++)
		soak_writer_begin(&soak.writers[i]);
	for (int i = 0; i < SOAK_WRITERS; i++)
		start_thread(&threads[n++], soak_writer_run, &soak.writers[i]);
	for (int i = 0; i < SOAK_READERS; i++)
		start_thread(&threads[n++], soak_reader_run, &soak.readers[i]);
	start_thread(&threads[n++], soak_scanner_run, &soak.scanner);
	start_thread(&threads[n++], soak_compactor_run, &soak.compactor);
	start_thread(&threads[n++], soak_backups_run, &soak.backups);
	start_thread(&threads[n++], soak_clearer_run, &soak.clearer);
	soak_crowd_start(&soak.crowd);
	return n;
}

static void end_daemon(bool stop)
{
	int status = soak_daemon_end(&soak.daemon, stop ? SIGTERM : SIGKILL);

	if (soak_daemon_check(&soak.daemon) != 0)
		soak_fault(SOAK_WHOLE, "check fails after %s; see the log",
			   stop ? "SIGTERM" : "SIGKILL");
	if (!stop)
		return;
	soak.n_stops++;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		soak_fault(SOAK_STOP, "the status is %#x", (unsigned)status);
}

/* One that has ended by itself was not ended by a signal of ours. */
static void check_alive(void)
{
	if (waitpid(soak.daemon.pid, NULL, WNOHANG) != 0)
		soak_die("getmed has ended by itself; see its log");
}

static void load(void)
{
	uint64_t ms = LOAD_MIN_MS + soak_random(&soak.random, LOAD_SPAN_MS);

	if (soak_random(&soak.random, LONG_EVERY) == 0)
		ms += soak_random(&soak.random, LONG_SPAN_MS);
	soak_pause_ms(ms / 2);
	soak_crowd_replace(&soak.crowd);
	soak_pause_ms(ms - ms / 2);
}

static void run_round(void)
{
	pthread_t threads[THREADS];
	unsigned int n = start_all(threads);

	load();
	check_alive();
	soak_ending = true;
	end_daemon(soak.n_rounds % STOP_EVERY == STOP_EVERY - 1);
	soak_crowd_end(&soak.crowd);
	while (n > 0)
		pthread_join(threads[--n], NULL);
	soak_ending = false;
	soak_backups_check(&soak.backups);
	restart();
	soak.n_rounds++;
}

/* ---- begin and end ---- */

static void init(const char *program, const char *dir, uint64_t seed)
{
	soak_daemon_init(&soak.daemon, program, dir, "store");
	soak_daemon_init(&soak.backups.second, program, dir, "second");
	soak_gate_init(&soak.gate);
	soak.epoch = 1;
	soak.random = seed;
	for (unsigned int i = 0; i < SOAK_WRITERS; i++) {
		soak_writer_init(&soak.writers[i], i, seed + i + 1);
		soak.writers[i].daemon = &soak.daemon;
		soak.writers[i].gate = &soak.gate;
	}
	for (unsigned int i = 0; i < SOAK_READERS; i++) {
		soak.readers[i].daemon = &soak.daemon;
		soak.readers[i].random = seed + SOAK_WRITERS + i + 1;
	}
	soak.crowd.socket = soak.daemon.socket;
	soak.crowd.random = seed + 101;
	soak.scanner.daemon = soak.compactor.daemon = &soak.daemon;
	soak.backups.daemon = soak.clearer.daemon = &soak.daemon;
	soak.scanner.epoch = soak.backups.epoch = &soak.epoch;
	soak.scanner.random = seed + 102;
	soak.compactor.random = seed + 103;
	soak.backups.writers = soak.clearer.writers = soak.writers;
	soak.backups.dir = dir;
	soak.backups.random = seed + 104;
	soak.clearer.gate = &soak.gate;
	soak.clearer.epoch = &soak.epoch;
	soak.clearer.random = seed + 105;
}

static int report(void)
{
	uint64_t n_reads = 0;

	for (int i = 0; i < SOAK_READERS; i++)
		n_reads += soak.readers[i].n_reads;
	printf("# %" PRIu64 " rounds (%" PRIu64 " with SIGTERM), %" PRIu64
	       " kills in recovery, %" PRIu64 " writes acknowledged, %" PRIu64
	       " pending at an end, %" PRIu64 " keys read under load\n",
	       soak.n_rounds, soak.n_stops, soak.n_recovery_kills, soak.n_acked,
	       soak.n_pending, n_reads);
	printf("# %" PRIu64 " scans, %" PRIu64 " full compactions, %" PRIu64
	       " backups opened, %" PRIu64 " cut off, %" PRIu64
	       " clears, %u processes killed\n",
	       soak.scanner.n_scans, soak.compactor.n_done, soak.backups.n_good,
	       soak.backups.n_cut_off, soak.clearer.n_done,
	       soak.crowd.n_killed);
	return soak_report_faults() > 0;
}

static void run(uint64_t seconds)
{
	uint64_t end_ns = soak_now_ns() + seconds * 1000000000;

	restart();
	while (soak_now_ns() < end_ns)
		run_round();
	soak_daemon_end(&soak.daemon, SIGTERM);
}

int main(int argc, char **argv)
{
	uint64_t seed;

	if (argc == 4 && strcmp(argv[1], "crowd") == 0)
		return soak_crowd_main(argv[2], strtoull(argv[3], NULL, 10));
	if (argc < 4)
		soak_die("usage: soak GETMED DIR SECONDS [SEED]");
	seed = argc > 4 ? strtoull(argv[4], NULL, 10)
			: (uint64_t)time(NULL) << 16 | (uint64_t)getpid();
	printf("# seed %" PRIu64 "\n", seed);
	fflush(stdout);
	init(argv[1], argv[2], seed | 1);
	run(strtoull(argv[3], NULL, 10));
	for (int i = 0; i < SOAK_WRITERS; i++)
		soak_writer_deinit(&soak.writers[i]);
	soak_gate_deinit(&soak.gate);
	return report();
}
