/*
 * Descriptors on their way to a client: each with the first byte of its own
 * reply, none left behind when client or request goes, no more of them than
 * the client takes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants four of the above */
#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "daemon/connection.h"
#include "daemon/limits.h"
#include "daemon/output.h"
#include "proto/frame.h"
#include "tests/support/daemon_rig.h"

enum { BODY_MAX = 1 << 20 };

/* The end of the pipe that shows whether any copy of the other is open. */
static int watch_fd;
static struct daemon_rig rig;
static struct client client;

static int set_up(void **state)
{
	int fds[2];

	(void)state;
	if (pipe(fds) < 0)
		return -1;
	watch_fd = fds[0];
	daemon_rig_init(&rig);
	rig.behaviour.share_fd = fds[1];
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	client_close(&client);
	daemon_rig_close(&rig);
	close(rig.behaviour.share_fd);
	close(watch_fd);
	return 0;
}

static uint32_t ask(uint64_t segment)
{
	struct message_request request = { .method = METHOD_ATTACH,
					   .options = { .present = OPT_INDEX |
								   OPT_SEGMENT,
							.segment = segment } };

	return client_send(&client, &request);
}

/* Takes what the socket has, and the descriptors among it: how many. */
static size_t take(uint8_t *data, size_t len, size_t *n_fds)
{
	char control[CMSG_SPACE(16 * sizeof(int))];
	struct iovec iov = { .iov_base = data, .iov_len = len };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(client.fd, &message, MSG_DONTWAIT);

	*n_fds = 0;
	if (n <= 0)
		return 0;
	for (struct cmsghdr *at = CMSG_FIRSTHDR(&message); at;
	     at = CMSG_NXTHDR(&message, at)) {
		int fd;

		assert_int_equal(at->cmsg_type, SCM_RIGHTS);
		assert_int_equal(at->cmsg_len, CMSG_LEN(sizeof(fd)));
		memcpy(&fd, CMSG_DATA(at), sizeof(fd));
		close(fd);
		++*n_fds;
	}
	return (size_t)n;
}

/* Whether the daemon, or the socket, has a copy of the pipe's end left. */
static bool is_copy_left(void)
{
	struct pollfd end = { .fd = watch_fd, .events = POLLIN };
	bool left;

	close(rig.behaviour.share_fd);
	left = poll(&end, 1, 0) == 0;
	rig.behaviour.share_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return left;
}

static void decode(uint32_t id, const uint8_t *data, size_t len,
		   struct message_reply *reply)
{
	struct message_error error;
	const uint8_t *body;
	size_t body_len, need;

	assert_int_equal(
		frame_parse(data, len, BODY_MAX, &body, &body_len, &need), 0);
	assert_int_equal(len, FRAME_HEAD_LEN + body_len);
	assert_int_equal(message_decode_reply(client.decoder, METHOD_ATTACH,
					      body, body_len, reply, &error),
			 0);
	assert_int_equal(reply->id, id);
}

static void test_it_comes_with_the_first_byte_of_its_reply(void **state)
{
	struct message_reply reply;
	uint8_t data[4096];
	size_t n_fds;
	uint32_t ids[2];
	size_t n;

	(void)state;
	/* One after the other, with others around. */
	client_send_plain(&client, METHOD_PING);
	ids[0] = ask(1);
	ids[1] = ask(2);
	client_send_plain(&client, METHOD_PING);
	daemon_rig_spin(&rig);
	/* What is before it has none. */
	assert_int_equal(take(data, FRAME_HEAD_LEN, &n_fds), FRAME_HEAD_LEN);
	assert_int_equal(n_fds, 0);
	take(data, data[FRAME_HEAD_LEN - 1], &n_fds);
	assert_int_equal(n_fds, 0);
	for (int i = 0; i < 2; i++) {
		/* One byte is enough. */
		n = take(data, 1, &n_fds);
		assert_int_equal(n, 1);
		assert_int_equal(n_fds, 1);
		n += take(data + n, FRAME_HEAD_LEN - n, &n_fds);
		assert_int_equal(n, FRAME_HEAD_LEN);
		n += take(data + n,
			  FRAME_HEAD_LEN + data[FRAME_HEAD_LEN - 1] - n,
			  &n_fds);
		assert_int_equal(n_fds, 0);
		decode(ids[i], data, n, &reply);
		assert_int_equal(reply.error.code, 0);
		assert_false(reply.missing);
		assert_int_equal(reply.index, 7);
		assert_int_equal(reply.count, 4097 + i);
	}
	assert_true(take(data, sizeof(data), &n_fds) > 0);
	assert_int_equal(n_fds, 0);
	assert_false(is_copy_left());
}

static void test_what_is_not_there_is_nil_and_has_none(void **state)
{
	struct message_reply reply;
	uint8_t data[4096];
	size_t n_fds;
	uint32_t id;
	size_t n;

	(void)state;
	fake_engine_behaviour(rig.engine)->share_result = ENGINE_NOT_FOUND;
	id = ask(1);
	daemon_rig_spin(&rig);
	n = take(data, sizeof(data), &n_fds);
	assert_int_equal(n_fds, 0);
	decode(id, data, n, &reply);
	assert_true(reply.missing);
	assert_int_equal(reply.error.code, 0);
}

static void test_an_engine_that_cannot_says_so(void **state)
{
	(void)state;
	fake_engine_behaviour(rig.engine)->share_result = ENGINE_UNSUPPORTED;
	assert_int_equal(client_wait_code(&client, ask(1), METHOD_ATTACH),
			 MESSAGE_ERROR_UNSUPPORTED);
}

static bool hello_offers_it(void)
{
	struct message_reply reply;
	bool offered = false;

	client_wait_reply(&client, client_send_plain(&client, METHOD_HELLO),
			  METHOD_HELLO, &reply);
	for (size_t i = 0; i < reply.n_capabilities; i++)
		offered |= reply.capabilities[i].len == 6 &&
			   memcmp(reply.capabilities[i].data, "attach", 6) == 0;
	client_end_reply(&client, &reply);
	return offered;
}

static void test_it_can_be_switched_off(void **state)
{
	(void)state;
	assert_true(hello_offers_it());
	rig.service.limits.direct_reads = false;
	assert_false(hello_offers_it());
	assert_int_equal(client_wait_code(&client, ask(1), METHOD_ATTACH),
			 MESSAGE_ERROR_UNSUPPORTED);
	assert_int_equal(fake_engine_n_answered(rig.engine), 0);
}

/* What was sent and not received is held by the kernel, for all alike. */
static void test_who_takes_none_gets_no_more(void **state)
{
	enum { N = 3 * LIMITS_LENT_AHEAD };
	uint32_t ids[N];

	(void)state;
	for (int i = 0; i < N; i++) {
		ids[i] = ask(1);
		daemon_rig_spin(&rig);
	}
	for (int i = 0; i < N; i++)
		assert_int_equal(
			client_wait_code(&client, ids[i], METHOD_ATTACH),
			i < LIMITS_LENT_AHEAD ? 0 : MESSAGE_ERROR_BUSY);
	/* It has taken all of them: it may go on. */
	assert_int_equal(client_wait_code(&client, ask(1), METHOD_ATTACH), 0);
	assert_false(is_copy_left());
}

static void test_who_takes_them_gets_any_number(void **state)
{
	(void)state;
	for (int i = 0; i < 10 * LIMITS_LENT_AHEAD; i++)
		assert_int_equal(
			client_wait_code(&client, ask(1), METHOD_ATTACH), 0);
	assert_int_equal(rig.service.metrics.direct_readers, 1);
	close(client.fd);
	client.fd = -1;
	daemon_rig_spin(&rig);
	assert_int_equal(rig.service.metrics.direct_readers, 0);
}

static void test_none_is_left_of_a_client_that_goes(void **state)
{
	(void)state;
	/* One is with the engine, in its hands, when the client goes. */
	fake_engine_behaviour(rig.engine)->hold = true;
	ask(1);
	daemon_rig_spin(&rig);
	assert_int_equal(fake_engine_n_in_flight(rig.engine), 1);
	close(client.fd);
	client.fd = -1;
	daemon_rig_spin(&rig);
	fake_engine_behaviour(rig.engine)->hold = false;
	loop_wake(rig.loop);
	daemon_rig_spin(&rig);
	assert_int_equal(fake_engine_n_in_flight(rig.engine), 0);
	assert_false(is_copy_left());
}

/* Nobody is left to whom the engine's answer could go. */
static void test_none_is_left_of_a_connection_that_was_closed(void **state)
{
	(void)state;
	fake_engine_behaviour(rig.engine)->hold = true;
	ask(1);
	daemon_rig_spin(&rig);
	connection_close(client.connection);
	daemon_rig_spin(&rig);
	assert_int_equal(fake_engine_n_in_flight(rig.engine), 1);
	fake_engine_behaviour(rig.engine)->hold = false;
	loop_wake(rig.loop);
	daemon_rig_spin(&rig);
	assert_int_equal(fake_engine_n_in_flight(rig.engine), 0);
	assert_false(is_copy_left());
}

static void test_none_is_left_of_what_was_not_sent(void **state)
{
	struct output output = { .pool = &rig.service.chunks };
	struct buffer reply;
	int fd = dup(rig.behaviour.share_fd);

	(void)state;
	buffer_init(&reply);
	assert_int_equal(buffer_append(&reply, "reply", 5), 0);
	assert_int_equal(output_add_descriptor(&output, &reply, fd), 0);
	output_deinit(&output);
	buffer_deinit(&reply);
	assert_false(is_copy_left());
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_it_comes_with_the_first_byte_of_its_reply),
		TEST(test_what_is_not_there_is_nil_and_has_none),
		TEST(test_an_engine_that_cannot_says_so),
		TEST(test_it_can_be_switched_off),
		TEST(test_who_takes_none_gets_no_more),
		TEST(test_who_takes_them_gets_any_number),
		TEST(test_none_is_left_of_a_client_that_goes),
		TEST(test_none_is_left_of_a_connection_that_was_closed),
		TEST(test_none_is_left_of_what_was_not_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
