/*
 * kill_oracle: kills getmed with writes under way, again and again, and
 * checks after each restart that every key holds what it may hold
 * (tests/support/writer_model.h).
 *
 *	kill_oracle GETMED DIR ROUNDS [SEED]
 *
 * Each round: writers with pipelines of puts, deletes, batches and additions
 * at all durability levels, readers beside them that check that nothing they
 * saw goes away; then SIGKILL (in some rounds SIGTERM), a restart (in some
 * killed too, while it recovers), and a look at every key.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client/getme.h"
#include "tests/support/writer_model.h"

enum {
	N_WRITERS = 4,
	N_READERS = 2,
	WINDOW = 96,	  /* requests of a writer under way */
	LOAD_MIN_MS = 60, /* of a round */
	LOAD_SPAN_MS = 500,
	RECOVERY_KILL_EVERY = 4, /* rounds */
	RECOVERY_KILL_MS = 40,	 /* at most, after the start */
	STOP_EVERY = 7,		 /* rounds that end with SIGTERM */
	START_TRIES = 6000,
	START_TRY_MS = 5,
	TIMEOUT_MS = 30000,
	PATH_LEN = 512,
};

/* What may go wrong, each a line of the report. */
enum check {
	CHECK_STATE,
	CHECK_BATCH,
	CHECK_READER,
	CHECK_REPLY,
	CHECK_SCAN,
	CHECK_STOP,
	CHECK_COUNT_OF,
};

static const char *const check_names[CHECK_COUNT_OF] = {
	[CHECK_STATE] = ("after a restart every key holds its last "
			 "acknowledged value or that of a pending write, and "
			 "each connection's writes are a prefix"),
	[CHECK_BATCH] = "a batch is seen as a whole, or not at all",
	[CHECK_READER] = "what a reader saw never goes back, restarts included",
	[CHECK_REPLY] = "replies tell what the writes did",
	[CHECK_SCAN] = "a scan gives each key once, and count agrees",
	[CHECK_STOP] =
		"SIGTERM under load: exit 0, and nothing answered is lost",
};

static _Atomic unsigned int n_faults[CHECK_COUNT_OF];
static atomic_bool ending; /* the daemon is, or is about to be, dead */

struct writer {
	struct writer_model model;
	uint64_t random;
	struct getme *handle;
	struct getme_batch *batch;
	char *value;
	size_t n_collected; /* of model.ops */
	bool lost;	    /* the connection; nothing more is sent */
};

/* What a reader knows of a key: the last number it saw; absent after it. */
struct sight {
	int64_t number;
	bool absent;
};

struct reader {
	uint64_t random;
	struct sight sights[N_WRITERS][MODEL_KEYS];
	int64_t seen[N_WRITERS]; /* the highest number */
	uint64_t n_reads;
};

struct oracle {
	const char *daemon;
	char store[PATH_LEN];
	char socket[PATH_LEN];
	char log[PATH_LEN];
	pid_t pid;
	uint64_t random;
	struct writer writers[N_WRITERS];
	struct reader readers[N_READERS];
	uint64_t n_acked;
	uint64_t n_pending;
	uint64_t n_recovery_kills;
	uint64_t n_stops;
};

static struct oracle oracle;

__attribute__((format(printf, 2, 3))) static void fault(enum check check,
							const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n_faults[check]++ < 5)
		printf("#   fault: %s\n", text);
}

__attribute__((noreturn)) static void die(const char *what)
{
	printf("not ok - %s\n", what);
	fflush(stdout);
	if (oracle.pid > 0)
		kill(oracle.pid, SIGKILL);
	exit(1);
}

static uint64_t random_below(uint64_t *state, uint64_t n)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (*state >> 11) % n;
}

static void pause_ms(uint64_t ms)
{
	struct timespec time = { .tv_sec = (time_t)(ms / 1000),
				 .tv_nsec = (long)(ms % 1000 * 1000000) };

	nanosleep(&time, NULL);
}

/* ---- the daemon ---- */

/* Segments of several sizes, so that rolls are under way at some kills. */
static void exec_daemon(unsigned int round)
{
	static const char *const sizes[] = { "64K", "256K", "1M" };
	int fd = open(oracle.log, O_WRONLY | O_CREAT | O_APPEND, 0600);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(fd, STDERR_FILENO);
	execl(oracle.daemon, "getmed", "--store", oracle.store, "--socket",
	      oracle.socket, "--sync-interval", "50ms", "--segment-size",
	      sizes[round % 3], (char *)NULL);
	_exit(127);
}

static void start_daemon(unsigned int round)
{
	oracle.pid = fork();
	if (oracle.pid < 0)
		die("fork");
	if (oracle.pid == 0)
		exec_daemon(round);
}

static int end_daemon(int signal)
{
	int status = 0;

	kill(oracle.pid, signal);
	if (waitpid(oracle.pid, &status, 0) != oracle.pid)
		die("waitpid");
	oracle.pid = 0;
	return status;
}

static struct getme *connect_daemon(void)
{
	struct getme_options options = GETME_OPTIONS_INIT;
	struct getme *handle = NULL;
	char text[256] = "";

	options.socket = oracle.socket;
	options.timeout_ms = TIMEOUT_MS;
	for (int i = 0; i < START_TRIES; i++) {
		if (getme_open(&options, &handle, text, sizeof(text)) == 0)
			return handle;
		if (oracle.pid > 0 &&
		    waitpid(oracle.pid, NULL, WNOHANG) == oracle.pid)
			die("getmed does not start; see its log");
		pause_ms(START_TRY_MS);
	}
	printf("#   %s\n", text);
	die("getmed does not answer");
}

/* ---- writers ---- */

static void write_options(struct writer *writer,
			  struct getme_write_options *options)
{
	static const enum getme_durability levels[] = {
		GETME_DEFAULT, GETME_NONE, GETME_INTERVAL, GETME_ALWAYS
	};

	*options = (struct getme_write_options)GETME_WRITE_OPTIONS_INIT;
	options->durability = levels[random_below(&writer->random, 4)];
}

/* An operation's tag says what its answer must be. */
static void *make_tag(int result, uint64_t deleted)
{
	return (void *)(uintptr_t)(deleted << 1 | (result != 0));
}

/* The connection is gone, as it should be when the daemon is. */
static void lose(struct writer *writer, int result)
{
	if (!ending)
		fault(CHECK_REPLY, "w%u: %s: %s", writer->model.writer,
		      getme_strerror(result), getme_last_error(writer->handle));
	writer->lost = true;
}

/* An answer to the operation that is next to be collected. */
static void take_result(struct writer *writer, int result, void *tag,
			const struct getme_written *written)
{
	struct writer_model *model = &writer->model;
	size_t i = writer->n_collected++;
	int expected = (uintptr_t)tag & 1 ? GETME_CONDITION : 0;

	if (result == GETME_E_CLOSING) {
		if (model->n_limit > i)
			model->n_limit = i;
		lose(writer, result);
	} else if (result < 0) {
		lose(writer, result);
	} else if (model->n_acked != i) {
		fault(CHECK_REPLY, "w%u: an answer behind a lost one",
		      model->writer);
	} else {
		model->n_acked++;
		if (result != expected ||
		    written->deleted != (uintptr_t)tag >> 1)
			fault(CHECK_REPLY,
			      "w%u: number %" PRId64 " of %zu changes, the "
			      "first of key %u: result %d, expected %d; "
			      "deleted %" PRIu64,
			      model->writer, model->first + (int64_t)i,
			      model->ops[i].n, model->ops[i].changes[0].key,
			      result, expected, written->deleted);
	}
}

static bool collect_one(struct writer *writer)
{
	struct getme_answer answer;
	int result = getme_collect(writer->handle, 1, &answer);

	if (result != 0) {
		if (result != GETME_END)
			lose(writer, result);
		return false;
	}
	take_result(writer, answer.result, answer.tag, &answer.written);
	return true;
}

static void collect_down_to(struct writer *writer, size_t n)
{
	while (getme_pending(writer->handle) > n && collect_one(writer))
		;
}

/* What was not sent is not part of the model. */
static void submitted(struct writer *writer, int result,
		      const struct model_op *op)
{
	if (result == 0 || result == GETME_E_UNKNOWN_OUTCOME)
		model_add(&writer->model, op);
	if (result != 0)
		lose(writer, result);
}

static void put(struct writer *writer, unsigned int key, bool if_absent)
{
	struct writer_model *model = &writer->model;
	struct model_op op = { .n = 0 };
	struct getme_write_options options;
	char name[MODEL_KEY_MAX];
	size_t name_len = model_key(model->writer, key, name);
	bool met = !if_absent || !model->last[key].present;
	size_t len = model_value(model->writer, key, model_next(model),
				 writer->value);
	int result;

	write_options(writer, &options);
	options.if_absent = if_absent;
	if (met)
		op = (struct model_op){
			1, { { key, { true, model_next(model) } } }
		};
	result = getme_submit_put(writer->handle, name, name_len, writer->value,
				  len, &options,
				  make_tag(met ? 0 : GETME_CONDITION, 0));
	submitted(writer, result, &op);
}

static void delete_key(struct writer *writer, unsigned int key)
{
	struct writer_model *model = &writer->model;
	struct model_op op = { 1, { { key, { false, 0 } } } };
	struct getme_write_options options;
	char name[MODEL_KEY_MAX];
	size_t name_len = model_key(model->writer, key, name);
	int result;

	write_options(writer, &options);
	result = getme_submit_delete(writer->handle, name, name_len, &options,
				     make_tag(0, model->last[key].present));
	submitted(writer, result, &op);
}

static void add_to_batch(struct writer *writer, struct model_op *op,
			 unsigned int key, struct model_state state)
{
	unsigned int nr = writer->model.writer;
	char name[MODEL_KEY_MAX];
	size_t name_len = model_key(nr, key, name);
	size_t len;

	op->changes[op->n++] = (struct model_change){ key, state };
	if (!state.present) {
		getme_batch_delete(writer->batch, name, name_len, NULL);
		return;
	}
	len = model_value(nr, key, state.number, writer->value);
	getme_batch_put(writer->batch, name, name_len, writer->value, len,
			NULL);
}

static void submit_batch(struct writer *writer, const struct model_op *op)
{
	struct getme_write_options options;
	int result;

	write_options(writer, &options);
	result = getme_submit_batch(writer->handle, writer->batch, &options,
				    make_tag(0, 0));
	submitted(writer, result, op);
	getme_batch_reset(writer->batch);
}

static void batch_group(struct writer *writer)
{
	struct model_op op = { .n = 0 };
	struct model_state state = { random_below(&writer->random, 4) > 0,
				     model_next(&writer->model) };

	for (unsigned int i = 0; i < MODEL_GROUP; i++)
		add_to_batch(writer, &op, MODEL_FIRST_GROUP + i, state);
	submit_batch(writer, &op);
}

/* Neighbours, one of them deleted, and a counter. */
static void batch_mixed(struct writer *writer)
{
	unsigned int key =
		(unsigned int)random_below(&writer->random, MODEL_PLAIN - 3);
	struct model_state state = { true, model_next(&writer->model) };
	struct model_state number = { true, (int64_t)random_below(
						    &writer->random, 1000) };
	struct model_op op = { .n = 0 };

	add_to_batch(writer, &op, key, state);
	add_to_batch(writer, &op, key + 1, (struct model_state){ false, 0 });
	add_to_batch(writer, &op, key + 2, state);
	add_to_batch(writer, &op, MODEL_FIRST_COUNTER + key % MODEL_COUNTERS,
		     number);
	submit_batch(writer, &op);
}

/* Synchronous: it waits behind all that was submitted. */
static void add(struct writer *writer, unsigned int key)
{
	struct writer_model *model = &writer->model;
	int64_t by = (int64_t)random_below(&writer->random, 2000) - 1000;
	int64_t sum =
		by + (model->last[key].present ? model->last[key].number : 0);
	struct model_op op = { 1, { { key, { true, sum } } } };
	struct getme_written written = { .version = 0 };
	struct getme_write_options options;
	char name[MODEL_KEY_MAX];
	size_t name_len = model_key(model->writer, key, name);
	int result;

	write_options(writer, &options);
	result = getme_incr(writer->handle, name, name_len, by, &options,
			    &written);
	if (result == 0 || result == GETME_E_UNKNOWN_OUTCOME)
		model_add(model, &op);
	collect_down_to(writer, 0);
	if (result == 0) {
		take_result(writer, 0, make_tag(0, 0), &written);
		if (written.number != sum)
			fault(CHECK_REPLY,
			      "w%u/%u: the sum is %" PRId64 ", not %" PRId64,
			      model->writer, key, written.number, sum);
	} else {
		lose(writer, result);
	}
}

static void write_something(struct writer *writer)
{
	uint64_t dice = random_below(&writer->random, 100);
	unsigned int key =
		(unsigned int)random_below(&writer->random, MODEL_PLAIN);
	unsigned int counter = MODEL_FIRST_COUNTER + key % MODEL_COUNTERS;

	if (dice < 50)
		put(writer, key, false);
	else if (dice < 58)
		put(writer, key, true);
	else if (dice < 76)
		delete_key(writer, key);
	else if (dice < 86)
		batch_group(writer);
	else if (dice < 94)
		batch_mixed(writer);
	else if (dice < 98)
		add(writer, counter);
	else
		delete_key(writer, counter);
}

static void *write_all(void *ctx)
{
	struct writer *writer = ctx;
	size_t window;

	writer->handle = connect_daemon();
	writer->lost = false;
	writer->n_collected = 0;
	while (!writer->lost) {
		window = random_below(&writer->random, WINDOW);
		while (!writer->lost && getme_pending(writer->handle) <= window)
			write_something(writer);
		if (!writer->lost)
			collect_down_to(writer, window / 2);
	}
	/* Answers that arrived before the end still count. */
	while (collect_one(writer))
		;
	getme_close(writer->handle);
	return NULL;
}

/* ---- readers ---- */

static void see(struct reader *reader, unsigned int writer, unsigned int key,
		const struct model_state *state)
{
	struct sight *sight = &reader->sights[writer][key];

	reader->n_reads++;
	if (key >= MODEL_FIRST_COUNTER)
		return;
	if (!state->present) {
		sight->absent = true;
		return;
	}
	if (state->number < sight->number ||
	    (state->number == sight->number && sight->absent))
		fault(CHECK_READER,
		      "w%u/%u: number %" PRId64 " after %" PRId64 "%s", writer,
		      key, state->number, sight->number,
		      sight->absent ? " was deleted" : "");
	sight->number = state->number;
	sight->absent = false;
	if (reader->seen[writer] < state->number)
		reader->seen[writer] = state->number;
}

/* The state that RESULT and VALUE are; false: neither there nor missing. */
static bool read_state(unsigned int writer, unsigned int key, int result,
		       const struct getme_value *value,
		       struct model_state *state)
{
	*state = (struct model_state){ false, 0 };
	if (result == GETME_NOT_FOUND)
		return true;
	if (result != 0) {
		fault(CHECK_STATE, "w%u/%u: %s", writer, key,
		      getme_strerror(result));
		return false;
	}
	if (model_read(writer, key, value->data, value->len, state))
		return true;
	fault(CHECK_STATE, "w%u/%u: %zu bytes that nobody wrote", writer, key,
	      value->len);
	return false;
}

static bool get_range(struct getme *handle, unsigned int writer,
		      unsigned int first, size_t n, struct model_state *states)
{
	char names[MODEL_KEYS][MODEL_KEY_MAX];
	struct getme_bytes keys[MODEL_KEYS];
	struct getme_item items[MODEL_KEYS];
	bool good = true;

	for (unsigned int i = 0; i < n; i++) {
		keys[i].len = model_key(writer, first + i, names[i]);
		keys[i].data = names[i];
	}
	if (getme_get_many(handle, keys, n, items) != 0)
		return false;
	for (unsigned int i = 0; i < n; i++)
		good = read_state(writer, first + i, items[i].result,
				  &items[i].value, &states[i]) &&
		       good;
	return good;
}

static void check_group(unsigned int writer, const struct model_state *states)
{
	for (unsigned int i = 1; i < MODEL_GROUP; i++)
		if (states[i].present != states[0].present ||
		    states[i].number != states[0].number)
			fault(CHECK_BATCH,
			      "w%u: number %" PRId64 " beside %" PRId64, writer,
			      states[0].number, states[i].number);
}

static bool read_something(struct reader *reader, struct getme *handle)
{
	unsigned int writer =
		(unsigned int)random_below(&reader->random, N_WRITERS);
	unsigned int first = MODEL_FIRST_GROUP;
	size_t n = MODEL_GROUP;
	struct model_state states[MODEL_KEYS];

	if (random_below(&reader->random, 3) > 0) {
		first = (unsigned int)random_below(&reader->random,
						   MODEL_PLAIN);
		n = 1;
	}
	if (!get_range(handle, writer, first, n, states))
		return false;
	for (unsigned int i = 0; i < n; i++)
		see(reader, writer, first + i, &states[i]);
	if (n == MODEL_GROUP)
		check_group(writer, states);
	return true;
}

static void *read_all(void *ctx)
{
	struct reader *reader = ctx;
	struct getme *handle = connect_daemon();

	while (read_something(reader, handle))
		;
	if (!ending)
		fault(CHECK_READER, "a reader: %s", getme_last_error(handle));
	getme_close(handle);
	return NULL;
}

/* ---- after a restart ---- */

static size_t settle(struct getme *handle, struct writer *writer)
{
	struct writer_model *model = &writer->model;
	struct model_state found[MODEL_KEYS];
	int64_t seen = 0;
	size_t n_present = 0;
	char why[512];

	oracle.n_acked += model->n_acked;
	oracle.n_pending += model->n_ops - model->n_acked;
	for (int i = 0; i < N_READERS; i++)
		if (seen < oracle.readers[i].seen[model->writer])
			seen = oracle.readers[i].seen[model->writer];
	if (!get_range(handle, model->writer, 0, MODEL_KEYS, found))
		die("the keys cannot be read after a restart");
	if (!model_settle(model, found, seen, why, sizeof(why))) {
		fault(CHECK_STATE, "%s", why);
		die(check_names[CHECK_STATE]);
	}
	check_group(model->writer, found + MODEL_FIRST_GROUP);
	for (int i = 0; i < MODEL_KEYS; i++)
		n_present += found[i].present;
	return n_present;
}

static void check_scan(struct getme *handle, size_t n_present)
{
	bool seen[N_WRITERS][MODEL_KEYS] = { { false } };
	struct getme_scan *scan;
	struct getme_item item;
	uint64_t count = 0;
	size_t n = 0;

	if (getme_scan_open(handle, NULL, &scan) != 0)
		die("a scan cannot be opened");
	while (getme_scan_next(scan, &item) == 0) {
		char name[MODEL_KEY_MAX] = "";
		unsigned long writer;
		unsigned long key = MODEL_KEYS;
		char *rest;

		memcpy(name, item.key.data,
		       item.key.len < sizeof(name) ? item.key.len : 0);
		writer = strtoul(name + 1, &rest, 10);
		if (*rest == '/')
			key = strtoul(rest + 1, &rest, 10);
		if (writer >= N_WRITERS || key >= MODEL_KEYS ||
		    seen[writer][key]) {
			fault(CHECK_SCAN, "%s comes twice or is not ours",
			      name);
			continue;
		}
		seen[writer][key] = true;
		n++;
	}
	getme_scan_close(scan);
	getme_count(handle, &count);
	if (n != n_present || count != n_present)
		fault(CHECK_SCAN,
		      "%zu by scan, %" PRIu64 " by count, %zu there", n, count,
		      n_present);
}

static void check_all(void)
{
	struct getme *handle = connect_daemon();
	size_t n_present = 0;

	for (int i = 0; i < N_WRITERS; i++)
		n_present += settle(handle, &oracle.writers[i]);
	check_scan(handle, n_present);
	getme_close(handle);
}

/* ---- rounds ---- */

static void end_under_load(bool stop)
{
	int status;

	ending = true;
	status = end_daemon(stop ? SIGTERM : SIGKILL);
	if (!stop)
		return;
	oracle.n_stops++;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fault(CHECK_STOP, "the status is %#x", status);
}

static void run_round(unsigned int round)
{
	pthread_t threads[N_WRITERS + N_READERS];
	int n = 0;

	ending = false;
	for (int i = 0; i < N_WRITERS; i++)
		pthread_create(&threads[n++], NULL, write_all,
			       &oracle.writers[i]);
	for (int i = 0; i < N_READERS; i++)
		pthread_create(&threads[n++], NULL, read_all,
			       &oracle.readers[i]);
	pause_ms(LOAD_MIN_MS + random_below(&oracle.random, LOAD_SPAN_MS));
	end_under_load(round % STOP_EVERY == STOP_EVERY - 1);
	while (n > 0)
		pthread_join(threads[--n], NULL);
	if (round % RECOVERY_KILL_EVERY == 0) {
		start_daemon(round);
		pause_ms(random_below(&oracle.random, RECOVERY_KILL_MS));
		end_daemon(SIGKILL);
		oracle.n_recovery_kills++;
	}
	start_daemon(round + 1);
	check_all();
}

static void init_oracle(char **argv, uint64_t seed)
{
	oracle.daemon = argv[1];
	snprintf(oracle.store, PATH_LEN, "%s/store", argv[2]);
	snprintf(oracle.socket, PATH_LEN, "%s/sock", argv[2]);
	snprintf(oracle.log, PATH_LEN, "%s/log", argv[2]);
	oracle.random = seed;
	for (unsigned int i = 0; i < N_WRITERS; i++) {
		struct writer *writer = &oracle.writers[i];

		model_init(&writer->model, i);
		writer->random = seed + i + 1;
		writer->value = malloc(MODEL_VALUE_MAX);
		if (!writer->value || getme_batch_new(&writer->batch) != 0)
			die("memory");
	}
	for (unsigned int i = 0; i < N_READERS; i++)
		oracle.readers[i].random = seed + N_WRITERS + i + 1;
}

static int report(unsigned int n_rounds)
{
	uint64_t n_reads = 0;
	int status = 0;

	for (int i = 0; i < N_READERS; i++)
		n_reads += oracle.readers[i].n_reads;
	printf("# %u rounds (%" PRIu64 " with SIGTERM), %" PRIu64
	       " kills in recovery, %" PRIu64 " writes acknowledged, %" PRIu64
	       " pending at an end, %" PRIu64 " keys read under load\n",
	       n_rounds, oracle.n_stops, oracle.n_recovery_kills,
	       oracle.n_acked, oracle.n_pending, n_reads);
	for (int i = 0; i < CHECK_COUNT_OF; i++) {
		printf("%s - %s\n", n_faults[i] ? "not ok" : "ok",
		       check_names[i]);
		if (n_faults[i])
			status = 1;
	}
	return status;
}

int main(int argc, char **argv)
{
	unsigned int n_rounds;
	uint64_t seed;

	if (argc < 4)
		die("usage: kill_oracle GETMED DIR ROUNDS [SEED]");
	n_rounds = (unsigned int)strtoul(argv[3], NULL, 10);
	seed = argc > 4 ? strtoull(argv[4], NULL, 10)
			: (uint64_t)time(NULL) << 16 | (uint64_t)getpid();
	printf("# seed %" PRIu64 "\n", seed);
	fflush(stdout);
	init_oracle(argv, seed | 1);
	start_daemon(0);
	for (unsigned int round = 0; round < n_rounds; round++)
		run_round(round);
	end_daemon(SIGTERM);
	for (int i = 0; i < N_WRITERS; i++) {
		model_deinit(&oracle.writers[i].model);
		getme_batch_free(oracle.writers[i].batch);
		free(oracle.writers[i].value);
	}
	return report(n_rounds);
}
