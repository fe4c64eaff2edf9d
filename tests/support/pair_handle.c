#include "tests/support/pair_handle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	IN_FLIGHT_MAX = 1024,
};

int pair_handle_setup(void **state)
{
	const struct socket_path path = { .text = "/nowhere/pair.sock" };
	struct pair_handle *pair = calloc(1, sizeof(*pair));
	int fds[2];

	if (!pair)
		return -1;
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	pair->handle = handle_new(&path, 0);
	assert_non_null(pair->handle);
	pair->handle->limits.value_max = UINT32_MAX;
	pair->handle->limits.request_max = UINT32_MAX;
	pair->handle->limits.in_flight_max = IN_FLIGHT_MAX;
	transport_adopt(&pair->handle->transport, fds[0]);
	pair->peer = fds[1];
	*state = pair;
	return 0;
}

int pair_handle_teardown(void **state)
{
	struct pair_handle *pair = *state;

	getme_close(pair->handle);
	close(pair->peer);
	free(pair);
	return 0;
}

struct message_request pair_handle_request(enum method_id method)
{
	struct message_request request = {
		.method = method,
		.key = { "k", 1 },
		.value = { "v", 1 },
	};

	return request;
}

void pair_handle_answer(struct pair_handle *pair, enum method_id method,
			const struct message_reply *reply)
{
	struct buffer out;

	buffer_init(&out);
	assert_int_equal(message_encode_reply(&out, UINT32_MAX, method, reply),
			 0);
	assert_int_equal(send(pair->peer, out.data, out.len, MSG_NOSIGNAL),
			 out.len);
	buffer_deinit(&out);
}
