/*
 * Bytes become requests: those of a test by intake_take, or those of a
 * socketpair by intake_read.  The engine holds what it gets, so that lane.n
 * is how many requests there were.
 */
#include "daemon/intake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "proto/frame.h"
#include "tests/support/daemon_rig.h"

enum {
	LARGE = LIMITS_SCRATCH + 20000, /* bytes of a value */
};

static struct daemon_rig rig;
static struct client client;
static struct buffer bytes;

static int begin(void **state)
{
	(void)state;
	daemon_rig_init(&rig);
	rig.behaviour.hold = true;
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	buffer_init(&bytes);
	return 0;
}

static int end(void **state)
{
	(void)state;
	fake_engine_behaviour(rig.engine)->hold = false;
	buffer_deinit(&bytes);
	client_close(&client);
	daemon_rig_close(&rig);
	return 0;
}

/* Another client, after the one before. */
static void renew(void)
{
	client_close(&client);
	connection_close(client.connection);
	client_open(&client, &rig);
}

static void add(struct message_request *request)
{
	request->id = ++client.last_id;
	assert_int_equal(message_encode_request(&bytes, SIZE_MAX / 4, request),
			 0);
}

static void add_put(size_t value_len)
{
	struct message_request put = { .method = METHOD_PUT,
				       .key = text_bytes("key") };
	char *value = calloc(1, value_len);

	assert_non_null(value);
	put.value = (struct message_bytes){ value, value_len };
	add(&put);
	free(value);
}

static void add_ping(void)
{
	struct message_request ping = { .method = METHOD_PING };

	add(&ping);
}

static void take(size_t from, size_t to)
{
	intake_take(client.connection, bytes.data + from, to - from);
}

static void push(size_t from, size_t to)
{
	assert_int_equal(
		client_push_bytes(&client, bytes.data + from, to - from),
		to - from);
	intake_read(client.connection);
}

static void test_a_frame_may_be_cut_at_every_byte(void **state)
{
	size_t ends[3], cut;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		add_put(i + 1);
		ends[i] = bytes.len;
	}
	for (cut = 1; cut < bytes.len; cut++) {
		size_t n = (size_t)(cut >= ends[0]) + (cut >= ends[1]);

		take(0, cut);
		assert_int_equal(client.connection->lane.n, n);
		assert_int_equal(client.connection->input.len,
				 cut - (n > 0 ? ends[n - 1] : 0));
		take(cut, bytes.len);
		assert_int_equal(client.connection->lane.n, 3);
		assert_int_equal(client.connection->input.len, 0);
		renew();
	}
}

static void test_frames_may_come_byte_by_byte(void **state)
{
	const struct request *request;

	(void)state;
	add_put(10);
	add_put(20);
	for (size_t i = 0; i < bytes.len; i++) {
		push(i, i + 1);
		/* The scratch buffer is everybody's. */
		memset(rig.service.scratch, 'x', LIMITS_SCRATCH);
	}
	assert_int_equal(client.connection->lane.n, 2);
	request = client.connection->lane.head;
	assert_int_equal(request->message.value.len, 10);
	assert_int_equal(request->next->message.value.len, 20);
}

static void test_one_read_brings_several_frames(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		add_ping();
	push(0, bytes.len);
	assert_int_equal(client.connection->lane.n, 5);
	assert_int_equal(rig.service.metrics.bytes_in_total, bytes.len);
	for (uint32_t id = 1; id <= 5; id++)
		assert_int_equal(client_wait_code(&client, id, METHOD_PING), 0);
}

static void test_an_idle_connection_holds_no_buffer(void **state)
{
	(void)state;
	add_ping();
	push(0, bytes.len - 1);
	assert_non_null(client.connection->input.data);
	push(bytes.len - 1, bytes.len);
	assert_null(client.connection->input.data);
	intake_read(client.connection); /* nothing is there */
	assert_int_equal(client.connection->state, CONNECTION_READING);
}

static void test_a_large_frame_is_read_in_place(void **state)
{
	const struct request *request;
	const uint8_t *data;

	(void)state;
	add_put(LARGE);
	push(0, 100);
	assert_int_equal(client.connection->frame_len, bytes.len);
	data = client.connection->input.data;
	push(100, LIMITS_SCRATCH + 10);
	assert_ptr_equal(client.connection->input.data, data);
	assert_int_equal(client.connection->lane.n, 0);
	/* What comes behind it is not read into its memory. */
	add_ping();
	push(LIMITS_SCRATCH + 10, bytes.len);
	assert_int_equal(client.connection->lane.n, 2);
	request = client.connection->lane.head;
	assert_ptr_equal(request->frame.data, data);
	assert_int_equal(request->body_off, FRAME_HEAD_LEN);
	assert_int_equal(request->message.value.len, LARGE);
	assert_int_equal(client.connection->input.len, 0);
}

static void test_a_small_frame_is_copied(void **state)
{
	const struct request *request;

	(void)state;
	add_put(10);
	push(0, bytes.len);
	request = client.connection->lane.head;
	assert_int_equal(request->body_off, 0);
	assert_int_equal(request->frame.len, bytes.len - FRAME_HEAD_LEN);
	assert_int_equal(request->input_len, bytes.len - FRAME_HEAD_LEN);
	/* The scratch buffer is everybody's. */
	memset(rig.service.scratch, 'x', LIMITS_SCRATCH);
	assert_memory_equal(request->message.key.data, "key", 3);
}

static void test_no_more_is_taken_in_than_the_pipeline_holds(void **state)
{
	(void)state;
	rig.service.limits.max_pipeline = 2;
	for (int i = 0; i < 5; i++)
		add_ping();
	take(0, bytes.len);
	assert_int_equal(client.connection->lane.n, 2);
	assert_int_equal(client.connection->input.len, bytes.len / 5 * 3);
	assert_false(intake_parse(client.connection));
	intake_read(client.connection); /* nothing, and no harm */
	for (uint32_t id = 1; id <= 5; id++)
		assert_int_equal(client_wait_code(&client, id, METHOD_PING), 0);
}

static void test_nothing_is_read_while_there_is_no_room(void **state)
{
	(void)state;
	rig.service.limits.max_input = 1;
	add_put(10);
	push(0, bytes.len);
	push(0, bytes.len);
	assert_int_equal(client.connection->lane.n, 1);
	assert_int_equal(rig.service.metrics.bytes_in_total, bytes.len);
}

static void test_parsing_tells_whether_it_gave_a_request(void **state)
{
	(void)state;
	add_ping();
	take(0, 3);
	assert_false(intake_parse(client.connection));
	assert_int_equal(buffer_append(&client.connection->input,
				       bytes.data + 3, bytes.len - 3),
			 0);
	assert_true(intake_parse(client.connection));
	assert_int_equal(client.connection->lane.n, 1);
}

/* The last reply, and then the end. */
static void check_fault(unsigned int code)
{
	const uint8_t *body;
	size_t body_len;

	assert_int_equal(client.connection->state, CONNECTION_DRAINING);
	assert_null(client.connection->input.data);
	assert_int_equal(client_wait_code(&client, 0, METHOD_PING), code);
	assert_false(client_wait_frame(&client, &body, &body_len));
}

static void test_a_frame_of_the_limit_is_taken_one_byte_more_not(void **state)
{
	uint8_t frame[FRAME_HEAD_LEN + 100] = { 0 };

	(void)state;
	rig.service.frame_max = 100;
	frame_put_head(frame, 100);
	intake_take(client.connection, frame, sizeof(frame));
	assert_int_equal(client.connection->state, CONNECTION_READING);
	assert_int_equal(client_wait_code(&client, 0, METHOD_PING),
			 MESSAGE_ERROR_BAD_MESSAGE);
	/* The head is enough to know. */
	frame_put_head(frame, 101);
	intake_take(client.connection, frame, FRAME_HEAD_LEN);
	check_fault(MESSAGE_ERROR_TOO_LARGE);
}

static void test_an_empty_frame_is_the_last(void **state)
{
	static const uint8_t empty[FRAME_HEAD_LEN];

	(void)state;
	add_ping();
	assert_int_equal(buffer_append(&bytes, empty, sizeof(empty)), 0);
	add_ping(); /* dropped */
	take(0, 3);
	take(3, bytes.len);
	assert_int_equal(client.connection->lane.n, 2);
	assert_null(client.connection->input.data);
	daemon_rig_spin(&rig);
	assert_int_equal(client_wait_code(&client, 1, METHOD_PING), 0);
	assert_int_equal(client_wait_code(&client, 0, METHOD_PING),
			 MESSAGE_ERROR_BAD_FRAME);
	assert_true(client_has_frame(&client)); /* the end */
	assert_int_equal(client.in.len, 0);
}

static void test_the_end_of_the_peer_is_the_end_of_reading(void **state)
{
	(void)state;
	add_put(10);
	push(0, bytes.len);
	shutdown(client.fd, SHUT_WR);
	intake_read(client.connection);
	assert_int_equal(client.connection->state, CONNECTION_DRAINING);
	assert_int_equal(client.connection->lane.n, 1);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_a_frame_may_be_cut_at_every_byte),
		EACH(test_frames_may_come_byte_by_byte),
		EACH(test_one_read_brings_several_frames),
		EACH(test_an_idle_connection_holds_no_buffer),
		EACH(test_a_large_frame_is_read_in_place),
		EACH(test_a_small_frame_is_copied),
		EACH(test_no_more_is_taken_in_than_the_pipeline_holds),
		EACH(test_nothing_is_read_while_there_is_no_room),
		EACH(test_parsing_tells_whether_it_gave_a_request),
		EACH(test_a_frame_of_the_limit_is_taken_one_byte_more_not),
		EACH(test_an_empty_frame_is_the_last),
		EACH(test_the_end_of_the_peer_is_the_end_of_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
