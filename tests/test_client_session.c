#include "client/session.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "client/deadline.h"
#include "proto/frame.h"
#include "tests/support/pair_handle.h"

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, pair_handle_setup,               \
					pair_handle_teardown)

static void push(struct pair_handle *pair, enum method_id method)
{
	struct message_request request = pair_handle_request(method);

	assert_int_equal(session_push(pair->handle, &request, 1, NULL), 0);
}

/* Sends what was pushed and takes what is there. */
static int move(struct pair_handle *pair)
{
	return session_move(pair->handle, DEADLINE_NOW);
}

static void answer_ping(struct pair_handle *pair, uint32_t id)
{
	const struct message_reply reply = { .id = id };

	pair_handle_answer(pair, METHOD_PING, &reply);
}

static void answer_count(struct pair_handle *pair, uint32_t id, uint64_t count)
{
	const struct message_reply reply = { .id = id, .count = count };

	pair_handle_answer(pair, METHOD_COUNT, &reply);
}

static struct ticket pop(struct pair_handle *pair)
{
	struct ticket ticket;

	assert_true(pair->handle->tickets.n_done > 0);
	tickets_pop_oldest(&pair->handle->tickets, &ticket);
	return ticket;
}

static void expect_failed(struct pair_handle *pair, int result)
{
	struct ticket ticket = pop(pair);

	assert_int_equal(ticket.state, TICKET_FAILED);
	assert_int_equal(ticket.result, result);
}

/* Bytes that the peer can read now. */
static size_t n_arrived(const struct pair_handle *pair)
{
	char bytes[4096];
	ssize_t n = recv(pair->peer, bytes, sizeof(bytes), MSG_PEEK);

	return n > 0 ? (size_t)n : 0;
}

/* The socket takes no byte more. */
static void fill_socket(struct pair_handle *pair)
{
	static const char bytes[4096];
	int fd = pair->handle->transport.fd;

	while (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0)
		continue;
	while (send(fd, bytes, 1, MSG_NOSIGNAL) > 0)
		continue;
}

/* ---- queueing ---- */

static void test_pushing_sends_nothing_yet(void **state)
{
	struct pair_handle *pair = *state;

	push(pair, METHOD_PING);
	assert_int_equal(n_arrived(pair), 0);
	assert_int_equal(move(pair), -EAGAIN);
	assert_true(n_arrived(pair) > 0);
}

static void test_no_request_has_the_id_0(void **state)
{
	struct pair_handle *pair = *state;

	pair->handle->last_id = UINT32_MAX - 1;
	push(pair, METHOD_PING);
	push(pair, METHOD_PING);
	assert_true(tickets_at(&pair->handle->tickets, 0)->id == UINT32_MAX);
	assert_true(tickets_at(&pair->handle->tickets, 1)->id == 1);
}

static void test_what_is_over_a_limit_is_not_queued(void **state)
{
	struct pair_handle *pair = *state;
	struct message_request request = pair_handle_request(METHOD_PUT);
	struct getme *handle = pair->handle;

	request.value.data = "12345";
	request.value.len = 5;
	handle->limits.value_max = 4;
	assert_int_equal(session_push(handle, &request, 1, NULL),
			 GETME_E_TOO_LARGE);
	assert_non_null(strstr(getme_last_error(handle), "up to 4 bytes"));
	handle->limits.value_max = 5;
	handle->limits.request_max = 10;
	assert_int_equal(session_push(handle, &request, 1, NULL),
			 GETME_E_TOO_LARGE);
	assert_non_null(strstr(getme_last_error(handle), "up to 10 bytes"));
	assert_int_equal(handle->tickets.n, 0);
	assert_int_equal(handle->transport.out.len, 0);
	handle->limits.request_max = 100;
	assert_int_equal(session_push(handle, &request, 1, NULL), 0);
}

static void test_room_is_made_by_answers(void **state)
{
	struct pair_handle *pair = *state;
	struct getme *handle = pair->handle;

	handle->limits.in_flight_max = 2;
	push(pair, METHOD_PING);
	assert_int_equal(session_make_room(handle, DEADLINE_NOW), 0);
	push(pair, METHOD_PING);
	assert_int_equal(session_make_room(handle, DEADLINE_NOW), -EAGAIN);
	assert_non_null(strstr(getme_last_error(handle), "timed out"));
	answer_ping(pair, 1);
	assert_int_equal(session_make_room(handle, DEADLINE_NOW), 0);
	assert_int_equal(handle->tickets.n_done, 1);
}

/* ---- replies ---- */

static void test_each_request_gets_its_own_reply(void **state)
{
	struct pair_handle *pair = *state;

	push(pair, METHOD_COUNT);
	push(pair, METHOD_COUNT);
	answer_count(pair, 1, 11);
	answer_count(pair, 2, 22);
	assert_int_equal(move(pair), 0);
	assert_int_equal(pair->handle->tickets.n_done, 2);
	for (unsigned i = 1; i <= 2; i++) {
		struct ticket ticket = pop(pair);
		struct message_reply reply;
		struct message_error error;

		assert_int_equal(ticket.state, TICKET_ANSWERED);
		assert_int_equal(message_decode_reply(
					 pair->handle->decoder, METHOD_COUNT,
					 session_body(pair->handle, &ticket),
					 ticket.body_len, &reply, &error),
				 0);
		assert_int_equal(reply.count, i * 11);
		message_reply_deinit(&reply);
	}
}

static void test_a_reply_in_pieces_is_put_together(void **state)
{
	struct pair_handle *pair = *state;
	const struct message_reply reply = { .id = 1, .count = 5 };
	struct buffer out;
	size_t i;

	push(pair, METHOD_COUNT);
	buffer_init(&out);
	assert_int_equal(message_encode_reply(&out, 1000, METHOD_COUNT, &reply),
			 0);
	for (i = 0; i < out.len; i++) {
		assert_int_equal(pair->handle->tickets.n_done, 0);
		assert_int_equal(send(pair->peer, out.data + i, 1, 0), 1);
		assert_int_equal(move(pair), 0);
		if (i + 1 >= FRAME_HEAD_LEN)
			assert_int_equal(pair->handle->need, out.len - i - 1);
	}
	assert_int_equal(pair->handle->tickets.n_done, 1);
	buffer_deinit(&out);
}

static void test_a_reply_out_of_turn_ends_the_connection(void **state)
{
	struct pair_handle *pair = *state;

	push(pair, METHOD_PING);
	push(pair, METHOD_PING);
	answer_ping(pair, 2);
	assert_int_equal(move(pair), GETME_E_PROTOCOL);
	assert_int_equal(pair->handle->transport.fd, -1);
	expect_failed(pair, GETME_E_PROTOCOL);
	expect_failed(pair, GETME_E_PROTOCOL);
}

static void test_a_reply_that_nobody_asked_for_ends_the_connection(void **state)
{
	struct pair_handle *pair = *state;

	answer_ping(pair, 1);
	assert_int_equal(move(pair), GETME_E_PROTOCOL);
	assert_int_equal(pair->handle->transport.fd, -1);
}

static void test_a_refusal_without_an_id_tells_why_it_ended(void **state)
{
	struct pair_handle *pair = *state;
	const struct message_reply refusal = {
		.error = { .code = MESSAGE_ERROR_BUSY, .text = "far too many" },
	};

	push(pair, METHOD_PING);
	pair_handle_answer(pair, METHOD_PING, &refusal);
	assert_int_equal(move(pair), GETME_E_BUSY);
	assert_non_null(strstr(getme_last_error(pair->handle), "far too many"));
	expect_failed(pair, GETME_E_BUSY);
}

static void test_answers_before_the_end_of_the_connection_count(void **state)
{
	struct pair_handle *pair = *state;

	push(pair, METHOD_PING);
	push(pair, METHOD_PING);
	answer_ping(pair, 1);
	assert_int_equal(shutdown(pair->peer, SHUT_WR), 0);
	assert_int_equal(move(pair), 0);
	assert_int_equal(move(pair), GETME_E_DISCONNECTED);
	assert_int_equal(pop(pair).state, TICKET_ANSWERED);
	expect_failed(pair, GETME_E_DISCONNECTED);
}

/* ---- losing the connection ---- */

static void test_losing_tells_what_was_sent_from_what_was_not(void **state)
{
	struct pair_handle *pair = *state;
	struct getme *handle = pair->handle;

	push(pair, METHOD_PUT);
	assert_int_equal(move(pair), -EAGAIN);
	push(pair, METHOD_PUT);
	push(pair, METHOD_GET);
	assert_int_equal(
		session_lose(handle, GETME_E_DISCONNECTED, "gone %d", 7),
		GETME_E_DISCONNECTED);
	assert_string_equal(getme_last_error(handle), "gone 7");
	assert_string_equal(handle->lost, "gone 7");
	assert_int_equal(handle->transport.fd, -1);
	assert_int_equal(handle->transport.out.len, 0);
	expect_failed(pair, GETME_E_UNKNOWN_OUTCOME);
	expect_failed(pair, GETME_E_NO_DAEMON);
	expect_failed(pair, GETME_E_DISCONNECTED);
}

static void test_another_process_forgets_without_a_word(void **state)
{
	struct pair_handle *pair = *state;
	struct getme *handle = pair->handle;

	push(pair, METHOD_PUT);
	session_forget(handle);
	assert_int_equal(handle->tickets.n, 0);
	assert_int_equal(handle->transport.fd, -1);
	assert_int_equal(n_arrived(pair), 0);
	assert_string_equal(handle->error, "");
}

/* ---- exchanges ---- */

static void exchange(struct pair_handle *pair, enum method_id method,
		     struct ticket *ticket)
{
	struct message_request request = pair_handle_request(method);

	session_exchange(pair->handle, &request, 1, DEADLINE_NOW, ticket);
}

/* What was pushed before is answered first, and stays to be collected. */
static void test_an_exchange_waits_behind_what_was_pushed(void **state)
{
	struct pair_handle *pair = *state;
	struct ticket ticket;

	push(pair, METHOD_COUNT);
	answer_count(pair, 1, 5);
	answer_ping(pair, 2);
	exchange(pair, METHOD_PING, &ticket);
	assert_int_equal(ticket.state, TICKET_ANSWERED);
	assert_int_equal(ticket.id, 2);
	assert_int_equal(pop(pair).id, 1);
}

static void test_a_late_reply_to_what_was_sent_is_nobodys(void **state)
{
	struct pair_handle *pair = *state;
	struct ticket ticket;

	exchange(pair, METHOD_GET, &ticket);
	assert_int_equal(ticket.state, TICKET_FAILED);
	assert_int_equal(ticket.result, GETME_E_TIMEOUT);
	assert_int_equal(pair->handle->transport.fd, -1);
	assert_int_equal(pair->handle->tickets.n, 0);
}

static void test_a_write_that_was_sent_in_vain_is_unknown(void **state)
{
	struct pair_handle *pair = *state;
	struct ticket ticket;

	exchange(pair, METHOD_PUT, &ticket);
	assert_int_equal(ticket.result, GETME_E_UNKNOWN_OUTCOME);
	assert_int_equal(pair->handle->transport.fd, -1);
}

static void test_what_found_no_room_is_never_sent(void **state)
{
	struct pair_handle *pair = *state;
	struct ticket ticket;

	fill_socket(pair);
	exchange(pair, METHOD_PUT, &ticket);
	assert_int_equal(ticket.result, GETME_E_NO_DAEMON);
	assert_int_equal(pair->handle->transport.out.len, 0);
	assert_true(pair->handle->transport.fd >= 0);
	exchange(pair, METHOD_GET, &ticket);
	assert_int_equal(ticket.result, GETME_E_TIMEOUT);
	assert_int_equal(pair->handle->transport.out.len, 0);
}

/* ---- bodies ---- */

static void test_bodies_stay_until_they_are_collected(void **state)
{
	struct pair_handle *pair = *state;
	struct getme *handle = pair->handle;
	struct ticket ticket;
	uint8_t body[64];

	push(pair, METHOD_COUNT);
	push(pair, METHOD_COUNT);
	answer_count(pair, 1, 11);
	answer_count(pair, 2, 22);
	assert_int_equal(move(pair), 0);
	ticket = *tickets_at(&handle->tickets, 1);
	assert_true(ticket.body_len <= sizeof(body));
	memcpy(body, session_body(handle, &ticket), ticket.body_len);
	pop(pair);
	session_reclaim(handle);
	ticket = pop(pair);
	assert_memory_equal(session_body(handle, &ticket), body,
			    ticket.body_len);
	session_reclaim(handle);
	assert_int_equal(handle->transport.in.len, 0);
}

static void test_a_body_that_is_alone_is_not_copied(void **state)
{
	struct pair_handle *pair = *state;
	struct getme *handle = pair->handle;
	struct buffer into;
	struct ticket ticket;
	const uint8_t *was;
	const uint8_t *body;

	buffer_init(&into);
	push(pair, METHOD_COUNT);
	answer_count(pair, 1, 11);
	assert_int_equal(move(pair), 0);
	ticket = pop(pair);
	was = session_body(handle, &ticket);
	assert_int_equal(session_take_body(handle, &ticket, &into, &body), 0);
	assert_ptr_equal(body, was);
	assert_int_equal(handle->transport.in.len, 0);
	push(pair, METHOD_PING);
	answer_ping(pair, 2);
	assert_int_equal(move(pair), 0);
	assert_int_equal(pop(pair).state, TICKET_ANSWERED);
	buffer_deinit(&into);
}

static void test_a_body_among_others_is_copied(void **state)
{
	struct pair_handle *pair = *state;
	struct getme *handle = pair->handle;
	struct buffer into;
	struct ticket ticket;
	const uint8_t *was;
	const uint8_t *body;

	buffer_init(&into);
	assert_int_equal(buffer_append(&into, "what it held", 12), 0);
	push(pair, METHOD_COUNT);
	push(pair, METHOD_COUNT);
	answer_count(pair, 1, 11);
	answer_count(pair, 2, 22);
	assert_int_equal(move(pair), 0);
	ticket = pop(pair);
	was = session_body(handle, &ticket);
	assert_int_equal(session_take_body(handle, &ticket, &into, &body), 0);
	assert_ptr_not_equal(body, was);
	assert_int_equal(into.len, ticket.body_len);
	assert_memory_equal(body, was, ticket.body_len);
	buffer_deinit(&into);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pushing_sends_nothing_yet),
		TEST(test_no_request_has_the_id_0),
		TEST(test_what_is_over_a_limit_is_not_queued),
		TEST(test_room_is_made_by_answers),
		TEST(test_each_request_gets_its_own_reply),
		TEST(test_a_reply_in_pieces_is_put_together),
		TEST(test_a_reply_out_of_turn_ends_the_connection),
		TEST(test_a_reply_that_nobody_asked_for_ends_the_connection),
		TEST(test_a_refusal_without_an_id_tells_why_it_ended),
		TEST(test_answers_before_the_end_of_the_connection_count),
		TEST(test_losing_tells_what_was_sent_from_what_was_not),
		TEST(test_another_process_forgets_without_a_word),
		TEST(test_an_exchange_waits_behind_what_was_pushed),
		TEST(test_a_late_reply_to_what_was_sent_is_nobodys),
		TEST(test_a_write_that_was_sent_in_vain_is_unknown),
		TEST(test_what_found_no_room_is_never_sent),
		TEST(test_bodies_stay_until_they_are_collected),
		TEST(test_a_body_that_is_alone_is_not_copied),
		TEST(test_a_body_among_others_is_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
