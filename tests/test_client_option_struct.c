#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/option_struct.h"

/* As it was once, is, and will be. */
struct older {
	size_t size;
	int a;
};

struct ours {
	size_t size;
	int a;
	int b;
};

struct newer {
	size_t size;
	int a;
	int b;
	int c;
	int d;
};

static const struct ours defaults = { sizeof(struct ours), 10, 20 };

static void test_nothing_given_leaves_the_defaults(void **state)
{
	struct ours ours = defaults;

	(void)state;
	assert_int_equal(option_struct_read(NULL, &ours, sizeof(ours)), 0);
	assert_memory_equal(&ours, &defaults, sizeof(ours));
}

static void test_older_struct_leaves_the_rest(void **state)
{
	struct older older = { offsetof(struct ours, b), 1 };
	struct ours ours = defaults;

	(void)state;
	assert_int_equal(option_struct_read(&older, &ours, sizeof(ours)), 0);
	assert_int_equal(ours.a, 1);
	assert_int_equal(ours.b, 20);
	older.size = sizeof(size_t);
	ours = defaults;
	assert_int_equal(option_struct_read(&older, &ours, sizeof(ours)), 0);
	assert_int_equal(ours.a, 10);
}

static void test_newer_struct_must_not_ask_for_more(void **state)
{
	struct newer newer = { sizeof(newer), 1, 2, 0, 0 };
	struct ours ours = defaults;

	(void)state;
	assert_int_equal(option_struct_read(&newer, &ours, sizeof(ours)), 0);
	assert_int_equal(ours.a, 1);
	assert_int_equal(ours.b, 2);
	newer.d = 1;
	ours = defaults;
	assert_int_equal(option_struct_read(&newer, &ours, sizeof(ours)),
			 -EINVAL);
	assert_memory_equal(&ours, &defaults, sizeof(ours));
}

static void test_sizes_that_cannot_be(void **state)
{
	static const size_t sizes[] = { 0, 1, sizeof(size_t) - 1, 4097,
					SIZE_MAX };
	struct ours given = defaults;
	struct ours ours = defaults;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		given.size = sizes[i];
		assert_int_equal(
			option_struct_read(&given, &ours, sizeof(ours)),
			-EINVAL);
	}
}

static int read_write(const struct getme_write_options *given,
		      unsigned int allowed, struct message_options *options)
{
	memset(options, 0xff, sizeof(*options));
	return option_struct_write(given, allowed, options);
}

static void test_write_options_become_a_messages(void **state)
{
	struct getme_write_options given = GETME_WRITE_OPTIONS_INIT;
	struct message_options options;
	unsigned int all = ~0U;

	(void)state;
	assert_int_equal(read_write(NULL, 0, &options), 0);
	assert_int_equal(options.present, 0);
	assert_int_equal(read_write(&given, 0, &options), 0);
	assert_int_equal(options.present, 0);
	given.durability = GETME_NONE;
	given.ttl_ms = INT64_MAX;
	given.if_version = UINT64_MAX;
	assert_int_equal(read_write(&given, all, &options), 0);
	assert_int_equal(options.present,
			 OPT_DURABILITY | OPT_TTL | OPT_IF_VERSION);
	assert_int_equal(options.durability, MESSAGE_DURABILITY_NONE);
	assert_int_equal(options.ttl_ms, INT64_MAX);
	assert_true(options.if_version == UINT64_MAX);
	given = (struct getme_write_options)GETME_WRITE_OPTIONS_INIT;
	given.durability = GETME_INTERVAL;
	given.expires_at_ms = 1;
	given.if_absent = 1;
	assert_int_equal(read_write(&given, all, &options), 0);
	assert_int_equal(options.present,
			 OPT_DURABILITY | OPT_EXPIRES_AT | OPT_IF_ABSENT);
	assert_int_equal(options.durability, MESSAGE_DURABILITY_INTERVAL);
	given.durability = GETME_ALWAYS;
	assert_int_equal(read_write(&given, all, &options), 0);
	assert_int_equal(options.durability, MESSAGE_DURABILITY_ALWAYS);
}

static void test_write_options_out_of_range(void **state)
{
	const struct getme_write_options init = GETME_WRITE_OPTIONS_INIT;
	struct getme_write_options given;
	struct message_options options;
	unsigned int all = ~0U;

	(void)state;
	given = init;
	given.ttl_ms = -1;
	assert_int_equal(read_write(&given, all, &options), -EINVAL);
	given = init;
	given.expires_at_ms = -1;
	assert_int_equal(read_write(&given, all, &options), -EINVAL);
	given = init;
	given.ttl_ms = 1;
	given.expires_at_ms = 1;
	assert_int_equal(read_write(&given, all, &options), -EINVAL);
	given = init;
	given.if_absent = 1;
	given.if_version = 1;
	assert_int_equal(read_write(&given, all, &options), -EINVAL);
	given = init;
	given.durability = (enum getme_durability)4;
	assert_int_equal(read_write(&given, all, &options), -EINVAL);
	given = init;
	given.ttl_ms = 1;
	assert_int_equal(
		read_write(&given, all & ~(unsigned int)OPT_TTL, &options),
		-EINVAL);
	given.size = 3;
	assert_int_equal(read_write(&given, all, &options), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_given_leaves_the_defaults),
		cmocka_unit_test(test_older_struct_leaves_the_rest),
		cmocka_unit_test(test_newer_struct_must_not_ask_for_more),
		cmocka_unit_test(test_sizes_that_cannot_be),
		cmocka_unit_test(test_write_options_become_a_messages),
		cmocka_unit_test(test_write_options_out_of_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
