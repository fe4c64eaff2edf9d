/*
 * Daemons that answer a client's `attach` in every way there is: what is lent
 * well is read directly, and whatever else comes, the value is read over the
 * socket, with nothing left behind.
 *
 * The key has another value in the shared memory than in the daemon's store:
 * so it shows which of them was read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above */
#include <cmocka.h>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/direct_internal.h"
#include "tests/support/client_fixture.h"
#include "tests/support/descriptors.h"
#include "tests/support/shared_store.h"
#include "tests/support/tempdir.h"

enum {
	INDEX_NUMBER = 7, /* the fake daemon's of its index */
	SEGMENT = 1,
	WAYS = 3, /* reads of read_all_ways */
};

/* What is asked for, in this order, for the first read of the key. */
enum part {
	PART_HEADER,
	PART_CHUNK,
	PART_SEGMENT,
	N_PARTS,
};

static struct shared_store store;
static struct fake_server *server;
static struct getme *handle;
static enum getme_direct mode;
static size_t n_before; /* descriptors that were open at first */
static size_t n_open;	/* with the handle that has read nothing yet */
static size_t n_mapped; /* mappings of the store's, which are the test's */

/* ---- what is open ---- */

static size_t n_mappings(void)
{
	FILE *file = fopen("/proc/self/maps", "r");
	char line[512];
	size_t n = 0;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		n += strstr(line, "getme-shared-store") != NULL;
	fclose(file);
	return n;
}

/* ---- daemon and store ---- */

static void open_handle(void)
{
	struct getme_options options = GETME_OPTIONS_INIT;

	options.socket = fake_server_path(server);
	options.timeout_ms = FIXTURE_LONG_MS;
	options.direct = mode;
	assert_int_equal(getme_open(&options, &handle, NULL, 0), 0);
	assert_int_equal(fixture_put(handle, "key", "by the socket"), 0);
}

static void make_store(void)
{
	const struct maker_entry entry = { .key = "key",
					   .value = "directly",
					   .sequence = 1 };

	shared_store_init(&store);
	shared_store_put(&store, SEGMENT, &entry, 0);
	shared_store_publish(&store);
}

static int set_up(void **state)
{
	const struct fake_hello hello = { .protocol = MESSAGE_PROTOCOL,
					  .attach = true };

	mode = *state ? *(const enum getme_direct *)*state : GETME_DIRECT_AUTO;
	n_before = n_descriptors();
	make_store();
	n_mapped = n_mappings();
	server = fake_server_start();
	fake_server_set_hello(server, hello);
	open_handle();
	n_open = n_descriptors();
	return 0;
}

/* Whatever came: it is gone when the handle is. */
static int tear_down(void **state)
{
	(void)state;
	getme_close(handle);
	assert_int_equal(n_mappings(), n_mapped);
	fake_server_stop(server);
	shared_store_deinit(&store);
	assert_int_equal(n_descriptors(), n_before);
	return 0;
}

static unsigned int n_asked(void)
{
	return fake_server_seen(server, METHOD_ATTACH);
}

static unsigned int n_read(void)
{
	return fake_server_seen(server, METHOD_GET) +
	       fake_server_seen(server, METHOD_STAT) +
	       fake_server_seen(server, METHOD_GET_MANY);
}

static const struct shared_block *block_of(enum part part)
{
	const struct digest digest = shared_digest("key", 3);
	uint64_t off;
	unsigned int chunk =
		index_chunk_of(index_bucket_of(digest.lo, INDEX_BUCKETS_MIN) *
				       sizeof(struct index_primary),
			       &off);

	if (part == PART_HEADER)
		return &store.blocks[SHARED_HEADER];
	if (part == PART_CHUNK)
		return &store.blocks[SHARED_PRIMARY + chunk];
	return &store.blocks[SHARED_SEGMENT + SEGMENT - 1];
}

/* The answer of a daemon in order, once; without its descriptor. */
static struct fake_rule reply_of(enum part part)
{
	struct fake_rule rule = { .method = METHOD_ATTACH,
				  .act = FAKE_REPLY,
				  .times = 1 };

	rule.reply.index = INDEX_NUMBER;
	rule.reply.count = block_of(part)->len;
	if (part == PART_SEGMENT)
		rule.reply.segment = SHARED_ID_BASE + SEGMENT;
	return rule;
}

static struct fake_rule with_fd(struct fake_rule rule, int fd)
{
	rule.fds[rule.n_fds++] = fd;
	return rule;
}

static struct fake_rule lend(enum part part)
{
	return with_fd(reply_of(part), block_of(part)->fd);
}

/* All is well up to what comes before PART. */
static void lend_until(enum part part)
{
	for (unsigned int i = 0; i < part; i++)
		fake_server_rule(server, lend((enum part)i));
}

/* ---- reading ---- */

static void read_as(const char *value)
{
	struct getme_value got;

	assert_int_equal(getme_get(handle, "key", 3, &got), 0);
	assert_true(fixture_is(&got, value));
}

/* Each of WAYS reads says the same, and leaves the last error's text alone. */
static void read_all_ways(const char *value)
{
	const struct getme_bytes key = { "key", 3 };
	char *text = strdup(getme_last_error(handle));
	struct getme_item item;
	struct getme_value got;

	assert_non_null(text);
	read_as(value);
	assert_int_equal(getme_get_many(handle, &key, 1, &item), 0);
	assert_int_equal(item.result, 0);
	assert_true(fixture_is(&item.value, value));
	assert_int_equal(getme_stat(handle, "key", 3, &got), 0);
	assert_int_equal(got.len, strlen(value));
	assert_string_equal(getme_last_error(handle), text);
	free(text);
}

/* All reads from now on are answered by the daemon, which is asked N times. */
static void expect_socket(unsigned int n)
{
	const unsigned int asked = n_asked();
	const unsigned int read = n_read();

	read_all_ways("by the socket");
	assert_int_equal(n_read() - read, WAYS);
	assert_int_equal(n_asked() - asked, n);
	assert_int_equal(fake_server_connections(server), 1);
}

/* No read is; in one mode the segment's descriptor stays. */
static void expect_direct(void)
{
	const unsigned int read = n_read();

	read_all_ways("directly");
	assert_int_equal(n_read(), read);
	assert_int_equal(n_descriptors(),
			 n_open + (mode == GETME_DIRECT_PREAD ? 1 : 0));
}

static void expect_nothing_left(void)
{
	assert_int_equal(n_descriptors(), n_open);
}

/* ---- what a client believes ---- */

static void test_what_is_lent_is_read(void **state)
{
	(void)state;
	lend_until(N_PARTS);
	expect_direct();
	assert_int_equal(n_asked(), N_PARTS);
	expect_direct();
	assert_int_equal(n_asked(), N_PARTS);
}

static void test_a_daemon_that_does_not_offer_it_is_not_asked(void **state)
{
	const struct fake_hello hello = { .protocol = MESSAGE_PROTOCOL };

	(void)state;
	getme_close(handle);
	fake_server_await_closed(server, 1);
	fake_server_set_hello(server, hello);
	open_handle();
	read_all_ways("by the socket");
	read_all_ways("by the socket");
	assert_int_equal(n_asked(), 0);
}

/* The descriptor tells how long it is; the reply need not. */
static void test_what_the_reply_says_of_lengths_is_not_needed(void **state)
{
	static const uint64_t lens[N_PARTS] = { 0, UINT64_MAX, 1 };

	(void)state;
	for (unsigned int i = 0; i < N_PARTS; i++) {
		struct fake_rule rule = lend((enum part)i);

		rule.reply.index = UINT64_MAX;
		rule.reply.count = lens[i];
		fake_server_rule(server, rule);
	}
	expect_direct();
	assert_int_equal(n_asked(), N_PARTS);
}

/* Descriptors come with the first byte, each byte by itself. */
static void test_replies_that_come_slowly(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < N_PARTS; i++) {
		struct fake_rule rule = lend((enum part)i);

		rule.act = FAKE_REPLY_DRIP;
		fake_server_rule(server, rule);
	}
	expect_direct();
	assert_int_equal(n_asked(), N_PARTS);
}

static size_t reply_len(const struct fake_rule *rule)
{
	struct message_reply reply = rule->reply;
	struct buffer out;
	size_t len;

	buffer_init(&out);
	reply.id = 1; /* of one byte, as those here */
	assert_int_equal(
		message_encode_reply(&out, UINT16_MAX, METHOD_ATTACH, &reply),
		0);
	len = out.len;
	buffer_deinit(&out);
	return len;
}

/* With any byte of its reply it is that reply's. */
static void test_a_descriptor_that_comes_later(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < N_PARTS; i++) {
		struct fake_rule rule = lend((enum part)i);

		rule.fds_at = i == 0 ? reply_len(&rule) - 1 : i;
		fake_server_rule(server, rule);
	}
	expect_direct();
	assert_int_equal(n_asked(), N_PARTS);
}

/* ---- refusals ---- */

static struct fake_rule error_of(unsigned int code)
{
	const struct fake_rule rule = { .method = METHOD_ATTACH,
					.act = FAKE_ERROR,
					.times = 1,
					.code = code,
					.text = "not now" };

	return rule;
}

static void pass_by(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		read_as("by the socket");
}

/* What does not change while the daemon runs is not asked for again. */
static void test_a_refusal_holds_for_the_connection(void **state)
{
	static const unsigned int codes[] = { MESSAGE_ERROR_UNSUPPORTED,
					      MESSAGE_ERROR_UNKNOWN_METHOD,
					      MESSAGE_ERROR_NOT_ALLOWED };

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		fake_server_forget_rules(server);
		fake_server_rule(server, error_of(codes[i]));
		lend_until(N_PARTS);
		pass_by(DIRECT_PASSES + 10);
		assert_int_equal(n_asked(), 1 + i * (1 + N_PARTS));
		expect_nothing_left();
		/* Another daemon may do it. */
		fake_server_drop(server);
		read_as("by the socket");
		expect_direct();
		assert_int_equal(n_asked(), (i + 1) * (1 + N_PARTS));
		fake_server_drop(server);
		direct_detach(handle->direct);
		fake_server_forget_rules(server);
	}
}

static void test_an_error_is_tried_again_after_a_while(void **state)
{
	static const unsigned int codes[] = {
		MESSAGE_ERROR_BUSY,	 MESSAGE_ERROR_TOO_LARGE,
		MESSAGE_ERROR_NO_MEMORY, MESSAGE_ERROR_IO,
		MESSAGE_ERROR_CLOSING,	 MESSAGE_ERROR_BAD_PARAMS,
		MESSAGE_ERROR_DEADLINE,	 MESSAGE_ERROR_INTERNAL,
		MESSAGE_ERROR_CORRUPT,	 12345,
	};
	const unsigned int n = sizeof(codes) / sizeof(codes[0]);

	(void)state;
	for (unsigned int i = 0; i < n; i++)
		fake_server_rule(server, error_of(codes[i]));
	for (unsigned int i = 0; i < n; i++) {
		/* The read that asks, and those that do not. */
		pass_by(1 + DIRECT_PASSES);
		assert_int_equal(n_asked(), i + 1);
	}
	expect_nothing_left();
	lend_until(N_PARTS);
	expect_direct();
}

/* ---- replies without, or with more, or with what is not wanted ---- */

static int lent_pipe(void)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	close(fds[1]);
	return fds[0];
}

static void test_a_reply_without_a_descriptor(void **state)
{
	(void)state;
	fake_server_rule(server, reply_of(PART_HEADER));
	expect_socket(1);
	expect_socket(0);
	expect_nothing_left();
}

static void test_nil_is_no_index(void **state)
{
	struct fake_rule rule = reply_of(PART_HEADER);

	(void)state;
	rule.reply.missing = true;
	fake_server_rule(server, rule);
	expect_socket(1);
	pass_by(DIRECT_PASSES + 10);
	assert_int_equal(n_asked(), 1);
	expect_nothing_left();
}

static void test_a_descriptor_that_comes_with_a_refusal(void **state)
{
	struct fake_rule nil = lend(PART_HEADER);

	(void)state;
	nil.reply.missing = true;
	fake_server_rule(server, with_fd(error_of(MESSAGE_ERROR_BUSY),
					 block_of(PART_HEADER)->fd));
	expect_socket(1);
	expect_nothing_left();
	direct_detach(handle->direct);
	fake_server_rule(server, nil);
	expect_socket(1);
	expect_nothing_left();
}

/* One is taken, the surplus closed, also what does not fit in the buffer. */
static void test_more_descriptors_than_one(void **state)
{
	static const unsigned int numbers[] = { 2, 3, 4, 5, FAKE_FDS_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		for (unsigned int part = 0; part < N_PARTS; part++) {
			struct fake_rule rule = lend((enum part)part);

			while (rule.n_fds < numbers[i])
				rule = with_fd(rule, rule.fds[0]);
			fake_server_rule(server, rule);
		}
		expect_direct();
		direct_detach(handle->direct);
		expect_nothing_left();
		fake_server_forget_rules(server);
	}
}

static void test_a_descriptor_of_something_else_among_them(void **state)
{
	const int fd = lent_pipe();

	(void)state;
	n_open++;
	fake_server_rule(server, with_fd(lend(PART_HEADER), fd));
	expect_socket(1);
	expect_nothing_left();
	close(fd);
}

/* What came with another reply is not kept for one that lacks it. */
static void test_a_descriptor_with_a_reply_of_another_kind(void **state)
{
	static const int methods[] = { METHOD_PING, METHOD_PUT, METHOD_GET,
				       METHOD_HELLO };
	const int fd = block_of(PART_HEADER)->fd;

	(void)state;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		const struct fake_rule rule = { .method = methods[i],
						.act = FAKE_ANSWER };

		fake_server_rule(server, with_fd(rule, fd));
	}
	assert_int_equal(getme_ping(handle), 0);
	assert_int_equal(fixture_put(handle, "key", "by the socket"), 0);
	expect_nothing_left();
	fake_server_rule(server, reply_of(PART_HEADER));
	expect_socket(1);
	expect_nothing_left();
	fake_server_drop(server);
	assert_int_equal(getme_ping(handle), 0);
	expect_nothing_left();
}

/* ---- what is no index ---- */

static int memory_of(size_t len, unsigned int seals)
{
	int fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	const uint8_t *header = store.blocks[SHARED_HEADER].memory;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, header, len), len);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* FD, which is the test's own and closed here, does for no part PART. */
static void expect_unusable(enum part part, int fd)
{
	struct fake_rule rule = reply_of(part);

	assert_true(fd >= 0);
	fake_server_forget_rules(server);
	lend_until(part);
	fake_server_rule(server, with_fd(rule, fd));
	expect_socket(part + 1);
	/* It is not asked for at each read. */
	expect_socket(0);
	close(fd);
	direct_detach(handle->direct);
	expect_nothing_left();
}

static int a_file(const char *dir, size_t len)
{
	const uint8_t *header = store.blocks[SHARED_HEADER].memory;
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/file", dir);
	fd = open(path, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, header, len), len);
	return fd;
}

static int for_writing_alone(int fd)
{
	char path[64];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_WRONLY | O_CLOEXEC);
	close(fd);
	return again;
}

static void test_what_is_no_memory_of_an_index(void **state)
{
	char *dir = tempdir_new();

	(void)state;
	expect_unusable(PART_HEADER, lent_pipe());
	expect_unusable(PART_HEADER, open(dir, O_RDONLY | O_CLOEXEC));
	expect_unusable(PART_HEADER, open("/dev/zero", O_RDONLY | O_CLOEXEC));
	expect_unusable(PART_HEADER, eventfd(0, EFD_CLOEXEC));
	expect_unusable(PART_HEADER,
			socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	/* These have the bytes of one. */
	expect_unusable(PART_HEADER, a_file(dir, INDEX_HEADER_LEN));
	expect_unusable(PART_HEADER, memory_of(INDEX_HEADER_LEN, 0));
	expect_unusable(PART_HEADER, memory_of(INDEX_HEADER_LEN, F_SEAL_GROW));
	expect_unusable(PART_HEADER,
			memory_of(INDEX_HEADER_LEN - 1, F_SEAL_SHRINK));
	expect_unusable(PART_HEADER, for_writing_alone(memory_of(
					     INDEX_HEADER_LEN, F_SEAL_SHRINK)));
	tempdir_free(dir);
}

static void test_an_index_of_another_kind(void **state)
{
	struct index_header *header = shared_header(&store);

	(void)state;
	header->magic++;
	expect_unusable(PART_HEADER,
			memory_of(INDEX_HEADER_LEN, F_SEAL_SHRINK));
	header->magic--;
	header->layout++;
	expect_unusable(PART_HEADER,
			memory_of(INDEX_HEADER_LEN, F_SEAL_SHRINK));
	header->layout--;
}

/* One that has ended may be followed by one that has not: that is asked for. */
static void expect_ended(void)
{
	fake_server_forget_rules(server);
	for (int i = 0; i < WAYS; i++)
		fake_server_rule(server, lend(PART_HEADER));
	expect_socket(WAYS);
	expect_nothing_left();
}

static void test_an_index_that_has_ended(void **state)
{
	struct index_header *header = shared_header(&store);
	/* No owner, a dead one, and one whose successor did not repair it. */
	const uint32_t words[] = { 0, UINT32_C(0x40000000) | SHARED_ALIVE,
				   UINT32_C(0x40000000), UINT32_C(0x80000000) };
	const uint32_t alive = SHARED_ALIVE;

	(void)state;
	header->closed = 1;
	expect_ended();
	header->closed = 0;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		memcpy(header->owner, &words[i], sizeof(words[i]));
		expect_ended();
	}
	memcpy(header->owner, &alive, sizeof(alive));
	direct_detach(handle->direct);
	fake_server_forget_rules(server);
	lend_until(N_PARTS);
	expect_direct();
	/* And one that ends while it is attached. */
	header->closed = 1;
	expect_ended();
}

/* ---- an index, and then not all that is in it ---- */

static int long_memory(size_t len, unsigned int seals)
{
	int fd = memory_of(0, 0);

	assert_int_equal(ftruncate(fd, (off_t)len), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void test_what_is_no_chunk(void **state)
{
	const struct shared_block *chunk = block_of(PART_CHUNK);

	(void)state;
	expect_unusable(PART_CHUNK, lent_pipe());
	expect_unusable(PART_CHUNK, memory_of(INDEX_HEADER_LEN, F_SEAL_SHRINK));
	expect_unusable(PART_CHUNK, long_memory(chunk->len - 1, F_SEAL_SHRINK));
	expect_unusable(PART_CHUNK, long_memory(chunk->len, F_SEAL_GROW));
}

static void test_what_is_no_segment(void **state)
{
	char *dir = tempdir_new();

	(void)state;
	expect_unusable(PART_SEGMENT, lent_pipe());
	expect_unusable(PART_SEGMENT, open(dir, O_RDONLY | O_CLOEXEC));
	expect_unusable(PART_SEGMENT, open("/dev/zero", O_RDONLY | O_CLOEXEC));
	expect_unusable(PART_SEGMENT, a_file(dir, SHARED_FIRST_ENTRY - 1));
	tempdir_free(dir);
}

/* It is what a segment may be, but not long enough, or with other bytes. */
static void test_another_segment_than_it_should_be(void **state)
{
	struct fake_rule rule = lend(PART_SEGMENT);
	char *dir = tempdir_new();
	const int fd = a_file(dir, SHARED_FIRST_ENTRY);

	(void)state;
	n_open++;
	/* Its id is not what its entries say. */
	rule.reply.segment += SHARED_ID_BASE;
	lend_until(PART_SEGMENT);
	fake_server_rule(server, rule);
	expect_socket(N_PARTS);
	direct_detach(handle->direct);
	expect_nothing_left();
	fake_server_forget_rules(server);
	/* Nor is it what was asked for. */
	rule.reply.segment++;
	lend_until(PART_SEGMENT);
	fake_server_rule(server, rule);
	expect_socket(N_PARTS);
	expect_socket(0);
	direct_detach(handle->direct);
	expect_nothing_left();
	fake_server_forget_rules(server);
	rule = with_fd(reply_of(PART_SEGMENT), fd);
	rule.times = 0;
	lend_until(PART_SEGMENT);
	fake_server_rule(server, rule);
	/* Nor so long: it may have grown since, so it is asked for again. */
	expect_socket(PART_SEGMENT + 2 * WAYS);
	direct_detach(handle->direct);
	expect_nothing_left();
	close(fd);
	tempdir_free(dir);
}

static void test_parts_that_are_refused(void **state)
{
	static const unsigned int codes[] = { MESSAGE_ERROR_BUSY,
					      MESSAGE_ERROR_IO,
					      MESSAGE_ERROR_INTERNAL,
					      MESSAGE_ERROR_UNSUPPORTED };

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		for (unsigned int part = PART_CHUNK; part < N_PARTS; part++) {
			fake_server_forget_rules(server);
			lend_until((enum part)part);
			fake_server_rule(server, error_of(codes[i]));
			expect_socket(part + 1);
			/* It is not asked for at each read. */
			expect_socket(0);
			direct_detach(handle->direct);
			expect_nothing_left();
		}
}

static void expect_missing(enum part part, unsigned int n)
{
	struct fake_rule nil = reply_of(part);

	nil.reply.missing = true;
	nil.times = 0;
	fake_server_forget_rules(server);
	lend_until(part);
	fake_server_rule(server, nil);
	expect_socket(n);
	direct_detach(handle->direct);
	expect_nothing_left();
}

/* Who has lost a segment to a compaction finds the entry somewhere else. */
static void test_parts_that_are_not_there(void **state)
{
	(void)state;
	expect_missing(PART_CHUNK, PART_CHUNK + WAYS);
	/* The place is looked up once more, and is the same. */
	expect_missing(PART_SEGMENT, PART_SEGMENT + 2 * WAYS);
}

/* ---- connections that are lost ---- */

/* The read is answered on the next connection. */
static void expect_reconnected(unsigned int n_connections)
{
	const unsigned int read = n_read();

	read_as("by the socket");
	assert_int_equal(n_read() - read, 1);
	fake_server_await_closed(server, n_connections - 1);
	assert_int_equal(fake_server_connections(server), n_connections);
	expect_nothing_left();
}

static void test_a_result_of_the_wrong_shape(void **state)
{
	static const char *const results[] = {
		"'a'",
		"[]",
		"[7, 4096]",
		"[7, 4096, 0, 0]",
		"['a', 2, 3]",
		"[7, 'b', 0]",
		"[7, 1, 'c']",
		"[-1, 4096, 0]",
		"[7, -1, 0]",
		"[7, 1, -1]",
		"{}",
		"true",
		"[nil, 1, 1]",
		"[7, 1, 0.5]",
		"7",
		"[[7], 1, 0]",
		"[7, 1, 4294967296]",
	};
	const unsigned int n = sizeof(results) / sizeof(results[0]);

	(void)state;
	for (unsigned int i = 0; i < n; i++) {
		struct fake_rule rule = lend(PART_HEADER);

		rule.act = FAKE_RESULT;
		rule.text = results[i];
		fake_server_forget_rules(server);
		fake_server_rule(server, rule);
		expect_reconnected(i + 2);
		assert_int_equal(n_asked(), i + 1);
	}
	fake_server_forget_rules(server);
	lend_until(N_PARTS);
	expect_direct();
}

/* Replies to requests that were not made, and what is no reply at all. */
static void test_what_is_no_reply_to_it(void **state)
{
	static const enum fake_act acts[] = { FAKE_WRONG_ID, FAKE_WRONG_SHAPE,
					      FAKE_NO_RPC,   FAKE_NOTIFY,
					      FAKE_HUGE,     FAKE_EMPTY,
					      FAKE_REFUSE,   FAKE_LOSE };
	const unsigned int n = sizeof(acts) / sizeof(acts[0]);

	(void)state;
	for (unsigned int i = 0; i < n; i++) {
		struct fake_rule rule = lend(PART_HEADER);

		rule.act = acts[i];
		rule.code = MESSAGE_ERROR_CLOSING;
		rule.text = "it stops";
		fake_server_forget_rules(server);
		fake_server_rule(server, rule);
		expect_reconnected(i + 2);
		assert_int_equal(n_asked(), i + 1);
	}
}

/* Closed before each of its bytes; the descriptor came with the first. */
static void test_replies_that_are_cut_off(void **state)
{
	unsigned int n_connections = 1;
	unsigned int asked;

	(void)state;
	for (unsigned int part = 0; part < N_PARTS; part++) {
		struct fake_rule rule = lend((enum part)part);
		const size_t len = reply_len(&rule);

		rule.act = FAKE_REPLY_CUT;
		for (rule.at = 0; rule.at < len; rule.at++) {
			asked = n_asked();
			fake_server_forget_rules(server);
			lend_until((enum part)part);
			fake_server_rule(server, rule);
			expect_reconnected(++n_connections);
			assert_int_equal(n_asked() - asked, part + 1);
		}
	}
	fake_server_forget_rules(server);
	lend_until(N_PARTS);
	expect_direct();
}

static void test_a_daemon_that_never_replies_to_it(void **state)
{
	struct fake_rule rule = lend(PART_HEADER);
	struct getme_value value;

	(void)state;
	rule.act = FAKE_SILENT;
	fake_server_rule(server, rule);
	assert_int_equal(getme_set_timeout(handle, FIXTURE_SHORT_MS), 0);
	assert_int_equal(getme_get(handle, "key", 3, &value), GETME_E_TIMEOUT);
	assert_int_equal(getme_set_timeout(handle, FIXTURE_LONG_MS), 0);
	fake_server_await_closed(server, 1);
	lend_until(N_PARTS);
	expect_direct();
}

#define EACH(name, mode)                                                       \
	{                                                                      \
#name " (" #mode ")", name, set_up, tear_down,                 \
			(void *)(uintptr_t)&mode                               \
	}
#define BOTH(name) EACH(name, mapped), EACH(name, pread_mode)
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const enum getme_direct mapped = GETME_DIRECT_AUTO;
	static const enum getme_direct pread_mode = GETME_DIRECT_PREAD;
	const struct CMUnitTest tests[] = {
		BOTH(test_what_is_lent_is_read),
		TEST(test_a_daemon_that_does_not_offer_it_is_not_asked),
		TEST(test_what_the_reply_says_of_lengths_is_not_needed),
		BOTH(test_replies_that_come_slowly),
		TEST(test_a_descriptor_that_comes_later),
		TEST(test_a_refusal_holds_for_the_connection),
		TEST(test_an_error_is_tried_again_after_a_while),
		TEST(test_a_reply_without_a_descriptor),
		TEST(test_nil_is_no_index),
		TEST(test_a_descriptor_that_comes_with_a_refusal),
		BOTH(test_more_descriptors_than_one),
		TEST(test_a_descriptor_of_something_else_among_them),
		TEST(test_a_descriptor_with_a_reply_of_another_kind),
		TEST(test_what_is_no_memory_of_an_index),
		TEST(test_an_index_of_another_kind),
		TEST(test_an_index_that_has_ended),
		TEST(test_what_is_no_chunk),
		BOTH(test_what_is_no_segment),
		BOTH(test_another_segment_than_it_should_be),
		BOTH(test_parts_that_are_refused),
		BOTH(test_parts_that_are_not_there),
		TEST(test_a_result_of_the_wrong_shape),
		TEST(test_what_is_no_reply_to_it),
		BOTH(test_replies_that_are_cut_off),
		TEST(test_a_daemon_that_never_replies_to_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
