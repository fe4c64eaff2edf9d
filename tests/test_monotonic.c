#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/monotonic.h"

struct fixture {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool is_set;
};

static int set_up(void **state)
{
	static struct fixture f;

	pthread_mutex_init(&f.lock, NULL);
	monotonic_cond_init(&f.cond);
	f.is_set = false;
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	pthread_cond_destroy(&f->cond);
	pthread_mutex_destroy(&f->lock);
	return 0;
}

static void test_it_does_not_go_back(void **state)
{
	uint64_t last = monotonic_ns();
	int i;

	(void)state;
	assert_true(last > 0);
	for (i = 0; i < 1000; i++) {
		uint64_t now = monotonic_ns();

		assert_true(now >= last);
		last = now;
	}
	assert_true(monotonic_ms() >= last / 1000000);
}

static void test_a_wait_ends_when_it_is_due_and_not_before(void **state)
{
	struct fixture *f = *state;
	uint64_t due = monotonic_ms() + 20;

	pthread_mutex_lock(&f->lock);
	while (monotonic_wait_until(&f->cond, &f->lock, due))
		;
	pthread_mutex_unlock(&f->lock);
	assert_true(monotonic_ms() >= due);
}

static void test_what_is_due_already_does_not_wait(void **state)
{
	struct fixture *f = *state;

	pthread_mutex_lock(&f->lock);
	assert_false(monotonic_wait_until(&f->cond, &f->lock, 1));
	pthread_mutex_unlock(&f->lock);
}

static void *signal_it(void *arg)
{
	struct fixture *f = arg;

	pthread_mutex_lock(&f->lock);
	f->is_set = true;
	pthread_cond_signal(&f->cond);
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

static void test_a_signal_ends_a_wait(void **state)
{
	struct fixture *f = *state;
	uint64_t due = monotonic_ms() + 60000;
	bool in_time = true;
	pthread_t thread;

	pthread_mutex_lock(&f->lock);
	assert_int_equal(pthread_create(&thread, NULL, signal_it, f), 0);
	while (!f->is_set && in_time)
		in_time = monotonic_wait_until(&f->cond, &f->lock, due);
	pthread_mutex_unlock(&f->lock);
	pthread_join(thread, NULL);
	assert_true(in_time);
}

#define test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(test_it_does_not_go_back),
		test(test_a_wait_ends_when_it_is_due_and_not_before),
		test(test_what_is_due_already_does_not_wait),
		test(test_a_signal_ends_a_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
