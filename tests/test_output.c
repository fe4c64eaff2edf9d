#include "daemon/output.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "daemon/limits.h"

static struct discard discard;
static struct output_pool pool;
static struct output output;
static int pair[2];

static int begin(void **state)
{
	(void)state;
	memset(&output, 0, sizeof(output));
	pool.discard = &discard;
	output.pool = &pool;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
}

static int end(void **state)
{
	(void)state;
	output_deinit(&output);
	output_pool_deinit(&pool);
	discard_deinit(&discard);
	close(pair[0]);
	close(pair[1]);
	return 0;
}

/* Adds LEN bytes that go on counting from *NEXT. */
static void add(size_t len, uint8_t *next)
{
	struct buffer buffer;

	buffer_init(&buffer);
	assert_int_equal(buffer_reserve(&buffer, len), 0);
	for (size_t i = 0; i < len; i++)
		buffer.data[i] = (*next)++;
	buffer.len = len;
	assert_int_equal(output_add(&output, &buffer), 0);
	assert_int_equal(buffer.len, 0);
	buffer_deinit(&buffer);
}

static size_t check_read(uint8_t *next)
{
	uint8_t data[65536];
	ssize_t n = read(pair[1], data, sizeof(data));

	for (ssize_t i = 0; i < n; i++)
		assert_int_equal(data[i], (*next)++);
	return n > 0 ? (size_t)n : 0;
}

static void test_bytes_leave_in_order_whatever_their_sizes(void **state)
{
	const size_t sizes[] = { 1,
				 100,
				 LIMITS_REPLY_MOVE - 1,
				 LIMITS_REPLY_MOVE,
				 LIMITS_REPLY_MOVE + 1,
				 7,
				 300000,
				 3,
				 9,
				 1000000 };
	uint8_t in = 0, out = 0;
	size_t total = 0, taken = 0;

	(void)state;
	for (int round = 0; round < 5; round++) {
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			add(sizes[i], &in);
			total += sizes[i];
		}
		assert_int_equal(output.len, total - taken);
	}
	while (taken < total) {
		long n = output_write(&output, pair[0], SIZE_MAX);

		assert_true(n >= 0);
		taken += (size_t)n;
		assert_int_equal(output.len, total - taken);
		while (check_read(&out) > 0)
			;
	}
	assert_int_equal(output_write(&output, pair[0], SIZE_MAX), 0);
	assert_true(in == out);
}

static void test_many_small_ones_share_a_system_call(void **state)
{
	uint8_t in = 0, out = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		add(20, &in);
	assert_int_equal(output_write(&output, pair[0], SIZE_MAX), 20000);
	while (check_read(&out) > 0)
		;
	assert_true(in == out);
}

static void fill(struct buffer *buffer, size_t len, uint8_t *next)
{
	buffer_init(buffer);
	assert_int_equal(buffer_reserve(buffer, len), 0);
	for (size_t i = 0; i < len; i++)
		buffer->data[i] = (*next)++;
	buffer->len = len;
}

/* Bytes 0 to 9, a value, 10 to 19, a value, and none behind it. */
static void test_a_reply_with_values_leaves_in_order(void **state)
{
	enum { N = 10, LEN = 300000 };
	struct output_value values[2] = { { .off = N }, { .off = 2 * N } };
	struct buffer head;
	uint8_t in = 0, out = 0;
	size_t left = 2 * N + 2 * LEN + 7;

	(void)state;
	/* The bytes count through all parts in the order they leave. */
	fill(&head, N, &in);
	fill(&values[0].bytes, LEN, &in);
	for (int i = 0; i < N; i++, in++)
		assert_int_equal(buffer_append(&head, &in, 1), 0);
	fill(&values[1].bytes, LEN, &in);
	assert_int_equal(output_add_split(&output, &head, values, 2), 0);
	assert_int_equal(head.len, 0);
	assert_null(values[0].bytes.data);
	assert_null(values[1].bytes.data);
	add(7, &in);
	assert_int_equal(output.len, left);
	while (left > 0) {
		long n = output_write(&output, pair[0], SIZE_MAX);

		assert_true(n > 0);
		left -= (size_t)n;
		while (check_read(&out) > 0)
			;
	}
	assert_true(in == out);
	buffer_deinit(&head);
}

static void test_no_more_is_written_than_was_said(void **state)
{
	uint8_t in = 0, out = 0;
	size_t total = 0;

	(void)state;
	for (int i = 0; i < 3; i++)
		add(LIMITS_REPLY_MOVE + 1, &in);
	while (output.len > 0) {
		long n = output_write(&output, pair[0], 1000);

		assert_in_range(n, 1, 1000);
		total += (size_t)n;
		while (check_read(&out) > 0)
			;
	}
	assert_int_equal(total, 3 * (LIMITS_REPLY_MOVE + 1));
	assert_true(in == out);
}

static void test_a_full_socket_takes_nothing(void **state)
{
	uint8_t in = 0;

	(void)state;
	add(4 << 20, &in);
	while (output_write(&output, pair[0], SIZE_MAX) > 0)
		;
	assert_int_equal(output_write(&output, pair[0], SIZE_MAX), 0);
	assert_true(output.len > 0);
}

static void test_a_peer_that_is_gone_is_an_error_and_no_signal(void **state)
{
	uint8_t in = 0;

	(void)state;
	add(10, &in);
	close(pair[1]);
	assert_int_equal(output_write(&output, pair[0], SIZE_MAX), -EPIPE);
	pair[1] = -1;
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_bytes_leave_in_order_whatever_their_sizes),
		EACH(test_many_small_ones_share_a_system_call),
		EACH(test_a_reply_with_values_leaves_in_order),
		EACH(test_no_more_is_written_than_was_said),
		EACH(test_a_full_socket_takes_nothing),
		EACH(test_a_peer_that_is_gone_is_an_error_and_no_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
