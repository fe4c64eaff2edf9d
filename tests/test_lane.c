/*
 * The order of one connection's requests, over an engine that only keeps
 * what it is given.
 */
#include "daemon/lane.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "daemon/connection.h"
#include "daemon/service.h"

static struct service service;
static struct connection connection;
static struct lane lane;
static size_t n_submitted;
static const struct engine_request *last_submitted;

static void keep(struct engine *engine, struct engine_request *request)
{
	(void)engine;
	n_submitted++;
	last_submitted = request;
}

static const struct engine_ops ops = { .submit = keep };
static struct engine engine = { .ops = &ops };

static int begin(void **state)
{
	(void)state;
	memset(&service, 0, sizeof(service));
	memset(&lane, 0, sizeof(lane));
	service.engine = &engine;
	n_submitted = 0;
	last_submitted = NULL;
	return 0;
}

static int end(void **state)
{
	(void)state;
	request_pool_deinit(&service.pool);
	discard_deinit(&service.discard);
	return 0;
}

static struct request *make(enum request_kind kind, bool dependent)
{
	struct request *request = request_new(&service);

	assert_non_null(request);
	request->kind = kind;
	request->dependent = dependent;
	request->state = REQUEST_HELD;
	request->connection = &connection;
	return request;
}

static struct request *add(enum request_kind kind)
{
	struct request *request = make(kind, false);

	lane_add(&lane, request);
	return request;
}

static struct request *add_dependent(void)
{
	struct request *request = make(REQUEST_WRITE, true);

	lane_add(&lane, request);
	return request;
}

static struct request *add_answered(const char *reply)
{
	struct request *request = make(REQUEST_LOCAL, false);

	request->state = REQUEST_DONE;
	assert_int_equal(buffer_append(&request->reply, reply, strlen(reply)),
			 0);
	lane_add(&lane, request);
	return request;
}

static void take(struct request *request)
{
	assert_ptr_equal(lane_take(&lane), request);
	request_free(request);
}

/* Ends what runs and takes all of it out. */
static void finish(void)
{
	while (lane.head) {
		struct request *request = lane.head;

		if (request->state == REQUEST_RUNNING)
			lane_done(&lane, request);
		lane_release(&lane);
		take(request);
	}
	assert_null(lane.tail);
	assert_int_equal(lane.n, 0);
}

static void test_what_may_run_together(void **state)
{
	static const struct {
		enum request_kind first, second;
		bool first_dependent, second_dependent;
		bool together;
	} pairs[] = {
		{ REQUEST_READ, REQUEST_READ, false, false, true },
		{ REQUEST_READ, REQUEST_WRITE, false, false, false },
		{ REQUEST_READ, REQUEST_WRITE, false, true, false },
		{ REQUEST_WRITE, REQUEST_READ, false, false, false },
		{ REQUEST_WRITE, REQUEST_WRITE, false, false, true },
		{ REQUEST_WRITE, REQUEST_WRITE, false, true, true },
		{ REQUEST_WRITE, REQUEST_READ, true, false, false },
		{ REQUEST_WRITE, REQUEST_WRITE, true, false, false },
		{ REQUEST_WRITE, REQUEST_WRITE, true, true, false },
		{ REQUEST_TASK, REQUEST_TASK, false, false, true },
		{ REQUEST_TASK, REQUEST_READ, false, false, true },
		{ REQUEST_READ, REQUEST_TASK, false, false, true },
		{ REQUEST_TASK, REQUEST_WRITE, false, false, false },
		{ REQUEST_WRITE, REQUEST_TASK, false, false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct request *first =
			make(pairs[i].first, pairs[i].first_dependent);
		struct request *second =
			make(pairs[i].second, pairs[i].second_dependent);

		n_submitted = 0;
		lane_add(&lane, first);
		assert_int_equal(first->state, REQUEST_RUNNING);
		lane_add(&lane, second);
		assert_int_equal(n_submitted, pairs[i].together ? 2 : 1);
		assert_ptr_equal(lane.held, pairs[i].together ? NULL : second);
		lane_release(&lane);
		assert_int_equal(n_submitted, pairs[i].together ? 2 : 1);
		lane_done(&lane, first);
		lane_release(&lane);
		assert_int_equal(n_submitted, 2);
		assert_ptr_equal(last_submitted, &second->engine);
		assert_int_equal(second->state, REQUEST_RUNNING);
		assert_null(lane.held);
		finish();
	}
}

static void test_a_read_waits_for_the_last_of_several_writes(void **state)
{
	struct request *first, *second, *read;

	(void)state;
	first = add(REQUEST_WRITE);
	second = add(REQUEST_WRITE);
	read = add(REQUEST_READ);
	lane_done(&lane, second);
	lane_release(&lane);
	assert_int_equal(read->state, REQUEST_HELD);
	lane_done(&lane, first);
	lane_release(&lane);
	assert_int_equal(read->state, REQUEST_RUNNING);
	finish();
}

static void test_a_write_waits_for_the_last_of_several_reads(void **state)
{
	struct request *first, *second, *write;

	(void)state;
	first = add(REQUEST_READ);
	second = add(REQUEST_READ);
	write = add(REQUEST_WRITE);
	lane_done(&lane, first);
	lane_release(&lane);
	assert_int_equal(write->state, REQUEST_HELD);
	lane_done(&lane, second);
	lane_release(&lane);
	assert_int_equal(write->state, REQUEST_RUNNING);
	finish();
}

static void test_a_plain_write_in_front_does_not_hide_a_dependent(void **state)
{
	struct request *plain, *dependent, *next;

	(void)state;
	plain = add(REQUEST_WRITE);
	dependent = add_dependent();
	next = add(REQUEST_WRITE);
	lane_done(&lane, plain);
	lane_release(&lane);
	assert_int_equal(next->state, REQUEST_HELD);
	lane_done(&lane, dependent);
	lane_release(&lane);
	assert_int_equal(next->state, REQUEST_RUNNING);
	finish();
}

static void test_replies_leave_in_the_order_of_the_requests(void **state)
{
	struct request *first, *second, *local;

	(void)state;
	first = add(REQUEST_READ);
	second = add(REQUEST_READ);
	local = add_answered("pong");
	assert_null(lane_take(&lane));
	lane_done(&lane, second);
	assert_null(lane_take(&lane));
	lane_done(&lane, first);
	take(first);
	take(second);
	take(local);
	assert_null(lane_take(&lane));
}

static void test_what_is_answered_already_is_not_submitted(void **state)
{
	(void)state;
	take(add_answered("pong"));
	assert_int_equal(n_submitted, 0);
	assert_false(service.turn_wanted);
}

static void test_submitting_wants_a_turn(void **state)
{
	(void)state;
	add(REQUEST_READ);
	assert_true(service.turn_wanted);
	finish();
}

static void test_it_counts_the_bytes_that_it_keeps(void **state)
{
	struct request *write = make(REQUEST_WRITE, false);
	struct request *read = make(REQUEST_READ, false);
	struct request *local;

	(void)state;
	write->input_len = 100;
	read->input_len = 10;
	lane_add(&lane, write);
	lane_add(&lane, read);
	assert_int_equal(lane.n, 2);
	assert_int_equal(lane.input_len, 110);
	assert_int_equal(buffer_append(&write->reply, "abc", 3), 0);
	lane_done(&lane, write);
	assert_int_equal(lane.input_len, 10);
	assert_int_equal(lane.replies_len, 3);
	lane_release(&lane);
	local = add_answered("pong");
	assert_int_equal(lane.replies_len, 7);
	take(write);
	assert_int_equal(lane.replies_len, 4);
	lane_done(&lane, read);
	assert_int_equal(lane.input_len, 0);
	take(read);
	take(local);
	assert_int_equal(lane.replies_len, 0);
	assert_int_equal(lane.n, 0);
}

static void test_an_answered_request_drops_its_input(void **state)
{
	struct request *request = make(REQUEST_READ, false);

	(void)state;
	request->keys = request_new_list(request, 2, sizeof(*request->keys));
	assert_int_equal(request_copy_body(request, "body", 4), 0);
	lane_add(&lane, request);
	assert_int_equal(request->frame.len, 4);
	lane_done(&lane, request);
	assert_int_equal(request->frame.len, 0);
	assert_null(request->keys);
	assert_int_equal(request->state, REQUEST_DONE);
	take(request);
}

static void test_a_postponed_read_still_counts_as_running(void **state)
{
	struct request *read, *write;

	(void)state;
	read = add(REQUEST_READ);
	lane_postpone(read, 77);
	assert_int_equal(read->expected_len, 77);
	assert_int_equal(lane.n_running[REQUEST_READ], 1);
	assert_null(lane_take(&lane));
	write = add(REQUEST_WRITE);
	lane_release(&lane);
	assert_int_equal(write->state, REQUEST_HELD);
	assert_int_equal(n_submitted, 1);
	lane_repeat(read);
	assert_int_equal(n_submitted, 2);
	assert_ptr_equal(last_submitted, &read->engine);
	assert_int_equal(read->state, REQUEST_RUNNING);
	lane_done(&lane, read);
	lane_release(&lane);
	assert_int_equal(write->state, REQUEST_RUNNING);
	finish();
}

static void test_reads_start_beside_a_postponed_one(void **state)
{
	struct request *first, *second;

	(void)state;
	first = add(REQUEST_READ);
	lane_postpone(first, 1);
	second = add(REQUEST_READ);
	assert_int_equal(second->state, REQUEST_RUNNING);
	lane_repeat(first);
	finish();
}

static void test_abandoned_requests_are_freed_or_left_alone(void **state)
{
	struct request *running, *again;

	(void)state;
	add_answered("pong");
	again = add(REQUEST_READ);
	running = add(REQUEST_READ);
	add(REQUEST_WRITE); /* held */
	lane_postpone(again, 1);
	lane_abandon(&lane);
	assert_int_equal(service.pool.n_free, 3);
	for (struct request *at = service.pool.free; at; at = at->next)
		assert_ptr_not_equal(at, running);
	assert_null(running->connection);
	assert_int_equal(n_submitted, 2);
	request_free(running);
	assert_null(lane.head);
	assert_null(lane.tail);
	assert_null(lane.held);
	/* Nothing that ran before holds up what is new. */
	assert_int_equal(add_dependent()->state, REQUEST_RUNNING);
	finish();
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_what_may_run_together),
		EACH(test_a_read_waits_for_the_last_of_several_writes),
		EACH(test_a_write_waits_for_the_last_of_several_reads),
		EACH(test_a_plain_write_in_front_does_not_hide_a_dependent),
		EACH(test_replies_leave_in_the_order_of_the_requests),
		EACH(test_what_is_answered_already_is_not_submitted),
		EACH(test_submitting_wants_a_turn),
		EACH(test_it_counts_the_bytes_that_it_keeps),
		EACH(test_an_answered_request_drops_its_input),
		EACH(test_a_postponed_read_still_counts_as_running),
		EACH(test_reads_start_beside_a_postponed_one),
		EACH(test_abandoned_requests_are_freed_or_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
