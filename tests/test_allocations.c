/*
 * A daemon that has warmed up allocates nothing, whatever of the frequent
 * requests it is sent, small ones alone or pipelined.
 *
 * The server and the local engine run in threads of this program, whose
 * definitions of malloc and its like stand in front of libc's: they count what
 * every thread but the client's asks for.  The client sends bytes that were
 * made before and reads into memory of its own.
 *
 * The sanitizers bring an allocator of their own, and under
 * AddressSanitizer pools keep nothing: there the counting is skipped.
 *
 * The keys are always the same ones and the segment has room for all that is
 * written: neither the index grows nor the log goes on to another file, which
 * may allocate.
 */
#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "common/engine.h"
#include "daemon/logging.h"
#include "daemon/server.h"
#include "proto/frame.h"
#include "tests/support/daemon_rig.h"
#include "tests/support/tempdir.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

enum {
	NAME_LEN = 100,	 /* bytes: a socket's path has at most 107 */
	BURST = 16,	 /* requests that are sent together */
	MANY_KEYS = 64,	 /* of one get_many */
	BATCH_OPS = 16,	 /* of one batch */
	VALUE_LEN = 100, /* bytes */
	WARM_PASSES = 40,
	PASSES = 60,
	WINDOWS = 6,
	REPLIES_MAX = 1 << 20, /* bytes of a burst's replies */
	TRACE = 16,	       /* callers of the first allocation */
	/* Room for all that the test writes, some 6 MiB. */
	SEGMENT_SIZE = 64 << 20,
	HOUR_MS = 3600000,
};

/* ---- counting ---- */

static atomic_bool counting;
static atomic_uint n_counted;
static __thread bool is_client;
static void *trace[TRACE];
static int n_trace;

#if !SANITIZED
static void count(void)
{
	if (is_client || !atomic_load(&counting))
		return;
	if (atomic_fetch_add(&n_counted, 1) == 0)
		n_trace = backtrace(trace, TRACE);
}

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
	count();
	return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	count();
	return __libc_calloc(n, size);
}

void *realloc(void *memory, size_t size)
{
	count();
	return __libc_realloc(memory, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	count();
	return __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
	void *made;

	count();
	made = __libc_memalign(alignment, size);
	if (!made)
		return ENOMEM;
	*memory = made;
	return 0;
}
#endif

static void begin_counting(void)
{
	n_trace = 0;
	atomic_store(&n_counted, 0);
	atomic_store(&counting, true);
}

static unsigned int end_counting(void)
{
	atomic_store(&counting, false);
	return atomic_load(&n_counted);
}

/* What was counted; addr2line makes names of what it prints. */
static void print_trace(void)
{
	print_message("%u allocations, the first of them by\n",
		      atomic_load(&n_counted));
	backtrace_symbols_fd(trace, n_trace, STDERR_FILENO);
}

enum {
	ALLOCATE_N = 3,
};

static void *allocate(void *arg)
{
	void *volatile memory = malloc(1);

	free(memory);
	memory = calloc(1, 1);
	memory = realloc(memory, 2);
	free(memory);
	return arg;
}

/* Whether what is defined here is what is called: under valgrind it is not. */
static bool counts(void)
{
	pthread_t other;

	begin_counting();
	assert_int_equal(pthread_create(&other, NULL, allocate, NULL), 0);
	assert_int_equal(pthread_join(other, NULL), 0);
	return end_counting() >= ALLOCATE_N;
}

/* ---- the daemon ---- */

static char *dir;
static char path[NAME_LEN], store[NAME_LEN];
static struct loop *loop;
static struct engine *engine;
static struct listener listener;
static struct server *server;
static struct loop_watch *stop_watch;
static int stop_fd;
static pthread_t thread;

static void wake(void *ctx)
{
	loop_wake(ctx);
}

static void stop(void *ctx, int what)
{
	(void)ctx;
	(void)what;
	loop_watch_set(stop_watch, 0);
	server_stop(server);
}

static void *run(void *arg)
{
	return loop_run(arg) == 0 ? arg : NULL;
}

static void open_engine(void)
{
	const struct engine_local_options options = {
		.dir = store,
		.durability = ENGINE_INTERVAL,
		.segment_size = SEGMENT_SIZE,
	};
	struct engine_host host = { .wake = wake, .ctx = loop };
	struct engine_local_error error;

	assert_int_equal(engine_local_open(&options, &host, &engine, &error),
			 0);
}

static uint64_t n_threads = 1;

static int begin(void **state)
{
	struct limits limits;
	struct failure failure;

	(void)state;
	is_client = true;
	dir = tempdir_new();
	snprintf(path, sizeof(path), "%s/s", dir);
	snprintf(store, sizeof(store), "%s/store", dir);
	logging_init(-1, LOGGING_ERROR, false);
	limits_default(&limits);
	limits.threads = n_threads;
	loop = loop_new();
	assert_non_null(loop);
	open_engine();
	listener_init(&listener);
	assert_int_equal(listener_open(&listener, path, 0600, &failure), 0);
	assert_int_equal(server_new(loop, engine, &listener, &limits, &server),
			 0);
	assert_int_equal(server_start(server), 0);
	stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	stop_watch = loop_watch_new(loop, stop_fd, stop, NULL);
	assert_non_null(stop_watch);
	assert_int_equal(loop_watch_set(stop_watch, LOOP_READ), 0);
	return pthread_create(&thread, NULL, run, loop);
}

static int begin_with_two(void **state)
{
	n_threads = 2;
	return begin(state);
}

static int end(void **state)
{
	void *ran = NULL;

	(void)state;
	assert_int_equal(eventfd_write(stop_fd, 1), 0);
	assert_int_equal(pthread_join(thread, &ran), 0);
	assert_ptr_equal(ran, loop);
	server_close_connections(server);
	loop_watch_free(stop_watch);
	close(stop_fd);
	listener_close(&listener);
	assert_int_equal(engine_close(engine), 0);
	server_free(server);
	loop_free(loop);
	tempdir_free(dir);
	return 0;
}

/* ---- what is sent ---- */

/* The first bytes of a reply's result. */
enum expected {
	NOTHING = 0xc0,	  /* nil */
	LIST_OF_2 = 0x92, /* version or count, and durability */
	LIST_OF_3 = 0x93, /* value or size, version, expiry; incr's */
	MANY = 0xdc,	  /* a list of more than 15 */
};

/* A burst of requests, made before. */
struct burst {
	const char *name;
	struct buffer bytes;
	size_t n;
	uint8_t expected[BURST];
};

static char value[VALUE_LEN];
static struct message_bytes many_keys[MANY_KEYS];
static char key_texts[MANY_KEYS][8];

static void add(struct burst *burst, struct message_request *request,
		enum expected expected)
{
	request->id = (uint32_t)burst->n;
	assert_in_range(burst->n, 0, BURST - 1);
	assert_int_equal(
		message_encode_request(&burst->bytes, 1 << 20, request), 0);
	burst->expected[burst->n++] = (uint8_t)expected;
}

static struct message_bytes key_of(size_t i)
{
	return text_bytes(key_texts[i % MANY_KEYS]);
}

static void add_key(struct burst *burst, enum method_id method, const char *key,
		    enum expected expected)
{
	struct message_request request = { .method = method,
					   .key = text_bytes(key) };

	add(burst, &request, expected);
}

static void add_get(struct burst *burst)
{
	add_key(burst, METHOD_GET, key_texts[burst->n], LIST_OF_3);
}

static void add_miss(struct burst *burst)
{
	add_key(burst, METHOD_GET, "there is none", NOTHING);
}

static void add_stat(struct burst *burst)
{
	add_key(burst, METHOD_STAT, key_texts[burst->n], LIST_OF_3);
}

static void add_stat_miss(struct burst *burst)
{
	add_key(burst, METHOD_STAT, "there is none", NOTHING);
}

static void put(struct burst *burst, const char *key,
		const struct message_options *options, enum expected expected)
{
	struct message_request request = {
		.method = METHOD_PUT,
		.key = text_bytes(key),
		.value = { value, VALUE_LEN },
		.options = *options,
	};

	add(burst, &request, expected);
}

static void add_put(struct burst *burst)
{
	const struct message_options none = { .present = 0 };

	put(burst, key_texts[burst->n], &none, LIST_OF_2);
}

static void add_put_always(struct burst *burst)
{
	const struct message_options options = {
		.present = OPT_DURABILITY | OPT_TTL,
		.durability = MESSAGE_DURABILITY_ALWAYS,
		.ttl_ms = HOUR_MS,
	};

	put(burst, key_texts[burst->n], &options, LIST_OF_2);
}

/* It is there. */
static void add_put_if_absent(struct burst *burst)
{
	const struct message_options options = { .present = OPT_IF_ABSENT };

	put(burst, key_texts[burst->n], &options, NOTHING);
}

static void delete (struct burst *burst, struct message_bytes *keys, size_t n)
{
	struct message_request request = {
		.method = METHOD_DELETE,
		.keys = keys,
		.n_keys = n,
	};

	add(burst, &request, LIST_OF_2);
}

static void add_delete(struct burst *burst)
{
	struct message_bytes key = text_bytes("comes and goes");

	delete (burst, &key, 1);
}

static void add_put_and_delete(struct burst *burst)
{
	const struct message_options none = { .present = 0 };

	put(burst, "comes and goes", &none, LIST_OF_2);
	add_delete(burst);
}

/* Those that are there, once, and those that are not. */
static void add_delete_many(struct burst *burst)
{
	const struct message_options none = { .present = 0 };
	struct message_bytes keys[] = {
		text_bytes("comes and goes"),
		text_bytes("comes too"),
		text_bytes("there is none"),
	};

	put(burst, "comes and goes", &none, LIST_OF_2);
	put(burst, "comes too", &none, LIST_OF_2);
	delete (burst, keys, sizeof(keys) / sizeof(keys[0]));
}

static void get_many(struct burst *burst, size_t n)
{
	struct message_request request = {
		.method = METHOD_GET_MANY,
		.keys = many_keys,
		.n_keys = n,
	};

	add(burst, &request, MANY);
}

static void add_get_many(struct burst *burst)
{
	get_many(burst, MANY_KEYS);
}

/* So few that the loop reads them itself. */
static void add_get_some(struct burst *burst)
{
	get_many(burst, 20);
}

static void add_batch(struct burst *burst)
{
	struct message_op ops[BATCH_OPS];
	struct message_request request = {
		.method = METHOD_BATCH,
		.ops = ops,
		.n_ops = BATCH_OPS,
	};

	memset(ops, 0, sizeof(ops));
	for (size_t i = 0; i < BATCH_OPS; i++) {
		ops[i].key = key_of(i * 3);
		ops[i].value = (struct message_bytes){ value, VALUE_LEN };
	}
	ops[0].is_delete = true;
	ops[0].key = text_bytes("comes and goes");
	add(burst, &request, LIST_OF_2);
}

static void add_incr(struct burst *burst)
{
	struct message_request request = {
		.method = METHOD_INCR,
		.key = text_bytes("number"),
		.by = -7,
	};

	add(burst, &request, LIST_OF_3);
}

static void add_touch(struct burst *burst)
{
	struct message_request request = {
		.method = METHOD_TOUCH,
		.key = key_of(burst->n),
		.options = { .present = OPT_TTL, .ttl_ms = HOUR_MS },
	};

	add(burst, &request, LIST_OF_2);
}

static void add_ping(struct burst *burst)
{
	struct message_request request = { .method = METHOD_PING };

	add(burst, &request, NOTHING);
}

static const struct {
	const char *name;
	void (*add)(struct burst *burst);
	size_t n; /* requests that it adds */
} kinds[] = {
	{ "get", add_get, 1 },
	{ "get, a miss", add_miss, 1 },
	{ "stat", add_stat, 1 },
	{ "stat, a miss", add_stat_miss, 1 },
	{ "put", add_put, 1 },
	{ "put, always, with a ttl", add_put_always, 1 },
	{ "put, if absent", add_put_if_absent, 1 },
	{ "put and delete", add_put_and_delete, 2 },
	{ "delete of nothing", add_delete, 1 },
	{ "delete of several", add_delete_many, 3 },
	{ "get_many of 64", add_get_many, 1 },
	{ "get_many of 20", add_get_some, 1 },
	{ "batch of 16", add_batch, 1 },
	{ "incr", add_incr, 1 },
	{ "touch", add_touch, 1 },
	{ "ping", add_ping, 1 },
};

enum {
	N_KINDS = sizeof(kinds) / sizeof(kinds[0]),
};

/* ---- the client ---- */

static struct client client;
static struct client other; /* the first loop's, where there are two */
static uint8_t replies[REPLIES_MAX];

/* Reads until LEN bytes from OFF on are there. */
static size_t read_up_to(size_t have, size_t wanted)
{
	assert_in_range(wanted, 0, REPLIES_MAX);
	while (have < wanted) {
		ssize_t n = read(client.fd, replies + have, REPLIES_MAX - have);

		assert_true(n > 0);
		have += (size_t)n;
	}
	return have;
}

static void check_reply(const uint8_t *body, size_t len, size_t id,
			uint8_t expected)
{
	assert_in_range(len, 5, REPLIES_MAX);
	assert_int_equal(body[0], 0x94);
	assert_int_equal(body[1], 1);
	assert_int_equal(body[2], id);
	assert_int_equal(body[3], NOTHING); /* no error */
	assert_int_equal(body[4], expected);
}

static void play(const struct burst *burst)
{
	size_t have = 0;
	size_t off = 0;

	client_send_bytes(&client, burst->bytes.data, burst->bytes.len);
	for (size_t i = 0; i < burst->n; i++) {
		const uint8_t *body = NULL;
		size_t len = 0;
		size_t need = FRAME_HEAD_LEN;

		while (frame_parse(replies + off, have - off, REPLIES_MAX,
				   &body, &len, &need) != 0)
			have = read_up_to(have, off + need);
		check_reply(body, len, i, burst->expected[i]);
		off += FRAME_HEAD_LEN + len;
	}
	assert_int_equal(have, off);
}

static void play_all(struct burst *bursts, size_t n, int passes)
{
	for (int pass = 0; pass < passes; pass++)
		for (size_t i = 0; i < n; i++)
			play(&bursts[i]);
}

/*
 * Whether PASSES in a row allocate nothing.  How much is under way at once
 * depends on who is quicker, and rises once more now and then: that is seen
 * in few of the windows.
 */
static bool comes_to_rest(struct burst *bursts, size_t n)
{
	play_all(bursts, n, WARM_PASSES);
	for (int window = 0; window < WINDOWS; window++) {
		begin_counting();
		play_all(bursts, n, PASSES);
		if (end_counting() == 0)
			return true;
	}
	print_trace();
	return false;
}

static void leave(void)
{
	client_close(&client);
	if (n_threads > 1)
		client_close(&other);
}

static void make_keys(void)
{
	memset(value, 'v', sizeof(value));
	for (size_t i = 0; i < MANY_KEYS; i++) {
		snprintf(key_texts[i], sizeof(key_texts[i]), "key%zu", i);
		many_keys[i] = text_bytes(key_texts[i]);
	}
}

static void fill(void)
{
	struct burst burst;

	for (size_t i = 0; i < MANY_KEYS; i++) {
		const struct message_options none = { .present = 0 };

		memset(&burst, 0, sizeof(burst));
		put(&burst, key_texts[i], &none, LIST_OF_2);
		play(&burst);
		buffer_deinit(&burst.bytes);
	}
}

static void join(void)
{
	make_keys();
	if (n_threads > 1)
		assert_int_equal(client_connect(&other, path, NULL), 0);
	assert_int_equal(client_connect(&client, path, NULL), 0);
	fill();
}

/* ---- tests ---- */

static void must_count(void)
{
	if (SANITIZED)
		print_message("skipped: a sanitizer has its own allocator\n");
	else if (!counts())
		print_message("skipped: something else is malloc here\n");
	else
		return;
	skip();
}

/* Each kind alone, one at a time and pipelined. */
static void make_bursts(struct burst *bursts)
{
	for (size_t i = 0; i < N_KINDS; i++) {
		struct burst *one = &bursts[i * 2];
		struct burst *some = one + 1;

		one->name = some->name = kinds[i].name;
		kinds[i].add(one);
		while (some->n + kinds[i].n <= BURST)
			kinds[i].add(some);
	}
}

static void test_each_kind_of_request_allocates_nothing(void **state)
{
	struct burst bursts[N_KINDS * 2];
	unsigned int n_failed = 0;

	(void)state;
	must_count();
	join();
	memset(bursts, 0, sizeof(bursts));
	make_bursts(bursts);
	for (size_t i = 0; i < N_KINDS * 2; i++) {
		if (!comes_to_rest(&bursts[i], 1)) {
			print_message("%s, %zu at a time\n", bursts[i].name,
				      bursts[i].n);
			n_failed++;
		}
		buffer_deinit(&bursts[i].bytes);
	}
	leave();
	assert_int_equal(n_failed, 0);
}

/* A burst of one of each but the longest, from the Nth kind on. */
static void make_mixture(struct burst *burst, size_t n)
{
	for (size_t i = 0; i < N_KINDS; i++) {
		size_t kind = (i + n) % N_KINDS;

		if (burst->n + kinds[kind].n <= BURST)
			kinds[kind].add(burst);
	}
}

static void test_all_kinds_in_turn_allocate_nothing(void **state)
{
	struct burst bursts[N_KINDS];

	(void)state;
	must_count();
	join();
	memset(bursts, 0, sizeof(bursts));
	for (size_t i = 0; i < N_KINDS; i++)
		make_mixture(&bursts[i], i);
	assert_true(comes_to_rest(bursts, N_KINDS));
	for (size_t i = 0; i < N_KINDS; i++)
		buffer_deinit(&bursts[i].bytes);
	leave();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_each_kind_of_request_allocates_nothing, begin,
			end),
		cmocka_unit_test_setup_teardown(
			test_all_kinds_in_turn_allocate_nothing, begin, end),
		cmocka_unit_test_setup_teardown(
			test_each_kind_of_request_allocates_nothing,
			begin_with_two, end),
		cmocka_unit_test_setup_teardown(
			test_all_kinds_in_turn_allocate_nothing, begin_with_two,
			end),
	};

	/* The first one loads a library. */
	(void)backtrace(trace, TRACE);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
