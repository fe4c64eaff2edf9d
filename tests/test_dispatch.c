/*
 * Every method, every result of the engine, every refusal.
 */
#include "daemon/dispatch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above */
#include <cmocka.h>

#include "daemon/clock.h"
#include "daemon/results.h"
#include "tests/support/daemon_rig.h"

static struct daemon_rig rig;
static struct client client;
static struct message_reply reply;

static int begin(void **state)
{
	(void)state;
	daemon_rig_init(&rig);
	rig.behaviour.capabilities.value_max = 1 << 20;
	daemon_rig_open(&rig);
	client_open(&client, &rig);
	return 0;
}

static int end(void **state)
{
	(void)state;
	client_close(&client);
	daemon_rig_close(&rig);
	return 0;
}

static struct fake_behaviour *behaviour(void)
{
	return fake_engine_behaviour(rig.engine);
}

/* Sends and waits; the reply stays in `reply` until done(). */
static void ask(struct message_request *request)
{
	uint32_t id = client_send(&client, request);

	client_wait_reply(&client, id, request->method, &reply);
}

static void done(void)
{
	client_end_reply(&client, &reply);
}

static void check_error(struct message_request *request, unsigned int code,
			const char *part)
{
	ask(request);
	assert_int_equal(reply.error.code, code);
	if (!strstr(reply.error.text, part))
		fail_msg("'%s' is not in '%s'", part, reply.error.text);
	done();
}

static struct message_request put_request(const char *key, const char *value)
{
	return (struct message_request){ .method = METHOD_PUT,
					 .key = text_bytes(key),
					 .value = text_bytes(value) };
}

static struct message_request key_request(enum method_id method,
					  const char *key)
{
	return (struct message_request){ .method = method,
					 .key = text_bytes(key) };
}

static uint64_t put(const char *key, const char *value)
{
	struct message_request request = put_request(key, value);
	uint64_t version;

	ask(&request);
	assert_int_equal(reply.error.code, 0);
	assert_false(reply.missing);
	version = reply.version;
	done();
	return version;
}

static uint64_t limit_called(const char *name)
{
	for (size_t i = 0; i < reply.n_limits; i++)
		if (reply.limits[i].name.len == strlen(name) &&
		    memcmp(reply.limits[i].name.data, name, strlen(name)) == 0)
			return reply.limits[i].value;
	fail_msg("no limit %s", name);
	return 0;
}

static void test_hello_tells_limits_and_methods(void **state)
{
	struct message_request hello = { .method = METHOD_HELLO };

	(void)state;
	hello.options.present = OPT_PROTOCOL;
	hello.options.protocol = 1;
	ask(&hello);
	assert_int_equal(reply.error.code, 0);
	assert_int_equal(reply.protocol, 1);
	assert_memory_equal(reply.server.data, "getmed ", 7);
	assert_int_equal(limit_called("key_max"), 65535);
	assert_int_equal(limit_called("value_max"), 1 << 20);
	assert_int_equal(limit_called("batch_ops"), 16384);
	assert_int_equal(limit_called("batch_bytes"), 64 << 20);
	assert_int_equal(limit_called("keys_max"), 16384);
	assert_int_equal(limit_called("reply_bytes"), 64 << 20);
	assert_int_equal(limit_called("pipeline"), LIMITS_PIPELINE);
	assert_int_equal(limit_called("frame_max"), rig.service.frame_max);
	assert_int_equal(reply.n_capabilities, METHOD_COUNT_OF);
	done();
}

static void test_another_protocol_is_refused_with_both_numbers(void **state)
{
	struct message_request hello = { .method = METHOD_HELLO };

	(void)state;
	hello.options.present = OPT_PROTOCOL;
	hello.options.protocol = 9;
	check_error(&hello, MESSAGE_ERROR_VERSION, "protocol 9");
	check_error(&hello, MESSAGE_ERROR_VERSION, "protocol 1");
	hello.options.protocol = 0;
	check_error(&hello, MESSAGE_ERROR_VERSION, "protocol 0");
}

static void test_get_and_stat(void **state)
{
	struct message_request get = key_request(METHOD_GET, "a");
	struct message_request stat = key_request(METHOD_STAT, "a");
	uint64_t version;

	(void)state;
	ask(&get);
	assert_true(reply.missing);
	done();
	ask(&stat);
	assert_true(reply.missing);
	done();
	version = put("a", "value");
	ask(&get);
	assert_int_equal(reply.items[0].version, version);
	assert_int_equal(reply.items[0].expires_at_ms, 0);
	assert_memory_equal(reply.items[0].value.data, "value", 5);
	done();
	ask(&stat);
	assert_int_equal(reply.items[0].version, version);
	assert_int_equal(reply.items[0].size, 5);
	done();
}

static void test_an_empty_value_is_a_value(void **state)
{
	struct message_request get = key_request(METHOD_GET, "a");

	(void)state;
	put("a", "");
	ask(&get);
	assert_false(reply.missing);
	assert_int_equal(reply.items[0].value.len, 0);
	done();
}

static void test_get_many_answers_each_key_in_order(void **state)
{
	struct message_bytes keys[3] = { text_bytes("a"), text_bytes("x"),
					 text_bytes("b") };
	struct message_request many = { .method = METHOD_GET_MANY,
					.keys = keys,
					.n_keys = 3 };

	(void)state;
	put("a", "1");
	put("b", "2");
	ask(&many);
	assert_int_equal(reply.n_items, 3);
	assert_int_equal(reply.items[0].kind, MESSAGE_ITEM_FOUND);
	assert_memory_equal(reply.items[0].value.data, "1", 1);
	assert_int_equal(reply.items[1].kind, MESSAGE_ITEM_MISSING);
	assert_memory_equal(reply.items[2].value.data, "2", 1);
	done();
	many.n_keys = 0;
	ask(&many);
	assert_int_equal(reply.error.code, 0);
	assert_int_equal(reply.n_items, 0);
	done();
	many.n_keys = 3;
	behaviour()->item_result = ENGINE_CORRUPT;
	ask(&many);
	assert_int_equal(reply.items[0].kind, MESSAGE_ITEM_ERROR);
	assert_int_equal(reply.items[0].error_code, MESSAGE_ERROR_CORRUPT);
	done();
}

static void test_put_tells_its_durability(void **state)
{
	struct message_request request = put_request("a", "1");

	(void)state;
	ask(&request);
	assert_int_equal(reply.durability, MESSAGE_DURABILITY_ALWAYS);
	done();
	request.options.present = OPT_DURABILITY;
	for (int level = MESSAGE_DURABILITY_NONE;
	     level <= MESSAGE_DURABILITY_ALWAYS; level++) {
		request.options.durability = (enum message_durability)level;
		ask(&request);
		assert_int_equal(reply.durability, level);
		done();
	}
}

static void test_conditions(void **state)
{
	struct message_request request = put_request("a", "1");
	uint64_t version;

	(void)state;
	request.options.present = OPT_IF_ABSENT;
	ask(&request);
	assert_false(reply.missing);
	version = reply.version;
	done();
	ask(&request);
	assert_int_equal(reply.error.code, 0);
	assert_true(reply.missing);
	done();
	request.options.present = OPT_IF_VERSION;
	request.options.if_version = version + 1;
	ask(&request);
	assert_true(reply.missing);
	done();
	request.options.if_version = version;
	ask(&request);
	assert_false(reply.missing);
	done();
	request.options.present = OPT_IF_VERSION | OPT_IF_ABSENT;
	check_error(&request, MESSAGE_ERROR_BAD_PARAMS, "exclude each other");
}

static uint64_t expiry_of(const char *key)
{
	struct message_request stat = key_request(METHOD_STAT, key);
	uint64_t expires_at_ms;

	ask(&stat);
	assert_false(reply.missing);
	expires_at_ms = reply.items[0].expires_at_ms;
	done();
	return expires_at_ms;
}

static void test_a_ttl_counts_from_now(void **state)
{
	struct message_request request = put_request("a", "1");
	uint64_t before = clock_real_ms();

	(void)state;
	request.options.present = OPT_TTL;
	request.options.ttl_ms = 60000;
	ask(&request);
	done();
	assert_in_range(expiry_of("a"), before + 60000,
			clock_real_ms() + 60000);
	request.options.ttl_ms = UINT64_MAX;
	check_error(&request, MESSAGE_ERROR_BAD_PARAMS, "ttl");
	request.options.present = OPT_EXPIRES_AT;
	request.options.expires_at_ms = before + 5000;
	ask(&request);
	done();
	assert_int_equal(expiry_of("a"), before + 5000);
	request.options.present = OPT_EXPIRES_AT | OPT_TTL;
	request.options.ttl_ms = 1;
	check_error(&request, MESSAGE_ERROR_BAD_PARAMS, "exclude each other");
	/* One without an expiry clears it. */
	put("a", "1");
	assert_int_equal(expiry_of("a"), 0);
}

static void test_touch_and_persist(void **state)
{
	struct message_request touch = key_request(METHOD_TOUCH, "a");

	(void)state;
	touch.options.present = OPT_TTL;
	touch.options.ttl_ms = 60000;
	ask(&touch);
	assert_true(reply.missing);
	done();
	put("a", "1");
	ask(&touch);
	assert_false(reply.missing);
	assert_int_not_equal(reply.version, 0);
	done();
	assert_int_not_equal(expiry_of("a"), 0);
	touch.options.present = OPT_PERSIST;
	ask(&touch);
	done();
	assert_int_equal(expiry_of("a"), 0);
	touch.options.present = 0;
	check_error(&touch, MESSAGE_ERROR_BAD_PARAMS, "exactly one");
	touch.options.present = OPT_PERSIST | OPT_TTL;
	check_error(&touch, MESSAGE_ERROR_BAD_PARAMS, "exactly one");
}

static void test_delete_counts_what_was_there(void **state)
{
	struct message_bytes keys[3] = { text_bytes("a"), text_bytes("x"),
					 text_bytes("b") };
	struct message_request delete = { .method = METHOD_DELETE,
					  .keys = keys,
					  .n_keys = 3 };
	uint64_t version;

	(void)state;
	put("a", "1");
	put("b", "2");
	ask(&delete);
	assert_int_equal(reply.count, 2);
	assert_int_equal(reply.durability, MESSAGE_DURABILITY_ALWAYS);
	done();
	ask(&delete);
	assert_int_equal(reply.count, 0);
	assert_false(reply.missing);
	done();
	version = put("a", "1");
	delete.options.present = OPT_IF_VERSION;
	delete.options.if_version = version;
	check_error(&delete, MESSAGE_ERROR_BAD_PARAMS, "if_version");
	delete.n_keys = 1;
	delete.options.if_version = version + 1;
	ask(&delete);
	assert_true(reply.missing);
	done();
	delete.options.if_version = version;
	ask(&delete);
	assert_int_equal(reply.count, 1);
	done();
	delete.options.present = 0;
	delete.n_keys = 0;
	check_error(&delete, MESSAGE_ERROR_BAD_PARAMS, "empty");
}

static void test_a_batch_is_all_or_nothing(void **state)
{
	struct message_op ops[3] = {
		{ .key = text_bytes("a"), .value = text_bytes("1") },
		{ .key = text_bytes("b"), .is_delete = true },
		{ .key = text_bytes("c"), .value = text_bytes("3") },
	};
	struct message_request batch = { .method = METHOD_BATCH,
					 .ops = ops,
					 .n_ops = 3 };
	struct message_request count = { .method = METHOD_COUNT };

	(void)state;
	put("b", "2");
	ask(&batch);
	assert_int_equal(reply.n_versions, 3);
	assert_int_not_equal(reply.versions[0], 0);
	assert_int_equal(reply.versions[1], 0);
	assert_int_not_equal(reply.versions[2], 0);
	done();
	ops[0].is_delete = true;
	ops[2].options.present = OPT_IF_ABSENT;
	ask(&batch);
	assert_true(reply.condition_failed);
	assert_int_equal(reply.failed_index, 2);
	done();
	ask(&count);
	assert_int_equal(reply.count, 2);
	done();
	batch.n_ops = 0;
	check_error(&batch, MESSAGE_ERROR_BAD_PARAMS, "empty");
}

static void test_incr(void **state)
{
	struct message_request incr = key_request(METHOD_INCR, "n");

	(void)state;
	incr.by = -5;
	ask(&incr);
	assert_int_equal(reply.number, -5);
	assert_int_not_equal(reply.version, 0);
	done();
	incr.by = INT64_MIN;
	check_error(&incr, MESSAGE_ERROR_OVERFLOW, "64 bits");
	put("n", "x");
	check_error(&incr, MESSAGE_ERROR_NOT_INTEGER, "decimal");
}

static void test_clear_count_and_sync(void **state)
{
	struct message_request clear = { .method = METHOD_CLEAR };
	struct message_request count = { .method = METHOD_COUNT };
	struct message_request sync = { .method = METHOD_SYNC };

	(void)state;
	put("a", "1");
	ask(&sync);
	assert_int_equal(reply.error.code, 0);
	done();
	ask(&clear);
	assert_int_equal(reply.error.code, 0);
	done();
	ask(&count);
	assert_int_equal(reply.count, 0);
	done();
}

static void test_compact_and_backup_are_passed_on(void **state)
{
	struct message_request compact = { .method = METHOD_COMPACT };
	struct message_request backup = { .method = METHOD_BACKUP };

	(void)state;
	ask(&compact);
	assert_int_equal(reply.error.code, 0);
	done();
	/* Ends where its length says. */
	backup.path = (struct message_bytes){ "/var/backups/xyz", 12 };
	ask(&backup);
	assert_int_equal(reply.error.code, 0);
	assert_string_equal(behaviour()->path, "/var/backups");
	done();
}

static void test_why_a_backup_failed_is_told(void **state)
{
	static const struct {
		int result;
		unsigned int code;
	} cases[] = {
		{ ENGINE_REFUSED, MESSAGE_ERROR_BAD_PARAMS },
		{ ENGINE_BUSY, MESSAGE_ERROR_BUSY },
		{ -ENOSPC, MESSAGE_ERROR_FULL },
		{ -EIO, MESSAGE_ERROR_IO },
	};
	struct message_request backup = { .method = METHOD_BACKUP,
					  .path = text_bytes("/a") };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		behaviour()->task_result = cases[i].result;
		behaviour()->task_text = "/a: as it is told here";
		check_error(&backup, cases[i].code, "/a: as it is told here");
		behaviour()->task_text = NULL;
		check_error(&backup, cases[i].code,
			    results_text(cases[i].result));
	}
}

static void test_scan_goes_through_all_keys(void **state)
{
	struct message_request scan = { .method = METHOD_SCAN };
	uint8_t cursor[MESSAGE_CURSOR_MAX];
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 25; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%s%d", i % 5 ? "in" : "out", i);
		put(key, "value");
	}
	scan.options.present = OPT_LIMIT | OPT_PREFIX | OPT_VALUES;
	scan.options.limit = 7;
	scan.options.prefix = text_bytes("in");
	scan.options.values = true;
	do {
		ask(&scan);
		assert_int_equal(reply.error.code, 0);
		assert_true(reply.n_items <= 7);
		n += reply.n_items;
		for (size_t i = 0; i < reply.n_items; i++) {
			assert_memory_equal(reply.items[i].key.data, "in", 2);
			assert_int_equal(reply.items[i].value.len, 5);
		}
		if (reply.cursor.len > 0)
			memcpy(cursor, reply.cursor.data, reply.cursor.len);
		scan.cursor.data = cursor;
		scan.cursor.len = reply.cursor.len;
		done();
	} while (scan.cursor.len > 0);
	assert_int_equal(n, 20);
	scan.cursor.data = "short";
	scan.cursor.len = 5;
	check_error(&scan, MESSAGE_ERROR_BAD_CURSOR, "cursor");
	scan.cursor.len = 0;
	scan.options.limit = 16385;
	check_error(&scan, MESSAGE_ERROR_TOO_LARGE, "16384");
}

static const struct message_stat *row_called(const char *name)
{
	for (size_t i = 0; i < reply.n_stats; i++)
		if (reply.stats[i].name.len == strlen(name) &&
		    memcmp(reply.stats[i].name.data, name, strlen(name)) == 0)
			return &reply.stats[i];
	fail_msg("no row %s", name);
	return NULL;
}

static void test_stats_has_the_engines_rows_and_the_daemons(void **state)
{
	struct message_request stats = { .method = METHOD_STATS };
	struct message_request get = key_request(METHOD_GET, "a");

	(void)state;
	put("a", "1");
	ask(&get);
	done();
	ask(&stats);
	assert_int_equal(row_called("keys")->value, 7);
	assert_int_equal(row_called("keys")->kind, MESSAGE_STAT_GAUGE);
	assert_int_equal(row_called("puts_total")->kind, MESSAGE_STAT_COUNTER);
	assert_memory_equal(row_called("engine")->text.data, "fake", 4);
	assert_int_equal(row_called("requests_put_total")->value, 1);
	assert_int_equal(row_called("requests_get_total")->value, 1);
	assert_int_equal(row_called("requests_stats_total")->value, 1);
	assert_int_equal(row_called("errors_total")->value, 0);
	assert_true(row_called("bytes_in_total")->value > 20);
	assert_true(row_called("bytes_out_total")->value > 10);
	assert_true(row_called("get_latency_max_us")->value < 60000000);
	assert_true(row_called("uptime_ms")->value < 60000);
	assert_memory_equal(row_called("state")->text.data, "ok", 2);
	done();
	behaviour()->state = ENGINE_STATE_FULL;
	behaviour()->state_text = "the disk is full";
	ask(&stats);
	assert_memory_equal(row_called("state")->text.data, "full", 4);
	assert_int_equal(row_called("state_text")->text.len, 16);
	done();
}

static void test_keys_and_values_over_the_limits(void **state)
{
	char *large = malloc((1 << 20) + 2);
	struct message_request request;

	(void)state;
	assert_non_null(large);
	memset(large, 'x', (1 << 20) + 1);
	large[(1 << 20) + 1] = '\0';
	request = put_request("a", large);
	check_error(&request, MESSAGE_ERROR_TOO_LARGE,
		    "1048577 bytes is over the limit of 1048576");
	large[1 << 20] = '\0';
	put("a", large);
	large[65536] = '\0';
	request = key_request(METHOD_GET, large);
	check_error(&request, MESSAGE_ERROR_TOO_LARGE, "65536");
	large[65535] = '\0';
	put(large, "1");
	request = key_request(METHOD_GET, "");
	check_error(&request, MESSAGE_ERROR_BAD_PARAMS, "1 to 65535");
	free(large);
}

static void test_a_batch_over_its_bytes_is_refused(void **state)
{
	struct message_op *ops = calloc(65, sizeof(*ops));
	struct message_request batch = { .method = METHOD_BATCH,
					 .ops = ops,
					 .n_ops = 65 };
	char *value = calloc(1, 1 << 20);

	(void)state;
	assert_non_null(ops);
	assert_non_null(value);
	for (int i = 0; i < 65; i++) {
		ops[i].key = text_bytes("key");
		ops[i].value.data = value;
		ops[i].value.len = 1 << 20;
	}
	check_error(&batch, MESSAGE_ERROR_TOO_LARGE, "batch");
	free(value);
	free(ops);
}

static void test_what_the_engine_cannot_do_is_refused_early(void **state)
{
	struct message_bytes keys[2] = { text_bytes("a"), text_bytes("b") };
	struct message_request delete = { .method = METHOD_DELETE,
					  .keys = keys,
					  .n_keys = 2 };
	struct message_request request = put_request("a", "1");

	(void)state;
	rig.service.capabilities.batches = false;
	rig.service.capabilities.conditions = false;
	check_error(&delete, MESSAGE_ERROR_UNSUPPORTED, "more than one");
	request.options.present = OPT_IF_ABSENT;
	check_error(&request, MESSAGE_ERROR_UNSUPPORTED, "conditions");
	delete.n_keys = 1;
	ask(&delete);
	assert_int_equal(reply.error.code, 0);
	done();
	assert_int_equal(fake_engine_n_answered(rig.engine), 1);
}

static const struct {
	int result;
	unsigned int code;
} mapped[] = {
	{ ENGINE_NOT_FOUND, MESSAGE_ERROR_INTERNAL },
	{ ENGINE_CORRUPT, MESSAGE_ERROR_CORRUPT },
	{ ENGINE_NOT_INTEGER, MESSAGE_ERROR_NOT_INTEGER },
	{ ENGINE_OVERFLOW, MESSAGE_ERROR_OVERFLOW },
	{ ENGINE_UNKNOWN, MESSAGE_ERROR_UNKNOWN_OUTCOME },
	{ ENGINE_READ_ONLY, MESSAGE_ERROR_READ_ONLY },
	{ ENGINE_DEADLINE, MESSAGE_ERROR_DEADLINE },
	{ ENGINE_UNSUPPORTED, MESSAGE_ERROR_UNSUPPORTED },
	{ ENGINE_TOO_LARGE, MESSAGE_ERROR_TOO_LARGE },
	{ ENGINE_BAD_CURSOR, MESSAGE_ERROR_BAD_CURSOR },
	{ ENGINE_CLOSED, MESSAGE_ERROR_CLOSING },
	{ 99, MESSAGE_ERROR_INTERNAL },
	{ -ENOSPC, MESSAGE_ERROR_FULL },
	{ -ENOMEM, MESSAGE_ERROR_NO_MEMORY },
	{ -EIO, MESSAGE_ERROR_IO },
	{ -EMFILE, MESSAGE_ERROR_BUSY },
	{ -EINVAL, MESSAGE_ERROR_INTERNAL },
	{ -EACCES, MESSAGE_ERROR_IO },
};

static void test_every_result_of_a_write_has_its_code(void **state)
{
	struct message_request request = put_request("a", "1");

	(void)state;
	for (size_t i = 0; i < sizeof(mapped) / sizeof(mapped[0]); i++) {
		behaviour()->every_result = mapped[i].result;
		check_error(&request, mapped[i].code,
			    results_text(mapped[i].result));
	}
	behaviour()->every_result = ENGINE_CONDITION;
	ask(&request);
	assert_true(reply.missing);
	done();
}

static void test_every_result_of_a_read_has_its_code(void **state)
{
	struct message_request get = key_request(METHOD_GET, "a");
	struct message_request count = { .method = METHOD_COUNT };

	(void)state;
	for (size_t i = 1; i < sizeof(mapped) / sizeof(mapped[0]); i++) {
		behaviour()->every_result = mapped[i].result;
		check_error(&get, mapped[i].code,
			    results_text(mapped[i].result));
		check_error(&count, mapped[i].code,
			    results_text(mapped[i].result));
	}
	behaviour()->every_result = ENGINE_NOT_FOUND;
	ask(&get);
	assert_true(reply.missing);
	done();
}

static void test_an_unknown_outcome_is_told_as_such(void **state)
{
	struct message_request request = put_request("a", "1");
	struct message_request get = key_request(METHOD_GET, "a");
	int n_applied = 0;

	(void)state;
	behaviour()->write_result = ENGINE_UNKNOWN;
	for (int i = 0; i < 20; i++)
		check_error(&request, MESSAGE_ERROR_UNKNOWN_OUTCOME, "may be");
	ask(&get);
	n_applied = !reply.missing;
	done();
	assert_int_equal(n_applied, 1);
}

static void test_texts_of_results_fit_an_error(void **state)
{
	(void)state;
	for (int result = -200; result < 50; result++)
		assert_true(strlen(results_text(result)) <
			    MESSAGE_ERROR_TEXT_MAX);
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_hello_tells_limits_and_methods),
		EACH(test_another_protocol_is_refused_with_both_numbers),
		EACH(test_get_and_stat),
		EACH(test_an_empty_value_is_a_value),
		EACH(test_get_many_answers_each_key_in_order),
		EACH(test_put_tells_its_durability),
		EACH(test_conditions),
		EACH(test_a_ttl_counts_from_now),
		EACH(test_touch_and_persist),
		EACH(test_delete_counts_what_was_there),
		EACH(test_a_batch_is_all_or_nothing),
		EACH(test_incr),
		EACH(test_clear_count_and_sync),
		EACH(test_compact_and_backup_are_passed_on),
		EACH(test_why_a_backup_failed_is_told),
		EACH(test_scan_goes_through_all_keys),
		EACH(test_stats_has_the_engines_rows_and_the_daemons),
		EACH(test_keys_and_values_over_the_limits),
		EACH(test_a_batch_over_its_bytes_is_refused),
		EACH(test_what_the_engine_cannot_do_is_refused_early),
		EACH(test_every_result_of_a_write_has_its_code),
		EACH(test_every_result_of_a_read_has_its_code),
		EACH(test_an_unknown_outcome_is_told_as_such),
		EACH(test_texts_of_results_fit_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
