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
	KEYS = 300,
};

static void fill(struct getme *handle)
{
	char key[32];
	int i;

	for (i = 0; i < KEYS; i++) {
		snprintf(key, sizeof(key), "%s%d", i % 3 ? "x" : "prefix", i);
		assert_int_equal(fixture_put(handle, key, key + 1), 0);
	}
}

/* The number in a key that fill() made. */
static long number_of(const char *key)
{
	long number = strtol(key + strcspn(key, "0123456789"), NULL, 10);

	assert_in_range(number, 0, KEYS - 1);
	return number;
}

/* Scans to the end; SEEN counts each key by its number. */
static size_t scan_all(struct getme_scan *scan, int with_values,
		       unsigned char seen[KEYS])
{
	struct getme_item item;
	char key[32];
	size_t n = 0;
	int r;

	while ((r = getme_scan_next(scan, &item)) == 0) {
		snprintf(key, sizeof(key), "%.*s", (int)item.key.len,
			 (const char *)item.key.data);
		seen[number_of(key)]++;
		assert_int_equal(item.result, 0);
		assert_int_not_equal(item.value.version, 0);
		assert_int_equal(item.value.expires_at_ms, -1);
		if (with_values)
			assert_true(fixture_is(&item.value, key + 1));
		else
			assert_null(item.value.data);
		n++;
	}
	assert_int_equal(r, GETME_END);
	assert_int_equal(getme_scan_next(scan, &item), GETME_END);
	return n;
}

static void test_each_key_once_in_steps_of_every_size(void **state)
{
	static const size_t steps[] = { 0, 1, 2, 7, 299, 300, 301, SIZE_MAX };
	struct client_fixture *fixture = *state;
	struct getme_scan_options options = GETME_SCAN_OPTIONS_INIT;
	unsigned char seen[KEYS];
	struct getme_scan *scan;
	size_t i;
	size_t j;

	fill(fixture->handle);
	for (i = 0; i < 2 * sizeof(steps) / sizeof(steps[0]); i++) {
		memset(seen, 0, sizeof(seen));
		options.step = steps[i / 2];
		options.with_values = i % 2;
		assert_int_equal(
			getme_scan_open(fixture->handle, &options, &scan), 0);
		assert_int_equal(scan_all(scan, options.with_values, seen),
				 KEYS);
		for (j = 0; j < KEYS; j++)
			assert_int_equal(seen[j], 1);
		getme_scan_close(scan);
	}
}

static void test_prefix(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme_scan_options options = GETME_SCAN_OPTIONS_INIT;
	unsigned char seen[KEYS] = { 0 };
	struct getme_scan *scan;
	char prefix[] = "prefix";

	fill(fixture->handle);
	options.prefix.data = prefix;
	options.prefix.len = 6;
	options.step = 5; /* most steps bring nothing or little */
	assert_int_equal(getme_scan_open(fixture->handle, &options, &scan), 0);
	memset(prefix, '?', 6); /* it was copied */
	assert_int_equal(scan_all(scan, 0, seen), KEYS / 3);
	getme_scan_close(scan);
	options.prefix.data = "nobody";
	assert_int_equal(getme_scan_open(fixture->handle, &options, &scan), 0);
	assert_int_equal(scan_all(scan, 0, seen), 0);
	getme_scan_close(scan);
}

static void test_empty_store(void **state)
{
	struct client_fixture *fixture = *state;
	unsigned char seen[KEYS];
	struct getme_scan *scan;

	assert_int_equal(getme_scan_open(fixture->handle, NULL, &scan), 0);
	assert_int_equal(scan_all(scan, 0, seen), 0);
	getme_scan_close(scan);
}

/* An item stays while other calls on the handle come and go. */
static void test_other_calls_may_come_between(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	struct getme_scan_options options = GETME_SCAN_OPTIONS_INIT;
	struct getme_scan *scan;
	struct getme_value value;
	struct getme_item item;
	char key[32];
	size_t n = 0;

	fill(handle);
	options.step = 10;
	options.with_values = 1;
	assert_int_equal(getme_scan_open(handle, &options, &scan), 0);
	while (getme_scan_next(scan, &item) == 0) {
		assert_int_equal(getme_submit_get(handle, "x1", 2, NULL), 0);
		memcpy(key, item.key.data, item.key.len);
		key[item.key.len] = '\0';
		assert_int_equal(fixture_get(handle, key, &value), 0);
		assert_true(fixture_is(&item.value, key + 1));
		assert_true(fixture_is(&value, key + 1));
		n++;
	}
	assert_int_equal(n, KEYS);
	assert_int_equal(getme_pending(handle), KEYS);
	getme_scan_close(scan);
}

static void test_scan_outlives_its_connection(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme_scan_options options = GETME_SCAN_OPTIONS_INIT;
	unsigned char seen[KEYS] = { 0 };
	struct getme_scan *scan;
	struct getme_item item;
	char key[32];
	int i;

	fill(fixture->handle);
	options.step = 10;
	assert_int_equal(getme_scan_open(fixture->handle, &options, &scan), 0);
	for (i = 0; i < KEYS; i++) {
		if (i % 7 == 0)
			fake_server_drop(fixture->server);
		assert_int_equal(getme_scan_next(scan, &item), 0);
		memcpy(key, item.key.data, item.key.len);
		key[item.key.len] = '\0';
		seen[number_of(key)]++;
	}
	assert_int_equal(getme_scan_next(scan, &item), GETME_END);
	for (i = 0; i < KEYS; i++)
		assert_int_equal(seen[i], 1);
	getme_scan_close(scan);
}

static void test_scan_goes_on_after_an_error(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme_scan_options options = GETME_SCAN_OPTIONS_INIT;
	struct fake_rule rule = { .method = METHOD_SCAN,
				  .act = FAKE_ERROR,
				  .skip = 1,
				  .times = 1,
				  .code = MESSAGE_ERROR_BUSY };
	unsigned char seen[KEYS] = { 0 };
	struct getme_scan *scan;
	struct getme_item item;
	int i;

	fill(fixture->handle);
	fake_server_rule(fixture->server, rule);
	options.step = 10;
	assert_int_equal(getme_scan_open(fixture->handle, &options, &scan), 0);
	for (i = 0; i < 10; i++)
		assert_int_equal(getme_scan_next(scan, &item), 0);
	assert_int_equal(getme_scan_next(scan, &item), GETME_E_BUSY);
	assert_int_equal(scan_all(scan, 0, seen), KEYS - 10);
	getme_scan_close(scan);
}

static void test_damaged_entries_are_told(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme_scan_options options = GETME_SCAN_OPTIONS_INIT;
	struct getme_scan *scan;
	struct getme_item item;

	assert_int_equal(fixture_put(fixture->handle, "k", "v"), 0);
	fake_server_damage(fixture->server, "k");
	options.with_values = 1;
	assert_int_equal(getme_scan_open(fixture->handle, &options, &scan), 0);
	assert_int_equal(getme_scan_next(scan, &item), 0);
	assert_int_equal(item.result, GETME_E_CORRUPT);
	assert_int_equal(item.key.len, 1);
	assert_int_equal(getme_scan_next(scan, &item), GETME_END);
	getme_scan_close(scan);
}

/* A value that is left out must not look like an empty one. */
static void test_items_without_their_values_are_no_answer(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme_scan_options options = GETME_SCAN_OPTIONS_INIT;
	struct message_item found = { .kind = MESSAGE_ITEM_FOUND,
				      .key = { "k", 1 },
				      .version = 1 };
	struct fake_rule rule = { .method = METHOD_SCAN, .act = FAKE_REPLY };
	struct getme_scan *scan;
	struct getme_item item;

	rule.reply.items = &found;
	rule.reply.n_items = 1;
	fake_server_rule(fixture->server, rule);
	options.with_values = 1;
	assert_int_equal(getme_scan_open(fixture->handle, &options, &scan), 0);
	assert_int_equal(getme_scan_next(scan, &item), GETME_E_PROTOCOL);
	getme_scan_close(scan);
	assert_int_equal(getme_scan_open(fixture->handle, NULL, &scan), 0);
	assert_int_equal(getme_scan_next(scan, &item), 0);
	getme_scan_close(scan);
}

static void test_empty_value_is_a_value(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme_scan_options options = GETME_SCAN_OPTIONS_INIT;
	struct getme_scan *scan;
	struct getme_item item;

	assert_int_equal(fixture_put(fixture->handle, "k", ""), 0);
	options.with_values = 1;
	assert_int_equal(getme_scan_open(fixture->handle, &options, &scan), 0);
	assert_int_equal(getme_scan_next(scan, &item), 0);
	assert_int_equal(item.result, 0);
	assert_int_equal(item.value.len, 0);
	assert_null(item.value.data);
	assert_int_equal(getme_scan_next(scan, &item), GETME_END);
	getme_scan_close(scan);
}

static void test_bad_arguments(void **state)
{
	struct client_fixture *fixture = *state;
	struct getme *handle = fixture->handle;
	struct getme_scan_options options = GETME_SCAN_OPTIONS_INIT;
	struct getme_scan *scan = NULL;
	struct getme_item item;
	char prefix[65536];

	assert_int_equal(getme_scan_open(NULL, NULL, &scan), -EINVAL);
	assert_int_equal(getme_scan_open(handle, NULL, NULL), -EINVAL);
	options.prefix.len = 1;
	assert_int_equal(getme_scan_open(handle, &options, &scan), -EINVAL);
	options.prefix.data = prefix;
	options.prefix.len = sizeof(prefix);
	assert_int_equal(getme_scan_open(handle, &options, &scan),
			 GETME_E_TOO_LARGE);
	options.size = 0;
	assert_int_equal(getme_scan_open(handle, &options, &scan), -EINVAL);
	assert_null(scan);
	assert_int_equal(getme_scan_next(NULL, &item), -EINVAL);
	assert_int_equal(getme_scan_open(handle, NULL, &scan), 0);
	assert_int_equal(getme_scan_next(scan, NULL), -EINVAL);
	getme_scan_close(scan);
	getme_scan_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_key_once_in_steps_of_every_size),
		TEST(test_prefix),
		TEST(test_empty_store),
		TEST(test_other_calls_may_come_between),
		TEST(test_scan_outlives_its_connection),
		TEST(test_scan_goes_on_after_an_error),
		TEST(test_damaged_entries_are_told),
		TEST(test_items_without_their_values_are_no_answer),
		TEST(test_empty_value_is_a_value),
		TEST(test_bad_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
