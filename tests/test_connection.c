/*
 * Connections over real socketpairs: order, limits, faults, ends.
 */
#include "daemon/connection.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
/* cmocka wants the first two */
#include <cmocka.h>

#include "daemon/clock.h"
#include "proto/frame.h"
#include "tests/support/daemon_rig.h"

enum {
	BIG = 16 << 20, /* bytes of a large value */
};

static uint8_t *make_value(size_t len, unsigned int seed)
{
	uint8_t *value = malloc(len);

	assert_non_null(value);
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1103515245 + 12345;
		value[i] = (uint8_t)(seed >> 16);
	}
	return value;
}

static void check_value(struct client *client, uint32_t id,
			const uint8_t *value, size_t len)
{
	struct message_reply reply;

	client_wait_reply(client, id, METHOD_GET, &reply);
	assert_int_equal(reply.error.code, 0);
	assert_int_equal(reply.n_items, 1);
	assert_int_equal(reply.items[0].value.len, len);
	assert_memory_equal(reply.items[0].value.data, value, len);
	client_end_reply(client, &reply);
}

static void test_a_put_is_got(void **state)
{
	struct client client;
	struct daemon_rig rig;
	uint32_t put, get;

	(void)state;
	daemon_rig_init(&rig);
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	put = client_send_put(&client, "key", "value");
	get = client_send_get(&client, "key");
	assert_int_equal(client_wait_code(&client, put, METHOD_PUT), 0);
	assert_true(client_wait_value(&client, get, "value"));
	get = client_send_get(&client, "other");
	assert_true(client_wait_value(&client, get, NULL));
	client_close(&client);
	daemon_rig_close(&rig);
}

/* One key, written and read in turn, without waiting for any reply. */
static void run_order(uint64_t seed)
{
	enum { STEPS = 200 };
	uint32_t puts[STEPS], gets[STEPS];
	struct client client;
	struct daemon_rig rig;
	char text[16];

	daemon_rig_init(&rig);
	rig.behaviour.seed = seed;
	rig.behaviour.delay_turns = 3;
	rig.behaviour.reorder = true;
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	for (int i = 0; i < STEPS; i++) {
		snprintf(text, sizeof(text), "%d", i);
		puts[i] = client_send_put(&client, "key", text);
		gets[i] = client_send_get(&client, "key");
	}
	for (int i = 0; i < STEPS; i++) {
		snprintf(text, sizeof(text), "%d", i);
		assert_int_equal(client_wait_code(&client, puts[i], METHOD_PUT),
				 0);
		assert_true(client_wait_value(&client, gets[i], text));
	}
	client_close(&client);
	daemon_rig_close(&rig);
}

static void test_requests_take_effect_in_the_order_sent(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++)
		run_order(seed);
}

/*
 * The engine may apply a dependent write late, behind plain ones; those of
 * one connection may not notice.
 */
static void run_dependent_order(uint64_t seed)
{
	enum { STEPS = 50 };
	struct message_request incr = { .method = METHOD_INCR, .by = 1 };
	struct client client;
	struct daemon_rig rig;

	incr.key = text_bytes("n");
	daemon_rig_init(&rig);
	rig.behaviour.seed = seed;
	rig.behaviour.delay_turns = 4;
	rig.behaviour.reorder = true;
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	for (int i = 0; i < STEPS; i++) {
		client_send_put(&client, "n", "10");
		client_send(&client, &incr);
		client_send(&client, &incr);
		client_send_put(&client, "n", "5");
		client_send_get(&client, "n");
	}
	for (uint32_t id = 1; id < client.last_id; id += 5) {
		struct message_reply reply;

		assert_int_equal(client_wait_code(&client, id, METHOD_PUT), 0);
		assert_int_equal(client_wait_code(&client, id + 1, METHOD_INCR),
				 0);
		client_wait_reply(&client, id + 2, METHOD_INCR, &reply);
		assert_int_equal(reply.number, 12);
		client_end_reply(&client, &reply);
		assert_int_equal(client_wait_code(&client, id + 3, METHOD_PUT),
				 0);
		assert_true(client_wait_value(&client, id + 4, "5"));
	}
	client_close(&client);
	daemon_rig_close(&rig);
}

static void test_a_late_dependent_write_keeps_its_place(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++)
		run_dependent_order(seed);
}

static void test_pings_among_others_are_answered_in_order(void **state)
{
	struct client client;
	struct daemon_rig rig;

	(void)state;
	daemon_rig_init(&rig);
	rig.behaviour.delay_turns = 2;
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	for (int i = 0; i < 100; i++) {
		client_send_put(&client, "a", "1");
		client_send_plain(&client, METHOD_PING);
		client_send_get(&client, "a");
		client_send_plain(&client, METHOD_SYNC);
	}
	for (uint32_t id = 1; id < client.last_id; id += 4) {
		assert_int_equal(client_wait_code(&client, id, METHOD_PUT), 0);
		assert_int_equal(client_wait_code(&client, id + 1, METHOD_PING),
				 0);
		assert_true(client_wait_value(&client, id + 2, "1"));
		assert_int_equal(client_wait_code(&client, id + 3, METHOD_SYNC),
				 0);
	}
	client_close(&client);
	daemon_rig_close(&rig);
}

static void test_writes_of_a_round_are_one_group(void **state)
{
	struct client client;
	struct daemon_rig rig;

	(void)state;
	daemon_rig_init(&rig);
	rig.behaviour.hold = true;
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	for (int i = 0; i < 50; i++)
		client_send_put(&client, "a", "1");
	client_send_get(&client, "a");
	daemon_rig_spin(&rig);
	assert_int_equal(fake_engine_n_in_flight(rig.engine), 50);
	assert_int_equal(client.connection->state, CONNECTION_WAITING);
	fake_engine_behaviour(rig.engine)->hold = false;
	loop_wake(rig.loop);
	for (uint32_t id = 1; id <= 50; id++)
		assert_int_equal(client_wait_code(&client, id, METHOD_PUT), 0);
	assert_true(client_wait_value(&client, 51, "1"));
	assert_int_equal(client.connection->state, CONNECTION_READING);
	client_close(&client);
	daemon_rig_close(&rig);
}

static void test_no_more_than_the_pipeline_is_taken_in(void **state)
{
	struct client client;
	struct daemon_rig rig;

	(void)state;
	daemon_rig_init(&rig);
	rig.limits.max_pipeline = 8;
	rig.behaviour.hold = true;
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	for (int i = 0; i < 30; i++)
		client_send_put(&client, "a", "1");
	daemon_rig_spin(&rig);
	assert_int_equal(client.connection->lane.n, 8);
	fake_engine_behaviour(rig.engine)->hold = false;
	loop_wake(rig.loop);
	for (uint32_t id = 1; id <= 30; id++)
		assert_int_equal(client_wait_code(&client, id, METHOD_PUT), 0);
	client_close(&client);
	daemon_rig_close(&rig);
}

static void test_bytes_of_requests_under_way_are_limited(void **state)
{
	const size_t len = 20000;
	uint8_t *value = make_value(len, 1);
	struct client client;
	struct daemon_rig rig;

	(void)state;
	daemon_rig_init(&rig);
	rig.limits.max_input = 50000;
	rig.behaviour.hold = true;
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	for (int i = 0; i < 6; i++)
		client_send_put_bytes(&client, "a", value, len);
	daemon_rig_spin(&rig);
	assert_int_equal(client.connection->lane.n, 3);
	assert_int_equal(client.connection->state, CONNECTION_WAITING);
	fake_engine_behaviour(rig.engine)->hold = false;
	loop_wake(rig.loop);
	for (uint32_t id = 1; id <= 6; id++)
		assert_int_equal(client_wait_code(&client, id, METHOD_PUT), 0);
	client_close(&client);
	daemon_rig_close(&rig);
	free(value);
}

static size_t held_output(const struct connection *connection)
{
	return connection->output.len + connection->lane.replies_len;
}

/* Pipelined gets of large values, and a peer that takes none. */
static void test_a_client_that_never_reads_costs_bounded_memory(void **state)
{
	const size_t len = 300000;
	uint8_t *value = make_value(len, 2);
	struct client client, other;
	struct daemon_rig rig;
	uint32_t id;

	(void)state;
	daemon_rig_init(&rig);
	rig.limits.max_output = 1 << 20;
	rig.behaviour.delay_turns = 2;
	rig.behaviour.reorder = true;
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	client_open(&other, &rig);
	id = client_send_put_bytes(&client, "big", value, len);
	assert_int_equal(client_wait_code(&client, id, METHOD_PUT), 0);
	for (int i = 0; i < 400; i++)
		client_send_get(&client, "big");
	for (int i = 0; i < 200; i++) {
		loop_once(rig.loop, false);
		assert_true(held_output(client.connection) <
			    2 * rig.limits.max_output + len + 1000);
	}
	daemon_rig_spin(&rig);
	assert_int_equal(client.connection->state, CONNECTION_WAITING);
	/* Others see nothing of it. */
	id = client_send_get(&other, "missing");
	assert_true(client_wait_value(&other, id, NULL));
	/* When it reads at last, everything is there and in order. */
	for (uint32_t get = 2; get <= 401; get++)
		check_value(&client, get, value, len);
	client_close(&client);
	client_close(&other);
	daemon_rig_close(&rig);
	free(value);
}

static void test_a_scan_without_room_is_repeated_from_its_cursor(void **state)
{
	uint8_t *value = make_value(100000, 3);
	struct message_request scan = { .method = METHOD_SCAN };
	struct client client;
	struct daemon_rig rig;
	uint32_t first;

	(void)state;
	scan.options.present = OPT_VALUES | OPT_LIMIT;
	scan.options.values = true;
	scan.options.limit = 5;
	daemon_rig_init(&rig);
	rig.limits.max_output = 1 << 20;
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	for (int i = 0; i < 10; i++) {
		char key[8];
		uint32_t id;

		snprintf(key, sizeof(key), "k%d", i);
		id = client_send_put_bytes(&client, key, value, 100000);
		assert_int_equal(client_wait_code(&client, id, METHOD_PUT), 0);
	}
	first = client.last_id + 1;
	for (int i = 0; i < 20; i++)
		client_send(&client, &scan);
	daemon_rig_spin(&rig);
	for (uint32_t id = first; id < first + 20; id++) {
		struct message_reply reply;

		client_wait_reply(&client, id, METHOD_SCAN, &reply);
		assert_int_equal(reply.n_items, 5);
		assert_memory_equal(reply.items[0].key.data, "k0", 2);
		assert_int_equal(reply.items[4].value.len, 100000);
		client_end_reply(&client, &reply);
	}
	client_close(&client);
	daemon_rig_close(&rig);
	free(value);
}

static void test_large_values_go_both_ways(void **state)
{
	uint8_t *value = make_value(BIG, 4);
	struct client client;
	struct daemon_rig rig;
	uint32_t put, get;

	(void)state;
	daemon_rig_init(&rig);
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	put = client_send_put_bytes(&client, "big", value, BIG);
	get = client_send_get(&client, "big");
	assert_int_equal(client_wait_code(&client, put, METHOD_PUT), 0);
	check_value(&client, get, value, BIG);
	/* The pool keeps no large buffers. */
	assert_true(rig.service.pool.free->frame.cap <= LIMITS_RECORD_KEEP);
	assert_int_equal(client.connection->input.cap, 0);
	client_close(&client);
	daemon_rig_close(&rig);
	free(value);
}

/* Sizes around that of the scratch buffer, behind a small frame. */
static void test_frames_around_the_size_of_the_scratch_buffer(void **state)
{
	uint8_t *value = make_value(LIMITS_SCRATCH + 200, 5);
	struct client client;
	struct daemon_rig rig;

	(void)state;
	daemon_rig_init(&rig);
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	for (size_t len = LIMITS_SCRATCH - 100; len < LIMITS_SCRATCH + 200;
	     len++) {
		uint32_t put, get;

		client_send_plain(&client, METHOD_PING);
		put = client_send_put_bytes(&client, "k", value, len);
		get = client_send_get(&client, "k");
		assert_int_equal(
			client_wait_code(&client, put - 1, METHOD_PING), 0);
		assert_int_equal(client_wait_code(&client, put, METHOD_PUT), 0);
		check_value(&client, get, value, len);
	}
	client_close(&client);
	daemon_rig_close(&rig);
	free(value);
}

static void encode_put(struct buffer *frame, uint32_t id, const void *value,
		       size_t len)
{
	struct message_request request = {
		.id = id,
		.method = METHOD_PUT,
		.key = text_bytes("key"),
		.value = { value, len },
	};

	assert_int_equal(message_encode_request(frame, SIZE_MAX / 4, &request),
			 0);
}

static void test_frames_arrive_byte_by_byte(void **state)
{
	struct buffer frames;
	struct client client;
	struct daemon_rig rig;

	(void)state;
	daemon_rig_init(&rig);
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	buffer_init(&frames);
	for (uint32_t id = 1; id <= 5; id++)
		encode_put(&frames, id, "value", id % 2 ? 5 : 0);
	for (size_t i = 0; i < frames.len; i++) {
		client_send_bytes(&client, frames.data + i, 1);
		loop_once(rig.loop, false);
	}
	for (uint32_t id = 1; id <= 5; id++)
		assert_int_equal(client_wait_code(&client, id, METHOD_PUT), 0);
	buffer_deinit(&frames);
	client_close(&client);
	daemon_rig_close(&rig);
}

static void test_a_client_killed_in_mid_frame_leaves_nothing(void **state)
{
	uint8_t *value = make_value(200000, 6);
	const size_t cuts[] = { 1, 3, 4, 5, 20, 1000, 70000, 199999 };
	struct buffer frame;
	struct client client;
	struct daemon_rig rig;

	(void)state;
	daemon_rig_init(&rig);
	daemon_rig_open(&rig);
	buffer_init(&frame);
	encode_put(&frame, 1, value, 200000);
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		client_open(&client, &rig);
		client_send_bytes(&client, frame.data, cuts[i]);
		daemon_rig_spin(&rig);
		assert_non_null(rig.service.connections);
		client_close(&client);
		daemon_rig_spin(&rig);
		assert_null(rig.service.connections);
	}
	buffer_deinit(&frame);
	daemon_rig_close(&rig);
	free(value);
}

static void test_requests_of_a_closed_connection_are_finished(void **state)
{
	struct client client, other;
	struct daemon_rig rig;
	uint32_t id;

	(void)state;
	daemon_rig_init(&rig);
	rig.behaviour.hold = true;
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	for (int i = 0; i < 10; i++)
		client_send_put(&client, "key", "value");
	client_send_get(&client, "key");
	daemon_rig_spin(&rig);
	assert_int_equal(fake_engine_n_in_flight(rig.engine), 10);
	connection_close(client.connection);
	client_close(&client);
	daemon_rig_spin(&rig);
	assert_null(rig.service.connections);
	fake_engine_behaviour(rig.engine)->hold = false;
	loop_wake(rig.loop);
	daemon_rig_spin(&rig);
	assert_int_equal(fake_engine_n_in_flight(rig.engine), 0);
	client_open(&other, &rig);
	id = client_send_get(&other, "key");
	assert_true(client_wait_value(&other, id, "value"));
	client_close(&other);
	daemon_rig_close(&rig);
}

static void test_requests_are_there_when_the_engine_closes(void **state)
{
	struct client client;
	struct daemon_rig rig;

	(void)state;
	daemon_rig_init(&rig);
	rig.behaviour.hold = true;
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	for (int i = 0; i < 10; i++)
		client_send_put(&client, "key", "value");
	daemon_rig_spin(&rig);
	client_close(&client);
	daemon_rig_close(&rig);
}

static void check_last_error(struct client *client, unsigned int code)
{
	const uint8_t *body;
	size_t body_len;

	assert_int_equal(client_wait_code(client, 0, METHOD_PING), code);
	assert_false(client_wait_frame(client, &body, &body_len));
}

static void test_a_length_of_4_gib_is_refused(void **state)
{
	const uint8_t head[] = { 0xff, 0xff, 0xff, 0xff, 1, 2, 3 };
	struct client client;
	struct daemon_rig rig;
	uint32_t id;

	(void)state;
	daemon_rig_init(&rig);
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	id = client_send_plain(&client, METHOD_PING);
	client_send_bytes(&client, head, sizeof(head));
	assert_int_equal(client_wait_code(&client, id, METHOD_PING), 0);
	check_last_error(&client, MESSAGE_ERROR_TOO_LARGE);
	client_close(&client);
	daemon_rig_close(&rig);
}

static void test_an_empty_frame_is_refused(void **state)
{
	const uint8_t head[] = { 0, 0, 0, 0 };
	struct client client;
	struct daemon_rig rig;

	(void)state;
	daemon_rig_init(&rig);
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	client_send_bytes(&client, head, sizeof(head));
	check_last_error(&client, MESSAGE_ERROR_BAD_FRAME);
	client_close(&client);
	daemon_rig_close(&rig);
}

static void test_the_fault_is_told_behind_earlier_replies(void **state)
{
	const uint8_t head[] = { 0, 0, 0, 0, 0, 0, 0, 0 };
	struct client client;
	struct daemon_rig rig;
	uint32_t put, get;

	(void)state;
	daemon_rig_init(&rig);
	rig.behaviour.delay_turns = 5;
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	put = client_send_put(&client, "a", "1");
	get = client_send_get(&client, "a");
	client_send_bytes(&client, head, sizeof(head));
	assert_int_equal(client_wait_code(&client, put, METHOD_PUT), 0);
	assert_true(client_wait_value(&client, get, "1"));
	check_last_error(&client, MESSAGE_ERROR_BAD_FRAME);
	client_close(&client);
	daemon_rig_close(&rig);
}

static void send_body(struct client *client, const void *body, size_t len)
{
	uint8_t head[FRAME_HEAD_LEN];

	frame_put_head(head, len);
	client_send_bytes(client, head, sizeof(head));
	client_send_bytes(client, body, len);
}

/* A fault inside a frame is that request's alone. */
static void check_bad_body(const void *body, size_t len, uint32_t id,
			   unsigned int code)
{
	struct client client;
	struct daemon_rig rig;

	daemon_rig_init(&rig);
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	send_body(&client, body, len);
	assert_int_equal(client_wait_code(&client, id, METHOD_PING), code);
	client.last_id = 100;
	id = client_send_plain(&client, METHOD_PING);
	assert_int_equal(client_wait_code(&client, id, METHOD_PING), 0);
	client_close(&client);
	daemon_rig_close(&rig);
}

static void test_nesting_of_100000_levels_is_an_error(void **state)
{
	uint8_t *body = malloc(100000);

	(void)state;
	assert_non_null(body);
	memset(body, 0x91, 100000);
	check_bad_body(body, 100000, 0, MESSAGE_ERROR_BAD_MESSAGE);
	free(body);
}

static void test_trailing_bytes_are_an_error(void **state)
{
	/* [0, 7, "ping", [{}]] and a nil */
	const uint8_t body[] = "\x94\x00\x07\xa4ping\x91\x80\xc0";

	(void)state;
	check_bad_body(body, sizeof(body) - 1, 7, MESSAGE_ERROR_BAD_MESSAGE);
}

static void test_an_unknown_method_is_an_error(void **state)
{
	const uint8_t body[] = "\x94\x00\x07\xa4pong\x91\x80";

	(void)state;
	check_bad_body(body, sizeof(body) - 1, 7, MESSAGE_ERROR_UNKNOWN_METHOD);
}

static void test_no_msgpack_is_an_error(void **state)
{
	const uint8_t body[] = { 0xc1, 0xc1 };

	(void)state;
	check_bad_body(body, sizeof(body), 0, MESSAGE_ERROR_BAD_MESSAGE);
}

static void test_a_half_closed_client_gets_its_replies(void **state)
{
	struct client client;
	const uint8_t *body;
	size_t body_len;
	struct daemon_rig rig;

	(void)state;
	daemon_rig_init(&rig);
	rig.behaviour.delay_turns = 3;
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	for (int i = 0; i < 20; i++) {
		client_send_put(&client, "a", "1");
		client_send_get(&client, "a");
	}
	client_send_bytes(&client, "\0\0", 2);
	shutdown(client.fd, SHUT_WR);
	for (uint32_t id = 1; id <= 40; id += 2) {
		assert_int_equal(client_wait_code(&client, id, METHOD_PUT), 0);
		assert_true(client_wait_value(&client, id + 1, "1"));
	}
	assert_false(client_wait_frame(&client, &body, &body_len));
	assert_null(rig.service.connections);
	client_close(&client);
	daemon_rig_close(&rig);
}

static void test_draining_finishes_what_was_read(void **state)
{
	struct client client;
	const uint8_t *body;
	size_t body_len;
	struct daemon_rig rig;

	(void)state;
	daemon_rig_init(&rig);
	rig.behaviour.hold = true;
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	for (int i = 0; i < 20; i++) {
		client_send_put(&client, "a", "1");
		client_send_get(&client, "a");
	}
	daemon_rig_spin(&rig);
	connection_drain(client.connection, clock_monotonic_ms() + 60000);
	client_send_plain(&client, METHOD_PING);
	daemon_rig_spin(&rig);
	fake_engine_behaviour(rig.engine)->hold = false;
	loop_wake(rig.loop);
	for (uint32_t id = 1; id <= 40; id += 2) {
		assert_int_equal(client_wait_code(&client, id, METHOD_PUT), 0);
		assert_true(client_wait_value(&client, id + 1, "1"));
	}
	assert_false(client_wait_frame(&client, &body, &body_len));
	client_close(&client);
	daemon_rig_close(&rig);
}

static uint32_t send_backup(struct client *client)
{
	struct message_request backup = { .method = METHOD_BACKUP,
					  .path = text_bytes("/a") };

	return client_send(client, &backup);
}

static void test_others_go_on_while_a_task_is_under_way(void **state)
{
	struct client first, second;
	struct daemon_rig rig;
	uint32_t backup;

	(void)state;
	daemon_rig_init(&rig);
	rig.behaviour.hold_tasks = true;
	daemon_rig_open(&rig);
	client_open(&first, &rig);
	client_open(&second, &rig);
	client_send_put(&first, "a", "1");
	backup = send_backup(&first);
	client_send_get(&first, "a");
	client_send_put(&first, "a", "2");
	assert_int_equal(client_wait_code(&first, 1, METHOD_PUT), 0);
	client_send_get(&second, "a");
	assert_true(client_wait_value(&second, 1, "1"));
	assert_int_equal(
		client_wait_code(&second,
				 client_send_plain(&second, METHOD_STATS),
				 METHOD_STATS),
		0);
	assert_false(client_has_frame(&first));
	/* Its own later requests keep their places. */
	fake_engine_behaviour(rig.engine)->hold_tasks = false;
	loop_wake(rig.loop);
	assert_int_equal(client_wait_code(&first, backup, METHOD_BACKUP), 0);
	assert_true(client_wait_value(&first, backup + 1, "1"));
	assert_int_equal(client_wait_code(&first, backup + 2, METHOD_PUT), 0);
	client_close(&first);
	client_close(&second);
	daemon_rig_close(&rig);
}

/* Its client gets an answer, and the engine's, which is late, is dropped. */
static void test_a_daemon_that_stops_waits_for_no_task(void **state)
{
	struct client client;
	struct daemon_rig rig;
	uint32_t backup;

	(void)state;
	daemon_rig_init(&rig);
	rig.behaviour.hold_tasks = true;
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	backup = send_backup(&client);
	client_send_get(&client, "a");
	daemon_rig_spin(&rig);
	assert_int_equal(fake_engine_n_in_flight(rig.engine), 1);
	connection_drain(client.connection, clock_monotonic_ms() + 60000);
	assert_int_equal(client_wait_code(&client, backup, METHOD_BACKUP),
			 MESSAGE_ERROR_CLOSING);
	assert_true(client_wait_value(&client, backup + 1, NULL));
	assert_true(client_has_frame(&client));
	client_close(&client);
	daemon_rig_close(&rig);
}

/* A reply without room is read again, where that is done; a backup is not. */
static void test_a_task_is_never_asked_for_twice(void **state)
{
	const size_t len = 4 << 20;
	uint8_t *value = make_value(len, 7);
	struct client client;
	struct daemon_rig rig;
	uint32_t get, backup;

	(void)state;
	daemon_rig_init(&rig);
	rig.limits.max_output = 1 << 20;
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	client_wait_code(&client,
			 client_send_put_bytes(&client, "a", value, len),
			 METHOD_PUT);
	/* The value fills the output before the backup is answered. */
	fake_engine_behaviour(rig.engine)->hold_tasks = true;
	get = client_send_get(&client, "a");
	backup = send_backup(&client);
	daemon_rig_spin(&rig);
	assert_true(client.connection->output.len > rig.limits.max_output);
	assert_int_equal(fake_engine_n_in_flight(rig.engine), 1);
	fake_engine_behaviour(rig.engine)->hold_tasks = false;
	loop_wake(rig.loop);
	daemon_rig_spin(&rig);
	assert_int_equal(fake_engine_behaviour(rig.engine)->n_tasks, 1);
	assert_int_equal(client_wait_code(&client, get, METHOD_GET), 0);
	assert_int_equal(client_wait_code(&client, backup, METHOD_BACKUP), 0);
	assert_int_equal(fake_engine_behaviour(rig.engine)->n_tasks, 1);
	client_close(&client);
	daemon_rig_close(&rig);
	free(value);
}

static void test_draining_ends_at_its_deadline(void **state)
{
	uint8_t *value = make_value(1 << 20, 7);
	struct client client;
	struct daemon_rig rig;
	uint32_t id;

	(void)state;
	daemon_rig_init(&rig);
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	id = client_send_put_bytes(&client, "a", value, 1 << 20);
	assert_int_equal(client_wait_code(&client, id, METHOD_PUT), 0);
	client_send_get(&client, "a");
	daemon_rig_spin(&rig);
	connection_drain(client.connection, clock_monotonic_ms() + 1);
	while (rig.service.connections)
		loop_once(rig.loop, true);
	client_close(&client);
	daemon_rig_close(&rig);
	free(value);
}

/* Like a pool of workers that come and go at random. */
static void test_many_clients_that_die_at_random(void **state)
{
	enum { CLIENTS = 20, STEPS = 3000 };
	struct client clients[CLIENTS];
	unsigned int random = 42;
	struct daemon_rig rig;

	(void)state;
	daemon_rig_init(&rig);
	rig.behaviour.delay_turns = 5;
	rig.behaviour.reorder = true;
	rig.limits.max_output = 4096;
	rig.limits.max_pipeline = 10;
	daemon_rig_open(&rig);
	for (int i = 0; i < CLIENTS; i++)
		client_open(&clients[i], &rig);
	for (int i = 0; i < STEPS; i++) {
		struct client *client;

		random = random * 1103515245 + 12345;
		client = &clients[(random >> 8) % CLIENTS];
		switch ((random >> 16) % 8) {
		case 0:
			client_close(client);
			client_open(client, &rig);
			break;
		case 1:
			loop_once(rig.loop, false);
			break;
		case 2:
			client_push_bytes(client, "\0\0\0\x20half", 8);
			break;
		case 3:
			client_push_bytes(client, "\0\0\0", 3);
			break;
		default:
			client_send_put(client, "key", "value");
			client_send_get(client, "key");
		}
	}
	for (int i = 0; i < CLIENTS; i++)
		client_close(&clients[i]);
	daemon_rig_spin(&rig);
	assert_null(rig.service.connections);
	daemon_rig_close(&rig);
}

static void test_small_requests_allocate_no_records(void **state)
{
	struct client client;
	struct daemon_rig rig;
	size_t n_free;

	(void)state;
	daemon_rig_init(&rig);
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	for (uint32_t id = 1; id <= 3000; id += 2) {
		client_send_put(&client, "key", "value");
		client_send_get(&client, "key");
		assert_int_equal(client_wait_code(&client, id, METHOD_PUT), 0);
		assert_true(client_wait_value(&client, id + 1, "value"));
		if (id == 1)
			n_free = rig.service.pool.n_free;
		assert_int_equal(rig.service.pool.n_free, n_free);
	}
	client_close(&client);
	daemon_rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_put_is_got),
		cmocka_unit_test(test_requests_take_effect_in_the_order_sent),
		cmocka_unit_test(test_a_late_dependent_write_keeps_its_place),
		cmocka_unit_test(test_pings_among_others_are_answered_in_order),
		cmocka_unit_test(test_writes_of_a_round_are_one_group),
		cmocka_unit_test(test_no_more_than_the_pipeline_is_taken_in),
		cmocka_unit_test(test_bytes_of_requests_under_way_are_limited),
		cmocka_unit_test(
			test_a_client_that_never_reads_costs_bounded_memory),
		cmocka_unit_test(
			test_a_scan_without_room_is_repeated_from_its_cursor),
		cmocka_unit_test(test_large_values_go_both_ways),
		cmocka_unit_test(
			test_frames_around_the_size_of_the_scratch_buffer),
		cmocka_unit_test(test_frames_arrive_byte_by_byte),
		cmocka_unit_test(
			test_a_client_killed_in_mid_frame_leaves_nothing),
		cmocka_unit_test(
			test_requests_of_a_closed_connection_are_finished),
		cmocka_unit_test(
			test_requests_are_there_when_the_engine_closes),
		cmocka_unit_test(test_a_length_of_4_gib_is_refused),
		cmocka_unit_test(test_an_empty_frame_is_refused),
		cmocka_unit_test(test_the_fault_is_told_behind_earlier_replies),
		cmocka_unit_test(test_nesting_of_100000_levels_is_an_error),
		cmocka_unit_test(test_trailing_bytes_are_an_error),
		cmocka_unit_test(test_an_unknown_method_is_an_error),
		cmocka_unit_test(test_no_msgpack_is_an_error),
		cmocka_unit_test(test_a_half_closed_client_gets_its_replies),
		cmocka_unit_test(test_draining_finishes_what_was_read),
		cmocka_unit_test(test_others_go_on_while_a_task_is_under_way),
		cmocka_unit_test(test_a_daemon_that_stops_waits_for_no_task),
		cmocka_unit_test(test_a_task_is_never_asked_for_twice),
		cmocka_unit_test(test_draining_ends_at_its_deadline),
		cmocka_unit_test(test_many_clients_that_die_at_random),
		cmocka_unit_test(test_small_requests_allocate_no_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
