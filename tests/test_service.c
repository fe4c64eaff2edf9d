#include "daemon/service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "daemon/clock.h"
#include "tests/support/daemon_rig.h"

static struct daemon_rig rig;
static unsigned int n_turns, n_done, n_closed;

static void on_turn(void *ctx)
{
	assert_ptr_equal(ctx, &rig);
	n_turns++;
}

static void on_closed(void *ctx, const struct connection *connection)
{
	assert_ptr_equal(ctx, &rig);
	assert_int_equal(connection->uid, getuid());
	n_closed++;
}

static void on_done(struct engine_request *request)
{
	(void)request;
	n_done++;
}

static int begin(void **state)
{
	(void)state;
	n_turns = n_done = n_closed = 0;
	daemon_rig_init(&rig);
	rig.behaviour.capabilities.value_max = 100 << 20;
	rig.limits.max_pipeline = 77;
	daemon_rig_open(&rig);
	rig.service.on_turn = on_turn;
	rig.service.on_closed = on_closed;
	rig.service.ctx = &rig;
	return 0;
}

static int end(void **state)
{
	(void)state;
	daemon_rig_close(&rig);
	return 0;
}

static void one_round(void)
{
	assert_int_equal(loop_once(rig.loop, false), 0);
}

static void test_it_takes_limits_from_its_caller_and_the_engine(void **state)
{
	(void)state;
	assert_int_equal(rig.service.limits.max_pipeline, 77);
	assert_int_equal(rig.service.capabilities.value_max, 100 << 20);
	assert_int_equal(rig.service.frame_max, limits_frame_max(100 << 20));
	assert_in_range(rig.service.metrics.started_ms, 1,
			clock_monotonic_ms());
}

static void test_the_engine_gets_a_first_turn_and_no_needless_one(void **state)
{
	(void)state;
	one_round();
	assert_int_equal(n_turns, 1);
	one_round();
	one_round();
	assert_int_equal(n_turns, 1);
}

static void test_a_wake_gives_the_engine_a_turn(void **state)
{
	(void)state;
	one_round();
	loop_wake(rig.loop);
	one_round();
	assert_int_equal(n_turns, 2);
}

static void test_what_is_submitted_is_answered_in_the_next_turn(void **state)
{
	struct engine_request request = { .op = ENGINE_COUNT, .done = on_done };

	(void)state;
	one_round();
	service_submit(&rig.service, &request);
	assert_int_equal(n_done, 0);
	one_round();
	assert_int_equal(n_done, 1);
	assert_int_equal(n_turns, 2);
}

static void test_an_engine_that_has_more_to_do_gets_more_turns(void **state)
{
	struct engine_request request = { .op = ENGINE_COUNT, .done = on_done };

	(void)state;
	fake_engine_behaviour(rig.engine)->delay_turns = 50;
	service_submit(&rig.service, &request);
	one_round();
	/* Waits for nothing: a round asks for the next. */
	while (n_done == 0)
		assert_int_equal(loop_once(rig.loop, true), 0);
	assert_in_range(n_turns, 2, 51);
}

/* An engine that wants a turn of itself, once, after a moment. */
static int timeouts_left;

static void turn(struct engine *engine)
{
	(void)engine;
}

static int next_timeout_ms(struct engine *engine)
{
	(void)engine;
	return timeouts_left-- > 0 ? 1 : -1;
}

static void test_the_engine_gets_its_turn_when_its_time_has_come(void **state)
{
	static const struct engine_ops ops = {
		.turn = turn,
		.next_timeout_ms = next_timeout_ms,
	};
	struct engine patient = { .ops = &ops };
	struct engine *engine = rig.engine;

	(void)state;
	timeouts_left = 2;
	rig.service.engine = &patient;
	one_round();
	assert_int_equal(loop_once(rig.loop, true), 0);
	assert_int_equal(loop_once(rig.loop, true), 0);
	assert_int_equal(n_turns, 3);
	rig.service.engine = engine;
}

/* Says these in turn, then that it wants none. */
static const int *told_ms;

static int told_timeout_ms(struct engine *engine)
{
	(void)engine;
	return *told_ms < 0 ? -1 : *told_ms++;
}

/* The rounds that wait end only if the timer was set to the nearest time. */
static void check_told(const int *told, unsigned int n_now, unsigned int n_late)
{
	static const struct engine_ops ops = {
		.turn = turn,
		.next_timeout_ms = told_timeout_ms,
	};
	struct engine busy = { .ops = &ops };
	struct engine *engine = rig.engine;

	told_ms = told;
	rig.service.engine = &busy;
	for (unsigned int i = 0; i < n_now; i++) {
		rig.service.turn_wanted = true;
		one_round();
	}
	assert_int_equal(n_turns, n_now);
	while (n_turns < n_now + n_late)
		assert_int_equal(loop_once(rig.loop, true), 0);
	rig.service.engine = engine;
}

static void test_a_later_time_does_not_put_a_turn_off(void **state)
{
	static const int told[] = { 1, 10000000, -1 };

	(void)state;
	check_told(told, 2, 1);
}

static void test_an_earlier_time_comes_before_a_later_one(void **state)
{
	static const int told[] = { 10000000, 1, 1, -1 };

	(void)state;
	check_told(told, 2, 2);
}

enum {
	/* each begins so many reads before it knows how large they are */
	N_READERS = 2 * LIMITS_EARLY_READS / LIMITS_READ_WINDOW,
};

static void send_put(struct client *client, enum message_durability durability)
{
	struct message_request request = {
		.method = METHOD_PUT,
		.key = text_bytes("key"),
		.value = text_bytes("value"),
		.options = { .present = durability ? OPT_DURABILITY : 0,
			     .durability = durability },
	};

	client_send(client, &request);
}

/* Turns of the one round in which many read, and one writes, if so. */
static unsigned int turns_of_readers(bool with_write)
{
	struct client writer, readers[N_READERS];

	client_open(&writer, &rig);
	for (int i = 0; i < N_READERS; i++)
		client_open(&readers[i], &rig);
	daemon_rig_spin(&rig);
	n_turns = 0;
	if (with_write)
		send_put(&writer, MESSAGE_DURABILITY_NONE);
	for (int i = 0; i < N_READERS; i++)
		for (int j = 0; j < LIMITS_READ_WINDOW; j++)
			client_send_get(&readers[i], "key");
	one_round();
	client_close(&writer);
	for (int i = 0; i < N_READERS; i++) {
		assert_true(client_has_frame(&readers[i]));
		client_close(&readers[i]);
	}
	return n_turns;
}

static void test_many_reads_begin_before_the_round_ends(void **state)
{
	(void)state;
	assert_int_equal(turns_of_readers(false), 2);
}

static void test_where_something_is_written_it_takes_more(void **state)
{
	_Static_assert(2 * LIMITS_EARLY_READS < LIMITS_EARLY_WRITES, "");

	(void)state;
	assert_int_equal(turns_of_readers(true), 1);
}

/* Turns of the one round in which two write, much. */
static unsigned int turns_of_writers(enum message_durability durability)
{
	struct client writers[2];

	client_open(&writers[0], &rig);
	client_open(&writers[1], &rig);
	daemon_rig_spin(&rig);
	n_turns = 0;
	for (int i = 0; i < 2; i++)
		for (int j = 0; j < LIMITS_EARLY_WRITES; j++)
			send_put(&writers[i], durability);
	one_round();
	for (int i = 0; i < 2; i++) {
		assert_true(client_has_frame(&writers[i]));
		client_close(&writers[i]);
	}
	return n_turns;
}

static void test_many_writes_begin_before_the_round_ends(void **state)
{
	(void)state;
	rig.service.limits.max_pipeline = LIMITS_PIPELINE;
	assert_int_equal(turns_of_writers(MESSAGE_DURABILITY_NONE), 2);
}

static void test_writes_that_want_a_sync_share_it(void **state)
{
	(void)state;
	rig.service.limits.max_pipeline = LIMITS_PIPELINE;
	assert_int_equal(turns_of_writers(MESSAGE_DURABILITY_ALWAYS), 1);
}

/* Where no option says what a write wants. */
static void test_the_default_durability_counts(void **state)
{
	(void)state;
	rig.service.limits.max_pipeline = LIMITS_PIPELINE;
	rig.service.capabilities.default_durability = ENGINE_ALWAYS;
	assert_int_equal(turns_of_writers(MESSAGE_DURABILITY_DEFAULT), 1);
	rig.service.capabilities.default_durability = ENGINE_INTERVAL;
	assert_int_equal(turns_of_writers(MESSAGE_DURABILITY_DEFAULT), 2);
}

static void test_connections_that_have_work_move_on_in_the_round(void **state)
{
	struct client client;

	(void)state;
	client_open(&client, &rig);
	client_send_plain(&client, METHOD_PING);
	one_round();
	assert_true(client_has_frame(&client));
	assert_null(rig.service.ready);
	client_close(&client);
	daemon_rig_spin(&rig);
	assert_int_equal(n_closed, 1);
	assert_null(rig.service.connections);
	assert_null(rig.service.closed);
}

/* More replies than a socket takes, and a client that takes none. */
static void stuff(struct client *client)
{
	size_t left;

	client_open(client, &rig);
	/* What is left of one round may only wait for the next. */
	do {
		client_send_plain(client, METHOD_STATS);
		one_round();
		left = client->connection->output.len;
		one_round();
	} while (left == 0 || client->connection->output.len != left);
}

static void test_a_sweep_ends_only_who_is_late(void **state)
{
	struct client late, patient, unhurried;

	(void)state;
	stuff(&late);
	stuff(&patient);
	stuff(&unhurried);
	connection_drain(patient.connection,
			 clock_monotonic_ms() + LIMITS_DRAIN_MS * 100);
	connection_drain(late.connection, 1);
	assert_true(rig.service.sweep_set);
	while (n_closed == 0)
		assert_int_equal(loop_once(rig.loop, true), 0);
	assert_int_equal(n_closed, 1);
	assert_ptr_equal(rig.service.connections, unhurried.connection);
	assert_ptr_equal(rig.service.connections->next, patient.connection);
	assert_null(patient.connection->next);
	assert_true(rig.service.sweep_set); /* it looks again */
	client_close(&late);
	client_close(&patient);
	client_close(&unhurried);
}

static void test_all_connections_are_closed_at_the_end(void **state)
{
	struct client clients[3];

	(void)state;
	fake_engine_behaviour(rig.engine)->hold = true;
	for (int i = 0; i < 3; i++) {
		client_open(&clients[i], &rig);
		client_send_get(&clients[i], "key");
	}
	one_round();
	one_round();
	assert_int_equal(fake_engine_n_in_flight(rig.engine), 3);
	connection_touch(clients[1].connection);
	service_close_connections(&rig.service);
	assert_int_equal(n_closed, 3);
	assert_null(rig.service.connections);
	assert_null(rig.service.ready);
	assert_null(rig.service.closed);
	/* Their requests come back to the pool. */
	fake_engine_behaviour(rig.engine)->hold = false;
	loop_wake(rig.loop);
	daemon_rig_spin(&rig);
	assert_int_equal(rig.service.pool.n_free, 3);
	for (int i = 0; i < 3; i++)
		client_close(&clients[i]);
}

static void test_a_service_that_is_gone_has_no_rounds(void **state)
{
	struct service zero;

	(void)state;
	service_deinit(&rig.service);
	memset(&zero, 0, sizeof(zero));
	assert_memory_equal(&rig.service, &zero, sizeof(zero));
	rig.service.turn_wanted = true; /* a round would look at it */
	loop_wake(rig.loop);
	one_round();
	assert_true(rig.service.turn_wanted);
	rig.service.turn_wanted = false;
	assert_int_equal(n_turns, 0);
	service_deinit(&rig.service); /* again: nothing is there */
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_it_takes_limits_from_its_caller_and_the_engine),
		EACH(test_the_engine_gets_a_first_turn_and_no_needless_one),
		EACH(test_a_wake_gives_the_engine_a_turn),
		EACH(test_what_is_submitted_is_answered_in_the_next_turn),
		EACH(test_an_engine_that_has_more_to_do_gets_more_turns),
		EACH(test_the_engine_gets_its_turn_when_its_time_has_come),
		EACH(test_a_later_time_does_not_put_a_turn_off),
		EACH(test_an_earlier_time_comes_before_a_later_one),
		EACH(test_many_reads_begin_before_the_round_ends),
		EACH(test_where_something_is_written_it_takes_more),
		EACH(test_many_writes_begin_before_the_round_ends),
		EACH(test_writes_that_want_a_sync_share_it),
		EACH(test_the_default_durability_counts),
		EACH(test_connections_that_have_work_move_on_in_the_round),
		EACH(test_a_sweep_ends_only_who_is_late),
		EACH(test_all_connections_are_closed_at_the_end),
		EACH(test_a_service_that_is_gone_has_no_rounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
