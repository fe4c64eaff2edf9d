/*
 * The client's reads on every path: over the socket, from mapped segments, by
 * pread.  The answers must be the same; and it must be the path that it is
 * meant to be.
 */
#include "client/direct.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the first two */
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/child_daemon.h"
#include "tests/support/descriptors.h"

enum {
	N_KEYS = 3000,
	N_GROWN = 200000, /* chunks and overflow buckets that are new */
	BATCH = 1000,
	N_QUIET = 20000, /* reads in which no system call is allowed */
	LARGE = 3 << 20,
	HUGE = 20 << 20, /* a segment of its own, of a size not in the index */
};

static struct child_daemon daemon_;
static struct getme *handle;
static struct getme *writer;
static enum getme_direct mode;

static int set_up(void **state)
{
	mode = *(const enum getme_direct *)*state;
	child_daemon_init(&daemon_);
	daemon_.segment_size = 64 << 10;
	/* The first client is the first loop's, the second the other one's. */
	daemon_.threads = mode == GETME_DIRECT_OFF ? 2 : 1;
	child_daemon_start(&daemon_);
	writer = child_daemon_connect(&daemon_, GETME_DIRECT_OFF);
	handle = child_daemon_connect(&daemon_, mode);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	getme_close(handle);
	getme_close(writer);
	child_daemon_deinit(&daemon_);
	return 0;
}

/* ---- helpers ---- */

static uint64_t n_asked(void)
{
	return child_daemon_stat(writer, "requests_get_total") +
	       child_daemon_stat(writer, "requests_stat_total") +
	       child_daemon_stat(writer, "requests_get_many_total");
}

/* Whether N reads since BEFORE went where they should, but for a few. */
static void check_path(uint64_t before, uint64_t n)
{
	uint64_t asked = n_asked() - before;

	if (mode == GETME_DIRECT_OFF)
		assert_true(asked >= n);
	else
		assert_true(asked == 0);
}

static void put(const char *key, const void *value, size_t len)
{
	assert_int_equal(
		getme_put(writer, key, strlen(key), value, len, NULL, NULL), 0);
}

static void put_text(const char *key, const char *value)
{
	put(key, value, strlen(value));
}

static void expect(const char *key, const char *value)
{
	struct getme_value got;
	int result = getme_get(handle, key, strlen(key), &got);

	if (!value) {
		assert_int_equal(result, GETME_NOT_FOUND);
		return;
	}
	assert_int_equal(result, 0);
	assert_int_equal(got.len, strlen(value));
	assert_memory_equal(got.data, value, got.len);
}

static void put_many(unsigned int from, unsigned int to, const char *mark)
{
	struct getme_batch *batch;
	char key[32], value[64];

	assert_int_equal(getme_batch_new(&batch), 0);
	for (unsigned int i = from; i < to; i++) {
		snprintf(key, sizeof(key), "key %u", i);
		snprintf(value, sizeof(value), "%s %u ........................",
			 mark, i);
		assert_int_equal(getme_batch_put(batch, key, strlen(key), value,
						 strlen(value), NULL),
				 0);
		if ((i + 1) % BATCH != 0 && i + 1 != to)
			continue;
		assert_int_equal(getme_batch_apply(writer, batch, NULL, NULL),
				 0);
		getme_batch_reset(batch);
	}
	getme_batch_free(batch);
}

static void expect_many(unsigned int from, unsigned int to, const char *mark)
{
	char key[32], value[64];

	for (unsigned int i = from; i < to; i++) {
		snprintf(key, sizeof(key), "key %u", i);
		snprintf(value, sizeof(value), "%s %u ........................",
			 mark, i);
		expect(key, value);
	}
}

static void expect_none(unsigned int from, unsigned int to)
{
	char key[32];

	for (unsigned int i = from; i < to; i++) {
		snprintf(key, sizeof(key), "key %u", i);
		expect(key, NULL);
	}
}

/* ---- what is asked of all paths ---- */

static void test_values_come_whole(void **state)
{
	struct getme_value value;
	char *large = malloc(HUGE);
	char *long_key = malloc(65535);
	uint64_t before;

	(void)state;
	assert_non_null(large);
	assert_non_null(long_key);
	for (size_t i = 0; i < HUGE; i++)
		large[i] = (char)(i * 31 >> 3);
	memset(long_key, 'k', 65535);
	put_text("one", "1");
	put_text("empty", "");
	put("large", large, LARGE);
	put("huge", large, HUGE);
	assert_int_equal(
		getme_put(writer, long_key, 65535, "long", 4, NULL, NULL), 0);
	expect("one", "1");
	before = n_asked();
	expect("one", "1");
	expect("empty", "");
	expect("none", NULL);
	assert_int_equal(getme_get(handle, "large", 5, &value), 0);
	assert_int_equal(value.len, LARGE);
	assert_memory_equal(value.data, large, LARGE);
	assert_int_equal(getme_get(handle, "huge", 4, &value), 0);
	assert_int_equal(value.len, HUGE);
	assert_memory_equal(value.data, large, HUGE);
	assert_int_equal(getme_get(handle, long_key, 65535, &value), 0);
	assert_int_equal(value.len, 4);
	assert_memory_equal(value.data, "long", 4);
	assert_int_equal(getme_get(handle, "one", 3, &value), 0);
	check_path(before, 7);
	assert_int_equal(value.len, 1);
	free(large);
	free(long_key);
}

static void test_an_empty_value_has_no_data(void **state)
{
	struct getme_bytes keys[2] = { { "empty", 5 }, { "none", 4 } };
	struct getme_item items[2];
	struct getme_value value = { .data = "", .len = 7 };

	(void)state;
	put_text("empty", "");
	assert_int_equal(getme_get(handle, "empty", 5, &value), 0);
	assert_null(value.data);
	assert_int_equal(value.len, 0);
	assert_int_equal(getme_get_many(handle, keys, 2, items), 0);
	assert_int_equal(items[0].result, 0);
	assert_null(items[0].value.data);
	assert_int_equal(items[1].result, GETME_NOT_FOUND);
	assert_ptr_equal(items[1].key.data, keys[1].data);
}

static void test_stat_and_exists_tell_the_same(void **state)
{
	struct getme_write_options options = GETME_WRITE_OPTIONS_INIT;
	struct getme_written written;
	struct getme_value value;
	uint64_t before;

	(void)state;
	options.expires_at_ms = INT64_C(4102444800000);
	assert_int_equal(
		getme_put(writer, "key", 3, "12345", 5, &options, &written), 0);
	expect("key", "12345");
	before = n_asked();
	assert_int_equal(getme_stat(handle, "key", 3, &value), 0);
	assert_null(value.data);
	assert_int_equal(value.len, 5);
	assert_int_equal(value.version, written.version);
	assert_int_equal(value.expires_at_ms, options.expires_at_ms);
	assert_int_equal(getme_exists(handle, "key", 3), 0);
	assert_int_equal(getme_exists(handle, "none", 4), GETME_NOT_FOUND);
	assert_int_equal(getme_stat(handle, "none", 4, &value),
			 GETME_NOT_FOUND);
	check_path(before, 4);
	assert_int_equal(getme_get(handle, "key", 3, &value), 0);
	assert_int_equal(value.version, written.version);
	assert_int_equal(value.expires_at_ms, options.expires_at_ms);
}

static void test_what_is_wrong_is_told_the_same(void **state)
{
	struct getme_value value;
	char *long_key = calloc(1, 65536);

	(void)state;
	assert_non_null(long_key);
	assert_int_equal(getme_get(handle, "", 0, &value), -EINVAL);
	assert_int_equal(getme_get(handle, NULL, 3, &value), -EINVAL);
	assert_int_equal(getme_get(handle, "key", 3, NULL), -EINVAL);
	assert_int_equal(getme_get(handle, long_key, 65536, &value),
			 GETME_E_TOO_LARGE);
	assert_non_null(strstr(getme_last_error(handle), "65535"));
	/* A read that finds nothing has no text, nor takes one away. */
	expect("none", NULL);
	assert_non_null(strstr(getme_last_error(handle), "65535"));
	free(long_key);
}

static void test_writes_are_seen_when_they_are_acknowledged(void **state)
{
	struct getme_written written;
	char text[32];

	(void)state;
	for (int i = 0; i < 300; i++) {
		snprintf(text, sizeof(text), "%d", i);
		put_text("key", text);
		expect("key", text);
		/* And of the reader's own. */
		assert_int_equal(getme_incr(handle, "n", 1, 1, NULL, &written),
				 0);
		snprintf(text, sizeof(text), "%d", i + 1);
		expect("n", text);
	}
	assert_int_equal(getme_delete(handle, "key", 3, NULL, &written), 0);
	assert_int_equal(written.deleted, 1);
	expect("key", NULL);
}

/* What was submitted is not overtaken by a read of the same handle. */
static void test_reads_come_after_what_was_submitted(void **state)
{
	struct getme_answer answer;
	char text[32];

	(void)state;
	put_text("key", "before");
	expect("key", "before");
	for (int i = 0; i < 50; i++) {
		snprintf(text, sizeof(text), "%d", i);
		assert_int_equal(getme_submit_put(handle, "key", 3, text,
						  strlen(text), NULL, NULL),
				 0);
		expect("key", text);
		assert_int_equal(getme_collect(handle, 1, &answer), 0);
		assert_int_equal(answer.result, 0);
		expect("key", text);
	}
}

static void sleep_until(int64_t ms)
{
	struct timespec now;

	do {
		clock_gettime(CLOCK_REALTIME, &now);
		poll(NULL, 0, 5);
	} while ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 <= ms);
}

static void test_what_has_expired_is_gone(void **state)
{
	struct getme_write_options options = GETME_WRITE_OPTIONS_INIT;
	struct getme_bytes key = { "short", 5 };
	struct getme_item item;
	struct getme_value value;

	(void)state;
	options.ttl_ms = 400;
	assert_int_equal(getme_put(writer, "short", 5, "x", 1, &options, NULL),
			 0);
	expect("short", "x");
	assert_int_equal(getme_stat(handle, "short", 5, &value), 0);
	sleep_until(value.expires_at_ms);
	assert_int_equal(getme_get_many(handle, &key, 1, &item), 0);
	assert_int_equal(item.result, GETME_NOT_FOUND);
	assert_int_equal(getme_exists(handle, "short", 5), GETME_NOT_FOUND);
	expect("short", NULL);
}

static void test_many_keys_in_their_order(void **state)
{
	enum { N = 2000 };
	static struct getme_bytes keys[N];
	static struct getme_item items[N];
	static char texts[N][16];
	char value[64];
	uint64_t before;

	(void)state;
	put_many(0, N / 2, "many");
	for (int i = 0; i < N; i++) {
		/* Half of them are not there; some come twice. */
		snprintf(texts[i], sizeof(texts[i]), "key %d",
			 i * 7919 % N / 3 * 3);
		keys[i].data = texts[i];
		keys[i].len = strlen(texts[i]);
	}
	assert_int_equal(getme_get_many(handle, keys, N, items), 0);
	before = n_asked();
	for (int round = 0; round < 3; round++) {
		assert_int_equal(getme_get_many(handle, keys, N, items), 0);
		for (int i = 0; i < N; i++) {
			int number = i * 7919 % N / 3 * 3;

			assert_ptr_equal(items[i].key.data, keys[i].data);
			if (number >= N / 2) {
				assert_int_equal(items[i].result,
						 GETME_NOT_FOUND);
				continue;
			}
			snprintf(value, sizeof(value),
				 "many %d ........................", number);
			assert_int_equal(items[i].result, 0);
			assert_int_equal(items[i].value.len, strlen(value));
			assert_memory_equal(items[i].value.data, value,
					    strlen(value));
		}
	}
	check_path(before, 3);
}

/* The index gets chunks that the reader has to ask for. */
static void test_an_index_that_grows_is_followed(void **state)
{
	uint64_t before;

	(void)state;
	put_many(0, N_KEYS, "old");
	expect_many(0, N_KEYS, "old");
	put_many(N_KEYS, N_GROWN, "new");
	expect_many(0, N_KEYS, "old");
	expect_many(N_KEYS, N_GROWN, "new");
	before = n_asked();
	expect_many(0, N_KEYS, "old");
	check_path(before, N_KEYS);
	expect_none(N_GROWN, N_GROWN + 100);
}

static size_t n_mappings(void)
{
	char line[512];
	FILE *file = fopen("/proc/self/maps", "r");
	size_t n = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		n += strstr(line, ".seg") != NULL;
	fclose(file);
	return n;
}

/* What compaction moves is followed, and what it removed is let go of. */
static void test_compaction_is_followed(void **state)
{
	size_t most = 0;

	(void)state;
	for (int round = 0; round < 8; round++) {
		char mark[16];

		snprintf(mark, sizeof(mark), "r%d", round);
		put_many(0, N_KEYS / 2, mark);
		if (round == 0)
			put_many(N_KEYS / 2, N_KEYS, "kept");
		expect_many(0, N_KEYS / 2, mark);
		assert_int_equal(getme_compact(writer, NULL), 0);
		expect_many(0, N_KEYS / 2, mark);
		expect_many(N_KEYS / 2, N_KEYS, "kept");
		if (n_mappings() > most)
			most = n_mappings();
	}
	if (mode == GETME_DIRECT_AUTO)
		assert_in_range(most, 1, 24);
	else
		assert_int_equal(most, 0);
}

static void test_a_clear_is_followed(void **state)
{
	uint64_t before;

	(void)state;
	for (int round = 0; round < 3; round++) {
		put_text("key", "before");
		expect("key", "before");
		assert_int_equal(getme_clear(writer), 0);
		expect("key", NULL);
		put_text("key", "after");
		expect("key", "after");
		before = n_asked();
		expect("key", "after");
		check_path(before, 1);
	}
}

static void test_a_daemon_that_is_followed_by_another(void **state)
{
	uint64_t before;

	(void)state;
	for (int round = 0; round < 4; round++) {
		char text[16];

		snprintf(text, sizeof(text), "%d", round);
		put_text("key", text);
		expect("key", text);
		if (round % 2)
			child_daemon_kill(&daemon_);
		else
			child_daemon_stop(&daemon_);
		child_daemon_start(&daemon_);
		getme_close(writer);
		writer = child_daemon_connect(&daemon_, GETME_DIRECT_OFF);
		put_text("key", "of the next");
		/* The first may find the connection lost. */
		expect("key", "of the next");
		before = n_asked();
		expect("key", "of the next");
		check_path(before, 1);
	}
}

static void test_without_a_daemon_nothing_is_read(void **state)
{
	struct getme_value value;

	(void)state;
	put_text("key", "value");
	expect("key", "value");
	child_daemon_kill(&daemon_);
	assert_int_equal(getme_get(handle, "key", 3, &value),
			 GETME_E_NO_DAEMON);
	assert_int_equal(getme_get(handle, "key", 3, &value),
			 GETME_E_NO_DAEMON);
	assert_int_equal(getme_exists(handle, "key", 3), GETME_E_NO_DAEMON);
}

static void test_a_daemon_that_does_not_let_us(void **state)
{
	(void)state;
	getme_close(handle);
	getme_close(writer);
	child_daemon_stop(&daemon_);
	daemon_.no_direct_reads = true;
	child_daemon_start(&daemon_);
	handle = child_daemon_connect(&daemon_, mode);
	writer = child_daemon_connect(&daemon_, GETME_DIRECT_OFF);
	put_text("key", "value");
	for (int i = 0; i < 10; i++)
		expect("key", "value");
	assert_int_equal(child_daemon_stat(writer, "requests_attach_total"), 0);
	assert_int_equal(child_daemon_stat(writer, "requests_get_total"), 10);
}

/* A daemon that is stopped when it is asked for a part: the call ends in time. */
static void test_a_daemon_that_does_not_reply(void **state)
{
	struct getme_value value;
	int status = 0;

	(void)state;
	put_text("key", "value");
	assert_int_equal(getme_set_timeout(handle, 300), 0);
	kill(daemon_.pid, SIGSTOP);
	/* Only then have all of its threads stopped. */
	assert_int_equal(waitpid(daemon_.pid, &status, WUNTRACED), daemon_.pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(getme_get(handle, "key", 3, &value), GETME_E_TIMEOUT);
	assert_non_null(strstr(getme_last_error(handle), "did not reply"));
	kill(daemon_.pid, SIGCONT);
	assert_int_equal(getme_set_timeout(handle, 60000), 0);
	expect("key", "value");
	expect("key", "value");
}

/* In a child the parent's mappings are let go of; both go on reading. */
static void test_a_child_attaches_by_itself(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	put_text("key", "value");
	expect("key", "value");
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct getme_value value;
		int bad = 0;

		for (int i = 0; i < 100; i++)
			bad |= getme_get(handle, "key", 3, &value) != 0 ||
			       value.len != 5;
		getme_close(handle);
		_exit(bad);
	}
	for (int i = 0; i < 100; i++)
		expect("key", "value");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	expect("key", "value");
}

/* An application's table of descriptors is its own. */
static void test_few_descriptors_stay_open(void **state)
{
	size_t before = n_descriptors();

	(void)state;
	/* More segments than are kept open. */
	put_many(0, 150000, "x");
	assert_true(child_daemon_stat(writer, "segments") > 80);
	expect_many(0, 150000, "x");
	if (mode == GETME_DIRECT_PREAD)
		assert_in_range(n_descriptors() - before, 1, 64);
	else
		assert_int_equal(n_descriptors(), before);
	getme_close(handle);
	handle = NULL;
	assert_int_equal(n_mappings(), 0);
	assert_true(n_descriptors() < before);
}

static uint64_t n_attached(void)
{
	return child_daemon_stat(writer, "requests_attach_total");
}

/* Nothing can be attached: it is not asked for at each read, but again. */
static void test_where_descriptors_run_out_the_socket_is_asked(void **state)
{
	struct rlimit before, none;
	uint64_t attached, asked;

	(void)state;
	put_text("first", "value");
	expect("first", "value"); /* all that is opened once is open */
	put_many(0, N_KEYS, "x");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 3;
	attached = n_attached();
	asked = n_asked();
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	expect_many(0, N_KEYS, "x");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	if (mode == GETME_DIRECT_OFF) {
		assert_int_equal(n_attached(), attached);
		return;
	}
	assert_in_range(n_attached() - attached, 1, 16);
	assert_true(n_asked() - asked >= N_KEYS / 2);
	expect_many(0, N_KEYS, "x");
	asked = n_asked();
	expect_many(0, N_KEYS, "x");
	check_path(asked, N_KEYS);
}

/* Changes a byte of what lies in one of the store's files. */
static void damage(const char *text)
{
	DIR *dir = opendir(daemon_.store);
	const struct dirent *entry;
	bool done = false;

	assert_non_null(dir);
	while (!done && (entry = readdir(dir)) != NULL) {
		static char bytes[128 << 10];
		char path[512];
		const char *at;
		ssize_t n;
		int fd;

		if (!strstr(entry->d_name, ".seg"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", daemon_.store,
			 entry->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
		assert_true(fd >= 0);
		n = pread(fd, bytes, sizeof(bytes), 0);
		at = memmem(bytes, n > 0 ? (size_t)n : 0, text, strlen(text));
		if (at) {
			assert_int_equal(pwrite(fd, "#", 1, at - bytes), 1);
			done = true;
		}
		close(fd);
	}
	closedir(dir);
	assert_true(done);
}

/* A damaged value is an error, on every path; others are read. */
static void test_damage_is_told_by_the_daemon(void **state)
{
	struct getme_bytes keys[2] = { { "good", 4 }, { "bad", 3 } };
	struct getme_item items[2];
	struct getme_value value;

	(void)state;
	put_text("good", "a value to be kept");
	put_text("bad", "a value to be damaged");
	expect("bad", "a value to be damaged");
	damage("value to be damaged");
	assert_int_equal(getme_get(handle, "bad", 3, &value), GETME_E_CORRUPT);
	assert_non_null(strstr(getme_last_error(handle), "damaged"));
	expect("good", "a value to be kept");
	assert_int_equal(getme_get_many(handle, keys, 2, items), 0);
	assert_int_equal(items[0].result, 0);
	assert_int_equal(items[1].result, GETME_E_CORRUPT);
	assert_true(child_daemon_stat(writer, "corrupt_reads") >= 2);
	put_text("bad", "another value");
	expect("bad", "another value");
}

/* ---- without asking the kernel ---- */

static void allow_only_the_end(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = { .len = 4, .filter = filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		_exit(2);
}

/* Its own handle, warmed up; then any system call is its death. */
static void read_quietly(void)
{
	static const struct getme_bytes keys[2] = { { "key 1", 5 },
						    { "none", 4 } };
	struct getme_item items[2];
	struct getme_value value;
	char key[32];
	int bad = 0;

	expect_many(0, N_KEYS, "quiet");
	bad |= getme_get_many(handle, keys, 2, items);
	allow_only_the_end();
	for (int i = 0; i < N_QUIET; i++) {
		int len = snprintf(key, sizeof(key), "key %d", i % N_KEYS);

		bad |= getme_get(handle, key, (size_t)len, &value);
		bad |= getme_stat(handle, key, (size_t)len, &value);
		bad |= getme_get(handle, "none", 4, &value) != GETME_NOT_FOUND;
		bad |= getme_get_many(handle, keys, 2, items);
	}
	syscall(SYS_exit_group, bad);
}

static void test_a_direct_read_makes_no_system_call(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	put_many(0, N_KEYS, "quiet");
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		read_quietly();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define EACH(name, mode)                                                       \
	{                                                                      \
#name " (" #mode ")", name, set_up, tear_down,                 \
			(void *)(uintptr_t)&mode                               \
	}
#define ALL(name)                                                              \
	EACH(name, socket_mode), EACH(name, mapped), EACH(name, pread_mode)

int main(void)
{
	static const enum getme_direct socket_mode = GETME_DIRECT_OFF;
	static const enum getme_direct mapped = GETME_DIRECT_AUTO;
	static const enum getme_direct pread_mode = GETME_DIRECT_PREAD;
	const struct CMUnitTest tests[] = {
		ALL(test_values_come_whole),
		ALL(test_an_empty_value_has_no_data),
		ALL(test_stat_and_exists_tell_the_same),
		ALL(test_what_is_wrong_is_told_the_same),
		ALL(test_writes_are_seen_when_they_are_acknowledged),
		ALL(test_reads_come_after_what_was_submitted),
		ALL(test_what_has_expired_is_gone),
		ALL(test_many_keys_in_their_order),
		ALL(test_an_index_that_grows_is_followed),
		ALL(test_compaction_is_followed),
		ALL(test_a_clear_is_followed),
		ALL(test_a_daemon_that_is_followed_by_another),
		ALL(test_without_a_daemon_nothing_is_read),
		ALL(test_a_daemon_that_does_not_let_us),
		ALL(test_a_daemon_that_does_not_reply),
		ALL(test_a_child_attaches_by_itself),
		ALL(test_few_descriptors_stay_open),
		ALL(test_where_descriptors_run_out_the_socket_is_asked),
		ALL(test_damage_is_told_by_the_daemon),
		EACH(test_a_direct_read_makes_no_system_call, mapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
