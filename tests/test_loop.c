#include "daemon/loop.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>
/* cmocka wants the four above */
#include <cmocka.h>

static struct loop *loop;
static int n_rounds, n_woken, n_fired, n_signals, n_ready;
static int again_rounds;
static struct loop_watch *watch;

static int begin(void **state)
{
	(void)state;
	loop = loop_new();
	n_rounds = n_woken = n_fired = n_signals = n_ready = 0;
	again_rounds = 0;
	return loop ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	loop_free(loop);
	return 0;
}

static bool round_of(void *ctx)
{
	(void)ctx;
	n_rounds++;
	return --again_rounds > 0;
}

static void woken(void *ctx)
{
	(void)ctx;
	n_woken++;
	loop_stop(loop);
}

static void fired(void *ctx)
{
	(void)ctx;
	n_fired++;
	loop_stop(loop);
}

static void came(void *ctx)
{
	(void)ctx;
	n_signals++;
	loop_stop(loop);
}

static void *wake_from_thread(void *arg)
{
	for (int i = 0; i < 1000; i++)
		loop_wake(arg);
	return NULL;
}

static void test_wakes_from_threads_are_never_lost(void **state)
{
	pthread_t thread;

	(void)state;
	loop_set_woken(loop, woken, NULL);
	for (int i = 0; i < 50; i++) {
		int before = n_woken;

		assert_int_equal(
			pthread_create(&thread, NULL, wake_from_thread, loop),
			0);
		while (n_woken == before)
			assert_int_equal(loop_run(loop), 0);
		pthread_join(thread, NULL);
		while (loop_once(loop, false) == 0 && n_woken != before)
			before = n_woken;
	}
	/* One more is seen although many came together. */
	loop_wake(loop);
	loop_wake(loop);
	n_woken = 0;
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(n_woken, 1);
}

static void test_a_round_follows_the_callbacks_and_may_ask_again(void **state)
{
	(void)state;
	loop_set_round(loop, round_of, NULL);
	loop_set_woken(loop, woken, NULL);
	again_rounds = 5;
	loop_wake(loop);
	assert_int_equal(loop_once(loop, true), 0);
	/* These would sleep for ever if the round had not asked. */
	for (int i = 0; i < 4; i++)
		assert_int_equal(loop_once(loop, true), 0);
	assert_int_equal(n_rounds, 5);
}

static void test_a_timer_fires_once_each_time_it_is_set(void **state)
{
	struct loop_timer *timer = loop_timer_new(loop, fired, NULL);

	(void)state;
	loop_timer_set(timer, 1);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(n_fired, 1);
	loop_timer_set(timer, 1);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(n_fired, 2);
	loop_timer_set(timer, 0);
	loop_timer_clear(timer);
	loop_once(loop, false);
	assert_int_equal(n_fired, 2);
	loop_timer_free(timer);
}

static void test_a_signal_comes_to_the_loop(void **state)
{
	struct loop_signal *usr = loop_signal_new(loop, SIGUSR1, came, NULL);

	(void)state;
	assert_non_null(usr);
	raise(SIGUSR1);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(n_signals, 1);
	loop_signal_free(usr);
}

static void ready_once(void *ctx, int what)
{
	(void)ctx;
	assert_int_equal(what, LOOP_READ);
	n_ready++;
	loop_watch_free(watch);
	watch = NULL;
}

static void test_a_watch_may_free_itself(void **state)
{
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	watch = loop_watch_new(loop, pair[0], ready_once, NULL);
	assert_int_equal(loop_watch_set(watch, LOOP_READ), 0);
	assert_int_equal(loop_watch_get(watch), LOOP_READ);
	assert_int_equal(write(pair[1], "x", 1), 1);
	loop_once(loop, true);
	loop_once(loop, false);
	assert_int_equal(n_ready, 1);
	close(pair[0]);
	close(pair[1]);
}

static void test_only_what_is_watched_is_told(void **state)
{
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	watch = loop_watch_new(loop, pair[0], ready_once, NULL);
	assert_int_equal(write(pair[1], "x", 1), 1);
	assert_int_equal(loop_watch_set(watch, LOOP_READ | LOOP_WRITE), 0);
	assert_int_equal(loop_watch_set(watch, 0), 0);
	loop_once(loop, false);
	assert_int_equal(n_ready, 0);
	assert_int_equal(loop_watch_set(watch, LOOP_READ), 0);
	loop_once(loop, false);
	assert_int_equal(n_ready, 1);
	close(pair[0]);
	close(pair[1]);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_wakes_from_threads_are_never_lost),
		EACH(test_a_round_follows_the_callbacks_and_may_ask_again),
		EACH(test_a_timer_fires_once_each_time_it_is_set),
		EACH(test_a_signal_comes_to_the_loop),
		EACH(test_a_watch_may_free_itself),
		EACH(test_only_what_is_watched_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
