#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/deadline.h"
#include "client/transport.h"

enum {
	LARGE = 8 << 20,
};

struct pair {
	struct transport transport;
	int peer;
};

static int setup(void **state)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	int fds[2];

	if (!pair)
		return -1;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	transport_init(&pair->transport);
	transport_adopt(&pair->transport, fds[0]);
	pair->peer = fds[1];
	*state = pair;
	return 0;
}

static int teardown(void **state)
{
	struct pair *pair = *state;

	transport_deinit(&pair->transport);
	close(pair->peer);
	free(pair);
	return 0;
}

static void write_out(struct transport *transport, size_t len, char fill)
{
	char *bytes = malloc(len);

	assert_non_null(bytes);
	memset(bytes, fill, len);
	assert_int_equal(buffer_append(&transport->out, bytes, len), 0);
	free(bytes);
}

static size_t read_all(int fd)
{
	static char bytes[1 << 20];
	size_t len = 0;
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		len += (size_t)n;
	return len;
}

static void test_positions_count_what_the_kernel_took(void **state)
{
	struct pair *pair = *state;
	struct transport *transport = &pair->transport;
	size_t seen = 0;

	assert_int_equal(transport_events(transport), POLLIN);
	write_out(transport, LARGE, 'a');
	assert_int_equal(transport_events(transport), POLLIN | POLLOUT);
	transport_send(transport);
	assert_in_range(transport->out_pos, 1, LARGE - 1);
	assert_int_equal(transport->out_pos + transport->out.len, LARGE);
	while (transport->out.len > 0) {
		seen += read_all(pair->peer);
		assert_int_equal(transport_wait(transport, DEADLINE_NONE), 0);
		transport_send(transport);
	}
	seen += read_all(pair->peer);
	assert_int_equal(seen, LARGE);
	assert_int_equal(transport->out_pos, LARGE);
	assert_in_range(transport->out.cap, 0, 256 << 10);
}

static void test_output_that_was_not_sent_can_be_taken_back(void **state)
{
	struct pair *pair = *state;
	struct transport *transport = &pair->transport;
	size_t seen;

	write_out(transport, LARGE, 'a');
	transport_send(transport);
	write_out(transport, 100, 'b');
	transport_take_back(transport, LARGE);
	assert_int_equal(transport->out_pos + transport->out.len, LARGE);
	for (seen = 0; transport->out.len > 0; transport_send(transport))
		seen += read_all(pair->peer);
	assert_int_equal(seen + read_all(pair->peer), LARGE);
}

static void test_closing_drops_what_was_not_sent(void **state)
{
	struct pair *pair = *state;
	struct transport *transport = &pair->transport;
	int fds[2];

	write_out(transport, 100, 'a');
	transport_close(transport);
	assert_int_equal(transport->fd, -1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	transport_adopt(transport, fds[0]);
	transport_send(transport);
	assert_int_equal(read_all(fds[1]), 0);
	assert_int_equal(transport->out_pos, 100);
	close(fds[1]);
}

static void test_peer_that_is_gone_takes_nothing(void **state)
{
	struct pair *pair = *state;
	struct transport *transport = &pair->transport;

	assert_int_equal(send(pair->peer, "last", 4, 0), 4);
	close(pair->peer);
	pair->peer = -1;
	write_out(transport, 100, 'a');
	transport_send(transport); /* and no SIGPIPE */
	assert_true(transport->send_failed);
	assert_int_equal(transport->out_pos, 0);
	assert_int_equal(transport_events(transport), POLLIN);
	assert_int_equal(transport_receive(transport, 0), 0);
	assert_int_equal(transport->in.len, 4);
	assert_int_equal(transport_receive(transport, 0), -EPIPE);
}

static void test_receive_makes_room_step_by_step(void **state)
{
	struct pair *pair = *state;
	struct transport *transport = &pair->transport;

	assert_int_equal(transport_receive(transport, 10), -EAGAIN);
	/* A claim of 1 GiB costs next to nothing until bytes come. */
	assert_int_equal(transport_receive(transport, 1 << 30), -EAGAIN);
	assert_in_range(transport->in.cap, 0, 16 << 20);
	assert_int_equal(send(pair->peer, "0123456789", 10, 0), 10);
	assert_int_equal(transport_wait(transport, DEADLINE_NONE), 0);
	assert_int_equal(transport_receive(transport, 10), 0);
	assert_int_equal(transport->in.len, 10);
	transport_reclaim(transport, 4);
	assert_int_equal(transport->in_pos, 4);
	assert_memory_equal(transport->in.data, "456789", 6);
	transport_cut_input(transport, 8);
	assert_int_equal(transport->in.len, 4);
	transport_reclaim(transport, 8);
	assert_int_equal(transport->in.len, 0);
	assert_in_range(transport->in.cap, 0, 256 << 10);
}

static void test_waiting_ends_at_the_deadline(void **state)
{
	struct pair *pair = *state;
	int64_t deadline_ms = deadline_after(20);

	assert_int_equal(transport_wait(&pair->transport, DEADLINE_NOW),
			 -EAGAIN);
	assert_int_equal(transport_wait(&pair->transport, deadline_ms),
			 -EAGAIN);
	assert_int_equal(deadline_left_ms(deadline_ms), 0);
}

static void test_stale_is_closed_or_speaking_unasked(void **state)
{
	struct pair *pair = *state;
	int fds[2];

	assert_false(transport_is_stale(&pair->transport));
	assert_int_equal(send(pair->peer, "x", 1, 0), 1);
	assert_true(transport_is_stale(&pair->transport));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	transport_adopt(&pair->transport, fds[0]);
	assert_false(transport_is_stale(&pair->transport));
	close(fds[1]);
	assert_true(transport_is_stale(&pair->transport));
}

static void test_deadlines(void **state)
{
	(void)state;
	assert_int_equal(deadline_left_ms(DEADLINE_NONE), -1);
	assert_int_equal(deadline_left_ms(DEADLINE_NOW), 0);
	assert_true(deadline_after(-1) == DEADLINE_NONE);
	assert_true(deadline_after(INT64_MAX) == DEADLINE_NONE);
	assert_int_equal(deadline_left_ms(deadline_after(0)), 0);
	assert_in_range(deadline_left_ms(deadline_after(100000)), 1, 100000);
	assert_int_equal(deadline_left_ms(deadline_after(INT64_MAX / 2)),
			 INT32_MAX);
}

static void test_failed_connect_leaves_nothing(void **state)
{
	struct socket_path path = { .check_folder = false };
	struct transport transport;

	(void)state;
	transport_init(&transport);
	strcpy(path.text, "/nonexistent/socket");
	assert_int_equal(transport_connect(&transport, &path, DEADLINE_NONE),
			 -ENOENT);
	assert_int_equal(transport.fd, -1);
	transport_deinit(&transport);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_positions_count_what_the_kernel_took),
		TEST(test_output_that_was_not_sent_can_be_taken_back),
		TEST(test_closing_drops_what_was_not_sent),
		TEST(test_peer_that_is_gone_takes_nothing),
		TEST(test_receive_makes_room_step_by_step),
		TEST(test_waiting_ends_at_the_deadline),
		TEST(test_stale_is_closed_or_speaking_unasked),
		cmocka_unit_test(test_deadlines),
		cmocka_unit_test(test_failed_connect_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
