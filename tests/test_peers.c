#include "daemon/peers.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above */
#include <cmocka.h>

static void test_each_user_has_a_limit_of_his_own(void **state)
{
	struct peers peers = { .n = 0 };

	(void)state;
	assert_int_equal(peers_add(&peers, 1, 2), 0);
	assert_int_equal(peers_add(&peers, 1, 2), 0);
	assert_int_equal(peers_add(&peers, 1, 2), -EDQUOT);
	assert_int_equal(peers_add(&peers, 2, 2), 0);
	peers_remove(&peers, 1);
	assert_int_equal(peers_add(&peers, 1, 2), 0);
	assert_int_equal(peers_add(&peers, 1, 2), -EDQUOT);
	peers_deinit(&peers);
}

static void test_users_who_left_are_forgotten(void **state)
{
	struct peers peers = { .n = 0 };

	(void)state;
	for (uid_t uid = 0; uid < 100; uid++)
		assert_int_equal(peers_add(&peers, uid, 1), 0);
	for (uid_t uid = 0; uid < 100; uid += 2)
		peers_remove(&peers, uid);
	assert_int_equal(peers.n, 50);
	for (uid_t uid = 1; uid < 100; uid += 2)
		assert_int_equal(peers_add(&peers, uid, 1), -EDQUOT);
	for (uid_t uid = 1; uid < 100; uid += 2)
		peers_remove(&peers, uid);
	assert_int_equal(peers.n, 0);
	peers_deinit(&peers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_user_has_a_limit_of_his_own),
		cmocka_unit_test(test_users_who_left_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
