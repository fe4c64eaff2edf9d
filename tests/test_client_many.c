#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/getme.h"
#include "tests/support/client_fixture.h"

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, client_fixture_setup,            \
					client_fixture_teardown)

enum {
	KEYS_MAX = 16384,
	KEY_LEN = 8,
};

/* N keys "00000000" and on; their bytes lie in TEXT. */
static void make_keys(char *text, struct getme_bytes *keys, size_t n)
{
	char number[32];
	size_t i;

	for (i = 0; i < n; i++) {
		snprintf(number, sizeof(number), "%08zu", i);
		memcpy(text + i * KEY_LEN, number, KEY_LEN);
		keys[i].data = text + i * KEY_LEN;
		keys[i].len = KEY_LEN;
	}
}

static void test_get_many_answers_each_key_in_order(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	const struct getme_bytes keys[] = {
		{ "a", 1 }, { "missing", 7 }, { "b", 1 },
		{ "a", 1 }, { "damaged", 7 }, { "empty", 5 },
	};
	struct getme_item items[6];

	assert_int_equal(fixture_put(handle, "a", "1"), 0);
	assert_int_equal(fixture_put(handle, "b", "22"), 0);
	assert_int_equal(fixture_put(handle, "damaged", "?"), 0);
	assert_int_equal(fixture_put(handle, "empty", ""), 0);
	fake_server_damage(fixture->server, "damaged");
	memset(items, 0xff, sizeof(items));
	assert_int_equal(getme_get_many(handle, keys, 6, items), 0);
	assert_int_equal(items[0].result, 0);
	assert_true(fixture_is(&items[0].value, "1"));
	assert_ptr_equal(items[0].key.data, keys[0].data);
	assert_int_equal(items[1].result, GETME_NOT_FOUND);
	assert_int_equal(items[1].value.len, 0);
	assert_true(fixture_is(&items[2].value, "22"));
	assert_true(fixture_is(&items[3].value, "1"));
	assert_int_equal(items[4].result, GETME_E_CORRUPT);
	assert_int_equal(items[5].result, 0);
	assert_null(items[5].value.data);
	assert_int_equal(items[5].value.expires_at_ms, -1);
}

static void test_largest_number_of_keys(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	size_t n = KEYS_MAX + 1;
	char *text = malloc(n * KEY_LEN);
	struct getme_bytes *keys = calloc(n, sizeof(*keys));
	struct getme_item *items = calloc(n, sizeof(*items));
	struct getme_written written;

	assert_true(text && keys && items);
	make_keys(text, keys, n);
	assert_int_equal(fixture_put(handle, "00016383", "last"), 0);
	assert_int_equal(getme_get_many(handle, keys, KEYS_MAX, items), 0);
	assert_int_equal(items[0].result, GETME_NOT_FOUND);
	assert_true(fixture_is(&items[KEYS_MAX - 1].value, "last"));
	assert_int_equal(getme_get_many(handle, keys, n, items),
			 GETME_E_TOO_LARGE);
	assert_int_equal(getme_delete_many(handle, keys, n, NULL, NULL),
			 GETME_E_TOO_LARGE);
	assert_int_equal(
		getme_delete_many(handle, keys, KEYS_MAX, NULL, &written), 0);
	assert_int_equal(written.deleted, 1);
	free(items);
	free(keys);
	free(text);
}

static void test_delete_many_counts(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	const struct getme_bytes keys[] = { { "a", 1 },
					    { "b", 1 },
					    { "c", 1 } };
	struct getme_write_options options = GETME_WRITE_OPTIONS_INIT;
	struct getme_written written;

	assert_int_equal(fixture_put(handle, "a", "1"), 0);
	assert_int_equal(fixture_put(handle, "c", "1"), 0);
	options.durability = GETME_NONE;
	assert_int_equal(getme_delete_many(handle, keys, 3, &options, &written),
			 0);
	assert_int_equal(written.deleted, 2);
	assert_int_equal(written.durability, GETME_NONE);
	assert_true(fixture_has(handle, "a", NULL));
	options.if_version = 5;
	assert_int_equal(getme_delete_many(handle, keys, 2, &options, NULL),
			 -EINVAL);
	assert_int_equal(getme_delete_many(handle, keys, 1, &options, NULL),
			 GETME_CONDITION);
}

static void test_bad_arguments(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	struct getme_bytes keys[] = { { "a", 1 }, { NULL, 1 } };
	struct getme_item items[2];

	assert_int_equal(getme_get_many(NULL, keys, 1, items), -EINVAL);
	assert_int_equal(getme_get_many(handle, NULL, 1, items), -EINVAL);
	assert_int_equal(getme_get_many(handle, keys, 1, NULL), -EINVAL);
	assert_int_equal(getme_get_many(handle, keys, 2, items), -EINVAL);
	assert_non_null(strstr(getme_last_error(handle), "key 1"));
	assert_int_equal(getme_get_many(handle, NULL, 0, NULL), 0);
	assert_int_equal(getme_delete_many(NULL, keys, 1, NULL, NULL), -EINVAL);
	assert_int_equal(getme_delete_many(handle, NULL, 1, NULL, NULL),
			 -EINVAL);
	assert_int_equal(getme_delete_many(handle, keys, 2, NULL, NULL),
			 -EINVAL);
	assert_int_equal(getme_delete_many(handle, keys, 0, NULL, NULL),
			 -EINVAL);
	keys[1].data = "";
	keys[1].len = 0;
	assert_int_equal(getme_get_many(handle, keys, 2, items), -EINVAL);
	keys[1].len = 65536;
	assert_int_equal(getme_get_many(handle, keys, 2, items),
			 GETME_E_TOO_LARGE);
	assert_int_equal(fake_server_seen(fixture->server, FAKE_ANY), 0);
}

static void test_reply_with_another_number_of_keys_is_no_answer(void **state)
{
	struct client_fixture *fixture = *state;
	const struct getme_bytes keys[] = { { "a", 1 }, { "b", 1 } };
	struct message_item missing[3] = { { .kind = MESSAGE_ITEM_MISSING },
					   { .kind = MESSAGE_ITEM_MISSING },
					   { .kind = MESSAGE_ITEM_MISSING } };
	struct fake_rule rule = { .method = METHOD_GET_MANY,
				  .act = FAKE_REPLY,
				  .times = 1 };
	struct getme_item items[2];

	rule.reply.items = missing;
	rule.reply.n_items = 3;
	fake_server_rule(fixture->server, rule);
	assert_int_equal(getme_get_many(fixture->handle, keys, 2, items),
			 GETME_E_PROTOCOL);
	assert_int_equal(getme_get_many(fixture->handle, keys, 2, items), 0);
	assert_int_equal(fake_server_connections(fixture->server), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_get_many_answers_each_key_in_order),
		TEST(test_largest_number_of_keys),
		TEST(test_delete_many_counts),
		TEST(test_bad_arguments),
		TEST(test_reply_with_another_number_of_keys_is_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
