/*
 * Linearizability, over the socket and over direct reads alike: several
 * processes write and read a few keys through one daemon, while compaction
 * moves what they wrote, the store is cleared, the index grows, and the daemon
 * is killed and followed by another.  Everybody notes what was done and when;
 * then each key's history must have an explanation (tests/support/history.h),
 * and what batches wrote together must never have been seen apart.
 *
 *	test_linear [SECONDS [SEED [FILLING]]]
 *
 * FILLING keys are put meanwhile, so that buckets are split all the time.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/child_daemon.h"
#include "tests/support/history.h"

enum {
	N_KEYS = 24,
	N_PAIRED = 8, /* the last of them, which batches write by pairs */
	N_WRITERS = 2,
	N_READERS = 4, /* by socket, mapped twice, by pread */
	N_WORKERS = N_WRITERS + N_READERS + 1, /* and one that fills */
	OPS_MAX = 1 << 20,		       /* of a worker */
	KILL_EVERY_MS = 700,
	MAX_THREADS = 3, /* of the daemon; one more at each start */
	FILL_BATCH = 500,
	TIMEOUT_MS = 20000,
};

/* One operation on one key; in memory that all processes share. */
struct note {
	struct history_op op;
	unsigned int key;
};

struct log {
	size_t n;
	size_t n_failed;
	bool is_torn; /* a pair was seen apart */
	struct note notes[OPS_MAX];
};

static struct {
	atomic_bool over;
	atomic_uint n_ready;
} * board;

static struct log *logs[N_WORKERS];
static struct child_daemon daemon_;
static uint64_t seed = 1;
static uint64_t n_filling = 100000;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t roll(uint64_t *state, uint64_t n)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (*state >> 11) % n;
}

static void *shared(size_t len)
{
	void *memory = mmap(NULL, len, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return memory;
}

static void note(struct log *log, unsigned int who, unsigned int key,
		 bool is_write, uint64_t value, uint64_t begin, uint64_t end)
{
	if (log->n == OPS_MAX)
		return;
	log->notes[log->n].op =
		(struct history_op){ value, begin, end, who, is_write };
	log->notes[log->n++].key = key;
}

static struct getme *open_handle(enum getme_direct direct)
{
	struct getme_options options = GETME_OPTIONS_INIT;
	struct getme *handle = NULL;

	options.socket = daemon_.socket;
	options.timeout_ms = TIMEOUT_MS;
	options.direct = direct;
	while (getme_open(&options, &handle, NULL, 0) != 0)
		poll(NULL, 0, 5);
	return handle;
}

static struct getme_bytes name_of(unsigned int key, char text[16])
{
	int len = snprintf(text, 16, "key %u", key);

	return (struct getme_bytes){ text, (size_t)len };
}

/* ---- writers ---- */

/* There is no daemon, most likely: others need the processor to begin one. */
static void note_failure(struct log *log)
{
	log->n_failed++;
	poll(NULL, 0, 2);
}

/* When a write with this result took effect, if it did: 0: surely not. */
static uint64_t end_of(int result)
{
	if (result == 0)
		return now_ns();
	return result == GETME_E_UNKNOWN_OUTCOME ? HISTORY_NEVER : 0;
}

static int put_pair(struct getme *handle, unsigned int key, const char *value)
{
	struct getme_batch *batch;
	char text[16];
	int result = getme_batch_new(&batch);

	for (unsigned int i = 0; result == 0 && i < 2; i++) {
		struct getme_bytes name = name_of(key + i, text);

		result = getme_batch_put(batch, name.data, name.len, value,
					 strlen(value), NULL);
	}
	if (result == 0)
		result = getme_batch_apply(handle, batch, NULL, NULL);
	getme_batch_free(batch);
	return result;
}

static void note_many(struct log *log, unsigned int who, unsigned int key,
		      unsigned int n, uint64_t value, uint64_t begin,
		      int result)
{
	uint64_t end = end_of(result);

	if (end == 0)
		note_failure(log);
	for (unsigned int i = 0; end != 0 && i < n; i++)
		note(log, who, key + i, true, value, begin, end);
}

static void write_one(struct getme *handle, struct log *log, unsigned int who,
		      uint64_t *random, uint64_t value)
{
	unsigned int key = (unsigned int)roll(random, N_KEYS);
	uint64_t what = roll(random, 1000);
	uint64_t begin = now_ns();
	struct getme_bytes name;
	char text[16], data[64];
	int result;

	snprintf(data, sizeof(data), "%" PRIx64 " ..............", value);
	name = name_of(key, text);
	if (what == 0) {
		note_many(log, who, 0, N_KEYS, HISTORY_ABSENT, begin,
			  getme_clear(handle));
	} else if (key >= N_KEYS - N_PAIRED) {
		key &= ~1U;
		result = put_pair(handle, key, data);
		note_many(log, who, key, 2, value, begin, result);
	} else if (what < 200) {
		result = getme_delete(handle, name.data, name.len, NULL, NULL);
		note_many(log, who, key, 1, HISTORY_ABSENT, begin, result);
	} else {
		result = getme_put(handle, name.data, name.len, data,
				   strlen(data), NULL, NULL);
		note_many(log, who, key, 1, value, begin, result);
	}
}

static void write_all(unsigned int who, struct log *log, uint64_t *random)
{
	struct getme *handle = open_handle(GETME_DIRECT_OFF);
	uint64_t value = (uint64_t)(who + 1) << 32;

	while (!atomic_load(&board->over))
		write_one(handle, log, who, random, ++value);
	getme_close(handle);
}

/* ---- readers ---- */

static uint64_t value_of(int result, const struct getme_value *value)
{
	return result == 0 ? strtoull(value->data, NULL, 16) : HISTORY_ABSENT;
}

static void read_one(struct getme *handle, struct log *log, unsigned int who,
		     unsigned int key)
{
	struct getme_value value;
	char text[16];
	struct getme_bytes name = name_of(key, text);
	uint64_t begin = now_ns();
	int result = getme_get(handle, name.data, name.len, &value);

	if (result == 0 || result == GETME_NOT_FOUND)
		note(log, who, key, false, value_of(result, &value), begin,
		     now_ns());
	else
		note_failure(log);
}

static void read_many(struct getme *handle, struct log *log, unsigned int who)
{
	struct getme_bytes names[N_KEYS];
	struct getme_item items[N_KEYS];
	char texts[N_KEYS][16];
	uint64_t values[N_KEYS];
	uint64_t begin, end;

	for (unsigned int i = 0; i < N_KEYS; i++)
		names[i] = name_of(i, texts[i]);
	begin = now_ns();
	if (getme_get_many(handle, names, N_KEYS, items) != 0) {
		note_failure(log);
		return;
	}
	end = now_ns();
	for (unsigned int i = 0; i < N_KEYS; i++) {
		values[i] = value_of(items[i].result, &items[i].value);
		note(log, who, i, false, values[i], begin, end);
	}
	for (unsigned int i = N_KEYS - N_PAIRED; i < N_KEYS; i += 2)
		log->is_torn |= values[i] != values[i + 1];
}

static void read_all(unsigned int who, struct log *log, uint64_t *random)
{
	static const enum getme_direct modes[N_READERS] = {
		GETME_DIRECT_OFF, GETME_DIRECT_AUTO, GETME_DIRECT_AUTO,
		GETME_DIRECT_PREAD
	};
	struct getme *handle = open_handle(modes[who - N_WRITERS]);

	while (!atomic_load(&board->over)) {
		/* A direct reader is faster than its log is long. */
		if (modes[who - N_WRITERS] != GETME_DIRECT_OFF)
			poll(NULL, 0, roll(random, 8) == 0);
		if (roll(random, 8) == 0)
			read_many(handle, log, who);
		else
			read_one(handle, log, who,
				 (unsigned int)roll(random, N_KEYS));
	}
	getme_close(handle);
}

/* ---- one that makes the index grow ---- */

static void fill_all(struct log *log)
{
	struct getme *handle = open_handle(GETME_DIRECT_OFF);
	struct getme_batch *batch;
	uint64_t next = 0;
	char key[32];

	if (getme_batch_new(&batch) != 0)
		exit(1);
	while (!atomic_load(&board->over) && next < n_filling) {
		for (int i = 0; i < FILL_BATCH; i++) {
			int len = snprintf(key, sizeof(key), "fill %" PRIu64,
					   next++);

			getme_batch_put(batch, key, (size_t)len, "filling", 7,
					NULL);
		}
		log->n_failed +=
			getme_batch_apply(handle, batch, NULL, NULL) != 0;
		getme_batch_reset(batch);
	}
	getme_batch_free(batch);
	getme_close(handle);
}

/* ---- all of them ---- */

static void work(unsigned int who)
{
	uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15) + who * 7919 + 1;

	atomic_fetch_add(&board->n_ready, 1);
	if (who < N_WRITERS)
		write_all(who, logs[who], &random);
	else if (who < N_WRITERS + N_READERS)
		read_all(who, logs[who], &random);
	else
		fill_all(logs[who]);
	_exit(0);
}

/* From when it serves. */
static void serve_a_while(void)
{
	getme_close(open_handle(GETME_DIRECT_OFF));
	poll(NULL, 0, KILL_EVERY_MS);
}

static unsigned int disturb(double seconds)
{
	uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);
	unsigned int n_kills = 0;

	while (now_ns() < end) {
		serve_a_while();
		child_daemon_kill(&daemon_);
		n_kills++;
		daemon_.threads = 1 + n_kills % MAX_THREADS;
		child_daemon_start(&daemon_);
	}
	serve_a_while();
	return n_kills;
}

static bool run(double seconds, unsigned int *n_kills)
{
	pid_t pids[N_WORKERS];
	bool good = true;

	child_daemon_start(&daemon_);
	for (unsigned int i = 0; i < N_WORKERS; i++) {
		fflush(NULL);
		pids[i] = fork();
		if (pids[i] == 0)
			work(i);
	}
	*n_kills = disturb(seconds);
	atomic_store(&board->over, true);
	for (unsigned int i = 0; i < N_WORKERS; i++) {
		int status = 0;

		waitpid(pids[i], &status, 0);
		if (status != 0) {
			printf("not ok - worker %u ended with %d\n", i, status);
			good = false;
		}
	}
	return good;
}

static uint64_t attached(void)
{
	struct getme *handle = open_handle(GETME_DIRECT_OFF);
	uint64_t n = child_daemon_stat(handle, "shared_descriptors");

	getme_close(handle);
	return n;
}

/* ---- the judgement ---- */

static size_t gather(unsigned int key, struct history_op *ops)
{
	size_t n = 0;

	for (unsigned int who = 0; who < N_WORKERS; who++)
		for (size_t i = 0; i < logs[who]->n; i++)
			if (logs[who]->notes[i].key == key)
				ops[n++] = logs[who]->notes[i].op;
	return n;
}

static bool judge(void)
{
	size_t total = 0;
	struct history_op *ops;
	bool good = true;
	char why[512];

	for (unsigned int who = 0; who < N_WORKERS; who++)
		total += logs[who]->n;
	ops = malloc((total + 1) * sizeof(*ops));
	if (!ops)
		return false;
	for (unsigned int key = 0; key < N_KEYS; key++) {
		size_t n = gather(key, ops);

		if (history_is_linear(ops, n, why, sizeof(why)))
			continue;
		printf("not ok - key %u: %s\n", key, why);
		good = false;
	}
	free(ops);
	for (unsigned int who = 0; who < N_WORKERS; who++)
		if (logs[who]->is_torn) {
			printf("not ok - %u saw half of a batch\n", who);
			good = false;
		}
	return good;
}

static void tell(unsigned int n_kills)
{
	size_t n_writes = 0, n_reads = 0, n_direct = 0, n_failed = 0;

	for (unsigned int who = 0; who < N_WORKERS; who++) {
		n_failed += logs[who]->n_failed;
		if (who < N_WRITERS)
			n_writes += logs[who]->n;
		else
			n_reads += logs[who]->n;
		if (who > N_WRITERS)
			n_direct += logs[who]->n;
	}
	printf("# %zu writes, %zu reads, of these %zu of direct readers, %zu "
	       "refused or cut off, %u kills, seed %" PRIu64 "\n",
	       n_writes, n_reads, n_direct, n_failed, n_kills, seed);
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 8;
	unsigned int n_kills = 0;
	bool good, shares;

	if (argc > 2)
		seed = strtoull(argv[2], NULL, 10);
	if (argc > 3)
		n_filling = strtoull(argv[3], NULL, 10);
	board = shared(sizeof(*board));
	for (unsigned int i = 0; i < N_WORKERS; i++)
		logs[i] = shared(sizeof(*logs[i]));
	child_daemon_init(&daemon_);
	daemon_.segment_size = 64 << 10;
	daemon_.compacts = true;
	good = run(seconds, &n_kills);
	shares = attached() > 0;
	child_daemon_stop(&daemon_);
	tell(n_kills);
	good &= judge();
	printf("%sok - every key's history can be explained\n",
	       good ? "" : "not ");
	/* Else it would have been a test of the socket alone. */
	printf("%sok - readers were given what they read directly\n",
	       shares ? "" : "not ");
	child_daemon_deinit(&daemon_);
	return good && shares ? 0 : 1;
}
